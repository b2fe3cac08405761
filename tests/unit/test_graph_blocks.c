/* Definitions: blocks in steps, ways, joins, catches, waits, variables. */
#include "graph_doc.h"

/* ---- order and names ---- */

#define NOOP(name)     "{'name':'" name "','type':'noop'}"
#define STEPS(text)    "{'steps':[" text "]}"
#define TYPED(t, conf) "{'name':'" t "','type':'" t "','config':{" conf "}}"
#define SWITCH(conf)   TYPED("switch", conf)
#define PARALLEL(conf) TYPED("parallel", conf)
#define FOREACH(conf)  TYPED("foreach", conf)
#define WHILE(conf)    TYPED("while", conf)
#define LOG(name, m)   "{'name':'" name "','type':'log','config':{'message':'" m "'}}"

static const struct {
	const char *name, *text, *order;
} good[] = {
	{ "switch",
	    STEPS(SWITCH("'value':'{{x}}','cases':[{'equals':1,'steps':[" NOOP("a") "," NOOP(
	        "b") "]},{'name':'two','when':'x > 2','steps':" NOOP("c") "},{'equals':null},"
	                                                                  "{'equals':3,'next':["
	                                                                  "'t']}],'default':{'"
	                                                                  "steps'"
	                                                                  ":[" NOOP(
	                                                                      "d") "]}") ","
	                                                                                 "" NOOP(
	                                                                                     "s") ","
	                                                                                          ""
	                                                                                          "{'name':'t','type':'noop'}"),
	    "switch:; s: switch; t: switch; switch/a:; switch/b: a; switch/c:; switch/d:" },
	{ "parallel",
	    STEPS(PARALLEL("'branches':{'l':[" NOOP("a") "," NOOP("b") "],'r':" NOOP("a") "}")),
	    "parallel:; parallel/l/a:; parallel/l/b: a; parallel/r/a:" },
	{ "foreach", STEPS(FOREACH("'items':[1,2],'steps':[" NOOP("a") "," NOOP("b") "]")),
	    "foreach:; foreach/a:; foreach/b: a" },
	{ "while", STEPS(WHILE("'condition':'index < 3','max_iterations':5,'steps':" NOOP("a"))),
	    "while:; while/a:" },
	{ "catch and compensate",
	    STEPS("{'name':'a','type':'noop','catch':[{'on':['timeout'],'steps':[" NOOP(
	        "x") "]},{'as':'e','steps':" NOOP("x") "},{'value':null}],'compensate':{'steps'"
	                                               ":[" NOOP("u") "]}},{'name':'b','type':'"
	                                                              "noop','compensate'"
	                                                              ":" NOOP("u") "},{'name':"
	                                                                            "'c','type'"
	                                                                            ":'noop','"
	                                                                            "compensate"
	                                                                            "':[" NOOP(
	                                                                                "u") "]}"),
	    "a:; b: a; c: b; a/catch/x:; a/catch_2/x:; a/compensate/u:; b/compensate/u:; "
	    "c/compensate/u:" },
	{ "on_failure and finally",
	    "{'steps':[" NOOP("a") "],'on_failure':[" NOOP("a") "," NOOP("b") "],'finally':[" NOOP(
	        "a") "]}",
	    "a:; on_failure/a:; on_failure/b: a; finally/a:" },
	{ "none of them", "{'steps':[" NOOP("a") "],'on_failure':[],'finally':null}", "a:" },
	{ "blocks in blocks",
	    STEPS(PARALLEL("'branches':{'x':[" FOREACH("'items':'{{list}}','steps':[" SWITCH(
	        "'cases':[{'when':true,'steps':[" NOOP("in") "]}]") "]") "]}")),
	    "parallel:; parallel/x/foreach:; parallel/x/foreach/switch:; "
	    "parallel/x/foreach/switch/in:" },
	{ "catch with next",
	    STEPS("{'name':'a','type':'noop','catch':[{'next':'c'}]}," NOOP("b") "," NOOP("c")),
	    "a:; b: a; c: a" },
};

static void order_and_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(good); i++) {
		struct doc d = compile_good(good[i].text);
		struct mr_str got = order_lines(&d);

		if (!mr_str_eqz(got, good[i].order))
			fail_msg("%s: got \"%.*s\", want \"%s\"", good[i].name, MR_STR_ARG(got),
			    good[i].order);
		done(&d);
	}
}

