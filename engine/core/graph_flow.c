/*
 * What the config of switch, parallel, foreach, while and conditional says about the blocks that
 * the step holds. The blocks themselves were read before.
 */
#include "engine/core/graph_private.h"

static const struct mr_member_row case_rows[] = {
	{ "name", MR_MEMBER_USED },
	{ "when", MR_MEMBER_USED },
	{ "equals", MR_MEMBER_USED },
	{ "steps", MR_MEMBER_USED },
	{ "next", MR_MEMBER_USED },
	{ "description", MR_MEMBER_ACCEPTED },
};

static const struct mr_member_row default_rows[] = {
	{ "steps", MR_MEMBER_USED },
	{ "next", MR_MEMBER_USED },
	{ "description", MR_MEMBER_ACCEPTED },
};

static const struct mr_member_row tolerate_rows[] = {
	{ "count", MR_MEMBER_USED },
	{ "percent", MR_MEMBER_USED },
};

/* ---- branches ---- */

int mr_graph_flow_branches(struct mr_compile *c, struct mr_draft *d, struct mr_step *s)
{
	struct mr_branch *branches =
	    mr_arena_array(c->arena, d->branches_len + 1, sizeof(*branches));

	if (branches == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < d->branches_len; i++) {
		branches[i].name = d->branches[i].name;
		branches[i].is_default = d->branches[i].is_default;
		branches[i].block = d->branches[i].block;
	}
	s->branches = d->made = branches;
	s->branches_len = d->branches_len;
	return 0;
}

/* ---- switch ---- */

static int compile_case(
    struct mr_compile *c, const struct mr_draft_branch *b, struct mr_branch *ret, bool has_value)
{
	const struct mr_value *when = mr_graph_get(b->raw, "when");
	const struct mr_value *equals = mr_value_get(b->raw, "equals"); /* null is a value, too */
	struct mr_str path = mr_graph_pathz(c, b->path, "equals");

	if (b->is_default) {
		mr_graph_check_members(
		    c, b->raw, b->path, default_rows, MR_ARRAY_LEN(default_rows));
		return 0;
	}
	mr_graph_check_members(c, b->raw, b->path, case_rows, MR_ARRAY_LEN(case_rows));
	if (when == NULL && equals == NULL)
		mr_graph_fault(c, b->path, "required",
		    "a case needs \"when\", a condition, or \"equals\", what the value is compared "
		    "with");
	else if (when != NULL && equals != NULL)
		mr_graph_fault(c, path, "conflict", "\"when\" is given already; keep one of them");
	else if (equals != NULL && !has_value)
		mr_graph_fault(c, path, "conflict",
		    "the switch has no \"value\" to compare with; give one, or use \"when\"");
	if (when != NULL)
		return mr_graph_condition(c, when, mr_graph_pathz(c, b->path, "when"), &ret->when);
	return equals != NULL ? mr_graph_template(c, equals, path, &ret->equals) : 0;
}

int mr_graph_flow_switch(
    struct mr_compile *c, struct mr_draft *d, const struct mr_value *config, struct mr_step *s)
{
	static const char *const matches[] = { "first", "all", NULL };
	const struct mr_value *value = mr_value_get(config, "value");
	const struct mr_value *cases = mr_graph_get(config, "cases");
	const struct mr_value *match = mr_graph_get(config, "match");
	int r = 0;

	if (match != NULL)
		s->match_all = mr_graph_check_word(c, match,
		                   mr_graph_pathz(c, d->config_path, "match"), matches) == 1;
	if (cases != NULL && cases->kind == MR_VALUE_LIST && cases->list->len == 0)
		mr_graph_fault(c, mr_graph_pathz(c, d->config_path, "cases"), "required",
		    "needs at least one case");
	for (size_t i = 0; i < d->branches_len && r == 0; i++)
		r = compile_case(c, &d->branches[i], &d->made[i], value != NULL);
	if (r < 0 || value == NULL)
		return r;
	return mr_graph_template(c, value, mr_graph_pathz(c, d->config_path, "value"), &s->value);
}

/* ---- parallel ---- */

