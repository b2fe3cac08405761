/* Calls and macros of expressions, as the parser meets them. */
#include "engine/core/expr_parse.h"

#include <stdio.h>
#include <string.h>

/* What a macro's name stands for. */
static const struct mr_macro macros[] = {
	{ { "all", 3 }, MR_LOOP_ALL, 2, false, false },
	{ { "exists", 6 }, MR_LOOP_EXISTS, 2, false, false },
	{ { "exists_one", 10 }, MR_LOOP_EXISTS_ONE, 2, false, false },
	{ { "existsOne", 9 }, MR_LOOP_EXISTS_ONE, 2, false, false },
	{ { "filter", 6 }, MR_LOOP_FILTER, 1, false, false },
	{ { "map", 3 }, MR_LOOP_MAP, 1, false, true },
	{ { "sortBy", 6 }, MR_LOOP_SORT_BY, 1, false, false },
	{ { "transformList", 13 }, MR_LOOP_MAP, 2, true, true },
	{ { "transformMap", 12 }, MR_LOOP_MAP_ENTRIES, 2, true, true },
	{ { "transformMapEntry", 17 }, MR_LOOP_MERGE_ENTRIES, 2, true, true },
};

/* ---- calls and macros ---- */

/* After "cel.bind(": the variable's name and the comma. */
static int begin_bind(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_token name, comma;
	struct mr_frame *f;

	if (mr_parse_next(p, false, &name) < 0 || mr_parse_next(p, false, &comma) < 0)
		return p->m->r;
	if (name.kind != MR_TOKEN_IDENT || comma.kind != MR_TOKEN_COMMA)
		return mr_parse_fail(p, name.at, "cel.bind() begins with the name of a variable");
	f = mr_parse_push(p, MR_FRAME_BIND, t->at);
	if (f == NULL)
		return p->m->r;
	f->name = name.text;
	f->scopes = p->scopes_len;
	p->want = true;
	return 0;
}

int mr_parse_begin_call(
    struct mr_parser *p, const struct mr_token *t, struct mr_str name, bool is_method)
{
	struct mr_frame *f;

	if (!is_method && mr_str_eqz(name, "cel.bind"))
		return begin_bind(p, t);
	f = mr_parse_push(
	    p, !is_method && mr_str_eqz(name, "has") ? MR_FRAME_HAS : MR_FRAME_CALL, t->at);
	if (f == NULL)
		return p->m->r;
	if (is_method) {
		f->n = 1;
		f->start = p->last.start;
		f->chains = p->last.chains;
	}
	f->name = name;
	f->is_method = is_method;
	f->right = p->m->e->code_len;
	p->want = true;
	return 0;
}

const struct mr_macro *mr_parse_find_macro(struct mr_str name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(macros); i++) {
		if (mr_str_eq(macros[i].name, name))
			return &macros[i];
	}
	return NULL;
}

/* The variables of a macro: one name and a comma, or two of each. Returns how many. */
static int loop_variables(
    struct mr_parser *p, const struct mr_macro *macro, struct mr_str names[2], size_t at)
{
	struct mr_token t, comma, t2, comma2;
	size_t before;

	if (mr_parse_next(p, false, &t) < 0 || mr_parse_next(p, false, &comma) < 0)
		return p->m->r;
	if (t.kind != MR_TOKEN_IDENT || comma.kind != MR_TOKEN_COMMA)
		return mr_emit_fail(p->m, at,
		    "%.*s() begins with the name of a variable and a comma",
		    MR_STR_ARG(macro->name));
	names[0] = t.text;
	if (macro->vars == 1)
		return 1;
	before = p->lex.at;
	if (mr_lex_next(&p->lex, true, &t2) == 0 && t2.kind == MR_TOKEN_IDENT &&
	    mr_lex_next(&p->lex, false, &comma2) == 0 && comma2.kind == MR_TOKEN_COMMA) {
		names[1] = t2.text;
		return 2;
	}
	p->lex.at = before;
	if (macro->two_always)
		return mr_emit_fail(p->m, at, "%.*s() begins with the names of two variables",
		    MR_STR_ARG(macro->name));
	return 1;
}

