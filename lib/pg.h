/*
 * The one module that speaks libpq, for worker, engine and tools alike. Work is given in units:
 * the tenant's setting, one or more statements, Sync. A unit is one transaction and one round
 * trip; it is queued whole, so that units of many requests share a connection in pipeline mode.
 *
 * A unit's callback runs on the loop's thread, exactly once, after the unit's Sync has come back
 * (so COMMIT is known), or with an error.
 */
#ifndef MR_LIB_PG_H
#define MR_LIB_PG_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/str.h"

/* ---- statements: generated from sql/queries by tools/sql-embed ---- */

enum mr_stmt_flags {
	MR_STMT_WRITE = 1, /* else the unit is read only */
	MR_STMT_SLOW = 2,  /* starts on an exclusive connection, with the long timeout */
	MR_STMT_MANY = 4,  /* returns many rows, else at most one */
	MR_STMT_LIST = 8,  /* one page of a list: items, next_key, next_id, total */
};

struct mr_stmt_param {
	const char *name;
	unsigned oid;  /* type for PREPARE */
	bool optional; /* "text?": may be NULL */
	uint32_t bit;  /* says in pieces that they depend on it; 0: none does */
};

/* The text in pieces: sent when all parameters of which GIVEN has the bits are given, and all of
 * ABSENT are absent. */
struct mr_stmt_piece {
	const char *text;
	uint32_t given, absent;
};

struct mr_stmt_order {
	const char *name; /* "created_at" */
	bool descending;
};

struct mr_stmt {
	const char *name; /* "workflow_get" */
	unsigned flags;
	unsigned params_len;
	const struct mr_stmt_param *params;
	/* one text per order of a list (orders_len of them), else exactly one */
	unsigned orders_len;
	const struct mr_stmt_order *orders;
	unsigned texts_len;
	const struct mr_stmt_piece *const *texts; /* each ends with a NULL text */
};

extern const struct mr_stmt *const mr_stmts; /* the table, indexed by enum mr_sql */
extern const unsigned mr_stmts_len;

/* Index of the parameter of that name, or -1. */
int mr_stmt_param_find(const struct mr_stmt *s, const char *name);

/* ---- pool ---- */

struct mr_pg_settings {
	const char *conninfo;
	unsigned shared;        /* connections in pipeline mode; of more than two, two only read */
	unsigned exclusive_max; /* opened when needed */
	unsigned statement_timeout_ms, slow_timeout_ms, lock_timeout_ms;
	unsigned queue_max;  /* units waiting for an answer on one connection */
	unsigned silence_ms; /* no byte for so long while units wait: drop it (2,000) */
	/* statements of the session (enum mr_sql): one text parameter "tenant"; a listener's first
	 * statement; one text parameter "payload" */
	unsigned stmt_tenant_read, stmt_tenant_write, stmt_listen, stmt_notify;
};

struct mr_pg;
struct mr_pg_conn;

enum mr_pg_outcome {
	MR_PG_OK,
	MR_PG_ERROR,       /* PostgreSQL refused: sqlstate, constraint, message are set */
	MR_PG_UNAVAILABLE, /* no connection, dropped, or timed out; the unit may have committed */
	MR_PG_OVERLOADED,  /* the queue is full; nothing was sent */
};

/* One statement of a unit. Values are text (it need not end in NUL), or absent: .p NULL is SQL's
 * NULL. They must live until the callback: a second try sends them again. */
struct mr_pg_call {
	unsigned stmt; /* enum mr_sql */
	unsigned order;
	const struct mr_str *values; /* params_len of the statement */
	PGresult *result; /* set for the callback; then the caller's: mr_pg_clear or _keep */
};

struct mr_pg_unit {
	/* the caller's */
	int64_t tenant_id; /* 0: no tenant is set (engine, login) */
	struct mr_pg_call *calls;
	unsigned calls_len;
	void (*done)(struct mr_pg_unit *u);
	void *ctx;
	struct mr_str correlation_id; /* for the log; absent: none */
	bool prompt; /* others wait for its answer: not behind all that read, if one is less busy */
	/* the answer's */
	enum mr_pg_outcome outcome;
	unsigned failed_call;
	char sqlstate[6];
	char constraint[64];
	char message[256]; /* for our own log, never for a client */
	/* the module's */
	struct mr_pg_unit *next;
	struct mr_pg_conn *conn; /* the one it was sent on */
	char tenant_text[24];
	unsigned flags; /* MR_STMT_* of all its calls together */
	unsigned tries;
	uint64_t queued_at_ms;
};

/* Connects in the background; the pool exists even while PostgreSQL is away and keeps trying
 * with backoff. NULL without memory. */
struct mr_pg *mr_pg_create(uv_loop_t *loop, const struct mr_pg_settings *s) MR_MUST_CHECK;
/* Answers all waiting units with MR_PG_UNAVAILABLE, closes, and calls CLOSED once done. */
void mr_pg_close(struct mr_pg *pg, void (*closed)(void *ctx), void *ctx);
/* UNIT and what it points to must live until its callback. Never calls back from inside. */
void mr_pg_submit(struct mr_pg *pg, struct mr_pg_unit *unit);
/* The same from a coroutine: returns when the answer is there. The results then belong to the
 * caller: mr_pg_keep() hands them to an arena. */
void mr_pg_await(struct mr_pg *pg, struct mr_pg_unit *unit);
/* Gives all results of UNIT to ARENA, which clears them at its reset. */
int mr_pg_keep(struct mr_arena *arena, struct mr_pg_unit *unit) MR_MUST_CHECK;
/* Nobody waits for UNIT any more: its slow statement is cancelled if it has a connection of its
 * own; done() is called all the same. */
void mr_pg_cancel(struct mr_pg *pg, struct mr_pg_unit *unit);
/* Frees the results of UNIT that nobody took (set NULL). Whoever submitted it must call this or
 * mr_pg_keep() once it is done. */
void mr_pg_clear(struct mr_pg_unit *unit);
bool mr_pg_is_up(const struct mr_pg *pg);
unsigned mr_pg_in_flight(const struct mr_pg *pg);
/* How much of the pool is in use: connections that are ready and that there may be, the listener
 * not counted, and units that wait for one. */
struct mr_pg_use {
	unsigned open, max, waiting;
};
struct mr_pg_use mr_pg_use(const struct mr_pg *pg);

/* For lib/bus without Redis: a connection of its own that runs stmt_listen and gives each
 * notification's payload to FN; and a notification. One listener a pool. */
int mr_pg_listen(
    struct mr_pg *pg, void (*fn)(void *ctx, struct mr_str payload), void *ctx) MR_MUST_CHECK;
void mr_pg_notify(struct mr_pg *pg, struct mr_str payload);

/* ---- reading a result ---- */

/* The value of a column by name in ROW; absent for NULL or for no such column. Points into R. */
struct mr_str mr_pg_text(const PGresult *r, int row, const char *column);
int64_t mr_pg_i64(const PGresult *r, int row, const char *column, int64_t if_null);
bool mr_pg_bool(const PGresult *r, int row, const char *column);
/* Text arrays for unnest: appends one element to an array literal; b starts as "{" and is ended
 * by mr_pg_array_end. An absent string is NULL. */
void mr_pg_array_begin(struct mr_buf *b);
void mr_pg_array_add(struct mr_buf *b, struct mr_str element);
void mr_pg_array_add_i64(struct mr_buf *b, int64_t v);
void mr_pg_array_end(struct mr_buf *b);

#endif
