/*
 * What the files of the state machine share: the state of a run, of its frames and their steps.
 * All of it is a fold over facts; what is marked as derived is counted from the rest.
 *
 * A frame is a block that runs: the main one, a case that was chosen, one item of a foreach. Each
 * has the states of its steps, and an arena for what they give, reused by later frames.
 */
#ifndef MR_ENGINE_CORE_RUN_PRIVATE_H
#define MR_ENGINE_CORE_RUN_PRIVATE_H

#include "engine/core/run.h"

enum mr_step_status {
	MR_STEP_FRESH,
	MR_STEP_RUNNING,  /* an effect is under way, or inner steps are */
	MR_STEP_WAITING,  /* for a time, an event, a child run */
	MR_STEP_RETRYING, /* for its next attempt */
	MR_STEP_CATCHING, /* it failed; the steps of a catch entry run */
	MR_STEP_COMPLETED,
	MR_STEP_FAILED,
	MR_STEP_SKIPPED,
	MR_STEP_CANCELLED,
	MR_STEP_COMPENSATED,
	MR_STEP_STATUS_COUNT
};

enum mr_skip_reason {
	MR_SKIP_NONE,
#define MR_SKIP_REASON(id, word) MR_SKIP_##id,
#define MR_CANCEL_REASON(id, word)
#include "engine/core/reasons.def"
#undef MR_CANCEL_REASON
#undef MR_SKIP_REASON
	MR_SKIP_REASON_COUNT
};

enum mr_cancel_reason {
#define MR_SKIP_REASON(id, word)
#define MR_CANCEL_REASON(id, word) MR_CANCEL_##id,
#include "engine/core/reasons.def"
#undef MR_CANCEL_REASON
#undef MR_SKIP_REASON
	MR_CANCEL_REASON_COUNT
};

enum mr_run_phase {
	MR_PHASE_MAIN,
	MR_PHASE_COMPENSATING,
	MR_PHASE_ON_FAILURE,
	MR_PHASE_FINALLY,
	MR_PHASE_CLOSING, /* all has run; only the last fact is missing */
	MR_PHASE_ENDED,
	MR_PHASE_COUNT
};

struct mr_frame;

/* What a step has while it holds frames or waits for something from outside. */
struct mr_inner {
	struct mr_frame *first, *last; /* its frames, in order of opening */
	size_t frames_len;             /* of these */
	uint64_t ways;                 /* branches that were chosen */
	unsigned catch_entry;          /* of a catching step */
	/* foreach */
	struct mr_value items;    /* a list */
	unsigned items_seq;       /* of the fact that has it */
	struct mr_value *results; /* one an item; kept in the holder's frame */
	struct mr_value *parts;   /* one an item, or NULL: paths in its result; see run_parts.c */
	uint8_t *done;            /* one an item: 1 succeeded */
	size_t next;              /* the first item that was not opened yet */
	size_t succeeded, failed;
	/* while */
	unsigned rounds; /* begun */
	bool is_delayed; /* the delay after the last round was journalled */
	/* the first failure of a frame that counts */
	struct mr_value failure;
	bool has_failure;
	/* data_transform with jq: how far it has come; not in snapshots */
	size_t jq_index;
	struct mr_value jq_state;
	/* wait: {waits: [{until} or {event, count}], all}; subworkflow: {child_run_id, cascade} */
	struct mr_value spec;
};

/* What an effect that is under way began with, as far as it could come out otherwise when it is
 * rendered again: variables change, and others end meanwhile. */
struct mr_begun {
	struct mr_pooled *pooled; /* all of it lies there */
	struct mr_value input;    /* as it is recorded; null: the config holds no expression */
	struct mr_value vars;     /* of then, where the recorded input doesn't do; else null */
};