/* ---- what a graph holds ---- */

static void check_block(const struct mr_graph *g, unsigned i, enum mr_block_role role, int holder,
    unsigned place, unsigned len)
{
	const struct mr_block *b = &g->blocks[i];

	assert_int_equal(b->role, role);
	assert_int_equal(b->holder, holder);
	assert_int_equal(b->place, place);
	assert_int_equal(b->len, len);
	for (unsigned k = b->first; k < b->first + b->len; k++) {
		assert_int_equal(g->steps[k].block, i);
		assert_int_equal(g->steps[k].index, k);
	}
}

static void blocks(void **state)
{
	struct doc d = compile_good("{'finally':[" NOOP("f") "],'on_failure':[" LOG("g",
	    "{{error.message}}") "],'steps':["
	                         "{'name':'a','type':'noop','catch':[{'value':1},{'as':'e','steps':"
	                         "[" LOG("x", "{{e.type}}") "]}],'compensate':[" LOG("u",
	                             "{{steps.a}}") "]}," FOREACH("'items':{'a':1},'as':'row','"
	                                                          "index':'n','concurrency':3,"
	                                                          "'tolerate':{'percent':10},'"
	                                                          "steps':[" LOG("l",
	                                                              "{{row}} {{n}}") "]") "]}");
	const struct mr_graph *g = d.g;

	(void)state;
	assert_int_equal(g->blocks_len, 6);
	check_block(g, 0, MR_BLOCK_MAIN, -1, 0, 2);
	check_block(g, 1, MR_BLOCK_ON_FAILURE, -1, 0, 1);
	check_block(g, 2, MR_BLOCK_FINALLY, -1, 0, 1);
	check_block(g, 3, MR_BLOCK_CATCH, 0, 1, 1);
	check_block(g, 4, MR_BLOCK_COMPENSATE, 0, 0, 1);
	check_block(g, 5, MR_BLOCK_BODY, 1, 0, 1);
	assert_int_equal(g->on_failure, 1);
	assert_int_equal(g->finally, 2);
	assert_str(g->blocks[1].binds, "error");
	assert_str(g->blocks[2].binds, "error");
	assert_str(g->blocks[3].binds, "e");
	assert_str(g->blocks[5].binds, "row");
	assert_str(g->blocks[5].counts, "n");
	assert_int_equal(g->steps[0].catches_len, 2);
	assert_int_equal(g->steps[0].catches[0].block, -1);
	assert_non_null(g->steps[0].catches[0].value);
	assert_int_equal(g->steps[0].catches[1].block, 3);
	assert_int_equal(g->steps[0].compensate, 4);
	assert_true(g->has_compensation);
	assert_false(g->is_saga);
	assert_int_equal(g->steps[1].body, 5);
	assert_int_equal(g->steps[1].compensate, -1);
	assert_int_equal(g->steps[1].concurrency, 3);
	assert_int_equal(g->steps[1].tolerate_count, -1);
	assert_true(g->steps[1].tolerate_percent > 9.9);
	assert_int_equal(g->steps[1].config_len, 1);
	assert_int_equal(g->steps[1].order, 2);
	assert_int_equal(g->steps[2].order, 0);
	/* the holder is visible to what undoes it */
	assert_int_equal(g->steps[5].refs.len, 1);
	assert_int_equal(g->steps[5].refs.steps[0], 0);
	done(&d);
}

static uint64_t ways_to(const struct mr_graph *g, const char *from, const char *to)
{
	const struct mr_step *s = &g->steps[mr_graph_find(g, mr_str(from))];
	unsigned target = (unsigned)mr_graph_find(g, mr_str(to));

	for (size_t k = 0; k < s->succs_len; k++)
		if (s->succs[k] == target)
			return s->succs_ways != NULL ? s->succs_ways[k] : MR_WAY_PLAIN;
	return 0;
}

