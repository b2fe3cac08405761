/*
 * The table of all metrics (lib/metrics.def): what API and engine count, what /metrics shows, and
 * what docs/reference/metrics.md says about it. Who counts what is not here: fcgi/metrics and
 * engine/metrics do, each by these ids.
 */
#ifndef MR_LIB_METRIC_H
#define MR_LIB_METRIC_H

#include "lib/buf.h"
#include "lib/macros.h"
#include "lib/str.h"

enum mr_metric {
#define MR_METRIC(id, name, type, source, unit, buckets, labels, seen, help) MR_METRIC_##id,
#include "lib/metrics.def"
#undef MR_METRIC
	MR_METRIC_COUNT
};

enum mr_metric_type { MR_METRIC_TYPE_COUNTER, MR_METRIC_TYPE_GAUGE, MR_METRIC_TYPE_HISTOGRAM };
enum mr_metric_source {
	MR_METRIC_SOURCE_WORKERS,
	MR_METRIC_SOURCE_ENGINES,
	MR_METRIC_SOURCE_ROLLUPS,
	MR_METRIC_SOURCE_DATABASE
};
enum mr_metric_unit {
	MR_METRIC_UNIT_NONE,
	MR_METRIC_UNIT_SECONDS,
	MR_METRIC_UNIT_MILLISECONDS,
	MR_METRIC_UNIT_RATIO
};
enum mr_metric_buckets {
	MR_METRIC_BUCKETS_NONE,
	MR_METRIC_BUCKETS_HTTP,
	MR_METRIC_BUCKETS_SECONDS,
	MR_METRIC_BUCKETS_MILLISECONDS,
	MR_METRIC_BUCKETS_ROWS
};
/* Who may see it: bits. */
enum mr_metric_seen {
	MR_METRIC_SEEN_OPERATOR = 1,
	MR_METRIC_SEEN_TENANT = 2,
	MR_METRIC_SEEN_BOTH = 3
};

struct mr_metric_row {
	const char *name;
	enum mr_metric_type type;
	enum mr_metric_source source;
	enum mr_metric_unit unit;
	enum mr_metric_buckets buckets;
	const char *labels; /* comma separated; "tenant" first, if at all */
	enum mr_metric_seen seen;
	const char *help;
};

/* Upper bounds, without that of the last bucket, which has none. */
#define MR_METRIC_BOUNDS_MAX 16
struct mr_metric_bounds {
	unsigned len;
	double le[MR_METRIC_BOUNDS_MAX];
};

extern const struct mr_metric_row mr_metric_rows[MR_METRIC_COUNT];
/* Of a histogram; of others there are none. */
const struct mr_metric_bounds *mr_metric_bounds(enum mr_metric id);
/* The id of NAME, or MR_METRIC_COUNT. */
enum mr_metric mr_metric_find(struct mr_str name);
const char *mr_metric_type_name(enum mr_metric_type type);

/* ---- Prometheus' text format 0.0.4 ---- */

/* The two lines that come before a metric's samples. */
void mr_metric_head(struct mr_buf *out, enum mr_metric id);
/* name="value", with what must be escaped in VALUE. */
void mr_metric_label(struct mr_buf *out, const char *name, struct mr_str value);
/* A space, the number as short as it is exact, and the end of the line. */
void mr_metric_value(struct mr_buf *out, double v);
/* A histogram's series: how many were at most each bound (COUNTS, not added up, one more than
 * there are bounds), their number and sum. LABELS is what stands in the braces, "le" excepted. */
void mr_metric_histogram(
    struct mr_buf *out, enum mr_metric id, struct mr_str labels, const double *counts, double sum);

#endif
