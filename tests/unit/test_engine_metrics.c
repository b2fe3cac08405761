#include "engine/metrics.h"

#include <stdio.h>

#include "tests/unit/test.h"

#include "lib/value.h"

/* The written text, parsed; it stays in A. */
static struct mr_value written(const struct mr_metrics *m, struct mr_arena *a)
{
	struct mr_value v = MR_NULL_VALUE;
	struct mr_buf b;
	struct mr_str text;

	mr_buf_init(&b, (size_t)64 << 20);
	mr_metrics_write(m, &b);
	assert_false(mr_buf_failed(&b));
	text = mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	assert_int_equal(mr_json_parse(a, text, &mr_json_limits_default, NULL, &v), 0);
	return v;
}

static double sample(const struct mr_value *root, const char *key)
{
	const struct mr_value *v = mr_value_get(mr_value_get(root, "samples"), key);

	if (v == NULL)
		fail_msg("no sample %s", key);
	return v->kind == MR_VALUE_INT ? (double)v->i : v->d;
}

static void counters_and_labels(void **state)
{
	struct mr_metrics *m = mr_metrics_create();
	struct mr_arena *a = mr_arena_create((size_t)64 << 20);
	struct mr_value v;

	(void)state;
	mr_metric_add(m, MR_METRIC_CLAIMED, NULL, 3);
	mr_metric_add(m, MR_METRIC_CLAIMED, NULL, 4);
	mr_metric_add(m, MR_METRIC_RUNS,
	    MR_LABELS({ "workflow_type", MR_STR("a\"b") }, { "status", MR_STR("failed") }), 1);
	mr_metric_set(m, MR_METRIC_HELD, NULL, 9);
	mr_metric_set(m, MR_METRIC_HELD, NULL, 5);
	v = written(m, a);
	assert_true(sample(&v, "millrace_engine_claimed_total") == 7);
	assert_true(sample(&v, "millrace_engine_held_runs") == 5);
	assert_true(
	    sample(&v, "workflow_execution_total{workflow_type=\"a\\\"b\",status=\"failed\"}") ==
	    1);
	assert_str(
	    mr_value_get_str(mr_value_get(&v, "types"), "workflow_execution_total"), "counter");
	assert_str(
	    mr_value_get_str(mr_value_get(&v, "types"), "millrace_engine_held_runs"), "gauge");
	a = mr_arena_free(a);
	m = mr_metrics_free(m);
}

static void histogram(void **state)
{
	struct mr_metrics *m = mr_metrics_create();
	struct mr_arena *a = mr_arena_create((size_t)64 << 20);
	struct mr_value v;

	(void)state;
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, 1);
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, 2);
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, 7);
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, 1e9);
	v = written(m, a);
	assert_true(sample(&v, "millrace_engine_flush_runs_bucket{le=\"1\"}") == 1);
	assert_true(sample(&v, "millrace_engine_flush_runs_bucket{le=\"5\"}") == 2);
	assert_true(sample(&v, "millrace_engine_flush_runs_bucket{le=\"10\"}") == 3);
	assert_true(sample(&v, "millrace_engine_flush_runs_bucket{le=\"10000\"}") == 3);
	assert_true(sample(&v, "millrace_engine_flush_runs_bucket{le=\"+Inf\"}") == 4);
	assert_true(sample(&v, "millrace_engine_flush_runs_count") == 4);
	assert_true(sample(&v, "millrace_engine_flush_runs_sum") == 1000000010);
	a = mr_arena_free(a);
	m = mr_metrics_free(m);
}

/* Whatever clients name their workflows, memory stays bounded and nothing is lost from the sum. */
static void too_many_series(void **state)
{
	struct mr_metrics *m = mr_metrics_create();
	struct mr_arena *a = mr_arena_create((size_t)64 << 20);
	struct mr_value v;
	char name[32];

	(void)state;
	for (int i = 0; i < 6000; i++) {
		int n = snprintf(name, sizeof(name), "type-%d", i);

		mr_metric_add(
		    m, MR_METRIC_RUNS, MR_LABELS({ "workflow_type", { name, (size_t)n } }), 1);
	}
	v = written(m, a);
	assert_true(sample(&v, "workflow_execution_total{workflow_type=\"type-0\"}") == 1);
	assert_true(sample(&v, "workflow_execution_total") == 2000);
	a = mr_arena_free(a);
	m = mr_metrics_free(m);
}

static void latency_classes(void **state)
{
	(void)state;
	assert_string_equal(mr_latency_class(0), "instant");
	assert_string_equal(mr_latency_class(500000), "fast");
	assert_string_equal(mr_latency_class(5000000), "medium");
	assert_string_equal(mr_latency_class(30000000), "slow");
	assert_string_equal(mr_latency_class(300000000), "very_slow");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_and_labels),
		cmocka_unit_test(histogram),
		cmocka_unit_test(too_many_series),
		cmocka_unit_test(latency_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
