/* Items of a foreach whose results lie in the payload store: names of them in memory, in the
 * journal and in snapshots; the results themselves only for whoever reads the list. */
#include "run_world.h"

#include <stdio.h>

/* Each result is stored under a number and read as {"n": number, "text": what was stored}. */
struct store {
	unsigned stored, loaded;
	char *texts[64]; /* of the first ones */
};

static int store(void *ctx, struct mr_arena *a, const struct mr_value *v, struct mr_str *ret_ref)
{
	struct store *s = ctx;

	if (s->stored < MR_ARRAY_LEN(s->texts)) {
		struct mr_str text = mr_json_text(a, v);

		assert_non_null(text.p);
		s->texts[s->stored] = strndup(text.p, text.len);
	}
	*ret_ref = mr_arena_printf(a, "at/%u", s->stored++);
	return ret_ref->p != NULL ? 0 : MR_E_NOMEM;
}

static int load(void *ctx, struct mr_arena *a, struct mr_str ref, struct mr_value *ret)
{
	struct store *s = ctx;
	struct mr_str rest = ref;
	uint64_t n;

	(void)mr_str_cut(&rest, '/'); /* "at" */
	assert_true(mr_str_u64(rest, &n));
	s->loaded++;
	if (n >= MR_ARRAY_LEN(s->texts) || s->texts[n] == NULL)
		return MR_E_NOT_FOUND;
	return mr_json_parse(a, mr_str(s->texts[n]), &mr_json_limits_default, NULL, ret);
}

static void begin(struct world *w, struct store *s, const char *definition)
{
	*s = (struct store){ .stored = 0 };
	world_begin(w, definition, "{}");
	w->info.payload_store = store;
	w->info.payload_load = load;
	w->info.payload_ctx = s;
	w->info.payload_min = 3000;
	w->run = world_run(w, w->arena, &w->ids);
}

static void end(struct world *w, struct store *s)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(s->texts); i++)
		free(s->texts[i]);
	world_end(w);
}

static void advance(struct world *w, const struct mr_run_event *ev)
{
	assert_int_equal(mr_run_advance(w->run, ev, w->now, &w->rand, &w->out), 0);
}

/* Answers all effects with that, and those that follow; TURNS at most. */
static void answer(struct world *w, const struct mr_value *with, unsigned turns)
{
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_WAKE, .duration_us = -1 };
	struct mr_arena *before = mr_arena_create(1 << 20);

	assert_non_null(before);
	if (w->out.effects_len == 0)
		advance(w, &ev);
	while (w->out.effects_len > 0 && turns-- > 0) {
		size_t len = w->out.effects_len;
		struct mr_effect *effects = mr_arena_array(before, len, sizeof(*effects));

		assert_non_null(effects);
		memcpy(effects, w->out.effects, len * sizeof(*effects));
		mr_arena_reset(w->out_arena);
		w->out = (struct mr_run_out){ .arena = w->out_arena };
		for (size_t i = 0; i < len; i++) {
			ev = (struct mr_run_event){ .kind = MR_RUN_EVENT_STEP_DONE,
				.step_execution_id = effects[i].step_execution_id,
				.attempt = effects[i].attempt,
				.duration_us = -1,
				.data = *with };
			advance(w, &ev);
		}
		mr_arena_reset(before);
	}
	before = mr_arena_free(before);
}

/* {"status": 200, "body": LEN times x} */
static struct mr_value large(struct world *w, size_t len)
{
	struct mr_map *m = mr_map_create(w->graph_arena, 2);
	char *p = mr_arena_alloc(w->graph_arena, len);

	assert_non_null(m);
	assert_non_null(p);
	memset(p, 'x', len);
	m->members[0] = (struct mr_member){ mr_value_strz("status"), mr_value_int(200) };
	m->members[1] =
	    (struct mr_member){ mr_value_strz("body"), mr_value_str((struct mr_str){ p, len }) };
	assert_int_equal(mr_map_seal(w->graph_arena, m), 0);
	return mr_value_map(m);
}

static void assert_completed(const struct world *w)
{
	struct mr_value e = mr_run_error(w->run);

	if (mr_run_status(w->run) != MR_RUN_COMPLETED)
		fail_msg("%s: %.*s", mr_run_status_name(mr_run_status(w->run)),
		    MR_STR_ARG(mr_json_text(w->arena, &e)));
}

#define CALL "{'name':'c','type':'http_request','config':{'url':'http://x/'}}"
#define LOOP(name, n, steps, more)                                                                 \
	"{'name':'" name "','type':'foreach','config':{'items':{'from':0,'to':" n                  \
	"},'concurrency':2,'steps':[" steps "]}" more "}"

