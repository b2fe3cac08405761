/*
 * Conditions: a string in which {{ }} are parentheses, a bool, or a Mongo object. All become
 * programs of the same kind; {"amount": {"$gt": 10}} is amount > 10.
 */
#include <string.h>

#include "engine/core/expr_private.h"

#define MONGO_DEPTH 64u

/* What is being put together: conditions joined by && or ||, perhaps negated. */
struct group {
	const struct mr_value *at; /* list of conditions, or a map of members */
	size_t next;
	enum mr_op join;    /* MR_OP_AND or MR_OP_OR */
	struct mr_str path; /* of the field that a map of operators is about; NULL: conditions */
	uint32_t place;     /* of the jump over what follows */
	uint32_t right, depth;
	bool negate, joined;
};

struct mongo {
	struct mr_emit *m;
	size_t len;
	struct group groups[MONGO_DEPTH];
};

static const struct comparison {
	const char *name;
	enum mr_op op;
} comparisons[] = {
	{ "$eq", MR_OP_EQ },
	{ "$gt", MR_OP_GT },
	{ "$gte", MR_OP_GE },
	{ "$in", MR_OP_IN },
	{ "$lt", MR_OP_LT },
	{ "$lte", MR_OP_LE },
	{ "$ne", MR_OP_NE },
	{ "$nin", MR_OP_IN },
};

static int fail(struct mongo *g, const char *what, struct mr_str name)
{
	return mr_emit_fail(g->m, 0, "%s \"%.*s\"", what, name.len > 80 ? 80 : (int)name.len,
	    name.p != NULL ? name.p : "");
}

/* ---- operands ---- */

/* A value of the object: a constant, or what its {{ }} say. */
static int emit_value(struct mongo *g, const struct mr_value *v)
{
	struct mr_value copy;
	struct mr_str text;
	int r;

	if (v->kind == MR_VALUE_STRING && mr_has_braces(v->s)) {
		text = v->s;
		if (mr_emit_text(g->m, &text) < 0)
			return g->m->r;
		return mr_parse_template_string(g->m, text);
	}
	r = mr_value_copy(g->m->arena, v, &copy);
	if (r < 0)
		return g->m->r = r;
	mr_emit_const(g->m, copy, 0);
	return g->m->r;
}

/* The field's value; null instead of nothing when OR_NULL. */
static int emit_field(struct mongo *g, struct mr_str path, bool or_null)
{
	uint32_t start = g->m->e->code_len, chains = g->m->e->chains_len, place;

	mr_emit_source(g->m, path, MR_STR(""));
	mr_emit_path(g->m, path);
	if (!or_null || g->m->r < 0)
		return g->m->r;
	for (uint32_t i = chains; i < g->m->e->chains_len; i++)
		g->m->e->chains[i].optional = true;
	mr_emit_handler(g->m, start, g->m->depth - 1, true);
	place = mr_emit(g->m, MR_OP_COALESCE, 0, -1, 0);
	mr_emit_const(g->m, MR_NULL_VALUE, 0);
	mr_emit_patch(g->m, place);
	return g->m->r;
}

/* ---- operators ---- */

static int emit_exists(struct mongo *g, struct mr_str path, const struct mr_value *v)
{
	uint32_t start = g->m->e->code_len, chains = g->m->e->chains_len;

	if (v->kind != MR_VALUE_BOOL)
		return fail(g, "$exists takes true or false, at", path);
	mr_emit_source(g->m, path, MR_STR(""));
	mr_emit_path(g->m, path);
	if (g->m->r < 0)
		return g->m->r;
	for (uint32_t i = chains; i < g->m->e->chains_len; i++)
		g->m->e->chains[i].optional = true;
	mr_emit_handler(g->m, start, g->m->depth - 1, true);
	mr_emit(g->m, MR_OP_IS_THERE, 0, 0, 0);
	if (!v->b)
		mr_emit(g->m, MR_OP_NOT, 0, 0, 0);
	return g->m->r;
}

