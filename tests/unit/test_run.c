/* Runs: what follows from what, told as the facts that come out. */
#include "run_told.h"

/* ---- the plain way ---- */

static void log_steps_run_straight_on(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[" LOG("a", "hello {{trigger.who}}",
	        "") ","
	            "{'name':'b','type':'log','config':{'message':'{{steps.a.message}}!','level':'"
	            "WARN'}}," NOOP("c", "") "]}",
	    "{'who':'you'}");
	assert_int_equal(mr_run_wake_at(w.run), 1);
	wake(&w);
	assert_json(&w, line_of(&w), "{'message':'hello you!','level':'warning'}");
	assert_json(&w, w.out.facts[1].data,
	    "{'type':'log','order':1,'input':{'message':'hello you'},"
	    "'output':{'message':'hello you','level':'info'}}");
	assert_int_equal(w.out.facts[1].step_execution_id, w.out.facts[1].id);
	assert_int_equal(w.out.facts[2].step_execution_id, w.out.facts[2].id);
	assert_str(told(&w), "started; step.completed a; step.completed b; "
	                     "step.completed c; completed");
	assert_status(&w, "completed");
	assert_int_equal(mr_run_wake_at(w.run), 0);
	assert_json(&w, mr_run_result(w.run),
	    "{'a':{'message':'hello you','level':'info'},"
	    "'b':{'message':'hello you!','level':'warning'},'c':{}}");
	wake(&w);
	command(&w, MR_RUN_EVENT_CANCEL);
	assert_str(told(&w), "");
	world_end(&w);
}

static void effects_start_after_their_fact(void **state)
{
	struct world w;
	unsigned all, ended;

	(void)state;
	world_begin(&w,
	    "{'steps':[" HTTP("a", ",'timeout_seconds':9") "," HTTP(
	        "b", "") "],"
	                 "'output':{'id':'{{steps.b.id}}','a':'{{steps.a.status_code}}'}}",
	    "{}");
	wake(&w);
	assert_int_equal(w.out.effects[0].timeout_us, 9 * SECOND);
	assert_str(w.out.effects[0].idempotency_key, "77/a/0");
	assert_int_equal(w.out.effects[0].step_execution_id, w.out.facts[1].id);
	assert_json(&w, w.out.effects[0].config, "{'url':'https://x/'}");
	assert_json(&w, w.out.facts[1].data,
	    "{'type':'http_request','order':1,'input':{'url':'https://x/'}}");
	assert_str(told(&w), "started; step.started a [a]");
	assert_int_equal(mr_run_in_flight(w.run), 1);
	assert_int_equal(mr_run_wake_at(w.run), 0);
	done(&w, "a", "{'status_code':200,'json':{'id':5}}");
	assert_int_equal(w.out.facts[0].duration_us, 5);
	assert_str(told(&w), "step.completed a; step.started b [b]");
	mr_run_progress(w.run, &ended, &all);
	assert_int_equal(ended, 1);
	assert_int_equal(all, 2);
	/* late, of another attempt, of nobody */
	done(&w, "a", "{}");
	done_attempt(&w, "b", 2, "{}");
	advance(
	    &w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_STEP_DONE, .step_execution_id = 99 });
	assert_str(told(&w), "");
	/* a field that the result lacks is looked up in its json */
	done(&w, "b", "{'status_code':201,'json':{'id':6}}");
	assert_str(told(&w), "step.completed b; completed");
	assert_json(&w, mr_run_result(w.run), "{'id':6,'a':200}");
	world_end(&w);
}

static void steps_beside_each_other(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[" HTTP("a", "") "," HTTP("b", ",'depends_on':[]") "," NOOP(
	        "c", ",'depends_on':['a','b']") "]}",
	    "{}");
	wake(&w);
	assert_str(told(&w), "started; step.started a; step.started b [a] [b]");
	done(&w, "b", "{}");
	assert_str(told(&w), "step.completed b");
	done(&w, "a", "{}");
	assert_str(told(&w), "step.completed a; step.completed c; completed");
	world_end(&w);
}

/* ---- names ---- */

static void names_in_expressions(void **state)
{
	static const struct {
		const char *expr, *want;
	} cases[] = {
		{ "{{execution_id}}", "77" },
		{ "{{workflow_id}}", "7" },
		{ "{{run.id}}/{{run.version}}/{{run.workflow_id}}", "'77/3/7'" },
		{ "{{run.created_at}}", "'2026-01-01T00:00:00Z'" },
		{ "{{workflow.name}} {{workflow.id}} {{workflow.version}}", "'Seven 7 3'" },
		{ "{{trigger.a.b}}", "[1,2]" },
		{ "{{input.a.b}}", "[1,2]" },
		{ "{{x}}", "'bare'" },
		{ "{{nothing ?? \"none\"}}", "'none'" },
		{ "{{vars.v ?? 0}}", "0" },
		{ "{{steps.first.message}}", "'one'" },
		{ "{{steps[\"first\"].level}}", "'info'" },
		{ "{{steps[x + \"\"].q ?? \"dynamic\"}}", "'dynamic'" },
		{ "{{meta.first.status}} {{meta.first.attempts}}", "'completed 1'" },
		{ "{{meta.first.error}}", "null" },
		{ "{{now()}}", "'2026-01-01T00:00:00Z'" },
		{ "{{steps.skipped.x ?? \"nothing\"}}", "'nothing'" },
		{ "{{meta.skipped.status}}", "'skipped'" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char text[1000];
		size_t n = 0;
		struct world w;
		const struct mr_value *output;

		(void)snprintf(text, sizeof(text),
		    "{'steps':[" LOG("first", "one", "") "," NOOP(
		        "skipped", ",'when':'false'") ",{'name':'t','type':'data_transform','"
		                                      "config':{'source_data':'%s',"
		                                      "'transformations':[{'type':'template','key':"
		                                      "'k','template':'x'}]}}]}",
		    cases[i].expr);
		/* quotes inside an expression are JSON's escaped ones */
		for (char *p = text; *p != '\0'; p++)
			n += *p == '"';
		assert_true(strlen(text) + n < sizeof(text));
		for (char *p = text + strlen(text); p >= text; p--) {
			p[n] = *p;
			if (*p == '"')
				p[--n] = '\\';
		}
		world_begin(&w, text, "{'a':{'b':[1,2]},'x':'bare'}");
		wake(&w);
		if (mr_run_status(w.run) != MR_RUN_COMPLETED)
			fail_msg("%s: %.*s", cases[i].expr,
			    MR_STR_ARG(mr_json_text(
			        w.out_arena, &(struct mr_value){ mr_run_error(w.run).kind,
			                         { .map = mr_run_error(w.run).map } })));
		for (size_t k = w.out.facts_len; k > 0; k--) {
			if (w.out.facts[k - 1].kind != MR_FACT_STEP_COMPLETED)
				continue;
			output = mr_value_get(&w.out.facts[k - 1].data, "input");
			assert_json(&w, *mr_value_get(output, "source_data"), cases[i].want);
			break;
		}
		world_end(&w);
	}
}

static void a_missing_value_fails_the_step(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'a','type':'http_request','config':"
	    "{'url':'https://{{trigger.host}}/'}}]}",
	    "{}");
	wake(&w);
	assert_str(
	    *(&(struct mr_str){
	        mr_value_get_str(mr_value_get(&w.out.facts[1].data, "error"), "type").p, 10 }),
	    "expression");
	assert_str(told(&w), "started; step.failed a; failed");
	assert_status(&w, "failed");
	assert_str(
	    mr_value_get_str(
	        &(struct mr_value){ MR_VALUE_MAP, { .map = mr_run_error(w.run).map } }, "step"),
	    "a");
	world_end(&w);
}

