/* data_transform: each type, paths, keys, faults. */
#include "tests/unit/expr_env.h"

#include "engine/core/transform.h"

static const char world_text[] = "{'trigger':{'min':2},'vars':{'tag':'t'},'steps':{}}";
static const char input_text[] =
    "{'data':{'items':[{'id':1,'n':3,'s':'b'},{'id':2,'n':1,'s':'a'},{'id':3,'n':2,'s':'b'}],"
    "'total':9,'o':{'x':1,'y':2},'nested':[[1,[2]],3]},'list':[1,2.5,null,4]}";

static struct mr_str transform(struct world *w, const char *json)
{
	struct mr_value source = json_value(w->arena, json), input, v = MR_NULL_VALUE;
	struct mr_expr_error err = { .line = 0 };
	const struct mr_transform *t;
	struct mr_faults faults;
	int r;

	input = json_value(w->arena, input_text);
	mr_faults_init(&faults, w->arena, 10);
	r = mr_transform_compile(w->arena, &source, MR_STR("t"), &faults, &t);
	if (r < 0 && faults.first != NULL)
		return mr_arena_printf(w->arena, "! %.*s: %.*s", MR_STR_ARG(faults.first->path),
		    MR_STR_ARG(faults.first->message));
	assert_int_equal(r, 0);
	r = mr_transform_eval(t, &input, &w->env, w->arena, &v, &err);
	return world_result(w, r, &v, &err);
}

static void check(const struct eval_case *cases, size_t len)
{
	struct world w;

	world_init(&w, world_text);
	for (size_t i = 0; i < len; i++) {
		struct mr_str got = transform(&w, cases[i].source);

		if (!mr_str_eqz(got, cases[i].want))
			fail_msg("%s\n gave %.*s\n want %s", cases[i].source, MR_STR_ARG(got),
			    cases[i].want);
	}
	world_done(&w);
}

