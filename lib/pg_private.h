/* Inside lib/pg: connections, what is under way on them, and the pool that owns them. */
#ifndef MR_LIB_PG_PRIVATE_H
#define MR_LIB_PG_PRIVATE_H

#include "lib/pg.h"

enum mr_pg_kind { MR_PG_SHARED, MR_PG_EXCLUSIVE, MR_PG_LISTENER };

enum mr_pg_state {
	MR_PG_DOWN, /* no socket; retry_at_ms says when to try again */
	MR_PG_CONNECTING,
	MR_PG_READY,
};

/* One unit of the protocol under way: everything up to a Sync. */
struct mr_pg_op {
	struct mr_pg_unit *unit; /* NULL: a PREPARE of our own */
	uint64_t prepared_key;   /* of that PREPARE */
	unsigned results;        /* seen so far */
	bool failed;
};

/* The prepared statements of one connection: a small open-addressed set of keys. */
#define MR_PG_PREPARED_SLOTS 2048
#define MR_PG_PREPARED_MAX   1024

struct mr_pg_conn {
	struct mr_pg *pg; /* owner */
	enum mr_pg_kind kind;
	enum mr_pg_state state;
	PGconn *c;       /* NULL while down */
	uv_poll_t *poll; /* of the socket; freed by its close callback */
	int poll_events;
	uint64_t connect_deadline_ms, retry_at_ms, last_byte_ms, idle_since_ms;
	unsigned backoff_ms;
	unsigned generation; /* part of statement names, so that a stale plan is never met again */
	unsigned prepared_len;
	char unprepared[6];   /* why the last statement that could not be prepared was refused */
	uint64_t *prepared;   /* MR_PG_PREPARED_SLOTS keys, 0 = free */
	struct mr_pg_op *ops; /* ring of ops_cap */
	unsigned ops_head, ops_len, ops_cap;
	bool cancelling; /* a helper thread has its PGcancel: don't reuse yet */
	bool draining;   /* inside the reading loop: drop later */
	struct mr_pg_conn *next;
};

struct mr_pg_queue {
	struct mr_pg_unit *first, *last;
	unsigned len;
};

struct mr_pg {
	uv_loop_t *loop;
	struct mr_pg_settings s;
	char *conninfo, *shared_options, *slow_options; /* owned */
	struct mr_pg_conn *shared;                      /* array of s.shared */
	struct mr_pg_conn *exclusive;                   /* list; each owned */
	unsigned exclusive_len;
	struct mr_pg_conn *listener;
	void (*listen_fn)(void *ctx, struct mr_str payload);
	void *listen_ctx;
	struct mr_pg_queue waiting; /* for any shared connection */
	struct mr_pg_queue waiting_exclusive;
	struct mr_pg_queue
	    finished;          /* answered without a connection: done() from the idle handle */
	struct mr_buf scratch; /* values on their way into a message */
	uv_timer_t timer;
	uv_idle_t idle;
	unsigned in_flight;
	unsigned handles; /* our loop handles that are not closed yet */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* pg_conn.c */
int mr_pg_conn_setup(struct mr_pg_conn *conn, struct mr_pg *pg, enum mr_pg_kind kind) MR_MUST_CHECK;
void mr_pg_conn_teardown(struct mr_pg_conn *conn);
void mr_pg_conn_connect(struct mr_pg_conn *conn, uint64_t now_ms);
/* Closes the socket; every unit on it is answered or tried elsewhere. `why` goes to the log; NULL:
 * nothing was lost, the connection is merely not needed any more.
 */
void mr_pg_conn_drop(struct mr_pg_conn *conn, const char *why);
/* Queues the whole unit. Negative: the connection is unusable and was dropped with the unit on it.
 */
int mr_pg_conn_send(struct mr_pg_conn *conn, struct mr_pg_unit *u);

/* pg.c: what a connection tells its pool */
void mr_pg_conn_is_ready(struct mr_pg_conn *conn);
void mr_pg_unit_finish(struct mr_pg *pg, struct mr_pg_unit *u);
void mr_pg_unit_lost(struct mr_pg *pg, struct mr_pg_unit *u);
void mr_pg_handle_closed(struct mr_pg *pg);
uint64_t mr_pg_now_ms(const struct mr_pg *pg);

#endif
