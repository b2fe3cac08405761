/*
 * What the files of the fold share: one fact that is being applied. run_apply.c has the table of
 * all kinds and finds the step; run_apply_step.c does what happens to steps, run_apply_run.c what
 * happens to the run.
 */
#ifndef MR_ENGINE_CORE_RUN_APPLY_H
#define MR_ENGINE_CORE_RUN_APPLY_H

#include "engine/core/run_private.h"

struct mr_apply {
	struct mr_run *run;
	const struct mr_fact *fact;
	const struct mr_step *s;  /* NULL for facts of the run */
	struct mr_step_state *st; /* likewise */
	bool owned;               /* the fact's values may be kept if they lie in the main arena */
};

/* A member of the fact's data, copied into what lives as long as the step's frame (the run, for
 * facts of the run); null when there is none. */
int mr_apply_keep(struct mr_apply *a, const char *member, struct mr_value *ret) MR_MUST_CHECK;
/* Steps may begin now. */
bool mr_run_may_begin(const struct mr_run *run);
/* Takes what came with fact SEQ out of the inbox. */
void mr_inbox_consume(struct mr_run *run, unsigned seq);

/* ---- run_apply_step.c: one for each kind of fact ---- */

int mr_apply_step_started(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_waiting(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_iterating(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_completed(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_failed(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_retrying(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_catching(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_skipped(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_cancelled(struct mr_apply *a) MR_MUST_CHECK;

/* ---- run_apply_run.c: likewise ---- */

int mr_apply_created(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_started(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_compensated(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_step_compensation_failed(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_log(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_signalled(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_variables(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_paused(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_resumed(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_finishing(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_compensating(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_completed(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_failed(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_cancelled(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_timed_out(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_compensated(struct mr_apply *a) MR_MUST_CHECK;
int mr_apply_retried(struct mr_apply *a) MR_MUST_CHECK;

#endif
