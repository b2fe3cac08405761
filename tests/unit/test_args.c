#include "fcgi/args.h"
#include "tests/unit/fake_request.h"

static const char *const colours[] = { "red", "green", NULL };

static const struct mr_arg args[] = {
	{ .name = "status", .type = MR_ARG_ENUM, .values = colours, .many = true },
	{ .name = "level", .type = MR_ARG_ENUM, .values = colours },
	{ .name = "n", .type = MR_ARG_INT, .min = -5, .max = 10 },
	{ .name = "flag", .type = MR_ARG_BOOL },
	{ .name = "from", .type = MR_ARG_TIME },
	{ .name = "workflow_id", .type = MR_ARG_ID, .id_prefix = "wf" },
	{ .name = "owner", .type = MR_ARG_TEXT },
	{ .name = NULL },
};

static const struct mr_route route = {
	.path = "/api/v1/things", .args = args, .envelope = MR_ENVELOPE_LIST
};

static const struct mr_stmt_order orders[] = { { "created_at", true }, { "created_at", false },
	{ "name", false }, { "name", true } };
static const struct mr_stmt_param params[] = { { "search", 25, true, 0 } };
static const struct mr_stmt list = { .name = "thing_list",
	.flags = MR_STMT_LIST,
	.params_len = 1,
	.params = params,
	.orders_len = 4,
	.orders = orders };
static const struct mr_stmt plain_list = {
	.name = "thing_list", .flags = MR_STMT_LIST, .orders_len = 4, .orders = orders
};

