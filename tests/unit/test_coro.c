/* Coroutines: starting, yielding, resuming in any order, limits, reuse of stacks, deep stacks. */
#include "lib/coro.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/error.h"
#include "tests/unit/test.h"

#define STACK (64u * 1024u)

struct task {
	unsigned yields; /* how often it yields */
	unsigned steps;  /* how far it is */
	unsigned char fill;
	struct mr_coro *self;
	bool done, intact;
};

/* Keeps something on its stack over every switch. */
static void work(void *ctx)
{
	struct task *t = ctx;
	unsigned char local[2048];

	t->self = mr_coro_self();
	memset(local, t->fill, sizeof(local));
	for (unsigned i = 0; i < t->yields; i++) {
		t->steps++;
		mr_coro_yield();
	}
	t->intact = true;
	for (size_t i = 0; i < sizeof(local); i++) {
		if (local[i] != t->fill)
			t->intact = false;
	}
	t->done = true;
}

static void test_runs_to_its_end_without_yield(void **state)
{
	struct mr_coro_pool *p = mr_coro_pool_create(4, STACK);
	struct task t = { .fill = 1 };

	(void)state;
	assert_non_null(p);
	assert_null(mr_coro_self());
	assert_int_equal(mr_coro_start(p, work, &t), 0);
	assert_true(t.done);
	assert_true(t.intact);
	assert_non_null(t.self);
	assert_null(mr_coro_self());
	assert_int_equal(mr_coro_pool_in_use(p), 0);
	assert_null(mr_coro_pool_free(p));
}

static void test_goes_on_where_it_was(void **state)
{
	struct mr_coro_pool *p = mr_coro_pool_create(4, STACK);
	struct task t = { .yields = 3, .fill = 7 };

	(void)state;
	assert_int_equal(mr_coro_start(p, work, &t), 0);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(t.steps, i);
		assert_false(t.done);
		assert_int_equal(mr_coro_pool_in_use(p), 1);
		mr_coro_resume(t.self);
	}
	assert_true(t.done && t.intact);
	assert_int_equal(mr_coro_pool_in_use(p), 0);
	p = mr_coro_pool_free(p);
}

static void test_many_at_once_in_any_order(void **state)
{
	enum { MANY = 300 };
	struct mr_coro_pool *p = mr_coro_pool_create(MANY, STACK);
	struct task *tasks = calloc(MANY, sizeof(*tasks));
	unsigned left = MANY, next = 0;

	(void)state;
	assert_non_null(tasks);
	for (unsigned i = 0; i < MANY; i++) {
		tasks[i].yields = 1 + i % 5;
		tasks[i].fill = (unsigned char)i;
		assert_int_equal(mr_coro_start(p, work, &tasks[i]), 0);
	}
	assert_int_equal(mr_coro_pool_in_use(p), MANY);
	while (left > 0) {
		next = (next * 31 + 17) % 307;
		for (unsigned i = 0; i < MANY; i++) {
			struct task *t = &tasks[(next + i) % MANY];

			if (t->done)
				continue;
			mr_coro_resume(t->self);
			if (t->done)
				left--;
			break;
		}
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_true(tasks[i].intact);
	assert_int_equal(mr_coro_pool_in_use(p), 0);
	free(tasks);
	p = mr_coro_pool_free(p);
}

static void test_limit(void **state)
{
	struct mr_coro_pool *p = mr_coro_pool_create(2, STACK);
	struct task a = { .yields = 1 }, b = { .yields = 1 }, c = { .yields = 0 };

	(void)state;
	assert_int_equal(mr_coro_start(p, work, &a), 0);
	assert_int_equal(mr_coro_start(p, work, &b), 0);
	assert_int_equal(mr_coro_start(p, work, &c), MR_E_LIMIT);
	assert_false(c.done);
	mr_coro_resume(a.self);
	assert_int_equal(mr_coro_start(p, work, &c), 0);
	assert_true(c.done);
	mr_coro_resume(b.self);
	p = mr_coro_pool_free(p);
}

static void test_stacks_are_reused(void **state)
{
	struct mr_coro_pool *p = mr_coro_pool_create(8, STACK);
	struct mr_coro *first = NULL;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		struct task t = { .yields = i % 2, .fill = (unsigned char)i };

		assert_int_equal(mr_coro_start(p, work, &t), 0);
		if (!t.done)
			mr_coro_resume(t.self);
		assert_true(t.done && t.intact);
		if (first == NULL)
			first = t.self;
		assert_ptr_equal(t.self, first);
	}
	p = mr_coro_pool_free(p);
}

/* Uses most of its stack, with library code on it, and yields down there. */
static void deep(void *ctx)
{
	struct task *t = ctx;
	volatile char room[STACK / 2];
	char text[64];

	t->self = mr_coro_self();
	room[0] = 'a';
	room[sizeof(room) - 1] = 'z';
	(void)snprintf(text, sizeof(text), "%s %.3f %d", "deep", 1.5, 42);
	mr_coro_yield();
	t->intact =
	    room[0] == 'a' && room[sizeof(room) - 1] == 'z' && strcmp(text, "deep 1.500 42") == 0;
	t->done = true;
}

static void test_deep_stack(void **state)
{
	struct mr_coro_pool *p = mr_coro_pool_create(1, STACK);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct task t = { .yields = 0 };

		assert_int_equal(mr_coro_start(p, deep, &t), 0);
		assert_false(t.done);
		mr_coro_resume(t.self);
		assert_true(t.done && t.intact);
	}
	p = mr_coro_pool_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_to_its_end_without_yield),
		cmocka_unit_test(test_goes_on_where_it_was),
		cmocka_unit_test(test_many_at_once_in_any_order),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_stacks_are_reused),
		cmocka_unit_test(test_deep_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
