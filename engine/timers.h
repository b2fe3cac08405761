/*
 * When runs must be looked at again: one timer of the loop over a heap of held runs, and of the
 * times at which runs that were released can be claimed again.
 */
#ifndef MR_ENGINE_TIMERS_H
#define MR_ENGINE_TIMERS_H

#include <uv.h>

#include "engine/runs.h"

struct mr_timers;

struct mr_timers *mr_timers_create(struct mr_engine *e) MR_MUST_CHECK;
void mr_timers_close(struct mr_timers *t, uv_close_cb closed);
struct mr_timers *mr_timers_free(struct mr_timers *t);
/* H gets WAKE at AT_US; 0: never. */
void mr_timers_set(struct mr_timers *t, struct mr_held *h, int64_t at_us);
void mr_timers_remove(struct mr_timers *t, struct mr_held *h);
/* A run was released until AT_US: claim then. Only a help; too many are forgotten. */
void mr_timers_claim_at(struct mr_timers *t, int64_t at_us);

#endif
