#include "fcgi/correlation.h"
#include "fcgi/problem.h"
#include "fcgi/sqlstate.h"
#include "tests/unit/fake_request.h"

static const struct mr_route route = { .path = "/api/v1/things" };

static struct mr_value parsed(struct fake_request *f)
{
	struct mr_value v;
	struct mr_str copy = mr_arena_str(f->r.arena, mr_buf_str(&f->r.out_body));

	assert_int_equal(mr_json_parse(f->r.arena, copy, NULL, NULL, &v), 0);
	return v;
}

static void every_error_has_the_whole_body(void **state)
{
	static const char *const members[] = { "type", "title", "status", "detail", "instance",
		"error", "error_code", "details", "message", "timestamp", "path",
		"correlation_id" };

	(void)state;
	for (int id = MR_ERR_NONE + 1; id < MR_ERR_COUNT; id++) {
		struct fake_request f;
		struct mr_value v;

		fake_request_init(&f, &route);
		f.r.now_us = 1736330400000000;
		mr_response_problem(&f.r, (enum mr_error_id)id, "%s", "");
		assert_int_equal(f.r.status, mr_error_rows[id].status);
		assert_str(f.r.out_content_type, "application/problem+json");
		v = parsed(&f);
		assert_int_equal(v.map->len, MR_ARRAY_LEN(members));
		for (size_t i = 0; i < MR_ARRAY_LEN(members); i++)
			assert_str(v.map->members[i].key.s, members[i]);
		assert_str(mr_value_get_str(&v, "detail"), mr_error_rows[id].sentence);
		assert_str(mr_value_get_str(&v, "error"), mr_error_rows[id].sentence);
		assert_str(mr_value_get_str(&v, "error_code"), mr_error_rows[id].code);
		assert_str(mr_value_get_str(&v, "timestamp"), "2025-01-08T10:00:00Z");
		assert_str(mr_value_get_str(&v, "path"), "/api/v1/things");
		fake_request_done(&f);
	}
}

static void details_are_grouped_by_place(void **state)
{
	struct fake_request f;
	struct mr_value v;
	const struct mr_value *details;

	(void)state;
	fake_request_init(&f, &route);
	mr_fault_add(&f.r.faults, MR_STR("a"), "x", "one");
	mr_fault_add(&f.r.faults, MR_STR("b[\"\\\"]"), "x", "two \"quoted\"");
	mr_fault_add(&f.r.faults, MR_STR("a"), "x", "three");
	mr_response_problem(&f.r, MR_ERR_VALIDATION_FAILED, "%s", "Do it right.");
	v = parsed(&f);
	assert_str(mr_value_get_str(&v, "detail"), "Do it right.");
	details = mr_value_get(&v, "details");
	assert_int_equal(details->map->len, 2);
	assert_int_equal(mr_value_get(details, "a")->list->len, 2);
	assert_str(mr_value_get(details, "a")->list->items[1].s, "three");
	fake_request_done(&f);
}

static void many_faults_are_counted(void **state)
{
	struct fake_request f;
	struct mr_value v;

	(void)state;
	fake_request_init(&f, &route);
	for (int i = 0; i < MR_FAULTS_MAX + 23; i++) {
		char path[16];

		(void)snprintf(path, sizeof(path), "p%d", i);
		mr_fault_add(&f.r.faults, mr_str(path), "x", "wrong");
	}
	mr_response_problem(&f.r, MR_ERR_VALIDATION_FAILED, "%s", "");
	v = parsed(&f);
	v = *mr_value_get(&v, "details");
	assert_int_equal(v.map->len, MR_FAULTS_MAX + 1);
	assert_str(v.map->members[MR_FAULTS_MAX].value.list->items[0].s, "and 23 more faults");
	fake_request_done(&f);
}

static bool has_header(struct fake_request *f, const char *line)
{
	return strstr(mr_arena_strz(f->r.arena, mr_buf_str(&f->r.out_headers)), line) != NULL;
}

static void headers_that_belong_to_it(void **state)
{
	struct fake_request f;

	(void)state;
	fake_request_init(&f, &route);
	mr_response_header(&f.r, "Location", MR_STR("/gone"));
	mr_response_problem(&f.r, MR_ERR_AUTHENTICATION_REQUIRED, "%s", "");
	assert_true(has_header(&f, "WWW-Authenticate: Bearer realm=\"millrace\"\r\n"));
	assert_true(has_header(&f, "X-Request-ID: test\r\n"));
	assert_false(has_header(&f, "Location"));
	mr_response_problem(&f.r, MR_ERR_CREDENTIALS_INVALID, "%s", "");
	assert_true(has_header(&f, "error=\"invalid_token\"\r\n"));
	mr_response_problem(&f.r, MR_ERR_OVERLOADED, "%s", "");
	assert_true(has_header(&f, "Retry-After: 1\r\n"));
	assert_false(has_header(&f, "WWW-Authenticate"));
	mr_response_problem(&f.r, MR_ERR_IDEMPOTENCY_IN_PROGRESS, "%s", "");
	assert_true(has_header(&f, "Retry-After: 1\r\n"));
	fake_request_done(&f);
}

