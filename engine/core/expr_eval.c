/* The machine that runs programs, and what the outside calls: compile and evaluate. */
#include "engine/core/expr_vm.h"

#include <stdio.h>
#include <string.h>

#define INLINE_STACK 24u
#define INLINE_NAMES 8u
#define DOTTED_MAX   3u /* points in a name of the environment */

/* ---- single instructions ---- */

struct name_slot {
	bool known;
	struct mr_value value;
};

static int look_up(
    struct mr_vm *vm, const struct mr_ins *ins, struct name_slot *slots, struct mr_value *ret)
{
	struct name_slot *slot = &slots[ins->arg];
	struct mr_str name = vm->e->names[ins->arg];
	struct mr_expr_error err;
	struct mr_value key;
	int r = MR_E_NOT_FOUND;

	if (slot->known) {
		*ret = slot->value;
		return 0;
	}
	err.message[0] = '\0';
	if (vm->env != NULL && vm->env->lookup != NULL)
		r = vm->env->lookup(vm->env->ctx, vm->arena, name, &slot->value, &err);
	if (r == MR_E_NOT_FOUND && ins->op == MR_OP_NAME_OR_TYPE) {
		slot->value = (struct mr_value){ .kind = MR_VALUE_TYPE, .s = name };
		r = 0;
	}
	if (r == 0) {
		slot->known = true;
		*ret = slot->value;
		return 0;
	}
	if (r == MR_E_NOT_FOUND) {
		key = mr_value_str(name);
		return mr_vm_missing(vm, &key);
	}
	(void)mr_vm_fail(vm, "%s", err.message);
	return r;
}

/*
 * A name that isn't there may be the beginning of one with points in it: a.b.c is asked for as
 * "a.b.c" and "a.b" too, the longest first. *NEXT moves behind the members that were part of it.
 */
static int look_up_dotted(struct mr_vm *vm, uint32_t pc, struct mr_value *ret, uint32_t *next)
{
	const struct mr_expr *e = vm->e;
	struct mr_str names[DOTTED_MAX], all = e->names[e->code[pc].arg];
	struct mr_expr_error err;
	uint32_t len = 0;
	int r = MR_E_NOT_FOUND;

	while (len < DOTTED_MAX && pc + len + 1 < e->code_len &&
	       e->code[pc + len + 1].op == MR_OP_SELECT && e->pos[pc + len + 1].chain >= 0 &&
	       e->chains[e->pos[pc + len + 1].chain].parent == e->pos[pc + len].chain) {
		all = mr_arena_printf(vm->arena, "%.*s.%.*s", MR_STR_ARG(all),
		    MR_STR_ARG(e->consts[e->code[pc + len + 1].arg].s));
		if (all.p == NULL)
			return MR_E_NOMEM;
		names[len++] = all;
	}
	err.message[0] = '\0';
	for (; r == MR_E_NOT_FOUND && len > 0; len--) {
		r = vm->env->lookup(vm->env->ctx, vm->arena, names[len - 1], ret, &err);
		if (r == 0)
			*next = pc + 1 + len;
	}
	if (r < 0 && r != MR_E_NOT_FOUND)
		(void)mr_vm_fail(vm, "%s", err.message);
	return r;
}

static int make_list(struct mr_vm *vm, struct mr_value *items, uint32_t n)
{
	struct mr_list *l = mr_list_create(vm->arena, n);

	if (l == NULL)
		return MR_E_NOMEM;
	if (n > 0)
		memcpy(l->items, items, n * sizeof(*items));
	items[0] = mr_value_list(l);
	return 0;
}

static int make_map(struct mr_vm *vm, struct mr_value *pairs, uint32_t n)
{
	struct mr_map *m = mr_map_create(vm->arena, n);
	int r;

	if (m == NULL)
		return MR_E_NOMEM;
	for (uint32_t i = 0; i < n; i++) {
		const struct mr_value *key = &pairs[2 * i];

		if (key->kind != MR_VALUE_STRING && key->kind != MR_VALUE_INT &&
		    key->kind != MR_VALUE_UINT && key->kind != MR_VALUE_BOOL)
			return mr_vm_fail(vm, "a value of type %s can't be the key of a map",
			    mr_value_kind_name(key->kind));
		m->members[i] = (struct mr_member){ *key, pairs[2 * i + 1] };
	}
	r = mr_vm_seal(vm, m);
	if (r == 0)
		pairs[0] = mr_value_map(m);
	return r;
}

