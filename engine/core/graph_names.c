/*
 * Names of steps. What a client chose comes first; what nobody chose is "<type>_<n>" and keeps out
 * of its way. The full name tells where a step stands: "loop/t1", "par/left/t1", "a/catch/t1".
 */
#include "engine/core/graph_private.h"

/* The place of a name, taken or free. */
static size_t name_slot(const struct mr_compile *c, unsigned room, struct mr_str name)
{
	size_t i = mr_graph_hash(name, room + 1) & (c->names_len - 1);

	while (c->names[i] != 0) {
		const struct mr_draft *d = &c->drafts[c->names[i] - 1];

		if (c->blocks[d->block].room == room && mr_str_eq(d->short_name, name))
			break;
		i = (i + 1) & (c->names_len - 1);
	}
	return i;
}

int mr_graph_draft_find(const struct mr_compile *c, unsigned block, struct mr_str name)
{
	size_t slot = name_slot(c, c->blocks[block].room, name);
	int found = (int)c->names[slot] - 1;

	return found >= 0 && c->drafts[found].block == block ? found : -1;
}

static int default_name(struct mr_compile *c, struct mr_draft *d)
{
	const char *type = d->type >= 0 ? mr_step_type_name((enum mr_step_type)d->type) : "step";
	unsigned n = d->pos + 1;

	for (unsigned tries = 0; tries <= MR_GRAPH_MAX_STEPS; tries++, n++) {
		struct mr_str name = mr_arena_printf(c->arena, "%s_%u", type, n);

		if (name.p == NULL)
			return MR_E_NOMEM;
		d->short_name = name;
		if (c->names[name_slot(c, c->blocks[d->block].room, name)] == 0)
			return 0;
	}
	return MR_E_LIMIT;
}

/* What stands before the names of a block's steps; the holder has its full name already. */
static int block_prefix(struct mr_compile *c, struct mr_draft_block *b)
{
	static const char *const words[] = { [MR_BLOCK_CATCH] = "catch",
		[MR_BLOCK_COMPENSATE] = "compensate",
		[MR_BLOCK_ON_FAILURE] = "on_failure",
		[MR_BLOCK_FINALLY] = "finally" };
	struct mr_str holder = b->holder >= 0 ? c->drafts[b->holder].name : MR_STR("");
	bool is_parallel = b->holder >= 0 && c->drafts[b->holder].type == MR_STEP_PARALLEL;

	if (b->role == MR_BLOCK_MAIN)
		b->prefix = MR_STR("");
	else if (b->role == MR_BLOCK_BRANCH && is_parallel)
		b->prefix = mr_arena_printf(
		    c->scratch, "%.*s/%.*s/", MR_STR_ARG(holder), MR_STR_ARG(b->name));
	else if (b->role == MR_BLOCK_BRANCH || b->role == MR_BLOCK_BODY)
		b->prefix = mr_arena_printf(c->scratch, "%.*s/", MR_STR_ARG(holder));
	else if (b->role == MR_BLOCK_CATCH && b->place > 0)
		b->prefix =
		    mr_arena_printf(c->scratch, "%.*s/catch_%u/", MR_STR_ARG(holder), b->place + 1);
	else
		b->prefix = mr_arena_printf(c->scratch, "%.*s%s%s/", MR_STR_ARG(holder),
		    holder.len > 0 ? "/" : "", words[b->role]);
	return b->prefix.p != NULL ? 0 : MR_E_NOMEM;
}

static void take_chosen(struct mr_compile *c)
{
	for (size_t i = 0; i < c->drafts_len; i++) {
		struct mr_draft *d = &c->drafts[i];
		size_t slot;

		if (d->short_name.p == NULL)
			continue;
		slot = name_slot(c, c->blocks[d->block].room, d->short_name);
		if (c->names[slot] != 0)
			mr_graph_fault(c, d->name_path, "duplicate_name",
			    "another step has this name: %.*s",
			    MR_STR_ARG(c->drafts[c->names[slot] - 1].path));
		else
			c->names[slot] = (uint32_t)i + 1;
	}
}

/* Blocks come before the blocks inside of them. */
static int full_names(struct mr_compile *c, struct mr_draft_block *b)
{
	if (block_prefix(c, b) < 0)
		return MR_E_NOMEM;
	for (unsigned i = b->first; i < b->first + b->len; i++) {
		struct mr_draft *d = &c->drafts[i];

		if (d->short_name.p == NULL) {
			if (default_name(c, d) < 0)
				return MR_E_NOMEM;
			c->names[name_slot(c, b->room, d->short_name)] = (uint32_t)i + 1;
		}
		d->name = d->short_name;
		if (b->prefix.len > 0)
			d->name = mr_arena_printf(
			    c->arena, "%.*s%.*s", MR_STR_ARG(b->prefix), MR_STR_ARG(d->short_name));
		if (d->name.p == NULL)
			return MR_E_NOMEM;
	}
	return 0;
}

int mr_graph_name_steps(struct mr_compile *c)
{
	c->names_len = 16;
	while (c->names_len < c->drafts_len * 2)
		c->names_len *= 2;
	c->names = mr_arena_array(c->scratch, c->names_len, sizeof(*c->names));
	if (c->names == NULL)
		return MR_E_NOMEM;
	take_chosen(c);
	for (size_t i = 0; i < c->blocks_len; i++)
		if (full_names(c, &c->blocks[i]) < 0)
			return MR_E_NOMEM;
	return 0;
}
