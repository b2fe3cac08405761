#include "handlers/figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/value.h"

#define EXACT 9007199254740992.0 /* up to here a double holds every integer */

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

static void add_number(struct mr_buf *out, double d)
{
	mr_buf_addc(out, ' ');
	if (fabs(d) < EXACT && d == floor(d))
		mr_buf_add_i64(out, (int64_t)d);
	else
		mr_buf_addf(out, "%.15g", d);
	mr_buf_addc(out, '\n');
}

static void add_head(struct mr_buf *out, struct mr_str name, struct mr_str type, struct mr_str help)
{
	mr_buf_addf(out, "# HELP %.*s %.*s\n# TYPE %.*s %.*s\n", MR_STR_ARG(name), MR_STR_ARG(help),
	    MR_STR_ARG(name), MR_STR_ARG(type));
}

/* Backslash, quote and line feed are all that is escaped there. */
static void add_label(struct mr_buf *out, char before, const char *name, struct mr_str value)
{
	mr_buf_addc(out, before);
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

/* ---- figures by tenant ---- */

/* One metric that is a list of objects: each gives one sample. */
struct by_label {
	const char *list, *name, *help;
	const char *labels[2]; /* members that become labels; NULL: none */
	const char *value;     /* the member that is the number */
};

static const struct by_label by_label[] = {
	{ "agents", "millrace_agents",
	    "Agents, by the state of their breaker (closed, open, half_open) or their own "
	    "(inactive, "
	    "maintenance).",
	    { "tenant", "state" }, "count" },
	{ "engines", "millrace_engine_up", "Engines that hold a lease (1), or lost it (0).",
	    { "name", "host" }, "alive" },
	{ "queue", "millrace_queue_depth", "Runs that wait for an engine.", { "tenant" }, "depth" },
	{ "queue", "millrace_queue_oldest_seconds",
	    "Age of the oldest run that waits for an engine.", { "tenant" }, "oldest_seconds" },
	{ "runs", "millrace_runs", "Runs that have not ended.", { "tenant", "status" }, "count" },
};

/* One metric that is a number of its own. */
static const struct {
	const char *member, *name, *help;
} single[] = {
	{ "connections", "millrace_db_connections",
	    "Connections to the database, of all processes." },
	{ "due", "millrace_runs_due", "Sleeping runs whose time has come." },
	{ "journal_horizon_age_seconds", "millrace_journal_horizon_age_seconds",
	    "Age of the oldest open writing transaction." },
	{ "pending_commands", "millrace_commands_pending",
	    "Commands that no engine has obeyed yet." },
	{ "sleeping", "millrace_runs_sleeping", "Runs that wait for a moment." },
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
	add_head(out, mr_str(row->name), MR_STR("gauge"), mr_str(row->help));
	for (size_t i = 0; i < l->len; i++) {
		mr_buf_addz(out, row->name);
		for (size_t k = 0; k < MR_ARRAY_LEN(row->labels) && row->labels[k] != NULL; k++)
			add_label(out, k == 0 ? '{' : ',', row->labels[k],
			    mr_value_get_str(&l->items[i], row->labels[k]));
		mr_buf_addc(out, '}');
		add_number(out, number_of(mr_value_get(&l->items[i], row->value)));
	}
}

/* A row per tenant with a member per status. */
static void render_ended(const struct mr_value *root, struct mr_buf *out)
{
	static const char *const statuses[] = { "cancelled", "completed", "failed", "timed_out" };
	static const char name[] = "millrace_runs_ended";
	const struct mr_list *l = list_of(root, "ended");

	if (l == NULL)
		return;
	add_head(out, MR_STR("millrace_runs_ended"), MR_STR("gauge"),
	    MR_STR("Runs that ended, within retention."));
	for (size_t i = 0; i < l->len; i++) {
		for (size_t k = 0; k < MR_ARRAY_LEN(statuses); k++) {
			mr_buf_addz(out, name);
			add_label(out, '{', "tenant", mr_value_get_str(&l->items[i], "tenant"));
			add_label(out, ',', "status", mr_str(statuses[k]));
			mr_buf_addc(out, '}');
			add_number(out, number_of(mr_value_get(&l->items[i], statuses[k])));
		}
	}
}

static void render_single(const struct mr_value *root, struct mr_buf *out)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(single); i++) {
		const struct mr_value *v = mr_value_get(root, single[i].member);

		if (v == NULL || !mr_value_is_number(v))
			continue;
		add_head(out, mr_str(single[i].name), MR_STR("gauge"), mr_str(single[i].help));
		mr_buf_addz(out, single[i].name);
		add_number(out, number_of(v));
	}
}

/* ---- what engines counted ---- */

/* One series: of one engine, then of all together. */
struct sample {
	struct mr_str key;  /* name{labels} */
	struct mr_str base; /* the metric's name, without _bucket, _sum, _count */
	double value;
	size_t order; /* in which it came: buckets stay in order */
};

