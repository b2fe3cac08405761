/* A step's turn: whether it runs, what its config is, and how it ends well. */
#include "engine/core/run_private.h"

#include <string.h>

#define REDACTED "[redacted]"

int mr_attempt_fail(struct mr_attempt *a, const char *type, const char *message)
{
	struct mr_failure f = {
		.type = type, .message = mr_str(message), .input = &a->input, .retryable = true
	};

	return mr_turn_fail(a->t, a->st, &f);
}

int64_t mr_turn_took(const struct mr_turn *t, const struct mr_step_state *st)
{
	return st->began_at > 0 && t->now > st->began_at ? t->now - st->began_at : 0;
}

/* ---- rendering ---- */

int mr_attempt_member(
    struct mr_attempt *a, size_t i, bool shown, struct mr_value *ret, struct mr_expr_error *err)
{
	const struct mr_step_member *from = &a->s->config[i];
	struct mr_run_env env;
	int r;

	if (!shown) {
		a->env.saw_secrets = false;
		return mr_template_eval(from->value, &a->env.expr, a->t->out->arena, ret, err);
	}
	mr_run_env_init(&env, a->t->run, a->st, MR_SECRETS_SHOWN_REDACTED, a->env.expr.now_us);
	env.vars = a->env.vars;
	r = mr_template_eval(from->value, &env.expr, a->t->out->arena, ret, err);
	if (r == 0 || r == MR_E_NOMEM || r == MR_E_IO)
		return r;
	/* without the real value it may not compute: then nothing of it shows */
	*ret = mr_value_strz(REDACTED);
	return 0;
}

/* The config as it is recorded: what names env or secrets is rendered without their values. */
static int render_input(struct mr_attempt *a, const struct mr_map *real, struct mr_expr_error *err)
{
	struct mr_map *m = mr_map_create(a->t->out->arena, real->len);
	int r = 0;

	if (m == NULL)
		return MR_E_NOMEM;
	memcpy(m->members, real->members, real->len * sizeof(m->members[0]));
	for (size_t i = 0; r == 0 && i < a->s->config_len; i++)
		if (a->s->config[i].secret)
			r = mr_attempt_member(a, i, true, &m->members[i].value, err);
	if (r < 0)
		return r;
	if (mr_map_seal(a->t->out->arena, m) < 0)
		return MR_E_NOMEM;
	a->input = mr_value_map(m);
	r = mr_run_json_value(a->t->out->arena, &a->input, &a->input);
	if (r == 0 || r == MR_E_NOMEM)
		return r;
	/* what is not shown need not be shown in full */
	a->input = mr_value_strz(REDACTED);
	return 0;
}

static bool has_secret(const struct mr_step *s)
{
	for (size_t i = 0; i < s->config_len; i++)
		if (s->config[i].secret)
			return true;
	return false;
}

/* What is recorded, and what an effect gets, outlives the frame whose values it shows, and the
 * present variables. */
static int keep(struct mr_attempt *a)
{
	struct mr_value input = a->input, config = a->config;
	bool same = input.kind == config.kind && input.map == config.map;

	if (a->st->frame->pooled == NULL && a->t->run->vars.kind != MR_VALUE_MAP)
		return 0;
	if (mr_value_copy(a->t->out->arena, &input, &a->input) < 0)
		return MR_E_NOMEM;
	if (!same)
		return mr_value_copy(a->t->out->arena, &config, &a->config);
	a->config = a->input;
	return 0;
}

/* Config and input as they come out now; MEMBER is the one that failed. */
static int render(struct mr_attempt *a, struct mr_str *member, struct mr_expr_error *err)
{
	struct mr_arena *arena = a->t->out->arena;
	struct mr_map *m = mr_map_create(arena, a->s->config_len);
	int r = m != NULL ? 0 : MR_E_NOMEM;

	*member = MR_STR("config");
	for (size_t i = 0; r == 0 && i < a->s->config_len; i++) {
		m->members[i].key = mr_value_str(a->s->config[i].key);
		r = mr_attempt_member(a, i, false, &m->members[i].value, err);
		if (r < 0)
			*member = a->s->config[i].key;
	}
	if (r == 0) {
		a->config = mr_value_map(m);
		r = mr_map_seal(arena, m);
	}
	if (r == 0)
		r = mr_run_json_value(arena, &a->config, &a->input);
	return r == 0 && has_secret(a->s) ? render_input(a, m, err) : r;
}

