/*
 * Variables of a run: which there are, by "vars" and by steps of type set; and whether one of them
 * could be written by two at the same time: by branches of a parallel, by cases of a switch that
 * takes all that match, by items of a foreach, or by steps of one list that don't wait for each
 * other. What a condition decides is not seen: a step with a "when", or on a path that a case, an
 * action or a catch entry names, may be the alternative to the other.
 */
#include "engine/core/graph_private.h"

#include <stdlib.h>
#include <string.h>

/* A set step writes VAR inside of branch BRANCH of step HOLDER. */
struct writer {
	unsigned holder, branch;
	struct mr_str var;
	const struct mr_draft *d;
};

/* More conflicts than this are not named: each has two paths. */
#define MOST_NAMED 1000

struct writers {
	struct mr_compile *c;
	struct writer *list; /* NULL while they are counted */
	size_t len;
};

/* ---- which there are ---- */

static size_t slot_of(const struct mr_compile *c, struct mr_str name)
{
	size_t i = mr_graph_hash(name, 0) & (c->vars_len - 1);

	while (c->vars[i].p != NULL && !mr_str_eq(c->vars[i], name))
		i = (i + 1) & (c->vars_len - 1);
	return i;
}

bool mr_graph_vars_known(const struct mr_compile *c, struct mr_str name)
{
	return c->vars_len > 0 && c->vars[slot_of(c, name)].p != NULL;
}

static void define(struct mr_compile *c, const struct mr_value *map)
{
	for (size_t i = 0; i < map->map->len; i++) {
		struct mr_str name = map->map->members[i].key.s;

		if (name.len > 0)
			c->vars[slot_of(c, name)] = name;
	}
}

static bool is_set(const struct mr_draft *d)
{
	return d->type == MR_STEP_SET && d->config != NULL;
}

static int collect(struct mr_compile *c)
{
	struct mr_str path;
	const struct mr_value *vars = mr_graph_top(c, "vars", &path);
	size_t n = 1;

	if (vars != NULL && vars->kind != MR_VALUE_MAP)
		vars = NULL;
	n += vars != NULL ? vars->map->len : 0;
	for (size_t i = 0; i < c->drafts_len; i++)
		n += is_set(&c->drafts[i]) ? c->drafts[i].config->map->len : 0;
	c->vars_len = 4;
	while (c->vars_len < n * 2)
		c->vars_len *= 2;
	c->vars = mr_arena_array(c->scratch, c->vars_len, sizeof(*c->vars));
	if (c->vars == NULL)
		return MR_E_NOMEM;
	if (vars != NULL)
		define(c, vars);
	for (size_t i = 0; i < c->drafts_len; i++)
		if (is_set(&c->drafts[i]))
			define(c, c->drafts[i].config);
	return 0;
}

/* ---- who writes at the same time ---- */

static bool is_concurrent(const struct mr_compile *c, unsigned step)
{
	return c->steps[step].type == MR_STEP_FOREACH && c->steps[step].concurrency > 1;
}

static void each_var(struct writers *w, const struct mr_draft *d, unsigned holder, unsigned branch)
{
	size_t n = d->config->map->len;

	for (size_t i = 0; i < n && w->list != NULL; i++) {
		w->list[w->len + i] =
		    (struct writer){ holder, branch, d->config->map->members[i].key.s, d };
	}
	w->len += n;
}

/* Every member of one set step is written by all items at once. */
static void refuse_all(struct mr_compile *c, const struct mr_draft *d, unsigned holder)
{
	for (size_t i = 0; i < d->config->map->len && c->faults->count < MOST_NAMED; i++) {
		struct mr_str name = d->config->map->members[i].key.s;

		mr_graph_fault(c, mr_graph_path(c, d->config_path, name), "variable_conflict",
		    "items of \"%.*s\" run at the same time and would all set this; give it "
		    "concurrency 1, or set it after the loop",
		    MR_STR_ARG(mr_graph_shown(c->drafts[holder].short_name, 100)));
	}
}

/* Other branches of the step that holds B may run beside it. */
static bool has_branches_beside(const struct mr_compile *c, const struct mr_draft_block *b)
{
	const struct mr_draft *holder = &c->drafts[b->holder];

	if (b->role != MR_BLOCK_BRANCH)
		return false;
	if (holder->type == MR_STEP_PARALLEL)
		return true;
	return holder->type == MR_STEP_SWITCH && c->steps[b->holder].match_all &&
	       b->place < holder->branches_len && !holder->branches[b->place].is_default;
}

