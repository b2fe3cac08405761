/*
 * Files: an upload is copied into the store by a thread, then its row is written; the content is
 * sent by nginx itself, which is told where it lies.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "fcgi/dispatch.h"
#include "fcgi/multipart.h"
#include "fcgi/route.h"
#include "fcgi/worker.h"
#include "handlers/handlers.h"
#include "lib/coro.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/store.h"
#include "lib/sums.h"
#include "sql/sql_ids.h"

#define NAME_MAX_BYTES 255u
#define TYPE_MAX_BYTES 127u
#define EXTENSION_MAX  16u
#define FIELDS_MAX     8192u /* bytes of all text fields together */
#define READ_SIZE      (64u * 1024u)

/* A function that blocks, for a thread of libuv's pool while the coroutine waits. */
struct errand {
	uv_work_t work;
	struct mr_coro *coro;
	void (*fn)(void *ctx);
	void *ctx;
	bool undone; /* no memory for it */
};

/* One upload: filled by the thread while the coroutine waits, so nobody else looks at it. */
struct upload {
	const char *root;
	int64_t tenant_id;
	uint64_t max;
	struct mr_str content_type; /* of the request */
	struct mr_str body;
	const char *body_file;          /* NUL-terminated, or NULL */
	struct mr_multipart *multipart; /* NULL: the body is the file */
	int result;                     /* 0 or MR_E_* */
	const char *fault;              /* after MR_E_INVALID */
	struct mr_store_file file;
	bool has_file, in_file, in_name;
	char name[NAME_MAX_BYTES + 1], type[TYPE_MAX_BYTES + 1];
	size_t name_len, type_len;
	char fields[FIELDS_MAX]; /* the text fields as they came, for the digest */
	size_t fields_len;
};

/* ---- names and types ---- */

static bool is_type(struct mr_str s)
{
	if (s.len == 0 || s.len > TYPE_MAX_BYTES || memchr(s.p, '/', s.len) == NULL)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	}
	return true;
}

static void set_type(struct upload *u, struct mr_str type)
{
	if (!is_type(type))
		type = MR_STR("application/octet-stream");
	memcpy(u->type, type.p, type.len);
	u->type[type.len] = '\0';
	u->type_len = type.len;
}

/* Only what stands after the last slash or backslash: some clients send the whole path. */
static bool set_name(struct upload *u, struct mr_str name)
{
	size_t at = name.len;

	while (at > 0 && name.p[at - 1] != '/' && name.p[at - 1] != '\\')
		at--;
	name.p += at;
	name.len -= at;
	if (name.len == 0 || name.len > NAME_MAX_BYTES || !mr_str_is_utf8(name) ||
	    mr_str_eqz(name, ".") || mr_str_eqz(name, ".."))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		if ((unsigned char)name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	}
	memmove(u->name, name.p, name.len); /* it may stand there already */
	u->name[name.len] = '\0';
	u->name_len = name.len;
	return true;
}

/* Lower case, letters and digits only; empty when there is none. */
static struct mr_str extension(const struct upload *u, char out[EXTENSION_MAX + 1])
{
	size_t dot = u->name_len, n = 0;

