#include "fcgi/usage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "fcgi/call.h"
#include "fcgi/metrics.h"
#include "fcgi/route.h"
#include "fcgi/router.h"
#include "fcgi/tally.h"
#include "fcgi/worker.h"
#include "lib/log.h"
#include "sql/sql_ids.h"

#define HOUR_US   INT64_C(3600000000)
#define TEXT_MAX  ((size_t)8 * 1024 * 1024)
#define TRIES_MAX 5 /* of sums that PostgreSQL refuses, not of those it wasn't there for */

/* The parameters of rollups_add, in their order. */
enum column {
	WRITER,
	BATCH,
	TENANTS,
	HOURS,
	ROUTES,
	METHODS,
	KEYS,
	PRINCIPALS,
	WORKFLOWS,
	OUTCOMES,
	CODES,
	COUNTS,
	SUMS,
	MOST,
	BUCKETS,
	COLUMNS
};

struct mr_usage {
	struct mr_worker *worker;
	struct mr_tally *tally;
	/* what is being written, or waits to be written again; len 0: nothing */
	unsigned len;
	uint64_t requests;
	unsigned tries;
	bool busy;
	int64_t batch;
	char batch_text[24];
	struct mr_buf columns[COLUMNS];
	struct mr_str values[COLUMNS];
	struct mr_pg_call call;
	struct mr_pg_unit unit;
	uv_timer_t timer;
	void (*closed)(void *ctx); /* the end has come */
	void *closed_ctx;
};

/* ---- counting ---- */

/* The workflow that the path names; what wasn't found is none. */
static int64_t workflow_of(const struct mr_request *r)
{
	const struct mr_route_vars *vars = mr_router_vars(mr_tables()->router, r->route);
	int64_t id;

	if (r->status == 404)
		return 0;
	for (unsigned i = 0; i < vars->len; i++) {
		const char *prefix = vars->vars[i].id_prefix;

		if (prefix != NULL && strcmp(prefix, "wf") == 0)
			return mr_str_i64(r->path_vars[i], &id) ? id : 0;
	}
	return 0;
}

void mr_usage_count(struct mr_usage *u, const struct mr_request *r, int64_t took_us)
{
	const struct mr_principal *p = r->principal;
	struct mr_tally_key key;

	if (u == NULL || p == NULL || r->route == NULL)
		return;
	key = (struct mr_tally_key){ .tenant_id = p->tenant_id,
		.key_id = p->credential_id,
		.principal_id = p->id,
		.workflow_id = workflow_of(r),
		.hour = (uint32_t)(r->now_us / HOUR_US),
		.route = (uint16_t)r->route->id,
		.status = (uint16_t)r->status,
		.error = (uint16_t)(r->status >= 400 ? r->problem : MR_ERR_NONE) };
	if (!mr_tally_add(
	        u->tally, &key, took_us > 0 ? (uint64_t)took_us : 0, mr_latency_bucket(took_us)))
		mr_api_metrics_add(u->worker->metrics, MR_METRIC_USAGE_LOST_TOTAL, 1);
}

/* ---- writing ---- */

static void add_buckets(struct mr_buf *b, const struct mr_tally_row *row)
{
	char text[16 * MR_TALLY_BUCKETS];
	size_t at = 0;

	for (unsigned i = 0; i < MR_TALLY_BUCKETS; i++) {
		int n = snprintf(text + at, sizeof(text) - at, "%c%" PRIu32, i == 0 ? '{' : ',',
		    row->buckets[i]);

		at += (size_t)n; /* ten digits each: fits */
	}
	text[at++] = '}';
	mr_pg_array_add(b, (struct mr_str){ text, at });
}

static void add_status(struct mr_buf *b, unsigned status)
{
	char text[8];
	int n = snprintf(text, sizeof(text), "%u", status % 10000); /* fits */

	mr_pg_array_add(b, (struct mr_str){ text, (size_t)n });
}

static void add_row(struct mr_usage *u, const struct mr_tally_row *row)
{
	const struct mr_tally_key *k = &row->key;
	const struct mr_route *route = k->route < mr_routes_len ? &mr_routes[k->route] : NULL;
	struct mr_buf *c = u->columns;

	mr_pg_array_add_i64(&c[TENANTS], k->tenant_id);
	mr_pg_array_add_i64(&c[HOURS], k->hour);
	mr_pg_array_add(&c[ROUTES], mr_str(route != NULL ? route->path : "other"));
	mr_pg_array_add(&c[METHODS], mr_str(route != NULL ? mr_method_name(route->method) : ""));
	mr_pg_array_add_i64(&c[KEYS], k->key_id);
	mr_pg_array_add_i64(&c[PRINCIPALS], k->principal_id);
	mr_pg_array_add_i64(&c[WORKFLOWS], k->workflow_id);
	add_status(&c[OUTCOMES], k->status);
	mr_pg_array_add(
	    &c[CODES], mr_str(k->error != MR_ERR_NONE ? mr_error_rows[k->error].code : ""));
	mr_pg_array_add_i64(&c[COUNTS], (int64_t)row->n);
	mr_pg_array_add_i64(&c[SUMS], (int64_t)row->sum_us);
	mr_pg_array_add_i64(&c[MOST], (int64_t)row->max_us);
	add_buckets(&c[BUCKETS], row);
}

