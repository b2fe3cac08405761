/* Definitions: dialects, order, faults with their paths, limits, the normal form. */
#include "graph_doc.h"

/* ---- dialects and order ---- */

#define NOOP(name) "{'name':'" name "','type':'noop'}"
#define LOG(name)  "{'name':'" name "','type':'log','config':{'message':'m'}}"

static const struct {
	const char *name, *text, *order;
} orders[] = {
	{ "steps", "{'steps':[" NOOP("a") "," NOOP("b") "]}", "a:; b: a" },
	{ "definition.steps", "{'definition':{'steps':[" NOOP("a") "]}}", "a:" },
	{ "workflow_config.steps", "{'name':'w','workflow_config':{'steps':[" NOOP("a") "]}}",
	    "a:" },
	{ "template_config.steps",
	    "{'template_config':{'steps':[{'type':'http_request','config':{'url':''}}]}}",
	    "http_request_1:" },
	{ "steps as an object", "{'steps':{'a':{'type':'noop'},'b b':{'type':'noop'}}}",
	    "a:; b b: a" },
	{ "process_steps",
	    "{'process_steps':[{'step':1,'name':'A','action':'noop','conditions':{}},"
	    "{'step':2,'name':'B','action':'log','config':{'message':'x'},"
	    "'conditions':{'amount':{'$gt':10}}}],'settings':{'timeout':300,'max_retries':3}}",
	    "A:; B: A" },
	{ "the same twice", "{'steps':[" NOOP("a") "],'workflow_config':{'steps':[" NOOP("a") "]}}",
	    "a:" },
	{ "default names",
	    "{'steps':[{'type':'noop'},{'type':'log','config':{'message':1}},"
	    "{'name':'noop_3','type':'noop'},{'type':'noop'}]}",
	    "noop_1:; log_2: noop_1; noop_3: log_2; noop_4: noop_3" },
	{ "a default name that is taken",
	    "{'steps':[{'name':'noop_2','type':'noop'},{'type':'noop'}]}",
	    "noop_2:; noop_3: noop_2" },
	{ "id is the name", "{'steps':[{'id':'x','type':'noop'},{'id':'y','action':'noop'}]}",
	    "x:; y: x" },
	{ "depends_on",
	    "{'steps':[" NOOP("a") "," NOOP(
	        "b") ",{'name':'c','type':'noop','depends_on':['a','a']},"
	             "{'name':'d','type':'noop','depends_on':[]},{'name':'e','type':'noop','"
	             "depends_on':'d'}]}",
	    "a:; b: a; c: a; d:; e: d" },
	{ "next",
	    "{'steps':[{'name':'a','type':'noop','next':['c','b']}," NOOP("b") "," NOOP("c") "]}",
	    "a:; b: a; c: a" },
	{ "next_step and start_step",
	    "{'start_step':'two','steps':{'one':{'type':'noop','next_step':null},"
	    "'two':{'type':'noop','next_step':'one'}}}",
	    "one: two; two:" },
	{ "several name one",
	    "{'steps':[{'name':'a','type':'noop','next':'c'},"
	    "{'name':'b','type':'noop','depends_on':[],'next':'c'}," NOOP("c") "]}",
	    "a:; b:; c: a b" },
	{ "inline actions",
	    "{'steps':[{'name':'c','type':'conditional','config':{'condition':'true',"
	    "'true_action':{'type':'log','config':{'message':'y'}},"
	    "'false_action':[{'type':'log','config':{'message':'n'}},{'name':'z','type':'noop'}]}}"
	    "," NOOP("d") "]}",
	    "c:; d: c; c/log_1:; c/log_2:; c/z: log_2" },
	{ "actions by name",
	    "{'steps':[{'name':'c','type':'conditional','config':{'condition':'1 > 0',"
	    "'true_action':'x','false_action':['y']}}," NOOP("x") "," NOOP(
	        "y") ",{'name':'z','type':'noop','depends_on':['x','y']}]}",
	    "c:; x: c; y: c; z: x y" },
	{ "conditionals inside",
	    "{'steps':[{'name':'c','type':'conditional','config':{'condition':'true','true_action':"
	    "[{'name':'c','type':'conditional','config':{'condition':true,'true_action':" NOOP(
	        "c") "}}," NOOP("d") "]}}]}",
	    "c:; c/c:; c/d: c; c/c/c:" },
};

