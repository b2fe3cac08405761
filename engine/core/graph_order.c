/*
 * The order of steps: names in depends_on, next and the actions of conditionals become
 * dependencies; cycles are named; what is upstream of each step is told.
 */
#include "engine/core/graph_private.h"

#include <string.h>

struct mr_str mr_graph_step_hint(const struct mr_compile *c, unsigned block, struct mr_str name)
{
	const struct mr_draft_block *b = &c->blocks[block];
	struct mr_str nearest = MR_STR_NONE, hint;
	unsigned dist = mr_graph_reach(name);

	for (unsigned i = 0; i < b->len && c->faults->count < MR_GRAPH_HELPFUL; i++) {
		struct mr_str other = c->drafts[b->first + i].short_name;
		unsigned d = mr_str_distance(name, other, dist);

		if (d >= dist)
			continue;
		dist = d;
		nearest = other;
	}
	if (nearest.p == NULL)
		return MR_STR("");
	hint = mr_arena_printf(c->scratch, "; did you mean \"%.*s\"?", MR_STR_ARG(nearest));
	return hint.p != NULL ? hint : MR_STR("");
}

static int add_dep(struct mr_compile *c, struct mr_draft *d, unsigned on)
{
	if (d->deps_len == d->deps_cap) {
		size_t cap = d->deps_cap == 0 ? 4 : d->deps_cap * 2;
		unsigned *deps = mr_arena_array(c->scratch, cap, sizeof(*deps));

		if (deps == NULL)
			return MR_E_NOMEM;
		if (d->deps_len > 0)
			memcpy(deps, d->deps, d->deps_len * sizeof(*deps));
		d->deps = deps;
		d->deps_cap = cap;
	}
	d->deps[d->deps_len++] = on;
	return 0;
}

/* Names of steps of the same block → their indexes, each once. What names nothing is a fault. */
static int resolve(struct mr_compile *c, const struct mr_draft *d, const struct mr_value *v,
    struct mr_str path, unsigned **ret, size_t *ret_len)
{
	bool is_list = v->kind == MR_VALUE_LIST;
	size_t len = is_list ? v->list->len : 1;
	unsigned *found = mr_arena_array(c->scratch, len > 0 ? len : 1, sizeof(*found));
	size_t n = 0;

	if (found == NULL)
		return MR_E_NOMEM;
	c->stamp++;
	for (size_t i = 0; i < len; i++) {
		const struct mr_value *name = is_list ? &v->list->items[i] : v;
		struct mr_str at = is_list ? mr_graph_path_at(c, path, i) : path;
		int index;

		if (name->kind != MR_VALUE_STRING) {
			mr_graph_fault(c, at, "type", "must be the name of a step");
			c->order_broken = true;
			continue;
		}
		index = mr_graph_draft_find(c, d->block, name->s);
		if (index >= 0) {
			if (c->seen[index] != c->stamp)
				found[n++] = (unsigned)index;
			c->seen[index] = c->stamp;
			continue;
		}
		c->order_broken = true;
		mr_graph_fault(c, at, "unknown_reference", "no step here is named \"%.*s\"%.*s",
		    (int)(name->s.len < 100 ? name->s.len : 100), name->s.p,
		    MR_STR_ARG(mr_graph_step_hint(c, d->block, name->s)));
	}
	*ret = found;
	*ret_len = n;
	return 0;
}

/* What a step names as coming after it. */
static int resolve_next(struct mr_compile *c, struct mr_draft *d)
{
	struct mr_str path = MR_STR_NONE;
	const struct mr_value *v = mr_graph_member(c, d->raw, d->path, "next", "next_step", &path);
	int r = 0;

	if (v != NULL && !mr_graph_is_empty(v)) {
		d->has_next = true;
		r = resolve(c, d, v, path, &d->next, &d->next_len);
	}
	for (unsigned i = 0; i < 2 && r == 0; i++)
		if (d->action[i].names != NULL)
			r = resolve(c, d, d->action[i].names, d->action[i].path,
			    &d->action[i].steps, &d->action[i].len);
	return r;
}

