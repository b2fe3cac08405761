/* Configs in their normal form: inner steps are normal too, and loops and cases say all. */
#include "engine/core/graph_normalize.h"

/* Members in the client's order; inner steps are replaced. What names other steps stays. */
static int conditional_config(
    struct mr_normal *n, const struct mr_step *s, const struct mr_draft *d, struct mr_value *ret)
{
	static const char *const members[] = { "true_action", "false_action" };
	size_t len = d->config != NULL ? d->config->map->len : 0;
	struct mr_map *m = mr_map_create(n->arena, len);

	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len; i++) {
		m->members[i] = d->config->map->members[i];
		for (size_t k = 0; k < 2; k++)
			if (s->branches[k].block >= 0 &&
			    mr_str_eqz(m->members[i].key.s, members[k]) &&
			    mr_normal_block(n, s->branches[k].block, &m->members[i].value) < 0)
				return MR_E_NOMEM;
	}
	*ret = mr_value_map(m);
	return mr_map_seal(n->arena, m);
}

static int case_value(struct mr_normal *n, const struct mr_branch *b,
    const struct mr_draft_branch *d, struct mr_value *ret)
{
	struct mr_normal_map m = { .len = 0 };
	const struct mr_value *equals = mr_value_get(d->raw, "equals");
	struct mr_value steps;

	if (!b->is_default)
		mr_normal_put(&m, "name", mr_value_str(b->name));
	mr_normal_written(&m, d->raw, "when", NULL);
	if (equals != NULL)
		mr_normal_put(&m, "equals", *equals);
	if (b->block >= 0) {
		if (mr_normal_block(n, b->block, &steps) < 0)
			return MR_E_NOMEM;
		mr_normal_put(&m, "steps", steps);
	}
	mr_normal_written(&m, d->raw, "next", NULL);
	mr_normal_written(&m, d->raw, "description", NULL);
	return mr_normal_finish(n, &m, ret);
}

static int switch_config(
    struct mr_normal *n, const struct mr_step *s, const struct mr_draft *d, struct mr_value *ret)
{
	struct mr_normal_map m = { .len = 0 };
	const struct mr_value *value = mr_value_get(d->config, "value");
	size_t len = s->branches_len - s->branches[s->branches_len - 1].is_default;
	struct mr_list *cases = mr_list_create(n->arena, len);
	struct mr_value other;

	if (cases == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len; i++)
		if (case_value(n, &s->branches[i], &d->branches[i], &cases->items[i]) < 0)
			return MR_E_NOMEM;
	if (value != NULL)
		mr_normal_put(&m, "value", *value);
	mr_normal_put(&m, "cases", mr_value_list(cases));
	if (len < s->branches_len) {
		if (case_value(n, &s->branches[len], &d->branches[len], &other) < 0)
			return MR_E_NOMEM;
		mr_normal_put(&m, "default", other);
	}
	mr_normal_put(&m, "match", mr_value_strz(s->match_all ? "all" : "first"));
	return mr_normal_finish(n, &m, ret);
}

static int parallel_config(struct mr_normal *n, const struct mr_step *s, struct mr_value *ret)
{
	struct mr_normal_map m = { .len = 0 };
	struct mr_map *branches = mr_map_create(n->arena, s->branches_len);
	struct mr_value join;

	if (branches == NULL || mr_normal_join(n, &s->branch_join, &join) < 0)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s->branches_len; i++) {
		branches->members[i].key = mr_value_str(s->branches[i].name);
		if (mr_normal_block(n, s->branches[i].block, &branches->members[i].value) < 0)
			return MR_E_NOMEM;
	}
	if (mr_map_seal(n->arena, branches) < 0)
		return MR_E_NOMEM;
	mr_normal_put(&m, "branches", mr_value_map(branches));
	mr_normal_put(
	    &m, "on_branch_failure", mr_value_strz(s->wait_all ? "wait_all" : "fail_fast"));
	mr_normal_put(&m, "join", join);
	if (s->branch_join.cancel_rest)
		mr_normal_put(&m, "cancel_rest", mr_value_bool(true));
	return mr_normal_finish(n, &m, ret);
}

