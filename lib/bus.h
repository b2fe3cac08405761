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

#endif