/* Tells each step by whom it is named: rule 2 of the order. */
static int spread_next(struct mr_compile *c)
{
	for (unsigned i = 0; i < c->drafts_len; i++) {
		const struct mr_draft *d = &c->drafts[i];

		for (size_t k = 0; k < d->next_len; k++)
			if (add_dep(c, &c->drafts[d->next[k]], i) < 0)
				return MR_E_NOMEM;
		for (unsigned a = 0; a < 2; a++)
			for (size_t k = 0; k < d->action[a].len; k++)
				if (add_dep(c, &c->drafts[d->action[a].steps[k]], i) < 0)
					return MR_E_NOMEM;
	}
	return 0;
}

static bool has(const unsigned *list, size_t len, unsigned x)
{
	for (size_t i = 0; i < len; i++)
		if (list[i] == x)
			return true;
	return false;
}

/* Rule 1: what depends_on lists. It must agree with the steps that name this one in next. */
static int use_depends_on(
    struct mr_compile *c, struct mr_draft *d, const struct mr_value *v, struct mr_str path)
{
	unsigned *listed;
	size_t len;

	if (v->kind != MR_VALUE_LIST && v->kind != MR_VALUE_STRING) {
		mr_graph_fault(c, path, "type", "must be a list of names of steps");
		c->order_broken = true;
		return 0;
	}
	if (resolve(c, d, v, path, &listed, &len) < 0)
		return MR_E_NOMEM;
	for (size_t i = 0; i < d->deps_len; i++) {
		if (has(listed, len, d->deps[i]))
			continue;
		mr_graph_fault(c, path, "conflict",
		    "\"%.*s\" names this step as coming after it; list it here, or leave this out",
		    MR_STR_ARG(c->drafts[d->deps[i]].short_name));
		c->order_broken = true;
	}
	d->deps = listed;
	d->deps_len = d->deps_cap = len;
	return 0;
}

/* Rule 3: the step before it, unless that one goes elsewhere. */
static int use_array_order(struct mr_compile *c, struct mr_draft *d, bool has_start)
{
	if (d->prev < 0 && (!has_start || d->parent >= 0))
		return 0;
	if (d->prev >= 0 && !c->drafts[d->prev].has_next)
		return add_dep(c, d, (unsigned)d->prev);
	mr_graph_fault(c, d->path, "unreachable",
	    "nothing leads here: the step before goes on elsewhere; give depends_on, or name it in "
	    "a next");
	c->order_broken = true;
	return 0;
}

static int order_step(struct mr_compile *c, unsigned i, int start)
{
	struct mr_draft *d = &c->drafts[i];
	const struct mr_value *v = mr_value_get(d->raw, "depends_on");

	if (v != NULL && v->kind != MR_VALUE_NULL)
		return use_depends_on(c, d, v, mr_graph_pathz(c, d->path, "depends_on"));
	if (d->deps_len > 0 || (int)i == start)
		return 0;
	return use_array_order(c, d, start >= 0);
}

/* S1's start_step: the step that the others follow. -1 when none is given. */
static int start_step(struct mr_compile *c)
{
	struct mr_str path;
	const struct mr_value *v = mr_graph_top(c, "start_step", &path);
	int i = -1;

	if (v == NULL)
		return -1;
	if (v->kind == MR_VALUE_STRING)
		i = mr_graph_draft_find(c, 0, v->s);
	if (i < 0) {
		c->order_broken = true;
		mr_graph_fault(c, path, "unknown_reference", "no step has this name");
	}
	return i;
}

/* A step that several members name is one dependency. */
static void dedupe(struct mr_compile *c, struct mr_draft *d)
{
	size_t n = 0;

	c->stamp++;
	for (size_t i = 0; i < d->deps_len; i++) {
		if (c->seen[d->deps[i]] == c->stamp)
			continue;
		c->seen[d->deps[i]] = c->stamp;
		d->deps[n++] = d->deps[i];
	}
	d->deps_len = n;
}

