/*
 * What is said to runs. Cancel, pause and resume raise the run's fence in the commit that is
 * answered to their sender, so nothing decided before can be written after it; of several the one
 * that decides is obeyed. Signals, events, ends of child runs, variables and failures from outside
 * are brought in their order, as many as an outcome takes, and need no fence: the run goes on
 * meanwhile. All are noticed by a wake-up, by a refused flush, and by asking each second; and
 * marked as applied in the very flush that journals what they did.
 *
 * An answer may be older than a flush that has landed since it was asked for: it could bring what
 * was applied a second time. So questions are numbered, and a run takes only answers to those that
 * were asked after its last commands had landed.
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
/* What obeying those rows would come to. R may be NULL. */
enum mr_commands_verdict {
	MR_COMMANDS_GO, /* nothing stops the run */
	MR_COMMANDS_RESUME,
	MR_COMMANDS_STOP, /* it is cancelled, paused or failed */
};
enum mr_commands_verdict mr_commands_judge(const struct mr_held *h, const PGresult *r);
/* Journals that H, which is paused, is resumed, and goes on no further: it needs a place of its
 * limit first. 0 or MR_E_NOMEM. */
int mr_commands_resume(struct mr_held *h, const PGresult *r) MR_MUST_CHECK;
/* H's sent outcome, with the commands obeyed in it, has been committed. */
void mr_commands_landed(struct mr_held *h);

#endif
