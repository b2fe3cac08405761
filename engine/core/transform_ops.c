/* What each type of transformation does. Pure: a value in, a value out. */
#include <string.h>

#include "engine/core/transform_private.h"

static int need(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, const char *what)
{
	return mr_vm_fail(&run->vm, "%s works on %s, not on a value of type %s", step->type->name,
	    what, mr_value_kind_name(in->kind));
}

static bool is_list_or_map(const struct mr_value *v)
{
	return v->kind == MR_VALUE_LIST || v->kind == MR_VALUE_MAP;
}

/* Lists and objects alike: how many, and the one at I with its index or name. */
static size_t count(const struct mr_value *v)
{
	return v->kind == MR_VALUE_LIST ? v->list->len : v->map->len;
}

static const struct mr_value *item_at(
    const struct mr_value *v, size_t i, struct mr_value *ret_index)
{
	if (v->kind == MR_VALUE_LIST) {
		*ret_index = mr_value_int((int64_t)i);
		return &v->list->items[i];
	}
	*ret_index = v->map->members[i].key;
	return &v->map->members[i].value;
}

/* ---- extract, template ---- */

static int extract(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	(void)run;
	(void)step;
	*ret = *in; /* the path has done it */
	return 0;
}

static int template(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	return mr_transform_template(run, step->template, in, MR_NULL_VALUE, ret);
}

/* ---- map, filter ---- */

static int map_one(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *item, struct mr_value index, struct mr_value *ret)
{
	if (step->expr != NULL)
		return mr_transform_expr(run, step->expr, item, index, ret);
	return mr_transform_template(run, step->template, item, index, ret);
}

static int map(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	struct mr_list *l = NULL;
	struct mr_map *m = NULL;
	struct mr_value index;
	int r = 0;

	if (!is_list_or_map(in))
		return need(run, step, in, "a list or an object");
	if (in->kind == MR_VALUE_LIST)
		l = mr_vm_list(&run->vm, in->list->len);
	else
		m = mr_vm_map(&run->vm, in->map->len);
	if (l == NULL && m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; r == 0 && i < count(in); i++) {
		const struct mr_value *item = item_at(in, i, &index);

		if (m != NULL)
			m->members[i].key = index;
		r = map_one(
		    run, step, item, index, l != NULL ? &l->items[i] : &m->members[i].value);
	}
	if (r == 0 && m != NULL)
		r = mr_map_seal(run->vm.arena, m);
	if (r == 0)
		*ret = l != NULL ? mr_value_list(l) : mr_value_map(m);
	return r;
}

static int keeps(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *item, struct mr_value index, bool *ret)
{
	struct mr_value v;
	int r = mr_transform_expr(run, step->expr, item, index, &v);

	if (r < 0)
		return r;
	if (v.kind != MR_VALUE_BOOL)
		return mr_vm_fail(&run->vm, "the condition must be true or false, not of type %s",
		    mr_value_kind_name(v.kind));
	*ret = v.b;
	return 0;
}

static int filter_map(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	struct mr_map *m = mr_vm_map(&run->vm, in->map->len);
	bool keep = false;
	int r = 0;

	if (m == NULL)
		return MR_E_NOMEM;
	m->len = 0;
	for (size_t i = 0; r == 0 && i < in->map->len; i++) {
		const struct mr_member *member = &in->map->members[i];

		r = keeps(run, step, &member->value, member->key, &keep);
		if (r == 0 && keep)
			m->members[m->len++] = *member;
	}
	if (r == 0)
		r = mr_map_seal(run->vm.arena, m);
	if (r == 0)
		*ret = mr_value_map(m);
	return r;
}

