/*
 * The normal form of a definition: one dialect, every name and default written out. It compiles
 * to the same graph, and normalizing it again changes nothing.
 */
#include "engine/core/graph_private.h"

#include <string.h>

#define MAX_MEMBERS 16

struct normal {
	struct mr_arena *arena;
	const struct mr_graph *g;
	const struct mr_compile *c; /* drafts read again */
	struct mr_value *steps;     /* done so far, by index */
	struct mr_member members[MAX_MEMBERS];
	size_t len;
};

static void put(struct normal *n, const char *key, struct mr_value v)
{
	n->members[n->len].key = mr_value_strz(key);
	n->members[n->len++].value = v;
}

static int finish(struct normal *n, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(n->arena, n->len);

	if (m == NULL)
		return MR_E_NOMEM;
	memcpy(m->members, n->members, n->len * sizeof(n->members[0]));
	n->len = 0;
	if (mr_map_seal(n->arena, m) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(m);
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

static int retry_value(struct normal *n, const struct mr_retry_policy *p, struct mr_value *ret)
{
	struct mr_value on = MR_NULL_VALUE, not_on = MR_NULL_VALUE;

	if (p->on_len > 0 && text_list(n->arena, p->on, p->on_len, &on) < 0)
		return MR_E_NOMEM;
	if (p->not_on_len > 0 && text_list(n->arena, p->not_on, p->not_on_len, &not_on) < 0)
		return MR_E_NOMEM;
	put(n, "max_attempts", mr_value_int(p->max_attempts));
	put(n, "delay", mr_graph_seconds(p->delay_us));
	put(n, "backoff", mr_value_strz(p->constant ? "constant" : "exponential"));
	put(n, "multiplier", mr_value_double(p->multiplier));
	put(n, "max_delay", mr_graph_seconds(p->max_delay_us));
	put(n, "jitter", mr_value_double(p->jitter));
	if (p->on_len > 0)
		put(n, "on", on);
	if (p->not_on_len > 0)
		put(n, "not_on", not_on);
	return finish(n, ret);
}

static int depends_on(struct normal *n, const struct mr_step *s, struct mr_value *ret)
{
	struct mr_list *l = mr_list_create(n->arena, s->deps_len);

	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s->deps_len; i++)
		l->items[i] = mr_value_str(n->g->steps[s->deps[i]].short_name);
	*ret = mr_value_list(l);
	return 0;
}

/* Inner steps in their normal form; what names other steps stays as it is. */
static int action_value(struct normal *n, const struct mr_draft_action *a,
    const struct mr_value *written, struct mr_value *ret)
{
	const struct mr_draft_block *b = &n->c->blocks[a->block];
	struct mr_list *l;

	*ret = *written;
	if (!a->is_inline)
		return 0;
	l = mr_list_create(n->arena, b->len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < b->len; i++)
		l->items[i] = n->steps[b->first + i];
	*ret = mr_value_list(l);
	return 0;
}

static int config_value(struct normal *n, const struct mr_draft *d, struct mr_value *ret)
{
	size_t len = d->config != NULL ? d->config->map->len : 0;
	struct mr_map *m = mr_map_create(n->arena, len);
	int r = 0;

	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len && r == 0; i++) {
		const struct mr_member *from = &d->config->map->members[i];

		m->members[i] = *from;
		if (d->type == MR_STEP_CONDITIONAL && mr_str_eqz(from->key.s, "true_action"))
			r = action_value(n, &d->action[0], &from->value, &m->members[i].value);
		if (d->type == MR_STEP_CONDITIONAL && mr_str_eqz(from->key.s, "false_action"))
			r = action_value(n, &d->action[1], &from->value, &m->members[i].value);
	}
	if (r == 0)
		r = mr_map_seal(n->arena, m);
	*ret = mr_value_map(m);
	return r;
}

static void put_written(
    struct normal *n, const struct mr_draft *d, const char *member, const char *alias)
{
	const struct mr_value *v = mr_value_get(d->raw, member);

	if ((v == NULL || v->kind == MR_VALUE_NULL) && alias != NULL)
		v = mr_value_get(d->raw, alias);
	if (v != NULL && v->kind != MR_VALUE_NULL)
		put(n, member, *v);
}

static int step_value(struct normal *n, unsigned i, struct mr_value *ret)
{
	const struct mr_step *s = &n->g->steps[i];
	const struct mr_draft *d = &n->c->drafts[i];
	struct mr_value config, deps, retry;

	if (config_value(n, d, &config) < 0 || depends_on(n, s, &deps) < 0 ||
	    retry_value(n, &s->retry, &retry) < 0)
		return MR_E_NOMEM;
	put(n, "name", mr_value_str(s->short_name));
	put(n, "type", mr_value_strz(mr_step_type_name(s->type)));
	put(n, "config", config);
	put(n, "depends_on", deps);
	put(n, "join", mr_value_strz("ok"));
	if (s->when != NULL)
		put_written(n, d, "when", "conditions");
	put_written(n, d, "output", NULL);
	put(n, "retry", retry);
	if (s->run_timeout_us > 0)
		put(n, "timeout_seconds", mr_graph_seconds(s->run_timeout_us));
	put_written(n, d, "idempotency_key", NULL);
	put(n, "on_error", mr_value_strz(s->continue_on_error ? "continue" : "fail"));
	put_written(n, d, "description", NULL);
	return finish(n, ret);
}

static int top_value(struct normal *n, struct mr_compile *c, struct mr_value *ret)
{
	struct mr_list *l = mr_list_create(n->arena, n->g->top_len);
	struct mr_str path;
	const struct mr_value *output = mr_graph_top(c, "output", &path);

	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < n->g->top_len; i++)
		l->items[i] = n->steps[i];
	put(n, "steps", mr_value_list(l));
	put(n, "mode", mr_value_strz("standard"));
	if (n->g->timeout_us > 0)
		put(n, "timeout_seconds", mr_graph_seconds(n->g->timeout_us));
	if (output != NULL)
		put(n, "output", *output);
	return finish(n, ret);
}

static int normalize(struct normal *n, struct mr_compile *c, struct mr_value *ret)
{
	int r = mr_graph_read(c);

	if (r == 0 && c->drafts_len != n->g->steps_len)
		r = MR_E_INVALID;
	if (r < 0)
		return r;
	n->steps = mr_arena_array(c->scratch, c->drafts_len, sizeof(*n->steps));
	if (n->steps == NULL)
		return MR_E_NOMEM;
	/* inner steps stand behind the conditional that holds them */
	for (size_t i = c->drafts_len; i > 0 && r == 0; i--)
		r = step_value(n, (unsigned)i - 1, &n->steps[i - 1]);
	return r == 0 ? top_value(n, c, ret) : r;
}

int mr_graph_normalize(struct mr_arena *a, const struct mr_value *definition,
    const struct mr_graph *g, struct mr_value *ret)
{
	struct mr_arena *scratch = mr_arena_create(64u << 20);
	struct mr_faults unheard;
	struct mr_compile c = { .arena = scratch, .scratch = scratch, .body = *definition };
	struct normal n = { .arena = a, .g = g, .c = &c };
	int r;

	if (scratch == NULL)
		return MR_E_NOMEM;
	mr_faults_init(&unheard, scratch, 0);
	c.faults = &unheard;
	r = definition->kind == MR_VALUE_MAP ? normalize(&n, &c, ret) : MR_E_INVALID;
	scratch = mr_arena_free(scratch);
	return r;
}
