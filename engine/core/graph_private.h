/*
 * What the files of the definition compiler share: the draft of a graph while faults are still
 * being collected. A draft lives in a scratch arena that is freed when compiling ends; what the
 * finished graph keeps lives in the graph's arena.
 */
#ifndef MR_ENGINE_CORE_GRAPH_PRIVATE_H
#define MR_ENGINE_CORE_GRAPH_PRIVATE_H

#include "engine/core/graph.h"

#define MR_GRAPH_SECOND_US    INT64_C(1000000)
#define MR_GRAPH_LONGEST_US   (366 * 86400 * MR_GRAPH_SECOND_US) /* of a run, a wait, a block */
#define MR_GRAPH_ATTEMPT_US   (24 * 3600 * MR_GRAPH_SECOND_US)   /* of one call to the outside */
#define MR_GRAPH_MAX_EVENT    200 /* bytes of an event's type, as it is stored */
#define MR_GRAPH_MAX_BRACKETS 80  /* in a definition; the API's JSON allows fewer */

/* Whether a member means something here, is somebody else's business, or is not carried out. */
enum mr_member_rule {
	MR_MEMBER_USED,
	MR_MEMBER_ACCEPTED, /* triggers, descriptions, …: not the graph's business */
	MR_MEMBER_LATER,    /* of the language, but this version does not carry it out */
};

struct mr_member_row {
	const char *name;
	enum mr_member_rule rule;
};

/* Beyond so many faults nobody is told any more what was probably meant. */
#define MR_GRAPH_HELPFUL 50

/* A way on from a step to steps of the same block that it names: its "next", that of a case or of
 * a catch entry, an action of a conditional. */
struct mr_draft_exit {
	uint64_t way;
	const struct mr_value *names; /* a string, or a list of strings */
	struct mr_str path;
	unsigned *steps; /* resolved by graph_order.c */
	size_t len;
};

struct mr_draft_branch {
	struct mr_str name, path;
	const struct mr_value *raw; /* a case's object, else NULL */
	bool is_default;
	int block; /* -1: none */
};

struct mr_draft_catch {
	struct mr_str path, binds;
	const struct mr_value *raw;
	int block; /* -1: none */
	bool has_next;
};

struct mr_draft {
	struct mr_str path; /* "workflow_config.steps[2]", as the client wrote it */
	const struct mr_value *raw;
	struct mr_str short_name, name;
	struct mr_str name_path;
	int type; /* negative: unknown, a fault was recorded */
	unsigned block;
	unsigned pos;                  /* in its block, from 0 */
	int prev;                      /* the step written before it in its block, or -1 */
	const struct mr_value *config; /* a map, or NULL */
	struct mr_str config_path;
	struct mr_step_member *members; /* the step's config, before it is finished */
	struct mr_branch *made;         /* the step's branches, likewise */
	/* the blocks it holds stand together */
	unsigned first_held, held;
	size_t branches_len, catches_len, exits_len;
	struct mr_draft_branch *branches;
	struct mr_draft_catch *catches;
	struct mr_draft_exit *exits;
	int body, compensate; /* blocks, or -1 */
	/* resolved by graph_order.c */
	bool has_next;
	unsigned *deps;
	size_t deps_len, deps_cap;
	uint64_t *upstream; /* a bit for each step before it */
};

/* A list of steps. */
struct mr_draft_block {
	enum mr_block_role role;
	int holder; /* the step that holds it; -1: the definition */
	unsigned place;
	unsigned depth;
	const struct mr_value *value; /* list of steps, map name → step, or one step */
	struct mr_str path;
	bool is_single; /* VALUE is itself one step */
	unsigned first, len;
	struct mr_str name, binds, counts; /* as of mr_block */
	/* the block that its names must differ in: the first of those that share a room */
	unsigned room;
	struct mr_str prefix; /* of its steps' full names */
};

struct mr_compile {
	struct mr_arena *arena;   /* the graph's */
	struct mr_arena *scratch; /* until compiling ends */
	struct mr_faults *faults;
	struct mr_value body;         /* own copy of the definition */
	const struct mr_value *inner; /* workflow_config or the like; NULL when there is none */
	const char *inner_name;
	bool is_template;  /* empty required strings are parameters to be filled */
	bool order_broken; /* cycles or unknown names: what is upstream cannot be told */
	struct mr_draft_block *blocks;
	size_t blocks_len, blocks_cap;
	int on_failure, finally; /* blocks, or -1 */
	struct mr_draft *drafts;
	size_t drafts_len, drafts_cap;
	size_t words;    /* 64-bit words of a set of steps */
	uint32_t *names; /* open-addressed by (room, short name): draft + 1 */
	size_t names_len;
	unsigned *seen, stamp;        /* steps named already in the list at hand */
	struct mr_step *steps;        /* what the drafts become */
	struct mr_retry_policy retry; /* the default of steps */
	struct mr_str *vars;          /* open-addressed: the variables that something defines */
	size_t vars_len;
	struct mr_graph *graph;
};

