/* The answers of lists: what stands around the entries that a statement returned. */
#ifndef MR_FCGI_ENVELOPE_H
#define MR_FCGI_ENVELOPE_H

#include "fcgi/call.h"
#include "lib/pg.h"

/* Above so many the total is an estimate. */
#define MR_TOTAL_EXACT_MAX 10000

/* Reads the page's cursor, if there is one, else recalls the total. 0, MR_E_INVALID, MR_E_NOMEM. */
int mr_envelope_cursor(struct mr_request *r) MR_MUST_CHECK;
/* The answer from a list statement's single row: items, next_key, next_id, total,
 * total_estimate. */
void mr_envelope_list(struct mr_request *r, const PGresult *row);

/* What a list's row says. */
struct mr_list_row {
	struct mr_str items;             /* JSON array; absent: none */
	struct mr_str next_key, next_id; /* next_id absent: no more */
	int64_t total;                   /* < 0: not counted; above MR_TOTAL_EXACT_MAX: not exact */
	int64_t total_estimate;          /* what is told then; < 0: the total itself */
};
/* The part after reading the row; for tests. */
void mr_envelope_write(struct mr_request *r, const struct mr_list_row *row);

#endif
