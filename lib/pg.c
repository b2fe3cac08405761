/*
 * The pool: which connection a unit goes to, what happens when none is there, and the second try
 * on a connection of its own.
 */
#include "lib/pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/coro.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/pg_private.h"

#define TICK_MS           100
#define WAIT_FOR_CONN_MS  1500 /* how long a unit waits for a connection to come (back) */
#define READERS           2    /* of the shared connections, when there are more */
#define EXCLUSIVE_IDLE_MS 60000
#define SILENCE_MARGIN_MS 1000
#define SCRATCH_MAX       ((size_t)1 << 30) /* PostgreSQL's own limit for one value */

uint64_t mr_pg_now_ms(const struct mr_pg *pg)
{
	return uv_now(pg->loop);
}

/* ---- queues ---- */

static void queue_push(struct mr_pg_queue *q, struct mr_pg_unit *u)
{
	u->next = NULL;
	if (q->last != NULL)
		q->last->next = u;
	else
		q->first = u;
	q->last = u;
	q->len++;
}

static struct mr_pg_unit *queue_pop(struct mr_pg_queue *q)
{
	struct mr_pg_unit *u = q->first;

	if (u == NULL)
		return NULL;
	q->first = u->next;
	if (q->first == NULL)
		q->last = NULL;
	q->len--;
	u->next = NULL;
	return u;
}

/* ---- the end of a unit ---- */

void mr_pg_clear(struct mr_pg_unit *u)
{
	for (unsigned i = 0; i < u->calls_len; i++) {
		PQclear(u->calls[i].result);
		u->calls[i].result = NULL;
	}
}

static void call_done(struct mr_pg *pg, struct mr_pg_unit *u)
{
	pg->in_flight--;
	u->done(u);
}

static void on_idle(uv_idle_t *handle)
{
	struct mr_pg *pg = handle->data;
	unsigned n = pg->finished.len; /* those that come meanwhile wait for the next turn */

	while (n-- > 0)
		call_done(pg, queue_pop(&pg->finished));
	if (pg->finished.len == 0)
		(void)uv_idle_stop(&pg->idle); /* always 0 */
}

/* Answers without having a connection; never from inside submit. */
static void finish_later(struct mr_pg *pg, struct mr_pg_unit *u, enum mr_pg_outcome outcome)
{
	u->outcome = outcome;
	mr_pg_clear(u);
	queue_push(&pg->finished, u);
	if (!uv_is_closing((uv_handle_t *)&pg->idle))
		(void)uv_idle_start(&pg->idle, on_idle); /* always 0 */
}

static bool sqlstate_is(const struct mr_pg_unit *u, const char *const *list)
{
	for (; *list != NULL; list++) {
		if (strcmp(u->sqlstate, *list) == 0)
			return true;
	}
	return false;
}

static void submit_shared(struct mr_pg *pg, struct mr_pg_unit *u);
static void submit_exclusive(struct mr_pg *pg, struct mr_pg_unit *u);
static void serve_exclusive(struct mr_pg *pg);

/* True when the unit goes round once more. */
static bool try_again(struct mr_pg *pg, struct mr_pg_unit *u)
{
	/* a plan or statement that is gone; deadlock, serialization; timeout of statement or lock
	 */
	static const char *const same[] = { "26000", "0A000", "40001", "40P01", NULL };
	static const char *const longer[] = { "57014", "55P03", NULL };

	if (u->outcome != MR_PG_ERROR || u->tries > 0 || pg->closing)
		return false;
	if (sqlstate_is(u, longer) && u->conn->kind == MR_PG_SHARED) {
		u->tries++;
		mr_pg_clear(u);
		submit_exclusive(pg, u);
		return true;
	}
	if (!sqlstate_is(u, same))
		return false;
	u->tries++;
	mr_pg_clear(u);
	if (u->conn->kind == MR_PG_SHARED)
		submit_shared(pg, u);
	else
		submit_exclusive(pg, u);
	return true;
}

void mr_pg_unit_finish(struct mr_pg *pg, struct mr_pg_unit *u)
{
	bool exclusive = u->conn->kind == MR_PG_EXCLUSIVE;
	/* 57P0x: the server is going away; 25006: it is a standby now; none: libpq had no memory
	 * for what the server said */
	static const char *const away[] = { "57P01", "57P02", "57P03", "25006", "", NULL };

	if (u->outcome == MR_PG_ERROR && sqlstate_is(u, away))
		u->outcome = MR_PG_UNAVAILABLE;
	if (!try_again(pg, u))
		call_done(pg, u);
	if (exclusive)
		serve_exclusive(pg);
}

