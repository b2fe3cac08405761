/*
 * One PostgreSQL connection in pipeline mode on the event loop: connecting, preparing statements
 * when they are first used, sending whole units, and reading their answers in order.
 */
#include "lib/pg_private.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"

#define CONNECT_TIMEOUT_MS 2000
#define BACKOFF_FIRST_MS   50
#define BACKOFF_MAX_MS     2000
#define TEXT_MAX           (256 * 1024)

static void on_poll(uv_poll_t *handle, int status, int events);

/* ---- the set of prepared statements ---- */

static uint64_t prepared_key(unsigned stmt, unsigned order, uint32_t mask)
{
	/* never 0, so that 0 can mark a free slot */
	return (uint64_t)1 << 63 | (uint64_t)(stmt & 0xffff) << 40 |
	       (uint64_t)(order & 0xff) << 32 | mask;
}

static uint64_t *prepared_slot(struct mr_pg_conn *conn, uint64_t key)
{
	uint64_t h = key * 0x9e3779b97f4a7c15u >> 32;

	for (;; h++) { /* ends: the set is at most half full */
		uint64_t *slot = &conn->prepared[h % MR_PG_PREPARED_SLOTS];

		if (*slot == key || *slot == 0)
			return slot;
	}
}

static void forget_prepared(struct mr_pg_conn *conn)
{
	memset(conn->prepared, 0, MR_PG_PREPARED_SLOTS * sizeof(*conn->prepared));
	conn->prepared_len = 0;
	conn->generation++;
}

/* ---- the ring of what is under way ---- */

static struct mr_pg_op *op_push(struct mr_pg_conn *conn)
{
	struct mr_pg_op *op;

	if (conn->ops_len == conn->ops_cap) {
		unsigned cap = conn->ops_cap == 0 ? 64 : conn->ops_cap * 2;
		struct mr_pg_op *ops = calloc(cap, sizeof(*ops));

		if (ops == NULL)
			return NULL;
		for (unsigned i = 0; i < conn->ops_len; i++)
			ops[i] = conn->ops[(conn->ops_head + i) % conn->ops_cap];
		free(conn->ops);
		conn->ops = ops;
		conn->ops_cap = cap;
		conn->ops_head = 0;
	}
	op = &conn->ops[(conn->ops_head + conn->ops_len++) % conn->ops_cap];
	*op = (struct mr_pg_op){ 0 };
	return op;
}

static struct mr_pg_op *op_first(struct mr_pg_conn *conn)
{
	return conn->ops_len > 0 ? &conn->ops[conn->ops_head] : NULL;
}

static void op_pop(struct mr_pg_conn *conn)
{
	conn->ops_head = (conn->ops_head + 1) % conn->ops_cap;
	conn->ops_len--;
}

/* ---- life of a connection ---- */

int mr_pg_conn_setup(struct mr_pg_conn *conn, struct mr_pg *pg, enum mr_pg_kind kind)
{
	*conn = (struct mr_pg_conn){ .pg = pg, .kind = kind, .backoff_ms = BACKOFF_FIRST_MS };
	conn->prepared = calloc(MR_PG_PREPARED_SLOTS, sizeof(*conn->prepared));
	return conn->prepared == NULL ? -1 : 0;
}

void mr_pg_conn_teardown(struct mr_pg_conn *conn)
{
	free(conn->prepared);
	free(conn->ops);
	conn->prepared = NULL;
	conn->ops = NULL;
}

static void on_poll_closed(uv_handle_t *handle)
{
	struct mr_pg *pg = handle->data;

	free(handle);
	mr_pg_handle_closed(pg);
}

static void stop_polling(struct mr_pg_conn *conn)
{
	if (conn->poll == NULL)
		return;
	conn->poll->data = conn->pg;
	uv_close((uv_handle_t *)conn->poll, on_poll_closed);
	conn->poll = NULL;
	conn->poll_events = 0;
}

static void want_events(struct mr_pg_conn *conn, int events)
{
	if (events == conn->poll_events || conn->poll == NULL)
		return;
	if (uv_poll_start(conn->poll, events, on_poll) == 0)
		conn->poll_events = events;
}

