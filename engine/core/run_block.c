/* Steps that hold other steps: how they begin, and what it means that something inside has ended.
 */
#include "engine/core/run_private.h"

#include <string.h>

#define MAX_ITEMS 1000000

/* ---- what blocks give ---- */

static int put_time(struct mr_turn *t, struct mr_fields *f, const char *key, int64_t us)
{
	return mr_fields_time(f, t->out->arena, key, us);
}

/* The first unhandled failure of a frame, as the failure of the step that holds it. */
static int fail_by(struct mr_turn *t, struct mr_step_state *st, const struct mr_value *error)
{
	struct mr_failure f = {
		.inner = error, .retryable = true, .duration_us = mr_turn_took(t, st)
	};
	int r = mr_turn_cancel_inner(t, st, MR_CANCEL_FAILED);

	return r == 0 ? mr_turn_fail(t, st, &f) : r;
}

/* A frame that has failed and in which something still runs: that is cancelled. */
static int stop_failing(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_frame *f = st->inner->first;
	int r = 0;

	while (r == 0 && f != NULL) {
		struct mr_frame *next = f->next;

		if (f->failed != NULL && !f->is_closed)
			r = mr_turn_cancel_frame(t, f, MR_CANCEL_FAILED);
		f = next;
	}
	return r;
}

/* ---- conditional, switch ---- */

static struct mr_value names_of(
    struct mr_arena *a, const struct mr_step *s, uint64_t ways, size_t *ret_len)
{
	struct mr_list *l = mr_list_create(a, s->branches_len);
	size_t len = 0;

	for (size_t k = 0; l != NULL && k < s->branches_len; k++)
		if ((ways & MR_WAY_BRANCH(k)) != 0)
			l->items[len++] = mr_value_str(s->branches[k].name);
	if (l != NULL)
		l->len = len;
	*ret_len = len;
	return l != NULL ? mr_value_list(l) : MR_NULL_VALUE;
}

/* How the way taken is journalled: one name, or of a switch all of them. */
static int put_ways(struct mr_turn *t, struct mr_fields *f, const struct mr_step *s, uint64_t ways)
{
	size_t len;
	struct mr_value names = names_of(t->out->arena, s, ways, &len);

	if (names.kind != MR_VALUE_LIST)
		return MR_E_NOMEM;
	if (s->type == MR_STEP_SWITCH)
		mr_fields_put(f, "branches", names);
	else if (len > 0)
		mr_fields_put(f, "branch", names.list->items[0]);
	return 0;
}

static int chosen_result(struct mr_turn *t, const struct mr_step *s, uint64_t ways,
    struct mr_value last, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };
	size_t len;
	struct mr_value names = names_of(t->out->arena, s, ways, &len);

	if (names.kind != MR_VALUE_LIST)
		return MR_E_NOMEM;
	if (s->type == MR_STEP_CONDITIONAL)
		mr_fields_put(&f, "condition", mr_value_bool((ways & MR_WAY_BRANCH(0)) != 0));
	else
		mr_fields_put(&f, "matched", names);
	mr_fields_put(&f, "branch", len > 0 ? names.list->items[0] : MR_NULL_VALUE);
	mr_fields_put(&f, "result", last);
	return mr_fields_map(t->out->arena, &f, ret);
}

static int complete_chosen(struct mr_turn *t, struct mr_step_state *st, uint64_t ways,
    struct mr_value last, const struct mr_value *input, int64_t took)
{
	const struct mr_step *s = mr_step_of(t->run, st);
	struct mr_fields more = { .len = 0 };
	struct mr_value result;

	if (chosen_result(t, s, ways, last, &result) < 0 || put_ways(t, &more, s, ways) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete_with(t, st, &result, input, took, &more);
}

static bool has_inner(const struct mr_step *s, uint64_t ways)
{
	for (size_t k = 0; k < s->branches_len; k++)
		if ((ways & MR_WAY_BRANCH(k)) != 0 && s->branches[k].block >= 0)
			return true;
	return false;
}

static int choose(struct mr_attempt *a, uint64_t ways)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->st);

	if (!has_inner(a->s, ways))
		return complete_chosen(a->t, a->st, ways, MR_NULL_VALUE, &a->input, 0);
	mr_fields_put(&f, "input", a->input);
	if (put_ways(a->t, &f, a->s, ways) < 0)
		return MR_E_NOMEM;
	return mr_turn_fact(a->t, MR_FACT_STEP_STARTED, a->st, &f, -1);
}

