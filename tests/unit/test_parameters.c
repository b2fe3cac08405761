/* Parameters of templates: which there are, what becomes of them, what is missing. */
#include "engine/core/parameters.h"

#include "tests/unit/expr_env.h"

struct fill_case {
	const char *definition, *variables, *given; /* ' for " */
	const char *schema;                         /* the names in order, with ! where needed */
	const char *filled;                         /* the definition then, or the faults */
};

static const struct fill_case cases[] = {
	{ "{'steps':[{'type':'log','config':{'message':'{{a}} {{a.b + c}}'}}]}", "null", "{'a':1}",
	    "a c",
	    "{'steps':[{'type':'log','config':{'message':'{{vars.a}} {{vars.a.b + "
	    "c}}'}}],'vars':{'a':1}}" },
	{ "{'steps':[{'type':'log','config':{'message':'\xe2\x82\xac {{ 1 + a "
	  "}}'}}]}",
	    "null", "{'a':'{{secrets.K}}'}", "a",
	    "{'steps':[{'type':'log','config':{'message':'\xe2\x82\xac {{ 1 + "
	    "(secrets.K) }}'}}]}" },
	{ "{'steps':[{'name':'s','type':'http_request','config':{'url':''}}]}", "null",
	    "{'url':'http://x/'}", "url!",
	    "{'steps':[{'name':'s','type':'http_request','config':{'url':'http://x/'}}]}" },
	{ "{'steps':[{'name':'s','type':'http_request','config':{'url':''}},"
	  "{'name':'t','type':'http_request','config':{'url':''}}]}",
	    "null", "{'s.url':'http://x/'}", "s.url! t.url!", "parameters.t.url" },
	{ "{'steps':[{'name':'s','type':'http_request','config':{'url':'http://x/','auth':"
	  "{'type':'bearer','token':''}}}]}",
	    "null", "{'auth.token':'{{secrets.T}}'}", "auth.token!",
	    "{'steps':[{'name':'s','type':'http_request','config':{'url':'http://x/','auth':"
	    "{'type':'bearer','token':'{{secrets.T}}'}}}]}" },
	{ "{'steps':[{'name':'s','type':'http_request','config':{'url':'http://x/','auth':"
	  "{'type':'api_key','key':'','in':'query'}}},{'name':'t','type':'http_request',"
	  "'config':{'url':'http://x/','auth':{'type':'api_key','key':'','in':'query'}}}]}",
	    "null", "{'s.auth.key':'u'}", "s.auth.key! t.auth.key!", "parameters.t.auth.key" },
	{ "{'steps':[{'type':'log','config':{'message':'x','auth':{'token':''}}}]}", "null", "null",
	    "", "{'steps':[{'type':'log','config':{'message':'x','auth':{'token':''}}}]}" },
	{ "{'steps':[{'type':'foreach','config':{'items':'{{all}}','as':'one','steps':["
	  "{'type':'log','config':{'message':'{{one}} {{index}} {{trigger.x}} {{steps.y}}'}}]}}]}",
	    "null", "{}", "all",
	    "{'steps':[{'type':'foreach','config':{'items':'{{all}}','as':'one','steps':["
	    "{'type':'log','config':{'message':'{{one}} {{index}} {{trigger.x}} "
	    "{{steps.y}}'}}]}}]}" },
	{ "{'input_schema':{'properties':{'i':{}}},'steps':[{'type':'log','config':{'message':'{{i}"
	  "} {{d}}'}}],"
	  "'vars':{'v':'{{free}}'}}",
	    "[{'name':'d','default':5}]", "null", "d",
	    "{'input_schema':{'properties':{'i':{}}},'steps':[{'type':'log','config':{'message':'{{"
	    "i}} {{vars.d}}'}}],"
	    "'vars':{'d':5,'v':'{{free}}'}}" },
	{ "{'steps':[{'type':'log','config':{'message':'{{n}} {{m}}'}}]}",
	    "[{'name':'n'},{'name':'m','required':false}]", "{'x':1}", "n! m",
	    "parameters.n parameters.x" },
	{ "{'steps':[{'type':'log','config':{'message':'{{n}}'}}]}", "null", "{'n':'a {{b}}'}", "n",
	    "parameters.n" },
	{ "{'steps':[{'type':'log','config':{'message':'{{ not an expression'}}]}", "null", "null",
	    "", "{'steps':[{'type':'log','config':{'message':'{{ not an expression'}}]}" },
};

static struct mr_str names_of(struct mr_arena *a, const struct mr_parameters *p)
{
	struct mr_str all = MR_STR("");

	for (size_t i = 0; i < p->len; i++)
		all = mr_arena_printf(a, "%.*s%s%.*s%s", MR_STR_ARG(all), i > 0 ? " " : "",
		    MR_STR_ARG(p->list[i].is_short ? p->list[i].key : p->list[i].name),
		    p->list[i].is_required ? "!" : "");
	return all;
}

static struct mr_str outcome(
    struct mr_arena *a, const struct mr_faults *faults, const struct mr_value *v)
{
	struct mr_str all = MR_STR("");

	if (faults->count == 0)
		return mr_json_text(a, v);
	for (const struct mr_fault *f = faults->first; f != NULL; f = f->next)
		all = mr_arena_printf(a, "%.*s%s%.*s", MR_STR_ARG(all),
		    f == faults->first ? "" : " ", MR_STR_ARG(f->path));
	return all;
}

static void filled(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = mr_arena_create(16u * 1024u * 1024u);
		struct mr_value definition = json_value(a, cases[i].definition), wanted,
		                v = MR_NULL_VALUE;
		struct mr_value variables = json_value(a, cases[i].variables),
		                given = json_value(a, cases[i].given);
		struct mr_faults faults;
		struct mr_parameters p;

		mr_faults_init(&faults, a, 10);
		assert_int_equal(mr_parameters_find(a, &definition, &variables, &p), 0);
		assert_str(names_of(a, &p), cases[i].schema);
		assert_int_equal(mr_parameters_fill(a, &definition, &variables,
		                     given.kind == MR_VALUE_MAP ? &given : NULL, &faults, &v),
		    0);
		if (cases[i].filled[0] == '{') {
			wanted = json_value(a, cases[i].filled);
			assert_int_equal(faults.count, 0);
			assert_str(mr_json_text(a, &v), mr_arena_strz(a, mr_json_text(a, &wanted)));
		} else {
			assert_str(outcome(a, &faults, &v), cases[i].filled);
		}
		mr_arena_free(a);
	}
}

static void schema(void **state)
{
	struct mr_arena *a = mr_arena_create(16u * 1024u * 1024u);
	struct mr_value definition =
	    json_value(a, "{'steps':[{'name':'s','type':'http_request','config':{'url':''}},"
	                  "{'type':'log','config':{'message':'{{n}}'}}]}");
	struct mr_value variables =
	    json_value(a, "[{'name':'n','type':'number','description':'how many','default':1}]");
	struct mr_parameters p;

	(void)state;
	assert_int_equal(mr_parameters_find(a, &definition, &variables, &p), 0);
	assert_str(mr_parameters_schema(a, &p),
	    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
	    "\"url\":{\"type\":\"string\",\"x-path\":\"steps[0].config.url\"},"
	    "\"n\":{\"type\":\"number\",\"description\":\"how "
	    "many\",\"default\":1,\"x-path\":\"steps[1].config.message\"}},"
	    "\"required\":[\"url\"]}");
	mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(filled), cmocka_unit_test(schema) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
