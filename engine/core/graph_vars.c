/*
 * Variables of a run: which there are, by "vars" and by steps of type set; and whether two of them
 * could be written at the same time, by branches of a parallel or by items of a foreach.
 */
#include "engine/core/graph_private.h"

#include <stdlib.h>

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

/* From a set step outwards to the step that is no longer inside of anything. */
static void climb(struct writers *w, const struct mr_draft *d)
{
	const struct mr_draft_block *b = &w->c->blocks[d->block];

	while (b->holder >= 0 && b->role != MR_BLOCK_COMPENSATE) {
		unsigned holder = (unsigned)b->holder;

		if (b->role == MR_BLOCK_BRANCH && w->c->drafts[holder].type == MR_STEP_PARALLEL) {
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

static void name_conflicts(struct writers *w)
{
	for (size_t i = 1; i < w->len && w->c->faults->count < MOST_NAMED; i++) {
		const struct writer *a = &w->list[i - 1], *b = &w->list[i];

		if (a->holder != b->holder || a->branch == b->branch || !mr_str_eq(a->var, b->var))
			continue;
		mr_graph_fault(w->c, mr_graph_path(w->c, b->d->config_path, b->var),
		    "variable_conflict",
		    "another branch of \"%.*s\" sets this at the same time: %.*s",
		    MR_STR_ARG(mr_graph_shown(w->c->drafts[b->holder].short_name, 100)),
		    MR_STR_ARG(mr_graph_path(w->c, a->d->config_path, a->var)));
	}
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
	return 0;
}
