#include "fcgi/coding.h"
#include "tests/unit/test.h"

static void takes_gzip(void **state)
{
	static const struct {
		const char *header;
		bool takes;
	} cases[] = {
		{ "gzip", true },
		{ "GZip", true },
		{ "gzip, deflate, br", true },
		{ "br;q=1.0, gzip;q=0.8, *;q=0.1", true },
		{ " deflate ,\tgzip ; q=1 ", true },
		{ "gzip;q=", true },
		{ "gzip;level=0", true },
		{ "*", true },
		{ "*;q=0, gzip", true },
		{ "", false },
		{ "identity", false },
		{ "deflate, br", false },
		{ "xgzip, gzipx", false },
		{ "gzip;q=0", false },
		{ "gzip ; Q=0.000", false },
		{ "gzip;q=0, *", false },
		{ "*;q=0", false },
		{ ",,;,=,q=0", false },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		if (mr_coding_takes_gzip(mr_str(cases[i].header)) != cases[i].takes)
			fail_msg("%s", cases[i].header);
	}
	assert_false(mr_coding_takes_gzip(MR_STR_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(takes_gzip) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
