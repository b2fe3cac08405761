/* Steps that reach outside: journalled as started, with their key, before the effect begins. */
#include "engine/core/run_private.h"

#include "engine/core/graph_private.h"

#define TEXT_MAX (16u << 20)

/* Which item of which loop: "0" outside of any, else "3" or, of a loop in a loop, "3.7". */
static struct mr_str iteration_text(struct mr_arena *a, const struct mr_frame *f)
{
	struct mr_str text = MR_STR("");

	for (; f != NULL; f = f->holder != NULL ? f->holder->frame : NULL) {
		if (f->block->role != MR_BLOCK_BODY)
			continue;
		text = mr_arena_printf(
		    a, "%u%s%.*s", f->iteration, text.len > 0 ? "." : "", MR_STR_ARG(text));
		if (text.p == NULL)
			return text;
	}
	return text.len > 0 ? text : MR_STR("0");
}

static int default_key(struct mr_attempt *a, struct mr_str *ret)
{
	struct mr_arena *arena = a->t->out->arena;
	struct mr_str iteration = iteration_text(arena, a->st->frame);

	if (iteration.p == NULL)
		return MR_E_NOMEM;
	*ret = mr_arena_printf(arena, "%lld/%.*s/%.*s", (long long)a->t->run->info.id,
	    MR_STR_ARG(a->s->name), MR_STR_ARG(iteration));
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

/* The template's key, as it is recorded and sent. */
static int template_key(struct mr_attempt *a, struct mr_str *ret, bool *ret_failed)
{
	struct mr_arena *arena = a->t->out->arena;
	struct mr_expr_error err = { .message = "" };
	enum mr_secrets secrets = a->env.secrets;
	struct mr_value v, plain;
	struct mr_buf b;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = mr_template_eval(a->s->idempotency_key, &a->env.expr, arena, &v, &err);
	a->env.secrets = secrets;
	if (r == 0)
		r = mr_run_json_value(arena, &v, &plain);
	*ret_failed = r < 0;
	if (r < 0)
		return mr_turn_fail_expr(a->t, a->st, MR_STR("idempotency_key"), r, &err, &a->env);
	mr_buf_init(&b, TEXT_MAX);
	mr_value_write_text(&b, &plain);
	*ret = mr_arena_str(arena, mr_buf_failed(&b) ? MR_STR_NONE : mr_buf_str(&b));
	mr_buf_done(&b);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

/* The key that the step's first attempt went out with, or is about to. */
static int idempotency_key(struct mr_attempt *a, struct mr_str *ret, bool *ret_failed)
{
	*ret_failed = false;
	if (a->s->idempotency_key == NULL)
		return default_key(a, ret);
	if (a->st->key.p == NULL)
		return template_key(a, ret, ret_failed);
	*ret = mr_arena_str(a->t->out->arena, a->st->key);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

static int64_t shorter(int64_t a, int64_t b)
{
	return a == 0 || (b > 0 && b < a) ? b : a;
}

/* What is left of the time for all attempts; 0: as much as it takes. */
static int64_t time_left(const struct mr_attempt *a)
{
	int64_t left = a->s->total_timeout_us;

	if (left > 0 && a->st->first_at > 0)
		left -= a->t->now - a->st->first_at;
	return left > 0 || a->s->total_timeout_us == 0 ? left : 1;
}

/* The shortest of the step's timeouts and its config's; 0: the type's own. */
static void set_timeouts(const struct mr_attempt *a, struct mr_effect *e)
{
	const struct mr_value *v = mr_value_get(&a->config, "timeout");
	int64_t us = 0;

	if (v == NULL || !mr_graph_duration(v, &us))
		us = 0;
	e->left_us = time_left(a);
	e->start_us = a->s->start_timeout_us;
	e->timeout_us = shorter(shorter(us, a->s->run_timeout_us), e->left_us);
}

/* Renders what an effect needs, or needed as it began. False in *RET_READY: the step has failed. */
static int make_effect(struct mr_attempt *a, struct mr_effect *e, bool *ret_ready)
{
	bool failed;
	int r = mr_attempt_render_again(a, &failed);

	*ret_ready = false;
	if (r < 0 || failed)
		return r;
	r = idempotency_key(a, &e->idempotency_key, &failed);
	if (r < 0 || failed)
		return r;
	e->config = a->config;
	set_timeouts(a, e);
	*ret_ready = true;
	return 0;
}

static int push_effect(struct mr_attempt *a, struct mr_effect *e)
{
	e->step = (int)a->st->index;
	e->iteration = a->st->frame->iteration;
	e->attempt = a->st->attempt;
	e->step_execution_id = a->st->execution_id;
	return mr_turn_effect(a->t, e);
}

int mr_do_outside(struct mr_attempt *a)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->st);
	struct mr_effect e = { .step = -1 };
	bool ready;
	int r = make_effect(a, &e, &ready);

	if (r < 0 || !ready)
		return r;
	mr_fields_put(&f, "input", a->input);
	if (a->s->idempotency_key != NULL)
		mr_fields_put(&f, "key", mr_value_str(e.idempotency_key));
	r = mr_turn_fact(a->t, MR_FACT_STEP_STARTED, a->st, &f, -1);
	return r == 0 ? push_effect(a, &e) : r;
}

int mr_outside_again(struct mr_attempt *a)
{
	struct mr_effect e = { .step = -1 };
	bool ready;
	int r;

	if (a->s->type == MR_STEP_DATA_TRANSFORM)
		return mr_transform_again(a);
	r = make_effect(a, &e, &ready);
	return r == 0 && ready ? push_effect(a, &e) : r;
}

int mr_outside_push(struct mr_attempt *a, const struct mr_value *config)
{
	struct mr_effect e = { .step = -1, .config = *config };
	int r = default_key(a, &e.idempotency_key);

	set_timeouts(a, &e);
	return r == 0 ? push_effect(a, &e) : r;
}

/* ---- subworkflows ---- */

/* A member of the config alone, as of the attempt's begin; null when it can't be told. */
static struct mr_value member_of(struct mr_attempt *a, const char *key)
{
	const struct mr_begun *b = a->st->begun;
	const struct mr_value *was = b != NULL ? mr_value_get(&b->input, key) : NULL;
	struct mr_expr_error err;
	struct mr_value v = MR_NULL_VALUE;

	if (was != NULL)
		return *was;
	for (size_t i = 0; i < a->s->config_len; i++) {
		if (!mr_str_eqz(a->s->config[i].key, key))
			continue;
		if (mr_template_eval(
		        a->s->config[i].value, &a->env.expr, a->t->out->arena, &v, &err) < 0)
			return MR_NULL_VALUE;
	}
	return v;
}

static int wait_for_child(struct mr_attempt *a, const struct mr_value *child)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->st);
	struct mr_value cancel = member_of(a, "cancel");
	int r;

	mr_fields_put(&f, "child_run_id", *child);
	if (cancel.kind == MR_VALUE_STRING && mr_str_eqz(cancel.s, "abandon"))
		mr_fields_put(&f, "cancel", mr_value_strz("abandon"));
	r = mr_turn_fact(a->t, MR_FACT_STEP_WAITING, a->st, &f, -1);
	return r == 0 ? mr_turn_await(a->t, a->st, MR_STR_NONE, child->i) : r;
}