/* The connection went while U was on it. What only reads is tried once more; what writes may have
 * been committed, so its caller must be told that nobody knows. */
void mr_pg_unit_lost(struct mr_pg *pg, struct mr_pg_unit *u)
{
	mr_pg_clear(u);
	if ((u->flags & MR_STMT_WRITE) == 0 && u->tries == 0 && !pg->closing) {
		u->tries++;
		u->queued_at_ms = mr_pg_now_ms(pg);
		queue_push(
		    (u->flags & MR_STMT_SLOW) != 0 ? &pg->waiting_exclusive : &pg->waiting, u);
		return;
	}
	finish_later(pg, u, MR_PG_UNAVAILABLE);
}

/* ---- choosing a connection ---- */

static struct mr_pg_conn *least_busy(struct mr_pg *pg, unsigned from, unsigned to)
{
	struct mr_pg_conn *best = NULL;

	for (unsigned i = from; i < to; i++) {
		struct mr_pg_conn *conn = &pg->shared[i];

		if (conn->state == MR_PG_READY && (best == NULL || conn->ops_len < best->ops_len))
			best = conn;
	}
	return best;
}

/* What reads waits behind no commit, and is packed onto few connections, where it goes in batches.
 * What writes is spread: each commit waits for the disk, and those of many connections wait
 * together. What others wait for takes the shortest queue of all. */
static struct mr_pg_conn *choose(struct mr_pg *pg, const struct mr_pg_unit *u)
{
	unsigned readers = pg->s.shared > READERS ? READERS : 0;
	bool writes = (u->flags & MR_STMT_WRITE) != 0;
	struct mr_pg_conn *conn = NULL;

	if (!u->prompt)
		conn = writes ? least_busy(pg, readers, pg->s.shared) : least_busy(pg, 0, readers);
	return conn != NULL ? conn : least_busy(pg, 0, pg->s.shared);
}

static void submit_shared(struct mr_pg *pg, struct mr_pg_unit *u)
{
	struct mr_pg_conn *conn = choose(pg, u);

	if (conn == NULL) {
		if (pg->waiting.len >= pg->s.queue_max)
			finish_later(pg, u, MR_PG_OVERLOADED);
		else
			queue_push(&pg->waiting, u);
	} else if (conn->ops_len >= pg->s.queue_max) {
		finish_later(pg, u, MR_PG_OVERLOADED);
	} else {
		(void)mr_pg_conn_send(conn, u); /* a failure has been told to the unit */
	}
}

static struct mr_pg_conn *idle_exclusive(struct mr_pg *pg)
{
	for (struct mr_pg_conn *c = pg->exclusive; c != NULL; c = c->next) {
		if (c->state == MR_PG_READY && c->ops_len == 0 && !c->cancelling)
			return c;
	}
	return NULL;
}

/* Opens one more, or wakes one that is down. */
static void open_exclusive(struct mr_pg *pg)
{
	struct mr_pg_conn *c;

	for (c = pg->exclusive; c != NULL; c = c->next) {
		if (c->state == MR_PG_CONNECTING)
			return; /* one is on its way */
	}
	for (c = pg->exclusive; c != NULL; c = c->next) {
		if (c->state == MR_PG_DOWN && !c->cancelling &&
		    c->retry_at_ms <= mr_pg_now_ms(pg)) {
			mr_pg_conn_connect(c, mr_pg_now_ms(pg));
			return;
		}
	}
	if (pg->exclusive_len >= pg->s.exclusive_max)
		return;
	c = malloc(sizeof(*c));
	if (c == NULL)
		return;
	if (mr_pg_conn_setup(c, pg, MR_PG_EXCLUSIVE) < 0) {
		free(c);
		return;
	}
	c->next = pg->exclusive;
	pg->exclusive = c;
	pg->exclusive_len++;
	mr_pg_conn_connect(c, mr_pg_now_ms(pg));
}