/* The socket may change while libpq tries one host after the other. */
static int start_polling(struct mr_pg_conn *conn, int events)
{
	stop_polling(conn);
	conn->poll = calloc(1, sizeof(*conn->poll));
	if (conn->poll == NULL)
		return -1;
	if (uv_poll_init(conn->pg->loop, conn->poll, PQsocket(conn->c)) != 0) {
		free(conn->poll);
		conn->poll = NULL;
		return -1;
	}
	conn->pg->handles++;
	conn->poll->data = conn;
	want_events(conn, events);
	return 0;
}

static void log_problem(const struct mr_pg_conn *conn, const char *event, const char *why)
{
	struct mr_str detail = mr_str_trim(mr_str(conn->c != NULL ? PQerrorMessage(conn->c) : ""));

	mr_log(MR_LOG_WARNING, event, MR_F_Z("reason", why), MR_F_S("detail", detail));
}

void mr_pg_conn_drop(struct mr_pg_conn *conn, const char *why)
{
	struct mr_pg *pg = conn->pg;

	if (conn->state == MR_PG_DOWN)
		return;
	if (!pg->closing && why != NULL)
		log_problem(conn, "database connection lost", why);
	stop_polling(conn);
	PQfinish(conn->c);
	conn->c = NULL;
	conn->state = MR_PG_DOWN;
	conn->retry_at_ms = mr_pg_now_ms(pg) + conn->backoff_ms;
	conn->backoff_ms =
	    conn->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : conn->backoff_ms * 2;
	forget_prepared(conn);
	while (conn->ops_len > 0) {
		struct mr_pg_unit *u = op_first(conn)->unit;

		op_pop(conn);
		if (u != NULL)
			mr_pg_unit_lost(pg, u);
	}
}

void mr_pg_conn_connect(struct mr_pg_conn *conn, uint64_t now_ms)
{
	struct mr_pg *pg = conn->pg;
	const char *const keywords[] = { "dbname", "options", "client_encoding", NULL };
	const char *const values[] = { pg->conninfo,
		conn->kind == MR_PG_SHARED ? pg->shared_options : pg->slow_options, "UTF8", NULL };

	conn->c = PQconnectStartParams(keywords, values, 1);
	conn->state = MR_PG_CONNECTING;
	conn->connect_deadline_ms = now_ms + CONNECT_TIMEOUT_MS;
	if (conn->c == NULL || PQstatus(conn->c) == CONNECTION_BAD ||
	    start_polling(conn, UV_WRITABLE) < 0)
		mr_pg_conn_drop(conn, "connect");
}

static void ignore_notice(void *arg, const PGresult *r)
{
	(void)arg;
	(void)r;
}

static void connected(struct mr_pg_conn *conn)
{
	if (PQsetnonblocking(conn->c, 1) != 0 || PQenterPipelineMode(conn->c) != 1 ||
	    start_polling(conn, UV_READABLE) < 0) {
		mr_pg_conn_drop(conn, "pipeline");
		return;
	}
	(void)PQsetNoticeReceiver(conn->c, ignore_notice, NULL); /* returns the former one */
	conn->state = MR_PG_READY;
	conn->backoff_ms = BACKOFF_FIRST_MS;
	conn->last_byte_ms = conn->idle_since_ms = mr_pg_now_ms(conn->pg);
	mr_pg_conn_is_ready(conn);
}

static void go_on_connecting(struct mr_pg_conn *conn)
{
	switch (PQconnectPoll(conn->c)) {
	case PGRES_POLLING_OK:
		connected(conn);
		break;
	case PGRES_POLLING_READING:
		if (start_polling(conn, UV_READABLE) < 0)
			mr_pg_conn_drop(conn, "poll");
		break;
	case PGRES_POLLING_WRITING:
		if (start_polling(conn, UV_WRITABLE) < 0)
			mr_pg_conn_drop(conn, "poll");
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
	default:
		mr_pg_conn_drop(conn, "connect");
		break;
	}
}

/* ---- sending ---- */

/* Which of the parameters that pieces depend on are given. */
static uint32_t option_mask(const struct mr_stmt *stmt, const struct mr_str *values)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < stmt->params_len; i++)
		if (values[i].p != NULL)
			mask |= stmt->params[i].bit;
	return mask;
}

static bool build_text(struct mr_buf *b, const struct mr_stmt_piece *pieces, uint32_t mask)
{
	for (; pieces->text != NULL; pieces++) {
		if ((pieces->given & ~mask) == 0 && (pieces->absent & mask) == 0)
			mr_buf_addz(b, pieces->text);
	}
	return !mr_buf_failed(b);
}

#define NAME_LEN 64

