/*
 * Claims runs: a batch at a time, one claim in flight, as long as there is room. Woken by the bus,
 * by its own clock, by a full batch, and whenever room has come. A claim only reads; the first
 * flush of a run takes it, and is refused where another engine or a command came before.
 *
 * A search walks the index of what is queued, past the entries of all that has been queued since
 * that index was last vacuumed. So what the bus names, while nothing else is known to wait, is
 * taken by its id; what no message named, or one that was lost, the next search finds.
 */
#ifndef MR_ENGINE_CLAIM_H
#define MR_ENGINE_CLAIM_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/macros.h"

struct mr_claim;
struct mr_engine;

struct mr_claim *mr_claim_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_claim *mr_claim_free(struct mr_claim *c);
/* Somebody says that runs are queued. */
void mr_claim_wake(struct mr_claim *c);
/* Somebody says that RUN_ID has just been queued. */
void mr_claim_named(struct mr_claim *c, int64_t run_id);
/* Called each tick: wakes it every engine_poll_ms. */
void mr_claim_tick(struct mr_claim *c);
/* There may be room now for what is believed to be queued. */
void mr_claim_kick(struct mr_claim *c);
bool mr_claim_is_busy(const struct mr_claim *c);
/* While held, no claim is sent. */
void mr_claim_hold(struct mr_claim *c, bool hold);

#endif
