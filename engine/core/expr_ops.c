/* Operators: arithmetic, comparison, members and items, text. */
#include <math.h>
#include <string.h>

#include "engine/core/expr_private.h"
#include "engine/core/expr_time.h"

static const char *op_name(enum mr_op op)
{
	switch (op) {
	case MR_OP_ADD:
		return "+";
	case MR_OP_SUB:
		return "-";
	case MR_OP_MUL:
		return "*";
	case MR_OP_DIV:
		return "/";
	default:
		return "%";
	}
}

static int no_overload(struct mr_vm *vm, enum mr_op op, const struct mr_value *args)
{
	return mr_vm_fail(vm, "no such overload: %s %s %s", mr_value_kind_name(args[0].kind),
	    op_name(op), mr_value_kind_name(args[1].kind));
}

/* ---- numbers ---- */

static int arith_int(struct mr_vm *vm, enum mr_op op, int64_t a, int64_t b, struct mr_value *ret)
{
	int64_t i = 0;
	bool over = false;

	switch (op) {
	case MR_OP_ADD:
		over = __builtin_add_overflow(a, b, &i);
		break;
	case MR_OP_SUB:
		over = __builtin_sub_overflow(a, b, &i);
		break;
	case MR_OP_MUL:
		over = __builtin_mul_overflow(a, b, &i);
		break;
	default:
		if (b == 0)
			return mr_vm_fail(
			    vm, op == MR_OP_DIV ? "division by zero" : "modulus by zero");
		over = a == INT64_MIN && b == -1;
		if (!over)
			i = op == MR_OP_DIV ? a / b : a % b;
	}
	if (over)
		return mr_vm_fail(vm, "integer overflow");
	*ret = mr_value_int(i);
	return 0;
}

static int arith_uint(struct mr_vm *vm, enum mr_op op, uint64_t a, uint64_t b, struct mr_value *ret)
{
	uint64_t u = 0;
	bool over = false;

	switch (op) {
	case MR_OP_ADD:
		over = __builtin_add_overflow(a, b, &u);
		break;
	case MR_OP_SUB:
		over = __builtin_sub_overflow(a, b, &u);
		break;
	case MR_OP_MUL:
		over = __builtin_mul_overflow(a, b, &u);
		break;
	default:
		if (b == 0)
			return mr_vm_fail(
			    vm, op == MR_OP_DIV ? "division by zero" : "modulus by zero");
		u = op == MR_OP_DIV ? a / b : a % b;
	}
	if (over)
		return mr_vm_fail(vm, "unsigned integer overflow");
	*ret = mr_value_uint(u);
	return 0;
}

static double as_double(const struct mr_value *v)
{
	if (v->kind == MR_VALUE_INT)
		return (double)v->i;
	return v->kind == MR_VALUE_UINT ? (double)v->u : v->d;
}

static int arith_double(
    struct mr_vm *vm, enum mr_op op, const struct mr_value *args, struct mr_value *ret)
{
	double a = as_double(&args[0]), b = as_double(&args[1]), d;

	switch (op) {
	case MR_OP_ADD:
		d = a + b;
		break;
	case MR_OP_SUB:
		d = a - b;
		break;
	case MR_OP_MUL:
		d = a * b;
		break;
	case MR_OP_DIV:
		d = a / b;
		break;
	default:
		return no_overload(vm, op, args); /* CEL's % is for integers */
	}
	*ret = mr_value_double(d);
	return 0;
}

/* ---- times ---- */

static int arith_time(
    struct mr_vm *vm, enum mr_op op, const struct mr_value *args, struct mr_value *ret)
{
	enum mr_value_kind a = args[0].kind, b = args[1].kind, kind;
	__int128 left = mr_time_total(&args[0]), right = mr_time_total(&args[1]);

	if (op == MR_OP_ADD && b == MR_VALUE_DURATION)
		kind = a; /* timestamp + duration, duration + duration */
	else if (op == MR_OP_ADD && a == MR_VALUE_DURATION && b == MR_VALUE_TIMESTAMP)
		kind = b;
	else if (op == MR_OP_SUB && b == MR_VALUE_DURATION)
		kind = a;
	else if (op == MR_OP_SUB && a == MR_VALUE_TIMESTAMP && b == a)
		kind = MR_VALUE_DURATION;
	else
		return no_overload(vm, op, args);
	if (a != MR_VALUE_TIMESTAMP && a != MR_VALUE_DURATION)
		return no_overload(vm, op, args);
	if (!mr_time_value(kind, op == MR_OP_ADD ? left + right : left - right, ret))
		return mr_vm_fail(vm, "%s out of range", mr_value_kind_name(kind));
	return 0;
}

