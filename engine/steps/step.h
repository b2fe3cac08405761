/*
 * What the engine's loop needs to know of step types that reach outside: how to start one
 * execution, and how to abort it. One file per type implements one row of mr_step_runners.
 */
#ifndef MR_ENGINE_STEPS_STEP_H
#define MR_ENGINE_STEPS_STEP_H

#include <uv.h>

#include "engine/core/graph.h"
#include "engine/core/run.h"
#include "lib/arena.h"
#include "lib/pg.h"
#include "lib/settings.h"

struct mr_http_client;  /* net/http_client.h: curl multi on the loop, with the address guard */
struct mr_sandbox_pool; /* engine/sandbox.h: fenced helper processes with limits */
struct mr_spawn;        /* engine/spawn.h: child runs */
struct mr_auth_tokens;  /* net/auth_call.h: what agents gave us to know us by */
struct mr_seal_keys;    /* lib/seal.h */
struct mr_agents;       /* engine/agents.h: turns at agents */
struct mr_jq_pool;      /* engine/jq.h: jq programs in helper processes */

/* Shared by all executions of one engine process. */
struct mr_step_host {
	uv_loop_t *loop;
	const struct mr_settings *settings;
	struct mr_http_client *http;
	struct mr_sandbox_pool *sandbox;
	struct mr_pg *pg;
	struct mr_spawn *spawn;
	struct mr_jq_pool *jq;
	struct mr_agents *agents;
	struct mr_auth_tokens *tokens;
	struct mr_seal_keys *seal;
};

/* One execution of one attempt. Made by the engine, freed by it after done or abort. */
struct mr_step_exec {
	struct mr_step_host *host;
	struct mr_arena *arena; /* this execution's own */
	/* what to do */
	enum mr_step_type type;
	struct mr_value config; /* rendered */
	struct mr_str idempotency_key, traceparent, correlation_id;
	int64_t tenant_id, run_id, workflow_id, step_execution_id;
	struct mr_str step_name, workflow_name;
	unsigned attempt;
	/* one attempt; 0: the definition names none, so the type decides (default_timeout_us, or
	 * the config's own "timeout"); the type ends by then with error type "timeout" */
	int64_t timeout_us;
	int64_t left_us;  /* of all attempts together; 0: no limit */
	int64_t start_us; /* how long it may wait until it begins; 0: no limit */
	/* the run's fence as this engine knows it now */
	int64_t (*fence)(const struct mr_step_exec *x);
	/* called exactly once on the loop, never from inside start(), unless aborted first */
	void (*done)(struct mr_step_exec *x);
	void *ctx;
	/* the outcome, set before done() */
	bool ok;
	struct mr_value result; /* in arena; when ok */
	struct mr_str
	    error_type; /* "http.503", "timeout", "connect", "tls", "limit", "validation" … */
	struct mr_str error_message;         /* one sentence for a person, no secrets, no paths */
	struct mr_value error_data;          /* e.g. status_code, body; kind NULL for none */
	const struct mr_retry_policy *retry; /* in arena; for a step without its own, or NULL */
	bool retryable;                      /* false: no retry whatever the policy */
	bool unwanted; /* for abort: the step has ended without it, and nobody will do it again */
	void *impl;    /* the type's own */
};

struct mr_step_runner {
	enum mr_step_type type;
	/* 0, or negative with error_type and error_message set: then done is not called. */
	int (*start)(struct mr_step_exec *x);
	/* Gives up; frees what the type holds; done is not called afterwards. */
	void (*abort)(struct mr_step_exec *x);
	/* A good end came too late for its step: undoes what it began. NULL: nothing to undo. */
	void (*discard)(struct mr_step_exec *x);
	int64_t default_timeout_us;        /* what timeout_us 0 stands for */
	enum mr_run_event_kind done_event; /* what a good end means to the run */
};

/* NULL for types that core carries out itself. */
const struct mr_step_runner *mr_step_runner(enum mr_step_type t);

#endif
