/*
 * Cancel, pause and resume. A command raises the run's fence in the commit that is answered to
 * its sender, so nothing decided before it can be written after it. It is noticed by a wake-up,
 * by a refused flush, and by asking each second; and marked as applied in the very flush that
 * journals what it did.
 */
#ifndef MR_ENGINE_COMMANDS_H
#define MR_ENGINE_COMMANDS_H

#include <libpq-fe.h>

#include "engine/runs.h"

struct mr_commands;

struct mr_commands *mr_commands_create(struct mr_engine *e) MR_MUST_CHECK;
struct mr_commands *mr_commands_free(struct mr_commands *c);
/* Somebody says that RUN_ID has a command. */
void mr_commands_hint(struct mr_commands *c, int64_t run_id);
/* Asks for all commands of our runs; called each second, too. */
void mr_commands_ask(struct mr_commands *c);

/* Obeys those rows of R, a result of engine_commands, that are of H; H is live and its fence is
 * that of the rows. */
void mr_commands_obey(struct mr_held *h, const PGresult *r);

#endif