static void serve_exclusive(struct mr_pg *pg)
{
	while (pg->waiting_exclusive.first != NULL) {
		struct mr_pg_conn *c = idle_exclusive(pg);

		if (c == NULL) {
			open_exclusive(pg);
			return;
		}
		(void)mr_pg_conn_send(
		    c, queue_pop(&pg->waiting_exclusive)); /* failure is told to it */
	}
}

static void submit_exclusive(struct mr_pg *pg, struct mr_pg_unit *u)
{
	u->queued_at_ms = mr_pg_now_ms(pg);
	if (pg->waiting_exclusive.len >= pg->s.queue_max) {
		finish_later(pg, u, MR_PG_OVERLOADED);
		return;
	}
	queue_push(&pg->waiting_exclusive, u);
	serve_exclusive(pg);
}

void mr_pg_submit(struct mr_pg *pg, struct mr_pg_unit *u)
{
	u->flags = 0;
	u->tries = 0;
	u->conn = NULL;
	u->failed_call = 0;
	u->sqlstate[0] = u->constraint[0] = u->message[0] = '\0';
	u->queued_at_ms = mr_pg_now_ms(pg);
	for (unsigned i = 0; i < u->calls_len; i++) {
		u->flags |= mr_stmts[u->calls[i].stmt].flags;
		u->calls[i].result = NULL;
	}
	(void)snprintf(
	    u->tenant_text, sizeof(u->tenant_text), "%lld", (long long)u->tenant_id); /* fits */
	pg->in_flight++;
	if (pg->closing)
		finish_later(pg, u, MR_PG_UNAVAILABLE);
	else if ((u->flags & MR_STMT_SLOW) != 0)
		submit_exclusive(pg, u);
	else
		submit_shared(pg, u);
}

static void run_listen(struct mr_pg_conn *conn);

void mr_pg_conn_is_ready(struct mr_pg_conn *conn)
{
	struct mr_pg *pg = conn->pg;

	switch (conn->kind) {
	case MR_PG_SHARED:
		while (pg->waiting.first != NULL && conn->state == MR_PG_READY)
			(void)mr_pg_conn_send(
			    conn, queue_pop(&pg->waiting)); /* failure is told to it */
		break;
	case MR_PG_EXCLUSIVE:
		serve_exclusive(pg);
		break;
	case MR_PG_LISTENER:
		run_listen(conn);
		break;
	}
}

/* ---- from a coroutine ---- */

static void wake_coroutine(struct mr_pg_unit *u)
{
	mr_coro_resume(u->ctx);
}

void mr_pg_await(struct mr_pg *pg, struct mr_pg_unit *u)
{
	u->done = wake_coroutine;
	u->ctx = mr_coro_self();
	mr_pg_submit(pg, u);
	mr_coro_yield();
}

static void clear_result(void *r)
{
	PQclear(r);
}

int mr_pg_keep(struct mr_arena *arena, struct mr_pg_unit *u)
{
	int r = 0;

	for (unsigned i = 0; i < u->calls_len; i++) {
		if (u->calls[i].result == NULL)
			continue;
		if (mr_arena_defer(arena, clear_result, u->calls[i].result) < 0) {
			u->calls[i].result = NULL; /* cleared already */
			r = MR_E_NOMEM;
		}
	}
	return r;
}

/* ---- cancelling what runs on a connection of its own ---- */

struct cancel_job {
	uv_work_t work;
	PGcancel *cancel;
	struct mr_pg_conn *conn;
};

static void cancel_in_thread(uv_work_t *work)
{
	struct cancel_job *job = MR_CONTAINER(work, struct cancel_job, work);
	char why[256];

	(void)PQcancel(job->cancel, why, sizeof(why)); /* too late is no failure */
}

static void cancel_ended(uv_work_t *work, int status)
{
	struct cancel_job *job = MR_CONTAINER(work, struct cancel_job, work);
	struct mr_pg *pg = job->conn->pg;

	(void)status;
	PQfreeCancel(job->cancel);
	job->conn->cancelling = false;
	free(job);
	mr_pg_handle_closed(pg);
	if (!pg->closing)
		serve_exclusive(pg);
}

void mr_pg_cancel(struct mr_pg *pg, struct mr_pg_unit *u)
{
	struct mr_pg_conn *conn = u->conn;
	struct cancel_job *job;

	if (conn == NULL || conn->kind != MR_PG_EXCLUSIVE || conn->cancelling ||
	    conn->ops_len == 0 || conn->ops[conn->ops_head].unit != u)
		return;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return;
	job->conn = conn;
	job->cancel = PQgetCancel(conn->c);
	if (job->cancel == NULL ||
	    uv_queue_work(pg->loop, &job->work, cancel_in_thread, cancel_ended) != 0) {
		PQfreeCancel(job->cancel);
		free(job);
		return;
	}
	conn->cancelling = true;
	pg->handles++;
}

