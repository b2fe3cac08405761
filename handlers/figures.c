#include "handlers/figures.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/value.h"

#define LABELS_MAX 4096

/* ---- text ---- */

static double number_of(const struct mr_value *v)
{
	switch (v != NULL ? v->kind : MR_VALUE_NULL) {
	case MR_VALUE_INT:
		return (double)v->i;
	case MR_VALUE_UINT:
		return (double)v->u;
	case MR_VALUE_DOUBLE:
		return v->d;
	case MR_VALUE_BOOL:
		return v->b ? 1 : 0;
	default:
		return 0;
	}
}

/* ---- figures by tenant ---- */

/* One metric that is a list of objects: each gives one sample. */
struct by_label {
	enum mr_metric id;
	const char *list;
	const char *labels[2]; /* members that become labels; NULL: none */
	const char *value;     /* the member that is the number */
};

static const struct by_label by_label[] = {
	{ MR_METRIC_AGENTS, "agents", { "tenant", "state" }, "count" },
	{ MR_METRIC_ENGINE_UP, "engines", { "name", "host" }, "alive" },
	{ MR_METRIC_QUEUE_DEPTH, "queue", { "tenant" }, "depth" },
	{ MR_METRIC_QUEUE_OLDEST, "queue", { "tenant" }, "oldest_seconds" },
	{ MR_METRIC_RUNS_ACTIVE, "runs", { "tenant", "status" }, "count" },
};

/* One metric that is a number of its own. */
static const struct {
	enum mr_metric id;
	const char *member;
} single[] = {
	{ MR_METRIC_DB_CONNECTIONS, "connections" },
	{ MR_METRIC_RUNS_DUE, "due" },
	{ MR_METRIC_JOURNAL_HORIZON, "journal_horizon_age_seconds" },
	{ MR_METRIC_COMMANDS_PENDING, "pending_commands" },
	{ MR_METRIC_RUNS_SLEEPING, "sleeping" },
};

static const struct mr_list *list_of(const struct mr_value *root, const char *name)
{
	const struct mr_value *v = mr_value_get_kind(root, name, MR_VALUE_LIST);

	return v != NULL ? v->list : NULL;
}

static void render_list(const struct mr_value *root, const struct by_label *row, struct mr_buf *out)
{
	const struct mr_list *l = list_of(root, row->list);

	if (l == NULL)
		return;
	mr_metric_head(out, row->id);
	for (size_t i = 0; i < l->len; i++) {
		mr_buf_addz(out, mr_metric_rows[row->id].name);
		for (size_t k = 0; k < MR_ARRAY_LEN(row->labels) && row->labels[k] != NULL; k++) {
			mr_buf_addc(out, k == 0 ? '{' : ',');
			mr_metric_label(
			    out, row->labels[k], mr_value_get_str(&l->items[i], row->labels[k]));
		}
		mr_buf_addc(out, '}');
		mr_metric_value(out, number_of(mr_value_get(&l->items[i], row->value)));
	}
}

static void render_one(enum mr_metric id, const struct mr_value *v, struct mr_buf *out)
{
	if (v == NULL || !mr_value_is_number(v))
		return;
	mr_metric_head(out, id);
	mr_buf_addz(out, mr_metric_rows[id].name);
	mr_metric_value(out, number_of(v));
}

/* ---- gauges of the engines ---- */

/* What the engines that hold a lease say at present, added up. */
static void render_now(const struct mr_list *engines, enum mr_metric id, struct mr_buf *out)
{
	const char *name = mr_metric_rows[id].name;
	double sum = 0;
	bool any = false;

	for (size_t i = 0; i < engines->len; i++) {
		const struct mr_value *v =
		    mr_value_get(mr_value_get(&engines->items[i], "now"), name);

		if (v == NULL || number_of(mr_value_get(&engines->items[i], "alive")) == 0)
			continue;
		any = true;
		sum += number_of(v);
	}
	if (!any)
		return;
	mr_metric_head(out, id);
	mr_buf_addz(out, name);
	mr_metric_value(out, sum);
}

static void render_engines(const struct mr_value *root, struct mr_buf *out)
{
	const struct mr_list *engines = list_of(root, "engines");

	for (unsigned i = 0; engines != NULL && i < MR_METRIC_COUNT; i++) {
		const struct mr_metric_row *row = &mr_metric_rows[i];

		if (row->source == MR_METRIC_SOURCE_ENGINES && row->type == MR_METRIC_TYPE_GAUGE)
			render_now(engines, (enum mr_metric)i, out);
	}
}

/* ---- series ---- */

