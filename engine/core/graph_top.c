/* What belongs to a definition as a whole: times, retries, mode, variables, how many at once. */
#include "engine/core/graph_private.h"

static const struct mr_member_row concurrency_rows[] = {
	{ "key", MR_MEMBER_USED },
	{ "limit", MR_MEMBER_USED },
	{ "on_full", MR_MEMBER_USED },
};

#define MOST_RUNS 1000000 /* of one workflow at once */

static void read_timeout(struct mr_compile *c)
{
	struct mr_str path = MR_STR_NONE, other_path = MR_STR_NONE;
	const struct mr_value *v = mr_graph_top(c, "timeout_seconds", &path);
	const struct mr_value *other = mr_graph_setting(c, "timeout", &other_path);
	int64_t us = 0, other_us = 0;

	if (v != NULL)
		(void)mr_graph_check_duration(c, v, path, 1000, MR_GRAPH_LONGEST_US, &us);
	if (other != NULL)
		(void)mr_graph_check_duration(
		    c, other, other_path, 1000, MR_GRAPH_LONGEST_US, &other_us);
	if (us != 0 && other_us != 0 && us != other_us)
		mr_graph_fault(c, other_path, "conflict", "differs from %.*s; give one of them",
		    MR_STR_ARG(path));
	c->graph->timeout_us = us != 0 ? us : other_us;
}

static int read_retry(struct mr_compile *c)
{
	struct mr_str path = MR_STR_NONE, max_path = MR_STR_NONE;
	const struct mr_value *setting = mr_graph_setting(c, "max_retries", &path);
	const struct mr_value *max = mr_graph_top(c, "max_retries", &max_path);
	int64_t n;
	int r;

	mr_graph_retry_default(&c->retry);
	if (setting != NULL && mr_graph_check_int(c, setting, path, 0, 100, &n))
		c->retry.max_attempts = (unsigned)n + 1;
	if (setting != NULL && max != NULL && !mr_value_eq(setting, max))
		mr_graph_fault(c, path, "conflict", "differs from %.*s; give one of them",
		    MR_STR_ARG(max_path));
	(void)mr_graph_top(c, "retry", &max_path); /* a fault when given twice, and different */
	r = mr_graph_retry(c, &c->body, MR_STR(""), &c->retry);
	if (r == 0 && c->inner != NULL)
		r = mr_graph_retry(c, c->inner, mr_str(c->inner_name), &c->retry);
	return r;
}

static void read_mode(struct mr_compile *c)
{
	static const char *const modes[] = { "standard", "saga", NULL };
	struct mr_str path;
	const struct mr_value *v = mr_graph_top(c, "mode", &path);

	if (v != NULL)
		c->graph->is_saga = mr_graph_check_word(c, v, path, modes) == 1;
}

void mr_graph_check_mode(struct mr_compile *c)
{
	struct mr_str path;

	for (size_t i = 0; i < c->drafts_len; i++)
		if (c->drafts[i].compensate >= 0)
			c->graph->has_compensation = true;
	if (!c->graph->is_saga || c->graph->has_compensation)
		return;
	(void)mr_graph_top(c, "mode", &path);
	mr_graph_fault(c, path, "required",
	    "a saga needs a step with \"compensate\"; give one, or leave mode out");
}

static int read_vars(struct mr_compile *c)
{
	struct mr_str path;
	const struct mr_value *v = mr_graph_top(c, "vars", &path);

	if (v == NULL)
		return 0;
	if (v->kind != MR_VALUE_MAP) {
		mr_graph_fault(c, path, "type", "must be an object: the variables by their names");
		return 0;
	}
	return mr_graph_template(c, v, path, &c->graph->vars);
}

/* Which secrets a definition needs: told for people, used by nothing here. */
static void read_secrets(struct mr_compile *c)
{
	struct mr_str path;
	const struct mr_value *v = mr_graph_top(c, "secrets", &path);

	if (v != NULL && v->kind != MR_VALUE_LIST) {
		mr_graph_fault(c, path, "type", "must be a list of names of secrets");
		return;
	}
	for (size_t i = 0; v != NULL && i < v->list->len; i++)
		if (v->list->items[i].kind != MR_VALUE_STRING || v->list->items[i].s.len == 0)
			mr_graph_fault(c, mr_graph_path_at(c, path, i), "type",
			    "must be the name of a secret");
}

static int read_concurrency(struct mr_compile *c)
{
	static const char *const words[] = { "queue", "skip", "cancel_oldest", "fail", NULL };
	struct mr_str path;
	const struct mr_value *v = mr_graph_top(c, "concurrency", &path), *m;
	int64_t n;
	int word;

	if (v == NULL)
		return 0;
	if (v->kind != MR_VALUE_MAP) {
		mr_graph_fault(c, path, "type", "must be an object with \"limit\"");
		return 0;
	}
	mr_graph_check_members(c, v, path, concurrency_rows, MR_ARRAY_LEN(concurrency_rows));
	m = mr_graph_get(v, "limit");
	if (m == NULL)
		mr_graph_fault(c, mr_graph_pathz(c, path, "limit"), "required",
		    "how many runs may be under way at once");
	else if (mr_graph_check_int(c, m, mr_graph_pathz(c, path, "limit"), 1, MOST_RUNS, &n))
		c->graph->concurrency.limit = (unsigned)n;
	m = mr_graph_get(v, "on_full");
	word = m == NULL ? 0 : mr_graph_check_word(c, m, mr_graph_pathz(c, path, "on_full"), words);
	if (word >= 0)
		c->graph->concurrency.on_full = (enum mr_on_full)word;
	m = mr_graph_get(v, "key");
	if (m == NULL)
		return 0;
	return mr_graph_template(c, m, mr_graph_pathz(c, path, "key"), &c->graph->concurrency.key);
}

static int read_output(struct mr_compile *c)
{
	struct mr_str path;
	const struct mr_value *v = mr_graph_top(c, "output", &path);

	return v != NULL ? mr_graph_template(c, v, path, &c->graph->output) : 0;
}

int mr_graph_read_top(struct mr_compile *c)
{
	int r;

	read_timeout(c);
	read_mode(c);
	read_secrets(c);
	r = read_retry(c);
	if (r == 0)
		r = read_vars(c);
	if (r == 0)
		r = read_concurrency(c);
	return r == 0 ? read_output(c) : r;
}
