/*
 * The text of JSON as it was written: what must come back unchanged (1E2, -0) is taken from the
 * request, never written anew. Only for text that the strict reader has accepted.
 */
#ifndef MR_FCGI_SLICE_H
#define MR_FCGI_SLICE_H

#include "lib/arena.h"
#include "lib/str.h"
#include "lib/value.h"

/* The raw text of each member of the object TEXT, in order, as many as MAP has. NULL without
 * memory or when TEXT and MAP don't belong together. */
const struct mr_str *mr_slice_members(
    struct mr_arena *a, struct mr_str text, const struct mr_map *map);
/* The raw text of each item of the list TEXT, in order, as many as LIST has. NULL as above. */
const struct mr_str *mr_slice_items(
    struct mr_arena *a, struct mr_str text, const struct mr_list *list);
/* The raw text of one member; absent when there is none. */
struct mr_str mr_slice_member(
    struct mr_arena *a, struct mr_str text, const struct mr_value *v, const char *name);

#endif
