/* Calls with what a service knows the caller by, against a real server on loopback that also gives
 * out tokens: what each call carries, when a token is fetched, and what becomes of those that wait
 * when it can't be. */
#include "net/auth_call.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/json_scan.h"
#include "tests/support/http_server.h"
#include "tests/unit/test.h"

struct fixture {
	uv_loop_t loop;
	struct http_server *server;
	struct mr_http_client *client;
	struct mr_auth_tokens *tokens;
	char allowed[64];
};

struct call {
	struct mr_auth_call c;
	struct mr_value config;
	char url[200], text[600];
	unsigned done;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct mr_http_options options = { .prefix = "engine",
		.resolve = "",
		.ca_file = "",
		.max_connections = 16,
		.max_body_bytes = 65536 };

	(void)setenv("SSL_CERT_FILE", "/dev/null", 1); /* authorities take time to read */
	f->server = http_server_start(false);
	if (f->server == NULL || uv_loop_init(&f->loop) != 0)
		return -1;
	(void)snprintf(f->allowed, sizeof(f->allowed), "127.0.0.1:%u", http_server_port(f->server));
	options.allowed_addresses = f->allowed;
	f->tokens = mr_auth_tokens_create(&f->loop);
	*state = f;
	return mr_http_client_create(&f->loop, options, &f->client, NULL);
}

/* In the order of a worker's end: the client goes first, fetches under way with it. */
static int teardown(void **state)
{
	struct fixture *f = *state;

	mr_http_client_close(f->client, NULL, NULL);
	f->tokens = mr_auth_tokens_free(f->tokens);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	http_server_stop(f->server);
	if (uv_loop_close(&f->loop) != 0)
		return -1;
	free(f);
	return 0;
}

static void on_done(struct mr_auth_call *c)
{
	((struct call *)c->ctx)->done++;
}

/* CONFIG is JSON in which %u is the server's port. */
static void prepare(
    struct fixture *f, struct call *c, enum mr_auth_type type, const char *config, const char *path)
{
	unsigned port = http_server_port(f->server);
	const char *hole = strstr(config, "%u");

	*c = (struct call){ .done = 0 };
	c->c.arena = mr_arena_create_secret(65536);
	(void)snprintf(c->url, sizeof(c->url), "http://127.0.0.1:%u%s", port, path);
	if (hole != NULL)
		(void)snprintf(c->text, sizeof(c->text), "%.*s%u%s", (int)(hole - config), config,
		    port, hole + 2);
	else
		(void)snprintf(c->text, sizeof(c->text), "%s", config);
	assert_int_equal(
	    mr_json_parse(c->c.arena, mr_str(c->text), &mr_json_limits_default, NULL, &c->config),
	    0);
	c->c.http = f->client;
	c->c.tokens = f->tokens;
	c->c.type = type;
	c->c.config = &c->config;
	c->c.config_id = mr_str(c->text);
	c->c.method = MR_STR("POST");
	c->c.url = mr_str(c->url);
	c->c.headers[0] = (struct mr_http_header){ MR_STR("X-Own"), MR_STR("ours"), false };
	c->c.headers_len = 1;
	c->c.body = MR_STR("the body");
	c->c.timeout_us = 10000000;
	c->c.done = on_done;
	c->c.ctx = c;
}

