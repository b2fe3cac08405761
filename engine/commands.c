#include "engine/commands.h"

#include <stdlib.h>

#include "engine/engine.h"
#include "engine/load.h"
#include "engine/metrics.h"
#include "engine/query.h"
#include "engine/run_row.h"

struct mr_commands {
	struct mr_engine *engine;
	struct mr_query query;
	bool again; /* asked for while an answer was on its way, which may lack it */
};

static const struct {
	const char *name;
	enum mr_run_event_kind event;
} kinds[] = {
	{ "cancel", MR_RUN_EVENT_CANCEL },
	{ "pause", MR_RUN_EVENT_PAUSE },
	{ "resume", MR_RUN_EVENT_RESUME },
};

/* ---- obeying ---- */

static bool was_obeyed(const struct mr_held *h, int64_t id)
{
	for (unsigned i = 0; i < MR_HELD_OBEYED; i++) {
		if (h->obeyed[i] == id)
			return true;
	}
	return false;
}

static bool is_in(const struct mr_outcome *o, int64_t id)
{
	for (unsigned i = 0; o != NULL && i < o->commands_len; i++) {
		if (o->commands[i] == id)
			return true;
	}
	return false;
}

/* On its way to the database, or there already, whatever an older answer says. */
static bool is_known(const struct mr_held *h, int64_t id)
{
	return was_obeyed(h, id) || is_in(h->sent, id) || is_in(h->pending, id);
}

static int read_data(struct mr_arena *a, struct mr_str text, struct mr_value *ret)
{
	*ret = MR_NULL_VALUE;
	if (text.p == NULL)
		return 0;
	text = mr_arena_str(a, text);
	if (text.p == NULL)
		return MR_E_NOMEM;
	return mr_json_parse(a, text, &mr_run_json_limits, NULL, ret);
}

static void act(struct mr_held *h, size_t kind, const struct mr_value *data)
{
	struct mr_run_event ev = {
		.kind = kinds[kind].event, .step = -1, .data = *data, .duration_us = -1
	};

	mr_metric_add(h->engine->metrics, MR_METRIC_COMMANDS,
	    MR_LABELS({ "kind", mr_str(kinds[kind].name) }), 1);
	mr_held_event(h, &ev);
	/* what was under way when it was paused, by an owner that is gone, begins again */
	if (ev.kind == MR_RUN_EVENT_RESUME && h->phase == MR_HELD_LIVE &&
	    mr_run_status(h->run) == MR_RUN_RUNNING && mr_held_restart_effects(h, false) == 0)
		mr_held_touch(h);
}

/* False: no room for it, the next answer has it again. */
static bool mark_obeyed(struct mr_held *h, int64_t id)
{
	struct mr_outcome *o = mr_held_outcome(h);

	if (o == NULL || o->commands_len == MR_OUTCOME_COMMANDS)
		return false;
	o->commands[o->commands_len++] = id;
	return true;
}

static void obey(struct mr_held *h, int64_t id, struct mr_str kind, struct mr_str text)
{
	struct mr_value data;

	if (!mark_obeyed(h, id))
		return;
	if (read_data(h->pending->out.arena, text, &data) < 0)
		data = MR_NULL_VALUE; /* only who and why are lost */
	for (size_t i = 0; i < MR_ARRAY_LEN(kinds); i++) {
		if (mr_str_eqz(kind, kinds[i].name))
			act(h, i, &data);
	}
	if (h->phase == MR_HELD_LIVE)
		mr_held_touch(h); /* marks it as applied, even when nothing came of it */
}

struct columns {
	int run, id, kind, data;
};

/* The one that decides among those not obeyed yet: a cancel, else the last. The others are
 * overtaken: were a resume obeyed that a cancel follows, steps would start after the cancel was
 * answered. -1: there is none. */
