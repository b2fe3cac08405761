/*
 * What an effect under way began with, kept by the fold for whoever carries it out again: the same
 * key and the same values go out, whatever has changed since. It goes as soon as the effect ends.
 */
#include "engine/core/run_private.h"

static bool has_secret(const struct mr_step *s)
{
	for (size_t i = 0; i < s->config_len; i++)
		if (s->config[i].secret)
			return true;
	return false;
}

/* The record doesn't show secrets, nor what comes between two jq programs. */
static bool needs_vars(const struct mr_step *s, bool has_key)
{
	return s->refs.vars &&
	       (has_secret(s) || s->transform != NULL || (s->idempotency_key != NULL && !has_key));
}

static int fill(struct mr_begun *b, const struct mr_value *input, const struct mr_value *vars)
{
	struct mr_arena *a = b->pooled->arena;
	struct mr_fields none = { .len = 0 };

	b->input = b->vars = MR_NULL_VALUE;
	if (input != NULL && mr_value_copy(a, input, &b->input) < 0)
		return MR_E_NOMEM;
	if (vars == NULL)
		return 0;
	return vars->kind == MR_VALUE_MAP ? mr_value_copy(a, vars, &b->vars)
	                                  : mr_fields_map(a, &none, &b->vars);
}

int mr_begun_keep(struct mr_run *run, struct mr_step_state *st, const struct mr_value *data)
{
	const struct mr_step *s = mr_step_of(run, st);
	const struct mr_value *input = mr_value_get_kind(data, "input", MR_VALUE_MAP);
	const struct mr_value *vars = mr_value_get_kind(data, "vars", MR_VALUE_MAP);
	struct mr_pooled *pooled;

	if (s->config_constant.kind == MR_VALUE_MAP)
		input = NULL;
	if (!needs_vars(s, st->key.p != NULL))
		vars = NULL;
	else if (vars == NULL)
		vars = &run->vars;
	if (input == NULL && vars == NULL)
		return 0;
	pooled = mr_pool_get(run);
	if (pooled == NULL)
		return MR_E_NOMEM;
	st->begun = mr_arena_zalloc(pooled->arena, sizeof(*st->begun));
	if (st->begun == NULL)
		return MR_E_NOMEM;
	st->begun->pooled = pooled;
	return fill(st->begun, input, vars);
}

void mr_begun_drop(struct mr_run *run, struct mr_step_state *st)
{
	struct mr_pooled *pooled = st->begun != NULL ? st->begun->pooled : NULL;

	st->begun = NULL;
	if (pooled == NULL)
		return;
	pooled->next = run->dead;
	run->dead = pooled;
}

int mr_begun_write(const struct mr_begun *b, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };

	if (b->input.kind != MR_VALUE_NULL)
		mr_fields_put(&f, "input", b->input);
	if (b->vars.kind != MR_VALUE_NULL)
		mr_fields_put(&f, "vars", b->vars);
	return mr_fields_map(a, &f, ret);
}
