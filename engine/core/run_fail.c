/* Failures: the error that is recorded, whether and when to try again, what is cancelled beside. */
#include "engine/core/run_private.h"

#include <string.h>

/* ---- the policy ---- */

static bool is_http(struct mr_str type)
{
	return type.len == 8 && mr_str_starts(type, MR_STR("http.")) && type.p[5] >= '1' &&
	       type.p[5] <= '5';
}

static bool matches(struct mr_str pattern, struct mr_str type)
{
	if (mr_str_eqz(pattern, "*"))
		return !mr_str_eqz(type, "cancelled");
	if (mr_str_eqz(pattern, "http.4xx"))
		return mr_str_eq(pattern, type) || (is_http(type) && type.p[5] == '4');
	if (mr_str_eqz(pattern, "http.5xx"))
		return mr_str_eq(pattern, type) || (is_http(type) && type.p[5] == '5');
	return mr_str_eq(pattern, type);
}

static bool any_matches(const struct mr_str *patterns, size_t len, struct mr_str type)
{
	for (size_t i = 0; i < len; i++)
		if (matches(patterns[i], type))
			return true;
	return false;
}

/* Trying again could help: the other side may recover, or wasn't reached at all. */
static bool may_recover(struct mr_str type)
{
	static const char *const final[] = { "validation", "expression", "cancelled" };

	for (size_t i = 0; i < MR_ARRAY_LEN(final); i++)
		if (mr_str_eqz(type, final[i]))
			return false;
	if (!matches(MR_STR("http.4xx"), type))
		return true;
	return mr_str_eqz(type, "http.408") || mr_str_eqz(type, "http.425") ||
	       mr_str_eqz(type, "http.429");
}

bool mr_retry_wanted(const struct mr_retry_policy *p, struct mr_str error_type)
{
	if (any_matches(p->not_on, p->not_on_len, error_type))
		return false;
	if (p->on_len > 0)
		return any_matches(p->on, p->on_len, error_type);
	return may_recover(error_type);
}

int64_t mr_retry_delay(const struct mr_retry_policy *p, unsigned attempt, struct mr_rand *rand)
{
	double delay = (double)p->delay_us, max = (double)p->max_delay_us;

	for (unsigned i = 1; i < attempt && !p->constant && delay < max; i++)
		delay *= p->multiplier;
	if (delay > max)
		delay = max;
	if (p->jitter > 0 && rand != NULL) {
		double part = (double)(rand->next(rand->ctx) >> 11) / 9007199254740992.0;

		delay *= 1 - p->jitter * part;
	}
	return (int64_t)delay;
}

/* ---- the error ---- */

static int put_copy(
    struct mr_turn *t, struct mr_fields *f, const struct mr_value *given, const char *member)
{
	const struct mr_value *v = mr_value_get(given, member);
	struct mr_value plain, copy;
	int r;

	if (v == NULL || v->kind == MR_VALUE_NULL)
		return 0;
	r = mr_run_json_value(t->out->arena, v, &plain);
	if (r < 0)
		return r == MR_E_NOMEM ? r : 0; /* the error says enough without it */
	if (mr_value_copy(t->run->arena, &plain, &copy) < 0)
		return MR_E_NOMEM;
	mr_fields_put(f, member, copy);
	return 0;
}

/* {type, message, step, attempt, status_code?, data?}, in the run's arena. */
static int make_error(struct mr_turn *t, unsigned step, const struct mr_failure *fail,
    struct mr_str type, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };
	struct mr_str message = fail->message;
	struct mr_value none = MR_NULL_VALUE;
	const struct mr_value *given = fail->given != NULL ? fail->given : &none;

	if (fail->inner != NULL)
		return mr_value_copy(t->run->arena, fail->inner, ret);
	if (fail->given != NULL)
		message = mr_value_get_str(given, "message");
	if (memchr(type.p, '\0', type.len) != NULL)
		type = MR_STR("internal");
	if (message.len > 0 && memchr(message.p, '\0', message.len) != NULL)
		message = MR_STR("");
	type = mr_arena_str(t->run->arena, type);
	message = mr_arena_str(t->run->arena, message.p != NULL ? message : MR_STR(""));
	if (type.p == NULL || message.p == NULL)
		return MR_E_NOMEM;
	mr_fields_put(&f, "type", mr_value_str(type));
	mr_fields_put(&f, "message", mr_value_str(message));
	mr_fields_put(&f, "step", mr_value_str(t->run->g->steps[step].name));
	mr_fields_put(&f, "attempt", mr_value_int(mr_turn_attempt(t, step)));
	if (put_copy(t, &f, given, "status_code") < 0 || put_copy(t, &f, given, "data") < 0)
		return MR_E_NOMEM;
	return mr_fields_map(t->run->arena, &f, ret);
}

