/*
 * Runs lived through by chance: a model of the database beside the core keeps what is committed,
 * a model of the world carries out effects, runs children and sends events. Outcomes are committed
 * late, lost in crashes, refused; answers come late, twice or for nobody. All that is committed is
 * judged by run_oracle.h; and every run that is treated fairly in the end must come to an end.
 *
 * A failure prints its seed: MILLRACE_TEST_SEED=n plays that history alone and prints its
 * definition; with MILLRACE_TEST_TELL=1 all that is committed is told. MILLRACE_TEST_HISTORIES says
 * how many are played, MILLRACE_TEST_LONG that it may take minutes.
 */
#include "run_random.h"

#include <stdio.h>

#include "run_oracle.h"

#define HISTORIES      20000
#define LONG_HISTORIES 500000
#define PER_DEFINITION 25
#define MAX_ACTIONS    60
#define MAX_FACTS      3000
#define MAX_DRIVE      20000 /* calls until a run must have ended */
#define MAX_PAYLOADS   500

struct model {
	/* the definition, and where histories of it begin */
	struct mr_arena *graph_arena;
	struct mr_graph *g;
	uint64_t definition;
	char *text;
	/* the database */
	struct mr_arena *db;
	struct mr_fact facts[MAX_FACTS];
	size_t facts_len;
	struct mr_value snapshot;
	size_t snapshot_at;
	struct mr_str payloads[MAX_PAYLOADS];
	size_t payloads_len;
	/* the engine */
	struct mr_arena *arena, *out_arena;
	struct mr_run *run;
	struct mr_run_info info;
	struct mr_run_out out;
	int64_t now, ids;
	uint64_t seed;
	struct mr_rand rand;
	struct mr_value secrets;
	bool may_be_forced; /* a command in what isn't committed ends the run at once */
	/* the test */
	uint64_t chance, number;
	unsigned actions, retries, driven;
	bool given_up; /* more facts than there is room for */
	struct oracle oracle;
};

static struct model *playing; /* for the oracle's failures */
static uint64_t all_facts, all_crashes, all_given_up, all_ended;

static void fail_history(const char *what, int step)
{
	const struct model *m = playing;

	fail_msg("MILLRACE_TEST_SEED=%llu, action %u, fact %u: %.*s: %s",
	    (unsigned long long)m->number, m->actions, m->oracle.seq,
	    MR_STR_ARG(step >= 0 ? m->g->steps[step].name : MR_STR("the run")), what);
}

static uint64_t draw(struct model *m, uint64_t below)
{
	struct mr_rand r = mr_rand_seeded(&m->chance);

	return r.next(r.ctx) % below;
}

static bool one_in(struct model *m, uint64_t n)
{
	return draw(m, n) == 0;
}

/* ---- the database ---- */

static struct mr_value through_text(struct model *m, const struct mr_value *v)
{
	struct mr_str text = mr_json_text(m->db, v);
	struct mr_value back = MR_NULL_VALUE;

	if (v->kind != MR_VALUE_NULL &&
	    mr_json_parse(m->db, text, &mr_json_limits_default, NULL, &back) != 0)
		oracle_fail("what it says is no JSON", -1);
	return back;
}

static void commit_fact(struct model *m, const struct mr_fact *f)
{
	struct mr_fact *kept = &m->facts[m->facts_len];

	if (m->facts_len == MAX_FACTS) {
		m->given_up = true;
		return;
	}
	*kept = *f;
	kept->data = through_text(m, &f->data);
	m->facts_len++;
	all_facts++;
	if (getenv("MILLRACE_TEST_TELL") != NULL)
		(void)fprintf(stderr, "%u %s %.*s #%u exec %lld of %lld.%u %.*s\n", f->seq,
		    mr_fact_kind_name(f->kind),
		    MR_STR_ARG(f->step >= 0 ? m->g->steps[f->step].name : MR_STR("")), f->attempt,
		    (long long)f->step_execution_id, (long long)f->parent_id, f->iteration,
		    MR_STR_ARG(mr_json_text(m->db, &f->data)));
	oracle_fact(&m->oracle, kept);
}

