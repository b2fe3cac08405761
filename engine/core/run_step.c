/* Carrying steps out: what each type does when its turn comes, and how it ends. */
#include "engine/core/run_private.h"

#include <string.h>

#include "engine/core/graph_private.h"

#define REDACTED   "[redacted]"
#define TEXT_MAX   (16u << 20)
#define LEVEL_INFO "info"

/* One attempt that is about to begin. */
struct attempt {
	struct mr_turn *t;
	const struct mr_step *s;
	unsigned index;
	struct mr_run_env env;
	struct mr_value config; /* rendered */
	struct mr_value input;  /* the same as it is recorded: without secrets */
};

static int fail(struct attempt *a, const char *type, const char *message)
{
	struct mr_failure f = { .type = type, .message = mr_str(message), .input = &a->input };

	return mr_turn_fail(a->t, a->index, &f);
}

/* ---- rendering ---- */

static int render_members(struct attempt *a, struct mr_run_env *env, bool secret_only,
    struct mr_map *m, struct mr_str *member, struct mr_expr_error *err)
{
	for (size_t i = 0; i < a->s->config_len; i++) {
		const struct mr_step_member *from = &a->s->config[i];
		int r;

		if (secret_only && !from->secret)
			continue;
		m->members[i].key = mr_value_str(from->key);
		env->saw_secrets = false;
		r = mr_template_eval(
		    from->value, &env->expr, a->t->out->arena, &m->members[i].value, err);
		if (r < 0 && secret_only && r != MR_E_NOMEM) {
			/* without the real value it may not compute: then nothing of it shows */
			m->members[i].value = mr_value_strz(REDACTED);
			r = 0;
		}
		if (r < 0) {
			*member = from->key;
			return r;
		}
	}
	return 0;
}

