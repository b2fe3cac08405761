/* multipart/form-data: bodies of browsers and curl, cut at every byte; everything malformed. */
#include "fcgi/multipart.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/error.h"
#include "tests/unit/test.h"

/* What came out, as text: [name|filename|type:data] */
struct seen {
	struct mr_buf text;
	unsigned fail_at; /* the n-th callback returns MR_E_IO; 0: none */
};

static int step(struct seen *s)
{
	return s->fail_at > 0 && --s->fail_at == 0 ? MR_E_IO : 0;
}

static int on_begin(void *ctx, const struct mr_multipart_part *part)
{
	struct seen *s = ctx;

	mr_buf_addf(&s->text, "[%.*s|%.*s|%.*s:", MR_STR_ARG(part->name),
	    part->filename.p != NULL ? (int)part->filename.len : 1,
	    part->filename.p != NULL ? part->filename.p : "-", MR_STR_ARG(part->content_type));
	return step(s);
}

static int on_data(void *ctx, struct mr_str piece)
{
	struct seen *s = ctx;

	assert_true(piece.len > 0);
	mr_buf_adds(&s->text, piece);
	return step(s);
}

static int on_end(void *ctx)
{
	struct seen *s = ctx;

	mr_buf_addc(&s->text, ']');
	return step(s);
}

static const struct mr_multipart_ops ops = { on_begin, on_data, on_end };

#define TYPE "multipart/form-data; boundary=AaB03x"

/* Feeds BODY in pieces of STEP bytes. */
static int read_in(const char *type, struct mr_str body, size_t step_len, struct seen *s)
{
	struct mr_multipart m;
	int r = mr_multipart_init(&m, mr_str(type), &ops, s);

	for (size_t at = 0; r == 0 && at < body.len; at += step_len) {
		size_t n = body.len - at < step_len ? body.len - at : step_len;
		char *copy = malloc(n); /* so that a sanitizer sees one byte too many */

		assert_non_null(copy);
		memcpy(copy, body.p + at, n);
		r = mr_multipart_feed(&m, (struct mr_str){ copy, n });
		free(copy);
	}
	if (r == 0)
		r = mr_multipart_finish(&m);
	if (r == MR_E_INVALID || r == MR_E_LIMIT)
		assert_non_null(m.fault);
	return r;
}

static void check(const char *type, struct mr_str body, int result, const char *want)
{
	static const size_t steps[] = { 1, 2, 3, 7, 16, 100000 };

	for (size_t i = 0; i < MR_ARRAY_LEN(steps); i++) {
		struct seen s = { .fail_at = 0 };

		mr_buf_init(&s.text, 100000);
		assert_int_equal(read_in(type, body, steps[i], &s), result);
		if (want != NULL)
			assert_str(mr_buf_str(&s.text), want);
		mr_buf_done(&s.text);
	}
}

#define PART(disposition, body)                                                                    \
	"--AaB03x\r\nContent-Disposition: " disposition "\r\n\r\n" body "\r\n"
#define END "--AaB03x--\r\n"

