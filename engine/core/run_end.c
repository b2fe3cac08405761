/*
 * How a run ends: the main part's outcome is decided once; then what was done is undone when it
 * failed, on_failure and finally run, and the last fact says how it ended.
 */
#include "engine/core/run_private.h"

int mr_run_error_make(
    struct mr_turn *t, const char *type, const char *message, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };
	struct mr_str text = mr_arena_str(t->run->arena, mr_str(message));

	if (text.p == NULL)
		return MR_E_NOMEM;
	mr_fields_put(&f, "type", mr_value_strz(type));
	mr_fields_put(&f, "message", mr_value_str(text));
	return mr_fields_map(t->run->arena, &f, ret);
}

static enum mr_fact_kind last_fact(enum mr_run_status outcome)
{
	switch (outcome) {
	case MR_RUN_COMPLETED:
		return MR_FACT_COMPLETED;
	case MR_RUN_CANCELLED:
		return MR_FACT_CANCELLED;
	case MR_RUN_TIMED_OUT:
		return MR_FACT_TIMED_OUT;
	case MR_RUN_COMPENSATED:
		return MR_FACT_COMPENSATED;
	default:
		return MR_FACT_FAILED;
	}
}

static int put_who(struct mr_turn *t, struct mr_fields *f, const struct mr_value *who)
{
	static const char *const members[] = { "by", "reason" };

	for (size_t i = 0; who != NULL && i < MR_ARRAY_LEN(members); i++) {
		const struct mr_value *v = mr_value_get(who, members[i]);
		struct mr_value copy = MR_NULL_VALUE;

		if (v == NULL)
			continue;
		if (mr_value_copy(t->out->arena, v, &copy) < 0)
			return MR_E_NOMEM;
		mr_fields_put(f, members[i], copy);
	}
	return 0;
}

/* ---- undoing ---- */

/* Names of the steps that were done and not undone, the last first. */
static int put_undone(struct mr_turn *t, struct mr_fields *f)
{
	const struct mr_run *run = t->run;
	struct mr_list *l;

	if (!run->undo_failed)
		return 0;
	l = mr_list_create(t->out->arena, run->undo_len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < run->undo_len; i++)
		l->items[i] = mr_value_str(mr_step_of(run, run->undo[run->undo_len - 1 - i])->name);
	mr_fields_put(f, "undone", mr_value_list(l));
	return 0;
}

/* It failed, and that stands; the run goes on to undo what it did. */
static int begin_undoing(struct mr_turn *t, struct mr_value error)
{
	struct mr_fields f = { .len = 0 }, none = { .len = 0 };
	int r;

	mr_fields_put(&f, "error", error);
	mr_fields_put(&f, "compensating", mr_value_bool(true));
	r = mr_turn_fact(t, MR_FACT_FAILED, NULL, &f, -1);
	return r == 0 ? mr_turn_fact(t, MR_FACT_COMPENSATING, NULL, &none, -1) : r;
}

static int undo_step(struct mr_turn *t)
{
	struct mr_frame *f = t->run->undoing;
	struct mr_step_state *st = f->holder;
	struct mr_fields fields = mr_turn_step_fields(t, st);
	struct mr_value error;

	if (f->failed == NULL)
		return mr_turn_fact(t, MR_FACT_STEP_COMPENSATED, st, &fields, -1);
	if (mr_value_copy(t->run->arena, &f->failed->error, &error) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&fields, "error", error);
	return mr_turn_fact(t, MR_FACT_STEP_COMPENSATION_FAILED, st, &fields, -1);
}

/* ---- the outcome ---- */

static bool has_handlers(const struct mr_graph *g, enum mr_run_status outcome)
{
	return g->finally >= 0 || (g->on_failure >= 0 && mr_outcome_is_failure(outcome));
}

static int finish_fact(struct mr_turn *t, enum mr_fact_kind kind, enum mr_run_status outcome,
    const struct mr_value *error, const struct mr_value *who, const struct mr_value *output)
{
	struct mr_fields f = { .len = 0 };

	if (kind == MR_FACT_FINISHING)
		mr_fields_put(&f, "status", mr_value_strz(mr_run_status_name(outcome)));
	if (error != NULL && error->kind != MR_VALUE_NULL)
		mr_fields_put(&f, "error", *error);
	if (output != NULL)
		mr_fields_put(&f, "output", *output);
	if (put_who(t, &f, who) < 0 || put_undone(t, &f) < 0)
		return MR_E_NOMEM;
	return mr_turn_fact(t, kind, NULL, &f, -1);
}

int mr_turn_finish(struct mr_turn *t, enum mr_run_status outcome, const struct mr_value *error,
    const struct mr_value *who)
{
	struct mr_run *run = t->run;

	if (run->phase == MR_PHASE_MAIN && mr_outcome_is_failure(outcome) && run->undo_len > 0)
		return begin_undoing(t, error != NULL ? *error : MR_NULL_VALUE);
	return finish_fact(t,
	    has_handlers(run->g, outcome) ? MR_FACT_FINISHING : last_fact(outcome), outcome, error,
	    who, NULL);
}

/* ---- ends that are not the steps' own ---- */