static int order(struct mr_vm *vm, enum mr_op op, struct mr_value *two)
{
	int cmp, r = mr_op_compare(vm, two, &cmp);
	bool b;

	if (r < 0)
		return r;
	switch (op) {
	case MR_OP_LT:
		b = cmp == -1;
		break;
	case MR_OP_LE:
		b = cmp == -1 || cmp == 0;
		break;
	case MR_OP_GT:
		b = cmp == 1;
		break;
	default:
		b = cmp == 1 || cmp == 0;
	}
	two[0] = mr_value_bool(b);
	return 0;
}

static int equality(struct mr_vm *vm, enum mr_op op, struct mr_value *two)
{
	bool equal;
	int r = mr_op_equal(vm, &two[0], &two[1], &equal);

	if (r == 0)
		two[0] = mr_value_bool(equal == (op == MR_OP_EQ));
	return r;
}

static int negation(struct mr_vm *vm, struct mr_value *v)
{
	if (v->kind != MR_VALUE_BOOL)
		return mr_vm_no_overload(vm, "!", v, 1);
	*v = mr_value_bool(!v->b);
	return 0;
}

static int call(struct mr_vm *vm, const struct mr_ins *ins, struct mr_value *args)
{
	struct mr_value ret = MR_NULL_VALUE;
	int r = mr_expr_fns[ins->arg].fn(vm, args, ins->n, &ret);

	if (r == 0)
		args[0] = ret;
	return r;
}

static int matches(struct mr_vm *vm, const struct mr_ins *ins, struct mr_value *v)
{
	if (v->kind != MR_VALUE_STRING)
		return mr_vm_no_overload(vm, "matches", v, 1);
	return mr_regex_match(vm, vm->e->regexes[ins->arg], v->s, v);
}

/* ---- the usual cases of the usual instructions, without a call; false: it is another one ---- */

static inline bool select_fast(struct mr_value *v, const struct mr_value *name)
{
	const struct mr_map *m = v->map;
	struct mr_str key = name->s;

	if (v->kind != MR_VALUE_MAP || m->index != NULL || key.len == 0)
		return false;
	for (size_t i = 0; i < m->len; i++) {
		const struct mr_value *k = &m->members[i].key;

		if (k->s.len == key.len && k->kind == MR_VALUE_STRING && k->s.p[0] == key.p[0] &&
		    memcmp(k->s.p, key.p, key.len) == 0) {
			*v = m->members[i].value;
			return true;
		}
	}
	return false;
}

static inline bool order_fast(enum mr_op op, struct mr_value *two)
{
	int64_t a = two[0].i, b = two[1].i;

	if (two[0].kind != MR_VALUE_INT || two[1].kind != MR_VALUE_INT)
		return false;
	if (op == MR_OP_LT || op == MR_OP_GT)
		two[0] = mr_value_bool(op == MR_OP_LT ? a < b : a > b);
	else
		two[0] = mr_value_bool(op == MR_OP_LE ? a <= b : a >= b);
	return true;
}

static inline bool equality_fast(enum mr_op op, struct mr_value *two)
{
	bool equal;

	if (two[0].kind != two[1].kind)
		return false;
	if (two[0].kind == MR_VALUE_INT)
		equal = two[0].i == two[1].i;
	else if (two[0].kind == MR_VALUE_STRING && two[0].s.len < 64) /* longer ones cost */
		equal = mr_str_eq(two[0].s, two[1].s);
	else
		return false;
	two[0] = mr_value_bool(equal == (op == MR_OP_EQ));
	return true;
}

/* The innermost handler for a failure at PC, or NULL. */
static const struct mr_handler *find_handler(const struct mr_expr *e, uint32_t pc, int r)
{
	if (r != MR_E_INVALID && r != MR_E_NOT_FOUND)
		return NULL; /* limits, memory and the environment's troubles are nobody's to take
		              */
	for (uint32_t i = 0; i < e->handlers_len; i++) {
		const struct mr_handler *h = &e->handlers[i];

		if (pc >= h->start && pc < h->end && (!h->missing_only || r == MR_E_NOT_FOUND))
			return h;
	}
	return NULL;
}

/* ---- the loop ---- */

static int run(
    struct mr_vm *vm, struct mr_value *stack, struct name_slot *names, struct mr_value *ret)
{
	const struct mr_expr *e = vm->e;
	const struct mr_ins *code = e->code, *ins;
	const struct mr_handler *h;
	struct mr_value *sp = stack; /* the next free place */
	uint32_t pc = 0, next;
	bool flag;
	int r;

