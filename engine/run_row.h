/* The columns of a run as claims and loads return them. */
#ifndef MR_ENGINE_RUN_ROW_H
#define MR_ENGINE_RUN_ROW_H

#include <libpq-fe.h>

#include "engine/runs.h"

/* For JSON that has been checked on its way in: wide enough for all of it, wrapped in facts. */
extern const struct mr_json_limits mr_run_json_limits;

/* Column numbers, looked up once for a result. */
struct mr_run_columns {
#define MR_RUN_COLUMN(name) int name;
#include "engine/run_row.def"
#undef MR_RUN_COLUMN
};

void mr_run_columns(const PGresult *r, struct mr_run_columns *ret);
/* Fills the row part of H; texts are copied into its arena. 0 or MR_E_NOMEM. */
int mr_run_row_read(
    const PGresult *r, int row, const struct mr_run_columns *c, struct mr_held *h) MR_MUST_CHECK;
/* The first row whose COLUMN is ID, in a result that is ordered by it; -1: none. */
int mr_run_row_first(const PGresult *r, int column, int64_t id);
/* A column's number, 0 when it is NULL or not there. */
int64_t mr_run_row_i64(const PGresult *r, int row, int column);
/* A column's text, absent when it is NULL or not there. Points into R. */
struct mr_str mr_run_row_text(const PGresult *r, int row, int column);

#endif
