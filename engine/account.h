/* What a committed outcome means to the world: counters, lines of the log, and a word to the client
 * that waits. */
#ifndef MR_ENGINE_ACCOUNT_H
#define MR_ENGINE_ACCOUNT_H

#include "engine/runs.h"

/* H's sent outcome has been committed. */
void mr_account(struct mr_held *h);
/* Tells the worker whose client waits for H that it has ended. */
void mr_account_tell_waiter(struct mr_held *h);

#endif
