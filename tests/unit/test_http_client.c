/* The client against a real server on loopback: answers, limits, redirects, TLS, the guard. */
#include "net/http_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/support/http_server.h"
#include "tests/unit/test.h"

struct fixture {
	uv_loop_t loop;
	struct http_server *plain, *tls;
	struct mr_http_options options;
	struct mr_http_client *client;
	char allowed[128], resolve[256];
};

struct call {
	struct mr_http_request r;
	char url[600];
	unsigned done;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)setenv(
	    "SSL_CERT_FILE", "/dev/null", 1); /* the system's authorities take time to read */
	f->plain = http_server_start(false);
	f->tls = http_server_start(true);
	if (f->plain == NULL || f->tls == NULL || uv_loop_init(&f->loop) != 0)
		return -1;
	(void)snprintf(f->allowed, sizeof(f->allowed), "127.0.0.1:%u 127.0.0.1:%u",
	    http_server_port(f->plain), http_server_port(f->tls));
	(void)snprintf(f->resolve, sizeof(f->resolve),
	    "api.example:80:127.0.0.1:%u other.example:80:127.0.0.1:%u localhost:443:127.0.0.1:%u",
	    http_server_port(f->plain), http_server_port(f->plain), http_server_port(f->tls));
	f->options.prefix = "engine";
	f->options.allowed_addresses = f->allowed;
	f->options.resolve = f->resolve;
	f->options.ca_file = http_server_ca_file(f->tls);
	f->options.max_connections = 8;
	f->options.max_body_bytes = 65536;
	*state = f;
	return mr_http_client_create(&f->loop, f->options, &f->client, NULL);
}

static void on_closed(void *ctx)
{
	*(bool *)ctx = true;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool closed = false;

	mr_http_client_close(f->client, on_closed, &closed);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	http_server_stop(f->plain);
	http_server_stop(f->tls);
	if (!closed || uv_loop_close(&f->loop) != 0)
		return -1;
	free(f);
	return 0;
}

static void on_done(struct mr_http_request *r)
{
	struct call *c = r->ctx;

	c->done++;
}

static void prepare(
    struct call *c, const char *method, const char *base, unsigned port, const char *path)
{
	*c = (struct call){ .done = 0 };
	if (port != 0)
		(void)snprintf(c->url, sizeof(c->url), "%s:%u%s", base, port, path);
	else
		(void)snprintf(c->url, sizeof(c->url), "%s%s", base, path);
	c->r.method = mr_str(method);
	c->r.url = mr_str(c->url);
	c->r.timeout_us = 10000000;
	c->r.done = on_done;
	c->r.ctx = c;
}

