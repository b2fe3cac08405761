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
#define FACTS_MAX      20000
#define BYTES_MAX      ((size_t)8 * 1024 * 1024)
#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS   1000

struct mr_flush {
	struct mr_engine *engine;
	struct mr_query query;
	struct mr_rows rows;
	struct mr_held *dirty_first, *dirty_last; /* in order of coming */
	size_t dirty_len;
	struct mr_held *taken[RUNS_MAX]; /* those of the flush under way */
	size_t taken_len;
	struct mr_bisect parts; /* of taken, still to do */
	bool under_way;         /* from taking to the end of the last part */
	bool built;             /* rows hold the present part: send them as they are */
	uint64_t retry_ms;
	int64_t sent_us; /* monotonic */
	/* a flush starts before the loop waits, so that all that came in one turn goes together */
	uv_prepare_t prepare;
	uv_timer_t retry;
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
	return f->dirty_len + (f->under_way ? f->taken_len : 0);
}

bool mr_flush_is_idle(const struct mr_flush *f)
{
	return !f->under_way && f->dirty_len == 0;
}

/* ---- taking ---- */

static int by_id(const void *a, const void *b)
{
	const struct mr_held *x = *(struct mr_held *const *)a, *y = *(struct mr_held *const *)b;

	return (x->id > y->id) - (x->id < y->id);
}

/* In order of id, so that engines, and commands, meet the rows in the same order. */
static void take(struct mr_flush *f)
{
	size_t facts = 0, bytes = 0;

	f->taken_len = 0;
	while (f->dirty_first != NULL && f->taken_len < RUNS_MAX && facts < FACTS_MAX &&
	       bytes < BYTES_MAX) {
		struct mr_held *h = f->dirty_first;

		mr_flush_remove(f, h);
		if (mr_held_take(h) < 0) {
			mr_held_fail(h, "limit", "The run's state is too large to be written.");
			continue;
		}
		h->busy++;
		h->landed = false;
		facts += h->sent->out.facts_len;
		bytes += h->sent->out.facts_len > 0 ? mr_arena_used(h->sent->out.arena) : 0;
		f->taken[f->taken_len++] = h;
	}
	qsort(f->taken, f->taken_len, sizeof(f->taken[0]), by_id);
}

/* ---- sending ---- */

static void send_part(struct mr_flush *f);

static void on_retry(uv_timer_t *timer)
{
	send_part(timer->data);
}

static void retry_later(struct mr_flush *f)
{
	f->retry_ms = f->retry_ms == 0 ? RETRY_FIRST_MS : f->retry_ms * 2;
	if (f->retry_ms > RETRY_MAX_MS)
		f->retry_ms = RETRY_MAX_MS;
	if (!uv_is_closing((uv_handle_t *)&f->retry))
		(void)uv_timer_start(&f->retry, on_retry, f->retry_ms, 0); /* always 0 */
}

/* The parameters of those parts of the flush that are of the statement just begun. */
static void put_columns(struct mr_flush *f, enum mr_rows_part first, enum mr_rows_part last)
{
	for (unsigned i = 0; i < MR_ROWS_COLUMNS; i++) {
		enum mr_rows_part part = mr_rows_parts[i];

		if (part < first || part > last ||
		    (part != MR_ROWS_ALWAYS && f->rows.parts[part] == 0))
			continue; /* absent: the statement leaves that part out */
		mr_query_ref(&f->query, mr_rows_params[i], mr_buf_str(&f->rows.columns[i]));
	}
}

/* One transaction: what comes after the first statement sees what others committed before it had
 * the rows locked. */
