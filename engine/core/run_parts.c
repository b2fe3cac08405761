/*
 * Results of which parts lie in the payload store. The list that a foreach gives holds, in place of
 * such an item's result, {"output_ref": name}; the step's "parts" say where: a path of item numbers
 * for each, the outer one first, [] being the whole. They are put in when the result is read, so
 * that a list may be larger than what a run may have in memory as long as nobody looks at it.
 */
#include "engine/core/run_private.h"

#define HOLE "output_ref"

int mr_stored_value(
    const struct mr_run *run, struct mr_arena *a, struct mr_str ref, struct mr_value *ret)
{
	size_t used = mr_arena_used(a);
	int r;

	if (run->info.payload_load == NULL)
		return MR_E_CONFLICT;
	r = run->info.payload_load(run->info.payload_ctx, a, ref, ret);
	mr_run_spend(run, MR_COST_PAYLOAD + (mr_arena_used(a) - used) / MR_COST_BYTES);
	/* gone is another thing than a name that is missing in an expression */
	return r == 0 || r == MR_E_NOMEM || r == MR_E_IO ? r : MR_E_CONFLICT;
}

/* ---- putting them in ---- */

static struct mr_value *find_result(struct mr_value *v, int64_t i)
{
	const struct mr_value *results = mr_value_get_kind(v, "results", MR_VALUE_LIST);

	if (results == NULL || i < 0 || (size_t)i >= results->list->len)
		return NULL;
	return (struct mr_value *)(uintptr_t)&results->list->items[i]; /* the caller's own copy */
}

static struct mr_value *find_part(struct mr_value *v, const struct mr_value *path)
{
	if (path->kind != MR_VALUE_LIST)
		return NULL;
	for (size_t i = 0; v != NULL && i < path->list->len; i++)
		v = path->list->items[i].kind == MR_VALUE_INT
		        ? find_result(v, path->list->items[i].i)
		        : NULL;
	return v;
}

int mr_parts_load(
    const struct mr_run *run, struct mr_arena *a, const struct mr_value *parts, struct mr_value *v)
{
	int r = 0;

	for (size_t i = 0; parts->kind == MR_VALUE_LIST && i < parts->list->len && r == 0; i++) {
		struct mr_value *part = find_part(v, &parts->list->items[i]);
		struct mr_str ref = part != NULL ? mr_value_get_str(part, HOLE) : MR_STR_NONE;

		r = ref.p != NULL ? mr_stored_value(run, a, ref, part) : MR_E_CONFLICT;
	}
	return r;
}

/* ---- leaving them out ---- */

/* [] and the parts of what lies there. */
static int whole(const struct mr_step_state *st, struct mr_arena *a, struct mr_value *ret,
    struct mr_value *ret_parts)
{
	size_t more = st->parts.kind == MR_VALUE_LIST ? st->parts.list->len : 0;
	struct mr_list *l = mr_list_create(a, more + 1), *root = mr_list_create(a, 0);
	struct mr_fields f = { .len = 0 };
	struct mr_str ref = mr_arena_str(a, st->ref);

	if (l == NULL || root == NULL || ref.p == NULL)
		return MR_E_NOMEM;
	l->items[0] = mr_value_list(root);
	for (size_t i = 0; i < more; i++) {
		if (mr_value_copy(a, &st->parts.list->items[i], &l->items[i + 1]) < 0)
			return MR_E_NOMEM;
	}
	*ret_parts = mr_value_list(l);
	mr_fields_put(&f, HOLE, mr_value_str(ref));
	return mr_fields_map(a, &f, ret);
}

int mr_step_parts(const struct mr_step_state *st, struct mr_arena *a, struct mr_value *ret,
    struct mr_value *ret_parts)
{
	if (st->ref.p != NULL)
		return whole(st, a, ret, ret_parts);
	if (mr_value_copy(a, &st->output, ret) < 0)
		return MR_E_NOMEM;
	return mr_value_copy(a, &st->parts, ret_parts);
}

/* I before PATH. */
static int below(struct mr_arena *a, size_t i, const struct mr_value *path, struct mr_value *ret)
{
	struct mr_list *l = mr_list_create(a, path->list->len + 1);

	if (l == NULL)
		return MR_E_NOMEM;
	l->items[0] = mr_value_int((int64_t)i);
	for (size_t k = 0; k < path->list->len; k++)
		l->items[k + 1] = path->list->items[k];
	*ret = mr_value_list(l);
	return 0;
}

static size_t count(const struct mr_inner *in, size_t i)
{
	return in->parts[i].kind == MR_VALUE_LIST ? in->parts[i].list->len : 0;
}

int mr_foreach_parts(const struct mr_inner *in, struct mr_arena *a, struct mr_value *ret)
{
	size_t len = in->items.list->len, n = 0;
	struct mr_list *l;

	*ret = MR_NULL_VALUE;
	if (in->parts == NULL)
		return 0;
	for (size_t i = 0; i < len; i++)
		n += count(in, i);
	l = mr_list_create(a, n);
	if (l == NULL)
		return MR_E_NOMEM;
	n = 0;
	for (size_t i = 0; i < len; i++) {
		for (size_t k = 0; k < count(in, i); k++) {
			if (below(a, i, &in->parts[i].list->items[k], &l->items[n++]) < 0)
				return MR_E_NOMEM;
		}
	}
	*ret = mr_value_list(l);
	return 0;
}

int mr_inner_set_parts(const struct mr_step_state *st, size_t i, const struct mr_value *parts)
{
	struct mr_inner *in = st->inner;

	if (in->parts == NULL && parts->kind != MR_VALUE_LIST)
		return 0;
	if (in->parts == NULL)
		in->parts =
		    mr_arena_array(st->frame->arena, in->items.list->len + 1, sizeof(*in->parts));
	if (in->parts == NULL)
		return MR_E_NOMEM;
	in->parts[i] = *parts;
	return 0;
}
