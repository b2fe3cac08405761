/*
 * Every dependency graph of up to five steps, in every order in which its steps can end, well or
 * badly, with every kind of join: against an oracle that works with sets of steps. Each state is
 * reached by folding its facts into a fresh run, as after a crash, before the next event is told.
 */
#include "run_world.h"

#include <stdio.h>

#define MAX_STEPS 5
#define MAX_STATE 3125 /* five statuses of five steps */
#define MAX_FACTS 40

enum status { FRESH, RUNNING, COMPLETED, FAILED, SKIPPED, CANCELLED };

/* A graph, and what was seen of it; sets are bits of steps. */
struct world_of {
	struct mr_arena *arena, *run_arena, *out_arena;
	struct mr_graph *g;
	struct mr_run_info info;
	unsigned n, deps[MAX_STEPS];
	const char *join;
	bool goes_on; /* on_error: continue */
	bool seen[MAX_STATE];
	char text[1000];
};

struct place {
	enum status of[MAX_STEPS];
	bool ended, failed; /* the run */
	struct mr_fact facts[MAX_FACTS];
	size_t facts_len;
};

static unsigned long graphs, states, transitions;

/* ---- the oracle ---- */

static unsigned set_of(const struct place *p, unsigned n, enum status s)
{
	unsigned set = 0;

	for (unsigned i = 0; i < n; i++)
		set |= (unsigned)(p->of[i] == s) << i;
	return set;
}

static unsigned size(unsigned set)
{
	return (unsigned)__builtin_popcount(set);
}

static bool join_applies(const struct world_of *w, unsigned i)
{
	return size(w->deps[i]) >= 2;
}

/* FRESH: it goes on waiting. */
static enum status decide(const struct world_of *w, const struct place *p, unsigned i)
{
	unsigned deps = w->deps[i], completed = set_of(p, w->n, COMPLETED) & deps;
	unsigned done = completed | (set_of(p, w->n, FAILED) & deps);
	unsigned left = deps & ~done & ~set_of(p, w->n, SKIPPED);
	const char *join = join_applies(w, i) ? w->join : "ok";
	unsigned need = strcmp(join, "all") == 0 ? size(deps) : strcmp(join, "any") == 0 ? 1 : 2;

	if (deps == 0)
		return RUNNING;
	if (strcmp(join, "done") == 0)
		return left != 0 ? FRESH : RUNNING;
	if (strcmp(join, "ok") == 0)
		return left != 0 ? FRESH : done != 0 ? RUNNING : SKIPPED;
	if (size(completed) >= need)
		return RUNNING;
	return size(completed) + size(left) < need ? SKIPPED : FRESH;
}

static void settle(const struct world_of *w, struct place *p)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (unsigned i = 0; i < w->n; i++) {
			if (p->of[i] != FRESH)
				continue;
			p->of[i] = decide(w, p, i);
			moved = moved || p->of[i] != FRESH;
		}
	}
	p->ended = set_of(p, w->n, FRESH) == 0 && set_of(p, w->n, RUNNING) == 0;
}

static void expect(const struct world_of *w, struct place *p, unsigned step, bool well)
{
	p->of[step] = well ? COMPLETED : FAILED;
	if (well || w->goes_on) {
		settle(w, p);
		return;
	}
	for (unsigned i = 0; i < w->n; i++)
		if (p->of[i] == RUNNING)
			p->of[i] = CANCELLED;
	p->ended = p->failed = true;
}

/* ---- the core ---- */

static void apply_fact(struct place *p, const struct mr_fact *f)
{
	switch (f->kind) {
	case MR_FACT_STEP_STARTED:
		p->of[f->step] = RUNNING;
		break;
	case MR_FACT_STEP_COMPLETED:
		p->of[f->step] = COMPLETED;
		break;
	case MR_FACT_STEP_FAILED:
		p->of[f->step] = FAILED;
		break;
	case MR_FACT_STEP_SKIPPED:
		p->of[f->step] = SKIPPED;
		break;
	case MR_FACT_STEP_CANCELLED:
		p->of[f->step] = CANCELLED;
		break;
	case MR_FACT_COMPLETED:
		p->ended = true;
		break;
	case MR_FACT_FAILED:
		p->ended = p->failed = true;
		break;
	default:
		break;
	}
}

