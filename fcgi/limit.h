/*
 * Rate limits of requests: whom a request counts for, the headers that tell it, and the 429. The
 * counting itself is auth/limiter.h's.
 */
#ifndef MR_FCGI_LIMIT_H
#define MR_FCGI_LIMIT_H

#include <stdbool.h>

#include "fcgi/request.h"

/* Begins to count the request, once its route is known and whether it has a principal. It counts
 * for its key, else for its principal, else for its address; without a route for the address, as
 * standard. */
void mr_request_count(struct mr_request *r);
/* Waits until it is counted. False when it is one too many: then 429 is the answer, whatever it was
 * before. The same however often it is asked. */
bool mr_request_may_pass(struct mr_request *r);
/* The headers of a request that was counted; after the last change of the answer. */
void mr_request_tell_limit(struct mr_request *r);

#endif