int mr_graph_flow_parallel(
    struct mr_compile *c, struct mr_draft *d, const struct mr_value *config, struct mr_step *s)
{
	static const char *const words[] = { "fail_fast", "wait_all", NULL };
	const struct mr_value *branches = mr_graph_get(config, "branches");
	const struct mr_value *v = mr_graph_get(config, "on_branch_failure");

	if (branches != NULL && branches->kind == MR_VALUE_MAP && branches->map->len == 0)
		mr_graph_fault(c, mr_graph_pathz(c, d->config_path, "branches"), "required",
		    "needs at least one branch");
	if (v != NULL)
		s->wait_all =
		    mr_graph_check_word(
		        c, v, mr_graph_pathz(c, d->config_path, "on_branch_failure"), words) == 1;
	mr_graph_join(c, config, d->config_path, d->branches_len, "branches", &s->branch_join);
	return 0;
}

/* ---- foreach, while ---- */

static void read_percent(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, struct mr_step *s)
{
	double n;

	if (!mr_graph_number(v, &n))
		mr_graph_fault(c, path, "type", "must be a number");
	else if (n < 0 || n > 100)
		mr_graph_fault(c, path, "range", "must be between 0 and 100");
	else
		s->tolerate_percent = n;
}

/* {"count": 3}, {"percent": 10}, or a number, which is a count. */
static void read_tolerate(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, struct mr_step *s)
{
	const struct mr_value *count = v, *percent = NULL;
	struct mr_str count_path = path;

	if (v->kind == MR_VALUE_MAP) {
		mr_graph_check_members(c, v, path, tolerate_rows, MR_ARRAY_LEN(tolerate_rows));
		count = mr_graph_get(v, "count");
		percent = mr_graph_get(v, "percent");
		count_path = mr_graph_pathz(c, path, "count");
		if (count == NULL && percent == NULL)
			mr_graph_fault(c, path, "required", "must have \"count\" or \"percent\"");
		else if (count != NULL && percent != NULL)
			mr_graph_fault(
			    c, path, "conflict", "has \"count\" and \"percent\"; keep one of them");
	}
	s->tolerate_count = -1;
	if (count != NULL)
		(void)mr_graph_check_int(c, count, count_path, 0, INT32_MAX, &s->tolerate_count);
	if (percent != NULL)
		read_percent(c, percent, mr_graph_pathz(c, path, "percent"), s);
}

int mr_graph_flow_foreach(
    struct mr_compile *c, struct mr_draft *d, const struct mr_value *config, struct mr_step *s)
{
	const struct mr_value *v = mr_graph_get(config, "concurrency");
	int64_t n = 1;

	if (v != NULL)
		(void)mr_graph_check_int(c, v, mr_graph_pathz(c, d->config_path, "concurrency"), 1,
		    MR_GRAPH_MAX_AT_ONCE, &n);
	s->concurrency = (unsigned)n;
	s->tolerate_count = 0;
	s->tolerate_percent = -1;
	v = mr_graph_get(config, "tolerate");
	if (v != NULL)
		read_tolerate(c, v, mr_graph_pathz(c, d->config_path, "tolerate"), s);
	return 0;
}

int mr_graph_flow_while(
    struct mr_compile *c, struct mr_draft *d, const struct mr_value *config, struct mr_step *s)
{
	static const char *const checks[] = { "before", "after", NULL };
	const struct mr_value *v = mr_graph_get(config, "check");
	int64_t n = 0;

	if (v != NULL)
		s->check_after = mr_graph_check_word(
		                     c, v, mr_graph_pathz(c, d->config_path, "check"), checks) == 1;
	v = mr_graph_get(config, "max_iterations");
	if (v != NULL)
		(void)mr_graph_check_int(c, v, mr_graph_pathz(c, d->config_path, "max_iterations"),
		    1, MR_GRAPH_MAX_ROUNDS, &n);
	s->max_iterations = (unsigned)n;
	v = mr_graph_get(config, "delay");
	if (v != NULL)
		(void)mr_graph_check_duration(c, v, mr_graph_pathz(c, d->config_path, "delay"), 0,
		    MR_GRAPH_LONGEST_US, &s->round_delay_us);
	return 0;
}
