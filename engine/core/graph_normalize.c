/*
 * The normal form of a definition: one dialect, every name and default written out. It compiles
 * to the same graph, and normalizing it again changes nothing. graph_normalize_config.c has the
 * configs of the steps that hold others.
 */
#include "engine/core/graph_normalize.h"

#include <string.h>

void mr_normal_put(struct mr_normal_map *m, const char *key, struct mr_value v)
{
	m->members[m->len].key = mr_value_strz(key);
	m->members[m->len++].value = v;
}

void mr_normal_written(
    struct mr_normal_map *m, const struct mr_value *from, const char *member, const char *alias)
{
	const struct mr_value *v = mr_graph_get(from, member);

	if (v == NULL && alias != NULL)
		v = mr_graph_get(from, alias);
	if (v != NULL)
		mr_normal_put(m, member, *v);
}

int mr_normal_finish(struct mr_normal *n, const struct mr_normal_map *from, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(n->arena, from->len);

	if (m == NULL)
		return MR_E_NOMEM;
	memcpy(m->members, from->members, from->len * sizeof(from->members[0]));
	if (mr_map_seal(n->arena, m) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(m);
	return 0;
}

int mr_normal_block(struct mr_normal *n, int block, struct mr_value *ret)
{
	const struct mr_block *b = &n->g->blocks[block];
	struct mr_list *l = mr_list_create(n->arena, b->len);

	if (l == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < b->len; i++)
		l->items[i] = n->steps[b->first + i];
	*ret = mr_value_list(l);
	return 0;
}

static int text_list(
    struct mr_arena *a, const struct mr_str *texts, size_t len, struct mr_value *ret)
{
	struct mr_list *l = mr_list_create(a, len);

	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len; i++)
		l->items[i] = mr_value_str(texts[i]);
	*ret = mr_value_list(l);
	return 0;
}

int mr_normal_join(struct mr_normal *n, const struct mr_join *join, struct mr_value *ret)
{
	static const char *const words[] = { [MR_JOIN_OK] = "ok",
		[MR_JOIN_ALL] = "all",
		[MR_JOIN_ANY] = "any",
		[MR_JOIN_DONE] = "done" };
	struct mr_normal_map m = { .len = 0 };

	if (join->kind != MR_JOIN_N) {
		*ret = mr_value_strz(words[join->kind]);
		return 0;
	}
	mr_normal_put(&m, "n", mr_value_int(join->n));
	return mr_normal_finish(n, &m, ret);
}

/* ---- steps ---- */

static int retry_value(struct mr_normal *n, const struct mr_retry_policy *p, struct mr_value *ret)
{
	struct mr_value on = MR_NULL_VALUE, not_on = MR_NULL_VALUE;
	struct mr_normal_map m = { .len = 0 };

	if (p->on_len > 0 && text_list(n->arena, p->on, p->on_len, &on) < 0)
		return MR_E_NOMEM;
	if (p->not_on_len > 0 && text_list(n->arena, p->not_on, p->not_on_len, &not_on) < 0)
		return MR_E_NOMEM;
	mr_normal_put(&m, "max_attempts", mr_value_int(p->max_attempts));
	mr_normal_put(&m, "delay", mr_graph_seconds(p->delay_us));
	mr_normal_put(&m, "backoff", mr_value_strz(p->constant ? "constant" : "exponential"));
	mr_normal_put(&m, "multiplier", mr_value_double(p->multiplier));
	mr_normal_put(&m, "max_delay", mr_graph_seconds(p->max_delay_us));
	mr_normal_put(&m, "jitter", mr_value_double(p->jitter));
	if (p->on_len > 0)
		mr_normal_put(&m, "on", on);
	if (p->not_on_len > 0)
		mr_normal_put(&m, "not_on", not_on);
	return mr_normal_finish(n, &m, ret);
}

static int depends_on(struct mr_normal *n, const struct mr_step *s, struct mr_value *ret)
{
	struct mr_list *l = mr_list_create(n->arena, s->deps_len);

	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s->deps_len; i++)
		l->items[i] = mr_value_str(n->g->steps[s->deps[i]].short_name);
	*ret = mr_value_list(l);
	return 0;
}

static int put_timeouts(struct mr_normal *n, const struct mr_step *s, struct mr_normal_map *m)
{
	struct mr_normal_map timeouts = { .len = 0 };
	struct mr_value v;

	if (s->run_timeout_us > 0)
		mr_normal_put(m, "timeout_seconds", mr_graph_seconds(s->run_timeout_us));
	if (s->total_timeout_us == 0 && s->start_timeout_us == 0)
		return 0;
	if (s->start_timeout_us > 0)
		mr_normal_put(&timeouts, "start", mr_graph_seconds(s->start_timeout_us));
	if (s->total_timeout_us > 0)
		mr_normal_put(&timeouts, "total", mr_graph_seconds(s->total_timeout_us));
	if (mr_normal_finish(n, &timeouts, &v) < 0)
		return MR_E_NOMEM;
	mr_normal_put(m, "timeouts", v);
	return 0;
}

