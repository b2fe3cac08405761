#include "lib/arena.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

static void limits(void **state)
{
	struct mr_arena *a = mr_arena_create(10000);

	(void)state;
	assert_non_null(mr_arena_alloc(a, 9000));
	assert_null(mr_arena_alloc(a, 2000));
	assert_null(mr_arena_alloc(a, SIZE_MAX));
	assert_null(mr_arena_array(a, SIZE_MAX / 2, 4));
	mr_arena_reset(a);
	assert_non_null(mr_arena_alloc(a, 9000));
	assert_null(mr_arena_free(a));
	assert_null(mr_arena_free(NULL));
}

static void strings(void **state)
{
	struct mr_arena *a = mr_arena_create(4096);
	struct mr_str s = mr_arena_printf(a, "%s-%d", "run", 7);

	(void)state;
	assert_str(s, "run-7");
	assert_int_equal(s.p[s.len], '\0');
	assert_str(mr_arena_str(a, (struct mr_str){ "abcdef", 3 }), "abc");
	assert_non_null(mr_arena_alloc(a, 0));
	a = mr_arena_free(a);
}

static int order[3], order_len;

static void note(void *ptr)
{
	order[order_len++] = *(int *)ptr;
}

static void deferred_run_backwards(void **state)
{
	struct mr_arena *a = mr_arena_create(4096);
	int one = 1, two = 2, three = 3;

	(void)state;
	order_len = 0;
	assert_int_equal(mr_arena_defer(a, note, &one), 0);
	assert_int_equal(mr_arena_defer(a, note, &two), 0);
	mr_arena_reset(a);
	assert_int_equal(order_len, 2);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], 1);
	/* without memory the function runs at once, so nothing leaks */
	mr_arena_fail_after(1);
	assert_int_equal(mr_arena_defer(a, note, &three), -1);
	mr_arena_fail_after(0);
	assert_int_equal(order_len, 3);
	a = mr_arena_free(a);
	assert_int_equal(order_len, 3);
}

static void alignment(void **state)
{
	struct mr_arena *a = mr_arena_create(1 << 20);

	(void)state;
	for (size_t n = 1; n < 300; n++)
		assert_int_equal((uintptr_t)mr_arena_alloc(a, n) % 16, 0);
	a = mr_arena_free(a);
}

static void failing(void **state)
{
	struct mr_arena *a = mr_arena_create_secret(4096);

	(void)state;
	mr_arena_fail_after(2);
	assert_non_null(mr_arena_alloc(a, 1));
	assert_null(mr_arena_alloc(a, 1));
	assert_null(mr_arena_alloc(a, 1));
	assert_null(mr_arena_create(10));
	mr_arena_fail_after(0);
	assert_non_null(mr_arena_alloc(a, 1));
	a = mr_arena_free(a);
}

/* What an inner arena takes, the outer one can't have; what it gives back, it can. */
static void within(void **state)
{
	struct mr_arena *a = mr_arena_create(64 * 1024), *b = mr_arena_create_within(a);

	(void)state;
	assert_non_null(mr_arena_alloc(b, 40000));
	assert_true(mr_arena_used(a) >= 40000);
	assert_null(mr_arena_alloc(a, 40000));
	assert_null(mr_arena_alloc(b, 40000));
	mr_arena_reset(b);
	assert_non_null(mr_arena_alloc(a, 16000));
	assert_null(mr_arena_alloc(b, 60000));
	b = mr_arena_free(b);
	assert_true(mr_arena_used(a) < 40000);
	a = mr_arena_free(a);
}

/* Too much was asked for, or there was no memory: two answers to a client. */
static void full_is_not_out_of_memory(void **state)
{
	struct mr_arena *a = mr_arena_create(10000), *inner;

	(void)state;
	assert_non_null(a);
	mr_arena_fail_after(1);
	assert_null(mr_arena_alloc(a, 100));
	mr_arena_fail_after(0);
	assert_true(mr_arena_lacked(a));
	assert_false(mr_arena_was_full(a));
	assert_null(mr_arena_alloc(a, 20000));
	assert_true(mr_arena_was_full(a));
	mr_arena_reset(a);
	assert_false(mr_arena_lacked(a));
	assert_false(mr_arena_was_full(a));
	inner = mr_arena_create_within(a);
	assert_non_null(inner);
	assert_null(mr_arena_alloc(inner, 20000));
	assert_true(mr_arena_was_full(inner) && mr_arena_was_full(a));
	inner = mr_arena_free(inner);
	a = mr_arena_free(a);
}

static void no_core_dump(void **state)
{
	struct rlimit l;
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		mr_memory_setup();
		(void)signal(SIGABRT, SIG_DFL);
		if (getrlimit(RLIMIT_CORE, &l) == 0 && l.rlim_cur <= 1 && l.rlim_max <= 1)
			(void)raise(SIGABRT);
		_exit(1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_false(WCOREDUMP(status));
}

static void wiped_once(void **state)
{
	struct mr_arena *a = mr_arena_create(4096);
	char *p = mr_arena_alloc(a, 16);

	(void)state;
	assert_non_null(p);
	memset(p, 'x', 16);
	mr_arena_wipe_once(a);
	mr_arena_reset(a); /* keeps the block */
	assert_ptr_equal(mr_arena_alloc(a, 16), p);
	assert_int_equal(p[0], 0);
	memset(p, 'x', 16);
	mr_arena_reset(a);
	assert_ptr_equal(mr_arena_alloc(a, 16), p);
	assert_int_equal(p[0], 'x');
	a = mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_is_not_out_of_memory),
		cmocka_unit_test(no_core_dump),
		cmocka_unit_test(wiped_once),
		cmocka_unit_test(limits),
		cmocka_unit_test(strings),
		cmocka_unit_test(deferred_run_backwards),
		cmocka_unit_test(alignment),
		cmocka_unit_test(failing),
		cmocka_unit_test(within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
