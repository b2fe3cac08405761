/* Step type http_request: one call of a service, described by the config. */
#include <stdlib.h>
#include <string.h>

#include "engine/steps/http_step.h"
#include "engine/steps/report.h"
#include "engine/steps/runners.h"
#include "engine/steps/step_config.h"
#include "net/http_text.h"

static const char *const methods[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };

/* ---- what is sent ---- */

static int read_method(struct mr_step_exec *x, bool has_body, struct mr_str *ret)
{
	struct mr_str s = has_body ? MR_STR("POST") : MR_STR("GET");
	int r = mr_config_text(x, "method", &s);

	if (r < 0)
		return r;
	for (size_t i = 0; i < MR_ARRAY_LEN(methods); i++) {
		if (mr_str_ieqz(s, methods[i])) {
			*ret = mr_str(methods[i]);
			return 0;
		}
	}
	return mr_report_invalid(
	    x, "config.method must be one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.");
}

static bool add_pair(struct mr_step_exec *x, struct mr_buf *b, const struct mr_value *key,
    const struct mr_value *value, bool is_form)
{
	struct mr_str text = mr_config_scalar(x->arena, value);

	if (value->kind == MR_VALUE_NULL)
		return true;
	if (text.p == NULL)
		return false;
	if (b->len > 0)
		mr_buf_addc(b, '&');
	mr_http_add_encoded(b, key->s, is_form);
	mr_buf_addc(b, '=');
	mr_http_add_encoded(b, text, is_form);
	return true;
}

/* An object as name=value&name=value; a list gives its name once per item. */
static int write_pairs(struct mr_step_exec *x, const char *member, struct mr_buf *b, bool is_form)
{
	const struct mr_value *v = mr_config_member(x, member);
	bool ok = v->kind == MR_VALUE_MAP;

	for (size_t i = 0; ok && i < v->map->len; i++) {
		const struct mr_member *m = &v->map->members[i];

		if (m->value.kind != MR_VALUE_LIST) {
			ok = add_pair(x, b, &m->key, &m->value, is_form);
			continue;
		}
		for (size_t j = 0; ok && j < m->value.list->len; j++)
			ok = add_pair(x, b, &m->key, &m->value.list->items[j], is_form);
	}
	if (!ok)
		return mr_report_invalid(
		    x, "config.%s must be an object of texts, or lists of texts.", member);
	return mr_buf_failed(b) ? mr_report_too_large(x) : 0;
}

/* URL with config.query, and with MORE (an API key in the query), before its fragment. */
static int read_url(struct mr_step_exec *x, struct mr_str more, struct mr_str *ret)
{
	struct mr_str url = MR_STR_NONE, path;
	struct mr_buf b;
	int r = mr_config_text(x, "url", &url);

	if (r < 0)
		return r;
	if (url.len == 0)
		return mr_report_invalid(x, "config.url is missing.");
	path = mr_str_cut(&url, '#');
	mr_buf_init(&b, 1 << 20);
	if (mr_config_member(x, "query") != NULL)
		r = write_pairs(x, "query", &b, false);
	if (more.len > 0 && b.len > 0)
		mr_buf_addc(&b, '&');
	mr_buf_adds(&b, more);
	if (r == 0) {
		const char *joint = memchr(path.p, '?', path.len) != NULL ? "&" : "?";

		*ret = b.len == 0 ? path
		                  : mr_arena_printf(x->arena, "%.*s%s%.*s", MR_STR_ARG(path), joint,
		                        MR_STR_ARG(mr_buf_str(&b)));
		r = ret->p == NULL || mr_buf_failed(&b) ? mr_report_too_large(x) : 0;
	}
	mr_buf_done(&b);
	return r;
}

static int write_form(struct mr_http_step *s)
{
	struct mr_buf b;
	int r;

	mr_buf_init(&b, 16 << 20);
	r = write_pairs(s->x, "form", &b, true);
	if (r == 0) {
		s->request.body = mr_arena_str(s->x->arena, mr_buf_str(&b));
		r = s->request.body.p == NULL ? mr_report_too_large(s->x) : 0;
	}
	mr_buf_done(&b);
	if (r == 0 && !mr_http_step_has_header(s, "content-type"))
		r = mr_http_step_header(
		    s, MR_STR("Content-Type"), MR_STR("application/x-www-form-urlencoded"), false);
	return r;
}

/* "data": an object, list, number or bool is JSON; a text is sent as it is. */
static int write_data(struct mr_http_step *s, const struct mr_value *data)
{
	if (data->kind != MR_VALUE_STRING)
		return mr_http_step_json(s, data);
	s->request.body = data->s;
	if (mr_http_step_has_header(s, "content-type"))
		return 0;
	return mr_http_step_header(
	    s, MR_STR("Content-Type"), MR_STR("text/plain; charset=utf-8"), false);
}

