/* Health, readiness, status and metrics. Figures come from PostgreSQL; that a worker lives does
 * not. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <string.h>

#include "fcgi/dispatch.h"
#include "fcgi/listener.h"
#include "fcgi/metrics.h"
#include "fcgi/worker.h"
#include "handlers/figures.h"
#include "handlers/handlers.h"
#include "lib/clock.h"
#include "lib/metric.h"
#include "sql/schema_needed.h"
#include "sql/sql_ids.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0.1.0"
#endif

#define FIGURES_MAX 1024
#define FIGURES_KEEP_US                                                                            \
	1000000 /* /health is public: however often it is asked, PostgreSQL is not */

/* What PostgreSQL said last. A process has one worker, so one is enough. */
static struct {
	int64_t at_us; /* mono; 0: never */
	size_t len;
	char text[FIGURES_MAX];
} kept;

/* The state of what the service consists of. */
struct state {
	bool database, engines_known, redis_configured, redis;
	bool limits; /* counted for all workers together, or not at all */
	int64_t engines;
	struct mr_value figures; /* kind NULL when there are none */
};

/* ---- figures ---- */

/* A statement that failed has decided the answer already; health has one of its own. */
static void take_back(struct mr_request *r)
{
	r->status = 0;
	r->out_content_type = MR_STR_NONE;
	mr_buf_reset(&r->out_headers);
	mr_buf_reset(&r->out_body);
	mr_faults_init(&r->faults, r->arena, r->faults.max);
}

static bool fetch(struct mr_request *r)
{
	const PGresult *row;
	struct mr_str text;

	if (!mr_pg_is_up(r->worker->pg))
		return false;
	if (mr_dispatch_query(r, MR_SQL_HEALTH_FIGURES, NULL, &row) < 0) {
		take_back(r);
		return false;
	}
	text = PQntuples(row) > 0 ? mr_pg_text(row, 0, "body") : MR_STR_NONE;
	if (text.p == NULL || text.len > sizeof(kept.text))
		return false;
	memcpy(kept.text, text.p, text.len);
	kept.len = text.len;
	kept.at_us = r->started_us;
	return true;
}

static void look(struct mr_request *r, struct state *s)
{
	const struct mr_worker *w = r->worker;
	bool fresh =
	    kept.at_us != 0 && r->started_us - kept.at_us < FIGURES_KEEP_US && mr_pg_is_up(w->pg);
	const struct mr_value *engines;
	struct mr_str text;

	*s = (struct state){ .figures = MR_NULL_VALUE };
	s->redis_configured = w->settings->redis_url[0] != '\0';
	s->redis = mr_bus_is_up(w->bus);
	s->limits = w->limiter == NULL || (mr_limiter_is_shared(w->limiter) && s->redis);
	s->database = fresh || fetch(r);
	if (!s->database)
		return;
	/* copied: another request may put newer figures there */
	text = mr_arena_str(r->arena, (struct mr_str){ kept.text, kept.len });
	if (text.p == NULL ||
	    mr_json_parse(r->arena, text, &mr_json_limits_default, NULL, &s->figures) < 0)
		s->figures = MR_NULL_VALUE;
	engines = mr_value_get_kind(&s->figures, "engines", MR_VALUE_INT);
	s->engines_known = engines != NULL;
	s->engines = engines != NULL ? engines->i : 0;
}

/* Whether the schema is still one that this program knows: it can be taken back, or be another
 * one's, while we run. What was heard last counts as long as the figures do. */
static bool schema_fits(struct mr_request *r)
{
	static const struct mr_pair needed[] = { { MR_STR("needed"), MR_STR(MR_SCHEMA_NEEDED) },
		{ { NULL, 0 }, { NULL, 0 } } };
	static int64_t fitted_at_us;
	const PGresult *row;

	if (fitted_at_us != 0 && r->started_us - fitted_at_us < FIGURES_KEEP_US)
		return true;
	if (mr_dispatch_query(r, MR_SQL_SCHEMA_STATE, needed, &row) < 0) {
		take_back(r);
		return false;
	}
	if (PQntuples(row) != 1 || !mr_pg_bool(row, 0, "known"))
		return false;
	fitted_at_us = r->started_us;
	return true;
}