static int emit_regex(struct mongo *g, struct mr_str path, const struct mr_value *v)
{
	struct mr_str pattern;

	if (v->kind != MR_VALUE_STRING)
		return fail(g, "$regex takes a string, at", path);
	pattern = mr_arena_str(g->m->arena, v->s);
	if (pattern.p == NULL)
		return g->m->r = MR_E_NOMEM;
	if (emit_field(g, path, false) < 0)
		return g->m->r;
	mr_emit(g->m, MR_OP_MATCHES, mr_emit_regex(g->m, pattern, 0), 0, 0);
	return g->m->r;
}

static int emit_comparison(
    struct mongo *g, struct mr_str path, const struct comparison *c, const struct mr_value *v)
{
	bool about_null = v->kind == MR_VALUE_NULL && (c->op == MR_OP_EQ || c->op == MR_OP_NE);

	if (c->op == MR_OP_IN && v->kind != MR_VALUE_LIST &&
	    !(v->kind == MR_VALUE_STRING && mr_has_braces(v->s)))
		return fail(g, "$in and $nin take a list, at", path);
	if (emit_field(g, path, about_null) < 0 || emit_value(g, v) < 0)
		return g->m->r;
	mr_emit(g->m, c->op, 0, -1, 0);
	if (strcmp(c->name, "$nin") == 0)
		mr_emit(g->m, MR_OP_NOT, 0, 0, 0);
	return g->m->r;
}

/* ---- groups ---- */

static int push(
    struct mongo *g, const struct mr_value *at, enum mr_op join, struct mr_str path, bool negate)
{
	if (g->len == MONGO_DEPTH) {
		mr_emit_fail(g->m, 0, "nested too deeply");
		return g->m->r = MR_E_LIMIT;
	}
	g->groups[g->len++] =
	    (struct group){ .at = at, .join = join, .path = path, .negate = negate };
	return 0;
}

static int emit_operator(
    struct mongo *g, struct mr_str path, struct mr_str name, const struct mr_value *v)
{
	static const struct comparison eq = { "$eq", MR_OP_EQ };

	for (size_t i = 0; i < MR_ARRAY_LEN(comparisons); i++) {
		if (mr_str_eqz(name, comparisons[i].name))
			return emit_comparison(g, path, &comparisons[i], v);
	}
	if (mr_str_eqz(name, "$exists"))
		return emit_exists(g, path, v);
	if (mr_str_eqz(name, "$regex"))
		return emit_regex(g, path, v);
	if (mr_str_eqz(name, "$not")) {
		if (v->kind == MR_VALUE_MAP)
			return push(g, v, MR_OP_AND, path, true);
		if (emit_comparison(g, path, &eq, v) == 0)
			mr_emit(g->m, MR_OP_NOT, 0, 0, 0);
		return g->m->r;
	}
	return fail(g, "unknown operator", name);
}

/* Whether V is {"$gt": …}: operators rather than an object to compare with. */
static bool is_operators(const struct mr_value *v)
{
	return v->kind == MR_VALUE_MAP && v->map->len > 0 &&
	       v->map->members[0].key.kind == MR_VALUE_STRING &&
	       mr_str_starts(v->map->members[0].key.s, MR_STR("$"));
}

/* A member of a map of conditions: $and, $or, $not, or a field. */
static int emit_member(struct mongo *g, struct mr_str name, const struct mr_value *v)
{
	static const struct comparison eq = { "$eq", MR_OP_EQ };
	struct mr_str path;

	if (mr_str_eqz(name, "$and") || mr_str_eqz(name, "$or")) {
		if (v->kind != MR_VALUE_LIST || v->list->len == 0)
			return fail(g, "a list of conditions is needed at", name);
		return push(
		    g, v, mr_str_eqz(name, "$or") ? MR_OP_OR : MR_OP_AND, MR_STR_NONE, false);
	}
	if (mr_str_eqz(name, "$not")) {
		if (v->kind != MR_VALUE_MAP)
			return fail(g, "an object is needed at", name);
		return push(g, v, MR_OP_AND, MR_STR_NONE, true);
	}
	if (mr_str_starts(name, MR_STR("$")))
		return fail(g, "unknown operator", name);
	path = mr_arena_str(g->m->arena, name);
	if (path.p == NULL)
		return g->m->r = MR_E_NOMEM;
	if (is_operators(v))
		return push(g, v, MR_OP_AND, path, false);
	return emit_comparison(g, path, &eq, v);
}