static int condition_input(struct mr_attempt *a)
{
	struct mr_fields in = { .len = 0 };

	mr_fields_put(&in, "condition", a->s->condition_source);
	return mr_fields_map(a->t->out->arena, &in, &a->input);
}

int mr_do_conditional(struct mr_attempt *a)
{
	struct mr_expr_error err = { .message = "" };
	bool is_true;
	int r = mr_condition_eval(a->s->condition, &a->env.expr, a->t->out->arena, &is_true, &err);

	if (r < 0)
		return mr_turn_fail_expr(a->t, a->st, MR_STR("condition"), r, &err, &a->env);
	if (condition_input(a) < 0)
		return MR_E_NOMEM;
	return choose(a, is_true ? MR_WAY_BRANCH(0) : MR_WAY_BRANCH(1));
}

static int case_matches(struct mr_attempt *a, const struct mr_branch *b,
    const struct mr_value *value, bool *ret, struct mr_expr_error *err)
{
	struct mr_value expected;
	int r;

	*ret = false;
	if (b->is_default)
		return 0;
	if (b->when != NULL)
		return mr_condition_eval(b->when, &a->env.expr, a->t->out->arena, ret, err);
	r = mr_template_eval(b->equals, &a->env.expr, a->t->out->arena, &expected, err);
	*ret = r == 0 && mr_value_eq(&expected, value);
	return r;
}

static int find_cases(
    struct mr_attempt *a, const struct mr_value *value, uint64_t *ret, struct mr_expr_error *err)
{
	uint64_t ways = 0, otherwise = 0;

	for (size_t k = 0; k < a->s->branches_len; k++) {
		bool matches;
		int r = case_matches(a, &a->s->branches[k], value, &matches, err);

		if (r < 0)
			return r;
		if (a->s->branches[k].is_default)
			otherwise = MR_WAY_BRANCH(k);
		if (matches && (ways == 0 || a->s->match_all))
			ways |= MR_WAY_BRANCH(k);
		if (ways != 0 && !a->s->match_all)
			break;
	}
	*ret = ways != 0 ? ways : otherwise;
	return 0;
}

int mr_do_switch(struct mr_attempt *a)
{
	struct mr_expr_error err = { .message = "" };
	struct mr_fields in = { .len = 0 };
	struct mr_value value = MR_NULL_VALUE, plain;
	uint64_t ways;
	int r = 0;

	if (a->s->value != NULL) {
		r = mr_template_eval(a->s->value, &a->env.expr, a->t->out->arena, &value, &err);
		if (r < 0)
			return mr_turn_fail_expr(a->t, a->st, MR_STR("value"), r, &err, &a->env);
	}
	r = find_cases(a, &value, &ways, &err);
	if (r < 0)
		return mr_turn_fail_expr(a->t, a->st, MR_STR("cases"), r, &err, &a->env);
	/* what is recorded is the way it went; the value only where no secret was looked at */
	r = a->env.saw_secrets ? MR_E_DENIED : mr_run_json_value(a->t->out->arena, &value, &plain);
	if (r == 0 && mr_value_copy(a->t->out->arena, &plain, &value) < 0)
		return MR_E_NOMEM;
	if (r == 0 && a->s->value != NULL)
		mr_fields_put(&in, "value", value);
	if (mr_fields_map(a->t->out->arena, &in, &a->input) < 0)
		return MR_E_NOMEM;
	return choose(a, ways);
}

static int settle_chosen(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_value last = MR_NULL_VALUE;
	struct mr_frame *f;
	int r;

	for (f = st->inner->first; f != NULL; f = f->next)
		if (!f->kept && f->failed != NULL)
			return fail_by(t, st, &f->failed->error);
	for (f = st->inner->first; f != NULL; f = f->next) {
		if (f->kept)
			continue;
		if (!f->is_closed)
			return 0;
		r = mr_frame_result(t->run, f, t->out->arena, &last);
		if (r < 0)
			return r;
	}
	return complete_chosen(t, st, st->inner->ways, last, NULL, mr_turn_took(t, st));
}

/* ---- parallel ---- */

int mr_do_parallel(struct mr_attempt *a)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->st);
	bool failed;
	int r = mr_attempt_render(a, &failed);

	if (r < 0 || failed)
		return r;
	mr_fields_put(&f, "input", a->input);
	return mr_turn_fact(a->t, MR_FACT_STEP_STARTED, a->st, &f, -1);
}

