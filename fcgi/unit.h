/*
 * Runs a request's statement as one unit (with its idempotency key's row, where it writes), and
 * reads the answer from the columns of its result. The half of dispatch that speaks to lib/pg.
 */
#ifndef MR_FCGI_UNIT_H
#define MR_FCGI_UNIT_H

#include "fcgi/call.h"
#include "lib/pg.h"

/* As mr_dispatch_query(). In a coroutine. */
int mr_unit_run(struct mr_request *r, unsigned stmt, const struct mr_pair *extra,
    const PGresult **ret) MR_MUST_CHECK;
/* Decides the answer: error, status, body, version, location; or no row: the route's 404. */
void mr_unit_answer(struct mr_request *r, const PGresult *row);
/* The thing itself isn't there: the first 404 that the route names. */
void mr_unit_answer_missing(struct mr_request *r);

#endif
