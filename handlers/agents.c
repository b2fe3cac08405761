/*
 * Agents: what a service knows us by is sealed here, so that the database, its logs and its
 * backups never see it; and a look at one is a call. All else is their statements' business.
 */
#include <stdio.h>
#include <string.h>

#include "fcgi/call.h"
#include "fcgi/dispatch.h"
#include "fcgi/idempotency.h"
#include "fcgi/route.h"
#include "fcgi/worker.h"
#include "handlers/handlers.h"
#include "handlers/input.h"
#include "handlers/sealed.h"
#include "lib/clock.h"
#include "lib/coro.h"
#include "lib/digest.h"
#include "net/auth_call.h"
#include "sql/sql_ids.h"

#define LOOK_US    INT64_C(5000000) /* how long a look at an agent may take */
#define CONFIG_MAX (size_t)262144   /* bytes of an auth_config */

/* False: answered. */
static bool is_valid(struct mr_request *r)
{
	if (r->faults.count > 0)
		mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
	return r->faults.count == 0;
}

/* ---- what is written ---- */

/* A certificate means nothing where there is no TLS. */
static void check_url(struct mr_request *r, int type, struct mr_str url)
{
	if (type == MR_AUTH_MTLS && url.p != NULL && !mr_str_starts(url, MR_STR("https://")))
		mr_fault_add(
		    &r->faults, MR_STR("url"), "value", "must be an https URL for auth_type mtls");
}

/* CONFIG sealed for the agent. Answered when negative. */
static int seal(
    struct mr_request *r, struct mr_str id, const struct mr_value *config, struct mr_str *ret)
{
	const struct mr_seal_place at = { r->principal->tenant_id, MR_STR("agent"), id };
	struct mr_str text = mr_json_text(r->arena, config);
	int rc = MR_E_LIMIT;

	if (text.p != NULL && text.len <= CONFIG_MAX)
		rc = mr_sealed_write(r, &at, text, ret);
	else
		mr_response_problem(
		    r, text.p == NULL ? MR_ERR_OVERLOADED : MR_ERR_BODY_TOO_LARGE, "%s", "");
	mr_sealed_wipe(text);
	return rc;
}

/* Its own id for a new agent, which what is sealed for it is bound to. Answered when negative. */
static int draw_id(struct mr_request *r, struct mr_str *ret)
{
	struct mr_str key = r->call->idempotency_key;
	const PGresult *row;
	int rc;

	r->call->idempotency_key = MR_STR_NONE; /* it stands for the agent, not for this */
	rc = mr_dispatch_query(r, MR_SQL_AGENT_ID_NEXT, NULL, &row);
	r->call->idempotency_key = key;
	if (rc == 0)
		*ret = mr_pg_text(row, 0, "id");
	return rc;
}

static int create(struct mr_request *r)
{
	struct mr_str name = mr_value_get_str(&r->body_json, "auth_type");
	const struct mr_value *config = mr_value_get(&r->body_json, "auth_config");
	int type = name.p != NULL ? mr_auth_type_by_name(name) : MR_AUTH_NONE;
	struct mr_str id = MR_STR_NONE, sealed = MR_STR_NONE, sum;

	if (type >= 0) /* else the schema says so */
		mr_auth_config_check(type, config, MR_STR("auth_config"), r->arena, &r->faults);
	check_url(r, type, mr_value_get_str(&r->body_json, "url"));
	if (!is_valid(r))
		return 0;
	if (type != MR_AUTH_NONE && (draw_id(r, &id) < 0 || seal(r, id, config, &sealed) < 0))
		return 0;
	sum = sealed.p != NULL ? mr_sealed_digest(r) : mr_idempotency_digest(r);
	if (sum.p == NULL)
		return MR_E_NOMEM;
	const struct mr_pair extra[] = {
		{ MR_STR("new_id"), id },
		{ MR_STR("auth_sealed"), sealed },
		{ MR_STR("request_digest"), sum },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_AGENT_CREATE, extra);
	return 0;
}

/* What null can't clear. */
static void check_nulls(struct mr_request *r)
{
	static const char *const needed[] = { "name", "url", "auth_type", "status" };

	for (size_t i = 0; i < MR_ARRAY_LEN(needed); i++) {
		const struct mr_value *v = mr_value_get(&r->body_json, needed[i]);

		if (v != NULL && v->kind == MR_VALUE_NULL)
			mr_fault_add(&r->faults, mr_str(needed[i]), "type", "must be a text");
	}
}

