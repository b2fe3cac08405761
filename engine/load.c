#include "engine/load.h"

#include <stdlib.h>
#include <string.h>

#include "engine/account.h"
#include "engine/commands.h"
#include "engine/effects.h"
#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/ids.h"
#include "engine/metrics.h"
#include "engine/query.h"
#include "engine/run_row.h"
#include "engine/timers.h"
#include "lib/log.h"

#define BATCH_MAX      500
#define LIST_MAX       ((size_t)1024 * 1024)
#define RETRY_FIRST_MS 20
#define RETRY_MAX_MS   1000

struct mr_load {
	struct mr_engine *engine;
	struct mr_query query;
	struct mr_held *first, *last; /* those that wait */
	size_t len;
	struct mr_held *batch[BATCH_MAX]; /* those that are being read */
	size_t batch_len;
	struct mr_buf ids, workflow_ids, versions;
	int definitions, owned; /* which calls of the query those are; -1: not asked */
	uint64_t retry_ms;
	uv_timer_t retry;
};

/* ---- what waits ---- */

static void push(struct mr_load *l, struct mr_held *h)
{
	if (h->queued)
		return;
	h->queued = true;
	h->load_next = NULL;
	if (l->last != NULL)
		l->last->load_next = h;
	else
		l->first = h;
	l->last = h;
	l->len++;
}

static struct mr_held *pop(struct mr_load *l)
{
	struct mr_held *h = l->first;

	l->first = h->load_next;
	if (l->first == NULL)
		l->last = NULL;
	h->load_next = NULL;
	h->queued = false;
	l->len--;
	return h;
}

void mr_load_remove(struct mr_load *l, struct mr_held *h)
{
	struct mr_held **at = &l->first, *before = NULL;

	if (!h->queued)
		return;
	while (*at != h) {
		before = *at;
		at = &(*at)->load_next;
	}
	*at = h->load_next;
	if (l->last == h)
		l->last = before;
	h->queued = false;
	l->len--;
}

void mr_load_add(struct mr_load *l, struct mr_held *h)
{
	h->phase = MR_HELD_LOADING;
	h->fresh = false;
	mr_timers_remove(l->engine->timers, h);
	mr_flush_remove(l->engine->flush, h);
	if (h->sent != NULL) {
		h->reread = true;
		return;
	}
	push(l, h);
	mr_load_kick(l);
}

void mr_load_add_fresh(struct mr_load *l, struct mr_held *h)
{
	h->phase = MR_HELD_LOADING;
	h->fresh = true;
	push(l, h);
}

size_t mr_load_len(const struct mr_load *l)
{
	return l->len + l->batch_len;
}

bool mr_load_is_busy(const struct mr_load *l)
{
	return l->query.busy;
}

/* ---- asking ---- */

static struct mr_definition *definition_of(struct mr_load *l, struct mr_held *h)
{
	if (h->definition == NULL)
		h->definition = mr_definitions_get(l->engine->definitions, h->workflow_id, h->version);
	return h->definition;
}

/* Takes a batch off the list and writes the arrays that ask for it. */
static void take(struct mr_load *l)
{
	mr_pg_array_begin(&l->ids);
	mr_pg_array_begin(&l->workflow_ids);
	mr_pg_array_begin(&l->versions);
	while (l->first != NULL && l->batch_len < BATCH_MAX) {
		struct mr_held *h = pop(l);

		h->phase = MR_HELD_LOADING;
		mr_timers_remove(l->engine->timers, h);
		mr_flush_remove(l->engine->flush, h);
		if (h->sent != NULL) { /* asked for again while it was read; after its flush, then */
			h->reread = true;
			continue;
		}
		h->busy++;
		l->batch[l->batch_len++] = h;
		if (!h->fresh)
			mr_pg_array_add_i64(&l->ids, h->id);
		if (definition_of(l, h) == NULL) { /* the same one more than once does no harm */
			mr_pg_array_add_i64(&l->workflow_ids, h->workflow_id);
			mr_pg_array_add_i64(&l->versions, h->version);
		}
	}
	mr_pg_array_end(&l->ids);
	mr_pg_array_end(&l->workflow_ids);
	mr_pg_array_end(&l->versions);
}

