/*
 * How often a caller may ask: counted in Redis by one script call for all processes together, and
 * by this worker alone while Redis is away or slow. Knows neither requests nor routes.
 *
 * An ask is begun as early as the caller is known and awaited where its answer counts; what happens
 * in between happens while it is under way. It never waits longer than rate_limit_wait_ms, or a
 * little more.
 */
#ifndef MR_AUTH_LIMITER_H
#define MR_AUTH_LIMITER_H

#include <stdbool.h>
#include <uv.h>

#include "lib/bus.h"
#include "lib/rate.h"
#include "lib/settings.h"
#include "lib/str.h"

struct mr_limiter;
struct mr_limiter_call;

enum mr_limit_source {
	MR_LIMIT_REDIS,      /* counted by Redis */
	MR_LIMIT_REMEMBERED, /* refused without asking again: Redis has just said so */
	MR_LIMIT_LOCAL,      /* counted by this worker alone */
};

/* One request's. The caller's storage, from begin to await. */
struct mr_limit {
	struct mr_rate rate;
	bool is_decided;
	bool is_allowed;
	bool script_failed; /* Redis answered, but with an error */
	enum mr_limit_source source;
	int64_t used, reset_us;       /* see struct mr_window_state */
	uint64_t window;              /* the limiter's own: which it is in this worker's table */
	struct mr_limiter_call *call; /* the limiter's own: on its way to Redis */
};

/* SHARES: workers that divide what is allowed while each counts by itself. */
struct mr_limiter *mr_limiter_create(uv_loop_t *loop, const struct mr_settings *s,
    struct mr_bus *bus, unsigned shares) MR_MUST_CHECK;
/* No ask may be under way. Before the bus is closed. */
struct mr_limiter *mr_limiter_free(struct mr_limiter *l);

/* What the settings allow in that class. */
struct mr_rate mr_limiter_rate(const struct mr_limiter *l, enum mr_rate_class c);
/* Counts one request of WHO ("k12") under RATE, in a window of that class. */
void mr_limit_begin(struct mr_limiter *l, struct mr_limit *limit, struct mr_str who,
    enum mr_rate_class c, struct mr_rate rate);
/* Until it is decided. In a coroutine. */
void mr_limit_await(struct mr_limit *limit);

/* False while this worker counts by itself although a Redis is configured. */
bool mr_limiter_is_shared(const struct mr_limiter *l);

#endif
