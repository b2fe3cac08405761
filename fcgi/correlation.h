/* X-Request-ID and traceparent: taken when they are sane, made when they are not there. */
#ifndef MR_FCGI_CORRELATION_H
#define MR_FCGI_CORRELATION_H

#include "fcgi/request.h"

/* Fills r->correlation_id and r->traceparent, unless that was done before. */
void mr_correlation_begin(struct mr_request *r);
/* 1 to 128 bytes of letters, digits and ._:/+=@- */
bool mr_correlation_sane(struct mr_str s);
/* W3C trace context: version-trace-parent-flags in lower-case hex, none of them all zeros. */
bool mr_traceparent_valid(struct mr_str s);

#endif
