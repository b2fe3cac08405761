/* Deciding: what an event means for a run, and what can go on after it. */
#include "engine/core/run_private.h"

#include <stdio.h>

/* Steps carried out in one call, as many fewer as they cost more: the rest goes on in the next, so
 * that one run can't hold up others for more than some ten milliseconds. */
#define STEPS_PER_CALL 10000u
/* Likewise for bytes of what comes out, which has to be written before more is made. */
#define OUT_ROOM (32u << 20)

void mr_run_spend(const struct mr_run *run, uint64_t cost)
{
	if (run->spent != NULL)
		*run->spent += cost;
}

/* ---- beginning and completing ---- */

/* vars of the definition are told once, as the run starts; they see its input. */
static int start_run(struct mr_turn *t)
{
	struct mr_run *run = t->run;
	struct mr_fields f = { .len = 0 };
	struct mr_expr_error err = { .message = "" };
	struct mr_value vars, plain, error;
	struct mr_run_env env;
	char message[300];
	int r;

	if (run->g->vars == NULL)
		return mr_turn_fact(t, MR_FACT_STARTED, NULL, &f, -1);
	mr_run_env_init(&env, run, NULL, MR_SECRETS_REFUSED, t->now);
	r = mr_template_eval(run->g->vars, &env.expr, t->out->arena, &vars, &err);
	if (r == 0)
		r = mr_run_json_value(t->out->arena, &vars, &plain);
	if (r == MR_E_NOMEM)
		return r;
	if (r == 0) {
		mr_fields_put(&f, "vars", plain);
		return mr_turn_fact(t, MR_FACT_STARTED, NULL, &f, -1);
	}
	(void)snprintf(message, sizeof(message), "vars: %s", err.message);
	if (mr_run_error_make(t, "expression", message, &error) < 0)
		return MR_E_NOMEM;
	r = mr_turn_fact(t, MR_FACT_STARTED, NULL, &f, -1);
	return r == 0 ? mr_turn_finish(t, MR_RUN_FAILED, &error, NULL) : r;
}

static int complete_run(struct mr_turn *t)
{
	struct mr_expr_error err = { .message = "" };
	struct mr_value error;
	char message[300];
	int r = mr_run_make_result(t->run, t->now, &err);

	if (r == 0)
		return mr_turn_finish(t, MR_RUN_COMPLETED, NULL, NULL);
	if (r == MR_E_NOMEM || r == MR_E_IO)
		return r;
	(void)snprintf(message, sizeof(message), "output: %s", err.message);
	r = mr_run_error_make(t, "expression", message, &error);
	return r == 0 ? mr_turn_finish(t, MR_RUN_FAILED, &error, NULL) : r;
}

/* ---- going on ---- */

/* A step whose time has come: one, since what comes of it may be the end of the others. */
static int wake_step(struct mr_turn *t, bool *ret_moved)
{
	struct mr_run *run = t->run;

	*ret_moved = run->timers_len > 0 && run->timers[0]->timer_at <= t->now;
	if (!*ret_moved)
		return 0;
	t->spent += MR_COST_STEP;
	mr_frames_bury(run);
	return mr_turn_waited(t, run->timers[0]);
}

static int take_step(struct mr_turn *t)
{
	struct mr_step_state *st = t->run->ready;

	t->spent += MR_COST_STEP;
	mr_frames_bury(t->run);
	mr_ready_remove(t->run, st);
	if (mr_step_is_active(st->status))
		return mr_turn_settle(t, st);
	return st->status == MR_STEP_FRESH ? mr_turn_begin(t, st) : 0;
}

/* What the main part as a whole has come to. */
static int go_main(struct mr_turn *t, bool *ret_moved)
{
	struct mr_run *run = t->run;
	struct mr_frame *f = run->main;
	struct mr_value error;
	int r;

	*ret_moved = true;
	if (run->terminated.kind != MR_VALUE_NULL)
		return mr_turn_terminate(t);
	if (f->failed != NULL) {
		r = mr_turn_cancel_frame(t, f, MR_CANCEL_FAILED);
		if (r == 0)
			r = mr_value_copy(run->arena, &f->failed->error, &error);
		return r == 0 ? mr_turn_finish(t, MR_RUN_FAILED, &error, NULL) : r;
	}
	if (f->left == 0)
		return complete_run(t);
	if (run->deadline_at > 0 && t->now >= run->deadline_at)
		return mr_turn_time_out(t);
	*ret_moved = false;
	return 0;
}

