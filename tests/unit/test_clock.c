#include "lib/clock.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t us;
		const char *back; /* NULL: the same */
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0, NULL },
		{ "2025-01-08T10:00:01.25Z", INT64_C(1736330401250000), NULL },
		{ "2024-02-29T23:59:59.999999Z", INT64_C(1709251199999999), NULL },
		{ "2025-01-08T12:00:00+02:00", INT64_C(1736330400000000), "2025-01-08T10:00:00Z" },
		{ "2025-01-08t10:00:00.1234567z", INT64_C(1736330400123456),
		    "2025-01-08T10:00:00.123456Z" },
		{ "1969-12-31T23:59:59.5Z", -500000, NULL },
		{ "9999-12-31T23:59:59Z", INT64_C(253402300799000000), NULL },
		{ "0001-01-01T00:00:00Z", INT64_C(-62135596800000000), NULL },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char out[MR_TIME_LEN];
		int64_t us = 1;

		assert_int_equal(mr_time_parse(mr_str(cases[i].text), &us), 0);
		assert_int_equal(us, cases[i].us);
		(void)mr_time_format(us, out);
		assert_string_equal(out, cases[i].back != NULL ? cases[i].back : cases[i].text);
	}
}

static void no_times(void **state)
{
	static const char *const cases[] = { "", "2025-01-08", "2025-13-01T00:00:00Z",
		"2025-02-29T00:00:00Z", "2025-01-08T24:00:00Z", "2025-01-08T10:00:00",
		"2025-01-08T10:00:00.Z", "2025-01-08T10:00:00Zx", "2025-01-08T10:00:00+2:00",
		"2025-1-08T10:00:00Z", "2025-00-10T00:00:00Z" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		int64_t us = 42;

		if (mr_time_parse(mr_str(cases[i]), &us) == 0)
			fail_msg("took %s", cases[i]);
		assert_int_equal(us, 42);
	}
}

static void every_day_comes_back(void **state)
{
	(void)state;
	for (int64_t day = -719162; day < 2932896; day += 97) {
		char out[MR_TIME_LEN];
		int64_t us = 1;

		(void)mr_time_format(day * INT64_C(86400000000) + 1, out);
		assert_int_equal(mr_time_parse(mr_str(out), &us), 0);
		assert_int_equal(us, day * INT64_C(86400000000) + 1);
	}
}

static void seeds_repeat(void **state)
{
	uint64_t s1 = 5, s2 = 5;
	struct mr_rand a = mr_rand_seeded(&s1), b = mr_rand_seeded(&s2);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_true(a.next(a.ctx) == b.next(b.ctx));
}

static void children_draw_their_own(void **state)
{
	uint64_t mine = mr_rand_system.next(NULL), theirs = 0;
	int pipes[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		theirs = mr_rand_system.next(NULL);
		_exit(write(pipes[1], &theirs, sizeof(theirs)) == sizeof(theirs) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(read(pipes[0], &theirs, sizeof(theirs)), sizeof(theirs));
	mine = mr_rand_system.next(NULL);
	assert_true(mine != theirs);
	assert_int_equal(close(pipes[0]), 0);
	assert_int_equal(close(pipes[1]), 0);
}

static void nanoseconds(void **state)
{
	char out[MR_TIME_LEN];
	unsigned ns = 0;
	int64_t us = 0;

	(void)state;
	assert_int_equal(mr_time_parse_ns(MR_STR("1969-12-31T23:59:59.123456789Z"), &us, &ns), 0);
	assert_int_equal(us, -876544);
	assert_int_equal(ns, 789);
	(void)mr_time_format_ns(us, ns, out);
	assert_string_equal(out, "1969-12-31T23:59:59.123456789Z");
	(void)mr_time_format_ns(INT64_C(253402300799999999), 999, out);
	assert_string_equal(out, "9999-12-31T23:59:59.999999999Z");
	(void)mr_time_format_ns(0, 10, out);
	assert_string_equal(out, "1970-01-01T00:00:00.00000001Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times),
		cmocka_unit_test(nanoseconds),
		cmocka_unit_test(no_times),
		cmocka_unit_test(every_day_comes_back),
		cmocka_unit_test(seeds_repeat),
		cmocka_unit_test(children_draw_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
