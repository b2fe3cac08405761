/*
 * Places of limits: a run whose definition says how many may be under way at once asks for one
 * before its first step. It goes on when it is read again afterwards; a run that has to wait is
 * held by nobody until another one's end lets it in.
 */
#ifndef MR_ENGINE_SLOTS_H
#define MR_ENGINE_SLOTS_H

#include <stdbool.h>

#include "engine/runs.h"

struct mr_slots;

struct mr_slots *mr_slots_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_slots *mr_slots_free(struct mr_slots *s);
/* H's definition has a limit and it has no place yet. */
bool mr_slots_needs(const struct mr_held *h);
/* Asks for one, for H, which stops loading until the answer is there. 0; or negative: then H was
 * told to fail. */
int mr_slots_ask(struct mr_slots *s, struct mr_held *h) MR_MUST_CHECK;
/* Called each tick, and when something was asked for: sends what waits. */
void mr_slots_kick(struct mr_slots *s);

#endif
