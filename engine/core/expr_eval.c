/* The machine that runs programs, and what the outside calls: compile and evaluate. */
#include <stdio.h>
#include <string.h>

#include "engine/core/expr_private.h"

#define INLINE_STACK 24u
#define INLINE_NAMES 8u

/* ---- failures ---- */

int mr_vm_fail(struct mr_vm *vm, const char *fmt, ...)
{
	va_list ap;

	vm->fail.has_key = false;
	va_start(ap, fmt);
	(void)vsnprintf(vm->fail.message, sizeof(vm->fail.message), fmt, ap);
	va_end(ap);
	return MR_E_INVALID;
}

int mr_vm_no_overload(struct mr_vm *vm, const char *what, const struct mr_value *args, unsigned n)
{
	char kinds[96];
	size_t len = 0;

	kinds[0] = '\0';
	for (unsigned i = 0; i < n && len < sizeof(kinds); i++) {
		int add = snprintf(kinds + len, sizeof(kinds) - len, "%s%s", i > 0 ? ", " : "",
		    mr_value_kind_name(args[i].kind));

		len += add > 0 ? (size_t)add : 0;
	}
	return mr_vm_fail(vm, "no such overload: %s(%s)", what, kinds);
}

int mr_vm_missing(struct mr_vm *vm, const struct mr_value *key)
{
	vm->fail.message[0] = '\0';
	vm->fail.has_key = key != NULL;
	if (key != NULL)
		vm->fail.key = *key;
	return MR_E_NOT_FOUND;
}

int mr_vm_charge(struct mr_vm *vm, uint64_t n)
{
	if (vm->budget >= n) {
		vm->budget -= n;
		return 0;
	}
	vm->budget = 0;
	(void)mr_vm_fail(vm, "the evaluation costs too much");
	return MR_E_LIMIT;
}

void *mr_vm_alloc(struct mr_vm *vm, size_t size)
{
	return mr_arena_alloc(vm->arena, size);
}

struct mr_list *mr_vm_list(struct mr_vm *vm, size_t len)
{
	return mr_list_create(vm->arena, len);
}

struct mr_map *mr_vm_map(struct mr_vm *vm, size_t len)
{
	return mr_map_create(vm->arena, len);
}

/* ---- telling a failure: the path of what was missing is read from the chains ---- */

static void path_part(struct mr_buf *b, const struct mr_chain *c)
{
	switch (c->kind) {
	case MR_CHAIN_INT:
		mr_buf_addf(b, "[%lld]", (long long)c->index);
		break;
	case MR_CHAIN_OTHER:
		mr_buf_addz(b, "[…]");
		break;
	default:
		if (c->kind == MR_CHAIN_MEMBER)
			mr_buf_addc(b, '.');
		mr_buf_adds(b, c->name);
	}
}

#define PATH_PARTS 32

static void write_chain(struct mr_buf *b, const struct mr_expr *e, int32_t chain)
{
	const struct mr_chain *parts[PATH_PARTS];
	size_t n = 0;

	for (; chain >= 0 && n < PATH_PARTS; chain = e->chains[chain].parent)
		parts[n++] = &e->chains[chain];
	if (chain >= 0)
		mr_buf_addz(b, "…");
	while (n > 0)
		path_part(b, parts[--n]);
}

static void write_key(struct mr_buf *b, const struct mr_value *key)
{
	if (key->kind == MR_VALUE_STRING)
		mr_buf_addc(b, '.');
	else
		mr_buf_addc(b, '[');
	mr_value_write_text(b, key);
	if (key->kind != MR_VALUE_STRING)
		mr_buf_addc(b, ']');
}

/* The path of what instruction PC looked for, as far as it is known. */
static void missing_path(const struct mr_vm *vm, const struct mr_fail *f, struct mr_buf *b)
{
	const struct mr_expr *e = vm->e;
	int32_t chain = e->pos[f->pc].chain;

	if (chain >= 0 && e->chains[chain].kind != MR_CHAIN_OTHER) {
		write_chain(b, e, chain);
		return;
	}
	if (chain >= 0)
		write_chain(b, e, e->chains[chain].parent);
	if (f->has_key)
		write_key(b, &f->key);
	if (chain < 0 && b->len > 0 && b->p[0] == '.')
		mr_buf_drop(b, 1);
}

