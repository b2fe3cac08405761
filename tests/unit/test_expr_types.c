/* What is said of types before an expression runs: only what is certain, with its place. */
#include "engine/core/expr_types.h"

#include <stdio.h>

#include "engine/core/expr_private.h"
#include "tests/unit/expr_env.h"

static const char schemas_json[] =
    "{'trigger': {'type': 'object', 'properties': {"
    "   'amount': {'type': 'number'}, 'count': {'type': 'integer'}, 'name': {'type': 'string'},"
    "   'note': {'type': 'string', 'nullable': true}, 'paid': {'type': 'boolean'},"
    "   'either': {'type': ['string', 'integer']}, 'open': {},"
    "   'kind': {'enum': ['a', 'b']}, 'mixed': {'enum': ['a', 1]}, 'fixed': {'const': true},"
    "   'any_of': {'anyOf': [{'type': 'string'}, {'type': 'null'}]},"
    "   'vague': {'anyOf': [{'type': 'string'}, {'minimum': 1}]}, 'there': {'$ref': '#/x'},"
    "   'odd': {'type': 'decimal'}, 'always': true,"
    "   'tags': {'type': 'array', 'items': {'type': 'string'}},"
    "   'lines': {'type': 'array', 'items': {'type': 'object', 'properties':"
    "      {'price': {'type': 'number'}, 'text': {'type': 'string'}}}}}},"
    " 'steps': {'properties': {"
    "   'a': {'properties': {'status_code': {'type': 'integer'}, 'headers': {'type': "
    "'object'}}}}}}";

struct checked {
	struct mr_arena *arena, *scratch;
	struct mr_value schemas;
	struct mr_type_env env;
	struct mr_str told;
	unsigned faults;
};

static const struct mr_value *schema_of(void *ctx, struct mr_str name)
{
	return mr_value_gets(ctx, name);
}

static void report(void *ctx, const struct mr_type_fault *f)
{
	struct checked *c = ctx;

	c->told = mr_arena_printf(c->arena, "%.*s%s%.*s%s%zu:%zu %s", MR_STR_ARG(c->told),
	    c->faults > 0 ? "; " : "", MR_STR_ARG(f->path), f->path.len > 0 ? " " : "", f->line,
	    f->column, f->message);
	c->faults++;
	assert_true(mr_str_is_utf8(mr_str(f->message)));
	assert_true(f->offset + 1 >= f->column);
}

static void begin(struct checked *c)
{
	c->arena = mr_arena_create(16u << 20);
	c->scratch = mr_arena_create(16u << 20);
	assert_non_null(c->arena);
	assert_non_null(c->scratch);
	c->schemas = json_value(c->arena, schemas_json);
	c->env = (struct mr_type_env){ .schema = schema_of, .ctx = &c->schemas };
}

static void end(struct checked *c)
{
	c->scratch = mr_arena_free(c->scratch);
	c->arena = mr_arena_free(c->arena);
}

static struct mr_str check(struct checked *c, const char *source, bool is_condition)
{
	struct mr_value v = mr_value_str(unquote(c->arena, source));
	struct mr_expr_error err;
	const struct mr_expr *e;

	if (source[0] == '{')
		v = json_value(c->arena, source);
	c->told = MR_STR("");
	c->faults = 0;
	if (mr_condition_compile(c->arena, &v, &e, &err) != 0)
		fail_msg("%s: %s", source, err.message);
	assert_int_equal(
	    (is_condition ? mr_condition_check : mr_expr_check)(e, &c->env, c->scratch, report, c),
	    0);
	mr_arena_reset(c->scratch);
	return c->told;
}

