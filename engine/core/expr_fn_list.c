/* Functions of lists. */
#include <string.h>

#include "engine/core/expr_private.h"

#define RANGE_MAX 1000000

static int need_list(struct mr_vm *vm, const char *name, const struct mr_value *args, unsigned n)
{
	if (args[0].kind != MR_VALUE_LIST)
		return mr_vm_no_overload(vm, name, args, n);
	return mr_vm_charge(vm, args[0].list->len / 4);
}

int mr_fn_range(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	struct mr_list *l;
	int r;

	if (args[0].kind != MR_VALUE_INT)
		return mr_vm_no_overload(vm, "lists.range", args, n);
	if (args[0].i < 0 || args[0].i > RANGE_MAX)
		return mr_vm_fail(vm, "lists.range() takes 0 to %d", RANGE_MAX);
	r = mr_vm_charge(vm, (uint64_t)args[0].i / 4);
	if (r < 0)
		return r;
	l = mr_vm_list(vm, (size_t)args[0].i);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < l->len; i++)
		l->items[i] = mr_value_int((int64_t)i);
	*ret = mr_value_list(l);
	return 0;
}

int mr_fn_slice(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need_list(vm, "slice", args, n);
	const struct mr_list *from;
	struct mr_list *l;

	if (r < 0)
		return r;
	if (args[1].kind != MR_VALUE_INT || args[2].kind != MR_VALUE_INT)
		return mr_vm_no_overload(vm, "slice", args, n);
	from = args[0].list;
	if (args[1].i < 0 || args[2].i < args[1].i || (uint64_t)args[2].i > from->len)
		return mr_vm_fail(vm, "slice() from %lld to %lld of a list of %zu",
		    (long long)args[1].i, (long long)args[2].i, from->len);
	l = mr_vm_list(vm, (size_t)(args[2].i - args[1].i));
	if (l == NULL)
		return MR_E_NOMEM;
	memcpy(l->items, from->items + args[1].i, l->len * sizeof(l->items[0]));
	*ret = mr_value_list(l);
	return 0;
}

int mr_fn_sort(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need_list(vm, "sort", args, n);
	const struct mr_list *from;
	struct mr_list *l;
	uint32_t *order;

	if (r < 0)
		return r;
	from = args[0].list;
	l = mr_vm_list(vm, from->len);
	order = mr_arena_array(vm->arena, from->len, sizeof(*order));
	if (l == NULL || order == NULL)
		return MR_E_NOMEM;
	r = mr_vm_sort(vm, from->items, order, from->len);
	if (r < 0)
		return r;
	for (size_t i = 0; i < from->len; i++)
		l->items[i] = from->items[order[i]];
	*ret = mr_value_list(l);
	return 0;
}

/* ---- distinct ---- */

struct set {
	uint32_t *table; /* positions in KEPT, from 1 */
	size_t mask;
	struct mr_list *kept;
};

static int set_add(struct mr_vm *vm, struct set *s, const struct mr_value *v)
{
	size_t at = mr_value_hash(v) & s->mask;
	bool equal;
	int r;

	for (; s->table[at] != 0; at = (at + 1) & s->mask) {
		r = mr_vm_charge(vm, 1);
		if (r == 0)
			r = mr_op_equal(vm, &s->kept->items[s->table[at] - 1], v, &equal);
		if (r < 0 || equal)
			return r;
	}
	s->kept->items[s->kept->len++] = *v;
	s->table[at] = (uint32_t)s->kept->len;
	return 0;
}

int mr_fn_distinct(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need_list(vm, "distinct", args, n);
	size_t len = r == 0 ? args[0].list->len : 0, size = 16;
	struct set s;

	if (r < 0)
		return r;
	while (size < len * 2)
		size *= 2;
	s.mask = size - 1;
	s.table = mr_arena_array(vm->arena, size, sizeof(*s.table));
	s.kept = mr_vm_list(vm, len);
	if (s.table == NULL || s.kept == NULL)
		return MR_E_NOMEM;
	s.kept->len = 0;
	for (size_t i = 0; r == 0 && i < len; i++)
		r = set_add(vm, &s, &args[0].list->items[i]);
	if (r == 0)
		*ret = mr_value_list(s.kept);
	return r;
}

/* ---- flatten ---- */

/* Takes away one level of lists in lists. *RET_MORE: there are lists left in it. */
static int flatten_once(
    struct mr_vm *vm, const struct mr_list *from, const struct mr_list **ret, bool *ret_more)
{
	struct mr_list *l;
	size_t len = 0, at = 0;
	int r;

	for (size_t i = 0; i < from->len; i++)
		len += from->items[i].kind == MR_VALUE_LIST ? from->items[i].list->len : 1;
	r = mr_vm_charge(vm, (from->len + len) / 4 + 1);
	if (r < 0)
		return r;
	l = mr_vm_list(vm, len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < from->len; i++) {
		const struct mr_value *v = &from->items[i];

		if (v->kind != MR_VALUE_LIST) {
			l->items[at++] = *v;
			continue;
		}
		memcpy(l->items + at, v->list->items, v->list->len * sizeof(*v));
		at += v->list->len;
	}
	*ret_more = false;
	for (size_t i = 0; i < len; i++)
		*ret_more |= l->items[i].kind == MR_VALUE_LIST;
	*ret = l;
	return 0;
}

int mr_vm_flatten(struct mr_vm *vm, const struct mr_list *from, int64_t depth, struct mr_value *ret)
{
	bool more = true;
	int r = 0;

	for (int64_t i = 0; r == 0 && more && i < depth; i++)
		r = flatten_once(vm, from, &from, &more);
	if (r == 0)
		*ret = mr_value_list(from);
	return r;
}

int mr_fn_flatten(struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret)
{
	int r = need_list(vm, "flatten", args, n);
	int64_t depth = 1;

	if (r < 0)
		return r;
	if (n == 2) {
		if (args[1].kind != MR_VALUE_INT)
			return mr_vm_no_overload(vm, "flatten", args, n);
		depth = args[1].i;
		if (depth < 0)
			return mr_vm_fail(vm, "flatten() to a negative depth");
	}
	return mr_vm_flatten(vm, args[0].list, depth, ret);
}

int mr_list_reverse(struct mr_vm *vm, const struct mr_value *args, struct mr_value *ret)
{
	const struct mr_list *from = args[0].list;
	struct mr_list *l;
	int r = mr_vm_charge(vm, from->len / 4);

	if (r < 0)
		return r;
	l = mr_vm_list(vm, from->len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < from->len; i++)
		l->items[i] = from->items[from->len - 1 - i];
	*ret = mr_value_list(l);
	return 0;
}