static void ways(void **state)
{
	struct doc d = compile_good(STEPS(
	    "{'name':'s','type':'switch','next':['p','q'],'catch':[{'on':['limit'],'next':'q'},"
	    "{'next':['r']}],'config':{'cases':[{'when':'x','next':'q'},{'when':'y','next':"
	    "['r','t']},{'when':'z'}],'default':{'next':'t'}}}," NOOP("p") "," NOOP("q") "," NOOP(
	        "r") "," NOOP("t")));
	const struct mr_step *s = &d.g->steps[0];

	(void)state;
	assert_int_equal(s->branches_len, 4);
	assert_true(s->branches[3].is_default);
	assert_str(s->branches[1].name, "case_2");
	assert_str(s->branches[3].name, "default");
	assert_int_equal(ways_to(d.g, "s", "p"), MR_WAY_PLAIN);
	assert_int_equal(
	    ways_to(d.g, "s", "q"), MR_WAY_PLAIN | MR_WAY_BRANCH(0) | MR_WAY_CATCH(s, 0));
	assert_int_equal(ways_to(d.g, "s", "r"), MR_WAY_BRANCH(1) | MR_WAY_CATCH(s, 1));
	assert_int_equal(ways_to(d.g, "s", "t"), MR_WAY_BRANCH(1) | MR_WAY_BRANCH(3));
	assert_true(s->catches[0].has_next);
	assert_int_equal(s->retry.max_attempts, 1);
	assert_int_equal(d.g->steps[1].retry.max_attempts, 4);
	done(&d);
}

static void joins(void **state)
{
	struct doc d = compile_good(
	    STEPS(NOOP("a") ",{'name':'b','type':'noop','depends_on':[]},"
	                    "{'name':'c','type':'noop','depends_on':['a','b'],'join':'any',"
	                    "'cancel_rest':true},"
	                    "{'name':'d','type':'noop','depends_on':['a','b'],'join':{'n':2}},"
	                    "{'name':'e','type':'noop','join':'done'},{'name':'f','type':'noop',"
	                    "'join':'all','disabled':true}," PARALLEL("'branches':{'l':[" NOOP(
	                        "x") "],'r':[" NOOP("x") "]},'join':{'n':1},'cancel_rest':true,'on_"
	                                                 "branch_failure':'wait_all'")));
	const struct mr_step *s = d.g->steps;

	(void)state;
	assert_int_equal(s[0].join.kind, MR_JOIN_OK);
	assert_int_equal(s[2].join.kind, MR_JOIN_ANY);
	assert_true(s[2].join.cancel_rest);
	assert_int_equal(s[3].join.kind, MR_JOIN_N);
	assert_int_equal(s[3].join.n, 2);
	assert_int_equal(s[4].join.kind, MR_JOIN_DONE);
	assert_int_equal(s[5].join.kind, MR_JOIN_ALL);
	assert_true(s[5].disabled);
	assert_int_equal(s[6].branch_join.kind, MR_JOIN_N);
	assert_int_equal(s[6].branch_join.n, 1);
	assert_true(s[6].branch_join.cancel_rest);
	assert_true(s[6].wait_all);
	assert_int_equal(s[6].config_len, 0);
	assert_int_equal(s[6].config_constant.kind, MR_VALUE_MAP);
	done(&d);
}

static void waits(void **state)
{
	struct doc d = compile_good(STEPS("{'name':'a','type':'noop'}," TYPED("wait",
	    "'any':[{'duration':'5m'},{'until':'{{trigger.t}}'},{'event':{'type':'paid',"
	    "'match':'event.data.id == steps.a.id','count':2}}]") ",{'name':'w','type':'wait',"
	                                                          "'config':{'event':{'type':"
	                                                          "'x'}},'timeouts':{'run':"
	                                                          "'30d','total':'60d'}},"
	                                                          "{'name':'v','type':'wait',"
	                                                          "'config':{'all':[{'event':{"
	                                                          "'type':'y'}}]}}"));
	const struct mr_step *s = &d.g->steps[1];

	(void)state;
	assert_int_equal(s->config_len, 0);
	assert_int_equal(s->waits_len, 3);
	assert_false(s->wait_all_of);
	assert_non_null(s->waits[0].duration);
	assert_non_null(s->waits[1].until);
	assert_non_null(s->waits[2].event_type);
	assert_non_null(s->waits[2].match);
	assert_int_equal(s->waits[2].match_source.kind, MR_VALUE_STRING);
	assert_non_null(s->waits[2].count);
	assert_int_equal(s->refs.len, 1);
	assert_int_equal(s[1].waits_len, 1);
	assert_null(s[1].waits[0].match);
	assert_int_equal(s[1].run_timeout_us, INT64_C(30) * 86400 * 1000000);
	assert_int_equal(s[1].total_timeout_us, INT64_C(60) * 86400 * 1000000);
	assert_int_equal(s[1].kind, MR_STEP_TIMED);
	assert_true(s[2].wait_all_of);
	done(&d);
}

