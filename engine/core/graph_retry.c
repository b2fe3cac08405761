/* Retry policies: "max_retries" and "retry" of a step, over those of the definition. */
#include "engine/core/graph_private.h"

#include <string.h>

#define MAX_RETRIES    100
#define LONGEST_DELAY  (24 * 3600 * MR_GRAPH_SECOND_US)
#define MAX_ERROR_TYPE 100

static const struct mr_member_row retry_rows[] = {
	{ "max_attempts", MR_MEMBER_USED },
	{ "delay", MR_MEMBER_USED },
	{ "backoff", MR_MEMBER_USED },
	{ "multiplier", MR_MEMBER_USED },
	{ "max_delay", MR_MEMBER_USED },
	{ "jitter", MR_MEMBER_USED },
	{ "on", MR_MEMBER_USED },
	{ "not_on", MR_MEMBER_USED },
};

void mr_graph_retry_default(struct mr_retry_policy *p)
{
	*p = (struct mr_retry_policy){ .max_attempts = 4,
		.delay_us = MR_GRAPH_SECOND_US,
		.max_delay_us = 60 * MR_GRAPH_SECOND_US,
		.multiplier = 2,
		.jitter = 0.5 };
}

static const struct mr_value *take(
    struct mr_compile *c, const struct mr_value *v, const char *member, struct mr_str *path)
{
	const struct mr_value *m = mr_value_get(v, member);

	if (m == NULL || m->kind == MR_VALUE_NULL)
		return NULL;
	*path = mr_graph_pathz(c, *path, member);
	return m;
}

static void read_backoff(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, struct mr_retry_policy *p)
{
	const struct mr_value *m = take(c, v, "backoff", &path);

	if (m == NULL)
		return;
	if (m->kind == MR_VALUE_STRING && mr_str_eqz(m->s, "exponential"))
		p->constant = false;
	else if (m->kind == MR_VALUE_STRING && mr_str_eqz(m->s, "constant"))
		p->constant = true;
	else
		mr_graph_fault(c, path, "value", "must be \"exponential\" or \"constant\"");
}

static void read_number(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const char *member, double min, double max, double *ret)
{
	const struct mr_value *m = take(c, v, member, &path);
	double n;

	if (m == NULL)
		return;
	if (!mr_graph_number(m, &n))
		mr_graph_fault(c, path, "type", "must be a number");
	else if (n < min || n > max)
		mr_graph_fault(c, path, "range", "must be between %g and %g", min, max);
	else
		*ret = n;
}

static void read_jitter(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, struct mr_retry_policy *p)
{
	const struct mr_value *m = mr_value_get(v, "jitter");

	if (m != NULL && m->kind == MR_VALUE_BOOL)
		p->jitter = m->b ? 0.5 : 0;
	else
		read_number(c, v, path, "jitter", 0, 1, &p->jitter);
}

int mr_graph_error_types(struct mr_compile *c, const struct mr_value *v, struct mr_str path,
    const char *member, const struct mr_str **ret, size_t *ret_len)
{
	const struct mr_value *m = take(c, v, member, &path);
	struct mr_str *types;

	if (m == NULL)
		return 0;
	if (m->kind != MR_VALUE_LIST) {
		mr_graph_fault(c, path, "type", "must be a list of error types");
		return 0;
	}
	types = mr_arena_array(c->arena, m->list->len + 1, sizeof(*types));
	if (types == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < m->list->len; i++) {
		const struct mr_value *t = &m->list->items[i];

		if (t->kind == MR_VALUE_STRING && t->s.len > 0 && t->s.len <= MAX_ERROR_TYPE)
			types[i] = t->s;
		else
			mr_graph_fault(c, mr_graph_path_at(c, path, i), "type",
			    "must be an error type, such as \"http.5xx\", \"timeout\" or \"*\"");
	}
	*ret = types;
	*ret_len = m->list->len;
	return 0;
}

static int read_retry(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, struct mr_retry_policy *p)
{
	struct mr_str at = path;
	const struct mr_value *m = take(c, v, "max_attempts", &at);
	int64_t n;
	int r;

	mr_graph_check_members(c, v, path, retry_rows, MR_ARRAY_LEN(retry_rows));
	if (m != NULL && mr_graph_check_int(c, m, at, 1, MAX_RETRIES + 1, &n))
		p->max_attempts = (unsigned)n;
	at = path;
	m = take(c, v, "delay", &at);
	if (m != NULL)
		(void)mr_graph_check_duration(c, m, at, 0, LONGEST_DELAY, &p->delay_us);
	at = path;
	m = take(c, v, "max_delay", &at);
	if (m != NULL)
		(void)mr_graph_check_duration(c, m, at, 0, LONGEST_DELAY, &p->max_delay_us);
	read_backoff(c, v, path, p);
	read_number(c, v, path, "multiplier", 1, 100, &p->multiplier);
	read_jitter(c, v, path, p);
	r = mr_graph_error_types(c, v, path, "on", &p->on, &p->on_len);
	return r == 0 ? mr_graph_error_types(c, v, path, "not_on", &p->not_on, &p->not_on_len) : r;
}

/* V holds "retry", "max_retries" or neither; P is what they change. */
int mr_graph_retry(
    struct mr_compile *c, const struct mr_value *v, struct mr_str path, struct mr_retry_policy *p)
{
	struct mr_str retry_path = path, max_path = path;
	const struct mr_value *retry = take(c, v, "retry", &retry_path);
	const struct mr_value *max = take(c, v, "max_retries", &max_path);
	int64_t n = -1;
	int r = 0;

	if (max != NULL && mr_graph_check_int(c, max, max_path, 0, MAX_RETRIES, &n))
		p->max_attempts = (unsigned)n + 1;
	if (retry != NULL && retry->kind == MR_VALUE_MAP)
		r = read_retry(c, retry, retry_path, p);
	else if (retry != NULL)
		mr_graph_fault(c, retry_path, "type", "must be an object");
	if (r == 0 && n >= 0 && p->max_attempts != (unsigned)n + 1)
		mr_graph_fault(c, max_path, "conflict",
		    "differs from retry.max_attempts, which counts the first attempt too");
	return r;
}