	while (dot > 0 && u->name[dot - 1] != '.')
		dot--;
	if (dot <= 1 || u->name_len - dot > EXTENSION_MAX)
		return MR_STR("");
	for (size_t i = dot; i < u->name_len; i++) {
		char c = u->name[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9'))
			return MR_STR("");
		out[n++] = c;
	}
	out[n] = '\0';
	return (struct mr_str){ out, n };
}

/* ---- in the thread ---- */

static int invalid(struct upload *u, const char *fault)
{
	u->fault = fault;
	return MR_E_INVALID;
}

static int add_field(struct upload *u, struct mr_str s)
{
	if (s.len > sizeof(u->fields) - u->fields_len)
		return invalid(u, "The text fields are too long.");
	if (s.len > 0)
		memcpy(u->fields + u->fields_len, s.p, s.len);
	u->fields_len += s.len;
	return 0;
}

static int on_begin(void *ctx, const struct mr_multipart_part *part)
{
	struct upload *u = ctx;
	int r;

	u->in_file = mr_str_eqz(part->name, "file");
	u->in_name = mr_str_eqz(part->name, "name");
	if (!u->in_file) {
		if (part->filename.p != NULL)
			return invalid(u, "Only the part named file may be a file.");
		if (u->in_name)
			u->name_len = 0; /* a name that is given goes before the file's own */
		r = add_field(u, part->name);
		return r < 0 ? r : add_field(u, MR_STR("="));
	}
	if (u->has_file)
		return invalid(u, "There are two parts named file.");
	u->has_file = true;
	if (u->name_len == 0 && part->filename.p != NULL && !set_name(u, part->filename))
		return invalid(u, "The file's name is not valid: 1 to 255 bytes of UTF-8 without "
		                  "control characters.");
	set_type(u, part->content_type.p != NULL ? part->content_type : MR_STR(""));
	return mr_store_begin(&u->file, u->root, u->tenant_id, u->max);
}

static int on_data(void *ctx, struct mr_str piece)
{
	struct upload *u = ctx;

	if (u->in_file)
		return mr_store_write(&u->file, piece);
	if (u->in_name) {
		if (piece.len > NAME_MAX_BYTES - u->name_len)
			return invalid(u, "The name is longer than 255 bytes.");
		memcpy(u->name + u->name_len, piece.p, piece.len);
		u->name_len += piece.len;
	}
	return add_field(u, piece);
}

static int on_end(void *ctx)
{
	struct upload *u = ctx;

	if (u->in_file)
		return 0;
	return add_field(u, MR_STR("\n"));
}

static const struct mr_multipart_ops ops = { on_begin, on_data, on_end };

static int feed(struct upload *u, struct mr_str piece)
{
	int r;

	if (u->multipart == NULL)
		return mr_store_write(&u->file, piece);
	r = mr_multipart_feed(u->multipart, piece);
	if (r < 0 && u->fault == NULL)
		u->fault = u->multipart->fault;
	return r;
}

/* nginx's spool file, piece by piece. */
static int feed_file(struct upload *u)
{
	char *buf = malloc(READ_SIZE);
	int fd = open(u->body_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n = 0;
	int r = 0;

	if (buf == NULL) {
		r = MR_E_NOMEM;
	} else if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		u->file.error = errno;
		r = MR_E_IO;
	}
	while (r == 0 && (n = read(fd, buf, READ_SIZE)) != 0) {
		if (n > 0) {
			r = feed(u, (struct mr_str){ buf, (size_t)n });
		} else if (errno != EINTR) {
			u->file.error = errno;
			r = MR_E_IO;
		}
	}
	if (fd >= 0)
		(void)close(fd); /* only read from */
	free(buf);
	return r;
}

static int finish(struct upload *u)
{
	if (u->multipart != NULL && mr_multipart_finish(u->multipart) < 0)
		return invalid(u, u->multipart->fault);
	if (!u->has_file)
		return invalid(u, "There is no part named file.");
	/* given by a text field, it was not checked yet */
	if (!set_name(u, (struct mr_str){ u->name, u->name_len }))
		return invalid(u,
		    "The file needs a name: 1 to 255 bytes of UTF-8 without control characters.");
	return mr_store_commit(&u->file);
}

static void store(void *ctx)
{
	struct upload *u = ctx;
	int r = 0;

	if (u->multipart == NULL) {
		u->has_file = true;
		r = mr_store_begin(&u->file, u->root, u->tenant_id, u->max);
	}
	if (r == 0)
		r = u->body_file != NULL ? feed_file(u) : feed(u, u->body);
	if (r == 0)
		r = finish(u);
	if (u->has_file)
		mr_store_end(&u->file);
	u->result = r;
}

static void in_thread(uv_work_t *work)
{
	struct errand *e = work->data;

	e->fn(e->ctx);
}

static void after_thread(uv_work_t *work, int status)
{
	struct errand *e = work->data;

	e->undone = status != 0;
	mr_coro_resume(e->coro);
}

/* ---- in the coroutine ---- */

/* False when FN could not be run. */
static bool run_in_thread(struct mr_request *r, void (*fn)(void *ctx), void *ctx)
{
	struct errand e = { .coro = mr_coro_self(), .fn = fn, .ctx = ctx };

	e.work.data = &e;
	if (uv_queue_work(r->worker->loop, &e.work, in_thread, after_thread) != 0)
		return false;
	mr_coro_yield();
	return !e.undone;
}

static void answer_failure(struct mr_request *r, const struct upload *u)
{
	switch (u->result) {
	case MR_E_LIMIT:
		if (u->fault != NULL)
			mr_response_problem(r, MR_ERR_UPLOAD_INVALID, "%s", u->fault);
		else
			mr_response_problem(r, MR_ERR_BODY_TOO_LARGE,
			    "A file may have at most %lld bytes.", (long long)u->max);
		break;
	case MR_E_INVALID:
		mr_response_problem(r, MR_ERR_UPLOAD_INVALID, "%s", u->fault);
		break;
	case MR_E_NOMEM:
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
		break;
	default:
		mr_log(MR_LOG_ERROR, "upload can't be stored",
		    MR_F_Z("error", strerror(u->file.error)),
		    MR_F_S("correlation_id", r->correlation_id));
		mr_response_problem(r, MR_ERR_INTERNAL, "%s", "");
		break;
	}
}

/* A raw body has its name in the address, or in Content-Disposition. */
static bool take_raw_name(struct mr_request *r, struct upload *u)
{
	struct mr_str name = mr_request_arg(r, "name");
	char text[MR_MULTIPART_VALUE_MAX];

	if (name.p == NULL &&
	    !mr_multipart_filename(mr_request_header(r, "Content-Disposition"), text, &name))
		name = MR_STR_NONE;
	if (name.p != NULL && set_name(u, name))
		return true;
	mr_response_problem(r, MR_ERR_UPLOAD_INVALID, "%s",
	    "Name the file by ?name= or Content-Disposition: 1 to 255 bytes of UTF-8 without "
	    "control characters.");
	return false;
}

/* False when the answer is decided. */
static bool prepare(struct mr_request *r, struct upload *u)
{
	u->file.fd = -1;
	u->root = r->worker->settings->file_store;
	u->tenant_id = r->principal->tenant_id;
	u->max = (uint64_t)r->worker->settings->max_upload_bytes;
	u->content_type = r->content_type;
	u->body = r->body;
	if (r->body_file.p != NULL)
		u->body_file = mr_arena_strz(r->arena, r->body_file);
	if (u->body_file == NULL && u->body.len == 0) {
		mr_response_problem(r, MR_ERR_UPLOAD_INVALID, "%s", "");
		return false;
	}
	if (!mr_multipart_is(r->content_type)) {
		set_type(u, r->content_type);
		return take_raw_name(r, u);
	}
	u->multipart = mr_arena_alloc(r->arena, sizeof(*u->multipart));
	if (u->multipart == NULL) {
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
		return false;
	}
	if (mr_multipart_init(u->multipart, r->content_type, &ops, u) < 0) {
		mr_response_problem(r, MR_ERR_UPLOAD_INVALID, "%s", u->multipart->fault);
		return false;
	}
	return true;
}

/* Multipart is compared by what it holds: its boundary differs each time. */
static struct mr_str digest(struct mr_request *r, const struct upload *u)
{
	unsigned char sum[MR_SHA256_LEN];
	char hex[MR_SHA256_HEX];
	struct mr_str all =
	    mr_arena_printf(r->arena, "POST\n/api/v1/files\n%.*s\n%.*s\n%llu\n%s\n%.*s",
	        (int)u->name_len, u->name, (int)u->type_len, u->type,
	        (unsigned long long)u->file.size, u->file.sha256, (int)u->fields_len, u->fields);

