/*
 * Types of a program, found by going through it once from its beginning to its end: what stands on
 * the stack is known there as a set of kinds, perhaps with the JSON Schema of what it holds. Where
 * two ways meet, either may have been taken.
 */
#include "engine/core/expr_types.h"

#include <stdio.h>

#include "engine/core/expr_private.h"

#define BIT(kind) (1u << MR_VALUE_##kind)

enum {
	NUL = BIT(NULL),
	BOOL = BIT(BOOL),
	INT = BIT(INT),
	UINT = BIT(UINT),
	DOUBLE = BIT(DOUBLE),
	STRING = BIT(STRING),
	BYTES = BIT(BYTES),
	TIMESTAMP = BIT(TIMESTAMP),
	DURATION = BIT(DURATION),
	LIST = BIT(LIST),
	MAP = BIT(MAP),
	TYPE = BIT(TYPE),
	NUMBER = INT | UINT | DOUBLE,
	SCALAR = BOOL | NUMBER | STRING | BYTES | TIMESTAMP | DURATION,
	ANY = (1u << (MR_VALUE_TYPE + 1)) - 1,
};

#define KINDS ((unsigned)MR_VALUE_TYPE + 1)

struct type {
	unsigned kinds;                /* never 0 */
	const struct mr_value *schema; /* NULL: nothing is known of what it holds */
};

/* What stands on the stack when a jump leads to PC. */
struct pending {
	uint32_t pc;
	struct type type;
};

struct check {
	const struct mr_expr *e;
	const struct mr_type_env *env;
	mr_type_report_fn *report;
	void *ctx;
	struct type *stack;
	uint32_t len;            /* of the stack */
	struct pending *pending; /* the nearest last, as brackets close */
	uint32_t pending_len;
};

static const struct type any = { ANY, NULL };

/* ---- reporting ---- */

static void fault(struct check *c, uint32_t pc, const char *fmt, ...) MR_PRINTF(3, 4);

static void fault(struct check *c, uint32_t pc, const char *fmt, ...)
{
	const struct mr_expr_source *s = mr_expr_source_at(c->e, c->e->pos[pc].offset);
	struct mr_type_fault f = { .path = MR_STR("") };
	struct mr_expr_error at;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(f.message, sizeof(f.message), fmt, ap); /* a cut sentence still tells */
	va_end(ap);
	mr_expr_clean(f.message);
	mr_expr_error_at(
	    &at, s != NULL ? s->text : MR_STR(""), s != NULL ? c->e->pos[pc].offset - s->base : 0);
	if (s != NULL && s->path.p != NULL)
		f.path = s->path;
	f.offset = at.offset;
	f.line = at.line;
	f.column = at.column;
	c->report(c->ctx, &f);
}

#define NAMES_LEN 120

/* "int or double" */
static const char *names(unsigned kinds, char out[NAMES_LEN])
{
	size_t len = 0;

	out[0] = '\0';
	for (unsigned k = 0; k < KINDS && len < NAMES_LEN; k++) {
		int n;

		if ((kinds & (1u << k)) == 0)
			continue;
		n = snprintf(out + len, NAMES_LEN - len, "%s%s", len > 0 ? " or " : "",
		    mr_value_kind_name((enum mr_value_kind)k));
		len += n > 0 ? (size_t)n : 0;
	}
	return out;
}

/* ---- schemas ---- */

static unsigned kinds_of_name(struct mr_str name)
{
	static const struct {
		const char *name;
		unsigned kinds;
	} types[] = {
		{ "null", NUL },
		{ "boolean", BOOL },
		{ "integer", INT | DOUBLE },
		{ "number", INT | DOUBLE },
		{ "string", STRING },
		{ "array", LIST },
		{ "object", MAP },
	};

	for (size_t i = 0; i < MR_ARRAY_LEN(types); i++) {
		if (mr_str_eqz(name, types[i].name))
			return types[i].kinds;
	}
	return ANY;
}

/* What "type" says; ANY when it says nothing that is understood. */
static unsigned kinds_of_type(const struct mr_value *type)
{
	unsigned kinds = 0;

	if (type == NULL || (type->kind != MR_VALUE_STRING && type->kind != MR_VALUE_LIST))
		return ANY;
	if (type->kind == MR_VALUE_STRING)
		return kinds_of_name(type->s);
	for (size_t i = 0; i < type->list->len; i++)
		kinds |= type->list->items[i].kind == MR_VALUE_STRING
		             ? kinds_of_name(type->list->items[i].s)
		             : (unsigned)ANY;
	return kinds != 0 ? kinds : (unsigned)ANY;
}