/* 600 MiB of results in a run that may have 256. */
static void more_than_fits(void **state)
{
	struct mr_value v, snapshot, again;
	struct mr_arena *a = mr_arena_create(64u << 20);
	struct mr_run *copy = NULL;
	int64_t ids = 1;
	struct store s;
	struct world w;

	(void)state;
	begin(&w, &s, "{'steps':[" LOOP("f", "600", CALL, "") "]}");
	v = large(&w, 1 << 20);
	answer(&w, &v, 200);
	assert_int_equal(mr_run_status(w.run), MR_RUN_RUNNING);
	/* names only in a snapshot, and they come back from it */
	assert_int_equal(mr_run_snapshot(w.run, a, &snapshot), 0);
	assert_true(mr_json_text(a, &snapshot).len < 200000);
	assert_int_equal(mr_run_create(a, w.g, &w.info, world_next_id, &ids, &copy), 0);
	assert_int_equal(mr_run_restore(copy, &snapshot), 0);
	assert_int_equal(mr_run_snapshot(copy, a, &again), 0);
	assert_true(mr_value_eq(&snapshot, &again));
	answer(&w, &v, 1000);
	assert_completed(&w);
	assert_int_equal(s.stored, 601); /* the list with the names as well */
	assert_int_equal(s.loaded, 0);
	assert_true(mr_arena_used(w.arena) < 8u << 20);
	a = mr_arena_free(a);
	end(&w, &s);
}

/* Read by expressions as if all of it were there. */
static void read_as_a_whole(void **state)
{
	static const struct {
		const char *name, *definition, *want;
		unsigned loaded;
	} cases[] = {
		{ "not at all", "{'steps':[" LOOP("f", "3", CALL, "") "],'output':{'n':1}}",
		    "{'n':1}", 0 },
		{ "each item",
		    "{'steps':[" LOOP("f", "3", CALL,
		        "") "],'output':{'n':'{{steps.f.results.map(r, size(r.body))}}',"
		            "'s':'{{steps.f.succeeded}}'}}",
		    "{'n':[5000,5000,5000],'s':3}", 3 },
		{ "in a list that is stored itself",
		    "{'steps':[" LOOP("f", "40", CALL,
		        "") "],'output':{'n':'{{size(steps.f.results[39].body)}}'}}",
		    "{'n':5000}", 41 },
		{ "by its own template",
		    "{'steps':[" LOOP("f", "3", CALL,
		        ",'output':'{{result.results.map(r, size(r.body))}}'") "],'output':{'n':'{{"
		                                                               "steps.f}}'}}",
		    "{'n':[5000,5000,5000]}", 3 },
		{ "loops in loops",
		    "{'steps':[" LOOP("f", "2", LOOP("g", "2", CALL, ""),
		        "") "],'output':{'n':'{{steps.f.results.map(r, r.results.map(q, "
		            "size(q.body)))}}'}}",
		    "{'n':[[5000,5000],[5000,5000]]}", 4 },
		{ "a block around it",
		    "{'steps':[{'name':'if','type':'conditional','config':{'condition':'true','"
		    "true_action':[" LOOP("f", "2", CALL,
		        "") "]}}],"
		            "'output':{'n':'{{steps.if.result.results.map(r, size(r.body))}}'}}",
		    "{'n':[5000,5000]}", 3 /* once as the block ends, and what that stored */ },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_value v, got, want;
		struct store s;
		struct world w;

		begin(&w, &s, cases[i].definition);
		v = large(&w, 5000);
		answer(&w, &v, 100);
		assert_completed(&w);
		got = mr_run_result(w.run);
		want = world_json(w.graph_arena, cases[i].want);
		if (!mr_value_eq(&got, &want))
			fail_msg("%s: %.*s", cases[i].name,
			    MR_STR_ARG(mr_json_text(w.graph_arena, &got)));
		if (s.loaded != cases[i].loaded)
			fail_msg("%s: %u loaded", cases[i].name, s.loaded);
		end(&w, &s);
	}
}

/* What a run gives without an output of its own shows their names. */
static void names_are_shown(void **state)
{
	struct mr_value v, got, want;
	struct store s;
	struct world w;

	(void)state;
	begin(&w, &s, "{'steps':[" LOOP("f", "2", CALL, "") "]}");
	v = large(&w, 5000);
	answer(&w, &v, 100);
	assert_completed(&w);
	got = mr_run_result(w.run);
	want = world_json(w.graph_arena, "{'f':{'results':[{'output_ref':'at/0'},{'output_ref':'at/"
	                                 "1'}],'succeeded':2,'failed':0}}");
	assert_true(mr_value_eq(&got, &want));
	end(&w, &s);
}