static int catch_value(struct mr_normal *n, const struct mr_catch *e,
    const struct mr_draft_catch *d, struct mr_value *ret)
{
	const struct mr_value *value = mr_value_get(d->raw, "value");
	static const struct mr_str everything[] = { { "*", 1 } };
	struct mr_normal_map m = { .len = 0 };
	struct mr_value v;

	if (text_list(n->arena, e->on_len > 0 ? e->on : everything, e->on_len > 0 ? e->on_len : 1,
	        &v) < 0)
		return MR_E_NOMEM;
	mr_normal_put(&m, "on", v);
	if (e->block >= 0) {
		mr_normal_put(&m, "as", mr_value_str(n->g->blocks[e->block].binds));
		if (mr_normal_block(n, e->block, &v) < 0)
			return MR_E_NOMEM;
		mr_normal_put(&m, "steps", v);
	} else {
		mr_normal_written(&m, d->raw, "as", NULL);
	}
	mr_normal_written(&m, d->raw, "next", NULL);
	if (value != NULL)
		mr_normal_put(&m, "value", *value);
	mr_normal_written(&m, d->raw, "description", NULL);
	return mr_normal_finish(n, &m, ret);
}

static int put_catches(
    struct mr_normal *n, const struct mr_step *s, const struct mr_draft *d, struct mr_normal_map *m)
{
	struct mr_list *l;

	if (s->catches_len == 0)
		return 0;
	l = mr_list_create(n->arena, s->catches_len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s->catches_len; i++)
		if (catch_value(n, &s->catches[i], &d->catches[i], &l->items[i]) < 0)
			return MR_E_NOMEM;
	mr_normal_put(m, "catch", mr_value_list(l));
	return 0;
}

/* What follows a failure: "on_error", "catch", "compensate". */
static int put_failure(
    struct mr_normal *n, const struct mr_step *s, const struct mr_draft *d, struct mr_normal_map *m)
{
	struct mr_value v;

	mr_normal_put(m, "on_error", mr_value_strz(s->continue_on_error ? "continue" : "fail"));
	if (put_catches(n, s, d, m) < 0)
		return MR_E_NOMEM;
	if (s->compensate < 0)
		return 0;
	if (mr_normal_block(n, s->compensate, &v) < 0)
		return MR_E_NOMEM;
	mr_normal_put(m, "compensate", v);
	return 0;
}

static int put_order(
    struct mr_normal *n, const struct mr_step *s, const struct mr_draft *d, struct mr_normal_map *m)
{
	struct mr_value deps, join;

	if (depends_on(n, s, &deps) < 0 || mr_normal_join(n, &s->join, &join) < 0)
		return MR_E_NOMEM;
	mr_normal_put(m, "depends_on", deps);
	/* where cases or catch entries name steps too, an edge may be taken by several ways */
	if (s->succs_ways != NULL && d->has_next)
		mr_normal_written(m, d->raw, "next", "next_step");
	mr_normal_put(m, "join", join);
	if (s->join.cancel_rest)
		mr_normal_put(m, "cancel_rest", mr_value_bool(true));
	return 0;
}

static int step_value(struct mr_normal *n, unsigned i, struct mr_value *ret)
{
	const struct mr_step *s = &n->g->steps[i];
	const struct mr_draft *d = &n->c->drafts[i];
	struct mr_normal_map m = { .len = 0 };
	struct mr_value config, retry;

	if (mr_normal_config(n, s, d, &config) < 0 || retry_value(n, &s->retry, &retry) < 0)
		return MR_E_NOMEM;
	mr_normal_put(&m, "name", mr_value_str(s->short_name));
	mr_normal_put(&m, "type", mr_value_strz(mr_step_type_name(s->type)));
	mr_normal_put(&m, "config", config);
	if (put_order(n, s, d, &m) < 0)
		return MR_E_NOMEM;
	if (s->when != NULL)
		mr_normal_written(&m, d->raw, "when", "conditions");
	if (s->disabled)
		mr_normal_put(&m, "disabled", mr_value_bool(true));
	mr_normal_written(&m, d->raw, "output", NULL);
	if (s->type != MR_STEP_AGENT || s->has_retry) /* else its agent says how */
		mr_normal_put(&m, "retry", retry);
	if (put_timeouts(n, s, &m) < 0)
		return MR_E_NOMEM;
	mr_normal_written(&m, d->raw, "idempotency_key", NULL);
	if (put_failure(n, s, d, &m) < 0)
		return MR_E_NOMEM;
	mr_normal_written(&m, d->raw, "mock", NULL);
	mr_normal_written(&m, d->raw, "description", NULL);
	return mr_normal_finish(n, &m, ret);
}

