/*
 * What a step holds: the blocks of steps inside of it, and the steps beside it that it names. One
 * function for each type that has either, and for "catch" and "compensate", which any step has.
 */
#include "engine/core/graph_private.h"

/* The step at hand while its blocks are read; drafts stay where they are meanwhile. */
struct holder {
	struct mr_compile *c;
	struct mr_draft *d;
	unsigned index;
	size_t exits_cap;
	int r; /* sticks */
};

static int out_of_memory(struct holder *h)
{
	return h->r = MR_E_NOMEM;
}

/* A block of H's step. A list without steps is none, and a fault when one is NEEDED. */
static int hold(struct holder *h, struct mr_draft_block b, const struct mr_value *v,
    struct mr_str path, bool needed)
{
	int block = -1;

	if (v->kind != MR_VALUE_MAP && v->kind != MR_VALUE_LIST) {
		mr_graph_fault(h->c, path, "type", "must be a list of steps, or one step");
		return -1;
	}
	if (v->kind == MR_VALUE_LIST && v->list->len == 0) {
		if (needed)
			mr_graph_fault(h->c, path, "required", "needs at least one step");
		return -1;
	}
	b.holder = (int)h->index;
	b.depth = h->c->blocks[h->d->block].depth + 1;
	b.value = v;
	b.is_single = v->kind == MR_VALUE_MAP;
	b.path = path;
	/* the actions of a conditional and the cases of a switch share their names */
	b.room = (unsigned)h->c->blocks_len;
	if (b.role == MR_BLOCK_BRANCH && h->d->type != MR_STEP_PARALLEL && h->d->held > 0)
		b.room = h->d->first_held;
	if (h->d->held == 0)
		h->d->first_held = (unsigned)h->c->blocks_len;
	if (mr_graph_add_block(h->c, &b, &block) < 0)
		out_of_memory(h);
	if (block >= 0)
		h->d->held++;
	return block;
}

/* H's step names others, as coming after it when it ends by WAY. */
static void name_steps(struct holder *h, uint64_t way, const struct mr_value *v, struct mr_str path)
{
	if (!mr_graph_all_names(v)) {
		mr_graph_fault(h->c, path, "type", "must be the name of a step, or a list of them");
		return;
	}
	h->d->exits[h->d->exits_len++] =
	    (struct mr_draft_exit){ .way = way, .names = v, .path = path };
}

/* Room for so many branches and catch entries, and for an exit of each and of "next". */
static bool make_room(struct holder *h, size_t branches, size_t catches)
{
	struct mr_draft *d = h->d;

	d->branches = mr_arena_array(h->c->scratch, branches + 1, sizeof(*d->branches));
	d->catches = mr_arena_array(h->c->scratch, catches + 1, sizeof(*d->catches));
	d->exits = mr_arena_array(h->c->scratch, branches + catches + 1, sizeof(*d->exits));
	if (d->branches == NULL || d->catches == NULL || d->exits == NULL)
		out_of_memory(h);
	return h->r == 0;
}

/* ---- conditional ---- */

static void read_conditional(struct holder *h)
{
	static const char *const members[] = { "true_action", "false_action" };
	static const char *const names[] = { "true", "false" };

	for (unsigned k = 0; k < 2; k++) {
		const struct mr_value *v =
		    h->d->config != NULL ? mr_graph_get(h->d->config, members[k]) : NULL;
		struct mr_draft_branch *b = &h->d->branches[h->d->branches_len++];
		struct mr_draft_block block = { .role = MR_BLOCK_BRANCH, .place = k };

		*b = (struct mr_draft_branch){ .name = mr_str(names[k]), .block = -1 };
		b->path = mr_graph_pathz(h->c, h->d->config_path, members[k]);
		if (v == NULL)
			continue;
		block.name = b->name;
		if (mr_graph_all_names(v))
			name_steps(h, MR_WAY_BRANCH(k), v, b->path);
		else if (v->kind == MR_VALUE_MAP || v->kind == MR_VALUE_LIST)
			b->block = hold(h, block, v, b->path, false);
		else
			mr_graph_fault(h->c, b->path, "type",
			    "must be a step, a list of steps, or the name of another step");
	}
}

