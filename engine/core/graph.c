/* Definitions compiled: the way from a body to a graph, and looking steps up. */
#include "engine/core/graph.h"

#include "engine/core/graph_private.h"

#define SCRATCH_MAX (256u << 20)

static const struct {
	const char *name;
	enum mr_step_kind kind;
} step_types[] = {
#define MR_STEP_TYPE(id, name, kind) { name, kind },
#include "engine/core/step_types.def"
#undef MR_STEP_TYPE
};

enum mr_step_kind mr_graph_type_kind(int type)
{
	return type >= 0 ? step_types[type].kind : MR_STEP_PURE;
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
	struct walk stack[MR_GRAPH_MAX_BRACKETS] = { { v, 0 } };
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
		if (depth == MR_GRAPH_MAX_BRACKETS)
			return false;
		stack[depth++] = (struct walk){ item, 0 };
	}
	return ok;
}

/* ---- names ---- */

size_t mr_graph_hash(struct mr_str name, uint64_t seed)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ seed;

	for (size_t i = 0; i < name.len; i++)
		h = (h ^ (unsigned char)name.p[i]) * UINT64_C(1099511628211);
	return (size_t)(h ^ (h >> 29));
}

static size_t name_slot(const struct mr_graph *g, struct mr_str name)
{
	size_t i = mr_graph_hash(name, 0) & (g->name_index_len - 1);

	while (g->name_index[i] != 0 && !mr_str_eq(g->steps[g->name_index[i] - 1].name, name))
		i = (i + 1) & (g->name_index_len - 1);
	return i;
}

int mr_graph_find(const struct mr_graph *g, struct mr_str name)
{
	return (int)g->name_index[name_slot(g, name)] - 1;
}

static bool same_room(const struct mr_compile *c, unsigned a, unsigned b)
{
	return c->blocks[c->drafts[a].block].room == c->blocks[c->drafts[b].block].room;
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
		if (taken != 0 && !same_room(c, taken - 1, i))
			mr_graph_fault(c, c->drafts[i].path, "duplicate_name",
			    "another step is named \"%.*s\"", MR_STR_ARG(g->steps[i].name));
		else if (taken == 0)
			g->name_index[slot] = i + 1;
	}
	return 0;
}

/* ---- the whole ---- */

static int make_blocks(struct mr_compile *c)
{
	struct mr_graph *g = c->graph;
	struct mr_block *blocks = mr_arena_array(c->arena, c->blocks_len, sizeof(*blocks));

	if (blocks == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < c->blocks_len; i++) {
		const struct mr_draft_block *b = &c->blocks[i];

		blocks[i] = (struct mr_block){ .role = b->role,
			.holder = b->holder,
			.place = b->place,
			.first = b->first,
			.len = b->len,
			.name = b->name,
			.binds = b->binds,
			.counts = b->counts };
	}
	g->blocks = blocks;
	g->blocks_len = c->blocks_len;
	g->on_failure = c->on_failure;
	g->finally = c->finally;
	return 0;
}

static int compile_steps(struct mr_compile *c)
{
	struct mr_graph *g = c->graph;
	int r;

	c->steps = mr_arena_array(c->arena, c->drafts_len, sizeof(*c->steps));
	if (c->steps == NULL)
		return MR_E_NOMEM;
	g->steps = c->steps;
	g->steps_len = c->drafts_len;
	r = make_blocks(c);
	if (r == 0)
		r = mr_graph_order(c);
	if (r == 0)
		r = mr_graph_find_upstream(c);
	for (size_t i = 0; i < c->drafts_len && r == 0; i++)
		r = mr_graph_step(c, &c->drafts[i], &c->steps[i]);
	if (r == 0)
		r = index_names(c);
	if (r == 0)
		r = mr_graph_vars(c);
	if (r == 0)
		r = mr_graph_refs(c);
	return r == 0 ? mr_graph_types(c) : r;
}

static int compile(struct mr_compile *c)
{
	int read, r = mr_graph_rewrite(c);

	if (r < 0)
		return r;
	read = mr_graph_read(c);
	if (read == MR_E_NOMEM)
		return read;
	r = mr_graph_read_top(c);
	if (r < 0 || read < 0)
		return r < 0 ? r : read;
	r = compile_steps(c);
	if (r == 0)
		mr_graph_check_mode(c);
	return r;
}

static int compile_as(struct mr_arena *arena, const struct mr_value *definition, bool is_template,
    struct mr_faults *faults, struct mr_graph **ret)
{
	struct mr_faults unheard;
	struct mr_compile c = { .arena = arena, .faults = faults, .is_template = is_template };
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
	if (r == MR_E_NOMEM && c.scratch != NULL && mr_arena_was_full(c.scratch))
		r = MR_E_LIMIT; /* the definition's size, not a want of memory */
	c.scratch = mr_arena_free(c.scratch);
	if (r == 0 && c.faults->count > before)
		r = MR_E_INVALID;
	if (r == 0) {
		c.graph->arena = arena;
		*ret = c.graph;
	}
	return r;
}

int mr_graph_compile(struct mr_arena *arena, const struct mr_value *definition,
    struct mr_faults *faults, struct mr_graph **ret)
{
	return compile_as(arena, definition, false, faults, ret);
}

int mr_graph_compile_template(struct mr_arena *arena, const struct mr_value *definition,
    struct mr_faults *faults, struct mr_graph **ret)
{
	return compile_as(arena, definition, true, faults, ret);
}
