/*
 * What happens to a request between its bytes and its answer: route, authenticate, authorise,
 * limit, validate, run the statement or the handler, wrap, tag. Runs inside a coroutine.
 */
#ifndef MR_FCGI_DISPATCH_H
#define MR_FCGI_DISPATCH_H

#include "fcgi/request.h"

/* Prepares the route table once per process (router, schemas); faults in the tables end the
 * process before it serves. 0 or negative. */
int mr_dispatch_init(struct mr_error *err) MR_MUST_CHECK;
void mr_dispatch_done(void);
/* Decides the answer: afterwards r->status, out_headers, out_body are set. Never fails. */
void mr_dispatch(struct mr_request *r);

/* For handlers: runs the route's statement STMT with parameters bound by name (EXTRA first,
 * ended by an absent name), in the caller's tenant, with idempotency and audit where it writes,
 * and decides the answer by its columns. A request with faults is refused instead. */
void mr_dispatch_sql(struct mr_request *r, unsigned stmt, const struct mr_pair *extra);
/* Only runs it: the result is r's until the arena is reset. On failure the answer is decided
 * already and negative is returned. */
int mr_dispatch_query(struct mr_request *r, unsigned stmt, const struct mr_pair *extra,
    const PGresult **ret) MR_MUST_CHECK;
/* Decides the answer by the columns of such a result. */
void mr_dispatch_answer(struct mr_request *r, const PGresult *result);
/* False when the caller has none of ROLES: then the answer is the refusal, and audited. For acts
 * that need more than their route does. */
bool mr_dispatch_allows(struct mr_request *r, unsigned roles) MR_MUST_CHECK;
/* True when the answer is a stored one, given again for its Idempotency-Key. */
bool mr_dispatch_replayed(const struct mr_request *r);

#endif