static int64_t execution_of(const struct place *p, unsigned step)
{
	for (size_t i = 0; i < p->facts_len; i++)
		if (p->facts[i].step == (int)step)
			return p->facts[i].step_execution_id;
	return 0;
}

/* What the core makes of EV in the place P, taken up from its facts. */
static void ask_core(struct world_of *w, struct place *p, const struct mr_run_event *ev)
{
	struct mr_run_out out = { .arena = w->out_arena };
	struct mr_run *run = NULL;
	int64_t ids = 1000 + (int64_t)p->facts_len;
	size_t under_way = size(set_of(p, w->n, RUNNING));

	mr_arena_reset(w->run_arena);
	mr_arena_reset(w->out_arena);
	assert_int_equal(mr_run_create(w->run_arena, w->g, &w->info, world_next_id, &ids, &run), 0);
	for (size_t i = 0; i < p->facts_len; i++)
		assert_int_equal(mr_run_apply(run, &p->facts[i]), 0);
	assert_int_equal(mr_run_restart_effects(run, WORLD_BEGIN, &out), 0);
	if (out.effects_len != under_way || out.facts_len != 0)
		fail_msg("%s: not the effects that were under way", w->text);
	assert_int_equal(mr_run_advance(run, ev, WORLD_BEGIN, NULL, &out), 0);
	for (size_t i = 0; i < out.facts_len; i++) {
		struct mr_fact *kept = &p->facts[p->facts_len++];

		assert_true(p->facts_len < MAX_FACTS);
		*kept = out.facts[i];
		assert_int_equal(mr_value_copy(w->arena, &out.facts[i].data, &kept->data), 0);
		apply_fact(p, kept);
	}
	if (mr_run_is_terminal(mr_run_status(run)) != p->ended)
		fail_msg("%s: ended or not", w->text);
}

static void compare(const struct world_of *w, const struct place *want, const struct place *got)
{
	for (unsigned i = 0; i < w->n; i++)
		if (want->of[i] != got->of[i])
			fail_msg("%s: step %u is %d, not %d", w->text, i, (int)got->of[i],
			    (int)want->of[i]);
	if (want->ended != got->ended || want->failed != got->failed)
		fail_msg("%s: the run's end differs", w->text);
}

static unsigned number_of(const struct world_of *w, const struct place *p)
{
	unsigned number = 0;

	for (unsigned i = 0; i < w->n; i++)
		number = number * 5 + (unsigned)p->of[i];
	return number;
}

/* From here every step under way ends, well and badly; as deep as there are steps. */
static void explore(struct world_of *w, const struct place *from)
{
	static const struct mr_value nothing = MR_NULL_VALUE;
	struct mr_run_event ev = { .attempt = 1, .data = nothing, .duration_us = 1 };

	if (from->ended || w->seen[number_of(w, from)])
		return;
	w->seen[number_of(w, from)] = true;
	states++;
	for (unsigned k = 0; k < 2 * w->n; k++) {
		struct place want = *from, got = *from;
		bool well = k % 2 == 0;

		if (from->of[k / 2] != RUNNING)
			continue;
		transitions++;
		ev.kind = well ? MR_RUN_EVENT_STEP_DONE : MR_RUN_EVENT_STEP_FAILED;
		ev.step_execution_id = execution_of(from, k / 2);
		expect(w, &want, k / 2, well);
		ask_core(w, &got, &ev);
		compare(w, &want, &got);
		explore(w, &got);
	}
}

/* ---- every graph ---- */