static void dialects_and_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(orders); i++) {
		struct doc d = compile_good(orders[i].text);
		struct mr_str got = order_lines(&d);

		if (!mr_str_eqz(got, orders[i].order))
			fail_msg("%s: got \"%.*s\", want \"%s\"", orders[i].name, MR_STR_ARG(got),
			    orders[i].order);
		done(&d);
	}
}

/* ---- faults ---- */

static const struct {
	const char *name, *text, *faults;
} wrong[] = {
	{ "no steps", "{}", "steps required" },
	{ "no steps inside", "{'workflow_config':{}}", "workflow_config.steps required" },
	{ "an empty list", "{'steps':[]}", "steps required" },
	{ "steps of a wrong kind", "{'steps':3}", "steps type" },
	{ "a container of a wrong kind", "{'definition':[],'steps':[" NOOP("a") "]}",
	    "definition type" },
	{ "two containers that differ",
	    "{'steps':[" NOOP("a") "],'definition':{'steps':[" NOOP("b") "]}}", "steps conflict" },
	{ "a step of a wrong kind", "{'steps':[3,null]}",
	    "steps[0] type\nsteps[1] type\nsteps required" },
	{ "unknown members",
	    "{'stepz':[],'workflow_config':{'steps':[{'nam':'x','type':'noop','config':{}}],'x':1}"
	    "}",
	    "stepz unknown_member\nworkflow_config.x unknown_member\n"
	    "workflow_config.steps[0].nam unknown_member" },
	{ "unknown members of configs",
	    "{'steps':[{'type':'http_request','config':{'url':'https://x/','methd':'GET'}}]}",
	    "steps[0].config.methd unknown_member" },
	{ "config outside of config", "{'steps':[{'type':'log','message':'x'}]}",
	    "steps[0].message misplaced\nsteps[0].config.message required" },
	{ "no type", "{'steps':[{'name':'a'}]}", "steps[0].type required" },
	{ "an unknown type", "{'steps':[{'type':'htp_request'}]}", "steps[0].type unknown_type" },
	{ "a type of later versions", "{'steps':[{'type':'task'},{'action':'approval'}]}",
	    "steps[0].type not_supported\nsteps[1].action not_supported" },
	{ "type and action differ", "{'steps':[{'type':'noop','action':'log'}]}",
	    "steps[0].action conflict" },
	{ "members of later versions",
	    "{'steps':[{'type':'noop','requires':['x'],'timeouts':{'start':1,'heartbeat':2}}]}",
	    "steps[0].requires misplaced\nsteps[0].timeouts.start not_supported\n"
	    "steps[0].timeouts.heartbeat not_supported" },
	{ "the wait for an agent",
	    "{'steps':[{'agent':'x','timeouts':{'start':'soon','heartbeat':1}},"
	    "{'agent':'x','timeouts':{'start':'2s','total':5}}]}",
	    "steps[0].timeouts.heartbeat not_supported\nsteps[0].timeouts.start type" },
	{ "agents",
	    "{'steps':[{'type':'agent'},{'agent':'x','requires':['y']},"
	    "{'type':'agent','config':{'agent':'x'},'agent':'y'},{'agent_name':'x','agent':'x'},"
	    "{'type':'agent','config':{'agent':'x','pay':1}},{'agent':'x','input_mapping':{'n':1}},"
	    "{'type':'agent','requires':'y','config':{'payload':1},'input_mapping':{}}]}",
	    "steps[2].agent conflict\nsteps[3].agent_name conflict\n"
	    "steps[6].input_mapping conflict\nsteps[0] required\nsteps[1] conflict\n"
	    "steps[4].config.pay unknown_member" },
	{ "names",
	    "{'steps':[{'name':'','type':'noop'},{'name':5,'type':'noop'},"
	    "{'name':'a\\tb','type':'noop'}]}",
	    "steps[0].name required\nsteps[1].name type\nsteps[2].name value" },
	{ "a name twice", "{'steps':[" NOOP("a") "," NOOP("b") "," NOOP("a") "]}",
	    "steps[2].name duplicate_name" },
	{ "a name twice in both actions",
	    "{'steps':[{'name':'c','type':'conditional','config':{'condition':'true','true_action'"
	    ":" NOOP("x") ",'false_action':" NOOP("x") "}}]}",
	    "steps[0].config.false_action.name duplicate_name" },
	{ "a name like that of an inner step",
	    "{'steps':[" NOOP(
	        "c/x") ",{'name':'c','type':'conditional','config':{'condition':'true',"
	               "'true_action':" NOOP("x") "}}]}",
	    "steps[1].config.true_action duplicate_name" },
	{ "an object's key and a name that differ", "{'steps':{'a':{'name':'b','type':'noop'}}}",
	    "steps.a.name conflict" },
	{ "unknown references",
	    "{'steps':[{'name':'aa','type':'noop','next':'bbb'},"
	    "{'name':'bb','type':'noop','depends_on':['aa','x',7]}]}",
	    "steps[0].next unknown_reference\nsteps[1].depends_on[1] unknown_reference\n"
	    "steps[1].depends_on[2] type" },
	{ "next against depends_on",
	    "{'steps':[{'name':'a','type':'noop','next':'c'}," NOOP(
	        "x") ",{'name':'c','type':'noop','depends_on':['x']}]}",
	    "steps[1] unreachable\nsteps[2].depends_on conflict" },
	{ "unreachable",
	    "{'steps':[{'name':'a','type':'noop','next':'c'}," NOOP("b") "," NOOP("c") "]}",
	    "steps[1] unreachable" },
	{ "a cycle",
	    "{'steps':[{'name':'a','type':'noop','depends_on':['c']}," NOOP("b") "," NOOP("c") "]}",
	    "steps[0] cycle" },
	{ "two cycles",
	    "{'steps':[{'name':'a','type':'noop','next':'a'},{'name':'b','type':'noop',"
	    "'depends_on':['c']},{'name':'c','type':'noop','depends_on':['b']}]}",
	    "steps[0] cycle\nsteps[1] cycle" },
	{ "a cycle inside an action",
	    "{'steps':[{'name':'k','type':'conditional','config':{'condition':'true','true_action':"
	    "["
	    "{'name':'a','type':'noop','depends_on':['b']}," NOOP("b") "]}}]}",
	    "steps[0].config.true_action[0] cycle" },
	{ "an action that is nothing",
	    "{'steps':[{'type':'conditional','config':{'condition':'true','true_action':5}}]}",
	    "steps[0].config.true_action type" },
	{ "an action that names nothing",
	    "{'steps':[{'type':'conditional','config':{'condition':'true','true_action':'nowhere'}}"
	    "]}",
	    "steps[0].config.true_action unknown_reference" },
	{ "expressions that don't parse",
	    "{'steps':[{'type':'log','when':'1 +','config':{'message':'{{ a..b }}'}},"
	    "{'type':'conditional','config':{'condition':'{{x}} >'}}],'output':'{{ ( }}'}",
	    "output expression\nsteps[0].when expression\nsteps[0].config.message expression\n"
	    "steps[1].config.condition expression" },
	{ "conditions of a wrong kind",
	    "{'steps':[{'type':'noop','when':5},{'type':'conditional','config':{'condition':[]}}]}",
	    "steps[0].when type\nsteps[1].config.condition type" },
	{ "references in expressions",
	    "{'steps':[{'name':'a','type':'log','config':{'message':'{{steps.b.message}}'}},"
	    "{'name':'b','type':'log','config':{'message':'{{steps.aa.x}} {{meta.a.statuz}}'}},"
	    "{'name':'c','type':'log','when':'steps.c.x','config':{'message':'{{steps.a.message}}'}"
	    "},"
	    "{'name':'d','type':'log','config':{'message':'{{run.idd}}{{workflow.x}}{{vars.v}}'}}]"
	    "}",
	    "steps[0].config.message not_upstream\nsteps[1].config.message unknown_reference\n"
	    "steps[1].config.message unknown_reference\nsteps[2].when not_upstream\n"
	    "steps[3].config.message unknown_reference\nsteps[3].config.message unknown_reference\n"
	    "steps[3].config.message unknown_reference" },
	{ "references between branches",
	    "{'steps':[" NOOP("a") ",{'name':'b','type':'noop','depends_on':['a']},"
	                           "{'name':'c','type':'log','depends_on':['a'],'config':{'message'"
	                           ":'{{steps.b}}'}}]}",
	    "steps[2].config.message not_upstream" },
	{ "inner steps from outside",
	    "{'steps':[{'name':'k','type':'conditional','config':{'condition':'true','true_action'"
	    ":" LOG(
	        "in") "}},{'name':'z','type':'log','config':{'message':'{{steps.in.message}}'}}]}",
	    "steps[1].config.message unknown_reference" },
	{ "secrets that would be recorded",
	    "{'output':'{{env.X}}','steps':[{'type':'noop','output':'{{secrets.Y}}'},"
	    "{'type':'data_transform','config':{'source_data':'{{env.Z}}','transformations':["
	    "{'type':'extract','path':'a','key':'k'}]}}]}",
	    "steps[0].output secret_recorded\nsteps[1].config.source_data secret_recorded\n"
	    "output secret_recorded" },
	{ "references in transformations",
	    "{'steps':[" NOOP(
	        "a") ",{'type':'data_transform','config':{'transformations':["
	             "{'type':'filter','condition':'item.n > steps.b.n','key':'k'},"
	             "{'type':'template','template':'{{steps.a ?? env.X}}','key':'t'}]}}," NOOP(
	                 "b") "]}",
	    "steps[1].config.transformations[0] not_upstream\n"
	    "steps[1].config.transformations[1].template secret_recorded" },
	{ "http_request",
	    "{'steps':[{'type':'http_request','config':{'url':'ftp://"
	    "x','method':'GRAB','headers':[],"
	    "'query':{'a':[1,{}]},'data':1,'json':2,'auth':{'type':'basic','username':'u'},"
	    "'expected_status':[200,99,'x'],'timeout':-1,'follow_redirects':'yes'}}]}",
	    "steps[0].config.url format\nsteps[0].config.method value\nsteps[0].config.headers "
	    "type\n"
	    "steps[0].config.query.a type\nsteps[0].config.auth.password required\n"
	    "steps[0].config.expected_status[1] range\nsteps[0].config.expected_status[2] type\n"
	    "steps[0].config.timeout type\nsteps[0].config.follow_redirects type\n"
	    "steps[0].config.json conflict" },
	{ "http_request without url", "{'steps':[{'type':'http_request'}]}",
	    "steps[0].config.url required" },
	{ "urls",
	    "{'steps':[{'type':'http_request','config':{'url':''}},"
	    "{'type':'http_request','config':{'url':'https://'}},"
	    "{'type':'http_request','config':{'url':'https:///x'}},"
	    "{'type':'http_request','config':{'url':'http://a b'}},"
	    "{'type':'http_request','config':{'url':7}}]}",
	    "steps[0].config.url format\nsteps[1].config.url format\nsteps[2].config.url format\n"
	    "steps[3].config.url format\nsteps[4].config.url format" },
	{ "auth",
	    "{'steps':[{'type':'http_request','config':{'url':'https://"
	    "x','auth':{'type':'bearer'}}},"
	    "{'type':'http_request','config':{'url':'https://x','auth':{'type':'oauth2'}}},"
	    "{'type':'http_request','config':{'url':'https://x','auth':{'type':'api_key'}}},"
	    "{'type':'http_request','config':{'url':'https://x','auth':{'tokn':'x'}}},"
	    "{'type':'http_request','config':{'url':'https://x','auth':'x'}}]}",
	    "steps[0].config.auth.token required\nsteps[1].config.auth.type not_supported\n"
	    "steps[2].config.auth.key required\nsteps[3].config.auth.tokn unknown_member\n"
	    "steps[3].config.auth.type required\nsteps[4].config.auth type" },
	{ "file_process",
	    "{'steps':[{'type':'file_process','config':{'action':'convert','file_id':-1,"
	    "'allowed_types':[1],'max_size_mb':0,'language':''}},{'type':'file_process'}]}",
	    "steps[0].config.file_id type\nsteps[0].config.allowed_types[0] type\n"
	    "steps[0].config.max_size_mb range\nsteps[0].config.language type\n"
	    "steps[0].config.to required\nsteps[1].config.action required\n"
	    "steps[1].config.file_id required" },
	{ "delay",
	    "{'steps':[{'type':'delay'},{'type':'delay','config':{'seconds':1,'until':'soon'}},"
	    "{'type':'delay','config':{'seconds':'5 minutes'}},{'type':'delay','config':"
	    "{'seconds':99999999999}}]}",
	    "steps[0].config.seconds required\nsteps[1].config.until format\n"
	    "steps[1].config.until conflict\nsteps[2].config.seconds type\n"
	    "steps[3].config.seconds type" },
	{ "log", "{'steps':[{'type':'log','config':{'level':'loud'}}]}",
	    "steps[0].config.level value\nsteps[0].config.message required" },
	{ "notification",
	    "{'steps':[{'type':'notification','config':{'type':'email','message':'m'}},"
	    "{'type':'notification','config':{'message':'m'}},"
	    "{'type':'notification','config':{'type':'log'}}]}",
	    "steps[0].config.type not_supported\nsteps[1].config.webhook_url required\n"
	    "steps[2].config.message required" },
	{ "retry",
	    "{'max_retries':-1,'retry':{'jitter':2},'steps':[{'type':'noop','max_retries':2,"
	    "'retry':{'max_attempts':2,'delay':'x','backoff':'linear','multiplier':0,'max_delay':-"
	    "1,"
	    "'on':'*','not_on':[''],'tries':1}}]}",
	    "max_retries range\nretry.jitter range\nsteps[0].retry.tries unknown_member\n"
	    "steps[0].retry.delay type\nsteps[0].retry.max_delay type\nsteps[0].retry.backoff "
	    "value\n"
	    "steps[0].retry.multiplier range\nsteps[0].retry.on type\nsteps[0].retry.not_on[0] "
	    "type\n"
	    "steps[0].max_retries conflict" },
	{ "timeouts",
	    "{'timeout_seconds':0,'steps':[{'type':'noop','timeout_seconds':'1h','timeouts':"
	    "{'run':5,'total':-9}},{'type':'delay','timeout_seconds':3,'config':{'seconds':1}},"
	    "{'type':'http_request','timeout_seconds':'2d','config':{'url':'https://x/'}}]}",
	    "timeout_seconds range\nsteps[0].timeouts.total type\n"
	    "steps[0].timeouts.run conflict\nsteps[2].timeout_seconds range" },
	{ "settings",
	    "{'timeout_seconds':5,'settings':{'timeout':6,'x':1},'steps':[" NOOP("a") "]}",
	    "settings.x unknown_member\nsettings.timeout conflict" },
	{ "on_error", "{'steps':[{'type':'noop','on_error':'ignore'}]}",
	    "steps[0].on_error value" },
	{ "odd names in paths", "{'steps':{'a.b':{'type':'x'},'c\\'d':{'type':'x'}}}", NULL },
};

