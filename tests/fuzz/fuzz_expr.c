/*
 * Any text as an expression, compiled and evaluated in a fixed environment. The first byte says
 * what it is: '?' a condition, '$' a Mongo object, '&' a template of any JSON value, '"' one of a
 * string, '[' a list of transformations; anything else begins a bare expression.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/expr_types.h"
#include "engine/core/transform.h"

#define ARENA_MAX (8u << 20)
#define COST_MAX  20000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char world[] =
    "{\"steps\":{\"a\":{\"n\":12,\"text\":\"gr\xc3\xbc\xc3\x9f dich\",\"none\":null,"
    "\"list\":[3,1,2],\"objects\":[{\"n\":2,\"s\":\"b\"},{\"n\":1,\"s\":\"a\"}]}},"
    "\"trigger\":{\"amount\":10001.5,\"big\":9223372036854775807,\"yes\":true},"
    "\"x\":5,\"s\":\"abc\",\"vars\":{}}";

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int look_up(void *ctx, struct mr_arena *a, struct mr_str name, struct mr_value *ret,
    struct mr_expr_error *err)
{
	const struct mr_value *found = mr_value_gets(ctx, name);

	(void)a;
	(void)err;
	if (found == NULL)
		return MR_E_NOT_FOUND;
	*ret = *found;
	return 0;
}

struct outcome {
	int r;
	struct mr_str text;
	struct mr_expr_error err;
};

static void seen(void *ctx, const struct mr_expr_ref *ref)
{
	(void)ctx;
	must(ref->n >= 1 && ref->n <= MR_ARRAY_LEN(ref->part));
	for (unsigned i = 0; i < ref->n; i++)
		must(mr_str_is_utf8(ref->part[i]));
}

static void seen_in_template(void *ctx, struct mr_str path, const struct mr_expr_ref *ref)
{
	must(path.p != NULL);
	seen(ctx, ref);
}

static void seen_type(void *ctx, const struct mr_type_fault *f)
{
	(void)ctx;
	must(mr_str_is_utf8(mr_str(f->message)) && f->line >= 1 && f->column >= 1);
}

static void check_types(struct mr_arena *a, const struct mr_expr *e, const struct mr_template *t)
{
	int r = e != NULL ? mr_condition_check(e, NULL, a, seen_type, NULL)
	                  : mr_template_check(t, NULL, a, seen_type, NULL);

	must(r == 0 || r == MR_E_NOMEM);
}

static int run_expr(struct mr_arena *a, const struct mr_expr_env *env, const struct mr_expr *e,
    struct mr_value *ret, struct mr_expr_error *err)
{
	mr_expr_refs(e, seen, NULL);
	check_types(a, e, NULL);
	return mr_expr_eval(e, env, a, ret, err);
}

/* As a run does, with each program giving back what it got. */
static int run_transform(struct mr_arena *a, const struct mr_expr_env *env,
    const struct mr_transform *f, struct mr_value *ret, struct mr_expr_error *err)
{
	const struct mr_value *input = mr_value_get(env->ctx, "steps");
	struct mr_value state = MR_NULL_VALUE, outputs;
	struct mr_list *one;
	size_t index = 0;
	int r;

	if (!mr_transform_has_jq(f))
		return mr_transform_eval(f, input, env, a, ret, err);
	for (;;) {
		r = mr_transform_eval_from(f, input, env, a, &index, &state, ret, err);
		if (r < 0 || mr_transform_jq_program(f, index).p == NULL)
			return r;
		one = mr_list_create(a, 1);
		if (one == NULL)
			return MR_E_NOMEM;
		one->items[0] = *ret;
		outputs = mr_value_list(one);
		r = mr_transform_jq_done(f, &outputs, a, &index, &state, err);
		if (r < 0)
			return r;
	}
}

static int run_json(struct mr_arena *a, const struct mr_expr_env *env, char kind,
    const struct mr_value *source, struct mr_value *ret, struct mr_expr_error *err)
{
	const struct mr_expr *e;
	const struct mr_template *t;
	const struct mr_transform *f;
	struct mr_faults faults;
	int r;

	mr_faults_init(&faults, a, 10);
	switch (kind) {
	case '$':
		r = mr_condition_compile(a, source, &e, err);
		return r < 0 ? r : run_expr(a, env, e, ret, err);
	case '[':
		r = mr_transform_compile(a, source, MR_STR("transformations"), &faults, &f);
		must(r == 0 || r == MR_E_NOMEM || faults.count > 0);
		return r < 0 ? r : run_transform(a, env, f, ret, err);
	default:
		r = mr_template_compile(a, source, MR_STR("config"), &faults, &t);
		must(r == 0 || r == MR_E_NOMEM || faults.count > 0);
		if (r < 0)
			return r;
		mr_template_refs(t, seen_in_template, NULL);
		check_types(a, NULL, t);
		return mr_template_eval(t, env, a, ret, err);
	}
}

static struct outcome run(struct mr_arena *a, struct mr_value *env_value, struct mr_str text)
{
	const struct mr_expr_env env = { .lookup = look_up,
		.ctx = env_value,
		.now_us = INT64_C(1750000000123456),
		.max_cost = COST_MAX };
	struct outcome o = { .text = MR_STR_NONE };
	char kind = text.len > 0 ? text.p[0] : 'x';
	struct mr_str rest = text;
	const struct mr_expr *e;
	struct mr_value v = MR_NULL_VALUE, source;

	if (kind == '?' || kind == '$' || kind == '&')
		rest = (struct mr_str){ text.p + 1, text.len - 1 };
	if (strchr("$&[\"", kind) != NULL && kind != '\0') {
		o.r = mr_json_parse(a, rest, NULL, NULL, &source);
		if (o.r == 0)
			o.r = run_json(a, &env, kind, &source, &v, &o.err);
	} else if (kind == '?') {
		source = mr_value_str(rest);
		o.r = mr_condition_compile(a, &source, &e, &o.err);
		if (o.r == 0)
			o.r = run_expr(a, &env, e, &v, &o.err);
	} else {
		o.r = mr_expr_compile(a, rest, &e, &o.err);
		if (o.r == 0)
			o.r = run_expr(a, &env, e, &v, &o.err);
	}
	must(mr_str_is_utf8(mr_str(o.err.message)) && mr_str_is_utf8(mr_str(o.err.path)));
	if (o.r == 0)
		o.text = mr_json_text(a, &v); /* none when it is too large for the arena */
	return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_str text = { (const char *)data, size };
	struct mr_arena *own = mr_arena_create(1u << 20), *a = mr_arena_create(ARENA_MAX);
	struct outcome first, second;
	struct mr_value env;

	must(own != NULL && a != NULL);
	must(mr_json_parse(own, mr_str(world), NULL, NULL, &env) == 0);
	first = run(a, &env, text);
	must(first.r <= 0);
	first.text = first.text.p != NULL ? mr_arena_str(own, first.text) : MR_STR_NONE;
	mr_arena_reset(a);

	/* without memory from some allocation on: the same, or MR_E_NOMEM */
	mr_arena_fail_after(1 + size % 31);
	second = run(a, &env, text);
	mr_arena_fail_after(0);
	must(second.r == first.r || second.r == MR_E_NOMEM);
	mr_arena_reset(a);

	/* pure: once more, the same */
	second = run(a, &env, text);
	must(second.r == first.r);
	if (first.text.p != NULL && second.text.p != NULL)
		must(mr_str_eq(first.text, second.text));
	a = mr_arena_free(a);
	own = mr_arena_free(own);
	return 0;
}
