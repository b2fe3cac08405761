/* Step types http_request and notification against a real server: what is sent, what comes back,
 * and every way it can fail. */
#include <stdio.h>
#include <stdlib.h>

#include "engine/steps/step.h"
#include "engine/steps/step_config.h"
#include "net/http_client.h"
#include "tests/support/http_server.h"
#include "tests/unit/test.h"

struct fixture {
	uv_loop_t loop;
	struct http_server *server;
	struct mr_settings settings;
	struct mr_step_host host;
	char allowed[64];
};

static struct fixture *fx;

static int setup(void **state)
{
	(void)state;
	fx = calloc(1, sizeof(*fx));
	(void)setenv(
	    "SSL_CERT_FILE", "/dev/null", 1); /* the system's authorities take time to read */
	fx->server = http_server_start(false);
	if (fx->server == NULL || uv_loop_init(&fx->loop) != 0)
		return -1;
	(void)snprintf(
	    fx->allowed, sizeof(fx->allowed), "127.0.0.1:%u", http_server_port(fx->server));
	fx->settings.engine_allowed_addresses = fx->allowed;
	fx->settings.engine_resolve = fx->settings.engine_ca_file = "";
	fx->settings.engine_http_max_connections = 16;
	fx->settings.engine_http_max_body_bytes = 100000;
	fx->host.loop = &fx->loop;
	fx->host.settings = &fx->settings;
	return mr_http_client_create(&fx->loop,
	    (struct mr_http_options){ .prefix = "engine",
	        .allowed_addresses = fx->allowed,
	        .max_connections = fx->settings.engine_http_max_connections,
	        .max_body_bytes = fx->settings.engine_http_max_body_bytes },
	    &fx->host.http, NULL);
}

static int teardown(void **state)
{
	(void)state;
	mr_http_client_close(fx->host.http, NULL, NULL);
	(void)uv_run(&fx->loop, UV_RUN_DEFAULT);
	http_server_stop(fx->server);
	if (uv_loop_close(&fx->loop) != 0)
		return -1;
	free(fx);
	return 0;
}

struct run {
	struct mr_step_exec x;
	unsigned done;
};

static void on_done(struct mr_step_exec *x)
{
	((struct run *)x->ctx)->done++;
}

/* JSON with single quotes for double ones and @ for the server's base address. */
static void make_config(struct run *r, const char *json)
{
	struct mr_str text;
	struct mr_buf b;

	mr_buf_init(&b, 65536);
	for (; *json != '\0'; json++) {
		if (*json == '@')
			mr_buf_addf(&b, "http://127.0.0.1:%u", http_server_port(fx->server));
		else
			mr_buf_addc(&b, *json == '\'' ? '"' : *json);
	}
	text = mr_arena_str(r->x.arena, mr_buf_str(&b));
	mr_buf_done(&b);
	if (mr_json_parse(r->x.arena, text, &mr_json_limits_default, NULL, &r->x.config) != 0)
		fail_msg("%s", text.p);
}

static int start(struct run *r, enum mr_step_type type, const char *json)
{
	*r = (struct run){ .x = { .host = &fx->host,
		               .arena = mr_arena_create(16u << 20),
		               .type = type,
		               .idempotency_key = MR_STR("5/a \xc3\xa4/0"),
		               .traceparent = MR_STR(
		                   "00-11112222333344445555666677778888-1234567890abcdef-01"),
		               .correlation_id = MR_STR("corr-1"),
		               .tenant_id = 3,
		               .run_id = 5,
		               .workflow_id = 4,
		               .step_name = MR_STR("call it"),
		               .attempt = 1,
		               .timeout_us = 0,
		               .done = on_done,
		               .ctx = r } };
	make_config(r, json);
	return mr_step_runner(type)->start(&r->x);
}

static void end(struct run *r)
{
	r->x.arena = mr_arena_free(r->x.arena);
}

static void finish(struct run *r)
{
	assert_int_equal(r->done, 0); /* never from inside start */
	while (r->done == 0)
		(void)uv_run(&fx->loop, UV_RUN_ONCE);
	assert_int_equal(r->done, 1);
}

