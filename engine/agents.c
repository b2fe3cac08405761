#include "engine/agents.h"

#include <stdlib.h>

#include "engine/engine.h"
#include "engine/query.h"
#include "lib/log.h"

#define BATCH      200
#define COLUMN_MAX ((size_t)1024 * 1024)
#define AGAIN_MS   200   /* those that wait ask so often */
#define SWEEP_MS   60000
#define FAILURES   "5"  /* in a row, and the breaker opens */
#define OPEN_S     "30" /* for so long */

struct end {
	int64_t id, tenant_id, took_us;
	unsigned attempt;
	const char *verdict; /* a literal */
};

enum column { IDS, ATTEMPTS, TENANTS, RUNS, REFS, REQUIRED, E_IDS, E_ATTEMPTS, E_VERDICTS, E_TOOK, LOCKS, COLUMNS };

struct mr_agents {
	struct mr_engine *engine;
	struct mr_query query;
	struct mr_agent_turn *first;
	struct end *ends; /* owned array; those before SENT are under way */
	size_t ends_len, ends_cap, sent;
	struct mr_buf columns[COLUMNS];
	bool has_new, swept;
	uint64_t again_ms, sweep_ms;
};

static void drop_turn(struct mr_agents *a, struct mr_agent_turn *t)
{
	struct mr_agent_turn **at = &a->first;

	while (*at != NULL && *at != t)
		at = &(*at)->next;
	if (*at != NULL)
		*at = t->next;
	t->asks = false;
}

void mr_agents_ask(struct mr_agents *a, struct mr_agent_turn *t)
{
	struct mr_agent_turn **at = &a->first;

	while (*at != NULL)
		at = &(*at)->next;
	*at = t;
	t->next = NULL;
	t->asks = true;
	a->has_new = true;
	mr_agents_kick(a);
}

void mr_agents_end(struct mr_agents *a, struct mr_agent_turn *t, const char *verdict, int64_t took_us)
{
	if (t->asks)
		drop_turn(a, t);
	if (a->ends_len == a->ends_cap) {
		size_t cap = a->ends_cap == 0 ? 64 : a->ends_cap * 2;
		struct end *ends = realloc(a->ends, cap * sizeof(*ends));

		if (ends == NULL)
			return; /* its row stays until this engine ends */
		a->ends = ends;
		a->ends_cap = cap;
	}
	a->ends[a->ends_len++] = (struct end){ t->x->step_execution_id, t->x->tenant_id, took_us,
		t->x->attempt, verdict };
	a->has_new = true;
	mr_agents_kick(a);
}

static void build(struct mr_agents *a)
{
	size_t n = 0;

	for (unsigned i = 0; i < COLUMNS; i++) {
		mr_buf_reset(&a->columns[i]);
		mr_pg_array_begin(&a->columns[i]);
	}
	for (struct mr_agent_turn *t = a->first; t != NULL && n < BATCH; t = t->next, n++) {
		mr_pg_array_add_i64(&a->columns[IDS], t->x->step_execution_id);
		mr_pg_array_add_i64(&a->columns[ATTEMPTS], t->x->attempt);
		mr_pg_array_add_i64(&a->columns[TENANTS], t->x->tenant_id);
		mr_pg_array_add_i64(&a->columns[RUNS], t->x->run_id);
		mr_pg_array_add(&a->columns[REFS], t->ref);
		mr_pg_array_add(&a->columns[REQUIRED], t->required);
		mr_pg_array_add_i64(&a->columns[LOCKS], t->x->tenant_id);
	}
	for (a->sent = 0; a->sent < a->ends_len && a->sent < BATCH; a->sent++) {
		const struct end *e = &a->ends[a->sent];

		mr_pg_array_add_i64(&a->columns[E_IDS], e->id);
		mr_pg_array_add_i64(&a->columns[E_ATTEMPTS], e->attempt);
		mr_pg_array_add(&a->columns[E_VERDICTS], mr_str(e->verdict));
		mr_pg_array_add_i64(&a->columns[E_TOOK], e->took_us / 1000);
		mr_pg_array_add_i64(&a->columns[LOCKS], e->tenant_id);
	}
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_pg_array_end(&a->columns[i]);
}

