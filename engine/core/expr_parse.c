/*
 * The parser: one pass over the tokens, emitting as it goes. What waits for its right side or its
 * closing bracket stands in a stack of frames, so nothing recurses.
 */
#include "engine/core/expr_parse.h"

#include <string.h>

#include "engine/core/expr_lex.h"

int mr_parse_fail(struct mr_parser *p, size_t at, const char *what)
{
	return mr_emit_fail(p->m, at, "%s", what);
}

int mr_parse_next(struct mr_parser *p, bool operand, struct mr_token *t)
{
	int r = mr_lex_next(&p->lex, operand, t);

	if (r == MR_E_INVALID)
		return mr_emit_fail(p->m, p->lex.message_at, "%s", p->lex.message);
	if (r < 0)
		p->m->r = r;
	return r;
}

static struct mr_frame *top(struct mr_parser *p)
{
	return p->frames_len > 0 ? &p->frames[p->frames_len - 1] : NULL;
}

struct mr_frame *mr_parse_push(struct mr_parser *p, enum mr_frame_kind kind, size_t at)
{
	struct mr_frame *f;

	if (p->m->r < 0)
		return NULL;
	if (p->frames_len >= MR_EXPR_FRAMES_MAX ||
	    (kind >= MR_FRAME_PAREN && p->nesting >= MR_EXPR_NESTING_MAX)) {
		mr_parse_fail(p, at, "nested too deeply");
		p->m->r = MR_E_LIMIT;
		return NULL;
	}
	if (p->frames_len == p->frames_cap) {
		f = mr_arena_alloc(p->m->arena, p->frames_cap * 2 * sizeof(*f));
		if (f == NULL) {
			p->m->r = MR_E_NOMEM;
			return NULL;
		}
		memcpy(f, p->frames, p->frames_len * sizeof(*f));
		p->frames = f;
		p->frames_cap *= 2;
	}
	p->nesting += kind >= MR_FRAME_PAREN;
	f = &p->frames[p->frames_len++];
	*f = (struct mr_frame){ .kind = kind,
		.at = at,
		.start = p->m->e->code_len,
		.chains = p->m->e->chains_len,
		.chain = -1,
		.depth = p->m->depth };
	return f;
}

static void pop(struct mr_parser *p)
{
	p->frames_len--;
	p->nesting -= p->frames[p->frames_len].kind >= MR_FRAME_PAREN;
}

/* The operand that has just ended. */
static void ended(
    struct mr_parser *p, uint32_t start, uint32_t chains, enum mr_last_kind kind, int32_t chain)
{
	p->last = (struct mr_last){ start, chains, kind, chain };
	p->want = false;
}

/* ---- operators ---- */

static const struct binary {
	enum mr_token_kind token;
	enum mr_op op;
	int prec;
} binaries[] = {
	{ MR_TOKEN_COALESCE, MR_OP_COALESCE, MR_PREC_COALESCE },
	{ MR_TOKEN_OR, MR_OP_OR, MR_PREC_OR },
	{ MR_TOKEN_AND, MR_OP_AND, MR_PREC_AND },
	{ MR_TOKEN_EQ, MR_OP_EQ, MR_PREC_RELATION },
	{ MR_TOKEN_NE, MR_OP_NE, MR_PREC_RELATION },
	{ MR_TOKEN_LT, MR_OP_LT, MR_PREC_RELATION },
	{ MR_TOKEN_LE, MR_OP_LE, MR_PREC_RELATION },
	{ MR_TOKEN_GT, MR_OP_GT, MR_PREC_RELATION },
	{ MR_TOKEN_GE, MR_OP_GE, MR_PREC_RELATION },
	{ MR_TOKEN_IN, MR_OP_IN, MR_PREC_RELATION },
	{ MR_TOKEN_PLUS, MR_OP_ADD, MR_PREC_SUM },
	{ MR_TOKEN_MINUS, MR_OP_SUB, MR_PREC_SUM },
	{ MR_TOKEN_STAR, MR_OP_MUL, MR_PREC_PRODUCT },
	{ MR_TOKEN_SLASH, MR_OP_DIV, MR_PREC_PRODUCT },
	{ MR_TOKEN_PERCENT, MR_OP_MOD, MR_PREC_PRODUCT },
};