	if (all.p == NULL || mr_sha256(all, sum) < 0)
		return MR_STR_NONE;
	mr_hex(sum, sizeof(sum), hex);
	return mr_arena_printf(r->arena, "\\x%s", hex);
}

static void write_row(struct mr_request *r, const struct upload *u)
{
	char ext[EXTENSION_MAX + 1];
	const struct mr_pair extra[] = {
		{ MR_STR("name"), { u->name, u->name_len } },
		{ MR_STR("content_type"), { u->type, u->type_len } },
		{ MR_STR("size"),
		    mr_arena_printf(r->arena, "%llu", (unsigned long long)u->file.size) },
		{ MR_STR("sha256"), mr_str(u->file.sha256) },
		{ MR_STR("storage_key"), mr_str(u->file.key) },
		{ MR_STR("extension"), extension(u, ext) },
		{ MR_STR("request_digest"), digest(r, u) },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	if (extra[2].value.p == NULL || extra[6].value.p == NULL)
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
	else
		mr_dispatch_sql(r, MR_SQL_FILE_CREATE, extra);
}

/* A stored file that goes; may be large, and then that takes its time. */
struct removal {
	const char *root;
	struct mr_str key;
	int result;
};

static void remove_stored(void *ctx)
{
	struct removal *m = ctx;

	m->result = mr_store_remove(m->root, m->key);
}

static void remove_in_thread(struct mr_request *r, struct mr_str key)
{
	struct removal m = { r->worker->settings->file_store, key, 0 };

	if (!run_in_thread(r, remove_stored, &m) || m.result < 0)
		mr_log(MR_LOG_WARNING, "stored file can't be removed", MR_F_S("file", key));
}

/* A file whose row was not written has no owner. After a 503 nobody knows whether it was: then the
 * bytes stay, since bytes without a row do less harm than a row without bytes. */
static bool is_orphan(const struct mr_request *r)
{
	return mr_dispatch_replayed(r) || (r->status >= 300 && r->status != 503);
}

int mr_handler_file_create(struct mr_request *r)
{
	struct upload *u;

	if (!mr_pg_is_up(r->worker->pg)) {
		mr_response_problem(r, MR_ERR_DATABASE_UNAVAILABLE, "%s", "");
		return 0;
	}
	u = mr_arena_zalloc(r->arena, sizeof(*u));
	if (u == NULL)
		return MR_E_NOMEM;
	if (!prepare(r, u))
		return 0;
	if (!run_in_thread(r, store, u))
		u->result = MR_E_NOMEM;
	if (u->result < 0) {
		answer_failure(r, u);
		return 0;
	}
	write_row(r, u);
	if (is_orphan(r))
		remove_in_thread(r, mr_str(u->file.key));
	return 0;
}

/* ---- sending ---- */

/* RFC 6266: a plain name for old clients, the real one in UTF-8. */
static void add_disposition(struct mr_request *r, struct mr_str name)
{
	static const char hex[] = "0123456789ABCDEF";
	struct mr_buf b;

	mr_buf_init(&b, 2048);
	mr_buf_addz(&b, "attachment; filename=\"");
	for (size_t i = 0; i < name.len; i++) {
		char c = name.p[i];

		mr_buf_addc(&b, c < ' ' || c > '~' || c == '"' || c == '\\' || c == '%' ? '_' : c);
	}
	mr_buf_addz(&b, "\"; filename*=UTF-8''");
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = (unsigned char)name.p[i];
		const char escaped[3] = { '%', hex[c >> 4], hex[c & 15] };

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    (c != '\0' && strchr("-._~", c) != NULL))
			mr_buf_addc(&b, (char)c);
		else
			mr_buf_add(&b, escaped, sizeof(escaped));
	}
	if (!mr_buf_failed(&b))
		mr_response_header(r, "Content-Disposition", mr_buf_str(&b));
	mr_buf_done(&b);
}