static void finish(struct fixture *f, struct call *c)
{
	while (c->done == 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(c->done, 1);
	assert_null(c->r.call);
}

/* Runs one GET of the plain server to its end. */
static void get(struct fixture *f, struct call *c, const char *path)
{
	prepare(c, "GET", "http://127.0.0.1", http_server_port(f->plain), path);
	assert_int_equal(mr_http_start(f->client, &c->r), 0);
	assert_int_equal(c->done, 0); /* never from inside start */
	finish(f, c);
}

static void test_answer(void **state)
{
	struct fixture *f = *state;
	struct call c;

	get(f, &c, "/json");
	assert_int_equal(c.r.outcome, MR_HTTP_ANSWERED);
	assert_int_equal(c.r.status, 200);
	assert_str(mr_buf_str(&c.r.answer_body), "{\"id\": 7, \"items\": [1, 2]}");
	assert_str(mr_buf_str(&c.r.answer_headers),
	    "content-length: 26\ncontent-type: application/json\nx-two: a\nx-two: b\n");
	assert_true(c.r.elapsed_us > 0);
	mr_http_request_done(&c.r);
}

static void test_reuses_connection(void **state)
{
	struct fixture *f = *state;
	struct call c;

	for (int i = 0; i < 5; i++) {
		get(f, &c, "/json");
		assert_int_equal(c.r.status, 200);
		mr_http_request_done(&c.r);
	}
	assert_int_equal(http_server_connections(f->plain), 1);
	assert_int_equal(http_server_requests(f->plain), 5);
}

static void test_methods(void **state)
{
	static const struct {
		const char *method, *body, *want;
	} cases[] = {
		{ "POST", "abc", "POST /echo HTTP/1.1" },
		{ "POST", NULL, "Content-Length: 0" },
		{ "PUT", "abc", "PUT /echo HTTP/1.1" },
		{ "PATCH", NULL, "PATCH /echo HTTP/1.1" },
		{ "DELETE", NULL, "DELETE /echo HTTP/1.1" },
		{ "DELETE", "x", "Content-Length: 1" },
		{ "OPTIONS", NULL, "OPTIONS /echo HTTP/1.1" },
		{ "GET", "q", "GET /echo HTTP/1.1" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct call c;

		prepare(
		    &c, cases[i].method, "http://127.0.0.1", http_server_port(f->plain), "/echo");
		if (cases[i].body != NULL)
			c.r.body = mr_str(cases[i].body);
		assert_int_equal(mr_http_start(f->client, &c.r), 0);
		finish(f, &c);
		assert_int_equal(c.r.outcome, MR_HTTP_ANSWERED);
		if (strstr(c.r.answer_body.p, cases[i].want) == NULL)
			fail_msg("case %zu: %s", i, c.r.answer_body.p);
		assert_null(strstr(c.r.answer_body.p, "Expect"));
		assert_null(strstr(c.r.answer_body.p, "urlencoded"));
		mr_http_request_done(&c.r);
	}
}

static void test_head(void **state)
{
	struct fixture *f = *state;
	struct call c;

	prepare(&c, "HEAD", "http://127.0.0.1", http_server_port(f->plain), "/json");
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.status, 200);
	assert_int_equal(c.r.answer_body.len, 0);
	mr_http_request_done(&c.r);
}

static const struct {
	const char *path;
	enum mr_http_outcome outcome;
	const char *says;
} failures[] = {
	{ "/endless", MR_HTTP_LIMIT, "larger than the limit of 65536 bytes" },
	{ "/large", MR_HTTP_LIMIT, "larger than the limit" },
	{ "/headers", MR_HTTP_LIMIT, "header is larger" },
	{ "/cut", MR_HTTP_CONNECT, "broke before the answer was complete" },
	{ "/garbage", MR_HTTP_CONNECT, "not HTTP" },
};

static void test_failures(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(failures); i++) {
		struct call c;

		get(f, &c, failures[i].path);
		if (c.r.outcome != failures[i].outcome ||
		    strstr(c.r.message, failures[i].says) == NULL)
			fail_msg("%s: %d %s", failures[i].path, c.r.outcome, c.r.message);
		mr_http_request_done(&c.r);
	}
}

static void test_timeout(void **state)
{
	struct fixture *f = *state;
	struct call c;

	prepare(&c, "GET", "http://127.0.0.1", http_server_port(f->plain), "/silent");
	c.r.timeout_us = 150000;
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_TIMEOUT);
	assert_in_range(c.r.elapsed_us, 150000, 5000000);
	mr_http_request_done(&c.r);
}

/* Calls that wait for a connection have their deadline, too. */
static void test_queue(void **state)
{
	struct fixture *f = *state;
	struct call c[12];

	for (size_t i = 0; i < MR_ARRAY_LEN(c); i++) {
		prepare(&c[i], "GET", "http://127.0.0.1", http_server_port(f->plain), "/silent");
		c[i].r.timeout_us = i < 8 ? 60000000 : 200000;
		assert_int_equal(mr_http_start(f->client, &c[i].r), 0);
	}
	assert_int_equal(mr_http_in_flight(f->client), 12);
	for (size_t i = 8; i < MR_ARRAY_LEN(c); i++) {
		finish(f, &c[i]);
		assert_int_equal(c[i].r.outcome, MR_HTTP_TIMEOUT);
		mr_http_request_done(&c[i].r);
	}
	assert_int_equal(mr_http_in_flight(f->client), 8);
	assert_in_range(http_server_connections(f->plain), 1, 8);
	for (size_t i = 0; i < 8; i++) {
		mr_http_abort(&c[i].r);
		mr_http_request_done(&c[i].r);
	}
}

/* More calls to one host than may be under way: the rest has its turn, in order. */
static void test_turns(void **state)
{
	static struct call c[200];
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(c); i++) {
		prepare(&c[i], "GET", "http://127.0.0.1", http_server_port(f->plain), "/json");
		assert_int_equal(mr_http_start(f->client, &c[i].r), 0);
	}
	mr_http_abort(&c[150].r); /* one that waits */
	for (size_t i = 0; i < MR_ARRAY_LEN(c); i++) {
		if (i == 150)
			continue;
		finish(f, &c[i]);
		assert_int_equal(c[i].r.status, 200);
		mr_http_request_done(&c[i].r);
	}
	assert_int_equal(c[150].done, 0);
	mr_http_request_done(&c[150].r);
	assert_int_equal(mr_http_in_flight(f->client), 0);
}

