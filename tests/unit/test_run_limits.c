/* What a run may use, and what it does at the edge: signals that nobody waits for, variables
 * written again and again, frames by the thousand, commands that come twice or too late. */
#include "run_world.h"

#include <stdio.h>

static void tell(struct world *w, enum mr_run_event_kind kind, int64_t execution, const char *data)
{
	struct mr_run_event ev = { .kind = kind,
		.step_execution_id = execution,
		.attempt = 1,
		.duration_us = -1,
		.data = world_json(w->out_arena, data) };

	assert_int_equal(mr_run_advance(w->run, &ev, w->now, &w->rand, &w->out), 0);
}

static void wake(struct world *w)
{
	tell(w, MR_RUN_EVENT_WAKE, 0, "{}");
}

static void written(struct world *w)
{
	mr_arena_reset(w->out_arena);
	w->out = (struct mr_run_out){ .arena = w->out_arena };
}

static void assert_status(const struct world *w, const char *want)
{
	assert_string_equal(mr_run_status_name(mr_run_status(w->run)), want);
}

#define WAIT(match)                                                                                \
	"{'steps':[{'name':'w','type':'wait','config':{'event':{'type':'e','match':'" match "'}}}" \
	"]}"

static void the_awaited_event_is_seen_after_many_others(void **state)
{
	struct world w;
	char data[60];

	(void)state;
	world_begin(&w, WAIT("event.data.n == 5000"), "{}");
	wake(&w);
	for (int i = 0; i < 1500; i++) {
		(void)snprintf(data, sizeof(data), "{'id':%d,'type':'e','data':{'n':%d}}", i, i);
		tell(&w, MR_RUN_EVENT_SIGNAL, 0, data);
		written(&w);
	}
	assert_status(&w, "running");
	tell(&w, MR_RUN_EVENT_SIGNAL, 0, "{'id':9999,'type':'e','data':{'n':5000}}");
	assert_status(&w, "completed");
	world_end(&w);
}

static void a_paused_run_that_is_cancelled_runs_finally(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'d','type':'delay','config':{'seconds':60}}],"
	    "'finally':[{'name':'f','type':'noop'}]}",
	    "{}");
	wake(&w);
	tell(&w, MR_RUN_EVENT_PAUSE, 0, "{'by':'ann'}");
	assert_status(&w, "paused");
	tell(&w, MR_RUN_EVENT_CANCEL, 0, "{'by':'ann'}");
	assert_status(&w, "cancelled");
	world_end(&w);
}

static void variables_written_often_take_little_room(void **state)
{
	struct world w;
	size_t used;

	(void)state;
	world_begin(&w,
	    "{'vars':{'text':'','n':0},'steps':[{'name':'l','type':'while','config':{"
	    "'condition':'vars.n < 20000','max_iterations':30000,'steps':[{'name':'s','type':'set',"
	    "'config':{'n':'{{vars.n + 1}}','text':'a text that is written anew each time'}}]}}],"
	    "'output':'{{vars.n}}'}",
	    "{}");
	while (!mr_run_is_terminal(mr_run_status(w.run))) {
		wake(&w);
		written(&w);
	}
	assert_int_equal(mr_run_result(w.run).i, 20000);
	used = mr_arena_used(w.arena);
	if (used > 1u << 20)
		fail_msg("%zu bytes for two variables", used);
	world_end(&w);
}

/* A thousand times a thousand frames at once do not fit: the run is told so, not the machine. */
static void frames_count_against_the_run(void **state)
{
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_WAKE, .duration_us = -1 };
	struct world w;
	int r = 0;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'a','type':'foreach','config':{'items':{'from':0,'to':1000},"
	    "'concurrency':1000,'steps':[{'name':'b','type':'foreach','config':{'items':"
	    "{'from':0,'to':1000},'concurrency':1000,'steps':[{'name':'c','type':'delay',"
	    "'config':{'seconds':60}}]}}]}}]}",
	    "{}");
	for (int i = 0; i < 200 && r == 0; i++) {
		r = mr_run_advance(w.run, &ev, w.now, &w.rand, &w.out);
		written(&w);
	}
	assert_int_equal(r, MR_E_NOMEM);
	assert_true(mr_arena_used(w.arena) <= mr_arena_max(w.arena));
	world_end(&w);
}

/* Calls of advance until the run ends; each takes OF rounds at most. */
static unsigned calls_of(struct world *w, int64_t rounds)
{
	unsigned calls = 0;

	while (!mr_run_is_terminal(mr_run_status(w->run))) {
		int64_t begun = 0;

		assert_true(mr_run_wake_at(w->run) == 1);
		wake(w);
		for (size_t i = 0; i < w->out.facts_len; i++)
			begun += w->out.facts[i].kind == MR_FACT_STEP_ITERATING;
		assert_true(begun <= rounds);
		written(w);
		calls++;
	}
	assert_status(w, "completed");
	return calls;
}

