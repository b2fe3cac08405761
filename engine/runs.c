#include "engine/runs.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/account.h"
#include "engine/effects.h"
#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/ids.h"
#include "engine/load.h"
#include "engine/lease.h"
#include "engine/metrics.h"
#include "engine/run_row.h"
#include "engine/timers.h"
#include "lib/log.h"

#define BUCKETS        16384 /* a power of two */
#define RUN_MAX        ((size_t)256 * 1024 * 1024)
#define FREE_MAX       2048 /* arenas and outcomes kept for reuse */
#define RELEASE_AT_US  1000000 /* a longer wait than this is waited for in the database */

struct mr_runs {
	struct mr_engine *engine;
	struct mr_held *buckets[BUCKETS];
	size_t len;
	struct mr_arena *arenas[FREE_MAX];
	size_t arenas_len;
	struct mr_outcome *outcomes;
	size_t outcomes_len;
};

struct mr_runs *mr_runs_create(struct mr_engine *e)
{
	struct mr_runs *r = calloc(1, sizeof(*r));

	if (r != NULL)
		r->engine = e;
	return r;
}

struct mr_runs *mr_runs_free(struct mr_runs *r)
{
	if (r == NULL)
		return NULL;
	while (r->arenas_len > 0)
		(void)mr_arena_free(r->arenas[--r->arenas_len]);
	while (r->outcomes != NULL) {
		struct mr_outcome *o = r->outcomes;

		r->outcomes = o->next;
		(void)mr_arena_free(o->out.arena);
		free(o);
	}
	free(r);
	return NULL;
}

size_t mr_runs_len(const struct mr_runs *r)
{
	return r->len;
}

/* ---- arenas and outcomes, reused ---- */

static struct mr_arena *arena_get(struct mr_runs *r)
{
	if (r->arenas_len > 0)
		return r->arenas[--r->arenas_len];
	return mr_arena_create(RUN_MAX);
}

static void arena_put(struct mr_runs *r, struct mr_arena *a)
{
	if (a == NULL)
		return;
	if (r->arenas_len == FREE_MAX) {
		(void)mr_arena_free(a);
		return;
	}
	mr_arena_reset(a);
	r->arenas[r->arenas_len++] = a;
}

static struct mr_outcome *outcome_get(struct mr_runs *r)
{
	struct mr_outcome *o = r->outcomes;

	if (o != NULL) {
		r->outcomes = o->next;
		r->outcomes_len--;
		return o;
	}
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return NULL;
	o->out.arena = mr_arena_create(RUN_MAX);
	if (o->out.arena == NULL) {
		free(o);
		return NULL;
	}
	return o;
}

struct mr_outcome *mr_outcome_free(struct mr_runs *r, struct mr_outcome *o)
{
	struct mr_arena *arena;

	if (o == NULL)
		return NULL;
	arena = o->out.arena;
	if (r->outcomes_len == FREE_MAX) {
		(void)mr_arena_free(arena);
		free(o);
		return NULL;
	}
	mr_arena_reset(arena);
	*o = (struct mr_outcome){ .next = r->outcomes };
	o->out.arena = arena;
	r->outcomes = o;
	r->outcomes_len++;
	return NULL;
}

/* ---- the table ---- */

static struct mr_held **bucket(const struct mr_runs *r, int64_t id)
{
	uint64_t h = (uint64_t)id * 0x9e3779b97f4a7c15u;

	return (struct mr_held **)&r->buckets[h >> 32 & (BUCKETS - 1)];
}

struct mr_held *mr_runs_find(const struct mr_runs *r, int64_t id)
{
	struct mr_held *h = *bucket(r, id);

	while (h != NULL && h->id != id)
		h = h->hash_next;
	return h;
}

void mr_runs_each(struct mr_runs *r, void (*fn)(struct mr_held *h))
{
	for (size_t i = 0; i < BUCKETS; i++) {
		struct mr_held *h = r->buckets[i];

		while (h != NULL) {
			struct mr_held *next = h->hash_next;

			fn(h);
			h = next;
		}
	}
}

static void table_remove(struct mr_runs *r, struct mr_held *h)
{
	struct mr_held **at = bucket(r, h->id);

	while (*at != h)
		at = &(*at)->hash_next;
	*at = h->hash_next;
	r->len--;
}

/* ---- life of a held run ---- */

static void held_free(struct mr_held *h)
{
	struct mr_runs *r = h->engine->runs;

	h->pending = mr_outcome_free(r, h->pending);
	h->sent = mr_outcome_free(r, h->sent);
	h->definition = mr_definition_unref(h->engine->definitions, h->definition);
	arena_put(r, h->arena);
	free(h);
}

