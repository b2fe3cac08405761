/* The loops of all(), exists(), map() and the like. */
#include "engine/core/expr_vm.h"

#include <string.h>

/* ---- loops: S points at the loop's slots ---- */

static size_t range_len(const struct mr_value *range)
{
	return range->kind == MR_VALUE_LIST ? range->list->len : range->map->len;
}

int mr_loop_begin(struct mr_vm *vm, struct mr_value *s, enum mr_loop loop)
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
bool mr_loop_next(struct mr_value *s, unsigned vars)
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
	int t, r = mr_vm_truth(vm, v, pc, &t);

	if (r < 0)
		return r;
	if (t == (decides ? 1 : 0)) {
		mr_vm_drop(vm, acc);
		*acc = mr_value_bool(decides);
		*stop = true;
	} else if (t < 0 && !mr_vm_is_marker(acc)) {
		*acc = *v;
	} else {
		mr_vm_drop(vm, v);
	}
	return 0;
}

int mr_loop_step(struct mr_vm *vm, struct mr_value *s, struct mr_value *v, uint32_t pc,
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

int mr_vm_seal(struct mr_vm *vm, struct mr_map *m)
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
int mr_loop_end(struct mr_vm *vm, struct mr_value *s, enum mr_loop loop)
{
	struct mr_value acc = s[MR_LOOP_ACC];
	int r;

	switch (loop) {
	case MR_LOOP_ALL:
	case MR_LOOP_EXISTS:
		if (mr_vm_is_marker(&acc))
			return mr_vm_raise(vm, &acc);
		s[0] = acc;
		return 0;
	case MR_LOOP_EXISTS_ONE:
		s[0] = mr_value_bool(acc.i == 1);
		return 0;
	case MR_LOOP_SORT_BY:
		return sorted(vm, s);
	case MR_LOOP_MAP_ENTRIES:
	case MR_LOOP_MERGE_ENTRIES:
		r = mr_vm_seal(vm, (struct mr_map *)(uintptr_t)acc.s.p);
		if (r == 0)
			s[0] = mr_value_map((const struct mr_map *)(uintptr_t)acc.s.p);
		return r;
	default:
		s[0] = mr_value_list((const struct mr_list *)(uintptr_t)acc.s.p);
		return 0;
	}
}
