/*
 * What has to be done now and then, by whichever engine comes first: taking over from engines
 * that died, checking that every unfinished run has a reason to wait, partitions ahead, old keys
 * away. And for this engine alone: giving back runs that are ours in the database only.
 */
#ifndef MR_ENGINE_HOUSEKEEPING_H
#define MR_ENGINE_HOUSEKEEPING_H

#include <stdbool.h>

#include "lib/macros.h"

struct mr_engine;
struct mr_housekeeping;

struct mr_housekeeping *mr_housekeeping_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_housekeeping *mr_housekeeping_free(struct mr_housekeeping *k);
/* Called each tick. */
void mr_housekeeping_tick(struct mr_housekeeping *k);

#endif
