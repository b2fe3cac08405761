/*
 * Runs told as text: what came out of the core, and short words for what happens to a run. For
 * test_run.c and test_run_blocks.c.
 */
#ifndef MR_TESTS_UNIT_RUN_TOLD_H
#define MR_TESTS_UNIT_RUN_TOLD_H

#include "run_world.h"

#include <stdio.h>

static inline struct mr_str step_name(const struct world *w, int step)
{
	return step < 0 ? MR_STR("") : w->g->steps[step].name;
}

/* "started; step.started a; [a]" : facts, then effects in brackets, aborts with a minus. Checks
 * that seq is dense, that ids grow, and forgets what it has told. */
static inline struct mr_str told(struct world *w)
{
	struct mr_str s = MR_STR("");
	struct mr_run_out *out = &w->out;

	for (size_t i = 0; i < out->facts_len; i++) {
		const struct mr_fact *f = &out->facts[i];

		assert_int_equal(f->seq, ++w->seq);
		s = mr_arena_printf(w->out_arena, "%.*s%s%s%s%.*s", MR_STR_ARG(s),
		    s.len > 0 ? "; " : "", mr_fact_kind_name(f->kind), f->step >= 0 ? " " : "",
		    MR_STR_ARG(step_name(w, f->step)));
		if (f->attempt > 1)
			s = mr_arena_printf(w->out_arena, "%.*s#%u", MR_STR_ARG(s), f->attempt);
	}
	for (size_t i = 0; i < out->effects_len; i++)
		s = mr_arena_printf(w->out_arena, "%.*s [%.*s]", MR_STR_ARG(s),
		    MR_STR_ARG(step_name(w, out->effects[i].step)));
	for (size_t i = 0; i < out->aborts_len; i++)
		s = mr_arena_printf(w->out_arena, "%.*s [-%.*s]", MR_STR_ARG(s),
		    MR_STR_ARG(step_name(w, out->aborts[i].step)));
	out->facts_len = out->effects_len = out->aborts_len = 0;
	return s;
}

/* Remembers which executions the facts since FROM are about. */
static inline void world_note(struct world *w, size_t from)
{
	for (size_t i = from; i < w->out.facts_len; i++)
		if (w->out.facts[i].step >= 0)
			w->execution[w->out.facts[i].step] = w->out.facts[i].step_execution_id;
}

static inline void advance(struct world *w, const struct mr_run_event *ev)
{
	size_t from = w->out.facts_len;

	assert_int_equal(mr_run_advance(w->run, ev, w->now, &w->rand, &w->out), 0);
	world_note(w, from);
}

static inline void wake(struct world *w)
{
	advance(w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_WAKE });
}

static inline int step(const struct world *w, const char *name)
{
	int i = mr_graph_find(w->g, mr_str(name));

	assert_true(i >= 0);
	return i;
}

static inline void done_attempt(
    struct world *w, const char *name, unsigned attempt, const char *result)
{
	advance(w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_STEP_DONE,
	               .step_execution_id = w->execution[step(w, name)],
	               .attempt = attempt,
	               .data = world_json(w->graph_arena, result),
	               .duration_us = 5 });
}

static inline void done(struct world *w, const char *name, const char *result)
{
	done_attempt(w, name, 1, result);
}

static inline void failed_attempt(
    struct world *w, const char *name, unsigned attempt, const char *type)
{
	struct mr_str text = mr_arena_printf(w->graph_arena, "{'type':'%s','message':'m'}", type);

	advance(w, &(struct mr_run_event){ .kind = MR_RUN_EVENT_STEP_FAILED,
	               .step_execution_id = w->execution[step(w, name)],
	               .attempt = attempt,
	               .retryable = true,
	               .data = world_json(w->graph_arena, text.p),
	               .duration_us = 5 });
}

static inline void failed(struct world *w, const char *name, const char *type)
{
	failed_attempt(w, name, 1, type);
}

static inline void command(struct world *w, enum mr_run_event_kind kind)
{
	advance(w, &(struct mr_run_event){ .kind = kind,
	               .data = world_json(w->graph_arena, "{'by':'ann','reason':'r'}") });
}

static inline void assert_json(struct world *w, struct mr_value v, const char *want)
{
	struct mr_str got = mr_json_text(w->out_arena, &v);
	struct mr_value wanted = world_json(w->out_arena, want);

	if (!mr_value_eq(&v, &wanted))
		fail_msg("got %.*s, want %s", MR_STR_ARG(got), want);
}

static inline void assert_status(const struct world *w, const char *want)
{
	assert_string_equal(mr_run_status_name(mr_run_status(w->run)), want);
}

/* Data of the fact that came last with that kind; before told() forgets it. */
static inline struct mr_value data_of(const struct world *w, enum mr_fact_kind kind)
{
	for (size_t i = w->out.facts_len; i > 0; i--)
		if (w->out.facts[i - 1].kind == kind)
			return w->out.facts[i - 1].data;
	fail_msg("no such fact");
	return MR_NULL_VALUE;
}

/* What the log step that completed last said. */
static inline struct mr_value line_of(const struct world *w)
{
	for (size_t i = w->out.facts_len; i > 0; i--) {
		const struct mr_fact *f = &w->out.facts[i - 1];

		if (f->kind == MR_FACT_STEP_COMPLETED && w->g->steps[f->step].type == MR_STEP_LOG)
			return *mr_value_get(&f->data, "output");
	}
	fail_msg("no line");
	return MR_NULL_VALUE;
}

/* A retried row, as the API writes it. */
static inline void retried(struct world *w, const char *data)
{
	struct mr_fact f = { .kind = MR_FACT_RETRIED,
		.step = -1,
		.seq = ++w->seq,
		.at_us = w->now,
		.duration_us = -1,
		.data = world_json(w->graph_arena, data) };

	assert_int_equal(mr_run_apply(w->run, &f), 0);
	assert_false(mr_run_is_terminal(mr_run_status(w->run)));
}

#define HTTP(name, more)                                                                           \
	"{'name':'" name "','type':'http_request','config':{'url':'https://x/'}" more "}"
#define LOG(name, message, more)                                                                   \
	"{'name':'" name "','type':'log','config':{'message':'" message "'}" more "}"
#define NOOP(name, more) "{'name':'" name "','type':'noop'" more "}"

#endif