/* Out of everything but flush and load that point to it. */
static void detach(struct mr_held *h)
{
	struct mr_engine *e = h->engine;

	table_remove(e->runs, h);
	mr_timers_remove(e->timers, h);
	mr_flush_remove(e->flush, h);
	mr_load_remove(e->load, h);
	h->dropped = true;
	if (h->busy == 0)
		held_free(h);
}

void mr_held_drop(struct mr_held *h)
{
	mr_effects_abort_all(h);
	detach(h);
}

void mr_held_release(struct mr_held *h)
{
	assert(h->busy > 0);
	if (--h->busy == 0 && h->dropped)
		held_free(h);
}

struct mr_held *mr_held_create(struct mr_runs *r, int64_t id)
{
	struct mr_held *h = calloc(1, sizeof(*h)), *old = mr_runs_find(r, id);
	struct mr_held **at = bucket(r, id);

	if (h == NULL)
		return NULL;
	h->engine = r->engine;
	h->id = id;
	h->arena = arena_get(r);
	if (h->arena == NULL) {
		free(h);
		return NULL;
	}
	if (old != NULL) { /* it was taken from us and came back, or its claim was lost and repeated */
		mr_effects_move(old, h);
		detach(old);
	}
	h->hash_next = *at;
	*at = h;
	r->len++;
	return h;
}

int mr_held_clear(struct mr_held *h)
{
	struct mr_runs *r = h->engine->runs;
	struct mr_arena *fresh = arena_get(r);

	if (fresh == NULL)
		return MR_E_NOMEM;
	mr_timers_remove(h->engine->timers, h);
	mr_flush_remove(h->engine->flush, h);
	mr_effects_forget_told(h);
	h->pending = mr_outcome_free(r, h->pending);
	h->sent = mr_outcome_free(r, h->sent);
	h->run = NULL;
	h->failed_by_hand = false;
	h->leaving = false;
	h->input = h->correlation_id = h->traceparent = h->waiter = MR_STR_NONE;
	arena_put(r, h->arena);
	h->arena = fresh;
	return 0;
}

static int parse_input(struct mr_held *h, struct mr_value *ret)
{
	if (h->input.p == NULL) {
		struct mr_map *empty = mr_map_create(h->arena, 0);

		if (empty == NULL)
			return MR_E_NOMEM;
		*ret = mr_value_map(empty);
		return 0;
	}
	return mr_json_parse(h->arena, h->input, &mr_run_json_limits, NULL, ret);
}

int mr_held_open(struct mr_held *h)
{
	struct mr_run_info info = {
		.id = h->id,
		.workflow_id = h->workflow_id,
		.tenant_id = h->tenant_id,
		.workflow_name = h->definition->name,
		.version = h->version,
		.created_at_us = h->created_at_us,
		.env_lookup = mr_env_lookup,
		.env_ctx = &h->engine->env,
	};
	int r = parse_input(h, &info.input);

	if (r < 0)
		return r;
	return mr_run_create(
	    h->arena, h->definition->graph, &info, mr_ids_next, h->engine->ids, &h->run);
}

/* ---- going on ---- */

enum mr_run_status mr_held_status(const struct mr_held *h)
{
	return h->failed_by_hand ? MR_RUN_FAILED : mr_run_status(h->run);
}

struct mr_outcome *mr_held_outcome(struct mr_held *h)
{
	if (h->pending == NULL)
		h->pending = outcome_get(h->engine->runs);
	return h->pending;
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
	return wake_at_us != 0 && wake_at_us - now_us > RELEASE_AT_US;
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

void mr_held_event(struct mr_held *h, const struct mr_run_event *ev)
{
	struct mr_engine *e = h->engine;
	struct mr_outcome *o;
	int r;

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
		mr_held_fail(h, r == MR_E_LIMIT || r == MR_E_NOMEM ? "limit" : "internal",
		    r == MR_E_LIMIT || r == MR_E_NOMEM ? "The run needs more memory than a run may have."
						       : "The engine could not decide what comes next.");
		return;
	}
	abort_unwanted(h, o);
	settle(h);
}

int mr_held_restart_effects(struct mr_held *h, bool reread)
{
	struct mr_outcome *o = mr_held_outcome(h);
	size_t before = o != NULL ? o->out.effects_len : 0;

	if (o == NULL || mr_run_restart_effects(h->run, mr_engine_now_us(h->engine), &o->out) < 0) {
		mr_held_fail(h, "internal", "The engine could not find out which steps are under way.");
		return MR_E_INVALID;
	}
	if (reread)
		mr_effects_keep(h, o->out.effects, o->out.effects_len);
	mr_effects_leave_out(h, &o->out, before);
	return 0;
}