static void faults_and_their_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++) {
		struct doc d;
		struct mr_str got;

		if (wrong[i].faults == NULL)
			continue;
		d = compile(wrong[i].text);
		got = fault_lines(&d);
		assert_int_equal(d.r, MR_E_INVALID);
		if (!mr_str_eqz(got, wrong[i].faults)) {
			print_faults(&d);
			fail_msg("%s: got\n%.*s\nwant\n%s", wrong[i].name, MR_STR_ARG(got),
			    wrong[i].faults);
		}
		done(&d);
	}
}

static void check_message(const char *text, const char *part)
{
	struct doc d = compile(text);

	assert_int_equal(d.r, MR_E_INVALID);
	assert_non_null(d.faults.first);
	if (strstr(d.faults.first->message.p, part) == NULL)
		fail_msg("\"%.*s\" lacks \"%s\"", MR_STR_ARG(d.faults.first->message), part);
	done(&d);
}

static void messages_help(void **state)
{
	(void)state;
	check_message(
	    "{'steps':[{'name':'a','type':'noop','depends_on':['b']}," NOOP("b") "]}", "a → b → a");
	check_message("{'steps':[{'name':'a','type':'noop','next':'a'}]}", "a → a");
	check_message("{'steps':[{'nmae':'a','type':'noop'}]}", "did you mean \"name\"?");
	check_message("{'steps':[{'type':'htp_request'}]}", "did you mean \"http_request\"?");
	check_message(
	    "{'steps':[" NOOP("fetch_data") ",{'type':'noop','depends_on':['fetch_dat']}]}",
	    "did you mean \"fetch_data\"?");
	check_message("{'steps':[{'type':'log','config':{'message':'{{run.versoin}}'}}]}",
	    "did you mean \"version\"?");
	check_message("{'steps':[{'type':'log','config':{'message':'x','level':'x'}}]}",
	    "debug, info, warning");
}