static void call(struct run *r, const char *json)
{
	if (start(r, MR_STEP_HTTP_REQUEST, json) != 0)
		fail_msg("%s: %.*s", json, MR_STR_ARG(r->x.error_message));
	finish(r);
	if (!r->x.ok)
		fail_msg("%s: %.*s", json, MR_STR_ARG(r->x.error_message));
}

static const struct mr_value *at(const struct mr_value *v, const char *a, const char *b)
{
	v = mr_value_get(v, a);
	assert_non_null(v);
	return b != NULL ? mr_value_get(v, b) : v;
}

static void test_result(void **state)
{
	struct run r;

	(void)state;
	call(&r, "{'url': '@/json'}");
	assert_int_equal(at(&r.x.result, "status_code", NULL)->i, 200);
	assert_int_equal(at(&r.x.result, "json", "id")->i, 7);
	assert_str(at(&r.x.result, "headers", "content-type")->s, "application/json");
	assert_str(at(&r.x.result, "headers", "x-two")->s, "a, b");
	assert_str(at(&r.x.result, "body", NULL)->s, "{\"id\": 7, \"items\": [1, 2]}");
	assert_true(at(&r.x.result, "elapsed_ms", NULL)->i >= 0);
	assert_ptr_equal(r.x.result.map->fallback, at(&r.x.result, "json", NULL)->map);
	assert_null(mr_value_get(&r.x.result, "body_base64"));
	end(&r);
}

static void test_bodies_back(void **state)
{
	struct run r;

	(void)state;
	call(&r, "{'url': '@/binary'}");
	assert_int_equal(at(&r.x.result, "body", NULL)->kind, MR_VALUE_NULL);
	assert_int_equal(at(&r.x.result, "json", NULL)->kind, MR_VALUE_NULL);
	assert_str(at(&r.x.result, "body_base64", NULL)->s, "AAEC/w==");
	end(&r);
	call(&r, "{'url': '@/latin1'}");
	assert_str(at(&r.x.result, "body_base64", NULL)->s, "R3L83w==");
	assert_true(mr_str_is_utf8(at(&r.x.result, "headers", "x-name")->s));
	end(&r);
	call(&r, "{'url': '@/badjson'}"); /* duplicate members: no JSON, but a body */
	assert_int_equal(at(&r.x.result, "json", NULL)->kind, MR_VALUE_NULL);
	assert_str(at(&r.x.result, "body", NULL)->s, "{\"a\":1,\"a\":2}");
	end(&r);
	call(&r, "{'url': '@/deep'}");
	assert_int_equal(at(&r.x.result, "json", NULL)->kind, MR_VALUE_NULL);
	end(&r);
}