/* ---- switch ---- */

static void case_name(struct holder *h, struct mr_draft_branch *b, unsigned k)
{
	const struct mr_value *name = mr_graph_get(b->raw, "name");
	struct mr_str path = mr_graph_pathz(h->c, b->path, "name");

	b->name = mr_arena_printf(h->c->arena, "case_%u", k + 1);
	if (b->name.p == NULL)
		out_of_memory(h);
	if (name == NULL || !mr_graph_check_name(h->c, name, path))
		return;
	b->name = name->s;
	for (size_t i = 0; i + 1 < h->d->branches_len; i++)
		if (mr_str_eq(h->d->branches[i].name, b->name))
			mr_graph_fault(h->c, path, "duplicate_name", "another case has this name");
	if (mr_str_eqz(b->name, "default"))
		mr_graph_fault(h->c, path, "duplicate_name",
		    "\"default\" is the name of what none of the cases covers");
}

/* "steps" or "next" of a case, or neither. */
static void read_case(
    struct holder *h, const struct mr_value *raw, struct mr_str path, unsigned k, bool is_default)
{
	struct mr_draft_branch *b = &h->d->branches[h->d->branches_len++];
	struct mr_draft_block block = { .role = MR_BLOCK_BRANCH, .place = k };
	const struct mr_value *steps = mr_graph_get(raw, "steps");
	const struct mr_value *next = mr_graph_get(raw, "next");

	*b = (struct mr_draft_branch){
		.raw = raw, .path = path, .is_default = is_default, .block = -1
	};
	if (is_default)
		b->name = MR_STR("default");
	else
		case_name(h, b, k);
	block.name = b->name;
	if (steps != NULL && next != NULL)
		mr_graph_fault(h->c, mr_graph_pathz(h->c, path, "next"), "conflict",
		    "\"steps\" is given already; keep one of them");
	else if (steps != NULL)
		b->block = hold(h, block, steps, mr_graph_pathz(h->c, path, "steps"), false);
	else if (next != NULL && !mr_graph_is_empty(next))
		name_steps(h, MR_WAY_BRANCH(k), next, mr_graph_pathz(h->c, path, "next"));
}

static void read_switch(struct holder *h)
{
	const struct mr_value *cases = mr_graph_get(h->d->config, "cases");
	const struct mr_value *other = mr_graph_get(h->d->config, "default");
	struct mr_str path = mr_graph_pathz(h->c, h->d->config_path, "cases");
	unsigned k = 0;

	for (size_t i = 0; cases != NULL && i < cases->list->len; i++) {
		const struct mr_value *v = &cases->list->items[i];

		if (v->kind == MR_VALUE_MAP)
			read_case(h, v, mr_graph_path_at(h->c, path, i), k++, false);
		else
			mr_graph_fault(h->c, mr_graph_path_at(h->c, path, i), "type",
			    "must be an object with \"when\" or \"equals\"");
	}
	path = mr_graph_pathz(h->c, h->d->config_path, "default");
	if (other != NULL && other->kind == MR_VALUE_MAP)
		read_case(h, other, path, k, true);
	else if (other != NULL)
		mr_graph_fault(h->c, path, "type", "must be an object with \"steps\" or \"next\"");
}

/* ---- parallel, foreach, while ---- */

static void read_parallel(struct holder *h)
{
	const struct mr_value *v = mr_graph_get(h->d->config, "branches");
	struct mr_str path = mr_graph_pathz(h->c, h->d->config_path, "branches");

	for (unsigned k = 0; v != NULL && k < v->map->len; k++) {
		const struct mr_member *m = &v->map->members[k];
		struct mr_draft_branch *b = &h->d->branches[h->d->branches_len++];
		struct mr_draft_block block = {
			.role = MR_BLOCK_BRANCH, .place = k, .name = m->key.s
		};

		*b = (struct mr_draft_branch){ .name = m->key.s, .block = -1 };
		b->path = mr_graph_path(h->c, path, m->key.s);
		if (mr_graph_check_name(h->c, &m->key, b->path))
			b->block = hold(h, block, &m->value, b->path, true);
	}
}