/* ---- notifications ---- */

static void listening(struct mr_pg_unit *u)
{
	mr_pg_clear(u);
	free(u->calls);
	free(u);
}

static struct mr_pg_unit *own_unit(unsigned stmt, struct mr_str *values)
{
	struct mr_pg_unit *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return NULL;
	u->calls = calloc(1, sizeof(*u->calls));
	if (u->calls == NULL) {
		free(u);
		return NULL;
	}
	u->calls_len = 1;
	u->calls[0].stmt = stmt;
	u->calls[0].values = values;
	u->done = listening;
	return u;
}

static void run_listen(struct mr_pg_conn *conn)
{
	struct mr_pg_unit *u = own_unit(conn->pg->s.stmt_listen, NULL);

	if (u == NULL) {
		mr_pg_conn_drop(conn, "memory");
		return;
	}
	u->tries = 1; /* a new connection listens anew: this unit isn't worth a second try */
	conn->pg->in_flight++;
	(void)mr_pg_conn_send(conn, u); /* failure is told to it */
}

int mr_pg_listen(struct mr_pg *pg, void (*fn)(void *ctx, struct mr_str payload), void *ctx)
{
	struct mr_pg_conn *conn = malloc(sizeof(*conn));

	if (conn == NULL)
		return MR_E_NOMEM;
	if (mr_pg_conn_setup(conn, pg, MR_PG_LISTENER) < 0) {
		free(conn);
		return MR_E_NOMEM;
	}
	pg->listen_fn = fn;
	pg->listen_ctx = ctx;
	pg->listener = conn;
	mr_pg_conn_connect(conn, mr_pg_now_ms(pg));
	return 0;
}

struct notify {
	struct mr_str value;
	char text[];
};

static void notified(struct mr_pg_unit *u)
{
	free(u->ctx);
	listening(u);
}

void mr_pg_notify(struct mr_pg *pg, struct mr_str payload)
{
	struct notify *n = malloc(sizeof(*n) + payload.len + 1);
	struct mr_pg_unit *u = n != NULL ? own_unit(pg->s.stmt_notify, &n->value) : NULL;

	if (u == NULL) {
		free(n);
		return; /* a wake-up may be lost */
	}
	memcpy(n->text, payload.p, payload.len);
	n->text[payload.len] = '\0';
	n->value = (struct mr_str){ n->text, payload.len };
	u->ctx = n;
	u->done = notified;
	mr_pg_submit(pg, u);
}

/* ---- time ---- */

static void expire(
    struct mr_pg *pg, struct mr_pg_queue *q, uint64_t age_ms, enum mr_pg_outcome outcome)
{
	while (q->first != NULL && mr_pg_now_ms(pg) - q->first->queued_at_ms >= age_ms)
		finish_later(pg, queue_pop(q), outcome);
}

static void tick_conn(struct mr_pg_conn *conn, uint64_t silence_ms)
{
	uint64_t now = mr_pg_now_ms(conn->pg);

	switch (conn->state) {
	case MR_PG_DOWN:
		if (conn->kind != MR_PG_EXCLUSIVE && now >= conn->retry_at_ms)
			mr_pg_conn_connect(conn, now);
		break;
	case MR_PG_CONNECTING:
		if (now >= conn->connect_deadline_ms)
			mr_pg_conn_drop(conn, "connect timeout");
		break;
	case MR_PG_READY:
		if (conn->ops_len > 0 && now - conn->last_byte_ms > silence_ms)
			mr_pg_conn_drop(conn, "silence");
		else if (conn->kind == MR_PG_EXCLUSIVE && conn->ops_len == 0 && !conn->cancelling &&
		         now - conn->idle_since_ms > EXCLUSIVE_IDLE_MS)
			mr_pg_conn_drop(conn, NULL);
		break;
	}
}