/* The config as it is recorded: what names env or secrets is rendered without their values. */
static int render_input(struct attempt *a, const struct mr_map *real, struct mr_expr_error *err)
{
	struct mr_map *m = mr_map_create(a->t->out->arena, real->len);
	struct mr_run_env env;
	struct mr_str member;
	int r;

	if (m == NULL)
		return MR_E_NOMEM;
	memcpy(m->members, real->members, real->len * sizeof(m->members[0]));
	mr_run_env_init(&env, a->t->run, a->s, MR_SECRETS_SHOWN_REDACTED, a->env.expr.now_us);
	if (render_members(a, &env, true, m, &member, err) < 0 ||
	    mr_map_seal(a->t->out->arena, m) < 0)
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

/* Renders the config. An expression that fails fails the step: *RET_FAILED. */
static int render(struct attempt *a, bool *ret_failed)
{
	struct mr_arena *arena = a->t->out->arena;
	struct mr_expr_error err = { .message = "" };
	struct mr_str member = MR_STR("config");
	struct mr_map *m;
	int r;

	*ret_failed = false;
	a->config = a->input = a->s->config_constant;
	if (a->config.kind == MR_VALUE_MAP)
		return 0;
	m = mr_map_create(arena, a->s->config_len);
	if (m == NULL)
		return MR_E_NOMEM;
	r = render_members(a, &a->env, false, m, &member, &err);
	if (r == 0) {
		a->config = mr_value_map(m);
		r = mr_map_seal(arena, m);
	}
	if (r == 0)
		r = mr_run_json_value(arena, &a->config, &a->input);
	if (r == 0)
		return has_secret(a->s) ? render_input(a, m, &err) : 0;
	*ret_failed = true;
	return mr_turn_fail_expr(a->t, a->index, member, r, &err, &a->env);
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

static int apply_template(struct mr_turn *t, const struct mr_step *s, const struct mr_value *raw,
    struct mr_value *ret, struct mr_expr_error *err)
{
	struct mr_value result = *raw;
	struct mr_run_env env;

	*ret = *raw;
	if (s->output == NULL)
		return 0;
	if (link_json(s, t->out->arena, &result) < 0)
		return MR_E_NOMEM;
	mr_run_env_init(&env, t->run, s, MR_SECRETS_REFUSED, t->now);
	env.result = &result;
	return mr_template_eval(s->output, &env.expr, t->out->arena, ret, err);
}

static int shape_output(struct mr_turn *t, unsigned step, const struct mr_value *raw,
    struct mr_value *ret, bool *ret_failed)
{
	struct mr_expr_error err = { .message = "" };
	struct mr_value shaped, plain;
	int r = apply_template(t, &t->run->g->steps[step], raw, &shaped, &err);

	*ret_failed = false;
	if (r == 0)
		r = mr_run_json_value(t->out->arena, &shaped, &plain);
	if (r == 0)
		return mr_value_copy(t->run->arena, &plain, ret);
	*ret_failed = true;
	return mr_turn_fail_expr(t, step, MR_STR("output"), r, &err, NULL);
}

int mr_turn_complete(struct mr_turn *t, unsigned step, const struct mr_value *raw,
    const struct mr_value *input, int64_t duration_us)
{
	struct mr_fields f = mr_turn_step_fields(t, step);
	struct mr_value output;
	bool failed;
	int r = shape_output(t, step, raw, &output, &failed);

	if (r < 0 || failed)
		return r;
	if (input != NULL)
		mr_fields_put(&f, "input", *input);
	mr_fields_put(&f, "output", output);
	/* the raw result says which way it went, even where the step's output doesn't */
	if (t->run->g->steps[step].type == MR_STEP_CONDITIONAL)
		mr_fields_put(&f, "branch", mr_value_str(mr_value_get_str(raw, "branch")));
	return mr_turn_fact(t, MR_FACT_STEP_COMPLETED, (int)step, &f, duration_us);
}

/* ---- steps that reach outside ---- */

static int idempotency_key(struct attempt *a, struct mr_str *ret, bool *ret_failed)
{
	struct mr_arena *arena = a->t->out->arena;
	struct mr_expr_error err = { .message = "" };
	struct mr_value v;
	struct mr_buf b;
	int r;

	*ret_failed = false;
	if (a->s->idempotency_key == NULL) {
		*ret = mr_arena_printf(
		    arena, "%lld/%.*s/0", (long long)a->t->run->info.id, MR_STR_ARG(a->s->name));
		return ret->p != NULL ? 0 : MR_E_NOMEM;
	}
	r = mr_template_eval(a->s->idempotency_key, &a->env.expr, arena, &v, &err);
	if (r < 0) {
		*ret_failed = true;
		return mr_turn_fail_expr(
		    a->t, a->index, MR_STR("idempotency_key"), r, &err, &a->env);
	}
	mr_buf_init(&b, TEXT_MAX);
	mr_value_write_text(&b, &v);
	*ret = mr_arena_str(arena, mr_buf_failed(&b) ? MR_STR_NONE : mr_buf_str(&b));
	mr_buf_done(&b);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

/* The shorter of the step's timeout and its config's. */
static int64_t timeout_of(const struct attempt *a)
{
	const struct mr_value *v = mr_value_get(&a->config, "timeout");
	int64_t us = 0;

	if (v == NULL || !mr_graph_duration(v, &us) || us == 0)
		return a->s->run_timeout_us;
	if (a->s->run_timeout_us > 0 && a->s->run_timeout_us < us)
		return a->s->run_timeout_us;
	return us;
}

/* Renders what an effect needs. False in *RET_READY: the step has failed. */
static int make_effect(struct attempt *a, struct mr_effect *e, bool *ret_ready)
{
	bool failed;
	int r = render(a, &failed);

	*ret_ready = false;
	if (r < 0 || failed)
		return r;
	r = idempotency_key(a, &e->idempotency_key, &failed);
	if (r < 0 || failed)
		return r;
	e->step = (int)a->index;
	e->config = a->config;
	e->timeout_us = timeout_of(a);
	*ret_ready = true;
	return 0;
}

static int push_effect(struct attempt *a, struct mr_effect *e)
{
	const struct mr_step_state *st = &a->t->run->steps[a->index];

	e->attempt = st->attempt;
	e->step_execution_id = st->execution_id;
	return mr_turn_effect(a->t, e);
}

static int do_outside(struct attempt *a)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->index);
	struct mr_effect e = { .step = -1 };
	bool ready;
	int r = make_effect(a, &e, &ready);

	if (r < 0 || !ready)
		return r;
	mr_fields_put(&f, "input", a->input);
	r = mr_turn_fact(a->t, MR_FACT_STEP_STARTED, (int)a->index, &f, -1);
	return r == 0 ? push_effect(a, &e) : r;
}

/* ---- pure steps ---- */

static int do_noop(struct attempt *a)
{
	struct mr_fields none = { .len = 0 };
	struct mr_value result;

	if (mr_fields_map(a->t->out->arena, &none, &result) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete(a->t, a->index, &result, &result, 0);
}

static int as_text(struct mr_arena *arena, const struct mr_value *v, struct mr_str *ret)
{
	struct mr_buf b;

	if (v->kind == MR_VALUE_STRING) {
		*ret = v->s;
		return 0;
	}
	mr_buf_init(&b, TEXT_MAX);
	mr_value_write_text(&b, v);
	*ret = mr_arena_str(arena, mr_buf_failed(&b) ? MR_STR_NONE : mr_buf_str(&b));
	mr_buf_done(&b);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

/* The level in our words; NULL when it is none. */
static const char *level_of(const struct mr_value *v)
{
	static const char *const levels[] = { "debug", LEVEL_INFO, "warning", "error", "critical" };

	if (v == NULL)
		return LEVEL_INFO;
	if (v->kind != MR_VALUE_STRING)
		return NULL;
	if (mr_str_ieqz(v->s, "warn"))
		return "warning";
	for (size_t i = 0; i < MR_ARRAY_LEN(levels); i++)
		if (mr_str_ieqz(v->s, levels[i]))
			return levels[i];
	return NULL;
}

static int do_log(struct attempt *a)
{
	struct mr_fields f = { .len = 0 };
	const char *level;
	struct mr_str message;
	struct mr_value result;
	bool failed;
	int r;

	/* a log line is a record: no secret gets into it */
	a->env.secrets = MR_SECRETS_SHOWN_REDACTED;
	r = render(a, &failed);
	if (r < 0 || failed)
		return r;
	level = level_of(mr_value_get(&a->config, "level"));
	if (level == NULL)
		return fail(
		    a, "validation", "level: must be one of debug, info, warning, error, critical");
	if (as_text(a->t->out->arena, mr_value_get(&a->config, "message"), &message) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&f, "message", mr_value_str(message));
	mr_fields_put(&f, "level", mr_value_strz(level));
	if (mr_fields_map(a->t->out->arena, &f, &result) < 0)
		return MR_E_NOMEM;
	r = mr_turn_complete(a->t, a->index, &result, &a->input, 0);
	if (r < 0 || a->t->run->steps[a->index].status != MR_STEP_COMPLETED)
		return r;
	return mr_turn_fact(a->t, MR_FACT_LOG, (int)a->index, &f, -1);
}

static int do_transform(struct attempt *a)
{
	struct mr_arena *arena = a->t->out->arena;
	struct mr_expr_error err = { .message = "" };
	const struct mr_value *given;
	struct mr_value source, result;
	bool failed;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = render(a, &failed);
	if (r < 0 || failed)
		return r;
	given = mr_value_get(&a->config, "source_data");
	if (given != NULL)
		source = *given;
	else
		mr_run_env_source(&a->env, &source);
	r = mr_transform_eval(a->s->transform, &source, &a->env.expr, arena, &result, &err);
	if (r < 0)
		return mr_turn_fail_expr(
		    a->t, a->index, MR_STR("transformations"), r, &err, &a->env);
	return mr_turn_complete(a->t, a->index, &result, &a->input, 0);
}

/* ---- delay ---- */

/* When the delay ends; false when the config doesn't say. */
static bool delay_until(const struct attempt *a, int64_t *ret_us)
{
	const struct mr_value *seconds = mr_value_get(&a->config, "seconds");
	const struct mr_value *until = mr_value_get(&a->config, "until");
	int64_t us;

	if (seconds != NULL) {
		if (!mr_graph_duration(seconds, &us))
			return false;
		*ret_us = a->t->now + us;
		return true;
	}
	if (until != NULL && until->kind == MR_VALUE_TIMESTAMP) {
		*ret_us = until->i;
		return true;
	}
	return until != NULL && until->kind == MR_VALUE_STRING &&
	       mr_time_parse(until->s, ret_us) == 0;
}

static int delay_done(struct mr_turn *t, unsigned step, int64_t waited_us, int64_t took_us,
    const struct mr_value *input)
{
	struct mr_fields f = { .len = 0 };
	struct mr_value result;

	mr_fields_put(&f, "waited_seconds", mr_graph_seconds(waited_us));
	if (mr_fields_map(t->out->arena, &f, &result) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete(t, step, &result, input, took_us);
}

static int do_delay(struct attempt *a)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->index);
	int64_t until;
	bool failed;
	int r = render(a, &failed);

	if (r < 0 || failed)
		return r;
	if (!delay_until(a, &until))
		return fail(a, "validation",
		    "seconds must be a duration, or until a time such as 2026-01-31T12:00:00Z");
	if (until <= a->t->now)
		return delay_done(a->t, a->index, 0, 0, &a->input);
	if (mr_fields_time(&f, a->t->out->arena, "until", until) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&f, "input", a->input);
	return mr_turn_fact(a->t, MR_FACT_STEP_WAITING, (int)a->index, &f, -1);
}

int mr_turn_waited(struct mr_turn *t, unsigned step)
{
	const struct mr_step_state *st = &t->run->steps[step];

	if (st->status == MR_STEP_RETRYING)
		return mr_turn_attempt_again(t, step);
	return delay_done(t, step, st->wake_at - st->began_at, t->now - st->began_at, NULL);
}

/* ---- conditional ---- */

static int conditional_result(
    struct mr_turn *t, bool is_true, struct mr_value last, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "condition", mr_value_bool(is_true));
	mr_fields_put(&f, "branch", mr_value_strz(is_true ? "true" : "false"));
	mr_fields_put(&f, "result", last);
	return mr_fields_map(t->out->arena, &f, ret);
}

static bool has_inner(const struct mr_turn *t, const struct mr_step *s, bool is_true)
{
	const unsigned *steps = is_true ? s->true_steps : s->false_steps;

	return (is_true ? s->true_len : s->false_len) > 0 &&
	       t->run->g->steps[steps[0]].parent == (int)s->index;
}

static int do_conditional(struct attempt *a)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->index), in = { .len = 0 };
	struct mr_expr_error err = { .message = "" };
	struct mr_value result;
	bool is_true;
	int r = mr_condition_eval(a->s->condition, &a->env.expr, a->t->out->arena, &is_true, &err);

	if (r < 0)
		return mr_turn_fail_expr(a->t, a->index, MR_STR("condition"), r, &err, &a->env);
	mr_fields_put(&in, "condition", a->s->condition_source);
	if (mr_fields_map(a->t->out->arena, &in, &a->input) < 0)
		return MR_E_NOMEM;
	if (has_inner(a->t, a->s, is_true)) {
		mr_fields_put(&f, "input", a->input);
		mr_fields_put(&f, "branch", mr_value_strz(is_true ? "true" : "false"));
		return mr_turn_fact(a->t, MR_FACT_STEP_STARTED, (int)a->index, &f, -1);
	}
	if (conditional_result(a->t, is_true, MR_NULL_VALUE, &result) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete(a->t, a->index, &result, &a->input, 0);
}

