/*
 * The fold: one fact changes the state of a run. Each kind of fact is checked against the state
 * first, so that a journal that doesn't fit is refused and not half believed.
 */
#include "engine/core/run_private.h"

/* ---- what is counted from the statuses ---- */

static bool is_failed_unhandled(const struct mr_run *run, unsigned i)
{
	return run->steps[i].status == MR_STEP_FAILED && !run->g->steps[i].continue_on_error;
}

bool mr_run_step_ended(const struct mr_run *run, unsigned i)
{
	switch (run->steps[i].status) {
	case MR_STEP_COMPLETED:
	case MR_STEP_SKIPPED:
		return true;
	case MR_STEP_FAILED:
		return !is_failed_unhandled(run, i);
	default:
		return false;
	}
}

/* Ended in a way that lets the steps after it go on. */
static bool is_done(const struct mr_run *run, unsigned i)
{
	const struct mr_step_state *st = &run->steps[i];

	return mr_run_step_ended(run, i) &&
	       (st->status != MR_STEP_SKIPPED || st->reason == MR_SKIP_WHEN);
}

/* The list that a conditional's outcome leads to. */
static size_t chosen(const struct mr_run *run, unsigned i, const unsigned **ret)
{
	const struct mr_step *s = &run->g->steps[i];

	*ret = run->steps[i].branch == 1 ? s->true_steps : s->false_steps;
	if (run->steps[i].branch == 0)
		return 0;
	return run->steps[i].branch == 1 ? s->true_len : s->false_len;
}

/* Its block has begun: at top level always, inside a conditional when it runs that action. */
static bool is_open(const struct mr_run *run, unsigned i)
{
	const struct mr_step *s = &run->g->steps[i];

	return s->parent < 0 || (run->steps[s->parent].status == MR_STEP_RUNNING &&
	                            run->steps[s->parent].branch == s->branch);
}

static void offer(struct mr_run *run, unsigned i)
{
	if (run->steps[i].status == MR_STEP_FRESH && run->steps[i].deps_left == 0 &&
	    is_open(run, i))
		mr_run_set(run->ready, i, true);
}

/* Step I has ended: one thing less to wait for. */
static void count_for_succs(struct mr_run *run, unsigned i)
{
	const struct mr_step *s = &run->g->steps[i];
	bool done = is_done(run, i);

	for (size_t k = 0; k < s->succs_len; k++) {
		struct mr_step_state *succ = &run->steps[s->succs[k]];
		unsigned label = s->succs_branch != NULL ? s->succs_branch[k] : 0;

		succ->deps_left--;
		succ->deps_done += done && (label == 0 || label == run->steps[i].branch);
	}
}

/* A conditional runs: its inner steps may. */
static void open_block(struct mr_run *run, unsigned i)
{
	const unsigned *steps;
	size_t len = chosen(run, i, &steps);
	struct mr_step_state *st = &run->steps[i];

	st->children_left = 0;
	st->failed_child = -1;
	for (size_t k = 0; k < len; k++) {
		if (run->g->steps[steps[k]].parent != (int)i)
			continue;
		st->children_left += !mr_run_step_ended(run, steps[k]);
		if (is_failed_unhandled(run, steps[k]) && st->failed_child < 0)
			st->failed_child = (int)steps[k];
		offer(run, steps[k]);
	}
	if (st->children_left == 0 || st->failed_child >= 0)
		mr_run_set(run->ready, i, true);
}

static bool is_active(enum mr_step_status s)
{
	return s == MR_STEP_RUNNING || s == MR_STEP_WAITING || s == MR_STEP_RETRYING;
}

