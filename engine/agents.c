#include "engine/agents.h"

#include <stdlib.h>

#include "engine/engine.h"
#include "engine/metrics.h"
#include "engine/query.h"
#include "lib/log.h"

#define BATCH      500
#define COLUMN_MAX ((size_t)4 * 1024 * 1024)
#define AGAIN_MS   200 /* those that wait ask so often */
#define RETRY_MS   500
#define SWEEP_MS   60000
#define HASH_LEN   1024u

struct end {
	int64_t id, took_us;
	unsigned attempt;
	const char *verdict; /* a literal */
};

enum column {
	IDS,
	ATTEMPTS,
	TENANTS,
	RUNS,
	REFS,
	REQUIRED,
	E_IDS,
	E_ATTEMPTS,
	E_VERDICTS,
	E_TOOK,
	COLUMNS
};

static const char *const params[COLUMNS] = { "ids", "attempts", "tenant_ids", "run_ids", "refs",
	"requirements", "ended_ids", "ended_attempts", "verdicts", "took_ms" };

struct mr_agents {
	struct mr_engine *engine;
	struct mr_query query;
	uv_idle_t idle; /* sends what one round of the loop has brought */
	/* lists by state, each in order of coming; those that call are in none */
	struct mr_agent_link new, sent, waiting;
	struct mr_agent_turn *hash[HASH_LEN]; /* all that ask, by step execution */
	size_t asking, calling;
	struct end *ends; /* owned; the first ENDS_SENT are under way */
	size_t ends_len, ends_cap, ends_sent;
	struct mr_buf columns[COLUMNS];
	uint64_t not_before_ms, again_ms, sweep_ms, late_ms;
};

/* ---- lists ---- */

static void list_init(struct mr_agent_link *l)
{
	l->prev = l->next = l;
}

static bool is_empty(const struct mr_agent_link *l)
{
	return l->next == l;
}

static void move_to(struct mr_agent_link *list, struct mr_agent_turn *t)
{
	t->link.prev->next = t->link.next;
	t->link.next->prev = t->link.prev;
	t->link.prev = list->prev;
	t->link.next = list;
	list->prev->next = &t->link;
	list->prev = &t->link;
}

static struct mr_agent_turn *first_of(struct mr_agent_link *list)
{
	return (struct mr_agent_turn *)list->next; /* the link is its first member */
}

static struct mr_agent_turn **place_of(struct mr_agents *a, int64_t id, int64_t attempt)
{
	struct mr_agent_turn **at = &a->hash[(uint64_t)id % HASH_LEN];

	while (*at != NULL &&
	       ((*at)->x->step_execution_id != id || (int64_t)(*at)->x->attempt != attempt))
		at = &(*at)->same_hash;
	return at;
}

static void move_all(struct mr_agent_link *from, struct mr_agent_link *to, enum mr_turn_state state)
{
	while (!is_empty(from)) {
		struct mr_agent_turn *t = first_of(from);

		move_to(to, t);
		t->state = state;
	}
}

/* It asks no more. */
static void leave(struct mr_agents *a, struct mr_agent_turn *t)
{
	struct mr_agent_turn **at = place_of(a, t->x->step_execution_id, t->x->attempt);

	*at = t->same_hash;
	t->link.prev->next = t->link.next;
	t->link.next->prev = t->link.prev;
	list_init(&t->link);
	a->asking--;
}

/* ---- asking ---- */

static void on_idle(uv_idle_t *idle);

static void send_soon(struct mr_agents *a)
{
	(void)uv_idle_start(&a->idle, on_idle); /* always 0 */
}

void mr_agents_ask(struct mr_agents *a, struct mr_agent_turn *t)
{
	struct mr_agent_turn **at = &a->hash[(uint64_t)t->x->step_execution_id % HASH_LEN];

	t->state = MR_TURN_NEW;
	t->was_sent = false;
	t->asked_us = mr_engine_mono_us(a->engine);
	t->same_hash = *at;
	*at = t;
	list_init(&t->link);
	move_to(&a->new, t);
	a->asking++;
	send_soon(a);
}

static struct end *add_end(struct mr_agents *a)
{
	if (a->ends_len == a->ends_cap) {
		size_t cap = a->ends_cap == 0 ? 64 : a->ends_cap * 2;
		struct end *ends = realloc(a->ends, cap * sizeof(*ends));

		if (ends == NULL)
			return NULL;
		a->ends = ends;
		a->ends_cap = cap;
	}
	return &a->ends[a->ends_len++];
}

static void count_call(struct mr_agents *a, const char *verdict, int64_t took_us)
{
	mr_metric_add(
	    a->engine->metrics, MR_METRIC_AGENT_CALLS, MR_LABELS({ "result", mr_str(verdict) }), 1);
	mr_metric_observe(a->engine->metrics, MR_METRIC_AGENT_CALL_DURATION,
	    MR_LABELS({ "result", mr_str(verdict) }), (double)took_us / 1000000);
}

