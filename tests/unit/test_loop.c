/* What a loop has before it serves. */
#include "lib/loop.h"

#include <dirent.h>
#include <sys/resource.h>

#include "lib/error.h"
#include "tests/unit/test.h"

static unsigned entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	assert_int_equal(closedir(d), 0);
	return n - 2; /* . and .. */
}

static rlim_t limit_files(rlim_t soft)
{
	struct rlimit l;
	rlim_t before;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
	before = l.rlim_cur;
	l.rlim_cur = soft;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
	return before;
}

/* Room for every descriptor there may be, threads that run, and nothing stays open. */
static void test_prepared(void **state)
{
	static const rlim_t limits[] = { 64, 300, 1000 };
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0); /* what libuv opens for the whole process */
	assert_int_equal(uv_loop_close(&loop), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(limits); i++) {
		rlim_t before = limit_files(limits[i]);
		unsigned open_before = entries("/proc/self/fd");

		assert_int_equal(uv_loop_init(&loop), 0);
		assert_int_equal(mr_loop_prepare(&loop), 0);
		assert_true(loop.nwatchers >= limits[i]);
		assert_in_range(entries("/proc/self/task"), 2, 1000);
		assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
		assert_int_equal(uv_loop_close(&loop), 0);
		assert_int_equal(entries("/proc/self/fd"), open_before);
		(void)limit_files(before);
	}
}

static void test_no_descriptor_is_left(void **state)
{
	uv_loop_t loop;
	rlim_t before;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	before = limit_files(0);
	assert_int_equal(mr_loop_prepare(&loop), MR_E_IO);
	(void)limit_files(before);
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prepared),
		cmocka_unit_test(test_no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
