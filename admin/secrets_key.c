/*
 * The keys that secrets are sealed with: making the file, giving it another key, sealing all rows
 * anew with it while everything runs, and taking keys away that nothing is sealed with any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/admin.h"
#include "admin/db.h"
#include "lib/digest.h"
#include "lib/seal.h"

#define FILE_MAX   ((size_t)64 * 1024)
#define BATCH      "200"
#define ARRAY_MAX  ((size_t)512 * 1024 * 1024)
#define KEYS_INUSE 1000

/* The tables that hold something sealed. NEXT gives rows in order of their id that aren't sealed
 * with the current key: (id, tenant_id, name, sealed); RESEAL replaces what is still as it was;
 * KEYS counts rows by key. */
static const struct sealed {
	const char *kind; /* of the place: see lib/seal.h */
	enum mr_sql next, reseal, keys;
} tables[] = {
	{ "secret", MR_SQL_ADMIN_SECRETS_NEXT, MR_SQL_ADMIN_SECRETS_RESEAL,
	    MR_SQL_ADMIN_SECRETS_KEYS },
	{ "agent", MR_SQL_ADMIN_AGENTS_NEXT, MR_SQL_ADMIN_AGENTS_RESEAL, MR_SQL_ADMIN_AGENTS_KEYS },
};

static const char header[] =
    "# Keys that Millrace seals secrets with. The first one seals, all of them open. Whoever has\n"
    "# this file and a copy of the database has the secrets; whoever loses it has lost them. Keep "
    "a\n"
    "# copy, apart from the database's backups.\n";

/* ---- the file ---- */

static const char *key_path(const struct mr_admin *a)
{
	const char *path = a->settings->secrets_key_file;

	if (path[0] == '\0')
		(void)mr_admin_fail("secrets_key_file is not set");
	return path[0] != '\0' ? path : NULL;
}

static int write_all(int fd, struct mr_str text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.p, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text.p += n;
		text.len -= (size_t)n;
	}
	return fsync(fd);
}

/* LIKE: whose owner and mode the file gets; NULL: those of a new one. */
static int write_new(const char *path, struct mr_str text, const struct stat *like)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), bad;

	if (fd < 0)
		return mr_admin_fail("%s can't be made: %s", path, strerror(errno));
	bad = like != NULL && (fchown(fd, like->st_uid, like->st_gid) != 0 ||
	                          fchmod(fd, like->st_mode & 0777) != 0);
	bad = bad || write_all(fd, text) != 0;
	if (bad)
		(void)mr_admin_fail("%s can't be written: %s", path, strerror(errno));
	if (close(fd) != 0 || bad) {
		(void)unlink(path); /* no half a file */
		return 1;
	}
	return 0;
}

/* In the old file's place, whole or not at all. */
static int replace(struct mr_admin *a, const char *path, struct mr_str text)
{
	struct mr_str fresh = mr_arena_printf(a->arena, "%s.new", path);
	struct stat st;

	if (fresh.p == NULL)
		return mr_admin_fail("out of memory");
	if (stat(path, &st) != 0)
		return mr_admin_fail("%s: %s", path, strerror(errno));
	(void)unlink(fresh.p); /* of a command that was killed */
	if (write_new(fresh.p, text, &st) != 0)
		return 1;
	if (rename(fresh.p, path) != 0)
		return mr_admin_fail("%s can't be replaced: %s", path, strerror(errno));
	return 0;
}

static int read_text(struct mr_admin *a, const char *path, struct mr_str *ret)
{
	char *buf = mr_arena_alloc(a->arena, FILE_MAX);
	FILE *f = fopen(path, "re");
	size_t n;

	if (buf == NULL || f == NULL) {
		if (f != NULL)
			(void)fclose(f); /* only read from */
		return mr_admin_fail("%s can't be read: %s", path, strerror(errno));
	}
	(void)setvbuf(f, NULL, _IONBF, 0); /* no copy of the keys in a buffer that isn't wiped */
	n = fread(buf, 1, FILE_MAX, f);
	(void)fclose(f); /* only read from */
	*ret = (struct mr_str){ buf, n };
	return n < FILE_MAX ? 0 : mr_admin_fail("%s is too large", path);
}

/* The keys, checked as the servers do. */
static struct mr_seal_keys *open_keys(const char *path)
{
	struct mr_seal_keys *keys = NULL;
	struct mr_error err = { .detail = "" };

