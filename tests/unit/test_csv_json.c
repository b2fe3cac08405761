/* CSV to JSON and back: RFC 4180, what files in the wild add to it, and what is refused where. */
#include "engine/steps/csv_json.h"

#include <stdlib.h>

#include "engine/steps/csv_reader.h"
#include "lib/error.h"
#include "tests/unit/test.h"

typedef int convert_fn(
    FILE *in, FILE *out, const struct mr_csv_options *o, struct mr_csv_outcome *ret);

/* What FN makes of LEN bytes; malloc'd. */
static char *convert(convert_fn *fn, const char *text, size_t len, const struct mr_csv_options *o,
    struct mr_csv_outcome *outcome, int *ret)
{
	FILE *in = tmpfile();
	char *made = NULL;
	size_t made_len;
	FILE *out = open_memstream(&made, &made_len);

	assert_non_null(in);
	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, in), len);
	rewind(in);
	*ret = fn(in, out, o, outcome);
	(void)fclose(in);
	(void)fclose(out);
	return made;
}

static const struct {
	const char *csv, *json; /* json NULL: refused, and it says */
	const char *says;
	char delimiter; /* '\0': comma */
	bool no_header;
	unsigned rows;
} tables[] = {
	{ "a,b\r\n1,2\r\n", "[\n{\"a\":\"1\",\"b\":\"2\"}\n]\n", NULL, 0, false, 1 },
	{ "a,b\n1,2", "[\n{\"a\":\"1\",\"b\":\"2\"}\n]\n", NULL, 0, false, 1 },
	{ "a\r1\r2\r", "[\n{\"a\":\"1\"},\n{\"a\":\"2\"}\n]\n", NULL, 0, false, 2 },
	{ "a,b\n", "[]\n", NULL, 0, false, 0 },
	{ "", "[]\n", NULL, 0, false, 0 },
	{ "\xef\xbb\xbf", "[]\n", NULL, 0, false, 0 },
	{ "\xef\xbb\xbf\"a\"\n1\n", "[\n{\"a\":\"1\"}\n]\n", NULL, 0, false, 1 },
	{ "\xef\xbb\n", NULL, "line 1: field 1 is not UTF-8", 0, false, 0 },
	{ "a,b\n,\n", "[\n{\"a\":\"\",\"b\":\"\"}\n]\n", NULL, 0, false, 1 },
	{ "a\n\n\n1\n\n", "[\n{\"a\":\"1\"}\n]\n", NULL, 0, false, 1 },
	{ "a\n\"\"\n", "[\n{\"a\":\"\"}\n]\n", NULL, 0, false, 1 },
	{ "a,b\n\"x, \"\"y\"\"\r\nz\",  q \n",
	    "[\n{\"a\":\"x, \\\"y\\\"\\r\\nz\",\"b\":\"  q \"}\n]\n", NULL, 0, false, 1 },
	{ "a;b\n1,5;2\n", "[\n{\"a\":\"1,5\",\"b\":\"2\"}\n]\n", NULL, ';', false, 1 },
	{ "a\tb\n1\t2\n", "[\n{\"a\":\"1\",\"b\":\"2\"}\n]\n", NULL, '\t', false, 1 },
	{ "1,2\n3,4\n", "[\n[\"1\",\"2\"],\n[\"3\",\"4\"]\n]\n", NULL, 0, true, 2 },
	{ "\xc3\xa4,b\n\xe2\x82\xac,\\\n", "[\n{\"\xc3\xa4\":\"\xe2\x82\xac\",\"b\":\"\\\\\"}\n]\n",
	    NULL, 0, false, 1 },
	{ "a,b\n1,2\n3\n", NULL, "line 3 has 1 field; the first row has 2", 0, false, 0 },
	{ "a,b\n1,2,3\n", NULL, "line 2 has 3 fields; the first row has 2", 0, false, 0 },
	{ "1,2\n3\n", NULL, "line 2 has 1 field; the first row has 2", 0, true, 0 },
	{ "a,b\n\"x\ny\",2\n3\n", NULL, "line 4 has 1 field", 0, false, 0 },
	{ "a\n1\n\"x\n\ny", NULL, "line 3: the quote that opens here is not closed", 0, false, 0 },
	{ "a\n\"x\"y\n", NULL, "line 2: text stands behind a closing quote", 0, false, 0 },
	{ "a\nx\"y\"\n", NULL, "line 2: a quote stands inside a field", 0, false, 0 },
	{ "a,,c\n1,2,3\n", NULL, "line 1: column 2 has no name", 0, false, 0 },
	{ "a,b,a\n1,2,3\n", NULL, "line 1: two columns are named \"a\"", 0, false, 0 },
	{ "a\n\xff\n", NULL, "line 2: field 1 is not UTF-8", 0, false, 0 },
	/* halves of one character in two fields are none */
	{ "a,b\n\xc3,\xa4\n", NULL, "line 2: field 1 is not UTF-8", 0, false, 0 },
};

