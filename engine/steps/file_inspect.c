/* Opening a stored file and looking at it. Runs in a uv thread: it may block, and touches nothing
 * but its job's own fields. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/steps/file_process_private.h"
#include "lib/store.h"

#define MAX_LANGUAGES 300
#define BLOCK         65536

static const char *const tessdata_dirs[] = { "/usr/share/tesseract-ocr/5/tessdata",
	"/usr/share/tesseract-ocr/4.00/tessdata", "/usr/share/tessdata",
	"/usr/share/tesseract/tessdata" };

static int64_t read_at(void *ctx, int64_t offset, void *buf, size_t len)
{
	const int *fd = ctx;
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(*fd, (char *)buf + got, len - got, offset + (int64_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (int64_t)got;
}

static enum mr_file_trouble read_text(struct mr_file_job *j, const struct mr_file_view *v)
{
	char block[BLOCK];

	if (j->size > (int64_t)j->text.max)
		return MR_FILE_TOO_LARGE;
	for (int64_t at = 0; at < j->size;) {
		int64_t n = v->read(v->ctx, at, block, sizeof(block));

		if (n <= 0)
			return MR_FILE_GONE;
		mr_buf_add(&j->text, block, (size_t)n);
		if (mr_buf_failed(&j->text))
			return MR_FILE_NO_MEMORY;
		at += n;
	}
	return MR_FILE_FINE;
}

static void list_dir(struct mr_file_job *j, const char *path)
{
	static const char suffix[] = ".traineddata";
	DIR *d = opendir(path);
	const struct dirent *e;

	if (d == NULL)
		return;
	(void)snprintf(j->tessdata, sizeof(j->tessdata), "%s", path);
	for (unsigned i = 0; i < MAX_LANGUAGES && (e = readdir(d)) != NULL; i++) {
		size_t len = strlen(e->d_name);
		size_t cut = sizeof(suffix) - 1;

		if (len <= cut || strcmp(e->d_name + len - cut, suffix) != 0)
			continue;
		if (j->installed.len > 0)
			mr_buf_addc(&j->installed, ' ');
		mr_buf_add(&j->installed, e->d_name, len - cut);
	}
	(void)closedir(d);
}

static void list_languages(struct mr_file_job *j)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(tessdata_dirs) && j->tessdata[0] == '\0'; i++)
		list_dir(j, tessdata_dirs[i]);
}

static bool may_go_on(void *ctx)
{
	const struct mr_file_job *j = ctx;

	return !j->given_up && uv_hrtime() < j->deadline_ns;
}

/* What is read must be what was stored: so all of it is summed up before any of it is looked at. */
static enum mr_file_trouble check_sums(struct mr_file_job *j)
{
	unsigned which = j->wanted_sums | 1u << MR_SUM_SHA256;
	int r = mr_sums_of(j->fd, j->size, which, may_go_on, j, &j->sums);

	if (r == MR_E_CANCELLED)
		return MR_FILE_TOO_LATE;
	if (r < 0)
		return r == MR_E_NOMEM ? MR_FILE_NO_MEMORY : MR_FILE_GONE;
	return mr_str_eqz(j->sha256, j->sums.hex[MR_SUM_SHA256]) ? MR_FILE_FINE : MR_FILE_CHANGED;
}

void mr_file_inspect(struct mr_file_job *j)
{
	struct mr_file_view v = { .size = j->size, .read = read_at, .ctx = &j->fd };
	struct stat st;

	j->trouble = MR_FILE_GONE;
	j->fd = mr_store_open(j->store, j->storage_key);
	if (j->fd < 0 || fstat(j->fd, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	j->trouble = st.st_size == j->size ? check_sums(j) : MR_FILE_CHANGED;
	if (j->trouble != MR_FILE_FINE)
		return;
	j->type = mr_file_type_detect(&v);
	j->is_cut = mr_file_is_cut(&v, j->type);
	if (mr_file_type_is_image(j->type))
		j->pixels = mr_file_pixels(&v, j->type);
	if (j->wants_text && j->type == MR_FILE_TEXT)
		j->trouble = read_text(j, &v);
	if (j->wants_languages)
		list_languages(j);
}
