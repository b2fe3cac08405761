#include "engine/payload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/error.h"

#define PATH_LEN 512
#define FOLDER   "payloads"
#define GROUP    10000 /* runs of one folder */

#define FOLDER_TRIES 5 /* an emptied folder may go as soon as it was made */

/* ---- folders ---- */

static int sync_path(const char *path, int flags)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | flags);
	int r;

	if (fd < 0)
		return MR_E_IO;
	r = fsync(fd) == 0 ? 0 : MR_E_IO;
	(void)close(fd); /* only read from */
	return r;
}

/* What PATH needs below ROOT_LEN bytes of an existing folder. Another engine may take away a folder
 * that it finds empty, between any two of these. */
static int make_folders(char *path, size_t root_len)
{
	char *slash = path + root_len;
	bool made;

	while ((slash = strchr(slash + 1, '/')) != NULL) {
		*slash = '\0';
		made = mkdir(path, 0750) == 0 || errno == EEXIST;
		*slash = '/';
		if (!made)
			return MR_E_IO;
	}
	return 0;
}

/* Each folder from PATH's own up to ROOT_LEN bytes of it: whoever made one of them may not have
 * come this far yet. */
static int sync_folders(char *path, size_t root_len)
{
	char *slash;
	int r = 0;

	while (r == 0 && (slash = strrchr(path, '/')) != NULL && slash >= path + root_len) {
		*slash = '\0';
		r = sync_path(path, O_DIRECTORY);
	}
	return r;
}

/* ---- writing ---- */

static int full_path(char path[PATH_LEN], const char *root, struct mr_str name)
{
	int n = snprintf(path, PATH_LEN, "%s/%.*s", root, MR_STR_ARG(name));

	return n > 0 && n < PATH_LEN ? 0 : MR_E_IO;
}

static int write_all(int fd, struct mr_str text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.p, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return MR_E_IO;
		text.p += n;
		text.len -= (size_t)n;
	}
	return 0;
}

static int open_new(char *path, size_t root_len)
{
	int fd = -1;

	for (unsigned i = 0; i < FOLDER_TRIES && fd < 0; i++) {
		(void)make_folders(path, root_len); /* opening tells */
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (fd < 0 && errno != ENOENT)
			break;
	}
	return fd;
}

static int write_file(char *path, size_t root_len, struct mr_str text)
{
	int fd = open_new(path, root_len), r;

	if (fd < 0)
		return MR_E_IO;
	r = write_all(fd, text);
	if (close(fd) != 0)
		r = MR_E_IO;
	if (r < 0)
		(void)unlink(path); /* nothing refers to it */
	return r;
}

static int name_file(struct mr_arena *a, int64_t run_id, struct mr_str text, struct mr_str *ret_ref)
{
	unsigned char sum[MR_SHA256_LEN];
	char hex[MR_SHA256_HEX];
	int r = mr_sha256(text, sum);

	if (r < 0)
		return r;
	mr_hex(sum, sizeof(sum), hex);
	*ret_ref = mr_arena_printf(
	    a, FOLDER "/%lld/%lld/%s", (long long)(run_id / GROUP), (long long)run_id, hex);
	return ret_ref->p != NULL ? 0 : MR_E_NOMEM;
}

int mr_payload_write(struct mr_arena *a, const char *root, int64_t run_id, struct mr_str text,
    struct mr_str *ret_ref, struct mr_str *ret_tmp)
{
	char path[PATH_LEN];
	unsigned char salt[8];
	char hex[2 * sizeof(salt) + 1];
	struct mr_str ref, tmp;
	int r = name_file(a, run_id, text, &ref);

	if (r == 0)
		r = full_path(path, root, ref);
	if (r < 0)
		return r;
	*ret_ref = ref;
	*ret_tmp = MR_STR_NONE;
	if (access(path, F_OK) == 0)
		return 0;
	/* two owners of a run may write the same value at the same time, on hosts that know nothing
	 * of each other */
	if (mr_random_bytes(salt, sizeof(salt)) < 0)
		return MR_E_IO;
	mr_hex(salt, sizeof(salt), hex);
	tmp = mr_arena_printf(a, "%.*s.%s.tmp", MR_STR_ARG(ref), hex);
	if (tmp.p == NULL)
		return MR_E_NOMEM;
	if (full_path(path, root, tmp) < 0)
		return MR_E_IO;
	*ret_tmp = tmp;
	return write_file(path, strlen(root), text);
}

int mr_payload_settle(const char *root, struct mr_str ref, struct mr_str tmp)
{
	char path[PATH_LEN], from[PATH_LEN];
	int r = full_path(path, root, ref);

	if (r == 0 && tmp.p != NULL) {
		r = full_path(from, root, tmp);
		if (r == 0)
			r = sync_path(from, 0);
		if (r == 0 && rename(from, path) != 0)
			r = MR_E_IO;
		if (r < 0)
			(void)unlink(from); /* nothing refers to it */
	}
	return r < 0 ? r : sync_folders(path, strlen(root));
}

/* ---- reading ---- */