static void types(void **state)
{
	static const struct eval_case cases[] = {
		{ "[{'type':'extract','path':'data.items','key':'processed_items'}]",
		    "{\"processed_items\":[{\"id\":1,\"n\":3,\"s\":\"b\"},{\"id\":2,\"n\":1,\"s\":"
		    "\"a\"},"
		    "{\"id\":3,\"n\":2,\"s\":\"b\"}],\"result\":[{\"id\":1,\"n\":3,\"s\":\"b\"},"
		    "{\"id\":2,\"n\":1,\"s\":\"a\"},{\"id\":3,\"n\":2,\"s\":\"b\"}]}" },
		{ "[{'type':'extract','path':'data.items[1].s'}]", "{\"result\":\"a\"}" },
		{ "[{'type':'extract','path':'data.items.1.s'}]", "{\"result\":\"a\"}" },
		{ "[{'type':'extract','path':'data[\\u0022items\\u0022].n'}]",
		    "{\"result\":[3,1,2]}" },
		{ "[{'type':'extract','path':'data.nope.x','default':'{{vars.tag}}!'}]",
		    "{\"result\":\"t!\"}" },
		{ "[{'type':'extract','path':'data.items.nope','default':0}]",
		    "{\"result\":[0,0,0]}" },
		/* what isn't in the present value is looked for in the results, then in the source
		 */
		{ "[{'type':'extract','path':'data.items[0].id','key':'first'},"
		  "{'type':'extract','path':'data.total','key':'total'},"
		  "{'type':'template','template':'{{item}}'},"
		  "{'type':'extract','path':'first'}]",
		    "{\"first\":1,\"total\":9,\"result\":1}" },
		{ "[{'type':'map','path':'data.items','expression':'item.n * 10 + index'}]",
		    "{\"result\":[30,11,22]}" },
		{ "[{'type':'map','path':'data.items','expression':'{{n}} + {{trigger.min}}'}]",
		    "{\"result\":[5,3,4]}" },
		{ "[{'type':'map','path':'data.items','template':{'k':'{{s}}-{{index}}','v':'{{n}}'"
		  "}}]",
		    "{\"result\":[{\"k\":\"b-0\",\"v\":3},{\"k\":\"a-1\",\"v\":1},"
		    "{\"k\":\"b-2\",\"v\":2}]}" },
		{ "[{'type':'map','path':'data.o','expression':'index + string(item)'}]",
		    "{\"result\":{\"x\":\"x1\",\"y\":\"y2\"}}" },
		{ "[{'type':'filter','path':'data.items','condition':'n >= trigger.min'},"
		  "{'type':'map','expression':'id'}]",
		    "{\"result\":[1,3]}" },
		{ "[{'type':'filter','path':'data.items','condition':{'s':'b','n':{'$gt':2}}},"
		  "{'type':'extract','path':'id'}]",
		    "{\"result\":[1]}" },
		{ "[{'type':'filter','path':'data.o','condition':'item > 1'}]",
		    "{\"result\":{\"y\":2}}" },
		{ "[{'type':'pick','path':'data','fields':['total','nope']}]",
		    "{\"result\":{\"total\":9}}" },
		{ "[{'type':'pick','path':'data.items','fields':['s','id']}]",
		    "{\"result\":[{\"s\":\"b\",\"id\":1},{\"s\":\"a\",\"id\":2},"
		    "{\"s\":\"b\",\"id\":3}]}" },
		{ "[{'type':'rename','path':'data.o','fields':{'x':'a','nope':'b'}}]",
		    "{\"result\":{\"a\":1,\"y\":2}}" },
		{ "[{'type':'rename','path':'data.o','fields':{'x':'y','y':'x'}}]",
		    "{\"result\":{\"y\":1,\"x\":2}}" },
		{ "[{'type':'merge','path':'data.o','with':{'y':'{{item.x + 10}}','z':3}}]",
		    "{\"result\":{\"x\":1,\"y\":11,\"z\":3}}" },
		{ "[{'type':'merge','path':'list','with':[5]}]", "{\"result\":[1,2.5,null,4,5]}" },
		{ "[{'type':'flatten','path':'data.nested'}]", "{\"result\":[1,[2],3]}" },
		{ "[{'type':'flatten','path':'data.nested','depth':5}]", "{\"result\":[1,2,3]}" },
		{ "[{'type':'group','path':'data.items','by':'s'},{'type':'map','expression':"
		  "'item.map(i, i.id)'}]",
		    "{\"result\":{\"b\":[1,3],\"a\":[2]}}" },
		{ "[{'type':'group','path':'data.items','by':'n > 1'},{'type':'map','expression':"
		  "'size(item)'}]",
		    "{\"result\":{\"true\":2,\"false\":1}}" },
		{ "[{'type':'sort','path':'data.items','by':'n'},{'type':'extract','path':'id'}]",
		    "{\"result\":[2,3,1]}" },
		{ "[{'type':'sort','path':'data.items','by':'s','order':'desc'},"
		  "{'type':'extract','path':'id'}]",
		    "{\"result\":[1,3,2]}" },
		{ "[{'type':'extract','path':'data.items.n'},{'type':'sort','order':'desc'}]",
		    "{\"result\":[3,2,1]}" },
		{ "[{'type':'aggregate','op':'sum','path':'data.items.n','key':'sum'},"
		  "{'type':'aggregate','op':'avg','path':'list','key':'avg'},"
		  "{'type':'aggregate','op':'min','path':'list','key':'min'},"
		  "{'type':'aggregate','op':'max','path':'data.items.s','key':'max'},"
		  "{'type':'aggregate','op':'count','path':'list','key':'count'}]",
		    "{\"sum\":6,\"avg\":2.5,\"min\":1,\"max\":\"b\",\"count\":3,\"result\":3}" },
		{ "[{'type':'filter','path':'list','condition':false},"
		  "{'type':'aggregate','op':'avg'}]",
		    "{\"result\":null}" },
		{ "[{'type':'filter','path':'list','condition':false},"
		  "{'type':'aggregate','op':'sum'}]",
		    "{\"result\":0}" },
		{ "[{'type':'template','path':'data.o','key':'result',"
		  "'template':{'a':'{{item.x}}','b':'{{y}} {{trigger.min}}'}}]",
		    "{\"result\":{\"a\":1,\"b\":\"2 2\"}}" },
	};

	(void)state;
	check(cases, MR_ARRAY_LEN(cases));
}