/* The row with what is sealed. Answered when negative. */
static int find(struct mr_request *r, const PGresult **ret)
{
	if (mr_dispatch_query(r, MR_SQL_AGENT_SECRETS, NULL, ret) < 0)
		return MR_E_CONFLICT;
	if (PQntuples(*ret) > 0)
		return 0;
	mr_dispatch_answer(r, *ret);
	return MR_E_NOT_FOUND;
}

/* Looks at what the agent is now, for what belongs to it. Answered when negative. */
static int update_auth(struct mr_request *r, struct mr_str *ret_sealed)
{
	struct mr_str given_type = mr_value_get_str(&r->body_json, "auth_type"), old_type, url;
	const struct mr_value *config = mr_value_get(&r->body_json, "auth_config");
	const PGresult *row;
	int type;

	if (find(r, &row) < 0)
		return MR_E_NOT_FOUND;
	old_type = mr_pg_text(row, 0, "auth_type");
	type = mr_auth_type_by_name(given_type.p != NULL ? given_type : old_type);
	url = mr_value_get_str(&r->body_json, "url");
	check_url(r, type, url.p != NULL ? url : mr_pg_text(row, 0, "url"));
	/* of the same type, what is there stays unless another is given */
	if (type >= 0 &&
	    (config != NULL || (given_type.p != NULL && !mr_str_eq(given_type, old_type))))
		mr_auth_config_check(type, config, MR_STR("auth_config"), r->arena, &r->faults);
	if (!is_valid(r))
		return MR_E_INVALID;
	if (config == NULL || type == MR_AUTH_NONE)
		return 0;
	return seal(r, mr_pg_text(row, 0, "id"), config, ret_sealed);
}

static int update(struct mr_request *r)
{
	struct mr_str sealed = MR_STR_NONE, members = mr_input_members(r);
	bool auth = mr_value_get(&r->body_json, "auth_config") != NULL ||
	            mr_value_get(&r->body_json, "auth_type") != NULL ||
	            mr_value_get(&r->body_json, "url") != NULL;

	if (members.p == NULL)
		return MR_E_NOMEM;
	check_nulls(r);
	if (auth && update_auth(r, &sealed) < 0)
		return 0;
	const struct mr_pair extra[] = {
		{ MR_STR("given"), members },
		{ MR_STR("auth_sealed"), sealed },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_AGENT_UPDATE, extra);
	return 0;
}

/* Runs ACT, and leaves no trace of the body in the worker's memory. */
static int with_body(struct mr_request *r, int (*act)(struct mr_request *r))
{
	int rc = act(r);

	mr_sealed_wipe(r->body);
	return rc;
}

int mr_handler_agent_create(struct mr_request *r)
{
	return with_body(r, create);
}

int mr_handler_agent_update(struct mr_request *r)
{
	return with_body(r, update);
}

/* ---- a look at one ---- */

struct look {
	struct mr_auth_call call;
	struct mr_coro *coro;
	struct mr_value config;
	struct mr_str url;
	bool ended;
};

static void on_looked(struct mr_auth_call *call)
{
	struct look *l = call->ctx;

	l->ended = true;
	mr_coro_resume(l->coro);
}

static void free_arena(void *a)
{
	(void)mr_arena_free(a);
}

/* What the agent knows us by, out of the row. Answered when negative. */
static int unseal(struct mr_request *r, const PGresult *row, struct look *l)
{
	const struct mr_seal_place at = { r->principal->tenant_id, MR_STR("agent"),
		mr_pg_text(row, 0, "id") };
	struct mr_str hex = mr_pg_text(row, 0, "auth_sealed"), text;
	size_t len = hex.len > 2 ? (hex.len - 2) / 2 : 0;
	unsigned char *sealed = mr_arena_alloc(r->arena, len + 1);
	int rc = sealed != NULL ? 0 : MR_E_NOMEM;

	if (len == 0)
		return rc;
	if (rc == 0)
		rc = mr_unhex((struct mr_str){ hex.p + 2, hex.len - 2 }, sealed, len);
	if (rc == 0)
		rc = mr_unseal(mr_sealed_keys(r), &at, (struct mr_str){ (const char *)sealed, len },
		    l->call.arena, &text);
	if (rc == 0)
		rc = mr_json_parse(l->call.arena, text, &mr_json_limits_default, NULL, &l->config);
	if (rc < 0)
		mr_response_problem(r, MR_ERR_SECRETS_UNAVAILABLE, "%s",
		    "The agent's auth_config can't be opened with the keys that the server has; "
		    "give it a new one.");
	return rc;
}