	if (mr_seal_keys_open(path, &keys, &err) < 0)
		(void)mr_admin_fail("%s", err.detail);
	else if (!mr_seal_keys_ready(keys))
		(void)mr_admin_fail(
		    "there is no key in %s: make one with secrets-key create", path);
	else
		return keys;
	return mr_seal_keys_free(keys);
}

static bool is_key(struct mr_str line)
{
	return line.len >= MR_SEAL_LINE_LEN - 2 && line.p[0] != '#';
}

static bool is_staged(struct mr_str line)
{
	return is_key(line) && line.len > MR_SEAL_LINE_LEN - 2;
}

/* ---- create, rotate ---- */

int mr_admin_secrets_key_create(struct mr_admin *a)
{
	const char *path = key_path(a);
	char line[MR_SEAL_LINE_LEN];
	struct mr_str text;
	int r;

	if (path == NULL)
		return 1;
	if (mr_seal_line_make(line) < 0)
		return mr_admin_fail("no random bytes to be had");
	text = mr_arena_printf(a->arena, "%s%s", header, line);
	r = text.p != NULL ? write_new(path, text, NULL) : mr_admin_fail("out of memory");
	if (r == 0)
		(void)printf(
		    "key %.*s in %s; keep a copy of that file\n", (int)MR_SEAL_ID_HEX, line, path);
	explicit_bzero(line, sizeof(line));
	return r;
}

/* Comments, then FIRST, then the keys but that one, then LAST; either may be absent. */
static struct mr_str arrange(
    struct mr_admin *a, struct mr_str text, struct mr_str first, struct mr_str last)
{
	struct mr_str comments = MR_STR(""), keys = MR_STR("");

	while (text.p != NULL) {
		struct mr_str line = mr_str_cut(&text, '\n');
		struct mr_str *to = is_key(line) ? &keys : &comments;

		if (line.len == 0 || (is_staged(line) && first.p != NULL &&
		                         memcmp(line.p, first.p, MR_SEAL_ID_HEX) == 0))
			continue;
		*to = mr_arena_printf(a->arena, "%.*s%.*s\n", MR_STR_ARG(*to), MR_STR_ARG(line));
	}
	return mr_arena_printf(a->arena, "%.*s%.*s%.*s%.*s", MR_STR_ARG(comments),
	    MR_STR_ARG(first), MR_STR_ARG(keys), MR_STR_ARG(last));
}

/* The staged key as a line without the mark; absent when there is none. */
static struct mr_str staged_key(struct mr_admin *a, struct mr_str text)
{
	while (text.p != NULL) {
		struct mr_str line = mr_str_cut(&text, '\n');

		if (is_staged(line))
			return mr_arena_printf(
			    a->arena, "%.*s\n", (int)MR_SEAL_LINE_LEN - 2, line.p);
	}
	return MR_STR_NONE;
}

static int rotate(struct mr_admin *a, const char *path, bool stage)
{
	char line[MR_SEAL_LINE_LEN];
	struct mr_str text, key, fresh = MR_STR_NONE;
	int r = read_text(a, path, &text);

	if (r != 0)
		return r;
	key = staged_key(a, text);
	if (stage && key.p != NULL)
		return mr_admin_fail("a key is staged already: rotate without --stage to use it");
	if (mr_seal_line_make(line) < 0)
		return mr_admin_fail("no random bytes to be had");
	if (stage)
		fresh = mr_arena_printf(a->arena, "%.*s staged\n", (int)MR_SEAL_LINE_LEN - 2, line);
	else if (key.p == NULL)
		key = mr_arena_str(a->arena, mr_str(line));
	explicit_bzero(line, sizeof(line));
	text = arrange(a, text, stage ? MR_STR_NONE : key, fresh);
	r = text.p != NULL ? replace(a, path, text) : mr_admin_fail("out of memory");
	if (r == 0 && stage)
		(void)printf("key %.*s is staged; bring the file to every host, then rotate\n",
		    (int)MR_SEAL_ID_HEX, fresh.p);
	else if (r == 0)
		(void)printf("key %.*s seals from now on; bring the file to every host, then "
		             "secrets-key reseal\n",
		    (int)MR_SEAL_ID_HEX, key.p);
	return r;
}