/*
 * What is sent must be what was stored, and nginx sends whatever lies there: so a file is summed up
 * before it is sent for the first time, and again when its change time, which no program can set,
 * says that somebody wrote to it. A large one only in the latter case.
 */
#define SEEN_LEN 1024u
#define SUM_MAX  ((int64_t)64 * 1024 * 1024)
#define STORING_US                                                                                 \
	60000000 /* between the last write to a file and its row, with clocks that differ */

struct seen {
	dev_t dev;
	ino_t ino;
	struct timespec changed;
};

struct look {
	const char *root;
	struct mr_str key, sha256;
	int64_t size, created_us;
	struct seen seen;
	int result; /* 0, MR_E_INVALID: not what was stored, MR_E_IO: can't be read */
};

/* Of this worker; a file always has the same place. */
static struct seen *seen_place(struct mr_str key)
{
	static struct seen all[SEEN_LEN];
	uint32_t h = 0;

	for (size_t i = 0; i < key.len; i++)
		h = h * 31 + (unsigned char)key.p[i];
	return &all[h % SEEN_LEN];
}

static bool wants_sum(const struct look *l, const struct stat *st)
{
	int64_t changed_us =
	    (int64_t)st->st_ctim.tv_sec * 1000000 + (int64_t)st->st_ctim.tv_nsec / 1000;

	if (l->seen.dev == st->st_dev && l->seen.ino == st->st_ino &&
	    l->seen.changed.tv_sec == st->st_ctim.tv_sec &&
	    l->seen.changed.tv_nsec == st->st_ctim.tv_nsec)
		return false;
	return st->st_size <= SUM_MAX || changed_us > l->created_us + STORING_US;
}

static int look_at(struct look *l, int fd)
{
	struct mr_sums sums;
	struct stat st;
	int r;

	if (fstat(fd, &st) != 0)
		return MR_E_IO;
	if (!S_ISREG(st.st_mode) || st.st_size != l->size)
		return MR_E_INVALID;
	if (!wants_sum(l, &st))
		return 0;
	r = mr_sums_of(fd, l->size, 1u << MR_SUM_SHA256, NULL, NULL, &sums);
	if (r < 0)
		return r;
	l->seen = (struct seen){ st.st_dev, st.st_ino, st.st_ctim };
	return mr_str_eqz(l->sha256, sums.hex[MR_SUM_SHA256]) ? 0 : MR_E_INVALID;
}