/* Each round evaluates for as long as some hundred plain steps take. */
static void evaluations_count_against_a_call(void **state)
{
	struct world w;
	unsigned calls;

	(void)state;
	world_begin(&w,
	    "{'vars':{'x':'{{lists.range(100)}}'},'steps':[{'name':'l','type':'while','config':{"
	    "'condition':'index < 500','max_iterations':500,'steps':[{'name':'a','type':'assert',"
	    "'config':{'condition':'vars.x.all(a, vars.x.all(b, a + b >= 0))','message':'m'}}]}}]}",
	    "{}");
	calls = calls_of(&w, 50);
	assert_true(calls > 10 && calls < 100);
	world_end(&w);
}

static int store(void *ctx, struct mr_arena *a, const struct mr_value *v, struct mr_str *ret_ref)
{
	(void)ctx;
	(void)v;
	*ret_ref = mr_arena_str(a, MR_STR("there"));
	return ret_ref->p != NULL ? 0 : MR_E_NOMEM;
}

static int load_fails_with;
static unsigned loads;

static int load(void *ctx, struct mr_arena *a, struct mr_str ref, struct mr_value *ret)
{
	(void)ctx;
	(void)a;
	loads++;
	if (load_fails_with < 0)
		return load_fails_with;
	assert_true(mr_str_eqz(ref, "there"));
	*ret = mr_value_strz("a large one");
	return 0;
}

/* A run of DEFINITION all of whose results are stored. */
static void world_begin_stored(struct world *w, const char *definition)
{
	world_begin(w, definition, "{}");
	w->info.payload_store = store;
	w->info.payload_load = load;
	w->info.payload_min = 1;
	w->run = world_run(w, w->arena, &w->ids);
}

static void stored_results_count_against_a_call(void **state)
{
	struct world w;
	unsigned calls;

	(void)state;
	world_begin_stored(&w,
	    "{'steps':[{'name':'big','type':'log','config':{'message':'large'}},"
	    "{'name':'l','type':'while','config':{'condition':'index < 500 && has(steps.big)',"
	    "'max_iterations':500,'steps':[{'name':'n','type':'noop'}]}}],'output':'{{1}}'}");
	calls = calls_of(&w, 100);
	assert_true(calls > 5 && calls < 50);
	world_end(&w);
}

