/* Step type file_process: from the config to the file's row, to the open file, to the action. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/steps/file_process_private.h"
#include "engine/steps/runners.h"
#include "engine/steps/step_config.h"
#include "sql/sql_ids.h"

#define TIMEOUT_US 300000000
#define JOB_ARENA  65536

static const struct mr_file_action *const actions[] = { &mr_file_validate, &mr_file_extract,
	&mr_file_ocr, &mr_file_checksum, &mr_file_convert };

/*
 * Thousands of steps may want to read files at once; each would hold a descriptor while it waits
 * for a helper. So a bounded number goes on from its row, and the others stand in line.
 */
static struct {
	struct mr_file_job *first, *last;
	unsigned open;
} line;

static void start_next(void);

/* ---- the end ---- */

static void leave_line(struct mr_file_job *j)
{
	struct mr_file_job *before = NULL;

	for (struct mr_file_job *i = line.first; i != NULL && i != j; i = i->next)
		before = i;
	if (before != NULL)
		before->next = j->next;
	else
		line.first = j->next;
	if (line.last == j)
		line.last = before;
	j->in_line = false;
}

/* A file that is in the store and has no row: in a thread, it may be large. */
static void removed(uv_fs_t *req)
{
	uv_fs_req_cleanup(req);
	free(req);
}

static void remove_extra(uv_loop_t *loop, const char *path)
{
	uv_fs_t *req = malloc(sizeof(*req));

	/* what can't be removed now is found by housekeeping */
	if (req != NULL && uv_fs_unlink(loop, req, path, removed) < 0)
		free(req);
}

void mr_file_free(struct mr_file_job *j)
{
	bool was_open = j->is_open;

	if (j->fd >= 0)
		(void)close(j->fd);
	if (j->page_fd >= 0)
		(void)close(j->page_fd);
	mr_buf_done(&j->text);
	mr_buf_done(&j->installed);
	mr_buf_done(&j->sizes);
	mr_buf_done(&j->content);
	mr_sandbox_job_done(&j->helper);
	mr_store_end(&j->out);
	if (j->out_is_extra)
		remove_extra(j->loop, j->out.path);
	j->arena = mr_arena_free(j->arena);
	free(j);
	if (was_open) {
		line.open--;
		start_next();
	}
}

void mr_file_finish(struct mr_file_job *j)
{
	struct mr_step_exec *x = j->x;

	mr_file_free(j);
	x->impl = NULL;
	x->done(x);
}

void mr_file_fail(struct mr_file_job *j, const char *type, bool retryable, const char *fmt, ...)
{
	struct mr_str message;
	va_list ap;

	va_start(ap, fmt);
	message = mr_arena_vprintf(j->x->arena, fmt, ap);
	va_end(ap);
	(void)mr_report_fail(j->x, mr_str(type), retryable, "%.*s", MR_STR_ARG(message));
	mr_file_finish(j);
}

void mr_file_fail_cut(struct mr_file_job *j)
{
	mr_file_fail(j, "validation", false, "The %s file is cut off: its end is missing.",
	    mr_file_type_name(j->type));
}

void mr_file_finish_text(
    struct mr_file_job *j, struct mr_str text, unsigned pages, struct mr_str language)
{
	struct mr_arena *a = j->x->arena;
	struct mr_report_member m[7];
	struct mr_value result;
	size_t n = 0;

	text = mr_text_clean(a, text);
	m[n++] = (struct mr_report_member){ "content", mr_value_str(text) };
	m[n++] =
	    (struct mr_report_member){ "word_count", mr_value_int((int64_t)mr_text_words(text)) };
	if (pages > 0)
		m[n++] = (struct mr_report_member){ "pages", mr_value_int(pages) };
	if (language.p != NULL)
		m[n++] = (struct mr_report_member){ "language",
			mr_value_str(mr_arena_str(a, language)) };
	m[n++] = (struct mr_report_member){ "size", mr_value_int(j->size) };
	m[n++] = (struct mr_report_member){ "file_id", mr_value_int(j->file_id) };
	m[n++] = (struct mr_report_member){ "file_name", mr_value_str(mr_arena_str(a, j->name)) };
	if (text.p == NULL || mr_report_map(a, m, n, &result) < 0)
		(void)mr_report_too_large(j->x);
	else
		mr_report_success(j->x, result);
	mr_file_finish(j);
}

