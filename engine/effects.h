/*
 * Effects under way: one execution of a step type for each, started after its step.started was
 * committed, kept until its end was committed too, so that a run read again meets them.
 */
#ifndef MR_ENGINE_EFFECTS_H
#define MR_ENGINE_EFFECTS_H

#include "engine/core/run.h"
#include "engine/runs.h"
#include "engine/steps/step.h"

struct mr_effects;

enum mr_exec_state {
	MR_EXEC_UNDER_WAY,
	MR_EXEC_ENDED, /* its end waits to be told to the run */
	MR_EXEC_TOLD,  /* waits for the commit of outcome */
};

struct mr_exec {
	struct mr_step_exec x; /* owns its arena */
	struct mr_held *held;
	enum mr_exec_state state;
	const struct mr_step_runner *runner;
	struct mr_outcome *outcome; /* told in this one */
	struct mr_redact *redact;   /* hides secrets in what it brings back; or NULL */
	int64_t began_us;           /* monotonic */
	int64_t duration_us;
	struct mr_exec *next; /* of its run */
};

struct mr_effects *mr_effects_create(struct mr_engine *e) MR_MUST_CHECK;
void mr_effects_close(struct mr_effects *fx, uv_close_cb closed);
struct mr_effects *mr_effects_free(struct mr_effects *fx);
size_t mr_effects_in_flight(const struct mr_effects *fx);

/* Starts what is not under way yet. */
void mr_effect_start(struct mr_held *h, const struct mr_effect *effect);
/* The effect is no longer wanted, whether it has begun or waits for its commit. */
void mr_effect_abort(struct mr_held *h, const struct mr_effect *effect);
void mr_effects_abort_all(struct mr_held *h);
/* For mr_held_create: the effects of OLD now belong to H. */
void mr_effects_move(struct mr_held *old, struct mr_held *h);
/* True while something is under way, or has ended and the run doesn't know. */
bool mr_effects_untold(const struct mr_held *h);
/* Frees those whose end was told in O, which is committed. */
void mr_effects_committed(struct mr_held *h, const struct mr_outcome *o);
/* What was told and not committed will be told again. */
void mr_effects_forget_told(struct mr_held *h);
/* Aborts those that EFFECTS does not name. */
void mr_effects_keep(struct mr_held *h, const struct mr_effect *effects, size_t len);
/* Takes those out of OUT, from FROM on, that are under way or will be without them. */
void mr_effects_leave_out(struct mr_held *h, struct mr_run_out *out, size_t from);
/* Tells H, which is live, about those that have ended meanwhile. */
void mr_effects_tell(struct mr_held *h);

#endif