static int put_tolerate(struct mr_normal *n, const struct mr_step *s, struct mr_normal_map *m)
{
	struct mr_normal_map tolerate = { .len = 0 };
	struct mr_value v;

	if (s->tolerate_count >= 0)
		mr_normal_put(&tolerate, "count", mr_value_int(s->tolerate_count));
	else
		mr_normal_put(&tolerate, "percent", mr_value_double(s->tolerate_percent));
	if (mr_normal_finish(n, &tolerate, &v) < 0)
		return MR_E_NOMEM;
	mr_normal_put(m, "tolerate", v);
	return 0;
}

static int foreach_config(
    struct mr_normal *n, const struct mr_step *s, const struct mr_draft *d, struct mr_value *ret)
{
	struct mr_normal_map m = { .len = 0 };
	const struct mr_block *body = &n->g->blocks[s->body];
	struct mr_value steps;

	if (mr_normal_block(n, s->body, &steps) < 0)
		return MR_E_NOMEM;
	mr_normal_written(&m, d->config, "items", NULL);
	mr_normal_put(&m, "as", mr_value_str(body->binds));
	mr_normal_put(&m, "index", mr_value_str(body->counts));
	mr_normal_put(&m, "steps", steps);
	mr_normal_put(&m, "concurrency", mr_value_int(s->concurrency));
	if (put_tolerate(n, s, &m) < 0)
		return MR_E_NOMEM;
	return mr_normal_finish(n, &m, ret);
}

static int while_config(
    struct mr_normal *n, const struct mr_step *s, const struct mr_draft *d, struct mr_value *ret)
{
	struct mr_normal_map m = { .len = 0 };
	struct mr_value steps;

	if (mr_normal_block(n, s->body, &steps) < 0)
		return MR_E_NOMEM;
	mr_normal_written(&m, d->config, "condition", NULL);
	mr_normal_put(&m, "check", mr_value_strz(s->check_after ? "after" : "before"));
	mr_normal_put(&m, "max_iterations", mr_value_int(s->max_iterations));
	mr_normal_put(&m, "steps", steps);
	mr_normal_put(&m, "delay", mr_graph_seconds(s->round_delay_us));
	return mr_normal_finish(n, &m, ret);
}

static int subworkflow_config(struct mr_normal *n, const struct mr_draft *d, struct mr_value *ret)
{
	static const struct mr_map no_members;
	const struct mr_value *input = mr_graph_get(d->config, "input");
	struct mr_normal_map m = { .len = 0 };

	mr_normal_written(&m, d->config, "workflow", NULL);
	mr_normal_written(&m, d->config, "version", NULL);
	mr_normal_put(&m, "input", input != NULL ? *input : mr_value_map(&no_members));
	mr_normal_written(&m, d->config, "wait", NULL);
	if (mr_graph_get(d->config, "wait") == NULL)
		mr_normal_put(&m, "wait", mr_value_bool(true));
	mr_normal_written(&m, d->config, "cancel", NULL);
	if (mr_graph_get(d->config, "cancel") == NULL)
		mr_normal_put(&m, "cancel", mr_value_strz("cascade"));
	return mr_normal_finish(n, &m, ret);
}

int mr_normal_config(
    struct mr_normal *n, const struct mr_step *s, const struct mr_draft *d, struct mr_value *ret)
{
	static const struct mr_map no_members;

	switch (s->type) {
	case MR_STEP_CONDITIONAL:
		return conditional_config(n, s, d, ret);
	case MR_STEP_SWITCH:
		return switch_config(n, s, d, ret);
	case MR_STEP_PARALLEL:
		return parallel_config(n, s, ret);
	case MR_STEP_FOREACH:
		return foreach_config(n, s, d, ret);
	case MR_STEP_WHILE:
		return while_config(n, s, d, ret);
	case MR_STEP_SUBWORKFLOW:
		return subworkflow_config(n, d, ret);
	case MR_STEP_AGENT: /* made by reading, which is over before the normal form is used */
		return mr_value_copy(n->arena, d->config, ret);
	default:
		*ret = d->config != NULL ? *d->config : mr_value_map(&no_members);
		return 0;
	}
}