static int store_payload(
    void *ctx, struct mr_arena *a, const struct mr_value *v, struct mr_str *ret_ref)
{
	struct model *m = ctx;

	if (m->payloads_len == MAX_PAYLOADS) {
		m->payloads_len = 0; /* too many for the test, not for the core */
		m->given_up = true;
	}
	m->payloads[m->payloads_len] = mr_json_text(m->db, v);
	*ret_ref = mr_arena_printf(a, "p%zu", m->payloads_len++);
	return ret_ref->p != NULL ? 0 : MR_E_NOMEM;
}

static int load_payload(void *ctx, struct mr_arena *a, struct mr_str ref, struct mr_value *ret)
{
	struct model *m = ctx;
	uint64_t at;

	if (!mr_str_u64((struct mr_str){ ref.p + 1, ref.len - 1 }, &at) || at >= m->payloads_len)
		return MR_E_NOT_FOUND;
	return mr_json_parse(a, m->payloads[at], &mr_json_limits_default, NULL, ret);
}

static int find_env(void *ctx, struct mr_arena *a, struct mr_str scope, struct mr_value *ret)
{
	struct model *m = ctx;

	(void)a;
	(void)scope;
	*ret = m->secrets;
	return 0;
}

/* ---- the engine ---- */

static struct mr_run *load_into(struct model *m, struct mr_arena *a, bool from_snapshot)
{
	struct mr_run *run = NULL;
	size_t from = 0;

	if (mr_run_create(a, m->g, &m->info, world_next_id, &m->ids, &run) != 0)
		oracle_fail("no run", -1);
	if (from_snapshot && m->snapshot_at > 0) {
		for (size_t i = 0; i < m->snapshot_at; i++)
			if (mr_run_lend(run, m->facts[i].seq, &m->facts[i].data) != 0)
				oracle_fail("a fact is not lent", -1);
		if (mr_run_restore(run, &m->snapshot) != 0)
			oracle_fail("its snapshot is refused", -1);
		from = m->snapshot_at;
	}
	for (size_t i = from; i < m->facts_len; i++)
		if (mr_run_apply(run, &m->facts[i]) != 0)
			oracle_fail("a fact of its own is refused", m->facts[i].step);
	return run;
}

static void drop_outcome(struct model *m)
{
	m->out = (struct mr_run_out){ .arena = m->out_arena };
	mr_arena_reset(m->out_arena);
	m->may_be_forced = false;
}

/* The effects that are to be carried out again are those that were under way. */
static void check_restarted(struct model *m)
{
	size_t under_way = 0;

	for (int i = 0; i < m->oracle.execs_len; i++)
		under_way += m->oracle.execs[i].status == O_EFFECT;
	if (m->oracle.full)
		return;
	if (m->out.effects_len != under_way)
		oracle_fail("other effects are restarted than were under way", -1);
	for (size_t i = 0; i < m->out.effects_len; i++) {
		const struct mr_effect *e = &m->out.effects[i];
		const struct o_exec *known = oracle_exec(&m->oracle, e->step_execution_id);

		if (known == NULL || known->status != O_EFFECT || known->attempt != e->attempt)
			oracle_fail("an effect is restarted that was not under way", e->step);
		oracle_effect(&m->oracle, e);
	}
}

static void crash(struct model *m)
{
	drop_outcome(m);
	mr_arena_reset(m->arena);
	all_crashes++;
	for (int i = 0; i < m->oracle.execs_len; i++)
		m->oracle.execs[i].answered = false;
	m->run = load_into(m, m->arena, true);
	if (mr_run_is_terminal(mr_run_status(m->run)))
		return;
	if (mr_run_restart_effects(m->run, m->now, &m->out) != 0)
		oracle_fail("its effects cannot be restarted", -1);
	if (m->out.facts_len > 0)
		oracle_fail("restarting effects decides something", -1);
	check_restarted(m);
	drop_outcome(m);
}

static struct mr_str state_of(struct mr_arena *a, const struct mr_run *run)
{
	struct mr_value v = MR_NULL_VALUE, result = mr_run_result(run);
	unsigned done, total;

	if (mr_run_snapshot(run, a, &v) != 0)
		oracle_fail("no snapshot", -1);
	mr_run_progress(run, &done, &total);
	return mr_arena_printf(a, "%.*s %.*s in flight %zu, awaiting %zu, wake at %lld, %u/%u",
	    MR_STR_ARG(mr_json_text(a, &v)), MR_STR_ARG(mr_json_text(a, &result)),
	    mr_run_in_flight(run), mr_run_awaiting(run), (long long)mr_run_wake_at(run), done,
	    total);
}

