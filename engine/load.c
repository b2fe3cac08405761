#include "engine/load.h"

#include <stdlib.h>

#include "engine/account.h"
#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/ids.h"
#include "engine/query.h"
#include "engine/revive.h"
#include "engine/run_row.h"
#include "engine/secrets.h"
#include "engine/timers.h"
#include "lib/log.h"

#define BATCH_MAX      500
#define FACTS_MAX      100000 /* of a batch: what comes is in memory at once */
#define FACTS_OF_RUN   25000  /* the most that is read of one: the rest is in its snapshot */
#define LIST_MAX       ((size_t)1024 * 1024)
#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS   1000
#define SECRETS_US     20000 /* they come meanwhile */
#define REST_FIRST_US  500000
#define REST_DOUBLED   5u /* times at most: 16 s */

struct mr_load {
	struct mr_engine *engine;
	struct mr_query query;
	struct mr_held *first, *last; /* those that wait */
	size_t len;
	struct mr_held *batch[BATCH_MAX]; /* those that are being read */
	size_t batch_len;
	struct mr_buf ids, workflow_ids, versions;
	size_t unread;                             /* how many of the batch have no row yet */
	int definitions, owned, journal, commands; /* which calls those are; -1: not asked */
	uint64_t retry_ms;
	uv_timer_t retry;
};

/* ---- what waits ---- */

static void push(struct mr_load *l, struct mr_held *h)
{
	if (h->queued)
		return;
	h->queued = true;
	h->load_next = NULL;
	if (l->last != NULL)
		l->last->load_next = h;
	else
		l->first = h;
	l->last = h;
	l->len++;
}

static struct mr_held *pop(struct mr_load *l)
{
	struct mr_held *h = l->first;

	l->first = h->load_next;
	if (l->first == NULL)
		l->last = NULL;
	h->load_next = NULL;
	h->queued = false;
	l->len--;
	return h;
}

void mr_load_remove(struct mr_load *l, struct mr_held *h)
{
	struct mr_held **at = &l->first, *before = NULL;

	if (!h->queued)
		return;
	while (*at != h) {
		before = *at;
		at = &(*at)->load_next;
	}
	*at = h->load_next;
	if (l->last == h)
		l->last = before;
	h->queued = false;
	l->len--;
}

/* Out of all other hands. False: its flush is under way, and it is read after that. */
static bool put_aside(struct mr_load *l, struct mr_held *h)
{
	h->phase = MR_HELD_LOADING;
	h->is_read = h->fresh = h->resting = false;
	mr_timers_remove(l->engine->timers, h);
	mr_flush_remove(l->engine->flush, h);
	h->reread = h->reread || h->sent != NULL;
	return h->sent == NULL;
}

void mr_load_add(struct mr_load *l, struct mr_held *h)
{
	if (put_aside(l, h)) {
		push(l, h);
		mr_load_kick(l);
	}
}

void mr_load_add_later(struct mr_load *l, struct mr_held *h)
{
	unsigned doubled = h->rests < REST_DOUBLED ? h->rests : REST_DOUBLED;

	if (h->rests++ == 0)
		mr_log(MR_LOG_WARNING, "a stored result could not be read; the run waits",
		    MR_F_N("run_id", h->id));
	if (!put_aside(l, h))
		return;
	h->resting = true;
	mr_timers_set(l->engine->timers, h,
	    mr_engine_now_us(l->engine) + ((int64_t)REST_FIRST_US << doubled));
}

void mr_load_add_claimed(struct mr_load *l, struct mr_held *h, bool fresh)
{
	h->phase = MR_HELD_LOADING;
	h->is_read = true;
	h->fresh = fresh;
	push(l, h);
}

size_t mr_load_len(const struct mr_load *l)
{
	return l->len + l->batch_len;
}

/* ---- asking ---- */

static struct mr_definition *definition_of(struct mr_load *l, struct mr_held *h)
{
	if (h->definition == NULL)
		h->definition =
		    mr_definitions_get(l->engine->definitions, h->workflow_id, h->version);
	return h->definition;
}