/* ---- the whole ---- */

static void put_top(struct mr_normal_map *m, struct mr_compile *c, const char *member)
{
	struct mr_str path;
	const struct mr_value *v = mr_graph_top(c, member, &path);

	if (v != NULL)
		mr_normal_put(m, member, *v);
}

static int put_concurrency(struct mr_normal *n, struct mr_compile *c, struct mr_normal_map *m)
{
	static const char *const words[] = { [MR_ON_FULL_QUEUE] = "queue",
		[MR_ON_FULL_SKIP] = "skip",
		[MR_ON_FULL_CANCEL_OLDEST] = "cancel_oldest",
		[MR_ON_FULL_FAIL] = "fail" };
	struct mr_normal_map concurrency = { .len = 0 };
	struct mr_str path;
	const struct mr_value *written = mr_graph_top(c, "concurrency", &path);
	struct mr_value v;

	if (n->g->concurrency.limit == 0)
		return 0;
	mr_normal_written(&concurrency, written, "key", NULL);
	mr_normal_put(&concurrency, "limit", mr_value_int(n->g->concurrency.limit));
	mr_normal_put(&concurrency, "on_full", mr_value_strz(words[n->g->concurrency.on_full]));
	if (mr_normal_finish(n, &concurrency, &v) < 0)
		return MR_E_NOMEM;
	mr_normal_put(m, "concurrency", v);
	return 0;
}

static int put_list(struct mr_normal *n, struct mr_normal_map *m, const char *member, int block)
{
	struct mr_value v;

	if (block < 0)
		return 0;
	if (mr_normal_block(n, block, &v) < 0)
		return MR_E_NOMEM;
	mr_normal_put(m, member, v);
	return 0;
}

static int top_value(struct mr_normal *n, struct mr_compile *c, struct mr_value *ret)
{
	struct mr_normal_map m = { .len = 0 };

	if (put_list(n, &m, "steps", 0) < 0)
		return MR_E_NOMEM;
	mr_normal_put(&m, "mode", mr_value_strz(n->g->is_saga ? "saga" : "standard"));
	if (n->g->timeout_us > 0)
		mr_normal_put(&m, "timeout_seconds", mr_graph_seconds(n->g->timeout_us));
	put_top(&m, c, "vars");
	put_top(&m, c, "secrets");
	if (put_concurrency(n, c, &m) < 0 || put_list(n, &m, "on_failure", n->g->on_failure) < 0 ||
	    put_list(n, &m, "finally", n->g->finally) < 0)
		return MR_E_NOMEM;
	put_top(&m, c, "output");
	return mr_normal_finish(n, &m, ret);
}

static int normalize(struct mr_normal *n, struct mr_compile *c, struct mr_value *ret)
{
	struct mr_value *steps;
	int r = mr_graph_read(c);

	if (r == 0 && c->drafts_len != n->g->steps_len)
		r = MR_E_INVALID;
	if (r < 0)
		return r;
	steps = mr_arena_array(c->scratch, c->drafts_len, sizeof(*steps));
	if (steps == NULL)
		return MR_E_NOMEM;
	n->steps = steps;
	/* inner steps stand behind the step that holds them */
	for (size_t i = c->drafts_len; i > 0 && r == 0; i--)
		r = step_value(n, (unsigned)i - 1, &steps[i - 1]);
	return r == 0 ? top_value(n, c, ret) : r;
}

int mr_graph_normalize(struct mr_arena *a, const struct mr_value *definition,
    const struct mr_graph *g, struct mr_value *ret)
{
	struct mr_arena *scratch = mr_arena_create(64u << 20);
	struct mr_faults unheard;
	struct mr_compile c = { .arena = scratch, .scratch = scratch, .body = *definition };
	struct mr_normal n = { .arena = a, .g = g, .c = &c };
	int r;

	if (scratch == NULL)
		return MR_E_NOMEM;
	mr_faults_init(&unheard, scratch, 0);
	c.faults = &unheard;
	r = definition->kind == MR_VALUE_MAP ? normalize(&n, &c, ret) : MR_E_INVALID;
	if (r == MR_E_NOMEM && mr_arena_was_full(scratch))
		r = MR_E_LIMIT;
	scratch = mr_arena_free(scratch);
	return r;
}