static void secrets_are_used_and_not_shown(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'a','type':'http_request','idempotency_key':'k-{{trigger.n}}',"
	    "'config':{'url':'https://x/{{trigger.n}}','headers':{'Authorization':"
	    "'Bearer {{secrets.TOKEN}}','X':'{{trigger.n}}'},'data':'{{int(env.N) + 1}}'}},"
	    "{'name':'l','type':'log','when':'env.N == \\'41\\'','config':"
	    "{'message':'token {{secrets.TOKEN}}'}}]}",
	    "{'n':5}");
	w.secrets = world_json(w.graph_arena, "{'TOKEN':'s3cret','N':'41'}");
	wake(&w);
	assert_json(&w, w.out.effects[0].config,
	    "{'url':'https://x/5','headers':{'Authorization':'Bearer s3cret','X':5},'data':42}");
	assert_str(w.out.effects[0].idempotency_key, "k-5");
	/* what can't be computed without the real value is not shown at all */
	assert_json(&w, w.out.facts[1].data,
	    "{'type':'http_request','order':1,'input':{'url':'https://x/5','headers':"
	    "{'Authorization':'Bearer [redacted]','X':5},'data':'[redacted]'},'key':'k-5'}");
	assert_str(told(&w), "started; step.started a [a]");
	done(&w, "a", "{}");
	assert_json(&w, line_of(&w), "{'message':'token [redacted]','level':'info'}");
	assert_str(told(&w), "step.completed a; step.completed l; completed");
	world_end(&w);
}

static void secrets_are_not_told_by_errors(void **state)
{
	static const char *const steps[] = {
		"'config':{'url':'https://x/','data':'{{int(secrets.T)}}'}",
		"'config':{'url':'https://x/'},'when':'int(env.T) > 1'",
		"'config':{'url':'https://{{secrets.NOWHERE}}/'}",
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(steps); i++) {
		char text[300];
		struct mr_value error;
		struct mr_str message;
		struct world w;

		(void)snprintf(text, sizeof(text),
		    "{'steps':[{'name':'a','type':'http_request',%s}]}", steps[i]);
		world_begin(&w, text, "{}");
		w.secrets = world_json(w.graph_arena, "{'T':'s3cret'}");
		wake(&w);
		assert_status(&w, "failed");
		error = mr_run_error(w.run);
		message = mr_json_text(w.out_arena, &error);
		if (strstr(message.p, "s3cret") != NULL)
			fail_msg("%.*s", MR_STR_ARG(message));
		/* what is missing is told all the same */
		assert_true(i < 3 || strstr(message.p, "secrets.NOWHERE") != NULL);
		world_end(&w);
	}
}

static void outputs_are_shaped(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[" HTTP("a", ",'output':{'n':'{{result.json.id}}',"
	                           "'m':'{{steps.a.id}}','t':'{{trigger.t}}'}") "," LOG("b",
	        "{{steps.a.n + steps.a.m}}",
	        "") "," HTTP("c", ",'output':'{{result.nothing}}'") "]}",
	    "{'t':true}");
	wake(&w);
	assert_str(told(&w), "started; step.started a [a]");
	done(&w, "a", "{'status_code':200,'json':{'id':4}}");
	assert_json(&w, *mr_value_get(&w.out.facts[0].data, "output"), "{'n':4,'m':4,'t':true}");
	assert_json(&w, line_of(&w), "{'message':'8','level':'info'}");
	assert_str(told(&w), "step.completed a; step.completed b; step.started c [c]");
	done(&w, "c", "{}");
	assert_str(told(&w), "step.failed c; failed");
	world_end(&w);
}

/* ---- skipping and branches ---- */

static void when_skips_and_goes_on(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[" NOOP("a", ",'when':'{{trigger.n}} > 5'") "," NOOP(
	        "b", ",'when':{'n':{'$lt':5}}") "," NOOP("c", "") "]}",
	    "{'n':3}");
	wake(&w);
	assert_json(&w, w.out.facts[1].data, "{'type':'noop','order':1,'reason':'when'}");
	assert_str(
	    told(&w), "started; step.skipped a; step.completed b; step.completed c; completed");
	assert_json(&w, mr_run_result(w.run), "{'b':{},'c':{}}");
	world_end(&w);
	world_begin(&w, "{'steps':[" NOOP("a", ",'when':'n'") "]}", "{'n':2}");
	wake(&w);
	assert_str(told(&w), "started; step.failed a; failed");
	world_end(&w);
}

static void branches_by_name(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'k','type':'conditional','config':{'condition':'n > 1',"
	    "'true_action':'yes','false_action':'no'}}," NOOP("yes", "") "," NOOP(
	        "no", "") "," NOOP("after_no", "") "," NOOP("end",
	        ",'depends_on':['yes','after_no']") "]}",
	    "{'n':2}");
	wake(&w);
	assert_json(&w, w.out.facts[1].data,
	    "{'type':'conditional','order':1,'input':{'condition':'n > 1'},'output':"
	    "{'condition':true,'branch':'true','result':null},'branch':'true'}");
	assert_str(told(&w), "started; step.completed k; step.completed yes; step.skipped no; "
	                     "step.skipped after_no; step.completed end; completed");
	world_end(&w);

	/* neither when the conditional itself was skipped */
	world_begin(&w,
	    "{'steps':[{'name':'k','type':'conditional','when':'false','config':{'condition':'true'"
	    ","
	    "'true_action':'yes'}}," NOOP("yes", "") "," NOOP("z", ",'depends_on':['k']") "]}",
	    "{}");
	wake(&w);
	assert_str(
	    told(&w), "started; step.skipped k; step.skipped yes; step.completed z; completed");
	world_end(&w);
}

#define INNER                                                                                      \
	"{'steps':[{'name':'k','type':'conditional','config':{'condition':'n > "                   \
	"1','true_action':[" HTTP("h", "") "," LOG("l", "{{steps.h.json}} {{trigger.n}}",          \
	    "") "],"                                                                               \
	        "'false_action':{'type':'noop'}}}," LOG(                                           \
	            "z", "{{steps.k.branch}} {{steps.k.result.message ?? 0}}", "") "]}"