static int go_phase(struct mr_turn *t, bool *ret_moved)
{
	return t->run->phase == MR_PHASE_MAIN ? go_main(t, ret_moved) : mr_turn_close(t, ret_moved);
}

static int go_on(struct mr_turn *t)
{
	struct mr_run *run = t->run;
	bool moved = true;
	int r = run->started ? 0 : start_run(t);

	while (r == 0 && run->phase != MR_PHASE_ENDED && t->spent < t->budget && moved &&
	       mr_arena_used(t->out->arena) < OUT_ROOM) {
		r = go_phase(t, &moved);
		if (r < 0 || moved)
			continue;
		moved = run->ready != NULL;
		r = moved ? take_step(t) : wake_step(t, &moved);
	}
	return r;
}

/* ---- events ---- */

static struct mr_step_state *step_of(const struct mr_run *run, const struct mr_run_event *ev)
{
	return mr_hash_find(run, ev->step_execution_id);
}

/* The step whose effect has ended, or NULL when nobody waits for it any more. */
static struct mr_step_state *effect_of(const struct mr_run *run, const struct mr_run_event *ev)
{
	struct mr_step_state *st = step_of(run, ev);

	if (st == NULL || st->status != MR_STEP_RUNNING || st->attempt != ev->attempt ||
	    mr_step_of(run, st)->kind != MR_STEP_OUTSIDE)
		return NULL;
	return st;
}

static int64_t took(
    const struct mr_turn *t, const struct mr_step_state *st, const struct mr_run_event *ev)
{
	return ev->duration_us >= 0 ? ev->duration_us : mr_turn_took(t, st);
}

static int on_step_done(struct mr_turn *t, const struct mr_run_event *ev)
{
	struct mr_step_state *st = effect_of(t->run, ev);

	if (st == NULL)
		return 0;
	if (mr_step_of(t->run, st)->type == MR_STEP_DATA_TRANSFORM)
		return mr_transform_resume(t, st, ev);
	return mr_turn_complete(t, st, &ev->data, NULL, took(t, st, ev));
}

static int on_step_failed(struct mr_turn *t, const struct mr_run_event *ev)
{
	struct mr_step_state *st = effect_of(t->run, ev);
	struct mr_failure f = {
		.given = &ev->data, .retryable = ev->retryable, .retry = ev->retry
	};

	if (st == NULL)
		return 0;
	f.duration_us = took(t, st, ev);
	return mr_turn_fail(t, st, &f);
}

static int on_child_started(struct mr_turn *t, const struct mr_run_event *ev)
{
	struct mr_step_state *st = effect_of(t->run, ev);

	return st != NULL ? mr_turn_child_started(t, st, ev) : 0;
}

static int on_child_ended(struct mr_turn *t, const struct mr_run_event *ev)
{
	struct mr_step_state *st = step_of(t->run, ev);

	if (st == NULL || mr_step_of(t->run, st)->type != MR_STEP_SUBWORKFLOW ||
	    (st->status != MR_STEP_RUNNING && st->status != MR_STEP_WAITING))
		return 0;
	return mr_turn_child_ended(t, st, ev);
}

/* {by, reason} of whoever asked, into the fact. */
static int command(struct mr_turn *t, const struct mr_run_event *ev, enum mr_fact_kind kind)
{
	static const char *const members[] = { "by", "reason", "vars" };
	struct mr_fields f = { .len = 0 };

	for (size_t i = 0; i < MR_ARRAY_LEN(members); i++) {
		const struct mr_value *v = mr_value_get(&ev->data, members[i]);
		struct mr_value copy = MR_NULL_VALUE;
		bool fits = kind == MR_FACT_VARIABLES ? i != 1 : i < 2;

		if (!fits || (kind == MR_FACT_RESUMED && i == 1))
			continue; /* it has no reason */
		if (v != NULL && mr_value_copy(t->out->arena, v, &copy) < 0)
			return MR_E_NOMEM;
		mr_fields_put(&f, members[i], copy);
	}
	return mr_turn_fact(t, kind, NULL, &f, -1);
}

