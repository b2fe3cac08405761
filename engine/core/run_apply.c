/*
 * The fold: one fact changes the state of a run. Each kind of fact is checked against the state
 * first, so that a journal that doesn't fit is refused and not half believed.
 */
#include "engine/core/run_apply.h"

int mr_apply_keep(struct mr_apply *a, const char *member, struct mr_value *ret)
{
	const struct mr_value *v = mr_value_get(&a->fact->data, member);
	struct mr_arena *arena = a->st != NULL ? a->st->frame->arena : a->run->arena;

	*ret = MR_NULL_VALUE;
	if (v == NULL)
		return 0;
	if (!a->owned)
		return mr_value_copy(arena, v, ret);
	*ret = *v;
	return 0;
}

/* ---- the table ---- */

enum subject {
	OF_RUN,
	OF_STEP,      /* found where it stands */
	OF_EXECUTION, /* found by its execution: it has completed */
};

static const struct {
	int (*apply)(struct mr_apply *a);
	enum subject subject;
} rows[] = {
	[MR_FACT_CREATED] = { mr_apply_created, OF_RUN },
	[MR_FACT_STARTED] = { mr_apply_started, OF_RUN },
	[MR_FACT_STEP_STARTED] = { mr_apply_step_started, OF_STEP },
	[MR_FACT_STEP_WAITING] = { mr_apply_step_waiting, OF_STEP },
	[MR_FACT_STEP_ITERATING] = { mr_apply_step_iterating, OF_STEP },
	[MR_FACT_STEP_COMPLETED] = { mr_apply_step_completed, OF_STEP },
	[MR_FACT_STEP_FAILED] = { mr_apply_step_failed, OF_STEP },
	[MR_FACT_STEP_RETRYING] = { mr_apply_step_retrying, OF_STEP },
	[MR_FACT_STEP_CATCHING] = { mr_apply_step_catching, OF_STEP },
	[MR_FACT_STEP_SKIPPED] = { mr_apply_step_skipped, OF_STEP },
	[MR_FACT_STEP_CANCELLED] = { mr_apply_step_cancelled, OF_STEP },
	[MR_FACT_STEP_COMPENSATED] = { mr_apply_step_compensated, OF_EXECUTION },
	[MR_FACT_STEP_COMPENSATION_FAILED] = { mr_apply_step_compensation_failed, OF_EXECUTION },
	[MR_FACT_LOG] = { mr_apply_log, OF_RUN },
	[MR_FACT_SIGNALLED] = { mr_apply_signalled, OF_RUN },
	[MR_FACT_VARIABLES] = { mr_apply_variables, OF_RUN },
	[MR_FACT_PAUSED] = { mr_apply_paused, OF_RUN },
	[MR_FACT_RESUMED] = { mr_apply_resumed, OF_RUN },
	[MR_FACT_FINISHING] = { mr_apply_finishing, OF_RUN },
	[MR_FACT_COMPENSATING] = { mr_apply_compensating, OF_RUN },
	[MR_FACT_COMPLETED] = { mr_apply_completed, OF_RUN },
	[MR_FACT_FAILED] = { mr_apply_failed, OF_RUN },
	[MR_FACT_CANCELLED] = { mr_apply_cancelled, OF_RUN },
	[MR_FACT_TIMED_OUT] = { mr_apply_timed_out, OF_RUN },
	[MR_FACT_COMPENSATED] = { mr_apply_compensated, OF_RUN },
	[MR_FACT_RETRIED] = { mr_apply_retried, OF_RUN },
};
_Static_assert(MR_ARRAY_LEN(rows) == MR_FACT_KIND_COUNT, "a row for each kind of fact");

static struct mr_frame *inner_frame(
    const struct mr_run *run, const struct mr_fact *fact, const struct mr_block *b)
{
	const struct mr_step_state *holder = mr_hash_find(run, fact->parent_id);
	struct mr_frame *f = holder != NULL && holder->inner != NULL ? holder->inner->last : NULL;

	while (f != NULL && (f->block != b || f->iteration != fact->iteration || f->kept))
		f = f->prev;
	return f;
}

/* Where the step of a journal row stands; NULL when there is no such place now. */
static struct mr_step_state *locate(const struct mr_run *run, const struct mr_fact *fact)
{
	const struct mr_block *b = &run->g->blocks[run->g->steps[fact->step].block];
	struct mr_frame *f;

	switch (b->role) {
	case MR_BLOCK_MAIN:
		f = run->main;
		break;
	case MR_BLOCK_ON_FAILURE:
		f = run->on_failure;
		break;
	case MR_BLOCK_FINALLY:
		f = run->finally;
		break;
	default:
		f = inner_frame(run, fact, b);
		break;
	}
	return f != NULL ? mr_frame_step(f, (unsigned)fact->step) : NULL;
}

static int apply(
    struct mr_run *run, const struct mr_fact *fact, struct mr_step_state *st, bool owned)
{
	struct mr_apply a = { .run = run, .fact = fact, .st = st, .owned = owned };
	int r;

	if (fact->kind < 0 || fact->kind >= MR_FACT_KIND_COUNT || fact->seq != run->seq + 1)
		return MR_E_INVALID;
	if (rows[fact->kind].subject == OF_RUN)
		a.st = NULL;
	else if (st == NULL)
		return MR_E_INVALID;
	else
		a.s = mr_step_of(run, st);
	/* only retried takes up a run that has ended; created may stand alone */
	if (run->phase == MR_PHASE_ENDED && fact->kind != MR_FACT_RETRIED)
		return MR_E_INVALID;
	r = rows[fact->kind].apply(&a);
	if (r == 0)
		run->seq = fact->seq;
	return r;
}

int mr_run_apply(struct mr_run *run, const struct mr_fact *fact)
{
	struct mr_step_state *st = NULL;

	mr_frames_bury(run);
	if (fact->kind >= 0 && fact->kind < MR_FACT_KIND_COUNT && fact->step >= 0 &&
	    (size_t)fact->step < run->g->steps_len) {
		if (rows[fact->kind].subject == OF_STEP)
			st = locate(run, fact);
		else if (rows[fact->kind].subject == OF_EXECUTION)
			st = mr_hash_find(run, fact->step_execution_id);
		if (st != NULL && st->index != (unsigned)fact->step)
			st = NULL;
	}
	return apply(run, fact, st, false);
}

int mr_run_apply_own(struct mr_run *run, const struct mr_fact *fact, struct mr_step_state *st)
{
	/* a frame's arena is used again while the fact still waits to be written */
	return apply(run, fact, st, st == NULL || st->frame->pooled == NULL);
}
