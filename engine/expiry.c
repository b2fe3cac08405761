#include "engine/expiry.h"

#include <stdlib.h>
#include <uv.h>

#include "engine/engine.h"
#include "engine/payload.h"
#include "engine/query.h"
#include "lib/log.h"

#define EVERY_MS    60000  /* a round over all workflows begins */
#define PAGE_MS     200    /* between pages of a round */
#define FILES_MS    600000 /* files of runs that are gone are looked for */
#define RUNS_PAGE   2000
#define EVENTS_PAGE 5000
#define FILES_PAGE  1000
#define TEXT_MAX    ((size_t)64 * 1024)
#define PATH_LEN    512

struct mr_expiry {
	struct mr_engine *engine;
	/* rows */
	struct mr_query runs, events;
	int64_t after; /* the workflow that the page before came to */
	uint64_t runs_at, events_at;
	/* files */
	struct mr_query gone;
	uv_work_t work;
	bool working;            /* a thread has what follows, or it is asked for */
	char root[PATH_LEN];     /* settings may change while the thread works */
	int64_t ids[FILES_PAGE]; /* runs that have files, or whose files are removed */
	size_t len;
	int64_t files_after; /* the last run of the page before */
	bool removing;
	unsigned left; /* folders that could not be removed */
	struct mr_buf list;
	uint64_t files_at;
};

static uint64_t later(struct mr_expiry *x, uint64_t ms)
{
	struct mr_rand *rand = &x->engine->rand;

	return uv_now(x->engine->loop) + ms + rand->next(rand->ctx) % (ms / 2);
}

static void failed(const struct mr_query *q)
{
	mr_log(MR_LOG_WARNING, "housekeeping failed", MR_F_Z("name", "expiry"),
	    MR_F_Z("sqlstate", q->unit.sqlstate), MR_F_Z("detail", q->unit.message));
}

/* ---- rows ---- */

static void runs_expired(struct mr_query *q)
{
	struct mr_expiry *x = q->ctx;
	const PGresult *r = mr_query_result(q, 0);
	int64_t upto;

	if (!mr_query_ok(q)) {
		failed(q);
		return;
	}
	upto = mr_pg_i64(r, 0, "upto", -1);
	x->after = upto > 0 ? upto : 0;
	if (upto >= 0)
		x->runs_at = later(x, PAGE_MS);
	if (mr_pg_i64(r, 0, "runs", 0) > 0 && x->files_at > later(x, PAGE_MS))
		x->files_at = later(x, EVERY_MS);
}

static void expire_runs(struct mr_expiry *x)
{
	int64_t days = x->engine->settings->retention_days;

	x->runs_at = later(x, EVERY_MS);
	mr_query_begin(&x->runs);
	mr_query_call(&x->runs, MR_SQL_ENGINE_EXPIRE);
	mr_query_i64(&x->runs, "after_id", x->after);
	mr_query_i64(&x->runs, "batch", RUNS_PAGE);
	if (days > 0)
		mr_query_i64(&x->runs, "days", days);
	(void)mr_query_submit(&x->runs); /* without memory: next time */
}

static void events_expired(struct mr_query *q)
{
	struct mr_expiry *x = q->ctx;

	if (!mr_query_ok(q))
		failed(q);
	else if (mr_pg_i64(mr_query_result(q, 0), 0, "events", 0) >= EVENTS_PAGE)
		x->events_at = later(x, PAGE_MS);
}

static void expire_events(struct mr_expiry *x)
{
	x->events_at = later(x, EVERY_MS);
	mr_query_begin(&x->events);
	mr_query_call(&x->events, MR_SQL_ENGINE_EXPIRE_EVENTS);
	mr_query_i64(&x->events, "batch", EVENTS_PAGE);
	mr_query_i64(&x->events, "days", x->engine->settings->event_retention_days);
	(void)mr_query_submit(&x->events); /* without memory: next time */
}

/* ---- files of runs that are gone ---- */