static void finish(struct fixture *f, struct call *c)
{
	while (c->done == 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(c->done, 1);
}

static void release(struct call *c)
{
	mr_auth_call_done(&c->c);
	c->c.arena = mr_arena_free(c->c.arena);
}

static void call(
    struct fixture *f, struct call *c, enum mr_auth_type type, const char *config, const char *path)
{
	prepare(f, c, type, config, path);
	assert_int_equal(mr_auth_call_start(&c->c), 0);
	assert_int_equal(c->done, 0); /* never from inside start */
	finish(f, c);
}

static bool says(const struct call *c, const char *text)
{
	struct mr_str s = mr_buf_str(&c->c.request.answer_body);

	return memmem(s.p, s.len, text, strlen(text)) != NULL;
}

#define OAUTH                                                                                      \
	"{\"token_url\": \"http://127.0.0.1:%u/token/3600\", \"client_id\": \"a b:c\", "           \
	"\"client_secret\": \"s&t\""

static const struct {
	enum mr_auth_type type;
	const char *config, *path;
	const char *want, *want_not;
} carried[] = {
	{ MR_AUTH_NONE, "{}", "/echo", "X-Own: ours\r\n", "Authorization" },
	{ MR_AUTH_API_KEY, "{\"key\": \"k1\"}", "/echo", "X-API-Key: k1\r\n", "Authorization" },
	{ MR_AUTH_API_KEY, "{\"value\": \"k1\", \"name\": \"X-Secret\"}", "/echo",
	    "X-Secret: k1\r\n", "X-API-Key" },
	{ MR_AUTH_API_KEY, "{\"key\": \"k&1 2\", \"in\": \"query\"}", "/echo",
	    "POST /echo?api_key=k%261%202 HTTP", "X-API-Key" },
	{ MR_AUTH_API_KEY, "{\"key\": \"k1\", \"in\": \"query\", \"header\": \"sig\"}",
	    "/echo?a=1#part", "POST /echo?a=1&sig=k1 HTTP", "X-API-Key" },
	{ MR_AUTH_BEARER, "{\"token\": \"t1\"}", "/echo", "Authorization: Bearer t1\r\n",
	    "X-API-Key" },
	{ MR_AUTH_BASIC, "{\"username\": \"Aladdin\", \"password\": \"open sesame\"}", "/echo",
	    "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n", "sesame" },
	{ MR_AUTH_OAUTH2, OAUTH "}", "/echo", "Authorization: Bearer token-1\r\n", "s&t" },
};

static void test_what_a_call_carries(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(carried); i++) {
		struct call c;

		call(f, &c, carried[i].type, carried[i].config, carried[i].path);
		assert_int_equal(c.c.request.outcome, MR_HTTP_ANSWERED);
		if (!says(&c, carried[i].want) || says(&c, carried[i].want_not) ||
		    !says(&c, "the body"))
			fail_msg("%s: %s", carried[i].config, c.c.request.answer_body.p);
		release(&c);
	}
}

static const struct {
	enum mr_auth_type type;
	const char *config;
	bool token;
} incomplete[] = {
	{ MR_AUTH_API_KEY, "{}", false },
	{ MR_AUTH_BEARER, "{}", false },
	{ MR_AUTH_MTLS, "{\"certificate\": \"x\"}", false },
	{ MR_AUTH_OAUTH2, "{\"token_url\": \"ftp://x\"}", true },
	{ MR_AUTH_OAUTH2, "{}", true },
};

/* A config that passed no check: said at once, done is not called. */
static void test_incomplete(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(incomplete); i++) {
		struct call c;

		prepare(f, &c, incomplete[i].type, incomplete[i].config, "/echo");
		assert_true(mr_auth_call_start(&c.c) < 0);
		assert_int_equal(c.c.request.outcome, MR_HTTP_INVALID);
		assert_int_equal(c.c.token_failed, incomplete[i].token);
		assert_true(c.c.request.message[0] != '\0');
		assert_int_equal(c.done, 0);
		release(&c);
	}
	assert_int_equal(http_server_requests(f->server), 0);
}

#define SILENT                                                                                     \
	"{\"token_url\": \"http://127.0.0.1:%u/silent\", \"client_id\": \"a b:c\", "               \
	"\"client_secret\": \"s&t\""

