/*
 * What the expressions of a step see: trigger, steps, meta, vars, env, secrets, run, workflow, what
 * the blocks around it bind (item, index, error, …) and the names of the input. Results of steps
 * are gathered only when an expression asks, and only those that the step's expressions name.
 */
#include "engine/core/run_private.h"

#include <stdio.h>

#define REDACTED "[redacted]"

static int step_meta(const struct mr_step_state *st, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "status", mr_value_strz(mr_step_status_names[st->status]));
	mr_fields_put(&f, "attempts", mr_value_int(st->attempt));
	mr_fields_put(&f, "error", st->error);
	return mr_fields_map(a, &f, ret);
}

/* ---- which steps ---- */

/* The frame around F: that of its holder. The handlers of a run stand beside its main block. */
static const struct mr_frame *outer(const struct mr_run *run, const struct mr_frame *f)
{
	if (f->holder != NULL)
		return f->holder->frame;
	return f != run->main ? run->main : NULL;
}

/* Step I as it is seen from FRAME: in the nearest frame of its block, from there outwards. */
static const struct mr_step_state *see(
    const struct mr_run *run, const struct mr_frame *frame, unsigned i)
{
	const struct mr_block *block = &run->g->blocks[run->g->steps[i].block];

	while (frame != NULL && frame->block != block)
		frame = outer(run, frame);
	return frame != NULL ? mr_frame_step(frame, i) : NULL;
}

/* A list of steps that names hide and that are seen from one place. */
struct sight {
	const struct mr_run *run;
	const struct mr_step_state **steps;
	size_t len, cap;
};

static bool is_hidden(const struct sight *v, size_t inner, struct mr_str name)
{
	for (size_t i = 0; i < inner; i++)
		if (mr_str_eq(mr_step_of(v->run, v->steps[i])->short_name, name))
			return true;
	return false;
}

/* All of a frame that come before UPTO (all, when that is NULL) and that no inner name hides. */
static void add_frame(
    struct sight *v, const struct mr_frame *f, const struct mr_step_state *upto, uint64_t *seen)
{
	size_t inner = v->len, done = v->len;
	const struct mr_step_state *at = upto;

	for (unsigned i = 0; upto == NULL && i < f->block->len; i++)
		v->steps[v->len++] = &f->steps[i];
	while (at != NULL) {
		const struct mr_step *s = mr_step_of(v->run, at);

		for (size_t k = 0; k < s->deps_len; k++) {
			unsigned dep = s->deps[k];

			if ((seen[dep / 64] >> (dep % 64) & 1) != 0)
				continue;
			seen[dep / 64] |= UINT64_C(1) << (dep % 64);
			v->steps[v->len++] = mr_frame_step(f, dep);
		}
		at = done < v->len ? v->steps[done++] : NULL;
	}
	/* those that are hidden led to what is before them all the same */
	for (done = inner; done < v->len;) {
		if (is_hidden(v, inner, mr_step_of(v->run, v->steps[done])->short_name))
			v->steps[done] = v->steps[--v->len];
		else
			done++;
	}
}

/* All a step could name, for one that computes names. */
static int all_steps(const struct mr_run_env *env, struct mr_arena *a, struct sight *v)
{
	const struct mr_run *run = env->run;
	size_t words = (run->g->steps_len + 63) / 64;
	uint64_t *seen = mr_arena_array(a, words, sizeof(*seen));
	const struct mr_step_state *st = env->st;
	const struct mr_frame *f = st != NULL ? st->frame : run->main;

	v->steps = mr_arena_array(a, run->g->steps_len + 1, sizeof(v->steps[0]));
	if (seen == NULL || v->steps == NULL)
		return MR_E_NOMEM;
	while (f != NULL) {
		/* what undoes a step sees that step too; handlers see all of the main block */
		bool whole = st == NULL;

		if (f->block->role == MR_BLOCK_COMPENSATE)
			v->steps[v->len++] = f->holder;
		add_frame(v, f, whole ? NULL : st, seen);
		st = f->holder;
		f = outer(run, f);
	}
	return 0;
}

