/*
 * Memory that fails, at every single allocation of a run that goes through every construct, and of
 * the compiler of its definition: the N-th fails for N = 1, 2, … until all succeed, so no place
 * where the core allocates is left out. Each failure is MR_E_NOMEM; nothing leaks
 * (AddressSanitizer).
 */
#include "run_world.h"

#include <stdio.h>

#define HTTP                                                                                       \
	"'type':'http_request','config':{'url':'https://x/"                                        \
	"{{secrets.T}}','data':{'n':'{{trigger.n}}'}}"

static const char definition[] =
    "{'mode':'saga','vars':{'v':'{{trigger.n}}','late':false},'timeout_seconds':900,"
    "'output':{'a':'{{steps.a.id}}','v':'{{vars.v}}'},"
    "'concurrency':{'key':'{{trigger.n}}','limit':2},"
    "'on_failure':[{'name':'of','type':'emit','config':{'type':'e','data':{'m':'{{error.message}}'}"
    "}}],"
    "'finally':[{'name':'fin'," HTTP "}],'steps':["
    "{'name':'a','idempotency_key':'k{{trigger.n}}'," HTTP ",'output':'{{result.json}}',"
    "'compensate':[{'name':'undo'," HTTP "}]},"
    "{'name':'log','type':'log','when':'steps.a.id == 1','config':{'message':'{{steps.a}}'}},"
    "{'name':'w','type':'delay','config':{'seconds':2}},"
    "{'name':'k','type':'conditional','config':{'condition':'true','true_action':[{'name':'k1'"
    "," HTTP ",'max_retries':1,'retry':{'delay':'1s'}}]}},"
    "{'name':'sw','type':'switch','config':{'value':'{{trigger.n}}','match':'all','cases':["
    "{'equals':1,'steps':[{'name':'c1','type':'noop'}]},{'when':'trigger.n > 0','steps':["
    "{'name':'c2','type':'set','config':{'v':'{{vars.v + 1}}'}}]}]}},"
    "{'name':'par','type':'parallel','config':{'join':'any','cancel_rest':true,'branches':{"
    "'l':[{'name':'l1'," HTTP
    "}],'r':[{'name':'r1','type':'wait','config':{'event':{'type':'never'}}}]}}},"
    "{'name':'each','type':'foreach','config':{'items':{'from':0,'to':3},'concurrency':2,'tolerate'"
    ":1,"
    "'steps':[{'name':'e1'," HTTP ",'compensate':{'name':'e1u','type':'noop'}},"
    "{'name':'e2','type':'assert','config':{'condition':'item < 2','message':'m{{item}}'}}]}},"
    "{'name':'loop','type':'while','config':{'condition':'index < 2','max_iterations':3,'delay':1,"
    "'steps':[{'name':'t1','type':'data_transform','config':{'source_data':[1,2],'transformations':"
    "["
    "{'type':'extract','path':'[0]','key':'k'}]}}]}},"
    "{'name':'cv','type':'raise','config':{'type':'mine','message':'x','data':{'d':1}},"
    "'catch':[{'on':['mine'],'value':{'m':'{{error.message}}'}}]},"
    "{'name':'cs','type':'raise','config':{'type':'mine','message':'x'},"
    "'catch':[{'as':'e','steps':[{'name':'cs1','type':'log','config':{'message':'{{e.type}}'}}]}]},"
    "{'name':'cn','type':'raise','config':{'type':'mine','message':'x'},'catch':[{'next':'ev'}]},"
    "{'name':'ev','type':'wait','config':{'all':[{'duration':1},"
    "{'event':{'type':'e','match':'event.data.n == 1','count':2}}]}},"
    "{'name':'sub','type':'subworkflow','config':{'workflow':'w','input':{'n':'{{trigger.n}}'}},"
    "'timeouts':{'run':60,'total':90}},"
    "{'name':'late','type':'assert','config':{'condition':'vars.late','message':'not yet'}},"
    "{'name':'end','type':'terminate','config':{'status':'completed','output':{'x':'{{steps.sub}}'}"
    "}}]}";

/* What the world says, made before memory fails. */
struct answers {
	struct mr_value result, error, child, child_end, signal, vars, who, retried;
};