static void fill(struct mr_agents *a)
{
	static const struct {
		enum column column;
		const char *param;
	} of_end[] = { { E_IDS, "ids" }, { E_ATTEMPTS, "attempts" }, { E_VERDICTS, "verdicts" },
		{ E_TOOK, "took_ms" } },
	  of_ask[] = { { IDS, "ids" }, { ATTEMPTS, "attempts" }, { TENANTS, "tenant_ids" },
		  { RUNS, "run_ids" }, { REFS, "refs" }, { REQUIRED, "requirements" } };
	struct mr_query *q = &a->query;

	mr_query_begin(q);
	mr_query_call(q, MR_SQL_ENGINE_AGENTS_LOCK);
	mr_query_ref(q, "tenant_ids", mr_buf_str(&a->columns[LOCKS]));
	mr_query_call(q, MR_SQL_ENGINE_AGENTS_END);
	mr_query_i64(q, "engine_id", a->engine->id);
	mr_query_ref(q, "most_failures", MR_STR(FAILURES));
	mr_query_ref(q, "open_seconds", MR_STR(OPEN_S));
	for (size_t i = 0; i < MR_ARRAY_LEN(of_end); i++)
		mr_query_ref(q, of_end[i].param, mr_buf_str(&a->columns[of_end[i].column]));
	mr_query_call(q, MR_SQL_ENGINE_AGENTS_ASK);
	mr_query_i64(q, "engine_id", a->engine->id);
	for (size_t i = 0; i < MR_ARRAY_LEN(of_ask); i++)
		mr_query_ref(q, of_ask[i].param, mr_buf_str(&a->columns[of_ask[i].column]));
	for (unsigned i = 0; i < COLUMNS; i++)
		q->failed = q->failed || mr_buf_failed(&a->columns[i]);
}

void mr_agents_kick(struct mr_agents *a)
{
	uint64_t now = uv_now(a->engine->loop);
	bool sweep = now >= a->sweep_ms;

	if (a->query.busy || a->engine->id == 0 ||
	    !(sweep || a->has_new || a->ends_len > 0 || (a->first != NULL && now >= a->again_ms)))
		return;
	if (!sweep && now < a->again_ms && !a->has_new)
		return;
	a->has_new = false;
	a->again_ms = now + AGAIN_MS;
	build(a);
	fill(a);
	if (sweep) {
		a->sweep_ms = now + SWEEP_MS;
		mr_query_call(&a->query, MR_SQL_ENGINE_AGENTS_SWEEP);
	}
	if (mr_query_submit(&a->query) < 0)
		a->sent = 0;
}

static enum mr_turn_verdict verdict_of(struct mr_str s)
{
	return mr_str_eqz(s, "go")        ? MR_TURN_GO
	       : mr_str_eqz(s, "full")    ? MR_TURN_FULL
	       : mr_str_eqz(s, "open")    ? MR_TURN_OPEN
	       : mr_str_eqz(s, "missing") ? MR_TURN_MISSING
	                                  : MR_TURN_INACTIVE;
}

static struct mr_agent_turn *find(struct mr_agents *a, int64_t id, int64_t attempt)
{
	struct mr_agent_turn *t = a->first;

	while (t != NULL && (t->x->step_execution_id != id || (int64_t)t->x->attempt != attempt))
		t = t->next;
	return t;
}

/* One that was given up meanwhile has sent its end after its question: that comes next. */
static void tell(struct mr_agents *a, const PGresult *r)
{
	for (int i = 0; i < PQntuples(r); i++) {
		struct mr_agent_turn *t =
		    find(a, mr_pg_i64(r, i, "id", 0), mr_pg_i64(r, i, "attempt", 0));
		enum mr_turn_verdict v = verdict_of(mr_pg_text(r, i, "verdict"));

		if (t == NULL)
			continue;
		if (v != MR_TURN_FULL && v != MR_TURN_OPEN)
			drop_turn(a, t);
		t->told(t, v, r, i);
	}
}

static void answered(struct mr_query *q)
{
	struct mr_agents *a = q->engine->agents;

	if (!mr_query_ok(q)) {
		mr_log(MR_LOG_WARNING, "turns at agents not got", MR_F_Z("sqlstate", q->unit.sqlstate),
		    MR_F_Z("detail", q->unit.message));
		a->sent = 0; /* all of it is sent again */
		return;
	}
	for (size_t i = a->sent; i < a->ends_len; i++)
		a->ends[i - a->sent] = a->ends[i];
	a->ends_len -= a->sent;
	a->sent = 0;
	tell(a, mr_query_result(q, 2));
}

static void after(struct mr_query *q)
{
	if (mr_query_ok(q))
		mr_agents_kick(q->engine->agents);
}

struct mr_agents *mr_agents_create(struct mr_engine *e)
{
	struct mr_agents *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->engine = e;
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_init(&a->columns[i], COLUMN_MAX);
	if (mr_query_init(&a->query, e, answered) < 0)
		return mr_agents_free(a);
	a->query.after = after;
	return a;
}

struct mr_agents *mr_agents_free(struct mr_agents *a)
{
	if (a == NULL)
		return NULL;
	free(a->ends);
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_done(&a->columns[i]);
	mr_query_done(&a->query);
	free(a);
	return NULL;
}
