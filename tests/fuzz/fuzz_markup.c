/*
 * Text of HTML, of a word processor's XML, and of a whole docx. The first byte chooses: 'h', 'x',
 * 'z' (a zip). The same text must come out however the input is cut into pieces.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/steps/docx_text.h"
#include "engine/steps/markup_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_TEXT 65536

static void extract(enum mr_markup_kind kind, struct mr_str in, size_t piece, struct mr_buf *out)
{
	struct mr_markup m;

	mr_buf_init(out, MAX_TEXT);
	mr_markup_init(&m, kind, out);
	for (size_t at = 0; at < in.len; at += piece)
		mr_markup_feed(
		    &m, (struct mr_str){ in.p + at, in.len - at < piece ? in.len - at : piece });
	mr_markup_end(&m);
}

static void check_markup(enum mr_markup_kind kind, struct mr_str in)
{
	struct mr_buf whole, pieces;

	extract(kind, in, in.len > 0 ? in.len : 1, &whole);
	extract(kind, in, 3, &pieces);
	if (!mr_str_eq(mr_buf_str(&whole), mr_buf_str(&pieces)))
		abort();
	mr_buf_done(&whole);
	mr_buf_done(&pieces);
}

static void check_docx(struct mr_str in)
{
	struct archive *a = archive_read_new();
	struct mr_buf out;
	bool fits = true;

	mr_buf_init(&out, MAX_TEXT);
	if (a != NULL && archive_read_support_format_zip_seekable(a) == ARCHIVE_OK &&
	    archive_read_open_memory(a, in.p, in.len) == ARCHIVE_OK)
		fits = mr_docx_text(a, &out) != MR_E_NOMEM;
	(void)archive_read_free(a);
	if (!fits || out.len > MAX_TEXT)
		abort();
	mr_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_str in;

	if (size == 0)
		return 0;
	in = (struct mr_str){ (const char *)data + 1, size - 1 };
	if (data[0] == 'z')
		check_docx(in);
	else
		check_markup(data[0] == 'x' ? MR_MARKUP_DOCX : MR_MARKUP_HTML, in);
	return 0;
}
