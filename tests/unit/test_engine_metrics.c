#include "engine/metrics.h"

#include <stdio.h>

#include "tests/unit/test.h"

#include "lib/value.h"

/* The written text, parsed; it stays in A. */
static struct mr_value written(struct mr_metrics *m, struct mr_arena *a)
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

static double number(const struct mr_value *v)
{
	assert_non_null(v);
	return v->kind == MR_VALUE_INT ? (double)v->i : v->d;
}

/* The PLACE-th number of a counted series. */
static double counted(
    const struct mr_value *root, int64_t tenant_id, const char *name, unsigned place)
{
	const struct mr_value *all = mr_value_get_kind(root, "counted", MR_VALUE_LIST);

	assert_non_null(all);
	for (size_t i = 0; i < all->list->len; i++) {
		const struct mr_value *one = all->list->items[i].list->items;

		if (one[0].i == tenant_id && mr_str_eqz(one[1].s, name)) {
			assert_true(place < one[2].list->len);
			return number(&one[2].list->items[place]);
		}
	}
	fail_msg("nothing is counted as %s", name);
	return 0;
}

static void counters_and_labels(void **state)
{
	struct mr_metrics *m = mr_metrics_create();
	struct mr_arena *a = mr_arena_create((size_t)64 << 20);
	struct mr_value v;

	(void)state;
	mr_metric_add(m, MR_METRIC_CLAIMED, NULL, 3);
	mr_metric_add(m, MR_METRIC_CLAIMED, NULL, 4);
	for (int64_t tenant = 7; tenant < 9; tenant++)
		mr_metric_add_for(m, MR_METRIC_RUNS, tenant,
		    MR_LABELS({ "workflow_type", MR_STR("a\"b") }, { "status", MR_STR("failed") }),
		    (double)tenant);
	mr_metric_set(m, MR_METRIC_HELD, NULL, 9);
	mr_metric_set(m, MR_METRIC_HELD, NULL, 5);
	v = written(m, a);
	assert_true(counted(&v, 0, "millrace_engine_claimed_total", 0) == 7);
	for (int64_t tenant = 7; tenant < 9; tenant++)
		assert_true(
		    counted(&v, tenant,
		        "workflow_execution_total{workflow_type=\"a\\\"b\",status=\"failed\"}",
		        0) == (double)tenant);
	assert_true(
	    number(mr_value_get(mr_value_get(&v, "now"), "millrace_engine_held_runs")) == 5);
	a = mr_arena_free(a);
	m = mr_metrics_free(m);
}

/* The sum, then how many were at most each bound and more than the one before. */
static void histogram(void **state)
{
	static const double want[] = { 1000000010, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1 };
	struct mr_metrics *m = mr_metrics_create();
	struct mr_arena *a = mr_arena_create((size_t)64 << 20);
	struct mr_value v;

	(void)state;
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, 1);
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, 2);
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, 7);
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, 1e9);
	v = written(m, a);
	for (unsigned i = 0; i < MR_ARRAY_LEN(want); i++)
		assert_true(counted(&v, 0, "millrace_engine_flush_runs", i) == want[i]);
	a = mr_arena_free(a);
	m = mr_metrics_free(m);
}

/* The row went with what it had: only what was counted since goes into the next one. */
static void handed_over(void **state)
{
	struct mr_metrics *m = mr_metrics_create();
	struct mr_arena *a = mr_arena_create((size_t)64 << 20);
	struct mr_value v;

	(void)state;
	mr_metric_add(m, MR_METRIC_CLAIMED, NULL, 5);
	mr_metric_observe(m, MR_METRIC_FLUSH_RUNS, NULL, 2);
	(void)written(m, a);
	mr_metrics_written(m);
	mr_metric_add(m, MR_METRIC_CLAIMED, NULL, 2);
	mr_metric_add(m, MR_METRIC_RELEASED, NULL, 4);
	(void)written(m, a); /* found no row */
	mr_metric_add(m, MR_METRIC_CLAIMED, NULL, 1);
	mr_metric_set(m, MR_METRIC_HELD, NULL, 6);
	mr_metrics_handed_over(m);
	v = written(m, a);
	assert_true(counted(&v, 0, "millrace_engine_claimed_total", 0) == 3);
	assert_true(counted(&v, 0, "millrace_engine_released_runs_total", 0) == 4);
	assert_true(counted(&v, 0, "millrace_engine_flush_runs", 0) == 0);
	assert_true(counted(&v, 0, "millrace_engine_flush_runs", 2) == 0);
	assert_true(
	    number(mr_value_get(mr_value_get(&v, "now"), "millrace_engine_held_runs")) == 6);
	mr_metrics_written(m);
	mr_metrics_handed_over(m);
	v = written(m, a);
	assert_true(counted(&v, 0, "millrace_engine_claimed_total", 0) == 0);
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

		mr_metric_add_for(m, MR_METRIC_RUNS, 1 + i % 3,
		    MR_LABELS({ "workflow_type", { name, (size_t)n } }), 1);
	}
	v = written(m, a);
	assert_true(counted(&v, 1, "workflow_execution_total{workflow_type=\"type-0\"}", 0) == 1);
	assert_true(counted(&v, 0, "workflow_execution_total", 0) == 2000);
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
		cmocka_unit_test(handed_over),
		cmocka_unit_test(too_many_series),
		cmocka_unit_test(latency_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