static const char *join_text(const struct world_of *w)
{
	static const char *const texts[][2] = { { "ok", "'ok'" }, { "all", "'all'" },
		{ "any", "'any'" }, { "done", "'done'" }, { "n:2", "{'n':2}" } };

	for (size_t i = 0; i < MR_ARRAY_LEN(texts); i++)
		if (strcmp(w->join, texts[i][0]) == 0)
			return texts[i][1];
	return "";
}

static void write_text(struct world_of *w)
{
	size_t at = 0;

	at += (size_t)snprintf(w->text, sizeof(w->text), "{'steps':[");
	for (unsigned i = 0; i < w->n; i++) {
		at += (size_t)snprintf(w->text + at, sizeof(w->text) - at,
		    "%s{'name':'s%u','type':'http_request','config':{'url':'https://x/'},"
		    "'max_retries':0%s,'depends_on':[",
		    i > 0 ? "," : "", i, w->goes_on ? ",'on_error':'continue'" : "");
		for (unsigned k = 0, n = 0; k < i; k++)
			if ((w->deps[i] >> k & 1) != 0)
				at += (size_t)snprintf(w->text + at, sizeof(w->text) - at,
				    "%s's%u'", n++ > 0 ? "," : "", k);
		at += (size_t)snprintf(w->text + at, sizeof(w->text) - at, "]%s%s}",
		    join_applies(w, i) ? ",'join':" : "", join_applies(w, i) ? join_text(w) : "");
	}
	(void)snprintf(w->text + at, sizeof(w->text) - at, "]}");
}

static void play_graph(struct world_of *w, unsigned edges)
{
	static struct place first;
	struct place want;
	struct mr_value v;
	unsigned bit = 0;

	for (unsigned j = 0; j < w->n; j++) {
		w->deps[j] = 0;
		for (unsigned i = 0; i < j; i++, bit++)
			w->deps[j] |= (edges >> bit & 1) << i;
	}
	write_text(w);
	mr_arena_reset(w->arena);
	v = world_json(w->arena, w->text);
	if (mr_graph_compile(w->arena, &v, NULL, &w->g) != 0)
		fail_msg("it does not compile: %s", w->text);
	memset(w->seen, 0, sizeof(w->seen));
	memset(&first, 0, sizeof(first));
	first.facts[0] = (struct mr_fact){ .kind = MR_FACT_CREATED, .step = -1, .seq = 1 };
	first.facts_len = 1;
	want = first;
	settle(w, &want);
	ask_core(w, &first, &(struct mr_run_event){ .kind = MR_RUN_EVENT_WAKE });
	compare(w, &want, &first);
	explore(w, &first);
	graphs++;
}

static void play_all(const char *join, bool goes_on, unsigned most)
{
	static struct world_of w;

	w.arena = mr_arena_create(64u << 20);
	w.run_arena = mr_arena_create(64u << 20);
	w.out_arena = mr_arena_create(64u << 20);
	assert_true(w.arena != NULL && w.run_arena != NULL && w.out_arena != NULL);
	w.info = (struct mr_run_info){ .id = 77, .input = MR_NULL_VALUE };
	w.join = join;
	w.goes_on = goes_on;
	for (w.n = 1; w.n <= most; w.n++)
		for (unsigned edges = 0; edges < 1u << (w.n * (w.n - 1) / 2); edges++)
			play_graph(&w, edges);
	w.arena = mr_arena_free(w.arena);
	w.run_arena = mr_arena_free(w.run_arena);
	w.out_arena = mr_arena_free(w.out_arena);
	printf("%s, on_error %s: %lu graphs, %lu states, %lu transitions so far\n", join,
	    goes_on ? "continue" : "fail", graphs, states, transitions);
}

static void every_graph_in_every_order(void **state)
{
	(void)state;
	play_all("ok", false, 5);
	play_all("ok", true, 5);
}

static void every_join_in_every_order(void **state)
{
	static const char *const joins[] = { "all", "any", "done", "n:2" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(joins); i++) {
		play_all(joins[i], false, 4);
		play_all(joins[i], true, 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_graph_in_every_order),
		cmocka_unit_test(every_join_in_every_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