struct mr_step_state {
	struct mr_frame *frame; /* where it stands */
	unsigned index;         /* in the graph */
	enum mr_step_status status;
	enum mr_skip_reason reason;
	bool handled;     /* failed, and that was dealt with */
	unsigned attempt; /* the one under way or the last; 0 before the first */
	uint64_t ways;    /* once ended: which edges are taken */
	int64_t execution_id;
	int64_t first_at;       /* when the first attempt began */
	int64_t began_at;       /* when the attempt began */
	int64_t wake_at;        /* waiting, retrying: until when; 0: for no time */
	struct mr_value output; /* once completed */
	struct mr_str ref;      /* the output is kept elsewhere, under this name */
	struct mr_value parts;  /* paths of what is left out in the output; see run_parts.c */
	struct mr_value error;  /* once failed, or caught */
	struct mr_inner *inner; /* or NULL */
	struct mr_begun *begun; /* or NULL */
	struct mr_str key; /* of all its attempts, from the first on; absent: not by template */
	/* derived */
	unsigned deps_left, deps_done, deps_completed;
	bool is_ready;
	struct mr_step_state *ready_next, *ready_prev;
	bool is_active;
	struct mr_step_state *active_next, *active_prev; /* of its frame */
	size_t timer_place; /* in the run's heap, from 1; 0: not there */
	int64_t timer_at;
	struct mr_step_state *hash_next;
	bool is_hashed;
	bool is_awaiting; /* counted in the run's awaiting, and in the list of waiting steps */
	struct mr_step_state *awaiting_next, *awaiting_prev;
};

/* An arena that frames use one after the other. */
struct mr_pooled {
	struct mr_arena *arena;
	struct mr_pooled *next;
};

struct mr_frame {
	const struct mr_block *block;
	struct mr_step_state *holder;         /* NULL: the run itself */
	struct mr_frame *next, *prev;         /* among the holder's */
	struct mr_frame *all_next, *all_prev; /* of the run, in order of opening */
	unsigned iteration;
	struct mr_arena *arena;      /* what its steps gave; the run's own for the main block */
	struct mr_pooled *pooled;    /* where the arena came from, or NULL */
	struct mr_value bound;       /* foreach: the item; while: the last round's result; error */
	struct mr_step_state *steps; /* block->len of them */
	bool is_detached; /* closed and not among the holder's any more, kept for compensation */
	unsigned pins;    /* compensations inside that need it */
	/* derived */
	unsigned left; /* steps that haven't ended */
	struct mr_step_state *active;
	struct mr_step_state *failed; /* the first unhandled failure */
	bool is_closed;               /* nothing more happens in it */
	bool is_cancelled;            /* steps of it were cancelled: it gives nothing */
	bool kept;       /* of a block that is to run again: its steps' states are used */
	unsigned number; /* in the snapshot being written */
};

/* A signal or event that came and was not consumed. */
struct mr_inbox_item {
	unsigned seq; /* of its fact */
	struct mr_value event;
	struct mr_inbox_item *next;
};

#define MR_INBOX_MAX 1000

/* A journal row that the snapshot about to be restored names. */
struct mr_lent {
	unsigned seq;
	const struct mr_value *data;
	struct mr_lent *next;
};