static int complete_parallel(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_map *m = mr_map_create(t->out->arena, mr_step_of(t->run, st)->branches_len);
	struct mr_value result;
	size_t len = 0;
	int r;

	if (m == NULL)
		return MR_E_NOMEM;
	for (const struct mr_frame *f = st->inner->first; f != NULL; f = f->next) {
		struct mr_member *to = &m->members[len];

		if (f->kept || f->failed != NULL || f->is_cancelled || !f->is_closed)
			continue;
		to->key = mr_value_str(f->block->name);
		r = mr_frame_result(t->run, f, t->out->arena, &to->value);
		if (r < 0)
			return r;
		len++;
	}
	m->len = len;
	if (mr_map_seal(t->out->arena, m) < 0)
		return MR_E_NOMEM;
	result = mr_value_map(m);
	return mr_turn_complete(t, st, &result, NULL, mr_turn_took(t, st));
}

static int fail_parallel(struct mr_turn *t, struct mr_step_state *st, const struct mr_tally *n)
{
	struct mr_failure f = { .type = "limit", .retryable = true };
	int r;

	if (n->error != NULL)
		return fail_by(t, st, n->error);
	f.message = MR_STR("not as many branches completed as join asks for");
	f.duration_us = mr_turn_took(t, st);
	r = mr_turn_cancel_inner(t, st, MR_CANCEL_FAILED);
	return r == 0 ? mr_turn_fail(t, st, &f) : r;
}

static int settle_parallel(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_tally n;

	switch (mr_parallel_judge(t->run, st, &n)) {
	case MR_PARALLEL_FAILS:
		return fail_parallel(t, st, &n);
	case MR_PARALLEL_COMPLETES:
		if (n.left > 0 && mr_turn_cancel_inner(t, st, MR_CANCEL_RACE) < 0)
			return MR_E_NOMEM;
		return complete_parallel(t, st);
	default:
		return 0;
	}
}

/* ---- foreach ---- */

static int range_items(struct mr_arena *a, const struct mr_value *v, struct mr_value *ret)
{
	const struct mr_value *from = mr_value_get_kind(v, "from", MR_VALUE_INT);
	const struct mr_value *to = mr_value_get_kind(v, "to", MR_VALUE_INT);
	const struct mr_value *by = mr_value_get(v, "step");
	int64_t step = by != NULL && by->kind == MR_VALUE_INT ? by->i : 1;
	struct mr_list *l;
	size_t len = 0;
	__int128 span;

	if (from == NULL || to == NULL || step == 0 || (by != NULL && by->kind != MR_VALUE_INT))
		return MR_E_INVALID;
	span = (__int128)to->i - from->i;
	if ((span > 0) == (step > 0) && span != 0) {
		__int128 n = (span + step + (step > 0 ? -1 : 1)) / step;

		if (n > MAX_ITEMS)
			return MR_E_LIMIT;
		len = (size_t)n;
	}
	l = mr_list_create(a, len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len; i++)
		l->items[i] = mr_value_int(from->i + (int64_t)i * step);
	*ret = mr_value_list(l);
	return 0;
}

static bool is_range(const struct mr_value *v)
{
	size_t by = mr_value_get(v, "step") != NULL ? 1 : 0;

	return mr_value_get(v, "from") != NULL && mr_value_get(v, "to") != NULL &&
	       v->map->len == 2 + by;
}

static int member_items(struct mr_arena *a, const struct mr_value *v, struct mr_value *ret)
{
	struct mr_list *l;

	if (v->map->len > MAX_ITEMS)
		return MR_E_LIMIT;
	l = mr_list_create(a, v->map->len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < v->map->len; i++) {
		struct mr_fields f = { .len = 0 };

		mr_fields_put(&f, "key", v->map->members[i].key);
		mr_fields_put(&f, "value", v->map->members[i].value);
		if (mr_fields_map(a, &f, &l->items[i]) < 0)
			return MR_E_NOMEM;
	}
	*ret = mr_value_list(l);
	return 0;
}

int mr_foreach_items(struct mr_arena *a, const struct mr_value *given, struct mr_value *ret)
{
	*ret = *given;
	if (given->kind == MR_VALUE_LIST)
		return given->list->len <= MAX_ITEMS ? 0 : MR_E_LIMIT;
	if (given->kind != MR_VALUE_MAP)
		return MR_E_INVALID;
	return is_range(given) ? range_items(a, given, ret) : member_items(a, given, ret);
}