/* graph.c: FNV-1a, folded */
size_t mr_graph_hash(struct mr_str name, uint64_t seed);
enum mr_step_kind mr_graph_type_kind(int type);

/* graph_members.c: members and their paths */
struct mr_str mr_graph_path(struct mr_compile *c, struct mr_str base, struct mr_str member);
struct mr_str mr_graph_pathz(struct mr_compile *c, struct mr_str base, const char *member);
struct mr_str mr_graph_path_at(struct mr_compile *c, struct mr_str base, size_t i);
void mr_graph_fault(struct mr_compile *c, struct mr_str path, const char *code, const char *fmt,
    ...) MR_PRINTF(4, 5);
/* Each member of V must have a row; what has none is a fault naming the nearest. */
const struct mr_member_row *mr_graph_member_row(
    const struct mr_member_row *rows, size_t rows_len, struct mr_str key);
void mr_graph_check_member(struct mr_compile *c, const struct mr_member *m, struct mr_str path,
    const struct mr_member_row *rows, size_t rows_len);
void mr_graph_check_members(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const struct mr_member_row *rows, size_t rows_len);
void mr_graph_unknown_member(
    struct mr_compile *c, struct mr_str path, struct mr_str key, const char *nearest);
/* The distance from which on a name is no misspelling of KEY. */
unsigned mr_graph_reach(struct mr_str key);
/* The nearest of the names so far; DIST starts as mr_graph_reach(). */
void mr_graph_nearer(struct mr_str key, const char *name, const char **nearest, unsigned *dist);
/* S for a message: at most MAX bytes, never cut inside a character. */
struct mr_str mr_graph_shown(struct mr_str s, size_t max);
bool mr_graph_is_empty(const struct mr_value *v);   /* null, false, "", [] and {} */
bool mr_graph_is_dynamic(const struct mr_value *v); /* a string with {{ in it */
/* The member of V, or NULL when it has none or null. */
const struct mr_value *mr_graph_get(const struct mr_value *v, const char *member);
/* Looks MEMBER up under its name or ALIAS (may be NULL); both, and different, is a fault. */
const struct mr_value *mr_graph_member(struct mr_compile *c, const struct mr_value *v,
    struct mr_str path, const char *member, const char *alias, struct mr_str *ret_path);

/* graph_value.c: durations, numbers, words */
/* A number of seconds, "250ms", "2s", "1h30m", "PT5M". False when V is no duration. */
bool mr_graph_duration(const struct mr_value *v, int64_t *ret_us);
bool mr_graph_number(const struct mr_value *v, double *ret);
/* As a number of seconds: an int where it is whole. */
struct mr_value mr_graph_seconds(int64_t us);
bool mr_graph_check_duration(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    int64_t min_us, int64_t max_us, int64_t *ret_us);
bool mr_graph_check_int(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    int64_t min, int64_t max, int64_t *ret);
/* The place of V among WORDS, which end with NULL; -1 after a fault. */
int mr_graph_check_word(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, const char *const *words);
/* MEMBER of V is true; anything but true, false and null is a fault. */
bool mr_graph_check_flag(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, const char *member);
/* A name to be used in expressions as it stands: no name of the language, an identifier. */
bool mr_graph_check_variable(struct mr_compile *c, const struct mr_value *v, struct mr_str path);
/* A text with 1 to MR_GRAPH_MAX_NAME characters, none of them a control character. */
bool mr_graph_check_name(struct mr_compile *c, const struct mr_value *v, struct mr_str path);
/* A name, or a list of names and nothing else. */
bool mr_graph_all_names(const struct mr_value *v);

/* graph_rewrite.c: "${workflow.input.x}" → "{{input.x}}" in all strings of the body, which is the
 * compiler's own copy */
int mr_graph_rewrite(struct mr_compile *c) MR_MUST_CHECK;

/* graph_read.c: dialects → drafts */
int mr_graph_read(struct mr_compile *c) MR_MUST_CHECK;
/* A member of the whole definition, wherever the dialect has it. */
const struct mr_value *mr_graph_top(
    struct mr_compile *c, const char *member, struct mr_str *ret_path);