int mr_turn_child_started(
    struct mr_turn *t, struct mr_step_state *st, const struct mr_run_event *ev)
{
	const struct mr_value *child = mr_value_get_kind(&ev->data, "child_run_id", MR_VALUE_INT);
	struct mr_fields f = { .len = 0 };
	struct mr_attempt a;
	struct mr_value wait, result;

	if (child == NULL)
		return MR_E_INVALID;
	mr_attempt_init(&a, t, st, st->began_at);
	wait = member_of(&a, "wait");
	if (wait.kind != MR_VALUE_BOOL || wait.b)
		return wait_for_child(&a, child);
	mr_fields_put(&f, "run_id", *child);
	if (mr_fields_map(t->out->arena, &f, &result) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete(t, st, &result, NULL, mr_turn_took(t, st));
}

/* The child of this attempt, not one that an attempt before gave up. One that ended before its
 * start was known can be told apart in the first attempt only; it is told of again to those who
 * wait. */
static bool is_own_child(const struct mr_step_state *st, const struct mr_run_event *ev)
{
	const struct mr_value *ended = mr_value_get_kind(&ev->data, "child_run_id", MR_VALUE_INT);
	const struct mr_value *own;

	if (st->status == MR_STEP_RUNNING)
		return st->attempt == 1;
	own = mr_value_get_kind(&st->inner->spec, "child_run_id", MR_VALUE_INT);
	return ended == NULL || own == NULL || ended->i == own->i;
}

int mr_turn_child_ended(struct mr_turn *t, struct mr_step_state *st, const struct mr_run_event *ev)
{
	struct mr_str status = mr_value_get_str(&ev->data, "status");
	const struct mr_value *output = mr_value_get(&ev->data, "output");
	struct mr_value none = MR_NULL_VALUE;
	struct mr_failure f = { .type = "subworkflow",
		.data = mr_value_get(&ev->data, "error"),
		.retryable = true,
		.duration_us = mr_turn_took(t, st) };

	if (!is_own_child(st, ev))
		return 0;
	if (st->status == MR_STEP_RUNNING && mr_turn_abort(t, st) < 0)
		return MR_E_NOMEM; /* it ended before its start was known here */
	if (mr_str_eqz(status, "completed"))
		return mr_turn_complete(
		    t, st, output != NULL ? output : &none, NULL, f.duration_us);
	f.message = mr_arena_printf(
	    t->out->arena, "the subworkflow's run ended as %.*s", MR_STR_ARG(status));
	return f.message.p != NULL ? mr_turn_fail(t, st, &f) : MR_E_NOMEM;
}