static int render_failed(
    struct mr_attempt *a, struct mr_str member, int r, const struct mr_expr_error *err)
{
	a->config = a->input = MR_NULL_VALUE;
	return mr_turn_fail_expr(a->t, a->st, member, r, err, &a->env);
}

int mr_attempt_render(struct mr_attempt *a, bool *ret_failed)
{
	struct mr_expr_error err = { .message = "" };
	struct mr_str member;
	int r;

	*ret_failed = false;
	a->config = a->input = a->s->config_constant;
	if (a->config.kind == MR_VALUE_MAP)
		return 0;
	r = render(a, &member, &err);
	if (r == 0)
		return keep(a);
	*ret_failed = true;
	return render_failed(a, member, r, &err);
}

/* ---- rendering again ---- */

#define PICK_DEPTH 16u /* of lists and maps in one member */

static bool are(const struct mr_value *const v[3], enum mr_value_kind kind)
{
	return v[0]->kind == kind && v[1]->kind == kind && v[2]->kind == kind;
}

static int pick(
    struct mr_arena *a, const struct mr_value *const v[3], unsigned depth, struct mr_value *ret);

static int pick_items(
    struct mr_arena *a, const struct mr_value *const v[3], unsigned depth, struct mr_value *ret)
{
	struct mr_list *l = mr_list_create(a, v[0]->list->len);
	int r = l != NULL ? 0 : MR_E_NOMEM;

	for (size_t i = 0; r == 0 && i < l->len; i++) {
		const struct mr_value *const one[3] = { &v[0]->list->items[i],
			&v[1]->list->items[i], &v[2]->list->items[i] };

		r = pick(a, one, depth, &l->items[i]);
	}
	if (r == 0)
		*ret = mr_value_list(l);
	return r;
}

static int pick_members(
    struct mr_arena *a, const struct mr_value *const v[3], unsigned depth, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(a, v[0]->map->len);
	int r = m != NULL ? 0 : MR_E_NOMEM;

	for (size_t i = 0; r == 0 && i < m->len; i++) {
		struct mr_str key = v[0]->map->members[i].key.s;
		const struct mr_value *const one[3] = { &v[0]->map->members[i].value,
			mr_value_gets(v[1], key), mr_value_gets(v[2], key) };

		m->members[i].key = v[0]->map->members[i].key;
		m->members[i].value = *one[0];
		if (one[1] != NULL && one[2] != NULL)
			r = pick(a, one, depth, &m->members[i].value);
	}
	if (r == 0)
		r = mr_map_seal(a, m);
	if (r == 0)
		*ret = mr_value_map(m);
	return r;
}

/* Of a member with secrets there is V[0], as it comes out now, V[1], the same without secrets, and
 * V[2], as it was recorded. What is the same with and without secrets is taken from the record. As
 * deep as DEPTH says. */
static int pick(
    struct mr_arena *a, const struct mr_value *const v[3], unsigned depth, struct mr_value *ret)
{
	if (mr_value_eq(v[0], v[1]))
		return mr_value_copy(a, v[2], ret);
	if (depth > 0 && are(v, MR_VALUE_MAP))
		return pick_members(a, v, depth - 1, ret);
	if (depth > 0 && are(v, MR_VALUE_LIST) && v[0]->list->len == v[1]->list->len &&
	    v[0]->list->len == v[2]->list->len)
		return pick_items(a, v, depth - 1, ret);
	*ret = *v[0];
	return 0;
}

static int member_again(struct mr_attempt *a, size_t i, const struct mr_value *recorded,
    struct mr_value *ret, struct mr_expr_error *err)
{
	struct mr_arena *arena = a->t->out->arena;
	const struct mr_value *was = mr_value_gets(recorded, a->s->config[i].key);
	struct mr_value now, plain, shown;
	const struct mr_value *const v[3] = { &plain, &shown, was };
	int r;

