/* Definitions: what is refused about blocks, joins, catches, waits and variables, and how. */
#include "graph_doc.h"

#include <time.h>

#define NOOP(name)     "{'name':'" name "','type':'noop'}"
#define STEPS(text)    "{'steps':[" text "]}"
#define TYPED(t, conf) "{'name':'" t "','type':'" t "','config':{" conf "}}"
#define LOG(name, m)   "{'name':'" name "','type':'log','config':{'message':'" m "'}}"
#define SET(name)      "{'name':'" name "','type':'set','config':{'v':1}}"

static const struct {
	const char *name, *text, *faults;
} wrong[] = {
	{ "a switch without cases", STEPS(TYPED("switch", "") "," TYPED("switch", "'cases':[]")),
	    "steps[1].name duplicate_name\nsteps[0].config.cases required\n"
	    "steps[1].config.cases required" },
	{ "cases",
	    STEPS(TYPED("switch",
	        "'cases':[{},{'when':1,'equals':2},{'equals':3},5,{'when':true,'steps':[],'"
	        "next':'x'},"
	        "{'when':true,'steps':7},{'when':true,'next':'nowhere'},{'name':'default','"
	        "when':'x'},"
	        "{'name':'a','when':'x'},{'name':'a','when':'x'},{'whne':'x','when':'y'}],"
	        "'default':{'when':'x'},'match':'some'")),
	    "steps[0].config.cases[3] type\nsteps[0].config.cases[4].next conflict\n"
	    "steps[0].config.cases[5].steps type\nsteps[0].config.cases[7].name "
	    "duplicate_name\n"
	    "steps[0].config.cases[9].name duplicate_name\n"
	    "steps[0].config.cases[6].next unknown_reference\nsteps[0].config.match value\n"
	    "steps[0].config.cases[0] required\nsteps[0].config.cases[1].equals conflict\n"
	    "steps[0].config.cases[1].when type\nsteps[0].config.cases[2].equals conflict\n"
	    "steps[0].config.cases[10].whne unknown_member\n"
	    "steps[0].config.default.when unknown_member" },
	{ "cases of a wrong kind", STEPS(TYPED("switch", "'cases':{},'default':[]")),
	    "steps[0].config.cases type" },
	{ "a default of a wrong kind",
	    STEPS(TYPED("switch", "'cases':[{'when':'x'}],'default':[]")),
	    "steps[0].config.default type" },
	{ "parallel",
	    STEPS(TYPED("parallel",
	        "'branches':{'a':[],'b':3,'':[" NOOP("x") "]},'join':'most','on_branch_failure':1,"
	                                                  "'cancel_rest':'yes'")),
	    "steps[0].config.branches.a required\nsteps[0].config.branches.b type\n"
	    "steps[0].config.branches[\"\"] required\nsteps[0].config.on_branch_failure value\n"
	    "steps[0].config.join value\nsteps[0].config.cancel_rest type" },
	{ "parallel without branches",
	    STEPS(TYPED("parallel", "'branches':{}") ",{'type':'parallel'},{'type':'parallel',"
	                                             "'config':{'branches':[]}}"),
	    "steps[2].config.branches type\nsteps[0].config.branches required\n"
	    "steps[1].config.branches required" },
	{ "more branches to complete than there are",
	    STEPS(TYPED("parallel", "'branches':{'a':" NOOP("x") "},'join':{'n':2}")),
	    "steps[0].config.join.n range" },
	{ "foreach",
	    STEPS(TYPED("foreach",
	        "'items':5,'as':'steps','index':'a b','steps':[],'concurrency':0,'tolerate':"
	        "{'count':1,'percent':2}")),
	    "steps[0].config.as value\nsteps[0].config.index value\nsteps[0].config.steps "
	    "required\n"
	    "steps[0].config.items type\nsteps[0].config.concurrency range\n"
	    "steps[0].config.tolerate conflict" },
	{ "more of foreach",
	    STEPS("{'type':'foreach'}," TYPED("foreach",
	        "'items':{'from':'a','to':5,'step':0},'as':'i','index':'i','steps':" NOOP(
	            "x") ",'concurrency':1001,'tolerate':{}") ",{'type':'foreach','config':{'"
	                                                      "items':[],"
	                                                      "'steps':" NOOP(
	                                                          "x") ",'tolerate':{'percent':"
	                                                               "101}}},{'type':"
	                                                               "'foreach','config':{"
	                                                               "'items':[],'steps'"
	                                                               ":" NOOP(
	                                                                   "x") ",'tolerate':-"
	                                                                        "1,'itms':2}}"),
	    "steps[1].config.as conflict\nsteps[0].config.items required\n"
	    "steps[0].config.steps required\nsteps[1].config.items.from type\n"
	    "steps[1].config.items.step range\nsteps[1].config.concurrency range\n"
	    "steps[1].config.tolerate required\nsteps[2].config.tolerate.percent range\n"
	    "steps[3].config.itms unknown_member\nsteps[3].config.tolerate range" },
	{ "a loop without bound", STEPS(TYPED("while", "'condition':true,'steps':" NOOP("x"))),
	    "steps[0].config.max_iterations required" },
	{ "while",
	    STEPS(TYPED("while", "'condition':5,'check':'never','max_iterations':1000001,'"
	                         "delay':'soon','steps':{}")),
	    "steps[0].config.steps.type required\nsteps[0].config.condition type\n"
	    "steps[0].config.check value\nsteps[0].config.max_iterations range\n"
	    "steps[0].config.delay type" },
	{ "subworkflow", STEPS(TYPED("subworkflow", "'version':0,'wait':1,'cancel':'never'")),
	    "steps[0].config.version range\nsteps[0].config.wait type\n"
	    "steps[0].config.cancel value\nsteps[0].config.workflow required" },
	{ "waits",
	    STEPS("{'type':'wait'},{'type':'wait','config':{'duration':1,'event':{'type':'x'}}},"
	          "{'type':'wait','config':{'any':[],'until':'x'}},{'type':'wait','config':{'all'"
	          ":[]}},"
	          "{'type':'wait','config':{'any':[{'duration':1,'until':'x'},{'event':{}},3,"
	          "{'evnt':{}},{'any':[]},{'event':{'type':'','match':'x +','count':0}},"
	          "{'until':'soon'}]}},{'type':'wait','config':{'event':{'type':'x','match':5,"
	          "'mtach':1}}},{'type':'wait','config':{'event':'x'}}"),
	    "steps[0].config required\nsteps[1].config conflict\nsteps[2].config conflict\n"
	    "steps[3].config.all type\nsteps[4].config.any[0] conflict\n"
	    "steps[4].config.any[1].event.type required\nsteps[4].config.any[2] required\n"
	    "steps[4].config.any[3].evnt unknown_member\nsteps[4].config.any[3] required\n"
	    "steps[4].config.any[4].any unknown_member\nsteps[4].config.any[4] required\n"
	    "steps[4].config.any[5].event.type type\nsteps[4].config.any[5].event.match "
	    "expression\n"
	    "steps[4].config.any[5].event.count range\nsteps[4].config.any[6].until format\n"
	    "steps[5].config.event.mtach unknown_member\nsteps[5].config.event.match type\n"
	    "steps[6].config.event type" },
	{ "set, assert, raise, terminate, emit",
	    STEPS("{'type':'set'},{'type':'set','config':{'':1}},{'type':'assert'},{'type':'"
	          "raise'},"
	          "{'type':'raise','config':{'type':''}},{'type':'terminate','config':{'status':"
	          "'running'}},{'type':'emit','config':{'data':1}}"),
	    "steps[0].config required\nsteps[1].config[\"\"] required\n"
	    "steps[2].config.condition required\nsteps[3].config.type required\n"
	    "steps[4].config.type required\nsteps[5].config.status value\n"
	    "steps[6].config.type required" },
	{ "terminate where nothing is left to end",
	    "{'steps':[{'name':'a','type':'noop','compensate':" TYPED("terminate",
	        "") "}],"
	            "'on_failure':[" TYPED("terminate", "") "],'finally':[" TYPED(
	                "parallel", "'branches':{'a':" TYPED("terminate", "") "}") "]}",
	    "on_failure[0].type misplaced\nsteps[0].compensate.type misplaced\n"
	    "finally[0].config.branches.a.type misplaced" },
	{ "joins",
	    STEPS(NOOP("a") ",{'type':'noop','join':'some'},{'type':'noop','join':{'n':2}},"
	                    "{'type':'noop','join':{'n':0,'m':1}},{'type':'noop','join':{}},"
	                    "{'type':'noop','join':3},{'type':'noop','cancel_rest':true},"
	                    "{'type':'noop','join':'any','cancel_rest':1}"),
	    "steps[1].join value\nsteps[2].join.n range\nsteps[3].join.m unknown_member\n"
	    "steps[3].join.n range\nsteps[4].join.n required\nsteps[5].join type\n"
	    "steps[6].cancel_rest conflict\nsteps[7].cancel_rest type" },
	{ "catches",
	    STEPS("{'name':'a','type':'noop','catch':[{},{'value':1,'steps':[" NOOP(
	        "x") "]},"
	             "{'on':'*','value':1},{'on':[3],'value':1},{'as':'run','value':1},{'steps'"
	             ":[]},"
	             "{'next':'x'},{'next':[]},4,{'retry':1,'value':2}]},{'type':'noop','catch'"
	             ":{}}"),
	    "steps[0].catch[4].as value\nsteps[0].catch[5].steps required\n"
	    "steps[0].catch[7].next type\nsteps[0].catch[8] type\nsteps[1].catch type\n"
	    "steps[0].catch[6].next unknown_reference\nsteps[0].catch[0] required\n"
	    "steps[0].catch[1] conflict\nsteps[0].catch[2].on type\nsteps[0].catch[3].on[0] "
	    "type\n"
	    "steps[0].catch[9].retry unknown_member" },
	{ "compensate",
	    "{'steps':[{'name':'a','type':'noop','compensate':{'type':'noop','compensate'"
	    ":" NOOP("x") "}},{'name':'b','type':'noop','compensate':[]},{'name':'c','type':'noop',"
	                  "'compensate':{'steps':[" NOOP(
	                      "x") "],'x':1}},{'name':'d','type':'noop',"
	                           "'compensate':'x'}],'on_failure':[{'type':"
	                           "'noop','compensate':" NOOP("x") "}]}",
	    "steps[1].compensate required\nsteps[2].compensate.x unknown_member\n"
	    "steps[3].compensate type\non_failure[0].compensate misplaced\n"
	    "steps[0].compensate.compensate misplaced" },
	{ "a saga that undoes nothing", "{'mode':'saga','steps':[" NOOP("a") "]}",
	    "mode required" },
	{ "modes", "{'mode':'sga','steps':[" NOOP("a") "]}", "mode value" },
	{ "members of the whole",
	    "{'vars':[],'secrets':[1],'concurrency':{'limt':1,'on_full':'wait'},'on_failure':3,"
	    "'finally':[{'type':'nop'}],'steps':[{'type':'noop','disabled':'no'}]}",
	    "on_failure type\nfinally[0].type unknown_type\nsecrets[0] type\nvars type\n"
	    "concurrency.limt unknown_member\nconcurrency.limit required\n"
	    "concurrency.on_full value\nsteps[0].disabled type" },
	{ "what vars and the key may see",
	    "{'vars':{'a':'{{steps.s}}','b':'{{vars.a}}','c':'{{secrets.K}}','d':'{{trigger.x}}"
	    "'},"
	    "'concurrency':{'limit':1,'key':'{{run.id}}{{input.x}}'},'steps':[" NOOP("s") "]}",
	    "vars.a unknown_reference\nvars.b unknown_reference\nvars.c secret_recorded\n"
	    "concurrency.key unknown_reference" },
	{ "variables that nothing defines",
	    "{'vars':{'a':1},'output':'{{vars.zz}}','steps':[" LOG("l",
	        "{{vars.a}}{{vars.b}}{{vars.c ?? 1}}{{vars.d}}") "," TYPED("set", "'b':1") "]}",
	    "steps[0].config.message unknown_reference\noutput unknown_reference" },
	{ "variables written at the same time",
	    STEPS(TYPED("parallel",
	        "'branches':{'a':[" SET("x") "],'b':[" TYPED("conditional",
	            "'condition':true,'true_action':" SET(
	                "y")) "],'c':[{'type':'set','config':{'w':1}}]}") "," TYPED("foreach",
	        "'items':[],'concurrency':2,'steps':[" TYPED("while",
	            "'condition':true,'max_iterations':2,'steps':" SET(
	                "z")) "]") ","
	                           "{'type':'foreach','config':{'items':[],'steps':" SET("z") "}}"),
	    "steps[1].config.steps[0].config.steps.config.v variable_conflict\n"
	    "steps[0].config.branches.b[0].config.true_action.config.v variable_conflict" },
	{ "variables written by cases that may all match",
	    STEPS("{'type':'switch','config':{'match':'all','value':'{{trigger.x}}','cases':["
	          "{'when':'true','steps':" SET("a") "},{'when':'true','steps':" SET(
	              "b") "}],"
	                   "'default':{'steps':" SET(
	                       "c") "}}},"
	                            "{'type':'switch','config':{'match':'all','value':'{{trigger.x}"
	                            "}','cases':["
	                            "{'equals':1,'steps':" SET("d") "},{'equals':2,'steps':" SET(
	                                "e") "}]}},"
	                                     "{'type':'switch','config':{'value':'{{trigger.x}}','"
	                                     "cases':["
	                                     "{'equals':1,'steps':" SET(
	                                         "f") "},{'when':'true','steps':" SET("g") "}]}}"),
	    "steps[0].config.cases[1].steps.config.v variable_conflict" },
	{ "variables written by steps that do not wait for each other",
	    STEPS(
	        "{'name':'a','type':'set','config':{'v':1}},"
	        "{'name':'b','type':'set','config':{'v':2}},"
	        "{'name':'c','type':'conditional','depends_on':['a'],'config':{'condition':"
	        "'true','true_action':" SET(
	            "in") "}},"
	                  "{'name':'d','type':'set','depends_on':['a'],'when':'trigger.x','config':"
	                  "{'v':3}},"
	                  "{'name':'e','type':'set','depends_on':['b','c'],'config':{'v':4,'w':1}},"
	                  "{'name':'f','type':'set','depends_on':['a'],'config':{'w':1}},"
	                  "{'name':'k','type':'conditional','depends_on':['e','f'],'config':{'"
	                  "condition':"
	                  "'true','true_action':'x','false_action':'y'}},"
	                  "{'name':'x','type':'set','config':{'v':5}},"
	                  "{'name':'y','type':'set','config':{'v':6}},"
	                  "{'name':'z','type':'set','depends_on':['x','y'],'config':{'v':7}}"),
	    "steps[2].config.true_action.config.v variable_conflict\n"
	    "steps[4].config.w variable_conflict" },
	{ "secrets that would be recorded",
	    STEPS("{'type':'set','config':{'a':'{{secrets.K}}'}},"
	          "{'type':'emit','config':{'type':'x','data':'{{env.K}}'}},"
	          "{'type':'raise','config':{'type':'x','message':'{{env.K}}'}},"
	          "{'type':'terminate','config':{'output':{'a':'{{env.K}}'}}},"
	          "{'type':'subworkflow','config':{'workflow':'w','input':{'k':'{{env.K}}'}}},"
	          "{'type':'wait','config':{'event':{'type':'{{env.K}}','match':'event.x == "
	          "env.K'}}},"
	          "{'type':'foreach','config':{'items':'{{env.K}}','steps':" NOOP(
	              "x") "}},"
	                   "{'type':'noop','catch':[{'value':'{{secrets.K}}'}]},"
	                   "{'type':'assert','config':{'condition':true,'message':'{{env.K}}'}},"
	                   "{'type':'switch','config':{'value':'{{env.K}}','cases':[{'equals':'{{"
	                   "env.J}}'}]}},"
	                   "{'type':'http_request','idempotency_key':'k{{env.K}}','config':{'url':"
	                   "'https://{{env.K}}/'}}"),
	    "steps[0].config.a secret_recorded\nsteps[1].config.data secret_recorded\n"
	    "steps[2].config.message secret_recorded\nsteps[3].config.output.a "
	    "secret_recorded\n"
	    "steps[4].config.input.k secret_recorded\nsteps[5].config.event.type "
	    "secret_recorded\n"
	    "steps[5].config.event.match secret_recorded\nsteps[6].config.items "
	    "secret_recorded\n"
	    "steps[7].catch[0].value secret_recorded\nsteps[8].config.message "
	    "secret_recorded\nsteps[10].idempotency_key secret_recorded" },
	{ "references into and out of blocks",
	    "{'on_failure':[" LOG("f", "{{steps.a}}{{steps.in}}{{steps.g}}") "],'finally':[" LOG(
	        "g", "{{steps.b}}{{steps.f}}") "],'steps':[" LOG("a",
	        "{{steps.in}}") ",{'name':'b',"
	                        "'type':'foreach','config':{'items':'{{steps.in}}','steps':"
	                        "[" LOG("in",
	                            "{{steps.a}}{{steps.b}}{{steps.c}}") "]},'catch':[{'steps'"
	                                                                 ":" LOG("k",
	                                                                     "{{steps.b}}{{"
	                                                                     "steps.a}}{{steps."
	                                                                     "in}}") "}],'"
	                                                                             "compensat"
	                                                                             "e':[" LOG("u",
	                                                                                 "{{"
	                                                                                 "steps"
	                                                                                 ".b}}{"
	                                                                                 "{step"
	                                                                                 "s.c}"
	                                                                                 "}") "]}"
	                                                                                      "," NOOP(
	                                                                                          "c") "]}",
	    "steps[0].config.message unknown_reference\nsteps[1].config.items "
	    "unknown_reference\n"
	    "on_failure[0].config.message unknown_reference\n"
	    "on_failure[0].config.message unknown_reference\n"
	    "finally[0].config.message unknown_reference\n"
	    "steps[1].config.steps[0].config.message not_upstream\n"
	    "steps[1].config.steps[0].config.message not_upstream\n"
	    "steps[1].catch[0].steps.config.message not_upstream\n"
	    "steps[1].catch[0].steps.config.message unknown_reference\n"
	    "steps[1].compensate[0].config.message not_upstream" },
	{ "depends_on out of the block",
	    STEPS(NOOP("a") "," TYPED("foreach", "'items':[],'steps':[{'name':'x','type':'noop',"
	                                         "'depends_on':['a']}]")),
	    "steps[1].config.steps[0].depends_on[0] unknown_reference" },
	{ "cycles in blocks, and by cases",
	    STEPS(TYPED("while",
	        "'condition':true,'max_iterations':1,'steps':[{'name':'x','type':"
	        "'noop','depends_on':['y']}," NOOP(
	            "y") "]") ",{'name':'s','type':"
	                      "'switch','config':{'cases':[{'when':true,'next':'t'}]}},{'name':"
	                      "'t','type':'noop',"
	                      "'catch':[{'next':'s'}]}"),
	    "steps[1] cycle\nsteps[0].config.steps[0] cycle" },
	{ "a path like another's",
	    STEPS("{'name':'p','type':'parallel','config':{'branches':{'catch':" NOOP(
	        "x") "}},"
	             "'catch':[{'steps':" NOOP("x") "}]}"),
	    "steps[0].catch[0].steps duplicate_name" },
	{ "references of executor files that name nothing",
	    STEPS(NOOP("a") "," LOG("l", "${b.output.x} ${a.output.y}")),
	    "steps[1].config.message unknown_reference" },
};

