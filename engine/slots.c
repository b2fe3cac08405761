#include "engine/slots.h"

#include <stdlib.h>

#include "engine/engine.h"
#include "engine/load.h"
#include "engine/query.h"
#include "lib/log.h"

#define BATCH      200
#define COLUMN_MAX ((size_t)1024 * 1024)
#define KEY_MAX    200 /* bytes of a key as written; of a longer one its beginning and a hash */
#define RETRY_MS   500

enum column { RUN_IDS, FENCES, KEYS, LIMITS, ON_FULL, COLUMNS };

static const char *const params[COLUMNS] = { "run_ids", "fences", "limit_keys", "limits",
	"on_full" };

static const char *const on_full_names[] = {
	[MR_ON_FULL_QUEUE] = "queue",
	[MR_ON_FULL_SKIP] = "skip",
	[MR_ON_FULL_CANCEL_OLDEST] = "cancel_oldest",
	[MR_ON_FULL_FAIL] = "fail",
};

struct mr_slots {
	struct mr_engine *engine;
	struct mr_query query;
	struct mr_held **waiting; /* busy for us; in order of coming; owned array */
	size_t len, cap;
	struct mr_held *batch[BATCH];
	size_t batch_len;
	struct mr_buf columns[COLUMNS];
	uint64_t not_before_ms;
};

bool mr_slots_needs(const struct mr_held *h)
{
	const struct mr_graph *g = h->definition->graph;

	return g != NULL && g->concurrency.limit > 0 && (h->limit_key.p == NULL || !h->admitted);
}

/* ---- the key ---- */

static uint64_t hash(struct mr_str s)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001b3u;
	return h;
}

/* Cut between characters: it is text in the database. */
static struct mr_str beginning(struct mr_str s)
{
	size_t n = KEY_MAX;

