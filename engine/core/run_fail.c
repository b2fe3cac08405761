/* Failures: the error that is recorded, whether and when to try again, what is cancelled beside. */
#include "engine/core/run_private.h"

#include <string.h>

/* ---- the policy ---- */

static bool is_http(struct mr_str type)
{
	return type.len == 8 && mr_str_starts(type, MR_STR("http.")) && type.p[5] >= '1' &&
	       type.p[5] <= '5';
}

bool mr_error_type_matches(struct mr_str pattern, struct mr_str type)
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
		if (mr_error_type_matches(patterns[i], type))
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
	if (!mr_error_type_matches(MR_STR("http.4xx"), type))
		return true;
	return mr_str_eqz(type, "http.408") || mr_str_eqz(type, "http.425") ||
	       mr_str_eqz(type, "http.429");
}

bool mr_retry_wanted(const struct mr_retry_policy *p, struct mr_str error_type, bool is_thrown)
{
	if (any_matches(p->not_on, p->not_on_len, error_type))
		return false;
	if (p->on_len > 0)
		return any_matches(p->on, p->on_len, error_type);
	return !is_thrown && may_recover(error_type);
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

/* Where what a fact says of a step is made: the run keeps it from there, unless the step's frame
 * keeps a copy of its own. */
static struct mr_arena *error_arena(const struct mr_turn *t, const struct mr_step_state *st)
{
	return st->frame->pooled != NULL ? t->out->arena : t->run->arena;
}

static int put_copy(struct mr_turn *t, struct mr_arena *arena, struct mr_fields *f,
    const struct mr_value *v, const char *member)
{
	struct mr_value plain, copy;
	int r;

	if (v == NULL || v->kind == MR_VALUE_NULL)
		return 0;
	r = mr_run_json_value(t->out->arena, v, &plain);
	if (r < 0)
		return r == MR_E_NOMEM ? r : 0; /* the error says enough without it */
	if (mr_value_copy(arena, &plain, &copy) < 0)
		return MR_E_NOMEM;
	mr_fields_put(f, member, copy);
	return 0;
}

static struct mr_str clean(struct mr_str s, const char *otherwise)
{
	if (s.p == NULL || (s.len > 0 && memchr(s.p, '\0', s.len) != NULL))
		return mr_str(otherwise);
	return s;
}

/* {type, message, step, attempt, status_code?, data?} */
static int make_error(struct mr_turn *t, struct mr_step_state *st, const struct mr_failure *fail,
    struct mr_str type, struct mr_value *ret)
{
	struct mr_arena *arena = error_arena(t, st);
	struct mr_fields f = { .len = 0 };
	struct mr_str message = fail->message;
	const struct mr_value *data = fail->data;

	if (fail->inner != NULL)
		return mr_value_copy(arena, fail->inner, ret);
	if (fail->given != NULL) {
		message = mr_value_get_str(fail->given, "message");
		data = mr_value_get(fail->given, "data");
	}
	type = mr_arena_str(arena, clean(type, "internal"));
	message = mr_arena_str(arena, clean(message, ""));
	if (type.p == NULL || message.p == NULL)
		return MR_E_NOMEM;
	mr_fields_put(&f, "type", mr_value_str(type));
	mr_fields_put(&f, "message", mr_value_str(message));
	mr_fields_put(&f, "step", mr_value_str(mr_step_of(t->run, st)->name));
	mr_fields_put(&f, "attempt", mr_value_int(mr_turn_attempt(st)));
	if (fail->given != NULL &&
	    put_copy(t, arena, &f, mr_value_get(fail->given, "status_code"), "status_code") < 0)
		return MR_E_NOMEM;
	if (put_copy(t, arena, &f, data, "data") < 0)
		return MR_E_NOMEM;
	return mr_fields_map(arena, &f, ret);
}

/* ---- what follows from it ---- */

/* When the next attempt may begin; 0 when there is to be none. */
static int64_t retry_at(const struct mr_turn *t, const struct mr_step_state *st,
    const struct mr_failure *fail, struct mr_str type)
{
	const struct mr_step *s = mr_step_of(t->run, st);
	unsigned attempt = mr_turn_attempt(st);
	const struct mr_retry_policy *retry =
	    fail->retry != NULL && !s->has_retry ? fail->retry : &s->retry;
	int64_t first = st->first_at > 0 ? st->first_at : t->now, at;

	if (!fail->retryable || st->status == MR_STEP_CATCHING || attempt >= retry->max_attempts ||
	    !mr_retry_wanted(retry, type, fail->is_thrown))
		return 0;
	at = t->now + mr_retry_delay(retry, attempt, t->rand);
	if (s->total_timeout_us > 0 && at >= first + s->total_timeout_us)
		return 0;
	return at;
}

static int retry_later(struct mr_turn *t, struct mr_step_state *st, struct mr_value error,
    int64_t at, int64_t duration_us)
{
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "error", error);
	if (mr_fields_time(&f, t->out->arena, "next_at", at) < 0)
		return MR_E_NOMEM;
	return mr_turn_fact(t, MR_FACT_STEP_RETRYING, st, &f, duration_us);
}