static struct mr_str variable(struct holder *h, const char *member, const char *otherwise)
{
	const struct mr_value *v = mr_graph_get(h->d->config, member);
	struct mr_str path = mr_graph_pathz(h->c, h->d->config_path, member);

	if (v != NULL && mr_graph_check_variable(h->c, v, path))
		return v->s;
	return mr_str(otherwise);
}

static void read_loop(struct holder *h)
{
	const struct mr_value *v = mr_graph_get(h->d->config, "steps");
	struct mr_draft_block b = { .role = MR_BLOCK_BODY, .counts = MR_STR("index") };

	if (h->d->type == MR_STEP_FOREACH) {
		b.binds = variable(h, "as", "item");
		b.counts = variable(h, "index", "index");
		if (mr_str_eq(b.binds, b.counts))
			mr_graph_fault(h->c, mr_graph_pathz(h->c, h->d->config_path, "as"),
			    "conflict", "item and index cannot have the same name");
	}
	if (v != NULL)
		h->d->body = hold(h, b, v, mr_graph_pathz(h->c, h->d->config_path, "steps"), true);
}

/* ---- catch, compensate, next ---- */

static void read_catch(struct holder *h, const struct mr_value *raw, struct mr_str path, unsigned k)
{
	struct mr_draft_catch *e = &h->d->catches[h->d->catches_len++];
	struct mr_draft_block b = { .role = MR_BLOCK_CATCH, .place = k };
	const struct mr_value *as = mr_graph_get(raw, "as");
	const struct mr_value *steps = mr_graph_get(raw, "steps");
	const struct mr_value *next = mr_graph_get(raw, "next");

	*e = (struct mr_draft_catch){ .path = path, .binds = MR_STR("error"), .raw = raw };
	e->block = -1;
	if (as != NULL && mr_graph_check_variable(h->c, as, mr_graph_pathz(h->c, path, "as")))
		e->binds = as->s;
	b.binds = e->binds;
	if (steps != NULL)
		e->block = hold(h, b, steps, mr_graph_pathz(h->c, path, "steps"), true);
	if (next == NULL)
		return;
	e->has_next = true;
	/* the bits of catch entries come after those of the branches */
	name_steps(
	    h, UINT64_C(2) << (h->d->branches_len + k), next, mr_graph_pathz(h->c, path, "next"));
}

static void read_catches(struct holder *h, const struct mr_value *v, struct mr_str path)
{
	unsigned k = 0;

	for (size_t i = 0; v != NULL && i < v->list->len; i++) {
		const struct mr_value *entry = &v->list->items[i];

		if (entry->kind == MR_VALUE_MAP)
			read_catch(h, entry, mr_graph_path_at(h->c, path, i), k++);
		else
			mr_graph_fault(h->c, mr_graph_path_at(h->c, path, i), "type",
			    "must be an object with \"steps\", \"next\" or \"value\"");
	}
}

/* Where steps stand that are run once more than the rest, or after it: nothing undoes them. */
static const char *undone_by_nobody(const struct mr_compile *c, unsigned block)
{
	for (;;) {
		const struct mr_draft_block *b = &c->blocks[block];

		if (b->role == MR_BLOCK_COMPENSATE)
			return "compensate";
		if (b->role == MR_BLOCK_ON_FAILURE)
			return "on_failure";
		if (b->role == MR_BLOCK_FINALLY)
			return "finally";
		if (b->holder < 0)
			return NULL;
		block = c->drafts[b->holder].block;
	}
}

static void read_compensate(struct holder *h)
{
	const struct mr_value *v = mr_graph_get(h->d->raw, "compensate");
	struct mr_str path = mr_graph_pathz(h->c, h->d->path, "compensate");
	struct mr_draft_block b = { .role = MR_BLOCK_COMPENSATE };
	const char *where = undone_by_nobody(h->c, h->d->block);

	if (v == NULL)
		return;
	if (where != NULL) {
		mr_graph_fault(h->c, path, "misplaced",
		    "steps inside \"%s\" are never undone; remove it", where);
		return;
	}
	if (v->kind == MR_VALUE_MAP && mr_graph_get(v, "steps") != NULL &&
	    mr_graph_get(v, "type") == NULL && mr_graph_get(v, "action") == NULL) {
		static const struct mr_member_row rows[] = { { "steps", MR_MEMBER_USED } };

		mr_graph_check_members(h->c, v, path, rows, MR_ARRAY_LEN(rows));
		v = mr_graph_get(v, "steps");
		path = mr_graph_pathz(h->c, path, "steps");
	}
	h->d->compensate = hold(h, b, v, path, true);
}

