#include "lib/buf.h"

#include "lib/pg.h"
#include "tests/unit/test.h"

static void appending(void **state)
{
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 1000);
	mr_buf_addz(&b, "n=");
	mr_buf_add_i64(&b, INT64_MIN);
	mr_buf_addc(&b, ' ');
	mr_buf_add_u64(&b, UINT64_MAX);
	mr_buf_addf(&b, " %s", "end");
	assert_str(mr_buf_str(&b), "n=-9223372036854775808 18446744073709551615 end");
	mr_buf_drop(&b, 2);
	assert_int_equal(b.p[0], '-');
	mr_buf_drop(&b, 1000);
	assert_int_equal(b.len, 0);
	mr_buf_done(&b);
}

static void failure_sticks(void **state)
{
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 4);
	mr_buf_addz(&b, "abcd");
	assert_false(mr_buf_failed(&b));
	mr_buf_addc(&b, 'e');
	assert_true(mr_buf_failed(&b));
	mr_buf_reset(&b);
	mr_buf_addz(&b, "ab");
	assert_false(mr_buf_failed(&b));
	assert_str(mr_buf_str(&b), "ab");
	mr_buf_addf(&b, "%s", "too long");
	assert_true(mr_buf_failed(&b));
	mr_buf_done(&b);
}

static void json_strings(void **state)
{
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 1000);
	mr_buf_add_json(&b, (struct mr_str){ "a\"b\\c\n\x01\x7f\0z", 10 });
	assert_str(mr_buf_str(&b), "\"a\\\"b\\\\c\\n\\u0001\\u007f\\u0000z\"");
	mr_buf_done(&b);
}

static void array_literals(void **state)
{
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 1000);
	mr_pg_array_begin(&b);
	mr_pg_array_add(&b, mr_str("a,\"b\"\\{"));
	mr_pg_array_add(&b, MR_STR_NONE);
	mr_pg_array_add(&b, mr_str(""));
	mr_pg_array_add_i64(&b, -7);
	mr_pg_array_end(&b);
	assert_str(mr_buf_str(&b), "{\"a,\\\"b\\\"\\\\{\",NULL,\"\",-7}");
	mr_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appending),
		cmocka_unit_test(failure_sticks),
		cmocka_unit_test(json_strings),
		cmocka_unit_test(array_literals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
