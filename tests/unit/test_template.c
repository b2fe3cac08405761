/* Templates: values with expressions in their strings. */
#include "tests/unit/expr_env.h"

static const char world_text[] = "{'trigger':{'file_id':'f1','n':3,'l':[1,'a'],'none':null},"
                                 "'steps':{'a':{'content':'text \xe2\x82\xac','id':77}},'d':1.5}";

static struct mr_str render(struct world *w, const char *json)
{
	struct mr_value source = json_value(w->arena, json), v = MR_NULL_VALUE;
	struct mr_expr_error err = { .line = 0 };
	const struct mr_template *t;
	struct mr_faults faults;
	int r;

	mr_faults_init(&faults, w->arena, 10);
	r = mr_template_compile(w->arena, &source, MR_STR("config"), &faults, &t);
	if (r < 0 && faults.first != NULL)
		return mr_arena_printf(w->arena, "! %.*s: %.*s", MR_STR_ARG(faults.first->path),
		    MR_STR_ARG(faults.first->message));
	assert_int_equal(r, 0);
	r = mr_template_eval(t, &w->env, w->arena, &v, &err);
	return world_result(w, r, &v, &err);
}

static void rendering(void **state)
{
	static const struct eval_case cases[] = {
		{ "'plain'", "\"plain\"" },
		{ "5", "5" },
		{ "{'a':[1,{'b':null}]}", "{\"a\":[1,{\"b\":null}]}" },
		{ "'{{trigger.n}}'", "3" },
		{ "'{{ trigger.l }}'", "[1,\"a\"]" },
		{ "'{{trigger.none}}'", "null" },
		{ "' {{trigger.n}}'", "\" 3\"" },
		{ "'{{trigger.n}}{{trigger.n}}'", "\"33\"" },
		{ "'https://x/{{trigger.file_id}}?n={{trigger.n + 1}}'", "\"https://x/f1?n=4\"" },
		{ "'{{trigger.l}} {{trigger.none}} {{d}} {{true}} {{now()}} "
		  "{{duration(\\'90s\\')}}'",
		    "\"[1,\\\"a\\\"] null 1.5 true 2025-06-15T15:06:40.123456Z 90s\"" },
		{ "'{{ {\\'a\\': {\\'b\\': \\'}}\\'}}.a.b }}!'", "\"}}!\"" },
		{ "'{{ {\\'a\\': 1}}}'", "{\"a\":1}" },
		{ "'a }} b { c'", "\"a }} b { c\"" },
		{ "'{{\\'{{\\'}} x'", "\"{{ x\"" },
		{ "{'{{a}}':1}", "{\"{{a}}\":1}" }, /* names are left alone */
		{ "{'u':'{{trigger.file_id}}','deep':[{'x':['{{d}}',2]},'k'],'c':{'d':[1]}}",
		    "{\"u\":\"f1\",\"deep\":[{\"x\":[1.5,2]},\"k\"],\"c\":{\"d\":[1]}}" },
		{ "'Document {{trigger.file_id}}: {{steps.a.content}} (ID: {{steps.a.id}})'",
		    "\"Document f1: text \xe2\x82\xac (ID: 77)\"" },
		{ "['{{steps.b.x}}']", "! steps.b: no such value" },
		{ "'a{{steps.b.x ?? \\'-\\'}}b'", "\"a-b\"" },
		{ "'{{1/0}}'", "! division by zero" },
	};
	struct world w;

	(void)state;
	world_init(&w, world_text);
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		/* \' in a case stands for ' inside the JSON string */
		char text[512];
		size_t n = 0;
		struct mr_str got;

		for (const char *p = cases[i].source; *p != '\0' && n < sizeof(text) - 8; p++) {
			if (p[0] == '\\' && p[1] == '\'') {
				memcpy(text + n, "\\u0027", 6);
				n += 6;
				p++;
			} else {
				text[n++] = *p;
			}
		}
		text[n] = '\0';
		got = render(&w, text);
		if (!mr_str_eqz(got, cases[i].want))
			fail_msg("%s\n gave %.*s\n want %s", cases[i].source, MR_STR_ARG(got),
			    cases[i].want);
	}
	world_done(&w);
}

/* Every string's fault is named, with its path and position. */
static void faults(void **state)
{
	static const char *const want[][2] = {
		{ "config.a", "line 1, column 5: {{ has no }}" },
		{ "config.b[0].c", "line 1, column 5: unexpected '}'" },
		{ "config.b[1]", "line 1, column 3: there is no expression between the braces" },
		{ "config.b[2]", "line 2, column 4: there is no function nope()" },
		{ "config.d", "line 1, column 3: a bracket is not closed" },
	};
	struct mr_value source;
	const struct mr_template *t;
	struct mr_faults all;
	struct mr_fault *f;
	struct world w;

	(void)state;
	world_init(&w, "{}");
	source = json_value(w.arena,
	    "{'a':'x \xc3\xa9 {{ b','b':[{'c':'{{1+}}'},'{{}}','a\\n {{nope()}}',"
	    "'ok {{x}}'],'d':'{{(1}}'}");
	mr_faults_init(&all, w.arena, 10);
	assert_int_equal(
	    mr_template_compile(w.arena, &source, MR_STR("config"), &all, &t), MR_E_INVALID);
	f = all.first;
	for (size_t i = 0; i < MR_ARRAY_LEN(want); i++, f = f->next) {
		assert_non_null(f);
		assert_str(f->path, want[i][0]);
		if (i != 4) /* a bracket that } closes wrongly: the message may name either */
			assert_str(f->message, want[i][1]);
	}
	assert_null(f);
	world_done(&w);
}

