/* Limits of requests as a worker without Redis has them: whom a request counts for, the headers,
 * the 429. What Redis counts is tested with Redis (tests/integration/test_limits.py). */
#include "fcgi/limit.h"

#include <stdlib.h>
#include <uv.h>

#include "fcgi/metrics.h"
#include "fcgi/worker.h"
#include "tests/unit/fake_request.h"

static const struct mr_route reading = { .path = "/api/v1/things", .rate = MR_RATE_MONITORING };
static const struct mr_route writing = { .path = "/api/v1/things", .rate = MR_RATE_STANDARD };
static const struct mr_route health = { .path = "/health", .rate = MR_RATE_EXEMPT };
static const struct mr_metric_route names[] = { { "GET", "/api/v1/things" } };

/* Three reads and two other requests a minute. */
struct world {
	uv_loop_t loop;
	struct mr_arena *arena;
	struct mr_settings *settings;
	struct mr_worker worker;
	struct fake_request f;
};

static void begin(struct world *w, const struct mr_route *route)
{
	fake_request_init(&w->f, route);
	w->f.r.worker = &w->worker;
	w->f.r.remote_addr = MR_STR("192.0.2.1");
	w->f.principal.id = 7;
	w->f.r.status = 200;
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct mr_faults faults;

	assert_non_null(w);
	w->arena = mr_arena_create(1u << 20);
	mr_faults_init(&faults, w->arena, 10);
	assert_int_equal(mr_settings_load(NULL, &faults, &w->settings), 0);
	w->settings->rate_limit_monitoring = "3/min";
	w->settings->rate_limit_standard = "2/min";
	assert_int_equal(uv_loop_init(&w->loop), 0);
	w->worker.settings = w->settings;
	w->worker.metrics = mr_api_metrics_create(names, 1, 1);
	w->worker.bus = mr_bus_create(&w->loop, NULL, NULL);
	assert_non_null(w->worker.bus);
	w->worker.limiter = mr_limiter_create(&w->loop, w->settings, w->worker.bus, 1);
	assert_non_null(w->worker.limiter);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	w->worker.limiter = mr_limiter_free(w->worker.limiter);
	mr_bus_close(w->worker.bus, NULL, NULL);
	(void)uv_run(&w->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&w->loop), 0);
	w->worker.metrics = mr_api_metrics_free(w->worker.metrics);
	w->settings = mr_settings_free(w->settings);
	w->arena = mr_arena_free(w->arena);
	free(w);
	return 0;
}

/* Counts one, and gives back what is left; -1: refused. */
static int64_t left(struct world *w)
{
	mr_request_count(&w->f.r);
	return mr_request_may_pass(&w->f.r) ? w->f.call.limit.rate.limit - w->f.call.limit.used
	                                    : -1;
}

static bool has(const struct mr_buf *b, const char *text)
{
	return b->p != NULL && strstr(b->p, text) != NULL;
}

static void headers_of_what_passes(void **state)
{
	struct world *w = *state;

	begin(w, &reading);
	assert_int_equal(left(w), 2);
	assert_true(mr_request_may_pass(&w->f.r)); /* the same, and counted once */
	mr_request_tell_limit(&w->f.r);
	assert_int_equal(w->f.r.status, 200);
	assert_true(has(&w->f.r.out_headers, "RateLimit-Limit: 3\r\nRateLimit-Remaining: 2\r\n"));
	assert_true(has(&w->f.r.out_headers, "RateLimit-Reset: 6"));
	assert_false(has(&w->f.r.out_headers, "Retry-After"));
	fake_request_done(&w->f);
}

static void one_too_many(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 4; i++) {
		begin(w, &writing);
		mr_fault_add(&w->f.r.faults, MR_STR("name"), "required", "is required");
		assert_int_equal(left(w), i < 2 ? 1 - i : -1);
		mr_request_tell_limit(&w->f.r);
		if (i >= 2) {
			assert_int_equal(w->f.r.status, 429);
			assert_true(has(&w->f.r.out_body, "\"error_code\":\"TOO_MANY_REQUESTS\""));
			assert_true(has(&w->f.r.out_body, "\"details\":{}"));
			assert_true(
			    has(&w->f.r.out_body, "The limit standard, 2 requests in 60 seconds"));
			assert_true(has(&w->f.r.out_headers, "RateLimit-Remaining: 0\r\n"));
			assert_true(has(&w->f.r.out_headers, "Retry-After: 6"));
		}
		fake_request_done(&w->f);
	}
	assert_int_equal(
	    mr_api_metrics_get(w->worker.metrics, MR_METRIC_RATE_LIMIT_LOCAL_TOTAL), 4);
}