/* The right side of the top frame has ended: finish it. */
static void apply(struct mr_parser *p)
{
	struct mr_frame f = *top(p);

	pop(p);
	switch (f.op) {
	case MR_OP_OR:
	case MR_OP_AND:
		mr_emit_handler(p->m, f.right, f.depth, false);
		mr_emit(p->m, f.op, 0, -1, f.at);
		mr_emit_patch(p->m, f.place);
		break;
	case MR_OP_COALESCE:
	case MR_OP_JUMP: /* the else side of ?: */
		mr_emit_patch(p->m, f.place);
		break;
	case MR_OP_NOT:
	case MR_OP_NEG:
		mr_emit(p->m, f.op, 0, 0, f.at);
		break;
	default:
		mr_emit(p->m, f.op, 0, -1, f.at);
	}
	ended(p, f.start, f.chains, MR_LAST_VALUE, -1);
}

/* Finishes what binds tighter than PREC (or as tight, unless RIGHT). */
static void reduce(struct mr_parser *p, int prec, bool right)
{
	struct mr_frame *f;

	while (p->m->r == 0 && (f = top(p)) != NULL && f->kind == MR_FRAME_OPERATOR &&
	       (f->prec > prec || (f->prec == prec && !right)))
		apply(p);
}

static void mark_optional(struct mr_parser *p, uint32_t from)
{
	for (uint32_t i = from; i < p->m->e->chains_len; i++)
		p->m->e->chains[i].optional = true;
}

/* What the left side of an operator needs before the right side begins. */
static uint32_t emit_left(struct mr_parser *p, enum mr_op op, size_t at)
{
	struct mr_emit *m = p->m;

	switch (op) {
	case MR_OP_OR:
	case MR_OP_AND:
		mr_emit_handler(m, p->last.start, m->depth - 1, false);
		return mr_emit(m, op == MR_OP_OR ? MR_OP_OR_LEFT : MR_OP_AND_LEFT, 0, 0, at);
	case MR_OP_COALESCE:
		mark_optional(p, p->last.chains);
		mr_emit_handler(m, p->last.start, m->depth - 1, true);
		return mr_emit(m, op, 0, -1, at);
	default:
		return 0;
	}
}

static int binary(struct mr_parser *p, const struct mr_token *t, const struct binary *b)
{
	struct mr_last left;
	struct mr_frame *f;
	uint32_t place;

	reduce(p, b->prec, b->op == MR_OP_COALESCE);
	left = p->last;
	place = emit_left(p, b->op, t->at);
	f = mr_parse_push(p, MR_FRAME_OPERATOR, t->at);
	if (f == NULL)
		return p->m->r;
	f->op = b->op;
	f->prec = b->prec;
	f->place = place;
	f->right = f->start;
	f->start = left.start;
	f->chains = left.chains;
	p->want = true;
	return 0;
}

static int unary(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_frame *f = mr_parse_push(p, MR_FRAME_OPERATOR, t->at);

	if (f == NULL)
		return p->m->r;
	f->op = t->kind == MR_TOKEN_NOT ? MR_OP_NOT : MR_OP_NEG;
	f->prec = MR_PREC_UNARY;
	return 0;
}

static int question(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_frame *f;
	uint32_t place;

	reduce(p, MR_PREC_TERNARY, true);
	place = mr_emit(p->m, MR_OP_BRANCH, 0, -1, t->at);
	f = mr_parse_push(p, MR_FRAME_THEN, t->at);
	if (f == NULL)
		return p->m->r;
	f->start = p->last.start;
	f->chains = p->last.chains;
	f->place = place;
	p->want = true;
	return 0;
}

static int colon(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_frame *f;
	uint32_t place;

	reduce(p, MR_PREC_NONE, true);
	f = top(p);
	if (p->m->r < 0)
		return p->m->r;
	p->want = true;
	if (f != NULL && f->kind == MR_FRAME_MAP && f->is_key) {
		f->is_key = false;
		return 0;
	}
	if (f == NULL || f->kind != MR_FRAME_THEN)
		return mr_parse_fail(p, t->at, "unexpected ':'");
	place = mr_emit(p->m, MR_OP_JUMP, 0, -1, t->at);
	mr_emit_patch(p->m, f->place);
	f->kind = MR_FRAME_OPERATOR;
	f->op = MR_OP_JUMP;
	f->prec = MR_PREC_TERNARY;
	f->place = place;
	return p->m->r;
}