/* The steps to be shown. */
static int shown_steps(const struct mr_run_env *env, struct mr_arena *a, struct sight *v)
{
	const struct mr_run *run = env->run;
	const struct mr_frame *from = env->st != NULL ? env->st->frame : run->main;

	v->run = run;
	v->len = 0;
	if (env->refs->all)
		return all_steps(env, a, v);
	v->steps = mr_arena_array(a, env->refs->len + 1, sizeof(v->steps[0]));
	if (v->steps == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < env->refs->len; i++) {
		const struct mr_step_state *st = see(run, from, env->refs->steps[i]);

		if (st != NULL)
			v->steps[v->len++] = st;
	}
	return 0;
}

static bool shows(const struct mr_run_env *env, const struct mr_step_state *st, bool meta)
{
	if (st == env->st)
		return false;
	if (meta)
		return mr_step_ended(st) || st->status == MR_STEP_FAILED;
	return st->status == MR_STEP_COMPLETED || st->status == MR_STEP_COMPENSATED;
}

/* steps.* (or meta.*): a map by the names that the step's block knows. */
static int gather(struct mr_run_env *env, struct mr_arena *a, bool meta, struct mr_value *ret)
{
	struct sight v = { .len = 0 };
	struct mr_map *m;
	size_t at = 0;
	int r = shown_steps(env, a, &v);

	mr_run_spend(env->run, v.len);
	m = r == 0 ? mr_map_create(a, v.len + 1) : NULL;
	if (m == NULL)
		return MR_E_NOMEM; /* nothing else fails */
	for (size_t i = 0; i < v.len && r == 0; i++) {
		const struct mr_step_state *st = v.steps[i];

		if (!shows(env, st, meta))
			continue;
		m->members[at].key = mr_value_str(mr_step_of(env->run, st)->short_name);
		if (meta)
			r = step_meta(st, a, &m->members[at].value);
		else
			r = mr_step_output(env->run, st, a, &m->members[at].value);
		at++;
	}
	if (!meta && env->result != NULL) {
		m->members[at].key = mr_value_str(mr_step_of(env->run, env->st)->short_name);
		m->members[at++].value = *env->result;
	}
	m->len = at;
	*ret = mr_value_map(m);
	return r == 0 ? mr_map_seal(a, m) : r;
}

/* ---- names ---- */

static int look_steps(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	int r = env->has_steps ? 0 : gather(env, a, false, &env->steps);

	env->has_steps = r == 0;
	*ret = env->steps;
	return r;
}

static int look_meta(struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	int r = env->has_meta ? 0 : gather(env, a, true, &env->meta);

	env->has_meta = r == 0;
	*ret = env->meta;
	return r;
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

	if (env->vars->kind != MR_VALUE_MAP)
		return mr_fields_map(a, &none, ret);
	*ret = *env->vars;
	return 0;
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
	if (info->env_lookup != NULL)
		r = info->env_lookup(info->env_ctx, a, scope, ret);
	if (r == MR_E_CONFLICT)
		(void)snprintf(err->message, sizeof(err->message),
		    "a secret that the workflow names is damaged: give it a value again");
	else
		env->saw_secrets = env->saw_secrets || env->secrets == MR_SECRETS_REAL;
	if (r == MR_E_NOT_FOUND)
		return mr_fields_map(a, &none, ret);
	if (r == 0 && env->secrets == MR_SECRETS_SHOWN_REDACTED)
		r = redact(a, ret);
	return r;
}

/* ---- what the blocks around bind ---- */

static bool bound_error(const struct mr_frame *f, struct mr_str name, struct mr_value *ret)
{
	if (!mr_str_eq(f->block->binds.p != NULL ? f->block->binds : MR_STR("error"), name))
		return false;
	*ret = f->bound;
	return true;
}