struct mr_run {
	struct mr_lent *lent; /* until it is restored */
	struct mr_arena *arena;
	const struct mr_graph *g;
	struct mr_run_info info;
	int64_t (*next_id)(void *ctx);
	void *next_id_ctx;
	uint64_t *spent; /* of the call of advance under way, or NULL */
	enum mr_run_phase phase;
	bool is_paused;
	bool started;
	unsigned seq;
	enum mr_run_status outcome; /* once decided: after the main part */
	bool input_replaced;
	struct mr_value input;
	struct mr_value vars; /* a map, or null; lies in vars_pooled */
	struct mr_pooled *vars_pooled;
	size_t vars_size; /* bytes that its arena held when all of it counted */
	int64_t started_at, deadline_at, paused_at, ended_at;
	struct mr_value error;
	struct mr_value result;
	int64_t result_at; /* what now() was for it */
	bool has_result;
	bool has_output;     /* terminate gave the output that is the result */
	struct mr_value who; /* of finishing: {status, by?, reason?, …} */
	struct mr_frame *main, *on_failure, *finally;
	struct mr_frame *undoing;   /* the compensation under way */
	struct mr_value terminated; /* what a terminate step said; null: none has completed */
	struct mr_inbox_item *inbox, *inbox_last;
	size_t inbox_len;
	/* completed steps that can be undone, in order of completion */
	struct mr_step_state **undo;
	size_t undo_len, undo_cap;
	bool undo_failed;
	/* all frames, in order of opening */
	struct mr_frame *frames, *frames_last;
	struct mr_pooled *pool; /* arenas that no frame uses */
	struct mr_pooled *dead; /* of frames just forgotten: readable until they are buried */
	/* derived */
	struct mr_step_state *ready, *ready_last;
	struct mr_step_state *ready_due; /* the last of those in front that are under way already */
	/* steps that wait for an event or a child */
	struct mr_step_state *awaiting, *awaiting_last;
	size_t awaiting_len;
	struct mr_step_state **timers;
	size_t timers_len, timers_cap;
	struct mr_step_state **hash;
	size_t hash_cap, hash_len;
	size_t in_flight;
};

/* ---- run.c ---- */

extern const char *const mr_step_status_names[MR_STEP_STATUS_COUNT];
extern const char *const mr_skip_reason_names[MR_SKIP_REASON_COUNT];
extern const char *const mr_cancel_reason_names[MR_CANCEL_REASON_COUNT];
extern const char *const mr_run_phase_names[MR_PHASE_COUNT];
static inline const struct mr_step *mr_step_of(
    const struct mr_run *run, const struct mr_step_state *st)
{
	return &run->g->steps[st->index];
}
static inline struct mr_step_state *mr_frame_step(const struct mr_frame *f, unsigned index)
{
	return &f->steps[index - f->block->first];
}

/* ---- run_lists.c: steps that are ready, timed, found by their execution ---- */

void mr_ready_add(struct mr_run *run, struct mr_step_state *st);
void mr_ready_remove(struct mr_run *run, struct mr_step_state *st);
void mr_timer_remove(struct mr_run *run, struct mr_step_state *st);
/* AT of 0 takes it out. */
int mr_timer_set(struct mr_run *run, struct mr_step_state *st, int64_t at) MR_MUST_CHECK;
int mr_hash_add(struct mr_run *run, struct mr_step_state *st) MR_MUST_CHECK;
void mr_hash_remove(struct mr_run *run, struct mr_step_state *st);
struct mr_step_state *mr_hash_find(const struct mr_run *run, int64_t execution_id);
void mr_awaiting_set(struct mr_run *run, struct mr_step_state *st, bool on);

/* ---- run_frame.c: frames opened, counted, closed ---- */

bool mr_step_is_active(enum mr_step_status s);
/* Ended in any way: what waits for it waits no more. */
bool mr_step_ended(const struct mr_step_state *st);
enum mr_join_verdict { MR_JOIN_WAIT, MR_JOIN_RUN, MR_JOIN_UNMET };
enum mr_join_verdict mr_join_judge(
    const struct mr_join *j, size_t len, size_t left, size_t done, size_t completed);
enum mr_join_verdict mr_step_verdict(const struct mr_run *run, const struct mr_step_state *st);
struct mr_inner *mr_inner_need(struct mr_step_state *st) MR_MUST_CHECK;
/* BOUND is copied into the frame. */
int mr_frame_open(struct mr_run *run, const struct mr_block *block, struct mr_step_state *holder,
    unsigned iteration, const struct mr_value *bound, struct mr_frame **ret) MR_MUST_CHECK;