/* ---- names ---- */

static const struct mr_scope *find_local(const struct mr_parser *p, struct mr_str name)
{
	for (uint32_t i = p->scopes_len; i > 0; i--) {
		if (mr_str_eq(p->scopes[i - 1].name, name))
			return &p->scopes[i - 1];
	}
	return NULL;
}

int mr_parse_add_local(struct mr_parser *p, struct mr_str name, uint32_t slot, size_t at)
{
	if (p->scopes_len == MR_ARRAY_LEN(p->scopes)) {
		mr_parse_fail(p, at, "too many variables in one another");
		return p->m->r = MR_E_LIMIT;
	}
	p->scopes[p->scopes_len++] = (struct mr_scope){ name, slot };
	return 0;
}

/* The token after a look ahead, leaving the lexer where it was. */
static enum mr_token_kind peek(struct mr_parser *p, struct mr_token *t)
{
	size_t at = p->lex.at;
	int r = mr_lex_next(&p->lex, false, t);

	p->lex.at = at;
	return r < 0 ? MR_TOKEN_END : t->kind;
}

static bool is_type_name(struct mr_str s)
{
	static const char *const names[] = { "bool", "int", "uint", "double", "string", "bytes",
		"list", "map", "null_type", "type" };

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		if (mr_str_eqz(s, names[i]))
			return true;
	}
	return false;
}

static int emit_name(struct mr_parser *p, const struct mr_token *t, bool global)
{
	const struct mr_scope *local = global ? NULL : find_local(p, t->text);
	struct mr_chain c = {
		.parent = -1, .kind = MR_CHAIN_NAME, .offset = (uint32_t)t->at, .name = t->text
	};
	uint32_t start = p->m->e->code_len, chains = p->m->e->chains_len;
	int32_t chain;

	if (local != NULL) {
		c.kind = MR_CHAIN_LOCAL;
		mr_emit(p->m, MR_OP_LOCAL, local->slot, 1, t->at);
	} else {
		mr_emit(p->m, is_type_name(t->text) ? MR_OP_NAME_OR_TYPE : MR_OP_NAME,
		    mr_emit_add_name(p->m, t->text, t->at), 1, t->at);
		/* a type's name is no reference */
		if (is_type_name(t->text))
			c.optional = true;
	}
	chain = mr_emit_add_chain(p->m, &c);
	mr_emit_set_chain(p->m, chain);
	ended(p, start, chains, MR_LAST_PATH, chain);
	return p->m->r;
}

/* google.protobuf.Timestamp and Duration, which type() answers. */
static bool message_type(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_str rest = { p->lex.text.p + t->at, p->lex.text.len - t->at };
	static const enum mr_value_kind kinds[] = { MR_VALUE_TIMESTAMP, MR_VALUE_DURATION };

	for (size_t i = 0; i < MR_ARRAY_LEN(kinds); i++) {
		const char *name = mr_value_type_name(kinds[i]);

		if (!mr_str_starts(rest, mr_str(name)) || find_local(p, t->text) != NULL)
			continue;
		p->lex.at = t->at + strlen(name);
		ended(p, p->m->e->code_len, p->m->e->chains_len, MR_LAST_VALUE, -1);
		mr_emit_const(p->m, mr_value_type(name), t->at);
		return true;
	}
	return false;
}

/* "math.ceil(" and the like: the whole name when the text goes on so, else MR_STR_NONE. */
static struct mr_str namespaced(struct mr_parser *p, const struct mr_token *t)
{
	size_t at = p->lex.at;
	struct mr_str name = MR_STR_NONE;
	struct mr_token dot, member, paren;

	if (mr_lex_next(&p->lex, false, &dot) == 0 && dot.kind == MR_TOKEN_DOT &&
	    dot.at == t->end && mr_lex_next(&p->lex, false, &member) == 0 &&
	    member.kind == MR_TOKEN_IDENT && member.at == dot.end &&
	    mr_lex_next(&p->lex, false, &paren) == 0 && paren.kind == MR_TOKEN_LPAREN)
		name = (struct mr_str){ p->lex.text.p + t->at, member.end - t->at };
	if (name.p != NULL && !mr_str_eqz(name, "cel.bind") && mr_expr_fn_find(name, false, -1) < 0)
		name = MR_STR_NONE;
	if (name.p == NULL)
		p->lex.at = at;
	return name;
}