static void loops(void **state)
{
	struct doc d = compile_good(STEPS(WHILE(
	    "'condition':'last == null || last.n < 3','check':'after',"
	    "'max_iterations':7,'delay':'2s','steps':[" NOOP(
	        "a") "]") "," FOREACH("'items':{'from':0,'to':'{{n}}','step':2},'tolerate':3,'"
	                              "steps':[" NOOP("a") "]") ",{'name':'again','type':'foreach',"
	                                                        "'max_retries':2,'config':{'items':"
	                                                        "[],'steps':[" NOOP("a") "]}}"));
	const struct mr_step *s = d.g->steps;

	(void)state;
	assert_true(s[0].check_after);
	assert_non_null(s[0].condition);
	assert_int_equal(s[0].max_iterations, 7);
	assert_int_equal(s[0].round_delay_us, 2000000);
	assert_str(d.g->blocks[s[0].body].counts, "index");
	assert_int_equal(s[1].concurrency, 1);
	assert_int_equal(s[1].tolerate_count, 3);
	assert_true(s[1].tolerate_percent < 0);
	assert_str(d.g->blocks[s[1].body].binds, "item");
	assert_int_equal(s[2].retry.max_attempts, 3);
	assert_int_equal(s[2].tolerate_count, 0);
	done(&d);
}

static void kinds(void **state)
{
	struct doc d = compile_good(STEPS(
	    "{'type':'data_transform','config':{'source_data':1,'transformations':[{'type':'jq',"
	    "'program':'.','key':'k'}]}},{'type':'data_transform','config':{'source_data':1,"
	    "'transformations':[{'type':'flatten','key':'k'}]}}"));

	(void)state;
	assert_int_equal(d.g->steps[0].kind, MR_STEP_OUTSIDE);
	assert_int_equal(d.g->steps[0].retry.max_attempts, 4);
	assert_int_equal(d.g->steps[1].kind, MR_STEP_PURE);
	done(&d);
}

static void the_whole(void **state)
{
	struct doc d = compile_good(
	    "{'mode':'saga','vars':{'a':1,'b':'{{trigger.x}}'},'secrets':['K'],"
	    "'concurrency':{'key':'{{trigger.customer}}','limit':2,'on_full':'cancel_oldest'},"
	    "'steps':[{'name':'s','type':'set','config':{'c':'{{vars.a + 1}}','d e':2},"
	    "'compensate':[" NOOP("u") "]}," LOG("l",
	        "{{vars.c}}{{vars.b}}{{vars.x ?? 1}}") ","
	                                               "{'name':'sub','type':'subworkflow','config'"
	                                               ":{'workflow':'other'}},"
	                                               "{'name':'e','type':'emit','config':{'type':"
	                                               "'t','data':{'x':1}}},"
	                                               "{'name':'t','type':'assert','config':{'"
	                                               "condition':'vars.a > 0','message':'m'}},"
	                                               "{'name':'r','type':'raise','when':false,'"
	                                               "config':{'type':'mine'}},"
	                                               "{'name':'end','type':'terminate','config':{"
	                                               "'status':'completed','output':{}}}]}");
	const struct mr_graph *g = d.g;

	(void)state;
	assert_true(g->is_saga);
	assert_true(g->has_compensation);
	assert_non_null(g->vars);
	assert_int_equal(g->concurrency.limit, 2);
	assert_int_equal(g->concurrency.on_full, MR_ON_FULL_CANCEL_OLDEST);
	assert_non_null(g->concurrency.key);
	assert_int_equal(g->steps[0].config_len, 2);
	assert_str(g->steps[0].config[1].key, "d e");
	assert_int_equal(g->steps[2].kind, MR_STEP_OUTSIDE);
	assert_int_equal(g->steps[2].retry.max_attempts, 1);
	assert_int_equal(g->steps[4].config_len, 1);
	assert_non_null(g->steps[4].condition);
	done(&d);
}

/* ---- references of executor files ---- */