static const struct {
	const char *config;
	const char *has[4];
	const char *lacks;
} sent[] = {
	{ "{'url': '@/echo'}",
	    { "GET /echo HTTP/1.1", "User-Agent: millrace/", "X-Request-ID: corr-1",
	        "traceparent: 00-1111" },
	    "Idempotency-Key" },
	{ "{'url': '@/echo', 'method': 'post'}",
	    { "POST /echo", "Idempotency-Key: 5/a %C3%A4/0\r\n", "Content-Length: 0" },
	    "Content-Type" },
	{ "{'url': '@/echo', 'method': 'POST', 'headers': {'Idempotency-Key': 'mine', 'X-N': 5, "
	  "'X-No': null}}",
	    { "Idempotency-Key: mine", "X-N: 5" }, "X-No" },
	{ "{'url': '@/echo', 'method': 'DELETE'}", { "DELETE /echo", "Idempotency-Key: 5/a" },
	    NULL },
	{ "{'url': '@/echo', 'data': {'a': [1, 2.5, 'x']}}",
	    { "POST /echo", "Content-Type: application/json", "\r\n\r\n{\"a\":[1,2.5,\"x\"]}" },
	    NULL },
	{ "{'url': '@/echo', 'json': 'text'}", { "\r\n\r\n\"text\"", "application/json" }, NULL },
	{ "{'url': '@/echo', 'method': 'PUT', 'data': 'plain'}",
	    { "PUT /echo", "Content-Type: text/plain; charset=utf-8", "\r\n\r\nplain" }, NULL },
	{ "{'url': '@/echo', 'data': 'x,y', 'headers': {'content-type': 'text/csv'}}",
	    { "text/csv" }, "text/plain" },
	{ "{'url': '@/echo', 'form': {'a b': 'c&d', 'e': ['1', '2'], 'n': null}}",
	    { "x-www-form-urlencoded", "\r\n\r\na+b=c%26d&e=1&e=2" }, NULL },
	{ "{'url': '@/echo?x=1#top', 'query': {'q': 'a b&c', 'l': [1, true]}}",
	    { "GET /echo?x=1&q=a%20b%26c&l=1&l=true HTTP" }, "top" },
	{ "{'url': '@/echo/a b/\\u00e4'}", { "GET /echo/a%20b/%C3%A4 HTTP" }, NULL },
	{ "{'url': '@/echo', 'auth': {'type': 'bearer', 'token': 'tok'}}",
	    { "Authorization: Bearer tok\r\n" }, NULL },
	{ "{'url': '@/echo', 'auth': {'type': 'basic', 'username': 'Al', 'password': 'open:x'}}",
	    { "Authorization: Basic QWw6b3Blbjp4\r\n" }, NULL },
	{ "{'url': '@/echo', 'auth': {'type': 'api_key', 'value': 'k1'}}", { "X-API-Key: k1\r\n" },
	    NULL },
	{ "{'url': '@/echo', 'auth': {'type': 'api_key', 'header': 'X-Key', 'value': 'k1'}}",
	    { "X-Key: k1\r\n" }, NULL },
	{ "{'url': '@/echo', 'auth': {'type': 'api_key', 'in': 'query', 'name': 'key', 'value': 'a "
	  "b'}}",
	    { "GET /echo?key=a%20b HTTP" }, NULL },
	{ "{'url': '@/echo', 'auth': {'type': 'none'}}", { "GET /echo" }, "Authorization" },
};

static void test_sent(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(sent); i++) {
		struct run r;
		char *last;

		call(&r, sent[i].config);
		last = http_server_last(fx->server);
		for (size_t j = 0; j < 4 && sent[i].has[j] != NULL; j++) {
			if (strstr(last, sent[i].has[j]) == NULL)
				fail_msg("case %zu lacks %s: %s", i, sent[i].has[j], last);
		}
		if (sent[i].lacks != NULL && strstr(last, sent[i].lacks) != NULL)
			fail_msg("case %zu has %s: %s", i, sent[i].lacks, last);
		free(last);
		end(&r);
	}
}

static const struct {
	const char *config, *type, *says;
	bool retryable;
} failures[] = {
	{ "{'url': '@/status/503'}", "http.503", "status 503", true },
	{ "{'url': '@/status/404'}", "http.404", "status 404", true },
	{ "{'url': '@/json', 'expected_status': [201, 202]}", "http.200", "status 200", true },
	{ "{'url': '@/loop'}", "http.302", "status 302", true },
	{ "{'url': '@/loop', 'follow_redirects': true}", "limit", "redirects", false },
	{ "{'url': '@/endless'}", "limit", "larger than the limit", false },
	{ "{'url': '@/cut'}", "connect", "broke", true },
	{ "{'url': '@/silent', 'timeout': 0.1}", "timeout", "within 100 ms", true },
	{ "{'url': '@/silent', 'timeout': '100ms'}", "timeout", "within 100 ms", true },
	{ "{'url': 'http://127.0.0.1:1/'}", "connect", "not allowed", false },
	{ "{'url': 'http://169.254.169.254/latest'}", "connect", "not allowed", false },
	{ "{'url': 'http://nobody.invalid/'}", "connect", "does not resolve", true },
};

static void test_failures(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(failures); i++) {
		struct run r;

		if (start(&r, MR_STEP_HTTP_REQUEST, failures[i].config) != 0)
			fail_msg("%s: %.*s", failures[i].config, MR_STR_ARG(r.x.error_message));
		finish(&r);
		if (r.x.ok || !mr_str_eqz(r.x.error_type, failures[i].type) ||
		    strstr(r.x.error_message.p, failures[i].says) == NULL ||
		    r.x.retryable != failures[i].retryable)
			fail_msg("%s: %.*s: %.*s", failures[i].config, MR_STR_ARG(r.x.error_type),
			    MR_STR_ARG(r.x.error_message));
		if (strncmp(failures[i].type, "http.", 5) == 0) {
			assert_int_equal(at(&r.x.error_data, "status_code", NULL)->i,
			    strtol(failures[i].type + 5, NULL, 10));
			assert_non_null(mr_value_get(&r.x.error_data, "body"));
		}
		end(&r);
	}
}