/* ---- what can't go on ---- */

void mr_held_fail(struct mr_held *h, const char *type, const char *message)
{
	struct mr_engine *e = h->engine;

	h->fail_tries++;
	(void)snprintf(h->fail_type, sizeof(h->fail_type), "%s", type);          /* cut is fine */
	(void)snprintf(h->fail_message, sizeof(h->fail_message), "%s", message); /* cut is fine */
	mr_log(MR_LOG_ERROR, "run can't go on", MR_F_N("run_id", h->id), MR_F_N("attempt", h->fail_tries),
	    MR_F_Z("type", type), MR_F_Z("reason", message));
	if (h->fail_tries == 1)
		mr_metric_add(e->metrics, MR_METRIC_POISONED, NULL, 1);
	mr_load_add(e->load, h);
}

static int error_value(struct mr_held *h, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_map *error = mr_map_create(a, 4);

	if (error == NULL)
		return MR_E_NOMEM;
	error->members[0] = (struct mr_member){ mr_value_strz("type"), mr_value_strz(h->fail_type) };
	error->members[1] = (struct mr_member){ mr_value_strz("message"), mr_value_strz(h->fail_message) };
	error->members[2] = (struct mr_member){ mr_value_strz("step"), MR_NULL_VALUE };
	error->members[3] = (struct mr_member){ mr_value_strz("attempt"), mr_value_int(0) };
	if (mr_map_seal(a, error) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(error);
	return 0;
}

static int fact_data(struct mr_held *h, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_map *data = mr_map_create(a, 1);

	if (data == NULL || error_value(h, a, &data->members[0].value) < 0)
		return MR_E_NOMEM;
	data->members[0].key = mr_value_strz("error");
	if (mr_map_seal(a, data) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(data);
	return 0;
}

int mr_held_fail_by_hand(struct mr_held *h)
{
	struct mr_outcome *o = mr_held_outcome(h);
	struct mr_fact *fact = o != NULL ? mr_arena_zalloc(o->out.arena, sizeof(*fact)) : NULL;

	if (fact == NULL || fact_data(h, o->out.arena, &fact->data) < 0)
		return MR_E_NOMEM;
	fact->kind = MR_FACT_FAILED;
	fact->step = -1;
	fact->seq = h->seq + 1;
	fact->id = mr_ids_next(h->engine->ids);
	fact->at_us = mr_engine_now_us(h->engine);
	fact->duration_us = -1;
	if (mr_ids_were_dry(h->engine->ids))
		return MR_E_NOMEM;
	o->out.facts = fact;
	o->out.facts_len = o->out.facts_cap = 1;
	o->out.effects_len = 0;
	h->failed_by_hand = true;
	h->phase = MR_HELD_LIVE;
	mr_effects_abort_all(h);
	mr_flush_add(h->engine->flush, h);
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
		if (error_value(h, a, &v) < 0)
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

static int fill_release(struct mr_held *h, struct mr_arena *a)
{
	struct mr_value snapshot;

	h->row.released = true;
	h->row.wake_at_us = h->row.status == MR_RUN_PAUSED ? 0 : mr_run_wake_at(h->run);
	if (mr_run_snapshot(h->run, a, &snapshot) < 0)
		return MR_E_NOMEM;
	return text_of(a, &snapshot, &h->row.snapshot);
}

static int fill_row(struct mr_held *h, struct mr_arena *a)
{
	h->row = (struct mr_run_row){
		.status = mr_held_status(h),
		.base_seq = h->seq,
		.seq = h->seq + (unsigned)h->pending->out.facts_len,
		.progress = h->failed_by_hand ? 0 : progress(h),
	};
	if (mr_run_is_terminal(h->row.status))
		return fill_end(h, a);
	if (h->pending->out.effects_len == 0 && only_waits(h, mr_engine_now_us(h->engine)))
		return fill_release(h, a);
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

void mr_held_landed(struct mr_held *h)
{
	struct mr_engine *e = h->engine;
	bool unsure = h->sent->out.effects_len > 0 && !mr_lease_holds(e->lease);

	h->seq = h->row.seq;
	for (unsigned i = 0; i < h->sent->commands_len; i++)
		h->obeyed[h->obeyed_at++ % MR_HELD_OBEYED] = h->sent->commands[i];
	mr_account(h);
	mr_effects_committed(h, h->sent);
	if (h->row.released && h->row.wake_at_us > 0)
		mr_timers_claim_at(e->timers, h->row.wake_at_us);
	if (h->row.released)
		mr_held_drop(h);
	else if (h->reread || unsure)
		mr_held_refused(h);
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