static int resolve_order(struct mr_compile *c)
{
	int start;

	c->seen = mr_arena_array(c->scratch, c->drafts_len, sizeof(*c->seen));
	if (c->seen == NULL)
		return MR_E_NOMEM;
	start = start_step(c);
	for (size_t i = 0; i < c->drafts_len; i++)
		if (resolve_next(c, &c->drafts[i]) < 0)
			return MR_E_NOMEM;
	if (spread_next(c) < 0)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < c->drafts_len; i++) {
		dedupe(c, &c->drafts[i]);
		if (order_step(c, i, start) < 0)
			return MR_E_NOMEM;
	}
	return 0;
}

/* ---- successors ---- */

/* Which outcome of conditional D leads to step TO. */
static unsigned char branch_of(const struct mr_draft *d, unsigned to)
{
	bool on_true = has(d->action[0].steps, d->action[0].len, to);
	bool on_false = has(d->action[1].steps, d->action[1].len, to);

	if (on_true == on_false)
		return 0;
	return on_true ? 1 : 2;
}

static int label_succs(struct mr_compile *c, unsigned i, struct mr_step *s)
{
	const struct mr_draft *d = &c->drafts[i];
	unsigned char *labels;

	if (d->action[0].names == NULL && d->action[1].names == NULL)
		return 0;
	labels = mr_arena_array(c->arena, s->succs_len > 0 ? s->succs_len : 1, 1);
	if (labels == NULL)
		return MR_E_NOMEM;
	for (size_t k = 0; k < s->succs_len; k++)
		labels[k] = branch_of(d, s->succs[k]);
	s->succs_branch = labels;
	return 0;
}

/* Fills deps and succs of the steps, all in two arrays of the graph's arena. */
static int make_edges(struct mr_compile *c)
{
	size_t n = c->drafts_len, edges = 0, at = 0;
	size_t *fill = mr_arena_array(c->scratch, n + 1, sizeof(*fill));
	unsigned *deps, *succs;

	for (size_t i = 0; i < n; i++)
		edges += c->drafts[i].deps_len;
	deps = mr_arena_array(c->arena, edges + 1, sizeof(*deps));
	succs = mr_arena_array(c->arena, edges + 1, sizeof(*succs));
	if (fill == NULL || deps == NULL || succs == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct mr_draft *d = &c->drafts[i];

		c->steps[i].deps = deps + at;
		c->steps[i].deps_len = d->deps_len;
		for (size_t k = 0; k < d->deps_len; k++) {
			deps[at++] = d->deps[k];
			c->steps[d->deps[k]].succs_len++;
		}
	}
	at = 0;
	for (size_t i = 0; i < n; i++) {
		c->steps[i].succs = succs + at;
		fill[i] = at;
		at += c->steps[i].succs_len;
	}
	for (unsigned i = 0; i < n; i++)
		for (size_t k = 0; k < c->drafts[i].deps_len; k++)
			succs[fill[c->drafts[i].deps[k]]++] = i;
	for (unsigned i = 0; i < n; i++)
		if (label_succs(c, i, &c->steps[i]) < 0)
			return MR_E_NOMEM;
	return 0;
}

/* ---- cycles, and what is upstream ---- */

bool mr_graph_is_upstream(const struct mr_draft *d, unsigned step)
{
	return d->upstream != NULL && (d->upstream[step / 64] >> (step % 64) & 1) != 0;
}

static void add_upstream(struct mr_compile *c, struct mr_draft *d)
{
	for (size_t k = 0; k < d->deps_len; k++) {
		const struct mr_draft *on = &c->drafts[d->deps[k]];

		for (size_t w = 0; w < c->words; w++)
			d->upstream[w] |= on->upstream[w];
		d->upstream[d->deps[k] / 64] |= 1ULL << (d->deps[k] % 64);
	}
	if (d->parent >= 0)
		for (size_t w = 0; w < c->words; w++)
			d->upstream[w] |= c->drafts[d->parent].upstream[w];
}

