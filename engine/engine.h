/*
 * The engine's process: registers, keeps its lease, and holds the parts together. Each part keeps
 * its own state behind its pointer here and finds the others through it. One thread, one loop.
 *
 *   claim → (load) → runs advance → flush → effects start → runs advance → …
 */
#ifndef MR_ENGINE_ENGINE_H
#define MR_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "engine/env.h"
#include "engine/steps/step.h"
#include "lib/bus.h"
#include "lib/clock.h"
#include "lib/pg.h"
#include "lib/settings.h"

struct mr_after;
struct mr_agents;
struct mr_claim;
struct mr_commands;
struct mr_definitions;
struct mr_effects;
struct mr_flush;
struct mr_housekeeping;
struct mr_ids;
struct mr_lease;
struct mr_load;
struct mr_metrics;
struct mr_payloads;
struct mr_runs;
struct mr_secrets;
struct mr_slots;
struct mr_timers;

enum mr_engine_state {
	MR_ENGINE_REGISTERING, /* has no row yet, or lost it: claims nothing */
	MR_ENGINE_RUNNING,
	MR_ENGINE_DRAINING, /* SIGTERM came: claims nothing, lets effects end */
	MR_ENGINE_ENDING,   /* gives its runs and its row back */
	MR_ENGINE_CLOSING,
};

struct mr_engine {
	uv_loop_t *loop;
	const struct mr_settings *settings;
	const struct mr_clock *clock;
	struct mr_rand rand;
	struct mr_pg *pg;
	struct mr_bus *bus;
	struct mr_step_host host; /* what step types get */
	struct mr_env env;
	enum mr_engine_state state;
	int64_t id; /* engines.id while registered, else 0 */
	/* The database's time less our monotonic one. What is written into runs is the database's
	 * time: it wakes them, and other engines go on with them. So it doesn't matter how this
	 * machine's clock is set, or that it is being set. */
	int64_t database_ahead_us;
	struct mr_lease *lease;
	struct mr_ids *ids;
	struct mr_definitions *definitions;
	struct mr_runs *runs;
	struct mr_secrets *secrets;
	struct mr_load *load;
	struct mr_claim *claim;
	struct mr_flush *flush;
	struct mr_payloads *payloads;
	struct mr_after *after;
	struct mr_slots *slots;
	struct mr_agents *agents;
	struct mr_effects *effects;
	struct mr_commands *commands;
	struct mr_timers *timers;
	struct mr_housekeeping *housekeeping;
	struct mr_metrics *metrics;
	uv_timer_t tick;
	uint64_t commands_at_ms; /* loop time; when commands are asked for next */
	uint64_t drain_since_ms; /* loop time of SIGTERM */
	unsigned closing;        /* parts that have not closed yet */
	bool misfit; /* the schema is older than the engine: it ends without having begun */
};

/* Connects and starts everything; E is the caller's and zeroed. Then run the loop. */
int mr_engine_open(
    struct mr_engine *e, uv_loop_t *loop, const struct mr_settings *settings) MR_MUST_CHECK;
/* SIGTERM: claims no more, lets effects end for a few seconds, writes what is known, gives the
 * rest back, and closes; the loop then ends by itself. Harmless when called again. */
void mr_engine_drain(struct mr_engine *e);
/* SIGHUP: SETTINGS hold from now on, and the old ones may be freed. Negative when they are refused:
 * then the old ones stay. */
int mr_engine_reload(struct mr_engine *e, const struct mr_settings *settings) MR_MUST_CHECK;
/* After the loop has ended. */
void mr_engine_done(struct mr_engine *e);

/* The lease has a new row: the engine may claim. */
void mr_engine_registered(struct mr_engine *e, int64_t id);
/* Another engine took our runs: all of them are dropped, their effects aborted. */
void mr_engine_lost(struct mr_engine *e);
/* The lease's: the schema is older than this engine, WHY says how; it ends. */
void mr_engine_unfit(struct mr_engine *e, const char *why);

static inline int64_t mr_engine_mono_us(const struct mr_engine *e)
{
	return e->clock->mono_us(e->clock->ctx);
}

/* By the database's clock, as last heard of with the lease. */
static inline int64_t mr_engine_now_us(const struct mr_engine *e)
{
	return mr_engine_mono_us(e) + e->database_ahead_us;
}

#endif
