/* How a held run goes on: events, the way to the flush and back. */
#include "engine/runs.h"

#include <assert.h>

#include "engine/account.h"
#include "engine/after.h"
#include "engine/commands.h"
#include "engine/effects.h"
#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/held_private.h"
#include "engine/ids.h"
#include "engine/lease.h"
#include "engine/load.h"
#include "engine/slots.h"
#include "engine/timers.h"

#define RELEASE_AT_US  1000000 /* a longer wait than this is waited for in the database */
#define SNAPSHOT_FACTS 20000   /* so many at most are read when a run is taken over */

/* ---- going on ---- */

enum mr_run_status mr_held_status(const struct mr_held *h)
{
	return h->failed_by_hand ? MR_RUN_FAILED : mr_run_status(h->run);
}

static void abort_unwanted(struct mr_held *h, struct mr_outcome *o)
{
	for (size_t i = 0; i < o->out.aborts_len; i++)
		mr_effect_abort(h, &o->out.aborts[i]);
	o->out.aborts_len = 0;
}

/* Nothing is under way and nothing will be before its time comes. */
static bool only_waits(const struct mr_held *h, int64_t now_us)
{
	int64_t wake_at_us;

	if (mr_effects_untold(h))
		return false;
	if (mr_run_status(h->run) == MR_RUN_PAUSED)
		return true; /* what a former owner had under way begins again when it is resumed */
	if (mr_run_in_flight(h->run) > 0)
		return false;
	wake_at_us = mr_run_wake_at(h->run);
	if (wake_at_us != 0)
		return wake_at_us - now_us > RELEASE_AT_US;
	return mr_run_awaiting(h->run) > 0;
}

/* After a decision: on to the flush, to the clock, or out. */
static void settle(struct mr_held *h)
{
	struct mr_engine *e = h->engine;
	const struct mr_outcome *o = h->pending;

	if (o != NULL && (o->out.facts_len > 0 || o->out.effects_len > 0 || o->commands_len > 0)) {
		mr_flush_add(e->flush, h);
		return;
	}
	h->pending = mr_outcome_free(e->runs, h->pending);
	if (h->sent != NULL)
		return; /* looked at again when it has landed */
	if (only_waits(h, mr_engine_now_us(e)))
		mr_flush_add(e->flush, h); /* to be released */
	else
		mr_timers_set(e->timers, h, mr_run_wake_at(h->run));
}

void mr_held_touch(struct mr_held *h)
{
	settle(h);
}

/* R is what the state machine failed with. */
static void cannot_go_on(struct mr_held *h, int r)
{
	switch (r) {
	case MR_E_IO:
		mr_load_add_later(h->engine->load, h);
		break;
	case MR_E_CONFLICT:
		mr_held_fail(h, "limit", MR_HELD_RESULT_GONE);
		break;
	case MR_E_LIMIT:
	case MR_E_NOMEM:
		mr_held_fail(h, "limit", "The run needs more memory than a run may have.");
		break;
	default:
		mr_held_fail(h, "internal", "The engine could not decide what comes next.");
		break;
	}
}

void mr_held_event(struct mr_held *h, const struct mr_run_event *ev)
{
	struct mr_engine *e = h->engine;
	struct mr_outcome *o;
	int r;

	if (h->resting && ev->kind == MR_RUN_EVENT_WAKE) {
		mr_load_add(e->load, h);
		return;
	}
	if (h->phase != MR_HELD_LIVE || h->leaving || h->run == NULL ||
	    mr_run_is_terminal(mr_run_status(h->run)))
		return;
	o = mr_held_outcome(h);
	if (o == NULL) {
		mr_load_add(e->load, h);
		return;
	}
	r = mr_run_advance(h->run, ev, mr_engine_now_us(e), &e->rand, &o->out);
	if (mr_ids_were_dry(e->ids)) {
		mr_load_add(e->load, h); /* nothing of it may be written; later with ids */
		return;
	}
	if (r < 0) {
		cannot_go_on(h, r);
		return;
	}
	h->rests = 0;
	abort_unwanted(h, o);
	settle(h);
}

int mr_held_restart_effects(struct mr_held *h, bool reread)
{
	struct mr_outcome *o = mr_held_outcome(h);
	size_t before = o != NULL ? o->out.effects_len : 0;
	int r = MR_E_NOMEM;

	if (o != NULL)
		r = mr_run_restart_effects(h->run, mr_engine_now_us(h->engine), &o->out);
	if (r == MR_E_IO) {
		mr_load_add_later(h->engine->load, h);
		return r;
	}
	if (r < 0) {
		mr_held_fail(
		    h, "internal", "The engine could not find out which steps are under way.");
		return MR_E_INVALID;
	}
	if (reread)
		mr_effects_keep(h, o->out.effects, o->out.effects_len);
	mr_effects_leave_out(h, &o->out, before);
	return 0;
}

/* ---- to the flush and back ---- */

static int progress(const struct mr_held *h)
{
	unsigned done = 0, total = 0;

	if (mr_run_status(h->run) == MR_RUN_COMPLETED)
		return 100;
	mr_run_progress(h->run, &done, &total);
	return total == 0 ? 0 : (int)((uint64_t)done * 100 / total);
}

static int text_of(struct mr_arena *a, const struct mr_value *v, struct mr_str *ret)
{
	*ret = mr_json_text(a, v);
	return ret->p == NULL ? MR_E_NOMEM : 0;
}

