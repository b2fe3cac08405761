#include "fcgi/server.h"

#include <stdlib.h>

#include "fcgi/conn.h"
#include "fcgi/job.h"
#include "fcgi/metrics.h"
#include "fcgi/wait.h"
#include "lib/log.h"

#define BACKLOG  1024
#define KEEP_MAX 64u /* idle jobs; more are given back */
#define SWEEP_MS 250u
#define IDLE_MS  500u /* draining, a connection gets so long to bring what is on its way already */
/* Bodies in hand: at least this much, and at least four of the largest */
#define BODIES_MAX ((size_t)64 * 1024 * 1024)

/* ---- jobs ---- */

struct mr_job *mr_server_job(struct mr_server *s)
{
	struct mr_job *x = s->idle;

	if (x == NULL)
		return mr_job_create(s->worker, s->body_max);
	s->idle = x->next;
	s->idle_len--;
	return x;
}

void mr_server_give_back(struct mr_server *s, struct mr_job *x)
{
	if (s->idle_len >= KEEP_MAX) {
		x = mr_job_free(x);
		return;
	}
	mr_job_reset(x);
	x->next = s->idle;
	s->idle = x;
	s->idle_len++;
}

/* ---- connections ---- */

static void gauge(const struct mr_server *s)
{
	mr_api_metrics_set(s->worker->metrics, MR_METRIC_API_CONNECTIONS, s->conns_len);
}

void mr_server_add(struct mr_server *s, struct mr_conn *c)
{
	c->next = s->conns;
	if (s->conns != NULL)
		s->conns->prev = c;
	s->conns = c;
	s->conns_len++;
	gauge(s);
}

static void on_timer_closed(uv_handle_t *h)
{
	struct mr_server *s = h->data;

	s->drained(s->drained_ctx);
}