static void nothing_of_what_is_exempt_or_switched_off(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 10; i++) {
		struct mr_limiter *limiter = w->worker.limiter;

		begin(w, i % 2 == 0 ? &health : &reading);
		if (i % 2 != 0)
			w->worker.limiter = NULL; /* switched off */
		mr_request_count(&w->f.r);
		assert_true(mr_request_may_pass(&w->f.r));
		mr_request_tell_limit(&w->f.r);
		assert_int_equal(w->f.r.out_headers.len, 0);
		fake_request_done(&w->f);
		w->worker.limiter = limiter;
	}
}

static void whom_it_counts_for(void **state)
{
	static const struct {
		const char *name;
		int64_t key, principal;
		const char *address;
		int64_t left; /* of three */
	} cases[] = {
		{ "a principal", 0, 7, "192.0.2.1", 2 },
		{ "the same", 0, 7, "192.0.2.2", 1 },
		{ "its key", 7, 7, "192.0.2.1", 2 },
		{ "another key", 8, 7, "192.0.2.1", 2 },
		{ "that key", 8, 9, "192.0.2.1", 1 },
		{ "a stranger", 0, 0, "192.0.2.1", 2 },
		{ "that stranger", 0, 0, "192.0.2.1", 1 },
		{ "another", 0, 0, "192.0.2.7", 2 },
		{ "a network", 0, 0, "2001:db8:0:1::1", 2 },
		{ "the same network", 0, 0, "2001:db8:0:1:ffff::2", 1 },
		{ "another network", 0, 0, "2001:db8:0:2::1", 2 },
		{ "no address", 0, 0, "", 2 },
	};
	struct world *w = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		int64_t got;

		begin(w, &reading);
		w->f.principal.id = cases[i].principal;
		w->f.principal.credential_id = cases[i].key;
		w->f.r.principal = cases[i].principal != 0 ? &w->f.principal : NULL;
		w->f.r.remote_addr = mr_str(cases[i].address);
		got = left(w);
		if (got != cases[i].left)
			fail_msg("%s: %lld", cases[i].name, (long long)got);
		fake_request_done(&w->f);
	}
}

static void a_keys_own_limit(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 10; i++) {
		begin(w, &reading);
		w->f.principal.credential_id = 3;
		w->f.principal.rates[MR_RATE_MONITORING] = (struct mr_rate){ 5, 10 };
		assert_int_equal(left(w), i < 5 ? 4 - i : -1);
		fake_request_done(&w->f);
	}
	begin(w, &reading);
	w->f.principal.credential_id = 3;
	w->f.principal.rates[MR_RATE_MONITORING] = (struct mr_rate){ MR_RATE_UNLIMITED, 60 };
	assert_int_equal(left(w), MR_RATE_UNLIMITED - 1);
	fake_request_done(&w->f);
}

/* With two workers each lets half of it through; told is the share. */
static void shares(void **state)
{
	struct world *w = *state;

	w->worker.limiter = mr_limiter_free(w->worker.limiter);
	w->settings->rate_limit_monitoring = "5/min";
	w->worker.limiter = mr_limiter_create(&w->loop, w->settings, w->worker.bus, 2);
	assert_non_null(w->worker.limiter);
	for (int i = 0; i < 4; i++) {
		begin(w, &reading);
		assert_int_equal(left(w), i < 2 ? 1 - i : -1);
		mr_request_tell_limit(&w->f.r);
		assert_true(has(&w->f.r.out_headers, "RateLimit-Limit: 2\r\n"));
		fake_request_done(&w->f);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(headers_of_what_passes),
		TEST(one_too_many),
		TEST(nothing_of_what_is_exempt_or_switched_off),
		TEST(whom_it_counts_for),
		TEST(a_keys_own_limit),
		TEST(shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
