/*
 * A definition compiled: steps, their order, their programs. Immutable once made; shared by all
 * runs of its version. The same code validates a definition (all faults at once), writes its
 * normal form, and feeds the state machine.
 */
#ifndef MR_ENGINE_CORE_GRAPH_H
#define MR_ENGINE_CORE_GRAPH_H

#include "engine/core/expr.h"
#include "engine/core/transform.h"

/* Limits of one definition; more is a fault. */
#define MR_GRAPH_MAX_STEPS   1000    /* in all blocks together */
#define MR_GRAPH_MAX_NAME    100     /* characters of a step's name */
#define MR_GRAPH_MAX_DEPTH   10      /* blocks in blocks */
#define MR_GRAPH_MAX_VALUES  50000   /* values in the whole definition */
#define MR_GRAPH_MAX_TEXT    1048576 /* bytes of all its strings and member names */
#define MR_GRAPH_MAX_WAYS    60      /* cases and catch entries of one step */
#define MR_GRAPH_MAX_ROUNDS  1000000 /* max_iterations of a while */
#define MR_GRAPH_MAX_AT_ONCE 1000    /* concurrency of a foreach */

/* What a step does; one row each in step_types.def: name, kind. */
enum mr_step_type {
#define MR_STEP_TYPE(id, name, kind) MR_STEP_##id,
#include "engine/core/step_types.def"
#undef MR_STEP_TYPE
	MR_STEP_TYPE_COUNT
};

enum mr_step_kind {
	MR_STEP_PURE,    /* carried out inside core, repeated harmlessly after a crash */
	MR_STEP_OUTSIDE, /* reaches outside: journalled as started before it begins */
	MR_STEP_TIMED,   /* waits for a time, an event or both */
	MR_STEP_BLOCK,   /* holds other steps: runs until they have ended */
};

const char *mr_step_type_name(enum mr_step_type t);
/* Negative when NAME is no step type. */
int mr_step_type_by_name(struct mr_str name);

struct mr_retry_policy {
	unsigned max_attempts; /* counts the first one */
	int64_t delay_us, max_delay_us;
	double multiplier;
	double jitter; /* 0…1: the part of a delay that is random */
	bool constant; /* backoff: constant */
	size_t on_len, not_on_len;
	const struct mr_str *on, *not_on; /* error types; "http.5xx", "*" */
};

/* One member of a step's config, rendered by itself for each attempt. */
struct mr_step_member {
	struct mr_str key;
	const struct mr_template *value;
	/* names env.* or secrets.*: what is recorded of it is rendered without their values */
	bool secret;
};

/* The steps that expressions name: what they may see is looked up before they run. */
struct mr_step_refs {
	size_t len;
	const unsigned *steps;
	bool all;  /* a name is computed (steps[x]), or not known: every step upstream */
	bool vars; /* variables of the run are named, too */
};

/* What makes a step begin: of its dependencies, or of a parallel's branches. */
enum mr_join_kind {
	MR_JOIN_OK,   /* all have ended, at least one is done */
	MR_JOIN_ALL,  /* all completed */
	MR_JOIN_ANY,  /* the first completed one */
	MR_JOIN_DONE, /* all have ended, however */
	MR_JOIN_N,    /* so many completed */
};

struct mr_join {
	enum mr_join_kind kind;
	unsigned n;       /* of MR_JOIN_N */
	bool cancel_rest; /* once it is met, what is left of the others is cancelled */
};

/* A list of steps. Its steps stand together in the graph. */
enum mr_block_role {
	MR_BLOCK_MAIN,
	MR_BLOCK_BRANCH, /* an action of a conditional, a case of a switch, a branch of a parallel
	                  */
	MR_BLOCK_BODY,   /* of a foreach or while: once for each item or round */
	MR_BLOCK_CATCH,  /* steps of a catch entry */
	MR_BLOCK_COMPENSATE, /* what undoes the step that holds it */
	MR_BLOCK_ON_FAILURE, /* of the whole definition */
	MR_BLOCK_FINALLY,    /* of the whole definition */
};