void mr_run_recount(struct mr_run *run)
{
	const struct mr_graph *g = run->g;

	for (size_t w = 0; w < run->words; w++)
		run->ready[w] = run->active[w] = run->timed[w] = 0;
	run->top_left = 0;
	run->failed_step = -1;
	run->in_flight = 0;
	for (unsigned i = 0; i < g->steps_len; i++) {
		run->steps[i].deps_left = (unsigned)g->steps[i].deps_len;
		run->steps[i].deps_done = 0;
		run->steps[i].children_left = 0;
		run->steps[i].failed_child = -1;
	}
	for (unsigned i = 0; i < g->steps_len; i++) {
		enum mr_step_status status = run->steps[i].status;

		if (mr_run_step_ended(run, i))
			count_for_succs(run, i);
		else if (g->steps[i].parent < 0)
			run->top_left++;
		if (g->steps[i].parent < 0 && is_failed_unhandled(run, i) && run->failed_step < 0)
			run->failed_step = (int)i;
		mr_run_set(run->active, i, is_active(status));
		mr_run_set(run->timed, i, is_active(status) && status != MR_STEP_RUNNING);
		run->in_flight += status == MR_STEP_RUNNING &&
		                  mr_step_type_kind(g->steps[i].type) == MR_STEP_OUTSIDE;
	}
	for (unsigned i = 0; i < g->steps_len; i++) {
		offer(run, i);
		if (run->steps[i].status == MR_STEP_RUNNING &&
		    g->steps[i].type == MR_STEP_CONDITIONAL)
			open_block(run, i);
	}
}

/* ---- changes of one step ---- */

/* A conditional runs no more: neither do those of its inner steps that hadn't begun. */
static void close_block(struct mr_run *run, unsigned i)
{
	const unsigned *steps;
	size_t len = chosen(run, i, &steps);

	for (size_t k = 0; k < len; k++)
		if (run->g->steps[steps[k]].parent == (int)i)
			mr_run_set(run->ready, steps[k], false);
}

static void leave_active(struct mr_run *run, unsigned i)
{
	if (run->steps[i].status == MR_STEP_RUNNING) {
		if (mr_step_type_kind(run->g->steps[i].type) == MR_STEP_OUTSIDE)
			run->in_flight--;
		else
			close_block(run, i);
	}
	mr_run_set(run->active, i, false);
	mr_run_set(run->timed, i, false);
	mr_run_set(run->ready, i, false);
}

static void enter_active(struct mr_run *run, unsigned i, enum mr_step_status status)
{
	run->steps[i].status = status;
	mr_run_set(run->ready, i, false);
	mr_run_set(run->active, i, true);
	mr_run_set(run->timed, i, status != MR_STEP_RUNNING);
}

static void end_step(struct mr_run *run, unsigned i, enum mr_step_status status)
{
	const struct mr_step *s = &run->g->steps[i];

	leave_active(run, i);
	run->steps[i].status = status;
	count_for_succs(run, i);
	for (size_t k = 0; k < s->succs_len; k++)
		offer(run, s->succs[k]);
	if (s->parent < 0)
		run->top_left--;
	else if (--run->steps[s->parent].children_left == 0)
		mr_run_set(run->ready, (unsigned)s->parent, true);
}

static void fail_step(struct mr_run *run, unsigned i)
{
	const struct mr_step *s = &run->g->steps[i];
	int *failed = s->parent < 0 ? &run->failed_step : &run->steps[s->parent].failed_child;

	if (s->continue_on_error) {
		end_step(run, i, MR_STEP_FAILED);
		return;
	}
	leave_active(run, i);
	run->steps[i].status = MR_STEP_FAILED;
	if (*failed < 0 || (int)i < *failed)
		*failed = (int)i;
	if (s->parent >= 0)
		mr_run_set(run->ready, (unsigned)s->parent, true);
}

static void make_fresh(struct mr_run *run, unsigned i)
{
	run->steps[i] = (struct mr_step_state){ .failed_child = -1 };
}

static bool is_inside(const struct mr_run *run, unsigned i, unsigned outer)
{
	int at = run->g->steps[i].parent;

	while (at >= 0 && at != (int)outer)
		at = run->g->steps[at].parent;
	return at >= 0;
}

