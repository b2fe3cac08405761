/*
 * What functions return when they fail, and the public errors that reach a client.
 *
 * A function that can fail returns 0 or a negative MR_E_*. What a client should see is a row of
 * errors.def, with a sentence of its own and, for bad input, the list of all faults.
 */
#ifndef MR_LIB_ERROR_H
#define MR_LIB_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/arena.h"
#include "lib/str.h"

enum {
	MR_E_NOMEM = -1,   /* an arena's or the process's memory is at its end */
	MR_E_LIMIT = -2,   /* a limit on size, depth, count or cost was reached */
	MR_E_INVALID = -3, /* the input is wrong; faults or detail say how */
	MR_E_IO = -4,      /* a file, socket or peer failed */
	MR_E_NOT_FOUND = -5,
	MR_E_CONFLICT = -6,
	MR_E_DENIED = -7,
	MR_E_TIMEOUT = -8,
	MR_E_UNAVAILABLE = -9, /* PostgreSQL, Redis or a helper is away */
	MR_E_CANCELLED = -10,
};

/* One row per public error: stable code, HTTP status, title, and the sentence of the docs. */
enum mr_error_id {
	MR_ERR_NONE,
#define MR_ERROR(id, status, title, sentence) MR_ERR_##id,
#include "lib/errors.def"
#undef MR_ERROR
	MR_ERR_COUNT
};

struct mr_error_row {
	const char *code;     /* "WORKFLOW_NOT_FOUND" */
	unsigned status;      /* HTTP */
	const char *title;    /* RFC 9457 "title" */
	const char *sentence; /* what it means and what to do, for docs and as default detail */
};

extern const struct mr_error_row mr_error_rows[MR_ERR_COUNT];
/* MR_ERR_NONE when CODE is not in the table. */
enum mr_error_id mr_error_by_code(struct mr_str code);

/* One thing wrong with an input: where, what, and what would be right. */
struct mr_fault {
	struct mr_str path;    /* "steps[2].config.url"; "" is the whole body */
	struct mr_str code;    /* "required", "type", "unknown_member", … */
	struct mr_str message; /* "must be an absolute http(s) URL" */
	struct mr_fault *next;
};

/* All faults of one input, in the order found. Beyond MAX they are counted, not kept. */
struct mr_faults {
	struct mr_arena *arena;
	struct mr_fault *first, *last;
	size_t count, max;
	bool ignores_unknown; /* members and arguments that nobody knows are no faults */
	/* what is said of their places up to this one is all there is to say of them, and of what
	 * is inside: later ones there are none; NULL: nothing is */
	const struct mr_fault *settled;
};

void mr_faults_init(struct mr_faults *f, struct mr_arena *arena, size_t max);
/* An empty list for a part of what WHOLE is about: what is no fault there is none here. */
void mr_faults_begin(struct mr_faults *part, struct mr_arena *arena, const struct mr_faults *whole);
/* Whether a fault with CODE is none for F. */
bool mr_faults_ignore(const struct mr_faults *f, const char *code);
/* Records a fault; PATH is copied. What is longer than a thousand bytes is cut, with … for the
 * rest: inputs may be quoted. Never fails: without memory it is only counted. */
void mr_fault_add(struct mr_faults *f, struct mr_str path, const char *code, const char *fmt, ...)
    MR_PRINTF(4, 5);
/* Adds the faults of FROM, those of a part that stands at UNDER in the whole. */
void mr_faults_move(struct mr_faults *to, const struct mr_faults *from, struct mr_str under);

/* What a failed call tells its caller. Filled on failure only. */
struct mr_error {
	enum mr_error_id id;
	char detail[256]; /* one sentence for a person; "" = the row's own sentence */
};

/* Fills ERR (may be NULL) and returns R, so that it can stand in a return statement. */
int mr_error_set(struct mr_error *err, int r, enum mr_error_id id, const char *fmt, ...)
    MR_PRINTF(4, 5);

#endif