static void test_csv_to_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(tables); i++) {
		struct mr_csv_options o = { tables[i].delimiter != 0 ? tables[i].delimiter : ',',
			!tables[i].no_header };
		struct mr_csv_outcome outcome;
		int r;
		char *made =
		    convert(mr_csv_to_json, tables[i].csv, strlen(tables[i].csv), &o, &outcome, &r);

		if ((r == 0) != (tables[i].json != NULL))
			fail_msg("%s: %d %s", tables[i].csv, r, outcome.message);
		if (r == 0) {
			assert_string_equal(made, tables[i].json);
			assert_int_equal(outcome.rows, tables[i].rows);
		} else if (strstr(outcome.message, tables[i].says) == NULL) {
			fail_msg("%s: %s", tables[i].csv, outcome.message);
		}
		free(made);
	}
}

static const struct {
	const char *json, *csv, *says;
	bool no_header;
} lists[] = {
	{ "[]", "", NULL, false },
	{ "", "", NULL, false },
	{ "[{\"a\": 1, \"b\": \"x\"}, {\"a\": 2.5, \"b\": null}]", "a,b\r\n1,x\r\n2.5,\r\n", NULL,
	    false },
	{ "[{\"a\": 1}]", "1\r\n", NULL, true },
	{ "{\"a\": 1}", "a\r\n1\r\n", NULL, false },
	{ "\xef\xbb\xbf{\"a\": 1}\n{\"a\": 2, \"b\": 3}\n", "a,b\r\n1,\r\n2,3\r\n", NULL, false },
	{ "[{\"a\": {\"b\": {\"c\": true}, \"d\": []}, \"e\": {}}]",
	    "a.b.c,a.d,e\r\ntrue,[],{}\r\n", NULL, false },
	{ "[{\"a\": [1, {\"b\": \"\\\"\"}]}]", "a\r\n\"[1,{\"\"b\"\":\"\"\\\"\"\"\"}]\"\r\n", NULL,
	    false },
	{ "[{\"b\": 1}, {\"a\": 2}]", "b,a\r\n1,\r\n,2\r\n", NULL, false },
	{ "[{\"a\": \"x,y\"}, {\"a\": \"\\r\\n\"}, {\"a\": \" z\"}, {\"a\": \"\"}]",
	    "a\r\n\"x,y\"\r\n\"\r\n\"\r\n\" z\"\r\n\"\"\r\n", NULL, false },
	{ "[[\"a\", 1], [null, \"b\"]]", "a,1\r\n,b\r\n", NULL, false },
	{ "[{\"a.b\": 1, \"a\": {\"b\": 2}}]", NULL,
	    "item 1: two members become the column \"a.b\"", false },
	{ "[{\"a\": 1}, [1]]", NULL, "item 2: rows are either all objects or all lists", false },
	{ "[{\"a\": 1}, 5]", NULL, "item 2: neither an object nor a list", false },
	{ "[{\"a\": 1}, {\"a\": 1, \"a\": 2}]", NULL, "item 2: no valid JSON", false },
	{ "[{\"a\": 1},]", NULL, "nothing follows the comma", false },
	{ "[{\"a\": 1} {\"a\": 2}]", NULL, "a comma or a closing bracket", false },
	{ "[{\"a\": 1}] x", NULL, "something follows", false },
	{ "[{\"a\": \"1}]", NULL, "item 1: the file ends inside of it", false },
	{ "[{\"a\": 1}", NULL, "a comma or a closing bracket", false },
	{ "[[]]", NULL, "a row has 1 to 4096 fields", false },
	{ "5", NULL, "neither with a list nor with an object", false },
	{ "{\"a\": 1} 5", NULL, "something else than an object", false },
	{ "a,b\n1,2\n", NULL, "neither with a list nor with an object", false },
	{ "[{\"a\": \"\\u0000\"}]", NULL, "no valid JSON", false },
	{ "[{\"a\": \"\xff\"}]", NULL, "no valid JSON", false },
};

