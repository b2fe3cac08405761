/* The members of one step beside its config and its order. */
#include "engine/core/graph_private.h"

static const struct mr_member_row timeouts_rows[] = {
	{ "run", MR_MEMBER_USED },
	{ "total", MR_MEMBER_USED },
	/* of steps that agents and outside workers carry out */
	{ "start", MR_MEMBER_LATER },
	{ "heartbeat", MR_MEMBER_LATER },
};

static const struct mr_member_row agent_timeouts_rows[] = {
	{ "run", MR_MEMBER_USED },
	{ "total", MR_MEMBER_USED },
	/* of steps that agents and outside workers carry out */
	{ "start", MR_MEMBER_USED },
	{ "heartbeat", MR_MEMBER_LATER },
};

static const struct mr_member_row catch_rows[] = {
	{ "on", MR_MEMBER_USED },
	{ "as", MR_MEMBER_USED },
	{ "steps", MR_MEMBER_USED },
	{ "next", MR_MEMBER_USED },
	{ "value", MR_MEMBER_USED },
	{ "description", MR_MEMBER_ACCEPTED },
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

int mr_graph_template(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const struct mr_template **ret)
{
	size_t before = c->faults->count;
	int r = mr_template_compile(c->arena, v, path, c->faults, ret);

	if (r == 0)
		return 0;
	*ret = NULL;
	/* too many expressions are a fault like any other */
	return r == MR_E_INVALID || c->faults->count > before ? 0 : r;
}

static int template_member(struct mr_compile *c, const struct mr_draft *d, const char *member,
    const struct mr_template **ret)
{
	const struct mr_value *v = mr_graph_get(d->raw, member);

	return v != NULL ? mr_graph_template(c, v, mr_graph_pathz(c, d->path, member), ret) : 0;
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

/* ---- times ---- */

/* A call has an end within a day; what waits or holds other steps may take as long as a run. */
static int64_t longest_attempt(const struct mr_draft *d)
{
	enum mr_step_kind kind = mr_graph_type_kind(d->type);

	if (kind == MR_STEP_BLOCK || kind == MR_STEP_TIMED || d->type == MR_STEP_SUBWORKFLOW)
		return MR_GRAPH_LONGEST_US;
	return MR_GRAPH_ATTEMPT_US;
}

/* Only what waits for its turn has a wait until it begins. */
static void check_timeouts(struct mr_compile *c, const struct mr_draft *d,
    const struct mr_value *all, struct mr_str path, struct mr_step *s)
{
	const struct mr_value *start = mr_graph_get(all, "start");

	if (d->type != MR_STEP_AGENT) {
		mr_graph_check_members(c, all, path, timeouts_rows, MR_ARRAY_LEN(timeouts_rows));
		return;
	}
	mr_graph_check_members(
	    c, all, path, agent_timeouts_rows, MR_ARRAY_LEN(agent_timeouts_rows));
	if (start != NULL)
		(void)mr_graph_check_duration(c, start, mr_graph_pathz(c, path, "start"), 1000,
		    MR_GRAPH_LONGEST_US, &s->start_timeout_us);
}

static void read_timeouts(struct mr_compile *c, const struct mr_draft *d, struct mr_step *s)
{
	const struct mr_value *v = mr_graph_get(d->raw, "timeout_seconds");
	const struct mr_value *all = mr_graph_get(d->raw, "timeouts"), *run = NULL, *total = NULL;
	struct mr_str path = mr_graph_pathz(c, d->path, "timeouts");
	int64_t longest = longest_attempt(d), us = 0;

	if (all != NULL && all->kind == MR_VALUE_MAP) {
		check_timeouts(c, d, all, path, s);
		run = mr_graph_get(all, "run");
		total = mr_graph_get(all, "total");
	} else if (all != NULL) {
		mr_graph_fault(c, path, "type", "must be an object");
	}
	if (v != NULL)
		(void)mr_graph_check_duration(c, v, mr_graph_pathz(c, d->path, "timeout_seconds"),
		    1000, longest, &s->run_timeout_us);
	if (total != NULL)
		(void)mr_graph_check_duration(c, total, mr_graph_pathz(c, path, "total"), 1000,
		    MR_GRAPH_LONGEST_US, &s->total_timeout_us);
	path = mr_graph_pathz(c, path, "run");
	if (run == NULL || !mr_graph_check_duration(c, run, path, 1000, longest, &us))
		return;
	if (s->run_timeout_us != 0 && s->run_timeout_us != us)
		mr_graph_fault(
		    c, path, "conflict", "differs from timeout_seconds; give one of them");
	s->run_timeout_us = us;
}

/* What holds or awaits something is done again as a whole only when that is asked for. */
static bool is_tried_once(int type)
{
	enum mr_step_kind kind = mr_graph_type_kind(type);

	return kind == MR_STEP_BLOCK || kind == MR_STEP_TIMED || type == MR_STEP_SUBWORKFLOW;
}

static int read_retry(struct mr_compile *c, const struct mr_draft *d, struct mr_step *s)
{
	s->retry = c->retry;
	s->has_retry =
	    mr_graph_get(d->raw, "retry") != NULL || mr_graph_get(d->raw, "max_retries") != NULL;
	if (is_tried_once(d->type) && !s->has_retry)
		s->retry.max_attempts = 1;
	return mr_graph_retry(c, d->raw, d->path, &s->retry);
}

static void read_words(struct mr_compile *c, const struct mr_draft *d, struct mr_step *s)
{
	static const char *const words[] = { "fail", "continue", NULL };
	const struct mr_value *v = mr_graph_get(d->raw, "on_error");

	if (v != NULL)
		s->continue_on_error =
		    mr_graph_check_word(c, v, mr_graph_pathz(c, d->path, "on_error"), words) == 1;
	s->disabled = mr_graph_check_flag(c, d->raw, d->path, "disabled");
	mr_graph_join(c, d->raw, d->path, d->deps_len, "steps before this one", &s->join);
}

/* ---- catch ---- */

static int read_catch(struct mr_compile *c, const struct mr_draft_catch *e, struct mr_catch *ret)
{
	const struct mr_value *value = mr_value_get(e->raw, "value"); /* null is a value, too */
	int given = (mr_graph_get(e->raw, "steps") != NULL) + e->has_next + (value != NULL);
	int r;

	ret->block = e->block;
	ret->has_next = e->has_next;
	ret->as = e->binds;
	mr_graph_check_members(c, e->raw, e->path, catch_rows, MR_ARRAY_LEN(catch_rows));
	if (given == 0)
		mr_graph_fault(c, e->path, "required",
		    "says what to do instead by \"steps\", \"next\" or \"value\"");
	else if (given > 1)
		mr_graph_fault(c, e->path, "conflict",
		    "has one of \"steps\", \"next\" and \"value\"; keep one of them");
	r = mr_graph_error_types(c, e->raw, e->path, "on", &ret->on, &ret->on_len);
	if (r < 0 || value == NULL)
		return r;
	return mr_graph_template(c, value, mr_graph_pathz(c, e->path, "value"), &ret->value);
}

static int read_catches(struct mr_compile *c, const struct mr_draft *d, struct mr_step *s)
{
	struct mr_catch *catches;
	int r = 0;

	if (d->catches_len == 0)
		return 0;
	catches = mr_arena_array(c->arena, d->catches_len, sizeof(*catches));
	if (catches == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < d->catches_len && r == 0; i++)
		r = read_catch(c, &d->catches[i], &catches[i]);
	s->catches = catches;
	s->catches_len = d->catches_len;
	return r;
}

/* ---- all of it ---- */

int mr_graph_step(struct mr_compile *c, struct mr_draft *d, struct mr_step *s)
{
	int r;

	s->name = d->name;
	s->short_name = d->short_name;
	s->type = d->type >= 0 ? (enum mr_step_type)d->type : MR_STEP_NOOP;
	s->kind = mr_graph_type_kind(d->type);
	s->index = (unsigned)(d - c->drafts);
	s->order = d->block == 0 ? d->pos + 1 : 0;
	s->block = d->block;
	s->body = d->body;
	s->compensate = d->compensate;
	read_timeouts(c, d, s);
	read_words(c, d, s);
	r = read_retry(c, d, s);
	if (r == 0)
		r = read_when(c, d, s);
	if (r == 0)
		r = template_member(c, d, "output", &s->output);
	if (r == 0)
		r = template_member(c, d, "idempotency_key", &s->idempotency_key);
	if (r == 0)
		r = read_catches(c, d, s);
	return r == 0 ? mr_graph_config(c, d, s) : r;
}
