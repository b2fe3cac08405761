/* Definitions: operations of expressions that can never work are faults, with their places. */
#include "graph_doc.h"

#define NOOP(name)   "{'name':'" name "','type':'noop'}"
#define LOG(name, m) "{'name':'" name "','type':'log','config':{'message':'" m "'}}"
#define IF(name, w)  "{'name':'" name "','type':'noop','when':'" w "'}"
#define INPUT                                                                                      \
	"'input_schema':{'type':'object','properties':{'amount':{'type':'number'},'name':{'type':" \
	"'string'},'list':{'type':'array'},'o':{'properties':{'n':{'type':'integer'}}}}}"

static const struct {
	const char *name, *text, *faults;
} wrong[] = {
	{ "the input",
	    "{" INPUT ",'steps':[" IF("a", "trigger.amount > \\\"x\\\"") "," IF(
	        "b", "amount > 10 && name - 1 > 2") "," LOG("c", "{{input.o.n + name}}") "," IF("d",
	        "{{input.amount}}") "]}",
	    "steps[0].when type\nsteps[1].when type\nsteps[2].config.message type\nsteps[3].when "
	    "type" },
	{ "variables",
	    "{'variables':[{'name':'amount','type':'number'},{'name':'when','type':'date'},"
	    "{'name':'open','type':'Boolean'},{'x':1}],'steps':[" IF("a", "amount > true") "," IF(
	        "b", "when > 3") "," IF("c", "open && amount > 3") "," IF("d", "amount") "]}",
	    "steps[0].when type\nsteps[3].when type" },
	{ "results",
	    "{'steps':[{'name':'h','type':'http_request','config':{'url':'https://x/'}}," IF(
	        "a", "!steps.h.status_code") "," IF("b", "steps.h.status_code > 300") "," IF("c",
	        "steps.h.json.x > 300 && steps.h.id") ",{'name':'i','type':'http_request','config'"
	                                              ":{'url':'https://x/"
	                                              "'},'output':{'status_code':true}}," IF("d",
	                                                  "!steps.i.status_code") ",{'name':'j','"
	                                                                          "type':'http_"
	                                                                          "request','"
	                                                                          "config':{'url':'"
	                                                                          "https://x/"
	                                                                          "'},'catch':[{'"
	                                                                          "value':{"
	                                                                          "'status_code':"
	                                                                          "true}}]}," IF(
	                                                                              "e",
	                                                                              "!steps."
	                                                                              "j."
	                                                                              "status_"
	                                                                              "code") ",{'"
	                                                                                      "name"
	                                                                                      "':'"
	                                                                                      "k','"
	                                                                                      "type"
	                                                                                      "':"
	                                                                                      "'htt"
	                                                                                      "p_"
	                                                                                      "requ"
	                                                                                      "est'"
	                                                                                      ",'"
	                                                                                      "conf"
	                                                                                      "ig':"
	                                                                                      "{'"
	                                                                                      "url'"
	                                                                                      ":'"
	                                                                                      "http"
	                                                                                      "s://"
	                                                                                      "x/"
	                                                                                      "'},'"
	                                                                                      "outp"
	                                                                                      "ut':"
	                                                                                      "'{{"
	                                                                                      "resu"
	                                                                                      "lt."
	                                                                                      "stat"
	                                                                                      "us_"
	                                                                                      "code"
	                                                                                      " - "
	                                                                                      "\\\""
	                                                                                      "x\\"
	                                                                                      "\"}}"
	                                                                                      "'}],"
	                                                                                      "'out"
	                                                                                      "put'"
	                                                                                      ":'{{"
	                                                                                      "step"
	                                                                                      "s.h."
	                                                                                      "stat"
	                                                                                      "us_"
	                                                                                      "code"
	                                                                                      ".x}}"
	                                                                                      "'}",
	    "steps[1].when type\nsteps[8].output type\noutput type" },
	{ "what blocks bind",
	    "{'on_failure':[" LOG(
	        "f", "{{error.message - 1}}{{error.data.x - 1}}") "],'finally':[" LOG("g",
	        "{{error == null ? 1 : error.attempt + 1}}") "],'steps':[{'name':'l','type':"
	                                                     "'foreach','config':{'items':[1],'"
	                                                     "index':'n','steps':[" LOG("a",
	                                                         "{{n + \\\"x\\\"}}{{item + "
	                                                         "1}}") "," IF("b",
	                                                         "index") "]}},{'name':'w','type':'"
	                                                                  "while','config':{"
	                                                                  "'condition':'index','"
	                                                                  "max_iterations':2,'"
	                                                                  "steps':[" IF("c",
	                                                                      "index") "]}},{'name'"
	                                                                               ":'t','type'"
	                                                                               ":"
	                                                                               "'noop','"
	                                                                               "catch':[{'"
	                                                                               "as':'e','"
	                                                                               "steps':" IF(
	                                                                                   "d",
	                                                                                   "e.type "
	                                                                                   "> 3") "}]}]}",
	    "steps[1].config.condition type\non_failure[0].config.message type\n"
	    "steps[0].config.steps[0].config.message type\nsteps[1].config.steps[0].when type\n"
	    "steps[2].catch[0].steps.when type" },
	{ "cases, waits, transformations",
	    "{" INPUT
	    ",'steps':[{'name':'s','type':'switch','config':{'value':'{{name - 1}}','cases':["
	    "{'when':'amount'},{'equals':'{{list + "
	    "1}}'}]}},{'name':'w','type':'wait','config':{'any':["
	    "{'event':{'type':'x','match':'event.type > "
	    "3'}}]}},{'name':'d','type':'data_transform',"
	    "'config':{'source_data':[1],'transformations':[{'type':'filter','condition':'item > 1 "
	    "&& "
	    "trigger.name < 3','key':'k'}]}}]}",
	    "steps[0].config.value type\nsteps[0].config.cases[0].when type\n"
	    "steps[0].config.cases[1].equals type\nsteps[1].config.any[0].event.match type\n"
	    "steps[2].config.transformations[0] type" },
};

