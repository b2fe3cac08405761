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
#define MR_GRAPH_MAX_STEPS  1000    /* inner steps of conditionals included */
#define MR_GRAPH_MAX_NAME   100     /* characters of a step's name */
#define MR_GRAPH_MAX_DEPTH  10      /* conditionals in actions of conditionals */
#define MR_GRAPH_MAX_VALUES 50000   /* values in the whole definition */
#define MR_GRAPH_MAX_TEXT   1048576 /* bytes of all its strings and member names */

/* What a step does; one row each in step_types.def: name, pure or outside, config schema. */
enum mr_step_type {
#define MR_STEP_TYPE(id, name, kind) MR_STEP_##id,
#include "engine/core/step_types.def"
#undef MR_STEP_TYPE
	MR_STEP_TYPE_COUNT
};

enum mr_step_kind {
	MR_STEP_PURE,    /* carried out inside core, repeated harmlessly after a crash */
	MR_STEP_OUTSIDE, /* reaches outside: journalled as started before it begins */
	MR_STEP_TIMED,   /* waits for a time */
};

enum mr_step_kind mr_step_type_kind(enum mr_step_type t);
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
	bool all; /* a name is computed (steps[x]), or not known: every step upstream */
};

struct mr_step {
	struct mr_str name;       /* unique in the graph; "<conditional>/<name>" inside one */
	struct mr_str short_name; /* as expressions name it inside its block */
	enum mr_step_type type;
	unsigned index;  /* place in the graph; top-level steps come first, in order */
	unsigned order;  /* 1-based, as written; 0 for a step inside an action of a conditional */
	int parent;      /* the conditional that holds it, or -1 */
	unsigned branch; /* of its parent: 1 true, 2 false; 0 at top level */
	size_t deps_len;
	const unsigned *deps; /* indexes of the steps it waits for */
	size_t succs_len;
	const unsigned *succs;
	/* by which outcome of this conditional each successor is reached: 0 any, 1 true, 2 false;
	 * NULL when all are 0 */
	const unsigned char *succs_branch;
	const struct mr_expr *when; /* NULL: always */
	size_t config_len;
	const struct mr_step_member *config;
	/* the config itself when it holds no expression, else kind NULL */
	struct mr_value config_constant;
	const struct mr_template *output;          /* NULL: the raw result */
	const struct mr_template *idempotency_key; /* NULL: run/step/iteration */
	const struct mr_expr *condition;           /* conditional */
	struct mr_value condition_source;          /* as written */
	/* conditional: inner steps (their parent is this one), or steps elsewhere named */
	size_t true_len, false_len;
	const unsigned *true_steps, *false_steps;
	const struct mr_transform *transform; /* data_transform */
	struct mr_retry_policy retry;
	int64_t run_timeout_us; /* one attempt; 0 = the type's default */
	bool continue_on_error;
	struct mr_step_refs refs; /* of all its expressions together */
};

struct mr_graph {
	struct mr_arena *arena; /* owns everything below; owner of the graph frees it */
	size_t steps_len;
	const struct mr_step *steps;
	size_t top_len;                   /* steps[0 … top_len-1] are the top-level ones */
	int64_t timeout_us;               /* the whole run; 0 = none */
	const struct mr_template *output; /* NULL: map of step results */
	struct mr_step_refs output_refs;
	uint32_t *name_index; /* open-addressed: index + 1 by name, 0 = free */
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
/* The normal form: {"steps": [{name, type, config, depends_on, …}], "timeout_seconds", …} with
 * every default filled in. DEFINITION is the one that G was compiled from. The values of *RET
 * may lie in DEFINITION and in G. */
int mr_graph_normalize(struct mr_arena *a, const struct mr_value *definition,
    const struct mr_graph *g, struct mr_value *ret) MR_MUST_CHECK;
int mr_graph_find(const struct mr_graph *g, struct mr_str name); /* index, or -1 */

#endif
