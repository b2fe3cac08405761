/*
 * One connection of nginx: reads records, starts the request's coroutine when it is whole, writes
 * the answer, notices that the peer is gone or too slow. One request at a time; kept open when
 * the peer asks for it.
 */
#ifndef MR_FCGI_CONN_H
#define MR_FCGI_CONN_H

#include <uv.h>

#include "fcgi/job.h"
#include "fcgi/record.h"
#include "fcgi/server.h"

enum mr_conn_state {
	MR_CONN_IDLE, /* nothing of a request has come */
	MR_CONN_READING,
	MR_CONN_RUNNING,
	MR_CONN_WRITING,
	MR_CONN_CLOSING, /* freed by the close callback */
};

#define MR_CONTROL_MAX 128

struct mr_conn {
	uv_pipe_t pipe;
	struct mr_server *server;
	struct mr_conn *next, *prev; /* the server's list */
	struct mr_fcgi_reader reader;
	enum mr_conn_state state;
	uint64_t deadline_ms;   /* on the loop's clock; 0: none */
	uint64_t idle_since_ms; /* in MR_CONN_IDLE: since when */
	struct mr_job *x;       /* the open request; this connection's while it has not ended */
	size_t body_counted;    /* what x's body counts for in server->bodies */
	uv_write_t write;
	/* an answer that belongs to no open request, while it could not be sent at once */
	uv_write_t control_write;
	bool control_busy;
	char control[MR_CONTROL_MAX];
};

/* Accepts from the listener. 0, or negative when there is nothing to accept or no memory. */
int mr_conn_accept(struct mr_server *s) MR_MUST_CHECK;
/* Ends the connection; a request in hand is aborted. From the loop, not from a coroutine, while a
 * request is running on it. */
void mr_conn_close(struct mr_conn *c);
/* True when nothing has come for LEAST_MS that was not answered. */
bool mr_conn_is_idle(const struct mr_conn *c, uint64_t least_ms);

#endif
