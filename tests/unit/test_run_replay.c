/*
 * State is a fold over the journal. Random graphs and random events; after every advance, the
 * facts so far folded into a fresh run, and a snapshot taken earlier with the facts after it, give
 * the same state as the run that decided. And a run that was taken over decides as the one that
 * it was taken from. A failure prints its seed; MILLRACE_TEST_SEED=n plays only that one.
 */
#include "run_random.h"

#include <stdio.h>

#define HISTORIES  2500
#define MAX_EVENTS 40
#define MAX_FACTS  4000

struct history {
	struct world w;
	uint64_t chance; /* of the test's own decisions */
	uint64_t number;
	struct mr_arena *kept; /* facts as they come back from the database */
	struct mr_fact facts[MAX_FACTS];
	size_t facts_len;
	struct mr_value snapshot;
	size_t snapshot_at; /* facts that are in it */
	bool has_snapshot;
	size_t events;
	int64_t child; /* execution of the last step that waits for a child run */
};

static uint64_t draw(struct history *h, uint64_t below)
{
	struct mr_rand r = mr_rand_seeded(&h->chance);

	return r.next(r.ctx) % below;
}

/* ---- comparing ---- */

static struct mr_str state_of(const struct mr_run *run, struct mr_arena *a)
{
	struct mr_value v;
	unsigned done, total;

	assert_int_equal(mr_run_snapshot(run, a, &v), 0);
	mr_run_progress(run, &done, &total);
	/* derived things are to agree as well */
	return mr_arena_printf(a, "%.*s in flight %zu, wake at %lld, progress %u/%u",
	    MR_STR_ARG(mr_json_text(a, &v)), mr_run_in_flight(run), (long long)mr_run_wake_at(run),
	    done, total);
}

static struct mr_str result_of(const struct mr_run *run, struct mr_arena *a)
{
	struct mr_value v = mr_run_result(run), e = mr_run_error(run);

	return mr_arena_printf(
	    a, "%.*s %.*s", MR_STR_ARG(mr_json_text(a, &v)), MR_STR_ARG(mr_json_text(a, &e)));
}

/* A message of cmocka's has no room for both. */
static void differ(const struct history *h, const char *how, struct mr_str want, struct mr_str got)
{
	(void)fprintf(stderr, "want:\n%.*s\ngot:\n%.*s\n", MR_STR_ARG(want), MR_STR_ARG(got));
	fail_msg("MILLRACE_TEST_SEED=%llu, event %zu: %s, it differs",
	    (unsigned long long)h->number, h->events, how);
}

static void compare(
    struct history *h, const char *how, const struct mr_run *other, struct mr_arena *a)
{
	struct mr_str want = state_of(h->w.run, a), got = state_of(other, a);

	if (!mr_str_eq(want, got))
		differ(h, how, want, got);
	want = result_of(h->w.run, a);
	got = result_of(other, a);
	if (!mr_str_eq(want, got))
		differ(h, how, want, got);
}

static struct mr_run *bare_run(struct history *h, struct mr_arena *a, int64_t *ids)
{
	struct mr_run *run = NULL;

	assert_int_equal(mr_run_create(a, h->w.g, &h->w.info, world_next_id, ids, &run), 0);
	return run;
}

static void fold(struct history *h, struct mr_run *run, size_t from)
{
	for (size_t i = from; i < h->facts_len; i++)
		if (mr_run_apply(run, &h->facts[i]) != 0)
			fail_msg("seed %llu, event %zu: fact %u (%s) is refused",
			    (unsigned long long)h->number, h->events, h->facts[i].seq,
			    mr_fact_kind_name(h->facts[i].kind));
}

/* Through text, as the database keeps it. */
static struct mr_value through_text(struct history *h, const struct mr_value *v)
{
	struct mr_str text = mr_json_text(h->kept, v);
	struct mr_value back = MR_NULL_VALUE;

	if (v->kind != MR_VALUE_NULL &&
	    mr_json_parse(h->kept, text, &mr_json_limits_default, NULL, &back) != 0)
		fail_msg(
		    "seed %llu: no JSON: %.*s", (unsigned long long)h->number, MR_STR_ARG(text));
	return back;
}

static void keep_fact(struct history *h, const struct mr_fact *f)
{
	assert_true(h->facts_len < MAX_FACTS);
	h->facts[h->facts_len] = *f;
	h->facts[h->facts_len++].data = through_text(h, &f->data);
}

static struct mr_run *taken_over(struct history *h, struct mr_arena *a, int64_t *ids)
{
	struct mr_run *run = bare_run(h, a, ids);