static int by_key(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;
	int r = mr_str_cmp(x->key, y->key);

	return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

static int by_base(const void *a, const void *b)
{
	const struct sample *x = a, *y = b;
	int r = mr_str_cmp(x->base, y->base);

	return r != 0 ? r : (x->order > y->order) - (x->order < y->order);
}

/* The metric's name: a histogram's series have an ending more. Absent when no type is known. */
static struct mr_str base_of(const struct mr_value *types, struct mr_str key)
{
	static const char *const endings[] = { "", "_bucket", "_sum", "_count" };
	struct mr_str name = key;

	name = mr_str_cut(&name, '{');
	for (size_t i = 0; i < MR_ARRAY_LEN(endings); i++) {
		size_t n = strlen(endings[i]);
		struct mr_str base = { name.p, name.len >= n ? name.len - n : 0 };

		if (name.len > n && memcmp(name.p + base.len, endings[i], n) == 0 &&
		    mr_value_gets(types, base) != NULL)
			return base;
	}
	return MR_STR_NONE;
}

static size_t take_samples(const struct mr_value *metrics, struct sample *out, size_t at)
{
	const struct mr_value *samples = mr_value_get_kind(metrics, "samples", MR_VALUE_MAP);
	const struct mr_value *types = mr_value_get_kind(metrics, "types", MR_VALUE_MAP);

	for (size_t i = 0; samples != NULL && types != NULL && i < samples->map->len; i++) {
		const struct mr_member *m = &samples->map->members[i];

		out[at] =
		    (struct sample){ m->key.s, base_of(types, m->key.s), number_of(&m->value), at };
		if (out[at].base.p != NULL)
			at++;
	}
	return at;
}

static size_t count_samples(const struct mr_list *engines)
{
	size_t n = 0;

	for (size_t i = 0; i < engines->len; i++) {
		const struct mr_value *samples = mr_value_get_kind(
		    mr_value_get(&engines->items[i], "metrics"), "samples", MR_VALUE_MAP);

		n += samples != NULL ? samples->map->len : 0;
	}
	return n;
}

/* Adds up those of one key; returns how many are left. */
static size_t merge(struct sample *s, size_t len)
{
	size_t n = 0;

	qsort(s, len, sizeof(*s), by_key);
	for (size_t i = 0; i < len; i++) {
		if (n > 0 && mr_str_eq(s[n - 1].key, s[i].key))
			s[n - 1].value += s[i].value;
		else
			s[n++] = s[i];
	}
	qsort(s, n, sizeof(*s), by_base);
	return n;
}

/* Type and help of a metric, from whichever engine knows them. */
static struct mr_str told(const struct mr_list *engines, const char *what, struct mr_str name)
{
	for (size_t i = 0; i < engines->len; i++) {
		const struct mr_value *of =
		    mr_value_get(mr_value_get(&engines->items[i], "metrics"), what);
		const struct mr_value *v = of != NULL ? mr_value_gets(of, name) : NULL;

		if (v != NULL && v->kind == MR_VALUE_STRING)
			return v->s;
	}
	return MR_STR("");
}

static int render_engines(struct mr_arena *a, const struct mr_value *root, struct mr_buf *out)
{
	const struct mr_list *engines = list_of(root, "engines");
	struct sample *s;
	size_t n, at = 0;

	n = engines != NULL ? count_samples(engines) : 0;
	if (n == 0)
		return 0;
	s = mr_arena_array(a, n, sizeof(*s));
	if (s == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < engines->len; i++)
		at = take_samples(mr_value_get(&engines->items[i], "metrics"), s, at);
	n = merge(s, at);
	for (size_t i = 0; i < n; i++) {
		if (i == 0 || !mr_str_eq(s[i - 1].base, s[i].base))
			add_head(out, s[i].base, told(engines, "types", s[i].base),
			    told(engines, "help", s[i].base));
		mr_buf_adds(out, s[i].key);
		add_number(out, s[i].value);
	}
	return 0;
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
	render_ended(&root, out);
	render_single(&root, out);
	return render_engines(a, &root, out);
}

static void render_map(const struct mr_value *root, const char *member, const char *name,
    const char *help, struct mr_buf *out)
{
	const struct mr_value *v = mr_value_get_kind(root, member, MR_VALUE_MAP);

	if (v == NULL)
		return;
	add_head(out, mr_str(name), MR_STR("gauge"), mr_str(help));
	for (size_t i = 0; i < v->map->len; i++) {
		mr_buf_addz(out, name);
		add_label(out, '{', "status", v->map->members[i].key.s);
		mr_buf_addc(out, '}');
		add_number(out, number_of(&v->map->members[i].value));
	}
}

int mr_figures_render_tenant(struct mr_arena *a, struct mr_str json, struct mr_buf *out)
{
	const struct mr_value *queue;
	struct mr_value root;
	int r = parse(a, json, &root);

	if (r < 0)
		return r;
	render_map(&root, "runs", "millrace_runs", "Runs that have not ended.", out);
	render_map(&root, "workflows", "millrace_workflows", "Workflows.", out);
	queue = mr_value_get_kind(&root, "queue", MR_VALUE_MAP);
	if (queue == NULL)
		return 0;
	add_head(out, MR_STR("millrace_queue_depth"), MR_STR("gauge"),
	    MR_STR("Runs that wait for an engine."));
	mr_buf_addz(out, "millrace_queue_depth");
	add_number(out, number_of(mr_value_get(queue, "depth")));
	add_head(out, MR_STR("millrace_queue_oldest_seconds"), MR_STR("gauge"),
	    MR_STR("Age of the oldest run that waits for an engine."));
	mr_buf_addz(out, "millrace_queue_oldest_seconds");
	add_number(out, number_of(mr_value_get(queue, "oldest_seconds")));
	return 0;
}
