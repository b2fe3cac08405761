/* Requests that wait for a run: ended before, meanwhile, never; time up, client gone, draining. */
#include "fcgi/wait.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/coro.h"
#include "tests/unit/test.h"

/* ---- a bus that is ours ---- */

static mr_bus_fn *deliver;
static void *deliver_ctx;
static char subscribed[128];

int mr_bus_subscribe(struct mr_bus *bus, const char *channel, mr_bus_fn *fn, void *ctx)
{
	(void)bus;
	(void)snprintf(subscribed, sizeof(subscribed), "%s", channel); /* short */
	deliver = fn;
	deliver_ctx = ctx;
	return 0;
}

static void ended(const char *run_id)
{
	deliver(deliver_ctx, mr_str(subscribed), mr_str(run_id));
}

/* ---- a request ---- */

struct visit {
	struct mr_request r;
	struct mr_wait *w;
	int64_t run_id, timeout_ms;
	unsigned times;    /* how often it waits */
	const char *early; /* a message between begin and wait; NULL: none */
	unsigned waited, ended;
	bool timed_out, done;
};

static void visit(void *ctx)
{
	struct visit *v = ctx;
	struct mr_waiter waiter;

	mr_waiter_begin(v->w, &waiter, &v->r);
	if (v->early != NULL)
		ended(v->early);
	for (unsigned i = 0; i < v->times && !v->r.aborted; i++) {
		v->ended += mr_waiter_wait(v->w, &waiter, v->run_id, v->timeout_ms);
		v->timed_out = waiter.timed_out;
		v->waited++;
	}
	mr_waiter_end(v->w, &waiter);
	v->done = true;
}

struct world {
	uv_loop_t loop;
	struct mr_coro_pool *coros;
	struct mr_wait *w;
};

static int set_up(void **state)
{
	struct world *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	assert_int_equal(uv_loop_init(&o->loop), 0);
	o->coros = mr_coro_pool_create(100, 65536);
	o->w = mr_wait_create(&o->loop, NULL, "host.1");
	assert_non_null(o->w);
	assert_string_equal(subscribed, "millrace:wait:host.1");
	*state = o;
	return 0;
}

static void on_closed(void *ctx)
{
	*(bool *)ctx = true;
}

static int tear_down(void **state)
{
	struct world *o = *state;
	bool closed = false;

	assert_int_equal(mr_wait_len(o->w), 0);
	mr_wait_close(o->w, on_closed, &closed);
	assert_int_equal(uv_run(&o->loop, UV_RUN_DEFAULT), 0);
	assert_true(closed);
	assert_int_equal(uv_loop_close(&o->loop), 0);
	o->coros = mr_coro_pool_free(o->coros);
	free(o);
	return 0;
}

static void start(struct world *o, struct visit *v)
{
	v->w = o->w;
	assert_int_equal(mr_coro_start(o->coros, visit, v), 0);
}

static void test_message_wakes(void **state)
{
	struct visit a = { .run_id = 7, .timeout_ms = 10000, .times = 1 };
	struct visit b = { .run_id = 8, .timeout_ms = 10000, .times = 1 };
	struct visit c = { .run_id = 7, .timeout_ms = 10000, .times = 1 };

	start(*state, &a);
	start(*state, &b);
	start(*state, &c);
	assert_int_equal(mr_wait_len(a.w), 3);
	ended("9");
	ended("x");
	ended("");
	assert_false(a.done || b.done || c.done);
	ended("7");
	assert_true(a.done && c.done && !b.done);
	assert_int_equal(a.ended + c.ended, 2);
	ended("8");
	assert_true(b.done);
}

static void test_message_before_the_wait(void **state)
{
	struct visit a = { .run_id = 7, .timeout_ms = 10000, .times = 1, .early = "7" };
	struct visit b = { .run_id = 7, .timeout_ms = 0, .times = 1 };

	start(*state, &a);
	assert_true(a.done);
	assert_int_equal(a.ended, 1);
	start(*state, &b); /* began after the message: it counts only for those who were there */
	assert_true(b.done);
	assert_int_equal(b.ended, 0);
	assert_true(b.timed_out);
}

/* Who does not believe a message waits on, and does not see it again. */
static void test_message_counts_once(void **state)
{
	struct visit a = { .run_id = 7, .timeout_ms = 10000, .times = 2, .early = "7" };

	start(*state, &a);
	assert_false(a.done);
	assert_int_equal(a.waited, 1);
	ended("7");
	assert_true(a.done);
	assert_int_equal(a.ended, 2);
}

static void test_more_messages_than_are_remembered(void **state)
{
	struct visit a = { .run_id = 7, .timeout_ms = 10000, .times = 1, .early = "6" };
	char id[16];

	for (unsigned i = 100; i < 5000; i++) {
		(void)snprintf(id, sizeof(id), "%u", i); /* fits */
		ended(id);
	}
	start(*state, &a);
	assert_false(a.done);
	ended("7");
	assert_true(a.done);
}

static void test_time_up(void **state)
{
	struct world *o = *state;
	struct visit a = { .run_id = 7, .timeout_ms = 30, .times = 2 };
	struct visit b = { .run_id = 7, .timeout_ms = 5, .times = 1 };
	uint64_t from = uv_hrtime();

	start(o, &a);
	start(o, &b);
	while (!a.done || !b.done) {
		assert_true(uv_hrtime() - from < 10000000000u);
		(void)uv_run(&o->loop, UV_RUN_ONCE);
	}
	assert_true(a.timed_out && b.timed_out);
	assert_int_equal(a.ended + b.ended, 0);
	assert_int_equal(a.waited, 2);
	assert_true(uv_hrtime() - from >= 50000000u);
}

static void test_client_gone(void **state)
{
	struct visit a = { .run_id = 7, .timeout_ms = 10000, .times = 5 };

	start(*state, &a);
	assert_non_null(a.r.on_abort);
	a.r.aborted = true;
	a.r.on_abort(&a.r);
	assert_true(a.done);
	assert_int_equal(a.waited, 1);
	assert_int_equal(a.ended, 0);
	assert_null(a.r.on_abort);
}

static void test_draining(void **state)
{
	struct world *o = *state;
	struct visit a = { .run_id = 7, .timeout_ms = 100000, .times = 1 };
	uint64_t from = uv_hrtime();

	start(o, &a);
	mr_wait_drain(o->w);
	while (!a.done) {
		assert_true(uv_hrtime() - from < 10000000000u);
		(void)uv_run(&o->loop, UV_RUN_ONCE);
	}
	assert_true(a.timed_out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_message_wakes),
		TEST(test_message_before_the_wait),
		TEST(test_message_counts_once),
		TEST(test_more_messages_than_are_remembered),
		TEST(test_time_up),
		TEST(test_client_gone),
		TEST(test_draining),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