static void failures(void **state)
{
	static const struct eval_case cases[] = {
		{ "[{'type':'extract','path':'data.nope'}]",
		    "! transformations[0] (extract): data.nope: no such value" },
		{ "[{'type':'extract','path':'data.items.nope'}]",
		    "! transformations[0] (extract): data.items.nope: no such value" },
		{ "[{'type':'extract','path':'data'},{'type':'map','path':'items','expression':'q'}"
		  "]",
		    "! transformations[1] (map): q: no such value" },
		{ "[{'type':'extract','path':'x','default':'{{nope}}'}]",
		    "! transformations[0] (extract): nope: no such value" },
		{ "[{'type':'filter','path':'data.items','condition':'n'}]",
		    "! transformations[0] (filter): the condition must be true or false, not of "
		    "type int" },
		{ "[{'type':'map','path':'data.total','expression':'1'}]",
		    "! transformations[0] (map): map works on a list or an object, not on a value "
		    "of type int" },
		{ "[{'type':'pick','path':'list','fields':['a']}]",
		    "! transformations[0] (pick): pick works on an object or a list of objects, "
		    "not on a "
		    "value of type int" },
		{ "[{'type':'rename','path':'data.o','fields':{'x':'y'}}]",
		    "! transformations[0] (rename): two members would have the name \"y\"" },
		{ "[{'type':'merge','path':'data.o','with':[1]}]",
		    "! transformations[0] (merge): merge takes two objects or two lists, not map "
		    "and list" },
		{ "[{'type':'flatten','path':'data.o'}]",
		    "! transformations[0] (flatten): flatten works on a list, not on a value of "
		    "type map" },
		{ "[{'type':'group','path':'data.items','by':'item'}]",
		    "! transformations[0] (group): group can't group by a value of type map" },
		{ "[{'type':'sort','path':'list'}]",
		    "! transformations[0] (sort): no such overload: null compared with int" },
		{ "[{'type':'aggregate','op':'sum','path':'data.items.s'}]",
		    "! transformations[0] (aggregate): aggregate can't add a value of type "
		    "string" },
		{ "[{'type':'aggregate','op':'sum','path':'data.o'}]",
		    "! transformations[0] (aggregate): aggregate works on a list, not on a value "
		    "of type map" },
	};

	(void)state;
	check(cases, MR_ARRAY_LEN(cases));
}

static void refused(void **state)
{
	static const struct eval_case cases[] = {
		{ "{}", "! t: must be a list of 1 to 1000 transformations" },
		{ "[]", "! t: must be a list of 1 to 1000 transformations" },
		{ "[1]", "! t[0]: must be an object with a type" },
		{ "[{}]",
		    "! t[0].type: must be one of aggregate, extract, filter, flatten, group, jq, "
		    "map, merge, pick, rename, sort, template" },
		{ "[{'type':'jqq'}]",
		    "! t[0].type: must be one of aggregate, extract, filter, flatten, "
		    "group, jq, map, merge, pick, rename, sort, template" },
		{ "[{'type':'extract'}]", "! t[0].path: extract needs a path" },
		{ "[{'type':'extract','path':5}]", "! t[0].path: must be a text that isn't empty" },
		{ "[{'type':'extract','path':'a..b'}]",
		    "! t[0].path: a part of the path is empty" },
		{ "[{'type':'extract','path':'a.'}]", "! t[0].path: the path ends in a point" },
		{ "[{'type':'extract','path':'a[x]'}]",
		    "! t[0].path: [ ] holds a number or a name in quotes" },
		{ "[{'type':'extract','path':'a[1'}]", "! t[0].path: a [ is not closed" },
		{ "[{'type':'extract','path':'a[1]b'}]", "! t[0].path: a point is missing" },
		{ "[{'type':'extract','pth':'a','path':'b'}]",
		    "! t[0].pth: extract has no such member; did you mean path?" },
		{ "[{'type':'map'}]", "! t[0].expression: map needs expression or template" },
		{ "[{'type':'map','expression':'1','template':'x'}]",
		    "! t[0].template: give expression or template, not both" },
		{ "[{'type':'map','expression':'1 +'}]",
		    "! t[0].expression: line 1, column 4: the expression ends where a value should "
		    "be" },
		{ "[{'type':'map','expression':5}]",
		    "! t[0].expression: must be an expression in a text" },
		{ "[{'type':'template','template':{'a':'{{'}}]",
		    "! t[0].template.a: line 1, column 1: {{ has no }}" },
		{ "[{'type':'filter'}]", "! t[0].condition: filter needs condition" },
		{ "[{'type':'filter','condition':{'a':{'$x':1}}}]",
		    "! t[0].condition: line 1, column 1: unknown operator \"$x\"" },
		{ "[{'type':'pick','fields':'a'}]", "! t[0].fields: must be a list of names" },
		{ "[{'type':'pick','fields':['a',1]}]",
		    "! t[0].fields: must be a list of names; [1] is none" },
		{ "[{'type':'pick','fields':['a','a']}]",
		    "! t[0].fields: [1] stands there already" },
		{ "[{'type':'rename','fields':['a']}]",
		    "! t[0].fields: must be an object, {\"old name\": \"new name\"}" },
		{ "[{'type':'rename','fields':{'a':1}}]",
		    "! t[0].fields: the new name of \"a\" must be a text" },
		{ "[{'type':'flatten','depth':0}]",
		    "! t[0].depth: must be a number from 1 to 1000" },
		{ "[{'type':'sort','order':'up'}]", "! t[0].order: must be asc or desc" },
		{ "[{'type':'aggregate','op':'median'}]",
		    "! t[0].op: must be sum, avg, min, max or count" },
		{ "[{'type':'flatten','key':'a'},{'type':'flatten','key':'a'}]",
		    "! t[1].key: another transformation has this key" },
		{ "[{'type':'flatten','key':'result'},{'type':'flatten'}]",
		    "! t[0].key: \"result\" is the name of the last value" },
	};

	(void)state;
	check(cases, MR_ARRAY_LEN(cases));
}