	if (was != NULL && !a->s->config[i].secret)
		return mr_value_copy(arena, was, ret);
	r = mr_attempt_member(a, i, false, &now, err);
	*ret = now;
	if (r < 0 || was == NULL)
		return r;
	r = mr_attempt_member(a, i, true, &shown, err);
	if (r == 0)
		r = mr_run_json_value(arena, &now, &plain);
	if (r == 0)
		r = mr_run_json_value(arena, &shown, &shown);
	if (r == 0)
		return pick(arena, v, PICK_DEPTH, ret);
	return r == MR_E_NOMEM ? r : 0; /* what is no JSON has no record to compare it with */
}

static int members_again(struct mr_attempt *a, const struct mr_value *recorded,
    struct mr_str *member, struct mr_expr_error *err)
{
	struct mr_map *m = mr_map_create(a->t->out->arena, a->s->config_len);
	int r = m != NULL ? 0 : MR_E_NOMEM;

	for (size_t i = 0; r == 0 && i < a->s->config_len; i++) {
		*member = a->s->config[i].key;
		m->members[i].key = mr_value_str(*member);
		r = member_again(a, i, recorded, &m->members[i].value, err);
	}
	if (r == 0)
		r = mr_map_seal(a->t->out->arena, m);
	if (r == 0)
		a->config = mr_value_map(m);
	return r == 0 ? mr_value_copy(a->t->out->arena, recorded, &a->input) : r;
}

int mr_attempt_render_again(struct mr_attempt *a, bool *ret_failed)
{
	const struct mr_begun *b = a->st->begun;
	struct mr_expr_error err = { .message = "" };
	struct mr_str member;
	int r;

	if (b == NULL || b->input.kind != MR_VALUE_MAP)
		return mr_attempt_render(a, ret_failed);
	*ret_failed = false;
	r = render(a, &member, &err);
	if (r == 0 && mr_value_eq(&a->input, &b->input))
		return keep(a);
	if (r == 0 || (r != MR_E_NOMEM && r != MR_E_IO))
		r = members_again(a, &b->input, &member, &err);
	if (r == 0)
		return keep(a);
	*ret_failed = true;
	return render_failed(a, member, r, &err);
}

/* ---- ending well ---- */

/* A field that an http_request result lacks is looked up in its json, here too. */
static int link_json(const struct mr_step *s, struct mr_arena *a, struct mr_value *v)
{
	const struct mr_value *json = mr_value_get_kind(v, "json", MR_VALUE_MAP);
	struct mr_map *m;

	if (s->type != MR_STEP_HTTP_REQUEST || json == NULL || v->map->fallback != NULL)
		return 0;
	m = mr_map_create(a, v->map->len);
	if (m == NULL)
		return MR_E_NOMEM;
	memcpy(m->members, v->map->members, v->map->len * sizeof(m->members[0]));
	m->fallback = json->map;
	*v = mr_value_map(m);
	return mr_map_seal(a, m);
}

static int apply_template(struct mr_turn *t, struct mr_step_state *st, const struct mr_value *raw,
    struct mr_value *ret, struct mr_expr_error *err)
{
	const struct mr_step *s = mr_step_of(t->run, st);
	struct mr_value result = *raw;
	struct mr_run_env env;

	*ret = *raw;
	if (s->output == NULL)
		return 0;
	if (link_json(s, t->out->arena, &result) < 0)
		return MR_E_NOMEM;
	mr_run_env_init(&env, t->run, st, MR_SECRETS_REFUSED, t->now);
	env.result = &result;
	return mr_template_eval(s->output, &env.expr, t->out->arena, ret, err);
}

/* V where it lives as long as it is needed: the run's, or the fact's beside the frame's copy. */
static int own(struct mr_turn *t, const struct mr_step_state *st, const struct mr_value *v,
    struct mr_value *ret)
{
	return mr_value_copy(st->frame->pooled != NULL ? t->out->arena : t->run->arena, v, ret);
}

/* A large result goes to the payload store; RET is a reference then, and *RET_STORED says so.
 * MR_E_LIMIT when there is no more room for it there. */
static int store_large(
    struct mr_turn *t, const struct mr_value *v, struct mr_value *ret, bool *ret_stored)
{
	const struct mr_run_info *info = &t->run->info;
	struct mr_fields f = { .len = 0 };
	struct mr_str ref;
	size_t size, used;
	int r;

