/*
 * Totals of large lists, as this worker has told them lately. Above MR_TOTAL_EXACT_MAX a total is
 * an estimate, and to count ten thousand entries only to learn that there are more costs more than
 * the page: so what is not exact is told for a while without counting again. Exact totals are never
 * kept. A fixed table: what is forgotten is counted. One thread.
 */
#ifndef MR_FCGI_TOTALS_H
#define MR_FCGI_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/digest.h"

/* So long; who has fewer than ten thousand entries since then sees it this much later. */
#define MR_TOTALS_KEPT_US INT64_C(10000000)

/* DIGEST says which list, of which tenant, with which filters. */
void mr_totals_keep(const unsigned char digest[MR_SHA256_LEN], int64_t total, int64_t now_us);
/* True: it was kept, and not too long ago. */
bool mr_totals_find(const unsigned char digest[MR_SHA256_LEN], int64_t now_us, int64_t *ret_total);

#endif