/* One life of the run: state of the driver, no memory of its own. */
struct life {
	struct world *w;
	const struct answers *say;
	struct mr_run *run;
	struct mr_arena *arena, *other, *out_arena;
	struct mr_run_out out;
	struct mr_fact kept;
	int64_t now, ids;
	size_t told; /* effects that were answered */
	unsigned seq, snapshots;
	bool retried, failed_once;
};

static int advance(struct life *l, const struct mr_run_event *ev)
{
	return mr_run_advance(l->run, ev, l->now, &l->w->rand, &l->out);
}

static int answer_effect(struct life *l)
{
	const struct mr_effect *e = &l->out.effects[l->told++];
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_STEP_DONE,
		.step_execution_id = e->step_execution_id,
		.attempt = e->attempt,
		.data = l->say->result,
		.retryable = true,
		.duration_us = 5 };

	if (l->w->g->steps[e->step].type == MR_STEP_SUBWORKFLOW) {
		ev.kind = MR_RUN_EVENT_CHILD_STARTED;
		ev.data = l->say->child;
	} else if (mr_str_eqz(l->w->g->steps[e->step].name, "k/k1") && e->attempt == 1) {
		ev.kind = MR_RUN_EVENT_STEP_FAILED;
		ev.data = l->say->error;
	}
	return advance(l, &ev);
}

static int tell(struct life *l, enum mr_run_event_kind kind, struct mr_value data, int64_t id)
{
	struct mr_run_event ev = {
		.kind = kind, .step_execution_id = id, .data = data, .duration_us = -1
	};

	return advance(l, &ev);
}

/* Another engine takes the run over. */
static int take_over(struct life *l)
{
	struct mr_value snapshot;
	struct mr_arena *free_one = l->other;
	struct mr_run *copy;
	int r = mr_run_snapshot(l->run, l->out_arena, &snapshot);

	if (r == 0)
		r = mr_run_create(free_one, l->w->g, &l->w->info, world_next_id, &l->ids, &copy);
	if (r == 0)
		r = mr_run_restore(copy, &snapshot);
	if (r < 0)
		return r;
	mr_arena_reset(l->arena);
	l->other = l->arena;
	l->arena = free_one;
	l->run = copy;
	l->out = (struct mr_run_out){ .arena = l->out_arena };
	l->told = 0;
	return mr_run_restart_effects(l->run, l->now, &l->out);
}

static int retry(struct life *l)
{
	struct mr_fact f = { .kind = MR_FACT_RETRIED,
		.step = -1,
		.seq = mr_run_seq(l->run) + 1,
		.at_us = l->now,
		.duration_us = -1,
		.data = l->say->retried };

	l->retried = true;
	return mr_run_apply(l->run, &f);
}

/* The child run that is waited for, from the rows to be written. */
static int64_t child_waiter(const struct life *l)
{
	for (size_t i = l->out.waits_len; i > 0; i--)
		if (l->out.waits[i - 1].child_run_id != 0)
			return l->out.waits[i - 1].step_execution_id;
	return 0;
}

static int go_on(struct life *l, unsigned turn)
{
	int64_t wake_at = mr_run_wake_at(l->run), child = child_waiter(l);

	if (turn % 9 == 8 && l->told == l->out.effects_len && child == 0)
		return take_over(l);
	if (l->told < l->out.effects_len)
		return answer_effect(l);
	if (child != 0) {
		l->out.waits_len = 0;
		return tell(l, MR_RUN_EVENT_CHILD_ENDED, l->say->child_end, child);
	}
	if (turn % 5 == 4)
		return tell(l, MR_RUN_EVENT_SIGNAL, l->say->signal, 0);
	if (turn % 7 == 5)
		return tell(l, MR_RUN_EVENT_PAUSE, l->say->who, 0);
	if (mr_run_status(l->run) == MR_RUN_PAUSED)
		return tell(l, MR_RUN_EVENT_RESUME, l->say->who, 0);
	if (wake_at > l->now)
		l->now = wake_at;
	return tell(l, MR_RUN_EVENT_WAKE, MR_NULL_VALUE, 0);
}

