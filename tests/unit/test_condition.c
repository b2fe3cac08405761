/* Conditions: strings with braces, bools, Mongo objects. */
#include "tests/unit/expr_env.h"

static const char world_text[] = "{'amount':10001,'status':'open','none':null,'tags':['a','b'],"
                                 "'data':{'items':[{'n':1},{'n':2}],'deep':{'x':'abc'}},"
                                 "'steps':{'extract_text':{'word_count':12}},'limit':5}";

static struct mr_str test(struct world *w, const char *json)
{
	struct mr_expr_error err = { .line = 0 };
	struct mr_value source = json_value(w->arena, json), v;
	const struct mr_expr *e;
	bool holds = false;
	int r;

	r = mr_condition_compile(w->arena, &source, &e, &err);
	if (r == 0)
		r = mr_condition_eval(e, &w->env, w->arena, &holds, &err);
	v = mr_value_bool(holds);
	return world_result(w, r, &v, &err);
}

static void conditions(void **state)
{
	static const struct eval_case cases[] = {
		{ "'{{steps.extract_text.word_count}} > 10'", "true" },
		{ "'{{ steps.extract_text.word_count }}>10 && {{limit}} == 5'", "true" },
		{ "'amount > 10000'", "true" },
		{ "'{{amount}} * {{limit - 3}} == 20002'", "true" },
		{ "'{{ {\\u0027a\\u0027: {\\u0027b\\u0027: limit}}.a.b }} == 5'", "true" },
		{ "'!{{amount > 1}}'", "false" },
		{ "'{{data}}.deep.x == \\u0027abc\\u0027'", "true" },
		{ "true", "true" },
		{ "false", "false" },
		{ "'amount'",
		    "! a condition must be true or false, this one is a value of type int" },
		{ "'{{status}} == \\u0027{{status}}\\u0027'",
		    "! {{ }} inside quotes is only text here; write it without the quotes" },
		{ "'{{amount > 1'", "! {{ has no }}" },
		{ "'{{amount}'", "! unexpected '}'" },
		{ "'nope > 1'", "! nope: no such value" },
		{ "''", "! the expression ends where a value should be" },
		{ "5", "! a condition is a string, true, false or an object, not a int" },
		{ "null", "! a condition is a string, true, false or an object, not a null" },
		{ "[]", "! a condition is a string, true, false or an object, not a list" },
	};
	struct world w;

	(void)state;
	world_init(&w, world_text);
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_str got = test(&w, cases[i].source);

		if (!mr_str_eqz(got, cases[i].want))
			fail_msg("%s\n gave %.*s\n want %s", cases[i].source, MR_STR_ARG(got),
			    cases[i].want);
	}
	world_done(&w);
}

static void mongo(void **state)
{
	static const struct eval_case cases[] = {
		{ "{}", "true" },
		{ "{'amount':{'$gt':10000}}", "true" },
		{ "{'amount':{'$gt':10001}}", "false" },
		{ "{'amount':{'$gte':10001,'$lt':10002,'$lte':10001,'$ne':5}}", "true" },
		{ "{'amount':10001}", "true" },
		{ "{'amount':10001.0,'status':'open'}", "true" },
		{ "{'amount':10001,'status':'shut'}", "false" },
		{ "{'status':{'$eq':'open'}}", "true" },
		{ "{'status':{'$in':['open','new']}}", "true" },
		{ "{'status':{'$nin':['open','new']}}", "false" },
		{ "{'status':{'$regex':'^op'}}", "true" },
		{ "{'status':{'$not':{'$regex':'^op'}}}", "false" },
		{ "{'status':{'$not':'shut'}}", "true" },
		{ "{'amount':{'$not':{'$gt':5,'$lt':10}}}", "true" },
		{ "{'tags':['a','b']}", "true" },
		{ "{'data.items.1.n':2}", "true" },
		{ "{'data.deep.x':{'$exists':true}}", "true" },
		{ "{'data.deep.y':{'$exists':false}}", "true" },
		{ "{'data.shallow.y':{'$exists':true}}", "false" },
		{ "{'none':{'$exists':true}}", "true" },
		{ "{'none':null,'nope':null,'nope2':{'$eq':null},'amount':{'$ne':null}}", "true" },
		{ "{'data.deep':{'x':'abc'}}", "true" },
		{ "{'$and':[{'amount':{'$gt':5}},{'status':'open'}]}", "true" },
		{ "{'$or':[{'amount':{'$lt':5}},{'status':'open'}]}", "true" },
		{ "{'$or':[{'amount':{'$lt':5}},{'status':'shut'}]}", "false" },
		{ "{'$or':[{'nope':1},{'status':'open'}]}", "true" },
		{ "{'$or':[{'nope':1},{'status':'shut'}]}", "! nope: no such value" },
		{ "{'$not':{'amount':{'$gt':5}}}", "false" },
		{ "{'$or':[{'$and':[{'amount':1},{'limit':5}]},{'$and':[{'limit':5},"
		  "{'$or':[{'amount':2},{'amount':10001}]}]}],'limit':5}",
		    "true" },
		{ "{'amount':{'$gt':'{{limit}}'}}", "true" },
		{ "{'status':'{{\\u0027op\\u0027}}en'}", "true" },
		{ "{'nope':{'$gt':5}}", "! nope: no such value" },
		{ "{'data.deep.y':1}", "! data.deep.y: no such value" },
		{ "{'data.deep.y':{'$ne':1}}", "! data.deep.y: no such value" },
		{ "{'status':{'$gt':5}}", "! no such overload: string compared with int" },
		{ "{'amount':{'$between':[1,2]}}", "! unknown operator \"$between\"" },
		{ "{'amount':{'$gt':1,'x':2}}", "! unknown operator \"x\"" },
		{ "{'$nor':[{'a':1}]}", "! unknown operator \"$nor\"" },
		{ "{'$and':[]}", "! a list of conditions is needed at \"$and\"" },
		{ "{'$and':{'a':1}}", "! a list of conditions is needed at \"$and\"" },
		{ "{'$or':[1]}", "! conditions in a list must be objects, not \"int\"" },
		{ "{'a':{'$in':5}}", "! $in and $nin take a list, at \"a\"" },
		{ "{'a':{'$exists':1}}", "! $exists takes true or false, at \"a\"" },
		{ "{'a':{'$regex':1}}", "! $regex takes a string, at \"a\"" },
		{ "{'a':{'$regex':'('}}",
		    "! the pattern is wrong at 1: missing closing parenthesis" },
		{ "{'a..b':1}", "! an empty part in the path \"a..b\"" },
		{ "{'':1}", "! an empty part in the path \"\"" },
		{ "{'a':'{{(}}'}", "! unexpected '}'" },
	};
	struct world w;

	(void)state;
	world_init(&w, world_text);
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_str got = test(&w, cases[i].source);

		if (!mr_str_eqz(got, cases[i].want))
			fail_msg("%s\n gave %.*s\n want %s", cases[i].source, MR_STR_ARG(got),
			    cases[i].want);
	}
	world_done(&w);
}