static void inner_steps(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, INNER, "{'n':2}");
	wake(&w);
	assert_json(&w, w.out.facts[1].data,
	    "{'type':'conditional','order':1,"
	    "'input':{'condition':'n > 1'},'branch':'true'}");
	assert_int_equal(*(&mr_value_get(&w.out.facts[2].data, "order")->i), 0);
	assert_str(told(&w), "started; step.started k; step.started k/h [k/h]");
	done(&w, "k/h", "{'json':7}");
	assert_str(told(&w), "step.completed k/h; step.completed k/l; step.completed k; "
	                     "step.completed z; completed");
	assert_json(&w, mr_run_result(w.run),
	    "{'k':{'condition':true,'branch':'true','result':{'message':'7 2','level':'info'}},"
	    "'z':{'message':'true 7 2','level':'info'}}");
	world_end(&w);

	world_begin(&w, INNER, "{'n':0}");
	wake(&w);
	assert_str(told(&w), "started; step.started k; step.completed k/noop_1; step.completed k; "
	                     "step.completed z; completed");
	world_end(&w);

	/* an action that isn't there */
	world_begin(&w,
	    "{'steps':[{'name':'k','type':'conditional','config':{'condition':'false',"
	    "'true_action':{'type':'noop'}}}]}",
	    "{}");
	wake(&w);
	assert_str(told(&w), "started; step.completed k; completed");
	world_end(&w);
}

static void a_failing_inner_step_fails_its_conditional(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'max_retries':0,'steps':[{'name':'k','type':'conditional','on_error':'continue',"
	    "'config':{'condition':'true','true_action':[" HTTP("h", "") "," HTTP(
	        "i", ",'depends_on':[]") "," NOOP("j", "") "]}}," LOG("z",
	        "{{meta.k.status}} {{meta.k.error.step}}", "") "]}",
	    "{}");
	wake(&w);
	assert_str(
	    told(&w), "started; step.started k; step.started k/h; step.started k/i [k/h] [k/i]");
	failed(&w, "k/h", "connect");
	assert_json(&w, line_of(&w), "{'message':'failed k/h','level':'info'}");
	assert_str(told(&w),
	    "step.failed k/h; step.cancelled k/i; step.failed k; step.completed z; "
	    "completed [-k/i]");
	world_end(&w);
}

static void a_conditional_can_be_retried_whole(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'k','type':'conditional','max_retries':1,'retry':{'delay':0},"
	    "'config':{'condition':'true','true_action':[" NOOP("n", "") "," HTTP(
	        "h", ",'max_retries':0") "]}}]}",
	    "{}");
	wake(&w);
	assert_str(told(&w), "started; step.started k; step.completed k/n; step.started k/h [k/h]");
	failed(&w, "k/h", "connect");
	assert_str(told(&w), "step.failed k/h; step.retrying k; step.started k#2; "
	                     "step.completed k/n; step.started k/h [k/h]");
	done(&w, "k/h", "{}");
	assert_str(told(&w), "step.completed k/h; step.completed k#2; completed");
	world_end(&w);
}

/* ---- failures ---- */

static void retries_then_fails(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[" HTTP("a", ",'max_retries':2,'retry':{'jitter':false,"
	                           "'max_delay':'1500ms'}") "]}",
	    "{}");
	wake(&w);
	assert_str(told(&w), "started; step.started a [a]");
	failed(&w, "a", "http.503");
	assert_json(&w, w.out.facts[0].data,
	    "{'error':{'type':'http.503','message':'m','step':'a','attempt':1},"
	    "'next_at':'2026-01-01T00:00:01Z'}");
	assert_str(told(&w), "step.retrying a");
	assert_int_equal(mr_run_in_flight(w.run), 0);
	assert_int_equal(mr_run_wake_at(w.run), WORLD_BEGIN + SECOND);
	w.now += SECOND - 1;
	wake(&w);
	assert_str(told(&w), "");
	w.now += 1;
	wake(&w);
	assert_int_equal(w.out.effects[0].attempt, 2);
	assert_int_equal(w.out.effects[0].step_execution_id, 1002);
	assert_str(w.out.effects[0].idempotency_key, "77/a/0");
	assert_str(told(&w), "step.started a#2 [a]");
	failed(&w, "a", "http.503"); /* the first attempt's, late */
	assert_str(told(&w), "");
	failed_attempt(&w, "a", 2, "timeout");
	assert_str(told(&w), "step.retrying a#2");
	assert_int_equal(mr_run_wake_at(w.run), w.now + 1500000);
	w.now += 2 * SECOND;
	wake(&w);
	assert_str(told(&w), "step.started a#3 [a]");
	failed_attempt(&w, "a", 3, "timeout");
	assert_str(told(&w), "step.failed a#3; failed");
	assert_json(
	    &w, mr_run_error(w.run), "{'type':'timeout','message':'m','step':'a','attempt':3}");
	world_end(&w);
}

static void what_is_retried(void **state)
{
	static const struct {
		const char *retry, *type;
		bool again;
	} cases[] = {
		{ "", "connect", true },
		{ "", "http.500", true },
		{ "", "http.404", false },
		{ "", "http.408", true },
		{ "", "http.429", true },
		{ "", "validation", false },
		{ "", "expression", false },
		{ "", "limit", true },
		{ ",'retry':{'on':['http.5xx']}", "http.500", true },
		{ ",'retry':{'on':['http.5xx']}", "connect", false },
		{ ",'retry':{'on':['http.4xx']}", "http.404", true },
		{ ",'retry':{'on':['*']}", "validation", true },
		{ ",'retry':{'on':['*'],'not_on':['http.501']}", "http.501", false },
		{ ",'retry':{'not_on':['tls']}", "tls", false },
		{ ",'retry':{'not_on':['tls']}", "connect", true },
		{ ",'max_retries':0", "connect", false },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char text[300];
		struct world w;

		(void)snprintf(text, sizeof(text), "{'steps':[%s%s}]}",
		    "{'name':'a','type':'http_request','config':{'url':'https://x/'}",
		    cases[i].retry);
		world_begin(&w, text, "{}");
		wake(&w);
		(void)told(&w);
		failed(&w, "a", cases[i].type);
		if ((w.out.facts[0].kind == MR_FACT_STEP_RETRYING) != cases[i].again)
			fail_msg("%s %s", cases[i].retry, cases[i].type);
		world_end(&w);
	}
}

static void the_step_may_forbid_a_retry(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "{'steps':[" HTTP("a", "") "]}", "{}");
	wake(&w);
	(void)told(&w);
	advance(
	    &w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_STEP_FAILED,
	            .step_execution_id = w.execution[0],
	            .attempt = 1,
	            .data = world_json(w.graph_arena,
	                "{'type':'http.500','message':'m','status_code':500,'data':{'x':[1]}}") });
	assert_str(told(&w), "step.failed a; failed");
	assert_json(&w, mr_run_error(w.run),
	    "{'type':'http.500','message':'m','step':'a',"
	    "'attempt':1,'status_code':500,'data':{'x':[1]}}");
	world_end(&w);
}