static void look_in_thread(void *ctx)
{
	struct look *l = ctx;
	int fd = mr_store_open(l->root, l->key);

	if (fd < 0) {
		/* a folder where nothing is mounted is no sign of damage */
		l->result = errno == ENOENT && access(l->root, X_OK) == 0 ? MR_E_INVALID : MR_E_IO;
		return;
	}
	l->result = look_at(l, fd);
	(void)close(fd); /* only read from */
}

/* False when the answer is decided. */
static bool is_as_stored(struct mr_request *r, const PGresult *row)
{
	struct look l = { .root = r->worker->settings->file_store,
		.key = mr_pg_text(row, 0, "storage_key"),
		.sha256 = mr_pg_text(row, 0, "sha256"),
		.size = mr_pg_i64(row, 0, "size", -1),
		.created_us = mr_pg_i64(row, 0, "created_at_us", 0) };
	struct seen *seen = seen_place(l.key);

	l.seen = *seen;
	if (!run_in_thread(r, look_in_thread, &l)) {
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
		return false;
	}
	if (l.result == 0) {
		*seen = l.seen;
		return true;
	}
	mr_log(MR_LOG_ERROR,
	    l.result == MR_E_INVALID ? "stored file is damaged" : "file store can't be read",
	    MR_F_S("file", l.key), MR_F_S("correlation_id", r->correlation_id));
	if (l.result == MR_E_INVALID)
		mr_response_problem(r, MR_ERR_FILE_DAMAGED, "%s", "");
	else
		mr_response_problem(
		    r, MR_ERR_OVERLOADED, "The file store does not answer; try again shortly.");
	return false;
}

int mr_handler_file_content(struct mr_request *r)
{
	const PGresult *row;
	struct mr_str key, type;

	if (mr_dispatch_query(r, MR_SQL_FILE_CONTENT, NULL, &row) < 0)
		return 0; /* answered */
	key = PQntuples(row) > 0 ? mr_pg_text(row, 0, "storage_key") : MR_STR_NONE;
	if (key.p == NULL) {
		mr_response_problem(r, MR_ERR_FILE_NOT_FOUND, "%s", "");
		return 0;
	}
	if (!is_as_stored(r, row))
		return 0;
	type = mr_pg_text(row, 0, "content_type");
	key = mr_arena_printf(r->arena, "/_files/%.*s", MR_STR_ARG(key));
	if (key.p == NULL)
		return MR_E_NOMEM;
	r->status = 200;
	r->out_content_type = is_type(type) ? type : MR_STR("application/octet-stream");
	mr_response_header(r, "X-Accel-Redirect", key);
	add_disposition(r, mr_pg_text(row, 0, "name"));
	mr_response_header(r, "X-Content-Type-Options", MR_STR("nosniff"));
	return 0;
}

int mr_handler_step_output(struct mr_request *r)
{
	const PGresult *row;
	struct mr_str ref;

	if (mr_dispatch_query(r, MR_SQL_STEP_OUTPUT, NULL, &row) < 0)
		return 0; /* answered */
	if (PQntuples(row) == 0 || mr_pg_text(row, 0, "error").p != NULL) {
		mr_dispatch_answer(r, row);
		return 0;
	}
	ref = mr_pg_text(row, 0, "ref");
	if (ref.p == NULL) {
		mr_response_json(r, r->route->out.status, mr_pg_text(row, 0, "output"));
		return 0;
	}
	ref = mr_arena_printf(r->arena, "/_files/%.*s", MR_STR_ARG(ref));
	if (ref.p == NULL)
		return MR_E_NOMEM;
	r->status = r->route->out.status;
	r->out_content_type = MR_STR("application/json");
	mr_response_header(r, "X-Accel-Redirect", ref);
	return 0;
}

/* ---- deleting ---- */

int mr_handler_file_delete(struct mr_request *r)
{
	const PGresult *row;
	struct mr_str key;

	if (mr_dispatch_query(r, MR_SQL_FILE_DELETE, NULL, &row) < 0)
		return 0; /* answered */
	key = PQntuples(row) > 0 ? mr_pg_text(row, 0, "storage_key") : MR_STR_NONE;
	mr_dispatch_answer(r, row);
	if (r->status == 200 && key.p != NULL) /* only now is it certain that the row is gone */
		remove_in_thread(r, key);
	return 0;
}