int mr_admin_secrets_key_rotate(struct mr_admin *a)
{
	const char *path = key_path(a);
	struct mr_seal_keys *keys = path != NULL ? open_keys(path) : NULL;
	int r = keys != NULL ? rotate(a, path, mr_admin_opt(a, "stage") != NULL) : 1;

	keys = mr_seal_keys_free(keys);
	return r;
}

/* ---- reseal ---- */

struct batch {
	struct mr_arena *arena; /* wiped after each */
	struct mr_buf ids, old, new;
	int64_t last;
	unsigned lost; /* rows that no key here opens */
};

static void add_hex(struct mr_buf *array, struct mr_arena *arena, struct mr_str bytes)
{
	char *hex = mr_arena_alloc(arena, 2 * bytes.len + 1);

	if (hex == NULL) {
		array->failed = true;
		return;
	}
	mr_hex((const unsigned char *)bytes.p, bytes.len, hex);
	mr_pg_array_add(array, (struct mr_str){ hex, 2 * bytes.len });
}

/* "\x0a0b", as PostgreSQL writes bytea. */
static int from_hex(struct mr_arena *arena, struct mr_str s, struct mr_str *ret)
{
	size_t n = s.len >= 2 ? (s.len - 2) / 2 : 0;
	char *out = mr_arena_alloc(arena, n + 1);

	if (out == NULL)
		return MR_E_NOMEM;
	if (mr_unhex(s.len >= 2 ? (struct mr_str){ s.p + 2, s.len - 2 } : s, (unsigned char *)out,
	        n) < 0)
		return MR_E_INVALID;
	*ret = (struct mr_str){ out, n };
	return 0;
}

static int reseal_row(struct batch *b, const struct mr_seal_keys *keys, const struct sealed *t,
    const PGresult *rows, int i)
{
	struct mr_seal_place at = { mr_pg_i64(rows, i, "tenant_id", 0), mr_str(t->kind),
		mr_pg_text(rows, i, "name") };
	struct mr_str old, text, fresh;
	int r;

	b->last = mr_pg_i64(rows, i, "id", 0);
	r = from_hex(b->arena, mr_pg_text(rows, i, "sealed"), &old);
	if (r == 0)
		r = mr_unseal(keys, &at, old, b->arena, &text);
	if (r == 0)
		r = mr_seal(keys, &at, text, b->arena, &fresh);
	if (r == MR_E_NOMEM)
		return mr_admin_fail("out of memory");
	if (r < 0) {
		b->lost++;
		return mr_admin_fail("%s %lld: %s", t->kind, (long long)b->last,
		           r == MR_E_NOT_FOUND ? "no key in the file opens it"
		                               : "it was not sealed for this place, or is damaged"),
		       0;
	}
	mr_pg_array_add_i64(&b->ids, b->last);
	add_hex(&b->old, b->arena, old);
	add_hex(&b->new, b->arena, fresh);
	return 0;
}

static int write_batch(struct mr_admin *a, struct batch *b, const struct sealed *t)
{
	PGresult *r = NULL;

	mr_pg_array_end(&b->ids);
	mr_pg_array_end(&b->old);
	mr_pg_array_end(&b->new);
	if (mr_buf_failed(&b->ids) || mr_buf_failed(&b->old) || mr_buf_failed(&b->new))
		return mr_admin_fail("out of memory");
	return mr_admin_query(a, t->reseal,
	    (struct mr_admin_bind[]){ { "ids", mr_buf_str(&b->ids) },
	        { "old", mr_buf_str(&b->old) }, { "new", mr_buf_str(&b->new) },
	        { NULL, MR_STR_NONE } },
	    &r);
}

/* *RET: how many rows the batch had; 0 ends the table. */
static int one_batch(struct mr_admin *a, struct batch *b, const struct mr_seal_keys *keys,
    const struct sealed *t, int *ret)
{
	char after[24];
	PGresult *rows = NULL;
	int r;

	(void)snprintf(after, sizeof(after), "%lld", (long long)b->last); /* fits */
	r = mr_admin_query(a, t->next,
	    (struct mr_admin_bind[]){ { "after_id", mr_str(after) }, { "batch", MR_STR(BATCH) },
	        { "key_id", mr_seal_keys_current(keys) }, { NULL, MR_STR_NONE } },
	    &rows);
	if (r != 0)
		return r;
	*ret = PQntuples(rows);
	mr_arena_reset(b->arena);
	mr_buf_reset(&b->ids);
	mr_buf_reset(&b->old);
	mr_buf_reset(&b->new);
	mr_pg_array_begin(&b->ids);
	mr_pg_array_begin(&b->old);
	mr_pg_array_begin(&b->new);
	for (int i = 0; r == 0 && i < *ret; i++)
		r = reseal_row(b, keys, t, rows, i);
	return r == 0 && b->ids.len > 1 ? write_batch(a, b, t) : r;
}