static void test_expected(void **state)
{
	static const char *const fine[] = {
		"{'url': '@/status/503', 'expected_status': [200, 503]}",
		"{'url': '@/status/404', 'expected_status': 404}",
		"{'url': '@/status/206', 'expected_status': []}", "{'url': '@/status/299'}",
		"{'url': '@/redirect/302//json', 'follow_redirects': true, 'expected_status': "
		"[200]}"
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(fine); i++) {
		struct run r;

		call(&r, fine[i]);
		end(&r);
	}
}

static const char *const invalid[] = {
	"{}",
	"{'url': ''}",
	"{'url': {}}",
	"{'url': 'ftp://x/'}",
	"{'url': '/only/path'}",
	"{'url': 'http://user:secret@example.com/'}",
	"{'url': 'http://a/\\r\\nX: y'}",
	"{'url': '@/', 'method': 'TRACE'}",
	"{'url': '@/', 'method': 'GET / HTTP/1.1\\r\\nX: y'}",
	"{'url': '@/', 'headers': 5}",
	"{'url': '@/', 'headers': {'X-A': 'a\\r\\nX-B: c'}}",
	"{'url': '@/', 'headers': {'X-A': 'a\\nb'}}",
	"{'url': '@/', 'headers': {'X A': 'a'}}",
	"{'url': '@/', 'headers': {'X-A\\r\\nX-B': 'a'}}",
	"{'url': '@/', 'headers': {'X:A': 'a'}}",
	"{'url': '@/', 'headers': {'': 'a'}}",
	"{'url': '@/', 'headers': {'X-A': {}}}",
	"{'url': '@/', 'headers': {'Content-Length': '5'}}",
	"{'url': '@/', 'headers': {'transfer-encoding': 'chunked'}}",
	"{'url': '@/', 'headers': {'Host': 'other'}}",
	"{'url': '@/', 'data': {}, 'json': {}}",
	"{'url': '@/', 'form': 'x'}",
	"{'url': '@/', 'form': {'a': {}}}",
	"{'url': '@/', 'query': []}",
	"{'url': '@/', 'auth': {'type': 'oauth9'}}",
	"{'url': '@/', 'auth': {}}",
	"{'url': '@/', 'auth': {'type': 'bearer'}}",
	"{'url': '@/', 'auth': {'type': 'bearer', 'token': 'a\\r\\nb'}}",
	"{'url': '@/', 'auth': {'type': 'basic'}}",
	"{'url': '@/', 'auth': {'type': 'basic', 'username': 'a:b'}}",
	"{'url': '@/', 'auth': {'type': 'api_key'}}",
	"{'url': '@/', 'auth': {'type': 'bearer', 'token': 'x'}, 'headers': {'authorization': "
	"'y'}}",
	"{'url': '@/', 'expected_status': 'all'}",
	"{'url': '@/', 'timeout': 'soon'}",
	"{'url': '@/', 'timeout': 0}",
	"{'url': '@/', 'timeout': -1}",
	"{'url': '@/', 'follow_redirects': 'perhaps'}",
};

static void test_invalid(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(invalid); i++) {
		struct run r;

		if (start(&r, MR_STEP_HTTP_REQUEST, invalid[i]) == 0)
			fail_msg("%s was taken", invalid[i]);
		if (!mr_str_eqz(r.x.error_type, "validation") || r.x.retryable ||
		    strstr(r.x.error_message.p, "secret") != NULL)
			fail_msg("%s: %.*s", invalid[i], MR_STR_ARG(r.x.error_message));
		end(&r);
	}
	assert_int_equal(http_server_requests(fx->server), 0);
}