/* ---- what a graph holds ---- */

static void members_of_steps(void **state)
{
	struct doc d = compile_good(
	    "{'timeout_seconds':'10m','max_retries':2,'steps':["
	    "{'type':'http_request','name':'a','timeout_seconds':5,'on_error':'continue',"
	    "'config':{'url':'https://{{env.HOST}}/"
	    "','method':'post','data':{'x':'{{trigger.x}}'}}},"
	    "{'type':'log','name':'b','config':{'message':'hi'},'retry':{'max_attempts':7,"
	    "'delay':'250ms','backoff':'constant','jitter':false,'on':['http.5xx'],'not_on':['tls']"
	    "}},"
	    "{'type':'conditional','name':'c','config':{'condition':'{{steps.a.status_code}} > 1',"
	    "'true_action':'d'}}," NOOP("d") "]}");
	const struct mr_step *s = d.g->steps;

	(void)state;
	assert_int_equal(d.g->timeout_us, 600000000);
	assert_int_equal(d.g->blocks[0].len, 4);
	assert_int_equal(s[0].retry.max_attempts, 3);
	assert_int_equal(s[0].run_timeout_us, 5000000);
	assert_true(s[0].continue_on_error);
	assert_int_equal(s[0].config_len, 3);
	assert_true(s[0].config[0].secret);
	assert_false(s[0].config[2].secret);
	assert_int_equal(s[0].config_constant.kind, MR_VALUE_NULL);
	assert_int_equal(s[1].config_constant.kind, MR_VALUE_MAP);
	assert_int_equal(s[1].retry.max_attempts, 7);
	assert_int_equal(s[1].retry.delay_us, 250000);
	assert_true(s[1].retry.constant);
	assert_true(s[1].retry.jitter < 0.001);
	assert_int_equal(s[1].retry.on_len, 1);
	assert_int_equal(s[1].order, 2);
	assert_int_equal(s[2].retry.max_attempts, 1);
	assert_int_equal(s[2].refs.len, 1);
	assert_int_equal(s[2].refs.steps[0], 0);
	assert_int_equal(s[2].branches_len, 2);
	assert_int_equal(s[2].branches[0].block, -1);
	assert_int_equal(s[2].succs_ways[0], MR_WAY_BRANCH(0));
	assert_int_equal(mr_graph_find(d.g, MR_STR("c")), 2);
	assert_int_equal(mr_graph_find(d.g, MR_STR("nowhere")), -1);
	done(&d);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		long long us;
	} cases[] = {
		{ "5", 5000000 },
		{ "0.5", 500000 },
		{ "'250ms'", 250000 },
		{ "'2s'", 2000000 },
		{ "'5m'", 300000000 },
		{ "'1h30m'", 5400000000 },
		{ "'1.5s'", 1500000 },
		{ "'PT5M'", 300000000 },
		{ "'P1DT1S'", 86401000000 },
		{ "'PT1H2M3S'", 3723000000 },
		{ "'1d'", 86400000000 },
		{ "''", -1 },
		{ "'5'", -1 },
		{ "'s'", -1 },
		{ "'5x'", -1 },
		{ "'P'", -1 },
		{ "'PT'", -1 },
		{ "'P1M'", -1 },
		{ "'PT1S2M'", -1 },
		{ "'-1s'", -1 },
		{ "true", -1 },
		{ "-5", -1 },
		{ "'1e3s'", -1 },
		{ "'1..5s'", -1 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		char text[200];
		struct doc d;

		(void)snprintf(text, sizeof(text),
		    "{'timeout_seconds':%s,'steps':[{'type':'noop'}]}", cases[i].text);
		d = compile(text);
		if ((d.r == 0 ? d.g->timeout_us : -1) != cases[i].us)
			fail_msg("%s: got %lld", cases[i].text,
			    d.r == 0 ? (long long)d.g->timeout_us : -1);
		done(&d);
	}
}