/* From a set step outwards to the step that is no longer inside of anything. */
static void climb(struct writers *w, const struct mr_draft *d)
{
	const struct mr_draft_block *b = &w->c->blocks[d->block];

	while (b->holder >= 0 && b->role != MR_BLOCK_COMPENSATE) {
		unsigned holder = (unsigned)b->holder;

		if (has_branches_beside(w->c, b)) {
			each_var(w, d, holder, b->place);
		} else if (b->role == MR_BLOCK_BODY && is_concurrent(w->c, holder)) {
			if (w->list != NULL)
				refuse_all(w->c, d, holder);
			return;
		}
		b = &w->c->blocks[w->c->drafts[holder].block];
	}
}

static void climb_all(struct writers *w)
{
	w->len = 0;
	for (size_t i = 0; i < w->c->drafts_len; i++)
		if (is_set(&w->c->drafts[i]))
			climb(w, &w->c->drafts[i]);
}

static int compare(const void *left, const void *right)
{
	const struct writer *a = left, *b = right;
	int order;

	if (a->holder != b->holder)
		return a->holder < b->holder ? -1 : 1;
	order = mr_str_cmp(a->var, b->var);
	if (order != 0 || a->branch == b->branch)
		return order;
	return a->branch < b->branch ? -1 : 1;
}

/* Two cases that compare with different values don't match both. */
static bool exclude_each_other(
    const struct mr_compile *c, const struct writer *a, const struct writer *b)
{
	const struct mr_draft *holder = &c->drafts[a->holder];
	const struct mr_value *one, *other;

	if (holder->type != MR_STEP_SWITCH)
		return false;
	one = mr_value_get(holder->branches[a->branch].raw, "equals");
	other = mr_value_get(holder->branches[b->branch].raw, "equals");
	return one != NULL && other != NULL && !mr_graph_is_dynamic(one) &&
	       !mr_graph_is_dynamic(other) && !mr_value_eq(one, other);
}

static void name_conflicts(struct writers *w)
{
	for (size_t i = 1; i < w->len && w->c->faults->count < MOST_NAMED; i++) {
		const struct writer *a = &w->list[i - 1], *b = &w->list[i];

		if (a->holder != b->holder || a->branch == b->branch ||
		    !mr_str_eq(a->var, b->var) || exclude_each_other(w->c, a, b))
			continue;
		mr_graph_fault(w->c, mr_graph_path(w->c, b->d->config_path, b->var),
		    "variable_conflict",
		    "another branch of \"%.*s\" sets this at the same time: %.*s",
		    MR_STR_ARG(mr_graph_shown(w->c->drafts[b->holder].short_name, 100)),
		    MR_STR_ARG(mr_graph_path(w->c, a->d->config_path, a->var)));
	}
}

/* ---- steps of one list that don't wait for each other ---- */

/* STEP of some block is a set step that writes VAR, or has one inside: D. */
struct beside {
	unsigned step, before; /* how many steps are upstream of it */
	struct mr_str var;
	const struct mr_draft *d;
};

struct besides {
	struct mr_compile *c;
	bool *is_named; /* by step: a case, an action or a catch entry leads there */
	struct beside *list;
	size_t len, cap;
};

static void find_named(struct besides *x)
{
	const struct mr_compile *c = x->c;

	for (size_t i = 0; i < c->drafts_len; i++) {
		const struct mr_step *s = &c->steps[i];

		for (size_t k = 0; s->succs_ways != NULL && k < s->succs_len; k++)
			if ((s->succs_ways[k] & MR_WAY_PLAIN) == 0)
				x->is_named[s->succs[k]] = true;
	}
}

/* It runs whenever its block does, as far as can be seen. */
static bool is_sure(const struct besides *x, unsigned step)
{
	const struct mr_draft *d = &x->c->drafts[step];
	const struct mr_draft_block *b = &x->c->blocks[d->block];

	if (x->c->steps[step].when != NULL || x->c->steps[step].disabled || x->is_named[step])
		return false;
	for (unsigned i = b->first; i < b->first + b->len; i++)
		if (x->is_named[i] && mr_graph_is_upstream(d, i))
			return false;
	return true;
}