static void a_failure_cancels_what_runs_beside(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[" HTTP("a", ",'max_retries':0") "," HTTP(
	        "b", ",'depends_on':[]") ",{'name':'d','type':'delay','depends_on':[],'config':{'"
	                                 "seconds':60}}," NOOP("c", ",'depends_on':['a']") "]}",
	    "{}");
	wake(&w);
	assert_str(told(&w), "started; step.started a; step.started b; step.waiting d [a] [b]");
	failed(&w, "a", "connect");
	assert_json(&w, w.out.facts[1].data, "{'type':'delay','order':3,'reason':'failed'}");
	assert_str(told(&w), "step.failed a; step.cancelled d; step.cancelled b; failed [-b]");
	assert_int_equal(mr_run_in_flight(w.run), 0);
	world_end(&w);
}

static void a_handled_failure_lets_others_go_on(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'max_retries':0,'steps':[" HTTP("a", ",'on_error':'continue'") "," LOG(
	        "b", "{{meta.a.status}} {{meta.a.error.type}} {{steps.a ?? 1}}", "") "]}",
	    "{}");
	wake(&w);
	(void)told(&w);
	failed(&w, "a", "connect");
	assert_json(&w, line_of(&w), "{'message':'failed connect 1','level':'info'}");
	assert_str(told(&w), "step.failed a; step.completed b; completed");
	assert_json(
	    &w, mr_run_result(w.run), "{'b':{'message':'failed connect 1','level':'info'}}");
	world_end(&w);
}

static void an_output_that_fails_fails_the_run(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "{'output':'{{trigger.x}}','steps':[" NOOP("a", "") "]}", "{}");
	wake(&w);
	assert_str(told(&w), "started; step.completed a; failed");
	assert_int_equal(mr_run_result(w.run).kind, MR_VALUE_NULL);
	/* with other input it can be mended */
	retried(&w, "{'by':'ann','input':{'x':9}}");
	wake(&w);
	assert_str(told(&w), "completed");
	assert_json(&w, mr_run_result(w.run), "9");
	world_end(&w);
}

/* ---- time ---- */

static void delays(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'a','type':'delay','config':{'seconds':'1500ms'}},"
	    "{'name':'b','type':'delay','config':{'until':'{{trigger.t}}'}},"
	    "{'name':'c','type':'delay','config':{'until':'2020-01-01T00:00:00Z'}},"
	    "{'name':'d','type':'delay','config':{'seconds':'{{trigger.n}}'}}]}",
	    "{'t':'2026-01-01T00:01:00Z','n':0}");
	wake(&w);
	assert_json(&w, w.out.facts[1].data,
	    "{'type':'delay','order':1,'until':'2026-01-01T00:00:01.5Z','input':{'seconds':'1500ms'"
	    "}}");
	assert_str(told(&w), "started; step.waiting a");
	assert_int_equal(mr_run_wake_at(w.run), WORLD_BEGIN + 1500000);
	w.now += 2 * SECOND;
	wake(&w);
	assert_int_equal(w.out.facts[0].duration_us, 2 * SECOND);
	assert_json(
	    &w, w.out.facts[0].data, "{'type':'delay','order':1,'output':{'waited_seconds':1.5}}");
	assert_str(told(&w), "step.completed a; step.waiting b");
	assert_int_equal(mr_run_wake_at(w.run), WORLD_BEGIN + 60 * SECOND);
	w.now = mr_run_wake_at(w.run);
	wake(&w);
	assert_str(told(&w), "step.completed b; step.completed c; step.completed d; completed");
	assert_json(&w, mr_run_result(w.run),
	    "{'a':{'waited_seconds':1.5},'b':{'waited_seconds':58},'c':{'waited_seconds':0},"
	    "'d':{'waited_seconds':0}}");
	world_end(&w);

	world_begin(&w,
	    "{'steps':[{'name':'a','type':'delay','config':{'seconds':'{{trigger.n}}'}}]}",
	    "{'n':'soon'}");
	wake(&w);
	assert_str(told(&w), "started; step.failed a; failed");
	world_end(&w);
}

/* Of the definition's timeout and the run's own the shorter one counts. */
static void a_timeout_of_its_own(void **state)
{
	static const struct {
		const char *definition;
		int64_t own_us, us;
	} cases[] = {
		{ "{'steps':[" HTTP("a", "") "]}", 3 * SECOND, 3 * SECOND },
		{ "{'timeout_seconds':10,'steps':[" HTTP("a", "") "]}", 3 * SECOND, 3 * SECOND },
		{ "{'timeout_seconds':10,'steps':[" HTTP("a", "") "]}", 30 * SECOND, 10 * SECOND },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct world w;

		world_begin(&w, cases[i].definition, "{}");
		w.info.timeout_us = cases[i].own_us;
		w.run = world_run(&w, w.arena, &w.ids);
		wake(&w);
		(void)told(&w);
		assert_int_equal(mr_run_wake_at(w.run), WORLD_BEGIN + cases[i].us);
		w.now += cases[i].us;
		wake(&w);
		assert_str(told(&w), "step.cancelled a; timed_out [-a]");
		retried(&w, "{'by':'ann'}");
		wake(&w);
		assert_int_equal(mr_run_wake_at(w.run), w.now + cases[i].us);
		world_end(&w);
	}
}

static void runs_time_out(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'timeout_seconds':10,'steps':[" HTTP("a", "") "," HTTP(
	        "b", "") ","
	                 "{'name':'d','type':'delay','depends_on':[],'config':{'seconds':5}}]}",
	    "{}");
	wake(&w);
	(void)told(&w);
	assert_int_equal(mr_run_wake_at(w.run), WORLD_BEGIN + 5 * SECOND);
	w.now += 5 * SECOND;
	wake(&w);
	assert_str(told(&w), "step.completed d");
	assert_int_equal(mr_run_wake_at(w.run), WORLD_BEGIN + 10 * SECOND);
	w.now += 6 * SECOND;
	/* what ended well is kept; nothing is started any more */
	done(&w, "a", "{}");
	assert_str(told(&w), "step.completed a; timed_out");
	assert_status(&w, "timed_out");
	assert_str(
	    mr_value_get_str(
	        &(struct mr_value){ MR_VALUE_MAP, { .map = mr_run_error(w.run).map } }, "type"),
	    "timeout");
	/* taken up again, it has its whole time again */
	retried(&w, "{'by':'ann'}");
	wake(&w);
	assert_str(told(&w), "step.started b [b]");
	assert_int_equal(mr_run_wake_at(w.run), w.now + 10 * SECOND);
	w.now += 10 * SECOND;
	wake(&w);
	assert_str(told(&w), "step.cancelled b; timed_out [-b]");
	world_end(&w);
}

/* ---- commands ---- */

static void cancelling(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, INNER, "{'n':2}");
	wake(&w);
	(void)told(&w);
	command(&w, MR_RUN_EVENT_CANCEL);
	assert_json(&w, data_of(&w, MR_FACT_CANCELLED), "{'by':'ann','reason':'r'}");
	assert_str(told(&w), "step.cancelled k/h; step.cancelled k; cancelled [-k/h]");
	assert_status(&w, "cancelled");
	done(&w, "k/h", "{}");
	assert_str(told(&w), "");
	assert_int_equal(mr_run_wake_at(w.run), 0);
	world_end(&w);

	/* before it ever started */
	world_begin(&w, INNER, "{'n':2}");
	command(&w, MR_RUN_EVENT_CANCEL);
	assert_str(told(&w), "cancelled");
	retried(&w, "{}");
	wake(&w);
	assert_str(told(&w), "started; step.started k; step.started k/h [k/h]");
	world_end(&w);
}