/* Forgets a frame and all frames inside; those that compensations need are kept aside. */
void mr_frame_drop(struct mr_run *run, struct mr_frame *f);
void mr_inner_drop(struct mr_run *run, struct mr_step_state *st);
/* An empty arena for a frame, or for the variables; NULL without memory. */
struct mr_pooled *mr_pool_get(struct mr_run *run) MR_MUST_CHECK;
/* Reuses the arenas of forgotten frames; until then their steps can still be looked at. */
void mr_frames_bury(struct mr_run *run);
/* A frame of a snapshot, its steps fresh and nothing counted yet. */
int mr_frame_restore(struct mr_run *run, const struct mr_block *block, struct mr_step_state *holder,
    bool is_detached, struct mr_frame **ret) MR_MUST_CHECK;
/* Counts all that is derived from the statuses of the frame's steps. */
int mr_frame_count(struct mr_run *run, struct mr_frame *f) MR_MUST_CHECK;
/* As count, for a frame that is to go on: open again. */
int mr_frame_recount(struct mr_run *run, struct mr_frame *f) MR_MUST_CHECK;
/* One that the frame holds has changed: it closes when all has ended or it has failed. */
int mr_frame_check(struct mr_run *run, struct mr_frame *f) MR_MUST_CHECK;
int mr_step_enter(
    struct mr_run *run, struct mr_step_state *st, enum mr_step_status status) MR_MUST_CHECK;
int mr_step_end(
    struct mr_run *run, struct mr_step_state *st, enum mr_step_status status) MR_MUST_CHECK;
void mr_step_make_fresh(struct mr_run *run, struct mr_step_state *st, bool keep_inner);
/* The result of the last step, as written, that has one; loaded into A when it is elsewhere. */
int mr_frame_result(const struct mr_run *run, const struct mr_frame *f, struct mr_arena *a,
    struct mr_value *ret) MR_MUST_CHECK;
/* The same without what lies elsewhere: *RET_PARTS says where that is missing. All in A. */
int mr_frame_parts(const struct mr_frame *f, struct mr_arena *a, struct mr_value *ret,
    struct mr_value *ret_parts) MR_MUST_CHECK;
/* What a completed step gave. MR_E_IO, or MR_E_CONFLICT when it was stored and is gone. */
int mr_step_output(const struct mr_run *run, const struct mr_step_state *st, struct mr_arena *a,
    struct mr_value *ret) MR_MUST_CHECK;
/* Opens the items of a foreach that may run now. */
int mr_foreach_open(struct mr_run *run, struct mr_step_state *st) MR_MUST_CHECK;
/* What a foreach goes through, as a list: GIVEN itself, {key, value} of an object's members, or the
 * numbers of {from, to, step}. MR_E_INVALID when GIVEN is none of these, MR_E_LIMIT for too many.
 */
int mr_foreach_items(
    struct mr_arena *a, const struct mr_value *given, struct mr_value *ret) MR_MUST_CHECK;
/* How many failed items are not too many. */
size_t mr_foreach_tolerance(const struct mr_step *s, size_t items);
int mr_undo_add(struct mr_run *run, struct mr_step_state *st) MR_MUST_CHECK;
/* Keeps the frames around ST, which was undone or can be, whatever happens to their holders. */
void mr_frame_pin(struct mr_step_state *st);
/* Pins anew what can be undone, and forgets frames that were kept for more than that. */
void mr_frames_unpin(struct mr_run *run);

/* ---- run_begun.c: what effects under way began with ---- */

/* For a step that reaches outside and has just begun with what DATA, of its fact or of a snapshot,
 * says: {input?, vars?}. Its key is known. */
int mr_begun_keep(
    struct mr_run *run, struct mr_step_state *st, const struct mr_value *data) MR_MUST_CHECK;
void mr_begun_drop(struct mr_run *run, struct mr_step_state *st);
int mr_begun_write(
    const struct mr_begun *b, struct mr_arena *a, struct mr_value *ret) MR_MUST_CHECK;

