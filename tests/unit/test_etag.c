#include "fcgi/etag.h"
#include "tests/unit/test.h"

static void makes(void **state)
{
	char out[MR_ETAG_LEN];

	(void)state;
	assert_int_equal(mr_etag_make(3, MR_STR("{}"), out), 20);
	assert_string_equal(out, "\"3.44136fa355b3678a\"");
	assert_int_equal(mr_etag_make(INT64_MAX, MR_STR("{}"), out), 38);
	(void)mr_etag_make(-1, MR_STR(""), out);
	assert_string_equal(out, "\"0.e3b0c44298fc1c14\"");
}

static void none_match(void **state)
{
	static const struct {
		const char *header;
		bool match;
	} cases[] = {
		{ "\"3.ab\"", true },
		{ "W/\"3.ab\"", true },
		{ "\"1.cd\", W/\"3.ab\"", true },
		{ "\"1.cd\",\"3.ab\"", true },
		{ "*", true },
		{ " * ", true },
		{ "\"3.ac\"", false },
		{ "3.ab", false },
		{ "\"3.ab", false },
		{ "", false },
		{ ",,,", false },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		if (mr_etag_none_match(mr_str(cases[i].header), MR_STR("\"3.ab\"")) !=
		    cases[i].match)
			fail_msg("%s", cases[i].header);
	}
}

static void if_match(void **state)
{
	static const struct {
		const char *header;
		int r;
		int64_t version;
	} cases[] = {
		{ NULL, 0, -1 },
		{ "*", 0, -1 },
		{ "\"3.ab\"", 0, 3 },
		{ "W/\"3.ab\"", 0, 3 },
		{ "\"3\"", 0, 3 },
		{ "\"3.ab\", \"3.cd\"", 0, 3 },
		{ "\"x\", \"3.cd\"", 0, 3 },
		{ "\"3.ab\", \"4.cd\"", MR_E_INVALID, 0 },
		{ "\"x\"", MR_E_NOT_FOUND, 0 },
		{ "\"-1.ab\"", MR_E_NOT_FOUND, 0 },
		{ "\"99999999999999999999.ab\"", MR_E_NOT_FOUND, 0 },
		{ "3", MR_E_INVALID, 0 },
		{ "", MR_E_NOT_FOUND, 0 }, /* RFC 9110: a list of none, which matches nothing */
		{ " , ", MR_E_NOT_FOUND, 0 },
		{ "\"", MR_E_INVALID, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		int64_t version = 0;
		int r = mr_etag_if_match(mr_str(cases[i].header), &version);

		if (r != cases[i].r || (r == 0 && version != cases[i].version))
			fail_msg("%s: %d, %lld", cases[i].header, r, (long long)version);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(makes),
		cmocka_unit_test(none_match),
		cmocka_unit_test(if_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
