#include "lib/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "lib/clock.h"
#include "lib/error.h"
#include "lib/sums.h"

#define BUF_SIZE  (128u * 1024u)
#define RANDOM    16u  /* bytes of a file's name */
#define MAX_PARTS 8    /* of a key */
#define FOLDERS   256  /* of a tenant */
#define LOOKS     512  /* folders that one call looks into */
#define ENOUGH    1000 /* lines after which a call ends */

static int io_error(struct mr_store_file *f)
{
	f->error = errno;
	return MR_E_IO;
}

/* ---- folders ---- */

static int sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return MR_E_IO;
	r = fsync(fd) == 0 ? 0 : MR_E_IO;
	(void)close(fd); /* only read from */
	return r;
}

/* A new folder must be on disk before what lies in it. */
static int make_folder(const char *parent, const char *path)
{
	if (mkdir(path, 0750) == 0)
		return sync_folder(parent);
	return errno == EEXIST ? 0 : MR_E_IO;
}

/* Cuts PATH at its last slash, for the time of one call. */
static int sync_parent(char *path)
{
	char *slash = strrchr(path, '/');
	int r;

	*slash = '\0';
	r = sync_folder(path);
	*slash = '/';
	return r;
}

/* ---- writing ---- */

static int make_paths(struct mr_store_file *f, const char *root, int64_t tenant_id)
{
	unsigned char random[RANDOM];
	char hex[2 * RANDOM + 1], tenant[MR_STORE_PATH_LEN], folder[MR_STORE_PATH_LEN];
	int n;

	if (mr_random_bytes(random, sizeof(random)) < 0)
		return io_error(f);
	mr_hex(random, sizeof(random), hex);
	(void)snprintf(
	    f->key, sizeof(f->key), "%lld/%.2s/%s", (long long)tenant_id, hex, hex); /* fits */
	n = snprintf(f->path, sizeof(f->path), "%s/%s", root, f->key);
	if (n < 0 || (size_t)n + sizeof(".tmp") > sizeof(f->path)) {
		errno = ENAMETOOLONG;
		return io_error(f);
	}
	/* shorter than the path that fitted */
	(void)snprintf(f->tmp, sizeof(f->tmp), "%.*s.tmp", n, f->path);
	(void)snprintf(tenant, sizeof(tenant), "%.400s/%lld", root, (long long)tenant_id);
	(void)snprintf(folder, sizeof(folder), "%.440s/%.2s", tenant, hex);
	if (make_folder(root, tenant) < 0 || make_folder(tenant, folder) < 0)
		return io_error(f);
	return 0;
}

