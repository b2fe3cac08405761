/*
 * The order of steps: names in depends_on, in next and wherever else a step may go on to become
 * dependencies, and each edge the mask of the ways that lead along it.
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
		    MR_STR_ARG(mr_graph_shown(name->s, 100)),
		    MR_STR_ARG(mr_graph_step_hint(c, d->block, name->s)));
	}
	*ret = found;
	*ret_len = n;
	return 0;
}

/* What a step names as coming after it, one way or another. */
static int resolve_exits(struct mr_compile *c, struct mr_draft *d)
{
	int r = 0;

	for (size_t i = 0; i < d->exits_len && r == 0; i++) {
		struct mr_draft_exit *e = &d->exits[i];

		r = resolve(c, d, e->names, e->path, &e->steps, &e->len);
	}
	return r;
}

/* Tells each step by whom it is named: rule 2 of the order. */
static int spread_exits(struct mr_compile *c)
{
	for (unsigned i = 0; i < c->drafts_len; i++)
		for (size_t e = 0; e < c->drafts[i].exits_len; e++) {
			const struct mr_draft_exit *exit = &c->drafts[i].exits[e];

			for (size_t k = 0; k < exit->len; k++)
				if (add_dep(c, &c->drafts[exit->steps[k]], i) < 0)
					return MR_E_NOMEM;
		}
	return 0;
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
	/* those listed bear the stamp of resolve() */
	for (size_t i = 0; i < d->deps_len; i++) {
		if (c->seen[d->deps[i]] == c->stamp)
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
	if (d->prev < 0 && (!has_start || d->block != 0))
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
	const struct mr_value *v = mr_graph_get(d->raw, "depends_on");

	if (v != NULL)
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
		if (resolve_exits(c, &c->drafts[i]) < 0)
			return MR_E_NOMEM;
	if (spread_exits(c) < 0)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < c->drafts_len; i++) {
		dedupe(c, &c->drafts[i]);
		if (order_step(c, i, start) < 0)
			return MR_E_NOMEM;
	}
	return 0;
}

/* ---- successors ---- */

/* The ways along each edge out of step I; MASKS is all zero before and after. */
static int label_succs(struct mr_compile *c, unsigned i, struct mr_step *s, uint64_t *masks)
{
	const struct mr_draft *d = &c->drafts[i];
	bool plain = true;
	uint64_t *ways;

	for (size_t e = 0; e < d->exits_len; e++)
		for (size_t k = 0; k < d->exits[e].len; k++) {
			masks[d->exits[e].steps[k]] |= d->exits[e].way;
			plain = plain && d->exits[e].way == MR_WAY_PLAIN;
		}
	ways = plain ? NULL : mr_arena_array(c->arena, s->succs_len + 1, sizeof(*ways));
	if (!plain && ways == NULL)
		return MR_E_NOMEM;
	for (size_t k = 0; k < s->succs_len && !plain; k++)
		ways[k] = masks[s->succs[k]] != 0 ? masks[s->succs[k]] : MR_WAY_PLAIN;
	s->succs_ways = ways;
	for (size_t e = 0; e < d->exits_len; e++)
		for (size_t k = 0; k < d->exits[e].len; k++)
			masks[d->exits[e].steps[k]] = 0;
	return 0;
}

static int label_all(struct mr_compile *c)
{
	uint64_t *masks = mr_arena_array(c->scratch, c->drafts_len, sizeof(*masks));

	if (masks == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < c->drafts_len; i++)
		if (label_succs(c, i, &c->steps[i], masks) < 0)
			return MR_E_NOMEM;
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
	return label_all(c);
}

int mr_graph_order(struct mr_compile *c)
{
	int r = resolve_order(c);

	return r == 0 ? make_edges(c) : r;
}