/* The catch entry for an error of TYPE, or -1. A step that is catching already has none. */
static int catch_for(const struct mr_turn *t, const struct mr_step_state *st, struct mr_str type)
{
	const struct mr_step *s = mr_step_of(t->run, st);

	for (size_t k = 0; k < s->catches_len && st->status != MR_STEP_CATCHING; k++) {
		const struct mr_catch *c = &s->catches[k];

		if (c->on_len == 0 ? mr_error_type_matches(MR_STR("*"), type)
		                   : any_matches(c->on, c->on_len, type))
			return (int)k;
	}
	return -1;
}

static int failed_fact(struct mr_turn *t, struct mr_step_state *st, const struct mr_failure *fail,
    struct mr_value error, int entry)
{
	struct mr_fields f = mr_turn_step_fields(t, st);

	if (fail->input != NULL)
		mr_fields_put(&f, "input", *fail->input);
	mr_fields_put(&f, "error", error);
	if (entry >= 0) {
		mr_fields_put(&f, "handled", mr_value_strz("catch"));
		mr_fields_put(&f, "catch", mr_value_int(entry));
	} else if (mr_step_of(t->run, st)->continue_on_error) {
		mr_fields_put(&f, "handled", mr_value_strz("continue"));
	}
	return mr_turn_fact(t, MR_FACT_STEP_FAILED, st, &f, fail->duration_us);
}

static int catch_by_value(struct mr_turn *t, struct mr_step_state *st,
    const struct mr_failure *fail, struct mr_value error, unsigned entry)
{
	const struct mr_catch *c = &mr_step_of(t->run, st)->catches[entry];
	struct mr_expr_error err = { .message = "" };
	struct mr_failure broken = { .type = "expression", .duration_us = fail->duration_us };
	struct mr_run_env env;
	struct mr_value value, plain;
	int r;

	mr_run_env_init(&env, t->run, st, MR_SECRETS_REFUSED, t->now);
	mr_run_env_bind(&env, c->as, error);
	r = mr_template_eval(c->value, &env.expr, t->out->arena, &value, &err);
	if (r == 0)
		r = mr_run_json_value(t->out->arena, &value, &plain);
	if (r == 0)
		return mr_turn_complete_caught(t, st, &plain, &error);
	if (r == MR_E_NOMEM || r == MR_E_IO)
		return r;
	broken.message = mr_arena_printf(t->out->arena, "catch[%u].value: %s", entry,
	    err.message[0] != '\0' ? err.message : "its outcome cannot be recorded");
	if (broken.message.p == NULL ||
	    make_error(t, st, &broken, MR_STR("expression"), &error) < 0)
		return MR_E_NOMEM;
	return failed_fact(t, st, fail, error, -1);
}