static void all_faults(void **state)
{
	const struct mr_transform *t;
	struct mr_value source;
	struct mr_faults faults;
	struct world w;

	(void)state;
	world_init(&w, "{}");
	source = json_value(w.arena, "[{'type':'map','expression':'1 +','x':1},{'type':'nope'},"
	                             "{'type':'extract','default':'{{1 +}}'}]");
	mr_faults_init(&faults, w.arena, 10);
	assert_int_equal(
	    mr_transform_compile(w.arena, &source, MR_STR("t"), &faults, &t), MR_E_INVALID);
	assert_int_equal(faults.count, 5);
	world_done(&w);
}

/* Goes through a list with jq in it; OUTPUTS[i] is what the i-th program gives. What was asked of
 * jq, and the result or the failure, as text. With JSON, the state is written down in between. */
static struct mr_str with_jq(
    struct world *w, const char *list, const char *const *outputs, bool json)
{
	struct mr_value source = json_value(w->arena, list),
	                input = json_value(w->arena, input_text);
	struct mr_value state = MR_NULL_VALUE, v = MR_NULL_VALUE, given;
	struct mr_expr_error err = { .line = 0 };
	struct mr_str told = MR_STR("");
	const struct mr_transform *t;
	size_t index = 0;
	int r;

	assert_int_equal(mr_transform_compile(w->arena, &source, MR_STR("t"), NULL, &t), 0);
	assert_true(mr_transform_has_jq(t));
	for (;;) {
		r = mr_transform_eval_from(t, &input, &w->env, w->arena, &index, &state, &v, &err);
		if (r < 0 || mr_transform_jq_program(t, index).p == NULL)
			break;
		told = mr_arena_printf(w->arena, "%.*s%zu: %.*s on %.*s; ", MR_STR_ARG(told), index,
		    MR_STR_ARG(mr_transform_jq_program(t, index)),
		    MR_STR_ARG(mr_json_text(w->arena, &v)));
		given = json_value(w->arena, *outputs++);
		r = mr_transform_jq_done(t, &given, w->arena, &index, &state, &err);
		if (r < 0)
			break;
		if (json)
			assert_int_equal(mr_json_parse(w->arena, mr_json_text(w->arena, &state),
			                     NULL, NULL, &state),
			    0);
	}
	return mr_arena_printf(
	    w->arena, "%.*s%.*s", MR_STR_ARG(told), MR_STR_ARG(world_result(w, r, &v, &err)));
}

