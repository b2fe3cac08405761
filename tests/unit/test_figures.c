/* PostgreSQL's figures as Prometheus' text: tenants, engines added up, what is missing or odd. */
#include "handlers/figures.h"

#include "lib/error.h"
#include "tests/unit/test.h"

static void check(const char *json, int result, const char *want)
{
	struct mr_arena *a = mr_arena_create(1 << 20);
	struct mr_buf b;

	assert_non_null(a);
	mr_buf_init(&b, 100000);
	assert_int_equal(mr_figures_render(a, mr_str(json), &b), result);
	assert_str(mr_buf_str(&b), want);
	mr_buf_done(&b);
	a = mr_arena_free(a);
}

static void test_by_tenant(void **state)
{
	(void)state;
	check("{\"queue\":[{\"tenant\":\"a \\\"b\\\\c\\nd\",\"depth\":3,\"oldest_seconds\":1.25}],"
	      "\"runs\":[{\"tenant\":\"t\",\"status\":\"running\",\"count\":7}],"
	      "\"ended\":[{\"tenant\":\"t\",\"completed\":5,\"failed\":1,\"cancelled\":0,\"timed_"
	      "out\":2}],"
	      "\"sleeping\":4,\"due\":0,\"connections\":9}",
	    0,
	    "# HELP millrace_queue_depth Runs that wait for an engine.\n# TYPE "
	    "millrace_queue_depth gauge\n"
	    "millrace_queue_depth{tenant=\"a \\\"b\\\\c\\nd\"} 3\n"
	    "# HELP millrace_queue_oldest_seconds Age of the oldest run that waits for an engine.\n"
	    "# TYPE millrace_queue_oldest_seconds gauge\n"
	    "millrace_queue_oldest_seconds{tenant=\"a \\\"b\\\\c\\nd\"} 1.25\n"
	    "# HELP millrace_runs Runs that have not ended.\n# TYPE millrace_runs gauge\n"
	    "millrace_runs{tenant=\"t\",status=\"running\"} 7\n"
	    "# HELP millrace_runs_ended Runs that ended, within retention.\n# TYPE "
	    "millrace_runs_ended gauge\n"
	    "millrace_runs_ended{tenant=\"t\",status=\"cancelled\"} 0\n"
	    "millrace_runs_ended{tenant=\"t\",status=\"completed\"} 5\n"
	    "millrace_runs_ended{tenant=\"t\",status=\"failed\"} 1\n"
	    "millrace_runs_ended{tenant=\"t\",status=\"timed_out\"} 2\n"
	    "# HELP millrace_db_connections Connections to the database, of all processes.\n"
	    "# TYPE millrace_db_connections gauge\nmillrace_db_connections 9\n"
	    "# HELP millrace_runs_due Sleeping runs whose time has come.\n# TYPE millrace_runs_due "
	    "gauge\n"
	    "millrace_runs_due 0\n"
	    "# HELP millrace_runs_sleeping Runs that wait for a moment.\n# TYPE "
	    "millrace_runs_sleeping gauge\n"
	    "millrace_runs_sleeping 4\n");
}

#define ENGINE(name, alive, metrics)                                                               \
	"{\"name\":\"" name "\",\"host\":\"h\",\"alive\":" alive ",\"metrics\":" metrics "}"
#define TYPES                                                                                      \
	"\"types\":{\"x_total\":\"counter\",\"y_seconds\":\"histogram\"},\"help\":{\"x_total\":"   \
	"\"X.\",\"y_seconds\":\"Y.\"}"

static void test_engines_are_added_up(void **state)
{
	(void)state;
	check("{\"engines\":[" ENGINE("e1", "true",
	          "{" TYPES ",\"samples\":{\"y_seconds_bucket{le=\\\"0.1\\\"}\":1,"
	          "\"y_seconds_bucket{le=\\\"+Inf\\\"}\":2,\"y_seconds_sum\":0.5,\"y_seconds_"
	          "count\":2,"
	          "\"x_total{a=\\\"b\\\"}\":10,\"unknown\":1}}") "," ENGINE("e2", "false",
	          "{" TYPES ",\"samples\":{\"y_seconds_bucket{le=\\\"0.1\\\"}\":3,"
	          "\"y_seconds_bucket{le=\\\"+Inf\\\"}\":3,\"y_seconds_sum\":0.25,\"y_seconds_"
	          "count\":3,"
	          "\"x_total{a=\\\"c\\\"}\":1,\"x_total{a=\\\"b\\\"}\":5}}") "]}",
	    0,
	    "# HELP millrace_engine_up Engines that hold a lease (1), or lost it (0).\n"
	    "# TYPE millrace_engine_up gauge\n"
	    "millrace_engine_up{name=\"e1\",host=\"h\"} "
	    "1\nmillrace_engine_up{name=\"e2\",host=\"h\"} 0\n"
	    "# HELP x_total X.\n# TYPE x_total counter\nx_total{a=\"b\"} 15\nx_total{a=\"c\"} 1\n"
	    "# HELP y_seconds Y.\n# TYPE y_seconds histogram\n"
	    "y_seconds_bucket{le=\"0.1\"} 4\ny_seconds_bucket{le=\"+Inf\"} 5\ny_seconds_sum "
	    "0.75\ny_seconds_count 5\n");
}

static void test_odd_input(void **state)
{
	static const struct {
		const char *json;
		int result;
	} cases[] = {
		{ "", MR_E_INVALID },
		{ "[]", MR_E_INVALID },
		{ "{", MR_E_INVALID },
		{ "{}", 0 },
		{ "{\"queue\":5,\"engines\":{},\"ended\":null,\"due\":\"x\"}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		check(cases[i].json, cases[i].result, "");
	check("{\"engines\":[5,{},{\"metrics\":null},{\"metrics\":{\"samples\":{\"a\":1}}}]}", 0,
	    "# HELP millrace_engine_up Engines that hold a lease (1), or lost it (0).\n"
	    "# TYPE millrace_engine_up gauge\n"
	    "millrace_engine_up{name=\"\",host=\"\"} 0\nmillrace_engine_up{name=\"\",host=\"\"} 0\n"
	    "millrace_engine_up{name=\"\",host=\"\"} 0\nmillrace_engine_up{name=\"\",host=\"\"} "
	    "0\n");
}

static void test_one_tenant(void **state)
{
	struct mr_arena *a = mr_arena_create(1 << 20);
	struct mr_buf b;

	(void)state;
	assert_non_null(a);
	mr_buf_init(&b, 100000);
	assert_int_equal(
	    mr_figures_render_tenant(a,
	        MR_STR("{\"runs\":{\"pending\":1},\"queue\":{\"depth\":1,\"oldest_seconds\":0.5},"
	               "\"workflows\":{\"active\":2}}"),
	        &b),
	    0);
	assert_non_null(strstr(b.p, "\nmillrace_runs{status=\"pending\"} 1\n"));
	assert_non_null(strstr(b.p, "\nmillrace_workflows{status=\"active\"} 2\n"));
	assert_non_null(strstr(b.p, "\nmillrace_queue_depth 1\n"));
	assert_non_null(strstr(b.p, "\nmillrace_queue_oldest_seconds 0.5\n"));
	assert_int_equal(mr_figures_render_tenant(a, MR_STR("null"), &b), MR_E_INVALID);
	mr_buf_done(&b);
	a = mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_tenant),
		cmocka_unit_test(test_engines_are_added_up),
		cmocka_unit_test(test_odd_input),
		cmocka_unit_test(test_one_tenant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
