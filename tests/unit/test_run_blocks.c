/* Runs with blocks: what follows from what, told as the facts that come out. */
#include "run_told.h"

static void assert_told(struct world *w, const char *want)
{
	struct mr_str got = told(w);

	if (!mr_str_eqz(got, want))
		fail_msg("got: %.*s\nwant: %s", MR_STR_ARG(got), want);
}

static void signal_run(struct world *w, const char *data)
{
	advance(w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_SIGNAL,
	               .data = world_json(w->graph_arena, data),
	               .duration_us = -1 });
}

static void child_event(
    struct world *w, enum mr_run_event_kind kind, unsigned attempt, const char *data)
{
	advance(w, &(struct mr_run_event){ .kind = kind,
	               .step_execution_id = w->execution[step(w, "s")],
	               .attempt = attempt,
	               .data = world_json(w->graph_arena, data),
	               .duration_us = -1 });
}

/* Retried, a parallel finds one branch done: that one has nothing to do any more. */
static void a_branch_that_was_done_stays_done(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'p','type':'parallel','config':{'branches':{"
	    "'x':[" HTTP("a", "") "],'y':[" HTTP("b", ",'max_retries':0") "]}}}]}",
	    "{}");
	wake(&w);
	assert_told(&w, "started; step.started p; step.started p/x/a; step.started p/y/b"
	                " [p/x/a] [p/y/b]");
	done(&w, "p/x/a", "{'n':1}");
	failed(&w, "p/y/b", "connect");
	assert_told(&w, "step.completed p/x/a; step.failed p/y/b; step.failed p; failed");
	retried(&w, "{'by':'ann'}");
	wake(&w);
	assert_told(&w, "step.started p; step.started p/y/b [p/y/b]");
	done(&w, "p/y/b", "{'n':2}");
	assert_told(&w, "step.completed p/y/b; step.completed p; completed");
	assert_json(&w, mr_run_result(w.run), "{'p':{'x':{'n':1},'y':{'n':2}}}");
	world_end(&w);
}

/* All of it was done and only what came after failed: the block completes at once. */
static void a_block_that_was_done_within(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'p','type':'parallel','config':{'branches':{"
	    "'x':[" HTTP("a", "") "],'y':[" HTTP("b", "") "]}}}]}",
	    "{}");
	wake(&w);
	done(&w, "p/x/a", "1");
	(void)told(&w);
	command(&w, MR_RUN_EVENT_CANCEL);
	assert_told(&w, "step.cancelled p/y/b; step.cancelled p; cancelled [-p/y/b]");
	retried(&w, "{'by':'ann'}");
	wake(&w);
	assert_told(&w, "step.started p; step.started p/y/b [p/y/b]");
	world_end(&w);
}

/* The end of the child that attempt 1 gave up is not that of attempt 2. */
static void a_child_of_an_earlier_attempt(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'s','type':'subworkflow','config':{'workflow':'w'},'max_retries':1,"
	    "'retry':{'delay':0},'timeouts':{'run':2}}]}",
	    "{}");
	wake(&w);
	child_event(&w, MR_RUN_EVENT_CHILD_STARTED, 1, "{'child_run_id':1}");
	assert_told(&w, "started; step.started s; step.waiting s [s]");
	w.now += 2 * SECOND;
	wake(&w);
	assert_told(&w, "step.retrying s; step.started s#2 [s]");
	child_event(&w, MR_RUN_EVENT_CHILD_ENDED, 0, "{'child_run_id':1,'status':'completed'}");
	assert_told(&w, "");
	child_event(&w, MR_RUN_EVENT_CHILD_STARTED, 2, "{'child_run_id':2}");
	child_event(&w, MR_RUN_EVENT_CHILD_ENDED, 0, "{'child_run_id':1,'status':'completed'}");
	assert_told(&w, "step.waiting s#2");
	child_event(&w, MR_RUN_EVENT_CHILD_ENDED, 0,
	    "{'child_run_id':2,'status':'completed','output':{'x':1}}");
	assert_told(&w, "step.completed s#2; completed");
	world_end(&w);
}

/* The time of a wait for all seemed to have passed, and the clock was set back. */
static void a_clock_set_back_over_a_wait(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'w','type':'wait','config':{'all':[{'duration':1},"
	    "{'event':{'type':'e'}}]}}]}",
	    "{}");
	wake(&w);
	w.now += SECOND;
	wake(&w);
	assert_told(&w, "started; step.waiting w; step.waiting w");
	w.now -= SECOND / 2;
	signal_run(&w, "{'id':1,'type':'e'}");
	assert_told(&w, "signalled; step.waiting w");
	assert_int_equal(mr_run_wake_at(w.run), WORLD_BEGIN + SECOND);
	w.now += SECOND;
	wake(&w);
	assert_told(&w, "step.completed w; completed");
	world_end(&w);
}

/* A block fails while the retry of a step beside it is due: that one is cancelled. */
static void a_retry_due_as_its_block_fails(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
	    "{'steps':[{'name':'p','type':'while','config':{'condition':'index < 1',"
	    "'max_iterations':1,'steps':["
	    "{'name':'d','type':'conditional','timeouts':{'run':1},'config':{'condition':'true',"
	    "'true_action':[{'name':'x','type':'delay','config':{'seconds':9}}]}}," HTTP(
	        "b", ",'depends_on':[],'max_retries':1,'retry':{'delay':2}") "]}}]}",
	    "{}");
	wake(&w);
	failed(&w, "p/b", "connect");
	(void)told(&w);
	w.now += 5 * SECOND;
	wake(&w);
	assert_told(&w, "step.cancelled p/d/x; step.failed p/d; step.cancelled p/b; step.failed p;"
	                " failed");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_branch_that_was_done_stays_done),
		cmocka_unit_test(a_block_that_was_done_within),
		cmocka_unit_test(a_child_of_an_earlier_attempt),
		cmocka_unit_test(a_clock_set_back_over_a_wait),
		cmocka_unit_test(a_retry_due_as_its_block_fails),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
