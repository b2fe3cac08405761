/* File types by their bytes, sizes of images, text of markup, names of languages. */
#include "engine/steps/file_type.h"

#include "engine/steps/file_process_private.h"
#include "engine/steps/markup_text.h"
#include "engine/steps/report.h"
#include "tests/unit/test.h"

static int64_t read_memory(void *ctx, int64_t offset, void *buf, size_t len)
{
	const struct mr_str *s = ctx;
	size_t left = offset < (int64_t)s->len ? s->len - (size_t)offset : 0;

	memcpy(buf, s->p + offset, len < left ? len : left);
	return (int64_t)(len < left ? len : left);
}

static struct mr_file_view view_of(struct mr_str *s)
{
	return (struct mr_file_view){ .size = (int64_t)s->len, .read = read_memory, .ctx = s };
}

/* A zip of one stored, empty part: its directory is all that is looked at. */
#define ZIP(name)                                                                                  \
	"PK\3\4"                                                                                   \
	"PK\1\2"                                                                                   \
	"0000000000000000"                                                                         \
	"00000000"                                                                                 \
	"\x11\0"                                                                                   \
	"\0\0"                                                                                     \
	"\0\0"                                                                                     \
	"00000000"                                                                                 \
	"0000" name "PK\5\6"                                                                       \
	"\0\0\0\0\1\0\1\0"                                                                         \
	"\0\0\0\0"                                                                                 \
	"\x04\0\0\0"                                                                               \
	"\0\0"

static const struct {
	struct mr_str bytes;
	enum mr_file_type type;
} kinds[] = {
	{ MR_STR(""), MR_FILE_EMPTY },
	{ MR_STR("%PDF-1.7\n"), MR_FILE_PDF },
	{ MR_STR("\n\njunk %PDF-1.4\n\0"), MR_FILE_PDF },
	{ MR_STR("\x89PNG\r\n\x1a\n"), MR_FILE_PNG },
	{ MR_STR("\xff\xd8\xff\xe0"), MR_FILE_JPEG },
	{ MR_STR("GIF89a..."), MR_FILE_GIF },
	{ MR_STR("II*\0...."), MR_FILE_TIFF },
	{ MR_STR("MM\0*...."), MR_FILE_TIFF },
	{ MR_STR("PK\3\4...."), MR_FILE_ZIP },
	{ MR_STR(ZIP("word/document.xml")), MR_FILE_DOCX },
	{ MR_STR(ZIP("word/document.xmx")), MR_FILE_ZIP },
	{ MR_STR("a,b\n1,2\n"), MR_FILE_TEXT },
	{ MR_STR("Gr\xc3\xbc\xc3\x9f"), MR_FILE_TEXT },
	{ MR_STR("Gr\xfc\xdf"), MR_FILE_UNKNOWN },
	{ MR_STR("a\0b"), MR_FILE_UNKNOWN },
	{ MR_STR("\xef\xbb\xbf <!DOCTYPE HTML><p>"), MR_FILE_HTML },
	{ MR_STR("  <html lang=en>"), MR_FILE_HTML },
	{ MR_STR("MZ\x90\0"), MR_FILE_UNKNOWN },
};

static void test_types(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(kinds); i++) {
		struct mr_str s = kinds[i].bytes;
		struct mr_file_view v = view_of(&s);

		if (mr_file_type_detect(&v) != kinds[i].type)
			fail_msg("case %zu is %s", i, mr_file_type_name(mr_file_type_detect(&v)));
	}
}

/* A character that the sample's end cuts is no fault; one inside is. */
static void test_long_text(void **state)
{
	static char text[70000];
	struct mr_str s = { text, sizeof(text) };
	struct mr_file_view v = view_of(&s);

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + 65534, "\xe2\x82\xac", 3);
	assert_int_equal(mr_file_type_detect(&v), MR_FILE_TEXT);
	text[100] = (char)0xff;
	assert_int_equal(mr_file_type_detect(&v), MR_FILE_UNKNOWN);
}

