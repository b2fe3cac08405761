/*
 * What the files of the state machine share: the state of a run and of its steps. All of it is a
 * fold over facts; what is marked as derived is counted from the rest.
 */
#ifndef MR_ENGINE_CORE_RUN_PRIVATE_H
#define MR_ENGINE_CORE_RUN_PRIVATE_H

#include "engine/core/run.h"

enum mr_step_status {
	MR_STEP_FRESH,
	MR_STEP_RUNNING,  /* an effect is under way, or a conditional's inner steps are */
	MR_STEP_WAITING,  /* for a time */
	MR_STEP_RETRYING, /* for its next attempt */
	MR_STEP_COMPLETED,
	MR_STEP_FAILED,
	MR_STEP_SKIPPED,
	MR_STEP_CANCELLED,
	MR_STEP_STATUS_COUNT
};

enum mr_skip_reason {
	MR_SKIP_NONE,
	MR_SKIP_WHEN,
	MR_SKIP_PATH_NOT_TAKEN,
	MR_SKIP_JOIN,
	MR_SKIP_REASON_COUNT
};

struct mr_step_state {
	enum mr_step_status status;
	enum mr_skip_reason reason;
	unsigned branch;  /* of a conditional: 1 true, 2 false, 0 not decided */
	unsigned attempt; /* the one under way or the last; 0 before the first */
	int64_t execution_id;
	int64_t began_at; /* when the attempt began */
	int64_t wake_at;
	struct mr_value output; /* once completed */
	struct mr_value error;  /* once failed */
	/* derived */
	unsigned deps_left, deps_done;
	unsigned children_left; /* of a running conditional: inner steps that haven't ended */
	int failed_child;       /* one of them that failed unhandled, or -1 */
};

struct mr_run {
	struct mr_arena *arena;
	const struct mr_graph *g;
	struct mr_run_info info;
	int64_t (*next_id)(void *ctx);
	void *next_id_ctx;
	enum mr_run_status status;
	unsigned seq;
	bool started;
	bool input_replaced;
	struct mr_value input;
	int64_t started_at, deadline_at, paused_at, ended_at;
	struct mr_value error;
	struct mr_value result;
	bool has_result;
	struct mr_step_state *steps;
	/* derived */
	uint64_t *ready;   /* steps to be looked at: all they waited for has ended */
	uint64_t *active;  /* running, waiting or retrying */
	uint64_t *timed;   /* of these: waiting or retrying */
	size_t words;      /* of each of these sets */
	unsigned top_left; /* top-level steps that haven't ended */
	int failed_step;   /* top-level, unhandled; -1 */
	size_t in_flight;
};

/* ---- run.c ---- */

extern const char *const mr_step_status_names[MR_STEP_STATUS_COUNT];
extern const char *const mr_skip_reason_names[MR_SKIP_REASON_COUNT];
void mr_run_set(uint64_t *set, unsigned i, bool on);
bool mr_run_has(const uint64_t *set, unsigned i);
/* The first member from FROM on, or -1. */
int mr_run_first(const uint64_t *set, size_t words, unsigned from);

/* ---- run_apply.c ---- */

bool mr_run_step_ended(const struct mr_run *run, unsigned i);
/* A field that an http_request result lacks is looked up in its json. */
void mr_run_link_json(struct mr_run *run, unsigned i);
/* Counts everything that is derived from the statuses of the steps. */
void mr_run_recount(struct mr_run *run);
/* As mr_run_apply, for a fact whose output and error lie in the run's arena already. */
int mr_run_apply_own(struct mr_run *run, const struct mr_fact *fact) MR_MUST_CHECK;

/* ---- run_value.c ---- */

#define MR_RUN_MAX_DEPTH 500u /* brackets in brackets, of one value */

/* V as the journal gives it back: V itself, or what JSON makes of it. MR_E_INVALID when JSON can't
 * carry it (a NUL, an integer beyond int64), MR_E_LIMIT when it is too deep. */
int mr_run_json_value(
    struct mr_arena *scratch, const struct mr_value *v, struct mr_value *ret) MR_MUST_CHECK;

/* ---- run_env.c: what expressions see ---- */

enum mr_secrets {
	MR_SECRETS_REAL,
	MR_SECRETS_SHOWN_REDACTED, /* for what is recorded */
	MR_SECRETS_REFUSED,        /* where the outcome is a result */
};

struct mr_run_env {
	struct mr_expr_env expr; /* give this to the evaluator */
	const struct mr_run *run;
	const struct mr_step *step; /* NULL: the output of the whole run */
	const struct mr_step_refs *refs;
	enum mr_secrets secrets;
	const struct mr_value *result; /* the step's raw result; NULL outside its output */
	struct mr_value steps, meta;   /* made when first asked for */
	bool has_steps, has_meta;
	bool saw_secrets; /* real values of env or secrets were looked at */
};

