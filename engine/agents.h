/*
 * Turns at agents: how many calls of one are under way, of all engines together, stands in rows
 * that count while their engine lives. A step asks here before it calls, waits while its agent is
 * at its limit or its breaker is open, and says here how the call ended.
 */
#ifndef MR_ENGINE_AGENTS_H
#define MR_ENGINE_AGENTS_H

#include <stdbool.h>

#include "engine/steps/step.h"

struct mr_engine;
struct mr_agents;

enum mr_turn_verdict { MR_TURN_GO, MR_TURN_FULL, MR_TURN_OPEN, MR_TURN_MISSING, MR_TURN_INACTIVE };

/* One step that asks; lives in its execution. */
struct mr_agent_turn {
	/* the caller's */
	struct mr_step_exec *x;
	struct mr_str ref;      /* a name or an id; or empty */
	struct mr_str required; /* then the capabilities, as PostgreSQL writes an array */
	/* on the loop, never from inside ask; ROW is the answer's. For all but FULL and OPEN it asks
	 * no more; after those it asks again by itself, until mr_agents_end(). */
	void (*told)(struct mr_agent_turn *t, enum mr_turn_verdict v, const PGresult *r, int row);
	/* the module's */
	bool asks;
	struct mr_agent_turn *next;
};

struct mr_agents *mr_agents_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_agents *mr_agents_free(struct mr_agents *a);
void mr_agents_ask(struct mr_agents *a, struct mr_agent_turn *t);
/* The turn is over: "ok", "failed", or "none", which says nothing about the agent. */
void mr_agents_end(struct mr_agents *a, struct mr_agent_turn *t, const char *verdict, int64_t took_us);
/* Called each tick: sends what waits. */
void mr_agents_kick(struct mr_agents *a);

#endif