/* ---- limits ---- */

static struct mr_str many_steps(struct mr_arena *a, unsigned n)
{
	struct mr_buf b;
	struct mr_str s;

	mr_buf_init(&b, 64u << 20);
	mr_buf_addz(&b, "{\"steps\":[");
	for (unsigned i = 0; i < n; i++)
		mr_buf_addf(&b, "%s{\"name\":\"s%u\",\"type\":\"noop\"}", i > 0 ? "," : "", i);
	mr_buf_addz(&b, "]}");
	s = mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return s;
}

static void limits(void **state)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	struct mr_buf b;
	struct doc d;

	(void)state;
	d = compile_text(many_steps(a, 1000));
	assert_int_equal(d.r, 0);
	done(&d);
	d = compile_text(many_steps(a, 1001));
	assert_int_equal(d.r, MR_E_INVALID);
	assert_str(fault_lines(&d), "steps limit");
	done(&d);

	/* characters count, not bytes */
	mr_buf_init(&b, 1u << 20);
	mr_buf_addz(&b, "{\"steps\":[{\"type\":\"noop\",\"name\":\"");
	for (int i = 0; i < 100; i++)
		mr_buf_addz(&b, "é");
	mr_buf_addz(&b, "\"}]}");
	d = compile_text(mr_buf_str(&b));
	assert_int_equal(d.r, 0);
	done(&d);
	mr_buf_drop(&b, 0);
	mr_buf_reset(&b);
	mr_buf_addz(&b, "{\"steps\":[{\"type\":\"noop\",\"name\":\"");
	for (int i = 0; i < 101; i++)
		mr_buf_addc(&b, 'x');
	mr_buf_addz(&b, "\"}]}");
	d = compile_text(mr_buf_str(&b));
	assert_str(fault_lines(&d), "steps[0].name limit");
	done(&d);

	/* conditionals in conditionals */
	mr_buf_reset(&b);
	mr_buf_addz(&b, "{\"steps\":[");
	for (int i = 0; i < 12; i++)
		mr_buf_addz(&b,
		    "{\"type\":\"conditional\",\"config\":{\"condition\":true,\"true_action\":");
	mr_buf_addz(&b, "{\"type\":\"noop\"}");
	for (int i = 0; i < 12; i++)
		mr_buf_addz(&b, "}}");
	mr_buf_addz(&b, "]}");
	d = compile_text(mr_buf_str(&b));
	assert_int_equal(d.r, MR_E_INVALID);
	assert_non_null(strstr(fault_lines(&d).p, "true_action limit"));
	done(&d);

	/* the whole */
	mr_buf_reset(&b);
	mr_buf_addz(&b, "{\"steps\":[{\"type\":\"noop\"}],\"tags\":[0");
	for (int i = 0; i < 100000; i++)
		mr_buf_addz(&b, ",0");
	mr_buf_addz(&b, "]}");
	d = compile_text(mr_buf_str(&b));
	assert_str(fault_lines(&d), " limit");
	done(&d);
	mr_buf_done(&b);
	a = mr_arena_free(a);
}