static void pausing(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'timeout_seconds':100,'max_retries':1,'steps':[" HTTP("a", "") "," NOOP(
	        "b", "") ",{'name':'d','type':'delay','depends_on':[],'config':"
	                 "{'seconds':5}}," HTTP("e", ",'depends_on':[]") "]}",
	    "{}");
	wake(&w);
	(void)told(&w);
	command(&w, MR_RUN_EVENT_PAUSE);
	assert_json(&w, w.out.facts[0].data, "{'by':'ann','reason':'r'}");
	assert_str(told(&w), "paused");
	assert_status(&w, "paused");
	assert_int_equal(mr_run_wake_at(w.run), 0);
	command(&w, MR_RUN_EVENT_PAUSE);
	assert_str(told(&w), "");
	/* what is under way ends and is recorded; nothing follows */
	w.now += 20 * SECOND;
	done(&w, "a", "{}");
	failed(&w, "e", "connect");
	wake(&w);
	assert_str(told(&w), "step.completed a; step.retrying e");
	command(&w, MR_RUN_EVENT_RESUME);
	assert_json(&w, w.out.facts[0].data, "{'by':'ann'}");
	assert_str(told(&w), "resumed; step.completed b; step.completed d");
	assert_status(&w, "running");
	/* the pause doesn't count against the timeout */
	w.now += 90 * SECOND;
	wake(&w);
	assert_str(told(&w), "step.started e#2 [e]");
	command(&w, MR_RUN_EVENT_RESUME);
	assert_str(told(&w), "");
	done_attempt(&w, "e", 2, "{}");
	assert_str(told(&w), "step.completed e#2; completed");
	world_end(&w);
}

static void pausing_before_the_start_and_at_the_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "{'steps':[" HTTP("a", ",'max_retries':0") "]}", "{}");
	command(&w, MR_RUN_EVENT_PAUSE);
	wake(&w);
	assert_str(told(&w), "paused");
	command(&w, MR_RUN_EVENT_RESUME);
	assert_str(told(&w), "resumed; started; step.started a [a]");
	command(&w, MR_RUN_EVENT_PAUSE);
	failed(&w, "a", "connect");
	assert_str(told(&w), "paused; step.failed a");
	assert_status(&w, "paused");
	command(&w, MR_RUN_EVENT_RESUME);
	assert_str(told(&w), "resumed; failed");
	world_end(&w);

	world_begin(&w, "{'steps':[" HTTP("a", "") "]}", "{}");
	wake(&w);
	command(&w, MR_RUN_EVENT_PAUSE);
	command(&w, MR_RUN_EVENT_CANCEL);
	assert_str(
	    told(&w), "started; step.started a; paused; step.cancelled a; cancelled [a] [-a]");
	world_end(&w);
}

static void poison(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "{'steps':[" HTTP("a", "") "]}", "{}");
	wake(&w);
	(void)told(&w);
	advance(&w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_FAIL,
	                .data = world_json(w.graph_arena, "{'type':'internal','message':'no'}") });
	assert_str(told(&w), "step.cancelled a; failed [-a]");
	assert_json(&w, mr_run_error(w.run), "{'type':'internal','message':'no'}");
	world_end(&w);
}

/* ---- retried runs ---- */

static void retried_from_what_failed(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'max_retries':0,'steps':[" NOOP("a", "") "," HTTP("b", "") "," HTTP(
	        "c", ",'depends_on':['a']") "," NOOP("d", ",'depends_on':['b','c']") "]}",
	    "{}");
	wake(&w);
	failed(&w, "b", "connect");
	assert_str(told(&w), "started; step.completed a; step.started b; step.started c; "
	                     "step.failed b; step.cancelled c; failed [b] [c] [-c]");
	retried(&w, "{'by':'ann'}");
	assert_int_equal(mr_run_error(w.run).kind, MR_VALUE_NULL);
	wake(&w);
	/* a new execution, from attempt 1 */
	assert_int_equal(w.out.facts[0].attempt, 1);
	assert_int_equal(w.out.facts[0].step_execution_id, w.out.facts[0].id);
	assert_str(told(&w), "step.started b; step.started c [b] [c]");
	done(&w, "b", "{}");
	done(&w, "c", "{}");
	assert_str(told(&w), "step.completed b; step.completed c; step.completed d; completed");
	/* from a step on, even of a run that ended well */
	retried(&w, "{'from_step':'c'}");
	wake(&w);
	assert_str(told(&w), "step.started c [c]");
	done(&w, "c", "{}");
	assert_str(told(&w), "step.completed c; step.completed d; completed");
	/* a name that nobody has is no reason to refuse the journal */
	retried(&w, "{'from_step':'nowhere'}");
	wake(&w);
	assert_str(told(&w), "completed");
	world_end(&w);
}

#define NESTED                                                                                     \
	"{'max_retries':0,'steps':[{'name':'k','type':'conditional','config':{'condition':'true'," \
	"'true_action':[" HTTP("a", "") "," HTTP("b", "") "," HTTP("c", "") "]}}," NOOP(           \
	    "z", "") "]}"

static void retried_inside_a_conditional(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, NESTED, "{}");
	wake(&w);
	done(&w, "k/a", "{}");
	failed(&w, "k/b", "connect");
	(void)told(&w);
	/* inner steps that ended well are not done again */
	retried(&w, "{}");
	wake(&w);
	assert_str(told(&w), "step.started k; step.started k/b [k/b]");
	done(&w, "k/b", "{}");
	done(&w, "k/c", "{}");
	assert_str(told(&w), "step.completed k/b; step.started k/c; step.completed k/c; "
	                     "step.completed k; step.completed z; completed [k/c]");
	retried(&w, "{'from_step':'k/b'}");
	wake(&w);
	assert_str(told(&w), "step.started k; step.started k/b [k/b]");
	done(&w, "k/b", "{}");
	assert_str(told(&w), "step.completed k/b; step.started k/c [k/c]");
	done(&w, "k/c", "{}");
	assert_str(told(&w), "step.completed k/c; step.completed k; step.completed z; completed");
	retried(&w, "{'from_step':'k'}");
	wake(&w);
	assert_str(told(&w), "step.started k; step.started k/a [k/a]");
	world_end(&w);
}

/* ---- takeover ---- */