struct mr_block {
	enum mr_block_role role;
	int holder;          /* the step that holds it; -1: the definition */
	unsigned place;      /* among the holder's of this role: index of branch or catch entry */
	unsigned first, len; /* steps[first … first + len - 1] */
	struct mr_str
	    name; /* of a branch: "true", "false", "case_1", "default", a parallel's own */
	/* catch, on_failure, finally: the name of the error; foreach: of the item */
	struct mr_str binds;
	struct mr_str counts; /* foreach, while: the name of the index */
};

/* An action of a conditional, a case of a switch, a branch of a parallel. */
struct mr_branch {
	struct mr_str name;
	const struct mr_expr *when;       /* a case by condition; else NULL */
	const struct mr_template *equals; /* a case by value; else NULL */
	bool is_default;
	int block; /* its steps; -1: steps elsewhere that it names, or none */
};

struct mr_catch {
	size_t on_len;
	const struct mr_str *on;         /* none: whatever "*" covers */
	struct mr_str as;                /* the name of the error in value and steps */
	int block;                       /* its steps, or -1 */
	const struct mr_template *value; /* NULL when it has none */
	bool has_next;                   /* it names steps: the edges say which */
};

/* One thing that a wait waits for; of the members one is there, beside those of an event. */
struct mr_wait_item {
	const struct mr_template *duration, *until;
	const struct mr_template *event_type; /* NULL: it waits for a time */
	const struct mr_expr *match;          /* sees "event" too; NULL: any of that type */
	struct mr_value match_source;         /* as written */
	const struct mr_template *count;      /* events; NULL: one */
};

/* Ways out of a step, bits of an edge's mask: an edge is taken when the step ended by one of its
 * ways. Cases and catch entries that name steps have a bit each. */
#define MR_WAY_PLAIN          UINT64_C(1)
#define MR_WAY_BRANCH(k)      (UINT64_C(2) << (k))
#define MR_WAY_CATCH(step, k) (UINT64_C(2) << ((step)->branches_len + (k)))

struct mr_step {
	struct mr_str name;       /* unique in the graph: "loop/t1", "par/left/t1", "a/catch/t1" */
	struct mr_str short_name; /* as expressions name it inside its block */
	enum mr_step_type type;
	enum mr_step_kind kind; /* the type's; a data_transform with jq reaches outside */
	unsigned index; /* place in the graph; those of the main block come first, in order */
	unsigned order; /* 1-based, as written; 0 for a step inside another */
	unsigned block; /* where it stands */
	size_t deps_len;
	const unsigned *deps; /* indexes of the steps it waits for, all of its block */
	size_t succs_len;
	const unsigned *succs;
	const uint64_t *succs_ways; /* mask of each successor; NULL: all MR_WAY_PLAIN */
	struct mr_join join;
	const struct mr_expr *when; /* NULL: always */
	bool disabled;              /* skipped, as by its own when */
	size_t config_len;
	const struct mr_step_member *config; /* without what is compiled into the members below */
	/* the config itself when it holds no expression, else kind NULL */
	struct mr_value config_constant;
	const struct mr_template *output;          /* NULL: the raw result */
	const struct mr_template *idempotency_key; /* NULL: run/step/iteration */
	struct mr_retry_policy retry;
	bool has_retry;           /* of its own, not the definition's */
	int64_t run_timeout_us;   /* one attempt; 0 = the type's default */
	int64_t total_timeout_us; /* all attempts together; 0 = none */
	int64_t start_timeout_us; /* the wait until an attempt begins; 0 = none */
	bool continue_on_error;
	size_t catches_len;
	const struct mr_catch *catches;
	int compensate;           /* block, or -1 */
	struct mr_step_refs refs; /* of all its expressions together */
	/* conditional, while, assert */
	const struct mr_expr *condition;
	struct mr_value condition_source; /* as written */
	/* conditional (true, false), switch, parallel */
	size_t branches_len;
	const struct mr_branch *branches;
	const struct mr_template *value; /* switch; NULL: cases by condition only */
	bool match_all;                  /* switch */
	struct mr_join branch_join;      /* parallel */
	bool wait_all;                   /* parallel: on_branch_failure */
	/* foreach, while */
	int body;                /* block, or -1 */
	unsigned concurrency;    /* foreach: at once; default 1 */
	int64_t tolerate_count;  /* foreach: failed items that are not too many; -1: none given */
	double tolerate_percent; /* of all items; negative: none given */
	bool check_after;        /* while: the first round runs unasked */
	unsigned max_iterations; /* while */
	int64_t round_delay_us;  /* while: between rounds */
	/* wait */
	size_t waits_len;
	const struct mr_wait_item *waits;
	bool wait_all_of; /* all of them, else the first one */
	/* data_transform */
	const struct mr_transform *transform;
};