/* ---- brackets ---- */

/* [1, 2, 3] of constants is one constant itself. */
static void end_list(struct mr_parser *p, const struct mr_frame *f)
{
	struct mr_expr *e = p->m->e;
	struct mr_list *l;
	bool constant = e->code_len - f->start == f->n;

	for (uint32_t i = f->start; constant && i < e->code_len; i++)
		constant = e->code[i].op == MR_OP_CONST;
	if (!constant || p->m->r < 0) {
		mr_emit(p->m, MR_OP_LIST, f->n, 1 - (int)f->n, f->at);
		return;
	}
	l = mr_list_create(p->m->arena, f->n);
	if (l == NULL) {
		p->m->r = MR_E_NOMEM;
		return;
	}
	for (uint32_t i = f->n; i > 0; i--) {
		l->items[i - 1] = e->consts[e->code[f->start + i - 1].arg];
		mr_emit_drop(p->m, 1);
	}
	mr_emit_const(p->m, mr_value_list(l), f->at);
}

/* a["b"] is a.b; a[1] and a[b] are items. */
static void end_index(struct mr_parser *p, const struct mr_frame *f)
{
	const struct mr_value *key = mr_emit_last_const(p->m, f->right);
	struct mr_chain c = {
		.parent = f->chain, .kind = MR_CHAIN_OTHER, .offset = (uint32_t)f->at
	};
	enum mr_last_kind kind = MR_LAST_PATH;
	uint32_t name;
	int32_t chain = -1;

	if (key != NULL && key->kind == MR_VALUE_STRING) {
		c.kind = MR_CHAIN_MEMBER;
		c.name = key->s;
		kind = MR_LAST_SELECT;
		name = p->m->e->code[f->right].arg;
		mr_emit_drop(p->m, 1);
		mr_emit(p->m, MR_OP_SELECT, name, 0, f->at);
	} else {
		if (key != NULL && key->kind == MR_VALUE_INT) {
			c.kind = MR_CHAIN_INT;
			c.index = key->i;
		}
		mr_emit(p->m, MR_OP_INDEX, 0, -1, f->at);
	}
	if (f->chain >= 0) {
		chain = mr_emit_add_chain(p->m, &c);
		mr_emit_set_chain(p->m, chain);
	}
	ended(p, f->start, f->chains, kind, chain);
}

/* The frame at the top, whose last part has ended. */
static int end_frame(struct mr_parser *p, struct mr_frame f)
{
	struct mr_last last = p->last;
	int r = 0;

	pop(p);
	switch (f.kind) {
	case MR_FRAME_PAREN:
	case MR_FRAME_BRACES:
		ended(p, f.start, f.chains, last.kind, last.chain);
		return 0;
	case MR_FRAME_INDEX:
		end_index(p, &f);
		return p->m->r;
	case MR_FRAME_LIST:
		end_list(p, &f);
		break;
	case MR_FRAME_MAP:
		mr_emit(p->m, MR_OP_MAP, f.n, 1 - 2 * (int)f.n, f.at);
		break;
	case MR_FRAME_CALL:
		r = mr_parse_end_call(p, &f);
		break;
	case MR_FRAME_HAS:
		r = mr_parse_end_has(p, &f);
		break;
	case MR_FRAME_BIND:
		mr_emit(p->m, MR_OP_UNDER, 0, -1, f.at);
		p->scopes_len = f.scopes;
		break;
	case MR_FRAME_LOOP:
		mr_parse_end_loop(p, &f);
		break;
	default:
		break;
	}
	ended(p, f.start, f.chains, MR_LAST_VALUE, -1);
	return r < 0 ? r : p->m->r;
}