/* One that has no turn in its time says so. */
static void test_no_turn(void **state)
{
	static struct call c[64];
	struct fixture *f = *state;
	struct call late;

	for (size_t i = 0; i < MR_ARRAY_LEN(c); i++) {
		prepare(&c[i], "GET", "http://127.0.0.1", http_server_port(f->plain), "/silent");
		assert_int_equal(mr_http_start(f->client, &c[i].r), 0);
	}
	prepare(&late, "GET", "http://127.0.0.1", http_server_port(f->plain), "/json");
	late.r.timeout_us = 50000;
	assert_int_equal(mr_http_start(f->client, &late.r), 0);
	finish(f, &late);
	assert_int_equal(late.r.outcome, MR_HTTP_TIMEOUT);
	assert_non_null(strstr(late.r.message, "no turn within 50 ms"));
	mr_http_request_done(&late.r);
	for (size_t i = 0; i < MR_ARRAY_LEN(c); i++) {
		mr_http_abort(&c[i].r);
		mr_http_request_done(&c[i].r);
	}
}

static const char *const forbidden[] = { "http://127.0.0.1:1/", "http://localhost:1/",
	"http://[::1]:1/", "http://[::ffff:127.0.0.1]:1/", "http://0x7f.1:1/",
	"http://2130706433:1/", "http://017700000001:1/", "http://0:1/", "http://127.1:1/",
	"http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://[fe80::1]/",
	"http://[::]:1/", "http://[64:ff9b::7f00:1]/", "http://192.168.0.1:22/" };

static void test_guard(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(forbidden); i++) {
		struct call c;

		prepare(&c, "GET", forbidden[i], 0, "");
		assert_int_equal(mr_http_start(f->client, &c.r), 0);
		finish(f, &c);
		if (c.r.outcome != MR_HTTP_REFUSED)
			fail_msg("%s: %d %s", forbidden[i], c.r.outcome, c.r.message);
		assert_non_null(strstr(c.r.message, "not allowed"));
		mr_http_request_done(&c.r);
	}
	assert_int_equal(http_server_connections(f->plain), 0);
}

static void test_guard_after_redirect(void **state)
{
	struct fixture *f = *state;
	struct call c;

	prepare(&c, "GET", "http://127.0.0.1", http_server_port(f->plain),
	    "/redirect/302/http://169.254.169.254/latest");
	c.r.follow_redirects = true;
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_REFUSED);
	assert_non_null(strstr(c.r.message, "169.254.169.254"));
	mr_http_request_done(&c.r);
}

/* An address that is taken off the list isn't reached over an old connection either. */
static void test_guard_after_reload(void **state)
{
	struct fixture *f = *state;
	struct mr_http_options s = f->options;
	struct call c;

	get(f, &c, "/json");
	assert_int_equal(c.r.status, 200);
	mr_http_request_done(&c.r);
	s.allowed_addresses = "";
	assert_int_equal(mr_http_client_reload(f->client, s, NULL), 0);
	get(f, &c, "/json");
	assert_int_equal(c.r.outcome, MR_HTTP_REFUSED);
	mr_http_request_done(&c.r);
	assert_int_equal(http_server_requests(f->plain), 1);
}

static void test_resolve(void **state)
{
	struct fixture *f = *state;
	struct call c;
	char *last;

	prepare(&c, "GET", "http://api.example/echo", 0, "");
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_ANSWERED);
	last = http_server_last(f->plain);
	assert_non_null(strstr(last, "Host: api.example\r\n"));
	free(last);
	mr_http_request_done(&c.r);
}

