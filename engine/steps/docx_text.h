/* The text of a docx: a zip whose part word/document.xml holds it. Bounded in every direction;
 * runs inside the sandboxed helper. */
#ifndef MR_ENGINE_STEPS_DOCX_TEXT_H
#define MR_ENGINE_STEPS_DOCX_TEXT_H

#include <archive.h>

#include "lib/buf.h"
#include "lib/error.h"
#include "lib/macros.h"

/* Reads A, which is set up for zip and open, and appends to OUT. MR_E_INVALID: no document, or a
 * damaged one; MR_E_LIMIT: it unpacks to too much. */
int mr_docx_text(struct archive *a, struct mr_buf *out) MR_MUST_CHECK;

#endif