static void timeouts_say_which_they_were(void **state)
{
	static const struct {
		const char *timeouts, *message;
	} cases[] = {
		{ "'run':2,'total':9", "the step did not end within its timeout (2 s)" },
		{ "'total':3",
		    "the step did not end within the timeout of all its attempts (3 s)" },
		{ "'run':2,'total':3",
		    "the step did not end within the timeout of all its attempts (3 s)" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_value error;
		char text[300];
		struct world w;

		(void)snprintf(text, sizeof(text),
		    "{'steps':[{'name':'w','type':'wait','timeouts':{%s},'retry':{'max_attempts':%"
		    "d,"
		    "'delay':0},'config':{'event':{'type':'e'}}}]}",
		    cases[i].timeouts, i == 2 ? 2 : 1);
		world_begin(&w, text, "{}");
		for (int k = 0; k < 4; k++) {
			wake(&w);
			w.now += 2 * SECOND;
		}
		assert_status(&w, "failed");
		error = mr_run_error(w.run);
		assert_string_equal(mr_value_get_str(&error, "message").p, cases[i].message);
		world_end(&w);
	}
}

/* Children that are to outlive a cancel: their start may be under way, or known. */
static void abandoned_children_are_left_alone(void **state)
{
	static const struct {
		const char *config;
		size_t cancels;
	} cases[] = {
		{ "'workflow':'w','cancel':'abandon'", 0 },
		{ "'workflow':'w','cancel':'abandon','input':{'x':'{{trigger.x}}'}", 0 },
		{ "'workflow':'w','cancel':'{{trigger.x}}'", 0 },
		{ "'workflow':'w','cancel':'cascade'", 1 },
		{ "'workflow':'w'", 1 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * MR_ARRAY_LEN(cases); i++) {
		char text[300];
		struct world w;

		(void)snprintf(text, sizeof(text),
		    "{'steps':[{'name':'s','type':'subworkflow','config':{%s}}]}",
		    cases[i / 2].config);
		world_begin(&w, text, "{'x':'abandon'}");
		wake(&w);
		if (i % 2 == 1)
			tell(&w, MR_RUN_EVENT_CHILD_STARTED, w.out.effects[0].step_execution_id,
			    "{'child_run_id':6}");
		tell(&w, MR_RUN_EVENT_CANCEL, 0, "{'by':'ann'}");
		assert_status(&w, "cancelled");
		assert_int_equal(w.out.cancels_len, cases[i / 2].cancels);
		world_end(&w);
	}
}

/* What has come is looked at only when it may do: enough of the type, and the last one fits. */
static void a_signal_is_asked_about_first(void **state)
{
	struct world w;

	(void)state;
	world_begin_stored(&w,
	    "{'steps':[{'name':'big','type':'log','config':{'message':'large'}},"
	    "{'name':'w','type':'wait','config':{'event':{'type':'e','count':3,'match':"
	    "'has(steps.big) && event.data.n > 0'}}}]}");
	wake(&w);
	loads = 0;
	for (int i = 0; i < 2; i++)
		tell(&w, MR_RUN_EVENT_SIGNAL, 0, "{'id':1,'type':'e','data':{'n':1}}");
	tell(&w, MR_RUN_EVENT_SIGNAL, 0, "{'id':1,'type':'f','data':{'n':1}}");
	assert_int_equal(loads, 0);
	tell(&w, MR_RUN_EVENT_SIGNAL, 0, "{'id':1,'type':'e','data':{'n':0}}");
	assert_int_equal(loads, 1); /* this one doesn't fit */
	assert_status(&w, "running");
	tell(&w, MR_RUN_EVENT_SIGNAL, 0, "{'id':1,'type':'e','data':{'n':2}}");
	assert_int_equal(loads, 3); /* it does, and then all of them */
	assert_status(&w, "completed");
	world_end(&w);
}

/* Carries out the http step until a stored result is needed: what advance says to it. */
static int until_it_reads(struct world *w)
{
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_WAKE, .duration_us = -1 };
	int r = mr_run_advance(w->run, &ev, w->now, &w->rand, &w->out);

	for (size_t i = 0; r == 0 && i < w->out.effects_len; i++) {
		ev.kind = MR_RUN_EVENT_STEP_DONE;
		ev.step_execution_id = w->out.effects[i].step_execution_id;
		ev.attempt = w->out.effects[i].attempt;
		ev.data = mr_value_strz("large");
		r = mr_run_advance(w->run, &ev, w->now, &w->rand, &w->out);
	}
	return r;
}

#define CALL(name) "{'name':'" name "','type':'http_request','config':{'url':'https://x/'}}"

static const char *const readers[] = {
	"{'steps':[" CALL("a") ",{'name':'b','type':'log','config':{'message':'{{steps.a}}'}}]}",
	"{'steps':[" CALL("a") ",{'name':'b','type':'noop','when':'has(steps.a) || true'}]}",
	"{'steps':[" CALL("a") ",{'name':'b','type':'http_request','config':{'url':"
	                       "'https://x/{{steps.a ?? 1}}/{{secrets.T ?? 0}}'}}]}",
	"{'steps':[" CALL("a") ",{'name':'t','type':'data_transform','config':{'transformations':"
	                       "[{'type':'extract','path':'x','default':1}]}}]}",
	"{'steps':[" CALL("a") "],'output':'{{steps.a}}'}",
	"{'steps':[{'name':'k','type':'conditional','config':{'condition':true,'true_action':"
	"[" CALL("a") "]}}]}",
	"{'steps':[{'name':'p','type':'parallel','config':{'branches':{'x':[" CALL("a") "]}}}]}",
	"{'steps':[{'name':'l','type':'while','config':{'condition':'index < 2',"
	"'max_iterations':2,'steps':[" CALL("a") "]}}]}",
	"{'steps':[{'name':'c','type':'raise','config':{'type':'t','message':'m'},'catch':[{"
	"'steps':[" CALL("a") "]}]}]}",
};

/* Nothing is decided without a result that can't be read now; the same run, folded later, goes on.
 */
static void a_store_that_is_away_is_waited_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(readers); i++) {
		struct mr_fact created = { .kind = MR_FACT_CREATED, .step = -1, .seq = 1 };
		struct world w;
		int r;

		world_begin_stored(&w, readers[i]);
		load_fails_with = MR_E_IO;
		r = until_it_reads(&w);
		load_fails_with = 0;
		if (r != MR_E_IO)
			fail_msg("%d instead of MR_E_IO: %s", r, readers[i]);
		assert_int_equal(
		    mr_run_create(w.arena, w.g, &w.info, world_next_id, &w.ids, &w.run), 0);
		assert_int_equal(mr_run_apply(w.run, &created), 0);
		written(&w);
		assert_int_equal(until_it_reads(&w), 0);
		world_end(&w);
	}
}

