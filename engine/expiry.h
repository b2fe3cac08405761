/*
 * Deletes what has been kept long enough: ended runs and events, a page at a time. Files of runs
 * that are not there any more are found by looking through the store, so that none is left behind
 * whenever this process dies.
 */
#ifndef MR_ENGINE_EXPIRY_H
#define MR_ENGINE_EXPIRY_H

#include "lib/macros.h"

struct mr_engine;
struct mr_expiry;

struct mr_expiry *mr_expiry_create(struct mr_engine *e) MR_MUST_CHECK;
/* Once the loop has ended, and with it what a thread was removing. */
struct mr_expiry *mr_expiry_free(struct mr_expiry *x);
/* Called each tick. */
void mr_expiry_tick(struct mr_expiry *x);

#endif