static void check_replay(struct model *m)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	struct mr_str want, got;

	assert_non_null(a);
	want = state_of(a, m->run);
	got = state_of(a, load_into(m, a, false));
	if (!mr_str_eq(want, got)) {
		(void)fprintf(
		    stderr, "decided:\n%.*s\nreplayed:\n%.*s\n", MR_STR_ARG(want), MR_STR_ARG(got));
		oracle_fail("replayed, its state is another", -1);
	}
	a = mr_arena_free(a);
}

static void take_snapshot(struct model *m)
{
	struct mr_value v;

	if (mr_run_snapshot(m->run, m->out_arena, &v) != 0)
		oracle_fail("no snapshot", -1);
	m->snapshot = through_text(m, &v);
	m->snapshot_at = m->facts_len;
}

/* ---- committing ---- */

static void commit_waits(struct model *m)
{
	struct oracle *o = &m->oracle;

	for (size_t i = 0; i < m->out.unwaits_len; i++) {
		struct o_exec *e = oracle_exec(o, m->out.unwaits[i]);

		if (e != NULL)
			e->has_row = false;
	}
	for (size_t i = 0; i < m->out.waits_len; i++) {
		const struct mr_wait_row *w = &m->out.waits[i];
		struct o_exec *e = oracle_exec(o, w->step_execution_id);
		bool stands = true;

		for (size_t k = w->unwaits_before; k < m->out.unwaits_len; k++)
			stands = stands && m->out.unwaits[k] != w->step_execution_id;
		if (e != NULL && stands)
			e->has_row = true;
	}
}

/* The table of waits holds what the run waits for, when all is committed. */
static void check_waits(struct model *m)
{
	size_t rows = 0;

	for (int i = 0; i < m->oracle.execs_len; i++) {
		struct o_exec *e = &m->oracle.execs[i];

		if (e->status == O_ENDED)
			e->has_row = false;
		rows += e->has_row;
		if (e->status == O_CHILD && !e->has_row)
			oracle_fail("nobody would tell it that its child has ended", e->step);
	}
	if (rows != mr_run_awaiting(m->run) && !m->oracle.full)
		oracle_fail("other waits are written than the run has", -1);
}

/* Something will make it go on. */
static void check_reason(struct model *m)
{
	enum mr_run_status s = mr_run_status(m->run);

	if (mr_run_is_terminal(s) || s == MR_RUN_PAUSED || mr_run_in_flight(m->run) > 0 ||
	    mr_run_awaiting(m->run) > 0 || mr_run_wake_at(m->run) > 0)
		return;
	oracle_fail("it has not ended, and nothing will ever wake it", -1);
}

static void commit(struct model *m)
{
	m->oracle.forced = m->oracle.forced || m->may_be_forced;
	for (size_t i = 0; i < m->out.facts_len; i++)
		commit_fact(m, &m->out.facts[i]);
	if (m->given_up)
		return;
	commit_waits(m);
	for (size_t i = 0; i < m->out.effects_len; i++) {
		const struct o_exec *e =
		    oracle_exec(&m->oracle, m->out.effects[i].step_execution_id);

		/* one that was given up in the same call is not begun */
		if (e == NULL || e->status == O_EFFECT)
			oracle_effect(&m->oracle, &m->out.effects[i]);
	}
	for (size_t i = 0; i < m->out.aborts_len; i++) {
		const struct o_exec *e =
		    oracle_exec(&m->oracle, m->out.aborts[i].step_execution_id);

		if (e != NULL && e->status == O_EFFECT && e->attempt == m->out.aborts[i].attempt)
			oracle_fail("an effect is given up that is still wanted", e->step);
	}
	drop_outcome(m);
	check_waits(m);
	check_reason(m);
}

static void advance(struct model *m, const struct mr_run_event *ev)
{
	int r = mr_run_advance(m->run, ev, m->now, &m->rand, &m->out);

	if (r == 0)
		return;
	(void)fprintf(stderr, "%d for event %d after %zu facts of the call\n", r, (int)ev->kind,
	    m->out.facts_len);
	for (size_t i = 0; i < m->out.facts_len; i++)
		(void)fprintf(stderr, "  %s %d\n", mr_fact_kind_name(m->out.facts[i].kind),
		    m->out.facts[i].step);
	oracle_fail("it does not advance", -1);
}