/* ---- text and lists ---- */

static int concat(struct mr_vm *vm, const struct mr_value *args, struct mr_value *ret)
{
	struct mr_str a = args[0].s, b = args[1].s;
	enum mr_value_kind kind = args[0].kind;
	char *p;
	int r = mr_vm_charge(vm, (a.len + b.len) / 32);

	if (r < 0)
		return r;
	p = mr_vm_alloc(vm, a.len + b.len);
	if (p == NULL)
		return MR_E_NOMEM;
	if (a.len > 0)
		memcpy(p, a.p, a.len);
	if (b.len > 0)
		memcpy(p + a.len, b.p, b.len);
	*ret = (struct mr_value){ .kind = kind, .s = { p, a.len + b.len } };
	return 0;
}

static int concat_lists(struct mr_vm *vm, const struct mr_value *args, struct mr_value *ret)
{
	const struct mr_list *a = args[0].list, *b = args[1].list;
	struct mr_list *l;
	int r = mr_vm_charge(vm, (a->len + b->len) / 4);

	if (r < 0)
		return r;
	l = mr_vm_list(vm, a->len + b->len);
	if (l == NULL)
		return MR_E_NOMEM;
	memcpy(l->items, a->items, a->len * sizeof(l->items[0]));
	memcpy(l->items + a->len, b->items, b->len * sizeof(l->items[0]));
	*ret = mr_value_list(l);
	return 0;
}

int mr_op_arith(struct mr_vm *vm, enum mr_op op, const struct mr_value *args, struct mr_value *ret)
{
	enum mr_value_kind a = args[0].kind, b = args[1].kind;

	if (a == MR_VALUE_INT && b == MR_VALUE_INT)
		return arith_int(vm, op, args[0].i, args[1].i, ret);
	if (a == MR_VALUE_UINT && b == MR_VALUE_UINT)
		return arith_uint(vm, op, args[0].u, args[1].u, ret);
	if ((a == MR_VALUE_DOUBLE && mr_value_is_number(&args[1])) ||
	    (b == MR_VALUE_DOUBLE && mr_value_is_number(&args[0])))
		return arith_double(vm, op, args, ret);
	if (op == MR_OP_ADD && a == b && (a == MR_VALUE_STRING || a == MR_VALUE_BYTES))
		return concat(vm, args, ret);
	if (op == MR_OP_ADD && a == b && a == MR_VALUE_LIST)
		return concat_lists(vm, args, ret);
	return arith_time(vm, op, args, ret);
}

int mr_op_negate(struct mr_vm *vm, const struct mr_value *v, struct mr_value *ret)
{
	switch (v->kind) {
	case MR_VALUE_INT:
		if (v->i == INT64_MIN)
			return mr_vm_fail(vm, "integer overflow");
		*ret = mr_value_int(-v->i);
		return 0;
	case MR_VALUE_DOUBLE:
		*ret = mr_value_double(-v->d);
		return 0;
	case MR_VALUE_DURATION:
		if (!mr_time_value(MR_VALUE_DURATION, -mr_time_total(v), ret))
			return mr_vm_fail(vm, "duration out of range");
		return 0;
	default:
		return mr_vm_fail(vm, "no such overload: -%s", mr_value_kind_name(v->kind));
	}
}

/* ---- comparison ---- */

/* As CEL has it, an integer beside a double is taken as a double. */
static int order_numbers(const struct mr_value *a, const struct mr_value *b)
{
	double x, y;

	if (a->kind != MR_VALUE_DOUBLE && b->kind != MR_VALUE_DOUBLE)
		return mr_number_cmp(a, b);
	x = as_double(a);
	y = as_double(b);
	if (isnan(x) || isnan(y))
		return 2;
	return x < y ? -1 : x > y;
}