	while (pc < e->code_len) {
		ins = &code[pc];
		next = pc + 1;
		r = 0;
		switch ((enum mr_op)ins->op) {
		case MR_OP_CONST:
			*sp++ = e->consts[ins->arg];
			break;
		case MR_OP_NAME:
		case MR_OP_NAME_OR_TYPE:
			r = look_up(vm, ins, names, sp++);
			if (r == MR_E_NOT_FOUND && vm->env != NULL && vm->env->lookup != NULL)
				r = look_up_dotted(vm, pc, &sp[-1], &next);
			break;
		case MR_OP_LOCAL:
			*sp++ = stack[ins->arg];
			break;
		case MR_OP_SELECT:
			if (!select_fast(&sp[-1], &e->consts[ins->arg]))
				r = mr_op_select(vm, &sp[-1], &e->consts[ins->arg], &sp[-1]);
			break;
		case MR_OP_HAS:
			r = mr_op_has(vm, &sp[-1], &e->consts[ins->arg], &sp[-1]);
			break;
		case MR_OP_INDEX:
			sp--;
			r = mr_op_index(vm, sp - 1, sp - 1);
			break;
		case MR_OP_LIST:
			sp -= ins->arg;
			r = make_list(vm, sp++, ins->arg);
			break;
		case MR_OP_MAP:
			sp -= 2 * (size_t)ins->arg;
			r = make_map(vm, sp++, ins->arg);
			break;
		case MR_OP_NOT:
			r = negation(vm, &sp[-1]);
			break;
		case MR_OP_NEG:
			r = mr_op_negate(vm, &sp[-1], &sp[-1]);
			break;
		case MR_OP_ADD:
		case MR_OP_SUB:
		case MR_OP_MUL:
		case MR_OP_DIV:
		case MR_OP_MOD:
			sp--;
			r = mr_op_arith(vm, (enum mr_op)ins->op, sp - 1, sp - 1);
			break;
		case MR_OP_EQ:
		case MR_OP_NE:
			sp--;
			if (!equality_fast((enum mr_op)ins->op, sp - 1))
				r = equality(vm, (enum mr_op)ins->op, sp - 1);
			break;
		case MR_OP_LT:
		case MR_OP_LE:
		case MR_OP_GT:
		case MR_OP_GE:
			sp--;
			if (!order_fast((enum mr_op)ins->op, sp - 1))
				r = order(vm, (enum mr_op)ins->op, sp - 1);
			break;
		case MR_OP_IN:
			sp--;
			r = mr_op_in(vm, sp - 1, sp - 1);
			break;
		case MR_OP_JUMP:
			next = ins->arg;
			break;
		case MR_OP_BRANCH:
			sp--;
			if (sp->kind != MR_VALUE_BOOL)
				r = mr_vm_fail(vm, "no such overload: %s where a bool is needed",
				    mr_value_kind_name(sp->kind));
			else if (!sp->b)
				next = ins->arg;
			break;
		case MR_OP_OR_LEFT:
		case MR_OP_AND_LEFT:
			flag =
			    sp[-1].kind == MR_VALUE_BOOL && sp[-1].b == (ins->op == MR_OP_OR_LEFT);
			if (sp[-1].kind != MR_VALUE_BOOL)
				r = mr_vm_logic_left(
				    vm, &sp[-1], pc, ins->op == MR_OP_OR_LEFT, &flag);
			if (flag)
				next = ins->arg;
			break;
		case MR_OP_OR:
		case MR_OP_AND:
			sp--;
			/* a left side that had decided would have jumped over this */
			if (sp[-1].kind == MR_VALUE_BOOL && sp[0].kind == MR_VALUE_BOOL)
				sp[-1] = sp[0];
			else
				r = mr_vm_logic_both(vm, sp - 1, pc, ins->op == MR_OP_OR);
			break;
		case MR_OP_COALESCE:
			if (mr_vm_is_marker(&sp[-1]) || sp[-1].kind == MR_VALUE_NULL)
				sp--;
			else
				next = ins->arg;
			break;
		case MR_OP_IS_THERE:
			sp[-1] = mr_value_bool(!mr_vm_is_marker(&sp[-1]));
			break;
		case MR_OP_CALL:
			sp -= ins->n;
			r = call(vm, ins, sp++);
			break;
		case MR_OP_MATCHES:
			r = matches(vm, ins, &sp[-1]);
			break;
		case MR_OP_LOOP:
			r = mr_loop_begin(vm, sp - 1, (enum mr_loop)ins->n);
			sp += MR_LOOP_SLOTS - 1;
			break;
		case MR_OP_NEXT:
			if (!mr_loop_next(sp - MR_LOOP_SLOTS, ins->n))
				next = ins->arg;
			else
				r = mr_vm_charge(vm, ins->arg - pc); /* the body's length */
			break;
		case MR_OP_STEP:
			sp--;
			flag = false;
			r = mr_loop_step(
			    vm, sp - MR_LOOP_SLOTS, sp, pc, (enum mr_loop)ins->n, &flag);
			next = flag ? code[ins->arg].arg : ins->arg;
			break;
		case MR_OP_LOOP_END:
			sp -= MR_LOOP_SLOTS;
			r = mr_loop_end(vm, sp++, (enum mr_loop)ins->n);
			break;
		case MR_OP_UNDER:
			sp--;
			sp[-1] = sp[0];
			break;
		case MR_OP_TEXT:
			sp -= ins->arg;
			r = mr_op_text(vm, sp, ins->arg, sp);
			sp++;
			break;
		case MR_OP_FAIL:
			sp -= ins->n;
			r = mr_vm_fail(vm, "%.*s", MR_STR_ARG(e->consts[ins->arg].s));
			sp++;
			break;
		}
		if (r == 0) {
			pc = next;
			continue;
		}
		vm->fail.r = r;
		if (!vm->raised)
			vm->fail.pc = pc;
		vm->raised = false;
		h = find_handler(e, pc, r);
		if (h == NULL)
			return r;
		sp = stack + h->depth;
		r = mr_vm_make_marker(vm, sp++, !h->missing_only);
		if (r == 0)
			r = mr_vm_charge(vm, 1 + e->handlers_len / 8);
		if (r < 0)
			return vm->fail.r = r;
		pc = h->end;
	}
	*ret = sp[-1];
	return 0;
}

