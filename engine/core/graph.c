/* Definitions compiled: the way from a body to a graph, and looking steps up. */
#include "engine/core/graph.h"

#include "engine/core/graph_private.h"

#define SECOND_US    INT64_C(1000000)
#define LONGEST_RUN  (366 * 86400 * SECOND_US)
#define SCRATCH_MAX  (256u << 20)
#define MAX_BRACKETS 80

static const struct {
	const char *name;
	enum mr_step_kind kind;
} step_types[] = {
#define MR_STEP_TYPE(id, name, kind) { name, kind },
#include "engine/core/step_types.def"
#undef MR_STEP_TYPE
};

enum mr_step_kind mr_step_type_kind(enum mr_step_type t)
{
	return step_types[t].kind;
}

const char *mr_step_type_name(enum mr_step_type t)
{
	return step_types[t].name;
}

int mr_step_type_by_name(struct mr_str name)
{
	for (int t = 0; t < MR_STEP_TYPE_COUNT; t++)
		if (mr_str_eqz(name, step_types[t].name))
			return t;
	return MR_E_NOT_FOUND;
}

/* ---- sizes ---- */

/* A place in a list or map that is being walked. */
struct walk {
	const struct mr_value *v;
	size_t next;
};

static const struct mr_value *walk_next(struct walk *w, size_t *text, bool *ok)
{
	if (w->v->kind == MR_VALUE_LIST)
		return w->next < w->v->list->len ? &w->v->list->items[w->next++] : NULL;
	if (w->v->kind != MR_VALUE_MAP || w->next >= w->v->map->len)
		return NULL;
	if (w->v->map->members[w->next].key.kind != MR_VALUE_STRING)
		*ok = false;
	else
		*text += w->v->map->members[w->next].key.s.len;
	return &w->v->map->members[w->next++].value;
}

/* Counts values and text without recursion. */
static bool fits(const struct mr_value *v)
{
	struct walk stack[MAX_BRACKETS] = { { v, 0 } };
	size_t depth = 1, values = 1, text = 0;
	bool ok = true;

	while (depth > 0 && ok) {
		const struct mr_value *item = walk_next(&stack[depth - 1], &text, &ok);

		if (item == NULL) {
			depth--;
			continue;
		}
		if (item->kind == MR_VALUE_STRING)
			text += item->s.len;
		if (++values > MR_GRAPH_MAX_VALUES || text > MR_GRAPH_MAX_TEXT)
			return false;
		if (item->kind != MR_VALUE_LIST && item->kind != MR_VALUE_MAP)
			continue;
		if (depth == MAX_BRACKETS)
			return false;
		stack[depth++] = (struct walk){ item, 0 };
	}
	return ok;
}

/* ---- what belongs to the whole ---- */

static void read_timeout(struct mr_compile *c)
{
	struct mr_str path = MR_STR_NONE, other_path = MR_STR_NONE;
	const struct mr_value *v = mr_graph_top(c, "timeout_seconds", &path);
	const struct mr_value *other = mr_graph_setting(c, "timeout", &other_path);
	int64_t us = 0, other_us = 0;

	if (v != NULL)
		(void)mr_graph_check_duration(c, v, path, 1000, LONGEST_RUN, &us);
	if (other != NULL)
		(void)mr_graph_check_duration(c, other, other_path, 1000, LONGEST_RUN, &other_us);
	if (us != 0 && other_us != 0 && us != other_us)
		mr_graph_fault(c, other_path, "conflict", "differs from %.*s; give one of them",
		    MR_STR_ARG(path));
	c->graph->timeout_us = us != 0 ? us : other_us;
}

static int read_retry(struct mr_compile *c)
{
	struct mr_str path = MR_STR_NONE, max_path = MR_STR_NONE;
	const struct mr_value *setting = mr_graph_setting(c, "max_retries", &path);
	const struct mr_value *max = mr_graph_top(c, "max_retries", &max_path);
	int64_t n;
	int r;

	mr_graph_retry_default(&c->retry);
	if (setting != NULL && mr_graph_check_int(c, setting, path, 0, 100, &n))
		c->retry.max_attempts = (unsigned)n + 1;
	if (setting != NULL && max != NULL && !mr_value_eq(setting, max))
		mr_graph_fault(c, path, "conflict", "differs from %.*s; give one of them",
		    MR_STR_ARG(max_path));
	(void)mr_graph_top(c, "retry", &max_path); /* a fault when given twice, and different */
	r = mr_graph_retry(c, &c->body, MR_STR(""), &c->retry);
	if (r == 0 && c->inner != NULL)
		r = mr_graph_retry(c, c->inner, mr_str(c->inner_name), &c->retry);
	return r;
}