static int filter(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	struct mr_list *l;
	bool keep = false;
	int r = 0;

	if (!is_list_or_map(in))
		return need(run, step, in, "a list or an object");
	if (in->kind == MR_VALUE_MAP)
		return filter_map(run, step, in, ret);
	l = mr_vm_list(&run->vm, in->list->len);
	if (l == NULL)
		return MR_E_NOMEM;
	l->len = 0;
	for (size_t i = 0; r == 0 && i < in->list->len; i++) {
		r = keeps(run, step, &in->list->items[i], mr_value_int((int64_t)i), &keep);
		if (r == 0 && keep)
			l->items[l->len++] = in->list->items[i];
	}
	if (r == 0)
		*ret = mr_value_list(l);
	return r;
}

/* ---- pick, rename, merge: of an object, the first two also of each object of a list ---- */

typedef int one_fn(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_map *m, struct mr_value *ret);

static int each(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, one_fn *fn, struct mr_value *ret)
{
	struct mr_list *l;
	int r;

	if (in->kind == MR_VALUE_MAP)
		return fn(run, step, in->map, ret);
	if (in->kind != MR_VALUE_LIST)
		return need(run, step, in, "an object or a list of objects");
	r = mr_vm_charge(&run->vm, in->list->len);
	if (r < 0)
		return r;
	l = mr_vm_list(&run->vm, in->list->len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; r == 0 && i < l->len; i++) {
		const struct mr_value *item = &in->list->items[i];

		if (item->kind != MR_VALUE_MAP)
			return need(run, step, item, "an object or a list of objects");
		r = fn(run, step, item->map, &l->items[i]);
	}
	if (r == 0)
		*ret = mr_value_list(l);
	return r;
}

static int pick_one(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_map *from, struct mr_value *ret)
{
	struct mr_map *m = mr_vm_map(&run->vm, step->fields->len);
	int r = mr_vm_charge(&run->vm, step->fields->len);

	if (m == NULL)
		return MR_E_NOMEM;
	m->len = 0;
	for (size_t i = 0; r == 0 && i < step->fields->len; i++) {
		const struct mr_value *found = mr_map_find(from, &step->fields->items[i]);

		if (found != NULL)
			m->members[m->len++] = (struct mr_member){ step->fields->items[i], *found };
	}
	if (r == 0)
		r = mr_map_seal(run->vm.arena, m);
	if (r == 0)
		*ret = mr_value_map(m);
	return r;
}

static int pick(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	return each(run, step, in, pick_one, ret);
}

static int rename_one(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_map *from, struct mr_value *ret)
{
	struct mr_map *m = mr_vm_map(&run->vm, from->len);
	int r = mr_vm_charge(&run->vm, from->len);
	size_t twice;

	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < from->len; i++) {
		const struct mr_value *name = mr_map_find(step->renames, &from->members[i].key);

		m->members[i] = from->members[i];
		if (name != NULL)
			m->members[i].key = *name;
	}
	if (r == 0)
		r = mr_map_seal(run->vm.arena, m);
	if (r < 0)
		return r;
	twice = mr_map_duplicate(m);
	if (twice < m->len) {
		struct mr_str name = m->members[twice].key.s;

		return mr_vm_fail(&run->vm, "two members would have the name \"%.*s\"",
		    name.len > 60 ? 60 : (int)name.len, name.p);
	}
	*ret = mr_value_map(m);
	return 0;
}

static int rename_fields(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	return each(run, step, in, rename_one, ret);
}

static int merge_maps(struct mr_transform_run *run, const struct mr_map *a, const struct mr_map *b,
    struct mr_value *ret)
{
	struct mr_map *m = mr_vm_map(&run->vm, a->len + b->len);
	int r = mr_vm_charge(&run->vm, a->len + b->len);

	if (m == NULL)
		return MR_E_NOMEM;
	m->len = 0;
	for (size_t i = 0; i < a->len; i++) {
		const struct mr_value *other = mr_map_find(b, &a->members[i].key);

		m->members[m->len] = a->members[i];
		if (other != NULL)
			m->members[m->len].value = *other;
		m->len++;
	}
	for (size_t i = 0; i < b->len; i++) {
		if (mr_map_find(a, &b->members[i].key) == NULL)
			m->members[m->len++] = b->members[i];
	}
	if (r == 0)
		r = mr_map_seal(run->vm.arena, m);
	if (r == 0)
		*ret = mr_value_map(m);
	return r;
}

