/* A request as nginx hands it over: parameters, address, method, body and their limits; headers of
 * answers; and what one job leaves behind for the next. */
#include "fcgi/request.h"

#include <stdlib.h>

#include "fcgi/job.h"
#include "fcgi/worker.h"
#include "lib/error.h"
#include "tests/unit/test.h"

#define BODY_MAX 1000

static struct mr_worker worker;

/* ---- making parameters ---- */

static void add_length(struct mr_buf *b, size_t n)
{
	const char four[4] = { (char)(0x80 | (n >> 24 & 0x7f)), (char)(n >> 16), (char)(n >> 8),
		(char)n };

	if (n < 128)
		mr_buf_addc(b, (char)n);
	else
		mr_buf_add(b, four, sizeof(four));
}

static void add_pair(struct mr_buf *b, const char *name, struct mr_str value)
{
	add_length(b, strlen(name));
	add_length(b, value.len);
	mr_buf_addz(b, name);
	mr_buf_adds(b, value);
}

/* Name, value, name, value …, NULL. */
static struct mr_job *make_job(const char *const *params)
{
	struct mr_job *x = mr_job_create(&worker, BODY_MAX);
	struct mr_buf b;

	assert_non_null(x);
	mr_buf_init(&b, 100000);
	for (; *params != NULL; params += 2)
		add_pair(&b, params[0], mr_str(params[1]));
	for (size_t i = 0; i < b.len; i++) /* one byte at a time: pieces mean nothing */
		mr_job_params(x, (struct mr_str){ b.p + i, 1 });
	mr_buf_done(&b);
	return x;
}

#define JOB(...) make_job((const char *const[]){ __VA_ARGS__ __VA_OPT__(, ) NULL })

/* ---- reading ---- */

static void test_what_nginx_sends(void **state)
{
	struct mr_job *x = JOB("REQUEST_METHOD", "POST", "DOCUMENT_URI", "/api/v1/a b",
	    "REQUEST_URI", "/api/v1/a%20b?x=%31", "QUERY_STRING", "x=%31", "CONTENT_TYPE",
	    "application/json", "CONTENT_LENGTH", "5", "REMOTE_ADDR", "10.1.2.3", "HTTP_IF_MATCH",
	    "\"1\"", "HTTP_X_API_KEY", "k", "HTTP_EMPTY", "");
	const struct mr_request *r = &x->r;

	(void)state;
	assert_int_equal(mr_job_prepare(x), 0);
	mr_job_body(x, MR_STR("he"));
	mr_job_body(x, MR_STR("llo"));
	mr_job_complete(x);
	assert_int_equal(x->refusal, MR_ERR_NONE);
	assert_int_equal(r->method, MR_POST);
	assert_str(r->path, "/api/v1/a b");
	assert_str(r->query, "x=%31");
	assert_str(r->content_type, "application/json");
	assert_str(r->remote_addr, "10.1.2.3");
	assert_str(r->body, "hello");
	assert_null(r->body_file.p);
	assert_str(mr_request_header(r, "If-Match"), "\"1\"");
	assert_str(mr_request_header(r, "x-api-key"), "k");
	assert_str(mr_request_header(r, "Content-Type"), "application/json");
	assert_str(mr_request_header(r, "content-length"), "5");
	assert_str(mr_request_header(r, "Empty"), "");
	assert_null(mr_request_header(r, "If-None-Match").p);
	assert_null(mr_request_param(r, "HTTP_IF").p);
	assert_true(r->started_us > 0 && r->now_us > 0);
	for (size_t i = 0; i < r->params_len; i++) /* C strings, for who wants them */
		assert_int_equal(r->params[i].value.p[r->params[i].value.len], '\0');
	x = mr_job_free(x);
}

static void test_header_names_are_bounded(void **state)
{
	struct mr_job *x = JOB("HTTP_A", "1");

	(void)state;
	assert_int_equal(mr_job_prepare(x), 0);
	assert_null(mr_request_header(
	    &x->r, "a-name-that-is-much-longer-than-any-header-that-anybody-asks-for-here")
	                .p);
	x = mr_job_free(x);
}

