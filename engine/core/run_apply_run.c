/* The fold, of what happens to a run: signals and variables, its course, its end, and after it. */
#include "engine/core/run_apply.h"

/* ---- lines, signals, variables ---- */

void mr_inbox_consume(struct mr_run *run, unsigned seq)
{
	struct mr_inbox_item **at = &run->inbox, *before = NULL;

	while (*at != NULL && (*at)->seq != seq) {
		before = *at;
		at = &(*at)->next;
	}
	if (*at == NULL)
		return;
	if (run->inbox_last == *at)
		run->inbox_last = before;
	*at = (*at)->next;
	run->inbox_len--;
}

int mr_apply_log(struct mr_apply *a)
{
	(void)a; /* a line for people: nothing follows from it */
	return 0;
}

int mr_apply_signalled(struct mr_apply *a)
{
	struct mr_inbox_item *item = mr_arena_zalloc(a->run->arena, sizeof(*item));

	if (item == NULL || mr_value_copy(a->run->arena, &a->fact->data, &item->event) < 0)
		return MR_E_NOMEM;
	/* the oldest gives way: the one that comes may be the one that is waited for */
	if (a->run->inbox_len >= MR_INBOX_MAX)
		mr_inbox_consume(a->run, a->run->inbox->seq);
	item->seq = a->fact->seq;
	if (a->run->inbox_last != NULL)
		a->run->inbox_last->next = item;
	else
		a->run->inbox = item;
	a->run->inbox_last = item;
	a->run->inbox_len++;
	return 0;
}

int mr_apply_variables(struct mr_apply *a)
{
	const struct mr_value *vars = mr_value_get(&a->fact->data, "vars");

	return vars != NULL ? mr_run_merge_vars(a->run, vars) : 0;
}

/* ---- the run ---- */

bool mr_run_may_begin(const struct mr_run *run)
{
	return run->started && !run->is_paused && run->phase < MR_PHASE_CLOSING;
}

int mr_apply_created(struct mr_apply *a)
{
	return a->fact->seq == 1 ? 0 : MR_E_INVALID;
}

/* Its timeout counts from this fact: the definition's or its own, whichever is shorter. */
static void count_down(struct mr_apply *a)
{
	int64_t us = a->run->g->timeout_us, own_us = a->run->info.timeout_us;

	if (own_us > 0 && (us == 0 || own_us < us))
		us = own_us;
	if (us > 0)
		a->run->deadline_at = a->fact->at_us + us;
}

int mr_apply_started(struct mr_apply *a)
{
	struct mr_run *run = a->run;
	const struct mr_value *vars = mr_value_get(&a->fact->data, "vars");

	if (run->started || run->phase != MR_PHASE_MAIN || run->is_paused)
		return MR_E_INVALID;
	if (vars != NULL && mr_run_merge_vars(run, vars) < 0)
		return MR_E_NOMEM;
	run->started = true;
	run->started_at = a->fact->at_us;
	count_down(a);
	return mr_frame_open(run, &run->g->blocks[0], NULL, 0, NULL, &run->main);
}

int mr_apply_paused(struct mr_apply *a)
{
	if (a->run->is_paused || a->run->phase == MR_PHASE_ENDED)
		return MR_E_INVALID;
	a->run->is_paused = true;
	a->run->paused_at = a->fact->at_us;
	return 0;
}

/* The time a run stands still by command doesn't count against its timeout. */
int mr_apply_resumed(struct mr_apply *a)
{
	struct mr_run *run = a->run;

	if (!run->is_paused)
		return MR_E_INVALID;
	run->is_paused = false;
	if (run->deadline_at > 0 && a->fact->at_us > run->paused_at)
		run->deadline_at += a->fact->at_us - run->paused_at;
	run->paused_at = 0;
	return 0;
}

static int end_run(struct mr_apply *a, enum mr_run_status status)
{
	struct mr_run *run = a->run;

	if (run->phase == MR_PHASE_ENDED)
		return MR_E_INVALID;
	if (mr_value_get(&a->fact->data, "error") != NULL &&
	    mr_apply_keep(a, "error", &run->error) < 0)
		return MR_E_NOMEM;
	mr_run_stop_main(run);
	run->outcome = status;
	run->phase = MR_PHASE_ENDED;
	run->is_paused = false;
	run->ended_at = a->fact->at_us;
	run->deadline_at = run->paused_at = 0;
	return 0;
}

/* What the run gives: by terminate, else what its definition says. */
static int make_result(struct mr_apply *a)
{
	const struct mr_value *output = mr_value_get(&a->fact->data, "output");
	struct mr_expr_error err;
	int r;

	if (output != NULL) {
		a->run->has_output = a->run->has_result = true;
		return mr_value_copy(a->run->arena, output, &a->run->result);
	}
	/* replayed: it could be made when it completed, so it can be made now */
	r = a->run->has_result ? 0 : mr_run_make_result(a->run, a->fact->at_us, &err);
	return r == MR_E_NOMEM || r == MR_E_IO ? r : 0;
}