static int merge(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	struct mr_value two[2] = { *in };
	int r = mr_transform_template(run, step->template, in, MR_NULL_VALUE, &two[1]);

	if (r < 0)
		return r;
	if (in->kind == MR_VALUE_MAP && two[1].kind == MR_VALUE_MAP)
		return merge_maps(run, in->map, two[1].map, ret);
	if (in->kind == MR_VALUE_LIST && two[1].kind == MR_VALUE_LIST)
		return mr_op_arith(&run->vm, MR_OP_ADD, two, ret);
	return mr_vm_fail(&run->vm, "merge takes two objects or two lists, not %s and %s",
	    mr_value_kind_name(in->kind), mr_value_kind_name(two[1].kind));
}

/* ---- flatten, group, sort ---- */

static int flatten(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	if (in->kind != MR_VALUE_LIST)
		return need(run, step, in, "a list");
	return mr_vm_flatten(&run->vm, in->list, step->depth, ret);
}

/* The text under which a value is grouped. */
static int group_name(struct mr_transform_run *run, const struct mr_value *v, struct mr_value *ret)
{
	struct mr_str s;
	struct mr_buf b;

	if (is_list_or_map(v))
		return mr_vm_fail(&run->vm, "group can't group by a value of type %s",
		    mr_value_kind_name(v->kind));
	if (v->kind == MR_VALUE_STRING) {
		*ret = *v;
		return 0;
	}
	mr_buf_init(&b, mr_arena_max(run->vm.arena));
	mr_value_write_text(&b, v);
	s = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(run->vm.arena, mr_buf_str(&b));
	mr_buf_done(&b);
	*ret = mr_value_str(s);
	return s.p != NULL ? 0 : MR_E_NOMEM;
}

struct groups {
	struct mr_value *names;
	uint32_t *of;     /* each item's group */
	uint32_t *counts; /* items of each group */
	uint32_t *table;
	size_t mask, len;
};

static void put_in_group(struct groups *g, size_t item, const struct mr_value *name)
{
	size_t at = mr_value_hash(name) & g->mask;

	while (g->table[at] != 0 && !mr_str_eq(g->names[g->table[at] - 1].s, name->s))
		at = (at + 1) & g->mask;
	if (g->table[at] == 0) {
		g->names[g->len++] = *name;
		g->table[at] = (uint32_t)g->len;
	}
	g->of[item] = g->table[at] - 1;
	g->counts[g->of[item]]++;
}

static int make_groups(
    struct mr_transform_run *run, const struct mr_list *l, struct groups *g, struct mr_value *ret)
{
	struct mr_map *m = mr_vm_map(&run->vm, g->len);
	int r;

	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < g->len; i++) {
		struct mr_list *members = mr_vm_list(&run->vm, g->counts[i]);

		if (members == NULL)
			return MR_E_NOMEM;
		members->len = 0;
		m->members[i] = (struct mr_member){ g->names[i], mr_value_list(members) };
	}
	for (size_t i = 0; i < l->len; i++) {
		/* these lists were made above and are nobody else's yet */
		struct mr_list *to = (struct mr_list *)(uintptr_t)m->members[g->of[i]].value.list;

		to->items[to->len++] = l->items[i];
	}
	r = mr_map_seal(run->vm.arena, m);
	if (r == 0)
		*ret = mr_value_map(m);
	return r;
}