/* ---- run_due.c ---- */

/* Branches of a parallel that runs. */
struct mr_tally {
	size_t all, left, completed, failed;
	const struct mr_value *error; /* of the first that failed */
};
enum mr_parallel_end { MR_PARALLEL_GOES_ON, MR_PARALLEL_COMPLETES, MR_PARALLEL_FAILS };
enum mr_parallel_end mr_parallel_judge(
    const struct mr_run *run, const struct mr_step_state *st, struct mr_tally *n);
/* What happened inside ST, which has a frame, calls for a decision. */
bool mr_step_is_due(const struct mr_run *run, const struct mr_step_state *st);

/* ---- run_apply.c ---- */

/* As mr_run_apply, for a fact decided here: ST is its step, or NULL. */
int mr_run_apply_own(
    struct mr_run *run, const struct mr_fact *fact, struct mr_step_state *st) MR_MUST_CHECK;

/* ---- run_apply_step.c ---- */

/* A field that an http_request's result V lacks is looked up in its json. */
void mr_link_json(const struct mr_step *s, struct mr_value *v);
/* The mask of the branches that DATA names ("branch", "branches"). */
uint64_t mr_read_ways(const struct mr_step *s, const struct mr_value *data);
/* When the attempt under way, or the step as a whole, has been going on for too long; 0: never. */
int64_t mr_step_deadline(const struct mr_run *run, const struct mr_step_state *st);
int mr_step_arm(struct mr_run *run, struct mr_step_state *st) MR_MUST_CHECK;

/* ---- run_vars.c ---- */

/* Writes MORE, a map or nothing, over the variables. */
int mr_run_merge_vars(struct mr_run *run, const struct mr_value *more) MR_MUST_CHECK;

/* ---- run_phase.c: after the main part, as the facts say ---- */

/* Nothing more begins in any frame. */
void mr_run_stop_main(struct mr_run *run);
/* on_failure, finally or the end, whichever comes next. */
int mr_run_next_phase(struct mr_run *run) MR_MUST_CHECK;
/* The last completed step that can be undone gets the frame in which it is. */
int mr_run_next_undo(struct mr_run *run) MR_MUST_CHECK;
void mr_run_undone(struct mr_run *run);
bool mr_outcome_is_failure(enum mr_run_status outcome);

/* ---- run_redo.c ---- */

/* A run that ended, taken up again from the step named FROM, or where it failed. */
int mr_run_redo(struct mr_run *run, struct mr_str from) MR_MUST_CHECK;

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

#define MR_ENV_BINDS 2

struct mr_run_env {
	struct mr_expr_env expr; /* give this to the evaluator */
	const struct mr_run *run;
	const struct mr_step_state *st; /* NULL: the output of the whole run */
	const struct mr_step_refs *refs;
	const struct mr_value *vars; /* the run's, or those that the attempt began with */
	enum mr_secrets secrets;
	const struct mr_value *result; /* the step's raw result; NULL outside its output */
	/* names for this evaluation alone */
	struct {
		struct mr_str name;
		struct mr_value value;
	} binds[MR_ENV_BINDS];
	size_t binds_len;
	struct mr_value steps, meta; /* made when first asked for */
	bool has_steps, has_meta;
	bool saw_secrets; /* real values of env or secrets were looked at */
};

void mr_run_env_init(struct mr_run_env *env, const struct mr_run *run,
    const struct mr_step_state *st, enum mr_secrets secrets, int64_t now_us);
void mr_run_env_bind(struct mr_run_env *env, struct mr_str name, struct mr_value v);
/* What a transformation works on when it doesn't say: the result of the step before. */
int mr_run_env_source(
    const struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret) MR_MUST_CHECK;

/* ---- run_advance.c ---- */