/* ---- helpers ---- */

static void on_helper(struct mr_sandbox_job *helper)
{
	struct mr_file_job *j = helper->ctx;

	j->helper_done(j);
}

void mr_file_run(struct mr_file_job *j, const char *const *argv, bool own_program, int fd,
    size_t memory, size_t max_output, void (*done)(struct mr_file_job *j))
{
	uint64_t now = uv_hrtime();
	size_t n = 0;

	mr_sandbox_job_done(&j->helper);
	j->helper = (struct mr_sandbox_job){ .own_program = own_program,
		.input_fd = fd,
		.output_fd = j->output_fd,
		.memory_bytes = memory,
		.max_output = max_output,
		.done = on_helper,
		.ctx = j };
	for (; n < MR_SANDBOX_ARGS && argv[n] != NULL; n++)
		j->helper.argv[n] = argv[n];
	j->helper.timeout_us = now < j->deadline_ns ? (int64_t)((j->deadline_ns - now) / 1000) : 1;
	j->helper_done = done;
	j->output_fd = 0;
	if (mr_sandbox_submit(j->x->host->sandbox, &j->helper) < 0)
		mr_file_fail(j, "limit", true, "The engine is out of memory.");
}

static bool said(const struct mr_file_job *j, const char *words)
{
	struct mr_str s = mr_buf_str(&j->helper.diagnostics);

	return memmem(s.p, s.len, words, strlen(words)) != NULL;
}

static void fail_unreadable(struct mr_file_job *j, const char *what)
{
	if (said(j, "ncorrect password"))
		mr_file_fail(j, "validation", false, "The %s is protected by a password.", what);
	else if (j->helper.exit_code == 3 && j->helper.own_program)
		mr_file_fail(
		    j, "limit", false, "The %s unpacks to more than a step may read.", what);
	else if (j->helper.exit_code == 4 && j->helper.own_program)
		mr_file_fail(j, "validation", false,
		    "The %s declares entities or a document type of its own, which is not read.",
		    what);
	else
		mr_file_fail(j, "validation", false,
		    "The file can't be read as %s: it is damaged, or something else.", what);
}

bool mr_file_helper_ok(struct mr_file_job *j, const char *what)
{
	switch (j->helper.outcome) {
	case MR_SANDBOX_EXITED:
		if (j->helper.exit_code == 0)
			return true;
		fail_unreadable(j, what);
		return false;
	case MR_SANDBOX_CRASHED:
		mr_file_fail(j, "validation", false,
		    "The %s made the program that reads it break down.", what);
		return false;
	case MR_SANDBOX_TIMEOUT:
		mr_file_fail(j, "timeout", true, "The %s could not be read in time.", what);
		return false;
	case MR_SANDBOX_LIMIT:
		mr_file_fail(j, "limit", false,
		    "The %s takes more memory, or holds more text, than a step may use.", what);
		return false;
	case MR_SANDBOX_UNAVAILABLE:
		mr_file_fail(j, "sandbox.unavailable", true, "%s", j->helper.message);
		return false;
	}
	return false;
}

/* ---- the file ---- */

static void in_thread(uv_work_t *work)
{
	struct mr_file_job *j = work->data;

	j->in_thread(j);
}

static void after_thread(uv_work_t *work, int status)
{
	struct mr_file_job *j = work->data;

	j->working = false;
	if (j->x == NULL) /* aborted meanwhile */
		mr_file_free(j);
	else if (status != 0)
		mr_file_fail(j, "limit", true, "The engine is out of memory.");
	else
		j->after_thread(j);
}