static unsigned count_upstream(const struct mr_compile *c, const struct mr_draft *d)
{
	unsigned n = 0;

	for (size_t i = 0; i < c->words; i++)
		n += (unsigned)__builtin_popcountll(d->upstream[i]);
	return n;
}

static int add_beside(struct besides *x, unsigned step, const struct mr_draft *d)
{
	unsigned before = count_upstream(x->c, &x->c->drafts[step]);

	for (size_t i = 0; i < d->config->map->len; i++) {
		if (x->len == x->cap) {
			size_t cap = x->cap == 0 ? 64 : x->cap * 2;
			struct beside *more = mr_arena_array(x->c->scratch, cap, sizeof(*more));

			if (more == NULL)
				return MR_E_NOMEM;
			if (x->len > 0)
				memcpy(more, x->list, x->len * sizeof(*more));
			x->list = more;
			x->cap = cap;
		}
		x->list[x->len++] =
		    (struct beside){ step, before, d->config->map->members[i].key.s, d };
	}
	return 0;
}

/* For a set step and all steps around it, up to the one that an undoing belongs to. */
static int climb_beside(struct besides *x, unsigned set)
{
	const struct mr_compile *c = x->c;
	int at = (int)set, r = 0;

	while (at >= 0 && r == 0 && is_sure(x, (unsigned)at)) {
		const struct mr_draft_block *b = &c->blocks[c->drafts[at].block];

		r = add_beside(x, (unsigned)at, &c->drafts[set]);
		at = b->role != MR_BLOCK_COMPENSATE ? b->holder : -1;
	}
	return r;
}

/* By block and variable; then no step comes before one that it waits for. */
static int compare_beside(const void *left, const void *right, void *ctx)
{
	const struct beside *a = left, *b = right;
	const struct mr_compile *c = ctx;
	unsigned block = c->drafts[a->step].block, other = c->drafts[b->step].block;
	int order;

	if (block != other)
		return block < other ? -1 : 1;
	order = mr_str_cmp(a->var, b->var);
	if (order != 0)
		return order;
	if (a->before != b->before)
		return a->before < b->before ? -1 : 1;
	return a->step < b->step ? -1 : a->step > b->step;
}

/* Of those in a row each must wait for the one before; so if any two don't, these are found. */
static void name_besides(const struct besides *x)
{
	struct mr_compile *c = x->c;

	for (size_t i = 1; i < x->len && c->faults->count < MOST_NAMED; i++) {
		const struct beside *a = &x->list[i - 1], *b = &x->list[i];

		if (a->step == b->step || !mr_str_eq(a->var, b->var) ||
		    c->drafts[a->step].block != c->drafts[b->step].block ||
		    mr_graph_is_upstream(&c->drafts[b->step], a->step))
			continue;
		mr_graph_fault(c, mr_graph_path(c, b->d->config_path, b->var), "variable_conflict",
		    "another step sets this at the same time: %.*s; let one of \"%.*s\" and "
		    "\"%.*s\" depend on the other",
		    MR_STR_ARG(mr_graph_path(c, a->d->config_path, a->var)),
		    MR_STR_ARG(mr_graph_shown(c->drafts[a->step].short_name, 60)),
		    MR_STR_ARG(mr_graph_shown(c->drafts[b->step].short_name, 60)));
	}
}

static int find_besides(struct mr_compile *c)
{
	struct besides x = { .c = c };
	int r = 0;

	if (c->order_broken)
		return 0;
	x.is_named = mr_arena_array(c->scratch, c->drafts_len + 1, sizeof(*x.is_named));
	if (x.is_named == NULL)
		return MR_E_NOMEM;
	find_named(&x);
	for (unsigned i = 0; i < c->drafts_len && r == 0; i++)
		if (is_set(&c->drafts[i]))
			r = climb_beside(&x, i);
	if (r < 0)
		return r;
	if (x.len > 0)
		qsort_r(x.list, x.len, sizeof(*x.list), compare_beside, c);
	name_besides(&x);
	return 0;
}

int mr_graph_vars(struct mr_compile *c)
{
	struct writers w = { .c = c };

	if (collect(c) < 0)
		return MR_E_NOMEM;
	climb_all(&w);
	w.list = mr_arena_array(c->scratch, w.len + 1, sizeof(*w.list));
	if (w.list == NULL)
		return MR_E_NOMEM;
	climb_all(&w);
	qsort(w.list, w.len, sizeof(*w.list), compare);
	name_conflicts(&w);
	return find_besides(c);
}
