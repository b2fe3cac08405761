/*
 * Any JSON as a definition: compiled, or refused with faults. What compiles has a normal form that
 * compiles to the same normal form, and a run of it can be begun, ended, stored and taken up, and
 * be had again from its journal.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "engine/core/run.h"

#define ARENA_MAX (256u << 20)
#define EVENTS    60

static int64_t next_id(void *ctx)
{
	return ++*(int64_t *)ctx;
}

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_normal(struct mr_arena *a, const struct mr_value *definition, struct mr_graph *g)
{
	struct mr_value once, twice;
	struct mr_graph *again;

	check(mr_graph_normalize(a, definition, g, &once) == 0);
	/* a template may leave required texts empty; the normal form is no template */
	if (mr_value_get(definition, "template_config") != NULL)
		return;
	check(mr_graph_compile(a, &once, NULL, &again) == 0);
	check(again->steps_len == g->steps_len);
	check(mr_graph_normalize(a, &once, again, &twice) == 0);
	check(mr_value_eq(&once, &twice));
}

static void check_snapshot(struct mr_arena *a, const struct mr_graph *g, struct mr_run *run,
    const struct mr_run_info *info)
{
	struct mr_value first, second;
	struct mr_run *copy;
	int64_t ids = 0;

	check(mr_run_snapshot(run, a, &first) == 0);
	check(mr_run_create(a, g, info, next_id, &ids, &copy) == 0);
	check(mr_run_restore(copy, &first) == 0);
	check(mr_run_snapshot(copy, a, &second) == 0);
	check(mr_value_eq(&first, &second));
	check(mr_run_in_flight(run) == mr_run_in_flight(copy));
	check(mr_run_wake_at(run) == mr_run_wake_at(copy));
}

/* A run and all that was asked of the outside so far. */
struct world {
	struct mr_arena *arena;
	const struct mr_graph *g;
	struct mr_run_info info;
	struct mr_run *run;
	struct mr_run_out out;
	int64_t ids, now;
	size_t effects, waits; /* told so far */
};

static struct mr_value json(struct world *w, const char *text)
{
	struct mr_value v = MR_NULL_VALUE;

	/* without memory it is null */
	return mr_json_parse(w->arena, mr_str(text), NULL, NULL, &v) == 0 ? v : MR_NULL_VALUE;
}

/* What the outside says of an effect: every other one fails; a child run begins. */
static void tell_effect(struct world *w, unsigned i, struct mr_run_event *ev)
{
	const struct mr_effect *e = &w->out.effects[w->effects++];

	ev->kind = i % 2 == 0 ? MR_RUN_EVENT_STEP_DONE : MR_RUN_EVENT_STEP_FAILED;
	ev->data = json(w, i % 2 == 0 ? "{\"status_code\":200,\"json\":{\"a\":[1]}}"
	                              : "{\"type\":\"http.500\",\"message\":\"m\"}");
	if (w->g->steps[e->step].type == MR_STEP_SUBWORKFLOW && i % 2 == 0) {
		ev->kind = MR_RUN_EVENT_CHILD_STARTED;
		ev->data = json(w, "{\"child_run_id\":77}");
	}
	if (w->g->steps[e->step].type == MR_STEP_DATA_TRANSFORM && i % 2 == 0)
		ev->data = json(w, i % 4 == 0 ? "[{\"a\":[1]}]" : "[1,2]");
	ev->step_execution_id = e->step_execution_id;
	ev->attempt = e->attempt;
	ev->retryable = true;
}

/* The event that is waited for, or the end of the child run. */
static void tell_wait(struct world *w, unsigned i, struct mr_run_event *ev)
{
	const struct mr_wait_row *row = &w->out.waits[w->waits++];
	struct mr_str text;

	ev->step_execution_id = row->step_execution_id;
	if (row->event_type.p == NULL) {
		ev->kind = MR_RUN_EVENT_CHILD_ENDED;
		ev->data = json(w,
		    i % 3 != 0 ? "{\"child_run_id\":77,\"status\":\"completed\",\"output\":{}}"
		               : "{\"child_run_id\":77,\"status\":\"failed\",\"error\":{\"type\":"
		                 "\"x\",\"message\":\"m\"}}");
		return;
	}
	ev->kind = MR_RUN_EVENT_SIGNAL;
	ev->data = json(w, "{\"id\":5,\"data\":{\"x\":1}}");
	text = mr_json_text(
	    w->arena, &(struct mr_value){ .kind = MR_VALUE_STRING, .s = row->event_type });
	text = mr_arena_printf(
	    w->arena, "{\"id\":%u,\"type\":%.*s,\"data\":{\"x\":1}}", i + 1, MR_STR_ARG(text));
	if (text.p != NULL)
		ev->data = json(w, text.p);
}

