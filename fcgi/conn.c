#include "fcgi/conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fcgi/dispatch.h"
#include "fcgi/metrics.h"
#include "fcgi/route.h"
#include "fcgi/router.h"
#include "fcgi/usage.h"
#include "lib/clock.h"
#include "lib/log.h"

static void set_deadline(struct mr_conn *c)
{
	c->deadline_ms = uv_now(c->server->worker->loop) + c->server->timeout_ms;
}

static void count(const struct mr_conn *c, enum mr_metric id)
{
	mr_api_metrics_add(c->server->worker->metrics, id, 1);
}

/* ---- the end of a job, of a connection ---- */

static void release(struct mr_conn *c)
{
	struct mr_job *x = c->x;

	if (x == NULL)
		return;
	c->x = NULL;
	c->server->bodies -= c->body_counted;
	c->body_counted = 0;
	mr_server_give_back(c->server, x);
}

/* All writes have been called back by now. */
static void on_closed(uv_handle_t *handle)
{
	struct mr_conn *c = handle->data;

	release(c);
	mr_server_remove(c->server, c);
	free(c);
}

/* The coroutine keeps the job, and gives it back when it ends. */
static void abandon(struct mr_conn *c)
{
	struct mr_job *x = c->x;

	c->x = NULL;
	c->server->bodies -= c->body_counted;
	c->body_counted = 0;
	x->conn = NULL;
	if (!x->r.aborted)
		count(c, MR_METRIC_API_REQUESTS_ABORTED_TOTAL);
	x->r.aborted = true;
	if (x->r.on_abort != NULL)
		x->r.on_abort(&x->r);
}

void mr_conn_close(struct mr_conn *c)
{
	if (c->state == MR_CONN_CLOSING)
		return;
	c->state = MR_CONN_CLOSING;
	c->deadline_ms = 0;
	uv_close((uv_handle_t *)&c->pipe, on_closed);
	if (c->x != NULL && c->x->running)
		abandon(c);
}

bool mr_conn_is_idle(const struct mr_conn *c, uint64_t least_ms)
{
	char byte;
	uv_os_fd_t fd;

	if (c->state != MR_CONN_IDLE ||
	    uv_now(c->server->worker->loop) - c->idle_since_ms < least_ms ||
	    uv_fileno((const uv_handle_t *)&c->pipe, &fd) != 0)
		return false;
	return c->reader.header_len == 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0;
}

/* ---- writing ---- */

static void answered(struct mr_conn *c)
{
	bool keep = c->reader.keep_conn && !c->server->worker->draining;

	mr_fcgi_reader_close_request(&c->reader);
	release(c);
	c->deadline_ms = 0;
	c->state = MR_CONN_IDLE;
	c->idle_since_ms = uv_now(c->server->worker->loop);
	if (!keep)
		mr_conn_close(c);
}

/* Drops N bytes from the front of BUFS; returns how many buffers are left. */
static unsigned skip(uv_buf_t *bufs, unsigned len, size_t n)
{
	unsigned i = 0, left;

	while (i < len && n >= bufs[i].len)
		n -= bufs[i++].len;
	left = len - i;
	if (left == 0)
		return 0;
	bufs[i].base += n;
	bufs[i].len -= n;
	memmove(bufs, bufs + i, left * sizeof(*bufs));
	return left;
}

static void write_more(struct mr_conn *c);

static void on_written(uv_write_t *req, int status)
{
	struct mr_conn *c = req->data;

	if (c->state == MR_CONN_CLOSING)
		return;
	if (status < 0)
		mr_conn_close(c);
	else
		write_more(c);
}

/* Piece by piece, each tried at once; libuv waits for the peer only with what it did not take. */
static void write_more(struct mr_conn *c)
{
	uv_stream_t *stream = (uv_stream_t *)&c->pipe;
	uv_buf_t bufs[MR_ANSWER_BUFS];
	unsigned n;

	while ((n = mr_answer_next(&c->x->answer, bufs)) > 0) {
		int sent = uv_try_write(stream, bufs, n);

		if (sent < 0 && sent != UV_EAGAIN) {
			mr_conn_close(c);
			return;
		}
		n = skip(bufs, n, sent > 0 ? (size_t)sent : 0);
		if (n == 0)
			continue;
		c->write.data = c;
		if (uv_write(&c->write, stream, bufs, n, on_written) != 0)
			mr_conn_close(c);
		return;
	}
	answered(c);
}

