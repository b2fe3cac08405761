/*
 * A worker process: one event loop that reads FastCGI from nginx, runs each request in a
 * coroutine, and writes the answers. Keeps nothing that matters.
 */
#ifndef MR_FCGI_WORKER_H
#define MR_FCGI_WORKER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "auth/auth.h"
#include "auth/limiter.h"
#include "lib/bus.h"
#include "lib/coro.h"
#include "lib/pg.h"
#include "lib/settings.h"

struct mr_auth_tokens; /* net/auth_call.h: what called services gave us to know us by */
struct mr_http_client; /* net/http_client.h */
struct mr_api_metrics; /* fcgi/metrics.h: counters in memory that all workers share */
struct mr_seal_keys;   /* lib/seal.h: what secrets are sealed with */
struct mr_server;      /* fcgi/server.h: the listening socket and its connections */
struct mr_usage;       /* fcgi/usage.h: counts for /api/v1/analytics */
struct mr_wait;        /* fcgi/wait.h: requests that wait for a run to end */

struct mr_worker {
	uv_loop_t *loop;
	const struct mr_settings *settings; /* replaced only by starting a new worker */
	struct mr_pg *pg;
	struct mr_bus *bus;
	struct mr_auth *auth;
	struct mr_limiter *limiter; /* NULL: nothing is limited */
	struct mr_coro_pool *coros;
	struct mr_api_metrics *metrics;
	struct mr_wait *wait;
	struct mr_usage *usage;
	struct mr_seal_keys *seal;   /* refresh them before use; there may be no key */
	struct mr_http_client *http; /* calls to other services, as steps make them */
	struct mr_auth_tokens *tokens;
	struct mr_server *server;
	unsigned number;    /* 0 … workers - 1 */
	char name[64];      /* "<host>.<pid>", this process's own, for runs.waiter */
	bool draining;      /* SIGTERM came: answers close their connections */
	int64_t started_us; /* wall clock */
};

struct mr_worker_config {
	const struct mr_settings *settings;
	struct mr_api_metrics *metrics; /* attached to this process's slot */
	unsigned number;
	unsigned workers; /* so many there are */
	/* called when the worker serves, and again when it hears only later that the database's
	 * schema fits; or NULL */
	void (*ready)(void *ctx, bool fits);
	void *ctx;
};

/* Where the worker of that NUMBER listens. It opens its socket as the new one and has it renamed
 * when it serves, so that the old worker's place is taken without a gap. MR_E_INVALID: too long. */
int mr_worker_socket_path(
    const struct mr_settings *s, unsigned number, bool new, char *out, size_t cap) MR_MUST_CHECK;
/* Serves until SIGTERM and then finishes what is in hand. Returns the process's exit status. */
int mr_worker_run(const struct mr_worker_config *c);

#endif
