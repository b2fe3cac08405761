/*
 * The engine's row: made at the start, renewed with the metrics three times in each lease, ended
 * at SIGTERM. While the row is not ended nobody else takes our runs.
 */
#ifndef MR_ENGINE_LEASE_H
#define MR_ENGINE_LEASE_H

#include <stdbool.h>

#include "lib/macros.h"

struct mr_engine;
struct mr_lease;

struct mr_lease *mr_lease_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_lease *mr_lease_free(struct mr_lease *l);
/* Registers or renews when it is time; called each tick. */
void mr_lease_tick(struct mr_lease *l);
/* False when the lease may have run out, as far as we can tell without asking: then no effect is
 * started before the database was asked. */
bool mr_lease_holds(const struct mr_lease *l);
/* Gives all runs and the row back; calls ENDED once, also when it could not be done. */
void mr_lease_end(struct mr_lease *l, void (*ended)(struct mr_engine *e));
/* What tells this machine's processes from all others: host name, boot and pid namespace. */
const char *mr_lease_host(const struct mr_lease *l);

#endif