static int write_body(struct mr_http_step *s)
{
	const struct mr_value *data = mr_config_member(s->x, "data");
	const struct mr_value *json = mr_config_member(s->x, "json");
	bool has_form = mr_config_member(s->x, "form") != NULL;

	if ((data != NULL) + (json != NULL) + has_form > 1)
		return mr_report_invalid(s->x, "A call has one body: data, json or form.");
	if (json != NULL)
		return mr_http_step_json(s, json);
	if (data != NULL)
		return write_data(s, data);
	return has_form ? write_form(s) : 0;
}

/* ---- auth ---- */

static int add_authorization(struct mr_http_step *s, struct mr_str value)
{
	if (value.p == NULL)
		return mr_report_too_large(s->x);
	return mr_http_step_header(s, MR_STR("Authorization"), value, true);
}

static int auth_basic(struct mr_http_step *s, const struct mr_value *auth)
{
	struct mr_str user = mr_value_get_str(auth, "username");

	if (user.p == NULL || memchr(user.p, ':', user.len) != NULL)
		return mr_report_invalid(
		    s->x, "config.auth of type basic needs a username without a colon.");
	return add_authorization(
	    s, mr_http_basic(s->x->arena, user, mr_value_get_str(auth, "password")));
}

static struct mr_str first_of(const struct mr_value *v, const char *a, const char *b)
{
	struct mr_str s = mr_value_get_str(v, a);

	return s.p != NULL ? s : mr_value_get_str(v, b);
}

static int auth_api_key(
    struct mr_http_step *s, const struct mr_value *auth, struct mr_str *ret_query)
{
	struct mr_str key = first_of(auth, "value", "key");
	struct mr_str name = first_of(auth, "header", "name");
	struct mr_buf b;

	if (key.len == 0)
		return mr_report_invalid(s->x, "config.auth of type api_key needs a value.");
	if (name.len == 0)
		name = MR_STR("X-API-Key");
	if (!mr_str_ieqz(mr_value_get_str(auth, "in"), "query"))
		return mr_http_step_header(s, name, key, true);
	mr_buf_init(&b, 65536);
	mr_http_add_encoded(&b, name, false);
	mr_buf_addc(&b, '=');
	mr_http_add_encoded(&b, key, false);
	*ret_query = mr_arena_str(s->x->arena, mr_buf_str(&b));
	mr_buf_done(&b);
	return ret_query->p == NULL ? mr_report_too_large(s->x) : 0;
}

/* An API key in the query comes back in *RET_QUERY. */
static int write_auth(struct mr_http_step *s, struct mr_str *ret_query)
{
	const struct mr_value *auth = mr_config_member(s->x, "auth");
	struct mr_str type = auth != NULL ? mr_value_get_str(auth, "type") : MR_STR("none");

	if (mr_str_ieqz(type, "none"))
		return 0;
	if (mr_str_ieqz(type, "api_key"))
		return auth_api_key(s, auth, ret_query);
	if (mr_http_step_has_header(s, "authorization"))
		return mr_report_invalid(
		    s->x, "The header Authorization and config.auth exclude each other.");
	if (mr_str_ieqz(type, "basic"))
		return auth_basic(s, auth);
	if (!mr_str_ieqz(type, "bearer"))
		return mr_report_invalid(
		    s->x, "config.auth.type must be one of none, bearer, basic, api_key.");
	if (mr_value_get_str(auth, "token").len == 0)
		return mr_report_invalid(s->x, "config.auth of type bearer needs a token.");
	return add_authorization(s, mr_arena_printf(s->x->arena, "Bearer %.*s",
	                                MR_STR_ARG(mr_value_get_str(auth, "token"))));
}

/* ---- what comes back ---- */

/* The answer's header lines as a map; a name that stands several times has its values joined. */
static int headers_value(struct mr_http_step *s, struct mr_value *ret)
{
	struct mr_arena *a = s->x->arena;
	struct mr_str lines = mr_text_clean(a, mr_buf_str(&s->request.answer_headers));
	size_t n = 0, max = 1;
	struct mr_map *m;

	if (lines.p == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < lines.len; i++)
		max += lines.p[i] == '\n';
	m = mr_map_create(a, max);
	if (m == NULL)
		return MR_E_NOMEM;
	while (lines.len > 0) {
		struct mr_str value = mr_str_cut(&lines, '\n');
		struct mr_str name = mr_str_cut(&value, ':');
		size_t i = 0;

		value = mr_str_trim(value.p != NULL ? value : MR_STR(""));
		while (i < n && !mr_str_eq(m->members[i].key.s, name))
			i++;
		if (i < n) {
			value = mr_arena_printf(
			    a, "%.*s, %.*s", MR_STR_ARG(m->members[i].value.s), MR_STR_ARG(value));
			if (value.p == NULL)
				return MR_E_NOMEM;
		} else {
			m->members[n++].key = mr_value_str(name);
		}
		m->members[i].value = mr_value_str(value);
	}
	m->len = n;
	*ret = mr_value_map(m);
	return mr_map_seal(a, m);
}