/* All that was counted becomes the next batch. */
static void take(struct mr_usage *u)
{
	const struct mr_tally_row *rows = mr_tally_rows(u->tally);

	u->len = mr_tally_len(u->tally);
	u->tries = 0;
	u->requests = 0;
	u->batch++;
	for (unsigned i = TENANTS; i < COLUMNS; i++) {
		mr_buf_reset(&u->columns[i]);
		mr_pg_array_begin(&u->columns[i]);
	}
	for (unsigned i = 0; i < u->len; i++) {
		add_row(u, &rows[i]);
		u->requests += rows[i].n;
	}
	mr_tally_clear(u->tally);
	u->values[WRITER] = mr_str(u->worker->name);
	u->values[BATCH] =
	    (struct mr_str){ u->batch_text, (size_t)snprintf(u->batch_text, sizeof(u->batch_text),
		                                "%lld", (long long)u->batch) };
	for (unsigned i = TENANTS; i < COLUMNS; i++) {
		mr_pg_array_end(&u->columns[i]);
		u->values[i] = mr_buf_str(&u->columns[i]);
	}
}

static void drop(struct mr_usage *u, const char *why)
{
	mr_log(MR_LOG_ERROR, "counts of requests are lost", MR_F_N("count", u->requests),
	    MR_F_Z("sqlstate", u->unit.sqlstate), MR_F_Z("reason", why));
	mr_api_metrics_add(u->worker->metrics, MR_METRIC_USAGE_LOST_TOTAL, u->requests);
	u->len = 0;
}

static bool without_memory(const struct mr_usage *u)
{
	for (unsigned i = TENANTS; i < COLUMNS; i++) {
		if (mr_buf_failed(&u->columns[i]))
			return true;
	}
	return false;
}

static void written(struct mr_pg_unit *unit);

static void write_out(struct mr_usage *u)
{
	if (u->busy)
		return;
	if (u->len == 0 && mr_tally_len(u->tally) > 0) {
		take(u);
		if (without_memory(u))
			drop(u, "no memory");
	}
	if (u->len == 0)
		return;
	u->call = (struct mr_pg_call){ .stmt = MR_SQL_ROLLUPS_ADD, .values = u->values };
	u->unit =
	    (struct mr_pg_unit){ .calls = &u->call, .calls_len = 1, .done = written, .ctx = u };
	u->busy = true;
	mr_pg_submit(u->worker->pg, &u->unit);
}

/* ---- the end ---- */

static void on_timer_closed(uv_handle_t *h)
{
	struct mr_usage *u = h->data;
	void (*closed)(void *ctx) = u->closed;
	void *ctx = u->closed_ctx;

	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_done(&u->columns[i]);
	u->tally = mr_tally_free(u->tally);
	free(u);
	closed(ctx);
}

/* What can't be written now never will be. */
static void end(struct mr_usage *u, bool can_write)
{
	if (can_write) {
		write_out(u);
		if (u->busy)
			return;
	}
	if (u->len > 0)
		drop(u, "the worker ends");
	uv_close((uv_handle_t *)&u->timer, on_timer_closed);
}

static void written(struct mr_pg_unit *unit)
{
	struct mr_usage *u = unit->ctx;

	mr_pg_clear(unit);
	u->busy = false;
	if (unit->outcome == MR_PG_OK)
		u->len = 0;
	else if (unit->outcome == MR_PG_ERROR && ++u->tries >= TRIES_MAX)
		drop(u, unit->message);
	if (u->closed != NULL)
		end(u, unit->outcome == MR_PG_OK);
}

void mr_usage_close(struct mr_usage *u, void (*closed)(void *ctx), void *ctx)
{
	u->closed = closed;
	u->closed_ctx = ctx;
	(void)uv_timer_stop(&u->timer); /* always 0 */
	if (!u->busy)
		end(u, true);
}

/* ---- the beginning ---- */

static void on_timer(uv_timer_t *t)
{
	write_out(t->data);
}

struct mr_usage *mr_usage_create(struct mr_worker *w)
{
	uint64_t every = (uint64_t)w->settings->analytics_write_ms;
	struct mr_usage *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->worker = w;
	u->batch = w->started_us; /* beyond any of a process that had this name before */
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_init(&u->columns[i], TEXT_MAX);
	u->tally = mr_tally_create();
	(void)uv_timer_init(w->loop, &u->timer); /* can't fail */
	u->timer.data = u;
	/* workers begin at different moments, so that they don't all write at once */
	if (u->tally == NULL || uv_timer_start(&u->timer, on_timer,
	                            every / 2 + every * w->number / 8 % every, every) != 0)
		return NULL; /* the process ends: nothing is given back */
	return u;
}
