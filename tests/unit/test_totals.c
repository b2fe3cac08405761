/* What is kept of totals: for a time, and of that list alone. */
#include <string.h>

#include "fcgi/totals.h"
#include "tests/unit/test.h"

#define NOW INT64_C(1700000000000000)

static void digest_of(unsigned n, unsigned char ret[MR_SHA256_LEN])
{
	assert_int_equal(mr_sha256((struct mr_str){ (const char *)&n, sizeof(n) }, ret), 0);
}

static void kept_for_a_time(void **state)
{
	unsigned char d[MR_SHA256_LEN];
	int64_t total = -1;

	(void)state;
	digest_of(1, d);
	assert_false(mr_totals_find(d, NOW, &total));
	mr_totals_keep(d, 12345, NOW);
	assert_true(mr_totals_find(d, NOW, &total));
	assert_int_equal(total, 12345);
	assert_true(mr_totals_find(d, NOW + MR_TOTALS_KEPT_US - 1, &total));
	assert_false(mr_totals_find(d, NOW + MR_TOTALS_KEPT_US, &total));
	/* the clock was set back by an hour */
	assert_false(mr_totals_find(d, NOW - INT64_C(3600000000), &total));
	mr_totals_keep(d, 23456, NOW + 1);
	assert_true(mr_totals_find(d, NOW + 1, &total));
	assert_int_equal(total, 23456);
}

/* More lists than it has room for: what is found is that list's. */
static void only_that_list(void **state)
{
	unsigned char d[MR_SHA256_LEN];
	int64_t total;
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		digest_of(i, d);
		mr_totals_keep(d, i, NOW);
	}
	for (unsigned i = 0; i < 5000; i++) {
		digest_of(i, d);
		if (!mr_totals_find(d, NOW, &total))
			continue;
		assert_int_equal(total, i);
		found++;
	}
	assert_in_range(found, 1, 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kept_for_a_time),
		cmocka_unit_test(only_that_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
