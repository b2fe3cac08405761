#include "engine/lease.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/agents.h"
#include "engine/claim.h"
#include "engine/effects.h"
#include "engine/engine.h"
#include "engine/metrics.h"
#include "engine/query.h"
#include "engine/runs.h"
#include "lib/log.h"
#include "lib/schema_fit.h"
#include "sql/schema_needed.h"

#define RENEWALS    4 /* in each lease */
#define RETRY_MS    250
#define HOST_LEN    192
#define METRICS_MAX ((size_t)8 * 1024 * 1024)

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

struct mr_lease {
	struct mr_engine *engine;
	struct mr_query query;
	struct mr_buf metrics;
	char host[HOST_LEN];
	int64_t sent_us;                    /* monotonic; when what is under way was asked */
	int64_t held_until_us;              /* monotonic, by the most careful reckoning */
	uint64_t next_ms;                   /* loop time of the next renewal or try */
	bool fits;                          /* the database's schema is known to be one of ours */
	void (*ended)(struct mr_engine *e); /* set: the end is what is asked */
};

/* ---- who we are ---- */

static void read_boot_id(char out[16])
{
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, out, 13) : 0;

	if (fd >= 0)
		(void)close(fd); /* it was only read */
	out[n > 0 ? n : 0] = '\0';
}

/* Only where all three are the same does a process id say which process it is. */
static void find_host(struct mr_lease *l)
{
	char name[128] = "", boot[16];
	struct stat ns;

	if (gethostname(name, sizeof(name) - 1) < 0)
		(void)snprintf(name, sizeof(name), "unknown"); /* fits */
	read_boot_id(boot);
	if (stat("/proc/self/ns/pid", &ns) < 0)
		memset(&ns, 0, sizeof(ns));
	(void)snprintf(l->host, sizeof(l->host), "%s/%s/%llu", name, boot,
	    (unsigned long long)ns.st_ino); /* fits */
}

const char *mr_lease_host(const struct mr_lease *l)
{
	return l->host;
}

/* ---- asking ---- */

static void write_metrics(struct mr_lease *l)
{
	struct mr_engine *e = l->engine;

	mr_metric_set(e->metrics, MR_METRIC_HELD, NULL, (double)mr_runs_len(e->runs));
	mr_metric_set(e->metrics, MR_METRIC_EFFECTS_IN_FLIGHT, NULL,
	    (double)mr_effects_in_flight(e->effects));
	mr_metric_set(
	    e->metrics, MR_METRIC_AGENT_WAITING, NULL, (double)mr_agents_waiting(e->agents));
	mr_metric_set(
	    e->metrics, MR_METRIC_AGENT_RUNNING, NULL, (double)mr_agents_calling(e->agents));
	mr_metric_set(
	    e->metrics, MR_METRIC_ENGINE_DB_IN_FLIGHT, NULL, (double)mr_pg_in_flight(e->pg));
	mr_metric_set(e->metrics, MR_METRIC_LEASE_LEFT, NULL,
	    (double)(l->held_until_us - mr_engine_mono_us(e)) / 1000000);
	mr_buf_reset(&l->metrics);
	mr_metrics_write(e->metrics, &l->metrics);
}

static void put_register(struct mr_lease *l)
{
	struct mr_query *q = &l->query;
	char name[HOST_LEN + 16];
	int n = snprintf(
	    name, sizeof(name), "%.*s.%ld", (int)strcspn(l->host, "/"), l->host, (long)getpid());

	mr_query_call(q, MR_SQL_ENGINE_REGISTER);
	mr_query_text(q, "name", (struct mr_str){ name, (size_t)n });
	mr_query_text(q, "host", mr_str(l->host));
	mr_query_i64(q, "pid", getpid());
	mr_query_text(q, "version", MR_STR(PACKAGE_VERSION));
	mr_query_i64(q, "lease_ms", l->engine->settings->engine_lease_ms);
}

/* Empty when there was no memory for them: then those that the row has stand. */
static void put_metrics(struct mr_lease *l)
{
	mr_query_ref(&l->query, "metrics",
	    mr_buf_failed(&l->metrics) ? MR_STR("{}") : mr_buf_str(&l->metrics));
}

static void put_renew(struct mr_lease *l)
{
	struct mr_query *q = &l->query;

	write_metrics(l);
	mr_query_call(q, MR_SQL_ENGINE_ASYNC);
	mr_query_call(q, MR_SQL_ENGINE_RENEW);
	mr_query_i64(q, "engine_id", l->engine->id);
	mr_query_i64(q, "lease_ms", l->engine->settings->engine_lease_ms);
	put_metrics(l);
}

/* What was counted since the last renewal goes with it. */
static void put_unregister(struct mr_lease *l)
{
	struct mr_query *q = &l->query;

	write_metrics(l);
	mr_query_call(q, MR_SQL_ENGINE_UNREGISTER);
	mr_query_i64(q, "engine_id", l->engine->id);
	put_metrics(l);
}

static void put_schema(struct mr_lease *l)
{
	mr_query_call(&l->query, MR_SQL_SCHEMA_STATE);
	mr_query_text(&l->query, "needed", MR_STR(MR_SCHEMA_NEEDED));
}