static void put_calls(struct mr_load *l)
{
	struct mr_query *q = &l->query;

	mr_query_begin(q);
	l->definitions = l->owned = -1;
	if (l->workflow_ids.len > 2) {
		l->definitions = (int)q->unit.calls_len;
		mr_query_call(q, MR_SQL_ENGINE_DEFINITIONS);
		mr_query_ref(q, "workflow_ids", mr_buf_str(&l->workflow_ids));
		mr_query_ref(q, "versions", mr_buf_str(&l->versions));
	}
	if (l->ids.len == 2)
		return;
	l->owned = (int)q->unit.calls_len;
	mr_query_call(q, MR_SQL_ENGINE_OWNED);
	mr_query_i64(q, "engine_id", l->engine->id);
	mr_query_ref(q, "run_ids", mr_buf_str(&l->ids));
	mr_query_call(q, MR_SQL_ENGINE_LOAD);
	mr_query_ref(q, "run_ids", mr_buf_str(&l->ids));
	/* after the rows: a command that comes between has raised the fence, and is met again */
	mr_query_call(q, MR_SQL_ENGINE_COMMANDS);
	mr_query_i64(q, "engine_id", l->engine->id);
}

static void on_retry(uv_timer_t *timer)
{
	mr_load_kick(timer->data);
}

static void retry_later(struct mr_load *l)
{
	l->retry_ms = l->retry_ms == 0 ? RETRY_FIRST_MS : l->retry_ms * 2;
	if (l->retry_ms > RETRY_MAX_MS)
		l->retry_ms = RETRY_MAX_MS;
	(void)uv_timer_start(&l->retry, on_retry, l->retry_ms, 0); /* fails only while closing */
}

/* All of the batch goes back to the list. */
static void put_back(struct mr_load *l)
{
	for (size_t i = 0; i < l->batch_len; i++) {
		struct mr_held *h = l->batch[i];

		if (!h->dropped)
			push(l, h);
		mr_held_release(h);
	}
	l->batch_len = 0;
}

void mr_load_kick(struct mr_load *l)
{
	if (l->query.busy || l->first == NULL || l->engine->id == 0 || !mr_ids_enough(l->engine->ids) ||
	    uv_is_active((uv_handle_t *)&l->retry))
		return;
	mr_buf_reset(&l->ids);
	mr_buf_reset(&l->workflow_ids);
	mr_buf_reset(&l->versions);
	take(l);
	put_calls(l);
	if (mr_buf_failed(&l->ids) || mr_buf_failed(&l->workflow_ids) || mr_buf_failed(&l->versions) ||
	    mr_query_submit(&l->query) < 0) {
		put_back(l);
		retry_later(l);
	}
}

/* ---- one run ---- */

struct fact_columns {
	int run_id, seq, kind, id, step, step_execution_id, attempt, at_us, duration_us, data;
};

static void fact_columns(const PGresult *r, struct fact_columns *c)
{
	c->run_id = PQfnumber(r, "run_id");
	c->seq = PQfnumber(r, "seq");
	c->kind = PQfnumber(r, "kind");
	c->id = PQfnumber(r, "id");
	c->step = PQfnumber(r, "step");
	c->step_execution_id = PQfnumber(r, "step_execution_id");
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
		.attempt = (unsigned)mr_run_row_i64(r, row, c->attempt),
		.step_execution_id = mr_run_row_i64(r, row, c->step_execution_id),
		.id = mr_run_row_i64(r, row, c->id),
		.seq = (unsigned)mr_run_row_i64(r, row, c->seq),
		.at_us = mr_run_row_i64(r, row, c->at_us),
		.duration_us = PQgetisnull(r, row, c->duration_us) ? -1 : mr_run_row_i64(r, row, c->duration_us),
	};
	return read_json(h, mr_run_row_text(r, row, c->data), &fact->data);
}

