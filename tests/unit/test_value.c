/* Values: looking up, comparing, hashing, copying; deep ones and running out of memory. */
#include "tests/unit/test.h"

#include <math.h>

#include "lib/value.h"

static struct mr_arena *arena(void)
{
	struct mr_arena *a = mr_arena_create(256u << 20);

	assert_non_null(a);
	return a;
}

static struct mr_value parse(struct mr_arena *a, const char *text)
{
	struct mr_value v;

	if (mr_json_parse(a, mr_str(text), NULL, NULL, &v) != 0)
		fail_msg("not JSON: %s", text);
	return v;
}

static void names_of_kinds(void **state)
{
	(void)state;
	assert_string_equal(mr_value_kind_name(MR_VALUE_NULL), "null");
	assert_string_equal(mr_value_kind_name(MR_VALUE_TIMESTAMP), "timestamp");
	assert_string_equal(mr_value_kind_name((enum mr_value_kind)99), "unknown");
	assert_string_equal(mr_value_type_name(MR_VALUE_NULL), "null_type");
	assert_string_equal(mr_value_type_name(MR_VALUE_DURATION), "google.protobuf.Duration");
}

static void members(void **state)
{
	struct mr_arena *a = arena();
	struct mr_value v = parse(a, "{\"a\":1,\"b\":\"x\",\"\":null}");

	(void)state;
	assert_int_equal(mr_value_get(&v, "a")->i, 1);
	assert_non_null(mr_value_get(&v, ""));
	assert_null(mr_value_get(&v, "c"));
	assert_null(mr_value_get(NULL, "a"));
	assert_null(mr_value_get(mr_value_get(&v, "a"), "a"));
	assert_null(mr_value_get_kind(&v, "a", MR_VALUE_STRING));
	assert_non_null(mr_value_get_kind(&v, "a", MR_VALUE_INT));
	assert_str(mr_value_get_str(&v, "b"), "x");
	assert_null(mr_value_get_str(&v, "a").p);
	a = mr_arena_free(a);
}

/* Keys of every kind in a map large enough for an index. */
static void large_map(void **state)
{
	struct mr_arena *a = arena();
	struct mr_map *m = mr_map_create(a, 1000);
	struct mr_value v, key;

	(void)state;
	assert_non_null(m);
	for (size_t i = 0; i < m->len; i++) {
		m->members[i].key = i % 2 != 0 ? mr_value_int((int64_t)i - 500)
		                               : mr_value_str(mr_arena_printf(a, "k%zu", i));
		m->members[i].value = mr_value_int((int64_t)i);
	}
	assert_int_equal(mr_map_seal(a, m), 0);
	assert_int_equal(mr_map_duplicate(m), 1000);
	v = mr_value_map(m);
	assert_int_equal(mr_value_get(&v, "k998")->i, 998);
	assert_null(mr_value_get(&v, "k999"));
	key = mr_value_double(-499);
	assert_int_equal(mr_map_find(m, &key)->i, 1);
	key = mr_value_uint(1);
	assert_int_equal(mr_map_find(m, &key)->i, 501);
	key = mr_value_double(0.5);
	assert_null(mr_map_find(m, &key));
	m->members[999].key = mr_value_strz("k0");
	assert_int_equal(mr_map_seal(a, m), 0);
	assert_int_equal(mr_map_duplicate(m), 999);
	assert_int_equal(mr_value_get(&v, "k0")->i, 0); /* the first one */
	a = mr_arena_free(a);
}

