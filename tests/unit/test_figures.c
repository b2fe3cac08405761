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

#define HEAD(name, type, help) "# HELP " name " " help "\n# TYPE " name " " type "\n"

static void test_by_tenant(void **state)
{
	(void)state;
	check("{\"queue\":[{\"tenant\":\"a \\\"b\\\\c\\nd\",\"depth\":3,\"oldest_seconds\":1.25}],"
	      "\"runs\":[{\"tenant\":\"t\",\"status\":\"running\",\"count\":7}],"
	      "\"sleeping\":4,\"due\":0,\"connections\":9}",
	    0,
	    HEAD("millrace_queue_depth", "gauge", "Runs that wait for an engine; counted up to 100,000 for each priority.") "millrace_queue_depth{tenant=\"a \\\"b\\\\c\\nd\"} 3\n" HEAD(
	        "millrace_queue_oldest_seconds", "gauge",
	        "Age of the oldest run that waits for an engine.") "millrace_queue_oldest_"
	                                                           "seconds{tenant=\"a "
	                                                           "\\\"b\\\\c\\nd\"} "
	                                                           "1.25\n" HEAD("millrace"
	                                                                         "_runs",
	                                                               "gauge",
	                                                               "Runs that have "
	                                                               "not ended; "
	                                                               "counted up to "
	                                                               "100,000.") "millra"
	                                                                           "ce_"
	                                                                           "runs{"
	                                                                           "tenant"
	                                                                           "=\"t\""
	                                                                           ",statu"
	                                                                           "s="
	                                                                           "\"runn"
	                                                                           "ing\"}"
	                                                                           " 7"
	                                                                           "\n" HEAD(
	                                                                               "millrace_"
	                                                                               "db_"
	                                                                               "connection"
	                                                                               "s",
	                                                                               "ga"
	                                                                               "ug"
	                                                                               "e",
	                                                                               "Co"
	                                                                               "nn"
	                                                                               "ec"
	                                                                               "ti"
	                                                                               "on"
	                                                                               "s "
	                                                                               "to"
	                                                                               " t"
	                                                                               "he"
	                                                                               " d"
	                                                                               "at"
	                                                                               "ab"
	                                                                               "as"
	                                                                               "e,"
	                                                                               " o"
	                                                                               "f "
	                                                                               "al"
	                                                                               "l "
	                                                                               "pr"
	                                                                               "oc"
	                                                                               "es"
	                                                                               "se"
	                                                                               "s"
	                                                                               ".") "millra"
	                                                                                    "ce_db_"
	                                                                                    "connec"
	                                                                                    "tions "
	                                                                                    "9"
	                                                                                    "\n" HEAD(
	                                                                                        "mi"
	                                                                                        "ll"
	                                                                                        "ra"
	                                                                                        "ce"
	                                                                                        "_r"
	                                                                                        "un"
	                                                                                        "s_"
	                                                                                        "du"
	                                                                                        "e",
	                                                                                        "ga"
	                                                                                        "ug"
	                                                                                        "e",
	                                                                                        "Sl"
	                                                                                        "ee"
	                                                                                        "pi"
	                                                                                        "ng"
	                                                                                        " r"
	                                                                                        "un"
	                                                                                        "s "
	                                                                                        "wh"
	                                                                                        "os"
	                                                                                        "e "
	                                                                                        "ti"
	                                                                                        "me"
	                                                                                        " h"
	                                                                                        "as"
	                                                                                        " c"
	                                                                                        "om"
	                                                                                        "e;"
	                                                                                        " c"
	                                                                                        "ou"
	                                                                                        "nt"
	                                                                                        "ed"
	                                                                                        " u"
	                                                                                        "p "
	                                                                                        "to"
	                                                                                        " 1"
	                                                                                        "00"
	                                                                                        ",0"
	                                                                                        "00"
	                                                                                        ".") "millrace_runs_due 0\n" HEAD("millrace_runs_sleeping",
	                                                                                        "ga"
	                                                                                        "ug"
	                                                                                        "e",
	                                                                                        "Ru"
	                                                                                        "ns"
	                                                                                        " t"
	                                                                                        "ha"
	                                                                                        "t "
	                                                                                        "wa"
	                                                                                        "it"
	                                                                                        " f"
	                                                                                        "or"
	                                                                                        " a"
	                                                                                        " m"
	                                                                                        "om"
	                                                                                        "en"
	                                                                                        "t;"
	                                                                                        " c"
	                                                                                        "ou"
	                                                                                        "nt"
	                                                                                        "ed"
	                                                                                        " u"
	                                                                                        "p "
	                                                                                        "to"
	                                                                                        " 1"
	                                                                                        "00"
	                                                                                        ",0"
	                                                                                        "00"
	                                                                                        ".") "millrace_runs_sleeping 4\n");
}