static bool bound_in(
    const struct mr_run *run, const struct mr_frame *f, struct mr_str name, struct mr_value *ret)
{
	const struct mr_block *b = f->block;

	switch (b->role) {
	case MR_BLOCK_CATCH:
	case MR_BLOCK_ON_FAILURE:
	case MR_BLOCK_FINALLY:
		return bound_error(f, name, ret);
	case MR_BLOCK_BODY:
		break;
	default:
		return false;
	}
	if (mr_str_eq(b->counts.p != NULL ? b->counts : MR_STR("index"), name)) {
		*ret = mr_value_int(f->iteration);
		return true;
	}
	if (mr_step_of(run, f->holder)->type == MR_STEP_WHILE
	        ? !mr_str_eqz(name, "last")
	        : !mr_str_eq(b->binds.p != NULL ? b->binds : MR_STR("item"), name))
		return false;
	*ret = f->bound;
	return true;
}

static bool look_bound(const struct mr_run_env *env, struct mr_str name, struct mr_value *ret)
{
	for (size_t i = 0; i < env->binds_len; i++) {
		if (!mr_str_eq(env->binds[i].name, name))
			continue;
		*ret = env->binds[i].value;
		return true;
	}
	if (env->st == NULL)
		return false;
	for (const struct mr_frame *f = env->st->frame; f != NULL; f = outer(env->run, f))
		if (bound_in(env->run, f, name, ret))
			return true;
	return false;
}

static int lookup(void *ctx, struct mr_arena *a, struct mr_str name, struct mr_value *ret,
    struct mr_expr_error *err)
{
	struct mr_run_env *env = ctx;
	const struct mr_value *v;
	int r;

	if (look_bound(env, name, ret))
		return 0;
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		if (!mr_str_eqz(name, names[i].name))
			continue;
		r = names[i].look(env, a, ret);
		if (r == MR_E_CONFLICT)
			(void)snprintf(err->message, sizeof(err->message),
			    "a stored result of an earlier step is gone from the file store");
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

void mr_run_env_init(struct mr_run_env *env, const struct mr_run *run,
    const struct mr_step_state *st, enum mr_secrets secrets, int64_t now_us)
{
	/* by member: binds need no zeroes, and this runs for each attempt */
	env->run = run;
	env->st = st;
	env->refs = st != NULL ? &mr_step_of(run, st)->refs : &run->g->output_refs;
	env->vars = &run->vars;
	env->secrets = secrets;
	env->result = NULL;
	env->binds_len = 0;
	env->has_steps = env->has_meta = env->saw_secrets = false;
	env->expr = (struct mr_expr_env){
		.lookup = lookup, .ctx = env, .now_us = now_us, .spent = run->spent
	};
}

void mr_run_env_bind(struct mr_run_env *env, struct mr_str name, struct mr_value v)
{
	env->binds[env->binds_len].name = name;
	env->binds[env->binds_len++].value = v;
}

/* The result of the nearest step before ST in its block that gave one. */
static const struct mr_step_state *nearest_before(
    const struct mr_run *run, const struct mr_step_state *st)
{
	for (size_t hops = 0; hops <= st->frame->block->len; hops++) {
		const struct mr_step *s = mr_step_of(run, st);

		if (s->deps_len == 0)
			return NULL;
		for (size_t k = s->deps_len; k > 0; k--) {
			const struct mr_step_state *dep = mr_frame_step(st->frame, s->deps[k - 1]);

			if (dep->status == MR_STEP_COMPLETED)
				return dep;
		}
		st = mr_frame_step(st->frame, s->deps[s->deps_len - 1]);
	}
	return NULL;
}

int mr_run_env_source(const struct mr_run_env *env, struct mr_arena *a, struct mr_value *ret)
{
	const struct mr_run *run = env->run;
	const struct mr_step_state *st = env->st;

	/* out of blocks, to the input at last; an item of a foreach is nearer than what is around
	 */
	while (st != NULL) {
		const struct mr_step_state *before = nearest_before(run, st);
		const struct mr_frame *f = st->frame;

		if (before != NULL)
			return mr_step_output(run, before, a, ret);
		if (f->block->role == MR_BLOCK_BODY) {
			*ret = f->bound;
			return 0;
		}
		st = f->holder;
	}
	*ret = run->input;
	return 0;
}
