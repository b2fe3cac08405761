/*
 * Counts of what was asked for by whom, and how it was answered: a table of a fixed size in memory.
 * Adding allocates nothing and takes no lock. What finds no place of its own is counted under
 * "other" of its tenant; what finds none there either is told, so that nothing is lost unseen.
 */
#ifndef MR_FCGI_TALLY_H
#define MR_FCGI_TALLY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/macros.h"

#define MR_TALLY_ROWS    4096
#define MR_TALLY_OTHER   UINT16_MAX /* no route: all those that found no place */
#define MR_TALLY_BUCKETS 15

/* No padding: compared as bytes. */
struct mr_tally_key {
	int64_t tenant_id;
	int64_t key_id, principal_id, workflow_id; /* 0: none */
	uint32_t hour;                             /* since 1970 */
	uint16_t route, status, error;             /* error: enum mr_error_id */
	uint16_t zero;
};

struct mr_tally_row {
	struct mr_tally_key key;
	uint64_t n, sum_us, max_us;
	uint32_t buckets[MR_TALLY_BUCKETS]; /* as mr_latency_bucket() counts, not added up */
};

struct mr_tally;

struct mr_tally *mr_tally_create(void) MR_MUST_CHECK;
struct mr_tally *mr_tally_free(struct mr_tally *t);
/* One more that took so long, in that bucket. False: it was counted nowhere. */
bool mr_tally_add(
    struct mr_tally *t, const struct mr_tally_key *key, uint64_t took_us, unsigned bucket);
unsigned mr_tally_len(const struct mr_tally *t);
/* The rows, in the order they came; until the next call of _add or _clear. */
const struct mr_tally_row *mr_tally_rows(const struct mr_tally *t);
void mr_tally_clear(struct mr_tally *t);

#endif