void mr_agents_end(
    struct mr_agents *a, struct mr_agent_turn *t, const char *verdict, int64_t took_us)
{
	struct end *end;

	if (t->state == MR_TURN_REFUSED)
		return; /* and has no row */
	if (t->state == MR_TURN_CALLS) {
		a->calling--;
		count_call(a, verdict, took_us);
	} else {
		leave(a, t);
	}
	if (!t->was_sent)
		return;
	end = add_end(a);
	if (end == NULL)
		return; /* its row counts until this engine ends */
	*end = (struct end){ t->x->step_execution_id, took_us, t->x->attempt, verdict };
	send_soon(a);
}

/* ---- sending ---- */

static void add_turn(struct mr_agents *a, struct mr_agent_turn *t)
{
	mr_pg_array_add_i64(&a->columns[IDS], t->x->step_execution_id);
	mr_pg_array_add_i64(&a->columns[ATTEMPTS], t->x->attempt);
	mr_pg_array_add_i64(&a->columns[TENANTS], t->x->tenant_id);
	mr_pg_array_add_i64(&a->columns[RUNS], t->x->run_id);
	mr_pg_array_add(&a->columns[REFS], t->ref);
	mr_pg_array_add(&a->columns[REQUIRED], t->required);
	move_to(&a->sent, t);
	t->state = MR_TURN_SENT;
	t->was_sent = true;
}

/* How many new ones ask. */
static size_t build(struct mr_agents *a)
{
	size_t n = 0;

	for (unsigned i = 0; i < COLUMNS; i++) {
		mr_buf_reset(&a->columns[i]);
		mr_pg_array_begin(&a->columns[i]);
	}
	for (; n < BATCH && !is_empty(&a->new); n++)
		add_turn(a, first_of(&a->new));
	for (a->ends_sent = 0; a->ends_sent < a->ends_len && a->ends_sent < BATCH; a->ends_sent++) {
		const struct end *e = &a->ends[a->ends_sent];

		mr_pg_array_add_i64(&a->columns[E_IDS], e->id);
		mr_pg_array_add_i64(&a->columns[E_ATTEMPTS], e->attempt);
		mr_pg_array_add(&a->columns[E_VERDICTS], mr_str(e->verdict));
		mr_pg_array_add_i64(&a->columns[E_TOOK], e->took_us / 1000);
	}
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_pg_array_end(&a->columns[i]);
	return n;
}

static void fill(struct mr_agents *a)
{
	const struct mr_settings *s = a->engine->settings;
	struct mr_query *q = &a->query;

	mr_query_begin(q);
	mr_query_call(q, MR_SQL_ENGINE_ASYNC);
	mr_query_call(q, MR_SQL_ENGINE_AGENT_TURNS);
	mr_query_i64(q, "engine_id", a->engine->id);
	mr_query_i64(q, "most_failures", s->engine_agent_failures);
	mr_query_i64(q, "open_ms", s->engine_agent_open_ms);
	mr_query_i64(q, "wait_ms", s->engine_agent_wait_ms);
	for (unsigned i = 0; i < COLUMNS; i++) {
		mr_query_ref(q, params[i], mr_buf_str(&a->columns[i]));
		q->failed = q->failed || mr_buf_failed(&a->columns[i]);
	}
}

static void add_sweep(struct mr_agents *a, uint64_t now)
{
	if (now < a->sweep_ms)
		return;
	a->sweep_ms = now + SWEEP_MS;
	mr_query_call(&a->query, MR_SQL_ENGINE_AGENTS_SWEEP);
}

/* What became of it isn't known: all is asked again, which harms nothing. */
static void take_back(struct mr_agents *a)
{
	a->not_before_ms = uv_now(a->engine->loop) + RETRY_MS;
	a->ends_sent = 0;
	move_all(&a->sent, &a->new, MR_TURN_NEW);
	move_all(&a->waiting, &a->new, MR_TURN_NEW);
}

static void submit(struct mr_agents *a)
{
	uint64_t now = uv_now(a->engine->loop);
	size_t n;

	if (a->query.busy || a->engine->id == 0 || now < a->not_before_ms)
		return;
	a->again_ms = now + AGAIN_MS;
	n = build(a);
	fill(a);
	add_sweep(a, now);
	mr_metric_observe(
	    a->engine->metrics, MR_METRIC_AGENT_ASKED, NULL, (double)(n + a->ends_sent));
	if (mr_query_submit(&a->query) < 0)
		take_back(a);
}

static bool has_news(const struct mr_agents *a)
{
	return a->ends_len > 0 || !is_empty(&a->new);
}

static void on_idle(uv_idle_t *idle)
{
	struct mr_agents *a = idle->data;

	(void)uv_idle_stop(idle); /* always 0 */
	if (has_news(a))
		submit(a);
}

static struct mr_agent_turn *late_in(struct mr_agent_link *list, int64_t now_us)
{
	for (struct mr_agent_link *l = list->next; l != list; l = l->next) {
		struct mr_agent_turn *t = (struct mr_agent_turn *)l; /* its first member */

		if (t->patience_us > 0 && now_us - t->asked_us >= t->patience_us)
			return t;
	}
	return NULL;
}