	if (s.len <= n)
		return s;
	while (n > 0 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return (struct mr_str){ s.p, n };
}

/* "<workflow>:<key>", so that workflows don't share a limit. */
static int find_key(struct mr_held *h, struct mr_str *ret)
{
	struct mr_run_info info;
	struct mr_expr_error err = { .message = "" };
	struct mr_str key = MR_STR_NONE;
	int r = mr_held_info(h, &info);

	if (r == 0)
		r = mr_run_concurrency_key(h->definition->graph, &info, h->arena, &key, &err);
	if (r < 0) {
		mr_held_fail(h, r == MR_E_INVALID ? "expression" : "limit",
		    r == MR_E_INVALID ? err.message
		                      : "The run needs more memory than a run may have.");
		return r;
	}
	if (key.len > KEY_MAX)
		*ret = mr_arena_printf(h->arena, "%lld:%.*s#%016llx", (long long)h->workflow_id,
		    MR_STR_ARG(beginning(key)), (unsigned long long)hash(key));
	else
		*ret = mr_arena_printf(
		    h->arena, "%lld:%.*s", (long long)h->workflow_id, MR_STR_ARG(key));
	return ret->p == NULL ? MR_E_NOMEM : 0;
}

/* ---- asking ---- */

static int push(struct mr_slots *s, struct mr_held *h)
{
	if (s->len == s->cap) {
		size_t cap = s->cap == 0 ? 64 : s->cap * 2;
		struct mr_held **waiting = realloc(s->waiting, cap * sizeof(struct mr_held *));

		if (waiting == NULL)
			return MR_E_NOMEM;
		s->waiting = waiting;
		s->cap = cap;
	}
	s->waiting[s->len++] = h;
	return 0;
}

int mr_slots_ask(struct mr_slots *s, struct mr_held *h)
{
	struct mr_str key;
	int r = find_key(h, &key);

	if (r < 0)
		return r;
	h->phase = MR_HELD_LOADING;
	h->limit_key = key;
	if (push(s, h) < 0) {
		mr_held_fail(h, "limit", "The engine has no memory left to start the run.");
		return MR_E_NOMEM;
	}
	h->busy++;
	return 0;
}

static void add_row(struct mr_slots *s, const struct mr_held *h)
{
	const struct mr_concurrency *c = &h->definition->graph->concurrency;

	mr_pg_array_add_i64(&s->columns[RUN_IDS], h->id);
	mr_pg_array_add_i64(&s->columns[FENCES], h->fence);
	mr_pg_array_add(&s->columns[KEYS], h->limit_key);
	mr_pg_array_add_i64(&s->columns[LIMITS], c->limit);
	mr_pg_array_add(&s->columns[ON_FULL], mr_str(on_full_names[c->on_full]));
}

static void build(struct mr_slots *s)
{
	size_t n = 0;

	for (unsigned i = 0; i < COLUMNS; i++) {
		mr_buf_reset(&s->columns[i]);
		mr_pg_array_begin(&s->columns[i]);
	}
	for (; n < s->len && s->batch_len < BATCH; n++) {
		struct mr_held *h = s->waiting[n];

		if (h->dropped) {
			mr_held_release(h);
			continue;
		}
		add_row(s, h);
		s->batch[s->batch_len++] = h;
	}
	s->len -= n;
	for (size_t i = 0; i < s->len; i++)
		s->waiting[i] = s->waiting[n + i];
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_pg_array_end(&s->columns[i]);
}

static bool waits(const PGresult *r, int64_t run_id)
{
	for (int i = 0; r != NULL && i < PQntuples(r); i++) {
		if (mr_pg_i64(r, i, "run_id", 0) == run_id)
			return mr_str_eqz(mr_pg_text(r, i, "verdict"), "waiting");
	}
	return false;
}

/* Those that wait are nobody's now; the others are read again: so come their places, and commands.
 */
static void let_go(struct mr_slots *s, const PGresult *r)
{
	for (size_t i = 0; i < s->batch_len; i++) {
		struct mr_held *h = s->batch[i];

		if (!h->dropped && waits(r, h->id))
			mr_held_drop(h);
		else if (!h->dropped)
			mr_load_add(s->engine->load, h);
		mr_held_release(h);
	}
	s->batch_len = 0;
}

void mr_slots_kick(struct mr_slots *s)
{
	struct mr_query *q = &s->query;

	if (q->busy || s->len == 0 || s->engine->id == 0 ||
	    uv_now(s->engine->loop) < s->not_before_ms)
		return;
	build(s);
	if (s->batch_len == 0)
		return;
	mr_query_begin(q);
	mr_query_call(q, MR_SQL_ENGINE_SLOTS);
	for (unsigned i = 0; i < COLUMNS; i++) {
		mr_query_ref(q, params[i], mr_buf_str(&s->columns[i]));
		q->failed = q->failed || mr_buf_failed(&s->columns[i]);
	}
	if (mr_query_submit(q) < 0) {
		s->not_before_ms = uv_now(s->engine->loop) + RETRY_MS;
		let_go(s, NULL);
	}
}

static void answered(struct mr_query *q)
{
	struct mr_slots *s = q->engine->slots;

	if (!mr_query_ok(q)) {
		mr_log(MR_LOG_WARNING, "places of limits not got",
		    MR_F_Z("sqlstate", q->unit.sqlstate), MR_F_Z("detail", q->unit.message),
		    MR_F_N("runs", s->batch_len));
		s->not_before_ms = uv_now(s->engine->loop) + RETRY_MS;
	}
	let_go(s, mr_query_ok(q) ? mr_query_result(q, 0) : NULL);
}

static void after(struct mr_query *q)
{
	mr_slots_kick(q->engine->slots);
}

/* ---- life ---- */

struct mr_slots *mr_slots_create(struct mr_engine *e)
{
	struct mr_slots *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->engine = e;
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_init(&s->columns[i], COLUMN_MAX);
	if (mr_query_init(&s->query, e, answered) < 0)
		return mr_slots_free(s);
	s->query.after = after;
	return s;
}

struct mr_slots *mr_slots_free(struct mr_slots *s)
{
	if (s == NULL)
		return NULL;
	for (size_t i = 0; i < s->len; i++)
		mr_held_release(s->waiting[i]); /* dropped before */
	free(s->waiting);
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_done(&s->columns[i]);
	mr_query_done(&s->query);
	free(s);
	return NULL;
}