static int retry_later(struct mr_turn *t, unsigned step, struct mr_value error, int64_t duration_us)
{
	const struct mr_step *s = &t->run->g->steps[step];
	unsigned attempt = t->run->steps[step].attempt;
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "error", error);
	if (mr_fields_time(&f, t->out->arena, "next_at",
	        t->now + mr_retry_delay(&s->retry, attempt, t->rand)) < 0)
		return MR_E_NOMEM;
	return mr_turn_fact(t, MR_FACT_STEP_RETRYING, (int)step, &f, duration_us);
}

int mr_turn_fail(struct mr_turn *t, unsigned step, const struct mr_failure *fail)
{
	const struct mr_step *s = &t->run->g->steps[step];
	struct mr_fields f = mr_turn_step_fields(t, step);
	struct mr_str type = fail->type != NULL ? mr_str(fail->type) : MR_STR_NONE;
	struct mr_value error;

	if (fail->given != NULL)
		type = mr_value_get_str(fail->given, "type");
	if (fail->inner != NULL)
		type = mr_value_get_str(fail->inner, "type");
	if (type.p == NULL || type.len == 0)
		type = MR_STR("internal");
	if (make_error(t, step, fail, type, &error) < 0)
		return MR_E_NOMEM;
	if (fail->retryable && t->run->steps[step].status == MR_STEP_RUNNING &&
	    t->run->steps[step].attempt < s->retry.max_attempts && mr_retry_wanted(&s->retry, type))
		return retry_later(t, step, error, fail->duration_us);
	if (fail->input != NULL)
		mr_fields_put(&f, "input", *fail->input);
	mr_fields_put(&f, "error", error);
	return mr_turn_fact(t, MR_FACT_STEP_FAILED, (int)step, &f, fail->duration_us);
}

static const char *expr_message(
    int r, const struct mr_expr_error *err, const struct mr_run_env *env)
{
	if (err->message[0] == '\0')
		return r == MR_E_LIMIT ? "the value is too deep"
		                       : "the value holds what JSON cannot carry";
	/* "abc" is no int, says the evaluator, and abc may be the secret; a missing value has a
	 * path and no value */
	if (env != NULL && env->saw_secrets && err->path[0] == '\0')
		return "the expression fails; how is not shown, since it uses env or secrets";
	return err->message;
}

int mr_turn_fail_expr(struct mr_turn *t, unsigned step, struct mr_str member, int r,
    const struct mr_expr_error *err, const struct mr_run_env *env)
{
	struct mr_failure fail = { .type = "expression" };

	if (r == MR_E_NOMEM)
		return r;
	fail.message = mr_arena_printf(
	    t->out->arena, "%.*s: %s", MR_STR_ARG(member), expr_message(r, err, env));
	if (fail.message.p == NULL)
		return MR_E_NOMEM;
	return mr_turn_fail(t, step, &fail);
}

/* ---- cancelling ---- */

static bool is_inside(const struct mr_run *run, unsigned i, int outer)
{
	int at = run->g->steps[i].parent;

	while (at >= 0 && at != outer)
		at = run->g->steps[at].parent;
	return at >= 0;
}

static int cancel_step(struct mr_turn *t, unsigned step, const char *reason)
{
	struct mr_fields f = mr_turn_step_fields(t, step);
	const struct mr_step_state *st = &t->run->steps[step];

	if (st->status == MR_STEP_RUNNING &&
	    mr_step_type_kind(t->run->g->steps[step].type) == MR_STEP_OUTSIDE &&
	    mr_turn_abort(t, step) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&f, "reason", mr_value_strz(reason));
	return mr_turn_fact(t, MR_FACT_STEP_CANCELLED, (int)step, &f,
	    t->now > st->began_at ? t->now - st->began_at : 0);
}

int mr_turn_cancel_active(struct mr_turn *t, int parent, const char *reason)
{
	const struct mr_run *run = t->run;

	/* inner steps stand behind the conditional that holds them, and end before it */
	for (size_t w = run->words; w > 0; w--) {
		for (uint64_t bits = run->active[w - 1]; bits != 0;) {
			unsigned bit = 63 - (unsigned)__builtin_clzll(bits);
			unsigned i = (unsigned)(w - 1) * 64 + bit;
			int r;

			bits &= ~(UINT64_C(1) << bit);
			if (parent >= 0 && !is_inside(run, i, parent))
				continue;
			r = cancel_step(t, i, reason);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
