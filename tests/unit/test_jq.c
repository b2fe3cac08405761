/* jq programs in their helper: results, errors, limits, what they can't reach, and the helper's
 * death. */
#include "engine/jq.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine/jq/jq_frame.h"
#include "engine/jq/jq_words.h"
#include "engine/metrics.h"
#include "lib/value.h"
#include "tests/unit/test.h"

struct fixture {
	uv_loop_t loop;
	struct mr_settings settings;
	struct mr_jq_pool *pool;
};

struct call {
	unsigned done;
	enum mr_jq_outcome outcome;
	char text[4096];
	size_t len;
};

static int setup(void **state)
{
	const char *build = getenv("top_builddir");
	char here[4096];
	struct fixture *f = calloc(1, sizeof(*f));

	if (f == NULL || uv_loop_init(&f->loop) != 0)
		return -1;
	*state = f;
	/* the helper of this build; the path must be absolute */
	if (build != NULL && realpath(build, here) != NULL)
		(void)setenv("MILLRACE_LIBEXEC_DIR", here, 0);
	(void)setenv("MILLRACE_TEST_SECRET", "hidden", 1);
	f->settings.jq_workers = 1;
	f->settings.jq_timeout_ms = 20000; /* the machine may be busy */
	f->settings.jq_memory_bytes = 128 << 20;
	return mr_jq_pool_create(&f->loop, &f->settings, &f->pool, NULL);
}

static void on_closed(void *ctx)
{
	*(bool *)ctx = true;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool closed = false;

	mr_jq_pool_close(f->pool, on_closed, &closed);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	if (!closed || uv_loop_close(&f->loop) != 0)
		return -1;
	free(f);
	return 0;
}

static void on_done(void *ctx, const struct mr_jq_result *result)
{
	struct call *c = ctx;
	struct mr_str s = result->outcome == MR_JQ_OK ? result->outputs : result->message;

	c->done++;
	c->outcome = result->outcome;
	c->len = s.len;
	(void)snprintf(c->text, sizeof(c->text), "%.*s", MR_STR_ARG(s));
	assert_true(mr_str_is_utf8(s));
	assert_true((result->outcome == MR_JQ_OK) == (result->message.p == NULL));
}

static void submit(struct fixture *f, struct call *c, const char *program, const char *input)
{
	*c = (struct call){ .done = 0 };
	assert_int_equal(
	    mr_jq_eval(f->pool, mr_str(program), mr_str(input), 0, on_done, c, NULL), 0);
	assert_int_equal(c->done, 0); /* never from inside */
}