int mr_apply_completed(struct mr_apply *a)
{
	const struct mr_run *run = a->run;
	int r;

	if (run->phase == MR_PHASE_MAIN && run->terminated.kind == MR_VALUE_NULL &&
	    (!mr_run_may_begin(run) || run->main == NULL || run->main->left > 0))
		return MR_E_INVALID; /* steps are left */
	if (run->phase != MR_PHASE_MAIN && run->phase != MR_PHASE_CLOSING)
		return MR_E_INVALID;
	r = make_result(a);
	return r == 0 ? end_run(a, MR_RUN_COMPLETED) : r;
}

static bool is_true(const struct mr_value *data, const char *member)
{
	const struct mr_value *v = mr_value_get_kind(data, member, MR_VALUE_BOOL);

	return v != NULL && v->b;
}

int mr_apply_failed(struct mr_apply *a)
{
	struct mr_run *run = a->run;

	if (!is_true(&a->fact->data, "compensating"))
		return end_run(a, MR_RUN_FAILED);
	/* it has failed and goes on by undoing what it did */
	if (run->phase != MR_PHASE_MAIN || mr_apply_keep(a, "error", &run->error) < 0)
		return MR_E_INVALID;
	mr_run_stop_main(run);
	run->outcome = MR_RUN_FAILED;
	return 0;
}

int mr_apply_cancelled(struct mr_apply *a)
{
	return end_run(a, MR_RUN_CANCELLED);
}

int mr_apply_timed_out(struct mr_apply *a)
{
	return end_run(a, MR_RUN_TIMED_OUT);
}

int mr_apply_compensated(struct mr_apply *a)
{
	return end_run(a, MR_RUN_COMPENSATED);
}

static bool status_by_name(struct mr_str name, enum mr_run_status *ret)
{
	for (int i = 0; i < MR_RUN_STATUS_COUNT; i++) {
		if (!mr_str_eqz(name, mr_run_status_name((enum mr_run_status)i)))
			continue;
		*ret = (enum mr_run_status)i;
		return true;
	}
	return false;
}

static int keep_outcome(struct mr_apply *a, enum mr_run_status outcome)
{
	struct mr_run *run = a->run;

	if (mr_apply_keep(a, "error", &run->error) < 0 ||
	    mr_value_copy(run->arena, &a->fact->data, &run->who) < 0)
		return MR_E_NOMEM;
	return outcome == MR_RUN_COMPLETED ? make_result(a) : 0;
}

/* The main part is over; on_failure and finally follow. */
int mr_apply_finishing(struct mr_apply *a)
{
	struct mr_run *run = a->run;
	enum mr_run_status outcome;
	int r;

	if ((run->phase != MR_PHASE_MAIN && run->phase != MR_PHASE_COMPENSATING) ||
	    !status_by_name(mr_value_get_str(&a->fact->data, "status"), &outcome) ||
	    !mr_run_is_terminal(outcome))
		return MR_E_INVALID;
	r = keep_outcome(a, outcome);
	if (r < 0)
		return r;
	mr_run_stop_main(run);
	run->outcome = outcome;
	run->is_paused = false; /* cancelled while it was paused: finally runs all the same */
	run->paused_at = 0;
	return mr_run_next_phase(run);
}

int mr_apply_compensating(struct mr_apply *a)
{
	struct mr_run *run = a->run;

	if (run->phase != MR_PHASE_MAIN || run->outcome != MR_RUN_FAILED || run->undo_len == 0)
		return MR_E_INVALID;
	run->phase = MR_PHASE_COMPENSATING;
	return mr_run_next_undo(run);
}

int mr_apply_step_compensated(struct mr_apply *a)
{
	struct mr_run *run = a->run;

	if (run->undoing == NULL || run->undoing->holder != a->st)
		return MR_E_INVALID;
	mr_run_undone(run);
	a->st->status = MR_STEP_COMPENSATED;
	return mr_run_next_undo(run);
}

int mr_apply_step_compensation_failed(struct mr_apply *a)
{
	struct mr_run *run = a->run;

	if (run->undoing == NULL || run->undoing->holder != a->st)
		return MR_E_INVALID;
	if (mr_apply_keep(a, "error", &a->st->error) < 0)
		return MR_E_NOMEM;
	mr_frame_drop(run, run->undoing);
	run->undoing = NULL;
	run->undo_failed = true;
	return 0;
}

/* ---- a run that ended, taken up again ---- */

int mr_apply_retried(struct mr_apply *a)
{
	struct mr_run *run = a->run;
	struct mr_str from = mr_value_get_str(&a->fact->data, "from_step");
	struct mr_value input;

	if (run->phase != MR_PHASE_ENDED)
		return MR_E_INVALID;
	if (mr_apply_keep(a, "input", &input) < 0)
		return MR_E_NOMEM;
	if (mr_value_get(&a->fact->data, "input") != NULL && input.kind != MR_VALUE_NULL) {
		run->input = input;
		run->input_replaced = true;
	}
	if (mr_run_redo(run, from) < 0)
		return MR_E_NOMEM;
	if (run->started)
		count_down(a);
	return 0;
}