static bool closes(const struct mr_parser *p, const struct mr_frame *f, const struct mr_token *t)
{
	switch (f->kind) {
	case MR_FRAME_PAREN:
	case MR_FRAME_CALL:
	case MR_FRAME_HAS:
	case MR_FRAME_LOOP:
		return t->kind == MR_TOKEN_RPAREN;
	case MR_FRAME_BIND:
		return t->kind == MR_TOKEN_RPAREN && f->n == 1;
	case MR_FRAME_INDEX:
	case MR_FRAME_LIST:
		return t->kind == MR_TOKEN_RBRACKET;
	case MR_FRAME_MAP:
		return t->kind == MR_TOKEN_RBRACE && !f->is_key;
	case MR_FRAME_BRACES:
		return t->kind == MR_TOKEN_RBRACE && t->end < p->lex.text.len &&
		       p->lex.text.p[t->end] == '}';
	default:
		return false;
	}
}

static int unexpected(struct mr_parser *p, const struct mr_token *t)
{
	const struct mr_frame *f = top(p);

	if (t->kind != MR_TOKEN_END)
		return mr_emit_fail(p->m, t->at, "unexpected '%.*s'",
		    t->end - t->at > 40 ? 40 : (int)(t->end - t->at), p->lex.text.p + t->at);
	if (f != NULL && f->kind == MR_FRAME_BRACES)
		return mr_parse_fail(p, f->at, "{{ has no }}");
	if (f != NULL && f->kind == MR_FRAME_THEN)
		return mr_parse_fail(p, f->at, "? has no :");
	if (f != NULL && f->kind >= MR_FRAME_PAREN)
		return mr_parse_fail(p, f->at, "a bracket is not closed");
	return mr_parse_fail(p, t->at, "the expression ends where a value should be");
}

/* A closing bracket after a value. */
static int close_frame(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_frame *f;

	reduce(p, MR_PREC_NONE, true);
	f = top(p);
	if (p->m->r < 0)
		return p->m->r;
	if (f == NULL || !closes(p, f, t))
		return unexpected(p, t);
	if (f->kind == MR_FRAME_BRACES)
		p->lex.at++; /* the second } */
	else if (f->kind == MR_FRAME_LIST || f->kind == MR_FRAME_MAP || f->kind == MR_FRAME_CALL)
		f->n++;
	return end_frame(p, *f);
}

/* A closing bracket where a value could stand: f(), [], [1,], {}. */
static int close_empty(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_frame *f = top(p);
	bool fits = false;

	if (f != NULL && f->kind == MR_FRAME_CALL)
		fits = t->kind == MR_TOKEN_RPAREN && !f->comma;
	else if (f != NULL && f->kind == MR_FRAME_LIST)
		fits = t->kind == MR_TOKEN_RBRACKET;
	else if (f != NULL && f->kind == MR_FRAME_MAP)
		fits = t->kind == MR_TOKEN_RBRACE && f->is_key;
	if (!fits && f != NULL && f->kind == MR_FRAME_BRACES && t->kind == MR_TOKEN_RBRACE)
		return mr_parse_fail(p, t->at, "there is no expression between the braces");
	return fits ? end_frame(p, *f) : unexpected(p, t);
}

static int comma(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_frame *f;

	reduce(p, MR_PREC_NONE, true);
	f = top(p);
	if (p->m->r < 0)
		return p->m->r;
	if (f == NULL)
		return unexpected(p, t);
	p->want = true;
	switch (f->kind) {
	case MR_FRAME_CALL:
		if (f->n >= 250)
			return mr_parse_fail(p, t->at, "too many arguments");
		f->right = p->m->e->code_len;
		f->comma = true;
		f->n++;
		return 0;
	case MR_FRAME_LIST:
		f->n++;
		return 0;
	case MR_FRAME_MAP:
		if (f->is_key)
			return unexpected(p, t);
		f->is_key = true;
		f->n++;
		return 0;
	case MR_FRAME_LOOP:
		return mr_parse_loop_comma(p, f, t);
	case MR_FRAME_BIND:
		if (f->n++ > 0)
			return unexpected(p, t);
		return mr_parse_add_local(p, f->name, p->m->depth - 1, t->at);
	default:
		return unexpected(p, t);
	}
}

/* ---- operands ---- */