static const char *const right[] = {
	"{" INPUT
	",'steps':[" IF("a", "amount > 10 || o.n < amount") "," IF("b", "other > true") "," LOG(
	    "c", "{{name + \\\"x\\\"}} {{list.size() + 1}} {{o.m - 1}}") "]}",
	"{'variables':[],'steps':[" IF("a", "x > 1") "]}",
	"{'variables':{},'input_schema':true,'steps':[" IF("a", "x > 1") "]}",
	/* an item's own members come before those of the input */
	"{" INPUT ",'steps':[{'type':'data_transform','config':{'source_data':'{{list}}',"
	"'transformations':[{'type':'filter','condition':'name > 10 && index > 1','key':'k'}]}}]}",
	/* as all steps may be named, none is known */
	"{'steps':[" NOOP("a") "," LOG("b", "{{steps.map(k, steps[k])}}{{steps.a}}") "]}",
	"{'steps':[{'name':'c','type':'conditional','config':{'condition':'true','true_action':'x'}"
	"}," NOOP("x") "," IF("y", "steps.c.branch == \\\"true\\\" && steps.c.condition") "]}",
};

static void what_can_never_work(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++) {
		struct doc d = compile(wrong[i].text);
		struct mr_str got = fault_lines(&d);

		if (!mr_str_eqz(got, wrong[i].faults)) {
			print_faults(&d);
			fail_msg("%s: got\n%.*s\nwant\n%s", wrong[i].name, MR_STR_ARG(got),
			    wrong[i].faults);
		}
		assert_int_equal(d.r, MR_E_INVALID);
		done(&d);
	}
}

static void what_may_work(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(right); i++) {
		struct doc d = compile_good(right[i]);

		done(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_never_work),
		cmocka_unit_test(what_may_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