static void certain_errors(void **state)
{
	static const struct {
		const char *source, *want;
	} cases[] = {
		{ "trigger.amount > 'x'", "1:16 > never works between int or double and string" },
		{ "true &&\n !steps.a.status_code",
		    "2:2 ! takes bool, this is always int or double" },
		{ "size(3)",
		    "1:1 size() takes string or bytes or list or map as its argument 1, this "
		    "is always int" },
		{ "trigger.paid + 1", "1:14 + never works between bool and int" },
		{ "trigger.name.foo", "1:14 string has no members, so no \"foo\"" },
		{ "trigger.name.startsWith(1)",
		    "1:14 startsWith() takes string as its argument 1, this is always int" },
		{ "trigger.count.trim()",
		    "1:15 trim() is a method of string, not of int or double" },
		{ "trigger.tags > 1", "1:14 > never works between list and int" },
		{ "trigger.tags.all(t, t > 1)", "1:23 > never works between string and int" },
		{ "trigger.tags[0] * 2", "1:17 * never works between string and int" },
		{ "trigger.lines.map(l, l.text * 2)", "1:29 * never works between string and int" },
		{ "trigger.lines.filter(l, l.price > 1).map(l, l.text - 1)",
		    "1:52 - never works between string and int" },
		{ "trigger.lines.exists(i, l, i > 'a')",
		    "1:30 > never works between int and string" },
		{ "trigger.lines.filter(l, l.price)",
		    "1:15 a condition takes bool, this is always int or double" },
		{ "trigger.name ? 1 : 2", "1:14 a condition takes bool, this is always string" },
		{ "trigger.name && trigger.paid", "1:14 && takes bool, this is always string" },
		{ "trigger.paid || 'yes'", "1:14 || takes bool, this is always string" },
		{ "trigger.kind * 2", "1:14 * never works between string and int" },
		{ "trigger.fixed * 2", "1:15 * never works between bool and int" },
		{ "trigger.any_of * 2", "1:16 * never works between null or string and int" },
		{ "(trigger.any_of ?? 'x') * 2", "1:25 * never works between string and int" },
		{ "(trigger.paid ? 1 : 2) > 'a'", "1:24 > never works between int and string" },
		{ "-trigger.name", "1:1 - takes int or double or duration, this is always string" },
		{ "1 in trigger.name", "1:3 in never works between int and string" },
		{ "trigger.name[0]", "1:13 [ ] never works between string and int" },
		{ "trigger.amount.all(x, true)",
		    "1:16 a loop takes list or map, this is always int or double" },
		{ "({}.map(k, k).sortBy(x, x)) + {}", "1:29 + never works between list and map" },
		{ "has(trigger.name.x)", "1:18 has() takes null or map, this is always string" },
		{ "cel.bind(x, trigger.name, x - 1)", "1:29 - never works between string and int" },
		{ "trigger.name.matches('a') > 1", "1:27 > never works between bool and int" },
		{ "trigger.count.matches('a')",
		    "1:15 matches() takes string, this is always int or double" },
		{ "({1: 2}.transformMap(k, v, v)) + 1", "1:32 + never works between map and int" },
		{ "1 == 1 && {trigger.tags: 1} == {}",
		    "1:11 the key of a map takes bool or int or uint or string, "
		    "this is always list" },
		{ "timestamp(0) * 2", "1:14 * never works between timestamp and int" },
		{ "trigger.amount > 'x' || trigger.name > 1",
		    "1:16 > never works between int or double and string; "
		    "1:38 > never works between string and int" },
		{ "{'trigger.amount': {'$gt': 'x'}}",
		    "1:1 > never works between int or double and string" },
		{ "{'trigger.name': {'$in': ['a']}, 'trigger.count': {'$regex': 'a'}}",
		    "1:1 matches() takes string, this is always int or double" },
	};
	struct checked c;

	(void)state;
	begin(&c);
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_str got = check(&c, cases[i].source, false);

		if (!mr_str_eqz(got, cases[i].want))
			fail_msg("%s\n gave %.*s\n want %s", cases[i].source, MR_STR_ARG(got),
			    cases[i].want);
	}
	end(&c);
}