/* {1,2.5,3}: up to LEN numbers; what is missing is 0. */
static void read_numbers(struct mr_str text, double *ret, size_t len)
{
	char copy[32];

	memset(ret, 0, len * sizeof(*ret));
	if (text.len < 2)
		return;
	text = (struct mr_str){ text.p + 1, text.len - 2 };
	for (size_t i = 0; i < len && text.len > 0; i++) {
		struct mr_str one = mr_str_cut(&text, ',');

		if (one.len >= sizeof(copy))
			continue;
		memcpy(copy, one.p, one.len);
		copy[one.len] = '\0';
		ret[i] = strtod(copy, NULL);
	}
}

/* What stands in the braces: the tenant, then the labels that NAME has. */
static void add_labels(const struct mr_figures_series *s, struct mr_str labels, struct mr_buf *out)
{
	if (s->tenant.p != NULL)
		mr_metric_label(out, "tenant", s->tenant);
	if (s->tenant.p != NULL && labels.len > 0)
		mr_buf_addc(out, ',');
	mr_buf_adds(out, labels);
}

enum mr_metric mr_figures_series(
    const struct mr_figures_series *s, enum mr_metric previous, struct mr_buf *out)
{
	double numbers[MR_METRIC_BOUNDS_MAX + 2];
	struct mr_str labels = s->name, name = mr_str_cut(&labels, '{');
	enum mr_metric id = mr_metric_find(name);
	struct mr_buf inside;

	if (id == MR_METRIC_COUNT)
		return previous;
	labels.len -= labels.len > 0; /* the closing brace */
	if (id != previous)
		mr_metric_head(out, id);
	read_numbers(s->numbers, numbers, MR_ARRAY_LEN(numbers));
	mr_buf_init(&inside, LABELS_MAX);
	add_labels(s, labels, &inside);
	if (mr_metric_rows[id].type == MR_METRIC_TYPE_HISTOGRAM) {
		mr_metric_histogram(out, id, mr_buf_str(&inside), numbers + 1, numbers[0]);
	} else {
		mr_buf_adds(out, name);
		if (inside.len > 0) {
			mr_buf_addc(out, '{');
			mr_buf_adds(out, mr_buf_str(&inside));
			mr_buf_addc(out, '}');
		}
		mr_metric_value(out, numbers[0]);
	}
	mr_buf_done(&inside);
	return id;
}

/* ---- all of it ---- */

static int parse(struct mr_arena *a, struct mr_str json, struct mr_value *ret)
{
	int r = mr_json_parse(a, json, &mr_json_limits_default, NULL, ret);

	if (r == 0 && ret->kind != MR_VALUE_MAP)
		return MR_E_INVALID;
	return r;
}

int mr_figures_render(struct mr_arena *a, struct mr_str json, struct mr_buf *out)
{
	struct mr_value root;
	int r = parse(a, json, &root);

	if (r < 0)
		return r;
	for (size_t i = 0; i < MR_ARRAY_LEN(by_label); i++)
		render_list(&root, &by_label[i], out);
	for (size_t i = 0; i < MR_ARRAY_LEN(single); i++)
		render_one(single[i].id, mr_value_get(&root, single[i].member), out);
	render_engines(&root, out);
	return 0;
}

static void render_map(
    const struct mr_value *root, const char *member, enum mr_metric id, struct mr_buf *out)
{
	const struct mr_value *v = mr_value_get_kind(root, member, MR_VALUE_MAP);

	if (v == NULL)
		return;
	mr_metric_head(out, id);
	for (size_t i = 0; i < v->map->len; i++) {
		mr_buf_addf(out, "%s{", mr_metric_rows[id].name);
		mr_metric_label(out, "status", v->map->members[i].key.s);
		mr_buf_addc(out, '}');
		mr_metric_value(out, number_of(&v->map->members[i].value));
	}
}

int mr_figures_render_tenant(struct mr_arena *a, struct mr_str json, struct mr_buf *out)
{
	const struct mr_value *queue;
	struct mr_value root;
	int r = parse(a, json, &root);

	if (r < 0)
		return r;
	render_map(&root, "runs", MR_METRIC_RUNS_ACTIVE, out);
	render_map(&root, "workflows", MR_METRIC_WORKFLOWS, out);
	queue = mr_value_get_kind(&root, "queue", MR_VALUE_MAP);
	if (queue == NULL)
		return 0;
	render_one(MR_METRIC_QUEUE_DEPTH, mr_value_get(queue, "depth"), out);
	render_one(MR_METRIC_QUEUE_OLDEST, mr_value_get(queue, "oldest_seconds"), out);
	return 0;
}