static void read_next(struct holder *h)
{
	struct mr_str path = MR_STR_NONE;
	const struct mr_value *v =
	    mr_graph_member(h->c, h->d->raw, h->d->path, "next", "next_step", &path);

	if (v == NULL || mr_graph_is_empty(v))
		return;
	h->d->has_next = true;
	h->d->exits[h->d->exits_len++] =
	    (struct mr_draft_exit){ .way = MR_WAY_PLAIN, .names = v, .path = path };
}

/* ---- all of it ---- */

/* MEMBER of the step or its config, when it is of that kind; another kind is a fault. */
static const struct mr_value *of_kind(struct holder *h, const struct mr_value *v,
    struct mr_str path, const char *member, enum mr_value_kind kind)
{
	const struct mr_value *m = v != NULL ? mr_graph_get(v, member) : NULL;

	if (m == NULL || m->kind == kind)
		return m;
	mr_graph_fault(h->c, mr_graph_pathz(h->c, path, member), "type",
	    kind == MR_VALUE_LIST ? "must be a list" : "must be an object");
	return NULL;
}

static size_t count_branches(struct holder *h)
{
	const struct mr_value *v;

	if (h->d->type == MR_STEP_CONDITIONAL)
		return 2;
	if (h->d->type == MR_STEP_SWITCH) {
		v = of_kind(h, h->d->config, h->d->config_path, "cases", MR_VALUE_LIST);
		return (v != NULL ? v->list->len : 0) +
		       (h->d->config != NULL && mr_graph_get(h->d->config, "default") != NULL);
	}
	if (h->d->type != MR_STEP_PARALLEL)
		return 0;
	v = of_kind(h, h->d->config, h->d->config_path, "branches", MR_VALUE_MAP);
	return v != NULL ? v->map->len : 0;
}

static void read_branches(struct holder *h)
{
	const struct mr_value *m;

	switch (h->d->type) {
	case MR_STEP_CONDITIONAL:
		read_conditional(h);
		break;
	case MR_STEP_SWITCH:
		m = mr_graph_get(h->d->config, "cases");
		if (m == NULL || m->kind == MR_VALUE_LIST)
			read_switch(h);
		break;
	case MR_STEP_PARALLEL:
		m = mr_graph_get(h->d->config, "branches");
		if (m == NULL || m->kind == MR_VALUE_MAP)
			read_parallel(h);
		break;
	case MR_STEP_FOREACH:
	case MR_STEP_WHILE:
		read_loop(h);
		break;
	default:
		break;
	}
}

int mr_graph_read_held(struct mr_compile *c, unsigned index)
{
	struct holder h = { .c = c, .d = &c->drafts[index], .index = index };
	size_t branches = count_branches(&h);
	const struct mr_value *catches = of_kind(&h, h.d->raw, h.d->path, "catch", MR_VALUE_LIST);
	struct mr_str path = mr_graph_pathz(c, h.d->path, "catch");

	if (branches + (catches != NULL ? catches->list->len : 0) > MR_GRAPH_MAX_WAYS) {
		mr_graph_fault(c, h.d->path, "limit",
		    "a step has at most %d branches or cases and catch entries together",
		    MR_GRAPH_MAX_WAYS);
		branches = 0;
		catches = NULL;
		h.d->type = -1; /* the rest of it would be faults of the same cause */
	}
	if (!make_room(&h, branches, catches != NULL ? catches->list->len : 0))
		return h.r;
	read_next(&h);
	if (h.d->type == MR_STEP_CONDITIONAL || (h.d->type >= 0 && h.d->config != NULL))
		read_branches(&h);
	read_catches(&h, catches, path);
	read_compensate(&h);
	return h.r;
}
