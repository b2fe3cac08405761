/*
 * The state machine of a run: (graph, state, event, now) → (new state, facts to journal, effects
 * to start). It knows no clock, socket or libpq; the engine, validation, tests and simulation use
 * this one.
 *
 * State is a fold over the journal: mr_run_apply() takes one fact. mr_run_advance() decides,
 * applies each fact it decides on, and hands the facts out to be journalled. So a run taken over
 * from the journal is in the very state that the former owner had committed.
 */
#ifndef MR_ENGINE_CORE_RUN_H
#define MR_ENGINE_CORE_RUN_H

#include "engine/core/graph.h"
#include "lib/clock.h"

enum mr_run_status {
	MR_RUN_PENDING,
	MR_RUN_RUNNING,
	MR_RUN_PAUSED,
	MR_RUN_COMPENSATING,
	MR_RUN_COMPLETED,
	MR_RUN_FAILED,
	MR_RUN_CANCELLED,
	MR_RUN_TIMED_OUT,
	MR_RUN_COMPENSATED,
	MR_RUN_STATUS_COUNT
};
const char *mr_run_status_name(enum mr_run_status s); /* the contract's words */

/* Kinds of journal rows: facts.def has the name stored in journal.kind. */
enum mr_fact_kind {
#define MR_FACT(id, name) MR_FACT_##id,
#include "engine/core/facts.def"
#undef MR_FACT
	MR_FACT_KIND_COUNT
};
const char *mr_fact_kind_name(enum mr_fact_kind k);
int mr_fact_kind_by_name(struct mr_str name); /* negative: unknown */

struct mr_fact {
	enum mr_fact_kind kind;
	int step;                  /* index in the graph, -1 for the run itself */
	int64_t parent_id;         /* step execution that holds this one; 0 outside of any */
	unsigned iteration;        /* of the block it stands in: item or round, from 0 */
	unsigned attempt;          /* from 1 */
	int64_t step_execution_id; /* drawn by next_id when the step execution begins */
	int64_t id;                /* journal id */
	unsigned seq;              /* dense within the run */
	int64_t at_us;
	int64_t duration_us;  /* -1: none */
	struct mr_value data; /* object; see docs/journal.md */
};

/* An effect to carry out after the facts before it are committed. */
struct mr_effect {
	int step;
	unsigned iteration;
	unsigned attempt;
	int64_t step_execution_id;
	struct mr_value config; /* rendered; data_transform: {program, input} for jq */
	struct mr_str idempotency_key;
	int64_t timeout_us;
	int64_t left_us;  /* of all attempts together; 0: no limit */
	int64_t start_us; /* how long it may wait until it begins; 0: no limit */
};

/* A step that waits for something from outside; stands until an end of that step is journalled. */
struct mr_wait_row {
	int step;
	int64_t step_execution_id;
	struct mr_str event_type; /* in OUT's arena; absent: it waits for CHILD_RUN_ID to end */
	int64_t child_run_id;
	size_t unwaits_before; /* it stands unless a later member of unwaits names its step */
};

/* An event that a step published, to be written with its fact. */
struct mr_emit_row {
	int64_t id; /* of the fact; unique for ever */
	struct mr_str type;
	struct mr_value data;
};

/* What happens to a run. */
enum mr_run_event_kind {
	MR_RUN_EVENT_WAKE,        /* first claim, or a time came: go on as far as possible */
	MR_RUN_EVENT_STEP_DONE,   /* an effect ended well */
	MR_RUN_EVENT_STEP_FAILED, /* an effect failed */
	/* a subworkflow's run was started; data is {child_run_id}. Without wait the step is done
	 * by this; else it waits for CHILD_ENDED */
	MR_RUN_EVENT_CHILD_STARTED,
	MR_RUN_EVENT_CHILD_ENDED, /* data is {child_run_id, status, output?, error?} */
	MR_RUN_EVENT_SIGNAL,      /* data is {id, type, data, source?, at?}: a signal or an event */
	MR_RUN_EVENT_VARIABLES,   /* data is {vars, by?}: merged into vars */
	MR_RUN_EVENT_CANCEL,
	MR_RUN_EVENT_PAUSE,
	MR_RUN_EVENT_RESUME,
	MR_RUN_EVENT_FAIL, /* the engine can't go on with this run (poison): data is the error */
};

