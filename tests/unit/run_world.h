/*
 * A run with everything around it that tests need: a graph from text, ids, a clock that stands
 * still until it is moved, chance from a seed, and what came out, as text. For test_run.c and
 * test_run_replay.c.
 */
#ifndef MR_TESTS_UNIT_RUN_WORLD_H
#define MR_TESTS_UNIT_RUN_WORLD_H

#include "test.h"

#include <stdlib.h>

#include "engine/core/run.h"

#define WORLD_BEGIN INT64_C(1767225600000000) /* 2026-01-01T00:00:00Z */
#define SECOND      INT64_C(1000000)

struct world {
	struct mr_arena *graph_arena, *arena, *out_arena;
	struct mr_graph *g;
	struct mr_run *run;
	struct mr_run_info info;
	struct mr_run_out out;
	int64_t now, ids;
	uint64_t seed;
	struct mr_rand rand;
	struct mr_value input, secrets;
	unsigned seq;
	int64_t *execution; /* by step: the last one that a fact was about */
};

static int64_t world_next_id(void *ctx)
{
	return ++*(int64_t *)ctx;
}

static int world_env(void *ctx, struct mr_arena *a, struct mr_str scope, struct mr_value *ret)
{
	struct world *w = ctx;

	(void)a;
	(void)scope;
	if (w->secrets.kind != MR_VALUE_MAP)
		return MR_E_NOT_FOUND;
	*ret = w->secrets;
	return 0;
}

/* JSON with ' for " . */
static struct mr_value world_json(struct mr_arena *a, const char *text)
{
	size_t len = strlen(text);
	char *p = mr_arena_alloc(a, len + 1);
	struct mr_value v = MR_NULL_VALUE;
	int r;

	assert_non_null(p);
	for (size_t i = 0; i <= len; i++)
		p[i] = text[i] == '\'' ? '"' : text[i];
	r = mr_json_parse(a, (struct mr_str){ p, len }, &mr_json_limits_default, NULL, &v);
	if (r < 0)
		fail_msg("no JSON: %s", text);
	return v;
}

static void world_graph(struct world *w, const char *definition)
{
	struct mr_faults faults;
	struct mr_value v;

	memset(w, 0, sizeof(*w));
	w->graph_arena = mr_arena_create(256u << 20);
	assert_non_null(w->graph_arena);
	mr_faults_init(&faults, w->graph_arena, 10);
	v = world_json(w->graph_arena, definition);
	if (mr_graph_compile(w->graph_arena, &v, &faults, &w->g) < 0)
		fail_msg("%.*s: %.*s: %s", MR_STR_ARG(faults.first->path),
		    MR_STR_ARG(faults.first->message), definition);
	w->execution = mr_arena_array(w->graph_arena, w->g->steps_len, sizeof(*w->execution));
	assert_non_null(w->execution);
	w->now = WORLD_BEGIN;
	w->seed = 1;
	w->rand = mr_rand_seeded(&w->seed);
	w->ids = 1000;
}

/* A run that the API has just created. */
static struct mr_run *world_run(struct world *w, struct mr_arena *arena, int64_t *ids)
{
	struct mr_fact created = { .kind = MR_FACT_CREATED,
		.step = -1,
		.seq = 1,
		.at_us = WORLD_BEGIN,
		.duration_us = -1 };
	struct mr_run *run = NULL;

	assert_int_equal(mr_run_create(arena, w->g, &w->info, world_next_id, ids, &run), 0);
	assert_int_equal(mr_run_apply(run, &created), 0);
	return run;
}

__attribute__((unused)) static void world_begin(
    struct world *w, const char *definition, const char *input)
{
	world_graph(w, definition);
	w->arena = mr_arena_create(256u << 20);
	w->out_arena = mr_arena_create(256u << 20);
	assert_non_null(w->arena);
	assert_non_null(w->out_arena);
	w->out.arena = w->out_arena;
	w->input = world_json(w->graph_arena, input);
	w->info = (struct mr_run_info){ .id = 77,
		.workflow_id = 7,
		.tenant_id = 1,
		.workflow_name = MR_STR("Seven"),
		.version = 3,
		.input = w->input,
		.created_at_us = WORLD_BEGIN,
		.env_lookup = world_env,
		.env_ctx = w };
	w->run = world_run(w, w->arena, &w->ids);
	w->seq = 1;
}

__attribute__((unused)) static void world_end(struct world *w)
{
	w->arena = mr_arena_free(w->arena);
	w->out_arena = mr_arena_free(w->out_arena);
	w->graph_arena = mr_arena_free(w->graph_arena);
}

#endif
