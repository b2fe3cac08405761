#include "fcgi/envelope.h"

#include "fcgi/cursor.h"
#include "tests/unit/fake_request.h"

static const struct mr_route native = {
	.path = "/api/v1/things", .envelope = MR_ENVELOPE_LIST, .out = { 200, MR_SCHEMA_NONE, NULL }
};
static const struct mr_route bare = { .path = "/api/v1/things/{id}/parts",
	.envelope = MR_ENVELOPE_BARE,
	.out = { 200, MR_SCHEMA_NONE, NULL } };

static void native_envelope(void **state)
{
	static const struct {
		const char *name;
		unsigned limit;
		int64_t offset, total, estimate;
		const char *want;
	} cases[] = {
		{ "first page", 20, 0, 2, -1,
		    "{\"items\":[1,2],\"total\":2,\"limit\":20,\"offset\":0,\"page\":1,"
		    "\"page_size\":20,\"next_cursor\":null}" },
		{ "third page", 10, 20, 22, -1,
		    "{\"items\":[1,2],\"total\":22,\"limit\":10,\"offset\":20,\"page\":3,"
		    "\"page_size\":10,\"next_cursor\":null}" },
		{ "exact at the limit", 20, 0, 10000, 12345,
		    "{\"items\":[1,2],\"total\":10000,\"limit\":20,\"offset\":0,\"page\":1,"
		    "\"page_size\":20,\"next_cursor\":null}" },
		{ "estimate", 20, 0, 10001, 123456,
		    "{\"items\":[1,2],\"total\":123456,\"total_exact\":false,\"limit\":20,"
		    "\"offset\":0,\"page\":1,\"page_size\":20,\"next_cursor\":null}" },
		{ "some found, not all looked at", 20, 0, 10001, 2,
		    "{\"items\":[1,2],\"total\":2,\"total_exact\":false,\"limit\":20,"
		    "\"offset\":0,\"page\":1,\"page_size\":20,\"next_cursor\":null}" },
		{ "no estimate", 20, 0, 10001, -1,
		    "{\"items\":[1,2],\"total\":10001,\"total_exact\":false,\"limit\":20,"
		    "\"offset\":0,\"page\":1,\"page_size\":20,\"next_cursor\":null}" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		const struct mr_list_row row = { .items = MR_STR("[1,2]"),
			.total = cases[i].total,
			.total_estimate = cases[i].estimate };
		struct fake_request f;

		fake_request_init(&f, &native);
		f.call.page.limit = cases[i].limit;
		f.call.page.offset = cases[i].offset;
		mr_envelope_write(&f.r, &row);
		assert_str(mr_buf_str(&f.r.out_body), cases[i].want);
		assert_int_equal(f.r.status, 200);
		fake_request_done(&f);
	}
}

/* The text between two marks. */
static struct mr_str between(struct mr_arena *a, struct mr_str s, const char *from, const char *to)
{
	char *text = mr_arena_strz(a, s), *begin = strstr(text, from), *end;

	assert_non_null(begin);
	begin += strlen(from);
	end = strstr(begin, to);
	assert_non_null(end);
	return (struct mr_str){ begin, (size_t)(end - begin) };
}

static void cursor_carries_place_and_total(void **state)
{
	const struct mr_list_row row = { .items = MR_STR("[1]"),
		.next_key = MR_STR("b;c\xc3\xa4"),
		.next_id = MR_STR("77"),
		.total = 10001,
		.total_estimate = 50000 };
	struct fake_request f;
	struct mr_str cursor;

	(void)state;
	fake_request_init(&f, &native);
	f.call.page.limit = 5;
	f.call.page.offset = 10;
	f.call.page.order = 3;
	mr_envelope_write(&f.r, &row);
	cursor = between(f.r.arena, mr_buf_str(&f.r.out_body), "\"next_cursor\":\"", "\"");
	f.call.page = (struct mr_page){ .limit = 5, .total = -1, .cursor = cursor };
	assert_int_equal(mr_envelope_cursor(&f.r), 0);
	assert_str(f.call.page.after_key, "b;c\xc3\xa4");
	assert_str(f.call.page.after_id, "77");
	assert_int_equal(f.call.page.offset, 15);
	assert_int_equal(f.call.page.order, 3);
	assert_int_equal(f.call.page.total, 50000);
	assert_false(f.call.page.total_exact);
	fake_request_done(&f);
}

/* What was an estimate a moment ago is told again; what is exact is counted each time. */
static void estimates_are_recalled(void **state)
{
	struct mr_list_row row = {
		.items = MR_STR("[1]"), .total = 10001, .total_estimate = 50000
	};
	struct fake_request f;

	(void)state;
	fake_request_init(&f, &native);
	f.call.page = (struct mr_page){ .limit = 5, .total = -1, .search = MR_STR("recalled") };
	mr_envelope_write(&f.r, &row);
	assert_int_equal(mr_envelope_cursor(&f.r), 0);
	assert_int_equal(f.call.page.total, 50000);
	assert_false(f.call.page.total_exact);
	f.call.page = (struct mr_page){ .limit = 5, .total = -1, .search = MR_STR("another") };
	row.total = 10000;
	mr_envelope_write(&f.r, &row);
	assert_int_equal(mr_envelope_cursor(&f.r), 0);
	assert_int_equal(f.call.page.total, -1);
	fake_request_done(&f);
}

static void null_keys_and_empty_ones_differ(void **state)
{
	struct mr_cursor c = { .id = MR_STR("1"), .key = MR_STR_NONE, .total_exact = true }, back;
	struct fake_request f;

	(void)state;
	fake_request_init(&f, &native);
	assert_int_equal(mr_cursor_decode(&f.r, mr_cursor_encode(&f.r, &c), &back), 0);
	assert_null(back.key.p);
	c.key = MR_STR("");
	assert_int_equal(mr_cursor_decode(&f.r, mr_cursor_encode(&f.r, &c), &back), 0);
	assert_non_null(back.key.p);
	fake_request_done(&f);
}

static void cursors_of_others_are_refused(void **state)
{
	static struct mr_pair arg = { { "status", 6 }, { "{red}", 5 } };
	const struct mr_cursor c = { .id = MR_STR("1"), .key = MR_STR("k"), .total_exact = true };
	struct mr_cursor back;
	struct fake_request f;
	struct mr_str cursor;

	(void)state;
	fake_request_init(&f, &native);
	f.r.query_args = &arg;
	f.r.query_args_len = 1;
	cursor = mr_cursor_encode(&f.r, &c);
	assert_int_equal(mr_cursor_decode(&f.r, cursor, &back), 0);
	f.principal.tenant_id = 2;
	assert_int_equal(mr_cursor_decode(&f.r, cursor, &back), MR_E_INVALID);
	f.principal.tenant_id = 1;
	arg.value = MR_STR("{green}");
	assert_int_equal(mr_cursor_decode(&f.r, cursor, &back), MR_E_INVALID);
	arg.value = MR_STR("{red}");
	f.call.page.search = MR_STR("x");
	assert_int_equal(mr_cursor_decode(&f.r, cursor, &back), MR_E_INVALID);
	f.call.page.search = MR_STR_NONE;
	f.r.route = &bare;
	assert_int_equal(mr_cursor_decode(&f.r, cursor, &back), MR_E_INVALID);
	fake_request_done(&f);
}

static void broken_cursors_are_refused(void **state)
{
	const struct mr_cursor c = { .id = MR_STR("1"), .key = MR_STR("k"), .total_exact = true };
	struct mr_cursor back;
	struct fake_request f;
	struct mr_str cursor;
	char *copy;

	(void)state;
	fake_request_init(&f, &native);
	cursor = mr_cursor_encode(&f.r, &c);
	copy = mr_arena_strz(f.r.arena, cursor);
	for (size_t i = 0; i < cursor.len; i++) {
		copy[i] = copy[i] == 'A' ? 'B' : 'A';
		assert_true(mr_cursor_decode(&f.r, mr_str(copy), &back) < 0);
		copy[i] = cursor.p[i];
		assert_true(mr_cursor_decode(&f.r, (struct mr_str){ copy, i }, &back) < 0);
	}
	assert_true(mr_cursor_decode(&f.r, MR_STR(""), &back) < 0);
	assert_true(mr_cursor_decode(&f.r, MR_STR("!!!"), &back) < 0);
	fake_request_done(&f);
}

static void bare_arrays(void **state)
{
	struct mr_list_row row = { .items = MR_STR("[1]"),
		.total = 3,
		.total_estimate = -1,
		.next_id = MR_STR("9"),
		.next_key = MR_STR("9") };
	struct fake_request f;
	struct mr_str headers;

	(void)state;
	fake_request_init(&f, &bare);
	f.r.query = MR_STR("status=red&page=2&limit=1&cursor=old&offset=3");
	f.call.page.limit = 1;
	mr_envelope_write(&f.r, &row);
	assert_str(mr_buf_str(&f.r.out_body), "[1]");
	headers = mr_buf_str(&f.r.out_headers);
	assert_str(between(f.r.arena, headers, "X-Total-Count: ", "\r\n"), "3");
	assert_str(between(f.r.arena, headers, "Link: <", "?cursor="), "/api/v1/things");
	/* the other arguments stay, the place goes */
	assert_str(between(f.r.arena, headers, "&status", "\r\n"), "=red&limit=1>; rel=\"next\"");
	assert_str(between(f.r.arena, headers, "X-Next-Cursor: ", "\r\n"),
	    mr_arena_strz(f.r.arena, between(f.r.arena, headers, "cursor=", "&")));
	fake_request_done(&f);

	fake_request_init(&f, &bare);
	f.call.page.limit = 1;
	row.next_id = MR_STR_NONE;
	row.total = 10001;
	row.items = MR_STR_NONE;
	mr_envelope_write(&f.r, &row);
	assert_str(mr_buf_str(&f.r.out_body), "[]");
	assert_str(
	    mr_buf_str(&f.r.out_headers), "X-Total-Count: 10001\r\nX-Total-Exact: false\r\n");
	fake_request_done(&f);
}

static void templates_and_results(void **state)
{
	static const struct mr_route templates = { .path = "/api/v1/things",
		.envelope = MR_ENVELOPE_TEMPLATES,
		.out = { 200, MR_SCHEMA_NONE, NULL } };
	static const struct mr_route results = { .path = "/api/v1/things",
		.envelope = MR_ENVELOPE_RESULTS,
		.out = { 200, MR_SCHEMA_NONE, NULL } };
	struct mr_list_row row = {
		.items = MR_STR("[1]"), .total = 9, .next_id = MR_STR("9"), .next_key = MR_STR("9")
	};
	struct fake_request f;

	(void)state;
	fake_request_init(&f, &templates);
	f.call.page.limit = 2;
	f.call.page.offset = 4;
	mr_envelope_write(&f.r, &row);
	assert_str(mr_buf_str(&f.r.out_body),
	    "{\"templates\":[1],\"total\":9,\"page\":3,\"page_size\":2}");
	assert_str(between(f.r.arena, mr_buf_str(&f.r.out_headers), "Link: <", "?cursor="),
	    "/api/v1/things");
	fake_request_done(&f);

	fake_request_init(&f, &results);
	f.r.query = MR_STR("page=3&page_size=2&search=x");
	f.call.page.limit = 2;
	f.call.page.offset = 4;
	mr_envelope_write(&f.r, &row);
	assert_str(mr_buf_str(&f.r.out_body),
	    "{\"count\":9,\"next\":\"/api/v1/things?limit=2&offset=6&search=x\","
	    "\"previous\":\"/api/v1/things?limit=2&offset=2&search=x\",\"results\":[1]}");
	row.next_id = MR_STR_NONE;
	f.call.page.offset = 0;
	mr_envelope_write(&f.r, &row);
	assert_str(mr_buf_str(&f.r.out_body),
	    "{\"count\":9,\"next\":null,\"previous\":null,\"results\":[1]}");
	fake_request_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(native_envelope),
		cmocka_unit_test(cursor_carries_place_and_total),
		cmocka_unit_test(estimates_are_recalled),
		cmocka_unit_test(null_keys_and_empty_ones_differ),
		cmocka_unit_test(cursors_of_others_are_refused),
		cmocka_unit_test(broken_cursors_are_refused),
		cmocka_unit_test(bare_arrays),
		cmocka_unit_test(templates_and_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