static void statement_name(char out[NAME_LEN], const struct mr_pg_conn *conn, uint64_t key)
{
	(void)snprintf(out, NAME_LEN, "s%llx_%u", (unsigned long long)(key & ~((uint64_t)1 << 63)),
	    conn->generation); /* always fits */
}

#define PARAMS_MAX 48

static int send_prepare(
    struct mr_pg_conn *conn, const struct mr_pg_call *call, uint32_t mask, uint64_t key)
{
	const struct mr_stmt *stmt = mr_stmts + call->stmt;
	Oid types[PARAMS_MAX];
	struct mr_pg_op *op;
	char name[NAME_LEN];
	struct mr_buf text;
	int ok = 0;

	for (unsigned i = 0; i < stmt->params_len; i++)
		types[i] = stmt->params[i].oid;
	statement_name(name, conn, key);
	mr_buf_init(&text, TEXT_MAX);
	if (build_text(&text, stmt->texts[call->order], mask))
		ok = PQsendPrepare(conn->c, name, text.p, (int)stmt->params_len, types);
	mr_buf_done(&text);
	/* a unit of its own: were it part of the request's, its failure would look like the
	 * request's */
	if (ok != 1 || PQpipelineSync(conn->c) != 1)
		return -1;
	op = op_push(conn);
	if (op == NULL)
		return -1;
	op->prepared_key = key;
	*prepared_slot(conn, key) = key;
	conn->prepared_len++;
	return 0;
}

static int make_prepared(struct mr_pg_conn *conn, const struct mr_pg_call *call)
{
	uint32_t mask = option_mask(mr_stmts + call->stmt, call->values);
	uint64_t key = prepared_key(call->stmt, call->order, mask);

	if (*prepared_slot(conn, key) == key)
		return 0;
	if (conn->prepared_len >= MR_PG_PREPARED_MAX)
		forget_prepared(conn); /* new names; the old plans go with the connection */
	return send_prepare(conn, call, mask, key);
}

#define OID_TEXT 25
#define OID_JSON 114

/* Text and JSON are the same bytes in the binary format, where the length counts and no NUL is
 * wanted: most strings of ours point into a larger text. */
static bool sent_by_length(const struct mr_stmt_param *p)
{
	return p->oid == OID_TEXT || p->oid == OID_JSON;
}

struct bound {
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX], formats[PARAMS_MAX];
};

/* What goes in the text format must end in NUL, so it is copied: into the pool's scratch, which
 * gets its room first, for it must not move meanwhile. */
static int bind_values(struct mr_buf *scratch, const struct mr_stmt *stmt,
    const struct mr_str *values, struct bound *b)
{
	size_t room = 0;
	char *at;

	for (unsigned i = 0; i < stmt->params_len; i++) {
		if (values[i].len > INT_MAX)
			return -1;
		if (values[i].p != NULL && !sent_by_length(&stmt->params[i]))
			room += values[i].len + 1;
	}
	mr_buf_reset(scratch);
	at = mr_buf_room(scratch, room);
	if (at == NULL)
		return -1;
	for (unsigned i = 0; i < stmt->params_len; i++) {
		b->formats[i] = sent_by_length(&stmt->params[i]);
		b->lengths[i] = (int)values[i].len;
		b->values[i] = values[i].p;
		if (values[i].p == NULL || b->formats[i] == 1)
			continue;
		b->values[i] = memcpy(at, values[i].p, values[i].len);
		at[values[i].len] = '\0';
		at += values[i].len + 1;
	}
	return 0;
}

static int send_call(struct mr_pg_conn *conn, const struct mr_pg_call *call)
{
	const struct mr_stmt *stmt = mr_stmts + call->stmt;
	struct bound b;
	char name[NAME_LEN];

	if (bind_values(&conn->pg->scratch, stmt, call->values, &b) < 0)
		return -1;
	statement_name(
	    name, conn, prepared_key(call->stmt, call->order, option_mask(stmt, call->values)));
	return PQsendQueryPrepared(
	           conn->c, name, (int)stmt->params_len, b.values, b.lengths, b.formats, 0) == 1
	           ? 0
	           : -1;
}

/* What is asked of PostgreSQL, as it is prepared: with $1 where a value goes, so no value is ever
 * shown. */