/* ---- pieces of the answers ---- */

static void add_time(struct mr_buf *b, int64_t us)
{
	char text[MR_TIME_LEN];

	mr_buf_add_json(b, (struct mr_str){ text, mr_time_format(us, text) });
}

static bool is_well(const struct state *s)
{
	return s->database && s->engines > 0 && ((s->redis && s->limits) || !s->redis_configured);
}

static const char *engines_word(const struct state *s)
{
	if (!s->engines_known)
		return "unknown";
	return s->engines > 0 ? "healthy" : "unhealthy";
}

static void add_components(struct mr_buf *b, const struct state *s)
{
	const char *redis = s->redis ? "healthy" : "unhealthy";
	const char *limits = s->limits ? "healthy" : "unhealthy";

	mr_buf_addf(b,
	    "\"components\":{\"database\":\"%s\",\"redis\":\"%s\",\"rate_limits\":\"%s\","
	    "\"scheduler\":\"%s\","
	    "\"saga_orchestrator\":\"%s\"}",
	    s->database ? "healthy" : "unhealthy", s->redis_configured ? redis : "not_configured",
	    s->redis_configured ? limits : "per_worker", engines_word(s),
	    engines_word(s)); /* sagas are runs: the engines carry them out */
}

static void add_beginning(struct mr_buf *b, const struct mr_request *r, const struct state *s)
{
	mr_buf_addf(b, "{\"status\":\"%s\",\"timestamp\":", is_well(s) ? "healthy" : "degraded");
	add_time(b, r->now_us);
	mr_buf_addz(b, ",\"service\":\"millrace\",\"version\":\"" PACKAGE_VERSION "\",");
	add_components(b, s);
}

static void add_figures(struct mr_buf *b, const struct state *s)
{
	static const char *const names[] = { "total_workflows", "active_executions",
		"completed_executions_24h", "failed_executions_24h", "success_rate_24h" };

	mr_buf_addz(b, ",\"metrics\":{");
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		const struct mr_value *v = mr_value_get(&s->figures, names[i]);

		mr_buf_addf(b, "%s\"%s\":", i > 0 ? "," : "", names[i]);
		if (v != NULL && mr_value_is_number(v))
			mr_json_write(b, v);
		else
			mr_buf_addz(b, "null");
	}
	mr_buf_addc(b, '}');
}

static void decide(struct mr_request *r)
{
	r->status = 200;
	r->out_content_type = MR_STR("application/json");
	mr_response_header(r, "Cache-Control", MR_STR("no-store"));
}

/* ---- handlers ---- */

int mr_handler_health(struct mr_request *r)
{
	struct state s;

	look(r, &s);
	add_beginning(&r->out_body, r, &s);
	add_figures(&r->out_body, &s);
	mr_buf_addc(&r->out_body, '}');
	decide(r);
	return 0;
}

int mr_handler_ready(struct mr_request *r)
{
	struct state s;

	look(r, &s);
	if (!s.database) {
		mr_response_problem(r, MR_ERR_DATABASE_UNAVAILABLE, "%s", "");
		return 0;
	}
	if (!schema_fits(r)) {
		mr_response_problem(r, MR_ERR_DATABASE_UNAVAILABLE, "%s",
		    "The database's schema lacks what this release needs.");
		return 0;
	}
	mr_buf_addz(&r->out_body, "{\"status\":\"ready\",\"timestamp\":");
	add_time(&r->out_body, r->now_us);
	mr_buf_addf(&r->out_body, ",\"components\":{\"database\":\"healthy\",\"queue\":\"%s\"}}",
	    engines_word(&s));
	decide(r);
	return 0;
}

/* The members of the object TEXT, to stand among others. */
static void add_members(struct mr_buf *b, struct mr_str text)
{
	text = mr_str_trim(text);
	if (text.len < 2 || text.p[0] != '{')
		return;
	text = mr_str_trim((struct mr_str){ text.p + 1, text.len - 2 });
	if (text.len == 0)
		return;
	mr_buf_addc(b, ',');
	mr_buf_adds(b, text);
}