static int reseal_table(
    struct mr_admin *a, struct batch *b, const struct mr_seal_keys *keys, const struct sealed *t)
{
	long long all = 0;
	int r, n = 1;

	b->last = 0;
	b->lost = 0;
	for (r = 0; r == 0 && n > 0; all += n)
		r = one_batch(a, b, keys, t, &n);
	if (r == 0)
		(void)printf("%s: %lld sealed anew\n", t->kind, all - (long long)b->lost);
	return r != 0 || b->lost > 0;
}

int mr_admin_secrets_key_reseal(struct mr_admin *a)
{
	const char *path = key_path(a);
	struct mr_seal_keys *keys = path != NULL ? open_keys(path) : NULL;
	struct batch b = { .arena = mr_arena_create_secret(ARRAY_MAX) };
	int r = keys != NULL && b.arena != NULL ? 0 : 1;

	mr_buf_init(&b.ids, ARRAY_MAX);
	mr_buf_init(&b.old, ARRAY_MAX);
	mr_buf_init(&b.new, ARRAY_MAX);
	for (size_t i = 0; i < MR_ARRAY_LEN(tables) && keys != NULL && b.arena != NULL; i++)
		r |= reseal_table(a, &b, keys, &tables[i]);
	mr_buf_done(&b.ids);
	mr_buf_done(&b.old);
	mr_buf_done(&b.new);
	b.arena = mr_arena_free(b.arena);
	keys = mr_seal_keys_free(keys);
	return r;
}

/* ---- retire ---- */

/* The ids of the keys that rows are sealed with. */
static int keys_in_use(struct mr_admin *a, struct mr_str ids[KEYS_INUSE], size_t *ret_len)
{
	*ret_len = 0;
	for (size_t t = 0; t < MR_ARRAY_LEN(tables); t++) {
		PGresult *rows = NULL;

		if (mr_admin_query(a, tables[t].keys,
		        (struct mr_admin_bind[]){ { NULL, MR_STR_NONE } }, &rows) != 0)
			return 1;
		for (int i = 0; i < PQntuples(rows); i++) {
			if (*ret_len == KEYS_INUSE)
				return mr_admin_fail("rows are sealed with too many keys");
			ids[(*ret_len)++] = mr_pg_text(rows, i, "key_id");
		}
	}
	return 0;
}

static bool is_among(const struct mr_str *ids, size_t len, struct mr_str id)
{
	for (size_t i = 0; i < len; i++)
		if (mr_str_eq(ids[i], id))
			return true;
	return false;
}

static int retire(struct mr_admin *a, const char *path, struct mr_str current)
{
	struct mr_str ids[KEYS_INUSE], text, kept = MR_STR("");
	unsigned gone = 0;
	size_t len;

	if (keys_in_use(a, ids, &len) != 0 || read_text(a, path, &text) != 0)
		return 1;
	while (text.p != NULL) {
		struct mr_str line = mr_str_cut(&text, '\n');
		struct mr_str id = { line.p, MR_SEAL_ID_HEX };

		if (line.len == 0)
			continue;
		if (is_key(line) && !is_staged(line) && !mr_str_eq(id, current) &&
		    !is_among(ids, len, id)) {
			(void)printf("key %.*s is gone\n", MR_STR_ARG(id));
			gone++;
			continue;
		}
		kept = mr_arena_printf(a->arena, "%.*s%.*s\n", MR_STR_ARG(kept), MR_STR_ARG(line));
		if (kept.p == NULL)
			return mr_admin_fail("out of memory");
	}
	return gone > 0 ? replace(a, path, kept) : 0;
}

int mr_admin_secrets_key_retire(struct mr_admin *a)
{
	const char *path = key_path(a);
	struct mr_seal_keys *keys = path != NULL ? open_keys(path) : NULL;
	int r = keys != NULL ? retire(a, path, mr_seal_keys_current(keys)) : 1;

	keys = mr_seal_keys_free(keys);
	return r;
}