static int number(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_frame *f = top(p);
	bool minus = f != NULL && f->kind == MR_FRAME_OPERATOR && f->op == MR_OP_NEG;
	uint64_t max = (uint64_t)INT64_MAX + (minus ? 1 : 0);

	if (t->number > max)
		return mr_parse_fail(
		    p, t->at, "the number is beyond the range of an int (64 bits)");
	if (minus)
		pop(p); /* the sign belongs to the literal, so that the least int can be written */
	ended(p, p->m->e->code_len, p->m->e->chains_len, MR_LAST_VALUE, -1);
	mr_emit_const(p->m, mr_value_int((int64_t)(minus ? 0 - t->number : t->number)), t->at);
	return p->m->r;
}

static int constant(struct mr_parser *p, const struct mr_token *t)
{
	if (p->mode == MR_PARSE_CONDITION && t->value.kind == MR_VALUE_STRING &&
	    mr_has_braces(t->value.s))
		return mr_parse_fail(
		    p, t->at, "{{ }} inside quotes is only text here; write it without the quotes");
	ended(p, p->m->e->code_len, p->m->e->chains_len, MR_LAST_VALUE, -1);
	mr_emit_const(p->m, t->value, t->at);
	return p->m->r;
}

static bool word(const struct mr_token *t, struct mr_value *ret)
{
	if (mr_str_eqz(t->text, "true"))
		*ret = mr_value_bool(true);
	else if (mr_str_eqz(t->text, "false"))
		*ret = mr_value_bool(false);
	else if (mr_str_eqz(t->text, "null"))
		*ret = MR_NULL_VALUE;
	else
		return false;
	return true;
}

static int ident(struct mr_parser *p, struct mr_token *t)
{
	struct mr_token after;
	struct mr_str name;

	if (word(t, &t->value))
		return constant(p, t);
	if (mr_str_eqz(t->text, "in"))
		return unexpected(p, t);
	if (message_type(p, t))
		return p->m->r;
	if (find_local(p, t->text) == NULL) {
		name = namespaced(p, t);
		if (name.p != NULL)
			return mr_parse_begin_call(p, t, name, false);
	}
	if (peek(p, &after) == MR_TOKEN_LPAREN) {
		p->lex.at = after.end;
		return mr_parse_begin_call(p, t, t->text, false);
	}
	return emit_name(p, t, false);
}

/* ".name": a name of the environment even where a variable has the same. */
static int global_name(struct mr_parser *p)
{
	struct mr_token t;

	if (mr_parse_next(p, false, &t) < 0)
		return p->m->r;
	if (t.kind != MR_TOKEN_IDENT)
		return unexpected(p, &t);
	return emit_name(p, &t, true);
}

static int open_bracket(struct mr_parser *p, const struct mr_token *t)
{
	enum mr_frame_kind kind = MR_FRAME_PAREN;
	struct mr_frame *f;

	if (t->kind == MR_TOKEN_LBRACKET)
		kind = MR_FRAME_LIST;
	if (t->kind == MR_TOKEN_LBRACE) {
		kind = MR_FRAME_MAP;
		if (p->mode == MR_PARSE_CONDITION && p->lex.at < p->lex.text.len &&
		    p->lex.text.p[p->lex.at] == '{') {
			kind = MR_FRAME_BRACES;
			p->lex.at++;
		}
	}
	f = mr_parse_push(p, kind, t->at);
	if (f == NULL)
		return p->m->r;
	f->is_key = kind == MR_FRAME_MAP;
	return 0;
}

static int operand(struct mr_parser *p, struct mr_token *t)
{
	switch (t->kind) {
	case MR_TOKEN_INT:
		return number(p, t);
	case MR_TOKEN_CONST:
		return constant(p, t);
	case MR_TOKEN_IDENT:
		return ident(p, t);
	case MR_TOKEN_DOT:
		return global_name(p);
	case MR_TOKEN_LPAREN:
	case MR_TOKEN_LBRACKET:
	case MR_TOKEN_LBRACE:
		return open_bracket(p, t);
	case MR_TOKEN_NOT:
	case MR_TOKEN_MINUS:
		return unary(p, t);
	case MR_TOKEN_RPAREN:
	case MR_TOKEN_RBRACKET:
	case MR_TOKEN_RBRACE:
		return close_empty(p, t);
	default:
		return unexpected(p, t);
	}
}

/* ---- what follows an operand ---- */

