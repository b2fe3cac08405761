#include "lib/metric.h"

#include <math.h>
#include <stdint.h>

#define EXACT 9007199254740992.0 /* up to here a double holds every integer */

const struct mr_metric_row mr_metric_rows[MR_METRIC_COUNT] = {
#define MR_METRIC(id, name, type, source, unit, buckets, labels, seen, help)                       \
	[MR_METRIC_##id] = { name, MR_METRIC_TYPE_##type, MR_METRIC_SOURCE_##source,               \
		MR_METRIC_UNIT_##unit, MR_METRIC_BUCKETS_##buckets, labels, MR_METRIC_SEEN_##seen, \
		help },
#include "lib/metrics.def"
#undef MR_METRIC
};

/* Those of HTTP are rollup_bounds('request') too, in microseconds. */
static const struct mr_metric_bounds bounds[] = {
	[MR_METRIC_BUCKETS_NONE] = { 0, { 0 } },
	[MR_METRIC_BUCKETS_HTTP] = { 14,
	    { 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10 } },
	[MR_METRIC_BUCKETS_SECONDS] = { 16, { 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
	                                        0.5, 1, 2.5, 5, 10, 30, 60, 300 } },
	[MR_METRIC_BUCKETS_MILLISECONDS] = { 14,
	    { 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 60000 } },
	[MR_METRIC_BUCKETS_ROWS] = { 12,
	    { 1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10000 } },
};

const struct mr_metric_bounds *mr_metric_bounds(enum mr_metric id)
{
	return &bounds[mr_metric_rows[id].buckets];
}

enum mr_metric mr_metric_find(struct mr_str name)
{
	unsigned low = 0, high = MR_METRIC_COUNT;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		int c = mr_str_cmp(name, mr_str(mr_metric_rows[mid].name));

		if (c == 0)
			return (enum mr_metric)mid;
		if (c < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return MR_METRIC_COUNT;
}

const char *mr_metric_type_name(enum mr_metric_type type)
{
	static const char *const names[] = { [MR_METRIC_TYPE_COUNTER] = "counter",
		[MR_METRIC_TYPE_GAUGE] = "gauge",
		[MR_METRIC_TYPE_HISTOGRAM] = "histogram" };

	return names[type];
}

void mr_metric_head(struct mr_buf *out, enum mr_metric id)
{
	const struct mr_metric_row *row = &mr_metric_rows[id];

	mr_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
	    mr_metric_type_name(row->type));
}

/* Backslash, quote and line feed are all that is escaped there. */
void mr_metric_label(struct mr_buf *out, const char *name, struct mr_str value)
{
	mr_buf_addz(out, name);
	mr_buf_addz(out, "=\"");
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '\n') {
			mr_buf_addz(out, "\\n");
			continue;
		}
		if (c == '"' || c == '\\')
			mr_buf_addc(out, '\\');
		mr_buf_addc(out, c);
	}
	mr_buf_addc(out, '"');
}

void mr_metric_value(struct mr_buf *out, double v)
{
	mr_buf_addc(out, ' ');
	if (fabs(v) < EXACT && v == floor(v))
		mr_buf_add_i64(out, (int64_t)v);
	else
		mr_buf_addf(out, "%.15g", v);
	mr_buf_addc(out, '\n');
}

static void series(struct mr_buf *out, enum mr_metric id, const char *ending, struct mr_str labels)
{
	mr_buf_addz(out, mr_metric_rows[id].name);
	mr_buf_addz(out, ending);
	if (labels.len > 0) {
		mr_buf_addc(out, '{');
		mr_buf_adds(out, labels);
		mr_buf_addc(out, '}');
	}
}

static void bucket(
    struct mr_buf *out, enum mr_metric id, struct mr_str labels, const double *le, double so_far)
{
	mr_buf_addf(out, "%s_bucket{", mr_metric_rows[id].name);
	mr_buf_adds(out, labels);
	mr_buf_addz(out, labels.len > 0 ? ",le=\"" : "le=\"");
	if (le != NULL)
		mr_buf_addf(out, "%g", *le);
	else
		mr_buf_addz(out, "+Inf");
	mr_buf_addz(out, "\"}");
	mr_metric_value(out, so_far);
}

void mr_metric_histogram(
    struct mr_buf *out, enum mr_metric id, struct mr_str labels, const double *counts, double sum)
{
	const struct mr_metric_bounds *b = mr_metric_bounds(id);
	double so_far = 0;

	for (unsigned i = 0; i <= b->len; i++) {
		so_far += counts[i];
		bucket(out, id, labels, i < b->len ? &b->le[i] : NULL, so_far);
	}
	series(out, id, "_sum", labels);
	mr_metric_value(out, sum);
	series(out, id, "_count", labels);
	mr_metric_value(out, so_far);
}