int mr_op_compare(struct mr_vm *vm, const struct mr_value *args, int *ret)
{
	const struct mr_value *a = &args[0], *b = &args[1];

	if (mr_value_is_number(a) && mr_value_is_number(b)) {
		*ret = order_numbers(a, b);
		return 0;
	}
	if (a->kind == b->kind) {
		switch (a->kind) {
		case MR_VALUE_STRING: /* in UTF-8 the order of bytes is that of code points */
		case MR_VALUE_BYTES:
			*ret = mr_str_cmp(a->s, b->s);
			*ret = *ret < 0 ? -1 : *ret > 0;
			return mr_vm_charge(vm, a->s.len / 64);
		case MR_VALUE_BOOL:
			*ret = (int)a->b - (int)b->b;
			return 0;
		case MR_VALUE_TIMESTAMP:
		case MR_VALUE_DURATION:
			*ret = a->i < b->i ? -1 : a->i > b->i;
			if (*ret == 0)
				*ret = a->ns < b->ns ? -1 : a->ns > b->ns;
			return 0;
		default:
			break;
		}
	}
	return mr_vm_fail(vm, "no such overload: %s compared with %s", mr_value_kind_name(a->kind),
	    mr_value_kind_name(b->kind));
}

int mr_op_equal(struct mr_vm *vm, const struct mr_value *a, const struct mr_value *b, bool *ret)
{
	int r;

	if (a->kind == MR_VALUE_STRING && b->kind == MR_VALUE_STRING) {
		*ret = mr_str_eq(a->s, b->s);
		return mr_vm_charge(vm, a->s.len / 64);
	}
	r = mr_value_equal(a, b, &vm->budget);
	if (r == MR_E_LIMIT)
		return mr_vm_charge(vm, 1);
	if (r < 0)
		return r;
	*ret = r == 1;
	return 0;
}

/* ---- members and items ---- */

int mr_op_select(
    struct mr_vm *vm, const struct mr_value *v, const struct mr_value *name, struct mr_value *ret)
{
	const struct mr_value *found;
	const struct mr_map *m;

	if (v->kind != MR_VALUE_MAP) {
		if (v->kind == MR_VALUE_NULL)
			return mr_vm_missing(vm, name);
		return mr_vm_fail(vm, "a value of type %s has no members, so no \"%.*s\"",
		    mr_value_kind_name(v->kind), name->s.len > 60 ? 60 : (int)name->s.len,
		    name->s.p);
	}
	m = v->map;
	found = mr_value_gets(v, name->s);
	if (found == NULL && m->fallback != NULL)
		found = mr_map_find(m->fallback, name);
	if (found == NULL)
		return mr_vm_missing(vm, name);
	*ret = *found;
	return 0;
}

int mr_op_has(
    struct mr_vm *vm, const struct mr_value *v, const struct mr_value *name, struct mr_value *ret)
{
	bool found = false;

	if (v->kind == MR_VALUE_MAP)
		found = mr_value_gets(v, name->s) != NULL ||
		        (v->map->fallback != NULL && mr_map_find(v->map->fallback, name) != NULL);
	else if (v->kind != MR_VALUE_NULL)
		return mr_vm_no_overload(vm, "has", v, 1);
	*ret = mr_value_bool(found);
	return 0;
}

/* The position that KEY means in a list; false when it is none. */
static bool position(const struct mr_value *key, size_t len, size_t *ret)
{
	if (key->kind == MR_VALUE_INT && key->i >= 0 && (uint64_t)key->i < len)
		*ret = (size_t)key->i;
	else if (key->kind == MR_VALUE_UINT && key->u < len)
		*ret = (size_t)key->u;
	else if (key->kind == MR_VALUE_DOUBLE && key->d >= 0 && key->d < (double)len &&
	         key->d == floor(key->d))
		*ret = (size_t)key->d;
	else
		return false;
	return true;
}

int mr_op_index(struct mr_vm *vm, const struct mr_value *args, struct mr_value *ret)
{
	const struct mr_value *v = &args[0], *key = &args[1], *found;
	size_t at;

	switch (v->kind) {
	case MR_VALUE_LIST:
		if (!mr_value_is_number(key))
			break;
		if (key->kind == MR_VALUE_DOUBLE && key->d != floor(key->d))
			return mr_vm_fail(vm, "a list has no item at a fraction");
		if (!position(key, v->list->len, &at))
			return mr_vm_missing(vm, key);
		*ret = v->list->items[at];
		return 0;
	case MR_VALUE_MAP:
		if (key->kind == MR_VALUE_STRING)
			return mr_op_select(vm, v, key, ret);
		if (key->kind != MR_VALUE_BOOL && !mr_value_is_number(key))
			break;
		found = mr_map_find(v->map, key);
		if (found == NULL)
			return mr_vm_missing(vm, key);
		*ret = *found;
		return 0;
	case MR_VALUE_NULL:
		return mr_vm_missing(vm, key);
	default:
		break;
	}
	return mr_vm_fail(vm, "no such overload: %s[%s]", mr_value_kind_name(v->kind),
	    mr_value_kind_name(key->kind));
}