static void test_paths(void **state)
{
	static const struct {
		const char *uri, *path; /* NULL: refused */
	} cases[] = {
		{ "/", "/" },
		{ "/a/b?c=d", "/a/b" },
		{ "/a%20b", "/a b" },
		{ "/%e2%82%AC", "/\xe2\x82\xac" },
		{ "/a%2Fb", "/a/b" },
		{ "/a%252Fb", "/a%2Fb" }, /* once */
		{ "/a?b?c", "/a" },
		{ "", NULL },
		{ "a", NULL },
		{ "?a", NULL },
		{ "/%", NULL },
		{ "/%4", NULL },
		{ "/%zz", NULL },
		{ "/%00", NULL },
		{ "/%0a", NULL },
		{ "/%7f", NULL },
		{ "/%ff", NULL },
		{ "/%c0%af", NULL },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_job *x = JOB("REQUEST_METHOD", "GET", "REQUEST_URI", cases[i].uri);

		assert_int_equal(mr_job_prepare(x), 0);
		assert_int_equal(
		    x->refusal, cases[i].path != NULL ? MR_ERR_NONE : MR_ERR_BAD_REQUEST);
		assert_str(x->r.path, cases[i].path != NULL ? cases[i].path : "/");
		x = mr_job_free(x);
	}
}

static void test_what_nginx_decoded_is_not_decoded_again(void **state)
{
	struct mr_job *x =
	    JOB("REQUEST_METHOD", "GET", "REQUEST_URI", "/other", "DOCUMENT_URI", "/a%20b");

	(void)state;
	assert_int_equal(mr_job_prepare(x), 0);
	assert_str(x->r.path, "/a%20b");
	x = mr_job_free(x);
	x = JOB("REQUEST_METHOD", "GET", "DOCUMENT_URI", "/a\nb");
	assert_int_equal(mr_job_prepare(x), 0);
	assert_int_equal(x->refusal, MR_ERR_BAD_REQUEST);
	x = mr_job_free(x);
	x = JOB("REQUEST_METHOD", "GET");
	assert_int_equal(mr_job_prepare(x), 0);
	assert_int_equal(x->refusal, MR_ERR_BAD_REQUEST);
	x = mr_job_free(x);
}

static void test_methods(void **state)
{
	static const char *const known[] = { "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD",
		"OPTIONS" };
	static const char *const unknown[] = { "", "get", "TRACE", "GETX", "PROPFIND" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(known); i++) {
		struct mr_job *x = JOB("REQUEST_METHOD", known[i], "DOCUMENT_URI", "/");

		assert_int_equal(mr_job_prepare(x), 0);
		assert_int_equal(x->refusal, MR_ERR_NONE);
		assert_int_equal(x->r.method, i);
		x = mr_job_free(x);
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(unknown); i++) {
		struct mr_job *x = JOB("REQUEST_METHOD", unknown[i], "DOCUMENT_URI", "/");

		assert_int_equal(mr_job_prepare(x), 0);
		assert_int_equal(x->refusal, MR_ERR_METHOD_NOT_ALLOWED);
		x = mr_job_free(x);
	}
}

static void test_broken_parameters(void **state)
{
	struct mr_job *x = mr_job_create(&worker, BODY_MAX);

	(void)state;
	assert_non_null(x);
	mr_job_params(x, MR_STR("\x05\x05"
	                        "abc"));
	assert_int_equal(mr_job_prepare(x), MR_E_INVALID);
	x = mr_job_free(x);
}

