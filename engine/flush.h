/*
 * Group commit: everything that runs have decided is written together, in one statement, as soon
 * as the flush before it has landed. So batches grow with load, and an idle engine writes at once.
 * When much waits, a second flush goes out beside the first; a run is in one of them at most, and
 * between runs there is no more order than between those of two engines.
 *
 * A refused or failed flush changes no run's state by itself: a run that is not held any more is
 * read again (engine/load), data that can't be written is found by halving the batch, and while
 * PostgreSQL is away the same flush is tried again; (run, seq) in its condition makes that safe.
 */
#ifndef MR_ENGINE_FLUSH_H
#define MR_ENGINE_FLUSH_H

#include <stdbool.h>
#include <uv.h>

#include "engine/runs.h"

struct mr_flush;

struct mr_flush *mr_flush_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_flush *mr_flush_free(struct mr_flush *f);
/* Closes its handles; CLOSED is called for each. */
void mr_flush_close(struct mr_flush *f, uv_close_cb closed);
/* H has something to write; goes out with the next flush. */
void mr_flush_add(struct mr_flush *f, struct mr_held *h);
void mr_flush_remove(struct mr_flush *f, struct mr_held *h);
/* Runs that wait for a flush or are in one. */
size_t mr_flush_backlog(const struct mr_flush *f);
bool mr_flush_is_idle(const struct mr_flush *f);

#endif