/* How the client shows itself to the endpoint: each half encoded, then Base64; or in the form. */
static void test_token_request(void **state)
{
	static const struct {
		const char *config, *want[4];
	} cases[] = {
		{ SILENT ", \"scope\": \"read write\", \"audience\": \"a/b\"}",
		    { "Authorization: Basic YStiJTNBYzpzJTI2dA==\r\n",
		        "grant_type=client_credentials&scope=read+write&audience=a%2Fb",
		        "Content-Type: application/x-www-form-urlencoded\r\n",
		        "Accept: application/json\r\n" } },
		{ SILENT ", \"client_auth\": \"post\"}",
		    { "grant_type=client_credentials&client_id=a+b%3Ac&client_secret=s%26t", "POST",
		        "", "" } },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct call c;
		char *last;

		prepare(f, &c, MR_AUTH_OAUTH2, cases[i].config, "/echo");
		assert_int_equal(mr_auth_call_start(&c.c), 0);
		while (http_server_requests(f->server) == i)
			(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		last = http_server_last(f->server);
		for (size_t k = 0; k < 4; k++)
			if (strstr(last, cases[i].want[k]) == NULL)
				fail_msg("%s is not in %s", cases[i].want[k], last);
		assert_int_equal(strstr(last, "Authorization") != NULL, i == 0);
		free(last);
		mr_auth_call_abort(&c.c);
		release(&c);
	}
}

static void test_one_fetch_for_all_that_wait(void **state)
{
	struct fixture *f = *state;
	struct call c[5];

	for (size_t i = 0; i < MR_ARRAY_LEN(c); i++) {
		prepare(f, &c[i], MR_AUTH_OAUTH2, OAUTH "}", "/private/1");
		assert_int_equal(mr_auth_call_start(&c[i].c), 0);
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(c); i++) {
		finish(f, &c[i]);
		assert_int_equal(c[i].c.request.status, 200);
		release(&c[i]);
	}
	assert_int_equal(http_server_tokens(f->server), 1);
	/* it is kept; another config has one of its own */
	call(f, &c[0], MR_AUTH_OAUTH2, OAUTH "}", "/private/1");
	assert_int_equal(http_server_tokens(f->server), 1);
	release(&c[0]);
	call(f, &c[0], MR_AUTH_OAUTH2, OAUTH ", \"scope\": \"x\"}", "/private/2");
	assert_int_equal(c[0].c.request.status, 200);
	assert_int_equal(http_server_tokens(f->server), 2);
	release(&c[0]);
}

/* A token that the service no longer takes is fetched anew, once. */
static void test_withdrawn(void **state)
{
	struct fixture *f = *state;
	struct call c;

	call(f, &c, MR_AUTH_OAUTH2, OAUTH "}", "/private/2");
	assert_int_equal(c.c.request.status, 200);
	assert_true(says(&c, "Bearer token-2"));
	assert_int_equal(http_server_tokens(f->server), 2);
	release(&c);
	call(f, &c, MR_AUTH_OAUTH2, OAUTH "}", "/private/99");
	assert_int_equal(c.c.request.status, 401);
	assert_false(c.c.token_failed);
	assert_int_equal(http_server_tokens(f->server), 3);
	release(&c);
}

/* Its life is counted from its arrival, less a tenth; what isn't told, or is nonsense, is 5
 * minutes. */
static void test_its_life(void **state)
{
	static const struct {
		const char *life;
		bool ends;
	} lives[] = { { "1", true }, { "", false }, { "-5", false }, { "1e300", false } };
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(lives); i++) {
		char config[300];
		struct call c;
		unsigned before = http_server_tokens(f->server);
		uint64_t since;

		(void)snprintf(config, sizeof(config),
		    "{\"token_url\": \"http://127.0.0.1:%%u/token/%s\", \"client_id\": \"a\", "
		    "\"client_secret\": \"b\"}",
		    lives[i].life);
		call(f, &c, MR_AUTH_OAUTH2, config, "/private/1");
		assert_int_equal(c.c.request.status, 200);
		release(&c);
		since = uv_now(&f->loop);
		while (uv_now(&f->loop) < since + 1000)
			(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		call(f, &c, MR_AUTH_OAUTH2, config, "/private/1");
		assert_int_equal(c.c.request.status, 200);
		assert_int_equal(http_server_tokens(f->server) - before, lives[i].ends ? 2 : 1);
		release(&c);
	}
}

static const struct {
	const char *path;
	enum mr_http_outcome outcome;
	const char *message;
} failures[] = {
	{ "/status/503", MR_HTTP_ANSWERED, "The token endpoint answered with status 503." },
	{ "/status/302", MR_HTTP_ANSWERED, "The token endpoint answered with status 302." },
	{ "/badjson", MR_HTTP_INVALID, "The token endpoint's answer holds no access_token." },
	{ "/json", MR_HTTP_INVALID, "The token endpoint's answer holds no access_token." },
	{ "/no-token", MR_HTTP_INVALID, "The token endpoint's answer holds no access_token." },
	{ "/bad-token", MR_HTTP_INVALID, "The token endpoint's answer holds no access_token." },
	{ "/cut", MR_HTTP_CONNECT, NULL },
	{ "/endless", MR_HTTP_LIMIT, NULL },
};

/* All that wait are told, and nothing that the endpoint says gets out. The next call tries again.
 */
static void test_no_token(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(failures); i++) {
		char config[300];
		struct call c[2];

		(void)snprintf(config, sizeof(config),
		    "{\"token_url\": \"http://127.0.0.1:%%u%s\", \"client_id\": \"a\", "
		    "\"client_secret\": \"b\"}",
		    failures[i].path);
		for (size_t k = 0; k < 2; k++) {
			prepare(f, &c[k], MR_AUTH_OAUTH2, config, "/echo");
			assert_int_equal(mr_auth_call_start(&c[k].c), 0);
		}
		for (size_t k = 0; k < 2; k++) {
			finish(f, &c[k]);
			assert_true(c[k].c.token_failed);
			assert_int_equal(c[k].c.request.outcome, failures[i].outcome);
			if (failures[i].message != NULL)
				assert_string_equal(c[k].c.request.message, failures[i].message);
			assert_int_equal(c[k].c.request.answer_body.len, 0);
			release(&c[k]);
		}
		call(f, &c[0], MR_AUTH_OAUTH2, config, "/echo");
		assert_true(c[0].c.token_failed);
		release(&c[0]);
	}
	/* the first two shared a request, the third made one; the service was never called */
	assert_int_equal(http_server_requests(f->server), 2 * MR_ARRAY_LEN(failures));
}