static int group(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	struct mr_arena *a = run->vm.arena;
	struct mr_value v, name;
	struct groups g = { 0 };
	size_t size = 16;
	int r = 0;

	if (in->kind != MR_VALUE_LIST)
		return need(run, step, in, "a list");
	while (size < in->list->len * 2)
		size *= 2;
	g.mask = size - 1;
	g.table = mr_arena_array(a, size, sizeof(*g.table));
	g.of = mr_arena_array(a, in->list->len, sizeof(*g.of));
	g.counts = mr_arena_array(a, in->list->len, sizeof(*g.counts));
	g.names = mr_arena_array(a, in->list->len, sizeof(*g.names));
	if (g.table == NULL || g.of == NULL || g.counts == NULL || g.names == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < in->list->len; i++) {
		r = mr_transform_expr(
		    run, step->expr, &in->list->items[i], mr_value_int((int64_t)i), &v);
		if (r == 0)
			r = group_name(run, &v, &name);
		if (r < 0)
			return r;
		put_in_group(&g, i, &name);
	}
	return make_groups(run, in->list, &g, ret);
}

/* The first of the equal keys that end before END. */
static int first_equal(struct mr_transform_run *run, const struct mr_value *keys,
    const uint32_t *order, size_t end, size_t *ret)
{
	struct mr_value two[2];
	int cmp = 0, r = 0;

	for (*ret = end - 1; *ret > 0; --*ret) {
		two[0] = keys[order[*ret - 1]];
		two[1] = keys[order[*ret]];
		r = mr_op_compare(&run->vm, two, &cmp);
		if (r < 0 || cmp != 0)
			break;
	}
	return r;
}

/* The order of KEYS turned round, equal ones staying as they were. */
static int turn(struct mr_transform_run *run, const struct mr_value *keys, uint32_t *order,
    uint32_t *spare, size_t len)
{
	size_t end = len, to = 0, begin = 0;
	int r;

	for (; end > 0; end = begin) {
		r = first_equal(run, keys, order, end, &begin);
		if (r < 0)
			return r;
		memcpy(spare + to, order + begin, (end - begin) * sizeof(*order));
		to += end - begin;
	}
	if (len > 0)
		memcpy(order, spare, len * sizeof(*order));
	return 0;
}

static int sort(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	struct mr_list *keys, *l;
	uint32_t *order, *spare;
	size_t len;
	int r = 0;

	if (in->kind != MR_VALUE_LIST)
		return need(run, step, in, "a list");
	len = in->list->len;
	keys = mr_vm_list(&run->vm, len);
	l = mr_vm_list(&run->vm, len);
	order = mr_arena_array(run->vm.arena, len, sizeof(*order));
	spare = mr_arena_array(run->vm.arena, len, sizeof(*spare));
	if (keys == NULL || l == NULL || order == NULL || spare == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; r == 0 && i < len; i++) {
		keys->items[i] = in->list->items[i];
		if (step->expr != NULL)
			r = mr_transform_expr(run, step->expr, &in->list->items[i],
			    mr_value_int((int64_t)i), &keys->items[i]);
	}
	if (r == 0)
		r = mr_vm_sort(&run->vm, keys->items, order, len);
	if (r == 0 && step->descending)
		r = turn(run, keys->items, order, spare, len);
	if (r < 0)
		return r;
	for (size_t i = 0; i < len; i++)
		l->items[i] = in->list->items[order[i]];
	*ret = mr_value_list(l);
	return 0;
}

/* ---- aggregate ---- */

static int add(struct mr_transform_run *run, struct mr_value *total, const struct mr_value *v)
{
	struct mr_value two[2] = { *total, *v };

	if (!mr_value_is_number(v))
		return mr_vm_fail(&run->vm, "aggregate can't add a value of type %s",
		    mr_value_kind_name(v->kind));
	/* int and uint don't mix elsewhere; a sum takes what comes */
	if (two[0].kind == MR_VALUE_INT && v->kind == MR_VALUE_UINT && v->u <= INT64_MAX)
		two[1] = mr_value_int((int64_t)v->u);
	return mr_op_arith(&run->vm, MR_OP_ADD, two, total);
}