/* Its health_url, or its url without query, and /health. */
static struct mr_str url_of(struct mr_request *r, const PGresult *row)
{
	struct mr_str own = mr_pg_text(row, 0, "health_url"), url = mr_pg_text(row, 0, "url");
	size_t n = 0;

	if (own.p != NULL)
		return own;
	while (n < url.len && url.p[n] != '?' && url.p[n] != '#')
		n++;
	while (n > 0 && url.p[n - 1] == '/')
		n--;
	return mr_arena_printf(r->arena, "%.*s/health", (int)n, url.p);
}

static int prepare(struct mr_request *r, const PGresult *row, struct look *l)
{
	struct mr_auth_call *c = &l->call;
	int64_t own_us = mr_pg_i64(row, 0, "timeout_ms", 0) * 1000;

	*l = (struct look){ .coro = mr_coro_self(), .config = MR_NULL_VALUE };
	c->arena = mr_arena_create_secret((size_t)4 * 1024 * 1024);
	if (c->arena == NULL || mr_arena_defer(r->arena, free_arena, c->arena) < 0)
		return MR_E_NOMEM;
	l->url = url_of(r, row);
	c->http = r->worker->http;
	c->tokens = r->worker->tokens;
	c->type = mr_auth_type_by_name(mr_pg_text(row, 0, "auth_type"));
	c->config = &l->config;
	/* what is sealed differs each time that it is written */
	c->config_id = mr_pg_text(row, 0, "auth_sealed");
	c->method = MR_STR("GET");
	c->url = l->url;
	c->headers[0] =
	    (struct mr_http_header){ MR_STR("Accept"), MR_STR("application/json"), false };
	c->headers[1] = (struct mr_http_header){ MR_STR("X-Request-ID"), r->correlation_id, false };
	c->headers_len = 2;
	c->timeout_us = own_us > 0 && own_us < LOOK_US ? own_us : LOOK_US;
	c->done = on_looked;
	c->ctx = l;
	return l->url.p != NULL ? 0 : MR_E_NOMEM;
}

static struct mr_str found(struct mr_request *r, const struct look *l)
{
	const struct mr_http_request *q = &l->call.request;
	bool answered = q->outcome == MR_HTTP_ANSWERED && !l->call.token_failed;
	bool healthy = answered && q->status >= 200 && q->status < 300;
	char time[MR_TIME_LEN];
	struct mr_str s;
	struct mr_buf b;

	mr_buf_init(&b, 65536);
	mr_buf_addf(&b, "{\"status\":\"%s\",\"checked_at\":\"%.*s\",\"url\":",
	    healthy ? "healthy" : "unhealthy",
	    (int)mr_time_format(mr_clock_system.now_us(NULL), time), time);
	mr_buf_add_json(&b, l->url);
	if (answered)
		mr_buf_addf(&b, ",\"status_code\":%u,\"response_time_ms\":%lld", q->status,
		    (long long)((q->elapsed_us + 999) / 1000));
	if (answered && !healthy)
		mr_buf_addf(&b, ",\"message\":\"It answered with status %u.\"", q->status);
	if (!answered) {
		mr_buf_addz(&b, ",\"message\":");
		mr_buf_add_json(&b, mr_str(q->message));
	}
	mr_buf_addc(&b, '}');
	s = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(r->arena, mr_buf_str(&b));
	mr_buf_done(&b);
	return s;
}

int mr_handler_agent_health(struct mr_request *r)
{
	struct look *l = mr_arena_alloc(r->arena, sizeof(*l));
	const PGresult *row;
	struct mr_str health;

	if (l == NULL)
		return MR_E_NOMEM;
	if (find(r, &row) < 0)
		return 0;
	if (prepare(r, row, l) < 0)
		return MR_E_NOMEM;
	if (unseal(r, row, l) < 0)
		return 0;
	if (mr_auth_call_start(&l->call) == 0)
		while (!l->ended)
			mr_coro_yield();
	health = found(r, l);
	mr_auth_call_done(&l->call);
	if (health.p == NULL)
		return MR_E_NOMEM;
	const struct mr_pair extra[] = {
		{ MR_STR("health"), health },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_AGENT_HEALTH, extra);
	return 0;
}