/* Takes a batch off the list and writes the arrays that ask for it. */
static void take(struct mr_load *l)
{
	size_t facts = 0;

	l->unread = 0;
	mr_pg_array_begin(&l->ids);
	mr_pg_array_begin(&l->workflow_ids);
	mr_pg_array_begin(&l->versions);
	while (l->first != NULL && l->batch_len < BATCH_MAX && facts < FACTS_MAX) {
		struct mr_held *h = pop(l);

		h->phase = MR_HELD_LOADING;
		mr_timers_remove(l->engine->timers, h);
		mr_flush_remove(l->engine->flush, h);
		if (h->sent !=
		    NULL) { /* asked for again while it was read; after its flush, then */
			h->reread = true;
			continue;
		}
		h->busy++;
		l->batch[l->batch_len++] = h;
		if (!h->fresh) {
			mr_pg_array_add_i64(&l->ids, h->id);
			facts += h->seq < FACTS_OF_RUN ? h->seq : FACTS_OF_RUN;
		}
		if (!h->is_read)
			l->unread++;
		if (definition_of(l, h) == NULL) { /* the same one more than once does no harm */
			mr_pg_array_add_i64(&l->workflow_ids, h->workflow_id);
			mr_pg_array_add_i64(&l->versions, h->version);
		}
	}
	mr_pg_array_end(&l->ids);
	mr_pg_array_end(&l->workflow_ids);
	mr_pg_array_end(&l->versions);
}

static void put_calls(struct mr_load *l)
{
	struct mr_query *q = &l->query;

	mr_query_begin(q);
	l->definitions = l->owned = l->journal = l->commands = -1;
	if (l->workflow_ids.len > 2) {
		l->definitions = (int)q->unit.calls_len;
		mr_query_call(q, MR_SQL_ENGINE_DEFINITIONS);
		mr_query_ref(q, "workflow_ids", mr_buf_str(&l->workflow_ids));
		mr_query_ref(q, "versions", mr_buf_str(&l->versions));
	}
	if (l->ids.len == 2)
		return;
	if (l->unread > 0) {
		l->owned = (int)q->unit.calls_len;
		mr_query_call(q, MR_SQL_ENGINE_OWNED);
		mr_query_i64(q, "engine_id", l->engine->id);
		mr_query_ref(q, "run_ids", mr_buf_str(&l->ids));
	}
	l->journal = (int)q->unit.calls_len;
	mr_query_call(q, MR_SQL_ENGINE_LOAD);
	mr_query_ref(q, "run_ids", mr_buf_str(&l->ids));
	l->commands = (int)q->unit.calls_len;
	/* after the rows: a command that comes between has raised the fence, and is met again */
	mr_query_call(q, MR_SQL_ENGINE_COMMANDS);
	mr_query_i64(q, "engine_id", l->engine->id);
	mr_query_ref(q, "run_ids", mr_buf_str(&l->ids));
}

static void on_retry(uv_timer_t *timer)
{
	mr_load_kick(timer->data);
}

static void retry_later(struct mr_load *l)
{
	l->retry_ms = l->retry_ms == 0 ? RETRY_FIRST_MS : l->retry_ms * 2;
	if (l->retry_ms > RETRY_MAX_MS)
		l->retry_ms = RETRY_MAX_MS;
	(void)uv_timer_start(&l->retry, on_retry, l->retry_ms, 0); /* fails only while closing */
}

/* All of the batch goes back to the list. */
static void put_back(struct mr_load *l)
{
	for (size_t i = 0; i < l->batch_len; i++) {
		struct mr_held *h = l->batch[i];

		if (!h->dropped)
			push(l, h);
		mr_held_release(h);
	}
	l->batch_len = 0;
}

void mr_load_kick(struct mr_load *l)
{
	if (l->query.busy || l->first == NULL || l->engine->id == 0 ||
	    !mr_ids_enough(l->engine->ids) || uv_is_active((uv_handle_t *)&l->retry))
		return;
	mr_buf_reset(&l->ids);
	mr_buf_reset(&l->workflow_ids);
	mr_buf_reset(&l->versions);
	take(l);
	put_calls(l);
	if (mr_buf_failed(&l->ids) || mr_buf_failed(&l->workflow_ids) ||
	    mr_buf_failed(&l->versions) || mr_query_submit(&l->query) < 0) {
		put_back(l);
		retry_later(l);
	}
}

/* ---- the answer ---- */

static void keep_definitions(struct mr_load *l, const PGresult *r)
{
	struct mr_definitions *d = l->engine->definitions;

	for (int i = 0; i < PQntuples(r); i++) {
		int64_t workflow_id = mr_pg_i64(r, i, "workflow_id", 0);
		int version = (int)mr_pg_i64(r, i, "version", 0);
		struct mr_definition *def = mr_definitions_get(d, workflow_id, version);

		if (def != NULL) /* asked for more than once */
			(void)mr_definition_unref(d, def);
		else
			(void)mr_definitions_put(d, workflow_id, version,
			    mr_pg_text(r, i, "workflow_name"),
			    mr_pg_text(r, i, "definition")); /* without memory: asked for again */
	}
}