int mr_handler_status(struct mr_request *r)
{
	const struct mr_worker *w = r->worker;
	const PGresult *row;
	struct state s;

	look(r, &s);
	if (mr_dispatch_query(r, MR_SQL_SYSTEM_STATUS, NULL, &row) < 0)
		return 0; /* answered */
	add_beginning(&r->out_body, r, &s);
	mr_buf_addz(&r->out_body, ",\"started_at\":");
	add_time(&r->out_body, w->started_us);
	mr_buf_addf(&r->out_body, ",\"uptime_seconds\":%lld",
	    (long long)((r->now_us - w->started_us) / 1000000));
	add_members(&r->out_body, PQntuples(row) > 0 ? mr_pg_text(row, 0, "body") : MR_STR_NONE);
	mr_buf_addc(&r->out_body, '}');
	decide(r);
	return 0;
}

static void decide_metrics(struct mr_request *r)
{
	decide(r);
	r->out_content_type = MR_STR("text/plain; version=0.0.4; charset=utf-8");
}

static bool has_token(const struct mr_request *r)
{
	static const struct mr_str scheme = MR_STR("Bearer ");
	struct mr_str want = mr_str(r->worker->settings->metrics_token);
	struct mr_str given = mr_request_header(r, "Authorization");

	if (want.len == 0 || given.len <= scheme.len ||
	    !mr_str_ieqz((struct mr_str){ given.p, scheme.len }, scheme.p))
		return false;
	return mr_str_eq_secret(
	    (struct mr_str){ given.p + scheme.len, given.len - scheme.len }, want);
}

/* What STMT gives of series, each row as its samples. */
static bool add_series(struct mr_request *r, unsigned stmt)
{
	enum mr_metric id = MR_METRIC_COUNT;
	const PGresult *rows;

	if (mr_dispatch_query(r, stmt, NULL, &rows) < 0)
		return false;
	for (int i = 0; i < PQntuples(rows); i++) {
		struct mr_figures_series s = { mr_pg_text(rows, i, "tenant"),
			mr_pg_text(rows, i, "series"), mr_pg_text(rows, i, "numbers") };

		id = mr_figures_series(&s, id, &r->out_body);
	}
	return true;
}

/* Figures and series of the database; without it the workers' own counters are there all the
 * same. Both or neither, so that a sum is never half of it. */
static int add_database(struct mr_request *r)
{
	const PGresult *row;
	int e = 0;

	if (mr_dispatch_query(r, MR_SQL_METRICS_FIGURES, NULL, &row) < 0 ||
	    !add_series(r, MR_SQL_METRICS_SERIES)) {
		take_back(r);
		return 0;
	}
	if (PQntuples(row) > 0)
		e = mr_figures_render(r->arena, mr_pg_text(row, 0, "body"), &r->out_body);
	return e == MR_E_NOMEM ? e : 0;
}

int mr_handler_metrics(struct mr_request *r)
{
	if (!mr_address_is_loopback(r->remote_addr) && !has_token(r)) {
		mr_response_problem(r, MR_ERR_FORBIDDEN, "%s",
		    "Metrics are read from the host itself, or with the operator's token.");
		return 0;
	}
	if (mr_pg_is_up(r->worker->pg) && add_database(r) < 0)
		return MR_E_NOMEM;
	mr_api_metrics_render(r->worker->metrics, &r->out_body);
	decide_metrics(r);
	return 0;
}

int mr_handler_tenant_metrics(struct mr_request *r)
{
	const PGresult *row;
	int e = 0;

	if (mr_dispatch_query(r, MR_SQL_SYSTEM_STATUS, NULL, &row) < 0 ||
	    !add_series(r, MR_SQL_TENANT_METRICS_SERIES))
		return 0; /* answered */
	if (PQntuples(row) > 0)
		e = mr_figures_render_tenant(r->arena, mr_pg_text(row, 0, "body"), &r->out_body);
	if (e < 0)
		return e;
	decide_metrics(r);
	return 0;
}