/* An address that the guard doesn't allow is refused for the endpoint too. */
static void test_guarded(void **state)
{
	struct fixture *f = *state;
	struct call c;

	call(f, &c, MR_AUTH_OAUTH2,
	    "{\"token_url\": \"http://127.0.0.2/token/1\", \"client_id\": \"a\", "
	    "\"client_secret\": \"b\"}",
	    "/echo");
	assert_true(c.c.token_failed);
	assert_int_equal(c.c.request.outcome, MR_HTTP_REFUSED);
	release(&c);
}

/* The time for all of it runs while the token is fetched. */
static void test_timeout(void **state)
{
	struct fixture *f = *state;
	struct call c;

	prepare(f, &c, MR_AUTH_OAUTH2, SILENT "}", "/echo");
	c.c.timeout_us = 200000;
	assert_int_equal(mr_auth_call_start(&c.c), 0);
	finish(f, &c);
	assert_true(c.c.token_failed);
	assert_int_equal(c.c.request.outcome, MR_HTTP_TIMEOUT);
	release(&c);
}

static void test_abort(void **state)
{
	struct fixture *f = *state;
	struct call c[3];

	for (size_t i = 0; i < 3; i++) {
		prepare(f, &c[i], MR_AUTH_OAUTH2, OAUTH "}", "/private/1");
		assert_int_equal(mr_auth_call_start(&c[i].c), 0);
	}
	mr_auth_call_abort(&c[1].c); /* the first that would be woken is another */
	mr_auth_call_abort(&c[2].c);
	finish(f, &c[0]);
	assert_int_equal(c[0].c.request.status, 200);
	assert_int_equal(c[1].done + c[2].done, 0);
	for (size_t i = 0; i < 3; i++)
		release(&c[i]);
	/* with a call under way */
	prepare(f, &c[0], MR_AUTH_BEARER, "{\"token\": \"t\"}", "/silent");
	assert_int_equal(mr_auth_call_start(&c[0].c), 0);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	mr_auth_call_abort(&c[0].c);
	assert_int_equal(c[0].done, 0);
	release(&c[0]);
}

