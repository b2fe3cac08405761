/*
 * Journal ids: the database hands out blocks of a thousand, drawn many at a time and ahead of
 * need, so that deciding what a run does next never waits for one.
 */
#ifndef MR_ENGINE_IDS_H
#define MR_ENGINE_IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/macros.h"

struct mr_engine;
struct mr_ids;

struct mr_ids *mr_ids_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_ids *mr_ids_free(struct mr_ids *ids);
/* Draws more when the reserve is low. */
void mr_ids_fill(struct mr_ids *ids);
/* True while the reserve suffices to let runs go on. */
bool mr_ids_enough(const struct mr_ids *ids);
/* The next id, for mr_run_create(); 0 and "dry" once the reserve is used up. CTX is the ids. */
int64_t mr_ids_next(void *ctx);
/* True once since an id was missing: what was decided with it must not be written. */
bool mr_ids_were_dry(struct mr_ids *ids);

#endif
