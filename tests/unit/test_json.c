/* JSON: what is read comes back the same, what is refused is named with its place. */
#include "tests/unit/test.h"

#include <math.h>
#include <stdio.h>

#include "lib/buf.h"
#include "lib/value.h"

static struct mr_arena *arena(void)
{
	struct mr_arena *a = mr_arena_create(256u << 20);

	assert_non_null(a);
	return a;
}

/* As it is written again after reading. */
static void reading(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ " \t\r\n null ", "null" },
		{ "[]", "[]" },
		{ "{}", "{}" },
		{ "[ 1 , 2 ]", "[1,2]" },
		{ "{ \"a\" : { \"b\" : [ ] } }", "{\"a\":{\"b\":[]}}" },
		{ "-0", "0" },
		{ "-0.0", "-0.0" },
		{ "1.0", "1.0" },
		{ "1e2", "100.0" },
		{ "1E+2", "100.0" },
		{ "1e21", "1e+21" },
		{ "0.1", "0.1" },
		{ "1e-7", "1e-07" },
		{ "123456789.123456789", "123456789.12345679" },
		{ "9007199254740993.0", "9007199254740992.0" },
		{ "9223372036854775807", "9223372036854775807" },
		{ "-9223372036854775808", "-9223372036854775808" },
		{ "4.9e-324", "5e-324" },
		{ "1.7976931348623157e308", "1.7976931348623157e+308" },
		{ "1e-999", "0.0" },
		{ "0.000000000000000000000000000000000000000000000000000000000000000000000000001",
		    "1e-75" },
		{ "\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\"",
		    "\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
		{ "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
		{ "\"\x7f\"", "\"\\u007f\"" },
		{ "[true,false,null]", "[true,false,null]" },
		{ "{\"\":1,\" \":2}", "{\"\":1,\" \":2}" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = arena();
		struct mr_value v;

		if (mr_json_parse(a, mr_str(cases[i].text), NULL, NULL, &v) != 0)
			fail_msg("refused: %s", cases[i].text);
		if (v.kind == MR_VALUE_DOUBLE) { /* as it came; then as one that was computed */
			assert_str(mr_json_text(a, &v), cases[i].text);
			v.written = NULL;
		}
		assert_str(mr_json_text(a, &v), cases[i].want);
		assert_int_equal(mr_json_check(a, mr_str(cases[i].text), NULL, NULL), 0);
		a = mr_arena_free(a);
	}
}

/* "path code@line:column" of each fault, joined by blanks. */
static void write_faults(struct mr_buf *b, const struct mr_faults *faults)
{
	for (const struct mr_fault *f = faults->first; f != NULL; f = f->next) {
		unsigned line = 0, column = 0;

		if (sscanf(f->message.p, "line %u, column %u: ", &line, &column) != 2)
			fail_msg("no position in \"%.*s\"", MR_STR_ARG(f->message));
		if (f != faults->first)
			mr_buf_addc(b, ' ');
		mr_buf_addf(
		    b, "%.*s %.*s@%u:%u", MR_STR_ARG(f->path), MR_STR_ARG(f->code), line, column);
	}
}

static void refusing(void **state)
{
	static const struct {
		const char *text;
		size_t len; /* 0: to the NUL */
		const char *want;
	} cases[] = {
		{ "", 0, " syntax@1:1" },
		{ " \n ", 0, " syntax@2:2" },
		{ "nul", 0, " syntax@1:1" },
		{ "NaN", 0, " syntax@1:1" },
		{ "'a'", 0, " syntax@1:1" },
		{ "[1,]", 0, "[1] syntax@1:4" },
		{ "[1 2]", 0, "[0] syntax@1:4" },
		{ "{\"a\" 1}", 0, "a syntax@1:6" },
		{ "{\"a\":1,}", 0, "a syntax@1:8" },
		{ "{a:1}", 0, " syntax@1:2" },
		{ "[}", 0, "[0] syntax@1:2" },
		{ "{} x", 0, " syntax@1:4" },
		{ "01", 0, " syntax@1:2" },
		{ "-", 0, " syntax@1:2" },
		{ "+1", 0, " syntax@1:1" },
		{ "1.", 0, " syntax@1:3" },
		{ ".5", 0, " syntax@1:1" },
		{ "1e", 0, " syntax@1:3" },
		{ "\"abc", 0, " syntax@1:5" },
		{ "\"\\x\"", 0, " syntax@1:3" },
		{ "\"\\u12g4\"", 0, " syntax@1:6" },
		{ "\xef\xbb\xbf{}", 0, " syntax@1:1" },
		{ "[1]\0", 4, " syntax@1:4" },
		{ "{\"a\":\n [1,\n  tru]}", 0, "a[1] syntax@3:3" },
		/* the others are all named */
		{ "[9223372036854775808,-9223372036854775809,1e999,-1e999]", 0,
		    "[0] number_range@1:2 [1] number_range@1:22 [2] number_range@1:43 "
		    "[3] number_range@1:49" },
		{ "{\"a\":1,\"b\":{\"x\":1,\"x\":2},\"a\":2}", 0,
		    "b.x duplicate_member@1:19 a duplicate_member@1:26" },
		{ "{\"a\":1,\"\\u0061\":2}", 0, "a duplicate_member@1:8" },
		{ "{\"a b\":1,\"a b\":2}", 0, "[\"a b\"] duplicate_member@1:10" },
		{ "[\"\\ud800\",\"\\udc00\",\"\\ud800\\u0041\"]", 0,
		    "[0] surrogate@1:3 [1] surrogate@1:12 [2] surrogate@1:21" },
		{ "{\"a\":\"\\u0000\",\"b\":\"\\u0000\"}", 0, "a nul@1:7 b nul@1:20" },
		{ "[\"\xff\",\"\xed\xa0\x80\",\"\xc0\xaf\"]", 0,
		    "[0] utf8@1:3 [1] utf8@1:7 [2] utf8@1:11" },
		{ "\"a\0b\"", 5, " nul@1:3" },
		{ "[\"a\nb\",\"\t\"]", 0, "[0] control_character@1:4 [1] control_character@2:5" },
		{ "{\"gr\xc3\xbc\xc3\x9f\":1,\"gr\xc3\xbc\xc3\x9f\":2}", 0,
		    "[\"gr\xc3\xbc\xc3\x9f\"] duplicate_member@1:11" },
		{ "{\"steps\":[{},{},{\"name\":\"\\ud800\"}]}", 0, "steps[2].name surrogate@1:26" },
		{ "[1e999,", 0, "[0] number_range@1:2 [1] syntax@1:8" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = arena();
		struct mr_str text = mr_str(cases[i].text);
		struct mr_faults faults, again;
		struct mr_value v;
		struct mr_buf b;

		if (cases[i].len > 0)
			text.len = cases[i].len;
		mr_faults_init(&faults, a, 100);
		mr_faults_init(&again, a, 100);
		assert_int_equal(mr_json_parse(a, text, NULL, &faults, &v), MR_E_INVALID);
		mr_buf_init(&b, 10000);
		write_faults(&b, &faults);
		if (!mr_str_eqz(mr_buf_str(&b), cases[i].want))
			fail_msg("%s\n gave %s\n want %s", cases[i].text, b.p, cases[i].want);
		assert_int_equal(mr_json_check(a, text, NULL, &again), MR_E_INVALID);
		assert_int_equal(again.count, faults.count);
		mr_buf_done(&b);
		a = mr_arena_free(a);
	}
}

/* Many members: duplicates are found by hash. */
static void many_members(void **state)
{
	struct mr_arena *a = arena();
	struct mr_faults faults;
	struct mr_value v;
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 1u << 20);
	for (int i = 0; i < 2000; i++)
		mr_buf_addf(&b, "%c\"m%d\":%d", i == 0 ? '{' : ',', i == 1999 ? 7 : i, i);
	mr_buf_addc(&b, '}');
	mr_faults_init(&faults, a, 10);
	assert_int_equal(mr_json_parse(a, mr_buf_str(&b), NULL, &faults, &v), MR_E_INVALID);
	assert_int_equal(faults.count, 1);
	assert_str(faults.first->path, "m7");
	mr_buf_done(&b);
	a = mr_arena_free(a);
}

static void limits(void **state)
{
	const struct mr_json_limits small = { .depth = 3, .values = 5 };
	struct mr_arena *a = arena();
	struct mr_faults faults;
	char *brackets = mr_arena_alloc(a, 100000);
	struct mr_value v;

	(void)state;
	assert_non_null(brackets);
	memset(brackets, '[', 100000);
	mr_faults_init(&faults, a, 10);
	assert_int_equal(
	    mr_json_parse(a, (struct mr_str){ brackets, 100000 }, NULL, &faults, &v), MR_E_LIMIT);
	assert_int_equal(faults.count, 1);
	assert_str(faults.first->code, "depth");
	assert_int_equal(mr_json_parse(a, MR_STR("[[[1]]]"), &small, NULL, &v), 0);
	assert_int_equal(mr_json_parse(a, MR_STR("[[[[1]]]]"), &small, NULL, &v), MR_E_LIMIT);
	assert_int_equal(mr_json_parse(a, MR_STR("[1,2,3,4]"), &small, NULL, &v), 0);
	assert_int_equal(mr_json_parse(a, MR_STR("[1,2,3,4,5]"), &small, NULL, &v), MR_E_LIMIT);
	a = mr_arena_free(a);
}

static void without_memory(void **state)
{
	static const struct mr_str text = { "{\"a\":[1,2.5,\"x\\n\",{\"b\":null}],\"c\":[[[]]],"
		                            "\"d1\":1,\"d2\":1,\"d3\":1,\"d4\":1,\"d5\":1,\"d6\":1,"
		                            "\"d7\":1,\"d8\":1,\"d9\":1}",
		0 };
	struct mr_str s = mr_str(text.p);
	int r = MR_E_NOMEM;

	(void)state;
	for (unsigned long n = 1; r != 0; n++) {
		struct mr_arena *a = arena();
		struct mr_value v;

		mr_arena_fail_after(n);
		r = mr_json_parse(a, s, NULL, NULL, &v);
		mr_arena_fail_after(0);
		assert_true(r == 0 || r == MR_E_NOMEM);
		a = mr_arena_free(a);
	}
}

static void writing(void **state)
{
	static const unsigned char bytes[] = { 0xff, 0x00, 'a', 'b' };
	struct mr_arena *a = arena();
	const struct {
		struct mr_value v;
		const char *json, *text;
	} cases[] = {
		{ mr_value_uint(UINT64_MAX), "18446744073709551615", "18446744073709551615" },
		{ mr_value_int(INT64_MIN), "-9223372036854775808", "-9223372036854775808" },
		{ mr_value_double((double)NAN), "\"NaN\"", "NaN" },
		{ mr_value_double((double)INFINITY), "\"Infinity\"", "Infinity" },
		{ mr_value_double((double)-INFINITY), "\"-Infinity\"", "-Infinity" },
		{ mr_value_double(0.1 + 0.2), "0.30000000000000004", "0.30000000000000004" },
		{ mr_value_double(1e15), "1e+15", "1e+15" },
		{ mr_value_double(2), "2.0", "2.0" },
		{ mr_value_bytes((struct mr_str){ (const char *)bytes, 4 }), "\"/wBhYg==\"",
		    "/wBhYg==" },
		{ mr_value_bytes((struct mr_str){ (const char *)bytes, 3 }), "\"/wBh\"", "/wBh" },
		{ mr_value_bytes((struct mr_str){ (const char *)bytes, 0 }), "\"\"", "" },
		{ mr_value_timestamp(1500000), "\"1970-01-01T00:00:01.5Z\"",
		    "1970-01-01T00:00:01.5Z" },
		{ mr_value_duration(1500000), "\"1.5s\"", "1.5s" },
		{ mr_value_duration(-1), "\"-0.000001s\"", "-0.000001s" },
		{ mr_value_duration(60000000), "\"60s\"", "60s" },
		{ mr_value_type("int"), "\"int\"", "int" },
		{ mr_value_strz("a\"b\n"), "\"a\\\"b\\n\"", "a\"b\n" },
		{ mr_value_bool(true), "true", "true" },
		{ MR_NULL_VALUE, "null", "null" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_buf b;

		assert_str(mr_json_text(a, &cases[i].v), cases[i].json);
		mr_buf_init(&b, 1000);
		mr_value_write_text(&b, &cases[i].v);
		assert_str(b.len > 0 ? mr_buf_str(&b) : MR_STR(""), cases[i].text);
		mr_buf_done(&b);
	}
	a = mr_arena_free(a);
}

/* Keys that aren't text are written as their text. */
static void keys(void **state)
{
	struct mr_arena *a = arena();
	struct mr_map *m = mr_map_create(a, 4);
	struct mr_value v;

	(void)state;
	assert_non_null(m);
	m->members[0].key = mr_value_int(-1);
	m->members[1].key = mr_value_uint(2);
	m->members[2].key = mr_value_bool(true);
	m->members[3].key = mr_value_strz("\xe2\x82\xac");
	v = mr_value_map(m);
	assert_str(
	    mr_json_text(a, &v), "{\"-1\":null,\"2\":null,\"true\":null,\"\xe2\x82\xac\":null}");
	a = mr_arena_free(a);
}

static void too_large_to_write(void **state)
{
	struct mr_arena *a = arena();
	struct mr_value v;
	struct mr_buf b;

	(void)state;
	assert_int_equal(mr_json_parse(a, MR_STR("[\"0123456789\",[1,2,3]]"), NULL, NULL, &v), 0);
	mr_buf_init(&b, 10);
	mr_json_write(&b, &v);
	assert_true(mr_buf_failed(&b));
	mr_buf_done(&b);
	a = mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),
		cmocka_unit_test(refusing),
		cmocka_unit_test(many_members),
		cmocka_unit_test(limits),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(writing),
		cmocka_unit_test(keys),
		cmocka_unit_test(too_large_to_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