/* ---- the facts ---- */

struct apply {
	struct mr_run *run;
	const struct mr_fact *fact;
	const struct mr_step *s; /* NULL for facts of the run */
	struct mr_step_state *st;
	bool owned; /* the fact's values lie in the run's arena */
};

static int keep(struct apply *a, const char *member, struct mr_value *ret)
{
	const struct mr_value *v = mr_value_get(&a->fact->data, member);

	*ret = MR_NULL_VALUE;
	if (v == NULL)
		return 0;
	if (!a->owned)
		return mr_value_copy(a->run->arena, v, ret);
	*ret = *v;
	return 0;
}

void mr_run_link_json(struct mr_run *run, unsigned i)
{
	const struct mr_value *output = &run->steps[i].output;
	const struct mr_value *json = mr_value_get_kind(output, "json", MR_VALUE_MAP);

	/* the output is a copy of the run's own: nobody else sees it change */
	if (run->g->steps[i].type == MR_STEP_HTTP_REQUEST && json != NULL)
		((struct mr_map *)(uintptr_t)output->map)->fallback = json->map;
}

static int read_time(const struct apply *a, const char *member, int64_t *ret_us)
{
	struct mr_str s = mr_value_get_str(&a->fact->data, member);

	return s.p != NULL && mr_time_parse(s, ret_us) == 0 ? 0 : MR_E_INVALID;
}

static unsigned read_branch(const struct apply *a)
{
	struct mr_str s = mr_value_get_str(&a->fact->data, "branch");

	if (mr_str_eqz(s, "true"))
		return 1;
	return mr_str_eqz(s, "false") ? 2 : 0;
}

/* The first row of an execution, or the next attempt of it. */
static bool begins(const struct apply *a)
{
	if (a->run->status != MR_RUN_RUNNING || !is_open(a->run, a->s->index))
		return false;
	if (a->st->status == MR_STEP_FRESH)
		return a->st->deps_left == 0 && a->fact->attempt == 1;
	return a->st->status == MR_STEP_RETRYING && a->fact->attempt == a->st->attempt + 1;
}

static void begin(const struct apply *a)
{
	if (a->st->status == MR_STEP_FRESH)
		a->st->execution_id = a->fact->step_execution_id;
	a->st->attempt = a->fact->attempt;
	a->st->began_at = a->fact->at_us;
	a->st->wake_at = 0;
}

static bool goes_on(const struct apply *a)
{
	return (a->st->status == MR_STEP_RUNNING || a->st->status == MR_STEP_WAITING) &&
	       a->fact->attempt == a->st->attempt;
}

static int apply_step_started(struct apply *a)
{
	bool is_conditional = a->s->type == MR_STEP_CONDITIONAL;
	unsigned branch = read_branch(a);

	if (!begins(a) || (mr_step_type_kind(a->s->type) != MR_STEP_OUTSIDE && !is_conditional) ||
	    (is_conditional && branch == 0))
		return MR_E_INVALID;
	begin(a);
	enter_active(a->run, a->s->index, MR_STEP_RUNNING);
	if (is_conditional) {
		a->st->branch = branch;
		open_block(a->run, a->s->index);
	} else {
		a->run->in_flight++;
	}
	return 0;
}

static int apply_step_waiting(struct apply *a)
{
	int64_t until;

	if (!begins(a) || a->s->type != MR_STEP_DELAY || read_time(a, "until", &until) < 0)
		return MR_E_INVALID;
	begin(a);
	enter_active(a->run, a->s->index, MR_STEP_WAITING);
	a->st->wake_at = until;
	return 0;
}

