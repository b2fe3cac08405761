#include "engine/flush.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/after.h"
#include "engine/bisect.h"
#include "engine/claim.h"
#include "engine/engine.h"
#include "engine/metrics.h"
#include "engine/payloads.h"
#include "engine/query.h"
#include "engine/rows.h"
#include "engine/spawn.h"
#include "lib/log.h"

#define RUNS_MAX       2000 /* of one flush */
#define LANES          2
#define COMPANY        200 /* runs that must wait before a flush goes out beside another */
#define FACTS_MAX      20000
#define BYTES_MAX      ((size_t)8 * 1024 * 1024)
#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS   1000

/* One flush at a time, on whatever connection is the least busy. */
struct lane {
	struct mr_flush *flush;
	struct mr_query query;
	struct mr_rows rows;
	struct mr_held *taken[RUNS_MAX]; /* those of the flush under way */
	size_t taken_len;
	struct mr_bisect parts; /* of taken, still to do */
	bool under_way;         /* from taking to the end of the last part */
	bool built;             /* rows hold the present part: send them as they are */
	uint64_t retry_ms;
	int64_t sent_us; /* monotonic */
	uv_timer_t retry;
};

struct mr_flush {
	struct mr_engine *engine;
	struct mr_held *dirty_first, *dirty_last; /* in order of coming */
	size_t dirty_len;
	struct lane lanes[LANES];
	/* a flush starts before the loop waits, so that all that came in one turn goes together */
	uv_prepare_t prepare;
};

/* ---- what waits ---- */

void mr_flush_add(struct mr_flush *f, struct mr_held *h)
{
	if (h->dirty || mr_payloads_hold(h))
		return;
	h->dirty = true;
	h->dirty_next = NULL;
	h->dirty_prev = f->dirty_last;
	if (f->dirty_last != NULL)
		f->dirty_last->dirty_next = h;
	else
		f->dirty_first = h;
	f->dirty_last = h;
	f->dirty_len++;
}

void mr_flush_remove(struct mr_flush *f, struct mr_held *h)
{
	h->held_back = false;
	if (!h->dirty)
		return;
	if (h->dirty_prev != NULL)
		h->dirty_prev->dirty_next = h->dirty_next;
	else
		f->dirty_first = h->dirty_next;
	if (h->dirty_next != NULL)
		h->dirty_next->dirty_prev = h->dirty_prev;
	else
		f->dirty_last = h->dirty_prev;
	h->dirty = false;
	h->dirty_next = h->dirty_prev = NULL;
	f->dirty_len--;
}

size_t mr_flush_backlog(const struct mr_flush *f)
{
	size_t n = f->dirty_len;

	for (unsigned i = 0; i < LANES; i++)
		n += f->lanes[i].taken_len;
	return n;
}

bool mr_flush_is_idle(const struct mr_flush *f)
{
	for (unsigned i = 0; i < LANES; i++) {
		if (f->lanes[i].under_way)
			return false;
	}
	return f->dirty_len == 0;
}

/* ---- taking ---- */

