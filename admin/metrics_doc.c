/* "millrace-admin metrics": the reference page of the metrics, from their table. */
#include "admin/admin.h"

#include <stdio.h>

#include "lib/metric.h"

static const char head[] =
    "# Metrics\n\n"
    "`/metrics` is the operator's: it shows all tenants, each as the label `tenant`, and is read "
    "from a "
    "loopback address or\n"
    "with `metrics_token`. `/api/v1/metrics` shows the caller's tenant, without that label. Both "
    "are "
    "Prometheus' text\n"
    "format 0.0.4. [How to use them](../monitoring.md). This page is made by `millrace-admin "
    "metrics "
    "--markdown` from\n"
    "`lib/metrics.def`.\n\n"
    "Where they come from, and what ends them:\n\n"
    "| source | |\n|---|---|\n"
    "| workers | The API's workers count in memory that their supervisor keeps: a worker that is "
    "killed "
    "takes none of it along; all start at 0 when the supervisor starts. Each host has its own: add "
    "them "
    "up. `/api/v1/metrics` has those of the tenant from the roll-ups. |\n"
    "| engines | Counted by engines in memory, and written with each renewal of their lease, four "
    "times in "
    "`engine_lease_ms`. When an engine ends, or others find it dead, what it wrote goes into "
    "totals with "
    "its row: sums never fall. One that is killed loses what it counted since it last wrote. |\n"
    "| roll-ups | The sums in PostgreSQL that analytics come from. |\n"
    "| database | Looked up when it is asked for, in bounded time. |\n\n"
    "Engines, roll-ups and the database are the same from every host: don't add them up.\n\n";

static const char *source_text(enum mr_metric_source source)
{
	static const char *const texts[] = { [MR_METRIC_SOURCE_WORKERS] = "workers",
		[MR_METRIC_SOURCE_ENGINES] = "engines",
		[MR_METRIC_SOURCE_ROLLUPS] = "roll-ups",
		[MR_METRIC_SOURCE_DATABASE] = "database" };

	return texts[source];
}

static const char *unit_text(enum mr_metric_unit unit)
{
	static const char *const texts[] = { [MR_METRIC_UNIT_NONE] = "",
		[MR_METRIC_UNIT_SECONDS] = "seconds",
		[MR_METRIC_UNIT_MILLISECONDS] = "milliseconds",
		[MR_METRIC_UNIT_RATIO] = "0 to 1" };

	return texts[unit];
}

static const char *seen_text(enum mr_metric_seen seen)
{
	static const char *const texts[] = { [MR_METRIC_SEEN_OPERATOR] = "`/metrics`",
		[MR_METRIC_SEEN_TENANT] = "`/api/v1/metrics`",
		[MR_METRIC_SEEN_BOTH] = "both" };

	return texts[seen];
}

static void labels(const char *list)
{
	struct mr_str rest = mr_str(list);

	while (rest.len > 0) {
		struct mr_str one = mr_str_cut(&rest, ',');

		(void)printf("`%.*s`%s", MR_STR_ARG(one), rest.len > 0 ? ", " : "");
	}
}

static void bounds(enum mr_metric id)
{
	const struct mr_metric_bounds *b = mr_metric_bounds(id);

	if (b->len == 0)
		return;
	(void)printf(" Buckets: ");
	for (unsigned i = 0; i < b->len; i++)
		(void)printf("%g%s", b->le[i], i + 1 < b->len ? ", " : ".");
}

int mr_admin_metrics(struct mr_admin *a)
{
	if (mr_admin_opt(a, "markdown") == NULL)
		return mr_admin_fail("metrics: give --markdown");
	(void)fputs(head, stdout);
	(void)printf(
	    "| metric | type | labels | unit | source | in | |\n|---|---|---|---|---|---|---|\n");
	for (unsigned i = 0; i < MR_METRIC_COUNT; i++) {
		const struct mr_metric_row *row = &mr_metric_rows[i];

		(void)printf("| `%s` | %s | ", row->name, mr_metric_type_name(row->type));
		labels(row->labels);
		(void)printf(" | %s | %s | %s | %s", unit_text(row->unit), source_text(row->source),
		    seen_text(row->seen), row->help);
		bounds((enum mr_metric)i);
		(void)printf(" |\n");
	}
	if (fflush(stdout) != 0)
		return mr_admin_fail("standard output: write failed");
	return 0;
}