static int fold_row(struct mr_held *h, const PGresult *r, int row, const struct fact_columns *c)
{
	struct mr_value snapshot;
	struct mr_fact fact;
	int e;

	if (mr_str_eqz(mr_run_row_text(r, row, c->kind), "state")) {
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
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_WAKE, .step = -1, .data = MR_NULL_VALUE, .duration_us = -1 };

	mr_held_event(h, &ev);
}

static int error_data(struct mr_held *h, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(h->arena, 2);

	if (m == NULL)
		return MR_E_NOMEM;
	m->members[0] = (struct mr_member){ mr_value_strz("type"), mr_value_strz(h->fail_type) };
	m->members[1] = (struct mr_member){ mr_value_strz("message"), mr_value_strz(h->fail_message) };
	if (mr_map_seal(h->arena, m) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(m);
	return 0;
}

static void fail_by_event(struct mr_held *h)
{
	struct mr_run_event ev = { .kind = MR_RUN_EVENT_FAIL, .step = -1, .duration_us = -1 };

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

/* H has its state: commands first, so that nothing they forbid is begun. */
static void go_live(struct mr_held *h, const PGresult *commands)
{
	h->phase = MR_HELD_LIVE;
	if (h->fail_tries == MR_FAIL_BY_EVENT) {
		fail_by_event(h);
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
	struct mr_fact fact = { .kind = MR_FACT_CREATED, .step = -1, .seq = 1, .at_us = h->created_at_us,
		.duration_us = -1, .data = MR_NULL_VALUE };

	return mr_run_apply(h->run, &fact);
}

static void fail_at_once(struct mr_held *h, const char *type, const char *message)
{
	mr_metric_add(h->engine->metrics, MR_METRIC_POISONED, NULL, 1);
	h->fail_tries = MR_FAIL_BY_EVENT; /* this makes it the second: by hand */
	mr_held_fail(h, type, message);
}

/* Definition and row are there. JOURNAL is NULL for a fresh run. */
static void revive(struct mr_held *h, const PGresult *journal, const PGresult *commands)
{
	char why[200];
	int r;

	if (h->definition->graph == NULL && h->fail_tries < MR_FAIL_BY_HAND) {
		size_t n = h->definition->problem.len < sizeof(why) - 1 ? h->definition->problem.len : sizeof(why) - 1;

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
	if (r < 0) {
		fail_at_once(h, r == MR_E_INVALID ? "internal" : "limit",
		    r == MR_E_INVALID ? "The run's history does not fit its definition."
				      : "The run needs more memory than a run may have.");
		return;
	}
	go_live(h, commands);
}

void mr_load_go_fresh(struct mr_held *h, const PGresult *commands)
{
	revive(h, NULL, commands);
}

/* ---- the answer ---- */

static void keep_definitions(struct mr_load *l, const PGresult *r)
{
	struct mr_definitions *d = l->engine->definitions;

	for (int i = 0; i < PQntuples(r); i++) {
		int64_t workflow_id = mr_pg_i64(r, i, "workflow_id", 0);
		int version = (int)mr_pg_i64(r, i, "version", 0);
		struct mr_definition *def = mr_definitions_get(d, workflow_id, version);

		if (def != NULL) /* asked for more than once */
			(void)mr_definition_unref(d, def);
		else
			(void)mr_definitions_put(d, workflow_id, version, mr_pg_text(r, i, "workflow_name"),
			    mr_pg_text(r, i, "definition")); /* without memory: asked for again */
	}
}

/* Every definition that was asked for is in the cache now, be it as a problem. */
static bool have_definition(struct mr_load *l, struct mr_held *h)
{
	if (definition_of(l, h) != NULL)
		return true;
	(void)mr_definitions_put(
	    l->engine->definitions, h->workflow_id, h->version, MR_STR_NONE, MR_STR_NONE);
	return definition_of(l, h) != NULL;
}

/* True when H is still ours; its row is read. */
static bool read_row(struct mr_held *h, const PGresult *owned, const struct mr_run_columns *columns)
{
	int row = mr_run_row_first(owned, columns->run_id, h->id);

	if (row < 0)
		return false;
	if (mr_held_clear(h) < 0 || mr_run_row_read(owned, row, columns, h) < 0)
		mr_load_add(h->engine->load, h); /* no memory: tried again */
	return true;
}

static void lost(struct mr_held *h)
{
	/* ended by a flush whose answer never came, perhaps: it does no harm to say so twice */
	mr_account_tell_waiter(h);
	mr_held_drop(h);
}

static void take_answer(struct mr_load *l, struct mr_held *h, const PGresult *owned,
    const struct mr_run_columns *columns)
{
	const struct mr_query *q = &l->query;
	const PGresult *journal = NULL, *commands = NULL;

	if (h->fail_tries >= MR_FAIL_GIVE_UP) {
		mr_held_drop(h);
		return;
	}
	if (!h->fresh) {
		if (!read_row(h, owned, columns)) {
			lost(h);
			return;
		}
		if (h->queued)
			return;
		journal = mr_query_result(q, (unsigned)l->owned + 1);
		commands = mr_query_result(q, (unsigned)l->owned + 2);
	}
	if (!have_definition(l, h))
		push(l, h);
	else
		revive(h, journal, commands);
}

static void finish_batch(struct mr_load *l)
{
	const struct mr_query *q = &l->query;
	const PGresult *owned = NULL;
	struct mr_run_columns columns = { 0 };
	size_t len = l->batch_len;

	if (l->definitions >= 0)
		keep_definitions(l, mr_query_result(q, (unsigned)l->definitions));
	if (l->owned >= 0) {
		owned = mr_query_result(q, (unsigned)l->owned);
		mr_run_columns(owned, &columns);
	}
	for (size_t i = 0; i < len; i++) {
		struct mr_held *h = l->batch[i];

		if (!h->dropped)
			take_answer(l, h, owned, &columns);
		mr_held_release(h);
	}
	l->batch_len = 0;
}

static void answered(struct mr_query *q)
{
	struct mr_load *l = q->engine->load;

	if (mr_query_ok(q)) {
		l->retry_ms = 0;
		finish_batch(l);
		return;
	}
	mr_log(MR_LOG_WARNING, "runs could not be read", MR_F_Z("sqlstate", q->unit.sqlstate),
	    MR_F_Z("detail", q->unit.message), MR_F_N("runs", l->batch_len));
	put_back(l);
	retry_later(l);
}

static void after(struct mr_query *q)
{
	mr_load_kick(q->engine->load);
}

/* ---- life ---- */

struct mr_load *mr_load_create(struct mr_engine *e)
{
	struct mr_load *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->engine = e;
	if (mr_query_init(&l->query, e, answered) < 0) {
		free(l);
		return NULL;
	}
	l->query.after = after;
	mr_buf_init(&l->ids, LIST_MAX);
	mr_buf_init(&l->workflow_ids, LIST_MAX);
	mr_buf_init(&l->versions, LIST_MAX);
	l->retry.data = l;
	(void)uv_timer_init(e->loop, &l->retry); /* always 0 */
	return l;
}

void mr_load_close(struct mr_load *l, uv_close_cb closed)
{
	uv_close((uv_handle_t *)&l->retry, closed);
}

struct mr_load *mr_load_free(struct mr_load *l)
{
	if (l == NULL)
		return NULL;
	mr_query_done(&l->query);
	mr_buf_done(&l->ids);
	mr_buf_done(&l->workflow_ids);
	mr_buf_done(&l->versions);
	free(l);
	return NULL;
}