/* How many runs may be under way at once: of the workflow, or of those with the same key. */
enum mr_on_full {
	MR_ON_FULL_QUEUE,
	MR_ON_FULL_SKIP, /* the new run is cancelled */
	MR_ON_FULL_CANCEL_OLDEST,
	MR_ON_FULL_FAIL,
};

struct mr_concurrency {
	unsigned limit;                /* 0: none */
	const struct mr_template *key; /* sees trigger.*; NULL: one key for all */
	enum mr_on_full on_full;
};

/* An agent that a step names, or what it requires of one; and where that is written. */
struct mr_agent_ref {
	struct mr_value ref;
	struct mr_str path;
};

struct mr_graph {
	struct mr_arena *arena; /* owns everything below; owner of the graph frees it */
	size_t steps_len;
	const struct mr_step *steps;
	size_t blocks_len;
	const struct mr_block *blocks;    /* the main one is the first; then by depth */
	int on_failure, finally;          /* blocks, or -1 */
	int64_t timeout_us;               /* the main part of a run; 0 = none */
	const struct mr_template *output; /* NULL: map of step results */
	struct mr_step_refs output_refs;
	const struct mr_template *vars; /* a map, rendered when the run starts; or NULL */
	struct mr_concurrency concurrency;
	size_t agents_len;
	struct mr_agent_ref *agents;
	size_t secrets_len;
	const struct mr_str *secrets; /* the names in its secrets.NAME, each once */
	bool all_secrets;             /* one is computed, or there are too many of them */
	bool is_saga;                 /* mode: saga */
	bool has_compensation;        /* some step has compensate */
	uint32_t *name_index;         /* open-addressed: index + 1 by name, 0 = free */
	size_t name_index_len;
	size_t refs; /* cache's count, not core's */
};

/*
 * DEFINITION is the workflow's body as the client wrote it (a map with steps, definition or
 * workflow_config). Compiles it, or collects every fault. The graph lives in ARENA and needs
 * nothing of DEFINITION afterwards. FAULTS may be NULL.
 * Returns 0, MR_E_INVALID (faults say why), MR_E_LIMIT, MR_E_NOMEM.
 */
int mr_graph_compile(struct mr_arena *arena, const struct mr_value *definition,
    struct mr_faults *faults, struct mr_graph **ret) MR_MUST_CHECK;
/* The same for a template: an empty text stands for a value to be filled in, where a text with
 * something in it, an address or an id must be. */
int mr_graph_compile_template(struct mr_arena *arena, const struct mr_value *definition,
    struct mr_faults *faults, struct mr_graph **ret) MR_MUST_CHECK;
/* The normal form: {"steps": [{name, type, config, depends_on, …}], "timeout_seconds", …} with
 * every default filled in. DEFINITION is the one that G was compiled from. The values of *RET
 * may lie in DEFINITION and in G. */
int mr_graph_normalize(struct mr_arena *a, const struct mr_value *definition,
    const struct mr_graph *g, struct mr_value *ret) MR_MUST_CHECK;
int mr_graph_find(const struct mr_graph *g, struct mr_str name); /* index, or -1 */

#endif