static int on_resume(struct mr_turn *t, const struct mr_run_event *ev)
{
	int r = command(t, ev, MR_FACT_RESUMED);

	return r == 0 && t->run->started ? mr_turn_look_at_inbox(t) : r;
}

static int on_fail(struct mr_turn *t, const struct mr_run_event *ev)
{
	struct mr_value error;

	if (mr_value_copy(t->run->arena, &ev->data, &error) < 0)
		return MR_E_NOMEM;
	return mr_turn_fail_run(t, error);
}

static int take_event(struct mr_turn *t, const struct mr_run_event *ev)
{
	bool is_paused = t->run->is_paused;

	switch (ev->kind) {
	case MR_RUN_EVENT_WAKE:
		return 0;
	case MR_RUN_EVENT_STEP_DONE:
		return on_step_done(t, ev);
	case MR_RUN_EVENT_STEP_FAILED:
		return on_step_failed(t, ev);
	case MR_RUN_EVENT_CHILD_STARTED:
		return on_child_started(t, ev);
	case MR_RUN_EVENT_CHILD_ENDED:
		return on_child_ended(t, ev);
	case MR_RUN_EVENT_SIGNAL:
		return mr_turn_signal(t, ev);
	case MR_RUN_EVENT_VARIABLES:
		return command(t, ev, MR_FACT_VARIABLES);
	case MR_RUN_EVENT_CANCEL:
		return mr_turn_cancel_run(t, ev);
	case MR_RUN_EVENT_PAUSE:
		return is_paused ? 0 : command(t, ev, MR_FACT_PAUSED);
	case MR_RUN_EVENT_RESUME:
		return is_paused ? on_resume(t, ev) : 0;
	case MR_RUN_EVENT_FAIL:
		return on_fail(t, ev);
	}
	return MR_E_INVALID;
}

static uint64_t budget_of(const struct mr_run *run)
{
	unsigned steps = run->info.steps_per_call > 0 ? run->info.steps_per_call : STEPS_PER_CALL;

	return (uint64_t)steps * MR_COST_STEP;
}

static bool may_go_on(const struct mr_run *run)
{
	return !run->is_paused && run->phase != MR_PHASE_ENDED;
}

int mr_run_advance(struct mr_run *run, const struct mr_run_event *ev, int64_t now_us,
    struct mr_rand *rand, struct mr_run_out *out)
{
	struct mr_turn t = {
		.run = run, .now = now_us, .rand = rand, .out = out, .budget = budget_of(run)
	};
	int r;

	if (run->phase == MR_PHASE_ENDED)
		return 0;
	mr_frames_bury(run);
	run->spent = &t.spent;
	r = take_event(&t, ev);
	if (r == 0 && may_go_on(run))
		r = go_on(&t);
	run->spent = NULL;
	return r;
}

/* Effects under way in a frame and all frames inside, as deep as blocks are nested. */
static int restart_frame(struct mr_turn *t, struct mr_frame *f)
{
	struct mr_step_state *st, *next;
	int r = 0;

	for (st = f->active; st != NULL && r == 0; st = next) {
		struct mr_frame *inner = st->inner != NULL ? st->inner->first : NULL;

		next = st->active_next;
		for (; inner != NULL && r == 0; inner = inner->next)
			r = inner->kept ? 0 : restart_frame(t, inner);
		if (r == 0 && st->status == MR_STEP_RUNNING &&
		    mr_step_of(t->run, st)->kind == MR_STEP_OUTSIDE)
			r = mr_turn_effect_again(t, st);
	}
	return r;
}

int mr_run_restart_effects(struct mr_run *run, int64_t now_us, struct mr_run_out *out)
{
	struct mr_turn t = { .run = run, .now = now_us, .out = out, .budget = budget_of(run) };
	struct mr_frame *const tops[] = { run->main, run->undoing, run->on_failure, run->finally };
	size_t facts = out->facts_len;
	int r = 0;

	if (run->phase == MR_PHASE_ENDED)
		return 0;
	mr_frames_bury(run);
	run->spent = &t.spent;
	for (size_t i = 0; i < MR_ARRAY_LEN(tops) && r == 0; i++)
		if (tops[i] != NULL)
			r = restart_frame(&t, tops[i]);
	/* one that could not be rendered again has failed */
	if (r == 0 && out->facts_len > facts && may_go_on(run))
		r = go_on(&t);
	run->spent = NULL;
	return r;
}
