/*
 * Each construct of the language, carried out without anything outside: the facts that it leaves,
 * how the run ends, and its result or error.
 */
#include "run_told.h"

static const struct {
	const char *name, *definition, *input;
	const char *facts, *status;
	const char *result; /* of a run that completed; else the error; NULL: not looked at */
} cases[] = {
	{ "a switch takes the first case that fits",
	    "{'steps':[{'name':'s','type':'switch','config':{'value':'{{k}}','cases':[{'e"
	    "quals':'a','steps':[{'name':'x','type':'noop'}]},{'equals':'b','steps':[{'na"
	    "me':'y','type':'noop'}]},{'when':'true','steps':[{'name':'z','type':'noop'}]"
	    "}]}}]}",
	    "{'k':'b'}", "started; step.started s; step.completed s/y; step.completed s; completed",
	    "completed", "{'s':{'matched':['case_2'],'branch':'case_2','result':{}}}" },
	{ "a switch takes all cases that fit",
	    "{'steps':[{'name':'s','type':'switch','config':{'match':'all','cases':[{'whe"
	    "n':'k > 1','steps':[{'name':'x','type':'noop'}]},{'when':'k > 2','steps':[{'"
	    "name':'y','type':'noop'}]},{'when':'k > 9','steps':[{'name':'z','type':'noop"
	    "'}]}]}}]}",
	    "{'k':3}",
	    "started; step.started s; step.completed s/x; step.completed s/y; step.comple"
	    "ted s; completed",
	    "completed", "{'s':{'matched':['case_1','case_2'],'branch':'case_1','result':{}}}" },
	{ "a switch without a case that fits",
	    "{'steps':[{'name':'s','type':'switch','config':{'value':1,'cases':[{'equals'"
	    ":2,'next':'t'}]}},{'name':'t','type':'noop'},{'name':'u','type':'noop','depe"
	    "nds_on':['s']}]}",
	    "{}", "started; step.completed s; step.skipped t; step.completed u; completed",
	    "completed", "{'s':{'matched':[],'branch':null,'result':null},'u':{}}" },
	{ "a switch by its default",
	    "{'steps':[{'name':'s','type':'switch','config':{'value':1,'cases':[{'equals'"
	    ":2,'next':'t'}],'default':{'next':'u'}}},{'name':'t','type':'noop'},{'name':"
	    "'u','type':'noop'}]}",
	    "{}", "started; step.completed s; step.skipped t; step.completed u; completed",
	    "completed", "{'s':{'matched':['default'],'branch':'default','result':null},'u':{}}" },
	{ "a parallel waits for its branches",
	    "{'steps':[{'name':'p','type':'parallel','config':{'branches':{'l':[{'name':'"
	    "a','type':'noop'},{'name':'b','type':'noop'}],'r':[{'name':'c','type':'log',"
	    "'config':{'message':'r'}}]}}}]}",
	    "{}",
	    "started; step.started p; step.completed p/l/a; step.completed p/r/c; step.co"
	    "mpleted p/l/b; step.completed p; completed",
	    "completed", "{'p':{'l':{},'r':{'message':'r','level':'info'}}}" },
	{ "a branch that fails ends the others",
	    "{'steps':[{'name':'p','type':'parallel','config':{'branches':{'r':[{'name':'"
	    "d','type':'delay','config':{'seconds':9}}],'l':[{'name':'a','type':'raise','"
	    "config':{'type':'mine','message':'no'}}]}}}]}",
	    "{}",
	    "started; step.started p; step.waiting p/r/d; step.failed p/l/a; step.cancell"
	    "ed p/r/d; step.failed p; failed",
	    "failed", "{'type':'mine','message':'no','step':'p/l/a','attempt':1}" },
	{ "after a branch has failed nothing of the others begins",
	    "{'steps':[{'name':'p','type':'parallel','config':{'branches':{'l':[{'name':'"
	    "a','type':'raise','config':{'type':'mine','message':'no'}}],'r':[{'name':'d'"
	    ",'type':'delay','config':{'seconds':9}}]}}}]}",
	    "{}", "started; step.started p; step.failed p/l/a; step.failed p; failed", "failed",
	    "{'type':'mine','message':'no','step':'p/l/a','attempt':1}" },
	{ "the first branch wins a race",
	    "{'steps':[{'name':'p','type':'parallel','config':{'join':'any','cancel_rest'"
	    ":true,'branches':{'l':[{'name':'d','type':'delay','config':{'seconds':9}}],'"
	    "r':[{'name':'c','type':'log','config':{'message':'r'}}]}}}]}",
	    "{}",
	    "started; step.started p; step.waiting p/l/d; step.completed p/r/c; step.canc"
	    "elled p/l/d; step.completed p; completed",
	    "completed", "{'p':{'r':{'message':'r','level':'info'}}}" },
	{ "two of three branches are enough",
	    "{'steps':[{'name':'p','type':'parallel','config':{'join':{'n':2},'branches':"
	    "{'a':[{'name':'x','type':'raise','config':{'type':'mine','message':'no'}}],'"
	    "b':[{'name':'y','type':'noop'}],'c':[{'name':'z','type':'noop'}]}}}]}",
	    "{}",
	    "started; step.started p; step.failed p/a/x; step.completed p/b/y; step.compl"
	    "eted p/c/z; step.completed p; completed",
	    "completed", "{'p':{'b':{},'c':{}}}" },
	{ "a foreach over a list",
	    "{'steps':[{'name':'f','type':'foreach','config':{'items':[5,6],'steps':[{'na"
	    "me':'l','type':'log','config':{'message':'{{item}} {{index}}'}}]}}]}",
	    "{}",
	    "started; step.started f; step.completed f/l; step.completed f/l; step.comple"
	    "ted f; completed",
	    "completed",
	    "{'f':{'results':[{'message':'5 0','level':'info'},{'message':'6 1','level':'"
	    "info'}],'succeeded':2,'failed':0}}" },
	{ "a foreach over an object",
	    "{'steps':[{'name':'f','type':'foreach','config':{'items':{'a':1},'as':'pair'"
	    ",'steps':[{'name':'l','type':'log','config':{'message':'{{pair.key}}={{pair."
	    "value}}'}}]}}]}",
	    "{}", "started; step.started f; step.completed f/l; step.completed f; completed",
	    "completed",
	    "{'f':{'results':[{'message':'a=1','level':'info'}],'succeeded':1,'failed':0}"
	    "}" },
	{ "a foreach over a range, backwards",
	    "{'steps':[{'name':'f','type':'foreach','config':{'items':{'from':4,'to':0,'s"
	    "tep':-2},'steps':[{'name':'l','type':'log','config':{'message':'{{item}}'}}]"
	    "}}]}",
	    "{}",
	    "started; step.started f; step.completed f/l; step.completed f/l; step.comple"
	    "ted f; completed",
	    "completed",
	    "{'f':{'results':[{'message':'4','level':'info'},{'message':'2','level':'info"
	    "'}],'succeeded':2,'failed':0}}" },
	{ "a foreach over nothing",
	    "{'steps':[{'name':'f','type':'foreach','config':{'items':[],'steps':[{'name'"
	    ":'n','type':'noop'}]}}]}",
	    "{}", "started; step.completed f; completed", "completed",
	    "{'f':{'results':[],'succeeded':0,'failed':0}}" },
	{ "a foreach over what is no list",
	    "{'steps':[{'name':'f','type':'foreach','config':{'items':'{{k}}','steps':[{'"
	    "name':'n','type':'noop'}]}}]}",
	    "{'k':7}", "started; step.failed f; failed", "failed", NULL },
	{ "a foreach that tolerates one failure",
	    "{'steps':[{'name':'f','type':'foreach','config':{'items':[1,2,3],'tolerate':"
	    "1,'steps':[{'name':'a','type':'assert','config':{'condition':'item != 2'}}]}"
	    "}]}",
	    "{}",
	    "started; step.started f; step.completed f/a; step.failed f/a; step.completed"
	    " f/a; step.completed f; completed",
	    "completed", "{'f':{'results':[{},null,{}],'succeeded':2,'failed':1}}" },
	{ "a foreach in which too many fail",
	    "{'steps':[{'name':'f','type':'foreach','config':{'items':[1,2,3],'steps':[{'"
	    "name':'a','type':'assert','config':{'condition':'item != 2','message':'two'}"
	    "}]}}]}",
	    "{}",
	    "started; step.started f; step.completed f/a; step.failed f/a; step.failed f;"
	    " failed",
	    "failed", "{'type':'assert','message':'two','step':'f/a','attempt':1}" },
	{ "a while asks before each round",
	    "{'vars':{'n':0},'steps':[{'name':'w','type':'while','config':{'condition':'v"
	    "ars.n < 2','max_iterations':5,'steps':[{'name':'s','type':'set','config':{'n"
	    "':'{{vars.n + 1}}'}}]}}]}",
	    "{}",
	    "started; step.started w; step.completed w/s; step.iterating w; step.complete"
	    "d w/s; step.completed w; completed",
	    "completed", "{'w':{'iterations':2,'last':{'n':2}}}" },
	{ "a while asks after the first round",
	    "{'steps':[{'name':'w','type':'while','config':{'condition':'false','check':'"
	    "after','max_iterations':5,'steps':[{'name':'n','type':'noop'}]}}]}",
	    "{}", "started; step.started w; step.completed w/n; step.completed w; completed",
	    "completed", "{'w':{'iterations':1,'last':{}}}" },
	{ "a while that never ends",
	    "{'steps':[{'name':'w','type':'while','config':{'condition':'true','max_itera"
	    "tions':2,'steps':[{'name':'n','type':'noop'}]}}]}",
	    "{}",
	    "started; step.started w; step.completed w/n; step.iterating w; step.complete"
	    "d w/n; step.failed w; failed",
	    "failed",
	    "{'type':'limit','message':'the condition still holds after max_iterations (2"
	    ") rounds','step':'w','attempt':1}" },
	{ "a catch by value",
	    "{'steps':[{'name':'a','type':'raise','config':{'type':'mine','message':'no'}"
	    ",'catch':[{'on':['other'],'value':1},{'on':['mine'],'as':'e','value':'{{e.ty"
	    "pe}}'}]},{'name':'b','type':'noop'}]}",
	    "{}", "started; step.completed a; step.completed b; completed", "completed",
	    "{'a':'mine','b':{}}" },
	{ "a catch by steps",
	    "{'steps':[{'name':'a','type':'raise','config':{'type':'mine','message':'no'}"
	    ",'catch':[{'steps':[{'name':'l','type':'log','config':{'message':'{{error.me"
	    "ssage}}'}}]}]}]}",
	    "{}",
	    "started; step.catching a; step.completed a/catch/l; step.completed a; comple"
	    "ted",
	    "completed", "{'a':{'message':'no','level':'info'}}" },
	{ "a catch that fails itself",
	    "{'steps':[{'name':'a','type':'raise','config':{'type':'mine','message':'no'}"
	    ",'catch':[{'steps':[{'name':'r','type':'raise','config':{'type':'worse','mes"
	    "sage':'!'}}]}]}]}",
	    "{}", "started; step.catching a; step.failed a/catch/r; step.failed a; failed",
	    "failed", "{'type':'worse','message':'!','step':'a/catch/r','attempt':1}" },
	{ "a catch that goes elsewhere",
	    "{'steps':[{'name':'a','type':'raise','config':{'type':'mine','message':'no'}"
	    ",'catch':[{'next':'c'}]},{'name':'b','type':'noop'},{'name':'c','type':'noop"
	    "'}]}",
	    "{}", "started; step.failed a; step.skipped b; step.completed c; completed",
	    "completed", "{'c':{}}" },
	{ "a failure that is handled",
	    "{'steps':[{'name':'a','type':'raise','config':{'type':'mine','message':'no'}"
	    ",'on_error':'continue'},{'name':'b','type':'log','config':{'message':'{{meta"
	    ".a.error.type}}'}}]}",
	    "{}", "started; step.failed a; step.completed b; completed", "completed",
	    "{'b':{'message':'mine','level':'info'}}" },
	{ "joins: all is not met",
	    "{'steps':[{'name':'a','type':'raise','config':{'type':'mine','message':'no'}"
	    ",'on_error':'continue'},{'name':'b','type':'noop','depends_on':[]},{'name':'"
	    "c','type':'noop','depends_on':['a','b'],'join':'all'},{'name':'d','type':'no"
	    "op','depends_on':['a','b'],'join':'any'}]}",
	    "{}",
	    "started; step.failed a; step.completed b; step.skipped c; step.completed d; "
	    "completed",
	    "completed", "{'b':{},'d':{}}" },
	{ "terminate ends all, finally runs",
	    "{'steps':[{'name':'f','type':'foreach','config':{'items':[1,2],'steps':[{'na"
	    "me':'t','type':'terminate','config':{'output':{'item':'{{item}}'}}}]}},{'nam"
	    "e':'n','type':'noop'}],'finally':[{'name':'z','type':'noop'}]}",
	    "{}",
	    "started; step.started f; step.completed f/t; step.cancelled f; finishing; st"
	    "ep.completed finally/z; completed",
	    "completed", "{'item':1}" },
	{ "terminate as a failure",
	    "{'steps':[{'name':'t','type':'terminate','config':{'status':'failed','reason"
	    "':'enough'}}],'on_failure':[{'name':'l','type':'log','config':{'message':'{{"
	    "error.message}}'}}]}",
	    "{}", "started; step.completed t; finishing; step.completed on_failure/l; failed",
	    "failed", "{'type':'terminated','message':'enough'}" },
	{ "on_failure and finally after a failure",
	    "{'steps':[{'name':'a','type':'raise','config':{'type':'mine','message':'no'}"
	    "}],'on_failure':[{'name':'l','type':'log','config':{'message':'{{error.type}"
	    "} of {{error.step}}'}}],'finally':[{'name':'z','type':'noop'}]}",
	    "{}",
	    "started; step.failed a; finishing; step.completed on_failure/l; step.complet"
	    "ed finally/z; failed",
	    "failed", "{'type':'mine','message':'no','step':'a','attempt':1}" },
	{ "a finally that fails",
	    "{'steps':[{'name':'a','type':'noop'}],'finally':[{'name':'z','type':'raise',"
	    "'config':{'type':'mine','message':'no'}}]}",
	    "{}", "started; step.completed a; finishing; step.failed finally/z; failed", "failed",
	    "{'type':'mine','message':'no','step':'finally/z','attempt':1}" },
	{ "a saga undoes what it did, the last first",
	    "{'mode':'saga','steps':[{'name':'a','type':'log','config':{'message':'A'},'c"
	    "ompensate':[{'name':'u','type':'log','config':{'message':'undo {{steps.a.mes"
	    "sage}}'}}]},{'name':'b','type':'noop','compensate':{'name':'v','type':'noop'"
	    "}},{'name':'c','type':'raise','config':{'type':'mine','message':'no'}}]}",
	    "{}",
	    "started; step.completed a; step.completed b; step.failed c; failed; compensa"
	    "ting; step.completed b/compensate/v; step.compensated b; step.completed a/co"
	    "mpensate/u; step.compensated a; compensated",
	    "compensated", "{'type':'mine','message':'no','step':'c','attempt':1}" },
	{ "a compensation that fails leaves the rest",
	    "{'steps':[{'name':'a','type':'noop','compensate':{'name':'u','type':'noop'}}"
	    ",{'name':'b','type':'noop','compensate':{'name':'v','type':'raise','config':"
	    "{'type':'mine','message':'no'}}},{'name':'c','type':'raise','config':{'type'"
	    ":'mine','message':'no'}}],'finally':[{'name':'z','type':'noop'}]}",
	    "{}",
	    "started; step.completed a; step.completed b; step.failed c; failed; compensa"
	    "ting; step.failed b/compensate/v; step.compensation_failed b; finishing; ste"
	    "p.completed finally/z; failed",
	    "failed", "{'type':'mine','message':'no','step':'c','attempt':1}" },
	{ "items of a loop are undone",
	    "{'steps':[{'name':'f','type':'foreach','config':{'items':[1,2],'steps':[{'na"
	    "me':'n','type':'noop','compensate':{'name':'u','type':'log','config':{'messa"
	    "ge':'{{item}}'}}}]}},{'name':'c','type':'raise','config':{'type':'mine','mes"
	    "sage':'no'}}]}",
	    "{}",
	    "started; step.started f; step.completed f/n; step.completed f/n; step.comple"
	    "ted f; step.failed c; failed; compensating; step.completed f/n/compensate/u;"
	    " step.compensated f/n; step.completed f/n/compensate/u; step.compensated f/n"
	    "; compensated",
	    "compensated", "{'type':'mine','message':'no','step':'c','attempt':1}" },
	{ "a set sees what was before it",
	    "{'vars':{'a':1,'b':2},'steps':[{'name':'s','type':'set','config':{'a':'{{var"
	    "s.b}}','b':'{{vars.a}}'}}],'output':'{{vars}}'}",
	    "{}", "started; step.completed s; completed", "completed", "{'a':2,'b':1}" },
	{ "assert and its message",
	    "{'steps':[{'name':'a','type':'assert','config':{'condition':'k > 5','message"
	    "':'{{k}} is too small'}}]}",
	    "{'k':3}", "started; step.failed a; failed", "failed",
	    "{'type':'assert','message':'3 is too small','step':'a','attempt':1}" },
	{ "an emit",
	    "{'steps':[{'name':'e','type':'emit','config':{'type':'t','data':{'k':'{{k}}'"
	    "}}}]}",
	    "{'k':3}", "started; step.completed e; completed", "completed",
	    "{'e':{'type':'t','data':{'k':3}}}" },
	{ "a block is tried again as a whole",
	    "{'vars':{'n':0},'steps':[{'name':'k','type':'conditional','retry':{'max_atte"
	    "mpts':2,'delay':0,'on':['*']},'config':{'condition':'true','true_action':[{'"
	    "name':'s','type':'set','config':{'n':'{{vars.n + 1}}'}},{'name':'a','type':'"
	    "assert','config':{'condition':'vars.n > 1'}}]}}]}",
	    "{}",
	    "started; step.started k; step.completed k/s; step.failed k/a; step.retrying "
	    "k; step.started k#2; step.completed k/s; step.completed k/a; step.completed "
	    "k#2; completed",
	    "completed", "{'k':{'condition':true,'branch':'true','result':{}}}" },
	{ "a disabled step",
	    "{'steps':[{'name':'a','type':'noop','disabled':true},{'name':'b','type':'noo"
	    "p'}]}",
	    "{}", "started; step.skipped a; step.completed b; completed", "completed", "{'b':{}}" },
};

