#include "fcgi/array.h"
#include "fcgi/slice.h"
#include "tests/unit/test.h"

static void members(void **state)
{
	static const char text[] = " {\"a\" : 1E2 , \"b\":-0,\"c\":{\"x\":[1, {\"}\":\"]\\\"\"}] } "
	                           ",\"d\":\"q\\\\\",\"e\":true}\n";
	static const char *const want[] = { "1E2", "-0", "{\"x\":[1, {\"}\":\"]\\\"\"}] }",
		"\"q\\\\\"", "true" };
	struct mr_arena *a = mr_arena_create(1u << 20);
	const struct mr_str *slices;
	struct mr_value v;

	(void)state;
	assert_int_equal(mr_json_parse(a, MR_STR(text), NULL, NULL, &v), 0);
	slices = mr_slice_members(a, MR_STR(text), v.map);
	assert_non_null(slices);
	for (size_t i = 0; i < MR_ARRAY_LEN(want); i++)
		assert_str(slices[i], want[i]);
	assert_str(mr_slice_member(a, MR_STR(text), &v, "c"), want[2]);
	assert_null(mr_slice_member(a, MR_STR(text), &v, "z").p);
	a = mr_arena_free(a);
}

static void foreign_text(void **state)
{
	static const char *const others[] = { "", "[", "{", "{\"a\"", "{\"a\":", "{1:2}",
		"{\"a\":1" };
	struct mr_arena *a = mr_arena_create(1u << 20);
	struct mr_value v;

	(void)state;
	assert_int_equal(mr_json_parse(a, MR_STR("{\"a\":1,\"b\":2}"), NULL, NULL, &v), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(others); i++)
		assert_null(mr_slice_members(a, mr_str(others[i]), v.map));
	a = mr_arena_free(a);
}

static void items(void **state)
{
	struct mr_arena *a = mr_arena_create(1u << 20);
	struct mr_str text = MR_STR(" [ 1E2 , \"a]\", {\"b\":[-0]} ,[],null ]");
	const struct mr_str *raw;
	struct mr_value v;

	(void)state;
	assert_int_equal(mr_json_parse(a, text, NULL, NULL, &v), 0);
	raw = mr_slice_items(a, text, v.list);
	assert_non_null(raw);
	assert_str(raw[0], "1E2");
	assert_str(raw[1], "\"a]\"");
	assert_str(raw[2], "{\"b\":[-0]}");
	assert_str(raw[3], "[]");
	assert_str(raw[4], "null");
	assert_null(mr_slice_items(a, MR_STR("{}"), v.list));
	assert_null(mr_slice_items(a, MR_STR("[1,2]"), v.list));
	assert_null(mr_slice_items(a, MR_STR(""), v.list));
	a = mr_arena_free(a);
}

static void arrays(void **state)
{
	struct mr_arena *a = mr_arena_create(1u << 20);
	struct mr_array l;

	(void)state;
	mr_array_init(&l, a);
	assert_str(mr_array_end(&l), "{}");
	mr_array_init(&l, a);
	mr_array_add(&l, MR_STR("a\"b\\c"));
	mr_array_add(&l, MR_STR_NONE);
	mr_array_add(&l, MR_STR(""));
	mr_array_add(&l, MR_STR("{,}"));
	assert_str(mr_array_end(&l), "{\"a\\\"b\\\\c\",NULL,\"\",\"{,}\"}");
	mr_array_init(&l, a);
	for (int i = 0; i < 1000; i++)
		mr_array_add(&l, MR_STR("0123456789"));
	assert_int_equal(mr_array_end(&l).len, 1 + 13 * 1000);
	a = mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members),
		cmocka_unit_test(foreign_text),
		cmocka_unit_test(items),
		cmocka_unit_test(arrays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
