#include "engine/claim.h"

#include <stdlib.h>

#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/ids.h"
#include "engine/lease.h"
#include "engine/load.h"
#include "engine/metrics.h"
#include "engine/query.h"
#include "engine/revive.h"
#include "engine/run_row.h"
#include "engine/timers.h"
#include "lib/log.h"

/* Runs that wait for a flush or are in one, in batches: beyond that, claiming more only makes
 * them wait here instead of where another engine could have them. */
#define BACKLOG_BATCHES 4
/* After a claim that found little the next one waits so long, unless there is nothing else to do:
 * what comes one by one, but often, is then claimed and written in small batches, each at the price
 * of a single one. */
#define GAP_US    8000
#define NAMED_MAX 256 /* runs claimed by their ids; more are looked for */
#define LIST_MAX  ((size_t)64 * 1024 * 1024)

struct mr_claim {
	struct mr_engine *engine;
	struct mr_query
	    queries[2]; /* in turn: the next is sent before the rows of one are gone through */
	unsigned turn;
	struct mr_buf held; /* ids in hand that no flush has taken yet */
	bool busy;
	bool hold;
	bool wanted; /* runs are believed to be queued, besides those that were named */
	int64_t named[NAMED_MAX]; /* runs that were just queued */
	size_t named_len;
	size_t in_hand; /* rows of an answer that are not in the table yet */
	int64_t limit;
	int64_t sent_us; /* monotonic; the last claim */
	bool searches;   /* the one under way looks for runs; else it takes named ones */
	bool found_little;
	bool is_put_off; /* a timer is set for the end of the gap */
	uint64_t poll_at_ms;
};

static int64_t room(const struct mr_claim *c)
{
	const struct mr_engine *e = c->engine;
	int64_t batch = e->settings->engine_batch;
	int64_t left = e->settings->engine_max_runs - (int64_t)(mr_runs_len(e->runs) + c->in_hand);
	int64_t backlog = (int64_t)(mr_flush_backlog(e->flush) + mr_load_len(e->load) + c->in_hand);

	if (backlog >= BACKLOG_BATCHES * batch)
		return 0;
	return left < batch ? left : batch;
}

static bool may_claim(const struct mr_claim *c)
{
	const struct mr_engine *e = c->engine;

	return !c->busy && !c->hold && (c->wanted || c->named_len > 0) &&
	       e->state == MR_ENGINE_RUNNING && e->id != 0 && mr_ids_enough(e->ids) &&
	       mr_lease_holds(e->lease);
}

static bool is_too_soon(struct mr_claim *c)
{
	int64_t left_us = c->sent_us + GAP_US - mr_engine_mono_us(c->engine);

	if (!c->found_little || left_us <= 0 || mr_runs_len(c->engine->runs) == 0)
		return false;
	if (!c->is_put_off)
		mr_timers_claim_at(c->engine->timers, mr_engine_now_us(c->engine) + left_us);
	c->is_put_off = true;
	return true;
}

static void add_untaken(struct mr_held *h)
{
	if (!h->is_taken)
		mr_pg_array_add_i64(&h->engine->claim->held, h->id);
}

/* What the next claim must leave out: what is in the table, and what COMING will bring there. */
static void list_held(struct mr_claim *c, const PGresult *coming)
{
	int column = coming != NULL ? PQfnumber(coming, "run_id") : -1;

	mr_buf_reset(&c->held);
	mr_pg_array_begin(&c->held);
	mr_runs_each(c->engine->runs, add_untaken);
	for (int i = 0; coming != NULL && i < PQntuples(coming); i++)
		mr_pg_array_add_i64(&c->held, mr_run_row_i64(coming, i, column));
	mr_pg_array_end(&c->held);
}

/* Looks for what is due and queued, the most urgent first. */
static void put_search(struct mr_claim *c, struct mr_query *q, const PGresult *coming)
{
	list_held(c, coming);
	mr_query_call(q, MR_SQL_ENGINE_CLAIM);
	mr_query_i64(q, "engine_id", c->engine->id);
	mr_query_i64(q, "batch", c->limit);
	mr_query_ref(q, "held", mr_buf_str(&c->held));
	/* a statement of its own, after the rows: so it sees every command that their fences have
	 * counted; one that comes later raises the fence, and the flush finds that */
	mr_query_call(q, MR_SQL_ENGINE_COMMANDS);
	mr_query_i64(q, "engine_id", c->engine->id);
	mr_query_i64(q, "seq", 1); /* those of the others come with their journal */
}

/* Nothing else is queued: takes those that were named, by their ids, whatever has been queued and
 * done before. */
static void put_named(struct mr_claim *c, struct mr_query *q)
{
	mr_buf_reset(&c->held);
	mr_pg_array_begin(&c->held);
	for (size_t i = 0; i < c->named_len; i++) {
		if (mr_runs_find(c->engine->runs, c->named[i]) == NULL)
			mr_pg_array_add_i64(&c->held, c->named[i]);
	}
	mr_pg_array_end(&c->held);
	mr_query_call(q, MR_SQL_ENGINE_CLAIM_NAMED);
	mr_query_i64(q, "engine_id", c->engine->id);
	mr_query_ref(q, "run_ids", mr_buf_str(&c->held));
	mr_query_call(q, MR_SQL_ENGINE_COMMANDS);
	mr_query_i64(q, "engine_id", c->engine->id);
	mr_query_ref(q, "run_ids", mr_buf_str(&c->held));
}