/* An answer that the execution's arena can't hold is an error of the step. */
static void test_small_arena(void **state)
{
	(void)state;
	for (size_t max = 6000; max < 30000; max += 500) {
		struct run r = { .x = { .host = &fx->host,
			             .arena = mr_arena_create(max),
			             .type = MR_STEP_HTTP_REQUEST,
			             .done = on_done,
			             .ctx = &r } };

		make_config(&r, "{'url': '@/json', 'data': {'a': 1}}");
		if (mr_step_runner(MR_STEP_HTTP_REQUEST)->start(&r.x) == 0)
			finish(&r);
		if (!r.x.ok)
			assert_str(r.x.error_type, "limit");
		end(&r);
	}
}

/* Each allocation from the arena fails in turn. */
static void test_no_memory(void **state)
{
	static const char *const configs[] = {
		"{'url': '@/json', 'data': {'a': 1}, 'auth': {'type': 'basic', 'username': 'a', "
		"'password': 'b'}}",
		"{'url': '@/binary', 'query': {'a': 'b'}, 'form': {'c': ['d', 5]}, 'headers': "
		"{'X-A': 5}}",
		"{'url': '@/status/500'}",
	};

	(void)state;
	for (unsigned long n = 1; n < 3 * 45; n++) {
		struct run r = { .x = { .host = &fx->host,
			             .arena = mr_arena_create(1 << 20),
			             .type = MR_STEP_HTTP_REQUEST,
			             .idempotency_key = MR_STR("k"),
			             .done = on_done,
			             .ctx = &r } };
		int started;

		make_config(&r, configs[n % 3]);
		mr_arena_fail_after(n / 3 + 1);
		started = mr_step_runner(MR_STEP_HTTP_REQUEST)->start(&r.x);
		if (started == 0)
			finish(&r);
		mr_arena_fail_after(0);
		if (!r.x.ok && (r.x.error_type.len == 0 || r.x.error_message.len == 0))
			fail_msg("allocation %lu of %s", n / 3 + 1, configs[n % 3]);
		end(&r);
	}
}

static void test_abort(void **state)
{
	(void)state;
	for (int turns = 0; turns < 5; turns++) {
		struct run r;

		assert_int_equal(start(&r, MR_STEP_HTTP_REQUEST, "{'url': '@/silent'}"), 0);
		for (int i = 0; i < turns; i++)
			(void)uv_run(&fx->loop, UV_RUN_NOWAIT);
		mr_step_runner(MR_STEP_HTTP_REQUEST)->abort(&r.x);
		end(&r);
		assert_int_equal(r.done, 0);
		assert_int_equal(
		    start(&r, MR_STEP_NOTIFICATION, "{'type': 'log', 'message': 'x'}"), 0);
		mr_step_runner(MR_STEP_NOTIFICATION)->abort(&r.x);
		end(&r);
		(void)uv_run(&fx->loop, UV_RUN_NOWAIT);
		assert_int_equal(r.done, 0);
	}
}

static void test_webhook(void **state)
{
	struct mr_value body;
	struct run r;
	char *last;

	(void)state;
	assert_int_equal(
	    start(&r, MR_STEP_NOTIFICATION,
	        "{'type': 'webhook', 'webhook_url': '@/echo', 'message': 'It is \\u00e4 done', "
	        "'data': {'extra': 1, 'message': 'no'}, 'headers': {'X-H': 'v'}}"),
	    0);
	finish(&r);
	assert_true(r.x.ok);
	assert_true(at(&r.x.result, "sent", NULL)->b);
	assert_int_equal(at(&r.x.result, "status_code", NULL)->i, 200);
	last = http_server_last(fx->server);
	assert_non_null(strstr(last, "POST /echo"));
	assert_non_null(strstr(last, "X-H: v"));
	assert_non_null(strstr(last, "Idempotency-Key: 5/a"));
	assert_int_equal(mr_json_parse(r.x.arena, mr_str(strstr(last, "\r\n\r\n") + 4),
	                     &mr_json_limits_default, NULL, &body),
	    0);
	assert_str(mr_value_get_str(&body, "event_type"), "notification");
	assert_str(mr_value_get_str(&body, "message"), "It is \xc3\xa4 done");
	assert_int_equal(at(&body, "workflow_id", NULL)->i, 4);
	assert_int_equal(at(&body, "execution_id", NULL)->i, 5);
	assert_str(mr_value_get_str(&body, "step_name"), "call it");
	assert_int_equal(at(&body, "extra", NULL)->i, 1);
	assert_int_equal(body.map->len, 7);
	end(&r);
	free(last);
}