static void test_json_to_csv(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(lists); i++) {
		struct mr_csv_options o = { ',', !lists[i].no_header };
		struct mr_csv_outcome outcome;
		int r;
		char *made =
		    convert(mr_json_to_csv, lists[i].json, strlen(lists[i].json), &o, &outcome, &r);

		if ((r == 0) != (lists[i].csv != NULL))
			fail_msg("%s: %d %s", lists[i].json, r, outcome.message);
		if (r == 0)
			assert_string_equal(made, lists[i].csv);
		else if (strstr(outcome.message, lists[i].says) == NULL)
			fail_msg("%s: %s", lists[i].json, outcome.message);
		free(made);
	}
}

/* LEN bytes: HEAD, then FILL. */
static void check_large(
    convert_fn *fn, const char *head, const char *fill, size_t len, int expected, const char *says)
{
	struct mr_csv_options o = { ',', true };
	struct mr_csv_outcome outcome;
	char *text = malloc(len), *made;
	size_t n = strlen(head);
	int r;

	assert_non_null(text);
	memcpy(text, head, n);
	for (size_t i = n; i < len; i++)
		text[i] = fill[(i - n) % strlen(fill)];
	made = convert(fn, text, len, &o, &outcome, &r);
	assert_int_equal(r, expected);
	if (strstr(outcome.message, says) == NULL)
		fail_msg("%s", outcome.message);
	free(made);
	free(text);
}

static void test_limits(void **state)
{
	(void)state;
	check_large(mr_csv_to_json, "a\n", "x", 3u << 20, MR_E_LIMIT,
	    "line 2: a field is longer than 1048576 bytes");
	check_large(mr_csv_to_json, "a\n\"", "x\n", 3u << 20, MR_E_LIMIT,
	    "line 2: a field is longer than 1048576 bytes");
	check_large(mr_csv_to_json, "", "x,", 20000, MR_E_LIMIT, "more than 4096 fields");
	check_large(mr_csv_to_json, "a\n", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx,", 12u << 20,
	    MR_E_LIMIT, "more than 4096 fields");
	check_large(
	    mr_json_to_csv, "[{\"a\":\"", "x", 9u << 20, MR_E_LIMIT, "item 1: longer than 8388608");
	check_large(mr_json_to_csv, "[", "[", 100000, MR_E_INVALID, "the file ends inside");
	check_large(mr_json_to_csv, "{\"a\":", "{\"a\":", 1000, MR_E_INVALID, "the file ends");
}

/* Pieces of any size give the same rows. */
static bool count_fields(void *ctx, const struct mr_csv *csv)
{
	size_t *n = ctx;

	for (size_t i = 0; i < csv->fields; i++)
		*n = *n * 31 + mr_csv_field(csv, i).len + 1;
	return true;
}

static void test_pieces(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
	                           "a,\"b\"\"c\"\r\n1,\"x\r\ny\"\r\n\r\n3,4";
	size_t wanted = 0;

	(void)state;
	for (size_t size = sizeof(text); size > 0; size--) {
		struct mr_csv *csv = malloc(sizeof(*csv));
		size_t sum = 0;

		mr_csv_init(csv, ',', count_fields, &sum);
		for (size_t at = 0; at < sizeof(text) - 1; at += size) {
			size_t n = sizeof(text) - 1 - at < size ? sizeof(text) - 1 - at : size;

			assert_int_equal(mr_csv_feed(csv, (struct mr_str){ text + at, n }), 0);
		}
		assert_int_equal(mr_csv_end(csv), 0);
		mr_csv_done(csv);
		free(csv);
		wanted = wanted == 0 ? sum : wanted;
		assert_int_equal(sum, wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv_to_json),
		cmocka_unit_test(test_json_to_csv),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
