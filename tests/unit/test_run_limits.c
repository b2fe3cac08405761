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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_awaited_event_is_seen_after_many_others),
		cmocka_unit_test(a_paused_run_that_is_cancelled_runs_finally),
		cmocka_unit_test(variables_written_often_take_little_room),
		cmocka_unit_test(frames_count_against_the_run),
		cmocka_unit_test(the_end_of_an_earlier_child_is_not_this_one_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