static void executor_references(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "${workflow.input.x}", "{{input.x}}" },
		{ "a ${workflow.input.x.y[0]} b ${a.output.z}",
		    "a {{input.x.y[0]}} b {{steps[\"a\"].z}}" },
		{ "${a.output}", "{{steps[\"a\"]}}" },
		{ "${a.output.user-id}", "{{steps[\"a\"][\"user-id\"]}}" },
		{ "${HOME} ${a.b} $${x ${", "${HOME} ${a.b} $${x ${" },
		{ "{{ '${a.output.x}' }}", "{{ '${a.output.x}' }}" },
		{ "${a.output.\"}", "${a.output.\"}" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = mr_arena_create(1u << 20);
		struct mr_value pair[2] = { mr_value_strz(cases[i].text),
			mr_value_strz(cases[i].message) };
		struct mr_str as_json[2];
		struct doc d;

		for (size_t k = 0; k < 2; k++)
			as_json[k] = mr_json_text(a, &pair[k]);
		d = compile_text(mr_arena_printf(a,
		    "{\"steps\":[{\"name\":\"a\",\"type\":\"noop\"},{\"type\":\"log\",\"config\":"
		    "{\"message\":%.*s}}]}",
		    MR_STR_ARG(as_json[0])));
		if (d.r != 0) {
			print_faults(&d);
			fail_msg("%s", cases[i].text);
		}
		/* a template that holds no expression is the text itself */
		if (strstr(cases[i].message, "{{") == NULL) {
			assert_int_equal(d.g->steps[1].config_constant.kind, MR_VALUE_MAP);
			assert_str(mr_value_get_str(&d.g->steps[1].config_constant, "message"),
			    cases[i].message);
		} else {
			assert_int_equal(d.g->steps[1].config_constant.kind, MR_VALUE_NULL);
		}
		assert_int_equal(
		    d.g->steps[1].refs.len, strstr(cases[i].message, "steps[") != NULL);
		done(&d);
		a = mr_arena_free(a);
	}
}

/* ---- the normal form ---- */

static struct mr_graph *normal(struct doc *d, const struct mr_value *from, const struct mr_graph *g,
    struct mr_value *ret, const char *name)
{
	struct mr_graph *again;

	assert_int_equal(mr_graph_normalize(d->arena, from, g, ret), 0);
	d->r = mr_graph_compile(d->arena, ret, &d->faults, &again);
	if (d->r == 0)
		return again;
	print_faults(d);
	fail_msg("%s: the normal form does not compile: %.*s", name,
	    MR_STR_ARG(mr_json_text(d->arena, ret)));
	return NULL;
}

static void check_same(const struct mr_graph *a, const struct mr_graph *b, const char *name)
{
	assert_int_equal(a->steps_len, b->steps_len);
	assert_int_equal(a->blocks_len, b->blocks_len);
	for (size_t i = 0; i < a->blocks_len; i++)
		if (a->blocks[i].role != b->blocks[i].role ||
		    a->blocks[i].first != b->blocks[i].first ||
		    a->blocks[i].len != b->blocks[i].len ||
		    a->blocks[i].holder != b->blocks[i].holder ||
		    a->blocks[i].place != b->blocks[i].place ||
		    !mr_str_eq(a->blocks[i].name, b->blocks[i].name) ||
		    !mr_str_eq(a->blocks[i].binds, b->blocks[i].binds) ||
		    !mr_str_eq(a->blocks[i].counts, b->blocks[i].counts))
			fail_msg("%s: block %zu", name, i);
	for (size_t i = 0; i < a->steps_len; i++) {
		const struct mr_step *s = &a->steps[i], *t = &b->steps[i];

		if (!mr_str_eq(s->name, t->name) || s->type != t->type ||
		    s->deps_len != t->deps_len || s->succs_len != t->succs_len ||
		    s->join.kind != t->join.kind || s->join.n != t->join.n ||
		    s->branches_len != t->branches_len || s->catches_len != t->catches_len ||
		    s->waits_len != t->waits_len || s->refs.len != t->refs.len ||
		    s->retry.max_attempts != t->retry.max_attempts || s->disabled != t->disabled ||
		    s->run_timeout_us != t->run_timeout_us ||
		    s->total_timeout_us != t->total_timeout_us)
			fail_msg("%s: step %zu", name, i);
		for (size_t k = 0; k < s->succs_len; k++)
			if ((s->succs_ways != NULL ? s->succs_ways[k] : MR_WAY_PLAIN) !=
			    (t->succs_ways != NULL ? t->succs_ways[k] : MR_WAY_PLAIN))
				fail_msg("%s: ways of step %zu", name, i);
	}
}