static void log_call(const struct mr_pg_unit *u, const struct mr_pg_call *call)
{
	const struct mr_stmt *stmt = mr_stmts + call->stmt;
	struct mr_buf text;

	mr_buf_init(&text, TEXT_MAX);
	if (build_text(&text, stmt->texts[call->order], option_mask(stmt, call->values)))
		mr_log(MR_LOG_DEBUG, "statement", MR_F_Z("statement", stmt->name),
		    MR_F_S("detail", mr_buf_str(&text)), MR_F_N("tenant_id", u->tenant_id),
		    MR_F_S("correlation_id",
		        u->correlation_id.p != NULL ? u->correlation_id : MR_STR("")));
	mr_buf_done(&text);
}

/* The call that sets the tenant; its value lives in VALUE. */
static struct mr_pg_call tenant_call(
    const struct mr_pg_conn *conn, struct mr_pg_unit *u, struct mr_str *value)
{
	const struct mr_pg_settings *s = &conn->pg->s;

	*value = mr_str(u->tenant_text);
	return (struct mr_pg_call){
		.stmt =
		    (u->flags & MR_STMT_WRITE) != 0 ? s->stmt_tenant_write : s->stmt_tenant_read,
		.values = value,
	};
}

static int send_all(struct mr_pg_conn *conn, struct mr_pg_unit *u)
{
	struct mr_str tenant;
	struct mr_pg_call set = tenant_call(conn, u, &tenant);
	struct mr_pg_op *op;

	/* all preparing first: nothing may come between the calls of a unit */
	if (u->tenant_id != 0 && make_prepared(conn, &set) < 0)
		return -1;
	for (unsigned i = 0; i < u->calls_len; i++) {
		if (make_prepared(conn, &u->calls[i]) < 0)
			return -1;
	}
	if (u->tenant_id != 0 && send_call(conn, &set) < 0)
		return -1;
	for (unsigned i = 0; i < u->calls_len; i++) {
		if (mr_log_wants(MR_LOG_DEBUG))
			log_call(u, &u->calls[i]);
		if (send_call(conn, &u->calls[i]) < 0)
			return -1;
	}
	op = PQpipelineSync(conn->c) == 1 ? op_push(conn) : NULL;
	if (op == NULL)
		return -1;
	op->unit = u;
	return 0;
}

static int flush(struct mr_pg_conn *conn)
{
	int r = PQflush(conn->c);

	if (r < 0)
		return -1;
	want_events(conn, r > 0 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
	return 0;
}

int mr_pg_conn_send(struct mr_pg_conn *conn, struct mr_pg_unit *u)
{
	if (conn->ops_len == 0) /* silence counts from now */
		conn->last_byte_ms = mr_pg_now_ms(conn->pg);
	u->conn = conn;
	if (send_all(conn, u) == 0 && flush(conn) == 0)
		return 0;
	/* the unit is on the ring only if all of it was queued; else answer it here */
	if (conn->ops_len == 0 ||
	    conn->ops[(conn->ops_head + conn->ops_len - 1) % conn->ops_cap].unit != u)
		mr_pg_unit_lost(conn->pg, u);
	mr_pg_conn_drop(conn, "send");
	return -1;
}

/* ---- reading ---- */

static void copy_text(char *out, size_t cap, const char *text)
{
	(void)snprintf(out, cap, "%s", text != NULL ? text : ""); /* cut is fine */
}

static void note_error(struct mr_pg_conn *conn, struct mr_pg_op *op, const PGresult *r)
{
	struct mr_pg_unit *u = op->unit;

	op->failed = true;
	if (u == NULL) {
		copy_text(conn->unprepared, sizeof(conn->unprepared),
		    PQresultErrorField(r, PG_DIAG_SQLSTATE));
		mr_log(MR_LOG_ERROR, "statement not prepared",
		    MR_F_Z("sqlstate", PQresultErrorField(r, PG_DIAG_SQLSTATE)),
		    MR_F_Z("detail", PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY)));
		return;
	}
	u->outcome = MR_PG_ERROR;
	/* the tenant's setting has a result of its own, before those of the calls */
	u->failed_call = op->results > 0 && u->tenant_id != 0 ? op->results - 1 : op->results;
	copy_text(u->sqlstate, sizeof(u->sqlstate), PQresultErrorField(r, PG_DIAG_SQLSTATE));
	copy_text(
	    u->constraint, sizeof(u->constraint), PQresultErrorField(r, PG_DIAG_CONSTRAINT_NAME));
	copy_text(u->message, sizeof(u->message), PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY));
}

