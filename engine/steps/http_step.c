#include "engine/steps/http_step.h"

#include <string.h>

#include "engine/steps/report.h"
#include "engine/steps/step_config.h"

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

#define MAX_NAME    128
#define MAX_VALUE   8192
#define MAX_EXCERPT 2048
#define MAX_URL     8192
#define MAX_BODY    (64u * 1024 * 1024)

/* What the client and the connection decide, not the caller. */
static const char *const reserved[] = { "connection", "content-length", "expect", "host",
	"http2-settings", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer",
	"transfer-encoding", "upgrade" };

static void on_done(struct mr_http_request *r);

struct mr_http_step *mr_http_step_create(
    struct mr_step_exec *x, void (*answered)(struct mr_http_step *s))
{
	struct mr_http_step *s = mr_arena_zalloc(x->arena, sizeof(*s));

	if (s == NULL) {
		(void)mr_report_too_large(x);
		return NULL;
	}
	s->x = x;
	s->answered = answered;
	s->request.ctx = s;
	s->request.done = on_done;
	x->impl = s;
	return s;
}

/* ---- headers ---- */

/* RFC 9110's token */
static bool is_name(struct mr_str s)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		        (c != '\0' && strchr(marks, c) != NULL)))
			return false;
	}
	return s.len > 0 && s.len <= MAX_NAME;
}

static bool is_value(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	}
	return s.len <= MAX_VALUE;
}

static bool is_reserved(struct mr_str name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(reserved); i++) {
		if (mr_str_ieqz(name, reserved[i]))
			return true;
	}
	return false;
}

int mr_http_step_header(
    struct mr_http_step *s, struct mr_str name, struct mr_str value, bool from_config)
{
	if (from_config && !is_name(name))
		return mr_report_invalid(
		    s->x, "A header's name must be of letters, digits and - _ only.");
	if (from_config && is_reserved(name))
		return mr_report_invalid(
		    s->x, "The header %.*s can't be set by a step.", MR_STR_ARG(name));
	if (!is_value(value))
		return mr_report_invalid(s->x,
		    "The header %.*s must be one line of at most %d bytes.", MR_STR_ARG(name),
		    MAX_VALUE);
	if (s->headers_len == MR_HTTP_STEP_HEADERS)
		return mr_report_invalid(
		    s->x, "A call has at most %d headers.", MR_HTTP_STEP_HEADERS);
	s->headers[s->headers_len++] =
	    (struct mr_http_header){ .name = name, .value = value, .secret = from_config };
	return 0;
}

int mr_http_step_headers(struct mr_http_step *s)
{
	const struct mr_value *v = mr_config_member(s->x, "headers");

	if (v == NULL)
		return 0;
	if (v->kind != MR_VALUE_MAP)
		return mr_report_invalid(s->x, "config.headers must be an object.");
	for (size_t i = 0; i < v->map->len; i++) {
		const struct mr_member *m = &v->map->members[i];
		struct mr_str value;

		if (m->value.kind == MR_VALUE_NULL)
			continue;
		value = mr_config_scalar(s->x->arena, &m->value);
		if (value.p == NULL)
			return mr_report_invalid(s->x, "config.headers.%.*s must be a text.",
			    MR_STR_ARG(mr_text_cut(m->key.s, MAX_NAME)));
		if (mr_http_step_header(s, m->key.s, value, true) < 0)
			return MR_E_INVALID;
	}
	return 0;
}

bool mr_http_step_has_header(const struct mr_http_step *s, const char *name)
{
	for (size_t i = 0; i < s->headers_len; i++) {
		if (mr_str_ieqz(s->headers[i].name, name))
			return true;
	}
	return false;
}

/* A key holds the step's name, which may be any text: what a header can't carry is
 * percent-encoded. */
static struct mr_str header_safe(struct mr_arena *a, struct mr_str s)
{
	static const char hex[] = "0123456789ABCDEF";
	char *out = s.len < MAX_VALUE ? mr_arena_alloc(a, 3 * s.len + 1) : NULL;
	size_t n = 0;

	if (out == NULL)
		return MR_STR_NONE;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c >= ' ' && c < 0x7f) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	out[n] = '\0';
	return (struct mr_str){ out, n };
}

/* NAME: VALUE of our own, unless the config has that header or there is no value. */
static int add_own(struct mr_http_step *s, const char *name, struct mr_str value)
{
	if (value.len == 0 || mr_http_step_has_header(s, name))
		return 0;
	value = header_safe(s->x->arena, value);
	if (value.p == NULL)
		return mr_report_invalid(s->x, "The value for the header %s is too long.", name);
	return mr_http_step_header(s, mr_str(name), value, false);
}

static int add_own_headers(struct mr_http_step *s, struct mr_str method)
{
	int r = add_own(s, "User-Agent", MR_STR("millrace/" PACKAGE_VERSION));

	if (r == 0 && !mr_str_eqz(method, "GET") && !mr_str_eqz(method, "HEAD"))
		r = add_own(s, "Idempotency-Key", s->x->idempotency_key);
	if (r == 0)
		r = add_own(s, "traceparent", s->x->traceparent);
	if (r == 0)
		r = add_own(s, "X-Request-ID", s->x->correlation_id);
	return r;
}