static bool is_hex(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	}
	return s.len == 2 * (size_t)MR_SHA256_LEN;
}

/* It comes from the database; all the same nothing else than ours may name a file. */
static bool is_ref(struct mr_str ref)
{
	struct mr_str rest = ref, folder = mr_str_cut(&rest, '/'), group = mr_str_cut(&rest, '/');
	struct mr_str run = mr_str_cut(&rest, '/');
	uint64_t id;

	return mr_str_eqz(folder, FOLDER) && mr_str_u64(group, &id) && mr_str_u64(run, &id) &&
	       rest.p != NULL && is_hex(rest);
}

static int read_all(struct mr_arena *a, int fd, struct mr_str *ret)
{
	struct stat st;
	size_t len = 0;
	char *p;

	if (fstat(fd, &st) != 0 || st.st_size < 0)
		return MR_E_IO;
	p = mr_arena_alloc(a, (size_t)st.st_size + 1);
	if (p == NULL)
		return MR_E_NOMEM;
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, p + len, (size_t)st.st_size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return MR_E_IO;
		len += (size_t)n;
	}
	p[len] = '\0';
	*ret = (struct mr_str){ p, len };
	return 0;
}

/* A file that isn't there is gone only when the store is there: a folder where nothing is mounted
 * is empty, too. */
static int not_there(const char *root)
{
	char path[PATH_LEN];

	if (full_path(path, root, MR_STR(FOLDER)) < 0 || access(path, F_OK) != 0)
		return MR_E_IO;
	return MR_E_NOT_FOUND;
}

static int read_file(struct mr_arena *a, const char *root, struct mr_str name, struct mr_str *ret)
{
	char path[PATH_LEN];
	int fd, r;

	if (full_path(path, root, name) < 0)
		return MR_E_INVALID;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? not_there(root) : MR_E_IO;
	r = read_all(a, fd, ret);
	(void)close(fd); /* only read from */
	return r;
}

int mr_payload_read(struct mr_arena *a, const char *root, struct mr_str ref, struct mr_str *ret)
{
	return is_ref(ref) ? read_file(a, root, ref, ret) : MR_E_INVALID;
}

int mr_payload_read_unsettled(
    struct mr_arena *a, const char *root, struct mr_str ref, struct mr_str tmp, struct mr_str *ret)
{
	int r = tmp.p != NULL ? read_file(a, root, tmp, ret) : MR_E_NOT_FOUND;

	/* it may have got its name just now */
	return r == MR_E_NOT_FOUND ? mr_payload_read(a, root, ref, ret) : r;
}

/* ---- removing ---- */

int mr_payload_remove(const char *root, int64_t run_id)
{
	char path[PATH_LEN];
	int n = snprintf(path, sizeof(path), "%s/" FOLDER "/%lld/%lld", root,
	    (long long)(run_id / GROUP), (long long)run_id);
	const struct dirent *entry;
	int r = 0;
	DIR *dir;

	if (n < 0 || (size_t)n >= sizeof(path))
		return MR_E_IO;
	dir = opendir(path);
	if (dir == NULL)
		return errno == ENOENT ? 0 : MR_E_IO;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) != 0 &&
		    errno != ENOENT)
			r = MR_E_IO;
	}
	(void)closedir(dir); /* only read from */
	if (r == 0 && rmdir(path) != 0 && errno != ENOENT)
		r = MR_E_IO;
	if (r == 0) {
		*strrchr(path, '/') = '\0';
		(void)rmdir(path); /* the group's: only when this was the last run in it */
	}
	return r;
}

static int by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The MAX smallest of the numbers from FROM on that are names in PATH, in order. */
static size_t list_numbers(const char *path, int64_t from, int64_t *ret, size_t max)
{
	const struct dirent *entry;
	DIR *dir = opendir(path);
	size_t len = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		int64_t id;
		size_t i = len;

		if (!mr_str_i64(mr_str(entry->d_name), &id) || id < from)
			continue;
		if (len < max) {
			ret[len++] = id;
			if (len == max)
				qsort(ret, len, sizeof(ret[0]), by_number);
		} else if (id < ret[max - 1]) {
			for (i = max - 1; i > 0 && ret[i - 1] > id; i--)
				ret[i] = ret[i - 1];
			ret[i] = id;
		}
	}
	(void)closedir(dir); /* only read from */
	qsort(ret, len, sizeof(ret[0]), by_number);
	return len;
}

size_t mr_payload_list(const char *root, int64_t after, int64_t *ret_ids, size_t max)
{
	char path[PATH_LEN];
	int64_t group = (after + 1) / GROUP;
	size_t len = 0;

	/* one group more with each turn */
	while (len < max) {
		(void)snprintf(path, sizeof(path), "%.400s/" FOLDER, root); /* fits */
		if (list_numbers(path, group, &group, 1) == 0)
			break;
		(void)snprintf(path, sizeof(path), "%.400s/" FOLDER "/%lld", root,
		    (long long)group); /* fits */
		len += list_numbers(path, after + 1, ret_ids + len, max - len);
		group++;
	}
	return len;
}
