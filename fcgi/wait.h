/*
 * Requests of this worker that wait for a run to end (execute?wait=). The engine publishes the
 * run's id on this worker's own channel after the run's last commit; a message may be lost, so
 * whoever waits asks PostgreSQL from time to time.
 */
#ifndef MR_FCGI_WAIT_H
#define MR_FCGI_WAIT_H

#include <stdint.h>
#include <uv.h>

#include "fcgi/request.h"
#include "lib/bus.h"

struct mr_coro;
struct mr_wait;

/* Subscribes to WORKER_NAME's channel; before the loop runs. NULL without memory, or when the bus
 * takes no more channels. */
struct mr_wait *mr_wait_create(
    uv_loop_t *loop, struct mr_bus *bus, const char *worker_name) MR_MUST_CHECK;
/* Nobody waits any more, and the bus is closed. CLOSED is called from the loop once W is freed. */
void mr_wait_close(struct mr_wait *w, void (*closed)(void *ctx), void *ctx);
/* The worker is about to end: for everybody who waits now the time is up. */
void mr_wait_drain(struct mr_wait *w);
unsigned mr_wait_len(const struct mr_wait *w);

/* One waiting request; on the coroutine's stack. Register before the run is made, so that an
 * end that comes at once is not missed; name the run when its id is known. */
struct mr_waiter {
	struct mr_request *request;
	int64_t run_id;
	bool ended, timed_out; /* what the last wait found */
	/* the module's */
	struct mr_coro *coro; /* while it waits */
	uint64_t seen;        /* messages up to here are none of its business any more */
	uint64_t deadline_ms;
	struct mr_waiter *next, *prev; /* all that are registered */
};

void mr_waiter_begin(struct mr_wait *w, struct mr_waiter *waiter, struct mr_request *r);
/* In a coroutine. Yields until the run has ended, the time is up, or the client has gone. True: a
 * message said so (also before, since begin, but each message counts once). May be called again. */
bool mr_waiter_wait(
    struct mr_wait *w, struct mr_waiter *waiter, int64_t run_id, int64_t timeout_ms);
void mr_waiter_end(struct mr_wait *w, struct mr_waiter *waiter);

#endif