static void values(void **state)
{
	static const struct {
		const char *query;
		const char *name, *value; /* NULL value: absent */
		const char *faults;
	} cases[] = {
		{ "", "owner", NULL, "" },
		{ "owner=anna", "owner", "anna", "" },
		{ "owner=a+b%20c%2Bd", "owner", "a b c+d", "" },
		{ "owner=%C3%A4", "owner", "\xc3\xa4", "" },
		{ "owner=", "owner", NULL, "" },
		{ "from=", "from", NULL,
		    "from: must be a time such as 2025-01-31T12:00:00Z (a + in an address is "
		    "%2B)\n" },
		{ "level=", "level", NULL, "level: must be one of: red, green\n" },
		{ "&&owner=x&", "owner", "x", "" },
		{ "own%65r=x", "owner", "x", "" },
		{ "owner=%ff", "owner", NULL,
		    "owner: must be percent-encoded UTF-8 without NUL\n" },
		{ "owner=%00", "owner", NULL,
		    "owner: must be percent-encoded UTF-8 without NUL\n" },
		{ "owner=%4", "owner", NULL, "owner: must be percent-encoded UTF-8 without NUL\n" },
		{ "owner=%zz", "owner", NULL,
		    "owner: must be percent-encoded UTF-8 without NUL\n" },
		{ "owner=%ed%a0%80", "owner", NULL,
		    "owner: must be percent-encoded UTF-8 without NUL\n" },
		{ "owner=a&owner=b", "owner", "a", "owner: is given more than once\n" },
		{ "owne=x", "owner", NULL,
		    "owne: is not an argument of this address; did you mean owner?\n" },
		{ "ofset=1", "owner", NULL,
		    "ofset: is not an argument of this address; did you mean offset?\n" },
		{ "completely_else=1", "owner", NULL,
		    "completely_else: is not an argument of this address\n" },
		{ "status=RED", "status", "{\"red\"}", "" },
		{ "status=red,Green", "status", "{\"red\",\"green\"}", "" },
		{ "status=red&status=green", "status", "{\"red\",\"green\"}", "" },
		{ "status=blue", "status", NULL, "status: must be one of: red, green\n" },
		{ "level=Red", "level", "red", "" },
		{ "n=-5", "n", "-5", "" },
		{ "n=11", "n", NULL, "n: must be a whole number from -5 to 10\n" },
		{ "n=1.0", "n", NULL, "n: must be a whole number from -5 to 10\n" },
		{ "n=99999999999999999999999", "n", NULL,
		    "n: must be a whole number from -5 to 10\n" },
		{ "flag=TRUE", "flag", "true", "" },
		{ "flag=0", "flag", "false", "" },
		{ "flag=maybe", "flag", NULL, "flag: must be true or false\n" },
		{ "from=2025-01-31T12:00:00%2B01:00", "from", "2025-01-31T11:00:00Z", "" },
		{ "from=yesterday", "from", NULL,
		    "from: must be a time such as 2025-01-31T12:00:00Z (a + in an address is "
		    "%2B)\n" },
		{ "workflow_id=12", "workflow_id", "12", "" },
		{ "workflow_id=wf_12", "workflow_id", "12", "" },
		{ "workflow_id=99999999999999999999", "workflow_id", "9007199254740992", "" },
		{ "workflow_id=run_12", "workflow_id", NULL,
		    "workflow_id: must be an id such as 123 or wf_123\n" },
		{ "n=x&flag=y", "owner", NULL,
		    "n: must be a whole number from -5 to 10\nflag: must be true or false\n" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct fake_request f;
		struct mr_str got;

		fake_request_init(&f, &route);
		f.r.query = mr_str(cases[i].query);
		assert_int_equal(mr_args_query(&f.r, &list, &f.call.page), 0);
		assert_str(fake_faults(&f.r.faults, f.r.arena), cases[i].faults);
		got = mr_request_arg(&f.r, cases[i].name);
		if ((got.p == NULL) != (cases[i].value == NULL))
			fail_msg("%s: %.*s", cases[i].query, MR_STR_ARG(got));
		if (cases[i].value != NULL)
			assert_str(got, cases[i].value);
		fake_request_done(&f);
	}
}

static void pages(void **state)
{
	static const struct {
		const char *query;
		unsigned limit;
		int64_t offset;
		unsigned order;
		const char *faults;
	} cases[] = {
		{ "", 20, 0, 0, "" },
		{ "limit=5&offset=7", 5, 7, 0, "" },
		{ "page=3&page_size=10", 10, 20, 0, "" },
		{ "page=2", 20, 20, 0, "" },
		{ "limit=1000", 1000, 0, 0, "" },
		{ "limit=1001", 20, 0, 0, "limit: must be a whole number from 1 to 1000\n" },
		{ "limit=0", 20, 0, 0, "limit: must be a whole number from 1 to 1000\n" },
		{ "limit=-1", 20, 0, 0, "limit: must be a whole number from 1 to 1000\n" },
		{ "page=0", 20, 0, 0, "page: must be a whole number from 1 to 1000000\n" },
		{ "offset=-1", 20, 0, 0, "offset: must be a whole number from 0 to 1000000000\n" },
		{ "limit=5&page_size=6", 5, 0, 0,
		    "page_size: is another name of limit; send only one of them\n" },
		{ "limit=5&page_size=5", 5, 0, 0, "" },
		{ "page=2&offset=5", 20, 5, 0, "page: can't be combined with offset\n" },
		{ "cursor=x&page=2", 20, 20, 0, "cursor: can't be combined with page or offset\n" },
		{ "ordering=created_at", 20, 0, 1, "" },
		{ "ordering=-created_at", 20, 0, 0, "" },
		{ "ordering=-name", 20, 0, 3, "" },
		{ "sort_by=name", 20, 0, 2, "" },
		{ "sort_by=name&sort_order=DESC", 20, 0, 3, "" },
		{ "sort_order=asc", 20, 0, 1, "" },
		{ "sort_by=name&sort_order=up", 20, 0, 2, "sort_order: must be asc or desc\n" },
		{ "ordering=size", 20, 0, 0,
		    "ordering: must be one of: created_at, name; with - before it the other way "
		    "round\n" },
		{ "ordering=name&sort_by=name", 20, 0, 0,
		    "ordering: stands for sort_by and sort_order; send only one of them\n" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct fake_request f;

		fake_request_init(&f, &route);
		f.r.query = mr_str(cases[i].query);
		assert_int_equal(mr_args_query(&f.r, &list, &f.call.page), 0);
		assert_str(fake_faults(&f.r.faults, f.r.arena), cases[i].faults);
		if (f.call.page.limit != cases[i].limit || f.call.page.offset != cases[i].offset ||
		    f.call.page.order != cases[i].order)
			fail_msg("%s: limit %u, offset %lld, order %u", cases[i].query,
			    f.call.page.limit, (long long)f.call.page.offset, f.call.page.order);
		fake_request_done(&f);
	}
}

static void search_only_where_the_statement_has_it(void **state)
{
	struct fake_request f;

	(void)state;
	fake_request_init(&f, &route);
	f.r.query = MR_STR("search=x");
	assert_int_equal(mr_args_query(&f.r, &list, &f.call.page), 0);
	assert_str(f.call.page.search, "x");
	assert_int_equal(mr_args_query(&f.r, &plain_list, &f.call.page), 0);
	assert_int_equal(f.r.faults.count, 1);
	fake_request_done(&f);
}

static void no_list_arguments_elsewhere(void **state)
{
	struct fake_request f;

	(void)state;
	fake_request_init(&f, &route);
	f.r.query = MR_STR("limit=5");
	assert_int_equal(mr_args_query(&f.r, NULL, &f.call.page), 0);
	assert_int_equal(f.r.faults.count, 1);
	fake_request_done(&f);
}

static void too_many_pairs(void **state)
{
	static char query[8000];
	struct fake_request f;

	(void)state;
	for (size_t i = 0; i + 2 < sizeof(query); i += 2)
		memcpy(query + i, "a&", 2);
	fake_request_init(&f, &route);
	f.r.query = mr_str(query);
	assert_int_equal(mr_args_query(&f.r, NULL, &f.call.page), 0);
	assert_int_equal(f.r.faults.count, 201); /* 200 unknown ones, and that there are more */
	fake_request_done(&f);
}

static void ids(void **state)
{
	static const struct {
		const char *text, *prefix;
		int r;
		const char *digits;
	} cases[] = {
		{ "12", "wf", 0, "12" },
		{ "0012", "wf", 0, "12" },
		{ "0", "wf", MR_E_NOT_FOUND, "" },
		{ "wf_000", "wf", MR_E_NOT_FOUND, "" },
		{ "wf_12", "wf", 0, "12" },
		{ "workflow_12", "wf", 0, "12" },
		{ "execution_9", "run", 0, "9" },
		{ "api_key_3", "key", 0, "3" },
		{ "9007199254740991", "wf", 0, "9007199254740991" },
		{ "9007199254740992", "wf", MR_E_NOT_FOUND, "" },
		{ "99999999999999999999999999", "wf", MR_E_NOT_FOUND, "" },
		{ "run_12", "wf", MR_E_INVALID, "" },
		{ "wf_", "wf", MR_E_INVALID, "" },
		{ "_12", "wf", MR_E_INVALID, "" },
		{ "wf_1x", "wf", MR_E_INVALID, "" },
		{ "-1", "wf", MR_E_INVALID, "" },
		{ "1.0", "wf", MR_E_INVALID, "" },
		{ "1 ", "wf", MR_E_INVALID, "" },
		{ "", "wf", MR_E_INVALID, "" },
		{ "abc", "wf", MR_E_INVALID, "" },
		{ "wf_12", NULL, MR_E_INVALID, "" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_str digits = MR_STR_NONE;
		int r = mr_id_parse(mr_str(cases[i].text), cases[i].prefix, &digits);

		if (r != cases[i].r)
			fail_msg("%s: %d", cases[i].text, r);
		if (r == 0)
			assert_str(digits, cases[i].digits);
	}
}

static void id_patterns(void **state)
{
	char out[MR_ID_PATTERN_LEN];

	(void)state;
	mr_id_pattern(NULL, out);
	assert_string_equal(out, "^[0-9]+$");
	mr_id_pattern("tmpl", out);
	assert_string_equal(out, "^((tmpl)_)?[0-9]+$");
	mr_id_pattern("run", out);
	assert_string_equal(out, "^((run|exec|execution)_)?[0-9]+$");
}

static void path_variables(void **state)
{
	static const struct mr_route_vars vars = { 3,
		{ { { "id", 2 }, MR_VAR_ID, "wf" }, { { "version", 7 }, MR_VAR_NUMBER, NULL },
		    { { "step", 4 }, MR_VAR_TEXT, NULL } } };
	const struct mr_str good[] = { MR_STR("wf_3"), MR_STR("2"), MR_STR("a b") };
	const struct mr_str bad[] = { MR_STR("x"), MR_STR("-"), MR_STR("\xff") };
	const struct mr_str large[] = { MR_STR("3"), MR_STR("99999999999"), MR_STR("a") };
	struct fake_request f;

	(void)state;
	fake_request_init(&f, &route);
	assert_int_equal(mr_args_path(&f.r, &vars, good), 0);
	assert_str(f.r.path_vars[0], "3");
	assert_str(f.r.path_vars[2], "a b");
	assert_int_equal(mr_args_path(&f.r, &vars, bad), 0);
	assert_str(fake_faults(&f.r.faults, f.r.arena),
	    "id: must be an id such as 123 or wf_123\nversion: must be a number from 1\n"
	    "step: must be UTF-8 text\n");
	assert_int_equal(mr_args_path(&f.r, &vars, large), MR_E_NOT_FOUND);
	fake_request_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(pages),
		cmocka_unit_test(search_only_where_the_statement_has_it),
		cmocka_unit_test(no_list_arguments_elsewhere),
		cmocka_unit_test(too_many_pairs),
		cmocka_unit_test(ids),
		cmocka_unit_test(id_patterns),
		cmocka_unit_test(path_variables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