static void ask(struct mr_lease *l)
{
	mr_query_begin(&l->query);
	if (l->ended != NULL) {
		put_unregister(l);
	} else if (!l->fits) {
		put_schema(l);
	} else if (l->engine->id == 0) {
		put_register(l);
	} else {
		put_renew(l);
	}
	l->sent_us = mr_engine_mono_us(l->engine);
	(void)mr_query_submit(&l->query); /* without memory: the next tick tries again */
}

void mr_lease_tick(struct mr_lease *l)
{
	uint64_t now = uv_now(l->engine->loop);

	if (l->query.busy || now < l->next_ms)
		return;
	l->next_ms = now + RETRY_MS;
	ask(l);
}

bool mr_lease_holds(const struct mr_lease *l)
{
	return l->engine->id != 0 && mr_engine_mono_us(l->engine) < l->held_until_us;
}

/* ---- the answer ---- */

/* The database said NOW_US between our asking and this answer: no closer than that is known, so
 * the time goes on evenly unless it can't be right. */
static void set_time(struct mr_lease *l, int64_t now_us)
{
	struct mr_engine *e = l->engine;
	int64_t least = now_us - mr_engine_mono_us(e), most = now_us - l->sent_us;

	if (e->database_ahead_us < least)
		e->database_ahead_us = least;
	else if (e->database_ahead_us > most)
		e->database_ahead_us = most;
}

static void confirmed(struct mr_lease *l, const PGresult *r)
{
	int64_t lease_ms = l->engine->settings->engine_lease_ms;

	/* counted from when we asked, so that the database's reckoning ends after ours */
	l->held_until_us = l->sent_us + lease_ms * 1000;
	l->next_ms = uv_now(l->engine->loop) + (uint64_t)(lease_ms / RENEWALS);
	set_time(l, mr_pg_i64(r, 0, "now_us", mr_engine_now_us(l->engine)));
}

/* Without the change it needs it doesn't even register. */
static void hear_schema(struct mr_lease *l)
{
	char why[MR_SCHEMA_FIT_LEN];

	switch (mr_schema_fit(&l->query.unit, MR_SCHEMA_NEEDED, why)) {
	case MR_SCHEMA_FITS:
		l->fits = true;
		l->next_ms = 0;
		break;
	case MR_SCHEMA_MISFIT:
		mr_engine_unfit(l->engine, why);
		break;
	case MR_SCHEMA_UNASKED:
		mr_log(MR_LOG_WARNING, "schema not known yet",
		    MR_F_Z("sqlstate", l->query.unit.sqlstate),
		    MR_F_Z("detail", l->query.unit.message));
		break;
	}
}

/* The row has the counters that were sent; when nobody knows, it is taken to have them: should it
 * go now, a few are lost rather than counted twice. */
static void told(struct mr_lease *l)
{
	if (!mr_buf_failed(&l->metrics))
		mr_metrics_written(l->engine->metrics);
}

static void answered(struct mr_query *q)
{
	struct mr_lease *l = q->engine->lease;
	struct mr_engine *e = l->engine;
	void (*done)(struct mr_engine *) = l->ended;
	unsigned last = q->unit.calls_len - 1;

	if (q->unit.calls[0].stmt == MR_SQL_SCHEMA_STATE) {
		hear_schema(l);
		return;
	}
	if (!mr_query_ok(q)) {
		told(l);
		mr_log(MR_LOG_WARNING, "lease not renewed", MR_F_N("engine_id", e->id),
		    MR_F_Z("sqlstate", q->unit.sqlstate), MR_F_Z("detail", q->unit.message));
		if (done != NULL && q->unit.calls[0].stmt == MR_SQL_ENGINE_UNREGISTER)
			done(e);
		return;
	}
	if (q->unit.calls[0].stmt == MR_SQL_ENGINE_UNREGISTER) {
		done(e);
	} else if (PQntuples(mr_query_result(q, last)) == 0) {
		mr_metrics_handed_over(e->metrics);
		mr_metric_add(e->metrics, MR_METRIC_LEASE_LOST, NULL, 1);
		l->next_ms = 0;
		mr_engine_lost(e);
	} else {
		told(l);
		confirmed(l, mr_query_result(q, last));
		if (e->id == 0)
			mr_engine_registered(
			    e, mr_pg_i64(mr_query_result(q, last), 0, "engine_id", 0));
		mr_claim_kick(e->claim);
	}
}

static void after(struct mr_query *q)
{
	struct mr_lease *l = q->engine->lease;

	if (l->ended != NULL && l->engine->state == MR_ENGINE_ENDING &&
	    q->unit.calls[0].stmt != MR_SQL_ENGINE_UNREGISTER)
		ask(l); /* a renewal was under way when the end came */
}

void mr_lease_end(struct mr_lease *l, void (*ended)(struct mr_engine *e))
{
	l->ended = ended;
	if (l->engine->id == 0) {
		ended(l->engine);
		return;
	}
	if (!l->query.busy)
		ask(l);
}

/* ---- life ---- */

struct mr_lease *mr_lease_create(struct mr_engine *e)
{
	struct mr_lease *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->engine = e;
	mr_buf_init(&l->metrics, METRICS_MAX);
	find_host(l);
	if (mr_query_init(&l->query, e, answered) == 0) {
		l->query.after = after;
		return l;
	}
	return mr_lease_free(l);
}

struct mr_lease *mr_lease_free(struct mr_lease *l)
{
	if (l == NULL)
		return NULL;
	mr_query_done(&l->query);
	mr_buf_done(&l->metrics);
	free(l);
	return NULL;
}