static void test_limits_of_parameters(void **state)
{
	static char large[MR_PARAMS_BYTES_MAX + 1];
	struct mr_job *x = mr_job_create(&worker, BODY_MAX);

	(void)state;
	assert_non_null(x);
	memset(large, 'x', sizeof(large));
	mr_job_params(x, (struct mr_str){ large, MR_PARAMS_BYTES_MAX });
	assert_int_equal(x->refusal, MR_ERR_NONE);
	mr_job_params(x, (struct mr_str){ large, 1 });
	assert_int_equal(x->refusal, MR_ERR_HEADERS_TOO_LARGE);
	assert_int_equal(mr_job_prepare(x), 0);
	assert_str(x->r.path, "/");
	mr_job_reset(x);
	for (unsigned i = 0; i <= MR_PARAMS_MAX; i++)
		mr_job_params(x, MR_STR("\1\1ab"));
	assert_int_equal(mr_job_prepare(x), 0);
	assert_int_equal(x->refusal, MR_ERR_HEADERS_TOO_LARGE);
	assert_int_equal(x->r.params_len, 0);
	x = mr_job_free(x);
}

static void test_bodies(void **state)
{
	static const struct {
		const char *name, *length, *file;
		size_t send;
		enum mr_error_id refusal;
	} cases[] = {
		{ "none", "", NULL, 0, MR_ERR_NONE },
		{ "none, and it is said", "0", NULL, 0, MR_ERR_NONE },
		{ "as long as was said", "10", NULL, 10, MR_ERR_NONE },
		{ "the largest", "1000", NULL, BODY_MAX, MR_ERR_NONE },
		{ "nothing was said", "", NULL, 10, MR_ERR_NONE },
		{ "in a file", "5000", "/spool/1", 0, MR_ERR_NONE },
		{ "cut", "10", NULL, 9, MR_ERR_BAD_REQUEST },
		{ "longer than was said", "10", NULL, 11, MR_ERR_BAD_REQUEST },
		{ "no number", "ten", NULL, 3, MR_ERR_BAD_REQUEST },
		{ "negative", "-1", NULL, 0, MR_ERR_BAD_REQUEST },
		{ "too large", "1001", NULL, BODY_MAX + 1, MR_ERR_BODY_TOO_LARGE },
		{ "much too large", "5000", NULL, 5000, MR_ERR_BODY_TOO_LARGE },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_job *x = JOB("REQUEST_METHOD", "POST", "DOCUMENT_URI", "/",
		    "CONTENT_LENGTH", cases[i].length, "REQUEST_BODY_FILE",
		    cases[i].file != NULL ? cases[i].file : "");

		assert_int_equal(mr_job_prepare(x), 0);
		for (size_t n = 0; n < cases[i].send; n++)
			mr_job_body(x, MR_STR("x"));
		mr_job_complete(x);
		if (x->refusal != cases[i].refusal)
			fail_msg("%s: %d", cases[i].name, x->refusal);
		assert_int_equal(
		    x->r.body.p != NULL, cases[i].send > 0 && cases[i].send <= BODY_MAX);
		if (cases[i].file != NULL)
			assert_str(x->r.body_file, cases[i].file);
		x = mr_job_free(x);
	}
}

/* ---- answering ---- */

static void test_answers(void **state)
{
	struct mr_job *x = JOB("REQUEST_METHOD", "GET", "DOCUMENT_URI", "/");
	struct mr_request *r = &x->r;

	(void)state;
	mr_response_header(r, "Location", MR_STR("/a\r\nSet-Cookie: x=1\x01\x7f"));
	mr_response_header(r, "ETag", MR_STR("\"1\""));
	mr_response_header(r, "Empty", MR_STR_NONE);
	assert_str(mr_buf_str(&r->out_headers),
	    "Location: /a  Set-Cookie: x=1  \r\nETag: \"1\"\r\nEmpty: \r\n");
	mr_response_json(r, 201, MR_STR("{\"a\":1}"));
	mr_response_json(r, 200, MR_STR("[]"));
	assert_int_equal(r->status, 200);
	assert_str(mr_buf_str(&r->out_body), "[]");
	assert_str(r->out_content_type, "application/json");
	x = mr_job_free(x);
}