/* The answer can't be sent as it is: too large, or no memory for it. */
static void begin_answer(struct mr_conn *c)
{
	struct mr_job *x = c->x;

	if (x->given_up) {
		mr_answer_begin_empty(&x->answer, c->reader.id);
		return;
	}
	if (!mr_buf_failed(&x->r.out_body) && mr_answer_begin(&x->answer, &x->r, c->reader.id) == 0)
		return;
	mr_log(MR_LOG_ERROR, "answer too large", MR_F_S("path", x->r.path),
	    MR_F_N("bytes", mr_response_body(&x->r).len));
	mr_response_problem(
	    &x->r, MR_ERR_INTERNAL, "%s", "The answer is larger than the server can send.");
	if (mr_answer_begin(&x->answer, &x->r, c->reader.id) < 0)
		mr_answer_begin_empty(&x->answer, c->reader.id);
}

static void send_answer(struct mr_conn *c)
{
	c->state = MR_CONN_WRITING;
	set_deadline(c);
	begin_answer(c);
	write_more(c);
}

static void on_control_written(uv_write_t *req, int status)
{
	struct mr_conn *c = req->data;

	c->control_busy = false;
	if (status < 0)
		mr_conn_close(c);
}

/* Whole records between those of the answer. A peer that asks on without reading is dropped. */
static void send_control(struct mr_conn *c, struct mr_str records)
{
	uv_stream_t *stream = (uv_stream_t *)&c->pipe;
	uv_buf_t buf = uv_buf_init(c->control, (unsigned)records.len);
	int sent;

	if (c->control_busy || records.len > sizeof(c->control)) {
		mr_conn_close(c);
		return;
	}
	memcpy(c->control, records.p, records.len);
	sent = uv_try_write(stream, &buf, 1);
	if (sent < 0 && sent != UV_EAGAIN) {
		mr_conn_close(c);
		return;
	}
	if (skip(&buf, 1, sent > 0 ? (size_t)sent : 0) == 0)
		return;
	c->control_write.data = c;
	c->control_busy = uv_write(&c->control_write, stream, &buf, 1, on_control_written) == 0;
	if (!c->control_busy)
		mr_conn_close(c);
}

/* ---- working ---- */

static void observe(const struct mr_job *x)
{
	const struct mr_request *r = &x->r;
	int64_t took_us = mr_clock_system.mono_us(NULL) - r->started_us;
	unsigned route = r->route != NULL ? r->route->id : MR_METRIC_NO_ROUTE;

	mr_api_metrics_http(r->worker->metrics, route, r->status, took_us);
	mr_usage_count(r->worker->usage, r, took_us);
	mr_log(MR_LOG_DEBUG, "request answered", MR_F_Z("method", mr_method_name(r->method)),
	    MR_F_Z("route", r->route != NULL ? r->route->path : ""), MR_F_N("status", r->status),
	    MR_F_N("duration_us", took_us),
	    MR_F_N("tenant_id", r->principal != NULL ? r->principal->tenant_id : 0),
	    MR_F_S("correlation_id", r->correlation_id));
}

/* Decided: sent, or dropped when the peer is gone. */
static void finish(struct mr_job *x)
{
	struct mr_server *s = x->r.worker->server;

	if (x->r.status == 0)
		mr_response_problem(&x->r, MR_ERR_INTERNAL, "%s", "");
	observe(x);
	if (x->conn != NULL)
		send_answer(x->conn);
	else
		mr_server_give_back(s, x);
}

/* The bottom of a request's coroutine. */
static void run(void *ctx)
{
	struct mr_job *x = ctx;
	struct mr_server *s = x->r.worker->server;

	mr_dispatch(&x->r);
	x->running = false;
	s->in_flight--;
	finish(x);
}