static void wake(struct model *m)
{
	advance(m, &(struct mr_run_event){ .kind = MR_RUN_EVENT_WAKE });
}

/* ---- the world ---- */

/* One of the executions in STATUS that nobody has answered, by chance; NULL: none. */
static struct o_exec *some_exec(struct model *m, enum o_status status)
{
	struct o_exec *found = NULL;
	unsigned n = 0;

	for (int i = 0; i < m->oracle.execs_len; i++) {
		struct o_exec *e = &m->oracle.execs[i];

		if (e->status == status && !e->answered && draw(m, ++n) == 0)
			found = e;
	}
	return found;
}

static struct mr_value json(struct model *m, const char *text)
{
	return world_json(m->db, text);
}

/* The run that an attempt started. */
static struct mr_str child_of(struct model *m, const struct o_exec *e, const char *more)
{
	return mr_arena_printf(
	    m->db, "{'child_run_id':%lld%s}", (long long)e->id * 100 + e->attempt, more);
}

static void answer_well(struct model *m, struct o_exec *e)
{
	static const char *const results[] = { "{'status_code':200,'json':{'id':1}}", "null",
		"[1,2.5,{'a':[]}]", "'text'", "{'status_code':200,'json':[1]}" };
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_STEP_DONE,
		.step_execution_id = e->id,
		.attempt = e->attempt,
		.duration_us = one_in(m, 2) ? -1 : (int64_t)draw(m, 1000) };

	if (m->g->steps[e->step].type == MR_STEP_SUBWORKFLOW) {
		ev.kind = MR_RUN_EVENT_CHILD_STARTED;
		ev.data = json(m, child_of(m, e, "").p);
	} else {
		ev.data = json(m, results[draw(m, MR_ARRAY_LEN(results))]);
	}
	e->answered = true;
	advance(m, &ev);
}

static void answer_badly(struct model *m, struct o_exec *e)
{
	static const char *const errors[] = { "{'type':'connect','message':'a'}",
		"{'type':'http.503','message':'b','status_code':503,'data':{'x':1}}",
		"{'type':'validation','message':'c'}", "{}", "null" };
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_STEP_FAILED,
		.step_execution_id = e->id,
		.attempt = e->attempt,
		.retryable = draw(m, 6) > 0,
		.duration_us = -1,
		.data = json(m, errors[draw(m, MR_ARRAY_LEN(errors))]) };

	e->answered = true;
	advance(m, &ev);
}

/* Of an attempt that is over, of a step that has ended, or of nobody: it must change nothing. */
static void answer_for_nobody(struct model *m)
{
	struct mr_run_event ev = { .kind = one_in(m, 2) ? MR_RUN_EVENT_STEP_DONE
		                                        : MR_RUN_EVENT_STEP_FAILED,
		.attempt = 1,
		.data = json(m, "{'type':'connect','message':'late'}"),
		.step_execution_id = 999999,
		.retryable = true,
		.duration_us = -1 };
	const struct o_exec *e = m->oracle.execs_len > 0
	                             ? &m->oracle.execs[draw(m, (uint64_t)m->oracle.execs_len)]
	                             : NULL;
	size_t before;

	if (e != NULL && !one_in(m, 4)) {
		ev.step_execution_id = e->id;
		ev.attempt = e->attempt;
		if (e->status == O_EFFECT && !e->answered)
			ev.attempt += one_in(m, 2) ? 1 : (unsigned)-1;
		else if (e->status == O_CHILD && one_in(m, 2))
			ev.kind = MR_RUN_EVENT_CHILD_STARTED;
	}
	wake(m); /* what is due anyhow */
	while (mr_run_wake_at(m->run) == 1)
		wake(m);
	before = m->out.facts_len;
	advance(m, &ev);
	if (m->out.facts_len != before && mr_run_wake_at(m->run) != 1 &&
	    m->out.facts[before].kind != MR_FACT_STEP_RETRYING && m->info.steps_per_call == 0 &&
	    m->out.facts[before].step_execution_id == ev.step_execution_id &&
	    ev.step_execution_id != 0)
		oracle_fail("an answer for nobody changes something", m->out.facts[before].step);
}

