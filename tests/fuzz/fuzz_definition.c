/*
 * Any JSON as a definition: compiled, or refused with faults. What compiles has a normal form that
 * compiles to the same normal form, and a run of it can be begun, ended, stored and taken up.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "engine/core/run.h"

#define ARENA_MAX (256u << 20)
#define EVENTS    20

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

/* Every other effect fails; time passes as it is asked for. */
static void check_run(struct mr_arena *a, const struct mr_graph *g)
{
	struct mr_run_info info = { .id = 1, .workflow_id = 2, .input = { .kind = MR_VALUE_NULL } };
	struct mr_fact created = { .kind = MR_FACT_CREATED, .step = -1, .seq = 1 };
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_WAKE, .step = -1, .duration_us = -1 };
	struct mr_run_out out = { .arena = a };
	uint64_t seed = 1;
	struct mr_rand rand = mr_rand_seeded(&seed);
	int64_t ids = 0, now = 1000000;
	size_t told = 0;
	struct mr_run *run;

	check(mr_run_create(a, g, &info, next_id, &ids, &run) == 0);
	check(mr_run_apply(run, &created) == 0);
	for (unsigned i = 0; i < EVENTS && !mr_run_is_terminal(mr_run_status(run)); i++) {
		int r = mr_run_advance(run, &ev, now, &rand, &out);

		if (r == MR_E_NOMEM)
			return;
		check(r == 0);
		ev.kind = MR_RUN_EVENT_WAKE;
		if (told < out.effects_len) {
			ev.kind = i % 2 == 0 ? MR_RUN_EVENT_STEP_DONE : MR_RUN_EVENT_STEP_FAILED;
			ev.step = out.effects[told].step;
			ev.attempt = out.effects[told++].attempt;
			ev.retryable = true;
		} else if (mr_run_wake_at(run) > now) {
			now = mr_run_wake_at(run);
		}
	}
	check_snapshot(a, g, run, &info);
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
