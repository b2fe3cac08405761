#include "fcgi/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "fcgi/fit.h"
#include "fcgi/metrics.h"
#include "fcgi/server.h"
#include "fcgi/usage.h"
#include "fcgi/wait.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/seal.h"
#include "net/auth_call.h"
#include "sql/sql_ids.h"

#define BACKLOG          1024
#define STACK            (128u * 1024u)
#define DRAIN_MS         10000u /* for what is in hand at SIGTERM */
#define LAST_MS          2000u  /* for coroutines to notice that they were aborted */
#define PG_QUEUE_MAX     4096
#define PG_SILENCE_MS    2000
#define HTTP_CONNECTIONS 32
#define HTTP_BODY_MAX    ((int64_t)64 * 1024)

/* Everything of one process; freed in the reverse order. */
struct process {
	struct mr_worker w;
	uv_loop_t loop;
	const struct mr_worker_config *config;
	struct mr_fit fit;
	bool serves; /* and has said so */
	uv_signal_t term;
	uv_timer_t limit; /* runs while draining */
	bool dropped;     /* the time for draining was up */
};

/* ---- the end ---- */

static void on_pg_closed(void *ctx)
{
	struct process *p = ctx;

	p->w.pg = NULL;
	mr_fit_end(&p->fit);
	uv_close((uv_handle_t *)&p->term, NULL);
	uv_close((uv_handle_t *)&p->limit, NULL);
}

static void on_bus_closed(void *ctx)
{
	struct process *p = ctx;

	p->w.bus = NULL;
	mr_pg_close(p->w.pg, on_pg_closed, p);
}

static void on_http_closed(void *ctx)
{
	struct process *p = ctx;

	p->w.http = NULL;
	p->w.tokens = mr_auth_tokens_free(p->w.tokens);
	mr_bus_close(p->w.bus, on_bus_closed, p);
}

static void on_wait_closed(void *ctx)
{
	struct process *p = ctx;

	p->w.wait = NULL;
	p->w.limiter = mr_limiter_free(p->w.limiter);
	p->w.auth = mr_auth_free(p->w.auth);
	mr_http_client_close(p->w.http, on_http_closed, p);
}

static void on_usage_closed(void *ctx)
{
	struct process *p = ctx;

	p->w.usage = NULL;
	mr_wait_close(p->w.wait, on_wait_closed, p);
}

static void on_drained(void *ctx)
{
	struct process *p = ctx;

	mr_usage_close(p->w.usage, on_usage_closed, p);
}

static void on_limit(uv_timer_t *t)
{
	struct process *p = t->data;

	if (p->dropped) {
		mr_log(
		    MR_LOG_ERROR, "requests did not end", MR_F_N("count", p->w.server->in_flight));
		_exit(EXIT_FAILURE);
	}
	p->dropped = true;
	mr_log(MR_LOG_WARNING, "drain took too long, connections dropped",
	    MR_F_N("connections", p->w.server->conns_len), MR_F_N("count", p->w.server->in_flight));
	mr_server_drop_all(p->w.server);
	(void)uv_timer_start(t, on_limit, LAST_MS, 0); /* fails only without callback */
}

static void on_term(uv_signal_t *handle, int signum)
{
	struct process *p = handle->data;

	(void)signum;
	if (p->w.draining)
		return;
	p->w.draining = true;
	mr_log(MR_LOG_INFO, "worker drains", MR_F_N("worker", p->w.number),
	    MR_F_N("count", p->w.server->in_flight));
	mr_wait_drain(p->w.wait);
	mr_server_drain(p->w.server, on_drained, p);
	(void)uv_timer_start(&p->limit, on_limit, DRAIN_MS, 0); /* fails only without callback */
}

/* ---- the beginning ---- */

static void on_fit(void *ctx, bool fits)
{
	struct process *p = ctx;
	const struct mr_worker_config *c = p->config;

	if (p->serves && !fits)
		return; /* the database is away still */
	if (!p->serves)
		mr_log(MR_LOG_INFO, "worker started", MR_F_N("worker", c->number),
		    MR_F_Z("name", p->w.name));
	p->serves = true;
	if (c->ready != NULL)
		c->ready(c->ctx, fits);
}

static void set_name(struct mr_worker *w)
{
	char host[40];

	if (gethostname(host, sizeof(host)) != 0 || host[0] == '\0')
		(void)snprintf(host, sizeof(host), "%s", "host"); /* fits */
	host[sizeof(host) - 1] = '\0';
	(void)snprintf(w->name, sizeof(w->name), "%s.%d", host, (int)getpid()); /* fits */
}

/* The socket has a name of its own until the supervisor says that the worker serves. */
static int open_socket(const struct mr_settings *s, unsigned number)
{
	char path[128];
	mode_t before;
	int fd;

	if (mr_worker_socket_path(s, number, true, path, sizeof(path)) < 0)
		return MR_E_INVALID;
	before = umask(0117);
	fd = FCGX_OpenSocket(path, BACKLOG);
	(void)umask(before); /* never fails */
	if (fd < 0 || chmod(path, 0660) != 0) {
		mr_log(MR_LOG_ERROR, "socket can't be opened", MR_F_Z("socket", path),
		    MR_F_Z("error", strerror(errno)));
		return MR_E_IO;
	}
	return fd;
}

