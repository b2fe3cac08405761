/*
 * What one condition costs in a run: names asked of an environment made for the step, the results
 * of steps gathered into a map when they are first asked for, all memory given back afterwards.
 * Prints "expr_ns <median>": nanoseconds of processor time of one evaluation.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/core/expr.h"

#define BATCH   10000
#define BATCHES 101

#define CONDITION "steps.a.n > 10 && trigger.kind == \"x\""

static const char trigger_json[] =
    "{\"id\": 17, \"kind\": \"x\", \"customer\": {\"name\": \"Ada\"}, \"amount\": 12.5,"
    " \"tags\": [\"a\", \"b\"]}";
static const char result_json[] = "{\"status\": \"ok\", \"n\": 12, \"items\": [1, 2, 3]}";

/* As a run's: see engine/core/run_env.c. */
struct env {
	struct mr_expr_env expr;
	struct mr_value trigger, result, steps;
	bool has_steps;
};

static int gather(struct env *env, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_map *m;

	if (!env->has_steps) {
		m = mr_map_create(a, 1);
		if (m == NULL)
			return MR_E_NOMEM;
		m->members[0].key = mr_value_str(MR_STR("a"));
		m->members[0].value = env->result;
		if (mr_map_seal(a, m) < 0)
			return MR_E_NOMEM;
		env->steps = mr_value_map(m);
		env->has_steps = true;
	}
	*ret = env->steps;
	return 0;
}

static int input(struct env *env, struct mr_arena *a, struct mr_value *ret)
{
	(void)a; /* nothing to be made */
	*ret = env->trigger;
	return 0;
}

static const struct {
	const char *name;
	int (*look)(struct env *env, struct mr_arena *a, struct mr_value *ret);
} names[] = { { "steps", gather }, { "trigger", input }, { "input", input } };

static int look_up(void *ctx, struct mr_arena *a, struct mr_str name, struct mr_value *ret,
    struct mr_expr_error *err)
{
	(void)err; /* nothing fails */
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		if (mr_str_eqz(name, names[i].name))
			return names[i].look(ctx, a, ret);
	}
	return MR_E_NOT_FOUND;
}

static bool once(const struct mr_expr *e, struct env *env, struct mr_arena *a)
{
	struct mr_expr_error err;
	bool b = false;

	env->expr = (struct mr_expr_env){ .lookup = look_up, .ctx = env, .now_us = 1 };
	env->has_steps = false;
	if (mr_condition_eval(e, &env->expr, a, &b, &err) < 0)
		b = false;
	mr_arena_reset(a);
	return b;
}

static double processor_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* there is such a clock on Linux */
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int measure(const struct mr_expr *e, struct env *env, struct mr_arena *a, double *ret)
{
	double ns[BATCHES];

	for (int i = 0; i < BATCHES; i++) {
		double begin = processor_ns();
		int held = 0;

		for (int j = 0; j < BATCH; j++)
			held += once(e, env, a);
		ns[i] = (processor_ns() - begin) / BATCH;
		if (held != BATCH)
			return MR_E_INVALID;
	}
	qsort(ns, BATCHES, sizeof(ns[0]), compare);
	*ret = ns[BATCHES / 2];
	return 0;
}

int main(int argc, char **argv)
{
	struct mr_arena *keep = mr_arena_create(1u << 20), *scratch = mr_arena_create(1u << 20);
	struct mr_value source = mr_value_strz(argc > 1 ? argv[1] : CONDITION);
	struct mr_expr_error err = { .message = "out of memory" };
	const struct mr_expr *e;
	struct env env;
	double ns;
	int r = keep != NULL && scratch != NULL ? 0 : MR_E_NOMEM;

	if (r == 0)
		r = mr_json_parse(keep, mr_str(trigger_json), NULL, NULL, &env.trigger);
	if (r == 0)
		r = mr_json_parse(keep, mr_str(result_json), NULL, NULL, &env.result);
	if (r == 0)
		r = mr_condition_compile(keep, &source, &e, &err);
	if (r == 0) {
		(void)snprintf(err.message, sizeof(err.message), "the condition doesn't hold");
		r = measure(e, &env, scratch, &ns);
	}
	if (r == 0)
		(void)printf("expr_ns %.0f\n", ns);
	else
		(void)fprintf(stderr, "expr_bench: %s\n", err.message);
	scratch = mr_arena_free(scratch);
	keep = mr_arena_free(keep);
	return r == 0 ? 0 : 1;
}