/* Nothing is said of what may work, or of what isn't known. */
static void no_guesses(void **state)
{
	static const char *const cases[] = { "trigger.amount > 1", "trigger.amount == 'x'",
		"trigger.open > 'x' && !trigger.open", "trigger.unknown * 2", "nothing.known + 1",
		"trigger.either > 'x'", "trigger.either > 1", "trigger.mixed > 1",
		"trigger.note.size() > 1", "trigger.note == null", "trigger.note.x ?? 1",
		"trigger.vague * 2", "trigger.there * 2", "trigger.odd * 2", "trigger.always * 2",
		"steps.a.status_code >= 400", "steps.a.anything.at.all > 1", "steps.b.x * 2",
		"steps.a.headers['x'] > 'a'", "trigger.tags.map(t, t.size()).exists(n, n > 1)",
		"trigger.lines.map(l, l.price)[0] > 'x'", "trigger.tags[trigger.count] > 'a'",
		"(trigger.paid ? 1 : 'a') > 1", "(trigger.nothing ?? 1) > 'a'",
		"trigger.amount * 1.5 - trigger.count", "now() - duration('1h') > timestamp(0)",
		"cel.bind(x, trigger.open, x.y)", "type(trigger.amount) == int",
		"trigger.open.all(k, v, k != v)", "'%d'.format([trigger.count])",
		"{'trigger.amount': {'$gt': 1}, 'trigger.note': null}",
		"{'trigger.x': {'$exists': true}}",
		"1 in trigger.open || trigger.name in trigger.tags",
		"math.round(trigger.amount) > 1", "[1, 'a'][0] > 'x'",
		"size(trigger.tags) + size(trigger.name) > 2",
		"trigger.paid && (trigger.open || trigger.fixed) ? trigger.name : 1" };
	struct checked c;

	(void)state;
	begin(&c);
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_str got = check(&c, cases[i], false);

		if (got.len > 0)
			fail_msg("%s\n gave %.*s", cases[i], MR_STR_ARG(got));
	}
	end(&c);
}

static void conditions_and_templates(void **state)
{
	const struct mr_template *t;
	struct mr_faults faults;
	struct mr_value v;
	struct checked c;

	(void)state;
	begin(&c);
	assert_true(mr_str_eqz(check(&c, "trigger.count + 1", true),
	    "1:15 a condition must be true or false, this one is always int or double"));
	assert_true(mr_str_eqz(check(&c, "trigger.open ?? 1", true), ""));
	assert_true(mr_str_eqz(check(&c, "trigger.paid", true), ""));
	mr_faults_init(&faults, c.arena, 10);
	v = json_value(c.arena,
	    "{'url': 'x/{{trigger.name}}', 'list': [1, 'n: {{trigger.name * 2}}'],"
	    "'ok': '{{trigger.amount * 2}}', 'b': '{{!trigger.amount}}'}");
	assert_int_equal(mr_template_compile(c.arena, &v, MR_STR("config"), &faults, &t), 0);
	c.told = MR_STR("");
	c.faults = 0;
	assert_int_equal(mr_template_check(t, &c.env, c.scratch, report, &c), 0);
	if (!mr_str_eqz(c.told, "config.list[1] 1:19 * never works between string and int; "
	                        "config.b 1:3 ! takes bool, this is always int or double"))
		fail_msg("%.*s", MR_STR_ARG(c.told));
	v = mr_value_int(1);
	assert_int_equal(mr_template_compile(c.arena, &v, MR_STR("config"), &faults, &t), 0);
	assert_int_equal(mr_template_check(t, NULL, c.scratch, report, &c), 0);
	assert_int_equal(c.faults, 2);
	end(&c);
}

/* ---- held against the evaluator: whatever works is never reported ---- */

static const char *const samples[] = { "null", "true", "3", "3u", "2.5", "'12'", "b'a'",
	"timestamp(0)", "duration('1s')", "['a']", "[1]", "{'a': 1}", "type(1)", "dyn(1)" };

static unsigned told_nothing;

/* Also: whatever fails for its types alone is reported, where the types are known. */
static void try(struct checked *c, struct mr_str source)
{
	struct mr_expr_env env = { .now_us = 1 };
	struct mr_expr_error err = { .line = 0 };
	const struct mr_expr *e;
	struct mr_value v;
	bool is_open = memmem(source.p, source.len, "dyn", 3) != NULL;
	int r = mr_expr_compile(c->arena, source, &e, &err);

	if (r != 0)
		fail_msg("%.*s: %s", MR_STR_ARG(source), err.message);
	r = mr_expr_eval(e, &env, c->arena, &v, &err);
	c->told = MR_STR("");
	c->faults = 0;
	assert_int_equal(mr_expr_check(e, NULL, c->scratch, report, c), 0);
	/* && and || absorb what is reported all the same */
	if (r == 0 && c->faults > 0 && memmem(source.p, source.len, "&&", 2) == NULL &&
	    memmem(source.p, source.len, "||", 2) == NULL)
		fail_msg("%.*s works, and gave %.*s", MR_STR_ARG(source), MR_STR_ARG(c->told));
	if (!is_open && r == MR_E_INVALID && c->faults == 0 &&
	    strstr(err.message, "no such overload") != NULL)
		told_nothing++;
	mr_arena_reset(c->arena);
	mr_arena_reset(c->scratch);
}

