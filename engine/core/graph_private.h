/*
 * What the files of the definition compiler share: the draft of a graph while faults are still
 * being collected. A draft lives in a scratch arena that is freed when compiling ends; what the
 * finished graph keeps lives in the graph's arena.
 */
#ifndef MR_ENGINE_CORE_GRAPH_PRIVATE_H
#define MR_ENGINE_CORE_GRAPH_PRIVATE_H

#include "engine/core/graph.h"

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

struct mr_draft_action {
	bool is_inline; /* inner steps; else names of steps of the same block */
	unsigned block; /* of the inner steps */
	struct mr_str path;
	const struct mr_value *names; /* a string, or a list of strings */
	unsigned *steps;
	size_t len;
};

struct mr_draft {
	struct mr_str path; /* "workflow_config.steps[2]", as the client wrote it */
	const struct mr_value *raw;
	struct mr_str short_name, name;
	struct mr_str name_path;
	int type; /* negative: unknown, a fault was recorded */
	int parent;
	unsigned branch;
	unsigned block;
	unsigned pos;                  /* in its block, from 0 */
	int prev;                      /* the step written before it in its block, or -1 */
	const struct mr_value *config; /* a map, or NULL */
	struct mr_str config_path;
	struct mr_draft_action action[2]; /* of a conditional: true, false */
	struct mr_step_member *members;   /* the step's config, before it is finished */
	/* resolved by graph_order.c */
	bool has_next;
	unsigned *next;
	size_t next_len;
	unsigned *deps;
	size_t deps_len, deps_cap;
	uint64_t *upstream; /* a bit for each step before it */
};

/* A list of steps: the top-level one, or an action of a conditional. */
struct mr_draft_block {
	int parent;
	unsigned branch; /* 0 at top level, 1 true, 2 false */
	unsigned depth;
	const struct mr_value *value; /* list of steps, map name → step, or one step */
	struct mr_str path;
	bool is_single;  /* VALUE is itself one step */
	bool is_process; /* process_steps: S3's words */
	unsigned first, len;
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
	struct mr_draft *drafts;
	size_t drafts_len, drafts_cap;
	size_t top_len;
	size_t words;    /* 64-bit words of a set of steps */
	uint32_t *names; /* open-addressed by (block, short name): draft + 1 */
	size_t names_len;
	unsigned *seen, stamp;        /* steps named already in the list at hand */
	struct mr_step *steps;        /* what the drafts become */
	struct mr_retry_policy retry; /* the default of steps */
	struct mr_graph *graph;
};

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
bool mr_graph_is_empty(const struct mr_value *v);   /* null, false, "", [] and {} */
bool mr_graph_is_dynamic(const struct mr_value *v); /* a string with {{ in it */
/* Looks MEMBER up under its name or ALIAS (may be NULL); both, and different, is a fault. */
const struct mr_value *mr_graph_member(struct mr_compile *c, const struct mr_value *v,
    struct mr_str path, const char *member, const char *alias, struct mr_str *ret_path);

/* graph_value.c: durations and numbers */
/* A number of seconds, "250ms", "2s", "1h30m", "PT5M". False when V is no duration. */
bool mr_graph_duration(const struct mr_value *v, int64_t *ret_us);
bool mr_graph_number(const struct mr_value *v, double *ret);
/* As a number of seconds: an int where it is whole. */
struct mr_value mr_graph_seconds(int64_t us);
bool mr_graph_check_duration(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    int64_t min_us, int64_t max_us, int64_t *ret_us);
bool mr_graph_check_int(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    int64_t min, int64_t max, int64_t *ret);

/* graph_read.c: dialects → drafts */
int mr_graph_read(struct mr_compile *c) MR_MUST_CHECK;
/* A member of the whole definition, wherever the dialect has it. */
const struct mr_value *mr_graph_top(
    struct mr_compile *c, const char *member, struct mr_str *ret_path);
/* S3's settings.timeout, settings.max_retries. */
const struct mr_value *mr_graph_setting(
    struct mr_compile *c, const char *member, struct mr_str *ret_path);

/* graph_order.c: names → dependencies, cycles, what is upstream */
int mr_graph_order(struct mr_compile *c) MR_MUST_CHECK;
/* The draft of that name in BLOCK, or -1. */
int mr_graph_draft_find(const struct mr_compile *c, unsigned block, struct mr_str name);
bool mr_graph_is_upstream(const struct mr_draft *d, unsigned step);
/* "; did you mean …?" for a name that BLOCK has no step of, or "". */
struct mr_str mr_graph_step_hint(const struct mr_compile *c, unsigned block, struct mr_str name);

/* graph_retry.c */
void mr_graph_retry_default(struct mr_retry_policy *p);
int mr_graph_retry(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    struct mr_retry_policy *p) MR_MUST_CHECK;

/* graph_step.c: the members of one step; graph_config.c: its config */
int mr_graph_step(struct mr_compile *c, struct mr_draft *d, struct mr_step *s) MR_MUST_CHECK;
int mr_graph_config(struct mr_compile *c, struct mr_draft *d, struct mr_step *s) MR_MUST_CHECK;
/* Whether a step of this type has a config member of that name. */
bool mr_graph_config_knows(int type, struct mr_str key);
int mr_graph_condition(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const struct mr_expr **ret) MR_MUST_CHECK;

/* graph_refs.c: what expressions name */
int mr_graph_refs(struct mr_compile *c) MR_MUST_CHECK;

#endif
