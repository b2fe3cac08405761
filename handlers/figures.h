/*
 * What PostgreSQL gives for /metrics, as Prometheus' text, by the rows of lib/metrics.def: figures
 * looked up, and series that engines and roll-ups counted. Pure: JSON and texts in, text out.
 */
#ifndef MR_HANDLERS_FIGURES_H
#define MR_HANDLERS_FIGURES_H

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/metric.h"
#include "lib/str.h"

/* JSON is the answer of the statement metrics_figures. What is not there, or of another type, is
 * left out. MR_E_INVALID when it is no JSON, MR_E_NOMEM. */
int mr_figures_render(struct mr_arena *a, struct mr_str json, struct mr_buf *out) MR_MUST_CHECK;
/* The same for one tenant, from the answer of system_status. */
int mr_figures_render_tenant(
    struct mr_arena *a, struct mr_str json, struct mr_buf *out) MR_MUST_CHECK;

/* A row of the statements metrics_series and tenant_metrics_series: "name{labels}", and the numbers
 * as PostgreSQL writes an array: a histogram's sum and buckets, or one. TENANT may be absent. */
struct mr_figures_series {
	struct mr_str tenant, name, numbers;
};
/* Appends them; those of one metric come together. PREVIOUS is that of the last call,
 * MR_METRIC_COUNT at first; returns this one's. What the table doesn't know is left out. */
enum mr_metric mr_figures_series(
    const struct mr_figures_series *s, enum mr_metric previous, struct mr_buf *out);

#endif