/* It fails at "late" and is undone; retried, with a variable told, it completes. */
static int live(struct life *l, enum mr_run_status *ret)
{
	struct mr_fact created = {
		.kind = MR_FACT_CREATED, .step = -1, .seq = 1, .duration_us = -1
	};
	int r = mr_run_create(l->arena, l->w->g, &l->w->info, world_next_id, &l->ids, &l->run);

	if (r == 0)
		r = mr_run_apply(l->run, &created);
	for (unsigned turn = 0; r == 0 && turn < 400; turn++) {
		if (!mr_run_is_terminal(mr_run_status(l->run))) {
			r = go_on(l, turn);
			continue;
		}
		if (l->retried)
			break;
		l->failed_once = mr_run_status(l->run) == MR_RUN_COMPENSATED;
		r = retry(l);
		if (r == 0)
			r = tell(l, MR_RUN_EVENT_VARIABLES, l->say->vars, 0);
	}
	if (r == 0)
		*ret = mr_run_status(l->run);
	return r;
}

static int live_once(struct world *w, const struct answers *say, unsigned long fail_at)
{
	struct life l = { .w = w, .say = say, .now = WORLD_BEGIN, .ids = 1000 };
	enum mr_run_status end = MR_RUN_PENDING;
	int r;

	l.arena = mr_arena_create(64u << 20);
	l.other = mr_arena_create(64u << 20);
	l.out_arena = mr_arena_create(64u << 20);
	assert_true(l.arena != NULL && l.other != NULL && l.out_arena != NULL);
	l.out.arena = l.out_arena;
	mr_arena_fail_after(fail_at);
	r = live(&l, &end);
	mr_arena_fail_after(0);
	if (r == 0 && (end != MR_RUN_COMPLETED || !l.failed_once))
		fail_msg("it ended as %s", mr_run_status_name(end));
	l.arena = mr_arena_free(l.arena);
	l.other = mr_arena_free(l.other);
	l.out_arena = mr_arena_free(l.out_arena);
	return r;
}

static void every_allocation_of_a_run(void **state)
{
	struct world w;
	struct answers say;
	unsigned long n = 1;
	int r = MR_E_NOMEM;

	(void)state;
	world_begin(&w, definition, "{'n':1}");
	w.secrets = world_json(w.graph_arena, "{'T':'t'}");
	say.result = world_json(w.graph_arena, "{'status_code':200,'json':{'id':1}}");
	say.error = world_json(w.graph_arena, "{'type':'connect','message':'m','data':{'x':1}}");
	say.child = world_json(w.graph_arena, "{'child_run_id':99}");
	say.child_end =
	    world_json(w.graph_arena, "{'child_run_id':99,'status':'completed','output':{'x':1}}");
	say.signal = world_json(w.graph_arena, "{'id':1,'type':'e','data':{'n':1}}");
	say.vars = world_json(w.graph_arena, "{'by':'ann','vars':{'late':true}}");
	say.who = world_json(w.graph_arena, "{'by':'ann','reason':'r'}");
	say.retried = world_json(w.graph_arena, "{'by':'ann'}");
	assert_int_equal(live_once(&w, &say, 0), 0);
	for (; r != 0; n++) {
		r = live_once(&w, &say, n);
		if (r != 0 && r != MR_E_NOMEM)
			fail_msg("allocation %lu: %d", n, r);
	}
	printf("%lu allocations of a run failed in turn\n", n - 2);
	assert_true(n > 500);
	world_end(&w);
}

static void every_allocation_of_the_compiler(void **state)
{
	struct mr_arena *text = mr_arena_create(64u << 20);
	struct mr_value v;
	unsigned long n = 1;
	int r = MR_E_NOMEM;

	(void)state;
	assert_non_null(text);
	v = world_json(text, definition);
	for (; r != 0; n++) {
		struct mr_arena *a = mr_arena_create(64u << 20);
		struct mr_faults faults;
		struct mr_graph *g;

		assert_non_null(a);
		mr_faults_init(&faults, a, 10);
		mr_arena_fail_after(n);
		r = mr_graph_compile(a, &v, &faults, &g);
		mr_arena_fail_after(0);
		if (r == MR_E_INVALID && faults.first != NULL)
			printf("%.*s: %.*s\n", MR_STR_ARG(faults.first->path),
			    MR_STR_ARG(faults.first->message));
		a = mr_arena_free(a);
		if (r != 0 && r != MR_E_NOMEM)
			fail_msg("allocation %lu: %d", n, r);
	}
	printf("%lu allocations of the compiler failed in turn\n", n - 2);
	assert_true(n > 500);
	text = mr_arena_free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_of_a_run),
		cmocka_unit_test(every_allocation_of_the_compiler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