static int catch_by_steps(struct mr_turn *t, struct mr_step_state *st,
    const struct mr_failure *fail, struct mr_value error, unsigned entry)
{
	struct mr_fields f = mr_turn_step_fields(t, st);

	if (fail->input != NULL)
		mr_fields_put(&f, "input", *fail->input);
	mr_fields_put(&f, "error", error);
	mr_fields_put(&f, "catch", mr_value_int(entry));
	return mr_turn_fact(t, MR_FACT_STEP_CATCHING, st, &f, fail->duration_us);
}

static int catch_error(struct mr_turn *t, struct mr_step_state *st, const struct mr_failure *fail,
    struct mr_value error, unsigned entry)
{
	const struct mr_catch *c = &mr_step_of(t->run, st)->catches[entry];

	if (c->value != NULL)
		return catch_by_value(t, st, fail, error, entry);
	if (c->block >= 0)
		return catch_by_steps(t, st, fail, error, entry);
	return failed_fact(t, st, fail, error, (int)entry);
}

static struct mr_str type_of(const struct mr_failure *fail)
{
	struct mr_str type = fail->type != NULL ? mr_str(fail->type) : fail->type_text;

	if (fail->given != NULL)
		type = mr_value_get_str(fail->given, "type");
	if (fail->inner != NULL)
		type = mr_value_get_str(fail->inner, "type");
	return type.p != NULL && type.len > 0 ? type : MR_STR("internal");
}

