#include "engine/commands.h"

#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/ids.h"
#include "engine/load.h"
#include "engine/metrics.h"
#include "engine/query.h"
#include "engine/run_row.h"

struct mr_commands {
	struct mr_engine *engine;
	struct mr_query query;
	uint64_t asked; /* how often; numbers the questions */
	bool again;     /* asked for while an answer was on its way, which may lack it */
};

static const struct {
	const char *name;
	enum mr_run_event_kind event;
	bool decides; /* of several only one counts, and it raises the run's fence */
} kinds[] = {
	{ "cancel", MR_RUN_EVENT_CANCEL, true },
	{ "pause", MR_RUN_EVENT_PAUSE, true },
	{ "resume", MR_RUN_EVENT_RESUME, true },
	{ "signal", MR_RUN_EVENT_SIGNAL, false },
	{ "event", MR_RUN_EVENT_SIGNAL, false },
	{ "child", MR_RUN_EVENT_CHILD_ENDED, false },
	{ "variables", MR_RUN_EVENT_VARIABLES, false },
	{ "fail", MR_RUN_EVENT_FAIL, false },
};

struct columns {
	int run, id, kind, data;
};

static struct columns find_columns(const PGresult *r)
{
	return (struct columns){ PQfnumber(r, "run_id"), PQfnumber(r, "command_id"),
		PQfnumber(r, "kind"), PQfnumber(r, "data") };
}

static size_t find_kind(const PGresult *r, int row, const struct columns *c)
{
	struct mr_str name = mr_run_row_text(r, row, c->kind);
	size_t i = 0;

	while (i < MR_ARRAY_LEN(kinds) && !mr_str_eqz(name, kinds[i].name))
		i++;
	return i;
}

static bool decides(const PGresult *r, int row, const struct columns *c)
{
	size_t kind = find_kind(r, row, c);

	return kind < MR_ARRAY_LEN(kinds) && kinds[kind].decides;
}

/* ---- obeying ---- */

static bool is_in(const struct mr_outcome *o, int64_t id)
{
	for (unsigned i = 0; o != NULL && i < o->commands_len; i++) {
		if (o->commands[i] == id)
			return true;
	}
	return false;
}