static int deciding_row(
    const struct mr_held *h, const PGresult *r, int first, const struct columns *c)
{
	int found = -1;

	for (int i = first; i < PQntuples(r) && mr_run_row_i64(r, i, c->run) == h->id; i++) {
		if (is_known(h, mr_run_row_i64(r, i, c->id)))
			continue;
		found = i;
		if (mr_str_eqz(mr_run_row_text(r, i, c->kind), "cancel"))
			break;
	}
	return found;
}

void mr_commands_obey(struct mr_held *h, const PGresult *r)
{
	const struct columns c = { PQfnumber(r, "run_id"), PQfnumber(r, "command_id"),
		PQfnumber(r, "kind"), PQfnumber(r, "data") };
	int first = mr_run_row_first(r, c.run, h->id);
	int decides = first < 0 || h->phase != MR_HELD_LIVE ? -1 : deciding_row(h, r, first, &c);

	if (decides < 0)
		return;
	/* before the deciding one is carried out: it may take the outcome away */
	for (int i = first; i < PQntuples(r) && mr_run_row_i64(r, i, c.run) == h->id; i++) {
		if (i != decides && !is_known(h, mr_run_row_i64(r, i, c.id)))
			(void)mark_obeyed(h, mr_run_row_i64(r, i, c.id)); /* comes again */
	}
	obey(h, mr_run_row_i64(r, decides, c.id), mr_run_row_text(r, decides, c.kind),
	    mr_run_row_text(r, decides, c.data));
}

/* ---- asking ---- */

static bool is_clean(const struct mr_held *h)
{
	return h->sent == NULL && h->pending == NULL;
}

static void look_at(struct mr_commands *c, const PGresult *r, int row)
{
	struct mr_held *h = mr_runs_find(c->engine->runs, mr_pg_i64(r, row, "run_id", 0));
	int64_t fence = mr_pg_i64(r, row, "fence", 0);

	if (h == NULL || h->phase != MR_HELD_LIVE)
		return; /* its load brings the commands */
	if (is_known(h, mr_pg_i64(r, row, "command_id", 0)) || fence < h->fence)
		return;
	if (is_clean(h) && !h->leaving && (unsigned)mr_pg_i64(r, row, "seq", 0) == h->seq) {
		h->fence = fence;
		mr_commands_obey(h, r);
	} else if (fence != h->fence) {
		mr_load_add(c->engine->load, h); /* what is not committed was decided without it */
	}
}

static void after(struct mr_query *q)
{
	if (q->engine->commands->again)
		mr_commands_ask(q->engine->commands);
}

static void answered(struct mr_query *q)
{
	struct mr_commands *c = q->engine->commands;
	const PGresult *r = mr_query_result(q, 0);

	if (!mr_query_ok(q))
		return; /* asked again within a second */
	for (int i = 0; i < PQntuples(r); i++)
		look_at(c, r, i);
	mr_load_kick(c->engine->load);
}

void mr_commands_ask(struct mr_commands *c)
{
	if (c->engine->id == 0)
		return;
	if (c->query.busy) {
		c->again = true;
		return;
	}
	c->again = false;
	mr_query_begin(&c->query);
	mr_query_call(&c->query, MR_SQL_ENGINE_COMMANDS);
	mr_query_i64(&c->query, "engine_id", c->engine->id);
	(void)mr_query_submit(&c->query); /* without memory: asked again within a second */
}

void mr_commands_hint(struct mr_commands *c, int64_t run_id)
{
	if (mr_runs_find(c->engine->runs, run_id) != NULL)
		mr_commands_ask(c);
}

/* ---- life ---- */

struct mr_commands *mr_commands_create(struct mr_engine *e)
{
	struct mr_commands *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->engine = e;
	if (mr_query_init(&c->query, e, answered) < 0) {
		free(c);
		return NULL;
	}
	c->query.after = after;
	return c;
}

struct mr_commands *mr_commands_free(struct mr_commands *c)
{
	if (c != NULL)
		mr_query_done(&c->query);
	free(c);
	return NULL;
}
