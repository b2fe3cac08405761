/*
 * What this engine counts, in memory; written with each renewal of its lease into its row, where
 * /metrics reads it. Samples carry the names and labels that Prometheus will see, so that a
 * reader only adds them up over all engines.
 */
#ifndef MR_ENGINE_METRICS_H
#define MR_ENGINE_METRICS_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/macros.h"
#include "lib/str.h"

enum mr_metric {
#define MR_METRIC(id, name, type, buckets, help) MR_METRIC_##id,
#include "engine/metrics.def"
#undef MR_METRIC
	MR_METRIC_COUNT
};

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
/* {"types": {name: type}, "help": {name: text}, "samples": {"name{label=\"value\"}": number}} */
void mr_metrics_write(const struct mr_metrics *m, struct mr_buf *b);
/* The catalogue's word for a duration: instant, fast, medium, slow, very_slow. */
const char *mr_latency_class(int64_t duration_us);

#endif