/* Cut before a code point that doesn't fit. */
static void copy_text(char *to, size_t size, struct mr_str s)
{
	size_t len = s.len < size ? s.len : size - 1;

	while (len > 0 && len < s.len && ((unsigned char)s.p[len] & 0xc0) == 0x80)
		len--;
	if (len > 0)
		memcpy(to, s.p, len);
	to[len] = '\0';
}

static void tell(struct mr_vm *vm, const struct mr_fail *f)
{
	const struct mr_expr *e = vm->e;
	const struct mr_expr_source *s;
	struct mr_expr_error *err = vm->err;
	struct mr_buf path;

	if (err == NULL)
		return;
	err->path[0] = '\0';
	s = mr_expr_source_at(e, e->pos[f->pc].offset);
	mr_expr_error_at(
	    err, s != NULL ? s->text : MR_STR(""), s != NULL ? e->pos[f->pc].offset - s->base : 0);
	if (f->r != MR_E_NOT_FOUND) {
		copy_text(err->message, sizeof(err->message),
		    f->r == MR_E_NOMEM ? MR_STR("the values are too large for the memory allowed")
		                       : mr_str(f->message));
		mr_expr_clean(err->message);
		return;
	}
	mr_buf_init(&path, 4096);
	missing_path(vm, f, &path);
	copy_text(err->path, sizeof(err->path), mr_buf_str(&path));
	mr_buf_done(&path);
	(void)snprintf(err->message, sizeof(err->message), "%s: no such value", err->path);
}

/* ---- markers: failures that wait on the stack ---- */

static int make_marker(struct mr_vm *vm, struct mr_value *to, bool with_fail)
{
	struct mr_fail *f = NULL;

	*to = (struct mr_value){ .kind = (enum mr_value_kind)MR_VALUE_MARKER };
	to->s = MR_STR_NONE;
	if (!with_fail)
		return 0; /* nobody will ask why */
	f = vm->free_fails;
	if (f != NULL)
		vm->free_fails = f->next;
	else
		f = mr_arena_alloc(vm->arena, sizeof(*f));
	if (f == NULL)
		return MR_E_NOMEM;
	*f = vm->fail;
	to->s.p = (const char *)f;
	return 0;
}

static bool is_marker(const struct mr_value *v)
{
	return (int)v->kind == MR_VALUE_MARKER;
}

static void drop(struct mr_vm *vm, const struct mr_value *v)
{
	struct mr_fail *f;

	if (!is_marker(v) || v->s.p == NULL)
		return;
	f = (struct mr_fail *)(uintptr_t)v->s.p;
	f->next = vm->free_fails;
	vm->free_fails = f;
}

/* The marker's failure goes on where it stopped. */
static int raise_marker(struct mr_vm *vm, const struct mr_value *v)
{
	vm->fail = *(const struct mr_fail *)(uintptr_t)v->s.p;
	vm->raised = true;
	drop(vm, v);
	return vm->fail.r;
}

/* ---- && and || ---- */

/* What a side is worth: 1, 0, or -1 for an error (a marker is made of a value that is no bool). */
static int truth(struct mr_vm *vm, struct mr_value *v, uint32_t pc, int *ret)
{
	*ret = -1;
	if (v->kind == MR_VALUE_BOOL) {
		*ret = v->b;
		return 0;
	}
	if (is_marker(v))
		return 0;
	vm->fail.r = mr_vm_fail(
	    vm, "no such overload: %s where a bool is needed", mr_value_kind_name(v->kind));
	vm->fail.pc = pc;
	return make_marker(vm, v, true);
}

/* DECIDES is the value that decides alone: true for ||, false for &&. */
static int logic_left(struct mr_vm *vm, struct mr_value *left, uint32_t pc, bool decides, bool *ret)
{
	int t, r = truth(vm, left, pc, &t);

	*ret = t == (decides ? 1 : 0);
	return r;
}

