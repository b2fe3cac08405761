/*
 * One expression computed for somebody who is writing it: with the very evaluator that runs use,
 * names from the request's context, limits of its own, and nothing stored.
 */
#include "engine/core/expr.h"
#include "fcgi/route.h"
#include "handlers/handlers.h"

#include <string.h>

#define BODY_MAX   (1024u * 1024u)
#define MEMORY_MAX (16u * 1024u * 1024u) /* for the program and all values */
#define VALUE_MAX  (1024u * 1024u)       /* bytes of the answer's value */
#define COST_MAX   200000u               /* all other requests wait meanwhile */
#define EXCERPT    60u                   /* code points shown on either side of the place */

/* ---- names ---- */

/* As in a run: trigger and input are one thing, and its members are names too. */
static int look_up(void *ctx, struct mr_arena *a, struct mr_str name, struct mr_value *ret,
    struct mr_expr_error *err)
{
	const struct mr_value *context = ctx, *input = mr_value_get(context, "trigger");
	const struct mr_value *found = mr_value_gets(context, name);

	(void)a; /* nothing to be made */
	(void)err;
	if (input == NULL)
		input = mr_value_get(context, "input");
	if (found == NULL && (mr_str_eqz(name, "trigger") || mr_str_eqz(name, "input")))
		found = input;
	if (found == NULL)
		found = mr_value_gets(input, name);
	if (found == NULL)
		return MR_E_NOT_FOUND;
	*ret = *found;
	return 0;
}

/* ---- what is wrong, and where ---- */

static size_t back(struct mr_str s, size_t at, size_t from, unsigned points)
{
	while (at > from && points > 0) {
		at--;
		points -= ((unsigned char)s.p[at] & 0xc0) != 0x80;
	}
	return at;
}

static size_t forth(struct mr_str s, size_t at, size_t to, unsigned points)
{
	for (; at < to && points > 0; points--) {
		at++;
		while (at < to && ((unsigned char)s.p[at] & 0xc0) == 0x80)
			at++;
	}
	return at;
}

/* The place in its line with a caret below it; .p is NULL without memory. */
static struct mr_str excerpt(struct mr_arena *a, struct mr_str s, size_t offset)
{
	size_t at = forth(s, 0, s.len, (unsigned)offset), from = at, to = at, begin, end;
	struct mr_str text;
	struct mr_buf b;

	while (from > 0 && s.p[from - 1] != '\n')
		from--;
	while (to < s.len && s.p[to] != '\n' && s.p[to] != '\r')
		to++;
	begin = back(s, at, from, EXCERPT);
	end = forth(s, at, to, EXCERPT);
	mr_buf_init(&b, 4096);
	mr_buf_add(&b, s.p + begin, end - begin);
	mr_buf_addc(&b, '\n');
	for (size_t i = begin; i < at; i = forth(s, i, at, 1))
		mr_buf_addc(&b, s.p[i] == '\t' ? '\t' : ' ');
	mr_buf_addc(&b, '^');
	text = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return text;
}

static void detail(struct mr_request *r, const char *name, size_t n)
{
	mr_fault_add(&r->faults, mr_str(name), "expression", "%zu", n);
}

static int refuse(struct mr_request *r, const struct mr_value *e, const struct mr_expr_error *err)
{
	bool is_text = e->kind == MR_VALUE_STRING; /* a place in an object would tell nothing */
	struct mr_str shown;

	mr_fault_add(&r->faults, MR_STR("expression"), "expression", "%s", err->message);
	if (err->path[0] != '\0')
		mr_fault_add(&r->faults, MR_STR("missing"), "expression", "%s", err->path);
	if (is_text) {
		detail(r, "offset", err->offset);
		detail(r, "line", err->line);
		detail(r, "column", err->column);
		shown = excerpt(r->arena, e->s, err->offset);
		if (shown.p != NULL)
			mr_fault_add(
			    &r->faults, MR_STR("excerpt"), "expression", "%.*s", MR_STR_ARG(shown));
		mr_response_problem(r, MR_ERR_EXPRESSION_INVALID,
		    "The expression is wrong at line %zu, column %zu: %s", err->line, err->column,
		    err->message);
		return 0;
	}
	mr_response_problem(
	    r, MR_ERR_EXPRESSION_INVALID, "The condition is wrong: %s", err->message);
	return 0;
}

/* ---- the answer ---- */

static int answer(struct mr_request *r, const struct mr_value *e, const struct mr_value *v)
{
	struct mr_expr_error err = {
		.message = "the value is larger than 1 MiB as JSON", .line = 1, .column = 1
	};
	struct mr_buf b;

	mr_buf_init(&b, VALUE_MAX + 64);
	mr_buf_addz(&b, "{\"value\":");
	mr_json_write(&b, v);
	mr_buf_addf(&b, ",\"type\":\"%s\"}", mr_value_kind_name(v->kind));
	if (!mr_buf_failed(&b))
		mr_response_json(r, r->route->out.status, mr_buf_str(&b));
	else
		(void)refuse(r, e, &err); /* decides the answer */
	mr_buf_done(&b);
	return 0;
}

static void free_arena(void *p)
{
	(void)mr_arena_free(p); /* NULL */
}

/* Braces make a text one of those that definitions hold, where they are parentheses. */
static int compile(struct mr_arena *a, const struct mr_value *e, const struct mr_expr **ret,
    struct mr_expr_error *err)
{
	if (e->kind == MR_VALUE_STRING && memmem(e->s.p, e->s.len, "{{", 2) == NULL)
		return mr_expr_compile(a, e->s, ret, err);
	return mr_condition_compile(a, e, ret, err);
}

int mr_handler_expression_evaluate(struct mr_request *r)
{
	struct mr_value none = MR_NULL_VALUE, v = MR_NULL_VALUE;
	const struct mr_value *e = mr_value_get(&r->body_json, "expression");
	const struct mr_value *context = mr_value_get(&r->body_json, "context");
	struct mr_expr_env env = {
		.lookup = look_up,
		.ctx = (void *)(uintptr_t)(context != NULL ? context : &none),
		.now_us = r->now_us,
		.max_cost = COST_MAX,
	};
	struct mr_arena *a = mr_arena_create(MEMORY_MAX);
	const struct mr_expr *program;
	struct mr_expr_error err = { .line = 1, .column = 1 };
	int rc;

	if (a == NULL || mr_arena_defer(r->arena, free_arena, a) < 0)
		return MR_E_NOMEM;
	if (r->body.len > BODY_MAX) {
		mr_response_problem(r, MR_ERR_BODY_TOO_LARGE, "%s",
		    "An expression with its context is at most 1 MiB; send less of the context.");
		return 0;
	}
	rc = compile(a, e, &program, &err);
	if (rc == 0)
		rc = mr_expr_eval(program, &env, a, &v, &err);
	return rc < 0 ? refuse(r, e, &err) : answer(r, e, &v);
}