/* From the front each time: telling one may end others. */
static void tell_late(struct mr_agents *a)
{
	int64_t now_us = mr_engine_mono_us(a->engine);
	struct mr_agent_turn *t;

	while ((t = late_in(&a->waiting, now_us)) != NULL || (t = late_in(&a->new, now_us)) != NULL)
		t->told(t, MR_TURN_LATE, NULL, 0);
}

void mr_agents_tick(struct mr_agents *a)
{
	uint64_t now = uv_now(a->engine->loop);

	if (a->asking > 0 && now >= a->late_ms) {
		a->late_ms = now + AGAIN_MS;
		tell_late(a);
	}
	if (has_news(a) || (!is_empty(&a->waiting) && now >= a->again_ms))
		submit(a);
}

/* ---- the answer ---- */

static const struct {
	const char *name;
	enum mr_turn_verdict verdict;
} verdicts[] = { { "go", MR_TURN_GO }, { "missing", MR_TURN_MISSING },
	{ "inactive", MR_TURN_INACTIVE }, { "open", MR_TURN_OPEN } };

static void tell(struct mr_agents *a, struct mr_agent_turn *t, enum mr_turn_verdict v,
    const PGresult *r, int row)
{
	int64_t waited_us = mr_engine_mono_us(a->engine) - t->asked_us;

	leave(a, t);
	t->state = v == MR_TURN_GO ? MR_TURN_CALLS : MR_TURN_REFUSED;
	a->calling += v == MR_TURN_GO;
	mr_metric_observe(
	    a->engine->metrics, MR_METRIC_AGENT_WAIT, NULL, (double)waited_us / 1000000);
	t->told(t, v, r, row);
}

static void breaker_changed(struct mr_agents *a, struct mr_str how, int64_t agent_id)
{
	mr_metric_add(
	    a->engine->metrics, MR_METRIC_AGENT_BREAKERS, MR_LABELS({ "change", how }), 1);
	mr_log(MR_LOG_INFO, "breaker of an agent changed", MR_F_S("reason", how),
	    MR_F_N("agent_id", agent_id));
}

static void take_row(struct mr_agents *a, const PGresult *r, int row)
{
	struct mr_str verdict = mr_pg_text(r, row, "verdict");
	struct mr_agent_turn *t;

	if (mr_str_eqz(verdict, "opened") || mr_str_eqz(verdict, "closed")) {
		breaker_changed(a, verdict, mr_pg_i64(r, row, "agent_id", 0));
		return;
	}
	t = *place_of(a, mr_pg_i64(r, row, "id", 0), mr_pg_i64(r, row, "attempt", 0));
	/* one that was given up meanwhile has said so: that comes next. It may have been asked
	 * for anew since, and that question is still to come too. */
	if (t == NULL || t->state == MR_TURN_NEW)
		return;
	for (size_t i = 0; i < MR_ARRAY_LEN(verdicts); i++)
		if (mr_str_eqz(verdict, verdicts[i].name)) {
			tell(a, t, verdicts[i].verdict, r, row);
			return;
		}
}

static void answered(struct mr_query *q)
{
	struct mr_agents *a = q->engine->agents;
	const PGresult *r;

	if (!mr_query_ok(q)) {
		mr_log(MR_LOG_WARNING, "turns at agents not got",
		    MR_F_Z("sqlstate", q->unit.sqlstate), MR_F_Z("detail", q->unit.message));
		take_back(a);
		return;
	}
	for (size_t i = a->ends_sent; i < a->ends_len; i++)
		a->ends[i - a->ends_sent] = a->ends[i];
	a->ends_len -= a->ends_sent;
	a->ends_sent = 0;
	move_all(&a->sent, &a->waiting, MR_TURN_WAITS);
	r = mr_query_result(q, 1);
	for (int i = 0; i < PQntuples(r); i++)
		take_row(a, r, i);
}

static void after(struct mr_query *q)
{
	struct mr_agents *a = q->engine->agents;

	if (mr_query_ok(q) && has_news(a)) /* else at the next tick */
		submit(a);
}

size_t mr_agents_waiting(const struct mr_agents *a)
{
	return a->asking;
}

size_t mr_agents_calling(const struct mr_agents *a)
{
	return a->calling;
}

/* ---- life ---- */

struct mr_agents *mr_agents_create(struct mr_engine *e)
{
	struct mr_agents *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->engine = e;
	list_init(&a->new);
	list_init(&a->sent);
	list_init(&a->waiting);
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_init(&a->columns[i], COLUMN_MAX);
	if (mr_query_init(&a->query, e, answered) < 0)
		return mr_agents_free(a);
	a->query.after = after;
	a->idle.data = a;
	(void)uv_idle_init(e->loop, &a->idle); /* always 0 */
	return a;
}

void mr_agents_close(struct mr_agents *a, uv_close_cb closed)
{
	uv_close((uv_handle_t *)&a->idle, closed);
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