/* What work costs, in steps of an evaluation, some ten nanoseconds each. */
#define MR_COST_STEP    200u   /* a step of the run, beside what it evaluates */
#define MR_COST_PAYLOAD 20000u /* a result that is read from its store, or written there */
#define MR_COST_BYTES   8u     /* so many bytes of it, in memory, for each unit more */

/* Counts what the call of advance under way has done: there is an end to it, since other runs wait
 * for the same thread. */
void mr_run_spend(const struct mr_run *run, uint64_t cost);

/* ---- run_out.c: facts and effects ---- */

/* One call of advance. */
struct mr_turn {
	struct mr_run *run;
	int64_t now;
	struct mr_rand *rand;
	struct mr_run_out *out;
	uint64_t spent, budget; /* see mr_run_spend() */
};

#define MR_FIELDS_MAX 16

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
/* Journals a fact of a step, or of the run (ST NULL), and applies it. */
int mr_turn_fact(struct mr_turn *t, enum mr_fact_kind kind, struct mr_step_state *st,
    const struct mr_fields *data, int64_t duration_us) MR_MUST_CHECK;
/* {type, order} of a step. */
struct mr_fields mr_turn_step_fields(const struct mr_turn *t, const struct mr_step_state *st);
/* The attempt that a fact of this step is about. */
unsigned mr_turn_attempt(const struct mr_step_state *st);
int mr_turn_effect(struct mr_turn *t, const struct mr_effect *e) MR_MUST_CHECK;
int mr_turn_abort(struct mr_turn *t, const struct mr_step_state *st) MR_MUST_CHECK;
int mr_turn_await(struct mr_turn *t, const struct mr_step_state *st, struct mr_str event_type,
    int64_t child_run_id) MR_MUST_CHECK;
int mr_turn_unawait(struct mr_turn *t, const struct mr_step_state *st) MR_MUST_CHECK;
int mr_turn_emit(struct mr_turn *t, struct mr_str type, struct mr_value data) MR_MUST_CHECK;
int mr_turn_cancel_child(struct mr_turn *t, const struct mr_step_state *st) MR_MUST_CHECK;

/* ---- run_step.c: an attempt at a step, and how it ends well ---- */

/* One attempt that is about to begin or goes on. */
struct mr_attempt {
	struct mr_turn *t;
	const struct mr_step *s;
	struct mr_step_state *st;
	struct mr_run_env env;
	struct mr_value config; /* rendered */
	struct mr_value input;  /* the same as it is recorded: without secrets */
};

/* Begins a step whose join is decided: skips it, runs it, or starts its effect. */
int mr_turn_begin(struct mr_turn *t, struct mr_step_state *st) MR_MUST_CHECK;
/* The next attempt of a step. */
int mr_turn_attempt_again(struct mr_turn *t, struct mr_step_state *st) MR_MUST_CHECK;
/* RAW: what came out, before the step's output template. INPUT: to be recorded, or
 * NULL. */
int mr_turn_complete(struct mr_turn *t, struct mr_step_state *st, const struct mr_value *raw,
    const struct mr_value *input, int64_t duration_us) MR_MUST_CHECK;
/* As complete, with more members of the fact. */
int mr_turn_complete_with(struct mr_turn *t, struct mr_step_state *st, const struct mr_value *raw,
    const struct mr_value *input, int64_t duration_us, const struct mr_fields *more) MR_MUST_CHECK;
/* The step is completed by what a catch entry gives; its error stays known. */
int mr_turn_complete_caught(struct mr_turn *t, struct mr_step_state *st,
    const struct mr_value *value, const struct mr_value *error) MR_MUST_CHECK;
/* The effect of a step that was started once already, again. */
int mr_turn_effect_again(struct mr_turn *t, struct mr_step_state *st) MR_MUST_CHECK;
void mr_attempt_init(
    struct mr_attempt *a, struct mr_turn *t, struct mr_step_state *st, int64_t now_us);