static void test_notification_ends(void **state)
{
	static const char *const bad[] = { "{'type': 'pigeon'}", "{'type': 'webhook'}",
		"{'type': 5}", "{'type': 'webhook', 'webhook_url': 'nowhere'}" };
	struct run r;

	(void)state;
	assert_int_equal(start(&r, MR_STEP_NOTIFICATION, "{'type': 'log', 'message': 'x'}"), 0);
	finish(&r);
	assert_true(r.x.ok);
	assert_true(at(&r.x.result, "sent", NULL)->b);
	end(&r);
	assert_int_equal(
	    start(&r, MR_STEP_NOTIFICATION, "{'webhook_url': '@/status/500', 'message': 'x'}"), 0);
	finish(&r);
	assert_false(r.x.ok);
	assert_str(r.x.error_type, "http.500");
	end(&r);
	for (size_t i = 0; i < MR_ARRAY_LEN(bad); i++) {
		if (start(&r, MR_STEP_NOTIFICATION, bad[i]) != MR_E_INVALID)
			fail_msg("%s", bad[i]);
		assert_str(r.x.error_type, "validation");
		end(&r);
	}
}

static void test_durations(void **state)
{
	static const struct {
		const char *text;
		int64_t us; /* -1: none */
	} cases[] = {
		{ "250ms", 250000 },
		{ "2s", 2000000 },
		{ "5m", 300000000 },
		{ "1h30m", 5400000000 },
		{ "1.5s", 1500000 },
		{ "3", 3000000 },
		{ "PT5M", 300000000 },
		{ "PT1H0.5S", 3600500000 },
		{ "P1D", 86400000000 },
		{ "P1DT1S", 86401000000 },
		{ "", -1 },
		{ "s", -1 },
		{ "5x", -1 },
		{ "-5s", -1 },
		{ "P", -1 },
		{ "PT", -1 },
		{ "P5M", -1 },
		{ "1.s", -1 },
		{ "1..5s", -1 },
		{ "99999999999999999999s", -1 },
		{ "2y", -1 },
		{ "400d", -1 },
		{ "1s 2s", -1 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		int64_t us = -1;
		bool ok = mr_config_parse_duration(mr_str(cases[i].text), &us);

		if (ok != (cases[i].us >= 0) || us != cases[i].us)
			fail_msg("%s: %lld", cases[i].text, (long long)us);
	}
}

/* What the core carries out itself has no runner. */
static bool reaches_outside(int t)
{
	static const enum mr_step_type types[] = { MR_STEP_HTTP_REQUEST, MR_STEP_NOTIFICATION,
		MR_STEP_FILE_PROCESS, MR_STEP_SUBWORKFLOW, MR_STEP_DATA_TRANSFORM, MR_STEP_AGENT };

	for (size_t i = 0; i < MR_ARRAY_LEN(types); i++)
		if ((int)types[i] == t)
			return true;
	return false;
}

static void test_table(void **state)
{
	(void)state;
	for (int t = 0; t < MR_STEP_TYPE_COUNT; t++) {
		const struct mr_step_runner *r = mr_step_runner((enum mr_step_type)t);

		if (!reaches_outside(t)) {
			assert_null(r);
			continue;
		}
		assert_int_equal(r->type, t);
		/* how long a statement, a jq program or an agent may take is said elsewhere */
		assert_true(r->default_timeout_us > 0 || t == MR_STEP_SUBWORKFLOW ||
		            t == MR_STEP_DATA_TRANSFORM || t == MR_STEP_AGENT);
	}
	assert_null(mr_step_runner(MR_STEP_TYPE_COUNT));
}

#define UNIT(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(test_result),
		UNIT(test_bodies_back),
		UNIT(test_sent),
		UNIT(test_failures),
		UNIT(test_expected),
		UNIT(test_invalid),
		UNIT(test_small_arena),
		UNIT(test_no_memory),
		UNIT(test_abort),
		UNIT(test_webhook),
		UNIT(test_notification_ends),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