	*ret_stored = false;
	if (info->payload_store == NULL || info->payload_min == 0)
		return 0;
	size = mr_value_size(v, info->payload_min);
	if (size < info->payload_min)
		return 0;
	used = mr_arena_used(t->out->arena);
	r = info->payload_store(info->payload_ctx, t->out->arena, v, &ref);
	mr_run_spend(
	    t->run, MR_COST_PAYLOAD + (mr_arena_used(t->out->arena) - used) / MR_COST_BYTES);
	if (r < 0)
		return r == MR_E_NOMEM || r == MR_E_LIMIT ? r : 0; /* the journal can hold it */
	mr_fields_put(&f, "ref", mr_value_str(ref));
	*ret_stored = true;
	return mr_fields_map(t->out->arena, &f, ret);
}

static int put_here(
    struct mr_turn *t, struct mr_step_state *st, struct mr_fields *f, const struct mr_value *v)
{
	struct mr_value output;

	if (own(t, st, v, &output) < 0)
		return MR_E_NOMEM;
	mr_fields_put(f, "output", output);
	return 0;
}

static int put_output(
    struct mr_turn *t, struct mr_step_state *st, struct mr_fields *f, const struct mr_value *v)
{
	struct mr_value output;
	bool stored;
	int r = store_large(t, v, &output, &stored);

	if (r < 0)
		return r;
	if (stored) {
		mr_fields_put(f, "output_ref", output);
		return 0;
	}
	return put_here(t, st, f, v);
}

static int shape_output(struct mr_turn *t, struct mr_step_state *st, const struct mr_value *raw,
    struct mr_value *ret, bool *ret_failed)
{
	struct mr_expr_error err = { .message = "" };
	struct mr_value shaped;
	int r = apply_template(t, st, raw, &shaped, &err);

	*ret_failed = false;
	if (r == 0)
		r = mr_run_json_value(t->out->arena, &shaped, ret);
	if (r == 0)
		return 0;
	*ret_failed = true;
	return mr_turn_fail_expr(t, st, MR_STR("output"), r, &err, NULL);
}

static int fail_full(
    struct mr_turn *t, struct mr_step_state *st, const struct mr_value *input, int64_t duration_us)
{
	struct mr_failure f = { .type = "limit", .duration_us = duration_us, .input = input };

	f.message = mr_arena_printf(t->out->arena,
	    "the result is not kept: the results of the tenant take up the %lld bytes that they "
	    "may take in the file store",
	    (long long)t->run->info.payload_quota);
	return f.message.p != NULL ? mr_turn_fail(t, st, &f) : MR_E_NOMEM;
}

int mr_turn_complete_with(struct mr_turn *t, struct mr_step_state *st, const struct mr_value *raw,
    const struct mr_value *input, int64_t duration_us, const struct mr_fields *more)
{
	struct mr_fields f = mr_turn_step_fields(t, st);
	struct mr_value output;
	bool failed;
	int r = shape_output(t, st, raw, &output, &failed);

	if (r < 0 || failed)
		return r;
	if (input != NULL)
		mr_fields_put(&f, "input", *input);
	r = put_output(t, st, &f, &output);
	if (r == MR_E_LIMIT)
		return fail_full(t, st, input, duration_us);
	if (r < 0 || mr_turn_unawait(t, st) < 0)
		return MR_E_NOMEM;
	for (size_t i = 0; more != NULL && i < more->len; i++)
		f.m[f.len++] = more->m[i];
	return mr_turn_fact(t, MR_FACT_STEP_COMPLETED, st, &f, duration_us);
}

int mr_turn_complete(struct mr_turn *t, struct mr_step_state *st, const struct mr_value *raw,
    const struct mr_value *input, int64_t duration_us)
{
	return mr_turn_complete_with(t, st, raw, input, duration_us, NULL);
}

int mr_turn_complete_caught(struct mr_turn *t, struct mr_step_state *st,
    const struct mr_value *value, const struct mr_value *error)
{
	struct mr_fields f = mr_turn_step_fields(t, st);
	struct mr_value plain, kept;
	int r = mr_run_json_value(t->out->arena, value, &plain);

	if (r < 0)
		return MR_E_NOMEM;
	r = put_output(t, st, &f, &plain);
	if (r == MR_E_LIMIT && st->status == MR_STEP_CATCHING)
		return fail_full(t, st, NULL, mr_turn_took(t, st));
	if (r == MR_E_LIMIT)
		r = put_here(t, st, &f, &plain); /* the same entry would catch that failure too */
	if (r < 0 || own(t, st, error, &kept) < 0 || mr_turn_unawait(t, st) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&f, "error", kept);
	return mr_turn_fact(t, MR_FACT_STEP_COMPLETED, st, &f, mr_turn_took(t, st));
}