static void normal_form_is_stable(void **state)
{
	static const char *const more[] = {
		STEPS("{'name':'s','type':'switch','next':['p','q'],'catch':[{'on':['limit'],'"
		      "next':"
		      "'q'},{'next':['r']}],'config':{'cases':[{'when':'x','next':'q'},{'when':"
		      "'y',"
		      "'next':['r','t']}],'default':{'next':'t'},'match':'all'}}," NOOP(
		          "p") "," NOOP("q") "," NOOP("r") "," NOOP("t")),
		STEPS(TYPED("wait", "'all':[{'duration':1},{'event':{'type':'x'}}]") "," PARALLEL(
		    "'join':{'n':1},'cancel_rest':true,'branches':{'a b':" NOOP(
		        "x") "}") ","
		                  "{'type':'noop','disabled':true,'join':'done','timeouts':"
		                  "{'run':1,'total':5},"
		                  "'mock':{'x':1},'description':'d','on_error':'continue'"
		                  "}"),
		"{'mode':'saga','vars':{'a':1},'secrets':['x'],'concurrency':{'limit':1},'"
		"steps':"
		"[{'type':'set','config':{'b':1},'compensate':[" NOOP("u") "]}],'finally':[" NOOP(
		    "f") "]}",
		STEPS("{'type':'subworkflow','config':{'workflow':7,'wait':false}}," WHILE(
		    "'condition':true,'max_iterations':1,'steps':" NOOP(
		        "x")) "," FOREACH("'items':[],'tolerate':{'percent':5},'steps'"
		                          ":" NOOP("x"))),
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(good) + MR_ARRAY_LEN(more); i++) {
		bool is_more = i >= MR_ARRAY_LEN(good);
		const char *text = is_more ? more[i - MR_ARRAY_LEN(good)] : good[i].text;
		struct doc d = compile_good(text);
		struct mr_value once, twice;
		struct mr_graph *g = normal(&d, &d.value, d.g, &once, text);

		check_same(d.g, g, text);
		(void)normal(&d, &once, g, &twice, text);
		if (!mr_value_eq(&once, &twice))
			fail_msg("%s: %.*s\n%.*s", text, MR_STR_ARG(mr_json_text(d.arena, &once)),
			    MR_STR_ARG(mr_json_text(d.arena, &twice)));
		done(&d);
	}
}

static void out_of_memory(void **state)
{
	struct doc d = compile_good(
	    "{'mode':'saga','vars':{'a':'{{trigger.x}}'},'concurrency':{'limit':1,'key':'{{x}}'},"
	    "'on_failure':[" NOOP(
	        "f") "],'steps':[{'type':'set','config':{'b':'${workflow.input.z}'"
	             "},'compensate':[" NOOP("u") "],'catch':[{'on':['x'],'value':1}]}," SWITCH(
	                 "'value':1,'cases':[{'equals':2,'steps':[" NOOP(
	                     "x") "]},{'when':'x','next':'t'}]") ",{'name':'t','type':'wait','"
	                                                         "config':{'any':[{'duration':1},{'"
	                                                         "event':{'type':'x',"
	                                                         "'match':'event.x'}}]}}," PARALLEL(
	                                                             "'branches':{'a':[" FOREACH(
	                                                                 "'items':[1],'steps':"
	                                                                 "[" NOOP(
	                                                                     "q") "]") "]}") "]}");
	unsigned long n;

	(void)state;
	for (n = 1; n < 10000; n++) {
		struct mr_arena *arena = mr_arena_create(16u << 20);
		struct mr_value v;
		struct mr_graph *g;
		int r;

		assert_non_null(arena);
		mr_arena_fail_after(n);
		r = mr_graph_compile(arena, &d.value, NULL, &g);
		if (r == 0)
			r = mr_graph_normalize(arena, &d.value, g, &v);
		mr_arena_fail_after(0);
		arena = mr_arena_free(arena);
		if (r == 0)
			break;
		if (r != MR_E_NOMEM)
			fail_msg("allocation %lu: %d", n, r);
	}
	assert_in_range(n, 100, 9999);
	done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_and_names),
		cmocka_unit_test(blocks),
		cmocka_unit_test(ways),
		cmocka_unit_test(joins),
		cmocka_unit_test(waits),
		cmocka_unit_test(loops),
		cmocka_unit_test(kinds),
		cmocka_unit_test(the_whole),
		cmocka_unit_test(executor_references),
		cmocka_unit_test(normal_form_is_stable),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