static void put_calls(struct mr_flush *f)
{
	struct mr_query *q = &f->query;

	mr_query_begin(q);
	mr_query_call(q, MR_SQL_ENGINE_FLUSH);
	mr_query_i64(q, "engine_id", f->engine->id);
	put_columns(f, MR_ROWS_ALWAYS, MR_ROWS_CHILDREN);
	if (f->rows.parts[MR_ROWS_REQUEUE] > 0) {
		mr_query_call(q, MR_SQL_ENGINE_REQUEUE);
		put_columns(f, MR_ROWS_REQUEUE, MR_ROWS_REQUEUE);
	}
	if (f->rows.parts[MR_ROWS_CANCEL] > 0) {
		mr_query_call(q, MR_SQL_ENGINE_CANCEL_CHILDREN);
		put_columns(f, MR_ROWS_CANCEL, MR_ROWS_CANCEL);
	}
}

static int build(struct mr_flush *f, size_t from, size_t to)
{
	mr_rows_begin(&f->rows);
	for (size_t i = from; i < to; i++)
		mr_rows_add(&f->rows, f->taken[i]);
	return mr_rows_end(&f->rows);
}

static void finish(struct mr_flush *f);
static void part_is_bad(struct mr_flush *f, const char *why);

static void send_part(struct mr_flush *f)
{
	size_t from, to;

	if (!mr_bisect_part(&f->parts, &from, &to)) {
		finish(f);
		return;
	}
	if (!f->built && build(f, from, to) < 0) {
		part_is_bad(f, "The run's results are too large to be written.");
		return;
	}
	f->built = true;
	put_calls(f);
	f->sent_us = mr_engine_mono_us(f->engine);
	if (mr_query_submit(&f->query) < 0)
		retry_later(f);
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct mr_flush *f = prepare->data;

	if (f->under_way || f->dirty_first == NULL || f->engine->id == 0)
		return;
	take(f);
	if (f->taken_len == 0)
		return;
	f->under_way = true;
	f->built = false;
	mr_bisect_begin(&f->parts, f->taken_len);
	send_part(f);
}

/* ---- the answer ---- */

static void finish(struct mr_flush *f)
{
	f->under_way = false;
	f->taken_len = 0;
	mr_claim_kick(f->engine->claim);
}

static void next_part(struct mr_flush *f)
{
	mr_bisect_next(&f->parts);
	f->built = false;
	f->retry_ms = 0;
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
static void split(struct mr_flush *f, const char *why)
{
	size_t from = 0, to = 0;

	(void)mr_bisect_part(&f->parts, &from, &to); /* there is one: it just failed */
	f->built = false;
	if (mr_bisect_halve(&f->parts))
		return;
	one_is_bad(f->taken[from], why);
	next_part(f);
}

/* A part that can't even be built; the next is sent from the timer, never deeper in the stack. */
static void part_is_bad(struct mr_flush *f, const char *why)
{
	split(f, why);
	(void)uv_timer_start(&f->retry, on_retry, 0, 0); /* always 0 */
}

static void mark_landed(struct mr_flush *f, size_t from, size_t to, const PGresult *r)
{
	int column = PQfnumber(r, "run_id"), rows = PQntuples(r);

	for (int i = 0; i < rows; i++) {
		int64_t id = 0;
		struct mr_held key, *p = &key, **at;

		if (!mr_str_i64(mr_str(PQgetvalue(r, i, column)), &id))
			continue;
		key.id = id;
		at = bsearch(&p, f->taken + from, to - from, sizeof(f->taken[0]), by_id);
		if (at != NULL)
			(*at)->landed = true;
	}
}

static void observe(struct mr_flush *f)
{
	struct mr_metrics *m = f->engine->metrics;

	mr_metric_observe(m, MR_METRIC_FLUSH_DURATION, NULL,
	    (double)(mr_engine_mono_us(f->engine) - f->sent_us) / 1000000);
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, (double)f->rows.runs);
	mr_metric_observe(m, MR_METRIC_FLUSH_FACTS, NULL, (double)f->rows.facts);
}

