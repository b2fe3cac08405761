/*
 * What definitions may read as env.NAME: the operator allows a name by the setting
 * engine_env_allowed, its value is that of MILLRACE_ENV_NAME. Nothing else of the engine's
 * environment can be seen.
 */
#ifndef MR_ENGINE_ENV_H
#define MR_ENGINE_ENV_H

#include "lib/arena.h"
#include "lib/value.h"

struct mr_env {
	struct mr_arena *arena; /* owned */
	struct mr_value map;    /* name → text, of the allowed names that are set */
	struct mr_env
	    *former; /* in arena: the list before the last reload; runs may point into it */
};

/* ALLOWED is a list separated by spaces or commas. 0 or MR_E_NOMEM. */
int mr_env_init(struct mr_env *env, const char *allowed) MR_MUST_CHECK;
void mr_env_done(struct mr_env *env);
/* As init, for a list that has changed. What was read before stays valid until done. On failure
 * the old list holds. */
int mr_env_reload(struct mr_env *env, const char *allowed) MR_MUST_CHECK;
/* For struct mr_run_info: CTX is a struct mr_env. Knows the scope "env". */
int mr_env_lookup(void *ctx, struct mr_arena *a, struct mr_str scope, struct mr_value *ret);

#endif
