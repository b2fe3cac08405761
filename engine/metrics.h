/*
 * What this engine counts, in memory, by the ids of lib/metrics.def; written with each renewal of
 * its lease into its row, where /metrics reads it. Series carry the names and labels that
 * Prometheus will see, so that a reader only adds them up over all engines. When the row goes, what
 * it has is added to the totals in the same statement, so sums never fall.
 */
#ifndef MR_ENGINE_METRICS_H
#define MR_ENGINE_METRICS_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/macros.h"
#include "lib/metric.h"
#include "lib/str.h"

/* Up to three labels; a NULL name ends them. Values are escaped when written. */
struct mr_label {
	const char *name;
	struct mr_str value;
};
#define MR_LABELS_MAX 3
#define MR_LABELS(...)                                                                             \
	((const struct mr_label[]){ __VA_ARGS__ __VA_OPT__(, ){ NULL, MR_STR_NONE } })

struct mr_metrics;

struct mr_metrics *mr_metrics_create(void) MR_MUST_CHECK;
struct mr_metrics *mr_metrics_free(struct mr_metrics *m);
/* Counters. LABELS may be NULL. */
void mr_metric_add(
    struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels, double n);
/* Gauges. */
void mr_metric_set(
    struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels, double v);
/* Histograms. */
void mr_metric_observe(
    struct mr_metrics *m, enum mr_metric id, const struct mr_label *labels, double v);
/* The same for one tenant: 0 is none. */
void mr_metric_add_for(struct mr_metrics *m, enum mr_metric id, int64_t tenant_id,
    const struct mr_label *labels, double n);
void mr_metric_observe_for(struct mr_metrics *m, enum mr_metric id, int64_t tenant_id,
    const struct mr_label *labels, double v);

/* {"counted": [[tenant, "name{label=\"value\"}", [numbers]], …], "now": {"name": number}}: what
 * only grows, a counter as one number, a histogram as its sum and its buckets, not added up; and
 * gauges. Remembers what was written, for the two below. */
void mr_metrics_write(struct mr_metrics *m, struct mr_buf *b);
/* What was written last is in the database, as far as one can know. */
void mr_metrics_written(struct mr_metrics *m);
/* The row is gone, and what it had is in the totals: counting goes on from there, with what was
 * counted since. */
void mr_metrics_handed_over(struct mr_metrics *m);
/* The catalogue's word for a duration: instant, fast, medium, slow, very_slow. */
const char *mr_latency_class(int64_t duration_us);

#endif
