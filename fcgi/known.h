/*
 * The ETags that this worker has given for single rows, each with the state of the row it belongs
 * to. A client that names one in If-None-Match is answered by a look at the state alone, and the
 * body is not made only to be thrown away. A fixed table: what is forgotten costs a body, no more.
 * One thread.
 */
#ifndef MR_FCGI_KNOWN_H
#define MR_FCGI_KNOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi/etag.h"
#include "lib/str.h"

#define MR_KNOWN_STATE_MAX 64

/* Which row, as which statement tells it. */
struct mr_known_row {
	int64_t tenant_id, id;
	unsigned stmt;
};

struct mr_known {
	struct mr_known_row row;
	int64_t version;
	char state[MR_KNOWN_STATE_MAX], etag[MR_ETAG_LEN]; /* NUL-terminated */
};

/* Remembers ETAG for what ROW was in STATE at VERSION; a state that is absent or too long is not
 * kept. */
void mr_known_keep(
    struct mr_known_row row, int64_t version, struct mr_str state, struct mr_str etag);
/* True: RET is a copy of what was kept last for ROW. */
bool mr_known_find(struct mr_known_row row, struct mr_known *ret);
/* Whether a row that is now at VERSION in STATE is what KNOWN tells of. */
bool mr_known_same(const struct mr_known *known, int64_t version, struct mr_str state);

#endif