static void end_child(struct model *m, struct o_exec *e, bool well)
{
	static const char *const ends[] = { ",'status':'completed','output':{'x':1}",
		",'status':'completed'", ",'status':'failed','error':{'type':'t','message':'m'}",
		",'status':'cancelled'" };
	uint64_t which = well ? draw(m, 2) : draw(m, MR_ARRAY_LEN(ends));
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_CHILD_ENDED,
		.step_execution_id = e->id,
		.duration_us = -1,
		.data = json(m, child_of(m, e, ends[which]).p) };

	if (e->status == O_CHILD)
		e->answered = true;
	advance(m, &ev);
}

static void signal_run(struct model *m, const char *type, unsigned n)
{
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_SIGNAL, .duration_us = -1 };
	struct mr_str text =
	    mr_arena_printf(m->db, "{'id':%u,'type':'%s','data':{'n':%u}}", m->actions, type, n);

	ev.data = json(m, text.p);
	advance(m, &ev);
}

static void set_variables(struct model *m)
{
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_VARIABLES, .duration_us = -1 };
	struct mr_str text =
	    mr_arena_printf(m->db, "{'by':'ann','vars':{'v':%u}}", (unsigned)draw(m, 6));

	ev.data = json(m, text.p);
	advance(m, &ev);
}

static bool has_kind(const struct model *m, size_t from, enum mr_fact_kind kind)
{
	for (size_t i = from; i < m->out.facts_len; i++)
		if (m->out.facts[i].kind == kind)
			return true;
	return false;
}

static void command(struct model *m, enum mr_run_event_kind kind)
{
	struct mr_run_event ev = { .kind = kind, .duration_us = -1 };
	size_t from = m->out.facts_len;
	bool ended = mr_run_is_terminal(mr_run_status(m->run));

	ev.data = json(m, kind == MR_RUN_EVENT_FAIL ? "{'type':'internal','message':'m'}"
	                                            : "{'by':'ann','reason':'r'}");
	advance(m, &ev);
	if (ended)
		return;
	if (kind == MR_RUN_EVENT_CANCEL && !has_kind(m, from, MR_FACT_CANCELLED) &&
	    !has_kind(m, from, MR_FACT_FINISHING))
		oracle_fail("a cancel is not answered", -1);
	if (kind == MR_RUN_EVENT_FAIL && !has_kind(m, from, MR_FACT_FAILED))
		oracle_fail("a poisoned run goes on", -1);
	/* these end it without finally */
	if (kind == MR_RUN_EVENT_FAIL ||
	    (kind == MR_RUN_EVENT_CANCEL && !has_kind(m, from, MR_FACT_FINISHING)))
		m->may_be_forced = true;
}

/* Written by the API while no engine holds the run. */
static void retry(struct model *m)
{
	struct mr_fact f = { .kind = MR_FACT_RETRIED, .step = -1, .duration_us = -1 };
	struct mr_str text = MR_STR("{'by':'ann'}");

	if (one_in(m, 2))
		text = mr_arena_printf(m->db, "{'by':'ann','from_step':'%.*s'}",
		    MR_STR_ARG(m->g->steps[draw(m, m->g->steps_len)].name));
	else if (one_in(m, 2))
		text = mr_arena_printf(m->db, "{'input':{'n':%u}}", (unsigned)draw(m, 6));
	f.seq = (unsigned)m->facts_len + 1;
	f.at_us = m->now;
	f.data = json(m, text.p);
	m->retries++;
	commit_fact(m, &f);
	if (!m->given_up)
		crash(m);
}

static void move_clock(struct model *m)
{
	int64_t wake_at = mr_run_wake_at(m->run);

	if (one_in(m, 6))
		m->now -= (int64_t)draw(m, 2 * (uint64_t)SECOND);
	else if (one_in(m, 2) && wake_at > m->now)
		m->now = wake_at;
	else
		m->now += (int64_t)draw(m, 3 * (uint64_t)SECOND);
}

/* ---- one history ---- */