static void constructs(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct world w;
		struct mr_str got;
		struct mr_value v;

		world_begin(&w, cases[i].definition, cases[i].input);
		wake(&w);
		got = told(&w);
		if (!mr_str_eqz(got, cases[i].facts))
			fail_msg("%s: got: %.*s", cases[i].name, MR_STR_ARG(got));
		assert_status(&w, cases[i].status);
		v = mr_run_status(w.run) == MR_RUN_COMPLETED ? mr_run_result(w.run)
		                                             : mr_run_error(w.run);
		if (cases[i].result != NULL)
			assert_json(&w, v, cases[i].result);
		world_end(&w);
	}
}

/* Of the steps that were done and not undone, the last first. */
static void what_a_failed_compensation_leaves(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[" NOOP("a", ",'compensate':{'type':'noop'}") "," NOOP(
	        "b", ",'compensate':{'type':'raise','config':{'type':'t'}}") ",{'name':'c','type':"
	                                                                     "'raise','config':{"
	                                                                     "'type':'mine'}}]}",
	    "{}");
	wake(&w);
	assert_json(
	    &w, *mr_value_get(&w.out.facts[w.out.facts_len - 1].data, "undone"), "['b','a']");
	assert_status(&w, "failed");
	world_end(&w);
}

static void signal_run(struct world *w, const char *data)
{
	advance(w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_SIGNAL,
	               .data = world_json(w->graph_arena, data),
	               .duration_us = -1 });
}

