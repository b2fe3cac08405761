/*
 * Conditional reading of one row (RFC 9110, 13): If-None-Match, and If-Match of a GET. Inside a
 * coroutine; r->call is set.
 */
#ifndef MR_FCGI_CONDITIONAL_H
#define MR_FCGI_CONDITIONAL_H

#include "fcgi/request.h"

/* True: the row is as the client knows it, and the answer, 304, is decided without its body. Or
 * asking has failed: then that is the answer. For routes without a handler, before their statement.
 */
bool mr_conditional_unchanged(struct mr_request *r) MR_MUST_CHECK;
/* Gives an answer that is decided its ETag, or turns it into 304 or 412 by the request's
 * conditions. */
void mr_conditional_tag(struct mr_request *r);

#endif