/* On its way to the database. */
static bool is_known(const struct mr_held *h, int64_t id)
{
	return is_in(h->sent, id) || is_in(h->pending, id);
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

/* A signal has the number of its command where an event has its own. */
static int add_id(struct mr_arena *a, struct mr_value *data, int64_t id)
{
	struct mr_map *m;
	size_t len;

	if (data->kind != MR_VALUE_MAP || mr_value_get(data, "id") != NULL)
		return 0;
	len = data->map->len;
	m = mr_map_create(a, len + 1);
	if (m == NULL)
		return MR_E_NOMEM;
	m->members[0] = (struct mr_member){ mr_value_strz("id"), mr_value_int(id) };
	memcpy(m->members + 1, data->map->members, len * sizeof(m->members[0]));
	*data = mr_value_map(m);
	return mr_map_seal(a, m);
}

static void act(struct mr_held *h, size_t kind, const struct mr_value *data)
{
	const struct mr_value *step = mr_value_get_kind(data, "step_execution_id", MR_VALUE_INT);
	struct mr_run_event ev = { .kind = kinds[kind].event,
		.step_execution_id = step != NULL ? step->i : 0,
		.data = *data,
		.duration_us = -1 };

	mr_metric_add(h->engine->metrics, MR_METRIC_COMMANDS,
	    MR_LABELS({ "kind", mr_str(kinds[kind].name) }), 1);
	mr_held_event(h, &ev);
	/* what was under way when it was paused, by an owner that is gone, begins again */
	if (ev.kind == MR_RUN_EVENT_RESUME && h->phase == MR_HELD_LIVE &&
	    !mr_run_is_terminal(mr_run_status(h->run)) && mr_run_status(h->run) != MR_RUN_PAUSED &&
	    mr_held_restart_effects(h, false) == 0)
		mr_held_touch(h);
}

/* False: no room for it, it comes again. */
static bool mark_obeyed(struct mr_held *h, int64_t id)
{
	struct mr_outcome *o = mr_held_outcome(h);

	if (o == NULL || o->commands_len == MR_OUTCOME_COMMANDS) {
		h->commands_left = true;
		return false;
	}
	o->commands[o->commands_len++] = id;
	return true;
}

static bool obey(struct mr_held *h, const PGresult *r, int row, const struct columns *c)
{
	int64_t id = mr_run_row_i64(r, row, c->id);
	size_t kind = find_kind(r, row, c);
	struct mr_arena *a;
	struct mr_value data;

	if (!mark_obeyed(h, id))
		return false;
	a = h->pending->out.arena;
	if (read_data(a, mr_run_row_text(r, row, c->data), &data) < 0)
		data = MR_NULL_VALUE; /* of those that decide only who and why are lost */
	if (kind < MR_ARRAY_LEN(kinds) && kinds[kind].event == MR_RUN_EVENT_SIGNAL &&
	    add_id(a, &data, id) < 0)
		return true;
	if (kind < MR_ARRAY_LEN(kinds))
		act(h, kind, &data);
	return true;
}

/* The one that decides among those not obeyed yet: a cancel, else the last. The others are
 * overtaken: were a resume obeyed that a cancel follows, steps would start after the cancel was
 * answered. -1: there is none. */
static int deciding_row(
    const struct mr_held *h, const PGresult *r, int first, const struct columns *c)
{
	int found = -1;

	for (int i = first; i < PQntuples(r) && mr_run_row_i64(r, i, c->run) == h->id; i++) {
		if (!decides(r, i, c) || is_known(h, mr_run_row_i64(r, i, c->id)))
			continue;
		found = i;
		if (mr_str_eqz(mr_run_row_text(r, i, c->kind), "cancel"))
			break;
	}
	return found;
}

static void obey_deciding(struct mr_held *h, const PGresult *r, int first, const struct columns *c)
{
	int row = deciding_row(h, r, first, c);

	if (row < 0)
		return;
	/* before the deciding one is carried out: it may take the outcome away */
	for (int i = first; i < PQntuples(r) && mr_run_row_i64(r, i, c->run) == h->id; i++) {
		if (i != row && decides(r, i, c) && !is_known(h, mr_run_row_i64(r, i, c->id)))
			(void)mark_obeyed(h, mr_run_row_i64(r, i, c->id)); /* comes again */
	}
	(void)obey(h, r, row, c); /* without room it comes again, alone */
}

/* What is brought to a run while it is paused waits until it is resumed. */
static bool takes_more(const struct mr_held *h)
{
	return h->phase == MR_HELD_LIVE && !h->leaving && h->run != NULL &&
	       mr_run_status(h->run) != MR_RUN_PAUSED;
}

/* All the others, in order. */
static void obey_rest(struct mr_held *h, const PGresult *r, int first, const struct columns *c)
{
	unsigned seen = 0;

	for (int i = first; i < PQntuples(r) && mr_run_row_i64(r, i, c->run) == h->id; i++) {
		if (decides(r, i, c))
			continue;
		if (++seen == MR_OUTCOME_COMMANDS)
			h->commands_left = true; /* there may be more than were asked for */
		if (is_known(h, mr_run_row_i64(r, i, c->id)))
			continue;
		if (!takes_more(h) || !obey(h, r, i, c))
			return;
	}
}

void mr_commands_obey(struct mr_held *h, const PGresult *r)
{
	const struct columns c = find_columns(r);
	int first = mr_run_row_first(r, c.run, h->id);

	/* one without a run is being failed by hand: the flush that says so ends it */
	if (first < 0 || h->phase != MR_HELD_LIVE || h->run == NULL)
		return;
	obey_deciding(h, r, first, &c);
	obey_rest(h, r, first, &c);
	if (h->phase == MR_HELD_LIVE)
		mr_held_touch(h); /* marks them as applied, even when nothing came of it */
}

static bool is_failed(
    const struct mr_held *h, const PGresult *r, int first, const struct columns *c)
{
	for (int i = first; i < PQntuples(r) && mr_run_row_i64(r, i, c->run) == h->id; i++) {
		if (mr_str_eqz(mr_run_row_text(r, i, c->kind), "fail"))
			return true;
	}
	return false;
}

enum mr_commands_verdict mr_commands_judge(const struct mr_held *h, const PGresult *r)
{
	struct columns c;
	int first, row;

	if (r == NULL)
		return MR_COMMANDS_GO;
	c = find_columns(r);
	first = mr_run_row_first(r, c.run, h->id);
	if (first < 0)
		return MR_COMMANDS_GO;
	row = deciding_row(h, r, first, &c);
	if (row >= 0 && !mr_str_eqz(mr_run_row_text(r, row, c.kind), "resume"))
		return MR_COMMANDS_STOP;
	if (is_failed(h, r, first, &c))
		return MR_COMMANDS_STOP;
	return row >= 0 ? MR_COMMANDS_RESUME : MR_COMMANDS_GO;
}

/* {"by": who} */
static int resumed_data(struct mr_arena *a, const struct mr_value *data, struct mr_value *ret)
{
	const struct mr_value *by = mr_value_get(data, "by");
	struct mr_map *m = mr_map_create(a, by != NULL ? 1 : 0);

	if (m == NULL)
		return MR_E_NOMEM;
	if (by != NULL)
		m->members[0] = (struct mr_member){ mr_value_strz("by"), *by };
	*ret = mr_value_map(m);
	return mr_map_seal(a, m);
}

static int resumed_fact(struct mr_held *h, const struct mr_value *data)
{
	struct mr_run_out *out = &h->pending->out;
	struct mr_fact *fact = mr_arena_zalloc(out->arena, sizeof(*fact));

	if (fact == NULL || resumed_data(out->arena, data, &fact->data) < 0)
		return MR_E_NOMEM;
	fact->kind = MR_FACT_RESUMED;
	fact->step = -1;
	fact->seq = h->seq + 1;
	fact->id = mr_ids_next(h->engine->ids);
	fact->at_us = mr_engine_now_us(h->engine);
	fact->duration_us = -1;
	if (mr_ids_were_dry(h->engine->ids) || mr_run_apply(h->run, fact) < 0)
		return MR_E_NOMEM;
	out->facts = fact;
	out->facts_len = out->facts_cap = 1;
	return 0;
}

int mr_commands_resume(struct mr_held *h, const PGresult *r)
{
	const struct columns c = find_columns(r);
	int first = mr_run_row_first(r, c.run, h->id), row = deciding_row(h, r, first, &c);
	struct mr_value data = MR_NULL_VALUE;

	for (int i = first; i < PQntuples(r) && mr_run_row_i64(r, i, c.run) == h->id; i++) {
		if (decides(r, i, &c) && !mark_obeyed(h, mr_run_row_i64(r, i, c.id)))
			return MR_E_NOMEM;
	}
	if (read_data(h->pending->out.arena, mr_run_row_text(r, row, c.data), &data) < 0)
		data = MR_NULL_VALUE; /* only who is lost */
	return resumed_fact(h, &data);
}

void mr_commands_landed(struct mr_held *h)
{
	struct mr_commands *c = h->engine->commands;

	if (h->sent->commands_len == 0)
		return;
	h->commands_landed = c->asked;
	if (h->commands_left && !h->row.released)
		mr_commands_ask(c);
	h->commands_left = false;
}

/* ---- asking ---- */

static bool is_clean(const struct mr_held *h)
{
	return h->sent == NULL && h->pending == NULL;
}

/* The commands of one run, from ROW on. */
static void look_at(struct mr_commands *c, const PGresult *r, int row)
{
	struct mr_held *h = mr_runs_find(c->engine->runs, mr_pg_i64(r, row, "run_id", 0));
	int64_t fence = mr_pg_i64(r, row, "fence", 0);

	if (h == NULL || h->phase != MR_HELD_LIVE || h->leaving || fence < h->fence)
		return; /* its load brings the commands, or whoever has it next */
	if (h->commands_landed >= c->asked) {
		c->again = true; /* the answer may be older than what has been applied since */
	} else if (fence == h->fence) {
		mr_commands_obey(h, r);
	} else if (is_clean(h) && (unsigned)mr_pg_i64(r, row, "seq", 0) == h->seq) {
		h->fence = fence;
		mr_commands_obey(h, r);
	} else {
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
	int64_t last = 0;

	if (!mr_query_ok(q))
		return; /* asked again within a second */
	for (int i = 0; i < PQntuples(r); i++) {
		int64_t run_id = mr_pg_i64(r, i, "run_id", 0);

		if (run_id != last)
			look_at(c, r, i);
		last = run_id;
	}
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
	mr_query_i64(&c->query, "owner_id", c->engine->id);
	if (mr_query_submit(&c->query) == 0) /* without memory: asked again within a second */
		c->asked++;
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
