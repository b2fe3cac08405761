/*
 * What the files of step type file_process share: one job per execution. It outlives the
 * execution when that is aborted while a thread or PostgreSQL still works for it.
 */
#ifndef MR_ENGINE_STEPS_FILE_PROCESS_PRIVATE_H
#define MR_ENGINE_STEPS_FILE_PROCESS_PRIVATE_H

#include "engine/sandbox.h"
#include "engine/steps/file_type.h"
#include "engine/steps/report.h"
#include "engine/steps/step.h"
#include "lib/store.h"
#include "lib/sums.h"

#define MR_FILE_MAX_TEXT   (8u * 1024 * 1024) /* of one document */
#define MR_FILE_MAX_PIXELS 40000000u          /* A4 at 600 dpi is 35 million */
#define MR_FILE_MAX_PAGES  50                 /* of a scanned PDF */
#define MR_FILE_DPI        300
#define MR_FILE_MAX_OPEN   64  /* jobs that have their file open */
#define MR_FILE_LANGUAGES  128 /* bytes of "eng+deu" */

struct mr_file_job;
struct mr_file_conversion; /* file_convert.c */

struct mr_file_action {
	const char *name;
	/* reads what it needs of the config; 0, or negative with x's error set */
	int (*configure)(struct mr_file_job *j);
	/* the file is open and looked at: goes on to mr_file_finish(), now or later */
	void (*begin)(struct mr_file_job *j);
};

extern const struct mr_file_action mr_file_validate, mr_file_extract, mr_file_ocr, mr_file_checksum,
    mr_file_convert;

enum mr_file_trouble {
	MR_FILE_FINE,
	MR_FILE_GONE,      /* not in the store, or can't be read */
	MR_FILE_CHANGED,   /* there, but not what was stored */
	MR_FILE_TOO_LATE,  /* the time was up while it was read */
	MR_FILE_TOO_LARGE, /* text beyond MR_FILE_MAX_TEXT */
	MR_FILE_NO_MEMORY,
};

struct mr_file_job {
	struct mr_step_exec *x; /* NULL once aborted */
	uv_loop_t *loop;
	struct mr_arena *arena; /* the job's own */
	const struct mr_file_action *action;
	uint64_t deadline_ns;
	/* the row */
	int64_t file_id;
	char tenant_text[24], file_text[24];
	struct mr_str values[9];
	struct mr_pg_call call;
	struct mr_pg_unit unit;
	bool asking; /* PostgreSQL has the unit */
	struct mr_str name, storage_key, sha256;
	int64_t size;
	/* the thread's work; its input */
	uv_work_t work;
	void (*in_thread)(struct mr_file_job *j);
	void (*after_thread)(struct mr_file_job *j);
	bool working;
	bool in_line;
	bool is_open;             /* counts among those that may hold their file open */
	struct mr_file_job *next; /* in the line of those that wait to */
	const char *store;
	_Atomic bool given_up; /* aborted: the thread need not go on */
	unsigned wanted_sums;  /* bits of enum mr_sum, beside SHA-256 */
	bool wants_text;       /* read the whole text of a text file */
	bool wants_languages;  /* list Tesseract's languages */
	/* its output */
	enum mr_file_trouble trouble;
	struct mr_sums sums;
	int fd; /* the open file; -1 */
	enum mr_file_type type;
	bool is_cut;
	uint64_t pixels;
	struct mr_buf text;
	char tessdata[128];      /* folder; "" when there is none */
	struct mr_buf installed; /* "eng osd" */
	/* helpers */
	struct mr_sandbox_job helper;
	int output_fd; /* for the next one; 0: into memory */
	void (*helper_done)(struct mr_file_job *j);
	/* validate */
	const struct mr_str *allowed;
	size_t allowed_len;
	double max_size_mb; /* 0: none */
	bool fail_on_invalid;
	/* checksum; fail_on_invalid too */
	struct mr_str expected;
	enum mr_sum sum_kinds[MR_SUM_COUNT];
	size_t sum_kinds_len;
	/* convert */
	const char *to;
	const struct mr_file_conversion *conversion;
	char delimiter[2]; /* "": by the file's name */
	bool has_header;
	int64_t x_tenant_id; /* for the thread, which must not look at X */
	uint64_t max_output;
	struct mr_str out_name, said;
	struct mr_store_file out;
	int out_result;
	bool out_is_extra; /* in the store, without a row: to be removed */
	int64_t out_id;
	char run_text[24], execution_text[24], size_text[24];
	/* ocr */
	struct mr_str language;            /* as the config says */
	char languages[MR_FILE_LANGUAGES]; /* as Tesseract says */
	unsigned page, pages;
	struct mr_buf sizes; /* pdfinfo's answer */
	struct mr_buf content;
	int page_fd; /* a page's picture; -1 */
	char number_text[2][16];
};

/* Ends the execution: x has its outcome. Frees J. */
void mr_file_finish(struct mr_file_job *j);
/* The same with a failure. */
void mr_file_fail(struct mr_file_job *j, const char *type, bool retryable, const char *fmt, ...)
    MR_PRINTF(4, 5);
/* Frees J; the execution is over, or has been aborted. */
void mr_file_free(struct mr_file_job *j);
/* For a file whose end is missing. */
void mr_file_fail_cut(struct mr_file_job *j);
/* Ends well with {content, word_count, size, file_id, file_name} and, unless 0, pages; LANGUAGE
 * may be absent. TEXT is cleaned first. */
void mr_file_finish_text(
    struct mr_file_job *j, struct mr_str text, unsigned pages, struct mr_str language);

/* Runs ARGV (NULL-terminated; kept as pointers) on FD; DONE when it has ended. */
void mr_file_run(struct mr_file_job *j, const char *const *argv, bool own_program, int fd,
    size_t memory, size_t max_output, void (*done)(struct mr_file_job *j));
/* Runs FN in a uv thread, then AFTER on the loop, unless the execution is aborted before. */
void mr_file_in_thread(
    struct mr_file_job *j, void (*fn)(struct mr_file_job *j), void (*after)(struct mr_file_job *j));
/* True when the image is of a known size that may be read. Else J has been ended. */
bool mr_file_picture_ok(struct mr_file_job *j);
/* True when the helper ended well with exit code 0. Else J has been ended with the error that says
 * so; WHAT is what it was to read, "PDF". */
bool mr_file_helper_ok(struct mr_file_job *j, const char *what);

/* In a uv thread: opens the file below the store and looks at it. Touches only J's fields named
 * above as the thread's. */
void mr_file_inspect(struct mr_file_job *j);

/* "en", "english", "eng", "de,fr" → "eng", "eng", "eng", "deu+fra"; false when one of them is no
 * language's name. RET has MR_FILE_LANGUAGES bytes. */
bool mr_file_languages(struct mr_str list, char *ret);

#endif
