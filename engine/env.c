#include "engine/env.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENV_MAX   ((size_t)4 * 1024 * 1024)
#define NAMES_MAX 1000
#define NAME_MAX  200

/* The next name of the list; absent at its end. */
static struct mr_str next_name(const char **at)
{
	size_t len;

	*at += strspn(*at, " ,\t");
	len = strcspn(*at, " ,\t");
	*at += len;
	return len == 0 ? MR_STR_NONE : (struct mr_str){ *at - len, len };
}

static const char *value_of(struct mr_str name)
{
	char full[NAME_MAX + sizeof("MILLRACE_ENV_")];
	int n = snprintf(full, sizeof(full), "MILLRACE_ENV_%.*s", MR_STR_ARG(name));

	return n > 0 && (size_t)n < sizeof(full) ? getenv(full) : NULL;
}

static bool is_known(const struct mr_map *map, size_t len, struct mr_str name)
{
	for (size_t i = 0; i < len; i++) {
		if (mr_str_eq(map->members[i].key.s, name))
			return true;
	}
	return false;
}

static int add(struct mr_env *env, struct mr_map *map, size_t *len, struct mr_str name)
{
	const char *value = value_of(name);
	struct mr_str key, text;

	if (value == NULL || !mr_str_is_utf8(mr_str(value)) || is_known(map, *len, name))
		return 0;
	key = mr_arena_str(env->arena, name);
	text = mr_arena_str(env->arena, mr_str(value));
	if (key.p == NULL || text.p == NULL)
		return MR_E_NOMEM;
	map->members[*len].key = mr_value_str(key);
	map->members[*len].value = mr_value_str(text);
	(*len)++;
	return 0;
}

static int fill(struct mr_env *env, const char *allowed)
{
	struct mr_map *map = mr_map_create(env->arena, NAMES_MAX);
	const char *at = allowed;
	struct mr_str name;
	size_t len = 0;

	if (map == NULL)
		return MR_E_NOMEM;
	while (len < NAMES_MAX && (name = next_name(&at)).p != NULL) {
		if (add(env, map, &len, name) < 0)
			return MR_E_NOMEM;
	}
	map->len = len;
	if (mr_map_seal(env->arena, map) < 0)
		return MR_E_NOMEM;
	env->map = mr_value_map(map);
	return 0;
}

int mr_env_init(struct mr_env *env, const char *allowed)
{
	int r;

	env->former = NULL;
	env->arena = mr_arena_create(ENV_MAX);
	if (env->arena == NULL)
		return MR_E_NOMEM;
	r = fill(env, allowed);
	if (r < 0)
		mr_env_done(env);
	return r;
}

void mr_env_done(struct mr_env *env)
{
	while (env->arena != NULL) {
		struct mr_env former = { .arena = NULL };

		if (env->former != NULL)
			former = *env->former;
		(void)mr_arena_free(env->arena); /* with it env->former */
		*env = former;
	}
}

int mr_env_reload(struct mr_env *env, const char *allowed)
{
	struct mr_env fresh;

	if (mr_env_init(&fresh, allowed) < 0)
		return MR_E_NOMEM;
	fresh.former = mr_arena_alloc(fresh.arena, sizeof(*fresh.former));
	if (fresh.former == NULL) {
		mr_env_done(&fresh);
		return MR_E_NOMEM;
	}
	*fresh.former = *env;
	*env = fresh;
	return 0;
}

int mr_env_lookup(void *ctx, struct mr_arena *a, struct mr_str scope, struct mr_value *ret)
{
	const struct mr_env *env = ctx;

	(void)a;
	if (!mr_str_eqz(scope, "env"))
		return MR_E_NOT_FOUND;
	*ret = env->map; /* lives as long as the engine */
	return 0;
}
