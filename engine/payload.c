#include "engine/payload.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/run_row.h"
#include "engine/runs.h"
#include "lib/digest.h"
#include "lib/error.h"

#define PATH_LEN 512
#define FOLDER   "payloads"
#define GROUP    10000 /* runs of one folder */

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

/* PATH is below ROOT_LEN bytes of an existing folder. A new folder must be on disk before what
 * lies in it. */
static int make_folders(char *path, size_t root_len)
{
	char *slash = path + root_len;

	while ((slash = strchr(slash + 1, '/')) != NULL) {
		char *parent;
		int r;

		*slash = '\0';
		r = mkdir(path, 0750) == 0 ? 1 : errno == EEXIST ? 0 : MR_E_IO;
		parent = r == 1 ? strrchr(path, '/') : NULL;
		if (parent != NULL) {
			*parent = '\0';
			r = sync_folder(path);
			*parent = '/';
		}
		*slash = '/';
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- writing ---- */

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
	return fsync(fd) == 0 ? 0 : MR_E_IO;
}

/* Under another name first: two owners of a run may write the same value at the same time. */
static int write_file(char *path, struct mr_str text)
{
	char tmp[PATH_LEN + 32];
	char *slash = strrchr(path, '/');
	int fd, r;

	/* hosts that share the store may have the same pids */
	(void)snprintf(tmp, sizeof(tmp), "%s.%08llx.tmp", path,
	    (unsigned long long)(mr_rand_system.next(mr_rand_system.ctx) & 0xffffffffu)); /* fits */
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return MR_E_IO;
	r = write_all(fd, text);
	if (close(fd) != 0)
		r = MR_E_IO;
	if (r == 0 && rename(tmp, path) != 0)
		r = MR_E_IO;
	if (r < 0) {
		(void)unlink(tmp); /* nothing refers to it */
		return r;
	}
	*slash = '\0';
	r = sync_folder(path);
	*slash = '/';
	return r;
}

int mr_payload_write(struct mr_arena *a, const char *root, int64_t run_id, struct mr_str text,
    struct mr_str *ret_ref)
{
	unsigned char sum[MR_SHA256_LEN];
	char hex[MR_SHA256_HEX], path[PATH_LEN];
	struct mr_str ref;
	int n, r = mr_sha256(text, sum);

	if (r < 0)
		return r;
	mr_hex(sum, sizeof(sum), hex);
	ref = mr_arena_printf(
	    a, FOLDER "/%lld/%lld/%s", (long long)(run_id / GROUP), (long long)run_id, hex);
	if (ref.p == NULL)
		return MR_E_NOMEM;
	n = snprintf(path, sizeof(path), "%s/%.*s", root, MR_STR_ARG(ref));
	if (n < 0 || (size_t)n >= sizeof(path))
		return MR_E_IO;
	if (access(path, F_OK) != 0) {
		r = make_folders(path, strlen(root));
		if (r == 0)
			r = write_file(path, text);
		if (r < 0)
			return r;
	}
	*ret_ref = ref;
	return 0;
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

int mr_payload_read(struct mr_arena *a, const char *root, struct mr_str ref, struct mr_str *ret)
{
	char path[PATH_LEN];
	int n = is_ref(ref) ? snprintf(path, sizeof(path), "%s/%.*s", root, MR_STR_ARG(ref)) : -1;
	int fd, r;

	if (n < 0 || (size_t)n >= sizeof(path))
		return MR_E_INVALID;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? MR_E_NOT_FOUND : MR_E_IO;
	r = read_all(a, fd, ret);
	(void)close(fd); /* only read from */
	return r;
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

/* ---- for the state machine ---- */

int mr_payload_store(
    void *ctx, struct mr_arena *a, const struct mr_value *v, struct mr_str *ret_ref)
{
	const struct mr_held *h = ctx;
	struct mr_str text = mr_json_text(a, v);

	if (text.p == NULL)
		return MR_E_NOMEM;
	return mr_payload_write(a, h->engine->settings->file_store, h->id, text, ret_ref);
}

int mr_payload_load(void *ctx, struct mr_arena *a, struct mr_str ref, struct mr_value *ret)
{
	const struct mr_held *h = ctx;
	struct mr_str text;
	int r = mr_payload_read(a, h->engine->settings->file_store, ref, &text);

	return r < 0 ? r : mr_json_parse(a, text, &mr_run_json_limits, NULL, ret);
}