/* The body parsed, when it is JSON; else null. What a service calls its answer is often wrong, so
 * the text decides. */
static int json_value(struct mr_http_step *s, struct mr_str body, struct mr_value *ret)
{
	struct mr_str text = mr_str_trim(body);
	int r;

	*ret = MR_NULL_VALUE;
	if (text.len == 0 || strchr("{[\"-0123456789tfn", text.p[0]) == NULL)
		return 0;
	r = mr_json_parse(s->x->arena, text, &mr_json_limits_default, NULL, ret);
	if (r < 0)
		*ret = MR_NULL_VALUE;
	return r == MR_E_NOMEM ? r : 0;
}

/* The body outlives the request: the arena takes it over. */
static int take_body(struct mr_http_step *s, struct mr_str *ret)
{
	struct mr_buf *b = &s->request.answer_body;
	char *p = b->p;

	*ret = mr_buf_str(b);
	b->p = NULL;
	b->len = b->cap = 0;
	return p == NULL || mr_arena_defer(s->x->arena, free, p) == 0 ? 0 : MR_E_NOMEM;
}

static int make_result(struct mr_http_step *s, struct mr_value *ret)
{
	struct mr_http_request *r = &s->request;
	struct mr_value headers, json = MR_NULL_VALUE;
	struct mr_value text = MR_NULL_VALUE, base = MR_NULL_VALUE;
	struct mr_str body, encoded;
	struct mr_map *m;

	if (headers_value(s, &headers) < 0 || take_body(s, &body) < 0)
		return MR_E_NOMEM;
	if (mr_str_is_utf8(body) && memchr(body.p, '\0', body.len) == NULL) {
		text = mr_value_str(body);
		if (json_value(s, body, &json) < 0)
			return MR_E_NOMEM;
	} else {
		encoded = mr_http_base64(s->x->arena, body);
		if (encoded.p == NULL)
			return MR_E_NOMEM;
		base = mr_value_str(encoded);
	}
	m = mr_map_create(s->x->arena, base.kind == MR_VALUE_NULL ? 5 : 6);
	if (m == NULL)
		return MR_E_NOMEM;
	m->members[0] = (struct mr_member){ mr_value_strz("status_code"), mr_value_int(r->status) };
	m->members[1] = (struct mr_member){ mr_value_strz("headers"), headers };
	m->members[2] = (struct mr_member){ mr_value_strz("json"), json };
	m->members[3] = (struct mr_member){ mr_value_strz("body"), text };
	m->members[4] = (struct mr_member){ mr_value_strz("elapsed_ms"),
		mr_value_int((r->elapsed_us + 999) / 1000) };
	if (m->len == 6)
		m->members[5] = (struct mr_member){ mr_value_strz("body_base64"), base };
	if (json.kind == MR_VALUE_MAP)
		m->fallback = json.map; /* steps.a.id finds steps.a.json.id */
	*ret = mr_value_map(m);
	return mr_map_seal(s->x->arena, m);
}

static void answered(struct mr_http_step *s)
{
	struct mr_value result;

	if (!mr_http_step_accept(s))
		return;
	if (make_result(s, &result) < 0)
		(void)mr_report_too_large(s->x);
	else
		mr_report_success(s->x, result);
}

static int read_expected(struct mr_http_step *s)
{
	const struct mr_value *v = mr_config_member(s->x, "expected_status");

	if (v != NULL && v->kind != MR_VALUE_INT && v->kind != MR_VALUE_LIST)
		return mr_report_invalid(s->x, "config.expected_status must be a list of numbers.");
	s->expected = v != NULL && v->kind == MR_VALUE_LIST && v->list->len == 0 ? NULL : v;
	return 0;
}

static int start(struct mr_step_exec *x)
{
	struct mr_http_step *s = mr_http_step_create(x, answered);
	struct mr_str query = MR_STR_NONE, method, url;
	int r;

	if (s == NULL)
		return MR_E_NOMEM;
	r = read_expected(s);
	if (r == 0)
		r = mr_config_bool(x, "follow_redirects", &s->request.follow_redirects);
	if (r == 0)
		r = mr_http_step_headers(s);
	if (r == 0)
		r = write_auth(s, &query);
	if (r == 0)
		r = write_body(s);
	if (r == 0)
		r = read_method(x, s->request.body.p != NULL, &method);
	if (r == 0)
		r = read_url(x, query, &url);
	return r == 0 ? mr_http_step_send(s, method, url) : r;
}

const struct mr_step_runner mr_runner_http_request = {
	.type = MR_STEP_HTTP_REQUEST,
	.start = start,
	.abort = mr_http_step_abort,
	.default_timeout_us = MR_HTTP_STEP_TIMEOUT_US,
	.done_event = MR_RUN_EVENT_STEP_DONE,
};