	if (h->has_snapshot)
		assert_int_equal(mr_run_restore(run, &h->snapshot), 0);
	fold(h, run, h->has_snapshot ? h->snapshot_at : 0);
	return run;
}

static void check_replay(struct history *h)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	struct mr_run *run;
	int64_t ids = 0;

	assert_non_null(a);
	run = bare_run(h, a, &ids);
	fold(h, run, 0);
	compare(h, "replayed", run, a);
	run = taken_over(h, a, &ids);
	compare(h, "snapshot and later facts", run, a);
	a = mr_arena_free(a);
	if (draw(h, 4) == 0) {
		struct mr_value v;

		assert_int_equal(mr_run_snapshot(h->w.run, h->kept, &v), 0);
		h->snapshot = through_text(h, &v);
		h->snapshot_at = h->facts_len;
		h->has_snapshot = true;
	}
}

/* ---- events ---- */

/* A step whose effect is under way, from what was handed out; -1 when none is left. */
struct flight {
	struct mr_effect list[200];
	size_t len;
};

static void forget(struct flight *f, const struct mr_effect *e)
{
	for (size_t i = 0; i < f->len; i++)
		if (f->list[i].step_execution_id == e->step_execution_id &&
		    f->list[i].attempt == e->attempt)
			f->list[i--] = f->list[--f->len];
}

static void take_out(struct history *h, struct flight *f)
{
	struct mr_run_out *out = &h->w.out;

	for (size_t i = 0; i < out->facts_len; i++)
		keep_fact(h, &out->facts[i]);
	for (size_t i = 0; i < out->waits_len; i++)
		if (out->waits[i].child_run_id != 0)
			h->child = out->waits[i].step_execution_id;
	for (size_t i = 0; i < out->effects_len; i++) {
		assert_true(f->len < MR_ARRAY_LEN(f->list));
		f->list[f->len++] = out->effects[i];
	}
	/* one that was started and aborted in the same call is in both */
	for (size_t i = 0; i < out->aborts_len; i++)
		forget(f, &out->aborts[i]);
	out->facts_len = out->effects_len = out->aborts_len = 0;
	out->waits_len = out->unwaits_len = out->emits_len = out->cancels_len = 0;
	if (f->len != mr_run_in_flight(h->w.run))
		fail_msg("MILLRACE_TEST_SEED=%llu, event %zu: %zu effects were handed out, %zu are "
		         "known",
		    (unsigned long long)h->number, h->events, f->len, mr_run_in_flight(h->w.run));
}

static struct mr_run_event make_signal(struct history *h)
{
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_SIGNAL, .duration_us = -1 };
	struct mr_str text = mr_arena_printf(h->kept, "{'id':%u,'type':'%s','data':{'n':%u}}",
	    (unsigned)h->events, draw(h, 2) == 0 ? "e" : "f", (unsigned)draw(h, 6));

	if (draw(h, 5) == 0) {
		ev.kind = MR_RUN_EVENT_VARIABLES;
		text =
		    mr_arena_printf(h->kept, "{'by':'ann','vars':{'v':%u}}", (unsigned)draw(h, 6));
	}
	ev.data = world_json(h->kept, text.p);
	return ev;
}

static struct mr_run_event child_started(struct history *h, const struct mr_effect *e)
{
	return (struct mr_run_event){ .kind = MR_RUN_EVENT_CHILD_STARTED,
		.step_execution_id = e->step_execution_id,
		.attempt = e->attempt,
		.duration_us = -1,
		.data = world_json(h->kept, "{'child_run_id':99}") };
}

/* The child of a step that waits for one, or that was just started, ends. */
static struct mr_run_event child_event(struct history *h, const struct flight *f)
{
	static const char *const ends[] = {
		"{'child_run_id':99,'status':'completed','output':{'x':1}}",
		"{'child_run_id':99,'status':'completed'}",
		"{'child_run_id':99,'status':'failed','error':{'type':'t','message':'m'}}"
	};
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_CHILD_ENDED, .duration_us = -1 };

	ev.step_execution_id = h->child;
	if (f->len > 0 && draw(h, 4) == 0)
		ev.step_execution_id = f->list[draw(h, f->len)].step_execution_id;
	ev.data = world_json(h->kept, ends[draw(h, MR_ARRAY_LEN(ends))]);
	return ev;
}