void mr_file_in_thread(
    struct mr_file_job *j, void (*fn)(struct mr_file_job *j), void (*after)(struct mr_file_job *j))
{
	j->in_thread = fn;
	j->after_thread = after;
	j->working = true;
	j->work.data = j;
	(void)uv_queue_work(j->loop, &j->work, in_thread, after_thread); /* can't fail */
}

static void on_inspected(struct mr_file_job *j)
{
	if (j->trouble == MR_FILE_NO_MEMORY)
		mr_file_fail(j, "limit", true, "The engine is out of memory.");
	else if (j->trouble == MR_FILE_GONE)
		mr_file_fail(j, "unavailable", true,
		    "The content of file %lld can't be read from the store.",
		    (long long)j->file_id);
	else if (j->trouble == MR_FILE_CHANGED)
		mr_file_fail(j, "damaged", false,
		    "The content of file %lld in the store is not what was stored: it was cut off "
		    "or changed.",
		    (long long)j->file_id);
	else if (j->trouble == MR_FILE_TOO_LARGE)
		mr_file_fail(
		    j, "limit", false, "The text is longer than %u MiB.", MR_FILE_MAX_TEXT >> 20);
	else if (j->trouble == MR_FILE_TOO_LATE || uv_hrtime() >= j->deadline_ns)
		mr_file_fail(j, "timeout", true, "The file could not be read in time.");
	else
		j->action->begin(j);
}

/* Lets as many go on as may; what stood in line for too long goes on too, to be told so. */
static void start_next(void)
{
	while (line.first != NULL && line.open < MR_FILE_MAX_OPEN) {
		struct mr_file_job *j = line.first;

		leave_line(j);
		j->is_open = true;
		line.open++;
		mr_file_in_thread(j, mr_file_inspect, on_inspected);
	}
}

static void take_row(struct mr_file_job *j, const PGresult *r)
{
	struct mr_arena *a = j->arena;

	j->name = mr_arena_str(a, mr_pg_text(r, 0, "name"));
	j->storage_key = mr_arena_str(a, mr_pg_text(r, 0, "storage_key"));
	j->sha256 = mr_arena_str(a, mr_pg_text(r, 0, "sha256"));
	j->size = mr_pg_i64(r, 0, "size", -1);
	if (j->name.p == NULL || j->storage_key.p == NULL || j->sha256.p == NULL) {
		mr_file_fail(j, "limit", true, "The engine is out of memory.");
		return;
	}
	j->in_line = true;
	j->next = NULL;
	if (line.last != NULL)
		line.last->next = j;
	else
		line.first = j;
	line.last = j;
	start_next();
}

static void on_row(struct mr_pg_unit *u)
{
	struct mr_file_job *j = u->ctx;
	const PGresult *r = j->call.result;

	j->asking = false;
	if (j->x == NULL) {
		mr_file_free(j);
		return;
	}
	if (u->outcome != MR_PG_OK)
		mr_file_fail(j, "unavailable", true, "The database did not answer.");
	else if (r == NULL || PQntuples(r) == 0)
		mr_file_fail(
		    j, "validation", false, "There is no file %lld.", (long long)j->file_id);
	else
		take_row(j, r);
}

static void ask_for_row(struct mr_file_job *j)
{
	(void)snprintf(j->tenant_text, sizeof(j->tenant_text), "%lld", (long long)j->x->tenant_id);
	(void)snprintf(j->file_text, sizeof(j->file_text), "%lld", (long long)j->file_id);
	j->values[0] = mr_str(j->tenant_text);
	j->values[1] = mr_str(j->file_text);
	j->call = (struct mr_pg_call){ .stmt = MR_SQL_ENGINE_FILE, .values = j->values };
	j->unit =
	    (struct mr_pg_unit){ .calls = &j->call, .calls_len = 1, .done = on_row, .ctx = j };
	j->asking = true;
	mr_pg_submit(j->x->host->pg, &j->unit);
}

