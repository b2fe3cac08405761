/* The members of one step beside its config and its order. */
#include "engine/core/graph_private.h"

#define SECOND_US       INT64_C(1000000)
#define LONGEST_ATTEMPT (24 * 3600 * SECOND_US)

static const struct mr_member_row timeouts_rows[] = {
	{ "run", MR_MEMBER_USED },
	{ "start", MR_MEMBER_LATER },
	{ "total", MR_MEMBER_LATER },
	{ "heartbeat", MR_MEMBER_LATER },
};

int mr_graph_condition(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, const struct mr_expr **ret)
{
	struct mr_expr_error err = { .message = "" };
	int r;

	if (v->kind != MR_VALUE_STRING && v->kind != MR_VALUE_BOOL && v->kind != MR_VALUE_MAP) {
		mr_graph_fault(c, path, "type",
		    "must be an expression, true or false, or an object of comparisons");
		return 0;
	}
	r = mr_condition_compile(c->arena, v, ret, &err);
	if (r == 0 || r == MR_E_NOMEM)
		return r;
	*ret = NULL;
	if (v->kind == MR_VALUE_STRING)
		mr_graph_fault(c, path, "expression", "%s (line %zu, column %zu)", err.message,
		    err.line, err.column);
	else
		mr_graph_fault(c, path, "expression", "%s", err.message);
	return 0;
}

static int template_member(struct mr_compile *c, const struct mr_draft *d, const char *member,
    const struct mr_template **ret)
{
	const struct mr_value *v = mr_value_get(d->raw, member);
	int r;

	if (v == NULL || v->kind == MR_VALUE_NULL)
		return 0;
	r = mr_template_compile(c->arena, v, mr_graph_pathz(c, d->path, member), c->faults, ret);
	if (r == MR_E_INVALID)
		*ret = NULL;
	return r == MR_E_INVALID ? 0 : r;
}

static int read_when(struct mr_compile *c, const struct mr_draft *d, struct mr_step *s)
{
	struct mr_str path = MR_STR_NONE;
	const struct mr_value *v = mr_graph_member(c, d->raw, d->path, "when", "conditions", &path);

	/* an empty object always holds */
	if (v == NULL || (v->kind == MR_VALUE_MAP && v->map->len == 0))
		return 0;
	return mr_graph_condition(c, v, path, &s->when);
}

static void read_timeouts(struct mr_compile *c, const struct mr_draft *d, struct mr_step *s)
{
	const struct mr_value *v = mr_value_get(d->raw, "timeout_seconds");
	const struct mr_value *all = mr_value_get(d->raw, "timeouts"), *run = NULL;
	struct mr_str path = mr_graph_pathz(c, d->path, "timeouts");
	int64_t us = 0;

	if (all != NULL && all->kind == MR_VALUE_MAP) {
		mr_graph_check_members(c, all, path, timeouts_rows, MR_ARRAY_LEN(timeouts_rows));
		run = mr_value_get(all, "run");
		path = mr_graph_pathz(c, path, "run");
	} else if (all != NULL && all->kind != MR_VALUE_NULL) {
		mr_graph_fault(c, path, "type", "must be an object");
	}
	if (v != NULL && v->kind != MR_VALUE_NULL)
		(void)mr_graph_check_duration(c, v, mr_graph_pathz(c, d->path, "timeout_seconds"),
		    1000, LONGEST_ATTEMPT, &s->run_timeout_us);
	if (run == NULL || run->kind == MR_VALUE_NULL ||
	    !mr_graph_check_duration(c, run, path, 1000, LONGEST_ATTEMPT, &us))
		return;
	if (s->run_timeout_us != 0 && s->run_timeout_us != us)
		mr_graph_fault(
		    c, path, "conflict", "differs from timeout_seconds; give one of them");
	s->run_timeout_us = us;
}

/* A pure step takes no time and an outside one is ended by its runner; nobody ends the others. */
static void check_timeout(struct mr_compile *c, const struct mr_draft *d, const struct mr_step *s)
{
	if (s->run_timeout_us == 0 || (d->type != MR_STEP_CONDITIONAL && d->type != MR_STEP_DELAY))
		return;
	mr_graph_fault(c, mr_graph_pathz(c, d->path, "timeout_seconds"), "not_supported",
	    "this version has no timeout for steps of type \"%s\"; remove it",
	    mr_step_type_name((enum mr_step_type)d->type));
}

static void read_words(struct mr_compile *c, const struct mr_draft *d, struct mr_step *s)
{
	const struct mr_value *v = mr_value_get(d->raw, "on_error");

	if (v != NULL && v->kind != MR_VALUE_NULL) {
		s->continue_on_error = v->kind == MR_VALUE_STRING && mr_str_eqz(v->s, "continue");
		if (!s->continue_on_error &&
		    !(v->kind == MR_VALUE_STRING && mr_str_eqz(v->s, "fail")))
			mr_graph_fault(c, mr_graph_pathz(c, d->path, "on_error"), "value",
			    "must be \"fail\" or \"continue\"");
	}
	v = mr_value_get(d->raw, "join");
	if (v == NULL || v->kind == MR_VALUE_NULL ||
	    (v->kind == MR_VALUE_STRING && mr_str_eqz(v->s, "ok")))
		return;
	mr_graph_fault(c, mr_graph_pathz(c, d->path, "join"), "not_supported",
	    "this version joins by \"ok\" only; remove it");
}

static bool gives(const struct mr_value *raw, const char *member)
{
	const struct mr_value *v = mr_value_get(raw, member);

	return v != NULL && v->kind != MR_VALUE_NULL;
}

static int read_retry(struct mr_compile *c, const struct mr_draft *d, struct mr_step *s)
{
	s->retry = c->retry;
	/* the steps inside are retried by themselves; the whole again only when it is asked for */
	if (d->type == MR_STEP_CONDITIONAL && !gives(d->raw, "retry") &&
	    !gives(d->raw, "max_retries"))
		s->retry.max_attempts = 1;
	return mr_graph_retry(c, d->raw, d->path, &s->retry);
}

int mr_graph_step(struct mr_compile *c, struct mr_draft *d, struct mr_step *s)
{
	int r;

	s->name = d->name;
	s->short_name = d->short_name;
	s->type = d->type >= 0 ? (enum mr_step_type)d->type : MR_STEP_NOOP;
	s->index = (unsigned)(d - c->drafts);
	s->order = d->parent < 0 ? d->pos + 1 : 0;
	s->parent = d->parent;
	s->branch = d->branch;
	read_timeouts(c, d, s);
	check_timeout(c, d, s);
	read_words(c, d, s);
	r = read_retry(c, d, s);
	if (r == 0)
		r = read_when(c, d, s);
	if (r == 0)
		r = template_member(c, d, "output", &s->output);
	if (r == 0)
		r = template_member(c, d, "idempotency_key", &s->idempotency_key);
	return r == 0 ? mr_graph_config(c, d, s) : r;
}
