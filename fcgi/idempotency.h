/*
 * Idempotency-Key: the same key with the same content gives the stored answer. The key's row is
 * inserted first in the unit of the effect; what that says is told here, the rows are SQL's.
 */
#ifndef MR_FCGI_IDEMPOTENCY_H
#define MR_FCGI_IDEMPOTENCY_H

#include "fcgi/call.h"

/* Takes the header into r->call; a fault when it is no key (1 to 255 visible bytes). */
void mr_idempotency_begin(struct mr_request *r);
/* Method, address and body: what must be the same again. Absent without memory. */
struct mr_str mr_idempotency_text(struct mr_request *r);
/* SHA-256 of that as bytea's text; absent without memory. */
struct mr_str mr_idempotency_digest(struct mr_request *r);
/*
 * The key was there already: decides the answer, which is the stored one, or a 409. DIGEST is
 * this request's (of the extra parameters, or as above). In a coroutine.
 */
void mr_idempotency_replay(struct mr_request *r, struct mr_str digest);

#endif