static void end_if_drained(struct mr_server *s)
{
	if (s->drained == NULL || s->state != MR_SERVER_CLOSED || s->conns != NULL ||
	    s->in_flight > 0 || uv_is_closing((uv_handle_t *)&s->timer))
		return;
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

void mr_server_remove(struct mr_server *s, struct mr_conn *c)
{
	if (c->next != NULL)
		c->next->prev = c->prev;
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	s->conns_len--;
	gauge(s);
	end_if_drained(s);
}

static void turn_away(struct mr_server *s);

static void on_spare_closed(uv_handle_t *h)
{
	struct mr_server *s = h->data;

	s->spare_busy = false;
	if (s->spare_wanted)
		turn_away(s);
}

/* There is no memory for this connection: accepted all the same, and closed. libuv stops listening
 * when a connection is left lying, and nothing would ever start it again. */
static void turn_away(struct mr_server *s)
{
	s->spare_wanted = s->spare_busy;
	if (s->spare_busy)
		return; /* libuv keeps it until then */
	s->spare_busy = true;
	(void)uv_pipe_init(s->worker->loop, &s->spare, 0); /* can't fail */
	s->spare.data = s;
	/* what can't be accepted is closed by libuv */
	(void)uv_accept((uv_stream_t *)&s->listener, (uv_stream_t *)&s->spare);
	uv_close((uv_handle_t *)&s->spare, on_spare_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct mr_server *s = listener->data;
	int r;

	if (status < 0) {
		mr_log(MR_LOG_WARNING, "accept failed", MR_F_Z("error", uv_strerror(status)));
		return;
	}
	r = mr_conn_accept(s);
	mr_api_metrics_add(s->worker->metrics,
	    r == 0 ? MR_METRIC_API_CONNECTIONS_TOTAL : MR_METRIC_API_CONNECTIONS_DROPPED_TOTAL, 1);
	if (r == MR_E_NOMEM)
		turn_away(s);
}

static void close_idle(struct mr_server *s)
{
	struct mr_conn *next;

	for (struct mr_conn *c = s->conns; c != NULL; c = next) {
		next = c->next; /* closing frees later, from the loop */
		if (mr_conn_is_idle(c, IDLE_MS))
			mr_conn_close(c);
	}
}

static void close_late(struct mr_server *s)
{
	uint64_t now = uv_now(s->worker->loop);
	struct mr_conn *next;

	for (struct mr_conn *c = s->conns; c != NULL; c = next) {
		next = c->next;
		if (c->deadline_ms == 0 || now < c->deadline_ms)
			continue;
		mr_api_metrics_add(s->worker->metrics, MR_METRIC_API_CONNECTIONS_DROPPED_TOTAL, 1);
		mr_log(MR_LOG_INFO, "slow peer dropped",
		    MR_F_Z("reason", c->state == MR_CONN_WRITING ? "takes its answer too slowly"
		                                                 : "sends too slowly"));
		mr_conn_close(c);
	}
}

static void on_listener_closed(uv_handle_t *h)
{
	struct mr_server *s = h->data;

	s->state = MR_SERVER_CLOSED;
	end_if_drained(s);
}

static void go_on_draining(struct mr_server *s)
{
	if (s->state == MR_SERVER_DRAINING) {
		s->state = MR_SERVER_CLOSING;
		uv_close((uv_handle_t *)&s->listener, on_listener_closed);
	}
	close_idle(s);
	end_if_drained(s);
}

static void on_timer(uv_timer_t *t)
{
	struct mr_server *s = t->data;
	const struct mr_worker *w = s->worker;
	struct mr_pg_use pool = mr_pg_use(w->pg);

	close_late(s);
	mr_api_metrics_set(w->metrics, MR_METRIC_HTTP_REQUESTS_IN_FLIGHT, s->in_flight);
	mr_api_metrics_set(w->metrics, MR_METRIC_API_WAITING, mr_wait_len(w->wait));
	mr_api_metrics_set(w->metrics, MR_METRIC_DB_UNITS_IN_FLIGHT, mr_pg_in_flight(w->pg));
	mr_api_metrics_set(w->metrics, MR_METRIC_DB_UNITS_WAITING, pool.waiting);
	mr_api_metrics_set(w->metrics, MR_METRIC_DB_CONNECTIONS_OPEN, pool.open);
	mr_api_metrics_set(w->metrics, MR_METRIC_DB_CONNECTIONS_MAX, pool.max);
	mr_api_metrics_set(w->metrics, MR_METRIC_DB_UP, mr_pg_is_up(w->pg));
	mr_api_metrics_set(w->metrics, MR_METRIC_BUS_UP, mr_bus_is_up(w->bus));
	if (s->state != MR_SERVER_LISTENING)
		go_on_draining(s);
}

/* ---- beginning and end ---- */

static void limits(struct mr_server *s)
{
	const struct mr_settings *set = s->worker->settings;

	s->timeout_ms = (uint64_t)set->request_timeout_ms;
	s->body_max = (size_t)set->max_body_bytes;
	s->bodies_max = s->body_max * 4 > BODIES_MAX ? s->body_max * 4 : BODIES_MAX;
	/* those that work, as many that are idle or wait for their 503, and some */
	s->conns_max = (unsigned)set->max_requests_in_flight * 2 + 64;
}

struct mr_server *mr_server_create(struct mr_worker *w, int fd)
{
	struct mr_server *s = calloc(1, sizeof(*s));
	uint64_t sweep;

	if (s == NULL)
		return NULL;
	s->worker = w;
	w->server = s;
	limits(s);
	sweep = s->timeout_ms / 4 < SWEEP_MS ? s->timeout_ms / 4 : SWEEP_MS;
	(void)uv_pipe_init(w->loop, &s->listener, 0); /* neither can fail */
	(void)uv_timer_init(w->loop, &s->timer);
	s->listener.data = s->timer.data = s;
	if (uv_pipe_open(&s->listener, fd) != 0 ||
	    uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection) != 0 ||
	    uv_timer_start(&s->timer, on_timer, sweep, sweep) != 0)
		return NULL; /* the process ends: nothing is given back */
	return s;
}

void mr_server_drain(struct mr_server *s, void (*drained)(void *ctx), void *ctx)
{
	if (s->state != MR_SERVER_LISTENING)
		return;
	s->state = MR_SERVER_DRAINING;
	s->drained = drained;
	s->drained_ctx = ctx;
	close_idle(s);
}

void mr_server_drop_all(struct mr_server *s)
{
	struct mr_conn *next;

	for (struct mr_conn *c = s->conns; c != NULL; c = next) {
		next = c->next;
		mr_conn_close(c);
	}
}

struct mr_server *mr_server_free(struct mr_server *s)
{
	if (s == NULL)
		return NULL;
	while (s->idle != NULL) {
		struct mr_job *x = s->idle;

		s->idle = x->next;
		x = mr_job_free(x);
	}
	free(s);
	return NULL;
}