static const struct {
	struct mr_str bytes;
	uint64_t pixels;
} pictures[] = {
	{ MR_STR("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\1\0\0\0\0\x10"), 4096 },
	{ MR_STR("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\xff\xff\xff\xff\xff\xff\xff\xff"),
	    0xffffffffull * 0xffffffffull },
	{ MR_STR("\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0"), 0 },
	{ MR_STR("GIF89a\x10\0\x20\0"), 512 },
	{ MR_STR("\xff\xd8\xff\xe0\0\4ab\xff\xc0\0\x0b\x08\0\x10\0\x20"), 512 },
	{ MR_STR("\xff\xd8\xff\xff\xff\xc2\0\x0b\x08\0\x10\0\x20"), 512 },
	{ MR_STR("\xff\xd8\xff\xe0\0\1ab\xff\xc0\0\x0b\x08\0\x10\0\x20"), 0 },
	{ MR_STR("\xff\xd8\xff\xda\0\4ab"), 0 },
	{ MR_STR("II*\0\x08\0\0\0\2\0\0\1\3\0\1\0\0\0\x10\0\0\0\1\1\4\0\1\0\0\0\x20\0\0\0\0\0\0\0"),
	    512 },
	{ MR_STR("MM\0*\0\0\0\x08\0\2\1\0\0\3\0\0\0\1\0\x10\0\0\1\1\0\4\0\0\0\1\0\0\0\x20\0\0\0\0"),
	    512 },
	{ MR_STR("II*\0\x08\0\0\0\0\0\x08\0\0\0"), 0 }, /* a directory that points to itself */
	{ MR_STR("II*\0\xff\xff\xff\xff"), 0 },
};

static void test_pixels(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(pictures); i++) {
		struct mr_str s = pictures[i].bytes;
		struct mr_file_view v = view_of(&s);

		if (mr_file_pixels(&v, mr_file_type_detect(&v)) != pictures[i].pixels)
			fail_msg("case %zu", i);
	}
}

static const struct {
	enum mr_markup_kind kind;
	const char *in, *out;
} markups[] = {
	{ MR_MARKUP_HTML, "<p>Hello   <b>big</b>\n world</p><p>Bye", "Hello big world\nBye" },
	{ MR_MARKUP_HTML, "a<br>b<br/>c", "a\nb\nc" },
	{ MR_MARKUP_HTML, "x<script>var a = '<p>';</script>y", "xy" },
	{ MR_MARKUP_HTML, "x<STYLE>p{}</STYLE >y</p>", "xy\n" },
	{ MR_MARKUP_HTML, "x<script>a</scripty>b</script>y", "xy" },
	{ MR_MARKUP_HTML, "&lt;b&gt; &amp;amp; &#65;&#x42; &euro; &nope; &",
	    "<b> &amp; AB \xe2\x82\xac &nope; &" },
	{ MR_MARKUP_HTML, "&#0;&#xD800;&#x110000;&#99999999999;",
	    "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ MR_MARKUP_HTML, "a<!-- <p>x --->b", "ab" },
	{ MR_MARKUP_HTML, "a<img alt=\"x>y\" src='>'>b", "ab" },
	{ MR_MARKUP_HTML, "1 < 2 and 3 </ 4", "1 < 2 and 3 </ 4" },
	{ MR_MARKUP_HTML, "<td>1</td><td>2</td>", "1 2" },
	{ MR_MARKUP_HTML, "<?xml version=\"1.0\"?><!DOCTYPE html>z", "z" },
	{ MR_MARKUP_HTML, "open <a href=\"", "open" },
	{ MR_MARKUP_DOCX,
	    "<w:p><w:r><w:t>One</w:t><w:tab/><w:t xml:space=\"preserve\"> two</w:t></w:r></w:p>",
	    "One\t two\n" },
	{ MR_MARKUP_DOCX, "<w:pPr><w:tabs><w:tab w:val=\"left\"/></w:tabs></w:pPr><w:t>x</w:t>",
	    "x" },
	{ MR_MARKUP_DOCX,
	    "<w:instrText>PAGE</w:instrText><w:delText>gone</w:delText><w:t/>y<w:t>z</w:t>", "z" },
	{ MR_MARKUP_DOCX,
	    "<mc:AlternateContent><mc:Choice><w:t>a</w:t></mc:Choice><mc:Fallback><w:t>a</w:t></"
	    "mc:Fallback></mc:AlternateContent><w:t>b</w:t>",
	    "ab" },
	{ MR_MARKUP_DOCX, "<w:t>&lt;x&gt;<![CDATA[<y>]]]]></w:t>", "<x><y>]]" },
	{ MR_MARKUP_DOCX, "<w:r><w:br/></w:r><w:p/>", "\n\n" },
};

static void test_markup(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(markups); i++) {
		for (size_t step = 1; step < 40; step += 13) { /* in pieces of any size */
			struct mr_str in = mr_str(markups[i].in);
			struct mr_markup m;
			struct mr_buf b;

			mr_buf_init(&b, 1000);
			mr_markup_init(&m, markups[i].kind, &b);
			for (size_t at = 0; at < in.len; at += step)
				mr_markup_feed(&m, (struct mr_str){ in.p + at,
				                       at + step < in.len ? step : in.len - at });
			mr_markup_end(&m);
			if (!mr_str_eqz(mr_buf_str(&b), markups[i].out))
				fail_msg("case %zu: %s", i, mr_buf_str(&b).p);
			mr_buf_done(&b);
		}
	}
}