static void test_redirects(void **state)
{
	static const struct {
		const char *method, *path, *last;
		bool follow;
		unsigned status;
	} cases[] = {
		{ "GET", "/redirect/302//json", "GET /json", true, 200 },
		{ "GET", "/redirect/302//json", "GET /redirect", false, 302 },
		{ "POST", "/redirect/302//echo", "GET /echo", true, 200 },
		{ "POST", "/redirect/303//echo", "GET /echo", true, 200 },
		{ "POST", "/redirect/307//echo", "POST /echo", true, 200 },
		{ "PUT", "/redirect/301//echo", "PUT /echo", true, 200 },
		{ "PUT", "/redirect/303//echo", "GET /echo", true, 200 },
		{ "GET", "/redirect/301//redirect/302//json", "GET /json", true, 200 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct call c;
		char *last;

		prepare(&c, cases[i].method, "http://127.0.0.1", http_server_port(f->plain),
		    cases[i].path);
		if (cases[i].method[0] == 'P')
			c.r.body = MR_STR("the body");
		c.r.follow_redirects = cases[i].follow;
		assert_int_equal(mr_http_start(f->client, &c.r), 0);
		finish(f, &c);
		last = http_server_last(f->plain);
		if (c.r.status != cases[i].status ||
		    strncmp(last, cases[i].last, strlen(cases[i].last)) != 0)
			fail_msg("case %zu: %u %s %s", i, c.r.status, c.r.message, last);
		assert_int_equal(strncmp(last, "GET", 3) != 0, strstr(last, "the body") != NULL);
		free(last);
		mr_http_request_done(&c.r);
	}
}

static void test_redirect_ends(void **state)
{
	struct fixture *f = *state;
	struct call c;

	prepare(&c, "GET", "http://127.0.0.1", http_server_port(f->plain), "/loop");
	c.r.follow_redirects = true;
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_LIMIT);
	assert_int_equal(http_server_requests(f->plain), 6);
	mr_http_request_done(&c.r);
	prepare(&c, "GET", "http://127.0.0.1", http_server_port(f->plain), "/to-file");
	c.r.follow_redirects = true;
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_INVALID);
	mr_http_request_done(&c.r);
}

/* What is secret stays with the host it was meant for. */
static void test_redirect_secrets(void **state)
{
	const struct mr_http_header headers[] = {
		{ MR_STR("X-Open"), MR_STR("1"), false },
		{ MR_STR("X-API-Key"), MR_STR("sesame"), true },
	};
	struct fixture *f = *state;

	for (int other = 0; other < 2; other++) {
		struct call c;
		char *last;

		prepare(&c, "GET", "http://api.example/redirect/302/", 0,
		    other ? "http://other.example/echo" : "http://api.example/echo");
		c.r.headers = headers;
		c.r.headers_len = 2;
		c.r.follow_redirects = true;
		assert_int_equal(mr_http_start(f->client, &c.r), 0);
		finish(f, &c);
		assert_int_equal(c.r.status, 200);
		last = http_server_last(f->plain);
		assert_non_null(strstr(last, "X-Open: 1"));
		assert_int_equal(strstr(last, "sesame") != NULL, !other);
		free(last);
		mr_http_request_done(&c.r);
	}
}

static void test_tls(void **state)
{
	struct fixture *f = *state;
	struct mr_http_options s = f->options;
	struct call c;

	prepare(&c, "GET", "https://localhost/json", 0, "");
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	if (c.r.outcome != MR_HTTP_ANSWERED)
		fail_msg("%s", c.r.message);
	mr_http_request_done(&c.r);
	/* another name than the certificate's */
	prepare(&c, "GET", "https://127.0.0.1", http_server_port(f->tls), "/json");
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_TLS);
	mr_http_request_done(&c.r);
	/* an authority that nobody knows */
	s.ca_file = "";
	s.resolve = "";
	assert_int_equal(mr_http_client_reload(f->client, s, NULL), 0);
	prepare(&c, "GET", "https://localhost", http_server_port(f->tls), "/json");
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_TLS);
	assert_non_null(strstr(c.r.message, "TLS with \"localhost\" failed"));
	mr_http_request_done(&c.r);
	/* plain HTTP to a TLS port */
	prepare(&c, "GET", "http://127.0.0.1", http_server_port(f->tls), "/json");
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_CONNECT);
	mr_http_request_done(&c.r);
}

static void test_connect(void **state)
{
	struct fixture *f = *state;
	struct mr_http_options s = f->options;
	struct call c;

	s.allowed_addresses = "127.0.0.1";
	assert_int_equal(mr_http_client_reload(f->client, s, NULL), 0);
	prepare(&c, "GET", "http://127.0.0.1:1/", 0, "");
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_CONNECT);
	mr_http_request_done(&c.r);
	prepare(&c, "GET", "http://nobody.invalid/", 0, "");
	assert_int_equal(mr_http_start(f->client, &c.r), 0);
	finish(f, &c);
	assert_int_equal(c.r.outcome, MR_HTTP_CONNECT);
	mr_http_request_done(&c.r);
}

static const char *const bad_urls[] = { "", "x", "/path", "ftp://a/", "file:///etc/passwd",
	"http://", "https:///x", "http://a b/", "http://user:pass@127.0.0.1/", "http://a:99999/",
	"gopher://127.0.0.1/", "javascript:alert(1)", "http://a/\r\nX: y", "http://[::1/" };

