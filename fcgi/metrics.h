/*
 * Counters of the API workers, in memory that the supervisor maps and all its processes share: a
 * slot for each process, so that counting needs no lock, and whoever is asked sums them. A slot's
 * counters outlive its process; so sums never go back while the supervisor lives. What there is to
 * count are the rows of lib/metrics.def whose source is WORKERS.
 */
#ifndef MR_FCGI_METRICS_H
#define MR_FCGI_METRICS_H

#include <stdint.h>

#include "lib/buf.h"
#include "lib/metric.h"
#include "lib/rate.h"

/* A request that matched no route. */
#define MR_METRIC_NO_ROUTE ((unsigned)-1)

struct mr_metric_route {
	const char *method, *path;
};

struct mr_api_metrics;

#define MR_LATENCY_BUCKETS 15
/* Which bucket of a request's duration counts it; the last one has no bound. */
unsigned mr_latency_bucket(int64_t took_us);

/* For SLOTS processes and these routes, by their places; ROUTES must live as long. Slot 0 is this
 * process's own. NULL without memory. */
struct mr_api_metrics *mr_api_metrics_create(
    const struct mr_metric_route *routes, unsigned routes_len, unsigned slots) MR_MUST_CHECK;
struct mr_api_metrics *mr_api_metrics_free(struct mr_api_metrics *m);
/* From now on this process counts in SLOT; after fork. */
void mr_api_metrics_attach(struct mr_api_metrics *m, unsigned slot);
/* The process of SLOT is gone: what it had at hand is not there any more. */
void mr_api_metrics_clear_gauges(struct mr_api_metrics *m, unsigned slot);

void mr_api_metrics_add(struct mr_api_metrics *m, enum mr_metric id, uint64_t n);
void mr_api_metrics_set(struct mr_api_metrics *m, enum mr_metric id, uint64_t value);
void mr_api_metrics_http(
    struct mr_api_metrics *m, unsigned route, unsigned status, int64_t took_us);
/* One more request that was beyond a limit. */
void mr_api_metrics_refused(struct mr_api_metrics *m, enum mr_rate_class c);
/* The sum over all slots. */
uint64_t mr_api_metrics_get(const struct mr_api_metrics *m, enum mr_metric id);

/* Appends all of it in Prometheus' text format 0.0.4. Series that never counted are left out. */
void mr_api_metrics_render(const struct mr_api_metrics *m, struct mr_buf *out);

#endif