static int member(struct mr_parser *p)
{
	struct mr_token t, after;
	const struct mr_macro *macro;
	struct mr_chain c = { .kind = MR_CHAIN_MEMBER };
	struct mr_last last = p->last;
	int32_t chain = -1;

	if (mr_parse_next(p, false, &t) < 0)
		return p->m->r;
	if (t.kind != MR_TOKEN_IDENT && t.kind != MR_TOKEN_QUOTED_IDENT)
		return mr_parse_fail(p, t.at, "a member's name should follow the point");
	if (t.kind == MR_TOKEN_IDENT && peek(p, &after) == MR_TOKEN_LPAREN) {
		p->lex.at = after.end;
		macro = mr_parse_find_macro(t.text);
		return macro != NULL ? mr_parse_begin_loop(p, &t, macro)
		                     : mr_parse_begin_call(p, &t, t.text, true);
	}
	mr_emit(p->m, MR_OP_SELECT, mr_emit_add_const(p->m, mr_value_str(t.text)), 0, t.at);
	if (last.chain >= 0) {
		c.parent = last.chain;
		c.offset = (uint32_t)t.at;
		c.name = t.text;
		chain = mr_emit_add_chain(p->m, &c);
		mr_emit_set_chain(p->m, chain);
	}
	ended(p, last.start, last.chains, MR_LAST_SELECT, chain);
	return p->m->r;
}

static int open_index(struct mr_parser *p, const struct mr_token *t)
{
	struct mr_frame *f = mr_parse_push(p, MR_FRAME_INDEX, t->at);

	if (f == NULL)
		return p->m->r;
	f->start = p->last.start;
	f->chains = p->last.chains;
	f->chain = p->last.chain;
	f->right = p->m->e->code_len;
	p->want = true;
	return 0;
}

static int operator(struct mr_parser *p, struct mr_token *t)
{
	if (t->kind == MR_TOKEN_IDENT && mr_str_eqz(t->text, "in"))
		t->kind = MR_TOKEN_IN;
	for (size_t i = 0; i < MR_ARRAY_LEN(binaries); i++) {
		if (binaries[i].token == t->kind)
			return binary(p, t, &binaries[i]);
	}
	switch (t->kind) {
	case MR_TOKEN_DOT:
		return member(p);
	case MR_TOKEN_LBRACKET:
		return open_index(p, t);
	case MR_TOKEN_QUESTION:
		return question(p, t);
	case MR_TOKEN_COLON:
		return colon(p, t);
	case MR_TOKEN_COMMA:
		return comma(p, t);
	case MR_TOKEN_RPAREN:
	case MR_TOKEN_RBRACKET:
	case MR_TOKEN_RBRACE:
		return close_frame(p, t);
	default:
		return unexpected(p, t);
	}
}

static void init(
    struct mr_parser *p, struct mr_emit *m, struct mr_str text, enum mr_parse_mode mode, size_t at)
{
	p->m = m;
	p->mode = mode;
	p->lex = (struct mr_lex){ .arena = m->arena, .text = text, .at = at };
	p->frames = p->first_frames;
	p->frames_cap = MR_ARRAY_LEN(p->first_frames);
	p->frames_len = 0;
	p->nesting = 0;
	p->scopes_len = 0;
	p->want = true;
}

int mr_parse_expr(struct mr_emit *m, struct mr_str text, enum mr_parse_mode mode, size_t *at)
{
	struct mr_parser p;
	struct mr_token t;

	init(&p, m, text, mode, *at);
	if (mode == MR_PARSE_EMBEDDED)
		(void)mr_parse_push(&p, MR_FRAME_BRACES, *at - 2); /* m->r has the failure */
	while (m->r == 0 && mr_parse_next(&p, p.want, &t) == 0) {
		if (t.kind == MR_TOKEN_END && !p.want) {
			reduce(&p, MR_PREC_NONE, true);
			if (p.frames_len == 0 && mode != MR_PARSE_EMBEDDED)
				break;
		}
		(void)(p.want ? operand(&p, &t) : operator(&p, &t)); /* likewise */
		if (mode == MR_PARSE_EMBEDDED && p.frames_len == 0)
			break;
	}
	*at = p.lex.at;
	return m->r;
}
