/* The table of metrics: what its rows must be, looking one up, Prometheus' text. */
#include "lib/metric.h"

#include <ctype.h>

#include "tests/unit/test.h"

static bool ends(const char *s, const char *ending)
{
	size_t n = strlen(s), m = strlen(ending);

	return n >= m && strcmp(s + n - m, ending) == 0;
}

/* Sorted; named as Prometheus would have them, but for the one name in milliseconds. */
static void test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MR_METRIC_COUNT; i++) {
		const struct mr_metric_row *row = &mr_metric_rows[i];
		bool histogram = row->type == MR_METRIC_TYPE_HISTOGRAM;

		if (i > 0)
			assert_true(strcmp(mr_metric_rows[i - 1].name, row->name) < 0);
		for (const char *p = row->name; *p != '\0'; p++)
			assert_true(islower((unsigned char)*p) || *p == '_');
		assert_int_equal(ends(row->name, "_total"), row->type == MR_METRIC_TYPE_COUNTER);
		assert_int_equal(histogram, row->buckets != MR_METRIC_BUCKETS_NONE);
		assert_int_equal(mr_metric_bounds((enum mr_metric)i)->len > 0, histogram);
		if (row->unit == MR_METRIC_UNIT_SECONDS)
			assert_true(ends(row->name, "_seconds"));
		assert_int_equal(row->unit == MR_METRIC_UNIT_MILLISECONDS, ends(row->name, "_ms"));
		assert_true(ends(row->help, "."));
		assert_null(strpbrk(row->help, "\\\n|"));
		assert_int_equal(mr_metric_find(mr_str(row->name)), i);
	}
	assert_int_equal(mr_metric_find(MR_STR("http_requests")), MR_METRIC_COUNT);
	assert_int_equal(mr_metric_find(MR_STR("")), MR_METRIC_COUNT);
	assert_int_equal(mr_metric_find(MR_STR("zzz")), MR_METRIC_COUNT);
}

static void test_bounds_rise(void **state)
{
	(void)state;
	for (unsigned i = 0; i < MR_METRIC_COUNT; i++) {
		const struct mr_metric_bounds *b = mr_metric_bounds((enum mr_metric)i);

		for (unsigned k = 1; k < b->len; k++)
			assert_true(b->le[k - 1] < b->le[k]);
	}
}

static void test_text(void **state)
{
	static const double counts[15] = { 2, 0, 1, [14] = 1 };
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 10000);
	mr_metric_label(&b, "a", MR_STR("x\"y\\z\n"));
	assert_str(mr_buf_str(&b), "a=\"x\\\"y\\\\z\\n\"");
	mr_buf_reset(&b);
	mr_metric_value(&b, 9007199254740991.0);
	mr_metric_value(&b, 0.125);
	assert_str(mr_buf_str(&b), " 9007199254740991\n 0.125\n");
	mr_buf_reset(&b);
	mr_metric_histogram(
	    &b, MR_METRIC_HTTP_REQUEST_DURATION_SECONDS, MR_STR("route=\"/a\""), counts, 12.5);
	assert_non_null(
	    strstr(b.p, "http_request_duration_seconds_bucket{route=\"/a\",le=\"0.0005\"} 2\n"));
	assert_non_null(strstr(b.p, "{route=\"/a\",le=\"10\"} 3\n"));
	assert_non_null(strstr(b.p, "{route=\"/a\",le=\"+Inf\"} 4\n"));
	assert_non_null(strstr(b.p, "http_request_duration_seconds_sum{route=\"/a\"} 12.5\n"));
	assert_non_null(strstr(b.p, "http_request_duration_seconds_count{route=\"/a\"} 4\n"));
	mr_buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_bounds_rise),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