static int apply_step_completed(struct apply *a)
{
	bool first = begins(a);
	struct mr_value output;

	if (!first && !goes_on(a))
		return MR_E_INVALID;
	if (keep(a, "output", &output) < 0)
		return MR_E_NOMEM;
	if (first) {
		begin(a);
		a->st->branch = read_branch(a);
	}
	a->st->wake_at = 0;
	a->st->output = output;
	mr_run_link_json(a->run, a->s->index);
	end_step(a->run, a->s->index, MR_STEP_COMPLETED);
	return 0;
}

static int apply_step_failed(struct apply *a)
{
	bool first = begins(a);
	struct mr_value error;

	if (!first && !goes_on(a))
		return MR_E_INVALID;
	if (keep(a, "error", &error) < 0)
		return MR_E_NOMEM;
	if (first)
		begin(a);
	a->st->wake_at = 0;
	a->st->error = error;
	fail_step(a->run, a->s->index);
	return 0;
}

static int apply_step_retrying(struct apply *a)
{
	int64_t next_at;

	if (a->st->status != MR_STEP_RUNNING || a->fact->attempt != a->st->attempt ||
	    read_time(a, "next_at", &next_at) < 0)
		return MR_E_INVALID;
	leave_active(a->run, a->s->index);
	enter_active(a->run, a->s->index, MR_STEP_RETRYING);
	a->st->wake_at = next_at;
	if (a->s->type != MR_STEP_CONDITIONAL)
		return 0;
	/* the whole block again, with fresh inner steps */
	a->st->branch = 0;
	for (unsigned i = a->s->index + 1; i < a->run->g->steps_len; i++)
		if (is_inside(a->run, i, a->s->index))
			make_fresh(a->run, i);
	mr_run_recount(a->run);
	return 0;
}

static int apply_step_skipped(struct apply *a)
{
	struct mr_str reason = mr_value_get_str(&a->fact->data, "reason");

	if (!begins(a) || a->st->status != MR_STEP_FRESH)
		return MR_E_INVALID;
	for (unsigned k = MR_SKIP_WHEN; k < MR_SKIP_REASON_COUNT; k++) {
		if (!mr_str_eqz(reason, mr_skip_reason_names[k]))
			continue;
		a->st->reason = (enum mr_skip_reason)k;
		a->st->execution_id = a->fact->step_execution_id;
		end_step(a->run, a->s->index, MR_STEP_SKIPPED);
		return 0;
	}
	return MR_E_INVALID;
}

static int apply_step_cancelled(struct apply *a)
{
	if (!is_active(a->st->status))
		return MR_E_INVALID;
	leave_active(a->run, a->s->index);
	a->st->status = MR_STEP_CANCELLED;
	a->st->wake_at = 0;
	return 0;
}

static int apply_log(struct apply *a)
{
	(void)a; /* a line for people: nothing follows from it */
	return 0;
}

static int apply_created(struct apply *a)
{
	return a->fact->seq == 1 ? 0 : MR_E_INVALID;
}

static int apply_started(struct apply *a)
{
	struct mr_run *run = a->run;

	if (run->started || (run->status != MR_RUN_PENDING && run->status != MR_RUN_RUNNING))
		return MR_E_INVALID;
	run->started = true;
	run->status = MR_RUN_RUNNING;
	run->started_at = a->fact->at_us;
	if (run->g->timeout_us > 0)
		run->deadline_at = a->fact->at_us + run->g->timeout_us;
	return 0;
}

static int apply_paused(struct apply *a)
{
	if (a->run->status != MR_RUN_RUNNING && a->run->status != MR_RUN_PENDING)
		return MR_E_INVALID;
	a->run->status = MR_RUN_PAUSED;
	a->run->paused_at = a->fact->at_us;
	return 0;
}

/* The time a run stands still by command doesn't count against its timeout. */
static int apply_resumed(struct apply *a)
{
	struct mr_run *run = a->run;

	if (run->status != MR_RUN_PAUSED)
		return MR_E_INVALID;
	run->status = run->started ? MR_RUN_RUNNING : MR_RUN_PENDING;
	if (run->deadline_at > 0 && a->fact->at_us > run->paused_at)
		run->deadline_at += a->fact->at_us - run->paused_at;
	run->paused_at = 0;
	return 0;
}

