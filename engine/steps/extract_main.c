/*
 * millrace-extract html|docx: the text of the file on standard input, on standard output. Run by
 * the engine inside its sandbox; it opens nothing itself. Exit: 0 done, 1 the file is no such
 * document or damaged, 2 wrong use, 3 too large, 4 its XML has a document type declaration.
 */
#include <archive.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/steps/docx_text.h"
#include "engine/steps/markup_text.h"

#define MAX_TEXT  (8u * 1024 * 1024)
#define MAX_INPUT (256ll * 1024 * 1024)
#define BLOCK     65536

static int extract_html(struct mr_buf *out)
{
	static char block[BLOCK];
	struct mr_markup m;
	long long total = 0;
	ssize_t n;

	mr_markup_init(&m, MR_MARKUP_HTML, out);
	while ((n = read(STDIN_FILENO, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return MR_E_IO;
		total += n;
		mr_markup_feed(&m, (struct mr_str){ block, (size_t)n });
		if (total > MAX_INPUT || mr_buf_failed(out))
			return MR_E_LIMIT;
	}
	mr_markup_end(&m);
	return 0;
}

static int extract_docx(struct mr_buf *out)
{
	struct archive *a = archive_read_new();
	int r = MR_E_INVALID;

	if (a == NULL)
		return MR_E_NOMEM;
	if (archive_read_support_format_zip_seekable(a) == ARCHIVE_OK &&
	    archive_read_open_fd(a, STDIN_FILENO, BLOCK) == ARCHIVE_OK)
		r = mr_docx_text(a, out);
	(void)archive_read_free(a); /* nothing left to lose */
	return r;
}

static int write_all(struct mr_str s)
{
	while (s.len > 0) {
		ssize_t n = write(STDOUT_FILENO, s.p, s.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return MR_E_IO;
		s.p += n;
		s.len -= (size_t)n;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct mr_buf out;
	int r;

	if (argc != 2 || (strcmp(argv[1], "html") != 0 && strcmp(argv[1], "docx") != 0)) {
		(void)fputs("usage: millrace-extract html|docx <file >text\n", stderr);
		return 2;
	}
	mr_buf_init(&out, MAX_TEXT);
	r = strcmp(argv[1], "html") == 0 ? extract_html(&out) : extract_docx(&out);
	if (r == 0)
		r = write_all(mr_buf_str(&out));
	mr_buf_done(&out);
	if (r == MR_E_DENIED)
		return 4;
	return r == 0 ? 0 : r == MR_E_LIMIT || r == MR_E_NOMEM ? 3 : 1;
}
