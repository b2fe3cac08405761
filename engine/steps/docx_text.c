#include "engine/steps/docx_text.h"

#include <archive_entry.h>
#include <stdint.h>
#include <string.h>

#include "engine/steps/markup_text.h"

#define MAX_ENTRIES  10000
#define MAX_UNPACKED (128ll * 1024 * 1024) /* a zip bomb ends here */

static int read_document(struct archive *a, struct mr_buf *out)
{
	struct mr_markup m;
	int64_t total = 0;
	const void *p;
	size_t len;
	la_int64_t offset;
	int r;

	mr_markup_init(&m, MR_MARKUP_DOCX, out);
	while ((r = archive_read_data_block(a, &p, &len, &offset)) == ARCHIVE_OK) {
		total += (int64_t)len;
		mr_markup_feed(&m, (struct mr_str){ p, len });
		if (m.has_declaration)
			return MR_E_DENIED; /* it could name entities; no docx has one */
		if (total > MAX_UNPACKED || mr_buf_failed(out))
			return MR_E_LIMIT;
	}
	mr_markup_end(&m);
	return r == ARCHIVE_EOF ? 0 : MR_E_INVALID;
}

int mr_docx_text(struct archive *a, struct mr_buf *out)
{
	struct archive_entry *e;

	for (unsigned i = 0; i < MAX_ENTRIES; i++) {
		const char *name;
		int r = archive_read_next_header(a, &e);

		if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
			return MR_E_INVALID; /* the end, too: no document in it */
		name = archive_entry_pathname_utf8(e);
		if (name != NULL && strcmp(name, "word/document.xml") == 0 &&
		    archive_entry_filetype(e) == AE_IFREG)
			return read_document(a, out);
	}
	return MR_E_LIMIT;
}
