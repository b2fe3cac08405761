/*
 * Cursors: where a page ended, as opaque text. A cursor carries the order, the last entry's key
 * and id, and the total; it is bound to its list, tenant and filters by a checksum.
 */
#ifndef MR_FCGI_CURSOR_H
#define MR_FCGI_CURSOR_H

#include "fcgi/call.h"
#include "lib/digest.h"

struct mr_cursor {
	unsigned order;
	struct mr_str key, id; /* of the last entry; an absent key is NULL */
	int64_t offset;        /* of the next entry */
	int64_t total;
	bool total_exact;
};

/* Says which list it is, of which tenant, with which filters. 0, or MR_E_NOMEM. */
int mr_cursor_list_digest(struct mr_request *r, unsigned char ret[MR_SHA256_LEN]) MR_MUST_CHECK;
/* In the request's arena; absent without memory. */
struct mr_str mr_cursor_encode(struct mr_request *r, const struct mr_cursor *c);
/* 0, MR_E_INVALID when it was not made by this list with these filters, MR_E_NOMEM. */
int mr_cursor_decode(struct mr_request *r, struct mr_str text, struct mr_cursor *ret) MR_MUST_CHECK;

#endif