static void wait(struct fixture *f, struct call *c)
{
	while (c->done == 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(c->done, 1);
}

static void run(struct fixture *f, struct call *c, const char *program, const char *input)
{
	submit(f, c, program, input);
	wait(f, c);
}

static void check(struct fixture *f, const char *program, const char *input,
    enum mr_jq_outcome outcome, const char *text)
{
	struct call c;

	run(f, &c, program, input);
	if (c.outcome != outcome || strstr(c.text, text) == NULL)
		fail_msg(
		    "%s on %s: %d %s, not %d %s", program, input, c.outcome, c.text, outcome, text);
	if (outcome == MR_JQ_OK)
		assert_string_equal(c.text, text);
}

static void results(void **state)
{
	static const struct {
		const char *program, *input, *want;
	} cases[] = {
		{ ".", "{\"a\": [1, 2.5, null, \"\xc3\xa9\"]}",
		    "[{\"a\":[1,2.5,null,\"\xc3\xa9\"]}]" },
		{ ".items[] | select(.n > 1) | .name",
		    "{\"items\": [{\"n\": 1, \"name\": \"a\"}, {\"n\": 2, \"name\": \"b\"}]}",
		    "[\"b\"]" },
		{ "[.[] | . * 2]", "[1, 2, 3]", "[[2,4,6]]" },
		{ ".[]", "[1, 2, 3]", "[1,2,3]" },
		{ "empty", "1", "[]" },
		{ "map(select(test(\"^a\")))", "[\"ab\", \"b\"]", "[[\"ab\"]]" },
		{ "def f(x): x * 2; f(.)", "21", "[42]" },
		{ "group_by(.k) | map({k: .[0].k, n: length})",
		    "[{\"k\": 2}, {\"k\": 1}, {\"k\": 2}]",
		    "[[{\"k\":1,\"n\":1},{\"k\":2,\"n\":2}]]" },
		{ "\"a\\(.x)b\"", "{\"x\": 1}", "[\"a1b\"]" },
		{ ".env + .input", "{\"env\": 1, \"input\": 2}", "[3]" },
		{ "{input: 1, env: 2} | {env}", "null", "[{\"env\":2}]" },
		{ ". as $input | $input", "5", "[5]" },
		{ "# env\n. # input", "1", "[1]" },
		{ "try error(\"x\") catch .", "null", "[\"x\"]" },
		{ "limit(3; repeat(1))", "null", "[1,1,1]" },
		{ "now | type", "null", "[\"number\"]" },
		{ "0 | todate", "null", "[\"1970-01-01T00:00:00Z\"]" },
	};
	struct fixture *f = *state;

	for (unsigned round = 0; round < 2; round++) /* compiled, then kept */
		for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
			check(f, cases[i].program, cases[i].input, MR_JQ_OK, cases[i].want);
	assert_int_equal(mr_jq_started(f->pool), 1);
}

static void errors_are_told(void **state)
{
	struct fixture *f = *state;

	check(f, ".a.b", "{\"a\": 1}", MR_JQ_ERROR, "Cannot index number with");
	check(f, "error(\"my own\")", "1", MR_JQ_ERROR, "my own");
	check(f, "error({a: 1})", "1", MR_JQ_ERROR, "{\"a\":1}");
	check(f, ".[", "1", MR_JQ_ERROR, "syntax error");
	check(f, "nosuch", "1", MR_JQ_ERROR, "nosuch/0 is not defined");
	check(f, ".", "{\"a\"", MR_JQ_ERROR, "");
	check(f, ". | 1, error(\"late\")", "1", MR_JQ_ERROR, "late");
	check(f, ".", "1", MR_JQ_OK, "[1]");
	assert_int_equal(mr_jq_started(f->pool), 1);
}

static void nothing_is_reached(void **state)
{
	static const char *const refused[] = { "env", "$ENV", "$ ENV", "env.PATH", "input",
		"[inputs]", "import \"a\" as a; .", "include \"a\"; .", "debug",
		"input_line_number", "input_filename", "stderr", "halt", "halt_error",
		"\"\\(env)\"", "\"a\\(\"b\\(input)\")\"", "{a: env}", "{(env): 1}", "[env]",
		".[env]", "@base64 \"\\(env)\"", "1|env", "1,env", "..|env", "def env: 1; env",
		"{a: 1, b: (1, env)}", "$__prog_args", "get_search_list", "modulemeta", "{env:env}",
		"1 as $x|env", "if env then 1 else 2 end", "1e5|env" };
	struct fixture *f = *state;

	for (size_t i = 0; i < MR_ARRAY_LEN(refused); i++)
		check(f, refused[i], "\"a\"", MR_JQ_ERROR, "is not allowed here");
	/* by whatever way, there is nothing there */
	check(f, "try (1 | getpath([\"a\"])) catch \"no\"", "1", MR_JQ_OK, "[\"no\"]");
	check(f, "0 | strflocaltime(\"%H\") | tonumber | type", "1", MR_JQ_OK, "[\"number\"]");
	check(f, ".", "1", MR_JQ_OK, "[1]");
	assert_int_equal(mr_jq_started(f->pool), 1);
}

static void endless_ones_are_killed(void **state)
{
	static const char *const endless[] = { "def f: f; f", "last(range(1e12))",
		"[limit(1e9; repeat(1))] | length | empty",
		"reduce range(1e12) as $x (0; . + $x)" };
	struct fixture *f = *state;
	struct call c, next;

	for (size_t i = 0; i < MR_ARRAY_LEN(endless); i++) {
		c = (struct call){ .done = 0 };
		check(f, ".", "1", MR_JQ_OK, "[1]"); /* it runs: the time is the program's alone */
		assert_int_equal(
		    mr_jq_eval(f->pool, mr_str(endless[i]), MR_STR("1"), 300000, on_done, &c, NULL),
		    0);
		submit(f, &next, ". + 1", "1"); /* waits behind it, and fares well */
		wait(f, &c);
		if (c.outcome != MR_JQ_TIMEOUT && c.outcome != MR_JQ_LIMIT)
			fail_msg("%s: %d %s", endless[i], c.outcome, c.text);
		wait(f, &next);
		assert_int_equal(next.outcome, MR_JQ_OK);
		assert_string_equal(next.text, "[2]");
	}
}

/* Whoever asks, the setting is the most that a program gets. */
static void the_setting_is_the_most(void **state)
{
	struct fixture *f = *state;
	struct call c = { .done = 0 };

	check(f, ".", "1", MR_JQ_OK, "[1]");
	f->settings.jq_timeout_ms = 200;
	assert_int_equal(mr_jq_eval(f->pool, MR_STR("def f: f; f"), MR_STR("1"),
	                     INT64_C(3600000000), on_done, &c, NULL),
	    0);
	wait(f, &c);
	assert_int_equal(c.outcome, MR_JQ_TIMEOUT);
}

static void memory_and_output_have_limits(void **state)
{
	struct fixture *f = *state;

	check(f, "[range(1e12)]", "1", MR_JQ_LIMIT, "memory");
	check(f, "def f: [f, f]; f", "1", MR_JQ_LIMIT, "memory");
	check(f, "range(1e12)", "1", MR_JQ_LIMIT, "too large");
	check(f, "\"a\" * 20000000", "1", MR_JQ_LIMIT, "too large");
	check(f, ".", "1", MR_JQ_OK, "[1]");
}

static void a_broken_helper_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct call c;

	/* so deep a value that freeing it overflows the stack */
	run(f, &c, "reduce range(3e6) as $i (1; [.]) | 1", "1");
	assert_true(c.outcome == MR_JQ_CRASHED || c.outcome == MR_JQ_LIMIT ||
	            c.outcome == MR_JQ_OK || c.outcome == MR_JQ_TIMEOUT);
	for (unsigned i = 0; i < 3; i++) {
		char command[64];
		FILE *p;
		long pid = 0;

		check(f, ".", "1", MR_JQ_OK, "[1]");
		(void)snprintf(
		    command, sizeof(command), "/proc/self/task/%d/children", (int)getpid());
		p = fopen(command, "r");
		if (p == NULL || fscanf(p, "%ld", &pid) != 1 || pid <= 1)
			skip(); /* a kernel without that list */
		assert_int_equal(fclose(p), 0);
		submit(f, &c, "last(range(1e12))", "1");
		while (mr_jq_running(f->pool) == 0)
			(void)uv_run(&f->loop, UV_RUN_ONCE);
		assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
		wait(f, &c);
		assert_int_equal(c.outcome, MR_JQ_CRASHED);
	}
	check(f, ". * 2", "4", MR_JQ_OK, "[8]");
}