#define ENGINE(name, alive, now)                                                                   \
	"{\"name\":\"" name "\",\"host\":\"h\",\"alive\":" alive ",\"now\":" now "}"

/* What they have at hand is that of the living. */
static void test_engines_are_added_up(void **state)
{
	(void)state;
	check("{\"engines\":[" ENGINE(
	          "e1", "true", "{\"millrace_engine_held_runs\":3,\"unknown\":1}") "," ENGINE("e2",
	          "false", "{\"millrace_engine_held_runs\":30}") "," ENGINE("e3", "true",
	          "{\"millrace_engine_held_runs\":4}") "]}",
	    0,
	    HEAD("millrace_engine_up", "gauge",
	        "Engines that hold a lease (1), or lost it (0).") "millrace_engine_up{name=\"e1\","
	                                                          "host=\"h\"} 1\n"
	                                                          "millrace_engine_up{name=\"e2\","
	                                                          "host=\"h\"} 0\n"
	                                                          "millrace_engine_up{name=\"e3\","
	                                                          "host=\"h\"} 1\n" HEAD(
	                                                              "millrace_engine_held_runs",
	                                                              "gauge",
	                                                              "Runs in memory.") "millrace_"
	                                                                                 "engine_"
	                                                                                 "held_"
	                                                                                 "runs "
	                                                                                 "7\n");
}

static void test_series(void **state)
{
	static const struct mr_figures_series series[] = {
		{ MR_STR("a\"b"), MR_STR("action_success_rate{action_type=\"http\"}"),
		    MR_STR("{0.75}") },
		{ { NULL, 0 }, MR_STR("millrace_engine_flush_runs"),
		    MR_STR("{12.5,1,0,0,2,0,0,0,0,0,0,0,0,1}") },
		{ MR_STR("t"), MR_STR("of_another_release{a=\"b\"}"), MR_STR("{1}") },
		{ MR_STR("t"), MR_STR("workflow_execution_total"), MR_STR("{2}") },
		{ { NULL, 0 }, MR_STR("workflow_execution_total{status=\"failed\"}"),
		    MR_STR("{}") },
		{ { NULL, 0 }, MR_STR("workflow_execution_total"), MR_STR("") },
	};
	static const char *const want[] = {
		HEAD("action_success_rate", "gauge",
		    "Share of ended step executions that completed, of those that completed or "
		    "failed, "
		    "by action type.") "action_success_rate{tenant=\"a\\\"b\",action_type=\"http\"}"
		                       " 0.75\n",
		"\nmillrace_engine_flush_runs_bucket{le=\"1\"} 1\n",
		"\nmillrace_engine_flush_runs_bucket{le=\"10\"} 3\n",
		"\nmillrace_engine_flush_runs_bucket{le=\"10000\"} 3\n"
		"millrace_engine_flush_runs_bucket{le=\"+Inf\"} 4\n"
		"millrace_engine_flush_runs_sum 12.5\nmillrace_engine_flush_runs_count 4\n",
		HEAD("workflow_execution_total", "counter",
		    "Runs ended, by status.") "workflow_execution_total{tenant=\"t\"} 2\n"
		                              "workflow_execution_total{status=\"failed\"} "
		                              "0\nworkflow_execution_total 0\n",
	};
	enum mr_metric id = MR_METRIC_COUNT;
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 100000);
	for (size_t i = 0; i < MR_ARRAY_LEN(series); i++)
		id = mr_figures_series(&series[i], id, &b);
	for (size_t i = 0; i < MR_ARRAY_LEN(want); i++) {
		if (strstr(b.p, want[i]) == NULL)
			fail_msg("no %s\nin %s", want[i], b.p);
	}
	assert_null(strstr(b.p, "of_another_release"));
	mr_buf_done(&b);
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
		{ "{\"queue\":5,\"engines\":{},\"due\":\"x\"}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		check(cases[i].json, cases[i].result, "");
	check("{\"engines\":[5,{\"alive\":true,\"now\":null}]}", 0,
	    HEAD("millrace_engine_up", "gauge",
	        "Engines that hold a lease (1), or lost it (0).") "millrace_engine_up{name=\"\","
	                                                          "host=\"\"} 0\n"
	                                                          "millrace_engine_up{name=\"\","
	                                                          "host=\"\"} 1\n");
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
		cmocka_unit_test(test_series),
		cmocka_unit_test(test_odd_input),
		cmocka_unit_test(test_one_tenant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