static struct mr_pg *create_pg(uv_loop_t *loop, const struct mr_settings *s)
{
	const struct mr_pg_settings pg = {
		.conninfo = s->database_url,
		.shared = (unsigned)s->db_connections,
		.exclusive_max = (unsigned)s->db_exclusive_connections,
		.statement_timeout_ms = (unsigned)s->db_statement_timeout_ms,
		.slow_timeout_ms = (unsigned)s->db_slow_timeout_ms,
		.lock_timeout_ms = (unsigned)s->db_lock_timeout_ms,
		.queue_max = PG_QUEUE_MAX,
		.silence_ms = PG_SILENCE_MS,
		.stmt_tenant_read = MR_SQL_SESSION_TENANT_READ,
		.stmt_tenant_write = MR_SQL_SESSION_TENANT_WRITE,
		.stmt_listen = MR_SQL_BUS_LISTEN,
		.stmt_notify = MR_SQL_BUS_NOTIFY,
	};

	return mr_pg_create(loop, &pg);
}

static int open_seal(struct mr_worker *w)
{
	struct mr_error err = { .detail = "" };
	int r = mr_seal_keys_open(w->settings->secrets_key_file, &w->seal, &err);

	if (r < 0)
		mr_log(MR_LOG_ERROR, "keys of secrets are not read", MR_F_Z("detail", err.detail));
	return r;
}

/* A look at an agent reaches what steps reach. */
static int open_http(struct mr_worker *w)
{
	const struct mr_http_options options = {
		.prefix = "engine",
		.allowed_addresses = w->settings->engine_allowed_addresses,
		.resolve = w->settings->engine_resolve,
		.ca_file = w->settings->engine_ca_file,
		.max_connections = HTTP_CONNECTIONS,
		.max_body_bytes = HTTP_BODY_MAX,
	};
	struct mr_error err = { .detail = "" };
	int r = mr_http_client_create(w->loop, options, &w->http, &err);

	if (r < 0) {
		mr_log(MR_LOG_ERROR, "calls can't be made", MR_F_Z("detail", err.detail));
		return r;
	}
	w->tokens = mr_auth_tokens_create(w->loop);
	return w->tokens != NULL ? 0 : MR_E_NOMEM;
}

static const char *given(const char *s)
{
	return s[0] != '\0' ? s : NULL;
}

static int set_up(struct process *p, const struct mr_worker_config *c)
{
	struct mr_worker *w = &p->w;
	int fd;

	if (uv_loop_init(&p->loop) != 0)
		return MR_E_NOMEM;
	w->loop = &p->loop;
	w->settings = c->settings;
	w->metrics = c->metrics;
	w->number = c->number;
	w->started_us = mr_clock_system.now_us(NULL);
	set_name(w);
	if (mr_loop_prepare(w->loop) < 0)
		return MR_E_IO;
	if (open_seal(w) < 0 || open_http(w) < 0)
		return MR_E_INVALID;
	w->coros = mr_coro_pool_create((unsigned)c->settings->max_requests_in_flight, STACK);
	w->pg = create_pg(w->loop, c->settings);
	w->bus =
	    w->pg != NULL ? mr_bus_create(w->loop, given(c->settings->redis_url), w->pg) : NULL;
	w->auth = w->bus != NULL ? mr_auth_create(w->loop, c->settings, w->pg, w->bus) : NULL;
	w->wait = w->bus != NULL ? mr_wait_create(w->loop, w->bus, w->name) : NULL;
	w->usage = w->pg != NULL ? mr_usage_create(w) : NULL;
	if (w->coros == NULL || w->auth == NULL || w->wait == NULL || w->usage == NULL)
		return MR_E_NOMEM;
	if (c->settings->rate_limits) {
		w->limiter = mr_limiter_create(w->loop, c->settings, w->bus, c->workers);
		if (w->limiter == NULL)
			return MR_E_NOMEM;
	}
	p->term.data = p->limit.data = p;
	if (uv_signal_init(w->loop, &p->term) != 0 ||
	    uv_signal_start(&p->term, on_term, SIGTERM) != 0 ||
	    uv_timer_init(w->loop, &p->limit) != 0)
		return MR_E_IO;
	fd = open_socket(c->settings, c->number);
	if (fd < 0)
		return fd;
	return mr_server_create(w, fd) != NULL ? 0 : MR_E_IO;
}

static void ignore_signals(void)
{
	/* SIGXFSZ: a file that may not grow is an error of its write, not the end of all others */
	static const int ignored[] = { SIGPIPE, SIGINT, SIGHUP, SIGUSR1, SIGXFSZ };

	for (size_t i = 0; i < MR_ARRAY_LEN(ignored); i++)
		(void)signal(ignored[i], SIG_IGN); /* fails only for numbers that are none */
}

int mr_worker_socket_path(
    const struct mr_settings *s, unsigned number, bool new, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%s/api-%u.sock%s", s->socket_dir, number, new ? ".new" : "");

	return n > 0 && n < 108 && (size_t)n < cap ? 0 : MR_E_INVALID; /* sun_path's size */
}

int mr_worker_run(const struct mr_worker_config *c)
{
	struct process *p = calloc(1, sizeof(*p));
	int r = p != NULL ? 0 : MR_E_NOMEM;

	ignore_signals();
	if (r == 0)
		r = set_up(p, c);
	if (r < 0) {
		mr_log(MR_LOG_ERROR, "worker can't start", MR_F_N("worker", c->number),
		    MR_F_N("error", r));
		return EXIT_FAILURE;
	}
	p->config = c;
	mr_fit_ask(&p->fit, p->w.loop, p->w.pg, on_fit, p);
	(void)uv_run(&p->loop, UV_RUN_DEFAULT); /* returns when nothing is open any more */
	p->w.server = mr_server_free(p->w.server);
	p->w.coros = mr_coro_pool_free(p->w.coros);
	p->w.seal = mr_seal_keys_free(p->w.seal);
	if (uv_loop_close(&p->loop) != 0)
		mr_log(MR_LOG_WARNING, "something was left open", MR_F_N("worker", c->number));
	mr_log(MR_LOG_INFO, "worker ended", MR_F_N("worker", c->number));
	free(p);
	return EXIT_SUCCESS;
}