/* One that step I waits for and that never came: a dependency, else the conditional around it. */
static unsigned blocker(const struct mr_compile *c, unsigned i, const unsigned *left)
{
	const struct mr_draft *d = &c->drafts[i];

	for (size_t k = 0; k < d->deps_len; k++)
		if (left[d->deps[k]] > 0)
			return d->deps[k];
	return (unsigned)d->parent;
}

/* FIRST is in the cycle, and has the lowest index of it. */
static void cycle_fault(struct mr_compile *c, unsigned first, const unsigned *left)
{
	struct mr_str text = mr_arena_str(c->scratch, c->drafts[first].short_name);
	unsigned at = blocker(c, first, left);
	const struct mr_draft *d = &c->drafts[first];

	for (unsigned n = 0; at != first && n < 20; n++) {
		text = mr_arena_printf(c->scratch, "%.*s → %.*s",
		    MR_STR_ARG(c->drafts[at].short_name), MR_STR_ARG(text));
		at = blocker(c, at, left);
	}
	mr_graph_fault(c, d->path, "cycle", "these steps wait for each other: %.*s%s → %.*s",
	    MR_STR_ARG(d->short_name), at != first ? " → …" : "", MR_STR_ARG(text));
	c->order_broken = true;
}

/* From every step that is left, back along what it waits for, until a step comes up again. */
static int name_cycles(struct mr_compile *c, const unsigned *left)
{
	unsigned *walk = mr_arena_array(c->scratch, c->drafts_len, sizeof(*walk));

	if (walk == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < c->drafts_len; i++) {
		unsigned at = i, lowest;

		if (left[i] == 0)
			continue;
		while (walk[at] == 0) {
			walk[at] = i + 1;
			at = blocker(c, at, left);
		}
		if (walk[at] != i + 1)
			continue;
		lowest = at;
		for (unsigned k = blocker(c, at, left); k != at; k = blocker(c, k, left))
			lowest = k < lowest ? k : lowest;
		cycle_fault(c, lowest, left);
	}
	return 0;
}

/* One step is done: those that waited for nothing else come next. Inner steps come after the
 * conditional that holds them. */
static size_t release(struct mr_compile *c, unsigned i, unsigned *left, unsigned *queue, size_t len)
{
	const struct mr_step *s = &c->steps[i];

	for (size_t k = 0; k < s->succs_len; k++)
		if (--left[s->succs[k]] == 0)
			queue[len++] = s->succs[k];
	for (unsigned a = 0; a < 2; a++) {
		const struct mr_draft_action *action = &c->drafts[i].action[a];
		const struct mr_draft_block *block = &c->blocks[action->block];

		for (unsigned k = 0; action->is_inline && k < block->len; k++)
			if (--left[block->first + k] == 0)
				queue[len++] = block->first + k;
	}
	return len;
}

static int find_upstream(struct mr_compile *c)
{
	size_t n = c->drafts_len, done = 0, len = 0;
	unsigned *left = mr_arena_array(c->scratch, n, sizeof(*left));
	unsigned *queue = mr_arena_array(c->scratch, n, sizeof(*queue));
	uint64_t *sets;

	c->words = (n + 63) / 64;
	sets = mr_arena_array(c->scratch, n * c->words, sizeof(*sets));
	if (left == NULL || queue == NULL || sets == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < n; i++) {
		c->drafts[i].upstream = sets + i * c->words;
		left[i] = (unsigned)c->drafts[i].deps_len + (c->drafts[i].parent >= 0);
		if (left[i] == 0)
			queue[len++] = i;
	}
	while (done < len) {
		unsigned i = queue[done++];

		add_upstream(c, &c->drafts[i]);
		len = release(c, i, left, queue, len);
	}
	return len < n ? name_cycles(c, left) : 0;
}

int mr_graph_order(struct mr_compile *c)
{
	int r = resolve_order(c);

	if (r == 0)
		r = make_edges(c);
	return r == 0 ? find_upstream(c) : r;
}