static void ask(struct mr_claim *c, const PGresult *coming)
{
	struct mr_query *q = &c->queries[c->turn];

	if (!may_claim(c) || q->busy || is_too_soon(c))
		return;
	c->limit = room(c);
	if (c->limit < (int64_t)c->named_len)
		c->wanted = true;
	if (c->limit <= 0)
		return; /* a landed flush comes here again */
	mr_query_begin(q);
	if (c->wanted)
		put_search(c, q, coming);
	else
		put_named(c, q);
	if (mr_buf_failed(&c->held) || mr_query_submit(q) < 0)
		return; /* without memory: the next tick tries again */
	c->busy = true;
	c->searches = c->wanted;
	c->wanted = c->is_put_off = false;
	c->named_len = 0; /* a search finds them as well */
	c->sent_us = mr_engine_mono_us(c->engine);
	c->turn ^= 1;
	mr_metric_add(c->engine->metrics, MR_METRIC_CLAIMS,
	    MR_LABELS({ "kind", c->searches ? MR_STR("search") : MR_STR("named") }), 1);
}

void mr_claim_kick(struct mr_claim *c)
{
	ask(c, NULL);
}

void mr_claim_wake(struct mr_claim *c)
{
	c->wanted = true;
	mr_claim_kick(c);
}

void mr_claim_named(struct mr_claim *c, int64_t run_id)
{
	if (c->named_len == NAMED_MAX)
		c->wanted = true;
	else
		c->named[c->named_len++] = run_id;
	mr_claim_kick(c);
}

void mr_claim_tick(struct mr_claim *c)
{
	uint64_t now = uv_now(c->engine->loop);

	if (now >= c->poll_at_ms) {
		c->poll_at_ms = now + (uint64_t)c->engine->settings->engine_poll_ms;
		c->wanted = true;
	}
	mr_claim_kick(c);
}

bool mr_claim_is_busy(const struct mr_claim *c)
{
	return c->busy;
}

void mr_claim_hold(struct mr_claim *c, bool hold)
{
	c->hold = hold;
	if (!hold)
		mr_claim_kick(c);
}

/* ---- the answer ---- */

static void take_row(
    struct mr_claim *c, const struct mr_query *q, int row, const struct mr_run_columns *columns)
{
	struct mr_engine *e = c->engine;
	const PGresult *r = mr_query_result(q, 0);
	struct mr_held *h = mr_held_create(e->runs, mr_run_row_i64(r, row, columns->run_id));

	if (h == NULL)
		return; /* without memory: the next claim has it again */
	if (mr_run_row_read(r, row, columns, h) < 0) {
		mr_load_add(e->load, h);
		return;
	}
	if (h->seq != 1 || h->execs != NULL) {
		mr_load_add_claimed(e->load, h, false);
		return;
	}
	h->fresh = true;
	h->definition = mr_definitions_get(e->definitions, h->workflow_id, h->version);
	if (h->definition != NULL)
		mr_revive(h, NULL, mr_query_result(q, 1));
	else if (mr_run_row_first(
	             mr_query_result(q, 1), PQfnumber(mr_query_result(q, 1), "run_id"), h->id) >= 0)
		mr_load_add_claimed(e->load, h, false); /* its commands would be gone by then */
	else
		mr_load_add_claimed(e->load, h, true);
}

static void take_rows(struct mr_claim *c, const struct mr_query *q, int rows)
{
	struct mr_run_columns columns;

	mr_run_columns(mr_query_result(q, 0), &columns);
	for (int i = 0; i < rows; i++) {
		c->in_hand--;
		take_row(c, q, i, &columns);
	}
	mr_load_kick(c->engine->load);
}

static void answered(struct mr_query *q)
{
	struct mr_claim *c = q->engine->claim;
	int rows;

	c->busy = false;
	if (!mr_query_ok(q)) {
		mr_log(MR_LOG_WARNING, "claim failed", MR_F_Z("sqlstate", q->unit.sqlstate),
		    MR_F_Z("detail", q->unit.message));
		return; /* the poll tries again */
	}
	rows = PQntuples(mr_query_result(q, 0));
	mr_metric_add(c->engine->metrics, MR_METRIC_CLAIMED, NULL, rows);
	c->in_hand = (size_t)rows;
	/* what is due gets half, should anything be queued */
	c->found_little = !c->searches || rows * 2 < c->limit;
	if (!c->found_little)
		c->wanted = true;
	if (c->wanted)
		ask(c, mr_query_result(q, 0)); /* the next one is under way while these go on */
	take_rows(c, q, rows);
	mr_claim_kick(c); /* of those that were named meanwhile, some may have just come */
}

/* ---- life ---- */

struct mr_claim *mr_claim_create(struct mr_engine *e)
{
	struct mr_claim *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->engine = e;
	mr_buf_init(&c->held, LIST_MAX);
	if (mr_query_init(&c->queries[0], e, answered) == 0 &&
	    mr_query_init(&c->queries[1], e, answered) == 0)
		return c;
	return mr_claim_free(c);
}

struct mr_claim *mr_claim_free(struct mr_claim *c)
{
	if (c == NULL)
		return NULL;
	mr_query_done(&c->queries[0]);
	mr_query_done(&c->queries[1]);
	mr_buf_done(&c->held);
	free(c);
	return NULL;
}