/* ---- the turn of a step ---- */

static int (*const doers[])(struct mr_attempt *a) = {
	[MR_STEP_HTTP_REQUEST] = mr_do_outside,
	[MR_STEP_FILE_PROCESS] = mr_do_outside,
	[MR_STEP_CONDITIONAL] = mr_do_conditional,
	[MR_STEP_DATA_TRANSFORM] = mr_do_transform,
	[MR_STEP_DELAY] = mr_do_delay,
	[MR_STEP_LOG] = mr_do_log,
	[MR_STEP_NOTIFICATION] = mr_do_outside,
	[MR_STEP_NOOP] = mr_do_noop,
	[MR_STEP_SWITCH] = mr_do_switch,
	[MR_STEP_PARALLEL] = mr_do_parallel,
	[MR_STEP_FOREACH] = mr_do_foreach,
	[MR_STEP_WHILE] = mr_do_while,
	[MR_STEP_SUBWORKFLOW] = mr_do_outside,
	[MR_STEP_WAIT] = mr_do_wait,
	[MR_STEP_SET] = mr_do_set,
	[MR_STEP_ASSERT] = mr_do_assert,
	[MR_STEP_RAISE] = mr_do_raise,
	[MR_STEP_TERMINATE] = mr_do_terminate,
	[MR_STEP_EMIT] = mr_do_emit,
	[MR_STEP_AGENT] = mr_do_outside,
};
_Static_assert(MR_ARRAY_LEN(doers) == MR_STEP_TYPE_COUNT, "a row for each step type");

void mr_attempt_init(
    struct mr_attempt *a, struct mr_turn *t, struct mr_step_state *st, int64_t now_us)
{
	a->t = t;
	a->st = st;
	a->s = mr_step_of(t->run, st);
	a->config = a->input = MR_NULL_VALUE;
	mr_run_env_init(&a->env, t->run, st, MR_SECRETS_REAL, now_us);
	if (st->begun != NULL && st->begun->vars.kind == MR_VALUE_MAP)
		a->env.vars = &st->begun->vars;
}

static int skip(struct mr_turn *t, struct mr_step_state *st, enum mr_skip_reason reason)
{
	struct mr_fields f = mr_turn_step_fields(t, st);

	mr_fields_put(&f, "reason", mr_value_strz(mr_skip_reason_names[reason]));
	return mr_turn_fact(t, MR_FACT_STEP_SKIPPED, st, &f, -1);
}

int mr_turn_attempt_again(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_attempt a;

	mr_attempt_init(&a, t, st, t->now);
	return doers[a.s->type](&a);
}

static int run_it(struct mr_attempt *a)
{
	int r = a->s->join.cancel_rest ? mr_turn_cancel_rest(a->t, a->st) : 0;

	return r == 0 ? doers[a->s->type](a) : r;
}

int mr_turn_begin(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_expr_error err = { .message = "" };
	struct mr_attempt a;
	bool holds = true;
	int r;

	mr_attempt_init(&a, t, st, t->now);
	if (mr_step_verdict(t->run, st) == MR_JOIN_UNMET)
		return skip(
		    t, st, a.s->join.kind == MR_JOIN_OK ? MR_SKIP_PATH_NOT_TAKEN : MR_SKIP_JOIN);
	if (a.s->disabled)
		return skip(t, st, MR_SKIP_WHEN);
	if (a.s->when != NULL) {
		r = mr_condition_eval(a.s->when, &a.env.expr, t->out->arena, &holds, &err);
		if (r < 0)
			return mr_turn_fail_expr(t, st, MR_STR("when"), r, &err, &a.env);
	}
	return holds ? run_it(&a) : skip(t, st, MR_SKIP_WHEN);
}

int mr_turn_effect_again(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_attempt a;

	/* evaluated as of then, so that it comes out the same */
	mr_attempt_init(&a, t, st, st->began_at);
	return mr_outside_again(&a);
}
