#include "auth/issuers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"

#define ARENA_MAX (64u << 20)

static const struct mr_json_limits row_limits = { .depth = 8, .values = 5000 };

/* ---- files ---- */

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

static void take_mark(const struct stat *st, uint64_t mark[4])
{
	mark[0] = (uint64_t)st->st_ino;
	mark[1] = (uint64_t)st->st_size;
	mark[2] = (uint64_t)st->st_mtim.tv_sec;
	mark[3] = (uint64_t)st->st_mtim.tv_nsec + 1; /* never all zeros */
}

static bool path_of(const char *keys_dir, struct mr_str name, char path[4096])
{
	return name_is_plain(name) &&
	       snprintf(path, 4096, "%s/%.*s", keys_dir, MR_STR_ARG(name)) < 4096;
}

static int bad(struct mr_error *err, const char *what)
{
	return mr_error_set(err, MR_E_INVALID, MR_ERR_VALIDATION_FAILED, "%s", what);
}

/* The whole file; one byte more than MAX tells that it is too large. */
static int read_all(struct mr_arena *a, int fd, size_t max, struct mr_str *ret)
{
	char *text = mr_arena_alloc(a, max + 1);
	size_t len = 0;
	ssize_t n = 1;

	if (text == NULL)
		return MR_E_NOMEM;
	while (n > 0 && len <= max) {
		n = read(fd, text + len, max + 1 - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	*ret = (struct mr_str){ text, len };
	return n < 0 ? MR_E_IO : len > max ? MR_E_LIMIT : 0;
}

/* No link, no pipe, no device: reading must neither wait nor lead elsewhere. */
static int read_file(struct mr_arena *a, const char *keys_dir, struct mr_str name, size_t max,
    struct mr_str *ret, uint64_t mark[4], struct mr_error *err)
{
	char path[4096];
	struct stat st;
	int fd, r;

	if (!path_of(keys_dir, name, path))
		return bad(err, "must be the plain name of a file in keys_dir");
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return bad(err, "must be the name of a file in keys_dir that can be read");
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd); /* nothing was written */
		return bad(err, "must be the name of a file in keys_dir that can be read");
	}
	take_mark(&st, mark);
	r = read_all(a, fd, (size_t)st.st_size < max ? (size_t)st.st_size : max, ret);
	(void)close(fd); /* only read from */
	return r == MR_E_LIMIT || r == MR_E_IO ? bad(err, "must be a file that is not too large")
	                                       : r;
}

/* ---- keys ---- */

static int load_set(
    struct mr_issuers *i, struct mr_issuer_row *row, struct mr_str text, struct mr_error *err)
{
	struct mr_keys *keys;
	int r = mr_keys_from_jwks(i->arena, text, row->issuer.algorithm, &keys, NULL, err);

	if (r == 0)
		row->issuer.keys = keys;
	return r;
}

static int load_one(
    struct mr_issuers *i, struct mr_issuer_row *row, struct mr_str text, struct mr_error *err)
{
	struct mr_key key;
	int r = row->issuer.algorithm == MR_ALG_HS256
	            ? mr_key_from_secret(i->arena, text, &key, err)
	            : mr_key_from_text(i->arena, text, &key, err);

	if (r == 0 && !mr_key_fits(&key, row->issuer.algorithm))
		r = bad(err, "must be a key that fits the issuer's algorithm");
	if (r == 0)
		row->issuer.keys = mr_keys_of_one(i->arena, &key);
	return r == 0 && row->issuer.keys == NULL ? MR_E_NOMEM : r;
}

static int load(struct mr_issuers *i, struct mr_issuer_row *row, struct mr_error *err)
{
	struct mr_str text;
	int r;

	if (row->public_key.p != NULL)
		return load_one(i, row, row->public_key, err);
	if (row->jwks_url.p != NULL)
		return row->jwks.p != NULL ? load_set(i, row, row->jwks, err) : 0;
	if (row->jwks_file.p != NULL) {
		r = read_file(i->arena, i->keys_dir, row->jwks_file, MR_KEYS_TEXT_MAX, &text,
		    row->file_mark, err);
		return r == 0 ? load_set(i, row, text, err) : r;
	}
	r = read_file(
	    i->arena, i->keys_dir, row->key_name, MR_KEY_TEXT_MAX, &text, row->file_mark, err);
	return r == 0 ? load_one(i, row, text, err) : r;
}

static void load_keys(struct mr_issuers *i, struct mr_issuer_row *row)
{
	struct mr_error err = { .detail = "" };

	row->is_loaded = true;
	if (load(i, row, &err) < 0)
		mr_log(MR_LOG_WARNING, "issuer without a usable key",
		    MR_F_S("name", row->issuer.issuer), MR_F_Z("detail", err.detail));
}

bool mr_issuers_files_changed(const struct mr_issuers *i)
{
	for (size_t n = 0; i != NULL && n < i->len; n++) {
		const struct mr_issuer_row *row = &i->rows[n];
		struct mr_str name = row->key_name.p != NULL ? row->key_name : row->jwks_file;
		uint64_t mark[4] = { 0 };
		char path[4096];
		struct stat st;

		if (!row->is_loaded || name.p == NULL)
			continue;
		if (path_of(i->keys_dir, name, path) && lstat(path, &st) == 0 &&
		    S_ISREG(st.st_mode))
			take_mark(&st, mark);
		if (memcmp(mark, row->file_mark, sizeof(mark)) != 0)
			return true;
	}
	return false;
}