static void numbers(void **state)
{
	static const struct {
		struct mr_value a, b;
		int want;
	} cases[] = {
		{ { MR_VALUE_INT, { .i = 1 } }, { MR_VALUE_UINT, { .u = 1 } }, 0 },
		{ { MR_VALUE_INT, { .i = -1 } }, { MR_VALUE_UINT, { .u = UINT64_MAX } }, -1 },
		{ { MR_VALUE_INT, { .i = INT64_MAX } }, { MR_VALUE_DOUBLE, { .d = 0x1p63 } }, -1 },
		{ { MR_VALUE_INT, { .i = INT64_MIN } }, { MR_VALUE_DOUBLE, { .d = -0x1p63 } }, 0 },
		{ { MR_VALUE_INT, { .i = 9007199254740993 } },
		    { MR_VALUE_DOUBLE, { .d = 9007199254740992.0 } }, 1 },
		{ { MR_VALUE_INT, { .i = 1 } }, { MR_VALUE_DOUBLE, { .d = 1.5 } }, -1 },
		{ { MR_VALUE_INT, { .i = -1 } }, { MR_VALUE_DOUBLE, { .d = -1.5 } }, 1 },
		{ { MR_VALUE_INT, { .i = 0 } }, { MR_VALUE_DOUBLE, { .d = (double)NAN } }, 2 },
		{ { MR_VALUE_INT, { .i = 0 } }, { MR_VALUE_DOUBLE, { .d = (double)INFINITY } },
		    -1 },
		{ { MR_VALUE_UINT, { .u = UINT64_MAX } }, { MR_VALUE_DOUBLE, { .d = 0x1p64 } },
		    -1 },
		{ { MR_VALUE_UINT, { .u = 3 } }, { MR_VALUE_DOUBLE, { .d = -3 } }, 1 },
		{ { MR_VALUE_UINT, { .u = 3 } }, { MR_VALUE_DOUBLE, { .d = 3.5 } }, -1 },
		{ { MR_VALUE_DOUBLE, { .d = 0.0 } }, { MR_VALUE_DOUBLE, { .d = -0.0 } }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		int back = cases[i].want == 2 ? 2 : -cases[i].want;

		if (mr_number_cmp(&cases[i].a, &cases[i].b) != cases[i].want ||
		    mr_number_cmp(&cases[i].b, &cases[i].a) != back)
			fail_msg("case %zu", i);
		if (mr_value_eq(&cases[i].a, &cases[i].b) != (cases[i].want == 0))
			fail_msg("equality of case %zu", i);
		if (cases[i].want == 0 && mr_value_hash(&cases[i].a) != mr_value_hash(&cases[i].b))
			fail_msg("hash of case %zu", i);
	}
}

static void equality(void **state)
{
	static const struct {
		const char *a, *b;
		bool want;
	} cases[] = {
		{ "null", "null", true },
		{ "null", "0", false },
		{ "1", "1.0", true },
		{ "\"1\"", "1", false },
		{ "[1,2]", "[1,2]", true },
		{ "[1,2]", "[2,1]", false },
		{ "[1,2]", "[1,2,3]", false },
		{ "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", true },
		{ "{\"a\":1}", "{\"b\":1}", false },
		{ "{\"a\":{\"b\":[{}]}}", "{\"a\":{\"b\":[{}]}}", true },
		{ "{\"a\":{\"b\":[{}]}}", "{\"a\":{\"b\":[[]]}}", false },
		{ "[]", "{}", false },
		{ "true", "false", false },
	};
	struct mr_arena *a = arena();

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_value x = parse(a, cases[i].a), y = parse(a, cases[i].b);

		if (mr_value_eq(&x, &y) != cases[i].want || mr_value_eq(&y, &x) != cases[i].want)
			fail_msg("%s = %s", cases[i].a, cases[i].b);
	}
	a = mr_arena_free(a);
}

/* 2^60 leaves that are one list: the budget ends it. */
static void shared_parts(void **state)
{
	struct mr_arena *a = arena();
	struct mr_value x = mr_value_int(1), y = mr_value_int(1);
	uint64_t budget = 1000;

	(void)state;
	for (int i = 0; i < 60; i++) {
		struct mr_list *l = mr_list_create(a, 2), *k = mr_list_create(a, 2);

		assert_non_null(l);
		assert_non_null(k);
		l->items[0] = l->items[1] = x;
		k->items[0] = k->items[1] = y;
		x = mr_value_list(l);
		y = mr_value_list(k);
	}
	assert_int_equal(mr_value_equal(&x, &y, &budget), MR_E_LIMIT);
	a = mr_arena_free(a);
}

static void deep(void **state)
{
	struct mr_arena *a = arena();
	struct mr_value x = MR_NULL_VALUE, copy;
	struct mr_str text;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct mr_list *l = mr_list_create(a, 1);

		assert_non_null(l);
		l->items[0] = x;
		x = mr_value_list(l);
	}
	assert_int_equal(mr_value_copy(a, &x, &copy), 0);
	assert_true(mr_value_eq(&x, &copy));
	text = mr_json_text(a, &copy);
	assert_int_equal(text.len, 200004);
	a = mr_arena_free(a);
}

/* A copy stands alone, and its fallback is its own member. */
static void copying(void **state)
{
	struct mr_arena *from = arena(), *to = arena();
	struct mr_value v = parse(from, "{\"status\":200,\"json\":{\"id\":7},\"l\":[1,\"x\"]}"),
	                copy;
	struct mr_map *m = (struct mr_map *)(uintptr_t)v.map;
	struct mr_str text;

	(void)state;
	m->fallback = mr_value_get(&v, "json")->map;
	assert_int_equal(mr_value_copy(to, &v, &copy), 0);
	from = mr_arena_free(from);
	assert_ptr_equal(copy.map->fallback, mr_value_get(&copy, "json")->map);
	text = mr_json_text(to, &copy);
	assert_str(text, "{\"status\":200,\"json\":{\"id\":7},\"l\":[1,\"x\"]}");
	to = mr_arena_free(to);
}

static void without_memory(void **state)
{
	struct mr_arena *a = arena();
	struct mr_value v = parse(a, "{\"a\":[1,{\"b\":\"x\"}],\"c\":\"d\"}"), copy;
	struct mr_str text;
	int r = MR_E_NOMEM;

	(void)state;
	for (unsigned long n = 1; r != 0; n++) {
		mr_arena_fail_after(n);
		r = mr_value_copy(a, &v, &copy);
		mr_arena_fail_after(0);
		assert_true(r == 0 || r == MR_E_NOMEM);
	}
	assert_true(mr_value_eq(&v, &copy));
	mr_arena_fail_after(1);
	text = mr_json_text(a, &v);
	mr_arena_fail_after(0);
	assert_null(text.p);
	assert_null(mr_list_create(a, SIZE_MAX / 8));
	assert_null(mr_map_create(a, SIZE_MAX / 8));
	a = mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_kinds),
		cmocka_unit_test(members),
		cmocka_unit_test(large_map),
		cmocka_unit_test(numbers),
		cmocka_unit_test(equality),
		cmocka_unit_test(shared_parts),
		cmocka_unit_test(deep),
		cmocka_unit_test(copying),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
