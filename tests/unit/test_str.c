#include "tests/unit/test.h"

static void numbers(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		int64_t want;
	} cases[] = {
		{ "0", true, 0 },
		{ "-1", true, -1 },
		{ "9223372036854775807", true, INT64_MAX },
		{ "-9223372036854775808", true, INT64_MIN },
		{ "9223372036854775808", false, 0 },
		{ "-9223372036854775809", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ "+1", false, 0 },
		{ " 1", false, 0 },
		{ "1x", false, 0 },
		{ "99999999999999999999999", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		int64_t v = 0;

		if (mr_str_i64(mr_str(cases[i].text), &v) != cases[i].ok || v != cases[i].want)
			fail_msg("\"%s\" gave %lld", cases[i].text, (long long)v);
	}
}

static void utf8(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
		{ "", true },
		{ "plain ASCII that is longer than one word", true },
		{ "gr\xc3\xbc\xc3\x9f", true },
		{ "\xe2\x82\xac\xf0\x9f\x98\x80", true },
		{ "\xc0\xaf", false },         /* overlong */
		{ "\xe0\x80\xaf", false },     /* overlong */
		{ "\xed\xa0\x80", false },     /* surrogate */
		{ "\xf4\x90\x80\x80", false }, /* beyond U+10FFFF */
		{ "\xc3", false },             /* cut */
		{ "12345678\xff", false },
		{ "\x80", false },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		if (mr_str_is_utf8(mr_str(cases[i].text)) != cases[i].ok)
			fail_msg("case %zu", i);
	}
}

static void cutting(void **state)
{
	struct mr_str rest = mr_str("a,,b");

	(void)state;
	assert_str(mr_str_cut(&rest, ','), "a");
	assert_str(mr_str_cut(&rest, ','), "");
	assert_str(mr_str_cut(&rest, ','), "b");
	assert_null(rest.p);
}

static void comparing(void **state)
{
	(void)state;
	assert_true(mr_str_ieqz(mr_str("Content-TYPE"), "content-type"));
	assert_false(mr_str_ieqz(mr_str("Content"), "content-type"));
	assert_true(mr_str_cmp(mr_str("a"), mr_str("ab")) < 0);
	assert_true(mr_str_cmp(mr_str("b"), mr_str("ab")) > 0);
	assert_int_equal(mr_str_cmp(mr_str("ab"), mr_str("ab")), 0);
	assert_true(mr_str_starts(mr_str("run_12"), MR_STR("run_")));
	assert_str(mr_str_trim(mr_str(" \t x y \n")), "x y");
	assert_true(mr_str_eq_secret(mr_str("same"), mr_str("same")));
	assert_false(mr_str_eq_secret(mr_str("same"), mr_str("samf")));
	assert_false(mr_str_eq_secret(mr_str("same"), mr_str("sam")));
}

static void distance(void **state)
{
	(void)state;
	assert_int_equal(mr_str_distance(mr_str("descripton"), mr_str("description"), 3), 1);
	assert_int_equal(mr_str_distance(mr_str("steps"), mr_str("STEPS"), 3), 0);
	assert_true(mr_str_distance(mr_str("abc"), mr_str("wxyz"), 3) > 3);
}

static void characters(void **state)
{
	(void)state;
	assert_int_equal(mr_str_code_points(MR_STR_NONE), 0);
	assert_int_equal(mr_str_code_points(MR_STR("abc")), 3);
	assert_int_equal(mr_str_code_points(MR_STR("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80")), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(utf8),
		cmocka_unit_test(characters),
		cmocka_unit_test(cutting),
		cmocka_unit_test(comparing),
		cmocka_unit_test(distance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
