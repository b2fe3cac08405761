/* Steps without effects outside: carried out at once, and repeated harmlessly after a crash. */
#include "engine/core/run_private.h"

#define TEXT_MAX   (16u << 20)
#define LEVEL_INFO "info"

/* ---- noop, set ---- */

int mr_do_noop(struct mr_attempt *a)
{
	struct mr_fields none = { .len = 0 };
	struct mr_value result;

	if (mr_fields_map(a->t->out->arena, &none, &result) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete(a->t, a->st, &result, &result, 0);
}

int mr_do_set(struct mr_attempt *a)
{
	struct mr_fields more = { .len = 0 };
	bool failed;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = mr_attempt_render(a, &failed);
	if (r < 0 || failed)
		return r;
	/* the variables are what was set, whatever the step shows as its output */
	if (a->s->output != NULL)
		mr_fields_put(&more, "vars", a->input);
	return mr_turn_complete_with(a->t, a->st, &a->input, &a->input, 0, &more);
}

/* ---- log ---- */

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

int mr_do_log(struct mr_attempt *a)
{
	struct mr_fields f = { .len = 0 };
	const struct mr_value *given;
	const char *level;
	struct mr_str message;
	struct mr_value result;
	bool failed;
	int r;

	/* a log line is a record: no secret gets into it */
	a->env.secrets = MR_SECRETS_SHOWN_REDACTED;
	r = mr_attempt_render(a, &failed);
	if (r < 0 || failed)
		return r;
	level = level_of(mr_value_get(&a->input, "level"));
	given = mr_value_get(&a->input, "message");
	if (level == NULL)
		return mr_attempt_fail(
		    a, "validation", "level: must be one of debug, info, warning, error, critical");
	if (given == NULL || as_text(a->t->out->arena, given, &message) < 0)
		return given == NULL ? mr_attempt_fail(a, "validation", "message: is required")
		                     : MR_E_NOMEM;
	mr_fields_put(&f, "message", mr_value_str(message));
	mr_fields_put(&f, "level", mr_value_strz(level));
	if (mr_fields_map(a->t->out->arena, &f, &result) < 0)
		return MR_E_NOMEM;
	r = mr_turn_complete(a->t, a->st, &result, &a->input, 0);
	/* the step's end is the line, unless an output of its own takes message and level away */
	if (r < 0 || a->st->status != MR_STEP_COMPLETED || a->s->output == NULL)
		return r;
	return mr_turn_fact(a->t, MR_FACT_LOG, a->st, &f, -1);
}

/* ---- assert, raise, terminate, emit ---- */

static int throw(struct mr_attempt * a, struct mr_failure *f)
{
	f->is_thrown = f->retryable = true;
	f->input = &a->input;
	return mr_turn_fail(a->t, a->st, f);
}

int mr_do_assert(struct mr_attempt *a)
{
	struct mr_failure f = { .type = "assert" };
	struct mr_expr_error err = { .message = "" };
	const struct mr_value *message;
	bool holds, failed;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = mr_condition_eval(a->s->condition, &a->env.expr, a->t->out->arena, &holds, &err);
	if (r < 0)
		return mr_turn_fail_expr(a->t, a->st, MR_STR("condition"), r, &err, &a->env);
	if (holds)
		return mr_do_noop(a);
	r = mr_attempt_render(a, &failed);
	if (r < 0 || failed)
		return r;
	message = mr_value_get(&a->input, "message");
	f.message = MR_STR("the condition does not hold");
	if (message != NULL && message->kind != MR_VALUE_NULL &&
	    as_text(a->t->out->arena, message, &f.message) < 0)
		return MR_E_NOMEM;
	return throw(a, &f);
}

int mr_do_raise(struct mr_attempt *a)
{
	struct mr_failure f = { .type = NULL };
	const struct mr_value *message;
	bool failed;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = mr_attempt_render(a, &failed);
	if (r < 0 || failed)
		return r;
	message = mr_value_get(&a->input, "message");
	f.type_text = mr_value_get_str(&a->input, "type");
	f.data = mr_value_get(&a->input, "data");
	f.message = MR_STR("");
	if (f.type_text.p == NULL || f.type_text.len == 0)
		return mr_attempt_fail(a, "validation", "type: must be a text that isn't empty");
	if (message != NULL && message->kind != MR_VALUE_NULL &&
	    as_text(a->t->out->arena, message, &f.message) < 0)
		return MR_E_NOMEM;
	return throw(a, &f);
}

/* The run's end is decided once this has completed: see run_end.c. */
int mr_do_terminate(struct mr_attempt *a)
{
	bool failed;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = mr_attempt_render(a, &failed);
	if (r < 0 || failed)
		return r;
	return mr_turn_complete(a->t, a->st, &a->input, &a->input, 0);
}

int mr_do_emit(struct mr_attempt *a)
{
	const struct mr_value *data;
	struct mr_str type;
	bool failed;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = mr_attempt_render(a, &failed);
	if (r < 0 || failed)
		return r;
	type = mr_value_get_str(&a->input, "type");
	data = mr_value_get(&a->input, "data");
	if (type.p == NULL || type.len == 0 || type.len > 200)
		return mr_attempt_fail(a, "validation", "type: must be a text of 1 to 200 bytes");
	r = mr_turn_complete(a->t, a->st, &a->input, &a->input, 0);
	if (r < 0 || a->st->status != MR_STEP_COMPLETED)
		return r;
	return mr_turn_emit(a->t, type, data != NULL ? *data : MR_NULL_VALUE);
}