static void test_bad_requests(void **state)
{
	const struct mr_http_header bad[] = {
		{ MR_STR("X-A"), MR_STR("a\r\nX-B: c"), false },
		{ MR_STR("X-A: b\r\nX-C"), MR_STR("a"), false },
		{ MR_STR("X:A"), MR_STR("a"), false },
		{ MR_STR(""), MR_STR("a"), false },
		{ MR_STR("X-A"), MR_STR("a\0b"), false },
	};
	struct fixture *f = *state;
	struct call c;

	for (size_t i = 0; i < MR_ARRAY_LEN(bad_urls); i++) {
		prepare(&c, "GET", bad_urls[i], 0, "");
		if (mr_http_start(f->client, &c.r) != MR_E_INVALID)
			fail_msg("%s", bad_urls[i]);
		assert_int_equal(c.r.outcome, MR_HTTP_INVALID);
		mr_http_request_done(&c.r);
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(bad); i++) {
		prepare(&c, "GET", "http://127.0.0.1/", 0, "");
		c.r.headers = &bad[i];
		c.r.headers_len = 1;
		assert_int_equal(mr_http_start(f->client, &c.r), MR_E_INVALID);
		mr_http_request_done(&c.r);
	}
	prepare(&c, "GET\r\nX: y", "http://127.0.0.1/", 0, "");
	assert_int_equal(mr_http_start(f->client, &c.r), MR_E_INVALID);
	mr_http_request_done(&c.r);
	assert_int_equal(mr_http_in_flight(f->client), 0);
}

static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct call c[3];

	for (int i = 0; i < 3; i++) {
		prepare(&c[i], "GET", "http://127.0.0.1", http_server_port(f->plain),
		    i == 2 ? "/json" : "/silent");
		assert_int_equal(mr_http_start(f->client, &c[i].r), 0);
	}
	mr_http_abort(&c[0].r); /* before it has begun */
	mr_http_request_done(&c[0].r);
	finish(f, &c[2]);
	mr_http_abort(&c[1].r); /* in the middle */
	mr_http_abort(&c[1].r);
	mr_http_request_done(&c[1].r);
	mr_http_request_done(&c[2].r);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(c[0].done + c[1].done, 0);
	assert_int_equal(mr_http_in_flight(f->client), 0);
}

/* Teardown closes with calls under way: their done is not called, nothing leaks. */
static void test_close_with_calls(void **state)
{
	static struct call c[2];
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		prepare(&c[i], "GET", "http://127.0.0.1", http_server_port(f->plain), "/silent");
		assert_int_equal(mr_http_start(f->client, &c[i].r), 0);
	}
	while (http_server_requests(f->plain) < 2)
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

static void test_bad_settings(void **state)
{
	static const char *const bad[] = { "x", "a:b:c", "a:80:", "a:0:1.2.3.4", ":80:1.2.3.4",
		"a:80:1.2.3.4:x", "a:80:[::1" };
	struct fixture *f = *state;
	struct mr_http_options s = f->options;
	struct mr_error err;

	for (size_t i = 0; i < MR_ARRAY_LEN(bad); i++) {
		s.resolve = bad[i];
		if (mr_http_client_reload(f->client, s, &err) != MR_E_INVALID)
			fail_msg("%s", bad[i]);
	}
	s = f->options;
	s.ca_file = "/nowhere";
	assert_int_equal(mr_http_client_reload(f->client, s, &err), MR_E_INVALID);
	s = f->options;
	s.allowed_addresses = "what";
	assert_int_equal(mr_http_client_reload(f->client, s, &err), MR_E_INVALID);
	s.allowed_addresses = "";
	s.resolve = "a:80:[::1] b:443:[2001:4860::1]:8443  c:1:1.2.3.4";
	assert_int_equal(mr_http_client_reload(f->client, s, &err), 0);
}

#define UNIT(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(test_answer),
		UNIT(test_reuses_connection),
		UNIT(test_methods),
		UNIT(test_head),
		UNIT(test_failures),
		UNIT(test_timeout),
		UNIT(test_queue),
		UNIT(test_guard),
		UNIT(test_guard_after_redirect),
		UNIT(test_guard_after_reload),
		UNIT(test_resolve),
		UNIT(test_redirects),
		UNIT(test_redirect_ends),
		UNIT(test_redirect_secrets),
		UNIT(test_tls),
		UNIT(test_connect),
		UNIT(test_bad_requests),
		UNIT(test_abort),
		UNIT(test_turns),
		UNIT(test_no_turn),
		UNIT(test_close_with_calls),
		UNIT(test_bad_settings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