/* A value of JSON that the schema names. */
static unsigned kinds_of_value(const struct mr_value *v)
{
	return mr_value_is_number(v) ? INT | DOUBLE : 1u << v->kind;
}

static unsigned kinds_of_enum(const struct mr_value *schema)
{
	const struct mr_value *list = mr_value_get_kind(schema, "enum", MR_VALUE_LIST);
	const struct mr_value *one = mr_value_get(schema, "const");
	unsigned kinds = 0;

	for (size_t i = 0; list != NULL && i < list->list->len; i++)
		kinds |= kinds_of_value(&list->list->items[i]);
	if (one != NULL)
		kinds |= kinds_of_value(one);
	return kinds != 0 ? kinds : (unsigned)ANY;
}

/* One level of alternatives; those without a type may be anything. */
static unsigned kinds_of_alternatives(const struct mr_value *list)
{
	unsigned kinds = 0;

	if (list == NULL || list->list->len == 0)
		return ANY;
	for (size_t i = 0; i < list->list->len; i++) {
		const struct mr_value *v = &list->list->items[i];

		kinds |= mr_value_get(v, "$ref") != NULL ? (unsigned)ANY
		                                         : kinds_of_type(mr_value_get(v, "type"));
		if (mr_value_get(v, "nullable") != NULL)
			kinds |= NUL;
	}
	return kinds;
}

static struct type type_of(const struct mr_value *schema)
{
	const struct mr_value *nullable;
	struct type t = { ANY, schema };

	if (schema == NULL || schema->kind != MR_VALUE_MAP || mr_value_get(schema, "$ref") != NULL)
		return any;
	t.kinds &= kinds_of_type(mr_value_get(schema, "type"));
	t.kinds &= kinds_of_enum(schema);
	t.kinds &= kinds_of_alternatives(mr_value_get_kind(schema, "anyOf", MR_VALUE_LIST));
	t.kinds &= kinds_of_alternatives(mr_value_get_kind(schema, "oneOf", MR_VALUE_LIST));
	nullable = mr_value_get(schema, "nullable");
	if (nullable != NULL && nullable->kind == MR_VALUE_BOOL && nullable->b)
		t.kinds |= NUL;
	return t.kinds != 0 ? t : any; /* what nothing can fit is its author's affair */
}

static struct type member_type(struct type of, struct mr_str name)
{
	const struct mr_value *properties;

	if (of.schema == NULL)
		return any;
	properties = mr_value_get_kind(of.schema, "properties", MR_VALUE_MAP);
	return type_of(mr_value_gets(properties, name));
}

static struct type item_type(struct type of)
{
	return of.schema == NULL || (of.kinds & MAP) != 0
	           ? any
	           : type_of(mr_value_get_kind(of.schema, "items", MR_VALUE_MAP));
}

/* ---- the stack ---- */

static void push(struct check *c, struct type t)
{
	c->stack[c->len++] = t.kinds != 0 ? t : any;
}

static void push_kinds(struct check *c, unsigned kinds)
{
	push(c, (struct type){ kinds, NULL });
}

static struct type pop(struct check *c)
{
	return c->stack[--c->len];
}

static void later(struct check *c, uint32_t pc, struct type t)
{
	c->pending[c->pending_len++] = (struct pending){ pc, t };
}

/* Ways that meet at PC. */
static void meet(struct check *c, uint32_t pc)
{
	struct type *top = &c->stack[c->len - 1];

	while (c->pending_len > 0 && c->pending[c->pending_len - 1].pc == pc) {
		struct type t = c->pending[--c->pending_len].type;

		top->kinds |= t.kinds;
		if (top->schema != t.schema)
			top->schema = NULL;
	}
}

/* Takes a value that must be one of WANTED. */
static void need(struct check *c, uint32_t pc, struct type t, unsigned wanted, const char *what)
{
	char got[NAMES_LEN], want[NAMES_LEN];

	if ((t.kinds & wanted) == 0)
		fault(c, pc, "%s takes %s, this is always %s", what, names(wanted, want),
		    names(t.kinds, got));
}

/* ---- operators ---- */

/* The kind that A op B gives, 0 when there is no such operation. */
static unsigned arithmetic(enum mr_op op, unsigned a, unsigned b)
{
	if (a == b && (a & (INT | UINT)) != 0)
		return a;
	if (((a | b) & DOUBLE) != 0 && ((a | b) & ~(unsigned)NUMBER) == 0)
		return op != MR_OP_MOD ? DOUBLE : 0;
	if (op == MR_OP_ADD && a == b && (a & (STRING | BYTES | LIST | DURATION)) != 0)
		return a;
	if (op == MR_OP_ADD && (a | b) == (TIMESTAMP | DURATION))
		return TIMESTAMP;
	if (op == MR_OP_SUB && b == DURATION && (a & (TIMESTAMP | DURATION)) != 0)
		return a;
	return op == MR_OP_SUB && a == TIMESTAMP && b == TIMESTAMP ? DURATION : 0;
}

