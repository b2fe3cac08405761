/* Step type agent: the payload is sent to a registered service, whose answer is the result. */
#include <string.h>

#include "engine/agents.h"
#include "engine/steps/report.h"
#include "engine/steps/runners.h"
#include "engine/steps/step_config.h"
#include "lib/digest.h"
#include "lib/redact.h"
#include "lib/seal.h"
#include "net/auth_call.h"

#define BODY_MAX    (64u * 1024 * 1024)
#define EXCERPT_MAX 2000 /* bytes of an answer that is no success */

struct agent {
	struct mr_agent_turn turn;
	struct mr_auth_call call;
	struct mr_value auth;
	struct mr_str name;
	struct mr_retry_policy retry;
	uint64_t asked_ms;
	bool has_turn, calls;
};

static void free_arena(void *a)
{
	(void)mr_arena_free(a);
}

/* ---- the end ---- */

static void finish(struct agent *a, const char *verdict)
{
	struct mr_step_exec *x = a->turn.x;

	if (a->has_turn)
		mr_agents_end(x->host->agents, &a->turn, verdict, a->call.request.elapsed_us);
	a->has_turn = false;
	if (a->calls)
		mr_auth_call_done(&a->call);
	a->calls = false;
	x->done(x);
}

/* ---- what the service sends back ---- */

/* Members of an auth_config that nobody may see. */
static const char *const secret_members[] = { "client_secret", "key", "password", "private_key",
	"token", "value" };

static struct mr_str without_scheme(struct mr_str header)
{
	const char *space = memchr(header.p, ' ', header.len);
	size_t skip = space != NULL ? (size_t)(space - header.p) + 1 : 0;

	return (struct mr_str){ header.p + skip, header.len - skip };
}

/* What hides, in what it sends back, what it knows us by: it may send back what it was sent. */
static int redactor(struct agent *a, struct mr_redact **ret)
{
	struct mr_str texts[MR_ARRAY_LEN(secret_members) + 1];
	const struct mr_auth_call *c = &a->call;
	size_t len = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(secret_members); i++) {
		const struct mr_value *v = mr_value_get(&a->auth, secret_members[i]);

		if (v != NULL && v->kind == MR_VALUE_STRING)
			texts[len++] = v->s;
	}
	if (c->request.headers_len > c->headers_len)
		texts[len++] = without_scheme(c->headers[c->headers_len].value);
	return mr_redact_create(c->arena, texts, len, ret);
}

/* V as it may be written down. */
static int hide(struct agent *a, struct mr_value *v)
{
	struct mr_redact *redact;
	int r = redactor(a, &redact);

	return r < 0 || redact == NULL ? r : mr_redact_value(redact, a->turn.x->arena, v, v);
}

static void fail_status(struct agent *a)
{
	struct mr_step_exec *x = a->turn.x;
	unsigned status = a->call.request.status;
	struct mr_str type = mr_arena_printf(x->arena, "http.%u", status);
	struct mr_value body = mr_value_str(mr_text_clean(
	    x->arena, mr_text_cut(mr_buf_str(&a->call.request.answer_body), EXCERPT_MAX)));

	(void)mr_report_fail(x, type.p != NULL ? type : MR_STR("limit"), true,
	    "%s of agent %.*s answered with status %u.",
	    a->call.token_failed ? "The token endpoint" : "The service", MR_STR_ARG(a->name),
	    status);
	/* what a token endpoint says may hold anything */
	if (body.s.p == NULL || a->call.token_failed || hide(a, &body) < 0)
		body = MR_NULL_VALUE;
	if (mr_report_map(x->arena,
	        (const struct mr_report_member[]){ { "status_code", mr_value_int(status) },
	            { "agent", mr_value_str(a->name) }, { "body", body } },
	        3, &x->error_data) < 0)
		x->error_data = MR_NULL_VALUE;
}