/* The secrets that it names are not at hand yet. */
static void await_secrets(struct mr_load *l, struct mr_held *h)
{
	if (!put_aside(l, h))
		return;
	h->resting = true;
	mr_timers_set(l->engine->timers, h, mr_engine_now_us(l->engine) + SECRETS_US);
}

/* Every definition that was asked for is in the cache now, be it as a problem. */
static bool have_definition(struct mr_load *l, struct mr_held *h)
{
	if (definition_of(l, h) != NULL)
		return true;
	(void)mr_definitions_put(
	    l->engine->definitions, h->workflow_id, h->version, MR_STR_NONE, MR_STR_NONE);
	return definition_of(l, h) != NULL;
}

/* True when H is still ours; its row is read. */
static bool read_row(struct mr_held *h, const PGresult *owned, const struct mr_run_columns *columns)
{
	int row = mr_run_row_first(owned, columns->run_id, h->id);

	if (row < 0)
		return false;
	if (mr_held_clear(h) < 0 || mr_run_row_read(owned, row, columns, h) < 0)
		mr_load_add(h->engine->load, h); /* no memory: tried again */
	return true;
}

static void lost(struct mr_held *h)
{
	/* ended by a flush whose answer never came, perhaps: it does no harm to say so twice */
	mr_account_tell_waiter(h);
	mr_held_drop(h);
}

static void take_answer(struct mr_load *l, struct mr_held *h, const PGresult *owned,
    const struct mr_run_columns *columns)
{
	const struct mr_query *q = &l->query;
	const PGresult *journal = NULL, *commands = NULL;

	if (h->fail_tries >= MR_FAIL_GIVE_UP) {
		mr_held_drop(h);
		return;
	}
	if (!h->is_read) {
		if (!read_row(h, owned, columns)) {
			lost(h);
			return;
		}
		if (h->queued)
			return;
	}
	if (!h->fresh) {
		journal = mr_query_result(q, (unsigned)l->journal);
		commands = mr_query_result(q, (unsigned)l->commands);
	}
	if (!have_definition(l, h))
		push(l, h);
	else if (!mr_secrets_ready(l->engine->secrets, h->tenant_id, h->definition->graph))
		await_secrets(l, h);
	else
		mr_revive(h, journal, commands);
}

static void finish_batch(struct mr_load *l)
{
	const struct mr_query *q = &l->query;
	const PGresult *owned = NULL;
	struct mr_run_columns columns = { 0 };
	size_t len = l->batch_len;

	if (l->definitions >= 0)
		keep_definitions(l, mr_query_result(q, (unsigned)l->definitions));
	if (l->owned >= 0) {
		owned = mr_query_result(q, (unsigned)l->owned);
		mr_run_columns(owned, &columns);
	}
	for (size_t i = 0; i < len; i++) {
		struct mr_held *h = l->batch[i];

		if (!h->dropped)
			take_answer(l, h, owned, &columns);
		mr_held_release(h);
	}
	l->batch_len = 0;
}

static void answered(struct mr_query *q)
{
	struct mr_load *l = q->engine->load;

	if (mr_query_ok(q)) {
		l->retry_ms = 0;
		finish_batch(l);
		return;
	}
	mr_log(MR_LOG_WARNING, "runs could not be read", MR_F_Z("sqlstate", q->unit.sqlstate),
	    MR_F_Z("detail", q->unit.message), MR_F_N("runs", l->batch_len));
	put_back(l);
	retry_later(l);
}

static void after(struct mr_query *q)
{
	mr_load_kick(q->engine->load);
}

/* ---- life ---- */

struct mr_load *mr_load_create(struct mr_engine *e)
{
	struct mr_load *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->engine = e;
	if (mr_query_init(&l->query, e, answered) < 0) {
		free(l);
		return NULL;
	}
	l->query.after = after;
	mr_buf_init(&l->ids, LIST_MAX);
	mr_buf_init(&l->workflow_ids, LIST_MAX);
	mr_buf_init(&l->versions, LIST_MAX);
	l->retry.data = l;
	(void)uv_timer_init(e->loop, &l->retry); /* always 0 */
	return l;
}

void mr_load_close(struct mr_load *l, uv_close_cb closed)
{
	uv_close((uv_handle_t *)&l->retry, closed);
}

struct mr_load *mr_load_free(struct mr_load *l)
{
	if (l == NULL)
		return NULL;
	mr_query_done(&l->query);
	mr_buf_done(&l->ids);
	mr_buf_done(&l->workflow_ids);
	mr_buf_done(&l->versions);
	free(l);
	return NULL;
}