static int logic_both(struct mr_vm *vm, struct mr_value *two, uint32_t pc, bool decides)
{
	int left = -1, right, r = truth(vm, &two[1], pc, &right);

	if (r == 0)
		r = truth(vm, &two[0], pc, &left);
	if (r < 0)
		return r;
	if (right == (decides ? 1 : 0)) {
		drop(vm, &two[0]);
		two[0] = mr_value_bool(decides);
		return 0;
	}
	if (left < 0 || right < 0) {
		if (left < 0)
			drop(vm, &two[1]);
		return raise_marker(vm, left < 0 ? &two[0] : &two[1]);
	}
	two[0] = mr_value_bool(!decides);
	return 0;
}

/* ---- loops: S points at the loop's slots ---- */

static size_t range_len(const struct mr_value *range)
{
	return range->kind == MR_VALUE_LIST ? range->list->len : range->map->len;
}

static int loop_begin(struct mr_vm *vm, struct mr_value *s, enum mr_loop loop)
{
	const struct mr_value *range = &s[MR_LOOP_RANGE];
	struct mr_value *acc = &s[MR_LOOP_ACC];
	const void *builder;

	if (range->kind != MR_VALUE_LIST && range->kind != MR_VALUE_MAP)
		return mr_vm_fail(vm, "no such overload: a list or map is needed, not %s",
		    mr_value_kind_name(range->kind));
	s[MR_LOOP_AT] = mr_value_int(0);
	s[MR_LOOP_VAR1] = s[MR_LOOP_VAR2] = MR_NULL_VALUE;
	switch (loop) {
	case MR_LOOP_ALL:
	case MR_LOOP_EXISTS:
		*acc = mr_value_bool(loop == MR_LOOP_ALL);
		return 0;
	case MR_LOOP_EXISTS_ONE:
		*acc = mr_value_int(0);
		return 0;
	case MR_LOOP_MAP_ENTRIES:
	case MR_LOOP_MERGE_ENTRIES:
		builder = mr_map_create(vm->arena, range_len(range));
		break;
	default:
		builder = mr_list_create(vm->arena, range_len(range));
	}
	if (builder == NULL)
		return MR_E_NOMEM;
	if (loop == MR_LOOP_MAP_ENTRIES || loop == MR_LOOP_MERGE_ENTRIES)
		((struct mr_map *)(uintptr_t)builder)->len = 0;
	else
		((struct mr_list *)(uintptr_t)builder)->len = 0;
	*acc = (struct mr_value){ .kind = (enum mr_value_kind)MR_VALUE_BUILDER };
	acc->s = (struct mr_str){ builder, 0 };
	return 0;
}

/* Sets the variables to what comes next; false at the end. */
static bool loop_next(struct mr_value *s, unsigned vars)
{
	const struct mr_value *range = &s[MR_LOOP_RANGE];
	size_t at = (size_t)s[MR_LOOP_AT].i;
	const struct mr_member *m;

	if (at >= range_len(range))
		return false;
	s[MR_LOOP_AT].i++;
	if (range->kind == MR_VALUE_LIST) {
		s[MR_LOOP_VAR1] = vars == 2 ? mr_value_int((int64_t)at) : range->list->items[at];
		if (vars == 2)
			s[MR_LOOP_VAR2] = range->list->items[at];
		return true;
	}
	m = &range->map->members[at];
	s[MR_LOOP_VAR1] = m->key;
	if (vars == 2)
		s[MR_LOOP_VAR2] = m->value;
	return true;
}

static void append(struct mr_value *acc, const struct mr_value *v)
{
	struct mr_list *l = (struct mr_list *)(uintptr_t)acc->s.p;

	l->items[l->len++] = *v;
}

/* Room for one more member, whose keys are compared at the end. */
static int append_member(
    struct mr_vm *vm, struct mr_value *s, const struct mr_value *key, const struct mr_value *v)
{
	struct mr_map *m = (struct mr_map *)(uintptr_t)s[MR_LOOP_ACC].s.p, *bigger;
	size_t cap = s[MR_LOOP_ACC].s.len; /* 0: as long as the range */