/* A worker that ends while a token is fetched keeps nothing of it. */
static void test_end_with_a_fetch_under_way(void **state)
{
	struct fixture *f = *state;
	struct call c;

	prepare(f, &c, MR_AUTH_OAUTH2, SILENT "}", "/echo");
	assert_int_equal(mr_auth_call_start(&c.c), 0);
	while (http_server_requests(f->server) == 0)
		(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	mr_auth_call_abort(&c.c);
	assert_int_equal(c.done, 0);
	release(&c);
}

/* A thousand are kept; of more, the one that wasn't used for the longest time goes. */
static void test_room(void **state)
{
	struct fixture *f = *state;
	struct call c;

	for (unsigned i = 0; i < 1001; i++) {
		char config[300];

		(void)snprintf(config, sizeof(config), "%s, \"scope\": \"%u\"}", OAUTH, i);
		call(f, &c, MR_AUTH_OAUTH2, config, "/private/1");
		assert_int_equal(c.c.request.status, 200);
		release(&c);
	}
	assert_int_equal(http_server_tokens(f->server), 1001);
	call(f, &c, MR_AUTH_OAUTH2, OAUTH ", \"scope\": \"1000\"}", "/private/1");
	release(&c);
	assert_int_equal(http_server_tokens(f->server), 1001);
	call(f, &c, MR_AUTH_OAUTH2, OAUTH ", \"scope\": \"0\"}", "/private/1");
	release(&c);
	assert_int_equal(http_server_tokens(f->server), 1002);
}

/* What is secret has no room in the call's arena. */
static void test_no_memory(void **state)
{
	static const struct {
		enum mr_auth_type type;
		const char *config;
	} cases[] = {
		{ MR_AUTH_BEARER, "{\"token\": \"t1\"}" },
		{ MR_AUTH_BASIC, "{\"username\": \"u\", \"password\": \"p\"}" },
		{ MR_AUTH_API_KEY, "{\"key\": \"k\", \"in\": \"query\"}" },
		{ MR_AUTH_OAUTH2, OAUTH "}" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct call c;
		struct mr_arena *whole;

		prepare(f, &c, cases[i].type, cases[i].config, "/echo");
		whole = c.c.arena;
		c.c.arena = mr_arena_create_secret(1);
		if (mr_auth_call_start(&c.c) == 0)
			finish(f, &c); /* the token came, and had no room */
		else
			assert_int_equal(c.done, 0);
		assert_int_equal(c.c.request.outcome, MR_HTTP_NOMEM);
		assert_string_equal(c.c.request.message, "Memory is out.");
		release(&c);
		whole = mr_arena_free(whole);
	}
}

#define UNIT(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(test_what_a_call_carries),
		UNIT(test_incomplete),
		UNIT(test_token_request),
		UNIT(test_one_fetch_for_all_that_wait),
		UNIT(test_withdrawn),
		UNIT(test_its_life),
		UNIT(test_no_token),
		UNIT(test_guarded),
		UNIT(test_timeout),
		UNIT(test_abort),
		UNIT(test_end_with_a_fetch_under_way),
		UNIT(test_room),
		UNIT(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