static void too_deep(void **state)
{
	struct mr_expr_error err = { .line = 0 };
	const struct mr_expr *e;
	struct mr_value v;
	struct world w;

	(void)state;
	world_init(&w, "{}");
	v = json_value(w.arena, "{'a':1}");
	for (int i = 0; i < 1000; i++) {
		struct mr_map *m = mr_map_create(w.arena, 1);

		assert_non_null(m);
		m->members[0].key = mr_value_strz("$not");
		m->members[0].value = v;
		v = mr_value_map(m);
	}
	assert_int_equal(mr_condition_compile(w.arena, &v, &e, &err), MR_E_LIMIT);
	world_done(&w);
}

static void add_ref(void *ctx, const struct mr_expr_ref *ref)
{
	struct mr_buf *b = ctx;

	for (unsigned i = 0; i < ref->n; i++)
		mr_buf_addf(b, "%s%.*s", i > 0 ? "/" : "", MR_STR_ARG(ref->part[i]));
	mr_buf_addz(b, ref->optional ? "? " : " ");
}

static void references(void **state)
{
	struct mr_expr_error err = { .line = 0 };
	const struct mr_expr *e;
	struct mr_value v;
	struct mr_buf b;
	struct world w;

	(void)state;
	world_init(&w, "{}");
	mr_buf_init(&b, 1000);
	v = json_value(w.arena, "{'steps.a.n':{'$gt':'{{vars.x}}'},'c':{'$exists':true},'d':null}");
	assert_int_equal(mr_condition_compile(w.arena, &v, &e, &err), 0);
	mr_expr_refs(e, add_ref, &b);
	assert_str(mr_buf_str(&b), "steps/a/n vars/x c? d? ");
	mr_buf_done(&b);
	world_done(&w);
}

static void without_memory(void **state)
{
	static const char *const texts[] = {
		"'{{amount}} > 5 && status.matches(\\u0027^o\\u0027)'",
		"{'$or':[{'amount':{'$lt':5,'$exists':true}},{'status':{'$regex':'^o'}}],"
		"'limit':'{{limit}}','data.deep.x':{'$in':['abc']}}",
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(texts); i++) {
		int r = MR_E_NOMEM;

		for (unsigned long n = 1; r == MR_E_NOMEM; n++) {
			struct mr_expr_error err = { .line = 0 };
			const struct mr_expr *e;
			struct mr_value source;
			struct world w;
			bool holds;

			world_init(&w, world_text);
			source = json_value(w.arena, texts[i]);
			mr_arena_fail_after(n);
			r = mr_condition_compile(w.arena, &source, &e, &err);
			if (r == 0)
				r = mr_condition_eval(e, &w.env, w.arena, &holds, &err);
			mr_arena_fail_after(0);
			if (r != 0 && r != MR_E_NOMEM)
				fail_msg("%s at %lu: %d %s", texts[i], n, r, err.message);
			assert_true(r != 0 || holds);
			world_done(&w);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conditions),
		cmocka_unit_test(mongo),
		cmocka_unit_test(too_deep),
		cmocka_unit_test(references),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
