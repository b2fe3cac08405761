/*
 * Error answers: one body that satisfies RFC 9457 and older clients at once. The only place that
 * writes one; mr_response_problem() of fcgi/request.h is implemented here.
 */
#ifndef MR_FCGI_PROBLEM_H
#define MR_FCGI_PROBLEM_H

#include "fcgi/request.h"

/* How many faults of one request are named; more are counted. */
#define MR_FAULTS_MAX 100

/* The body alone, for tests. */
void mr_problem_write(
    struct mr_buf *b, const struct mr_request *r, enum mr_error_id id, struct mr_str detail);
/* After MR_E_LIMIT or MR_E_NOMEM: 413 with SENTENCE when the request is what is too large, 503 when
 * there was no memory for it. */
void mr_response_too_large(struct mr_request *r, int rc, const char *sentence);
/* The faults that SQL reports as {path: [message, …]} join those of the request. */
void mr_problem_details(struct mr_request *r, struct mr_str json);

#endif