static void faults_and_their_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++) {
		struct doc d = compile(wrong[i].text);
		struct mr_str got = fault_lines(&d);

		assert_int_equal(d.r, MR_E_INVALID);
		if (!mr_str_eqz(got, wrong[i].faults)) {
			print_faults(&d);
			fail_msg("%s: got\n%.*s\nwant\n%s", wrong[i].name, MR_STR_ARG(got),
			    wrong[i].faults);
		}
		done(&d);
	}
}

static void messages_help(void **state)
{
	static const struct {
		const char *text, *part;
	} cases[] = {
		{ STEPS(TYPED("while", "'condition':true,'steps':" NOOP("x"))), "needs a bound" },
		{ STEPS("{'type':'foreahc'}"), "did you mean \"foreach\"?" },
		{ STEPS(NOOP("a") ",{'type':'noop','join':'some'}"),
		    "\"ok\", \"all\", \"any\" or \"done\"" },
		{ STEPS(TYPED("parallel", "'branches':{'a':" SET("x") ",'b':" SET("y") "}")),
		    "steps[0].config.branches.a.config.v" },
		{ STEPS(
		      "{'name':'a','type':'noop','catch':[{'steps':" LOG("x", "{{steps.a}}") "}]}"),
		    "the error says" },
		{ STEPS(TYPED("wait", "'any':[{'evnt':{}}]")), "did you mean \"event\"?" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct doc d = compile(cases[i].text);

		assert_int_equal(d.r, MR_E_INVALID);
		if (strstr(d.faults.first->message.p, cases[i].part) == NULL)
			fail_msg("\"%.*s\" lacks \"%s\"", MR_STR_ARG(d.faults.first->message),
			    cases[i].part);
		done(&d);
	}
}

/* ---- limits: one fault each, told in no time ---- */

static void begin(struct mr_buf *b, const char *start)
{
	mr_buf_init(b, 64u << 20);
	mr_buf_addz(b, start);
}

static void check_refused(struct mr_buf *b, const char *faults)
{
	struct timespec from, to;
	struct doc d;
	long ms;

	assert_false(mr_buf_failed(b));
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	d = compile_text(mr_buf_str(b));
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	assert_int_equal(d.r, MR_E_INVALID);
	assert_str(fault_lines(&d), faults);
	ms = (to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000;
	/* reading the JSON is most of it; sanitizers and valgrind are slow */
	if (ms > 20000)
		fail_msg("%s: %ld ms", faults, ms);
	done(&d);
	mr_buf_done(b);
}

static void limits(void **state)
{
	struct mr_buf b;

	(void)state;
	begin(&b, "{\"steps\":[");
	for (int i = 0; i < 3; i++) {
		static const char *const heads[] = {
			"{\"type\":\"emit\",\"config\":{\"type\":\"",
			",{\"type\":\"raise\",\"config\":{\"type\":\"",
			",{\"type\":\"wait\",\"config\":{\"event\":{\"type\":\"",
		};

		mr_buf_addz(&b, heads[i]);
		for (int k = 0; k < 201; k++)
			mr_buf_addc(&b, 'e');
		mr_buf_addz(&b, i == 2 ? "\"}}}" : "\"}}");
	}
	mr_buf_addz(&b, "]}");
	check_refused(&b, "steps[0].config.type limit\nsteps[1].config.type limit\n"
	                  "steps[2].config.event.type limit");

	begin(&b, "{\"steps\":[{\"type\":\"switch\",\"config\":{\"cases\":[{\"when\":true}");
	for (int i = 0; i < 60; i++)
		mr_buf_addz(&b, ",{\"when\":true}");
	mr_buf_addz(&b, "]}}]}");
	check_refused(&b, "steps[0] limit");

	begin(&b, "{\"steps\":[{\"type\":\"parallel\",\"config\":{\"branches\":{");
	for (int i = 0; i < 1001; i++)
		mr_buf_addf(&b, "%s\"b%d\":{\"type\":\"noop\"}", i > 0 ? "," : "", i);
	mr_buf_addz(&b, "}}}]}");
	check_refused(&b, "steps[0] limit");

	begin(&b, "{\"steps\":[{\"type\":\"foreach\",\"config\":{\"items\":[],\"steps\":[");
	for (int i = 0; i < 10000; i++)
		mr_buf_addf(&b, "%s{\"type\":\"noop\"}", i > 0 ? "," : "");
	mr_buf_addz(&b, "]}}]}");
	check_refused(&b, "steps[0].config.steps limit");

	/* 10 MB of text */
	begin(&b, "{\"steps\":[{\"type\":\"log\",\"config\":{\"message\":\"");
	for (int i = 0; i < 10000000; i++)
		mr_buf_addc(&b, "${x"[i % 3]);
	mr_buf_addz(&b, "\"}}]}");
	check_refused(&b, " limit");

	/* one megabyte that looks like references, within the limit */
	begin(&b, "{\"steps\":[{\"type\":\"lo\",\"config\":{\"message\":\"");
	for (int i = 0; i < 500000; i++)
		mr_buf_addc(&b, "${"[i % 2]);
	mr_buf_addz(&b, "\"}}]}");
	check_refused(&b, "steps[0].type unknown_type");

	/* a name as long as the whole, in every path */
	begin(&b, "{\"steps\":{\"");
	for (int i = 0; i < 900000; i++)
		mr_buf_addc(&b, 'n');
	mr_buf_addz(&b, "\":{\"type\":\"set\",\"config\":{\"v\":1");
	for (int i = 0; i < 10000; i++)
		mr_buf_addf(&b, ",\"v%d\":1", i);
	mr_buf_addz(&b, "}}}}");
	{
		struct doc d = compile_text(mr_buf_str(&b));

		assert_int_equal(d.r, MR_E_INVALID);
		assert_int_equal(d.faults.count, 1);
		assert_true(d.faults.first->path.len < 300);
		done(&d);
		mr_buf_done(&b);
	}
}

/* So deep that the API's JSON would not take it: the compiler must not fall over it either. */
static void depth(void **state)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	const struct mr_json_limits deep = { .depth = 10000, .values = 1000000 };
	struct mr_faults faults;
	struct mr_graph *g;
	struct mr_value v;
	struct mr_buf b;

	(void)state;
	mr_faults_init(&faults, a, 100);
	begin(&b, "{\"steps\":[");
	for (int i = 0; i < 1000; i++)
		mr_buf_addz(&b,
		    "{\"type\":\"conditional\",\"config\":{\"condition\":true,\"true_action\":");
	mr_buf_addz(&b, "{\"type\":\"noop\"}");
	for (int i = 0; i < 1000; i++)
		mr_buf_addz(&b, "}}");
	mr_buf_addz(&b, "]}");
	assert_int_equal(mr_json_parse(a, mr_buf_str(&b), &deep, &faults, &v), 0);
	assert_int_equal(mr_graph_compile(a, &v, &faults, &g), MR_E_INVALID);
	assert_int_equal(faults.count, 1);
	assert_str(faults.first->code, "limit");
	mr_buf_done(&b);
	a = mr_arena_free(a);
}

static void nested_blocks(void **state)
{
	struct mr_buf b;

	(void)state;
	begin(&b, "{\"steps\":[");
	for (int i = 0; i < 11; i++)
		mr_buf_addz(&b, "{\"type\":\"foreach\",\"config\":{\"items\":[],\"steps\":[");
	mr_buf_addz(&b, "{\"type\":\"noop\"}");
	for (int i = 0; i < 11; i++)
		mr_buf_addz(&b, "]}}");
	mr_buf_addz(&b, "]}");
	check_refused(&b,
	    "steps[0].config.steps[0].config.steps[0].config.steps[0].config.steps[0].config.steps"
	    "[0].config.steps[0].config.steps[0].config.steps[0].config.steps[0].config.steps[0]"
	    ".config.steps limit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_and_their_paths),
		cmocka_unit_test(messages_help),
		cmocka_unit_test(limits),
		cmocka_unit_test(depth),
		cmocka_unit_test(nested_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