static void on_tick(uv_timer_t *timer)
{
	struct mr_pg *pg = timer->data;

	for (unsigned i = 0; i < pg->s.shared; i++)
		tick_conn(&pg->shared[i], pg->s.silence_ms);
	for (struct mr_pg_conn *c = pg->exclusive; c != NULL; c = c->next)
		tick_conn(c, pg->s.slow_timeout_ms + SILENCE_MARGIN_MS);
	if (pg->listener != NULL)
		tick_conn(pg->listener, pg->s.silence_ms);
	expire(pg, &pg->waiting, WAIT_FOR_CONN_MS, MR_PG_UNAVAILABLE);
	expire(pg, &pg->waiting_exclusive,
	    pg->exclusive_len > 0 && idle_exclusive(pg) == NULL && mr_pg_is_up(pg)
	        ? pg->s.slow_timeout_ms
	        : WAIT_FOR_CONN_MS,
	    mr_pg_is_up(pg) ? MR_PG_OVERLOADED : MR_PG_UNAVAILABLE);
	serve_exclusive(pg);
}

/* ---- the pool's own life ---- */

static char *session_options(unsigned statement_ms, unsigned lock_ms)
{
	char text[256];

	/* what a connection of ours is at most allowed to do, whatever the role's defaults */
	(void)snprintf(text, sizeof(text),
	    "-c statement_timeout=%u -c lock_timeout=%u -c "
	    "idle_in_transaction_session_timeout=10000 "
	    "-c TimeZone=UTC -c DateStyle=ISO",
	    statement_ms, lock_ms);
	return strdup(text);
}

static int open_pool(struct mr_pg *pg)
{
	pg->conninfo = strdup(pg->s.conninfo);
	pg->shared_options = session_options(pg->s.statement_timeout_ms, pg->s.lock_timeout_ms);
	pg->slow_options = session_options(pg->s.slow_timeout_ms, pg->s.lock_timeout_ms);
	pg->shared = calloc(pg->s.shared, sizeof(*pg->shared));
	if (pg->conninfo == NULL || pg->shared_options == NULL || pg->slow_options == NULL ||
	    pg->shared == NULL)
		return -1;
	for (unsigned i = 0; i < pg->s.shared; i++) {
		if (mr_pg_conn_setup(&pg->shared[i], pg, MR_PG_SHARED) < 0)
			return -1;
	}
	return 0;
}

static void free_pool(struct mr_pg *pg)
{
	for (unsigned i = 0; pg->shared != NULL && i < pg->s.shared; i++)
		mr_pg_conn_teardown(&pg->shared[i]);
	while (pg->exclusive != NULL) {
		struct mr_pg_conn *c = pg->exclusive;

		pg->exclusive = c->next;
		mr_pg_conn_teardown(c);
		free(c);
	}
	if (pg->listener != NULL)
		mr_pg_conn_teardown(pg->listener);
	free(pg->listener);
	mr_buf_done(&pg->scratch);
	free(pg->shared);
	free(pg->conninfo);
	free(pg->shared_options);
	free(pg->slow_options);
	free(pg);
}

struct mr_pg *mr_pg_create(uv_loop_t *loop, const struct mr_pg_settings *s)
{
	struct mr_pg *pg = calloc(1, sizeof(*pg));

	if (pg == NULL)
		return NULL;
	pg->loop = loop;
	pg->s = *s;
	mr_buf_init(&pg->scratch, SCRATCH_MAX);
	/* a shared statement that is slow must meet its own timeout before the silence counts */
	if (pg->s.silence_ms < pg->s.statement_timeout_ms + SILENCE_MARGIN_MS / 2)
		pg->s.silence_ms = pg->s.statement_timeout_ms + SILENCE_MARGIN_MS / 2;
	if (open_pool(pg) < 0) {
		free_pool(pg);
		return NULL;
	}
	pg->timer.data = pg->idle.data = pg;
	(void)uv_timer_init(loop, &pg->timer); /* these two always succeed */
	(void)uv_idle_init(loop, &pg->idle);
	pg->handles = 2;
	(void)uv_timer_start(&pg->timer, on_tick, TICK_MS, TICK_MS);
	uv_update_time(loop);
	for (unsigned i = 0; i < pg->s.shared; i++)
		mr_pg_conn_connect(&pg->shared[i], mr_pg_now_ms(pg));
	return pg;
}

void mr_pg_handle_closed(struct mr_pg *pg)
{
	pg->handles--;
	if (!pg->closing || pg->handles > 0)
		return;
	if (pg->closed != NULL)
		pg->closed(pg->closed_ctx);
	free_pool(pg);
}

