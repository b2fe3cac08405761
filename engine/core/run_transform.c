/*
 * data_transform: pure, unless it has jq entries. Then it reaches outside: the transformations are
 * gone through up to a jq entry, the effect is its program over the value at hand, and with the
 * answer the way goes on. How far it has come is not journalled: a run taken over begins the
 * attempt from its first entry. All entries see the values and the variables that the attempt began
 * with.
 */
#include "engine/core/run_private.h"

/* How far a list with jq entries has come. */
struct piece {
	struct mr_attempt *a;
	struct mr_value source;
	size_t index;
	struct mr_value state;
	struct mr_value value; /* the next program's input, or the result */
};

static int find_source(struct mr_attempt *a, struct mr_value *ret)
{
	const struct mr_value *given = mr_value_get(&a->config, "source_data");

	if (given == NULL)
		return mr_run_env_source(&a->env, a->t->out->arena, ret);
	*ret = *given;
	return 0;
}

static int fail_transform(struct mr_attempt *a, int r, const struct mr_expr_error *err)
{
	return mr_turn_fail_expr(a->t, a->st, MR_STR("transformations"), r, err, &a->env);
}

static int source_failed(struct mr_attempt *a, int r)
{
	struct mr_expr_error err = {
		.message = "the result of the step before is gone from the file store"
	};

	return mr_turn_fail_expr(a->t, a->st, MR_STR("source_data"), r, &err, NULL);
}

/* On to the next jq entry or the end. False in *RET_OK: the step has failed. */
static int go_through(struct piece *p, bool *ret_ok)
{
	struct mr_expr_error err = { .message = "" };
	struct mr_attempt *a = p->a;
	int r = mr_transform_eval_from(a->s->transform, &p->source, &a->env.expr, a->t->out->arena,
	    &p->index, &p->state, &p->value, &err);

	*ret_ok = r == 0;
	return r < 0 ? fail_transform(a, r, &err) : 0;
}

/* The program at hand and its input, as the effect's config. */
static int push_program(struct piece *p)
{
	struct mr_attempt *a = p->a;
	struct mr_inner *in = mr_inner_need(a->st);
	struct mr_fields f = { .len = 0 };
	struct mr_expr_error err = { .message = "" };
	struct mr_value plain, config;
	int r = mr_run_json_value(a->t->out->arena, &p->value, &plain);

	if (r == MR_E_NOMEM || in == NULL)
		return MR_E_NOMEM;
	if (r < 0)
		return fail_transform(a, r, &err);
	in->jq_index = p->index;
	if (mr_value_copy(a->st->frame->arena, &p->state, &in->jq_state) < 0)
		return MR_E_NOMEM;
	mr_fields_put(
	    &f, "program", mr_value_str(mr_transform_jq_program(a->s->transform, p->index)));
	mr_fields_put(&f, "input", plain);
	if (mr_fields_map(a->t->out->arena, &f, &config) < 0)
		return MR_E_NOMEM;
	return mr_outside_push(a, &config);
}

static bool is_at_end(const struct piece *p)
{
	return mr_transform_jq_program(p->a->s->transform, p->index).p == NULL;
}

static int begin_outside(struct piece *p)
{
	struct mr_attempt *a = p->a;
	struct mr_fields f = mr_turn_step_fields(a->t, a->st);
	bool ok;
	int r = go_through(p, &ok);

	if (r < 0 || !ok)
		return r;
	mr_fields_put(&f, "input", a->input);
	r = mr_turn_fact(a->t, MR_FACT_STEP_STARTED, a->st, &f, -1);
	return r == 0 ? push_program(p) : r;
}

int mr_do_transform(struct mr_attempt *a)
{
	struct piece p = { .a = a, .state = MR_NULL_VALUE };
	struct mr_expr_error err = { .message = "" };
	struct mr_value result;
	bool failed;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = mr_attempt_render(a, &failed);
	if (r < 0 || failed)
		return r;
	r = find_source(a, &p.source);
	if (r < 0)
		return source_failed(a, r);
	if (a->s->kind == MR_STEP_OUTSIDE)
		return begin_outside(&p);
	r = mr_transform_eval(
	    a->s->transform, &p.source, &a->env.expr, a->t->out->arena, &result, &err);
	if (r < 0)
		return fail_transform(a, r, &err);
	return mr_turn_complete(a->t, a->st, &result, &a->input, 0);
}

/* Renders the config as of the attempt's begin. False in *RET_OK: the step has failed. */
static int find_again(struct piece *p, bool *ret_ok)
{
	bool failed;
	int r;

	p->a->env.secrets = MR_SECRETS_REFUSED;
	r = mr_attempt_render_again(p->a, &failed);
	*ret_ok = false;
	if (r < 0 || failed)
		return r;
	r = find_source(p->a, &p->source);
	*ret_ok = r == 0;
	return r < 0 ? source_failed(p->a, r) : 0;
}

int mr_transform_again(struct mr_attempt *a)
{
	struct piece p = { .a = a, .state = MR_NULL_VALUE };
	bool ok;
	int r = find_again(&p, &ok);

	if (r == 0 && ok)
		r = go_through(&p, &ok);
	return r == 0 && ok ? push_program(&p) : r;
}

/* The program's outputs into the state. False in *RET_OK: the step has failed. */
static int take_outputs(struct piece *p, const struct mr_value *outputs, bool *ret_ok)
{
	const struct mr_inner *in = p->a->st->inner;
	struct mr_expr_error err = { .message = "" };
	int r;

	*ret_ok = false;
	if (in == NULL)
		return MR_E_INVALID;
	p->index = in->jq_index;
	if (mr_value_copy(p->a->t->out->arena, &in->jq_state, &p->state) < 0)
		return MR_E_NOMEM;
	r = mr_transform_jq_done(
	    p->a->s->transform, outputs, p->a->t->out->arena, &p->index, &p->state, &err);
	*ret_ok = r == 0;
	return r < 0 ? fail_transform(p->a, r, &err) : 0;
}

int mr_transform_resume(struct mr_turn *t, struct mr_step_state *st, const struct mr_run_event *ev)
{
	struct mr_attempt a;
	struct piece p = { .a = &a, .state = MR_NULL_VALUE };
	bool ok;
	int r;

	mr_attempt_init(&a, t, st, st->began_at);
	r = find_again(&p, &ok);
	if (r == 0 && ok)
		r = take_outputs(&p, &ev->data, &ok);
	if (r == 0 && ok)
		r = go_through(&p, &ok);
	if (r < 0 || !ok)
		return r;
	if (!is_at_end(&p))
		return push_program(&p);
	return mr_turn_complete(t, st, &p.value, NULL, mr_turn_took(t, st));
}