static void jq_between(void **state)
{
	static const struct {
		const char *list, *outputs[3], *want;
	} cases[] = {
		{ "[{'type':'jq','program':'.a'}]", { "[1]" },
		    "0: .a on "
		    "{\"data\":{\"items\":[{\"id\":1,\"n\":3,\"s\":\"b\"},{\"id\":2,\"n\":1,"
		    "\"s\":\"a\"},{\"id\":3,\"n\":2,\"s\":\"b\"}],\"total\":9,\"o\":{\"x\":1,\"y\":"
		    "2},"
		    "\"nested\":[[1,[2]],3]},\"list\":[1,2.5,null,4]}; {\"result\":1}" },
		{ "[{'type':'extract','path':'data.total','key':'n'},"
		  "{'type':'jq','filter':'. + 1','key':'more'},"
		  "{'type':'template','template':{'both':['{{item}}']}},"
		  "{'type':'jq','program':'.x','path':'data.o'},"
		  "{'type':'extract','path':'more'}]",
		    { "[10]", "[{'x': [1]}]" },
		    "1: . + 1 on 9; 3: .x on {\"x\":1,\"y\":2}; "
		    "{\"n\":9,\"more\":10,\"result\":10}" },
		{ "[{'type':'jq','program':'empty','path':'list'},{'type':'jq','program':'.'}]",
		    { "[]", "['x']" },
		    "0: empty on [1,2.5,null,4]; 1: . on null; {\"result\":\"x\"}" },
		{ "[{'type':'jq','program':'.[]','path':'list'}]", { "[1,2]" },
		    "0: .[] on [1,2.5,null,4]; ! transformations[0] (jq): gave 2 values instead of "
		    "one; put [ ] around the program" },
		{ "[{'type':'extract','path':'list'},{'type':'jq','program':'.','path':'no.where'}"
		  "]",
		    { NULL }, "! transformations[1] (jq): no.where: no such value" },
		{ "[{'type':'jq','program':'.','path':'list','key':'a'},"
		  "{'type':'aggregate','op':'sum','path':'a'}]",
		    { "[[1,'x']]" },
		    "0: . on [1,2.5,null,4]; ! transformations[1] (aggregate): aggregate can't add "
		    "a value of type "
		    "string" },
	};
	struct world w;

	(void)state;
	world_init(&w, world_text);
	for (size_t i = 0; i < MR_ARRAY_LEN(cases) * 2; i++) {
		size_t k = i / 2;
		struct mr_str got = with_jq(&w, cases[k].list, cases[k].outputs, i % 2 == 1);

		if (!mr_str_eqz(got, cases[k].want))
			fail_msg("%s\n gave %.*s\n want %s", cases[k].list, MR_STR_ARG(got),
			    cases[k].want);
	}
	world_done(&w);
}

static void jq_entries(void **state)
{
	static const struct eval_case cases[] = {
		{ "[{'type':'jq'}]", "! t[0].program: jq needs program or filter" },
		{ "[{'type':'jq','program':''}]",
		    "! t[0].program: must be a text that isn't empty" },
		{ "[{'type':'jq','filter':1}]", "! t[0].filter: must be a text that isn't empty" },
		{ "[{'type':'jq','filter':'.','program':'.'}]",
		    "! t[0].filter: give program or filter, not both" },
		{ "[{'type':'jq','program':'.','default':1}]",
		    "! t[0].default: jq has no such member" },
		{ "[{'type':'flatten','path':'list'},{'type':'jq','program':'.'}]",
		    "! transformations[1] (jq): is not carried out where nothing may reach "
		    "outside" },
	};
	struct mr_value source, text;
	const struct mr_transform *t;
	struct mr_faults faults;
	struct mr_map *m;
	struct world w;
	char *p;

	(void)state;
	check(cases, MR_ARRAY_LEN(cases));
	world_init(&w, "{}");
	source = json_value(w.arena, "[{'type':'jq','program':'.'},{'type':'flatten'}]");
	assert_int_equal(mr_transform_compile(w.arena, &source, MR_STR("t"), NULL, &t), 0);
	assert_true(mr_str_eqz(mr_transform_jq_program(t, 0), "."));
	assert_null(mr_transform_jq_program(t, 1).p);
	assert_null(mr_transform_jq_program(t, 2).p);
	/* one byte too many */
	p = mr_arena_alloc(w.arena, 65537);
	assert_non_null(p);
	memset(p, '.', 65537);
	text = mr_value_str((struct mr_str){ p, 65537 });
	m = (struct mr_map *)(uintptr_t)source.list->items[0].map;
	m->members[1].value = text;
	mr_faults_init(&faults, w.arena, 10);
	assert_int_equal(
	    mr_transform_compile(w.arena, &source, MR_STR("t"), &faults, &t), MR_E_INVALID);
	assert_true(mr_str_eqz(faults.first->message, "must be at most 65536 bytes"));
	m->members[1].value.s.len--;
	assert_int_equal(mr_transform_compile(w.arena, &source, MR_STR("t"), NULL, &t), 0);
	source = json_value(w.arena, "[{'type':'flatten'}]");
	assert_int_equal(mr_transform_compile(w.arena, &source, MR_STR("t"), NULL, &t), 0);
	assert_false(mr_transform_has_jq(t));
	world_done(&w);
}