static void a_stored_result_that_is_gone_fails(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(readers); i++) {
		struct mr_value error;
		struct world w;
		int r;

		world_begin_stored(&w, readers[i]);
		load_fails_with = i % 2 == 0 ? MR_E_NOT_FOUND : MR_E_INVALID;
		r = until_it_reads(&w);
		load_fails_with = 0;
		/* of an expression its step; else the engine says it of the run */
		if (r == 0) {
			assert_status(&w, "failed");
			error = mr_run_error(w.run);
			assert_non_null(strstr(
			    mr_json_text(w.out_arena, &error).p, "gone from the file store"));
		} else {
			assert_int_equal(r, MR_E_CONFLICT);
		}
		assert_true(i < 5 ? r == 0 : r < 0);
		world_end(&w);
	}
}

static void the_end_of_an_earlier_child_is_not_this_one_s(void **state)
{
	struct world w;
	int64_t execution;

	(void)state;
	world_begin(
	    &w, "{'steps':[{'name':'s','type':'subworkflow','config':{'workflow':'w'}}]}", "{}");
	wake(&w);
	execution = w.out.effects[0].step_execution_id;
	tell(&w, MR_RUN_EVENT_CHILD_STARTED, execution, "{'child_run_id':6}");
	tell(&w, MR_RUN_EVENT_CHILD_ENDED, execution, "{'child_run_id':5,'status':'completed'}");
	assert_status(&w, "running");
	tell(&w, MR_RUN_EVENT_CHILD_ENDED, execution, "{'child_run_id':6,'status':'completed'}");
	assert_status(&w, "completed");
	world_end(&w);
}

static int no_room(void *ctx, struct mr_arena *a, const struct mr_value *v, struct mr_str *ret_ref)
{
	(void)ctx;
	(void)a;
	(void)v;
	(void)ret_ref;
	return MR_E_LIMIT;
}

/* A result that the tenant may not have in the file store: its step fails, and is not done again;
 * a value that catches just that stays in the journal. */
static void a_result_without_room(void **state)
{
	static const struct {
		const char *name, *definition, *status, *type;
	} cases[] = {
		{ "alone",
		    "{'steps':[{'name':'s','type':'set','config':{'x':'{{input.xs}}'},'max_retries'"
		    ":3}]}",
		    "failed", "limit" },
		{ "a block",
		    "{'steps':[{'name':'f','type':'foreach','config':{'items':'{{input.xs}}','"
		    "steps':"
		    "[{'name':'n','type':'noop'}]}}]}",
		    "failed", "limit" },
		{ "caught by a value",
		    "{'steps':[{'name':'s','type':'set','config':{'x':'{{input.xs}}'},'catch':[{'"
		    "on':['limit'],"
		    "'value':'{{input.xs}}'}]}]}",
		    "completed", NULL },
		{ "caught by steps with as much",
		    "{'steps':[{'name':'s','type':'set','config':{'x':'{{input.xs}}'},'catch':[{'"
		    "on':['limit'],"
		    "'steps':[{'name':'t','type':'set','config':{'y':'{{input.xs}}'}}]}]}]}",
		    "failed", "limit" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct world w;
		struct mr_value error;

		world_begin(
		    &w, cases[i].definition, "{'xs':[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}");
		w.info.payload_store = no_room;
		w.info.payload_min = 100;
		w.info.payload_quota = 12345;
		w.run = world_run(&w, w.arena, &w.ids);
		wake(&w);
		if (strcmp(mr_run_status_name(mr_run_status(w.run)), cases[i].status) != 0)
			fail_msg("%s: %s", cases[i].name, mr_run_status_name(mr_run_status(w.run)));
		error = mr_run_error(w.run);
		if (cases[i].type != NULL) {
			assert_true(mr_str_eqz(mr_value_get_str(&error, "type"), cases[i].type));
			assert_non_null(
			    strstr(mr_value_get_str(&error, "message").p, "12345 bytes"));
		}
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_result_without_room),
		cmocka_unit_test(the_awaited_event_is_seen_after_many_others),
		cmocka_unit_test(a_paused_run_that_is_cancelled_runs_finally),
		cmocka_unit_test(variables_written_often_take_little_room),
		cmocka_unit_test(frames_count_against_the_run),
		cmocka_unit_test(evaluations_count_against_a_call),
		cmocka_unit_test(stored_results_count_against_a_call),
		cmocka_unit_test(timeouts_say_which_they_were),
		cmocka_unit_test(abandoned_children_are_left_alone),
		cmocka_unit_test(a_signal_is_asked_about_first),
		cmocka_unit_test(a_store_that_is_away_is_waited_for),
		cmocka_unit_test(a_stored_result_that_is_gone_fails),
		cmocka_unit_test(the_end_of_an_earlier_child_is_not_this_one_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
