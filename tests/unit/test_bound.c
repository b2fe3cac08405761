/* What a flood of refused attempts may write, for one and for all, and that none is forgotten. */
#include "fcgi/bound.h"
#include "tests/unit/test.h"

#include <stdio.h>

#define MINUTE INT64_C(60000000)

static struct mr_bound b;

static bool take(const char *key, int64_t now, uint32_t most, uint32_t *omitted)
{
	return mr_bound_take(&b, mr_str(key), now, most, omitted);
}

static void so_many_a_minute(void **state)
{
	uint32_t omitted = 99;

	(void)state;
	memset(&b, 0, sizeof(b));
	for (unsigned i = 0; i < 3; i++) {
		assert_true(take("a", MINUTE * 5 + i, 3, &omitted));
		assert_int_equal(omitted, 0);
	}
	for (unsigned i = 0; i < 7; i++)
		assert_false(take("a", MINUTE * 5 + 10, 3, &omitted));
	assert_true(take("b", MINUTE * 5 + 11, 3, &omitted));
	assert_true(take("a", MINUTE * 6, 3, &omitted));
	assert_int_equal(omitted, 7); /* said in the next that is written */
	assert_true(take("a", MINUTE * 6, 3, &omitted));
	assert_int_equal(omitted, 0);
}

static void all_together(void **state)
{
	uint32_t omitted, taken = 0;
	char key[16];

	(void)state;
	memset(&b, 0, sizeof(b));
	for (unsigned i = 0; i < 100000; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		taken += take(key, MINUTE, 6, &omitted);
	}
	assert_int_equal(taken, 6 * MR_BOUND_ALL);
}

static void none_at_all(void **state)
{
	uint32_t omitted;

	(void)state;
	memset(&b, 0, sizeof(b));
	assert_false(take("a", MINUTE, 0, &omitted));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_a_minute),
		cmocka_unit_test(all_together),
		cmocka_unit_test(none_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