int mr_expr_eval_budget(const struct mr_expr *e, const struct mr_expr_env *env, struct mr_arena *a,
    uint64_t *budget, struct mr_value *ret, struct mr_expr_error *err)
{
	struct mr_value first_stack[INLINE_STACK], *stack = first_stack;
	struct name_slot first_names[INLINE_NAMES], *names = first_names;
	struct mr_vm vm;
	int r;

	vm.e = e;
	vm.env = env;
	vm.arena = a;
	vm.err = err;
	vm.budget = *budget;
	vm.free_fails = NULL;
	vm.zone = NULL;
	vm.raised = false;
	vm.fail.r = 0;
	vm.fail.pc = 0;
	vm.fail.message[0] = '\0';
	if (e->depth > INLINE_STACK)
		stack = mr_arena_array(a, e->depth, sizeof(*stack));
	if (e->names_len > INLINE_NAMES)
		names = mr_arena_array(a, e->names_len, sizeof(*names));
	if (stack == NULL || names == NULL)
		return mr_expr_nomem(err);
	for (uint32_t i = 0; i < e->names_len; i++)
		names[i].known = false;
	r = mr_vm_charge(&vm, e->code_len);
	vm.fail.r = r;
	if (r == 0)
		r = run(&vm, stack, names, ret);
	if (env != NULL && env->spent != NULL)
		*env->spent += *budget - vm.budget;
	*budget = vm.budget;
	if (r < 0)
		mr_vm_tell(&vm, &vm.fail);
	return r;
}

/* ---- the outside's view ---- */

int mr_expr_eval(const struct mr_expr *e, const struct mr_expr_env *env, struct mr_arena *a,
    struct mr_value *ret, struct mr_expr_error *err)
{
	uint64_t budget = env != NULL && env->max_cost > 0 ? env->max_cost : MR_EXPR_COST_DEFAULT;

	return mr_expr_eval_budget(e, env, a, &budget, ret, err);
}

int mr_condition_eval(const struct mr_expr *e, const struct mr_expr_env *env, struct mr_arena *a,
    bool *ret, struct mr_expr_error *err)
{
	struct mr_value v;
	int r = mr_expr_eval(e, env, a, &v, err);

	if (r < 0)
		return r;
	if (v.kind != MR_VALUE_BOOL) {
		if (err != NULL) {
			*err = (struct mr_expr_error){ .line = 1, .column = 1 };
			(void)snprintf(err->message, sizeof(err->message),
			    "a condition must be true or false, this one is a value of type %s",
			    mr_value_kind_name(v.kind));
		}
		return MR_E_INVALID;
	}
	*ret = v.b;
	return 0;
}

int mr_expr_compile(
    struct mr_arena *a, struct mr_str source, const struct mr_expr **ret, struct mr_expr_error *err)
{
	struct mr_emit m;
	size_t at = 0;

	mr_emit_init(&m, a, err);
	if (mr_emit_text(&m, &source) == 0)
		m.r = mr_parse_expr(&m, source, MR_PARSE_BARE, &at);
	return mr_emit_done(&m, ret);
}