struct mr_run_event {
	enum mr_run_event_kind kind;
	int64_t step_execution_id; /* of STEP_… and CHILD_… */
	unsigned attempt;          /* of STEP_… and CHILD_STARTED */
	struct mr_value data; /* result; or {type, message, status_code?, data?}; or {reason, by} */
	int64_t duration_us;  /* -1: not known */
	bool retryable;       /* STEP_FAILED: the step's own word, before the policy is asked */
	/* STEP_FAILED: the policy of a step that has none of its own; NULL: the definition's */
	const struct mr_retry_policy *retry;
};

/* What the run is about, and what it may ask for; fixed for its life. */
struct mr_run_info {
	int64_t id, workflow_id, tenant_id;
	struct mr_str workflow_name;
	int version;
	struct mr_value input; /* trigger.* */
	int64_t created_at_us; /* timeouts count from started */
	int64_t timeout_us;    /* of this run, if shorter than its definition's; 0: none */
	/* names under env.*, secrets.*: asked when an expression needs them; may be NULL */
	int (*env_lookup)(void *ctx, struct mr_arena *a, struct mr_str scope, struct mr_value *ret);
	void *env_ctx;
	/* Where large results are kept. STORE gives back a reference (text, in A) under which LOAD
	 * finds the value again; both may be NULL: then everything stays in the journal, and so
	 * does what STORE fails to keep. But MR_E_LIMIT says that the tenant has PAYLOAD_QUOTA
	 * bytes there: it fails the step. LOAD fails with MR_E_IO when it may find it later, with
	 * MR_E_NOT_FOUND or MR_E_INVALID when it is gone. */
	int (*payload_store)(
	    void *ctx, struct mr_arena *a, const struct mr_value *v, struct mr_str *ret_ref);
	int (*payload_load)(void *ctx, struct mr_arena *a, struct mr_str ref, struct mr_value *ret);
	void *payload_ctx;
	/* Lists of a foreach that take more bytes in memory aren't in snapshots, which name the
	 * journal row that has them: see mr_run_lend(). 0: all are. */
	size_t items_min;
	int64_t payload_quota;   /* for the sentence that says so */
	size_t payload_min;      /* results that take more bytes in memory are stored; 0: never */
	unsigned steps_per_call; /* how far one call of advance goes, fewer where they cost more
	                            than a plain one; 0: 10,000 */
};

struct mr_run; /* one run in memory */

/*
 * ARENA belongs to the run and grows with it; NEXT_ID draws journal ids. What INFO points to must
 * live as long as the run. The journal of a run begins with the API's created row: apply it (or
 * restore a snapshot) before the first advance, so that seq goes on from there. The run's own
 * smaller arenas are freed with ARENA.
 */
int mr_run_create(struct mr_arena *arena, const struct mr_graph *g, const struct mr_run_info *info,
    int64_t (*next_id)(void *ctx), void *next_id_ctx, struct mr_run **ret) MR_MUST_CHECK;
/*
 * Folds one journal row; what it keeps of the row is copied. An impossible fact (a gap in seq, a
 * step that ends without having begun) is MR_E_INVALID and changes nothing. Stored results may be
 * needed: else it fails as advance does.
 */
int mr_run_apply(struct mr_run *run, const struct mr_fact *fact) MR_MUST_CHECK;

/*
 * Collected by advance; the arrays live in OUT's arena until it is reset. The values in them lie
 * there, in the run's ARENA, its input or the graph: all are needed until they are written.
 */