#define SAMPLES MR_ARRAY_LEN(samples)

static void operators_are_as_they_run(void **state)
{
	static const char *const binaries[] = { "%s + %s", "%s - %s", "%s * %s", "%s / %s",
		"%s %% %s", "%s < %s", "%s >= %s", "%s == %s", "%s in %s", "(%s)[%s]", "%s && %s",
		"%s || %s", "%s ?? %s", "%s ? 1 : %s", "[%s].map(x, x + %s)", "{%s: %s}",
		"[1].transformMapEntry(i, x, %s)['a'] + %s", "true ? %s : %s",
		"(%s).exists(x, x == %s)", "(%s).filter(x, %s)", "(%s).sortBy(x, %s)",
		"(%s).transformMap(a, b, %s)", "cel.bind(x, %s, x + %s)", "(true ? %s : 1) + %s" };
	static const char *const unaries[] = { "-(%s)", "!(%s)", "(%s).a", "has((%s).a)",
		"(%s).all(x, true)", "(%s).map(x, x)", "(%s).matches('a')", "[%s][0] + 1" };
	struct checked c;

	(void)state;
	begin(&c);
	told_nothing = 0;
	for (size_t i = 0; i < SAMPLES; i++) {
		for (size_t o = 0; o < MR_ARRAY_LEN(unaries); o++) {
			char text[160];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			(void)snprintf(text, sizeof(text), unaries[o], samples[i]);
			try(&c, mr_str(text));
			for (size_t j = 0; o == 0 && j < SAMPLES; j++) {
				for (size_t b = 0; b < MR_ARRAY_LEN(binaries); b++) {
					(void)snprintf(text, sizeof(text), binaries[b], samples[i],
					    samples[j]);
					try(&c, mr_str(text));
				}
			}
#pragma GCC diagnostic pop
		}
	}
	/* what a list holds and what a condition of items gives isn't followed */
	assert_in_range(told_nothing, 0, 200);
	end(&c);
}

/* N arguments, each of them every sample in turn. */
static void try_function(struct checked *c, const struct mr_expr_fn_row *f, unsigned n)
{
	size_t all = 1;

	for (unsigned i = 0; i < n; i++)
		all *= SAMPLES;
	for (size_t k = 0; k < all; k++) {
		size_t rest = k;
		char text[256];
		size_t len = 0;

		for (unsigned i = 0; i < n; i++, rest /= SAMPLES) {
			const char *before = i > 1 || (i == 1 && !f->is_method) ? ", " : "";

			if (i == 0 && f->is_method)
				len += (size_t)snprintf(text, sizeof(text), "(%s).%s(",
				    samples[rest % SAMPLES], f->name);
			else if (i == 0)
				len += (size_t)snprintf(
				    text, sizeof(text), "%s(%s", f->name, samples[rest % SAMPLES]);
			else
				len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
				    before, samples[rest % SAMPLES]);
		}
		if (n == 0)
			len += (size_t)snprintf(text, sizeof(text), "%s(", f->name);
		(void)snprintf(text + len, sizeof(text) - len, ")");
		try(c, mr_str(text));
	}
}

static void functions_are_as_they_run(void **state)
{
	struct checked c;

	(void)state;
	begin(&c);
	told_nothing = 0;
	for (size_t i = 0; i < mr_expr_fns_len; i++) {
		for (unsigned n = mr_expr_fns[i].min; n <= mr_expr_fns[i].max && n <= 3; n++)
			try_function(&c, &mr_expr_fns[i], n);
	}
	assert_in_range(told_nothing, 0, 100);
	end(&c);
}

/* Whatever the memory, it ends in order. */
static void without_memory(void **state)
{
	struct mr_arena *small = mr_arena_create(64);
	struct mr_expr_error err;
	const struct mr_expr *e;
	struct checked c;

	(void)state;
	begin(&c);
	assert_non_null(small);
	assert_int_equal(mr_expr_compile(c.arena, MR_STR("1 + 2 * 3 + [4, 5][0]"), &e, &err), 0);
	assert_int_equal(mr_expr_check(e, NULL, small, report, &c), MR_E_NOMEM);
	small = mr_arena_free(small);
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certain_errors),
		cmocka_unit_test(no_guesses),
		cmocka_unit_test(conditions_and_templates),
		cmocka_unit_test(operators_are_as_they_run),
		cmocka_unit_test(functions_are_as_they_run),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
