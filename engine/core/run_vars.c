/* The variables of a run: written again and again, in little room. */
#include "engine/core/run_private.h"

#include <string.h>

#define VARS_ROOM 65536u /* bytes of values that were overwritten */

static void put_var(struct mr_map *m, const struct mr_member *member)
{
	for (size_t i = 0; i < m->len; i++) {
		if (!mr_value_eq(&m->members[i].key, &member->key))
			continue;
		m->members[i].value = member->value;
		return;
	}
	m->members[m->len++] = *member;
}

/* The present variables with MORE over them, all in arena A when COMPACT says so. */
static int merged(struct mr_run *run, const struct mr_value *more, struct mr_arena *a, bool compact,
    struct mr_value *ret)
{
	const struct mr_map *old = run->vars.kind == MR_VALUE_MAP ? run->vars.map : NULL;
	size_t len = old != NULL ? old->len : 0;
	struct mr_map *m = mr_map_create(a, len + more->map->len);

	if (m == NULL)
		return MR_E_NOMEM;
	if (len > 0)
		memcpy(m->members, old->members, len * sizeof(m->members[0]));
	m->len = len;
	for (size_t i = 0; i < more->map->len; i++)
		put_var(m, &more->map->members[i]);
	/* what was there before lies in A already */
	for (size_t i = compact ? 0 : len; i < m->len; i++) {
		struct mr_member from = m->members[i];

		if (mr_value_copy(a, &from.key, &m->members[i].key) < 0)
			return MR_E_NOMEM;
	}
	for (size_t i = 0; i < m->len; i++) {
		struct mr_value from = m->members[i].value;
		bool is_new =
		    compact || i >= len || mr_value_gets(more, m->members[i].key.s) != NULL;

		if (is_new && mr_value_copy(a, &from, &m->members[i].value) < 0)
			return MR_E_NOMEM;
	}
	*ret = mr_value_map(m);
	return mr_map_seal(a, m);
}

/* Values that were overwritten stay in the arena until they take more room than what counts: then
 * all of it moves to another. Facts and effects don't point there: see mr_attempt_render(). */
int mr_run_merge_vars(struct mr_run *run, const struct mr_value *more)
{
	struct mr_pooled *old = run->vars_pooled, *to = old;
	bool compact = old == NULL || mr_arena_used(old->arena) > 2 * run->vars_size + VARS_ROOM;
	struct mr_value vars;

	if (more->kind != MR_VALUE_MAP)
		return 0;
	if (compact)
		to = mr_pool_get(run);
	if (to == NULL || merged(run, more, to->arena, compact, &vars) < 0)
		return MR_E_NOMEM;
	run->vars = vars;
	run->vars_pooled = to;
	if (!compact)
		return 0;
	run->vars_size = mr_arena_used(to->arena);
	if (old != NULL) {
		old->next = run->dead;
		run->dead = old;
	}
	return 0;
}