static void on_own_handle_closed(uv_handle_t *handle)
{
	mr_pg_handle_closed(handle->data);
}

void mr_pg_close(struct mr_pg *pg, void (*closed)(void *ctx), void *ctx)
{
	pg->closing = true;
	pg->closed = closed;
	pg->closed_ctx = ctx;
	for (unsigned i = 0; i < pg->s.shared; i++)
		mr_pg_conn_drop(&pg->shared[i], "closing");
	for (struct mr_pg_conn *c = pg->exclusive; c != NULL; c = c->next)
		mr_pg_conn_drop(c, "closing");
	if (pg->listener != NULL)
		mr_pg_conn_drop(pg->listener, "closing");
	while (pg->waiting.first != NULL)
		finish_later(pg, queue_pop(&pg->waiting), MR_PG_UNAVAILABLE);
	while (pg->waiting_exclusive.first != NULL)
		finish_later(pg, queue_pop(&pg->waiting_exclusive), MR_PG_UNAVAILABLE);
	while (pg->finished.first != NULL)
		call_done(pg, queue_pop(&pg->finished));
	uv_close((uv_handle_t *)&pg->timer, on_own_handle_closed);
	uv_close((uv_handle_t *)&pg->idle, on_own_handle_closed);
}

bool mr_pg_is_up(const struct mr_pg *pg)
{
	for (unsigned i = 0; i < pg->s.shared; i++) {
		if (pg->shared[i].state == MR_PG_READY)
			return true;
	}
	return false;
}

unsigned mr_pg_in_flight(const struct mr_pg *pg)
{
	return pg->in_flight;
}

struct mr_pg_use mr_pg_use(const struct mr_pg *pg)
{
	struct mr_pg_use use = { .max = pg->s.shared + pg->s.exclusive_max,
		.waiting = pg->waiting.len + pg->waiting_exclusive.len };

	for (unsigned i = 0; i < pg->s.shared; i++)
		use.open += pg->shared[i].state == MR_PG_READY;
	for (const struct mr_pg_conn *c = pg->exclusive; c != NULL; c = c->next)
		use.open += c->state == MR_PG_READY;
	return use;
}

/* ---- reading a result ---- */

struct mr_str mr_pg_text(const PGresult *r, int row, const char *column)
{
	int c = PQfnumber(r, column);

	if (c < 0 || row >= PQntuples(r) || PQgetisnull(r, row, c))
		return MR_STR_NONE;
	return (struct mr_str){ PQgetvalue(r, row, c), (size_t)PQgetlength(r, row, c) };
}

int64_t mr_pg_i64(const PGresult *r, int row, const char *column, int64_t if_null)
{
	int64_t v;

	return mr_str_i64(mr_pg_text(r, row, column), &v) ? v : if_null;
}

bool mr_pg_bool(const PGresult *r, int row, const char *column)
{
	return mr_str_eq(mr_pg_text(r, row, column), MR_STR("t"));
}

void mr_pg_array_begin(struct mr_buf *b)
{
	mr_buf_addc(b, '{');
}

static void separate(struct mr_buf *b)
{
	if (b->len > 0 && b->p[b->len - 1] != '{')
		mr_buf_addc(b, ',');
}

void mr_pg_array_add(struct mr_buf *b, struct mr_str element)
{
	size_t from = 0;

	separate(b);
	if (element.p == NULL) {
		mr_buf_addz(b, "NULL");
		return;
	}
	mr_buf_addc(b, '"');
	for (size_t i = 0; i < element.len; i++) {
		if (element.p[i] != '"' && element.p[i] != '\\')
			continue;
		mr_buf_add(b, element.p + from, i - from);
		mr_buf_addc(b, '\\');
		from = i;
	}
	mr_buf_add(b, element.p + from, element.len - from);
	mr_buf_addc(b, '"');
}

void mr_pg_array_add_i64(struct mr_buf *b, int64_t v)
{
	separate(b);
	mr_buf_add_i64(b, v);
}

void mr_pg_array_end(struct mr_buf *b)
{
	mr_buf_addc(b, '}');
}

int mr_stmt_param_find(const struct mr_stmt *s, const char *name)
{
	for (unsigned i = 0; i < s->params_len; i++) {
		if (strcmp(s->params[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}