static void details_from_sql(void **state)
{
	struct fake_request f;

	(void)state;
	fake_request_init(&f, &route);
	mr_problem_details(&f.r, MR_STR("{\"a\":[\"one\",\"two\"],\"b\":\"three\",\"c\":1}"));
	mr_problem_details(&f.r, MR_STR("no json"));
	mr_problem_details(&f.r, MR_STR_NONE);
	assert_str(fake_faults(&f.r.faults, f.r.arena), "a: one\na: two\nb: three\n");
	fake_request_done(&f);
}

static void foreign_bytes_stay_out(void **state)
{
	struct fake_request f;
	struct mr_value v;

	(void)state;
	fake_request_init(&f, &route);
	f.r.path = MR_STR("/\xff");
	mr_response_problem(&f.r, MR_ERR_BAD_REQUEST, "%s", "bad \xe2\x82");
	v = parsed(&f);
	assert_str(mr_value_get_str(&v, "path"), "");
	assert_str(mr_value_get_str(&v, "detail"), "bad ");
	fake_request_done(&f);
}

static void request_ids(void **state)
{
	static const struct {
		const char *text;
		bool sane;
	} cases[] = {
		{ "abc-123._:/+=@", true },
		{ "", false },
		{ "a b", false },
		{ "a\r\nX: y", false },
		{ "\xc3\xa4", false },
		{ "{}", false },
	};
	char longest[130];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		assert_int_equal(mr_correlation_sane(mr_str(cases[i].text)), cases[i].sane);
	memset(longest, 'a', sizeof(longest));
	assert_true(mr_correlation_sane((struct mr_str){ longest, 128 }));
	assert_false(mr_correlation_sane((struct mr_str){ longest, 129 }));
	assert_false(mr_correlation_sane((struct mr_str){ "a\0b", 3 }));
}

static void traceparents(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true },
		{ "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", false },
		{ "00-00000000000000000000000000000000-00f067aa0ba902b7-01", false },
		{ "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false },
		{ "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false },
		{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", false },
		{ "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", true },
		{ "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		if (mr_traceparent_valid(mr_str(cases[i].text)) != cases[i].valid)
			fail_msg("%s", cases[i].text);
	}
}

static void sqlstates(void **state)
{
	static const struct {
		const char *sqlstate;
		enum mr_error_id error;
	} cases[] = {
		{ "23505", MR_ERR_CONFLICT },
		{ "23514", MR_ERR_VALIDATION_FAILED },
		{ "22P02", MR_ERR_VALIDATION_FAILED },
		{ "40P01", MR_ERR_OVERLOADED },
		{ "57014", MR_ERR_OVERLOADED },
		{ "57P03", MR_ERR_DATABASE_UNAVAILABLE },
		{ "08006", MR_ERR_DATABASE_UNAVAILABLE },
		{ "25006", MR_ERR_DATABASE_UNAVAILABLE },
		{ "42601", MR_ERR_INTERNAL },
		{ "42501", MR_ERR_INTERNAL },
		{ "", MR_ERR_INTERNAL },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		assert_int_equal(mr_sqlstate_error(cases[i].sqlstate), cases[i].error);
}

static void constraints_are_sorted(void **state)
{
	(void)state;
	for (unsigned i = 1; i < mr_constraints_len; i++)
		assert_true(strcmp(mr_constraints[i - 1].name, mr_constraints[i].name) < 0);
	assert_int_equal(
	    mr_constraint_find("workflows_tenant_id_name_key")->error, MR_ERR_WORKFLOW_NAME_TAKEN);
	assert_null(mr_constraint_find(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_error_has_the_whole_body),
		cmocka_unit_test(details_are_grouped_by_place),
		cmocka_unit_test(many_faults_are_counted),
		cmocka_unit_test(headers_that_belong_to_it),
		cmocka_unit_test(details_from_sql),
		cmocka_unit_test(foreign_bytes_stay_out),
		cmocka_unit_test(request_ids),
		cmocka_unit_test(traceparents),
		cmocka_unit_test(sqlstates),
		cmocka_unit_test(constraints_are_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