/* ---- sending ---- */

int mr_http_step_json(struct mr_http_step *s, const struct mr_value *body)
{
	struct mr_buf b;

	mr_buf_init(&b, MAX_BODY);
	mr_json_write(&b, body);
	if (mr_buf_failed(&b)) {
		mr_buf_done(&b);
		return mr_report_too_large(s->x);
	}
	s->request.body = mr_arena_str(s->x->arena, mr_buf_str(&b));
	mr_buf_done(&b);
	if (s->request.body.p == NULL)
		return mr_report_too_large(s->x);
	if (mr_http_step_has_header(s, "content-type"))
		return 0;
	return mr_http_step_header(s, MR_STR("Content-Type"), MR_STR("application/json"), false);
}

/* config.timeout, within the step's own; see step.h for what 0 means. */
static int set_timeout(struct mr_http_step *s)
{
	int64_t of_step = s->x->timeout_us, of_config = 0;
	int r = mr_config_duration(s->x, "timeout", &of_config);

	if (r < 0)
		return r;
	if (of_step <= 0)
		of_step = MR_HTTP_STEP_TIMEOUT_US;
	if (of_config > 0 && (of_config < of_step || of_step == MR_HTTP_STEP_TIMEOUT_US))
		of_step = of_config;
	s->request.timeout_us = of_step;
	return 0;
}

/* Blanks and what isn't ASCII in path and query are encoded, as browsers do; control characters
 * are refused. */
static int set_url(struct mr_http_step *s, struct mr_str url)
{
	static const char hex[] = "0123456789ABCDEF";
	struct mr_str u = mr_str_trim(url);
	size_t n = 0, slashes = 0;
	char *out;

	if (u.len == 0 || u.len > MAX_URL)
		return mr_report_invalid(s->x, "The URL must have 1 to %d bytes.", MAX_URL);
	out = mr_arena_alloc(s->x->arena, 3 * u.len + 1);
	if (out == NULL)
		return mr_report_too_large(s->x);
	for (size_t i = 0; i < u.len; i++) {
		unsigned char c = (unsigned char)u.p[i];
		bool behind_host = slashes >= 3;

		if (c < ' ' || c == 0x7f)
			return mr_report_invalid(s->x, "The URL must not hold control characters.");
		slashes += c == '/' || (slashes == 2 && (c == '?' || c == '#'));
		if (!behind_host || (c > ' ' && c < 0x7f)) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '%';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	out[n] = '\0';
	s->request.url = (struct mr_str){ out, n };
	return 0;
}

int mr_http_step_send(struct mr_http_step *s, struct mr_str method, struct mr_str url)
{
	int r = set_url(s, url);

	if (r == 0)
		r = add_own_headers(s, method);
	if (r == 0)
		r = set_timeout(s);
	if (r < 0)
		return r;
	s->request.method = method;
	s->request.headers = s->headers;
	s->request.headers_len = s->headers_len;
	r = mr_http_start(s->x->host->http, &s->request);
	if (r == MR_E_INVALID)
		return mr_report_invalid(s->x, "%s", s->request.message);
	if (r < 0)
		return mr_report_fail(s->x, MR_STR("limit"), true, "%s", s->request.message);
	return 0;
}

/* ---- the end ---- */

static void on_done(struct mr_http_request *r)
{
	struct mr_http_step *s = r->ctx;

	if (r->outcome == MR_HTTP_ANSWERED)
		s->answered(s);
	else
		(void)mr_report_http(s->x, r);
	mr_http_request_done(r);
	s->x->done(s->x);
}

void mr_http_step_abort(struct mr_step_exec *x)
{
	struct mr_http_step *s = x->impl;

	mr_http_abort(&s->request);
	mr_http_request_done(&s->request);
}

static bool is_expected(const struct mr_value *expected, unsigned status)
{
	if (expected == NULL)
		return status >= 200 && status < 300;
	if (expected->kind == MR_VALUE_INT)
		return expected->i == (int64_t)status;
	for (size_t i = 0; i < expected->list->len; i++) {
		if (expected->list->items[i].kind == MR_VALUE_INT &&
		    expected->list->items[i].i == (int64_t)status)
			return true;
	}
	return false;
}

bool mr_http_step_accept(struct mr_http_step *s)
{
	unsigned status = s->request.status;
	struct mr_str excerpt;
	struct mr_value data;

	if (is_expected(s->expected, status))
		return true;
	(void)mr_report_fail(s->x, mr_arena_printf(s->x->arena, "http.%u", status), true,
	    "The service answered with status %u, which was not expected.", status);
	if (s->x->error_type.p == NULL)
		s->x->error_type = MR_STR("limit");
	excerpt = mr_text_clean(
	    s->x->arena, mr_text_cut(mr_buf_str(&s->request.answer_body), MAX_EXCERPT));
	if (excerpt.p != NULL &&
	    mr_report_map(s->x->arena,
	        (const struct mr_report_member[]){
	            { "status_code", mr_value_int(status) }, { "body", mr_value_str(excerpt) } },
	        2, &data) == 0)
		s->x->error_data = data;
	return false;
}
