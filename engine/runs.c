#include "engine/runs.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/effects.h"
#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/ids.h"
#include "engine/load.h"
#include "engine/payloads.h"
#include "engine/run_row.h"
#include "engine/secrets.h"
#include "engine/timers.h"

#define BUCKETS   16384 /* a power of two */
#define RUN_MAX   ((size_t)256 * 1024 * 1024)
#define ITEMS_MIN 4096 /* bytes of a foreach's list that are worth another row to be read */
#define FREE_MAX  2048 /* arenas and outcomes kept for reuse */

struct mr_runs {
	struct mr_engine *engine;
	struct mr_held *buckets[BUCKETS];
	size_t len;
	struct mr_arena *arenas[FREE_MAX];
	size_t arenas_len;
	struct mr_outcome *outcomes;
	size_t outcomes_len;
};

struct mr_runs *mr_runs_create(struct mr_engine *e)
{
	struct mr_runs *r = calloc(1, sizeof(*r));

	if (r != NULL)
		r->engine = e;
	return r;
}

struct mr_runs *mr_runs_free(struct mr_runs *r)
{
	if (r == NULL)
		return NULL;
	while (r->arenas_len > 0)
		(void)mr_arena_free(r->arenas[--r->arenas_len]);
	while (r->outcomes != NULL) {
		struct mr_outcome *o = r->outcomes;

		r->outcomes = o->next;
		(void)mr_arena_free(o->out.arena);
		free(o);
	}
	free(r);
	return NULL;
}

size_t mr_runs_len(const struct mr_runs *r)
{
	return r->len;
}

/* ---- arenas and outcomes, reused ---- */

static struct mr_arena *arena_get(struct mr_runs *r)
{
	if (r->arenas_len > 0)
		return r->arenas[--r->arenas_len];
	return mr_arena_create(RUN_MAX);
}

static void arena_put(struct mr_runs *r, struct mr_arena *a)
{
	if (a == NULL)
		return;
	if (r->arenas_len == FREE_MAX) {
		(void)mr_arena_free(a);
		return;
	}
	mr_arena_reset(a);
	r->arenas[r->arenas_len++] = a;
}

static struct mr_outcome *outcome_get(struct mr_runs *r)
{
	struct mr_outcome *o = r->outcomes;

	if (o != NULL) {
		r->outcomes = o->next;
		r->outcomes_len--;
		return o;
	}
	o = calloc(1, sizeof(*o));
	if (o == NULL)
		return NULL;
	o->out.arena = mr_arena_create(RUN_MAX);
	if (o->out.arena == NULL) {
		free(o);
		return NULL;
	}
	return o;
}

struct mr_outcome *mr_outcome_free(struct mr_runs *r, struct mr_outcome *o)
{
	struct mr_arena *arena;

	if (o == NULL)
		return NULL;
	arena = o->out.arena;
	if (r->outcomes_len == FREE_MAX) {
		(void)mr_arena_free(arena);
		free(o);
		return NULL;
	}
	mr_arena_reset(arena);
	*o = (struct mr_outcome){ .next = r->outcomes };
	o->out.arena = arena;
	r->outcomes = o;
	r->outcomes_len++;
	return NULL;
}

/* ---- the table ---- */

static struct mr_held **bucket(const struct mr_runs *r, int64_t id)
{
	uint64_t h = (uint64_t)id * 0x9e3779b97f4a7c15u;

	return (struct mr_held **)&r->buckets[h >> 32 & (BUCKETS - 1)];
}

struct mr_held *mr_runs_find(const struct mr_runs *r, int64_t id)
{
	struct mr_held *h = *bucket(r, id);

	while (h != NULL && h->id != id)
		h = h->hash_next;
	return h;
}

void mr_runs_each(struct mr_runs *r, void (*fn)(struct mr_held *h))
{
	for (size_t i = 0; i < BUCKETS && r->len > 0; i++) {
		struct mr_held *h = r->buckets[i];

		while (h != NULL) {
			struct mr_held *next = h->hash_next;

			fn(h);
			h = next;
		}
	}
}

static void table_remove(struct mr_runs *r, struct mr_held *h)
{
	struct mr_held **at = bucket(r, h->id);

	while (*at != h)
		at = &(*at)->hash_next;
	*at = h->hash_next;
	r->len--;
}

/* ---- life of a held run ---- */

static void held_free(struct mr_held *h)
{
	struct mr_runs *r = h->engine->runs;

	h->pending = mr_outcome_free(r, h->pending);
	h->sent = mr_outcome_free(r, h->sent);
	h->definition = mr_definition_unref(h->engine->definitions, h->definition);
	arena_put(r, h->arena);
	free(h);
}