static int end_run(struct apply *a, enum mr_run_status status)
{
	if (mr_run_is_terminal(a->run->status))
		return MR_E_INVALID;
	if (keep(a, "error", &a->run->error) < 0)
		return MR_E_NOMEM;
	a->run->status = status;
	a->run->ended_at = a->fact->at_us;
	a->run->deadline_at = a->run->paused_at = 0;
	return 0;
}

static int apply_completed(struct apply *a)
{
	struct mr_expr_error err;

	if (a->run->status != MR_RUN_RUNNING || a->run->top_left > 0)
		return MR_E_INVALID;
	/* replayed: it could be made when it completed, so it can be made now */
	if (!a->run->has_result && mr_run_make_result(a->run, a->fact->at_us, &err) == MR_E_NOMEM)
		return MR_E_NOMEM;
	return end_run(a, MR_RUN_COMPLETED);
}

static int apply_failed(struct apply *a)
{
	return end_run(a, MR_RUN_FAILED);
}

static int apply_cancelled(struct apply *a)
{
	return end_run(a, MR_RUN_CANCELLED);
}

static int apply_timed_out(struct apply *a)
{
	return end_run(a, MR_RUN_TIMED_OUT);
}

/* ---- a run that ended, taken up again ---- */

struct redo {
	const struct mr_graph *g;
	uint64_t *whole; /* with all that is inside */
	uint64_t *shell; /* a conditional itself, its inner steps as they are */
	unsigned *todo;
	size_t todo_len;
};

static void redo_succs(struct redo *d, unsigned i)
{
	const struct mr_step *s = &d->g->steps[i];

	for (size_t k = 0; k < s->succs_len; k++) {
		if (mr_run_has(d->whole, s->succs[k]))
			continue;
		mr_run_set(d->whole, s->succs[k], true);
		d->todo[d->todo_len++] = s->succs[k];
	}
}

/* FROM and all that comes after it, out to the conditionals around it and what follows those. */
static void redo_from(struct redo *d, unsigned from)
{
	mr_run_set(d->whole, from, true);
	redo_succs(d, from);
	for (int at = d->g->steps[from].parent; at >= 0; at = d->g->steps[at].parent) {
		mr_run_set(d->shell, (unsigned)at, true);
		redo_succs(d, (unsigned)at);
	}
	while (d->todo_len > 0)
		redo_succs(d, d->todo[--d->todo_len]);
}

static bool is_to_be_redone(const struct mr_run *run, unsigned i)
{
	const struct mr_step_state *st = &run->steps[i];

	return is_failed_unhandled(run, i) || is_active(st->status) ||
	       st->status == MR_STEP_CANCELLED ||
	       (st->status == MR_STEP_SKIPPED && st->reason == MR_SKIP_JOIN);
}

static void redo_steps(struct mr_run *run, struct redo *d)
{
	/* a conditional comes before what is inside it */
	for (unsigned i = 0; i < run->g->steps_len; i++) {
		int parent = run->g->steps[i].parent;
		bool outer = parent < 0 || mr_run_has(d->shell, (unsigned)parent) ||
		             mr_run_has(d->whole, (unsigned)parent);

		if (parent >= 0 && mr_run_has(d->whole, (unsigned)parent))
			mr_run_set(d->whole, i, true);
		if (outer && is_to_be_redone(run, i))
			mr_run_set(d->shell, i, true);
		if (mr_run_has(d->whole, i) || mr_run_has(d->shell, i))
			make_fresh(run, i);
	}
	mr_run_recount(run);
}

