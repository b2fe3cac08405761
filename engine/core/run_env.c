/*
 * What the expressions of a step see: trigger, steps, meta, env, secrets, run, workflow and the
 * names of the input. Results of steps are gathered only when an expression asks, and only those
 * that the step's expressions name.
 */
#include "engine/core/run_private.h"

#include <stdio.h>

#define REDACTED "[redacted]"

static int step_meta(
    const struct mr_run *run, unsigned step, struct mr_arena *a, struct mr_value *ret)
{
	const struct mr_step_state *st = &run->steps[step];
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "status", mr_value_strz(mr_step_status_names[st->status]));
	mr_fields_put(&f, "attempts", mr_value_int(st->attempt));
	mr_fields_put(&f, "error", st->error);
	return mr_fields_map(a, &f, ret);
}

/* ---- which steps ---- */

static bool is_listed(const struct mr_run *run, const unsigned *steps, size_t len, unsigned step)
{
	for (size_t i = 0; i < len; i++)
		if (steps[i] == step ||
		    mr_str_eq(run->g->steps[steps[i]].short_name, run->g->steps[step].short_name))
			return true;
	return false;
}

/* Everything upstream of I in its block, added to STEPS; the names inside hide those around. */
static size_t add_upstream(
    const struct mr_run *run, unsigned i, uint64_t *seen, unsigned *steps, size_t len)
{
	size_t inner = len, done = len;
	unsigned at = i;

	for (;;) {
		const struct mr_step *s = &run->g->steps[at];

		for (size_t k = 0; k < s->deps_len; k++) {
			if (mr_run_has(seen, s->deps[k]))
				continue;
			mr_run_set(seen, s->deps[k], true);
			/* hidden ones still lead to what is upstream of them: kept, and skipped
			 * when shown; hiding is rare and inner blocks are short */
			steps[len++] = s->deps[k];
		}
		if (done == len)
			break;
		at = steps[done++];
	}
	if (inner == 0)
		return len;
	done = inner;
	for (size_t k = inner; k < len; k++)
		if (!is_listed(run, steps, inner, steps[k]))
			steps[done++] = steps[k];
	return done;
}

/* All a step could name, for one that computes names. */
static int all_steps(
    const struct mr_run_env *env, struct mr_arena *a, unsigned *steps, size_t *ret_len)
{
	const struct mr_run *run = env->run;
	uint64_t *seen = mr_arena_array(a, run->words, sizeof(*seen));

	*ret_len = 0;
	if (seen == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; env->step == NULL && i < run->g->top_len; i++)
		steps[(*ret_len)++] = i;
	if (env->step == NULL)
		return 0;
	for (int at = (int)env->step->index; at >= 0; at = run->g->steps[at].parent)
		*ret_len = add_upstream(run, (unsigned)at, seen, steps, *ret_len);
	return 0;
}

/* The steps to be shown; *RET is theirs or an array of A. */
static int shown_steps(
    const struct mr_run_env *env, struct mr_arena *a, const unsigned **ret, size_t *ret_len)
{
	unsigned *steps;

	*ret = env->refs->steps;
	*ret_len = env->refs->len;
	if (!env->refs->all)
		return 0;
	steps = mr_arena_array(a, env->run->g->steps_len, sizeof(*steps));
	if (steps == NULL)
		return MR_E_NOMEM;
	*ret = steps;
	return all_steps(env, a, steps, ret_len);
}

static bool shows(const struct mr_run_env *env, unsigned step, bool meta)
{
	if (env->step != NULL && step == env->step->index)
		return false;
	if (meta)
		return mr_run_step_ended(env->run, step);
	return env->run->steps[step].status == MR_STEP_COMPLETED;
}

/* steps.* (or meta.*): a map by the names that the step's block knows. */
static int gather(struct mr_run_env *env, struct mr_arena *a, bool meta, struct mr_value *ret)
{
	const struct mr_run *run = env->run;
	const unsigned *steps;
	size_t len, at = 0;
	struct mr_map *m;
	int r = shown_steps(env, a, &steps, &len);

	m = r == 0 ? mr_map_create(a, len + 1) : NULL;
	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len && r == 0; i++) {
		if (!shows(env, steps[i], meta))
			continue;
		m->members[at].key = mr_value_str(run->g->steps[steps[i]].short_name);
		m->members[at].value = run->steps[steps[i]].output;
		if (meta)
			r = step_meta(run, steps[i], a, &m->members[at].value);
		at++;
	}
	if (!meta && env->result != NULL) {
		m->members[at].key = mr_value_str(env->step->short_name);
		m->members[at++].value = *env->result;
	}
	m->len = at;
	*ret = mr_value_map(m);
	return r == 0 ? mr_map_seal(a, m) : r;
}

/* ---- names ---- */

static int look_steps(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	if (!env->has_steps && gather(env, a, false, &env->steps) < 0)
		return MR_E_NOMEM;
	env->has_steps = true;
	*ret = env->steps;
	return 0;
}

static int look_meta(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	if (!env->has_meta && gather(env, a, true, &env->meta) < 0)
		return MR_E_NOMEM;
	env->has_meta = true;
	*ret = env->meta;
	return 0;
}

static int look_input(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	(void)a; /* nothing to be made */
	*ret = env->run->input;
	return 0;
}

static int look_vars(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields none = { .len = 0 };

	(void)env; /* this version has no variables */
	return mr_fields_map(a, &none, ret);
}