/* Renders the config. An expression that fails fails the step: *RET_FAILED. */
int mr_attempt_render(struct mr_attempt *a, bool *ret_failed) MR_MUST_CHECK;
/* As render, of an attempt that is under way: what was recorded as it began is used again. */
int mr_attempt_render_again(struct mr_attempt *a, bool *ret_failed) MR_MUST_CHECK;
/* Renders member I of the config into RET; SHOWN: as it is recorded, without secrets. */
int mr_attempt_member(struct mr_attempt *a, size_t i, bool shown, struct mr_value *ret,
    struct mr_expr_error *err) MR_MUST_CHECK;
int mr_attempt_fail(struct mr_attempt *a, const char *type, const char *message) MR_MUST_CHECK;
int64_t mr_turn_took(const struct mr_turn *t, const struct mr_step_state *st);

/* ---- run_outside.c, run_pure.c, run_transform.c, run_block.c, run_wait.c: types of steps ---- */

int mr_do_outside(struct mr_attempt *a) MR_MUST_CHECK;
/* The effect of a step that is journalled as started. */
int mr_outside_again(struct mr_attempt *a) MR_MUST_CHECK;
/* An effect with a config that wasn't rendered from the step's. */
int mr_outside_push(struct mr_attempt *a, const struct mr_value *config) MR_MUST_CHECK;
int mr_transform_again(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_log(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_noop(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_transform(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_set(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_assert(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_raise(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_terminate(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_emit(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_conditional(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_switch(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_parallel(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_foreach(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_while(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_delay(struct mr_attempt *a) MR_MUST_CHECK;
int mr_do_wait(struct mr_attempt *a) MR_MUST_CHECK;

/* A jq program gave its answer: the transformations after it. */
int mr_transform_resume(
    struct mr_turn *t, struct mr_step_state *st, const struct mr_run_event *ev) MR_MUST_CHECK;
/* Something inside a running or catching step has ended or failed, or its time came. */
int mr_turn_settle(struct mr_turn *t, struct mr_step_state *st) MR_MUST_CHECK;
/* A time has come: of a wait, of a retry, or for the attempt to be over. */
int mr_turn_waited(struct mr_turn *t, struct mr_step_state *st) MR_MUST_CHECK;
int mr_turn_child_started(
    struct mr_turn *t, struct mr_step_state *st, const struct mr_run_event *ev) MR_MUST_CHECK;
int mr_turn_child_ended(
    struct mr_turn *t, struct mr_step_state *st, const struct mr_run_event *ev) MR_MUST_CHECK;
int mr_turn_signal(struct mr_turn *t, const struct mr_run_event *ev) MR_MUST_CHECK;
/* What came while the run was paused. */
int mr_turn_look_at_inbox(struct mr_turn *t) MR_MUST_CHECK;

/* ---- run_fail.c: failures, retries, cancelling ---- */

struct mr_failure {
	const char *type;
	struct mr_str type_text; /* instead of type, where it is computed */
	struct mr_str message;
	const struct mr_value *data; /* or NULL */
	const struct mr_value
	    *given; /* {type, message, status_code?, data?} of an effect, or NULL */
	const struct mr_value *inner;        /* the whole error of an inner step, or NULL */
	const struct mr_retry_policy *retry; /* for a step without one of its own, or NULL */
	bool retryable;
	bool is_thrown; /* by raise or assert: retried only when the policy names the type */
	int64_t duration_us;
	const struct mr_value *input; /* to be recorded, or NULL */
};

int mr_turn_fail(
    struct mr_turn *t, struct mr_step_state *st, const struct mr_failure *f) MR_MUST_CHECK;
/* An expression of MEMBER failed: R and ERR are the evaluator's; without message, its outcome is
 * none that can be recorded. What it says is kept back when it may hold a secret of ENV (may be
 * NULL). NOMEM and IO are passed on. */
int mr_turn_fail_expr(struct mr_turn *t, struct mr_step_state *st, struct mr_str member, int r,
    const struct mr_expr_error *err, const struct mr_run_env *env) MR_MUST_CHECK;
/* Cancels what is active in a frame, with all that is inside. */
int mr_turn_cancel_frame(
    struct mr_turn *t, struct mr_frame *f, enum mr_cancel_reason reason) MR_MUST_CHECK;
/* Cancels what is active inside a step, not the step itself. */
int mr_turn_cancel_inner(
    struct mr_turn *t, struct mr_step_state *st, enum mr_cancel_reason reason) MR_MUST_CHECK;
/* What the step has outside (an effect, a child run, a wait) is not wanted any more. */
int mr_turn_stop(struct mr_turn *t, struct mr_step_state *st) MR_MUST_CHECK;
/* The join of ST is met: what is left of the others before it is cancelled. */
int mr_turn_cancel_rest(struct mr_turn *t, struct mr_step_state *st) MR_MUST_CHECK;
bool mr_error_type_matches(struct mr_str pattern, struct mr_str type);
bool mr_retry_wanted(const struct mr_retry_policy *p, struct mr_str error_type, bool is_thrown);
int64_t mr_retry_delay(const struct mr_retry_policy *p, unsigned attempt, struct mr_rand *rand);

/* ---- run_end.c: after the main part: compensation, on_failure, finally, the end ---- */

/* An error that no step has: {type, message}. */
int mr_run_error_make(
    struct mr_turn *t, const char *type, const char *message, struct mr_value *ret) MR_MUST_CHECK;
/* The main part is over: OUTCOME, with ERROR (or NULL) and DATA's by and reason (or NULL). */
int mr_turn_finish(struct mr_turn *t, enum mr_run_status outcome, const struct mr_value *error,
    const struct mr_value *who) MR_MUST_CHECK;
/* The main part is over by what a terminate step says; by the run's timeout. */
int mr_turn_terminate(struct mr_turn *t) MR_MUST_CHECK;
int mr_turn_time_out(struct mr_turn *t) MR_MUST_CHECK;
/* Ends the run as a failed one whatever its phase. */
int mr_turn_fail_run(struct mr_turn *t, struct mr_value error) MR_MUST_CHECK;
int mr_turn_cancel_run(struct mr_turn *t, const struct mr_run_event *ev) MR_MUST_CHECK;
/* What comes next in the phases after the main one; *RET_MOVED false: nothing can. */
int mr_turn_close(struct mr_turn *t, bool *ret_moved) MR_MUST_CHECK;

/* ---- run_parts.c ---- */

/* What the payload store has under REF, in A. MR_E_IO, or MR_E_CONFLICT when it is gone. */
int mr_stored_value(const struct mr_run *run, struct mr_arena *a, struct mr_str ref,
    struct mr_value *ret) MR_MUST_CHECK;
/* Puts the PARTS (may be null) into V, whose lists and maps are the caller's own. */
int mr_parts_load(const struct mr_run *run, struct mr_arena *a, const struct mr_value *parts,
    struct mr_value *v) MR_MUST_CHECK;
/* What a completed step gave, without what lies elsewhere; both in A. */
int mr_step_parts(const struct mr_step_state *st, struct mr_arena *a, struct mr_value *ret,
    struct mr_value *ret_parts) MR_MUST_CHECK;
/* The parts of the list that a foreach gives; null when it has none. */
int mr_foreach_parts(
    const struct mr_inner *in, struct mr_arena *a, struct mr_value *ret) MR_MUST_CHECK;
/* Those of item I's result, in the arena of the holder's frame. */
int mr_inner_set_parts(
    const struct mr_step_state *st, size_t i, const struct mr_value *parts) MR_MUST_CHECK;

/* ---- run_result.c ---- */

/* What the run gives when it completes; kept in run->result. */
int mr_run_make_result(struct mr_run *run, int64_t now_us, struct mr_expr_error *err) MR_MUST_CHECK;

#endif
