#include "auth/issuers.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

#define KEY_MIN 32 /* RFC 7518 3.2: as long as the hash, or longer */
#define KEY_MAX 4096

/* A name is one component, so that a row can't point outside the folder. */
static bool name_is_plain(struct mr_str name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		        c == '-' || c == '_' || (c == '.' && i > 0)))
			return false;
	}
	return name.len > 0 && name.len <= 100;
}

static int read_key(
    struct mr_arena *a, const char *keys_dir, struct mr_str name, struct mr_str *ret)
{
	char path[4096];
	char *key = mr_arena_alloc(a, KEY_MAX);
	ssize_t n;
	int fd;

	if (key == NULL)
		return MR_E_NOMEM;
	if (!name_is_plain(name))
		return MR_E_INVALID;
	if (snprintf(path, sizeof(path), "%s/%.*s", keys_dir, MR_STR_ARG(name)) >=
	    (int)sizeof(path))
		return MR_E_INVALID;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return MR_E_IO;
	n = read(fd, key, KEY_MAX);
	(void)close(fd); /* only read from */
	while (n > 0 && (key[n - 1] == '\n' || key[n - 1] == '\r'))
		n--; /* editors end a file so */
	if (n < KEY_MIN || n == KEY_MAX)
		return MR_E_INVALID;
	*ret = (struct mr_str){ key, (size_t)n };
	return 0;
}

static struct mr_str column(struct mr_arena *a, const PGresult *r, int row, const char *name)
{
	struct mr_str s = mr_pg_text(r, row, name);

	return s.p == NULL ? MR_STR_NONE : mr_arena_str(a, s);
}

static void read_row(struct mr_issuers *i, const PGresult *r, int row, const char *keys_dir)
{
	struct mr_issuer *to = &i->rows[row];

	to->id = mr_pg_i64(r, row, "id", 0);
	to->tenant_id = mr_pg_i64(r, row, "tenant_id", 0);
	to->issuer = column(i->arena, r, row, "issuer");
	to->audience = column(i->arena, r, row, "audience");
	to->algorithm = column(i->arena, r, row, "algorithm");
	to->scopes_claim = column(i->arena, r, row, "scope_claim");
	to->roles_claim = column(i->arena, r, row, "roles_claim");
	to->groups_claim = column(i->arena, r, row, "groups_claim");
	to->tenant_claim = column(i->arena, r, row, "tenant_claim");
	to->name_claim = column(i->arena, r, row, "name_claim");
	if (read_key(i->arena, keys_dir, mr_pg_text(r, row, "key_name"), &to->key) < 0)
		mr_log(MR_LOG_WARNING, "issuer without a usable key", MR_F_S("name", to->issuer));
}

struct mr_issuers *mr_issuers_create(const PGresult *rows, const char *keys_dir)
{
	struct mr_arena *arena = mr_arena_create_secret(16 * 1024 * 1024);
	struct mr_issuers *i = arena != NULL ? mr_arena_zalloc(arena, sizeof(*i)) : NULL;
	int n = PQntuples(rows);

	if (i == NULL)
		goto fail;
	i->arena = arena;
	i->rows = mr_arena_array(arena, (size_t)n, sizeof(*i->rows));
	if (i->rows == NULL)
		goto fail;
	i->len = (size_t)n;
	for (int row = 0; row < n; row++)
		read_row(i, rows, row, keys_dir);
	return i;
fail:
	(void)mr_arena_free(arena); /* always NULL */
	return NULL;
}

struct mr_issuers *mr_issuers_free(struct mr_issuers *i)
{
	if (i != NULL)
		(void)mr_arena_free(i->arena); /* always NULL */
	return NULL;
}

const struct mr_issuer *mr_issuers_next(
    const struct mr_issuers *i, const struct mr_issuer *after, struct mr_str issuer)
{
	size_t n = after != NULL ? (size_t)(after - i->rows) + 1 : 0;

	for (; i != NULL && issuer.p != NULL && n < i->len; n++) {
		if (mr_str_eq(i->rows[n].issuer, issuer))
			return &i->rows[n];
	}
	return NULL;
}
