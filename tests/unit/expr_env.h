/* A small world for tests of expressions: the members of a JSON object are its names. */
#ifndef MR_TESTS_UNIT_EXPR_ENV_H
#define MR_TESTS_UNIT_EXPR_ENV_H

#include "tests/unit/test.h"

#include "engine/core/expr.h"

#define WORLD_NOW INT64_C(1750000000123456) /* 2025-06-15T15:06:40.123456Z */

struct world {
	struct mr_arena *arena;
	struct mr_value names;
	struct mr_expr_env env;
	unsigned asked; /* how often the environment was asked */
};

static inline int world_lookup(void *ctx, struct mr_arena *a, struct mr_str name,
    struct mr_value *ret, struct mr_expr_error *err)
{
	struct world *w = ctx;
	const struct mr_value *found = mr_value_gets(&w->names, name);

	(void)a;
	w->asked++;
	if (mr_str_eqz(name, "broken")) {
		(void)strncpy(err->message, "the store is away", sizeof(err->message) - 1);
		return MR_E_UNAVAILABLE;
	}
	if (found == NULL)
		return MR_E_NOT_FOUND;
	*ret = *found;
	return 0;
}

/* A copy of TEXT with " for each ', so that cases are easy to read. */
static inline struct mr_str unquote(struct mr_arena *a, const char *text)
{
	struct mr_str s = mr_arena_str(a, mr_str(text));

	assert_non_null(s.p);
	for (size_t i = 0; i < s.len; i++)
		((char *)(uintptr_t)s.p)[i] = s.p[i] == '\'' ? '"' : s.p[i];
	return s;
}

static inline struct mr_value json_value(struct mr_arena *a, const char *text)
{
	struct mr_value v = MR_NULL_VALUE;

	if (mr_json_parse(a, unquote(a, text), NULL, NULL, &v) != 0)
		fail_msg("not JSON: %s", text);
	return v;
}

static inline void world_init(struct world *w, const char *names)
{
	w->arena = mr_arena_create(64u << 20);
	assert_non_null(w->arena);
	w->names = json_value(w->arena, names);
	w->env = (struct mr_expr_env){ .lookup = world_lookup, .ctx = w, .now_us = WORLD_NOW };
	w->asked = 0;
}

static inline void world_done(struct world *w)
{
	w->arena = mr_arena_free(w->arena);
}

/* The value as JSON; or "! " and the message. */
static inline struct mr_str world_result(
    struct world *w, int r, const struct mr_value *v, const struct mr_expr_error *err)
{
	if (r < 0)
		return mr_arena_printf(w->arena, "! %s", err->message);
	return mr_json_text(w->arena, v);
}

static inline struct mr_str world_eval(struct world *w, const char *source)
{
	struct mr_expr_error err = { .line = 0 };
	struct mr_value v = MR_NULL_VALUE;
	const struct mr_expr *e;
	int r = mr_expr_compile(w->arena, mr_str(source), &e, &err);

	if (r == 0)
		r = mr_expr_eval(e, &w->env, w->arena, &v, &err);
	return world_result(w, r, &v, &err);
}

struct eval_case {
	const char *source, *want;
};

static inline void world_check(struct world *w, const struct eval_case *cases, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		struct mr_str got = world_eval(w, cases[i].source);

		if (!mr_str_eqz(got, cases[i].want))
			fail_msg("%s\n gave %.*s\n want %s", cases[i].source, MR_STR_ARG(got),
			    cases[i].want);
	}
}

#endif