static void not_an_object(void **state)
{
	struct doc d = compile("[]");

	(void)state;
	assert_int_equal(d.r, MR_E_INVALID);
	assert_str(fault_lines(&d), " type");
	/* nobody has to listen */
	assert_int_equal(mr_graph_compile(d.arena, &d.value, NULL, &d.g), MR_E_INVALID);
	done(&d);
}

/* ---- the normal form ---- */

static void normal_form(void **state)
{
	struct doc d =
	    compile_good("{'name':'w','settings':{'timeout':300,'max_retries':1},"
	                 "'process_steps':[{'step':1,'name':'A','action':'noop'},"
	                 "{'action':'conditional','conditions':{'x':1},'config':{'condition':"
	                 "'true','true_action':{'type':'log','config':{'message':'m'}}}}]}");
	struct mr_value v;
	struct mr_str text;

	(void)state;
	assert_int_equal(mr_graph_normalize(d.arena, &d.value, d.g, &v), 0);
	text = mr_json_text(d.arena, &v);
#define RETRY(n)                                                                                   \
	"\"retry\":{\"max_attempts\":" #n ",\"delay\":1,\"backoff\":\"exponential\","              \
	"\"multiplier\":2.0,\"max_delay\":60,\"jitter\":0.5}"
	assert_str(text,
	    "{\"steps\":[{\"name\":\"A\",\"type\":\"noop\",\"config\":{},\"depends_on\":[],"
	    "\"join\":\"ok\"," RETRY(
	        2) ",\"on_error\":\"fail\"},"
	           "{\"name\":\"conditional_2\",\"type\":\"conditional\",\"config\":{\"condition\":"
	           "\"true\","
	           "\"true_action\":[{\"name\":\"log_1\",\"type\":\"log\",\"config\":{\"message\":"
	           "\"m\"},"
	           "\"depends_on\":[],\"join\":\"ok\"," RETRY(
	               2) ",\"on_error\":\"fail\"}]},"
	                  "\"depends_on\":[\"A\"],\"join\":\"ok\",\"when\":{\"x\":1}," RETRY(
	                      1) ",\"on_error\":\"fail\"}],\"mode\":\"standard\",\"timeout_"
	                         "seconds\":300}");
	done(&d);
}