static int by_id(const void *a, const void *b)
{
	const struct mr_held *x = *(struct mr_held *const *)a, *y = *(struct mr_held *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

static void take_one(struct lane *l, struct mr_held *h)
{
	mr_flush_remove(l->flush, h);
	if (mr_held_take(h) < 0) {
		mr_held_fail(h, "limit", "The run's state is too large to be written.");
		return;
	}
	h->busy++;
	h->landed = false;
	l->taken[l->taken_len++] = h;
}

/* In order of id, so that lanes, engines and commands meet the rows in the same order. What a run
 * decides while it is in one lane waits until that has landed. */
static void take(struct lane *l)
{
	size_t facts = 0, bytes = 0;
	struct mr_held *h, *next;

	l->taken_len = 0;
	for (h = l->flush->dirty_first;
	     h != NULL && l->taken_len < RUNS_MAX && facts < FACTS_MAX && bytes < BYTES_MAX;
	     h = next) {
		next = h->dirty_next;
		if (h->sent != NULL)
			continue;
		take_one(l, h);
		if (h->sent == NULL)
			continue;
		facts += h->sent->out.facts_len;
		bytes += h->sent->out.facts_len > 0 ? mr_arena_used(h->sent->out.arena) : 0;
	}
	qsort(l->taken, l->taken_len, sizeof(l->taken[0]), by_id);
}

/* ---- sending ---- */

static void send_part(struct lane *l);

static void on_retry(uv_timer_t *timer)
{
	send_part(timer->data);
}

static void retry_later(struct lane *l)
{
	l->retry_ms = l->retry_ms == 0 ? RETRY_FIRST_MS : l->retry_ms * 2;
	if (l->retry_ms > RETRY_MAX_MS)
		l->retry_ms = RETRY_MAX_MS;
	if (!uv_is_closing((uv_handle_t *)&l->retry))
		(void)uv_timer_start(&l->retry, on_retry, l->retry_ms, 0); /* always 0 */
}

/* The parameters of those parts of the flush that are of the statement just begun. */
static void put_columns(struct lane *l, enum mr_rows_part first, enum mr_rows_part last)
{
	for (unsigned i = 0; i < MR_ROWS_COLUMNS; i++) {
		enum mr_rows_part part = mr_rows_parts[i];

		if (part < first || part > last ||
		    (part != MR_ROWS_ALWAYS && l->rows.parts[part] == 0))
			continue; /* absent: the statement leaves that part out */
		mr_query_ref(&l->query, mr_rows_params[i], mr_buf_str(&l->rows.columns[i]));
	}
}

/* One transaction: what comes after the first statement sees what others committed before it had
 * the rows locked. */
static void put_calls(struct lane *l)
{
	struct mr_query *q = &l->query;

	mr_query_begin(q);
	mr_query_call(q, MR_SQL_ENGINE_FLUSH);
	mr_query_i64(q, "engine_id", l->flush->engine->id);
	put_columns(l, MR_ROWS_ALWAYS, MR_ROWS_CHILDREN);
	if (l->rows.parts[MR_ROWS_REQUEUE] > 0) {
		mr_query_call(q, MR_SQL_ENGINE_REQUEUE);
		put_columns(l, MR_ROWS_REQUEUE, MR_ROWS_REQUEUE);
	}
	if (l->rows.parts[MR_ROWS_CANCEL] > 0) {
		mr_query_call(q, MR_SQL_ENGINE_CANCEL_CHILDREN);
		put_columns(l, MR_ROWS_CANCEL, MR_ROWS_CANCEL);
	}
}

static int build(struct lane *l, size_t from, size_t to)
{
	mr_rows_begin(&l->rows);
	for (size_t i = from; i < to; i++)
		mr_rows_add(&l->rows, l->taken[i]);
	return mr_rows_end(&l->rows);
}

static void finish(struct lane *l);
static void part_is_bad(struct lane *l, const char *why);

static void send_part(struct lane *l)
{
	size_t from, to;

	if (!mr_bisect_part(&l->parts, &from, &to)) {
		finish(l);
		return;
	}
	if (!l->built && build(l, from, to) < 0) {
		part_is_bad(l, "The run's results are too large to be written.");
		return;
	}
	l->built = true;
	put_calls(l);
	l->sent_us = mr_engine_mono_us(l->flush->engine);
	if (mr_query_submit(&l->query) < 0)
		retry_later(l);
}

static void start(struct lane *l)
{
	take(l);
	if (l->taken_len == 0)
		return;
	l->under_way = true;
	l->built = false;
	mr_bisect_begin(&l->parts, l->taken_len);
	send_part(l);
}

/* One at a time, as long as that keeps up: few large flushes cost less than many small ones. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct mr_flush *f = prepare->data;
	unsigned under_way = 0;

	if (f->engine->id == 0)
		return;
	for (unsigned i = 0; i < LANES; i++)
		under_way += f->lanes[i].under_way ? 1 : 0;
	for (unsigned i = 0; i < LANES; i++) {
		if (f->lanes[i].under_way || f->dirty_len <= (under_way > 0 ? COMPANY : 0))
			continue;
		start(&f->lanes[i]);
		if (!f->lanes[i].under_way)
			continue;
		if (under_way++ > 0)
			mr_metric_add(f->engine->metrics, MR_METRIC_FLUSHES_BESIDE, NULL, 1);
	}
}

/* ---- the answer ---- */

static void finish(struct lane *l)
{
	l->under_way = false;
	l->taken_len = 0;
	mr_claim_kick(l->flush->engine->claim);
}

static void next_part(struct lane *l)
{
	mr_bisect_next(&l->parts);
	l->built = false;
	l->retry_ms = 0;
}

static void one_is_bad(struct mr_held *h, const char *why)
{
	if (!h->dropped) {
		h->sent = mr_outcome_free(h->engine->runs, h->sent);
		h->leaving = h->reread = false;
		mr_held_fail(h, "internal", why);
	}
	mr_held_release(h);
}

/* Halves it, or fails the one run that it is. Doesn't send: it may run inside the answer. */
static void split(struct lane *l, const char *why)
{
	size_t from = 0, to = 0;

	(void)mr_bisect_part(&l->parts, &from, &to); /* there is one: it just failed */
	l->built = false;
	if (mr_bisect_halve(&l->parts))
		return;
	one_is_bad(l->taken[from], why);
	next_part(l);
}

/* A part that can't even be built; the next is sent from the timer, never deeper in the stack. */
static void part_is_bad(struct lane *l, const char *why)
{
	split(l, why);
	(void)uv_timer_start(&l->retry, on_retry, 0, 0); /* always 0 */
}

static void mark_landed(struct lane *l, size_t from, size_t to, const PGresult *r)
{
	int column = PQfnumber(r, "run_id"), rows = PQntuples(r);

	for (int i = 0; i < rows; i++) {
		int64_t id = 0;
		struct mr_held key, *p = &key, **at;

		if (!mr_str_i64(mr_str(PQgetvalue(r, i, column)), &id))
			continue;
		key.id = id;
		at = bsearch(&p, l->taken + from, to - from, sizeof(l->taken[0]), by_id);
		if (at != NULL)
			(*at)->landed = true;
	}
}

static void observe(struct lane *l)
{
	struct mr_metrics *m = l->flush->engine->metrics;

	mr_metric_observe(m, MR_METRIC_FLUSH_DURATION, NULL,
	    (double)(mr_engine_mono_us(l->flush->engine) - l->sent_us) / 1000000);
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, (double)l->rows.runs);
	mr_metric_observe(m, MR_METRIC_FLUSH_FACTS, NULL, (double)l->rows.facts);
}

/* What another statement of the unit than the first has brought. */
static void tell_call(struct lane *l, unsigned i)
{
	const PGresult *r = mr_query_result(&l->query, i);

	if (l->query.calls[i].stmt == MR_SQL_ENGINE_CANCEL_CHILDREN)
		mr_after_tell(l->flush->engine, r);
	else if (mr_pg_i64(r, 0, "runs", 0) > 0)
		mr_claim_wake(l->flush->engine->claim);
}

static void part_is_done(struct lane *l)
{
	size_t from = 0, to = 0;

	(void)mr_bisect_part(&l->parts, &from, &to); /* there is one: it was answered */
	mark_landed(l, from, to, mr_query_result(&l->query, 0));
	observe(l);
	for (size_t i = from; i < to; i++) {
		struct mr_held *h = l->taken[i];

		if (!h->dropped && h->landed) {
			mr_held_landed(h);
		} else if (!h->dropped) {
			mr_metric_add(l->flush->engine->metrics, MR_METRIC_REFUSED, NULL, 1);
			mr_held_refused(h);
		}
		mr_held_release(h);
	}
	for (unsigned i = 1; i < l->query.unit.calls_len; i++)
		tell_call(l, i);
	mr_after_kick(l->flush->engine->after);
	mr_spawn_tick(
	    l->flush->engine->host.spawn); /* child runs of the effects just begun, together */
	next_part(l);
}

static void failed(struct lane *l)
{
	struct mr_query *q = &l->query;
	bool data = q->unit.outcome == MR_PG_ERROR && mr_bisect_is_data(q->unit.sqlstate);

	mr_metric_add(l->flush->engine->metrics, MR_METRIC_FLUSH_FAILURES,
	    MR_LABELS({ "reason", data                             ? MR_STR("data")
	                          : q->unit.outcome == MR_PG_ERROR ? mr_str(q->unit.sqlstate)
	                                                           : MR_STR("unavailable") }),
	    1);
	mr_log(q->unit.outcome == MR_PG_ERROR ? MR_LOG_ERROR : MR_LOG_WARNING, "flush failed",
	    MR_F_Z("sqlstate", q->unit.sqlstate), MR_F_Z("detail", q->unit.message),
	    MR_F_N("runs", l->rows.runs));
	if (data)
		split(l, "What the run did could not be written to the database.");
	else
		l->retry_ms = l->retry_ms == 0 ? RETRY_FIRST_MS : l->retry_ms;
}

static void answered(struct mr_query *q)
{
	if (mr_query_ok(q))
		part_is_done(q->ctx);
	else
		failed(q->ctx);
}

static void after(struct mr_query *q)
{
	struct lane *l = q->ctx;

	if (l->retry_ms > 0)
		retry_later(l);
	else
		send_part(l);
}

/* ---- life ---- */

static int open_lane(struct mr_flush *f, struct lane *l)
{
	l->flush = f;
	mr_rows_init(&l->rows);
	l->retry.data = l;
	(void)uv_timer_init(f->engine->loop, &l->retry); /* always 0 */
	if (mr_query_init(&l->query, f->engine, answered) < 0)
		return MR_E_NOMEM;
	l->query.after = after;
	l->query.ctx = l;
	return 0;
}

struct mr_flush *mr_flush_create(struct mr_engine *e)
{
	struct mr_flush *f = calloc(1, sizeof(*f));
	int r = 0;

	if (f == NULL)
		return NULL;
	f->engine = e;
	for (unsigned i = 0; i < LANES && r == 0; i++)
		r = open_lane(f, &f->lanes[i]);
	if (r < 0)
		return mr_flush_free(f);
	f->prepare.data = f;
	(void)uv_prepare_init(e->loop, &f->prepare); /* these always succeed */
	(void)uv_prepare_start(&f->prepare, on_prepare);
	return f;
}

void mr_flush_close(struct mr_flush *f, uv_close_cb closed)
{
	uv_close((uv_handle_t *)&f->prepare, closed);
	for (unsigned i = 0; i < LANES; i++)
		uv_close((uv_handle_t *)&f->lanes[i].retry, closed);
}

/* What was never answered: the database was away. */
static void release_taken(struct lane *l)
{
	size_t from, to;

	while (mr_bisect_part(&l->parts, &from, &to)) {
		while (from < to)
			mr_held_release(l->taken[from++]);
		mr_bisect_next(&l->parts);
	}
}

struct mr_flush *mr_flush_free(struct mr_flush *f)
{
	if (f == NULL)
		return NULL;
	for (unsigned i = 0; i < LANES; i++) {
		release_taken(&f->lanes[i]);
		mr_query_done(&f->lanes[i].query);
		mr_rows_done(&f->lanes[i].rows);
	}
	free(f);
	return NULL;
}