static int look_run(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	const struct mr_run *run = env->run;
	struct mr_fields f = { .len = 0 };
	struct mr_value at = { .kind = MR_VALUE_TIMESTAMP };

	mr_fields_put(&f, "id", mr_value_int(run->info.id));
	mr_fields_put(&f, "workflow_id", mr_value_int(run->info.workflow_id));
	mr_fields_put(&f, "version", mr_value_int(run->info.version));
	at.i = run->info.created_at_us;
	mr_fields_put(&f, "created_at", at);
	at.i = run->started_at;
	mr_fields_put(&f, "started_at", at);
	return mr_fields_map(a, &f, ret);
}

static int look_workflow(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	const struct mr_run_info *info = &env->run->info;
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "id", mr_value_int(info->workflow_id));
	mr_fields_put(&f, "name",
	    mr_value_str(info->workflow_name.p != NULL ? info->workflow_name : MR_STR("")));
	mr_fields_put(&f, "version", mr_value_int(info->version));
	return mr_fields_map(a, &f, ret);
}

static int look_execution_id(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	(void)a; /* nothing to be made */
	*ret = mr_value_int(env->run->info.id);
	return 0;
}

static int look_workflow_id(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	(void)a; /* nothing to be made */
	*ret = mr_value_int(env->run->info.workflow_id);
	return 0;
}

static int look_result(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	(void)a; /* nothing to be made */
	if (env->result == NULL)
		return MR_E_NOT_FOUND;
	*ret = *env->result;
	return 0;
}

static const struct {
	const char *name;
	int (*look)(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret);
} names[] = {
	{ "steps", look_steps },
	{ "trigger", look_input },
	{ "input", look_input },
	{ "meta", look_meta },
	{ "vars", look_vars },
	{ "run", look_run },
	{ "workflow", look_workflow },
	{ "execution_id", look_execution_id },
	{ "workflow_id", look_workflow_id },
	{ "result", look_result },
};

/* The names stay, so that a missing one is found missing; the values go. */
static int redact(struct mr_arena *a, struct mr_value *v)
{
	struct mr_map *m;

	if (v->kind != MR_VALUE_MAP)
		return 0;
	m = mr_map_create(a, v->map->len);
	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < v->map->len; i++) {
		m->members[i].key = v->map->members[i].key;
		m->members[i].value = mr_value_strz(REDACTED);
	}
	*v = mr_value_map(m);
	return mr_map_seal(a, m);
}

static int look_secrets(struct mr_run_env *env, struct mr_arena *a, struct mr_str scope,
    struct mr_value *ret, struct mr_expr_error *err)
{
	const struct mr_run_info *info = &env->run->info;
	struct mr_fields none = { .len = 0 };
	int r = MR_E_NOT_FOUND;

	if (env->secrets == MR_SECRETS_REFUSED) {
		(void)snprintf(err->message, sizeof(err->message),
		    "%.*s cannot be used here, since the outcome is recorded", MR_STR_ARG(scope));
		return MR_E_DENIED;
	}
	env->saw_secrets = env->saw_secrets || env->secrets == MR_SECRETS_REAL;
	if (info->env_lookup != NULL)
		r = info->env_lookup(info->env_ctx, a, scope, ret);
	if (r == MR_E_NOT_FOUND)
		return mr_fields_map(a, &none, ret);
	if (r == 0 && env->secrets == MR_SECRETS_SHOWN_REDACTED)
		r = redact(a, ret);
	return r;
}

static int lookup(void *ctx, struct mr_arena *a, struct mr_str name, struct mr_value *ret,
    struct mr_expr_error *err)
{
	struct mr_run_env *env = ctx;
	const struct mr_value *v;
	int r;

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		if (!mr_str_eqz(name, names[i].name))
			continue;
		r = names[i].look(env, a, ret);
		if (r != MR_E_NOT_FOUND)
			return r;
	}
	if (mr_str_eqz(name, "env") || mr_str_eqz(name, "secrets"))
		return look_secrets(env, a, name, ret, err);
	v = mr_value_gets(&env->run->input, name);
	if (v == NULL)
		return MR_E_NOT_FOUND;
	*ret = *v;
	return 0;
}

void mr_run_env_init(struct mr_run_env *env, const struct mr_run *run, const struct mr_step *step,
    enum mr_secrets secrets, int64_t now_us)
{
	*env = (struct mr_run_env){ .run = run,
		.step = step,
		.secrets = secrets,
		.refs = step != NULL ? &step->refs : &run->g->output_refs };
	env->expr.lookup = lookup;
	env->expr.ctx = env;
	env->expr.now_us = now_us;
}

void mr_run_env_source(const struct mr_run_env *env, struct mr_value *ret)
{
	const struct mr_run *run = env->run;
	unsigned at = env->step->index;

	/* back over steps that gave nothing, out of conditionals, to the input at last */
	for (size_t hops = 0; hops <= run->g->steps_len; hops++) {
		const struct mr_step *s = &run->g->steps[at];

		for (size_t k = s->deps_len; k > 0; k--) {
			unsigned dep = s->deps[k - 1];

			if (run->steps[dep].status != MR_STEP_COMPLETED)
				continue;
			*ret = run->steps[dep].output;
			return;
		}
		if (s->deps_len == 0 && s->parent < 0)
			break;
		at = s->deps_len > 0 ? s->deps[s->deps_len - 1] : (unsigned)s->parent;
	}
	*ret = run->input;
}