static int fill_end(struct mr_held *h, struct mr_arena *a)
{
	struct mr_run_row *row = &h->row;
	const struct mr_run_out *out = &h->pending->out;
	struct mr_value v;

	row->released = true;
	row->ended_at_us = out->facts_len > 0 ? out->facts[out->facts_len - 1].at_us : 0;
	for (size_t i = 0; i < out->facts_len; i++) {
		if (out->facts[i].kind == MR_FACT_CANCELLED)
			row->cancelled_by = mr_value_get_str(&out->facts[i].data, "by");
	}
	if (h->failed_by_hand) {
		if (mr_held_error_value(h, a, &v) < 0)
			return MR_E_NOMEM;
		return text_of(a, &v, &row->error);
	}
	if (row->status == MR_RUN_COMPLETED) {
		v = mr_run_result(h->run);
		return text_of(a, &v, &row->result);
	}
	v = mr_run_error(h->run);
	return v.kind == MR_VALUE_NULL ? 0 : text_of(a, &v, &row->error);
}

static int fill_snapshot(struct mr_held *h, struct mr_arena *a)
{
	struct mr_value snapshot;

	if (mr_run_snapshot(h->run, a, &snapshot) < 0)
		return MR_E_NOMEM;
	return text_of(a, &snapshot, &h->row.snapshot);
}

static int fill_release(struct mr_held *h, struct mr_arena *a)
{
	h->row.released = true;
	h->row.wake_at_us = h->row.status == MR_RUN_PAUSED ? 0 : mr_run_wake_at(h->run);
	return fill_snapshot(h, a);
}

/* When it was started, if that is among what goes out. */
static void note_start(struct mr_held *h)
{
	const struct mr_run_out *out = &h->pending->out;

	for (size_t i = 0; i < out->facts_len && h->started_at_us == 0; i++) {
		if (out->facts[i].kind == MR_FACT_STARTED)
			h->started_at_us = out->facts[i].at_us;
	}
}

/* Only when they have changed. */
static int fill_vars(struct mr_held *h, struct mr_arena *a)
{
	struct mr_value vars = h->run != NULL ? mr_run_vars(h->run) : MR_NULL_VALUE;

	if (vars.kind != MR_VALUE_MAP || vars.map == h->vars)
		return 0;
	h->vars = vars.map;
	return text_of(a, &vars, &h->row.vars);
}

static int fill_row(struct mr_held *h, struct mr_arena *a)
{
	note_start(h);
	h->row = (struct mr_run_row){
		.status = mr_held_status(h),
		.base_seq = h->seq,
		.seq = h->seq + (unsigned)h->pending->out.facts_len,
		.progress = h->failed_by_hand ? 0 : progress(h),
	};
	if (fill_vars(h, a) < 0)
		return MR_E_NOMEM;
	if (mr_run_is_terminal(h->row.status))
		return fill_end(h, a);
	h->row.awaits = (int64_t)mr_run_awaiting(h->run);
	if (h->wants_slot)
		return 0; /* it is taken, and goes on once it has its place */
	if (h->pending->out.effects_len == 0 && only_waits(h, mr_engine_now_us(h->engine)))
		return fill_release(h, a);
	if (h->row.seq - h->state_seq >= SNAPSHOT_FACTS)
		return fill_snapshot(h, a);
	return 0;
}

int mr_held_take(struct mr_held *h)
{
	struct mr_outcome *o = mr_held_outcome(h);

	assert(h->sent == NULL);
	if (o == NULL || fill_row(h, o->out.arena) < 0)
		return MR_E_NOMEM;
	h->sent = o;
	h->pending = NULL;
	h->leaving = h->row.released;
	return 0;
}

static void start_effects(struct mr_held *h, const struct mr_run_out *out)
{
	for (size_t i = 0; i < out->effects_len; i++) {
		if (out->effects[i].step >= 0) /* not aborted meanwhile */
			mr_effect_start(h, &out->effects[i]);
	}
}

static void go_on(struct mr_held *h)
{
	struct mr_engine *e = h->engine;
	struct mr_outcome *o = h->sent;

	h->sent = NULL;
	start_effects(h, &o->out);
	(void)mr_outcome_free(e->runs, o);
	if (h->phase == MR_HELD_LIVE)
		settle(h);
}

/* It has been taken, and nothing else. */
static void ask_slot(struct mr_held *h)
{
	h->wants_slot = false;
	h->sent = mr_outcome_free(h->engine->runs, h->sent);
	if (mr_slots_ask(h->engine->slots, h) == 0)
		mr_slots_kick(h->engine->slots);
}

void mr_held_landed(struct mr_held *h)
{
	struct mr_engine *e = h->engine;
	bool unsure = h->sent->out.effects_len > 0 && !mr_lease_holds(e->lease);

	h->seq = h->row.seq;
	if (h->row.snapshot.p != NULL)
		h->state_seq = h->row.seq;
	mr_commands_landed(h);
	if (!h->is_taken)
		h->fence++; /* as the flush did */
	h->is_taken = true;
	mr_account(h);
	mr_after_landed(h);
	mr_effects_committed(h, h->sent);
	if (h->row.released && h->row.wake_at_us > 0)
		mr_timers_claim_at(e->timers, h->row.wake_at_us);
	if (h->row.released)
		mr_held_drop(h);
	else if (h->reread || unsure)
		mr_held_refused(h);
	else if (h->wants_slot)
		ask_slot(h);
	else
		go_on(h);
}

void mr_held_refused(struct mr_held *h)
{
	h->sent = mr_outcome_free(h->engine->runs, h->sent);
	h->leaving = false;
	h->reread = false;
	mr_load_add(h->engine->load, h);
}
