/*
 * The arrays of a flush: one column for each parameter of the statement, filled run by run, in
 * buffers that are used again and again. Knows no database.
 */
#ifndef MR_ENGINE_ROWS_H
#define MR_ENGINE_ROWS_H

#include "engine/runs.h"
#include "lib/buf.h"

enum mr_rows_column {
#define MR_ROWS_COLUMN(id, part, param) MR_ROWS_##id,
#include "engine/rows.def"
#undef MR_ROWS_COLUMN
	MR_ROWS_COLUMNS
};

enum mr_rows_part {
	MR_ROWS_ALWAYS,
	MR_ROWS_STATES,
	MR_ROWS_ENDED_RUNS,
	MR_ROWS_COMMANDS,
	MR_ROWS_WAITS,
	MR_ROWS_CHILDREN,
	MR_ROWS_REQUEUE, /* of engine_requeue */
	MR_ROWS_CANCEL,  /* of engine_cancel_children */
	MR_ROWS_PARTS
};

struct mr_rows {
	struct mr_buf columns[MR_ROWS_COLUMNS];
	struct mr_buf scratch;
	size_t runs, facts;
	size_t parts[MR_ROWS_PARTS]; /* rows of each part but the first */
};

/* Their names in the statement, and which part they are of. */
extern const char *const mr_rows_params[MR_ROWS_COLUMNS];
extern const enum mr_rows_part mr_rows_parts[MR_ROWS_COLUMNS];

void mr_rows_init(struct mr_rows *r);
void mr_rows_done(struct mr_rows *r);
/* Empty arrays; memory is kept unless it had grown large. */
void mr_rows_begin(struct mr_rows *r);
/* H's row and what it has sent. */
void mr_rows_add(struct mr_rows *r, const struct mr_held *h);
/* Ends the arrays. 0, or MR_E_LIMIT when they have grown too large. */
int mr_rows_end(struct mr_rows *r) MR_MUST_CHECK;
size_t mr_rows_bytes(const struct mr_rows *r);

#endif