static struct mr_run_event make_event(struct history *h, const struct flight *f)
{
	static const char *const results[] = { "{'status_code':200,'json':{'id':1}}", "null",
		"[1,2.5,{'a':[]}]", "'text'", "{'status_code':200,'json':[1]}" };
	static const char *const errors[] = { "{'type':'connect','message':'a'}",
		"{'type':'http.503','message':'b','status_code':503,'data':{'x':1}}",
		"{'type':'validation','message':'c'}", "{}", "null" };
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_WAKE, .duration_us = -1 };
	uint64_t what = draw(h, 20);

	if (what < 9 && f->len > 0) {
		const struct mr_effect *e = &f->list[draw(h, f->len)];
		bool ok = draw(h, 3) > 0;

		if (h->w.g->steps[e->step].type == MR_STEP_SUBWORKFLOW && ok)
			return child_started(h, e);
		ev.kind = ok ? MR_RUN_EVENT_STEP_DONE : MR_RUN_EVENT_STEP_FAILED;
		ev.step_execution_id = e->step_execution_id;
		ev.attempt = e->attempt + (draw(h, 12) == 0);
		ev.retryable = draw(h, 6) > 0;
		ev.data = world_json(h->kept, ok ? results[draw(h, MR_ARRAY_LEN(results))]
		                                 : errors[draw(h, MR_ARRAY_LEN(errors))]);
		if (draw(h, 2) == 0)
			ev.duration_us = (int64_t)draw(h, 1000);
		return ev;
	}
	if (what == 14 || what == 15)
		return make_signal(h);
	if (what == 16)
		return child_event(h, f);
	if (what == 9)
		ev.kind = MR_RUN_EVENT_PAUSE;
	if (what == 10 || what == 11)
		ev.kind = MR_RUN_EVENT_RESUME;
	if (what == 12 && draw(h, 3) == 0)
		ev.kind = MR_RUN_EVENT_CANCEL;
	if (what == 13 && draw(h, 6) == 0)
		ev.kind = MR_RUN_EVENT_FAIL;
	ev.data =
	    world_json(h->kept, ev.kind == MR_RUN_EVENT_FAIL ? "{'type':'internal','message':'m'}"
	                                                     : "{'by':'ann','reason':'r'}");
	return ev;
}

static void retry_run(struct history *h)
{
	const struct mr_graph *g = h->w.g;
	struct mr_fact f = { .kind = MR_FACT_RETRIED, .step = -1, .duration_us = -1 };
	struct mr_str text = MR_STR("{'by':'ann'}");

	if (draw(h, 2) == 0)
		text = mr_arena_printf(h->kept, "{'by':'ann','from_step':'%.*s'}",
		    MR_STR_ARG(g->steps[draw(h, g->steps_len)].name));
	else if (draw(h, 2) == 0)
		text = mr_arena_printf(h->kept, "{'input':{'n':%u}}", (unsigned)draw(h, 6));
	f.seq = mr_run_seq(h->w.run) + 1;
	f.at_us = h->w.now;
	f.data = world_json(h->kept, text.p);
	keep_fact(h, &f);
	assert_int_equal(mr_run_apply(h->w.run, &f), 0);
}

/* ---- a run taken over decides alike ---- */

static struct mr_str decisions(const struct mr_run_out *out, struct mr_arena *a)
{
	struct mr_str s = MR_STR("");

	for (size_t i = 0; i < out->facts_len; i++)
		s = mr_arena_printf(a, "%.*s\n%u %s %d#%u %lld %lld %.*s", MR_STR_ARG(s),
		    out->facts[i].seq, mr_fact_kind_name(out->facts[i].kind), out->facts[i].step,
		    out->facts[i].attempt, (long long)out->facts[i].step_execution_id,
		    (long long)out->facts[i].duration_us,
		    MR_STR_ARG(mr_json_text(a, &out->facts[i].data)));
	for (size_t i = 0; i < out->effects_len; i++)
		s = mr_arena_printf(a, "%.*s\n[%d#%u %lld %.*s %.*s]", MR_STR_ARG(s),
		    out->effects[i].step, out->effects[i].attempt,
		    (long long)out->effects[i].step_execution_id,
		    MR_STR_ARG(out->effects[i].idempotency_key),
		    MR_STR_ARG(mr_json_text(a, &out->effects[i].config)));
	for (size_t i = 0; i < out->aborts_len; i++)
		s = mr_arena_printf(a, "%.*s\n[-%d %lld]", MR_STR_ARG(s), out->aborts[i].step,
		    (long long)out->aborts[i].step_execution_id);
	return s;
}