/* Everything that is under way anywhere. */
static int cancel_all(struct mr_turn *t, enum mr_cancel_reason reason)
{
	struct mr_frame *const tops[] = { t->run->main, t->run->undoing, t->run->on_failure,
		t->run->finally };

	for (size_t i = 0; i < MR_ARRAY_LEN(tops); i++) {
		int r = tops[i] != NULL ? mr_turn_cancel_frame(t, tops[i], reason) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* {type: "terminated", message: the reason} */
static int terminated_error(struct mr_turn *t, struct mr_str reason, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };

	reason = mr_arena_str(
	    t->run->arena, reason.p != NULL ? reason : MR_STR("the run was terminated"));
	if (reason.p == NULL)
		return MR_E_NOMEM;
	mr_fields_put(&f, "type", mr_value_strz("terminated"));
	mr_fields_put(&f, "message", mr_value_str(reason));
	return mr_fields_map(t->run->arena, &f, ret);
}

int mr_turn_terminate(struct mr_turn *t)
{
	struct mr_run *run = t->run;
	const struct mr_value *how = &run->terminated;
	const struct mr_value *output = mr_value_get(how, "output");
	struct mr_str status = mr_value_get_str(how, "status");
	struct mr_value error;
	int r = cancel_all(t, MR_CANCEL_TERMINATED);

	if (r < 0)
		return r;
	if (mr_str_ieqz(status, "failed")) {
		r = terminated_error(t, mr_value_get_str(how, "reason"), &error);
		return r == 0 ? mr_turn_finish(t, MR_RUN_FAILED, &error, NULL) : r;
	}
	if (mr_str_ieqz(status, "cancelled"))
		return mr_turn_finish(t, MR_RUN_CANCELLED, NULL, how);
	return finish_fact(t,
	    has_handlers(run->g, MR_RUN_COMPLETED) ? MR_FACT_FINISHING : MR_FACT_COMPLETED,
	    MR_RUN_COMPLETED, NULL, how,
	    output != NULL && output->kind != MR_VALUE_NULL ? output : NULL);
}

int mr_turn_time_out(struct mr_turn *t)
{
	struct mr_value error;
	int r = cancel_all(t, MR_CANCEL_TIMED_OUT);

	if (r == 0)
		r = mr_run_error_make(
		    t, "timeout", "the run did not end within its timeout", &error);
	return r == 0 ? mr_turn_finish(t, MR_RUN_TIMED_OUT, &error, NULL) : r;
}

int mr_turn_fail_run(struct mr_turn *t, struct mr_value error)
{
	struct mr_fields f = { .len = 0 };
	int r = cancel_all(t, MR_CANCEL_FAILED);

	if (r < 0)
		return r;
	mr_fields_put(&f, "error", error);
	return mr_turn_fact(t, MR_FACT_FAILED, NULL, &f, -1);
}

/* finally still runs; a second cancel, or one that comes while handlers run, ends all at once. */
int mr_turn_cancel_run(struct mr_turn *t, const struct mr_run_event *ev)
{
	bool at_once = t->run->phase != MR_PHASE_MAIN || !t->run->started;
	int r = cancel_all(t, MR_CANCEL_WITH_RUN);

	if (r < 0)
		return r;
	return finish_fact(t,
	    !at_once && t->run->g->finally >= 0 ? MR_FACT_FINISHING : MR_FACT_CANCELLED,
	    MR_RUN_CANCELLED, NULL, &ev->data, NULL);
}

/* ---- the way through the phases ---- */

/* A frame of the run itself that has failed while something in it still runs. */
static int stop_failing(struct mr_turn *t, struct mr_frame *f, bool *ret_moved)
{
	*ret_moved = f->failed != NULL && f->active != NULL;
	return *ret_moved ? mr_turn_cancel_frame(t, f, MR_CANCEL_FAILED) : 0;
}

static int after_undoing(struct mr_turn *t)
{
	return mr_turn_finish(
	    t, t->run->undo_failed ? MR_RUN_FAILED : MR_RUN_COMPENSATED, &t->run->error, NULL);
}

static int go_undoing(struct mr_turn *t, bool *ret_moved)
{
	struct mr_frame *f = t->run->undoing;
	int r;

	*ret_moved = true;
	if (f == NULL)
		return after_undoing(t);
	r = stop_failing(t, f, ret_moved);
	if (r < 0 || *ret_moved)
		return r;
	*ret_moved = f->is_closed;
	return f->is_closed ? undo_step(t) : 0;
}

/* A finally that failed makes a failure of what would have completed. */
static int last_word(struct mr_turn *t)
{
	struct mr_run *run = t->run;
	const struct mr_frame *f = run->finally;
	struct mr_value error;

	if (run->outcome != MR_RUN_COMPLETED || f == NULL || f->failed == NULL)
		return finish_fact(
		    t, last_fact(run->outcome), run->outcome, &run->error, &run->who, NULL);
	if (mr_value_copy(run->arena, &f->failed->error, &error) < 0)
		return MR_E_NOMEM;
	return finish_fact(t, MR_FACT_FAILED, MR_RUN_FAILED, &error, NULL, NULL);
}

int mr_turn_close(struct mr_turn *t, bool *ret_moved)
{
	struct mr_run *run = t->run;

	*ret_moved = false;
	switch (run->phase) {
	case MR_PHASE_COMPENSATING:
		return go_undoing(t, ret_moved);
	case MR_PHASE_ON_FAILURE:
		return stop_failing(t, run->on_failure, ret_moved);
	case MR_PHASE_FINALLY:
		return stop_failing(t, run->finally, ret_moved);
	case MR_PHASE_CLOSING:
		*ret_moved = true;
		return last_word(t);
	default:
		return 0;
	}
}