static int emit_child(struct mongo *g, const struct group *now, size_t i)
{
	const struct mr_value *v;

	if (now->at->kind == MR_VALUE_LIST) {
		v = &now->at->list->items[i];
		if (v->kind != MR_VALUE_MAP)
			return fail(g, "conditions in a list must be objects, not",
			    mr_str(mr_value_kind_name(v->kind)));
		return push(g, v, MR_OP_AND, MR_STR_NONE, false);
	}
	v = &now->at->map->members[i].value;
	if (now->path.p != NULL)
		return emit_operator(g, now->path, now->at->map->members[i].key.s, v);
	return emit_member(g, now->at->map->members[i].key.s, v);
}

/* The condition before has ended: join it to those before it, as the parser does for && and ||. */
static void join_left(struct mongo *g, struct group *now, uint32_t start)
{
	mr_emit_handler(g->m, start, g->m->depth - 1, false);
	now->place = mr_emit(g->m, now->join == MR_OP_OR ? MR_OP_OR_LEFT : MR_OP_AND_LEFT, 0, 0, 0);
	now->depth = g->m->depth;
	now->joined = true;
}

static void join_right(struct mongo *g, struct group *now, uint32_t start)
{
	mr_emit_handler(g->m, start, now->depth, false);
	mr_emit(g->m, now->join, 0, -1, 0);
	mr_emit_patch(g->m, now->place);
	now->joined = false;
}

static size_t length(const struct mr_value *v)
{
	return v->kind == MR_VALUE_LIST ? v->list->len : v->map->len;
}

/* One step: the next child of the innermost group, or its end. RIGHT of a group is where the code
 * of its present child began, START (in PLACE before the first join) where the group's did. */
static int step(struct mongo *g, uint32_t *starts)
{
	struct group *now = &g->groups[g->len - 1];
	size_t at = g->len - 1, i = now->next;

	if (i == 0)
		starts[at] = g->m->e->code_len;
	if (i > 0 && now->joined)
		join_right(g, now, now->right);
	if (i == length(now->at)) {
		if (i == 0) /* an empty object always holds */
			mr_emit_const(g->m, mr_value_bool(true), 0);
		if (now->negate)
			mr_emit(g->m, MR_OP_NOT, 0, 0, 0);
		g->len--;
		return g->m->r;
	}
	if (i > 0)
		join_left(g, now, starts[at]);
	now->right = g->m->e->code_len;
	now->next++;
	return emit_child(g, now, i);
}

static int compile_mongo(struct mr_emit *m, const struct mr_value *source)
{
	uint32_t starts[MONGO_DEPTH];
	struct mongo g;

	g.m = m;
	g.len = 0;
	if (m->r == 0)
		m->r = push(&g, source, MR_OP_AND, MR_STR_NONE, false);
	while (m->r == 0 && g.len > 0)
		m->r = step(&g, starts);
	return m->r;
}

int mr_condition_compile(struct mr_arena *a, const struct mr_value *source,
    const struct mr_expr **ret, struct mr_expr_error *err)
{
	struct mr_str text;
	struct mr_emit m;
	size_t at = 0;

	mr_emit_init(&m, a, err);
	switch (source->kind) {
	case MR_VALUE_STRING:
		text = source->s;
		if (mr_emit_text(&m, &text) == 0)
			m.r = mr_parse_expr(&m, text, MR_PARSE_CONDITION, &at);
		break;
	case MR_VALUE_BOOL:
		mr_emit_const(&m, *source, 0);
		mr_emit_set_chain(&m, -1);
		break;
	case MR_VALUE_MAP:
		m.r = compile_mongo(&m, source);
		break;
	default:
		mr_emit_fail(&m, 0, "a condition is a string, true, false or an object, not a %s",
		    mr_value_kind_name(source->kind));
	}
	return mr_emit_done(&m, ret);
}
