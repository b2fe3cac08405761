/*
 * What others are told once a flush has landed: waits that may have been met already, events that
 * were published, parents whose children ended, limits with room again. Each kind has one statement
 * under way at a time, in a transaction of its own: they take locks that a flush must not hold.
 *
 * What is lost here, in a crash or without memory, is found again by the sweep (housekeeping).
 */
#ifndef MR_ENGINE_AFTER_H
#define MR_ENGINE_AFTER_H

#include <libpq-fe.h>

#include "engine/runs.h"

struct mr_after;

struct mr_after *mr_after_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_after *mr_after_free(struct mr_after *a);
/* H's sent outcome has been committed. */
void mr_after_landed(struct mr_held *h);

/* The same, one by one; sent with the next kick. */
void mr_after_wait(struct mr_after *a, int64_t run_id, int64_t step_execution_id);
void mr_after_child(struct mr_after *a, int64_t child_run_id);
void mr_after_published(struct mr_after *a, size_t count);
void mr_after_limit(struct mr_after *a, struct mr_str limit_key);
/* The child run of a step that ended before it was known. */
void mr_after_cancel(struct mr_after *a, int64_t run_id, int64_t step_execution_id);
void mr_after_kick(struct mr_after *a);
/* Nothing of what is known here waits or is under way: what the database has is left over. */
bool mr_after_is_idle(const struct mr_after *a);

/* The runs of R, by column run_id, have commands or are queued now: tells the engines. */
void mr_after_tell(struct mr_engine *e, const PGresult *r);

#endif
