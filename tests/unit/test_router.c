#include "fcgi/router.h"
#include "tests/unit/test.h"

static const struct mr_route table[] = {
	{ .id = 0, .method = MR_GET, .path = "/health" },
	{ .id = 1, .method = MR_GET, .path = "/health/ready" },
	{ .id = 2, .method = MR_GET, .path = "/workflows" },
	{ .id = 3, .method = MR_POST, .path = "/workflows" },
	{ .id = 4, .method = MR_POST, .path = "/workflows/validate" },
	{ .id = 5, .method = MR_GET, .path = "/workflows/executions/{id}" },
	{ .id = 6, .method = MR_GET, .path = "/workflows/{id}" },
	{ .id = 7, .method = MR_DELETE, .path = "/workflows/{id}" },
	{ .id = 8, .method = MR_POST, .path = "/workflows/{id}/steps/{step}/retry" },
	{ .id = 9, .method = MR_GET, .path = "/workflows/{id}/versions/{version}" },
	{ .id = 10, .method = MR_POST, .path = "/workflows/steps/{step_execution_id}/retry" },
};

static struct mr_arena *arena;
static struct mr_router *router;

static int setup(void **state)
{
	(void)state;
	arena = mr_arena_create(1u << 20);
	return arena == NULL ? -1
	                     : mr_router_create(arena, table, MR_ARRAY_LEN(table), &router, NULL);
}

static int teardown(void **state)
{
	(void)state;
	arena = mr_arena_free(arena);
	return 0;
}

static void matches(void **state)
{
	static const struct {
		const char *name;
		enum mr_method method;
		const char *path;
		int route; /* -1: none */
		const char *allow;
		const char *values[3];
	} cases[] = {
		{ "plain", MR_GET, "/health", 0, "GET, HEAD, OPTIONS", { NULL } },
		{ "deeper", MR_GET, "/health/ready", 1, "GET, HEAD, OPTIONS", { NULL } },
		{ "trailing slash", MR_GET, "/workflows/", 2, "GET, HEAD, POST, OPTIONS",
		    { NULL } },
		{ "two slashes", MR_GET, "/workflows//", -1, "OPTIONS", { NULL } },
		{ "slash inside", MR_GET, "//workflows", -1, "OPTIONS", { NULL } },
		{ "method", MR_POST, "/workflows", 3, "GET, HEAD, POST, OPTIONS", { NULL } },
		{ "wrong method", MR_PUT, "/workflows", -1, "GET, HEAD, POST, OPTIONS", { NULL } },
		{ "head", MR_HEAD, "/workflows", 2, "GET, HEAD, POST, OPTIONS", { NULL } },
		{ "head of no get", MR_HEAD, "/workflows/validate", -1, "POST, OPTIONS", { NULL } },
		{ "literal first", MR_POST, "/workflows/validate", 4, "POST, OPTIONS", { NULL } },
		{ "literal keeps others out", MR_GET, "/workflows/validate", -1, "POST, OPTIONS",
		    { NULL } },
		{ "literal then variable", MR_GET, "/workflows/executions/7", 5,
		    "GET, HEAD, OPTIONS", { "7" } },
		{ "variable", MR_GET, "/workflows/12", 6, "GET, HEAD, DELETE, OPTIONS", { "12" } },
		{ "variable, other method", MR_DELETE, "/workflows/wf_12/", 7,
		    "GET, HEAD, DELETE, OPTIONS", { "wf_12" } },
		{ "two variables", MR_POST, "/workflows/12/steps/a b/retry", 8, "POST, OPTIONS",
		    { "12", "a b" } },
		{ "a text with slashes", MR_POST, "/workflows/12/steps/a/retry/b/retry", 8,
		    "POST, OPTIONS", { "12", "a/retry/b" } },
		{ "a text that doubles what follows", MR_POST, "/workflows/12/steps/retry/retry", 8,
		    "POST, OPTIONS", { "12", "retry" } },
		{ "a text without what follows", MR_POST, "/workflows/12/steps/a/b", -1, "OPTIONS",
		    { NULL } },
		{ "an empty segment in a text", MR_POST, "/workflows/12/steps/a//b/retry", -1,
		    "OPTIONS", { NULL } },
		{ "no going back", MR_POST, "/workflows/steps/x/y", -1, "OPTIONS", { NULL } },
		{ "step by id", MR_POST, "/workflows/steps/9/retry", 10, "POST, OPTIONS", { "9" } },
		{ "too deep", MR_GET, "/workflows/12/versions/3/4", -1, "OPTIONS", { NULL } },
		{ "unknown", MR_GET, "/nothing", -1, "OPTIONS", { NULL } },
		{ "root", MR_GET, "/", -1, "OPTIONS", { NULL } },
		{ "empty", MR_GET, "", -1, "OPTIONS", { NULL } },
		{ "relative", MR_GET, "workflows", -1, "OPTIONS", { NULL } },
		{ "case matters", MR_GET, "/Workflows", -1, "OPTIONS", { NULL } },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_match m;
		char allow[MR_ALLOW_LEN];

		mr_router_match(router, cases[i].method, mr_str(cases[i].path), &m);
		if ((m.route == NULL) != (cases[i].route < 0) ||
		    (m.route != NULL && (int)m.route->id != cases[i].route))
			fail_msg("%s: wrong route", cases[i].name);
		(void)mr_allow_text(m.allow, allow);
		if (strcmp(allow, cases[i].allow) != 0)
			fail_msg("%s: allow is %s", cases[i].name, allow);
		for (size_t v = 0; v < 3 && cases[i].values[v] != NULL; v++)
			assert_str(m.values[v], cases[i].values[v]);
	}
}

static void variables_have_kinds(void **state)
{
	const struct mr_route_vars *v;

	(void)state;
	v = mr_router_vars(router, &table[8]);
	assert_int_equal(v->len, 2);
	assert_int_equal(v->vars[0].kind, MR_VAR_ID);
	assert_string_equal(v->vars[0].id_prefix, "wf");
	assert_int_equal(v->vars[1].kind, MR_VAR_TEXT);
	v = mr_router_vars(router, &table[9]);
	assert_int_equal(v->vars[1].kind, MR_VAR_NUMBER);
	v = mr_router_vars(router, &table[5]);
	assert_string_equal(v->vars[0].id_prefix, "run");
	v = mr_router_vars(router, &table[10]);
	assert_string_equal(v->vars[0].id_prefix, "step");
}

static void bad_tables(void **state)
{
	static const struct {
		const char *name;
		struct mr_route routes[2];
		unsigned len;
	} cases[] = {
		{ "twice",
		    { { .method = MR_GET, .path = "/a" }, { .method = MR_GET, .path = "/a" } }, 2 },
		{ "twice with other names",
		    { { .method = MR_GET, .path = "/a/{id}" },
		        { .method = MR_GET, .path = "/a/{x}" } },
		    2 },
		{ "no slash", { { .method = MR_GET, .path = "a" } }, 1 },
		{ "empty segment", { { .method = MR_GET, .path = "/a//b" } }, 1 },
		{ "many variables", { { .path = "/{a}/{b}/{c}/{d}/{e}/{f}/{g}" } }, 1 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_router *r;
		struct mr_error err = { .id = MR_ERR_NONE };

		if (mr_router_create(arena, cases[i].routes, cases[i].len, &r, &err) == 0)
			fail_msg("%s: was taken", cases[i].name);
		assert_int_equal(err.id, MR_ERR_INTERNAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),
		cmocka_unit_test(variables_have_kinds),
		cmocka_unit_test(bad_tables),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
