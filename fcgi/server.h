/*
 * The worker's listening socket and the connections that nginx opened to it: accepting, limits,
 * deadlines, memory of idle jobs, the orderly end.
 */
#ifndef MR_FCGI_SERVER_H
#define MR_FCGI_SERVER_H

#include <uv.h>

#include "fcgi/worker.h"

struct mr_conn;
struct mr_job;

enum mr_server_state {
	MR_SERVER_LISTENING,
	MR_SERVER_DRAINING, /* until the timer's next turn, for what stands in the backlog */
	MR_SERVER_CLOSING,
	MR_SERVER_CLOSED, /* the listener is; connections may be left */
};

struct mr_server {
	enum mr_server_state state;
	struct mr_worker *worker;
	uv_pipe_t listener;
	uv_pipe_t spare; /* takes a connection that there is no memory for, to close it */
	bool spare_busy, spare_wanted;
	uv_timer_t timer;      /* looks for connections beyond their deadline */
	struct mr_conn *conns; /* all that are not closed yet, doubly linked */
	unsigned conns_len, conns_max;
	struct mr_job *idle; /* the last one used first */
	unsigned idle_len;
	unsigned in_flight; /* jobs that are being worked on */
	uint64_t timeout_ms;
	size_t body_max;            /* of one request */
	size_t bodies, bodies_max;  /* bytes of bodies in hand, all requests together */
	void (*drained)(void *ctx); /* after mr_server_drain: all connections have gone */
	void *drained_ctx;
	char input[65536]; /* what is being read; used up within the callback */
};

/* Takes over FD, a listening socket. Limits come from the worker's settings. NULL without memory
 * or when libuv refuses. */
struct mr_server *mr_server_create(struct mr_worker *w, int fd) MR_MUST_CHECK;
/* Soon takes no more connections, closes idle ones, lets the others end; then calls DRAINED. The
 * worker says already that it is draining, so that no answer keeps its connection. */
void mr_server_drain(struct mr_server *s, void (*drained)(void *ctx), void *ctx);
/* The time for that is up: every connection is closed, every request in hand is aborted. */
void mr_server_drop_all(struct mr_server *s);
/* After DRAINED, when the loop has ended. */
struct mr_server *mr_server_free(struct mr_server *s);

/* ---- for conn.c ---- */

struct mr_job *mr_server_job(struct mr_server *s) MR_MUST_CHECK;
void mr_server_give_back(struct mr_server *s, struct mr_job *x);
void mr_server_add(struct mr_server *s, struct mr_conn *c);
/* The connection's handle is closed; C is freed by the caller afterwards. */
void mr_server_remove(struct mr_server *s, struct mr_conn *c);

#endif
