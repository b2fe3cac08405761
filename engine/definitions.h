/*
 * Compiled definitions by (workflow, version): made once, shared by all runs of the version, kept
 * while runs use them and, for the most recently used ones, after that. Reads nothing itself:
 * engine/load brings the texts.
 */
#ifndef MR_ENGINE_DEFINITIONS_H
#define MR_ENGINE_DEFINITIONS_H

#include <stdint.h>

#include "engine/core/graph.h"
#include "lib/arena.h"
#include "lib/str.h"

struct mr_definitions;

struct mr_definition {
	int64_t workflow_id;
	int version;
	struct mr_arena *arena; /* owns all of it, the graph too */
	struct mr_graph *graph; /* NULL when it does not compile: problem says why */
	struct mr_str problem;
	struct mr_str name;          /* the workflow's, when it was read */
	struct mr_str workflow_type; /* for metrics; "default" when it has none */
	size_t refs;
	struct mr_definition *hash_next;
	struct mr_definition *newer, *older; /* only while nobody uses it */
};

/* Keeps up to MAX definitions that no run uses. */
struct mr_definitions *mr_definitions_create(size_t max) MR_MUST_CHECK;
struct mr_definitions *mr_definitions_free(struct mr_definitions *d);
/* With a reference for the caller, or NULL when it is not here. */
struct mr_definition *mr_definitions_get(
    struct mr_definitions *d, int64_t workflow_id, int version);
/* Compiles TEXT (absent: there is no such version, which is a problem like any other) and keeps
 * it. Without a reference. NULL without memory. */
struct mr_definition *mr_definitions_put(struct mr_definitions *d, int64_t workflow_id, int version,
    struct mr_str name, struct mr_str text);
/* Gives a reference back; returns NULL. Takes NULL. */
struct mr_definition *mr_definition_unref(struct mr_definitions *d, struct mr_definition *def);
size_t mr_definitions_len(const struct mr_definitions *d);

#endif