/* What happens next: now and then somebody interferes; time passes as it is asked for. */
static void next_event(struct world *w, unsigned i, struct mr_run_event *ev)
{
	*ev = (struct mr_run_event){ .kind = MR_RUN_EVENT_WAKE, .duration_us = -1 };
	ev->data = MR_NULL_VALUE;
	if (i == 7) {
		ev->kind = MR_RUN_EVENT_VARIABLES;
		ev->data = json(w, "{\"vars\":{\"n\":1}}");
	} else if (i == 9 || i == 10) {
		ev->kind = i == 9 ? MR_RUN_EVENT_PAUSE : MR_RUN_EVENT_RESUME;
		ev->data = json(w, "{}");
	} else if (i == EVENTS - 5) {
		ev->kind = MR_RUN_EVENT_CANCEL;
		ev->data = json(w, "{\"reason\":\"r\"}");
	} else if (w->effects < w->out.effects_len) {
		tell_effect(w, i, ev);
	} else if (w->waits < w->out.waits_len && i % 4 != 3) {
		tell_wait(w, i, ev);
	} else if (mr_run_wake_at(w->run) > w->now) {
		w->now = mr_run_wake_at(w->run);
	}
}

/* The journal alone leads to the same state. */
static void check_replay(struct world *w, const struct mr_fact *created)
{
	struct mr_value first, second;
	struct mr_run *copy;
	int64_t ids = 0;

	if (mr_arena_used(w->arena) > ARENA_MAX / 4)
		return;
	check(mr_run_create(w->arena, w->g, &w->info, next_id, &ids, &copy) == 0);
	check(mr_run_apply(copy, created) == 0);
	for (size_t i = 0; i < w->out.facts_len; i++)
		check(mr_run_apply(copy, &w->out.facts[i]) == 0);
	check(mr_run_status(copy) == mr_run_status(w->run));
	check(mr_run_seq(copy) == mr_run_seq(w->run));
	check(mr_run_snapshot(w->run, w->arena, &first) == 0);
	check(mr_run_snapshot(copy, w->arena, &second) == 0);
	check(mr_value_eq(&first, &second));
}

static void check_run(struct mr_arena *a, const struct mr_graph *g)
{
	struct world w = { .arena = a, .g = g, .now = 1000000 };
	struct mr_fact created = {
		.kind = MR_FACT_CREATED, .step = -1, .seq = 1, .duration_us = -1
	};
	struct mr_run_event ev;
	uint64_t seed = 1;
	struct mr_rand rand = mr_rand_seeded(&seed);

	w.out.arena = a;
	w.info = (struct mr_run_info){ .id = 1, .workflow_id = 2 };
	w.info.input = json(&w, "{\"x\":1,\"list\":[1,2],\"amount\":200}");
	check(mr_run_create(a, g, &w.info, next_id, &w.ids, &w.run) == 0);
	check(mr_run_apply(w.run, &created) == 0);
	for (unsigned i = 0; i < EVENTS && !mr_run_is_terminal(mr_run_status(w.run)); i++) {
		int r;

		next_event(&w, i, &ev);
		r = mr_run_advance(w.run, &ev, w.now, &rand, &w.out);
		if (r == MR_E_NOMEM || r == MR_E_LIMIT)
			return;
		check(r == 0);
	}
	if (mr_arena_used(a) < ARENA_MAX / 4)
		check_snapshot(a, g, w.run, &w.info);
	check_replay(&w, &created);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(ARENA_MAX);
	struct mr_faults faults;
	struct mr_value v;
	struct mr_graph *g;
	int r;

	if (a == NULL)
		return 0;
	mr_faults_init(&faults, a, 100);
	r = mr_json_parse(
	    a, (struct mr_str){ (const char *)data, size }, &mr_json_limits_default, &faults, &v);
	if (r == 0) {
		size_t before = faults.count;

		r = mr_graph_compile(a, &v, &faults, &g);
		check(r == 0 || r == MR_E_LIMIT || r == MR_E_NOMEM || faults.count > before);
		check(r != 0 || faults.count == before);
	}
	if (r == 0) {
		check_normal(a, &v, g);
		check_run(a, g);
	}
	a = mr_arena_free(a);
	return 0;
}
