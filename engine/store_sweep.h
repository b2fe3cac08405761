/*
 * Removes what lies in the file store and belongs to no file: bytes of an upload or a conversion
 * whose row was never written (or nobody knew whether it was), or whose removal was cut short. The
 * store is walked through a few hundred folders at a time; only what is older than
 * file_orphan_seconds is asked for in the database, and only what no row names goes.
 */
#ifndef MR_ENGINE_STORE_SWEEP_H
#define MR_ENGINE_STORE_SWEEP_H

#include "lib/macros.h"

struct mr_engine;
struct mr_store_sweep;

struct mr_store_sweep *mr_store_sweep_create(struct mr_engine *e) MR_MUST_CHECK;
/* Once the loop has ended, and with it what a thread was doing. */
struct mr_store_sweep *mr_store_sweep_free(struct mr_store_sweep *s);
/* Called each tick. */
void mr_store_sweep_tick(struct mr_store_sweep *s);

#endif
