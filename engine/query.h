/*
 * One unit of statements of the engine's own: parameters by name, copied, so that nothing has to
 * be kept alive by the caller; one at a time in each query.
 */
#ifndef MR_ENGINE_QUERY_H
#define MR_ENGINE_QUERY_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/arena.h"
#include "lib/pg.h"
#include "sql/sql_ids.h"

struct mr_engine;

#define MR_QUERY_CALLS 5

struct mr_query {
	struct mr_pg_unit unit; /* outcome, sqlstate and message are the answer's */
	struct mr_pg_call calls[MR_QUERY_CALLS];
	struct mr_str *values;  /* of the call that is being filled */
	struct mr_arena *arena; /* owned; holds the values until the next begin */
	struct mr_engine *engine;
	void *ctx;                         /* the owner's */
	void (*done)(struct mr_query *q);  /* results are cleared after it */
	void (*after)(struct mr_query *q); /* when the query is free again; may be NULL */
	bool busy;                         /* from submit until after done */
	bool failed;                       /* no memory while it was filled */
};

/* DONE runs on the loop's thread after each submit, exactly once. */
int mr_query_init(
    struct mr_query *q, struct mr_engine *e, void (*done)(struct mr_query *q)) MR_MUST_CHECK;
void mr_query_done(struct mr_query *q);
/* Starts anew; the query must not be busy. */
void mr_query_begin(struct mr_query *q);
/* Adds a call with all its parameters absent; those set afterwards belong to it. */
void mr_query_call(struct mr_query *q, enum mr_sql stmt);
/* PARAM must be one of the statement's. The text is copied; mr_query_ref() borrows it instead. */
void mr_query_text(struct mr_query *q, const char *param, struct mr_str value);
void mr_query_ref(struct mr_query *q, const char *param, struct mr_str value);
void mr_query_i64(struct mr_query *q, const char *param, int64_t value);
/* Sends it. MR_E_NOMEM without memory for its parameters, MR_E_CANCELLED while the engine closes:
 * then DONE is not called. */
int mr_query_submit(struct mr_query *q);
bool mr_query_ok(const struct mr_query *q);
/* Result of the I-th call; only inside DONE and when it went well. */
const PGresult *mr_query_result(const struct mr_query *q, unsigned i);

#endif
