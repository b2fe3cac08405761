/*
 * jq programs, carried out by millrace-jq: a helper process without files, network, environment
 * and much memory (engine/jq/jq_main.c), started when it is first needed and kept. A few helpers
 * work at a time, the rest waits in a queue of bounded length. A helper whose program runs too long
 * is killed, one that breaks down is replaced; either costs only the request at hand. Everything on
 * the loop's thread.
 */
#ifndef MR_ENGINE_JQ_H
#define MR_ENGINE_JQ_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lib/error.h"
#include "lib/settings.h"
#include "lib/str.h"

struct mr_jq_pool;
struct mr_jq_request;
struct mr_metrics;

enum mr_jq_outcome {
	MR_JQ_OK,          /* outputs */
	MR_JQ_ERROR,       /* the program is wrong, or fails with this input */
	MR_JQ_TIMEOUT,     /* it ran too long */
	MR_JQ_LIMIT,       /* too much memory, or output */
	MR_JQ_CRASHED,     /* the helper broke down over it */
	MR_JQ_UNAVAILABLE, /* no helper could be started, or none was free for long; try again */
};

/* Valid during the call only. */
struct mr_jq_result {
	enum mr_jq_outcome outcome;
	struct mr_str outputs; /* OK: a JSON array of all that the program gave, in order */
	struct mr_str message; /* otherwise one sentence for a person, valid UTF-8 */
};

typedef void mr_jq_done_fn(void *ctx, const struct mr_jq_result *result);

/* Starts nothing yet. MR_E_NOMEM. */
int mr_jq_pool_create(uv_loop_t *loop, const struct mr_settings *settings, struct mr_jq_pool **ret,
    struct mr_error *err) MR_MUST_CHECK;
/* From now on what happens is counted there; M must live as long as P. */
void mr_jq_pool_measure(struct mr_jq_pool *p, struct mr_metrics *m);
/* Kills the helpers (no done is called), calls CLOSED (may be NULL) and frees P once the loop has
 * let go of everything. Takes NULL: then CLOSED is called at once. */
void mr_jq_pool_close(struct mr_jq_pool *p, void (*closed)(void *ctx), void *ctx);

/*
 * Runs PROGRAM once with INPUT, a JSON text; both are copied. DONE is called once, on the loop,
 * never from inside. TIMEOUT_US: how long it may run once a helper has it; 0, and whatever is more
 * than the setting jq_timeout_ms: that. *RET (may be NULL) is good for mr_jq_cancel() until DONE
 * was called. MR_E_LIMIT when the queue is full or the texts are larger than MR_JQ_PROGRAM_MAX and
 * MR_JQ_INPUT_MAX, or MR_E_NOMEM: then DONE is not called.
 *
 * import, include, input, inputs, env, $ENV, debug and their like are refused, as an ERROR. Numbers
 * are doubles in jq: integers beyond 2^53 lose digits.
 */
int mr_jq_eval(struct mr_jq_pool *p, struct mr_str program, struct mr_str input, int64_t timeout_us,
    mr_jq_done_fn *done, void *ctx, struct mr_jq_request **ret) MR_MUST_CHECK;
/* DONE is not called any more. A program that runs already goes on to its end, unheard. */
void mr_jq_cancel(struct mr_jq_request *r);

/* Programs at work, and requests that wait. */
unsigned mr_jq_running(const struct mr_jq_pool *p);
unsigned mr_jq_queued(const struct mr_jq_pool *p);
/* Helpers started so far; for metrics and tests. */
unsigned mr_jq_started(const struct mr_jq_pool *p);

#endif