int mr_op_in(struct mr_vm *vm, const struct mr_value *args, struct mr_value *ret)
{
	const struct mr_value *needle = &args[0], *v = &args[1];
	bool equal = false;
	int r;

	if (v->kind == MR_VALUE_MAP) {
		*ret = mr_value_bool(mr_map_find(v->map, needle) != NULL);
		return 0;
	}
	if (v->kind != MR_VALUE_LIST)
		return mr_vm_fail(vm, "no such overload: %s in %s",
		    mr_value_kind_name(needle->kind), mr_value_kind_name(v->kind));
	r = mr_vm_charge(vm, v->list->len / 4);
	for (size_t i = 0; r == 0 && !equal && i < v->list->len; i++)
		r = mr_op_equal(vm, needle, &v->list->items[i], &equal);
	if (r == 0)
		*ret = mr_value_bool(equal);
	return r;
}

/* ---- templates ---- */

int mr_op_text(struct mr_vm *vm, const struct mr_value *args, size_t n, struct mr_value *ret)
{
	struct mr_str text = MR_STR_NONE;
	struct mr_buf b;
	int r = MR_E_NOMEM;

	mr_buf_init(&b, mr_arena_max(vm->arena));
	for (size_t i = 0; i < n; i++)
		mr_value_write_text(&b, &args[i]);
	if (!mr_buf_failed(&b)) {
		r = mr_vm_charge(vm, b.len / 32);
		text = mr_arena_str(vm->arena, b.len > 0 ? mr_buf_str(&b) : MR_STR(""));
	}
	mr_buf_done(&b);
	if (r == 0 && text.p == NULL)
		r = MR_E_NOMEM;
	if (r == 0)
		*ret = mr_value_str(text);
	return r;
}

/* ---- sorting ---- */

static int merge(struct mr_vm *vm, const struct mr_value *keys, const uint32_t *from, uint32_t *to,
    size_t begin, size_t middle, size_t end)
{
	size_t left = begin, right = middle;
	struct mr_value two[2];
	int cmp, r;

	for (size_t i = begin; i < end; i++) {
		cmp = 0;
		if (left < middle && right < end) {
			two[0] = keys[from[left]];
			two[1] = keys[from[right]];
			r = mr_op_compare(vm, two, &cmp);
			if (r < 0)
				return r;
		}
		to[i] = right >= end || (left < middle && cmp != 1) ? from[left++] : from[right++];
	}
	return mr_vm_charge(vm, (end - begin) / 4);
}

int mr_vm_sort(struct mr_vm *vm, const struct mr_value *keys, uint32_t *order, size_t len)
{
	uint32_t *other = mr_arena_array(vm->arena, len, sizeof(*other)), *from = order,
	         *to = other;
	int r = other != NULL ? 0 : MR_E_NOMEM, cmp;
	struct mr_value two[2];

	if (len > UINT32_MAX)
		return MR_E_LIMIT;
	if (len == 1) { /* nothing to compare it with, but it must have an order */
		two[0] = two[1] = keys[0];
		r = r == 0 ? mr_op_compare(vm, two, &cmp) : r;
	}
	for (size_t i = 0; i < len; i++)
		order[i] = (uint32_t)i;
	for (size_t width = 1; r == 0 && width < len; width *= 2) {
		uint32_t *swap;

		for (size_t at = 0; r == 0 && at < len; at += 2 * width) {
			size_t middle = at + width < len ? at + width : len;
			size_t end = at + 2 * width < len ? at + 2 * width : len;

			r = merge(vm, keys, from, to, at, middle, end);
		}
		swap = from;
		from = to;
		to = swap;
	}
	if (from != order && len > 0)
		memcpy(order, from, len * sizeof(*order));
	return r;
}