/* The environment is asked once for a name, however many items there are. */
static void asked_once(void **state)
{
	struct world w;

	(void)state;
	world_init(&w, world_text);
	(void)transform(&w, "[{'type':'map','path':'data.items','expression':'n + trigger.min'}]");
	assert_int_equal(w.asked, 1);
	world_done(&w);
}

static void cost(void **state)
{
	struct mr_expr_error err = { .line = 0 };
	const struct mr_transform *t;
	struct mr_value source, v;
	struct mr_list *l;
	struct world w;

	(void)state;
	world_init(&w, "{}");
	w.env.max_cost = 1000;
	l = mr_list_create(w.arena, 1000);
	assert_non_null(l);
	source = json_value(w.arena, "[{'type':'map','expression':'index + 1'}]");
	assert_int_equal(mr_transform_compile(w.arena, &source, MR_STR("t"), NULL, &t), 0);
	v = mr_value_list(l);
	assert_int_equal(mr_transform_eval(t, &v, &w.env, w.arena, &v, &err), MR_E_LIMIT);
	assert_string_equal(err.message, "transformations[0] (map): the evaluation costs too much");
	world_done(&w);
}

static void without_memory(void **state)
{
	static const char text[] =
	    "[{'type':'extract','path':'data.items','key':'i','default':'{{1}}'},"
	    "{'type':'filter','condition':{'n':{'$gt':1}}},{'type':'map','expression':'item'},"
	    "{'type':'sort','by':'s','order':'desc'},{'type':'pick','fields':['s','n']},"
	    "{'type':'rename','fields':{'s':'q'}},{'type':'group','by':'q','key':'g'},"
	    "{'type':'merge','with':{'a':['{{1}}']}},{'type':'aggregate','op':'max','path':'i.n'},"
	    "{'type':'flatten','path':'data.nested'},{'type':'template','template':'{{item}}'}]";
	int r = MR_E_NOMEM;

	(void)state;
	for (unsigned long n = 1; r == MR_E_NOMEM; n++) {
		struct mr_expr_error err = { .line = 0 };
		const struct mr_transform *t;
		struct mr_value source, input, v;
		struct mr_faults faults;
		struct world w;

		world_init(&w, world_text);
		source = json_value(w.arena, text);
		input = json_value(w.arena, input_text);
		mr_faults_init(&faults, w.arena, 3);
		mr_arena_fail_after(n);
		r = mr_transform_compile(w.arena, &source, MR_STR("t"), &faults, &t);
		if (r == 0)
			r = mr_transform_eval(t, &input, &w.env, w.arena, &v, &err);
		mr_arena_fail_after(0);
		if (r != 0 && r != MR_E_NOMEM)
			fail_msg("at %lu: %d %s", n, r, err.message);
		world_done(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(failures),
		cmocka_unit_test(refused),
		cmocka_unit_test(all_faults),
		cmocka_unit_test(jq_between),
		cmocka_unit_test(jq_entries),
		cmocka_unit_test(asked_once),
		cmocka_unit_test(cost),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
