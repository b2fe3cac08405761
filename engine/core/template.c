/*
 * Templates: a JSON value with {{ expr }} in its strings, compiled to one program that builds the
 * value anew. Parts without expressions are constants of it; members' names are left as they are.
 */
#include <string.h>

#include "engine/core/expr_private.h"

struct mr_template {
	const struct mr_expr *program; /* NULL: VALUE is all there is */
	struct mr_value value;
};

bool mr_has_braces(struct mr_str text)
{
	return text.len >= 2 && memmem(text.p, text.len, "{{", 2) != NULL;
}

/* Leaves the pieces of TEXT on the stack; *RET_N says how many. */
static int pieces(struct mr_emit *m, struct mr_str text, uint32_t *ret_n)
{
	size_t at = 0;

	*ret_n = 0;
	while (m->r == 0 && at < text.len) {
		const char *open = memmem(text.p + at, text.len - at, "{{", 2);
		size_t end = open != NULL ? (size_t)(open - text.p) : text.len;

		if (end > at) {
			mr_emit_const(
			    m, mr_value_str((struct mr_str){ text.p + at, end - at }), at);
			++*ret_n;
		}
		at = end;
		if (open != NULL) {
			at += 2;
			++*ret_n;
			m->r = mr_parse_expr(m, text, MR_PARSE_EMBEDDED, &at);
		}
	}
	return m->r;
}

int mr_parse_template_string(struct mr_emit *m, struct mr_str text)
{
	uint32_t n;
	bool alone;

	if (pieces(m, text, &n) < 0)
		return m->r;
	/* one expression and nothing beside it keeps the type of its value */
	alone = n == 1 && mr_str_starts(text, MR_STR("{{"));
	if (!alone)
		mr_emit(m, MR_OP_TEXT, n, 1 - (int)n, 0);
	return m->r;
}

/* ---- compiling ---- */

/* How the walk goes: each container is entered when it holds an expression somewhere. */
struct compile {
	struct mr_emit m;
	struct mr_walk walk;
	struct mr_faults *faults;
	struct mr_buf path;
	struct mr_expr_error err;
	bool faulty;
};

static bool is_container(const struct mr_value *v)
{
	return v->kind == MR_VALUE_LIST || v->kind == MR_VALUE_MAP;
}

static size_t length(const struct mr_value *v)
{
	return v->kind == MR_VALUE_LIST ? v->list->len : v->map->len;
}

static const struct mr_value *child(const struct mr_value *v, size_t i)
{
	return v->kind == MR_VALUE_LIST ? &v->list->items[i] : &v->map->members[i].value;
}

/* 1 when there are braces in any string of V, else 0, or MR_E_NOMEM. */
static int has_expressions(const struct mr_value *v)
{
	struct mr_walk_frame *f;
	struct mr_walk w;
	int r = 0;

	mr_walk_init(&w);
	if (v->kind == MR_VALUE_STRING)
		r = mr_has_braces(v->s);
	else if (is_container(v) && mr_walk_push(&w, v, NULL) == NULL)
		r = MR_E_NOMEM;
	while (r == 0 && (f = mr_walk_top(&w)) != NULL) {
		v = f->at;
		if (f->next == length(v)) {
			mr_walk_pop(&w);
			continue;
		}
		v = child(v, f->next++);
		if (v->kind == MR_VALUE_STRING)
			r = mr_has_braces(v->s);
		else if (is_container(v) && mr_walk_push(&w, v, NULL) == NULL)
			r = MR_E_NOMEM;
	}
	mr_walk_done(&w);
	return r;
}

/* The path of a child: "steps[2].url". */
static size_t path_push(struct compile *c, const struct mr_value *v, size_t i)
{
	size_t len = c->path.len;

	if (v->kind == MR_VALUE_LIST) {
		mr_buf_addf(&c->path, "[%zu]", i);
	} else {
		if (len > 0)
			mr_buf_addc(&c->path, '.');
		mr_value_write_text(&c->path, &v->map->members[i].key);
	}
	return len;
}

static void path_pop(struct compile *c, size_t len)
{
	c->path.len = len;
	c->path.failed = false; /* a path too long to write is cut */
}

static int constant(struct compile *c, const struct mr_value *v)
{
	struct mr_value copy;
	int r = mr_value_copy(c->m.arena, v, &copy);

	if (r < 0)
		return r;
	mr_emit_const(&c->m, copy, 0);
	return c->m.r;
}