struct mr_run_out {
	struct mr_arena *arena;
	struct mr_fact *facts;
	size_t facts_len, facts_cap;
	struct mr_effect *effects;
	size_t effects_len, effects_cap;
	/* steps whose effect is no longer wanted (cancel, timeout): abort them. One may stand
	 * among the effects above, when a later step of the same call failed. */
	struct mr_effect *aborts;
	size_t aborts_len, aborts_cap;
	struct mr_wait_row *waits; /* to be written with the facts */
	size_t waits_len, waits_cap;
	int64_t *unwaits; /* step executions whose waits have ended */
	size_t unwaits_len, unwaits_cap;
	struct mr_emit_row *emits;
	size_t emits_len, emits_cap;
	int64_t *cancels; /* step executions whose child runs are to be cancelled too */
	size_t cancels_len, cancels_cap;
};

/*
 * Takes one event and goes on as far as it can, steps_per_call at most: then wake_at says to call
 * again at once. An event of a step that isn't waiting for it (late, or of an earlier attempt)
 * changes nothing; so does any event of a run that has ended.
 * When it fails the run and what OUT got are of no more use: MR_E_NOMEM, MR_E_LIMIT, MR_E_IO (a
 * stored result can't be read now: fold the run again later), MR_E_CONFLICT (one is gone).
 */
int mr_run_advance(struct mr_run *run, const struct mr_run_event *ev, int64_t now_us,
    struct mr_rand *rand, struct mr_run_out *out) MR_MUST_CHECK;

/* After takeover: effects that were started and not ended, to be carried out again with the same
 * idempotency key and attempt. A config that can't be rendered any more (a secret has gone) fails
 * its step: OUT may hold facts. */
int mr_run_restart_effects(
    struct mr_run *run, int64_t now_us, struct mr_run_out *out) MR_MUST_CHECK;

enum mr_run_status mr_run_status(const struct mr_run *run);
unsigned mr_run_seq(const struct mr_run *run);
/* When advance must be called again with WAKE: 0 for never, 1 (long ago) for at once. */
int64_t mr_run_wake_at(const struct mr_run *run);
/* Effects started and not ended; steps that wait for an event or a child run. */
size_t mr_run_in_flight(const struct mr_run *run);
size_t mr_run_awaiting(const struct mr_run *run);
bool mr_run_is_terminal(enum mr_run_status s);
/* Once terminal: result (object), or error. */
struct mr_value mr_run_result(const struct mr_run *run);
struct mr_value mr_run_error(const struct mr_run *run); /* NULL_VALUE when there is none */
/* Its variables: a map, or null as long as there are none; another map whenever they change. */
struct mr_value mr_run_vars(const struct mr_run *run);
/* Ended steps and all steps of the main block, for progress. */
void mr_run_progress(const struct mr_run *run, unsigned *ret_done, unsigned *ret_total);

/* The key under which the definition limits runs at once, or absent when it has no limit; the
 * evaluation sees trigger.*. *RET lies in A. MR_E_INVALID with ERR when the key can't be told. */
int mr_run_concurrency_key(const struct mr_graph *g, const struct mr_run_info *info,
    struct mr_arena *a, struct mr_str *ret, struct mr_expr_error *err) MR_MUST_CHECK;

/* Before a snapshot is restored: the row of the journal, SEQ and its DATA, that it names among its
 * "facts", the first member of its text if it has any. DATA is the caller's until then. */
int mr_run_lend(struct mr_run *run, unsigned seq, const struct mr_value *data) MR_MUST_CHECK;
/* A snapshot for run_states, and back. Snapshot + later facts = the state. */
int mr_run_snapshot(
    const struct mr_run *run, struct mr_arena *a, struct mr_value *ret) MR_MUST_CHECK;
int mr_run_restore(struct mr_run *run, const struct mr_value *snapshot) MR_MUST_CHECK;

#endif