static int empty_foreach(struct mr_attempt *a)
{
	struct mr_fields f = { .len = 0 };
	struct mr_list *none = mr_list_create(a->t->out->arena, 0);
	struct mr_value result;

	if (none == NULL)
		return MR_E_NOMEM;
	mr_fields_put(&f, "results", mr_value_list(none));
	mr_fields_put(&f, "succeeded", mr_value_int(0));
	mr_fields_put(&f, "failed", mr_value_int(0));
	if (mr_fields_map(a->t->out->arena, &f, &result) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete(a->t, a->st, &result, &a->input, 0);
}

int mr_do_foreach(struct mr_attempt *a)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->st);
	const struct mr_value *given;
	struct mr_value items;
	bool failed;
	int r;

	a->env.secrets = MR_SECRETS_REFUSED;
	r = mr_attempt_render(a, &failed);
	if (r < 0 || failed)
		return r;
	given = mr_value_get(&a->input, "items");
	r = given != NULL ? mr_foreach_items(a->t->out->arena, given, &items) : MR_E_INVALID;
	if (r == MR_E_NOMEM)
		return r;
	if (r == 0)
		mr_run_spend(a->t->run, items.list->len);
	if (r < 0)
		return mr_attempt_fail(a, r == MR_E_LIMIT ? "limit" : "validation",
		    r == MR_E_LIMIT ? "items: at most 1,000,000"
		                    : "items: must be a list, an object, or a range {\"from\", "
		                      "\"to\", \"step\"}");
	if (items.list->len == 0)
		return empty_foreach(a);
	mr_fields_put(&f, "input", a->input);
	return mr_turn_fact(a->t, MR_FACT_STEP_STARTED, a->st, &f, -1);
}

/* What is left out of the list stays so, unless its template wants to look at it. */
static int put_parts(
    struct mr_turn *t, struct mr_step_state *st, struct mr_value *result, struct mr_fields *more)
{
	struct mr_arena *a = st->frame->pooled != NULL ? t->out->arena : t->run->arena;
	struct mr_value parts, copy;
	int r = mr_foreach_parts(st->inner, a, &parts);

	if (r < 0 || parts.kind == MR_VALUE_NULL)
		return r;
	if (mr_step_of(t->run, st)->output == NULL) {
		mr_fields_put(more, "parts", parts);
		return 0;
	}
	if (mr_value_copy(t->out->arena, result, &copy) < 0)
		return MR_E_NOMEM;
	*result = copy;
	return mr_parts_load(t->run, t->out->arena, &parts, result);
}

static int complete_foreach(struct mr_turn *t, struct mr_step_state *st)
{
	const struct mr_inner *in = st->inner;
	struct mr_fields f = { .len = 0 }, more = { .len = 0 };
	struct mr_list *l = mr_list_create(t->out->arena, in->items.list->len);
	struct mr_value result;
	int r;

	if (l == NULL)
		return MR_E_NOMEM;
	memcpy(l->items, in->results, l->len * sizeof(l->items[0]));
	mr_fields_put(&f, "results", mr_value_list(l));
	mr_fields_put(&f, "succeeded", mr_value_int((int64_t)in->succeeded));
	mr_fields_put(&f, "failed", mr_value_int((int64_t)in->failed));
	if (mr_fields_map(t->out->arena, &f, &result) < 0)
		return MR_E_NOMEM;
	r = put_parts(t, st, &result, &more);
	return r < 0 ? r : mr_turn_complete_with(t, st, &result, NULL, mr_turn_took(t, st), &more);
}

static int settle_foreach(struct mr_turn *t, struct mr_step_state *st)
{
	const struct mr_inner *in = st->inner;
	size_t len = in->items.list->len;
	struct mr_value error;

	if (in->failed > mr_foreach_tolerance(mr_step_of(t->run, st), len)) {
		/* cancelling the other items may take away where it lies */
		if (mr_value_copy(t->out->arena, &in->failure, &error) < 0)
			return MR_E_NOMEM;
		return fail_by(t, st, &error);
	}
	if (in->succeeded + in->failed < len)
		return 0;
	return complete_foreach(t, st);
}

/* ---- while ---- */

static int round_condition(struct mr_turn *t, struct mr_step_state *st, unsigned rounds,
    struct mr_value last, bool *ret, bool *ret_failed)
{
	const struct mr_step *s = mr_step_of(t->run, st);
	struct mr_expr_error err = { .message = "" };
	struct mr_run_env env;
	int r;

	mr_run_env_init(&env, t->run, st, MR_SECRETS_REAL, t->now);
	mr_run_env_bind(&env, MR_STR("index"), mr_value_int(rounds));
	mr_run_env_bind(&env, MR_STR("last"), last);
	r = mr_condition_eval(s->condition, &env.expr, t->out->arena, ret, &err);
	*ret_failed = r < 0;
	return r < 0 ? mr_turn_fail_expr(t, st, MR_STR("condition"), r, &err, &env) : 0;
}

