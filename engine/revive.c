#include "engine/revive.h"

#include <string.h>

#include "engine/commands.h"
#include "engine/effects.h"
#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/load.h"
#include "engine/metrics.h"
#include "engine/run_row.h"
#include "engine/slots.h"

struct fact_columns {
	int run_id, seq, kind, id, step, step_execution_id, parent_id, iteration, attempt, at_us,
	    duration_us, data;
};

static void fact_columns(const PGresult *r, struct fact_columns *c)
{
	c->run_id = PQfnumber(r, "run_id");
	c->seq = PQfnumber(r, "seq");
	c->kind = PQfnumber(r, "kind");
	c->id = PQfnumber(r, "id");
	c->step = PQfnumber(r, "step");
	c->step_execution_id = PQfnumber(r, "step_execution_id");
	c->parent_id = PQfnumber(r, "parent_id");
	c->iteration = PQfnumber(r, "iteration");
	c->attempt = PQfnumber(r, "attempt");
	c->at_us = PQfnumber(r, "at_us");
	c->duration_us = PQfnumber(r, "duration_us");
	c->data = PQfnumber(r, "data");
}

static int read_json(struct mr_held *h, struct mr_str text, struct mr_value *ret)
{
	*ret = MR_NULL_VALUE;
	if (text.p == NULL)
		return 0;
	text = mr_arena_str(h->arena, text);
	if (text.p == NULL)
		return MR_E_NOMEM;
	return mr_json_parse(h->arena, text, &mr_run_json_limits, NULL, ret);
}

static int read_fact(struct mr_held *h, const PGresult *r, int row, const struct fact_columns *c,
    struct mr_fact *fact)
{
	struct mr_str step = mr_run_row_text(r, row, c->step);
	int kind = mr_fact_kind_by_name(mr_run_row_text(r, row, c->kind));

	if (kind < 0)
		return MR_E_INVALID;
	*fact = (struct mr_fact){
		.kind = (enum mr_fact_kind)kind,
		.step = step.p == NULL ? -1 : mr_graph_find(h->definition->graph, step),
		.parent_id = mr_run_row_i64(r, row, c->parent_id),
		.iteration = (unsigned)mr_run_row_i64(r, row, c->iteration),
		.attempt = (unsigned)mr_run_row_i64(r, row, c->attempt),
		.step_execution_id = mr_run_row_i64(r, row, c->step_execution_id),
		.id = mr_run_row_i64(r, row, c->id),
		.seq = (unsigned)mr_run_row_i64(r, row, c->seq),
		.at_us = mr_run_row_i64(r, row, c->at_us),
		.duration_us = PQgetisnull(r, row, c->duration_us)
		                   ? -1
		                   : mr_run_row_i64(r, row, c->duration_us),
	};
	return read_json(h, mr_run_row_text(r, row, c->data), &fact->data);
}

static int lend(struct mr_held *h, const PGresult *r, int row, const struct fact_columns *c)
{
	struct mr_value *data = mr_arena_alloc(h->arena, sizeof(*data));
	int e;

	if (data == NULL)
		return MR_E_NOMEM;
	e = read_json(h, mr_run_row_text(r, row, c->data), data);
	return e < 0 ? e : mr_run_lend(h->run, (unsigned)mr_run_row_i64(r, row, c->seq), data);
}

static int fold_row(struct mr_held *h, const PGresult *r, int row, const struct fact_columns *c)
{
	struct mr_value snapshot;
	struct mr_fact fact;
	int e;

	if (mr_str_eqz(mr_run_row_text(r, row, c->kind), "lent"))
		return lend(h, r, row, c);
	if (mr_str_eqz(mr_run_row_text(r, row, c->kind), "state")) {
		h->state_seq = (unsigned)mr_run_row_i64(r, row, c->seq);
		e = read_json(h, mr_run_row_text(r, row, c->data), &snapshot);
		return e < 0 ? e : mr_run_restore(h->run, &snapshot);
	}
	e = read_fact(h, r, row, c, &fact);
	return e < 0 ? e : mr_run_apply(h->run, &fact);
}

/* Snapshot and journal of H: its state. */
static int fold(struct mr_held *h, const PGresult *r)
{
	struct fact_columns c;
	int row, rows = PQntuples(r), e;

	fact_columns(r, &c);
	row = mr_run_row_first(r, c.run_id, h->id);
	for (; row >= 0 && row < rows && mr_run_row_i64(r, row, c.run_id) == h->id; row++) {
		e = fold_row(h, r, row, &c);
		if (e < 0)
			return e;
	}
	return 0;
}

static void wake(struct mr_held *h)
{
	struct mr_run_event ev = {
		.kind = MR_RUN_EVENT_WAKE, .data = MR_NULL_VALUE, .duration_us = -1
	};

	mr_held_event(h, &ev);
}

