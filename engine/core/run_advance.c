/* Deciding: what an event means for a run, and what can go on after it. */
#include "engine/core/run_private.h"

#include <stdio.h>

/* Steps carried out in one call: more go on in the next, so that one run can't hold up others. */
#define STEPS_PER_CALL 10000

/* ---- the end of a run ---- */

static int end_with_error(struct mr_turn *t, enum mr_fact_kind kind, struct mr_value error)
{
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "error", error);
	return mr_turn_fact(t, kind, -1, &f, -1);
}

static int fail_run(struct mr_turn *t, struct mr_value error)
{
	int r = mr_turn_cancel_active(t, -1, "failed");

	return r == 0 ? end_with_error(t, MR_FACT_FAILED, error) : r;
}

/* An error that no step has: {type, message}. */
static int run_error(struct mr_turn *t, const char *type, const char *message, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };
	struct mr_str text = mr_arena_str(t->run->arena, mr_str(message));

	if (text.p == NULL)
		return MR_E_NOMEM;
	mr_fields_put(&f, "type", mr_value_strz(type));
	mr_fields_put(&f, "message", mr_value_str(text));
	return mr_fields_map(t->run->arena, &f, ret);
}

static int time_out(struct mr_turn *t)
{
	struct mr_value error;
	char message[100];
	int r;

	(void)snprintf(message, sizeof(message), "the run did not end within %g seconds",
	    (double)t->run->g->timeout_us / 1e6);
	r = run_error(t, "timeout", message, &error);
	if (r == 0)
		r = mr_turn_cancel_active(t, -1, "timed_out");
	return r == 0 ? end_with_error(t, MR_FACT_TIMED_OUT, error) : r;
}

static int complete_run(struct mr_turn *t)
{
	struct mr_fields none = { .len = 0 };
	struct mr_expr_error err = { .message = "" };
	struct mr_value error;
	char message[300];
	int r = mr_run_make_result(t->run, t->now, &err);

	if (r == 0)
		return mr_turn_fact(t, MR_FACT_COMPLETED, -1, &none, -1);
	if (r == MR_E_NOMEM)
		return r;
	(void)snprintf(message, sizeof(message), "output: %s", err.message);
	r = run_error(t, "expression", message, &error);
	return r == 0 ? fail_run(t, error) : r;
}

/* ---- going on ---- */

static int start_run(struct mr_turn *t)
{
	struct mr_fields none = { .len = 0 };

	return mr_turn_fact(t, MR_FACT_STARTED, -1, &none, -1);
}

/* Steps whose time has come. */
static int wake_steps(struct mr_turn *t)
{
	struct mr_run *run = t->run;
	int r = 0;

	for (int i = mr_run_first(run->timed, run->words, 0); i >= 0 && r == 0;
	     i = mr_run_first(run->timed, run->words, (unsigned)i + 1))
		if (run->steps[i].wake_at <= t->now)
			r = mr_turn_waited(t, (unsigned)i);
	return r;
}

static int take_step(struct mr_turn *t, unsigned i)
{
	t->budget--;
	if (t->run->steps[i].status == MR_STEP_RUNNING)
		return mr_turn_settle(t, i);
	return mr_turn_begin(t, i);
}

static int go_on(struct mr_turn *t)
{
	struct mr_run *run = t->run;
	int r = run->started ? 0 : start_run(t);
	bool woken = false;

	while (r == 0 && !mr_run_is_terminal(run->status) && t->budget > 0) {
		int ready;

		if (run->failed_step >= 0) {
			r = fail_run(t, run->steps[run->failed_step].error);
		} else if (run->top_left == 0) {
			r = complete_run(t);
		} else if (run->deadline_at > 0 && t->now >= run->deadline_at) {
			r = time_out(t);
		} else if ((ready = mr_run_first(run->ready, run->words, 0)) >= 0) {
			r = take_step(t, (unsigned)ready);
		} else if (!woken) {
			woken = true;
			r = wake_steps(t);
		} else {
			break;
		}
	}
	return r;
}

/* ---- events ---- */

/* The step whose effect has ended, or NULL when nobody waits for it any more. */
static const struct mr_step_state *effect_of(
    const struct mr_run *run, const struct mr_run_event *ev)
{
	const struct mr_step_state *st;

	if (ev->step < 0 || (size_t)ev->step >= run->g->steps_len)
		return NULL;
	st = &run->steps[ev->step];
	if (st->status != MR_STEP_RUNNING || st->attempt != ev->attempt ||
	    mr_step_type_kind(run->g->steps[ev->step].type) != MR_STEP_OUTSIDE)
		return NULL;
	return st;
}

static int64_t took(
    const struct mr_turn *t, const struct mr_step_state *st, const struct mr_run_event *ev)
{
	if (ev->duration_us >= 0)
		return ev->duration_us;
	return t->now > st->began_at ? t->now - st->began_at : 0;
}