/* A result that looks like a name is one's own affair; a stored one that is gone fails who reads
 * it.
 */
static void what_only_looks_like_one(void **state)
{
	struct mr_value v, got, want;
	struct store s;
	struct world w;

	(void)state;
	begin(&w, &s,
	    "{'steps':[" LOOP(
	        "f", "2", CALL, "") "],'output':{'n':'{{steps.f.results[1].output_ref}}'}}");
	v = world_json(w.graph_arena, "{'output_ref':'at/7'}");
	answer(&w, &v, 100);
	assert_completed(&w);
	got = mr_run_result(w.run);
	want = world_json(w.graph_arena, "{'n':'at/7'}");
	assert_true(mr_value_eq(&got, &want));
	assert_int_equal(s.loaded, 0);
	end(&w, &s);
}

/* Snapshots that a release before wrote are read; those of one to come are not. */
static void formats(void **state)
{
	static const struct {
		int format;
		int want;
	} cases[] = { { 1, MR_E_INVALID }, { 2, 0 }, { 3, 0 }, { 4, MR_E_INVALID } };
	struct mr_arena *a = mr_arena_create(16u << 20);
	struct mr_value snapshot, v;
	struct store s;
	struct world w;

	(void)state;
	begin(&w, &s, "{'steps':[" LOOP("f", "3", CALL, "") "]}");
	v = large(&w, 10); /* small: nothing is stored, as before there were parts */
	answer(&w, &v, 1);
	assert_int_equal(mr_run_snapshot(w.run, a, &snapshot), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_run *copy = NULL;
		struct mr_value other;
		int64_t ids = 1;

		assert_int_equal(mr_value_copy(a, &snapshot, &other), 0);
		((struct mr_value *)(uintptr_t)mr_value_get(&other, "v"))->i = cases[i].format;
		assert_int_equal(mr_run_create(a, w.g, &w.info, world_next_id, &ids, &copy), 0);
		assert_int_equal(mr_run_restore(copy, &other), cases[i].want);
	}
	a = mr_arena_free(a);
	end(&w, &s);
}

/* A snapshot names the row that has the items, first of all, and needs it to be restored. */
static void items_stay_in_the_journal(void **state)
{
	struct mr_arena *a = mr_arena_create(64u << 20);
	struct mr_value v, data, snapshot, again;
	struct mr_run *copy = NULL;
	struct store s;
	struct world w;
	struct mr_str text;
	int64_t ids = 1;

	(void)state;
	begin(&w, &s, "{'steps':[" LOOP("f", "5000", CALL, "") "]}");
	w.info.items_min = 4096;
	w.run = world_run(&w, w.arena, &w.ids);
	v = large(&w, 10);
	answer(&w, &v, 0);
	assert_int_equal(w.out.facts[1].kind, MR_FACT_STEP_STARTED);
	assert_int_equal(w.out.facts[1].seq, 3);
	assert_int_equal(mr_value_copy(a, &w.out.facts[1].data, &data), 0);
	answer(&w, &v, 5);
	assert_int_equal(mr_run_snapshot(w.run, a, &snapshot), 0);
	text = mr_json_text(a, &snapshot);
	assert_true(mr_str_starts(text, MR_STR("{\"facts\":[3],\"v\":3,")));
	assert_true(text.len < 10000);
	assert_int_equal(mr_run_create(a, w.g, &w.info, world_next_id, &ids, &copy), 0);
	assert_int_equal(mr_run_restore(copy, &snapshot), MR_E_INVALID);
	assert_int_equal(mr_run_create(a, w.g, &w.info, world_next_id, &ids, &copy), 0);
	assert_int_equal(mr_run_lend(copy, 3, &data), 0);
	assert_int_equal(mr_run_restore(copy, &snapshot), 0);
	assert_int_equal(mr_run_snapshot(copy, a, &again), 0);
	assert_true(mr_value_eq(&snapshot, &again));
	/* it goes on with the very items */
	w.run = copy;
	answer(&w, &v, 10000);
	assert_completed(&w);
	a = mr_arena_free(a);
	end(&w, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_fits),
		cmocka_unit_test(read_as_a_whole),
		cmocka_unit_test(names_are_shown),
		cmocka_unit_test(what_only_looks_like_one),
		cmocka_unit_test(formats),
		cmocka_unit_test(items_stay_in_the_journal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