static int error_data(struct mr_held *h, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(h->arena, 2);

	if (m == NULL)
		return MR_E_NOMEM;
	m->members[0] = (struct mr_member){ mr_value_strz("type"), mr_value_strz(h->fail_type) };
	m->members[1] =
	    (struct mr_member){ mr_value_strz("message"), mr_value_strz(h->fail_message) };
	if (mr_map_seal(h->arena, m) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(m);
	return 0;
}

static void fail_by_event(struct mr_held *h)
{
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_FAIL, .duration_us = -1 };

	if (error_data(h, &ev.data) < 0)
		mr_held_fail(h, h->fail_type, h->fail_message);
	else
		mr_held_event(h, &ev);
}

/* What was under way goes on, or is started again once a flush has shown that H is still ours. */
static void take_up_effects(struct mr_held *h)
{
	if (mr_held_restart_effects(h, true) < 0)
		return;
	if (mr_run_status(h->run) == MR_RUN_PAUSED)
		h->pending->out.effects_len = 0; /* they begin again when it is resumed */
	mr_effects_tell(h);
}

/* A place of its limit comes first, unless the run is at its end or not to go on anyway. */
static bool wants_slot(const struct mr_held *h, const PGresult *commands)
{
	enum mr_run_status status = mr_run_status(h->run);
	enum mr_commands_verdict verdict = mr_commands_judge(h, commands);

	return mr_slots_needs(h) && !mr_run_is_terminal(status) && verdict != MR_COMMANDS_STOP &&
	       (status != MR_RUN_PAUSED || verdict == MR_COMMANDS_RESUME);
}

/* Only for a run that is ours, and not paused: first a flush takes it and says that it is resumed.
 */
static void ask_slot(struct mr_held *h, const PGresult *commands)
{
	h->phase = MR_HELD_LOADING;
	if (mr_run_status(h->run) == MR_RUN_PAUSED && mr_commands_resume(h, commands) < 0) {
		mr_load_add(h->engine->load, h);
	} else if (!h->is_taken || h->pending != NULL) {
		h->wants_slot = true;
		mr_flush_add(h->engine->flush, h);
	} else if (mr_slots_ask(h->engine->slots, h) == 0) {
		mr_slots_kick(h->engine->slots);
	}
}

/* H has its state: commands first, so that nothing they forbid is begun. */
static void go_live(struct mr_held *h, const PGresult *commands)
{
	h->phase = MR_HELD_LIVE;
	if (h->fail_tries == MR_FAIL_BY_EVENT) {
		fail_by_event(h);
		return;
	}
	if (wants_slot(h, commands)) {
		ask_slot(h, commands);
		return;
	}
	if (commands != NULL)
		mr_commands_obey(h, commands);
	if (h->phase == MR_HELD_LIVE && !h->fresh && !mr_run_is_terminal(mr_run_status(h->run)))
		take_up_effects(h);
	if (h->phase == MR_HELD_LIVE)
		wake(h);
	if (h->phase == MR_HELD_LIVE)
		mr_held_touch(h);
}

/* The API wrote the first row of the journal, so a fresh run's is known without reading. */
static int fold_created(struct mr_held *h)
{
	struct mr_fact fact = { .kind = MR_FACT_CREATED,
		.step = -1,
		.seq = 1,
		.at_us = h->created_at_us,
		.duration_us = -1,
		.data = MR_NULL_VALUE };

	return mr_run_apply(h->run, &fact);
}

static void fail_at_once(struct mr_held *h, const char *type, const char *message)
{
	mr_metric_add(h->engine->metrics, MR_METRIC_POISONED, NULL, 1);
	h->fail_tries = MR_FAIL_BY_EVENT; /* this makes it the second: by hand */
	mr_held_fail(h, type, message);
}

void mr_revive(struct mr_held *h, const PGresult *journal, const PGresult *commands)
{
	char why[200];
	int r;

	if (h->definition->graph == NULL && h->fail_tries < MR_FAIL_BY_HAND) {
		size_t n = h->definition->problem.len < sizeof(why) - 1 ? h->definition->problem.len
		                                                        : sizeof(why) - 1;

		memcpy(why, h->definition->problem.p, n);
		why[n] = '\0';
		fail_at_once(h, "validation", why);
		return;
	}
	if (h->fail_tries == MR_FAIL_BY_HAND) {
		if (mr_held_fail_by_hand(h) < 0)
			mr_load_add(h->engine->load, h);
		return;
	}
	r = mr_held_open(h);
	if (r == 0)
		r = journal != NULL ? fold(h, journal) : fold_created(h);
	if (r == MR_E_IO) {
		mr_load_add_later(h->engine->load, h);
		return;
	}
	if (r < 0) {
		fail_at_once(h, r == MR_E_INVALID ? "internal" : "limit",
		    r == MR_E_INVALID    ? "The run's history does not fit its definition."
		    : r == MR_E_CONFLICT ? MR_HELD_RESULT_GONE
		                         : "The run needs more memory than a run may have.");
		return;
	}
	h->vars = journal != NULL ? mr_run_vars(h->run).map : NULL; /* its row has them */
	go_live(h, commands);
}