static void refuse(struct mr_job *x, enum mr_error_id why)
{
	mr_response_problem(&x->r, why, "%s", "");
	if (why == MR_ERR_METHOD_NOT_ALLOWED)
		mr_response_header(
		    &x->r, "Allow", MR_STR("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
	finish(x);
}

static void start(struct mr_conn *c)
{
	struct mr_job *x = c->x;
	int e;

	mr_job_complete(x);
	c->state = MR_CONN_RUNNING;
	c->deadline_ms = 0; /* what it waits for has limits of its own */
	if (x->refusal != MR_ERR_NONE) {
		refuse(x, x->refusal);
		return;
	}
	x->running = true;
	c->server->in_flight++;
	e = mr_coro_start(c->server->worker->coros, run, x);
	if (e == 0)
		return;
	x->running = false;
	c->server->in_flight--;
	count(c, MR_METRIC_API_REQUESTS_REFUSED_TOTAL);
	refuse(x, MR_ERR_OVERLOADED);
}

/* ---- reading ---- */

static int begin(struct mr_conn *c)
{
	c->x = mr_server_job(c->server);
	if (c->x == NULL)
		return MR_E_NOMEM;
	c->x->conn = c;
	c->state = MR_CONN_READING;
	set_deadline(c);
	return 0;
}

/* Bodies of all requests together have a limit too. */
static void take_body(struct mr_conn *c, struct mr_str piece)
{
	struct mr_server *s = c->server;

	if (c->x->refusal == MR_ERR_NONE && piece.len > s->bodies_max - s->bodies)
		c->x->refusal = MR_ERR_OVERLOADED;
	mr_job_body(c->x, piece);
	s->bodies += c->x->body.len - c->body_counted;
	c->body_counted = c->x->body.len;
}

static void give_up(struct mr_conn *c)
{
	struct mr_job *x = c->x;

	if (c->state == MR_CONN_WRITING)
		return; /* too late: the answer ends by itself */
	x->given_up = true;
	if (c->state == MR_CONN_READING) {
		count(c, MR_METRIC_API_REQUESTS_ABORTED_TOTAL);
		send_answer(c);
		return;
	}
	if (x->r.aborted)
		return;
	count(c, MR_METRIC_API_REQUESTS_ABORTED_TOTAL);
	x->r.aborted = true;
	if (x->r.on_abort != NULL)
		x->r.on_abort(&x->r); /* the coroutine may end in here, and the connection close */
}

static int handle(struct mr_conn *c, const struct mr_fcgi_event *e)
{
	if (e->kind >= MR_FCGI_PARAMS && e->kind <= MR_FCGI_STDIN_END &&
	    c->state != MR_CONN_READING)
		return 0; /* given up, and its end not sent yet */
	switch (e->kind) {
	case MR_FCGI_BEGIN:
		return begin(c);
	case MR_FCGI_PARAMS:
		mr_job_params(c->x, e->data);
		break;
	case MR_FCGI_PARAMS_END:
		return mr_job_prepare(c->x);
	case MR_FCGI_STDIN:
		take_body(c, e->data);
		break;
	case MR_FCGI_STDIN_END:
		start(c);
		break;
	case MR_FCGI_ABORT:
		give_up(c);
		break;
	case MR_FCGI_ANSWER:
		send_control(c, e->data);
		break;
	case MR_FCGI_MORE:
		break;
	}
	return 0;
}

static void read_bytes(struct mr_conn *c, struct mr_str in)
{
	struct mr_fcgi_event e;

	do {
		int r = mr_fcgi_read(&c->reader, &in, &e);

		if (r == 0)
			r = handle(c, &e);
		if (r < 0) {
			count(c, MR_METRIC_API_PROTOCOL_ERRORS_TOTAL);
			mr_log(MR_LOG_DEBUG, "connection broken off",
			    MR_F_Z("reason", c->reader.fault != NULL ? c->reader.fault
			                                             : "no memory, or bad PARAMS"));
			mr_conn_close(c);
		}
	} while (c->state != MR_CONN_CLOSING && e.kind != MR_FCGI_MORE);
	if (c->state == MR_CONN_IDLE && c->reader.header_len > 0 && c->deadline_ms == 0)
		set_deadline(c); /* half a record must not stay half for ever */
	else if (c->state == MR_CONN_IDLE && c->reader.header_len == 0)
		c->deadline_ms = 0;
}

/* One buffer serves all connections: what was read is used up before the callback returns. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct mr_conn *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->server->input, sizeof(c->server->input));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct mr_conn *c = stream->data;

	if (n < 0)
		mr_conn_close(c); /* the end, or an error: either way nobody waits any more */
	else if (n > 0)
		read_bytes(c, (struct mr_str){ buf->base, (size_t)n });
}

int mr_conn_accept(struct mr_server *s)
{
	struct mr_conn *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return MR_E_NOMEM;
	c->server = s;
	c->idle_since_ms = uv_now(s->worker->loop);
	(void)uv_pipe_init(s->worker->loop, &c->pipe, 0); /* can't fail */
	c->pipe.data = c;
	mr_fcgi_reader_init(&c->reader, s->conns_max);
	mr_server_add(s, c);
	if (uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&c->pipe) != 0 ||
	    s->conns_len > s->conns_max ||
	    uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0) {
		mr_conn_close(c);
		return MR_E_LIMIT;
	}
	return 0;
}