/* An answer that is JSON, or nothing at all. */
static void take_answer(struct agent *a)
{
	struct mr_step_exec *x = a->turn.x;
	struct mr_str body = mr_str_trim(mr_buf_str(&a->call.request.answer_body));
	struct mr_value v = MR_NULL_VALUE;

	if (body.len > 0) {
		body = mr_arena_str(x->arena, body);
		if (body.p == NULL) {
			(void)mr_report_too_large(x);
			return;
		}
		if (mr_json_parse(x->arena, body, &mr_json_limits_default, NULL, &v) < 0) {
			(void)mr_report_invalid(
			    x, "The answer of agent %.*s is not JSON.", MR_STR_ARG(a->name));
			return;
		}
	}
	if (hide(a, &v) < 0)
		(void)mr_report_too_large(x);
	else
		mr_report_success(x, v);
}

/* Whether the service is to blame: what a caller did wrong says nothing about it. */
static const char *judge(const struct mr_http_request *r)
{
	if (r->outcome == MR_HTTP_ANSWERED)
		return r->status >= 500 || r->status == 429 ? "failed" : "ok";
	return r->outcome == MR_HTTP_CONNECT || r->outcome == MR_HTTP_TLS ||
	               r->outcome == MR_HTTP_TIMEOUT
	           ? "failed"
	           : "none";
}

static void on_answer(struct mr_auth_call *c)
{
	struct agent *a = c->ctx;
	const struct mr_http_request *r = &c->request;

	if (r->outcome != MR_HTTP_ANSWERED)
		(void)mr_report_http(a->turn.x, r);
	else if (c->token_failed || r->status < 200 || r->status >= 300)
		fail_status(a);
	else
		take_answer(a);
	finish(a, judge(r));
}

/* ---- the call ---- */

static int unseal(struct agent *a, const PGresult *row, int i)
{
	struct mr_step_exec *x = a->turn.x;
	const struct mr_seal_place at = { x->tenant_id, MR_STR("agent"),
		mr_pg_text(row, i, "agent_id") };
	struct mr_str hex = mr_pg_text(row, i, "auth_sealed"), text;
	size_t len = hex.len > 2 ? (hex.len - 2) / 2 : 0;
	unsigned char *sealed = mr_arena_alloc(a->call.arena, len + 1);
	struct mr_error err = { .detail = "" };
	int r = sealed != NULL ? 0 : MR_E_NOMEM;

	if (len == 0)
		return r;
	/* keys that can't be read now are as those known before */
	if (mr_seal_keys_refresh(x->host->seal, &err) < 0)
		err.detail[0] = '\0';
	if (r == 0)
		r = mr_unhex((struct mr_str){ hex.p + 2, hex.len - 2 }, sealed, len);
	if (r == 0)
		r = mr_unseal(x->host->seal, &at, (struct mr_str){ (const char *)sealed, len },
		    a->call.arena, &text);
	if (r == 0)
		r = mr_json_parse(a->call.arena, text, &mr_json_limits_default, NULL, &a->auth);
	return r;
}

static int64_t member_of(const struct mr_value *v, const char *name, int64_t otherwise)
{
	const struct mr_value *m = mr_value_get(v, name);

	return m != NULL && m->kind == MR_VALUE_INT ? m->i : otherwise;
}

/* The agent's own retry_config, for a step that says nothing about it. */
static void read_retry(struct agent *a, struct mr_str text)
{
	struct mr_step_exec *x = a->turn.x;
	struct mr_value v;
	const struct mr_value *m;

	if (text.p == NULL || mr_json_parse(x->arena, text, &mr_json_limits_default, NULL, &v) < 0)
		return;
	m = mr_value_get(&v, "backoff_multiplier");
	a->retry = (struct mr_retry_policy){
		.max_attempts = (unsigned)member_of(&v, "max_retries", 3) + 1,
		.delay_us = member_of(&v, "initial_delay_ms", 1000) * 1000,
		.max_delay_us = member_of(&v, "max_delay_ms", 60000) * 1000,
		.multiplier = m == NULL                    ? 2
		              : m->kind == MR_VALUE_DOUBLE ? m->d
		              : m->kind == MR_VALUE_INT    ? (double)m->i
		                                           : 2,
	};
	m = mr_value_get(&v, "jitter");
	a->retry.jitter = m != NULL && m->kind == MR_VALUE_BOOL && !m->b ? 0 : 0.5;
	x->retry = &a->retry;
}