void mr_run_env_init(struct mr_run_env *env, const struct mr_run *run, const struct mr_step *step,
    enum mr_secrets secrets, int64_t now_us);
/* What a transformation works on when it doesn't say: the result of the step before. */
void mr_run_env_source(const struct mr_run_env *env, struct mr_value *ret);

/* ---- run_out.c: facts and effects ---- */

/* One call of advance. */
struct mr_turn {
	struct mr_run *run;
	int64_t now;
	struct mr_rand *rand;
	struct mr_run_out *out;
	unsigned budget;
};

#define MR_FIELDS_MAX 10

/* An object being made. */
struct mr_fields {
	struct mr_member m[MR_FIELDS_MAX];
	size_t len;
};

void mr_fields_put(struct mr_fields *f, const char *key, struct mr_value v);
int mr_fields_map(
    struct mr_arena *a, const struct mr_fields *f, struct mr_value *ret) MR_MUST_CHECK;
int mr_fields_time(
    struct mr_fields *f, struct mr_arena *a, const char *key, int64_t us) MR_MUST_CHECK;
/* Journals a fact of a step, or of the run (STEP < 0), and applies it. */
int mr_turn_fact(struct mr_turn *t, enum mr_fact_kind kind, int step, const struct mr_fields *data,
    int64_t duration_us) MR_MUST_CHECK;
/* {type, order} of a step. */
struct mr_fields mr_turn_step_fields(const struct mr_turn *t, unsigned step);
/* The attempt that a fact of this step is about. */
unsigned mr_turn_attempt(const struct mr_turn *t, unsigned step);
int mr_turn_effect(struct mr_turn *t, const struct mr_effect *e) MR_MUST_CHECK;
int mr_turn_abort(struct mr_turn *t, unsigned step) MR_MUST_CHECK;

/* ---- run_step.c: carrying steps out ---- */

/* Begins a step whose dependencies have ended: skips it, runs it, or starts its effect. */
int mr_turn_begin(struct mr_turn *t, unsigned step) MR_MUST_CHECK;
/* The next attempt of a step. */
int mr_turn_attempt_again(struct mr_turn *t, unsigned step) MR_MUST_CHECK;
/* A time has come. */
int mr_turn_waited(struct mr_turn *t, unsigned step) MR_MUST_CHECK;
/* RAW: what came out, before the step's output template. INPUT: to be recorded, or NULL. */
int mr_turn_complete(struct mr_turn *t, unsigned step, const struct mr_value *raw,
    const struct mr_value *input, int64_t duration_us) MR_MUST_CHECK;
/* The effect of a step that was started once already, again. */
int mr_turn_effect_again(struct mr_turn *t, unsigned step) MR_MUST_CHECK;
/* A running conditional whose inner steps have ended, or one of them has failed. */
int mr_turn_settle(struct mr_turn *t, unsigned step) MR_MUST_CHECK;

/* ---- run_fail.c: failures, retries, cancelling ---- */

struct mr_failure {
	const char *type;
	struct mr_str message;
	const struct mr_value
	    *given; /* {type, message, status_code?, data?} of an effect, or NULL */
	const struct mr_value *inner; /* the whole error of an inner step, or NULL */
	bool retryable;
	int64_t duration_us;
	const struct mr_value *input; /* to be recorded, or NULL */
};

int mr_turn_fail(struct mr_turn *t, unsigned step, const struct mr_failure *f) MR_MUST_CHECK;
/* An expression of MEMBER failed: R and ERR are the evaluator's; without message, its outcome is
 * none that can be recorded. What it says is kept back when it may hold a secret of ENV (may be
 * NULL). NOMEM is passed on. */
int mr_turn_fail_expr(struct mr_turn *t, unsigned step, struct mr_str member, int r,
    const struct mr_expr_error *err, const struct mr_run_env *env) MR_MUST_CHECK;
/* Cancels what is active: inside step PARENT, or everywhere when it is negative. */
int mr_turn_cancel_active(struct mr_turn *t, int parent, const char *reason) MR_MUST_CHECK;
bool mr_retry_wanted(const struct mr_retry_policy *p, struct mr_str error_type);
int64_t mr_retry_delay(const struct mr_retry_policy *p, unsigned attempt, struct mr_rand *rand);

/* ---- run_result.c ---- */

/* What the run gives when it completes; kept in run->result. */
int mr_run_make_result(struct mr_run *run, int64_t now_us, struct mr_expr_error *err) MR_MUST_CHECK;

#endif