static void work(uv_work_t *w)
{
	struct mr_expiry *x = w->data;

	if (!x->removing) {
		x->len = mr_payload_list(x->root, x->files_after, x->ids, FILES_PAGE);
		return;
	}
	x->left = 0;
	for (size_t i = 0; i < x->len; i++) {
		if (mr_payload_remove(x->root, x->ids[i]) < 0)
			x->left++;
	}
}

static void worked(uv_work_t *w, int status);

static void start(struct mr_expiry *x, bool removing)
{
	x->working = true;
	x->removing = removing;
	x->work.data = x;
	(void)uv_queue_work(x->engine->loop, &x->work, work, worked); /* can't fail */
}

static void found_gone(struct mr_query *q)
{
	struct mr_expiry *x = q->ctx;
	const PGresult *r = mr_query_result(q, 0);

	x->working = false;
	if (!mr_query_ok(q)) {
		failed(q);
		return;
	}
	x->len = 0;
	for (int i = 0; i < PQntuples(r) && x->len < FILES_PAGE; i++)
		x->ids[x->len++] = mr_pg_i64(r, i, "run_id", 0);
	if (x->len > 0)
		start(x, true);
}

static void ask_gone(struct mr_expiry *x)
{
	mr_buf_reset(&x->list);
	mr_pg_array_begin(&x->list);
	for (size_t i = 0; i < x->len; i++)
		mr_pg_array_add_i64(&x->list, x->ids[i]);
	mr_pg_array_end(&x->list);
	mr_query_begin(&x->gone);
	mr_query_call(&x->gone, MR_SQL_ENGINE_RUNS_GONE);
	mr_query_ref(&x->gone, "run_ids", mr_buf_str(&x->list));
	/* first: files that stay are found again, what was not taken off would not be */
	mr_query_call(&x->gone, MR_SQL_ENGINE_PAYLOADS_GONE);
	mr_query_ref(&x->gone, "run_ids", mr_buf_str(&x->list));
	if (mr_buf_failed(&x->list) || mr_query_submit(&x->gone) < 0)
		x->working = false; /* next time */
}

static void worked(uv_work_t *w, int status)
{
	struct mr_expiry *x = w->data;
	bool more = x->len == FILES_PAGE;

	if (status != 0 || x->engine->state != MR_ENGINE_RUNNING) {
		x->working = false;
	} else if (x->removing) {
		x->working = false;
		if (x->left > 0)
			mr_log(
			    MR_LOG_WARNING, "files of runs not removed", MR_F_N("runs", x->left));
	} else if (x->len == 0) {
		x->working = false;
		x->files_after = 0;
	} else {
		x->files_after = more ? x->ids[x->len - 1] : 0;
		if (more)
			x->files_at = later(x, PAGE_MS);
		ask_gone(x);
	}
}

static void look_for_files(struct mr_expiry *x)
{
	x->files_at = later(x, FILES_MS);
	(void)snprintf(
	    x->root, sizeof(x->root), "%s", x->engine->settings->file_store); /* a path */
	start(x, false);
}

/* ---- all of it ---- */

void mr_expiry_tick(struct mr_expiry *x)
{
	uint64_t now = uv_now(x->engine->loop);

	if (now >= x->runs_at && !x->runs.busy)
		expire_runs(x);
	if (now >= x->events_at && !x->events.busy)
		expire_events(x);
	if (now >= x->files_at && !x->working)
		look_for_files(x);
}

struct mr_expiry *mr_expiry_create(struct mr_engine *e)
{
	struct mr_expiry *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->engine = e;
	mr_buf_init(&x->list, TEXT_MAX);
	if (mr_query_init(&x->runs, e, runs_expired) < 0 ||
	    mr_query_init(&x->events, e, events_expired) < 0 ||
	    mr_query_init(&x->gone, e, found_gone) < 0)
		return mr_expiry_free(x);
	x->runs.ctx = x->events.ctx = x->gone.ctx = x;
	x->files_at = later(x, EVERY_MS);
	return x;
}

struct mr_expiry *mr_expiry_free(struct mr_expiry *x)
{
	if (x == NULL)
		return NULL;
	mr_query_done(&x->runs);
	mr_query_done(&x->events);
	mr_query_done(&x->gone);
	mr_buf_done(&x->list);
	free(x);
	return NULL;
}