static unsigned ordering(enum mr_op op, unsigned a, unsigned b)
{
	(void)op;
	if ((a & NUMBER) != 0 && (b & NUMBER) != 0)
		return BOOL;
	return a == b && (a & (STRING | BYTES | BOOL | TIMESTAMP | DURATION)) != 0 ? BOOL : 0;
}

/* A member of null is missing, which is no error of types. */
static unsigned indexing(enum mr_op op, unsigned a, unsigned b)
{
	(void)op;
	if (a == NUL)
		return ANY;
	if (a == LIST)
		return (b & NUMBER) != 0 ? ANY : 0;
	return a == MAP && (b & (NUMBER | STRING | BOOL)) != 0 ? ANY : 0;
}

static unsigned containing(enum mr_op op, unsigned a, unsigned b)
{
	(void)op;
	(void)a;
	return (b & (LIST | MAP)) != 0 ? BOOL : 0;
}

static const char *symbol(enum mr_op op)
{
	static const char *const symbols[] = {
		[MR_OP_ADD] = "+",
		[MR_OP_SUB] = "-",
		[MR_OP_MUL] = "*",
		[MR_OP_DIV] = "/",
		[MR_OP_MOD] = "%",
		[MR_OP_LT] = "<",
		[MR_OP_LE] = "<=",
		[MR_OP_GT] = ">",
		[MR_OP_GE] = ">=",
		[MR_OP_IN] = "in",
		[MR_OP_INDEX] = "[ ]",
	};

	return symbols[op];
}

/* Each kind that A may be with each that B may be. */
static void binary(struct check *c, uint32_t pc, enum mr_op op,
    unsigned (*rule)(enum mr_op op, unsigned a, unsigned b))
{
	struct type b = pop(c), a = pop(c);
	char left[NAMES_LEN], right[NAMES_LEN];
	unsigned kinds = 0;

	for (unsigned i = 0; i < KINDS; i++) {
		for (unsigned j = 0; j < KINDS && (a.kinds & (1u << i)) != 0; j++)
			if ((b.kinds & (1u << j)) != 0)
				kinds |= rule(op, 1u << i, 1u << j);
	}
	if (kinds == 0)
		fault(c, pc, "%s never works between %s and %s", symbol(op), names(a.kinds, left),
		    names(b.kinds, right));
	if (op == MR_OP_INDEX && a.kinds == LIST)
		push(c, item_type(a));
	else
		push_kinds(c, kinds);
}

static void select_member(struct check *c, uint32_t pc, struct mr_str name)
{
	struct type of = pop(c);
	char got[NAMES_LEN];

	if ((of.kinds & (MAP | NUL)) == 0)
		fault(c, pc, "%s has no members, so no \"%.*s\"", names(of.kinds, got),
		    name.len > 60 ? 60 : (int)name.len, name.p);
	push(c, member_type(of, name));
}

static void make_map(struct check *c, uint32_t pc, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		(void)pop(c); /* the value may be anything */
		need(c, pc, pop(c), STRING | INT | UINT | BOOL, "the key of a map");
	}
	push_kinds(c, MAP);
}

/* ---- functions ---- */

static const struct fn_type {
	mr_expr_fn *fn;
	unsigned result, args[3];
} fn_types[] = {
#define MR_FN_TYPE(fn, result, first, second, third) { fn, result, { first, second, third } },
#include "engine/core/expr_fn_types.def"
#undef MR_FN_TYPE
};

static void call(struct check *c, uint32_t pc, const struct mr_ins *ins)
{
	const struct mr_expr_fn_row *row = &mr_expr_fns[ins->arg];
	const struct fn_type *t = NULL;
	char got[NAMES_LEN], want[NAMES_LEN];

	for (size_t i = 0; i < MR_ARRAY_LEN(fn_types) && t == NULL; i++)
		t = fn_types[i].fn == row->fn ? &fn_types[i] : NULL;
	c->len -= ins->n;
	for (unsigned i = 0; t != NULL && i < ins->n && i < MR_ARRAY_LEN(t->args); i++) {
		struct type arg = c->stack[c->len + i];

		if ((arg.kinds & t->args[i]) != 0)
			continue;
		if (i == 0 && row->is_method)
			fault(c, pc, "%s() is a method of %s, not of %s", row->name,
			    names(t->args[i], want), names(arg.kinds, got));
		else
			fault(c, pc, "%s() takes %s as its argument %u, this is always %s",
			    row->name, names(t->args[i], want), i + !row->is_method,
			    names(arg.kinds, got));
	}
	push_kinds(c, t != NULL ? t->result : (unsigned)ANY);
}