static void many_at_a_time(void **state)
{
	static struct call calls[600];
	struct fixture *f = *state;
	char program[32], want[32];

	for (size_t i = 0; i < MR_ARRAY_LEN(calls); i++) {
		(void)snprintf(program, sizeof(program), ". + %zu", i % 20);
		submit(f, &calls[i], program, "1");
	}
	assert_int_equal(mr_jq_queued(f->pool), MR_ARRAY_LEN(calls));
	for (size_t i = 0; i < MR_ARRAY_LEN(calls); i++) {
		(void)snprintf(want, sizeof(want), "[%zu]", i % 20 + 1);
		wait(f, &calls[i]);
		assert_string_equal(calls[i].text, want);
	}
	assert_int_equal(mr_jq_queued(f->pool), 0);
}

static void sizes(void **state)
{
	struct fixture *f = *state;
	size_t len = 4u << 20;
	char *big = malloc(MR_JQ_INPUT_MAX + 2);
	struct mr_jq_request *r;
	struct call c = { .done = 0 }, cancelled = { .done = 0 };
	unsigned taken = 0;

	assert_non_null(big);
	memset(big, 'a', MR_JQ_INPUT_MAX + 2);
	big[0] = big[len - 1] = '"';
	assert_int_equal(mr_jq_eval(f->pool, MR_STR("length"), (struct mr_str){ big, len }, 0,
	                     on_done, &c, NULL),
	    0);
	wait(f, &c);
	assert_string_equal(c.text, "[4194302]");
	c.done = 0;
	assert_int_equal(mr_jq_eval(f->pool, MR_STR("[., 1]"), (struct mr_str){ big, len }, 0,
	                     on_done, &c, NULL),
	    0);
	wait(f, &c);
	assert_int_equal(c.outcome, MR_JQ_OK);
	assert_int_equal(c.len, len + 6);
	assert_int_equal(mr_jq_eval(f->pool, MR_STR("."),
	                     (struct mr_str){ big, MR_JQ_INPUT_MAX + 1 }, 0, on_done, &c, NULL),
	    MR_E_LIMIT);
	assert_int_equal(mr_jq_eval(f->pool, (struct mr_str){ big, MR_JQ_PROGRAM_MAX + 1 },
	                     MR_STR("1"), 0, on_done, &c, NULL),
	    MR_E_LIMIT);
	/* the queue is bounded; those who are no longer wanted aren't told */
	while (mr_jq_eval(f->pool, MR_STR("."), MR_STR("1"), 0, on_done, &cancelled, &r) == 0) {
		mr_jq_cancel(r);
		assert_in_range(++taken, 1, 2000);
	}
	assert_int_equal(taken, 1000);
	while (mr_jq_queued(f->pool) > 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	check(f, ".", "2", MR_JQ_OK, "[2]");
	assert_int_equal(cancelled.done, 0);
	free(big);
}

static void without_a_helper(void **state)
{
	struct fixture *f = *state;
	char was[4096];

	(void)snprintf(was, sizeof(was), "%s", getenv("MILLRACE_LIBEXEC_DIR"));
	assert_int_equal(setenv("MILLRACE_LIBEXEC_DIR", "/nonexistent", 1), 0);
	check(f, ".", "1", MR_JQ_UNAVAILABLE, "millrace-jq can't be started");
	assert_int_equal(setenv("MILLRACE_LIBEXEC_DIR", "/usr/bin/../../nonexistent", 1), 0);
	check(f, ".", "1", MR_JQ_UNAVAILABLE, "millrace-jq can't be started");
	assert_int_equal(setenv("MILLRACE_LIBEXEC_DIR", was, 1), 0);
	/* it comes back after a moment */
	for (unsigned i = 0;; i++) {
		struct call c;

		run(f, &c, ".", "1");
		if (c.outcome == MR_JQ_OK)
			break;
		assert_in_range(i, 0, 1000000);
	}
}

static void closing_with_work_in_hand(void **state)
{
	struct fixture *f = *state;
	static struct call calls[3];

	for (size_t i = 0; i < MR_ARRAY_LEN(calls); i++)
		submit(f, &calls[i], "last(range(1e12))", "1");
	while (mr_jq_running(f->pool) == 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	/* the teardown closes the pool; nobody is told */
}

static void words(void **state)
{
	static const struct {
		const char *program;
		bool allowed;
	} cases[] = {
		{ "", true },
		{ "env", false },
		{ "environment", true },
		{ "a::env", true }, /* a module's, and there are none */
		{ "\"env\"", true },
		{ "\"\\\"env\"", true },
		{ "\"\\\\\" | env", false },
		{ "\"\\(1 + (2)) env\"", true },
		{ "\"\\({a: {env: 1}})\"", true },
		{ "{env: {input: env}}", false },
		{ "{\"env\": 1, input, inputs: 2, debug : 3}", true },
		{ "{a: 1 | env}", false },
		{ "{env | 1}", false },
		{ ".a.env[0].input?", true },
		{ ".[\"env\"]", true },
		{ "..env", false },
		{ ". env", false },
		{ "@sh", true },
		{ "@env", true },
		{ "$env", true },
		{ "$ENV.PATH", false },
		{ "$#c\n ENV", false },
		{ "1.5e3.env", true },
		{ "1env", false },
		{ ".5env", false },
		{ "# env\r\n1", true },
		{ "(", true },
		{ ")", true },
		{ "\"", true },
		{ "\"\\", true },
		{ "\"\\(", true },
		{ "\"\\(1) env", true },
		{ "\"\\(1)\" | env", false },
	};
	struct mr_str word;
	char deep[1000];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		if (mr_jq_words_allowed(mr_str(cases[i].program), &word) != cases[i].allowed)
			fail_msg("%s", cases[i].program);
	assert_false(mr_jq_words_allowed((struct mr_str){ ".\0.", 3 }, &word));
	memset(deep, '[', sizeof(deep));
	assert_false(mr_jq_words_allowed((struct mr_str){ deep, sizeof(deep) }, &word));
}

static double number(const struct mr_value *v)
{
	return v->kind == MR_VALUE_INT ? (double)v->i : v->d;
}

/* A counter's number; of a histogram, which has its sum first, how often something was observed. */
static double counted(const struct mr_list *numbers)
{
	double n = 0;

	for (size_t i = numbers->len > 1 ? 1 : 0; i < numbers->len; i++)
		n += number(&numbers->items[i]);
	return n;
}

static double sample(struct mr_metrics *m, const char *key)
{
	struct mr_arena *a = mr_arena_create(1 << 20);
	const struct mr_list *all;
	struct mr_value root;
	struct mr_buf b;
	double n = 0;

	mr_buf_init(&b, 1 << 20);
	mr_metrics_write(m, &b);
	assert_int_equal(mr_json_parse(a, mr_buf_str(&b), &mr_json_limits_default, NULL, &root), 0);
	all = mr_value_get(&root, "counted")->list;
	for (size_t i = 0; i < all->len; i++) { /* [tenant, key, numbers] */
		const struct mr_value *series = all->items[i].list->items;

		if (mr_str_eqz(series[1].s, key))
			n = counted(series[2].list);
	}
	mr_buf_done(&b);
	a = mr_arena_free(a);
	return n;
}

static void it_is_measured(void **state)
{
	static const struct {
		const char *key;
		int want;
	} cases[] = {
		{ "millrace_jq_evaluations_total{outcome=\"ok\"}", 3 },
		{ "millrace_jq_evaluations_total{outcome=\"error\"}", 2 },
		{ "millrace_jq_evaluations_total{outcome=\"timeout\"}", 1 },
		{ "millrace_jq_evaluation_duration_seconds", 6 },
		{ "millrace_jq_programs_total{source=\"compiled\"}", 3 },
		{ "millrace_jq_programs_total{source=\"kept\"}", 1 },
		{ "millrace_jq_helpers_started_total", 2 },
		{ "millrace_jq_helpers_ended_total{reason=\"timeout\"}", 1 },
		{ "millrace_jq_helpers_ended_total{reason=\"crashed\"}", 0 },
	};
	struct fixture *f = *state;
	struct mr_metrics *m = mr_metrics_create();

	mr_jq_pool_measure(f->pool, m);
	check(f, ". + 1", "1", MR_JQ_OK, "[2]");
	check(f, ". + 1", "2", MR_JQ_OK, "[3]");           /* kept */
	check(f, ".a.b", "1", MR_JQ_ERROR, "");            /* compiled, fails with this input */
	check(f, "no such program", "1", MR_JQ_ERROR, ""); /* no program at all */
	f->settings.jq_timeout_ms = 200;
	check(f, "def f: f; f", "1", MR_JQ_TIMEOUT, "");
	f->settings.jq_timeout_ms = 20000;
	check(f, ". + 1", "1", MR_JQ_OK, "[2]"); /* compiled anew, by another helper */
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		if ((int)sample(m, cases[i].key) != cases[i].want)
			fail_msg(
			    "%s: %g, not %d", cases[i].key, sample(m, cases[i].key), cases[i].want);
	}
	mr_jq_pool_measure(f->pool, NULL);
	m = mr_metrics_free(m);
}

#define WITH_POOL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),
		WITH_POOL(results),
		WITH_POOL(errors_are_told),
		WITH_POOL(nothing_is_reached),
		WITH_POOL(endless_ones_are_killed),
		WITH_POOL(the_setting_is_the_most),
		WITH_POOL(memory_and_output_have_limits),
		WITH_POOL(a_broken_helper_is_replaced),
		WITH_POOL(many_at_a_time),
		WITH_POOL(sizes),
		WITH_POOL(without_a_helper),
		WITH_POOL(it_is_measured),
		WITH_POOL(closing_with_work_in_hand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