static void happen(struct model *m)
{
	uint64_t what = draw(m, 32);
	struct o_exec *e = some_exec(m, O_EFFECT), *child = some_exec(m, O_CHILD);

	if (what < 12 && e != NULL) {
		if (draw(m, 3) > 0)
			answer_well(m, e);
		else
			answer_badly(m, e);
	} else if (what < 15) {
		wake(m);
	} else if (what < 18 && child != NULL) {
		end_child(m, child, false);
	} else if (what < 20 && e != NULL && m->g->steps[e->step].type == MR_STEP_SUBWORKFLOW) {
		/* it ended before anybody heard that it had begun */
		end_child(m, e, false);
		e->answered = e->attempt == 1;
	} else if (what < 22) {
		signal_run(m, one_in(m, 2) ? "e" : "f", (unsigned)draw(m, 6));
	} else if (what == 22) {
		set_variables(m);
	} else if (what == 23) {
		command(m, MR_RUN_EVENT_PAUSE);
	} else if (what < 26) {
		command(m, MR_RUN_EVENT_RESUME);
	} else if (what == 26 && one_in(m, 4)) {
		command(m, MR_RUN_EVENT_CANCEL);
	} else if (what == 27 && one_in(m, 12)) {
		command(m, MR_RUN_EVENT_FAIL);
	} else if (what < 30) {
		answer_for_nobody(m);
	} else {
		move_clock(m);
		wake(m);
	}
}

/* A command came while the outcome was on its way to the database: the outcome is refused, and the
 * run, read anew, is told the command. */
static void refuse(struct model *m)
{
	static const enum mr_run_event_kind commands[] = { MR_RUN_EVENT_PAUSE, MR_RUN_EVENT_RESUME,
		MR_RUN_EVENT_PAUSE, MR_RUN_EVENT_CANCEL };

	crash(m);
	command(m, commands[draw(m, one_in(m, 4) ? 4 : 3)]);
	commit(m);
}

static void act(struct model *m)
{
	bool ended = mr_run_is_terminal(mr_run_status(m->run));
	uint64_t end = draw(m, 16);

	if (ended && m->out.facts_len == 0 && m->retries < 3 && one_in(m, 3)) {
		retry(m);
		return;
	}
	happen(m);
	if (end < 11)
		commit(m);
	else if (end == 11)
		crash(m);
	else if (end == 12 && one_in(m, 2))
		refuse(m);
	if (m->given_up || m->out.facts_len > 0)
		return;
	if (one_in(m, 12))
		take_snapshot(m);
	if (one_in(m, 24))
		check_replay(m);
}

/* From now on the world is kind to it. */
static void be_kind(struct model *m)
{
	struct o_exec *e = some_exec(m, O_EFFECT), *child = some_exec(m, O_CHILD);
	int64_t wake_at = mr_run_wake_at(m->run);

	m->actions++;
	if (mr_run_status(m->run) == MR_RUN_PAUSED)
		command(m, MR_RUN_EVENT_RESUME);
	else if (e != NULL)
		answer_well(m, e);
	else if (child != NULL)
		end_child(m, child, true);
	else if (wake_at > 0 &&
	         (wake_at <= m->now || mr_run_awaiting(m->run) == 0 || one_in(m, 2))) {
		if (wake_at > m->now)
			m->now = wake_at;
		wake(m);
	} else if (mr_run_awaiting(m->run) > 0)
		signal_run(m, one_in(m, 2) ? "e" : "f", 5);
	else
		oracle_fail("it waits for nothing that could come", -1);
	commit(m);
}

static void drive(struct model *m)
{
	commit(m);
	for (m->driven = 0; m->driven < MAX_DRIVE && !m->given_up; m->driven++) {
		if (mr_run_is_terminal(mr_run_status(m->run)))
			break;
		be_kind(m);
	}
	if (m->driven == MAX_DRIVE)
		oracle_fail("it does not come to an end", -1);
}

/* ---- from seed to history ---- */