/* S3's settings.timeout, settings.max_retries. */
const struct mr_value *mr_graph_setting(
    struct mr_compile *c, const char *member, struct mr_str *ret_path);

/* graph_blocks.c: lists of steps → drafts */
/* Reads all blocks: those there are, and those that their steps hold. */
int mr_graph_read_blocks(struct mr_compile *c) MR_MUST_CHECK;
/* B with value and path becomes a block when it has steps; *RET is its number, or -1. */
int mr_graph_add_block(
    struct mr_compile *c, const struct mr_draft_block *b, int *ret) MR_MUST_CHECK;
/* graph_holders.c: the blocks of one step, and the steps that it names */
int mr_graph_read_held(struct mr_compile *c, unsigned index) MR_MUST_CHECK;
/* graph_names.c */
int mr_graph_name_steps(struct mr_compile *c) MR_MUST_CHECK;

/* graph_top.c: what belongs to the whole */
int mr_graph_read_top(struct mr_compile *c) MR_MUST_CHECK;
void mr_graph_check_mode(struct mr_compile *c); /* when all steps are known */

/* graph_order.c: names → dependencies; graph_upstream.c: cycles, what is upstream */
int mr_graph_order(struct mr_compile *c) MR_MUST_CHECK;
int mr_graph_find_upstream(struct mr_compile *c) MR_MUST_CHECK;
/* The draft of that name in BLOCK, or -1. */
int mr_graph_draft_find(const struct mr_compile *c, unsigned block, struct mr_str name);
bool mr_graph_is_upstream(const struct mr_draft *d, unsigned step);
/* "; did you mean …?" for a name that BLOCK has no step of, or "". */
struct mr_str mr_graph_step_hint(const struct mr_compile *c, unsigned block, struct mr_str name);

/* graph_retry.c */
void mr_graph_retry_default(struct mr_retry_policy *p);
int mr_graph_retry(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    struct mr_retry_policy *p) MR_MUST_CHECK;
/* A list of error types; *RET_LEN stays 0 when there is none. */
int mr_graph_error_types(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const char *member, const struct mr_str **ret, size_t *ret_len) MR_MUST_CHECK;

/* graph_join.c */
void mr_graph_join(struct mr_compile *c, const struct mr_value *v, struct mr_str path, size_t among,
    const char *things, struct mr_join *ret);

/* graph_step.c: the members of one step */
int mr_graph_step(struct mr_compile *c, struct mr_draft *d, struct mr_step *s) MR_MUST_CHECK;
int mr_graph_condition(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const struct mr_expr **ret) MR_MUST_CHECK;
/* NULL and 0 when there were faults. */
int mr_graph_template(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const struct mr_template **ret) MR_MUST_CHECK;

/* graph_config.c: the config of one step; graph_check.c: what it may hold */
int mr_graph_config(struct mr_compile *c, struct mr_draft *d, struct mr_step *s) MR_MUST_CHECK;
/* Whether a step of this type has a config member of that name. */
bool mr_graph_config_knows(int type, struct mr_str key);

/* graph_flow.c: the branches of any step */
int mr_graph_flow_branches(
    struct mr_compile *c, struct mr_draft *d, struct mr_step *s) MR_MUST_CHECK;
/* What blocks, waits and the like compile of their config; CONFIG is a map */
typedef int mr_graph_flow_fn(
    struct mr_compile *c, struct mr_draft *d, const struct mr_value *config, struct mr_step *s);
mr_graph_flow_fn mr_graph_flow_switch, mr_graph_flow_parallel, mr_graph_flow_foreach,
    mr_graph_flow_while;
mr_graph_flow_fn mr_graph_flow_wait; /* graph_wait.c */

/* graph_vars.c: variables, and who may write them at the same time */
int mr_graph_vars(struct mr_compile *c) MR_MUST_CHECK;
bool mr_graph_vars_known(const struct mr_compile *c, struct mr_str name);

/* graph_refs.c: what expressions name */
int mr_graph_refs(struct mr_compile *c) MR_MUST_CHECK;
/* Paths of conditions: a step's own, and the match of its I-th wait. */
struct mr_str mr_graph_when_path(struct mr_compile *c, const struct mr_draft *d);
struct mr_str mr_graph_wait_path(struct mr_compile *c, const struct mr_draft *d, size_t i);

/* graph_types.c: operations that can never work; after the refs */
int mr_graph_types(struct mr_compile *c) MR_MUST_CHECK;

#endif
