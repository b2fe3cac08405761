#include "fcgi/known.h"
#include "tests/unit/test.h"

static const struct mr_known_row row = { .tenant_id = 3, .id = 77, .stmt = 5 };

static void keeps(void **state)
{
	struct mr_known k;

	(void)state;
	assert_false(mr_known_find(row, &k));
	mr_known_keep(row, 4, MR_STR("812.9"), MR_STR("\"4.ab\""));
	assert_true(mr_known_find(row, &k));
	assert_string_equal(k.etag, "\"4.ab\"");
	assert_true(mr_known_same(&k, 4, MR_STR("812.9")));
	assert_false(mr_known_same(&k, 5, MR_STR("812.9")));
	assert_false(mr_known_same(&k, 4, MR_STR("812.10")));
	assert_false(mr_known_same(&k, 4, MR_STR_NONE));
	mr_known_keep(row, 5, MR_STR("813.9"), MR_STR("\"5.cd\""));
	assert_true(mr_known_find(row, &k));
	assert_string_equal(k.etag, "\"5.cd\"");
}

/* Neither another tenant's, nor another statement's, nor another row's, whatever shares its slot.
 */
static void only_that_row(void **state)
{
	struct mr_known k;

	(void)state;
	mr_known_keep(row, 4, MR_STR("1"), MR_STR("\"4.ab\""));
	for (int64_t i = 0; i < 100000; i++) {
		struct mr_known_row other = row;

		*(i % 2 == 0 ? &other.tenant_id : &other.id) += 1 + i;
		assert_false(mr_known_find(other, &k));
	}
	for (unsigned i = 0; i < 500; i++) {
		struct mr_known_row other = row;

		other.stmt = i;
		assert_true(mr_known_find(other, &k) == (i == row.stmt));
	}
}

/* More rows than it has room for: the latest is there, and nothing is mixed up. */
static void forgets(void **state)
{
	struct mr_known k;
	int64_t found = 0;

	(void)state;
	for (int64_t i = 1; i <= 10000; i++) {
		struct mr_known_row one = { .tenant_id = 1, .id = i, .stmt = 5 };

		mr_known_keep(one, i, MR_STR("1"), MR_STR("\"1.ab\""));
		assert_true(mr_known_find(one, &k));
	}
	for (int64_t i = 1; i <= 10000; i++) {
		struct mr_known_row one = { .tenant_id = 1, .id = i, .stmt = 5 };

		if (!mr_known_find(one, &k))
			continue;
		assert_int_equal(k.version, i);
		found++;
	}
	assert_in_range(found, 900, 1024);
}

static void not_kept(void **state)
{
	static char longest[MR_KNOWN_STATE_MAX + 1];
	struct mr_known_row other = { .tenant_id = 8, .id = 8, .stmt = 8 };
	struct mr_known k;

	(void)state;
	memset(longest, '1', sizeof(longest));
	mr_known_keep(other, 1, MR_STR_NONE, MR_STR("\"1.ab\""));
	mr_known_keep(other, 1, (struct mr_str){ longest, MR_KNOWN_STATE_MAX }, MR_STR("\"1.ab\""));
	assert_false(mr_known_find(other, &k));
	mr_known_keep(
	    other, 1, (struct mr_str){ longest, MR_KNOWN_STATE_MAX - 1 }, MR_STR("\"1.ab\""));
	assert_true(mr_known_find(other, &k));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps),
		cmocka_unit_test(only_that_row),
		cmocka_unit_test(forgets),
		cmocka_unit_test(not_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