static int redo_create(struct mr_run *run, struct redo *d)
{
	d->g = run->g;
	d->whole = mr_arena_array(run->arena, 2 * run->words, sizeof(*d->whole));
	/* each step is put there once, at most */
	d->todo = mr_arena_array(run->arena, run->g->steps_len, sizeof(*d->todo));
	if (d->whole == NULL || d->todo == NULL)
		return MR_E_NOMEM;
	d->shell = d->whole + run->words;
	return 0;
}

static int apply_retried(struct apply *a)
{
	struct mr_run *run = a->run;
	struct mr_str from = mr_value_get_str(&a->fact->data, "from_step");
	/* a name that the definition lacks is no reason to refuse a journal */
	int from_step = from.p != NULL ? mr_graph_find(run->g, from) : -1;
	struct mr_value input;
	struct redo d = { .todo_len = 0 };

	if (!mr_run_is_terminal(run->status))
		return MR_E_INVALID;
	if (keep(a, "input", &input) < 0 || redo_create(run, &d) < 0)
		return MR_E_NOMEM;
	if (mr_value_get(&a->fact->data, "input") != NULL && input.kind != MR_VALUE_NULL) {
		run->input = input;
		run->input_replaced = true;
	}
	if (from_step >= 0)
		redo_from(&d, (unsigned)from_step);
	redo_steps(run, &d);
	run->status = MR_RUN_RUNNING;
	run->error = run->result = MR_NULL_VALUE;
	run->has_result = false;
	run->ended_at = 0;
	if (run->started && run->g->timeout_us > 0)
		run->deadline_at = a->fact->at_us + run->g->timeout_us;
	return 0;
}

/* ---- the table ---- */

static const struct {
	int (*apply)(struct apply *a);
	bool of_step;
} rows[] = {
	[MR_FACT_CREATED] = { apply_created, false },
	[MR_FACT_STARTED] = { apply_started, false },
	[MR_FACT_STEP_STARTED] = { apply_step_started, true },
	[MR_FACT_STEP_WAITING] = { apply_step_waiting, true },
	[MR_FACT_STEP_COMPLETED] = { apply_step_completed, true },
	[MR_FACT_STEP_FAILED] = { apply_step_failed, true },
	[MR_FACT_STEP_RETRYING] = { apply_step_retrying, true },
	[MR_FACT_STEP_SKIPPED] = { apply_step_skipped, true },
	[MR_FACT_STEP_CANCELLED] = { apply_step_cancelled, true },
	[MR_FACT_LOG] = { apply_log, false },
	[MR_FACT_PAUSED] = { apply_paused, false },
	[MR_FACT_RESUMED] = { apply_resumed, false },
	[MR_FACT_COMPLETED] = { apply_completed, false },
	[MR_FACT_FAILED] = { apply_failed, false },
	[MR_FACT_CANCELLED] = { apply_cancelled, false },
	[MR_FACT_TIMED_OUT] = { apply_timed_out, false },
	[MR_FACT_RETRIED] = { apply_retried, false },
};
_Static_assert(MR_ARRAY_LEN(rows) == MR_FACT_KIND_COUNT, "a row for each kind of fact");

static int apply(struct mr_run *run, const struct mr_fact *fact, bool owned)
{
	struct apply a = { .run = run, .fact = fact, .owned = owned };
	int r;

	if ((unsigned)fact->kind >= MR_FACT_KIND_COUNT || fact->seq != run->seq + 1)
		return MR_E_INVALID;
	if (rows[fact->kind].of_step) {
		if (fact->step < 0 || (size_t)fact->step >= run->g->steps_len || !run->started)
			return MR_E_INVALID;
		a.s = &run->g->steps[fact->step];
		a.st = &run->steps[fact->step];
	}
	r = rows[fact->kind].apply(&a);
	if (r == 0)
		run->seq = fact->seq;
	return r;
}

int mr_run_apply(struct mr_run *run, const struct mr_fact *fact)
{
	return apply(run, fact, false);
}

int mr_run_apply_own(struct mr_run *run, const struct mr_fact *fact)
{
	return apply(run, fact, true);
}