static void effects_are_taken_up_again(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'a','type':'http_request','config':"
	    "{'url':'https://x/{{now()}}','data':'{{secrets.T}}'}}," NOOP("b", "") "]}",
	    "{}");
	w.secrets = world_json(w.graph_arena, "{'T':'s'}");
	w.now += 5 * SECOND;
	wake(&w);
	(void)told(&w);
	w.now += 100 * SECOND;
	assert_int_equal(mr_run_restart_effects(w.run, w.now, &w.out), 0);
	assert_int_equal(w.out.effects[0].attempt, 1);
	assert_int_equal(w.out.effects[0].step_execution_id, 1002);
	assert_str(w.out.effects[0].idempotency_key, "77/a/0");
	/* as it was rendered then */
	assert_json(
	    &w, w.out.effects[0].config, "{'url':'https://x/2026-01-01T00:00:05Z','data':'s'}");
	assert_str(told(&w), " [a]");
	w.secrets = MR_NULL_VALUE;
	assert_int_equal(mr_run_restart_effects(w.run, w.now, &w.out), 0);
	assert_str(told(&w), "step.failed a; failed");
	world_end(&w);
}

static void impossible_facts(void **state)
{
	static const struct {
		enum mr_fact_kind kind;
		int step;
		unsigned attempt, seq;
		const char *data;
	} cases[] = {
		{ MR_FACT_STEP_COMPLETED, 1, 1, 4, "{}" },  /* not begun, not its turn */
		{ MR_FACT_STEP_COMPLETED, 0, 2, 4, "{}" },  /* another attempt */
		{ MR_FACT_STEP_COMPLETED, 0, 1, 5, "{}" },  /* a gap */
		{ MR_FACT_STEP_COMPLETED, 0, 1, 3, "{}" },  /* again */
		{ MR_FACT_STEP_COMPLETED, -1, 1, 4, "{}" }, /* of no step */
		{ MR_FACT_STEP_COMPLETED, 9, 1, 4, "{}" },
		{ MR_FACT_STEP_STARTED, 0, 1, 4, "{}" }, /* twice */
		{ MR_FACT_STEP_STARTED, 1, 1, 4, "{}" },
		{ MR_FACT_STEP_WAITING, 1, 1, 4, "{}" }, /* no time */
		{ MR_FACT_STEP_WAITING, 0, 1, 4, "{'until':'2026-01-01T00:00:00Z'}" },
		{ MR_FACT_STEP_RETRYING, 0, 1, 4, "{}" }, /* no time */
		{ MR_FACT_STEP_SKIPPED, 0, 1, 4, "{'reason':'when'}" },
		{ MR_FACT_STEP_SKIPPED, 1, 1, 4, "{'reason':'mood'}" },
		{ MR_FACT_STEP_CANCELLED, 1, 1, 4, "{}" }, /* not active */
		{ MR_FACT_CREATED, -1, 0, 4, "{}" },
		{ MR_FACT_STARTED, -1, 0, 4, "{}" },
		{ MR_FACT_RESUMED, -1, 0, 4, "{}" },
		{ MR_FACT_COMPLETED, -1, 0, 4, "{}" }, /* steps are left */
		{ MR_FACT_RETRIED, -1, 0, 4, "{}" },   /* not ended */
		{ (enum mr_fact_kind)99, -1, 0, 4, "{}" },
	};
	struct world w;
	struct mr_value before, after;

	(void)state;
	world_begin(&w, "{'steps':[" HTTP("a", "") "," NOOP("b", "") "]}", "{}");
	wake(&w);
	(void)told(&w);
	assert_int_equal(mr_run_snapshot(w.run, w.arena, &before), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_fact f = { .kind = cases[i].kind,
			.step = cases[i].step,
			.attempt = cases[i].attempt,
			.seq = cases[i].seq,
			.at_us = w.now,
			.data = world_json(w.graph_arena, cases[i].data) };

		if (mr_run_apply(w.run, &f) != MR_E_INVALID)
			fail_msg("case %zu was taken", i);
		assert_int_equal(mr_run_snapshot(w.run, w.arena, &after), 0);
		assert_true(mr_value_eq(&before, &after));
	}
	world_end(&w);
}

static void snapshots_that_do_not_fit(void **state)
{
	static const char *const cases[] = { "{}", "[]",
		"{'v':2,'seq':1,'status':'running','steps':{}}",
		"{'v':1,'seq':1,'status':'odd','steps':{}}",
		"{'v':1,'seq':-1,'status':'running','steps':{}}",
		"{'v':1,'seq':1,'status':'running'}",
		"{'v':1,'seq':1,'status':'running','steps':{'nowhere':{'status':'failed'}}}",
		"{'v':1,'seq':1,'status':'running','steps':{'a':{'status':'odd'}}}",
		"{'v':1,'seq':1,'status':'running','steps':{'a':{}}}" };
	struct world w;

	(void)state;
	world_begin(&w, "{'steps':[" NOOP("a", "") "]}", "{}");
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_value v = world_json(w.graph_arena, cases[i]);
		struct mr_run *run = NULL;

		assert_int_equal(
		    mr_run_create(w.arena, w.g, &w.info, world_next_id, &w.ids, &run), 0);
		if (mr_run_restore(run, &v) != MR_E_INVALID)
			fail_msg("%s", cases[i]);
	}
	world_end(&w);
}

/* ---- values ---- */

/* A list in a list in a list … */
static struct mr_value nested(struct mr_arena *a, unsigned depth)
{
	struct mr_value v = mr_value_int(1);

	for (unsigned i = 0; i < depth; i++) {
		struct mr_list *l = mr_list_create(a, 1);

		assert_non_null(l);
		l->items[0] = v;
		v = mr_value_list(l);
	}
	return v;
}

static struct mr_value one_member(struct mr_arena *a, struct mr_value key, struct mr_value value)
{
	struct mr_map *m = mr_map_create(a, 1);

	assert_non_null(m);
	m->members[0] = (struct mr_member){ .key = key, .value = value };
	assert_int_equal(mr_map_seal(a, m), 0);
	return mr_value_map(m);
}

static void results_become_json(void **state)
{
	static const char nul[] = "a\0b";
	const struct mr_value text = { MR_VALUE_STRING, { .s = { nul, 3 } } };
	struct mr_arena *a = mr_arena_create(8u << 20);
	const struct {
		struct mr_value result;
		const char *want; /* NULL: refused */
	} cases[] = {
		{ mr_value_timestamp(WORLD_BEGIN), "'2026-01-01T00:00:00Z'" },
		{ mr_value_duration(1500000), "'1.5s'" },
		{ mr_value_uint(7), "7" },
		{ mr_value_uint(UINT64_MAX), NULL },
		{ mr_value_double(0.0 / mr_value_double(0).d), "'NaN'" },
		{ mr_value_bytes(MR_STR("abc")), "'YWJj'" },
		{ text, NULL },
		{ one_member(a, mr_value_int(5), mr_value_bool(true)), "{'5':true}" },
		{ one_member(a, text, mr_value_bool(true)), NULL },
		{ one_member(a, mr_value_strz("x"), mr_value_uint(1)), "{'x':1}" },
		{ nested(a, 3), "[[[1]]]" },
		{ nested(a, 600), NULL },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct world w;

		world_begin(&w, "{'steps':[" HTTP("a", "") "]}", "{}");
		wake(&w);
		advance(&w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_STEP_DONE,
		                .step_execution_id = w.execution[0],
		                .attempt = 1,
		                .data = cases[i].result });
		if (cases[i].want != NULL)
			assert_json(
			    &w, *mr_value_get(&w.out.facts[2].data, "output"), cases[i].want);
		else
			assert_status(&w, "failed");
		world_end(&w);
	}
	a = mr_arena_free(a);
}