/* Out of everything but flush and load that point to it. */
static void detach(struct mr_held *h)
{
	struct mr_engine *e = h->engine;

	table_remove(e->runs, h);
	mr_timers_remove(e->timers, h);
	mr_flush_remove(e->flush, h);
	mr_load_remove(e->load, h);
	h->dropped = true;
	if (h->busy == 0)
		held_free(h);
}

void mr_held_drop(struct mr_held *h)
{
	mr_effects_abort_all(h);
	detach(h);
}

void mr_held_release(struct mr_held *h)
{
	assert(h->busy > 0);
	if (--h->busy == 0 && h->dropped)
		held_free(h);
}

struct mr_held *mr_held_create(struct mr_runs *r, int64_t id)
{
	struct mr_held *h = calloc(1, sizeof(*h)), *old = mr_runs_find(r, id);
	struct mr_held **at = bucket(r, id);

	if (h == NULL)
		return NULL;
	h->engine = r->engine;
	h->id = id;
	h->arena = arena_get(r);
	if (h->arena == NULL) {
		free(h);
		return NULL;
	}
	if (old !=
	    NULL) { /* it was taken from us and came back, or its claim was lost and repeated */
		mr_effects_move(old, h);
		detach(old);
	}
	h->hash_next = *at;
	*at = h;
	r->len++;
	return h;
}

int mr_held_clear(struct mr_held *h)
{
	struct mr_runs *r = h->engine->runs;
	struct mr_arena *fresh = arena_get(r);

	if (fresh == NULL)
		return MR_E_NOMEM;
	mr_timers_remove(h->engine->timers, h);
	mr_flush_remove(h->engine->flush, h);
	mr_effects_forget_told(h);
	h->pending = mr_outcome_free(r, h->pending);
	h->sent = mr_outcome_free(r, h->sent);
	h->run = NULL;
	h->vars = NULL;
	h->failed_by_hand = false;
	h->unsettled_failed = false;
	h->leaving = h->wants_slot = false;
	h->input = h->correlation_id = h->traceparent = h->waiter = h->limit_key = MR_STR_NONE;
	h->state_seq = 0;
	arena_put(r, h->arena);
	h->arena = fresh;
	return 0;
}

static int parse_input(struct mr_held *h, struct mr_value *ret)
{
	if (h->input.p == NULL) {
		struct mr_map *empty = mr_map_create(h->arena, 0);

		if (empty == NULL)
			return MR_E_NOMEM;
		*ret = mr_value_map(empty);
		return 0;
	}
	return mr_json_parse(h->arena, h->input, &mr_run_json_limits, NULL, ret);
}

/* env.* is the operator's, secrets.* the tenant's. */
static int look_up(void *ctx, struct mr_arena *a, struct mr_str scope, struct mr_value *ret)
{
	struct mr_held *h = ctx;

	if (mr_str_eqz(scope, "secrets"))
		return mr_secrets_get(
		    h->engine->secrets, h->tenant_id, h->definition->graph, a, ret);
	return mr_env_lookup(&h->engine->env, a, scope, ret);
}

int mr_held_info(struct mr_held *h, struct mr_run_info *ret)
{
	*ret = (struct mr_run_info){
		.id = h->id,
		.workflow_id = h->workflow_id,
		.tenant_id = h->tenant_id,
		.workflow_name = h->definition->name,
		.version = h->version,
		.created_at_us = h->created_at_us,
		.timeout_us = h->timeout_us,
		.env_lookup = look_up,
		.env_ctx = h,
		.payload_store = mr_payloads_store,
		.payload_load = mr_payloads_load,
		.payload_ctx = h,
		.items_min = ITEMS_MIN,
		.payload_quota = h->engine->settings->tenant_payload_max_bytes,
		.payload_min = (size_t)h->engine->settings->payload_min_bytes,
	};
	return parse_input(h, &ret->input);
}

int mr_held_open(struct mr_held *h)
{
	struct mr_run_info info;
	int r = mr_held_info(h, &info);

	if (r < 0)
		return r;
	return mr_run_create(
	    h->arena, h->definition->graph, &info, mr_ids_next, h->engine->ids, &h->run);
}

struct mr_outcome *mr_held_outcome(struct mr_held *h)
{
	if (h->pending == NULL)
		h->pending = outcome_get(h->engine->runs);
	return h->pending;
}