static void test_bodies(void **state)
{
	static const struct {
		const char *name, *type;
		struct mr_str body;
		const char *want;
	} cases[] = {
		{ "one file", TYPE,
		    MR_STR("--AaB03x\r\nContent-Disposition: form-data; name=\"file\"; "
		           "filename=\"a.txt\"\r\n"
		           "Content-Type: text/plain\r\n\r\nhello\r\n--AaB03x--\r\n"),
		    "[file|a.txt|text/plain:hello]" },
		{ "a field and a file", TYPE,
		    MR_STR(PART("form-data; name=\"note\"", "x=1")
		            PART("form-data; name=file; filename=b", "B") END),
		    "[note|-|:x=1][file|b|:B]" },
		{ "empty parts", TYPE,
		    MR_STR(PART("form-data; name=a", "") PART("form-data; name=\"\"", "") END),
		    "[a|-|:][|-|:]" },
		{ "no parts", TYPE, MR_STR(END), "" },
		{ "preamble and epilogue", TYPE,
		    MR_STR("ignore me\r\n\r\n" PART("form-data; name=a", "1") END
		        "and me --AaB03x\r\n"),
		    "[a|-|:1]" },
		{ "what looks like the boundary", TYPE,
		    MR_STR(PART("form-data; name=a",
		        "\r\n\r\n--AaB03\r\n--AaB03y\r--AaB03x\n--AaB03x -AaB03x\r\r\n-\r\n--\r")
		            END),
		    "[a|-|:\r\n\r\n--AaB03\r\n--AaB03y\r--AaB03x\n--AaB03x "
		    "-AaB03x\r\r\n-\r\n--\r]" },
		{ "padding after the boundary", TYPE,
		    MR_STR("--AaB03x \t \r\nContent-Disposition: form-data; "
		           "name=a\r\n\r\n1\r\n--AaB03x--"),
		    "[a|-|:1]" },
		{ "escapes and other headers", TYPE,
		    MR_STR("--AaB03x\r\nX-Other: 1\r\ncontent-disposition: FORM-DATA; "
		           "name=\"a\\\"b\\\\c\\d\"; filename=\"C:\\x\\y.txt\"; size=3;\r\n"
		           "CONTENT-TYPE:  a/b; charset=utf-8 \r\n\r\n1\r\n--AaB03x--"),
		    "[a\"b\\c\\d|C:\\x\\y.txt|a/b; charset=utf-8:1]" },
		{ "extended file name", TYPE,
		    MR_STR(
		        PART("form-data; name=f; filename*=UTF-8''%e2%82%ac%20x; filename=\"e x\"",
		            "1") END),
		    "[f|\xe2\x82\xac x|:1]" },
		{ "extended file name after the plain one", TYPE,
		    MR_STR(PART("form-data; name=f; filename=\"e x\"; filename*=utf-8''%E2%82%AC",
		        "1") END),
		    "[f|\xe2\x82\xac|:1]" },
		{ "empty file name", TYPE,
		    MR_STR(PART("form-data; name=f; filename=\"\"", "1") END), "[f||:1]" },
		{ "quoted boundary",
		    "Multipart/Form-Data; charset=x; boundary=\"a b'()+_,-./:=?c\"; x=y",
		    MR_STR(
		        "--a b'()+_,-./:=?c\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n"
		        "--a b'()+_,-./:=?c--"),
		    "[a|-|:1]" },
		{ "NUL bytes", TYPE, MR_STR(PART("form-data; name=a", "1\0002") END), NULL },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		check(cases[i].type, cases[i].body, 0, cases[i].want);
}

static void test_malformed(void **state)
{
	static const struct {
		const char *name;
		struct mr_str body;
	} cases[] = {
		{ "empty", MR_STR("") },
		{ "no boundary at all", MR_STR("hello") },
		{ "ends in the boundary", MR_STR("--AaB03") },
		{ "ends after the boundary", MR_STR("--AaB03x") },
		{ "half an end", MR_STR("--AaB03x-") },
		{ "ends in headers", MR_STR("--AaB03x\r\nContent-Disp") },
		{ "ends in data",
		    MR_STR("--AaB03x\r\nContent-Disposition: form-data; name=a\r\n\r\nabc") },
		{ "last boundary missing", MR_STR(PART("form-data; name=a", "1") "--AaB03x\r\n") },
		{ "boundary with a tail", MR_STR("--AaB03xy\r\n") },
		{ "dash and no dash", MR_STR("--AaB03x-x") },
		{ "CR without LF", MR_STR("--AaB03x\rx") },
		{ "no headers", MR_STR("--AaB03x\r\n\r\n1\r\n" END) },
		{ "no disposition", MR_STR("--AaB03x\r\nContent-Type: a/b\r\n\r\n1\r\n" END) },
		{ "two dispositions",
		    MR_STR("--AaB03x\r\nContent-Disposition: form-data; name=a\r\n"
		           "Content-Disposition: form-data; name=b\r\n\r\n1\r\n" END) },
		{ "attachment", MR_STR(PART("attachment; name=a", "1") END) },
		{ "no name", MR_STR(PART("form-data; filename=a", "1") END) },
		{ "name twice", MR_STR(PART("form-data; name=a; name=b", "1") END) },
		{ "filename twice",
		    MR_STR(PART("form-data; name=a; filename=a; filename=b", "1") END) },
		{ "filename* twice",
		    MR_STR(PART("form-data; name=a; filename*=utf-8''a; filename*=utf-8''b", "1")
		            END) },
		{ "filename* of another charset",
		    MR_STR(PART("form-data; name=a; filename*=latin1''a", "1") END) },
		{ "filename* with half an escape",
		    MR_STR(PART("form-data; name=a; filename*=utf-8''%4", "1") END) },
		{ "filename* with NUL",
		    MR_STR(PART("form-data; name=a; filename*=utf-8''%00", "1") END) },
		{ "name not UTF-8", MR_STR(PART("form-data; name=\"\xff\"", "1") END) },
		{ "quote not closed", MR_STR(PART("form-data; name=\"a", "1") END) },
		{ "no semicolon", MR_STR(PART("form-data name=a", "1") END) },
		{ "no equals sign", MR_STR(PART("form-data; name", "1") END) },
		{ "no value", MR_STR(PART("form-data; name=", "1") END) },
		{ "header without colon",
		    MR_STR("--AaB03x\r\nContent-Disposition\r\n\r\n1\r\n" END) },
		{ "header with a space",
		    MR_STR(
		        "--AaB03x\r\nContent-Disposition : form-data; name=a\r\n\r\n1\r\n" END) },
		{ "folded header", MR_STR("--AaB03x\r\nContent-Disposition: form-data;\r\n "
		                          "name=a\r\n\r\n1\r\n" END) },
		{ "header with a bare LF", MR_STR("--AaB03x\r\nX: y\nContent-Disposition: "
		                                  "form-data; name=a\r\n\r\n1\r\n" END) },
		{ "encoded", MR_STR("--AaB03x\r\nContent-Disposition: form-data; name=a\r\n"
		                    "Content-Transfer-Encoding: base64\r\n\r\n1\r\n" END) },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		check(TYPE, cases[i].body, MR_E_INVALID, NULL);
}

static void test_content_types(void **state)
{
	static const struct {
		const char *type;
		int result;
	} cases[] = {
		{ "multipart/form-data; boundary=a", 0 },
		{ "multipart/form-data;boundary=a", 0 },
		{ "multipart/form-data ; boundary=\"a\" ;", 0 },
		{ "multipart/form-data; "
		  "boundary=0123456789012345678901234567890123456789012345678901234567890123456789",
		    0 },
		{ "", MR_E_INVALID },
		{ "multipart/form-data", MR_E_INVALID },
		{ "multipart/form-data;", MR_E_INVALID },
		{ "multipart/mixed; boundary=a", MR_E_INVALID },
		{ "multipart/form-data; boundary=", MR_E_INVALID },
		{ "multipart/form-data; boundary=\"\"", MR_E_INVALID },
		{ "multipart/form-data; boundary=\"a ", MR_E_INVALID },
		{ "multipart/form-data; boundary=\"a \"", MR_E_INVALID },
		{ "multipart/form-data; boundary=\"a\r\nb\"", MR_E_INVALID },
		{ "multipart/form-data; boundary=a; boundary=b", MR_E_INVALID },
		{ "multipart/form-data; "
		  "boundary="
		  "01234567890123456789012345678901234567890123456789012345678901234567890",
		    MR_E_INVALID },
		{ "multipart/form-data boundary=a", MR_E_INVALID },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_multipart m;

		assert_int_equal(
		    mr_multipart_init(&m, mr_str(cases[i].type), &ops, NULL), cases[i].result);
	}
	assert_true(mr_multipart_is(MR_STR(" multipart/FORM-data ;x")));
	assert_false(mr_multipart_is(MR_STR("application/json")));
	assert_false(mr_multipart_is(MR_STR_NONE));
}

static void test_limits(void **state)
{
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 1000000);
	for (unsigned i = 0; i < MR_MULTIPART_PARTS_MAX; i++)
		mr_buf_addz(&b, PART("form-data; name=a", "1"));
	mr_buf_addz(&b, END);
	check(TYPE, mr_buf_str(&b), 0, NULL);
	mr_buf_reset(&b);
	for (unsigned i = 0; i <= MR_MULTIPART_PARTS_MAX; i++)
		mr_buf_addz(&b, PART("form-data; name=a", "1"));
	mr_buf_addz(&b, END);
	check(TYPE, mr_buf_str(&b), MR_E_LIMIT, NULL);
	mr_buf_reset(&b);
	mr_buf_addz(&b, "--AaB03x\r\nX: ");
	for (unsigned i = 0; i < MR_MULTIPART_HEADERS_MAX; i++)
		mr_buf_addc(&b, 'x');
	check(TYPE, mr_buf_str(&b), MR_E_LIMIT, NULL);
	mr_buf_reset(&b);
	for (unsigned i = 0; i < 5000; i++)
		mr_buf_addc(&b, 'x');
	mr_buf_addz(&b, "\r\n" END);
	check(TYPE, mr_buf_str(&b), MR_E_INVALID, NULL);
	mr_buf_reset(&b);
	mr_buf_addz(&b, "--AaB03x");
	for (unsigned i = 0; i < 1000; i++)
		mr_buf_addc(&b, ' ');
	check(TYPE, mr_buf_str(&b), MR_E_INVALID, NULL);
	mr_buf_reset(&b);
	mr_buf_addz(&b, "--AaB03x\r\nContent-Disposition: form-data; name=");
	for (unsigned i = 0; i <= MR_MULTIPART_VALUE_MAX; i++)
		mr_buf_addc(&b, 'x');
	mr_buf_addz(&b, "\r\n\r\n1\r\n" END);
	check(TYPE, mr_buf_str(&b), MR_E_INVALID, NULL);
	mr_buf_done(&b);
}

static void test_callbacks_can_end_it(void **state)
{
	static const struct mr_str body =
	    MR_STR(PART("form-data; name=a", "1") PART("form-data; name=b", "2") END);

	(void)state;
	for (unsigned n = 1; n <= 6; n++) {
		struct seen s = { .fail_at = n };

		mr_buf_init(&s.text, 1000);
		assert_int_equal(read_in(TYPE, body, 1000, &s), MR_E_IO);
		mr_buf_done(&s.text);
	}
}

static void test_filenames_of_headers(void **state)
{
	static const struct {
		const char *value, *want; /* NULL: none */
	} cases[] = {
		{ "attachment; filename=\"a b.pdf\"", "a b.pdf" },
		{ "inline; filename=a.pdf", "a.pdf" },
		{ "attachment; filename=x; filename*=UTF-8''%C3%A4", "\xc3\xa4" },
		{ "attachment", NULL },
		{ "", NULL },
		{ "attachment; filename=", NULL },
		{ "attachment; filename=\"a", NULL },
		{ "; filename=a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char out[MR_MULTIPART_VALUE_MAX];
		struct mr_str name = MR_STR_NONE;
		bool found = mr_multipart_filename(mr_str(cases[i].value), out, &name);

		assert_int_equal(found, cases[i].want != NULL);
		if (found)
			assert_str(name, cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_content_types),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_callbacks_can_end_it),
		cmocka_unit_test(test_filenames_of_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