int mr_issuer_key_file(struct mr_arena *a, const char *keys_dir, struct mr_str name,
    const char **ret_type, struct mr_error *err)
{
	uint64_t mark[4];
	struct mr_str text;
	struct mr_key key;
	int r = read_file(a, keys_dir, name, MR_KEY_TEXT_MAX, &text, mark, err);

	if (r == 0)
		r = mr_key_looks_public(text) ? mr_key_from_text(a, text, &key, err)
		                              : mr_key_from_secret(a, text, &key, err);
	if (r == 0)
		*ret_type = mr_key_type_name(key.type);
	return r;
}

int mr_issuer_jwks_file(struct mr_arena *a, const char *keys_dir, struct mr_str name,
    enum mr_algorithm alg, struct mr_error *err)
{
	uint64_t mark[4];
	struct mr_str text;
	struct mr_keys *keys;
	int r = read_file(a, keys_dir, name, MR_KEYS_TEXT_MAX, &text, mark, err);

	return r == 0 ? mr_keys_from_jwks(a, text, alg, &keys, NULL, err) : r;
}

/* ---- rows ---- */

static struct mr_str column(struct mr_arena *a, const PGresult *r, int row, const char *name)
{
	struct mr_str s = mr_pg_text(r, row, name);

	return s.p == NULL ? MR_STR_NONE : mr_arena_str(a, s);
}

/* An object, or null. What can't be read would let more tokens in than it should: the issuer gets
 * no keys then. */
static bool object(
    struct mr_arena *a, const PGresult *r, int row, const char *name, struct mr_value *ret)
{
	struct mr_str text = column(a, r, row, name);

	*ret = MR_NULL_VALUE;
	return text.p == NULL ||
	       (mr_json_parse(a, text, &row_limits, NULL, ret) == 0 && ret->kind == MR_VALUE_MAP);
}

static void read_row(struct mr_issuers *i, const PGresult *r, int n, int64_t now_ms)
{
	struct mr_issuer_row *row = &i->rows[n];
	struct mr_issuer *to = &row->issuer;

	to->id = mr_pg_i64(r, n, "id", 0);
	to->tenant_id = mr_pg_i64(r, n, "tenant_id", 0);
	to->issuer = column(i->arena, r, n, "issuer");
	to->audience = column(i->arena, r, n, "audience");
	to->algorithm = mr_algorithm_by_name(mr_pg_text(r, n, "algorithm"));
	to->scopes_claim = column(i->arena, r, n, "scope_claim");
	to->roles_claim = column(i->arena, r, n, "roles_claim");
	to->groups_claim = column(i->arena, r, n, "groups_claim");
	to->tenant_claim = column(i->arena, r, n, "tenant_claim");
	to->name_claim = column(i->arena, r, n, "name_claim");
	row->key_name = column(i->arena, r, n, "key_name");
	row->public_key = column(i->arena, r, n, "public_key");
	row->jwks_file = column(i->arena, r, n, "jwks_file");
	row->jwks_url = column(i->arena, r, n, "jwks_url");
	row->jwks = column(i->arena, r, n, "jwks");
	row->fetched_ms = now_ms - mr_pg_i64(r, n, "jwks_age_ms", 0);
	if (!object(i->arena, r, n, "required_claims", &to->required) ||
	    !object(i->arena, r, n, "value_map", &to->words)) {
		row->is_loaded = true;
		mr_log(MR_LOG_WARNING, "issuer whose claims can't be read",
		    MR_F_S("name", to->issuer));
	}
}

struct mr_issuers *mr_issuers_create(const PGresult *rows, const char *keys_dir, int64_t now_ms)
{
	struct mr_arena *arena = mr_arena_create_secret(ARENA_MAX);
	struct mr_issuers *i = arena != NULL ? mr_arena_zalloc(arena, sizeof(*i)) : NULL;
	int n = PQntuples(rows);

	if (i == NULL)
		goto fail;
	i->arena = arena;
	i->keys_dir = keys_dir;
	i->rows = mr_arena_array(arena, (size_t)n, sizeof(*i->rows));
	if (i->rows == NULL)
		goto fail;
	i->len = (size_t)n;
	for (int row = 0; row < n; row++)
		read_row(i, rows, row, now_ms);
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

struct mr_issuer_row *mr_issuers_next(
    struct mr_issuers *i, const struct mr_issuer_row *after, struct mr_str issuer)
{
	size_t n = after != NULL ? (size_t)(after - i->rows) + 1 : 0;

	for (; i != NULL && issuer.p != NULL && n < i->len; n++) {
		if (!mr_str_eq(i->rows[n].issuer.issuer, issuer))
			continue;
		if (!i->rows[n].is_loaded)
			load_keys(i, &i->rows[n]);
		return &i->rows[n];
	}
	return NULL;
}