/* ---- loops ---- */

static void begin_loop(struct check *c, uint32_t pc)
{
	need(c, pc, c->stack[c->len - 1], LIST | MAP, "a loop");
	for (unsigned i = 1; i < MR_LOOP_SLOTS; i++)
		push(c, any);
}

/* The variables; what a map has for keys isn't known. */
static void set_variables(struct check *c, unsigned vars)
{
	struct type *slots = &c->stack[c->len - MR_LOOP_SLOTS], item = any;

	if (slots[MR_LOOP_RANGE].kinds != LIST)
		return;
	item = item_type(slots[MR_LOOP_RANGE]);
	slots[MR_LOOP_VAR1] = vars == 2 ? (struct type){ INT, NULL } : item;
	if (vars == 2)
		slots[MR_LOOP_VAR2] = item;
}

static void step_loop(struct check *c, uint32_t pc, enum mr_loop loop)
{
	struct type t = pop(c);

	if (loop == MR_LOOP_MERGE_ENTRIES)
		need(c, pc, t, MAP, "transformMapEntry()");
	else if (loop <= MR_LOOP_EXISTS_ONE || loop == MR_LOOP_FILTER)
		need(c, pc, t, BOOL, "a condition");
}

static void end_loop(struct check *c, uint32_t pc, enum mr_loop loop)
{
	struct type range;

	c->len -= MR_LOOP_SLOTS;
	range = c->stack[c->len + MR_LOOP_RANGE];
	if (loop <= MR_LOOP_EXISTS_ONE) {
		push_kinds(c, BOOL);
	} else if (loop == MR_LOOP_MAP_ENTRIES || loop == MR_LOOP_MERGE_ENTRIES) {
		push_kinds(c, MAP);
	} else {
		if (loop == MR_LOOP_SORT_BY)
			need(c, pc, range, LIST, "sortBy()");
		if (loop == MR_LOOP_MAP || range.kinds != LIST)
			range.schema = NULL; /* else the items are the range's own */
		range.kinds = LIST;
		push(c, range);
	}
}

/* ---- the pass ---- */

static void name(struct check *c, const struct mr_ins *ins)
{
	const struct mr_value *schema = NULL;

	if (c->env != NULL && c->env->schema != NULL)
		schema = c->env->schema(c->env->ctx, c->e->names[ins->arg]);
	push(c, type_of(schema));
}

static void constant(struct check *c, const struct mr_value *v)
{
	push_kinds(c, 1u << v->kind);
}

/* && and ||: the left side is on the stack, and decides or not. */
static void logic_left(struct check *c, uint32_t pc, const struct mr_ins *ins)
{
	need(c, pc, c->stack[c->len - 1], BOOL, ins->op == MR_OP_OR_LEFT ? "||" : "&&");
	later(c, ins->arg, (struct type){ BOOL, NULL });
}

static void coalesce(struct check *c, const struct mr_ins *ins)
{
	struct type left = pop(c);

	left.kinds &= ~(unsigned)NUL;
	if (left.kinds != 0) /* else the right side it is, always */
		later(c, ins->arg, left);
}

static void values(struct check *c, uint32_t n, unsigned kinds)
{
	c->len -= n;
	push_kinds(c, kinds);
}

