/*
 * The text of HTML, or of a word processor's XML, read piece by piece: a scanner of tags without
 * a tree, with constant memory, that takes anything and never fails on its form. It runs inside
 * the sandboxed helper.
 */
#ifndef MR_ENGINE_STEPS_MARKUP_TEXT_H
#define MR_ENGINE_STEPS_MARKUP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/buf.h"
#include "lib/str.h"

enum mr_markup_kind {
	MR_MARKUP_HTML,
	MR_MARKUP_DOCX, /* word/document.xml */
};

#define MR_MARKUP_NAME 32

struct mr_markup {
	enum mr_markup_kind kind;
	struct mr_buf *out;
	bool has_declaration;
	/* <!DOCTYPE …> or the like was passed over */ /* the caller's; its maximum is the limit
	                                                  on the text */
	unsigned state;
	char name[MR_MARKUP_NAME]; /* of the tag, in lower case for HTML, without its prefix */
	size_t name_len;
	bool is_end, is_empty;    /* </x>, <x/> */
	char quote;               /* around the attribute value that is being read, or 0 */
	char raw[MR_MARKUP_NAME]; /* HTML: the element whose content is skipped */
	unsigned matched;         /* how much of what ends a comment or CDATA has been seen */
	char entity[MR_MARKUP_NAME];
	size_t entity_len;
	unsigned skip; /* DOCX: depth inside mc:Fallback, which repeats what stands before it */
	bool in_run, in_text;
	bool space; /* HTML: white space waits for the next word */
};

/* Text is appended to OUT, which stays the caller's. */
void mr_markup_init(struct mr_markup *m, enum mr_markup_kind kind, struct mr_buf *out);
/* The next piece. When OUT's maximum is reached, mr_buf_failed(out) says so. */
void mr_markup_feed(struct mr_markup *m, struct mr_str piece);
void mr_markup_end(struct mr_markup *m);

#endif