static int complete_while(struct mr_turn *t, struct mr_step_state *st, unsigned rounds,
    struct mr_value last, const struct mr_value *input)
{
	struct mr_fields f = { .len = 0 };
	struct mr_value result;

	mr_fields_put(&f, "iterations", mr_value_int(rounds));
	mr_fields_put(&f, "last", last);
	if (mr_fields_map(t->out->arena, &f, &result) < 0)
		return MR_E_NOMEM;
	return mr_turn_complete(t, st, &result, input, mr_turn_took(t, st));
}

int mr_do_while(struct mr_attempt *a)
{
	struct mr_fields f = mr_turn_step_fields(a->t, a->st);
	bool holds = true, failed = false;
	int r = 0;

	if (condition_input(a) < 0)
		return MR_E_NOMEM;
	if (!a->s->check_after)
		r = round_condition(a->t, a->st, 0, MR_NULL_VALUE, &holds, &failed);
	if (r < 0 || failed)
		return r;
	if (!holds)
		return complete_while(a->t, a->st, 0, MR_NULL_VALUE, &a->input);
	mr_fields_put(&f, "input", a->input);
	return mr_turn_fact(a->t, MR_FACT_STEP_STARTED, a->st, &f, -1);
}

static int delay_round(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_fields f = mr_turn_step_fields(t, st);

	if (put_time(t, &f, "until", t->now + mr_step_of(t->run, st)->round_delay_us) < 0)
		return MR_E_NOMEM;
	return mr_turn_fact(t, MR_FACT_STEP_WAITING, st, &f, -1);
}

static int next_round(struct mr_turn *t, struct mr_step_state *st, struct mr_value last)
{
	const struct mr_step *s = mr_step_of(t->run, st);
	struct mr_fields f = mr_turn_step_fields(t, st);
	struct mr_failure limit = { .type = "limit", .retryable = true };
	bool holds, failed;
	int r = round_condition(t, st, st->inner->rounds, last, &holds, &failed);

	if (r < 0 || failed)
		return r;
	if (!holds)
		return complete_while(t, st, st->inner->rounds, last, NULL);
	if (st->inner->rounds >= s->max_iterations) {
		limit.message = mr_arena_printf(t->out->arena,
		    "the condition still holds after max_iterations (%u) rounds",
		    s->max_iterations);
		limit.duration_us = mr_turn_took(t, st);
		return limit.message.p != NULL ? mr_turn_fail(t, st, &limit) : MR_E_NOMEM;
	}
	mr_fields_put(&f, "rounds", mr_value_int(st->inner->rounds));
	return mr_turn_fact(t, MR_FACT_STEP_ITERATING, st, &f, -1);
}

static int settle_while(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_frame *f = st->inner->first;
	struct mr_value last;
	int r;

	if (f == NULL || !f->is_closed)
		return 0;
	if (f->failed != NULL)
		return fail_by(t, st, &f->failed->error);
	if (st->inner->is_delayed && t->now < st->wake_at)
		return 0;
	if (!st->inner->is_delayed && mr_step_of(t->run, st)->round_delay_us > 0)
		return delay_round(t, st);
	r = mr_frame_result(t->run, f, t->out->arena, &last);
	return r == 0 ? next_round(t, st, last) : r;
}

/* ---- catch ---- */

static int settle_catch(struct mr_turn *t, struct mr_step_state *st)
{
	struct mr_frame *f = st->inner->first;
	struct mr_failure failure = { .duration_us = mr_turn_took(t, st) };
	struct mr_value last;
	int r;

	if (f == NULL || !f->is_closed)
		return 0;
	if (f->failed != NULL) {
		failure.inner = &f->failed->error;
		return mr_turn_fail(t, st, &failure);
	}
	r = mr_frame_result(t->run, f, t->out->arena, &last);
	if (r < 0)
		return r;
	return mr_turn_complete_caught(t, st, &last, &st->error);
}

int mr_turn_settle(struct mr_turn *t, struct mr_step_state *st)
{
	int r = stop_failing(t, st);

	if (r < 0 || !mr_step_is_active(st->status))
		return r;
	if (st->status == MR_STEP_CATCHING)
		return settle_catch(t, st);
	switch (mr_step_of(t->run, st)->type) {
	case MR_STEP_CONDITIONAL:
	case MR_STEP_SWITCH:
		return settle_chosen(t, st);
	case MR_STEP_PARALLEL:
		return settle_parallel(t, st);
	case MR_STEP_FOREACH:
		return settle_foreach(t, st);
	case MR_STEP_WHILE:
		return settle_while(t, st);
	default:
		return 0;
	}
}