static void constants(void **state)
{
	struct mr_value source, v;
	const struct mr_template *t;
	struct world w;

	(void)state;
	world_init(&w, "{}");
	source = json_value(w.arena, "{'a':[1,'x']}");
	assert_int_equal(mr_template_compile(w.arena, &source, MR_STR(""), NULL, &t), 0);
	assert_true(mr_template_constant(t, &v));
	assert_true(mr_value_eq(&v, &source));
	source = json_value(w.arena, "{'a':[1,'{{x}}']}");
	assert_int_equal(mr_template_compile(w.arena, &source, MR_STR(""), NULL, &t), 0);
	assert_false(mr_template_constant(t, &v));
	world_done(&w);
}

static void add_ref(void *ctx, struct mr_str path, const struct mr_expr_ref *ref)
{
	struct mr_buf *b = ctx;

	mr_buf_addf(b, "%.*s:", MR_STR_ARG(path));
	for (unsigned i = 0; i < ref->n; i++)
		mr_buf_addf(b, "%s%.*s", i > 0 ? "/" : "", MR_STR_ARG(ref->part[i]));
	mr_buf_addf(b, "%s@%zu ", ref->optional ? "?" : "", ref->offset);
}

static void references(void **state)
{
	const struct mr_template *t;
	struct mr_value source;
	struct mr_buf b;
	struct world w;

	(void)state;
	world_init(&w, "{}");
	source = json_value(w.arena, "{'a':'\xc3\xa9{{steps.x.y}} {{z}}','b':[1,'{{q.r ?? s}}']}");
	assert_int_equal(mr_template_compile(w.arena, &source, MR_STR("c"), NULL, &t), 0);
	mr_buf_init(&b, 1000);
	mr_template_refs(t, add_ref, &b);
	assert_str(mr_buf_str(&b), "c.a:steps/x/y@3 c.a:z@17 c.b[1]:q/r?@2 c.b[1]:s@9 ");
	mr_buf_done(&b);
	world_done(&w);
}

/* The template stands alone: its source may be gone. */
static void own_memory(void **state)
{
	const struct mr_template *t;
	struct mr_expr_error err = { .line = 0 };
	struct mr_value v;
	struct world w, other;

	(void)state;
	world_init(&w, world_text);
	world_init(&other, "{'a':'{{trigger.file_id}} x','b':{'c':'constant'}}");
	assert_int_equal(mr_template_compile(w.arena, &other.names, MR_STR(""), NULL, &t), 0);
	world_done(&other);
	assert_int_equal(mr_template_eval(t, &w.env, w.arena, &v, &err), 0);
	assert_str(mr_json_text(w.arena, &v), "{\"a\":\"f1 x\",\"b\":{\"c\":\"constant\"}}");
	world_done(&w);
}

static void too_many(void **state)
{
	const struct mr_template *t;
	struct mr_faults all;
	struct mr_list *l;
	struct mr_value v;
	struct world w;

	(void)state;
	world_init(&w, "{}");
	mr_faults_init(&all, w.arena, 3);
	l = mr_list_create(w.arena, 200000);
	assert_non_null(l);
	for (size_t i = 0; i < l->len; i++)
		l->items[i] = mr_value_strz("{{x}}");
	v = mr_value_list(l);
	assert_int_equal(mr_template_compile(w.arena, &v, MR_STR(""), &all, &t), MR_E_LIMIT);
	assert_int_equal(all.count, 1);
	world_done(&w);
}

static void without_memory(void **state)
{
	static const char text[] =
	    "{'a':'x {{trigger.file_id}} {{trigger.l.map(i, i)}}','b':[1,'{{d}}',{'c':{'e':'f'}}]}";
	int r = MR_E_NOMEM;

	(void)state;
	for (unsigned long n = 1; r == MR_E_NOMEM; n++) {
		struct mr_expr_error err = { .line = 0 };
		const struct mr_template *t;
		struct mr_value source, v;
		struct mr_faults all;
		struct world w;

		world_init(&w, world_text);
		source = json_value(w.arena, text);
		mr_faults_init(&all, w.arena, 3);
		mr_arena_fail_after(n);
		r = mr_template_compile(w.arena, &source, MR_STR("c"), &all, &t);
		if (r == 0)
			r = mr_template_eval(t, &w.env, w.arena, &v, &err);
		mr_arena_fail_after(0);
		if (r != 0 && r != MR_E_NOMEM)
			fail_msg("at %lu: %d", n, r);
		world_done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rendering),
		cmocka_unit_test(faults),
		cmocka_unit_test(constants),
		cmocka_unit_test(references),
		cmocka_unit_test(own_memory),
		cmocka_unit_test(too_many),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