	if (m->len == (cap != 0 ? cap : range_len(&s[MR_LOOP_RANGE]))) {
		cap = m->len * 2 + 4;
		bigger = mr_map_create(vm->arena, cap);
		if (bigger == NULL)
			return MR_E_NOMEM;
		memcpy(bigger->members, m->members, m->len * sizeof(m->members[0]));
		bigger->len = m->len;
		m = bigger;
		s[MR_LOOP_ACC].s = (struct mr_str){ (const char *)m, cap };
	}
	m->members[m->len++] = (struct mr_member){ *key, *v };
	return 0;
}

static int merge_entries(struct mr_vm *vm, struct mr_value *s, const struct mr_value *v)
{
	int r;

	if (v->kind != MR_VALUE_MAP)
		return mr_vm_no_overload(vm, "transformMapEntry", v, 1);
	r = mr_vm_charge(vm, v->map->len);
	for (size_t i = 0; r == 0 && i < v->map->len; i++)
		r = append_member(vm, s, &v->map->members[i].key, &v->map->members[i].value);
	return r;
}

/* all() and exists(): DECIDES ends the loop; the first error is kept until then. */
static int logic_step(
    struct mr_vm *vm, struct mr_value *s, struct mr_value *v, uint32_t pc, bool decides, bool *stop)
{
	struct mr_value *acc = &s[MR_LOOP_ACC];
	int t, r = truth(vm, v, pc, &t);

	if (r < 0)
		return r;
	if (t == (decides ? 1 : 0)) {
		drop(vm, acc);
		*acc = mr_value_bool(decides);
		*stop = true;
	} else if (t < 0 && !is_marker(acc)) {
		*acc = *v;
	} else {
		drop(vm, v);
	}
	return 0;
}

static int loop_step(struct mr_vm *vm, struct mr_value *s, struct mr_value *v, uint32_t pc,
    enum mr_loop loop, bool *stop)
{
	switch (loop) {
	case MR_LOOP_ALL:
	case MR_LOOP_EXISTS:
		return logic_step(vm, s, v, pc, loop == MR_LOOP_EXISTS, stop);
	case MR_LOOP_EXISTS_ONE:
	case MR_LOOP_FILTER:
		if (v->kind != MR_VALUE_BOOL)
			return mr_vm_fail(vm, "no such overload: %s where a bool is needed",
			    mr_value_kind_name(v->kind));
		if (v->b && loop == MR_LOOP_FILTER)
			append(&s[MR_LOOP_ACC], &s[MR_LOOP_VAR1]);
		else if (v->b)
			s[MR_LOOP_ACC].i++;
		return 0;
	case MR_LOOP_MAP_ENTRIES:
		return append_member(vm, s, &s[MR_LOOP_VAR1], v);
	case MR_LOOP_MERGE_ENTRIES:
		return merge_entries(vm, s, v);
	case MR_LOOP_MAP:
	case MR_LOOP_SORT_BY:
	default:
		append(&s[MR_LOOP_ACC], v);
		return 0;
	}
}

/* The range's items in the order of their keys. */
static int sorted(struct mr_vm *vm, struct mr_value *s)
{
	const struct mr_list *keys = (const struct mr_list *)(uintptr_t)s[MR_LOOP_ACC].s.p;
	const struct mr_list *items = s[MR_LOOP_RANGE].list;
	uint32_t *order;
	struct mr_list *l;
	int r;

	if (s[MR_LOOP_RANGE].kind != MR_VALUE_LIST)
		return mr_vm_no_overload(vm, "sortBy", s, 1);
	order = mr_arena_array(vm->arena, keys->len, sizeof(*order));
	l = mr_list_create(vm->arena, keys->len);
	if (order == NULL || l == NULL)
		return MR_E_NOMEM;
	r = mr_vm_sort(vm, keys->items, order, keys->len);
	if (r < 0)
		return r;
	for (size_t i = 0; i < keys->len; i++)
		l->items[i] = items->items[order[i]];
	s[0] = mr_value_list(l);
	return 0;
}