/* What an instruction does to the stack. */
static void step(struct check *c, uint32_t pc)
{
	const struct mr_ins *ins = &c->e->code[pc];
	enum mr_op op = (enum mr_op)ins->op;
	struct type t;

	switch (op) {
	case MR_OP_CONST:
		constant(c, &c->e->consts[ins->arg]);
		break;
	case MR_OP_NAME:
	case MR_OP_NAME_OR_TYPE:
		name(c, ins);
		break;
	case MR_OP_LOCAL:
		push(c, c->stack[ins->arg]);
		break;
	case MR_OP_SELECT:
		select_member(c, pc, c->e->consts[ins->arg].s);
		break;
	case MR_OP_HAS:
		need(c, pc, pop(c), MAP | NUL, "has()");
		push_kinds(c, BOOL);
		break;
	case MR_OP_INDEX:
		binary(c, pc, op, indexing);
		break;
	case MR_OP_LIST:
		values(c, ins->arg, LIST);
		break;
	case MR_OP_MAP:
		make_map(c, pc, ins->arg);
		break;
	case MR_OP_NOT:
		need(c, pc, pop(c), BOOL, "!");
		push_kinds(c, BOOL);
		break;
	case MR_OP_NEG:
		t = pop(c);
		need(c, pc, t, INT | DOUBLE | DURATION, "-");
		push_kinds(c, t.kinds & (INT | DOUBLE | DURATION));
		break;
	case MR_OP_ADD:
	case MR_OP_SUB:
	case MR_OP_MUL:
	case MR_OP_DIV:
	case MR_OP_MOD:
		binary(c, pc, op, arithmetic);
		break;
	case MR_OP_LT:
	case MR_OP_LE:
	case MR_OP_GT:
	case MR_OP_GE:
		binary(c, pc, op, ordering);
		break;
	case MR_OP_IN:
		binary(c, pc, op, containing);
		break;
	case MR_OP_EQ:
	case MR_OP_NE:
	case MR_OP_OR:
	case MR_OP_AND:
		if (op == MR_OP_OR || op == MR_OP_AND)
			need(c, pc, c->stack[c->len - 1], BOOL, op == MR_OP_OR ? "||" : "&&");
		values(c, 2, BOOL);
		break;
	case MR_OP_JUMP:
		later(c, ins->arg, pop(c));
		break;
	case MR_OP_BRANCH:
		need(c, pc, pop(c), BOOL, "a condition");
		break;
	case MR_OP_OR_LEFT:
	case MR_OP_AND_LEFT:
		logic_left(c, pc, ins);
		break;
	case MR_OP_COALESCE:
		coalesce(c, ins);
		break;
	case MR_OP_IS_THERE:
		values(c, 1, BOOL);
		break;
	case MR_OP_CALL:
		call(c, pc, ins);
		break;
	case MR_OP_MATCHES:
		need(c, pc, pop(c), STRING, "matches()");
		push_kinds(c, BOOL);
		break;
	case MR_OP_LOOP:
		begin_loop(c, pc);
		break;
	case MR_OP_NEXT:
		set_variables(c, ins->n);
		break;
	case MR_OP_STEP:
		step_loop(c, pc, (enum mr_loop)ins->n);
		break;
	case MR_OP_LOOP_END:
		end_loop(c, pc, (enum mr_loop)ins->n);
		break;
	case MR_OP_UNDER:
		t = pop(c);
		c->stack[c->len - 1] = t;
		break;
	case MR_OP_TEXT:
		values(c, ins->arg, STRING);
		break;
	case MR_OP_FAIL:
		fault(c, pc, "%.*s", MR_STR_ARG(c->e->consts[ins->arg].s));
		values(c, ins->n, ANY);
		break;
	}
}

static int run(struct check *c, struct mr_arena *scratch, struct type *ret)
{
	const struct mr_expr *e = c->e;

	c->stack = mr_arena_array(scratch, e->depth + 1, sizeof(*c->stack));
	c->pending = mr_arena_array(scratch, e->code_len, sizeof(*c->pending));
	if (c->stack == NULL || c->pending == NULL)
		return MR_E_NOMEM;
	for (uint32_t pc = 0; pc < e->code_len; pc++) {
		if (c->len > 0)
			meet(c, pc);
		step(c, pc);
	}
	meet(c, e->code_len);
	*ret = c->stack[c->len - 1];
	return 0;
}

int mr_expr_check(const struct mr_expr *e, const struct mr_type_env *env, struct mr_arena *scratch,
    mr_type_report_fn *report, void *ctx)
{
	struct check c = { .e = e, .env = env, .report = report, .ctx = ctx };
	struct type t;

	return run(&c, scratch, &t);
}

int mr_condition_check(const struct mr_expr *e, const struct mr_type_env *env,
    struct mr_arena *scratch, mr_type_report_fn *report, void *ctx)
{
	struct check c = { .e = e, .env = env, .report = report, .ctx = ctx };
	char got[NAMES_LEN];
	struct type t;
	int r = run(&c, scratch, &t);

	if (r == 0 && (t.kinds & BOOL) == 0)
		fault(&c, e->code_len - 1,
		    "a condition must be true or false, this one is always %s",
		    names(t.kinds, got));
	return r;
}

int mr_template_check(const struct mr_template *t, const struct mr_type_env *env,
    struct mr_arena *scratch, mr_type_report_fn *report, void *ctx)
{
	const struct mr_expr *program = mr_template_program(t);

	return program != NULL ? mr_expr_check(program, env, scratch, report, ctx) : 0;
}