/* After "range.all(": the range is on the stack. */
int mr_parse_begin_loop(struct mr_parser *p, const struct mr_token *t, const struct mr_macro *macro)
{
	struct mr_str names[2] = { MR_STR_NONE, MR_STR_NONE };
	int vars = loop_variables(p, macro, names, t->at);
	uint32_t base = p->m->depth - 1, scopes = p->scopes_len;
	struct mr_frame *f;

	if (vars < 0)
		return vars;
	if (vars == 2 && mr_str_eq(names[0], names[1]))
		return mr_parse_fail(p, t->at, "both variables have one name");
	f = mr_parse_push(p, MR_FRAME_LOOP, t->at);
	if (f == NULL)
		return p->m->r;
	f->start = p->last.start;
	f->chains = p->last.chains;
	f->scopes = scopes;
	f->loop = macro->loop;
	f->may_filter = macro->filter;
	mr_emit_n(p->m, MR_OP_LOOP, (unsigned)macro->loop, 0, MR_LOOP_SLOTS - 1, t->at);
	f->place = mr_emit_n(p->m, MR_OP_NEXT, (unsigned)vars, 0, 0, t->at);
	f->right = p->m->e->code_len;
	f->depth = p->m->depth;
	p->want = true;
	if (mr_parse_add_local(p, names[0], base + MR_LOOP_VAR1, t->at) < 0)
		return p->m->r;
	return vars == 2 ? mr_parse_add_local(p, names[1], base + MR_LOOP_VAR2, t->at) : 0;
}

/* A comma inside of a loop: what came before was its condition. */
int mr_parse_loop_comma(struct mr_parser *p, struct mr_frame *f, const struct mr_token *t)
{
	if (!f->may_filter)
		return mr_parse_fail(p, t->at, "too many arguments");
	f->may_filter = false;
	mr_emit(p->m, MR_OP_BRANCH, f->place, -1, t->at);
	return p->m->r;
}

void mr_parse_end_loop(struct mr_parser *p, const struct mr_frame *f)
{
	struct mr_emit *m = p->m;

	if (f->loop == MR_LOOP_ALL || f->loop == MR_LOOP_EXISTS)
		mr_emit_handler(m, f->right, f->depth, false);
	mr_emit_n(m, MR_OP_STEP, (unsigned)f->loop, f->place, -1, f->at);
	mr_emit_patch(m, f->place);
	mr_emit_n(m, MR_OP_LOOP_END, (unsigned)f->loop, 0, 1 - MR_LOOP_SLOTS, f->at);
	p->scopes_len = f->scopes;
}

int mr_parse_end_has(struct mr_parser *p, const struct mr_frame *f)
{
	struct mr_expr *e = p->m->e;

	if (p->last.kind != MR_LAST_SELECT)
		return mr_parse_fail(p, f->at, "has() takes a member, like has(a.b)");
	e->code[e->code_len - 1].op = MR_OP_HAS;
	if (p->last.chain >= 0)
		e->chains[p->last.chain].optional = true;
	return 0;
}

static void describe_unknown(const struct mr_frame *f, char *text, size_t len)
{
	int any = mr_expr_fn_find(f->name, f->is_method, -1);
	unsigned skip = f->is_method;
	const struct mr_expr_fn_row *row;

	if (any < 0) {
		(void)snprintf(text, len, "there is no %s %.*s()",
		    f->is_method ? "method" : "function", f->name.len > 60 ? 60 : (int)f->name.len,
		    f->name.p);
		return;
	}
	row = &mr_expr_fns[any];
	if (row->min == row->max)
		(void)snprintf(text, len, "%s() takes %u argument%s, not %u", row->name,
		    row->min - skip, row->min - skip == 1 ? "" : "s", f->n - skip);
	else
		(void)snprintf(text, len, "%s() takes %u to %u arguments, not %u", row->name,
		    row->min - skip, row->max - skip, f->n - skip);
}

/* An error at once where definitions are read; as CEL has it, an error of the call elsewhere. */
static int unknown_function(struct mr_parser *p, const struct mr_frame *f)
{
	struct mr_str said;
	char text[160];

	describe_unknown(f, text, sizeof(text));
	if (p->mode != MR_PARSE_BARE)
		return mr_parse_fail(p, f->at, text);
	said = mr_arena_str(p->m->arena, mr_str(text));
	if (said.p == NULL)
		return p->m->r = MR_E_NOMEM;
	mr_emit_n(p->m, MR_OP_FAIL, f->n, mr_emit_add_const(p->m, mr_value_str(said)),
	    1 - (int)f->n, f->at);
	return p->m->r;
}

int mr_parse_end_call(struct mr_parser *p, const struct mr_frame *f)
{
	int row = mr_expr_fn_find(f->name, f->is_method, (int)f->n);
	const struct mr_value *last = mr_emit_last_const(p->m, f->right);
	struct mr_str pattern;

	if (row < 0)
		return unknown_function(p, f);
	if (last != NULL && last->kind == MR_VALUE_STRING &&
	    strcmp(mr_expr_fns[row].name, "matches") == 0) {
		pattern = last->s;
		mr_emit_drop(p->m, 1);
		mr_emit(p->m, MR_OP_MATCHES, mr_emit_regex(p->m, pattern, f->at), 0, f->at);
		return p->m->r;
	}
	mr_emit_n(p->m, MR_OP_CALL, f->n, (uint32_t)row, 1 - (int)f->n, f->at);
	return p->m->r;
}