static void read_mode(struct mr_compile *c)
{
	struct mr_str path;
	const struct mr_value *v = mr_graph_top(c, "mode", &path);

	if (v == NULL || (v->kind == MR_VALUE_STRING && mr_str_eqz(v->s, "standard")))
		return;
	if (v->kind == MR_VALUE_STRING && mr_str_eqz(v->s, "saga"))
		mr_graph_fault(c, path, "not_supported",
		    "this version does not carry out mode \"saga\"; leave mode out");
	else
		mr_graph_fault(c, path, "value", "must be \"standard\"");
}

static int read_output(struct mr_compile *c)
{
	struct mr_str path;
	const struct mr_value *v = mr_graph_top(c, "output", &path);
	int r;

	if (v == NULL)
		return 0;
	r = mr_template_compile(c->arena, v, path, c->faults, &c->graph->output);
	return r == MR_E_INVALID ? 0 : r;
}

/* ---- names ---- */

static size_t hash_name(struct mr_str name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.p[i]) * UINT64_C(1099511628211);
	return (size_t)(h ^ (h >> 29));
}

static size_t name_slot(const struct mr_graph *g, struct mr_str name)
{
	size_t i = hash_name(name) & (g->name_index_len - 1);

	while (g->name_index[i] != 0 && !mr_str_eq(g->steps[g->name_index[i] - 1].name, name))
		i = (i + 1) & (g->name_index_len - 1);
	return i;
}

int mr_graph_find(const struct mr_graph *g, struct mr_str name)
{
	return (int)g->name_index[name_slot(g, name)] - 1;
}

static int index_names(struct mr_compile *c)
{
	struct mr_graph *g = c->graph;

	g->name_index_len = 4;
	while (g->name_index_len < g->steps_len * 2)
		g->name_index_len *= 2;
	g->name_index = mr_arena_array(c->arena, g->name_index_len, sizeof(*g->name_index));
	if (g->name_index == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < g->steps_len; i++) {
		size_t slot = name_slot(g, g->steps[i].name);
		uint32_t taken = g->name_index[slot];

		/* the same in one block was a fault before: "a/b" beside the b inside a is left */
		if (taken != 0 && g->steps[taken - 1].parent != g->steps[i].parent)
			mr_graph_fault(c, c->drafts[i].path, "duplicate_name",
			    "another step is named \"%.*s\"", MR_STR_ARG(g->steps[i].name));
		else if (taken == 0)
			g->name_index[slot] = i + 1;
	}
	return 0;
}

/* ---- the whole ---- */

static int compile_steps(struct mr_compile *c)
{
	struct mr_graph *g = c->graph;
	int r;

	c->steps = mr_arena_array(c->arena, c->drafts_len, sizeof(*c->steps));
	if (c->steps == NULL)
		return MR_E_NOMEM;
	g->steps = c->steps;
	g->steps_len = c->drafts_len;
	g->top_len = c->top_len;
	r = mr_graph_order(c);
	for (size_t i = 0; i < c->drafts_len && r == 0; i++)
		r = mr_graph_step(c, &c->drafts[i], &c->steps[i]);
	if (r == 0)
		r = index_names(c);
	return r == 0 ? mr_graph_refs(c) : r;
}

static int compile(struct mr_compile *c)
{
	int r = mr_graph_read(c);

	if (r == MR_E_NOMEM)
		return r;
	read_timeout(c);
	read_mode(c);
	if (read_retry(c) < 0)
		return MR_E_NOMEM;
	if (r < 0)
		return r;
	r = read_output(c);
	return r == 0 ? compile_steps(c) : r;
}

int mr_graph_compile(struct mr_arena *arena, const struct mr_value *definition,
    struct mr_faults *faults, struct mr_graph **ret)
{
	struct mr_faults unheard;
	struct mr_compile c = { .arena = arena, .faults = faults };
	size_t before;
	int r;

	if (faults == NULL) {
		mr_faults_init(&unheard, arena, 0);
		c.faults = &unheard;
	}
	before = c.faults->count;
	if (definition->kind != MR_VALUE_MAP) {
		mr_fault_add(c.faults, MR_STR(""), "type", "a definition is an object with steps");
		return MR_E_INVALID;
	}
	if (!fits(definition)) {
		mr_fault_add(c.faults, MR_STR(""), "limit",
		    "the definition is too large: at most %d values, %d bytes of text",
		    MR_GRAPH_MAX_VALUES, MR_GRAPH_MAX_TEXT);
		return MR_E_INVALID;
	}
	c.scratch = mr_arena_create(SCRATCH_MAX);
	c.graph = mr_arena_zalloc(arena, sizeof(*c.graph));
	r = MR_E_NOMEM;
	if (c.scratch != NULL && c.graph != NULL)
		r = mr_value_copy(arena, definition, &c.body);
	if (r == 0)
		r = compile(&c);
	c.scratch = mr_arena_free(c.scratch);
	if (r == 0 && c.faults->count > before)
		r = MR_E_INVALID;
	if (r == 0) {
		c.graph->arena = arena;
		*ret = c.graph;
	}
	return r;
}