static void advance_both(struct history *h, const struct mr_run_event *ev)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	uint64_t seed = h->w.seed;
	struct mr_rand rand = mr_rand_seeded(&seed);
	struct mr_run_out out = { .arena = a };
	int64_t ids = h->w.ids;
	struct mr_run *twin;
	struct mr_str want, got;

	assert_non_null(a);
	twin = taken_over(h, a, &ids);
	assert_int_equal(mr_run_advance(twin, ev, h->w.now, &rand, &out), 0);
	assert_int_equal(mr_run_advance(h->w.run, ev, h->w.now, &h->w.rand, &h->w.out), 0);
	want = decisions(&h->w.out, a);
	got = decisions(&out, a);
	if (!mr_str_eq(want, got))
		differ(h, "taken over", want, got);
	a = mr_arena_free(a);
}

static void check_restart(struct history *h, const struct flight *f)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	struct mr_run_out out = { .arena = a };
	int64_t ids = 0;
	struct mr_run *twin = taken_over(h, a, &ids);

	assert_int_equal(mr_run_restart_effects(twin, h->w.now, &out), 0);
	assert_int_equal(out.facts_len, 0);
	assert_int_equal(out.effects_len, f->len);
	for (size_t i = 0; i < out.effects_len; i++) {
		bool found = false;

		for (size_t k = 0; k < f->len; k++)
			found =
			    found ||
			    (f->list[k].step == out.effects[i].step &&
			        f->list[k].attempt == out.effects[i].attempt &&
			        f->list[k].step_execution_id == out.effects[i].step_execution_id &&
			        mr_str_eq(
			            f->list[k].idempotency_key, out.effects[i].idempotency_key) &&
			        mr_value_eq(&f->list[k].config, &out.effects[i].config));
		if (!found)
			fail_msg("seed %llu, event %zu: another effect is started again",
			    (unsigned long long)h->number, h->events);
	}
	a = mr_arena_free(a);
}

/* ---- one history ---- */

static void one_event(struct history *h, struct flight *f)
{
	struct mr_run_event ev = make_event(h, f);
	int64_t wake = mr_run_wake_at(h->w.run);

	if (mr_run_is_terminal(mr_run_status(h->w.run)) && draw(h, 2) == 0) {
		retry_run(h);
	} else {
		if (draw(h, 3) == 0)
			h->w.now += (int64_t)draw(h, 3 * (uint64_t)SECOND);
		else if (draw(h, 2) == 0 && wake > h->w.now)
			h->w.now = wake;
		advance_both(h, &ev);
		for (size_t i = 0; i < f->len; i++)
			if (f->list[i].step_execution_id == ev.step_execution_id &&
			    f->list[i].attempt == ev.attempt)
				f->list[i--] = f->list[--f->len];
		take_out(h, f);
	}
	check_replay(h);
	if (draw(h, 8) == 0)
		check_restart(h, f);
}

static void begin(struct history *h, uint64_t number)
{
	struct mr_fact created = { .kind = MR_FACT_CREATED,
		.step = -1,
		.seq = 1,
		.at_us = WORLD_BEGIN,
		.duration_us = -1 };
	struct random_text t;
	char input[40];

	h->number = number;
	h->chance = number * 7919 + 1;
	h->facts_len = 0;
	h->has_snapshot = false;
	h->child = 0;
	h->kept = mr_arena_create(256u << 20);
	assert_non_null(h->kept);
	random_valid(&t, &h->chance, 6);
	(void)snprintf(input, sizeof(input), "{'n':%u}", (unsigned)draw(h, 6));
	world_begin(&h->w, t.b.p, input);
	if (getenv("MILLRACE_TEST_SEED") != NULL)
		(void)fprintf(stderr, "%s\n", t.b.p);
	mr_buf_done(&t.b);
	h->w.secrets = world_json(h->w.graph_arena, "{'T':'t'}");
	keep_fact(h, &created);
}

static void play(struct history *h, uint64_t number)
{
	static struct flight f;

	f.len = 0;
	begin(h, number);
	for (h->events = 0; h->events < MAX_EVENTS; h->events++)
		one_event(h, &f);
	h->kept = mr_arena_free(h->kept);
	world_end(&h->w);
}

static void every_history_folds_to_its_state(void **state)
{
	static struct history h;
	const char *only = getenv("MILLRACE_TEST_SEED"), *count = getenv("MILLRACE_TEST_HISTORIES");
	uint64_t n = HISTORIES, first = 1;

	(void)state;
	if (count != NULL)
		assert_true(mr_str_u64(mr_str(count), &n));
	if (only != NULL) {
		assert_true(mr_str_u64(mr_str(only), &first));
		n = 1;
	}
	for (uint64_t i = first; i < first + n; i++)
		play(&h, i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_history_folds_to_its_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