static int write_body(struct agent *a)
{
	static const struct mr_map nothing;
	const struct mr_value none = { .kind = MR_VALUE_MAP, .map = &nothing };
	const struct mr_value *payload = mr_value_get(&a->turn.x->config, "payload");
	struct mr_buf b;

	mr_buf_init(&b, BODY_MAX);
	mr_json_write(&b, payload != NULL ? payload : &none);
	a->call.body =
	    mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(a->turn.x->arena, mr_buf_str(&b));
	mr_buf_done(&b);
	return a->call.body.p != NULL ? 0 : MR_E_NOMEM;
}

/* A name may be any text; what a header can't carry is left out of it. */
static struct mr_str header_text(struct mr_arena *a, struct mr_str s)
{
	char *p = mr_arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; p != NULL && i < s.len && n < 1024; i++)
		if ((unsigned char)s.p[i] >= ' ' && (unsigned char)s.p[i] < 0x7f)
			p[n++] = s.p[i];
	return p != NULL ? (struct mr_str){ p, n } : MR_STR_NONE;
}

static void add_header(struct agent *a, const char *name, struct mr_str value)
{
	struct mr_str text = value.len > 0 ? header_text(a->call.arena, value) : MR_STR_NONE;

	if (text.len > 0)
		a->call.headers[a->call.headers_len++] =
		    (struct mr_http_header){ mr_str(name), text, false };
}

/* The step's own for one call, else the agent's; and no more than is left after the wait. */
static int64_t timeout_of(const struct agent *a, int64_t agents_us)
{
	const struct mr_step_exec *x = a->turn.x;
	int64_t us = x->timeout_us > 0 && x->timeout_us != x->left_us ? x->timeout_us : agents_us;
	int64_t left = x->left_us - (int64_t)(uv_now(x->host->loop) - a->asked_ms) * 1000;

	if (x->left_us > 0 && left < us)
		us = left > 1000 ? left : 1000;
	return us;
}

static int prepare(struct agent *a, const PGresult *row, int i)
{
	struct mr_step_exec *x = a->turn.x;
	struct mr_auth_call *c = &a->call;

	c->http = x->host->http;
	c->tokens = x->host->tokens;
	c->type = (enum mr_auth_type)mr_auth_type_by_name(mr_pg_text(row, i, "auth_type"));
	c->config = &a->auth;
	c->config_id = mr_arena_str(c->arena, mr_pg_text(row, i, "auth_sealed").p != NULL
	                                          ? mr_pg_text(row, i, "auth_sealed")
	                                          : MR_STR(""));
	c->method = MR_STR("POST");
	c->url = mr_arena_str(c->arena, mr_pg_text(row, i, "url"));
	add_header(a, "Content-Type", MR_STR("application/json"));
	add_header(a, "Accept", MR_STR("application/json"));
	add_header(a, "Idempotency-Key", x->idempotency_key);
	add_header(a, "traceparent", x->traceparent);
	add_header(a, "X-Request-ID", x->correlation_id);
	c->timeout_us = timeout_of(a, mr_pg_i64(row, i, "timeout_ms", 30000) * 1000);
	c->done = on_answer;
	c->ctx = a;
	return c->url.p != NULL && c->config_id.p != NULL ? write_body(a) : MR_E_NOMEM;
}

static void call(struct agent *a, const PGresult *row, int i)
{
	struct mr_step_exec *x = a->turn.x;
	int r;

	read_retry(a, mr_pg_text(row, i, "retry"));
	r = unseal(a, row, i);
	if (r < 0 && r != MR_E_NOMEM) {
		(void)mr_report_fail(x, MR_STR("agent.unavailable"), true,
		    "What agent %.*s knows the caller by can't be opened with the keys that the "
		    "engine has.",
		    MR_STR_ARG(a->name));
		finish(a, "none");
		return;
	}
	if (r == 0)
		r = prepare(a, row, i);
	if (r < 0) {
		(void)mr_report_too_large(x);
		finish(a, "none");
		return;
	}
	a->calls = true;
	if (mr_auth_call_start(&a->call) == 0)
		return;
	(void)mr_report_fail(x, MR_STR("validation"), false, "%s", a->call.request.message);
	finish(a, "none");
}