static int extreme(struct mr_transform_run *run, enum mr_aggregate op, struct mr_value *best,
    const struct mr_value *v)
{
	struct mr_value two[2] = { *v, *best };
	int cmp, r;

	if (best->kind == MR_VALUE_NULL)
		two[1] = *v; /* the first one, which must have an order too */
	r = mr_op_compare(&run->vm, two, &cmp);
	if (r < 0)
		return r;
	if (best->kind == MR_VALUE_NULL || cmp == (op == MR_AGG_MIN ? -1 : 1))
		*best = *v;
	return 0;
}

static double as_double(const struct mr_value *v)
{
	return v->kind == MR_VALUE_INT    ? (double)v->i
	       : v->kind == MR_VALUE_UINT ? (double)v->u
	                                  : v->d;
}

static int aggregate(struct mr_transform_run *run, const struct mr_transform_step *step,
    const struct mr_value *in, struct mr_value *ret)
{
	struct mr_value total = mr_value_int(0), best = MR_NULL_VALUE;
	int64_t n = 0;
	int r;

	if (in->kind != MR_VALUE_LIST)
		return need(run, step, in, "a list");
	r = mr_vm_charge(&run->vm, in->list->len);
	for (size_t i = 0; r == 0 && i < in->list->len; i++) {
		const struct mr_value *v = &in->list->items[i];

		if (v->kind == MR_VALUE_NULL)
			continue;
		n++;
		if (step->op == MR_AGG_SUM || step->op == MR_AGG_AVG)
			r = add(run, &total, v);
		else if (step->op != MR_AGG_COUNT)
			r = extreme(run, step->op, &best, v);
	}
	if (r < 0)
		return r;
	if (step->op == MR_AGG_COUNT)
		*ret = mr_value_int(n);
	else if (step->op == MR_AGG_SUM)
		*ret = total;
	else if (step->op == MR_AGG_AVG)
		*ret = n > 0 ? mr_value_double(as_double(&total) / (double)n) : MR_NULL_VALUE;
	else
		*ret = best;
	return 0;
}

/* ---- the table ---- */

const struct mr_transform_type mr_transform_types[] = {
	{ "aggregate", MR_TRANSFORM_OP | MR_TRANSFORM_DEFAULT, MR_TRANSFORM_OP, false, aggregate },
	{ "extract", MR_TRANSFORM_DEFAULT, 0, true, extract },
	{ "filter", MR_TRANSFORM_CONDITION, MR_TRANSFORM_CONDITION, false, filter },
	{ "flatten", MR_TRANSFORM_DEPTH, 0, false, flatten },
	{ "group", MR_TRANSFORM_BY, MR_TRANSFORM_BY, false, group },
	{ "jq", MR_TRANSFORM_PROGRAM | MR_TRANSFORM_FILTER,
	    MR_TRANSFORM_PROGRAM | MR_TRANSFORM_FILTER, false, NULL },
	{ "map", MR_TRANSFORM_EXPRESSION | MR_TRANSFORM_TEMPLATE,
	    MR_TRANSFORM_EXPRESSION | MR_TRANSFORM_TEMPLATE, false, map },
	{ "merge", MR_TRANSFORM_WITH, MR_TRANSFORM_WITH, false, merge },
	{ "pick", MR_TRANSFORM_FIELDS, MR_TRANSFORM_FIELDS, false, pick },
	{ "rename", MR_TRANSFORM_RENAMES, MR_TRANSFORM_RENAMES, false, rename_fields },
	{ "sort", MR_TRANSFORM_BY | MR_TRANSFORM_ORDER, 0, false, sort },
	{ "template", MR_TRANSFORM_TEMPLATE, MR_TRANSFORM_TEMPLATE, false, template },
};
const size_t mr_transform_types_len = MR_ARRAY_LEN(mr_transform_types);