static void errors_become_json(void **state)
{
	static const char nul[] = "a\0b";
	struct mr_map *m;
	struct world w;

	(void)state;
	world_begin(&w, "{'max_retries':0,'steps':[" HTTP("a", "") "]}", "{}");
	wake(&w);
	m = mr_map_create(w.graph_arena, 3);
	assert_non_null(m);
	m->members[0].key = mr_value_strz("type");
	m->members[0].value = mr_value_str((struct mr_str){ nul, 3 });
	m->members[1].key = mr_value_strz("message");
	m->members[1].value = m->members[0].value;
	m->members[2].key = mr_value_strz("data");
	m->members[2].value = m->members[0].value;
	advance(&w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_STEP_FAILED,
	                .step_execution_id = w.execution[0],
	                .attempt = 1,
	                .data = mr_value_map(m) });
	assert_json(
	    &w, mr_run_error(w.run), "{'type':'internal','message':'','step':'a','attempt':1}");
	world_end(&w);
}

static void what_config_cannot_be(void **state)
{
	static const struct {
		const char *step, *member;
	} cases[] = {
		{ "'type':'log','config':{'message':'m','level':'{{trigger.n}}'}", "level" },
		{ "'type':'log','config':{'message':'m','level':'{{trigger.s}}'}", "level" },
		{ "'type':'log','config':{'message':'{{\\'a\\\\u0000b\\'}}'}", "config" },
		{ "'type':'http_request','config':{'url':'https://x/'},"
		  "'idempotency_key':'{{trigger.x}}'",
		    "idempotency_key" },
		{ "'type':'data_transform','config':{'transformations':["
		  "{'type':'extract','path':'nowhere','key':'k'}]}",
		    "transformations" },
		{ "'type':'data_transform','config':{'source_data':'{{trigger.x}}',"
		  "'transformations':[{'type':'extract','path':'n','key':'k'}]}",
		    "source_data" },
		{ "'type':'conditional','config':{'condition':'trigger.n'}", "condition" },
		{ "'type':'delay','config':{'seconds':'{{trigger.x}}'}", "seconds" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char text[400];
		struct mr_value error;
		struct world w;

		(void)snprintf(text, sizeof(text), "{'steps':[{'name':'a',%s}]}", cases[i].step);
		world_begin(&w, text, "{'n':1,'s':'loud'}");
		wake(&w);
		assert_status(&w, "failed");
		error = mr_run_error(w.run);
		if (!mr_str_starts(mr_value_get_str(&error, "message"), mr_str(cases[i].member)))
			fail_msg("%s: %.*s", cases[i].step,
			    MR_STR_ARG(mr_value_get_str(&error, "message")));
		world_end(&w);
	}
}

static void timeouts_of_attempts(void **state)
{
	static const struct {
		const char *step, *config;
		int64_t us;
	} cases[] = {
		{ "", "", 0 },
		{ ",'timeout_seconds':9", "", 9 * SECOND },
		{ "", ",'timeout':'5s'", 5 * SECOND },
		{ ",'timeout_seconds':9", ",'timeout':5", 5 * SECOND },
		{ ",'timeouts':{'run':3}", ",'timeout':'{{trigger.t}}'", 3 * SECOND },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char text[300];
		struct world w;

		(void)snprintf(text, sizeof(text),
		    "{'steps':[{'type':'http_request','config':{'url':'https://x/'%s}%s}]}",
		    cases[i].config, cases[i].step);
		world_begin(&w, text, "{'t':60}");
		wake(&w);
		assert_int_equal(w.out.effects[0].timeout_us, cases[i].us);
		world_end(&w);
	}
}

#define TRANSFORM(more)                                                                            \
	"{'name':'t','type':'data_transform','config':{'transformations':["                        \
	"{'type':'extract','path':'v','key':'k'}]}" more "}"

static void what_a_transformation_works_on(void **state)
{
	struct world w;

	(void)state;
	/* the step before; a field of its json */
	world_begin(&w, "{'steps':[" HTTP("a", "") "," TRANSFORM("") "]}", "{'v':'input'}");
	wake(&w);
	done(&w, "a", "{'status_code':200,'json':{'v':'json'}}");
	assert_json(&w, mr_run_result(w.run),
	    "{'a':{'status_code':200,'json':{'v':'json'}},'t':{'k':'json','result':'json'}}");
	world_end(&w);
	/* back over one that was skipped */
	world_begin(&w,
	    "{'steps':[" HTTP("a", "") "," NOOP("s", ",'when':'false'") "," TRANSFORM("") "]}",
	    "{'v':'input'}");
	wake(&w);
	done(&w, "a", "{'v':'first'}");
	assert_json(
	    &w, *mr_value_get(&w.out.facts[4].data, "output"), "{'k':'first','result':'first'}");
	world_end(&w);
	/* none before, then out of a conditional */
	world_begin(&w, "{'steps':[" TRANSFORM("") "]}", "{'v':'input'}");
	wake(&w);
	assert_json(&w, mr_run_result(w.run), "{'t':{'k':'input','result':'input'}}");
	world_end(&w);
	world_begin(&w,
	    "{'steps':[" HTTP("a", "") ",{'name':'c','type':'conditional','config':{'condition':"
	                               "'true','true_action':[" TRANSFORM("") "]}}]}",
	    "{'v':'input'}");
	wake(&w);
	done(&w, "a", "{'v':'outer'}");
	assert_json(&w, mr_run_result(w.run),
	    "{'a':{'v':'outer'},'c':{'condition':true,'branch':'true',"
	    "'result':{'k':'outer','result':'outer'}}}");
	world_end(&w);
}

static void computed_names(void **state)
{
	struct world w;

	(void)state;
	/* inside a conditional: the block's own steps hide those around it that have their names */
	world_begin(&w,
	    "{'output':{'all':'{{steps}}'},'steps':[" LOG("a", "outer a", "") "," LOG("b",
	        "outer b",
	        "") ",{'name':'c','type':'conditional','config':{'condition':'true',"
	            "'true_action':[" LOG("a", "inner a", "") "," LOG("d",
	                "{{steps[trigger.x].message}} {{steps[trigger.y].message}} {{size(steps)}}",
	                "") "]},'output':1}]}",
	    "{'x':'a','y':'b'}");
	wake(&w);
	assert_json(&w, line_of(&w), "{'message':'inner a outer b 2','level':'info'}");
	assert_json(&w, mr_run_result(w.run),
	    "{'all':{'a':{'message':'outer a','level':'info'},"
	    "'b':{'message':'outer b','level':'info'},'c':1}}");
	world_end(&w);
}

/* ---- sizes and memory ---- */

static void many_steps_in_one_call(void **state)
{
	struct mr_buf b;
	struct world w;

	(void)state;
	mr_buf_init(&b, 1u << 20);
	mr_buf_addz(&b, "{'steps':[");
	for (int i = 0; i < 1000; i++)
		mr_buf_addf(&b,
		    "%s{'type':'log','name':'s%d','config':{'message':'{{trigger.n}}'}}",
		    i > 0 ? "," : "", i);
	mr_buf_addz(&b, "]}");
	world_begin(&w, b.p, "{'n':1}");
	mr_buf_done(&b);
	wake(&w);
	assert_int_equal(w.out.facts_len, 1002);
	assert_status(&w, "completed");
	world_end(&w);
}

/* All that a run can do, with each allocation failing in turn. */
static int64_t execution_of(const struct mr_run_out *out, int step)
{
	for (size_t i = out->facts_len; i > 0; i--)
		if (out->facts[i - 1].step == step)
			return out->facts[i - 1].step_execution_id;
	return 0;
}

static int play(struct world *w)
{
	static const struct {
		const char *step, *data;
		enum mr_run_event_kind kind;
	} events[] = {
		{ NULL, NULL, MR_RUN_EVENT_WAKE },
		{ NULL, "{'by':'a','reason':'b'}", MR_RUN_EVENT_PAUSE },
		{ "a", "{'json':{'id':1,'s':'text'}}", MR_RUN_EVENT_STEP_DONE },
		{ NULL, "{'by':'a'}", MR_RUN_EVENT_RESUME },
		{ NULL, NULL, MR_RUN_EVENT_WAKE },
		{ "k/h", "{'type':'connect','message':'no','data':{'x':1}}",
		    MR_RUN_EVENT_STEP_FAILED },
		{ NULL, NULL, MR_RUN_EVENT_WAKE },
	};
	struct mr_arena *arena = mr_arena_create(1u << 20), *out_arena = mr_arena_create(1u << 20);
	struct mr_fact created = { .kind = MR_FACT_CREATED, .step = -1, .seq = 1 };
	struct mr_run_out out = { .arena = out_arena };
	int64_t ids = 0, now = WORLD_BEGIN;
	struct mr_run *run = NULL, *copy;
	struct mr_value snapshot;
	int r = arena == NULL || out_arena == NULL ? MR_E_NOMEM : 0;

	if (r == 0)
		r = mr_run_create(arena, w->g, &w->info, world_next_id, &ids, &run);
	if (r == 0)
		r = mr_run_apply(run, &created);
	for (size_t i = 0; i < MR_ARRAY_LEN(events) && r == 0; i++) {
		struct mr_run_event ev = {
			.kind = events[i].kind, .attempt = 1, .retryable = true
		};

		if (events[i].step != NULL)
			ev.step_execution_id = execution_of(&out, step(w, events[i].step));
		if (events[i].data != NULL) {
			mr_arena_fail_after(0);
			ev.data = world_json(w->graph_arena, events[i].data);
			mr_arena_fail_after((unsigned long)w->ids);
		}
		now += 3 * SECOND;
		r = mr_run_advance(run, &ev, now, &w->rand, &out);
	}
	if (r == 0)
		r = mr_run_snapshot(run, out_arena, &snapshot);
	if (r == 0)
		r = mr_run_create(arena, w->g, &w->info, world_next_id, &ids, &copy);
	if (r == 0)
		r = mr_run_restore(copy, &snapshot);
	if (r == 0)
		r = mr_run_restart_effects(copy, now, &out);
	arena = mr_arena_free(arena);
	out_arena = mr_arena_free(out_arena);
	return r;
}

static void out_of_memory(void **state)
{
	struct world w;
	unsigned long n, failures = 0;

	(void)state;
	world_begin(&w,
	    "{'output':'{{steps.a.id}}','steps':["
	    "{'name':'a','type':'http_request','idempotency_key':'{{trigger.n}}','config':"
	    "{'url':'https://{{secrets.T}}/"
	    "','data':{'n':'{{trigger.n}}'}},'output':'{{result.json}}'},"
	    "{'name':'l','type':'log','when':'steps.a.id == 1','config':{'message':'{{steps.a}}'}},"
	    "{'name':'w','type':'delay','config':{'seconds':2}},"
	    "{'name':'k','type':'conditional','config':{'condition':'true','true_action':[" HTTP(
	        "h", ",'retry':{'delay':'1s'}") "]}}]}",
	    "{'n':1}");
	w.secrets = world_json(w.graph_arena, "{'T':'t'}");
	for (n = 1; n < 5000; n++) {
		int r;

		/* play() sets it again after its own parsing: so the N-th of each stretch fails */
		w.ids = (int64_t)n;
		mr_arena_fail_after(n);
		r = play(&w);
		mr_arena_fail_after(0);
		if (r == 0)
			break;
		failures++;
		if (r != MR_E_NOMEM)
			fail_msg("allocation %lu: %d", n, r);
	}
	assert_true(failures > 20 && n < 5000);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_steps_run_straight_on),
		cmocka_unit_test(effects_start_after_their_fact),
		cmocka_unit_test(steps_beside_each_other),
		cmocka_unit_test(names_in_expressions),
		cmocka_unit_test(a_missing_value_fails_the_step),
		cmocka_unit_test(secrets_are_used_and_not_shown),
		cmocka_unit_test(secrets_are_not_told_by_errors),
		cmocka_unit_test(outputs_are_shaped),
		cmocka_unit_test(when_skips_and_goes_on),
		cmocka_unit_test(branches_by_name),
		cmocka_unit_test(inner_steps),
		cmocka_unit_test(a_failing_inner_step_fails_its_conditional),
		cmocka_unit_test(a_conditional_can_be_retried_whole),
		cmocka_unit_test(retries_then_fails),
		cmocka_unit_test(what_is_retried),
		cmocka_unit_test(the_step_may_forbid_a_retry),
		cmocka_unit_test(a_failure_cancels_what_runs_beside),
		cmocka_unit_test(a_handled_failure_lets_others_go_on),
		cmocka_unit_test(an_output_that_fails_fails_the_run),
		cmocka_unit_test(delays),
		cmocka_unit_test(a_timeout_of_its_own),
		cmocka_unit_test(runs_time_out),
		cmocka_unit_test(cancelling),
		cmocka_unit_test(pausing),
		cmocka_unit_test(pausing_before_the_start_and_at_the_end),
		cmocka_unit_test(poison),
		cmocka_unit_test(retried_from_what_failed),
		cmocka_unit_test(retried_inside_a_conditional),
		cmocka_unit_test(effects_are_taken_up_again),
		cmocka_unit_test(impossible_facts),
		cmocka_unit_test(snapshots_that_do_not_fit),
		cmocka_unit_test(results_become_json),
		cmocka_unit_test(errors_become_json),
		cmocka_unit_test(what_config_cannot_be),
		cmocka_unit_test(timeouts_of_attempts),
		cmocka_unit_test(what_a_transformation_works_on),
		cmocka_unit_test(computed_names),
		cmocka_unit_test(many_steps_in_one_call),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