/* What another statement of the unit than the first has brought. */
static void tell_call(struct mr_flush *f, unsigned i)
{
	const PGresult *r = mr_query_result(&f->query, i);

	if (f->query.calls[i].stmt == MR_SQL_ENGINE_CANCEL_CHILDREN)
		mr_after_tell(f->engine, r);
	else if (mr_pg_i64(r, 0, "runs", 0) > 0)
		mr_claim_wake(f->engine->claim);
}

static void part_is_done(struct mr_flush *f)
{
	size_t from = 0, to = 0;

	(void)mr_bisect_part(&f->parts, &from, &to); /* there is one: it was answered */
	mark_landed(f, from, to, mr_query_result(&f->query, 0));
	observe(f);
	for (size_t i = from; i < to; i++) {
		struct mr_held *h = f->taken[i];

		if (!h->dropped && h->landed) {
			mr_held_landed(h);
		} else if (!h->dropped) {
			mr_metric_add(f->engine->metrics, MR_METRIC_REFUSED, NULL, 1);
			mr_held_refused(h);
		}
		mr_held_release(h);
	}
	for (unsigned i = 1; i < f->query.unit.calls_len; i++)
		tell_call(f, i);
	mr_after_kick(f->engine->after);
	mr_spawn_tick(f->engine->host.spawn); /* child runs of the effects just begun, together */
	next_part(f);
}

static void failed(struct mr_flush *f)
{
	struct mr_query *q = &f->query;
	bool data = q->unit.outcome == MR_PG_ERROR && mr_bisect_is_data(q->unit.sqlstate);

	mr_metric_add(f->engine->metrics, MR_METRIC_FLUSH_FAILURES,
	    MR_LABELS({ "reason", data                             ? MR_STR("data")
	                          : q->unit.outcome == MR_PG_ERROR ? mr_str(q->unit.sqlstate)
	                                                           : MR_STR("unavailable") }),
	    1);
	mr_log(q->unit.outcome == MR_PG_ERROR ? MR_LOG_ERROR : MR_LOG_WARNING, "flush failed",
	    MR_F_Z("sqlstate", q->unit.sqlstate), MR_F_Z("detail", q->unit.message),
	    MR_F_N("runs", f->rows.runs));
	if (data)
		split(f, "What the run did could not be written to the database.");
	else
		f->retry_ms = f->retry_ms == 0 ? RETRY_FIRST_MS : f->retry_ms;
}

static void answered(struct mr_query *q)
{
	if (mr_query_ok(q))
		part_is_done(q->engine->flush);
	else
		failed(q->engine->flush);
}

static void after(struct mr_query *q)
{
	struct mr_flush *f = q->engine->flush;

	if (f->retry_ms > 0)
		retry_later(f);
	else
		send_part(f);
}

/* ---- life ---- */

struct mr_flush *mr_flush_create(struct mr_engine *e)
{
	struct mr_flush *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->engine = e;
	if (mr_query_init(&f->query, e, answered) < 0) {
		free(f);
		return NULL;
	}
	f->query.after = after;
	mr_rows_init(&f->rows);
	f->prepare.data = f->retry.data = f;
	(void)uv_prepare_init(e->loop, &f->prepare); /* these always succeed */
	(void)uv_timer_init(e->loop, &f->retry);
	(void)uv_prepare_start(&f->prepare, on_prepare);
	return f;
}

void mr_flush_close(struct mr_flush *f, uv_close_cb closed)
{
	uv_close((uv_handle_t *)&f->prepare, closed);
	uv_close((uv_handle_t *)&f->retry, closed);
}

struct mr_flush *mr_flush_free(struct mr_flush *f)
{
	size_t from, to;

	if (f == NULL)
		return NULL;
	while (mr_bisect_part(&f->parts, &from, &to)) { /* never answered: the database was away */
		while (from < to)
			mr_held_release(f->taken[from++]);
		mr_bisect_next(&f->parts);
	}
	mr_query_done(&f->query);
	mr_rows_done(&f->rows);
	free(f);
	return NULL;
}
