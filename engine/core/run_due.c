/* Whether what happened inside a step calls for a decision about it: asked by the fold, so that a
 * run read back is as ready as the one that it was read from. */
#include "engine/core/run_private.h"

static void count_branches(const struct mr_step_state *st, struct mr_tally *n)
{
	*n = (struct mr_tally){ .all = 0 };
	for (const struct mr_frame *f = st->inner->first; f != NULL; f = f->next) {
		if (f->kept)
			continue;
		n->all++;
		n->left += !f->is_closed;
		n->completed += f->is_closed && f->failed == NULL && !f->is_cancelled;
		n->failed += f->failed != NULL;
		if (f->failed != NULL && n->error == NULL)
			n->error = &f->failed->error;
	}
}

enum mr_parallel_end mr_parallel_judge(
    const struct mr_run *run, const struct mr_step_state *st, struct mr_tally *n)
{
	const struct mr_step *s = mr_step_of(run, st);
	const struct mr_join *j = &s->branch_join;
	bool strict = j->kind == MR_JOIN_OK || j->kind == MR_JOIN_ALL;
	enum mr_join_verdict verdict;

	count_branches(st, n);
	if (strict)
		verdict = n->failed > 0 ? MR_JOIN_UNMET : n->left > 0 ? MR_JOIN_WAIT : MR_JOIN_RUN;
	else
		verdict = mr_join_judge(j, n->all, n->left, n->all - n->left, n->completed);
	if (verdict == MR_JOIN_UNMET)
		return s->wait_all && n->left > 0 ? MR_PARALLEL_GOES_ON : MR_PARALLEL_FAILS;
	/* once it is met the others run to their ends, unless it is a race */
	if (verdict == MR_JOIN_WAIT || (n->left > 0 && !j->cancel_rest))
		return MR_PARALLEL_GOES_ON;
	return MR_PARALLEL_COMPLETES;
}

static bool chosen_are_due(const struct mr_step_state *st)
{
	bool open = false;

	for (const struct mr_frame *f = st->inner->first; f != NULL; f = f->next) {
		if (f->failed != NULL && !f->kept)
			return true;
		open = open || (!f->is_closed && !f->kept);
	}
	return !open;
}

static bool has_failing_frame(const struct mr_step_state *st)
{
	for (const struct mr_frame *f = st->inner->first; f != NULL; f = f->next)
		if (f->failed != NULL && !f->is_closed)
			return true;
	return false;
}

bool mr_step_is_due(const struct mr_run *run, const struct mr_step_state *st)
{
	struct mr_tally n;

	if (has_failing_frame(st))
		return true;
	if (st->status == MR_STEP_CATCHING)
		return st->inner->first->is_closed;
	switch (mr_step_of(run, st)->type) {
	case MR_STEP_PARALLEL:
		return mr_parallel_judge(run, st, &n) != MR_PARALLEL_GOES_ON;
	case MR_STEP_WHILE:
		return st->inner->first->is_closed && !st->inner->is_delayed;
	default:
		return chosen_are_due(st);
	}
}