/* The result of the last inner step that has one. */
static struct mr_value last_result(const struct mr_turn *t, const struct mr_step *s, bool is_true)
{
	const unsigned *steps = is_true ? s->true_steps : s->false_steps;

	for (size_t k = is_true ? s->true_len : s->false_len; k > 0; k--)
		if (t->run->steps[steps[k - 1]].status == MR_STEP_COMPLETED)
			return t->run->steps[steps[k - 1]].output;
	return MR_NULL_VALUE;
}

int mr_turn_settle(struct mr_turn *t, unsigned step)
{
	const struct mr_step *s = &t->run->g->steps[step];
	const struct mr_step_state *st = &t->run->steps[step];
	int64_t took = t->now > st->began_at ? t->now - st->began_at : 0;
	bool is_true = st->branch == 1;
	struct mr_value result;
	int r;

	if (st->failed_child >= 0) {
		struct mr_failure f = { .inner = &t->run->steps[st->failed_child].error,
			.retryable = true,
			.duration_us = took };

		r = mr_turn_cancel_active(t, (int)step, "failed");
		return r == 0 ? mr_turn_fail(t, step, &f) : r;
	}
	if (conditional_result(t, is_true, last_result(t, s, is_true), &result) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete(t, step, &result, NULL, took);
}

/* ---- the turn of a step ---- */

static int (*const doers[])(struct attempt *a) = {
	[MR_STEP_HTTP_REQUEST] = do_outside,
	[MR_STEP_FILE_PROCESS] = do_outside,
	[MR_STEP_CONDITIONAL] = do_conditional,
	[MR_STEP_DATA_TRANSFORM] = do_transform,
	[MR_STEP_DELAY] = do_delay,
	[MR_STEP_LOG] = do_log,
	[MR_STEP_NOTIFICATION] = do_outside,
	[MR_STEP_NOOP] = do_noop,
};
_Static_assert(MR_ARRAY_LEN(doers) == MR_STEP_TYPE_COUNT, "a row for each step type");

static void attempt_init(struct attempt *a, struct mr_turn *t, unsigned step, int64_t now_us)
{
	a->t = t;
	a->s = &t->run->g->steps[step];
	a->index = step;
	a->config = a->input = MR_NULL_VALUE;
	mr_run_env_init(&a->env, t->run, a->s, MR_SECRETS_REAL, now_us);
}

static int skip(struct mr_turn *t, unsigned step, enum mr_skip_reason reason)
{
	struct mr_fields f = mr_turn_step_fields(t, step);

	mr_fields_put(&f, "reason", mr_value_strz(mr_skip_reason_names[reason]));
	return mr_turn_fact(t, MR_FACT_STEP_SKIPPED, (int)step, &f, -1);
}

int mr_turn_attempt_again(struct mr_turn *t, unsigned step)
{
	struct attempt a;

	attempt_init(&a, t, step, t->now);
	return doers[a.s->type](&a);
}

int mr_turn_begin(struct mr_turn *t, unsigned step)
{
	struct mr_expr_error err = { .message = "" };
	struct attempt a;
	bool holds = true;
	int r;

	attempt_init(&a, t, step, t->now);
	/* all of them on paths that were not taken: neither is this one */
	if (a.s->deps_len > 0 && t->run->steps[step].deps_done == 0)
		return skip(t, step, MR_SKIP_PATH_NOT_TAKEN);
	if (a.s->when != NULL) {
		r = mr_condition_eval(a.s->when, &a.env.expr, t->out->arena, &holds, &err);
		if (r < 0)
			return mr_turn_fail_expr(t, step, MR_STR("when"), r, &err, &a.env);
	}
	return holds ? doers[a.s->type](&a) : skip(t, step, MR_SKIP_WHEN);
}

int mr_turn_effect_again(struct mr_turn *t, unsigned step)
{
	struct mr_effect e = { .step = -1 };
	struct attempt a;
	bool ready;
	int r;

	/* evaluated as of then, so that it comes out the same */
	attempt_init(&a, t, step, t->run->steps[step].began_at);
	r = make_effect(&a, &e, &ready);
	return r == 0 && ready ? push_effect(&a, &e) : r;
}