/* Takes one result of the first op. */
static void take_result(struct mr_pg_conn *conn, struct mr_pg_op *op, PGresult *r)
{
	struct mr_pg_unit *u = op->unit;
	unsigned before = u != NULL && u->tenant_id != 0 ? 1 : 0; /* the tenant's setting */

	switch (PQresultStatus(r)) {
	case PGRES_TUPLES_OK:
	case PGRES_COMMAND_OK:
		if (u != NULL && op->results >= before && op->results - before < u->calls_len) {
			u->calls[op->results - before].result = r;
			r = NULL;
		}
		break;
	case PGRES_PIPELINE_ABORTED:
		break;
	default:
		if (!op->failed)
			note_error(conn, op, r);
		break;
	}
	op->results++;
	PQclear(r); /* takes NULL */
}

static bool has_all(const struct mr_pg_op *op)
{
	const struct mr_pg_unit *u = op->unit;

	for (unsigned i = 0; i < u->calls_len; i++) {
		if (u->calls[i].result == NULL)
			return false;
	}
	return true;
}

static void end_op(struct mr_pg_conn *conn)
{
	struct mr_pg_op op = *op_first(conn);

	op_pop(conn);
	if (op.unit == NULL) {
		/* leave its key in the set: the units behind it fail by 26000, which makes a new
		 * generation of names; their retry is then told why nothing was prepared */
		if (!op.failed)
			conn->unprepared[0] = '\0';
		return;
	}
	if (op.failed && op.unit->tries > 0 && conn->unprepared[0] != '\0' &&
	    strcmp(op.unit->sqlstate, "26000") == 0) {
		forget_prepared(conn);
		copy_text(op.unit->sqlstate, sizeof(op.unit->sqlstate), conn->unprepared);
	}
	/* without memory libpq may leave a result out: no SQLSTATE, so the unit's end is not known
	 */
	if (!op.failed)
		op.unit->outcome = has_all(&op) ? MR_PG_OK : MR_PG_ERROR;
	else if (strcmp(op.unit->sqlstate, "26000") == 0 || strcmp(op.unit->sqlstate, "0A000") == 0)
		forget_prepared(conn);
	if (conn->ops_len == 0)
		conn->idle_since_ms = mr_pg_now_ms(conn->pg);
	mr_pg_unit_finish(conn->pg, op.unit);
}

/* Results in order until libpq would block. False: the connection is no good any more. */
static bool read_results(struct mr_pg_conn *conn)
{
	unsigned nulls = 0;

	while (conn->state == MR_PG_READY && !PQisBusy(conn->c)) {
		PGresult *r = PQgetResult(conn->c);

		if (r == NULL) { /* the end of one statement's results, or of all that came */
			if (conn->ops_len == 0 || ++nulls > 1)
				break;
			continue;
		}
		nulls = 0;
		if (conn->ops_len == 0) { /* unasked: an administrator's word, or a broken server */
			PQclear(r);
			return false;
		}
		if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
			PQclear(r);
			end_op(conn);
		} else {
			take_result(conn, op_first(conn), r);
		}
	}
	return true;
}

static void read_notifications(struct mr_pg_conn *conn)
{
	PGnotify *n;

	while (conn->state == MR_PG_READY && (n = PQnotifies(conn->c)) != NULL) {
		if (conn->pg->listen_fn != NULL)
			conn->pg->listen_fn(conn->pg->listen_ctx, mr_str(n->extra));
		PQfreemem(n);
	}
}

static void on_ready_socket(struct mr_pg_conn *conn, int events)
{
	if ((events & UV_READABLE) != 0) {
		conn->last_byte_ms = mr_pg_now_ms(conn->pg);
		if (PQconsumeInput(conn->c) != 1 || !read_results(conn)) {
			mr_pg_conn_drop(conn, "closed by the server");
			return;
		}
		if (conn->kind == MR_PG_LISTENER)
			read_notifications(conn);
	}
	if (conn->state == MR_PG_READY && flush(conn) < 0)
		mr_pg_conn_drop(conn, "send");
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
	struct mr_pg_conn *conn = handle->data;

	if (status < 0)
		mr_pg_conn_drop(conn, "poll");
	else if (conn->state == MR_PG_CONNECTING)
		go_on_connecting(conn);
	else if (conn->state == MR_PG_READY)
		on_ready_socket(conn, events);
}
