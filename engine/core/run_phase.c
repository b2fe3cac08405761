/* The phases after the main part, as facts lead through them: undoing, on_failure, finally. */
#include "engine/core/run_private.h"

bool mr_outcome_is_failure(enum mr_run_status outcome)
{
	return outcome == MR_RUN_FAILED || outcome == MR_RUN_TIMED_OUT ||
	       outcome == MR_RUN_COMPENSATED;
}

void mr_run_stop_main(struct mr_run *run)
{
	for (struct mr_frame *f = run->frames; f != NULL; f = f->all_next)
		f->is_closed = true;
	while (run->ready != NULL)
		mr_ready_remove(run, run->ready);
	run->deadline_at = 0;
}

static int open_handler(
    struct mr_run *run, enum mr_run_phase phase, int block, struct mr_frame **ret)
{
	run->phase = phase;
	return mr_frame_open(run, &run->g->blocks[block], NULL, 0, &run->error, ret);
}

int mr_run_next_phase(struct mr_run *run)
{
	const struct mr_graph *g = run->g;

	if (run->phase < MR_PHASE_ON_FAILURE && g->on_failure >= 0 &&
	    mr_outcome_is_failure(run->outcome))
		return open_handler(run, MR_PHASE_ON_FAILURE, g->on_failure, &run->on_failure);
	if (run->phase < MR_PHASE_FINALLY && g->finally >= 0)
		return open_handler(run, MR_PHASE_FINALLY, g->finally, &run->finally);
	run->phase = MR_PHASE_CLOSING;
	return 0;
}

int mr_run_next_undo(struct mr_run *run)
{
	struct mr_step_state *st;

	run->undoing = NULL;
	if (run->undo_len == 0)
		return 0;
	st = run->undo[run->undo_len - 1];
	return mr_frame_open(
	    run, &run->g->blocks[mr_step_of(run, st)->compensate], st, 0, NULL, &run->undoing);
}

void mr_run_undone(struct mr_run *run)
{
	mr_frame_drop(run, run->undoing);
	run->undoing = NULL;
	run->undo_len--;
}