static void define(struct model *m, uint64_t definition)
{
	uint64_t chance = definition * 7919 + 17;
	struct random_text t;
	struct mr_faults faults;
	struct mr_value v;

	if (m->graph_arena != NULL && m->definition == definition)
		return;
	if (m->graph_arena != NULL)
		m->graph_arena = mr_arena_free(m->graph_arena);
	m->graph_arena = mr_arena_create(64u << 20);
	assert_non_null(m->graph_arena);
	random_valid(&t, &chance, 6);
	v = world_json(m->graph_arena, t.b.p);
	mr_faults_init(&faults, m->graph_arena, 3);
	assert_int_equal(mr_graph_compile(m->graph_arena, &v, &faults, &m->g), 0);
	if (getenv("MILLRACE_TEST_SEED") != NULL)
		(void)fprintf(stderr, "%s\n", t.b.p);
	mr_buf_done(&t.b);
	m->secrets = world_json(m->graph_arena, "{'T':'t'}");
	m->definition = definition;
}

static void begin(struct model *m, uint64_t number)
{
	struct mr_fact created = { .kind = MR_FACT_CREATED,
		.step = -1,
		.seq = 1,
		.at_us = WORLD_BEGIN,
		.duration_us = -1 };
	struct mr_str input;

	define(m, number / PER_DEFINITION);
	m->number = number;
	m->chance = number * 104729 + 1;
	m->seed = number;
	m->rand = mr_rand_seeded(&m->seed);
	mr_arena_reset(m->db);
	mr_arena_reset(m->arena);
	m->facts_len = m->payloads_len = m->snapshot_at = 0;
	m->now = WORLD_BEGIN;
	m->ids = 0;
	m->retries = m->actions = 0;
	m->given_up = false;
	input = mr_arena_printf(m->db, "{'n':%u}", (unsigned)draw(m, 6));
	m->info = (struct mr_run_info){ .id = 77,
		.workflow_id = 7,
		.tenant_id = 1,
		.workflow_name = MR_STR("Seven"),
		.version = 3,
		.input = json(m, input.p),
		.created_at_us = WORLD_BEGIN,
		.env_lookup = find_env,
		.env_ctx = m,
		.payload_store = store_payload,
		.payload_load = load_payload,
		.payload_ctx = m,
		.items_min = one_in(m, 2),
		.payload_min = one_in(m, 4) ? 100 : 0,
		.steps_per_call = one_in(m, 3) ? 1 + (unsigned)draw(m, 4) : 0 };
	oracle_begin(&m->oracle, m->g);
	commit_fact(m, &created);
	drop_outcome(m);
	m->run = load_into(m, m->arena, false);
}

static void play(struct model *m, uint64_t number)
{
	begin(m, number);
	while (m->actions < MAX_ACTIONS && !m->given_up) {
		m->actions++;
		act(m);
		/* its story is told: rarely anything comes of what comes late */
		if (mr_run_is_terminal(mr_run_status(m->run)) && m->out.facts_len == 0 &&
		    one_in(m, 4))
			break;
	}
	if (!m->given_up)
		drive(m);
	if (!m->given_up && one_in(m, 4))
		check_replay(m);
	all_given_up += m->given_up;
	all_ended += !m->given_up;
}

static void runs_live_by_the_rules(void **state)
{
	static struct model m;
	const char *only = getenv("MILLRACE_TEST_SEED"), *count = getenv("MILLRACE_TEST_HISTORIES");
	uint64_t n = getenv("MILLRACE_TEST_LONG") != NULL ? LONG_HISTORIES : HISTORIES, first = 1;

	(void)state;
	playing = &m;
	oracle_fail = fail_history;
	if (count != NULL)
		assert_true(mr_str_u64(mr_str(count), &n));
	if (only != NULL) {
		assert_true(mr_str_u64(mr_str(only), &first));
		n = 1;
	}
	m.db = mr_arena_create(256u << 20);
	m.arena = mr_arena_create(256u << 20);
	m.out_arena = mr_arena_create(256u << 20);
	assert_true(m.db != NULL && m.arena != NULL && m.out_arena != NULL);
	for (uint64_t i = first; i < first + n; i++)
		play(&m, i);
	printf("%llu histories came to their end, %llu were too long; %llu facts, %llu crashes\n",
	    (unsigned long long)all_ended, (unsigned long long)all_given_up,
	    (unsigned long long)all_facts, (unsigned long long)all_crashes);
	m.graph_arena = mr_arena_free(m.graph_arena);
	m.db = mr_arena_free(m.db);
	m.arena = mr_arena_free(m.arena);
	m.out_arena = mr_arena_free(m.out_arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_live_by_the_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