#define WAIT(config) "{'steps':[{'name':'w','type':'wait','config':{" config "}}]}"

static void a_signal_that_comes_first_is_not_lost(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'d','type':'delay','config':{'seconds':5}},{'name':'w','type':'wait'"
	    ","
	    "'config':{'event':{'type':'go'}}}],'output':'{{steps.w.event.data}}'}",
	    "{}");
	wake(&w);
	signal_run(&w, "{'id':1,'type':'go','data':'early'}");
	assert_str(told(&w), "started; step.waiting d; signalled");
	w.now += 5 * SECOND;
	wake(&w);
	assert_str(told(&w), "step.completed d; step.completed w; completed");
	assert_json(&w, mr_run_result(w.run), "'early'");
	world_end(&w);
}

static void a_wait_counts_what_matches(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, WAIT("'event':{'type':'e','count':2,'match':'event.data > 1'}"), "{}");
	wake(&w);
	assert_int_equal(w.out.waits_len, 1);
	assert_int_equal(mr_run_awaiting(w.run), 1);
	signal_run(&w, "{'id':1,'type':'e','data':1}");
	signal_run(&w, "{'id':2,'type':'e','data':2}");
	signal_run(&w, "{'id':3,'type':'other','data':9}");
	assert_status(&w, "running");
	signal_run(&w, "{'id':4,'type':'e','data':3}");
	assert_status(&w, "completed");
	assert_int_equal(w.out.unwaits_len, 1);
	world_end(&w);
}