static int on_step_done(struct mr_turn *t, const struct mr_run_event *ev)
{
	const struct mr_step_state *st = effect_of(t->run, ev);

	if (st == NULL)
		return 0;
	return mr_turn_complete(t, (unsigned)ev->step, &ev->data, NULL, took(t, st, ev));
}

static int on_step_failed(struct mr_turn *t, const struct mr_run_event *ev)
{
	const struct mr_step_state *st = effect_of(t->run, ev);
	struct mr_failure f = { .given = &ev->data, .retryable = ev->retryable };

	if (st == NULL)
		return 0;
	f.duration_us = took(t, st, ev);
	return mr_turn_fail(t, (unsigned)ev->step, &f);
}

/* {by, reason} of whoever asked, into the fact. */
static int put_who(struct mr_turn *t, struct mr_fields *f, const struct mr_run_event *ev)
{
	static const char *const members[] = { "by", "reason" };

	for (size_t i = 0; i < MR_ARRAY_LEN(members); i++) {
		const struct mr_value *v = mr_value_get(&ev->data, members[i]);
		struct mr_value copy = MR_NULL_VALUE;

		if (v != NULL && mr_value_copy(t->out->arena, v, &copy) < 0)
			return MR_E_NOMEM;
		mr_fields_put(f, members[i], copy);
	}
	return 0;
}

static int command(struct mr_turn *t, const struct mr_run_event *ev, enum mr_fact_kind kind)
{
	struct mr_fields f = { .len = 0 };

	if (put_who(t, &f, ev) < 0)
		return MR_E_NOMEM;
	if (kind == MR_FACT_RESUMED)
		f.len = 1; /* it has no reason */
	return mr_turn_fact(t, kind, -1, &f, -1);
}

static int on_cancel(struct mr_turn *t, const struct mr_run_event *ev)
{
	int r = mr_turn_cancel_active(t, -1, "cancelled");

	return r == 0 ? command(t, ev, MR_FACT_CANCELLED) : r;
}

static int on_fail(struct mr_turn *t, const struct mr_run_event *ev)
{
	struct mr_value error;

	if (mr_value_copy(t->run->arena, &ev->data, &error) < 0)
		return MR_E_NOMEM;
	return fail_run(t, error);
}

static int take_event(struct mr_turn *t, const struct mr_run_event *ev)
{
	bool is_paused = t->run->status == MR_RUN_PAUSED;

	switch (ev->kind) {
	case MR_RUN_EVENT_WAKE:
		return 0;
	case MR_RUN_EVENT_STEP_DONE:
		return on_step_done(t, ev);
	case MR_RUN_EVENT_STEP_FAILED:
		return on_step_failed(t, ev);
	case MR_RUN_EVENT_CANCEL:
		return on_cancel(t, ev);
	case MR_RUN_EVENT_PAUSE:
		return is_paused ? 0 : command(t, ev, MR_FACT_PAUSED);
	case MR_RUN_EVENT_RESUME:
		return is_paused ? command(t, ev, MR_FACT_RESUMED) : 0;
	case MR_RUN_EVENT_FAIL:
		return on_fail(t, ev);
	}
	return MR_E_INVALID;
}

static bool may_go_on(const struct mr_run *run)
{
	return run->status == MR_RUN_PENDING || run->status == MR_RUN_RUNNING;
}

int mr_run_advance(struct mr_run *run, const struct mr_run_event *ev, int64_t now_us,
    struct mr_rand *rand, struct mr_run_out *out)
{
	struct mr_turn t = {
		.run = run, .now = now_us, .rand = rand, .out = out, .budget = STEPS_PER_CALL
	};
	int r;

	if (mr_run_is_terminal(run->status))
		return 0;
	r = take_event(&t, ev);
	return r == 0 && may_go_on(run) ? go_on(&t) : r;
}

int mr_run_restart_effects(struct mr_run *run, int64_t now_us, struct mr_run_out *out)
{
	struct mr_turn t = { .run = run, .now = now_us, .out = out, .budget = STEPS_PER_CALL };
	size_t facts = out->facts_len;
	int r = 0;

	if (mr_run_is_terminal(run->status))
		return 0;
	for (int i = mr_run_first(run->active, run->words, 0); i >= 0 && r == 0;
	     i = mr_run_first(run->active, run->words, (unsigned)i + 1))
		if (run->steps[i].status == MR_STEP_RUNNING &&
		    mr_step_type_kind(run->g->steps[i].type) == MR_STEP_OUTSIDE)
			r = mr_turn_effect_again(&t, (unsigned)i);
	/* one that could not be rendered again has failed */
	return r == 0 && out->facts_len > facts && may_go_on(run) ? go_on(&t) : r;
}