int mr_turn_fail(struct mr_turn *t, struct mr_step_state *st, const struct mr_failure *fail)
{
	struct mr_str type = type_of(fail);
	struct mr_value error;
	int64_t at;
	int entry;

	if (make_error(t, st, fail, type, &error) < 0 || mr_turn_unawait(t, st) < 0)
		return MR_E_NOMEM;
	at = retry_at(t, st, fail, type);
	if (at > 0)
		return retry_later(t, st, error, at, fail->duration_us);
	entry = catch_for(t, st, type);
	if (entry >= 0)
		return catch_error(t, st, fail, error, (unsigned)entry);
	return failed_fact(t, st, fail, error, -1);
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

int mr_turn_fail_expr(struct mr_turn *t, struct mr_step_state *st, struct mr_str member, int r,
    const struct mr_expr_error *err, const struct mr_run_env *env)
{
	struct mr_failure fail = { .type = "expression", .retryable = true };

	if (r == MR_E_NOMEM || r == MR_E_IO)
		return r;
	fail.message = mr_arena_printf(
	    t->out->arena, "%.*s: %s", MR_STR_ARG(member), expr_message(r, err, env));
	if (fail.message.p == NULL)
		return MR_E_NOMEM;
	return mr_turn_fail(t, st, &fail);
}

/* ---- cancelling ---- */

/* A cancel of ST goes on to its child run: so it is journalled once the child is known, and before
 * that its config says it. */
static bool cascades(const struct mr_turn *t, const struct mr_step_state *st)
{
	const struct mr_value *from = &mr_step_of(t->run, st)->config_constant, *v;

	if (st->begun != NULL && st->begun->input.kind == MR_VALUE_MAP)
		from = &st->begun->input;
	if (st->status == MR_STEP_WAITING)
		from = &st->inner->spec;
	v = mr_value_get(from, "cancel");
	return v == NULL || v->kind != MR_VALUE_STRING || !mr_str_eqz(v->s, "abandon");
}

int mr_turn_stop(struct mr_turn *t, struct mr_step_state *st)
{
	const struct mr_step *s = mr_step_of(t->run, st);

	if (st->status == MR_STEP_RUNNING && s->kind == MR_STEP_OUTSIDE && mr_turn_abort(t, st) < 0)
		return MR_E_NOMEM;
	if (s->type == MR_STEP_SUBWORKFLOW && cascades(t, st) && mr_turn_cancel_child(t, st) < 0)
		return MR_E_NOMEM;
	return mr_turn_unawait(t, st);
}

static int cancel_step(struct mr_turn *t, struct mr_step_state *st, enum mr_cancel_reason reason)
{
	struct mr_fields f = mr_turn_step_fields(t, st);
	int r = mr_turn_cancel_inner(t, st, reason);

	if (r == 0)
		r = mr_turn_stop(t, st);
	if (r < 0)
		return r;
	mr_fields_put(&f, "reason", mr_value_strz(mr_cancel_reason_names[reason]));
	return mr_turn_fact(t, MR_FACT_STEP_CANCELLED, st, &f, mr_turn_took(t, st));
}

/* The active step that stands last: inner ones end before what holds them, later ones first. */
static struct mr_step_state *last_active(const struct mr_frame *f)
{
	struct mr_step_state *last = f->active;

	for (struct mr_step_state *st = f->active; st != NULL; st = st->active_next)
		if (st->index > last->index)
			last = st;
	return last;
}

int mr_turn_cancel_frame(struct mr_turn *t, struct mr_frame *f, enum mr_cancel_reason reason)
{
	int r = 0;

	while (r == 0 && f->active != NULL)
		r = cancel_step(t, last_active(f), reason);
	return r;
}

/* As deep as blocks are nested. */
int mr_turn_cancel_inner(struct mr_turn *t, struct mr_step_state *st, enum mr_cancel_reason reason)
{
	struct mr_frame *f;

	if (st->inner == NULL)
		return 0;
	f = st->inner->first;
	while (f != NULL) {
		struct mr_frame *next = f->next;
		int r = f->kept ? 0 : mr_turn_cancel_frame(t, f, reason);

		if (r < 0)
			return r;
		f = next;
	}
	return 0;
}

/* ---- a race that is won ---- */

/* Whether all that follows OTHER leads to ST only, by way of steps that are to go too. */
static bool leads_only_to(
    const struct mr_run *run, const struct mr_step_state *other, const struct mr_step_state *st)
{
	const struct mr_step *s = mr_step_of(run, other);

	for (size_t k = 0; k < s->succs_len; k++) {
		const struct mr_step_state *succ = mr_frame_step(st->frame, s->succs[k]);

		if (succ != st && !mr_step_ended(succ))
			return false;
	}
	return true;
}

static int drop_racer(struct mr_turn *t, struct mr_step_state *other)
{
	struct mr_fields f;

	if (mr_step_is_active(other->status))
		return cancel_step(t, other, MR_CANCEL_REST);
	f = mr_turn_step_fields(t, other);
	mr_fields_put(&f, "reason", mr_value_strz(mr_skip_reason_names[MR_SKIP_CANCEL_REST]));
	return mr_turn_fact(t, MR_FACT_STEP_SKIPPED, other, &f, -1);
}

/* Backwards from what ST waited for, so that what follows a step has ended before it is looked at.
 */
int mr_turn_cancel_rest(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_frame *f = st->frame;
	struct mr_step_state **todo =
	    mr_arena_array(t->out->arena, f->block->len + 1, sizeof(struct mr_step_state *));
	bool *seen = mr_arena_array(t->out->arena, f->block->len, sizeof(*seen));
	size_t done = 0, len = 0;
	int r = 0;

	if (todo == NULL || seen == NULL)
		return MR_E_NOMEM;
	todo[len++] = st;
	while (r == 0 && done < len) {
		struct mr_step_state *at = todo[done++];
		const struct mr_step *s = mr_step_of(t->run, at);

		if (at != st && !mr_step_ended(at)) {
			if (!leads_only_to(t->run, at, st))
				continue;
			r = drop_racer(t, at);
		}
		for (size_t k = 0; k < s->deps_len; k++) {
			unsigned dep = s->deps[k] - f->block->first;

			if (!seen[dep])
				todo[len++] = &f->steps[dep];
			seen[dep] = true;
		}
	}
	return r;
}
