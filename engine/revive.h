/* From what the database says to a live run: snapshot, journal, commands, effects under way. */
#ifndef MR_ENGINE_REVIVE_H
#define MR_ENGINE_REVIVE_H

#include <libpq-fe.h>

#include "engine/runs.h"

/* H has its row and its definition; it begins or goes on, or is told to fail. JOURNAL is a result
 * of engine_load, NULL for a fresh run; COMMANDS is one of engine_commands that was read after
 * the row, or NULL. */
void mr_revive(struct mr_held *h, const PGresult *journal, const PGresult *commands);

#endif