static void normal_form_is_stable(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(orders); i++) {
		struct doc d = compile_good(orders[i].text);
		struct mr_value once, twice;
		struct mr_graph *g;

		if (strstr(orders[i].text, "template_config") != NULL) {
			done(&d);
			continue;
		}
		assert_int_equal(mr_graph_normalize(d.arena, &d.value, d.g, &once), 0);
		d.r = mr_graph_compile(d.arena, &once, &d.faults, &g);
		if (d.r != 0) {
			print_faults(&d);
			fail_msg("%s: the normal form does not compile", orders[i].name);
		}
		assert_int_equal(mr_graph_normalize(d.arena, &once, g, &twice), 0);
		assert_true(mr_value_eq(&once, &twice));
		d.g = g;
		assert_str(order_lines(&d), orders[i].order);
		done(&d);
	}
}

/* ---- without memory ---- */

static const char whole[] =
    "{'name':'w','timeout_seconds':9,'output':{'a':'{{steps.a.json}}'},'steps':["
    "{'name':'a','type':'http_request','retry':{'on':['http.5xx']},'config':{'url':"
    "'https://{{env.H}}/','headers':{'x':'y'}},'output':'{{result.json}}'},"
    "{'type':'conditional','name':'c','when':'trigger.x > 1','config':{'condition':"
    "'{{steps.a.id}} > 1','true_action':'z','false_action':[{'type':'delay','config':"
    "{'seconds':1}}]}},{'name':'t','type':'data_transform','config':{'transformations':["
    "{'type':'extract','path':'a','key':'k'}]}},"
    "{'name':'z','type':'log','config':{'message':'{{trigger.x}}'}}]}";

static void out_of_memory(void **state)
{
	struct mr_arena *a = mr_arena_create(16u << 20);
	struct doc d = compile_good(whole);
	unsigned long n;

	(void)state;
	for (n = 1; n < 10000; n++) {
		struct mr_arena *arena = mr_arena_create(16u << 20);
		struct mr_value normal;
		struct mr_graph *g;
		int r;

		assert_non_null(arena);
		mr_arena_fail_after(n);
		r = mr_graph_compile(arena, &d.value, NULL, &g);
		if (r == 0)
			r = mr_graph_normalize(arena, &d.value, g, &normal);
		mr_arena_fail_after(0);
		arena = mr_arena_free(arena);
		if (r == 0)
			break;
		if (r != MR_E_NOMEM)
			fail_msg("allocation %lu: %d", n, r);
	}
	assert_in_range(n, 100, 9999);
	done(&d);
	a = mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialects_and_order),
		cmocka_unit_test(faults_and_their_paths),
		cmocka_unit_test(messages_help),
		cmocka_unit_test(members_of_steps),
		cmocka_unit_test(durations),
		cmocka_unit_test(limits),
		cmocka_unit_test(not_an_object),
		cmocka_unit_test(normal_form),
		cmocka_unit_test(normal_form_is_stable),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