static void test_markup_limit(void **state)
{
	struct mr_markup m;
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 10);
	mr_markup_init(&m, MR_MARKUP_HTML, &b);
	for (int i = 0; i < 100; i++)
		mr_markup_feed(&m, MR_STR("abc"));
	assert_true(mr_buf_failed(&b));
	assert_int_equal(b.len, 10);
	mr_buf_done(&b);
}

static const struct {
	const char *in, *out; /* NULL: refused */
} languages[] = {
	{ "en", "eng" },
	{ "EN", "eng" },
	{ "English", "eng" },
	{ "eng", "eng" },
	{ "de", "deu" },
	{ "en-GB", "eng" },
	{ "pt_BR", "por" },
	{ "en,de", "eng+deu" },
	{ "en + fr", "eng+fra" },
	{ "chi_sim", "chi_sim" },
	{ "xyz", "xyz" },
	{ "", NULL },
	{ "en,", NULL },
	{ "../etc/passwd", NULL },
	{ "e n", NULL },
	{ "x", NULL },
	{ "-l", NULL },
	{ "abcdefghijklmnopqrstuvwxyz", NULL },
};

static void test_languages(void **state)
{
	char out[MR_FILE_LANGUAGES];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(languages); i++) {
		bool ok = mr_file_languages(mr_str(languages[i].in), out);

		if (ok != (languages[i].out != NULL) || (ok && strcmp(out, languages[i].out) != 0))
			fail_msg("%s gives %s", languages[i].in, out);
	}
}

static void test_extensions(void **state)
{
	(void)state;
	assert_true(mr_str_eqz(mr_file_extension(MR_STR("a.tar.GZ")), "GZ"));
	assert_true(mr_str_eqz(mr_file_extension(MR_STR("noext")), ""));
	assert_true(mr_str_eqz(mr_file_extension(MR_STR("a.b/c")), ""));
	assert_true(mr_str_eqz(mr_file_extension(MR_STR("")), ""));
	assert_int_equal(mr_file_type_of_extension(MR_STR("JPEG")), MR_FILE_JPEG);
	assert_int_equal(mr_file_type_of_extension(MR_STR("exe")), MR_FILE_UNKNOWN);
}

static const struct {
	struct mr_str in;
	const char *out;
	size_t words;
} texts[] = {
	{ MR_STR(""), "", 0 },
	{ MR_STR("one two\r\n\tthree\f"), "one two\n\tthree", 3 },
	{ MR_STR("a\0b\x01"
	         "c\x7f d"),
	    "abc d", 2 },
	{ MR_STR("\xff\xe2\x82"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 1 },
	{ MR_STR("x\xc2\xa0y\xe2\x80\x83z\xe3\x80\x80w"), "x\xc2\xa0y\xe2\x80\x83z\xe3\x80\x80w",
	    4 },
	{ MR_STR("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", 1 },
};

static void test_texts(void **state)
{
	struct mr_arena *a = mr_arena_create(65536);

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(texts); i++) {
		struct mr_str s = mr_text_clean(a, texts[i].in);

		if (!mr_str_eqz(s, texts[i].out) || mr_text_words(s) != texts[i].words)
			fail_msg("case %zu: %s", i, s.p);
	}
	assert_int_equal(mr_text_cut(MR_STR("a\xe2\x82\xac"), 3).len, 1);
	a = mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_pixels),
		cmocka_unit_test(test_markup),
		cmocka_unit_test(test_markup_limit),
		cmocka_unit_test(test_languages),
		cmocka_unit_test(test_extensions),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