/* ---- start ---- */

/* 123, "123", "file_123" */
static int read_file_id(struct mr_step_exec *x, int64_t *ret)
{
	struct mr_str s = MR_STR_NONE;
	int r = mr_config_text(x, "file_id", &s);

	if (r < 0)
		return r;
	if (s.p == NULL)
		return mr_report_invalid(x, "config.file_id is missing.");
	s = mr_str_trim(s);
	if (mr_str_starts(s, MR_STR("file_")))
		s = (struct mr_str){ s.p + 5, s.len - 5 };
	if (!mr_str_i64(s, ret) || *ret <= 0)
		return mr_report_invalid(x, "config.file_id must be a file's id, such as 123.");
	return 0;
}

static int read_action(struct mr_step_exec *x, const struct mr_file_action **ret)
{
	struct mr_str s = MR_STR_NONE;
	int r = mr_config_text(x, "action", &s);

	if (r < 0)
		return r;
	for (size_t i = 0; i < MR_ARRAY_LEN(actions); i++) {
		if (mr_str_ieqz(s, actions[i]->name)) {
			*ret = actions[i];
			return 0;
		}
	}
	return mr_report_invalid(x, "config.action must be validate, extract, ocr_extract, "
	                            "convert or checksum.");
}

static struct mr_file_job *create_job(struct mr_step_exec *x)
{
	struct mr_file_job *j = calloc(1, sizeof(*j));

	if (j == NULL)
		return NULL;
	j->fd = j->page_fd = j->out.fd = -1;
	j->loop = x->host->loop;
	j->x_tenant_id = x->tenant_id;
	j->max_output = (uint64_t)x->host->settings->max_upload_bytes;
	mr_buf_init(&j->text, MR_FILE_MAX_TEXT);
	mr_buf_init(&j->installed, 8192);
	mr_buf_init(&j->sizes, 65536);
	mr_buf_init(&j->content, MR_FILE_MAX_TEXT);
	j->x = x;
	j->arena = mr_arena_create(JOB_ARENA);
	j->store = j->arena == NULL
	               ? NULL
	               : mr_arena_strz(j->arena, mr_str(x->host->settings->file_store));
	j->deadline_ns =
	    uv_hrtime() + (uint64_t)(x->timeout_us > 0 ? x->timeout_us : TIMEOUT_US) * 1000;
	if (j->store == NULL) {
		mr_file_free(j);
		return NULL;
	}
	return j;
}

static int start(struct mr_step_exec *x)
{
	const struct mr_file_action *action = NULL;
	struct mr_file_job *j;
	int64_t file_id = 0;
	int r = read_action(x, &action);

	if (r == 0)
		r = read_file_id(x, &file_id);
	if (r < 0)
		return r;
	j = create_job(x);
	if (j == NULL)
		return mr_report_fail(x, MR_STR("limit"), true, "The engine is out of memory.");
	j->action = action;
	j->file_id = file_id;
	r = action->configure(j);
	if (r < 0) {
		mr_file_free(j);
		return r;
	}
	x->impl = j;
	ask_for_row(j);
	return 0;
}

/* What PostgreSQL or a thread still works on is freed when that comes back. */
static void give_up(struct mr_step_exec *x)
{
	struct mr_file_job *j = x->impl;

	if (j == NULL)
		return;
	x->impl = NULL;
	j->x = NULL;
	j->given_up = true;
	mr_sandbox_abort(&j->helper);
	if (j->working)
		(void)uv_cancel((uv_req_t *)&j->work); /* begun already: it comes back anyway */
	if (j->in_line)
		leave_line(j);
	if (!j->working && !j->asking)
		mr_file_free(j);
}

const struct mr_step_runner mr_runner_file_process = {
	.type = MR_STEP_FILE_PROCESS,
	.start = start,
	.abort = give_up,
	.default_timeout_us = TIMEOUT_US,
	.done_event = MR_RUN_EVENT_STEP_DONE,
};
