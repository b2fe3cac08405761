/*
 * Wake-ups between processes that may be lost without harm: Redis publish/subscribe, or
 * PostgreSQL's NOTIFY when no Redis is configured. Nothing durable ever depends on it.
 */
#ifndef MR_LIB_BUS_H
#define MR_LIB_BUS_H

#include <stdbool.h>
#include <uv.h>

#include "lib/pg.h"
#include "lib/str.h"

#define MR_BUS_WAKE "millrace:wake" /* to engines: runs or commands are waiting */
#define MR_BUS_WAIT                                                                                \
	"millrace:wait"             /* + ":" + worker's name: a run that somebody waits for ended  \
	                             */
#define MR_BUS_AUTH "millrace:auth" /* to workers: keys or principals changed */

struct mr_bus;
typedef void mr_bus_fn(void *ctx, struct mr_str channel, struct mr_str payload);

/* REDIS_URL: redis://[:password@]host:port, redis+unix://[:password@]/path, or NULL for NOTIFY
 * over PG. Connects in the background, and again with backoff. */
struct mr_bus *mr_bus_create(
    uv_loop_t *loop, const char *redis_url, struct mr_pg *pg) MR_MUST_CHECK;
void mr_bus_close(struct mr_bus *bus, void (*closed)(void *ctx), void *ctx);
/* Before the loop runs; up to 8 channels. FN runs on the loop's thread. */
int mr_bus_subscribe(
    struct mr_bus *bus, const char *channel, mr_bus_fn *fn, void *ctx) MR_MUST_CHECK;
/* Drops the message silently when the connection is down. */
void mr_bus_publish(struct mr_bus *bus, struct mr_str channel, struct mr_str payload);
bool mr_bus_is_up(const struct mr_bus *bus);

/*
 * A script of ours, carried out by Redis as one act. One a bus; TEXT must live as long. Before the
 * loop runs. It is loaded whenever the connection is made, and again when Redis has forgotten it.
 */
void mr_bus_set_script(struct mr_bus *bus, const char *text);

#define MR_BUS_KEY_MAX 128
#define MR_BUS_NUMBERS 3

/* One call of the script: its key and two numbers. The caller's; must live until FN was called. */
struct mr_bus_call {
	char key[MR_BUS_KEY_MAX];
	int64_t arguments[2];
	/* On the loop, once. RC is 0 with the numbers of the answer, MR_E_UNAVAILABLE when the
	 * connection was lost, MR_E_INVALID when the script failed. */
	void (*fn)(struct mr_bus_call *call, int rc, const int64_t answer[MR_BUS_NUMBERS]);
	struct mr_bus *bus; /* the bus's own */
};

/* Sends it with the loop's next turn, after those sent before. MR_E_UNAVAILABLE, and FN isn't
 * called: no Redis is configured, or none is connected and ready. */
int mr_bus_call(struct mr_bus *bus, struct mr_bus_call *call) MR_MUST_CHECK;

#endif