/* A fault in one string doesn't hide those of the others: the emitter goes on with a null. */
static int string(struct compile *c, struct mr_str s)
{
	struct mr_emit *m = &c->m;
	struct mr_str text = mr_arena_str(m->arena, s), path;
	uint32_t depth = m->depth;

	path = mr_arena_str(m->arena, c->path.len > 0 ? mr_buf_str(&c->path) : MR_STR(""));
	if (text.p == NULL || path.p == NULL)
		return MR_E_NOMEM;
	mr_emit_source(m, text, path);
	if (m->r == 0 && text.len > MR_EXPR_SOURCE_MAX)
		mr_emit_fail(
		    m, 0, "a text with expressions is at most %u bytes", MR_EXPR_SOURCE_MAX);
	if (mr_parse_template_string(m, text) == 0)
		return 0;
	if (m->r != MR_E_INVALID && m->r != MR_E_LIMIT)
		return m->r;
	mr_fault_add(c->faults, path, m->r == MR_E_LIMIT ? "limit" : "expression",
	    "line %zu, column %zu: %s", c->err.line, c->err.column, c->err.message);
	c->faulty = true;
	if (m->e->code_len >= MR_EXPR_PROGRAM_MAX)
		return m->r;
	m->r = 0;
	m->depth = depth;
	mr_emit_const(m, MR_NULL_VALUE, 0);
	return m->r;
}

/* Emits V, or enters it. FRAME->other of a container is its value, .next its next child. */
static int enter(struct compile *c, const struct mr_value *v)
{
	struct mr_walk_frame *f;
	int has = has_expressions(v);

	if (has < 0)
		return has;
	if (has == 0)
		return constant(c, v);
	if (v->kind == MR_VALUE_STRING)
		return string(c, v->s);
	f = mr_walk_push(&c->walk, v, (const void *)(uintptr_t)c->path.len);
	return f != NULL ? 0 : MR_E_NOMEM;
}

static int leave(struct compile *c, const struct mr_value *v)
{
	uint32_t n = (uint32_t)length(v);

	if (v->kind == MR_VALUE_LIST)
		mr_emit(&c->m, MR_OP_LIST, n, 1 - (int)n, 0);
	else
		mr_emit(&c->m, MR_OP_MAP, n, 1 - 2 * (int)n, 0);
	mr_walk_pop(&c->walk);
	return c->m.r;
}

static int step(struct compile *c, struct mr_walk_frame *f)
{
	const struct mr_value *v = f->at;
	size_t i = f->next++;
	int r = 0;

	path_pop(c, (size_t)(uintptr_t)f->other);
	if (i == 0 && length(v) > MR_EXPR_PROGRAM_MAX)
		return MR_E_LIMIT;
	if (i == length(v))
		return leave(c, v);
	(void)path_push(c, v, i); /* taken off by the next path_pop */
	if (v->kind == MR_VALUE_MAP)
		r = constant(c, &v->map->members[i].key);
	return r < 0 ? r : enter(c, child(v, i));
}

static int compile(struct compile *c, const struct mr_value *source, struct mr_str path)
{
	struct mr_walk_frame *f;
	int r = c->m.r;

	mr_walk_init(&c->walk);
	mr_buf_init(&c->path, 1024);
	mr_buf_adds(&c->path, path);
	if (r == 0)
		r = enter(c, source);
	while (r == 0 && (f = mr_walk_top(&c->walk)) != NULL)
		r = step(c, f);
	mr_walk_done(&c->walk);
	mr_buf_done(&c->path);
	if (r == MR_E_LIMIT && !c->faulty) {
		mr_fault_add(c->faults, path, "limit", "holds too many expressions");
		return r;
	}
	return r == 0 && c->faulty ? MR_E_INVALID : r;
}

int mr_template_compile(struct mr_arena *a, const struct mr_value *source, struct mr_str path,
    struct mr_faults *faults, const struct mr_template **ret)
{
	struct mr_template *t = mr_arena_zalloc(a, sizeof(*t));
	struct compile c;
	int has, r;

	if (t == NULL)
		return MR_E_NOMEM;
	has = has_expressions(source);
	if (has < 0)
		return has;
	if (has == 0) {
		r = mr_value_copy(a, source, &t->value);
		if (r == 0)
			*ret = t;
		return r;
	}
	c.faults = faults;
	c.faulty = false;
	mr_emit_init(&c.m, a, &c.err);
	r = compile(&c, source, path);
	if (r == 0)
		r = mr_emit_done(&c.m, &t->program);
	if (r == 0)
		*ret = t;
	return r;
}

/* ---- using ---- */

int mr_template_eval_budget(const struct mr_template *t, const struct mr_expr_env *env,
    struct mr_arena *a, uint64_t *budget, struct mr_value *ret, struct mr_expr_error *err)
{
	if (t->program != NULL)
		return mr_expr_eval_budget(t->program, env, a, budget, ret, err);
	*ret = t->value;
	return 0;
}

int mr_template_eval(const struct mr_template *t, const struct mr_expr_env *env, struct mr_arena *a,
    struct mr_value *ret, struct mr_expr_error *err)
{
	if (t->program != NULL)
		return mr_expr_eval(t->program, env, a, ret, err);
	*ret = t->value;
	return 0;
}

bool mr_template_constant(const struct mr_template *t, struct mr_value *ret)
{
	if (t->program != NULL)
		return false;
	*ret = t->value;
	return true;
}

const struct mr_expr *mr_template_program(const struct mr_template *t)
{
	return t->program;
}

void mr_template_refs(const struct mr_template *t, mr_template_ref_fn *fn, void *ctx)
{
	if (t->program != NULL)
		mr_expr_template_refs(t->program, fn, ctx);
}
