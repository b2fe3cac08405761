/* The workers' counters: summing over processes, what survives one, Prometheus' text. */
#include "fcgi/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/test.h"

static const struct mr_metric_route routes[] = { { "GET", "/a/{id}" }, { "POST", "/b" } };

static struct mr_api_metrics *create(unsigned slots)
{
	struct mr_api_metrics *m = mr_api_metrics_create(routes, MR_ARRAY_LEN(routes), slots);

	assert_non_null(m);
	return m;
}

static bool holds(const struct mr_api_metrics *m, const char *line)
{
	struct mr_buf b;
	bool found;

	mr_buf_init(&b, 1000000);
	mr_api_metrics_render(m, &b);
	assert_false(mr_buf_failed(&b));
	found = strstr(b.p, line) != NULL;
	if (!found)
		print_message("%s", b.p);
	mr_buf_done(&b);
	return found;
}

static void test_sums_over_processes(void **state)
{
	struct mr_api_metrics *m = create(4);
	int status;

	(void)state;
	mr_api_metrics_add(m, MR_METRIC_API_CONNECTIONS_TOTAL, 2);
	for (unsigned i = 1; i < 4; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			mr_api_metrics_attach(m, i);
			mr_api_metrics_add(m, MR_METRIC_API_CONNECTIONS_TOTAL, 10);
			mr_api_metrics_set(m, MR_METRIC_API_CONNECTIONS, i);
			mr_api_metrics_http(m, 0, 200, 700);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
	}
	assert_int_equal(mr_api_metrics_get(m, MR_METRIC_API_CONNECTIONS_TOTAL), 32);
	assert_int_equal(mr_api_metrics_get(m, MR_METRIC_API_CONNECTIONS), 6);
	assert_true(holds(m, "\nmillrace_api_connections_total 32\n"));
	assert_true(
	    holds(m, "\nhttp_requests_total{method=\"GET\",route=\"/a/{id}\",status=\"200\"} 3\n"));
	mr_api_metrics_clear_gauges(m, 3);
	assert_int_equal(mr_api_metrics_get(m, MR_METRIC_API_CONNECTIONS), 3);
	assert_int_equal(mr_api_metrics_get(m, MR_METRIC_API_CONNECTIONS_TOTAL), 32);
	m = mr_api_metrics_free(m);
}

static void test_histogram(void **state)
{
	struct mr_api_metrics *m = create(1);

	(void)state;
	mr_api_metrics_http(m, 1, 201, 500);
	mr_api_metrics_http(m, 1, 201, 501);
	mr_api_metrics_http(m, 1, 409, 30000000);
	mr_api_metrics_http(m, 1, 201, -5); /* a clock that went back */
	assert_true(holds(m, "_bucket{method=\"POST\",route=\"/b\",le=\"0.0005\"} 2\n"));
	assert_true(holds(m, "_bucket{method=\"POST\",route=\"/b\",le=\"0.001\"} 3\n"));
	assert_true(holds(m, "_bucket{method=\"POST\",route=\"/b\",le=\"10\"} 3\n"));
	assert_true(holds(m, "_bucket{method=\"POST\",route=\"/b\",le=\"+Inf\"} 4\n"));
	assert_true(holds(m, "_sum{method=\"POST\",route=\"/b\"} 30.001001\n"));
	assert_true(holds(m, "_count{method=\"POST\",route=\"/b\"} 4\n"));
	assert_true(holds(m, "route=\"/b\",status=\"201\"} 3\n"));
	assert_true(holds(m, "# TYPE http_request_duration_seconds histogram\n"));
	m = mr_api_metrics_free(m);
}

static void test_what_has_no_place_of_its_own(void **state)
{
	struct mr_api_metrics *m = create(1);

	(void)state;
	mr_api_metrics_http(m, MR_METRIC_NO_ROUTE, 404, 1);
	mr_api_metrics_http(m, 2, 418, 1);
	assert_true(holds(m, "\nhttp_requests_total{method=\"\",route=\"\",status=\"404\"} 1\n"));
	assert_true(holds(m, "\nhttp_requests_total{method=\"\",route=\"\",status=\"other\"} 1\n"));
	mr_api_metrics_attach(m, 99); /* no such slot: counted all the same */
	mr_api_metrics_add(m, MR_METRIC_API_RELOADS_TOTAL, 1);
	assert_int_equal(mr_api_metrics_get(m, MR_METRIC_API_RELOADS_TOTAL), 1);
	m = mr_api_metrics_free(m);
	mr_api_metrics_add(NULL, MR_METRIC_API_RELOADS_TOTAL, 1);
	mr_api_metrics_set(NULL, MR_METRIC_API_CONNECTIONS, 1);
	mr_api_metrics_http(NULL, 0, 200, 1);
}

/* Each metric has its help and type exactly once, in order of name, and no line is broken. */
static void test_text(void **state)
{
	struct mr_api_metrics *m = create(2);
	char last[100] = "";
	unsigned heads = 0;
	struct mr_buf b;
	struct mr_str rest;

	(void)state;
	mr_api_metrics_http(m, 0, 200, 1);
	mr_buf_init(&b, 1000000);
	mr_api_metrics_render(m, &b);
	rest = mr_buf_str(&b);
	while (rest.len > 0) {
		struct mr_str line = mr_str_cut(&rest, '\n');
		char name[100];

		assert_true(line.len > 0);
		if (!mr_str_starts(line, MR_STR("# HELP ")))
			continue;
		assert_int_equal(sscanf(line.p, "# HELP %99s", name), 1);
		assert_true(strcmp(name, last) > 0);
		memcpy(last, name, sizeof(last));
		heads++;
	}
	for (unsigned i = 0; i < MR_METRIC_COUNT; i++)
		heads -= mr_metric_rows[i].source == MR_METRIC_SOURCE_WORKERS;
	assert_int_equal(heads, 0);
	mr_buf_done(&b);
	m = mr_api_metrics_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums_over_processes),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_what_has_no_place_of_its_own),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
