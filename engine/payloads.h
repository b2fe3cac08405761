/*
 * Large results on their way to the file store. A decision writes the file; a worker thread puts it
 * on disk under its name; until then the run's decision goes into no flush. So the engine's own
 * thread never waits for a disk, and what the journal names is there.
 *
 * When a file can't be put on disk, the run is read again and keeps its results in the journal.
 *
 * What each tenant has there is counted in the database, once the file is on disk and before the
 * flush; files that a crash leaves between the two aren't counted. Engines learn each other's share
 * with their own next count, and every half minute: so far a quota can be overdrawn.
 */
#ifndef MR_ENGINE_PAYLOADS_H
#define MR_ENGINE_PAYLOADS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/macros.h"
#include "lib/str.h"
#include "lib/value.h"

struct mr_engine;
struct mr_held;
struct mr_payloads;

struct mr_payloads *mr_payloads_create(struct mr_engine *e) MR_MUST_CHECK;
/* After the loop has ended: nothing is under way then. */
struct mr_payloads *mr_payloads_free(struct mr_payloads *p);
bool mr_payloads_is_idle(const struct mr_payloads *p);

/* Counting that waits, and what other engines have counted. */
void mr_payloads_tick(struct mr_payloads *p);

/* True while H may not be flushed; it is put into the flush as soon as it may. */
bool mr_payloads_hold(struct mr_held *h);

/* For struct mr_run_info; CTX is the held run. STORE gives MR_E_LIMIT when the run's tenant may not
 * have that much. */
int mr_payloads_store(
    void *ctx, struct mr_arena *a, const struct mr_value *v, struct mr_str *ret_ref) MR_MUST_CHECK;
int mr_payloads_load(
    void *ctx, struct mr_arena *a, struct mr_str ref, struct mr_value *ret) MR_MUST_CHECK;

#endif