static void a_wait_for_any_or_all(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, WAIT("'any':[{'duration':10},{'event':{'type':'e'}}]"), "{}");
	wake(&w);
	assert_int_equal(mr_run_wake_at(w.run), WORLD_BEGIN + 10 * SECOND);
	w.now += 10 * SECOND;
	wake(&w);
	assert_json(&w, mr_run_result(w.run),
	    "{'w':{'reason':'time','index':0,'event':null,'waited_seconds':10}}");
	world_end(&w);
	world_begin(&w, WAIT("'all':[{'duration':10},{'event':{'type':'e'}}]"), "{}");
	wake(&w);
	w.now += 10 * SECOND;
	wake(&w);
	assert_status(&w, "running");
	assert_int_equal(mr_run_wake_at(w.run), 0);
	signal_run(&w, "{'id':4,'type':'e','data':3}");
	assert_status(&w, "completed");
	world_end(&w);
}

static void a_block_has_a_timeout(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'f','type':'foreach','timeout_seconds':3,'on_error':'continue',"
	    "'config':{'items':[1,2],'concurrency':2,'steps':[{'name':'d','type':'delay','config':{"
	    "'seconds':9}}]}}]}",
	    "{}");
	wake(&w);
	assert_str(told(&w), "started; step.started f; step.waiting f/d; step.waiting f/d");
	assert_int_equal(mr_run_wake_at(w.run), WORLD_BEGIN + 3 * SECOND);
	w.now += 3 * SECOND;
	wake(&w);
	assert_str(told(&w), "step.cancelled f/d; step.cancelled f/d; step.failed f; completed");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constructs),
		cmocka_unit_test(what_a_failed_compensation_leaves),
		cmocka_unit_test(a_signal_that_comes_first_is_not_lost),
		cmocka_unit_test(a_wait_counts_what_matches),
		cmocka_unit_test(a_wait_for_any_or_all),
		cmocka_unit_test(a_block_has_a_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