static void test_headers_are_bounded(void **state)
{
	static char large[20000];
	struct mr_job *x = JOB("REQUEST_METHOD", "GET", "DOCUMENT_URI", "/");
	struct mr_answer a;

	(void)state;
	memset(large, 'x', sizeof(large));
	mr_response_header(&x->r, "X", (struct mr_str){ large, sizeof(large) });
	assert_true(mr_buf_failed(&x->r.out_headers));
	x->r.status = 200;
	mr_answer_init(&a);
	assert_int_equal(mr_answer_begin(&a, &x->r, 1), MR_E_LIMIT);
	mr_answer_done(&a);
	x = mr_job_free(x);
}

/* ---- one after the other ---- */

static void count(void *p)
{
	(*(unsigned *)p)++;
}

static void test_nothing_is_left_for_the_next(void **state)
{
	struct mr_job *x =
	    JOB("REQUEST_METHOD", "POST", "DOCUMENT_URI", "/a", "CONTENT_TYPE", "x/y");
	unsigned released = 0;

	(void)state;
	assert_int_equal(mr_job_prepare(x), 0);
	mr_job_body(x, MR_STR("secret"));
	mr_job_complete(x);
	mr_response_json(&x->r, 200, MR_STR("answer"));
	mr_response_header(&x->r, "A", MR_STR("b"));
	mr_fault_add(&x->r.faults, MR_STR("a"), "b", "%s", "c");
	assert_int_equal(mr_arena_defer(x->r.arena, count, &released), 0);
	x->r.aborted = x->running = x->given_up = true;
	mr_job_reset(x);
	assert_int_equal(released, 1);
	assert_int_equal(x->r.params_len, 0);
	assert_int_equal(x->r.status, 0);
	assert_int_equal(x->r.out_body.len, 0);
	assert_int_equal(x->r.out_headers.len, 0);
	assert_int_equal(x->r.faults.count, 0);
	assert_null(x->r.body.p);
	assert_null(x->r.path.p);
	assert_null(x->r.content_type.p);
	assert_null(x->r.principal);
	assert_ptr_equal(x->r.worker, &worker);
	assert_false(x->r.aborted || x->running || x->given_up);
	x = mr_job_free(x);
}

/* What one large request needed is not kept. */
static void test_memory_is_given_back(void **state)
{
	struct mr_job *x = mr_job_create(&worker, 1 << 20);

	(void)state;
	assert_non_null(x);
	for (unsigned i = 0; i < 1000; i++)
		mr_job_body(x,
		    MR_STR(
		        "0123456789012345678901234567890123456789012345678901234567890123456789"
		        "0123456789012345678901234567890123456789012345678901234567890123456789"));
	assert_true(x->body.cap > 100000);
	mr_job_reset(x);
	assert_true(x->body.cap <= 65536);
	x = mr_job_free(x);
}

/* Each allocation fails in turn; nothing crashes or leaks. */
static void test_without_memory(void **state)
{
	(void)state;
	for (unsigned long n = 1; n < 20; n++) {
		struct mr_job *x;

		mr_arena_fail_after(n);
		x = mr_job_create(&worker, BODY_MAX);
		if (x != NULL) {
			mr_job_params(x, MR_STR("\x0b\x03"
			                        "REQUEST_URI/%41"));
			assert_true(
			    mr_job_prepare(x) <= 0); /* refused or not: it must only not crash */
		}
		mr_arena_fail_after(0);
		x = mr_job_free(x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_nginx_sends),
		cmocka_unit_test(test_header_names_are_bounded),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_what_nginx_decoded_is_not_decoded_again),
		cmocka_unit_test(test_methods),
		cmocka_unit_test(test_broken_parameters),
		cmocka_unit_test(test_limits_of_parameters),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_headers_are_bounded),
		cmocka_unit_test(test_nothing_is_left_for_the_next),
		cmocka_unit_test(test_memory_is_given_back),
		cmocka_unit_test(test_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
