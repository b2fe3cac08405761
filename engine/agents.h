/*
 * Turns at agents: how many calls of one are under way, of all engines together, stands in rows
 * that count while their engine lives. A step asks here before it calls, waits while its agent is
 * at its limit or its breaker is open, and says here how the call ended. What is asked and said in
 * one round of the loop goes to the database together; while steps wait, it is asked again.
 */
#ifndef MR_ENGINE_AGENTS_H
#define MR_ENGINE_AGENTS_H

#include <stdbool.h>
#include <uv.h>

#include "engine/steps/step.h"

struct mr_engine;
struct mr_agents;

/* What a step that asked is told; it asks no more then. */
enum mr_turn_verdict {
	MR_TURN_GO,
	MR_TURN_MISSING,
	MR_TURN_INACTIVE,
	MR_TURN_OPEN, /* the breaker, for longer than a step waits */
	MR_TURN_LATE, /* it waited for as long as it may; there is no row */
};

enum mr_turn_state { MR_TURN_NEW, MR_TURN_SENT, MR_TURN_WAITS, MR_TURN_CALLS, MR_TURN_REFUSED };

struct mr_agent_link {
	struct mr_agent_link *prev, *next;
};

/* One step that asks, or calls; lives in its execution. */
struct mr_agent_turn {
	struct mr_agent_link link; /* the module's; first */
	/* the caller's */
	struct mr_step_exec *x;
	struct mr_str ref;      /* a name or an id; or empty */
	struct mr_str required; /* then the capabilities, as PostgreSQL writes an array */
	int64_t patience_us;    /* how long it waits; 0: as long as it takes */
	/* once, on the loop, never from inside ask; ROW is the answer's */
	void (*told)(struct mr_agent_turn *t, enum mr_turn_verdict v, const PGresult *r, int row);
	/* the module's */
	enum mr_turn_state state;
	bool was_sent;
	struct mr_agent_turn *same_hash;
	int64_t asked_us; /* monotonic */
};

struct mr_agents *mr_agents_create(struct mr_engine *e) MR_MUST_CHECK;
/* Nobody may ask any more. */
void mr_agents_close(struct mr_agents *a, uv_close_cb closed);
struct mr_agents *mr_agents_free(struct mr_agents *a);
void mr_agents_ask(struct mr_agents *a, struct mr_agent_turn *t);
/* The turn is over, whether it has been told or not: "ok", "failed", or "none", which says nothing
 * about the agent. To be called once for each that asked. */
void mr_agents_end(
    struct mr_agents *a, struct mr_agent_turn *t, const char *verdict, int64_t took_us);
/* Called each tick: asks again for those that wait. */
void mr_agents_tick(struct mr_agents *a);
/* How many wait for their turn, and how many call. */
size_t mr_agents_waiting(const struct mr_agents *a);
size_t mr_agents_calling(const struct mr_agents *a);

#endif