int mr_store_begin(struct mr_store_file *f, const char *root, int64_t tenant_id, uint64_t max)
{
	int r;

	memset(f, 0, sizeof(*f));
	f->fd = -1;
	f->max = max;
	r = make_paths(f, root, tenant_id);
	if (r < 0)
		return r;
	f->buf = malloc(BUF_SIZE);
	f->digest = EVP_MD_CTX_new();
	if (f->buf == NULL || f->digest == NULL ||
	    EVP_DigestInit_ex(f->digest, EVP_sha256(), NULL) != 1) {
		mr_store_end(f);
		return MR_E_NOMEM;
	}
	f->fd = open(f->tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (f->fd < 0) {
		r = io_error(f);
		mr_store_end(f);
	}
	return r;
}

static int flush(struct mr_store_file *f)
{
	size_t done = 0;

	while (done < f->buf_len) {
		ssize_t n = write(f->fd, f->buf + done, f->buf_len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return io_error(f);
		done += (size_t)n;
	}
	if (f->buf_len > 0 && EVP_DigestUpdate(f->digest, f->buf, f->buf_len) != 1)
		return MR_E_NOMEM;
	f->buf_len = 0;
	return 0;
}

int mr_store_write(struct mr_store_file *f, struct mr_str piece)
{
	if (piece.len > f->max - f->size)
		return MR_E_LIMIT;
	f->size += piece.len;
	while (piece.len > 0) {
		size_t n = BUF_SIZE - f->buf_len;
		int r;

		if (n > piece.len)
			n = piece.len;
		memcpy(f->buf + f->buf_len, piece.p, n);
		f->buf_len += n;
		piece.p += n;
		piece.len -= n;
		r = f->buf_len == BUF_SIZE ? flush(f) : 0;
		if (r < 0)
			return r;
	}
	return 0;
}

/* What is written gets its name, and both are on disk. */
static int settle(struct mr_store_file *f)
{
	int r;

	if (fsync(f->fd) != 0 || close(f->fd) != 0)
		return io_error(f);
	f->fd = -1;
	if (rename(f->tmp, f->path) != 0) {
		r = io_error(f);
		(void)unlink(f->tmp); /* nothing refers to it */
		return r;
	}
	if (sync_parent(f->path) == 0)
		return 0;
	r = io_error(f);
	(void)unlink(f->path); /* nothing refers to it */
	return r;
}

int mr_store_commit(struct mr_store_file *f)
{
	unsigned char sum[MR_SHA256_LEN];
	int r = flush(f);

	if (r < 0)
		return r;
	if (EVP_DigestFinal_ex(f->digest, sum, NULL) != 1)
		return MR_E_NOMEM;
	mr_hex(sum, sizeof(sum), f->sha256);
	return settle(f);
}

int mr_store_adopt(struct mr_store_file *f)
{
	struct mr_sums sums;
	struct stat st;
	int fd, r;

	if (fstat(f->fd, &st) != 0)
		return io_error(f);
	if ((uint64_t)st.st_size > f->max)
		return MR_E_LIMIT;
	fd = open(f->tmp, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return io_error(f);
	r = mr_sums_of(fd, st.st_size, 1u << MR_SUM_SHA256, NULL, NULL, &sums);
	(void)close(fd); /* only read from */
	if (r < 0)
		return r;
	f->size = (uint64_t)st.st_size;
	memcpy(f->sha256, sums.hex[MR_SUM_SHA256], sizeof(f->sha256));
	return settle(f);
}

void mr_store_end(struct mr_store_file *f)
{
	if (f->fd >= 0) {
		(void)close(f->fd); /* it is thrown away */
		(void)unlink(f->tmp);
		f->fd = -1;
	}
	EVP_MD_CTX_free(f->digest);
	f->digest = NULL;
	free(f->buf);
	f->buf = NULL;
}

/* ---- reading ---- */

/* A part of a storage key: never "..", never empty. */
static bool part_ok(struct mr_str s)
{
	return s.len > 0 && s.len < 256 && s.p[0] != '.' && memchr(s.p, '\0', s.len) == NULL;
}

int mr_store_open(const char *root, struct mr_str key)
{
	int dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (unsigned i = 0; dir >= 0 && i < MAX_PARTS; i++) {
		struct mr_str part = mr_str_cut(&key, '/');
		bool is_last = key.p == NULL;
		int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
		char z[256];
		int fd = -1;

		errno = ENOENT;
		if (part_ok(part)) {
			memcpy(z, part.p, part.len);
			z[part.len] = '\0';
			fd = openat(dir, z, is_last ? flags : flags | O_DIRECTORY);
		}
		(void)close(dir);
		if (is_last)
			return fd;
		dir = fd;
	}
	if (dir >= 0)
		(void)close(dir);
	return -1;
}

/* ---- removing ---- */

static bool hex_only(struct mr_str s, size_t len)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	}
	return s.len == len;
}

/* A key comes from the database; all the same nothing else than ours may name a file. */
static bool is_key(struct mr_str key)
{
	struct mr_str rest = key, tenant = mr_str_cut(&rest, '/'), folder = mr_str_cut(&rest, '/');
	uint64_t id;

	return mr_str_u64(tenant, &id) && hex_only(folder, 2) && rest.p != NULL &&
	       hex_only(rest, 2 * RANDOM);
}

int mr_store_remove(const char *root, struct mr_str key)
{
	char path[MR_STORE_PATH_LEN];
	int n = is_key(key) ? snprintf(path, sizeof(path), "%s/%.*s", root, MR_STR_ARG(key)) : -1;

	if (n < 0 || (size_t)n >= sizeof(path))
		return MR_E_INVALID;
	return unlink(path) == 0 || errno == ENOENT ? 0 : MR_E_IO;
}

/* ---- what lies about ---- */

/* The smallest tenant from FROM on that has a folder; -1: none. */
static int64_t next_tenant(const char *root, int64_t from)
{
	DIR *d = opendir(root);
	const struct dirent *e;
	int64_t best = -1, id;

	while (d != NULL && (e = readdir(d)) != NULL) {
		if (mr_str_i64(mr_str(e->d_name), &id) && id >= from && (best < 0 || id < best))
			best = id;
	}
	if (d != NULL)
		(void)closedir(d); /* only read from */
	return best;
}

static bool is_old(int dir, const char *name, int64_t before)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
	       (int64_t)st.st_mtime < before;
}

static unsigned list_folder(
    const char *root, const struct mr_store_place *p, int64_t before, struct mr_buf *keys)
{
	char path[MR_STORE_PATH_LEN];
	const struct dirent *e;
	unsigned n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%.400s/%lld/%02x", root, (long long)p->tenant_id,
	    p->folder); /* fits */
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		struct mr_str name = mr_str(e->d_name);
		bool is_tmp =
		    name.len == 2 * RANDOM + 4 && strcmp(name.p + 2 * RANDOM, ".tmp") == 0;

		if (is_tmp)
			name.len = 2 * RANDOM;
		if (!hex_only(name, 2 * RANDOM) || !is_old(dirfd(d), e->d_name, before))
			continue;
		if (is_tmp) { /* nobody can refer to it */
			(void)unlinkat(dirfd(d), e->d_name, 0);
			continue;
		}
		mr_buf_addf(
		    keys, "%lld/%02x/%.*s\n", (long long)p->tenant_id, p->folder, MR_STR_ARG(name));
		n++;
	}
	if (d != NULL)
		(void)closedir(d); /* only read from */
	return n;
}

void mr_store_list_old(
    const char *root, struct mr_store_place *p, int64_t before, struct mr_buf *keys)
{
	unsigned n = 0;
	int64_t tenant;

	if (p->is_end)
		*p = (struct mr_store_place){ .tenant_id = 0 };
	for (unsigned i = 0; i < LOOKS && n < ENOUGH && !mr_buf_failed(keys); i++) {
		if (p->folder == 0) {
			tenant = next_tenant(root, p->tenant_id);
			if (tenant < 0) {
				p->is_end = true;
				return;
			}
			p->tenant_id = tenant;
		}
		n += list_folder(root, p, before, keys);
		p->folder = (p->folder + 1) % FOLDERS;
		if (p->folder == 0)
			p->tenant_id++;
	}
}

int mr_store_remove_old(const char *root, struct mr_str key, int64_t before)
{
	char path[MR_STORE_PATH_LEN];

	if (!is_key(key) ||
	    snprintf(path, sizeof(path), "%s/%.*s", root, MR_STR_ARG(key)) >= (int)sizeof(path))
		return MR_E_INVALID;
	if (!is_old(AT_FDCWD, path, before))
		return 0;
	return unlink(path) == 0 ? 1 : MR_E_IO;
}