/* ---- the turn ---- */

static void unavailable(struct agent *a, const char *why)
{
	(void)mr_report_fail(a->turn.x, MR_STR("agent.unavailable"), true, "%s%.*s %s.",
	    a->name.len > 0 ? "Agent " : "An agent", MR_STR_ARG(a->name), why);
	finish(a, "none");
}

static void late(struct agent *a)
{
	(void)mr_report_fail(a->turn.x, MR_STR("timeout"), true,
	    "%s%.*s had no turn for the step within the time that it may wait.",
	    a->name.len > 0 ? "Agent " : "An agent", MR_STR_ARG(a->name));
	finish(a, "none");
}

static void told(struct mr_agent_turn *t, enum mr_turn_verdict v, const PGresult *r, int row)
{
	struct agent *a = (struct agent *)t; /* its first member */
	struct mr_str name = v != MR_TURN_LATE ? mr_pg_text(r, row, "name") : MR_STR_NONE;

	if (name.p != NULL)
		name = mr_arena_str(t->x->arena, name);
	if (name.p != NULL)
		a->name = name;
	if (v == MR_TURN_GO)
		call(a, r, row);
	else if (v == MR_TURN_MISSING)
		unavailable(a, a->turn.ref.len > 0
		                   ? "does not exist"
		                   : "that is active and has what is required does not exist");
	else if (v == MR_TURN_LATE)
		late(a);
	else if (v == MR_TURN_INACTIVE)
		unavailable(a, "is not active");
	else
		unavailable(a, "failed too often in a row and is not called for now");
}

static int read_required(struct mr_step_exec *x, struct mr_str *ret)
{
	const struct mr_str *all = NULL;
	size_t len = 0;
	struct mr_buf b;
	int r = mr_config_texts(x, "requires", &all, &len);

	if (r < 0)
		return r;
	mr_buf_init(&b, 65536);
	mr_pg_array_begin(&b);
	for (size_t i = 0; i < len; i++)
		mr_pg_array_add(&b, all[i]);
	mr_pg_array_end(&b);
	*ret = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(x->arena, mr_buf_str(&b));
	mr_buf_done(&b);
	return ret->p != NULL ? 0 : mr_report_too_large(x);
}

static int start(struct mr_step_exec *x)
{
	struct agent *a = mr_arena_zalloc(x->arena, sizeof(*a));
	int r;

	if (a == NULL)
		return mr_report_too_large(x);
	a->call.arena = mr_arena_create_secret((size_t)4 * 1024 * 1024);
	if (a->call.arena == NULL || mr_arena_defer(x->arena, free_arena, a->call.arena) < 0)
		return mr_report_too_large(x);
	a->auth = MR_NULL_VALUE;
	a->turn.x = x;
	a->turn.told = told;
	a->turn.ref = MR_STR("");
	r = mr_config_text(x, "agent", &a->turn.ref);
	if (r == 0)
		r = read_required(x, &a->turn.required);
	if (r < 0)
		return r;
	a->name = a->turn.ref;
	a->asked_ms = uv_now(x->host->loop);
	a->turn.patience_us = x->left_us > 0 && (x->start_us == 0 || x->left_us < x->start_us)
	                          ? x->left_us
	                          : x->start_us;
	a->has_turn = true;
	x->impl = a;
	mr_agents_ask(x->host->agents, &a->turn);
	return 0;
}

static void give_up(struct mr_step_exec *x)
{
	struct agent *a = x->impl;

	if (a->calls)
		mr_auth_call_abort(&a->call);
	if (a->has_turn)
		mr_agents_end(x->host->agents, &a->turn, "none", 0);
}

const struct mr_step_runner mr_runner_agent = {
	.type = MR_STEP_AGENT,
	.start = start,
	.abort = give_up,
	.default_timeout_us = 0, /* the agent's */
	.done_event = MR_RUN_EVENT_STEP_DONE,
};