static int seal_unique(struct mr_vm *vm, struct mr_map *m)
{
	int r = mr_map_seal(vm->arena, m);
	size_t at;

	if (r < 0)
		return r;
	at = mr_map_duplicate(m);
	if (at < m->len) {
		struct mr_buf b;

		mr_buf_init(&b, 200);
		mr_value_write_text(&b, &m->members[at].key);
		r = mr_vm_fail(vm, "the key %s stands twice in the map",
		    mr_buf_failed(&b) ? "" : mr_buf_str(&b).p);
		mr_buf_done(&b);
	}
	return r;
}

/* Leaves the result in S[0]. */
static int loop_end(struct mr_vm *vm, struct mr_value *s, enum mr_loop loop)
{
	struct mr_value acc = s[MR_LOOP_ACC];
	int r;

	switch (loop) {
	case MR_LOOP_ALL:
	case MR_LOOP_EXISTS:
		if (is_marker(&acc))
			return raise_marker(vm, &acc);
		s[0] = acc;
		return 0;
	case MR_LOOP_EXISTS_ONE:
		s[0] = mr_value_bool(acc.i == 1);
		return 0;
	case MR_LOOP_SORT_BY:
		return sorted(vm, s);
	case MR_LOOP_MAP_ENTRIES:
	case MR_LOOP_MERGE_ENTRIES:
		r = seal_unique(vm, (struct mr_map *)(uintptr_t)acc.s.p);
		if (r == 0)
			s[0] = mr_value_map((const struct mr_map *)(uintptr_t)acc.s.p);
		return r;
	default:
		s[0] = mr_value_list((const struct mr_list *)(uintptr_t)acc.s.p);
		return 0;
	}
}

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
			return mr_vm_fail(
			    vm, "a %s can't be the key of a map", mr_value_kind_name(key->kind));
		m->members[i] = (struct mr_member){ *key, pairs[2 * i + 1] };
	}
	r = seal_unique(vm, m);
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
	v->b = !v->b;
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
			break;
		case MR_OP_LOCAL:
			*sp++ = stack[ins->arg];
			break;
		case MR_OP_SELECT:
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
			r = equality(vm, (enum mr_op)ins->op, sp - 1);
			break;
		case MR_OP_LT:
		case MR_OP_LE:
		case MR_OP_GT:
		case MR_OP_GE:
			sp--;
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
			r = logic_left(vm, &sp[-1], pc, ins->op == MR_OP_OR_LEFT, &flag);
			if (flag)
				next = ins->arg;
			break;
		case MR_OP_OR:
		case MR_OP_AND:
			sp--;
			r = logic_both(vm, sp - 1, pc, ins->op == MR_OP_OR);
			break;
		case MR_OP_COALESCE:
			if (is_marker(&sp[-1]) || sp[-1].kind == MR_VALUE_NULL)
				sp--;
			else
				next = ins->arg;
			break;
		case MR_OP_IS_THERE:
			sp[-1] = mr_value_bool(!is_marker(&sp[-1]));
			break;
		case MR_OP_CALL:
			sp -= ins->n;
			r = call(vm, ins, sp++);
			break;
		case MR_OP_MATCHES:
			r = matches(vm, ins, &sp[-1]);
			break;
		case MR_OP_LOOP:
			r = loop_begin(vm, sp - 1, (enum mr_loop)ins->n);
			sp += MR_LOOP_SLOTS - 1;
			break;
		case MR_OP_NEXT:
			if (!loop_next(sp - MR_LOOP_SLOTS, ins->n))
				next = ins->arg;
			else
				r = mr_vm_charge(vm, ins->arg - pc); /* the body's length */
			break;
		case MR_OP_STEP:
			sp--;
			flag = false;
			r = loop_step(vm, sp - MR_LOOP_SLOTS, sp, pc, (enum mr_loop)ins->n, &flag);
			next = flag ? code[ins->arg].arg : ins->arg;
			break;
		case MR_OP_LOOP_END:
			sp -= MR_LOOP_SLOTS;
			r = loop_end(vm, sp++, (enum mr_loop)ins->n);
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
		r = make_marker(vm, sp++, !h->missing_only);
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
	*budget = vm.budget;
	if (r < 0)
		tell(&vm, &vm.fail);
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
