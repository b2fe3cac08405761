/*
 * Finds given texts in values and puts "[redacted]" in their place: for secrets that a called
 * service sends back. Looked for are the text itself and what it becomes when it is written in
 * JSON, percent-encoded or in base64 (both alphabets, wherever it stands in what was encoded).
 */
#ifndef MR_LIB_REDACT_H
#define MR_LIB_REDACT_H

#include "lib/arena.h"
#include "lib/str.h"
#include "lib/value.h"

#define MR_REDACTED "[redacted]"
/* Shorter texts aren't looked for: they would be found where they aren't meant. */
#define MR_REDACT_MIN 6u

struct mr_redact;

/* TEXTS are copied into A, where *RET lies too; *RET is NULL when none is long enough. 0 or
 * MR_E_NOMEM. */
int mr_redact_create(struct mr_arena *a, const struct mr_str *texts, size_t len,
    struct mr_redact **ret) MR_MUST_CHECK;
/* V without the texts: V itself where there is nothing to hide, else made in A. Keys of maps and
 * numbers are looked at too. The work has a limit that grows with the text; one that needs more is
 * hidden as a whole. 0 or MR_E_NOMEM; MR_E_LIMIT when V is too deep. */
int mr_redact_value(const struct mr_redact *r, struct mr_arena *a, const struct mr_value *v,
    struct mr_value *ret) MR_MUST_CHECK;
int mr_redact_text(const struct mr_redact *r, struct mr_arena *a, struct mr_str s,
    struct mr_str *ret) MR_MUST_CHECK;

#endif
