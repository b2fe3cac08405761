/* What graph_normalize.c and graph_normalize_config.c share. */
#ifndef MR_ENGINE_CORE_GRAPH_NORMALIZE_H
#define MR_ENGINE_CORE_GRAPH_NORMALIZE_H

#include "engine/core/graph_private.h"

#define MR_NORMAL_MEMBERS 24 /* of one object; those with a client's own names are made apart */

struct mr_normal_map {
	struct mr_member members[MR_NORMAL_MEMBERS];
	size_t len;
};

struct mr_normal {
	struct mr_arena *arena; /* of the result */
	const struct mr_graph *g;
	const struct mr_compile *c;   /* drafts, read again; nothing of theirs may stay */
	const struct mr_value *steps; /* in their normal form, by index */
};

void mr_normal_put(struct mr_normal_map *m, const char *key, struct mr_value v);
/* A member of FROM as it was written, under its name or ALIAS (may be NULL); null is none. */
void mr_normal_written(
    struct mr_normal_map *m, const struct mr_value *from, const char *member, const char *alias);
int mr_normal_finish(
    struct mr_normal *n, const struct mr_normal_map *from, struct mr_value *ret) MR_MUST_CHECK;
/* The steps of a block, a list. */
int mr_normal_block(struct mr_normal *n, int block, struct mr_value *ret) MR_MUST_CHECK;
int mr_normal_join(
    struct mr_normal *n, const struct mr_join *join, struct mr_value *ret) MR_MUST_CHECK;

/* graph_normalize_config.c */
int mr_normal_config(struct mr_normal *n, const struct mr_step *s, const struct mr_draft *d,
    struct mr_value *ret) MR_MUST_CHECK;

#endif
