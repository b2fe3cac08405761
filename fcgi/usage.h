/*
 * Which requests a worker answered, for /api/v1/analytics: counted in memory by tenant, hour,
 * caller, route, workflow and answer, and added to the tenant's sums in PostgreSQL every few
 * seconds, in one statement. While PostgreSQL is away counting goes on; nothing is counted twice.
 */
#ifndef MR_FCGI_USAGE_H
#define MR_FCGI_USAGE_H

#include <stdint.h>

#include "fcgi/request.h"

struct mr_usage;

/* Of W, whose loop, pg, settings, metrics and name are there already. */
struct mr_usage *mr_usage_create(struct mr_worker *w) MR_MUST_CHECK;
/* One more answer. Requests of nobody known are no tenant's, and are not counted here. U may be
 * NULL. */
void mr_usage_count(struct mr_usage *u, const struct mr_request *r, int64_t took_us);
/* Writes what is left, once more, and calls CLOSED when that has ended, well or not. Before pg is
 * closed. */
void mr_usage_close(struct mr_usage *u, void (*closed)(void *ctx), void *ctx);

#endif
