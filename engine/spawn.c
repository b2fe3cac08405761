#include "engine/spawn.h"

#include <stdlib.h>

#include "engine/after.h"
#include "engine/bisect.h"
#include "engine/engine.h"
#include "engine/query.h"
#include "lib/log.h"

#define BATCH      200
#define COLUMN_MAX ((size_t)64 * 1024 * 1024)
#define BYTES_MAX  ((size_t)8 * 1024 * 1024) /* of inputs, in one statement */
#define RETRY_MS   200

enum column {
	PLACES,
	RUN_IDS,
	FENCES,
	EXECUTIONS,
	ATTEMPTS,
	WORKFLOWS,
	VERSIONS,
	INPUTS,
	CASCADES,
	COLUMNS
};

static const char *const params[COLUMNS] = { "places", "run_ids", "fences", "step_execution_ids",
	"attempts", "workflows", "versions", "inputs", "cascades" };

struct mr_spawn {
	struct mr_engine *engine;
	struct mr_query query;
	struct mr_spawn_job *first, *last; /* those that wait */
	struct mr_spawn_job *batch[BATCH]; /* those that are being started */
	size_t batch_len;
	bool one_by_one; /* a batch was refused: the next ones show which job it is */
	struct mr_buf columns[COLUMNS];
	uint64_t not_before_ms; /* loop time */
};

/* ---- what waits ---- */

static void push(struct mr_spawn *s, struct mr_spawn_job *job)
{
	job->next = NULL;
	job->is_sent = false;
	if (s->last != NULL)
		s->last->next = job;
	else
		s->first = job;
	s->last = job;
}

static struct mr_spawn_job *pop(struct mr_spawn *s)
{
	struct mr_spawn_job *job = s->first;

	s->first = job->next;
	if (s->first == NULL)
		s->last = NULL;
	job->next = NULL;
	return job;
}

static void take_out(struct mr_spawn *s, struct mr_spawn_job *job)
{
	struct mr_spawn_job **at = &s->first, *before = NULL;

	while (*at != job) {
		before = *at;
		at = &(*at)->next;
	}
	*at = job->next;
	if (s->last == job)
		s->last = before;
}

/* ---- asking ---- */

static void add_row(struct mr_spawn *s, const struct mr_spawn_job *job, size_t place)
{
	struct mr_buf *c = s->columns;

	mr_pg_array_add_i64(&c[PLACES], (int64_t)place);
	mr_pg_array_add_i64(&c[RUN_IDS], job->run_id);
	mr_pg_array_add_i64(&c[FENCES], job->fence(job->ctx));
	mr_pg_array_add_i64(&c[EXECUTIONS], job->step_execution_id);
	mr_pg_array_add_i64(&c[ATTEMPTS], job->attempt);
	mr_pg_array_add(&c[WORKFLOWS], job->workflow);
	if (job->version > 0)
		mr_pg_array_add_i64(&c[VERSIONS], job->version);
	else
		mr_pg_array_add(&c[VERSIONS], MR_STR_NONE);
	mr_pg_array_add(&c[INPUTS], job->input);
	mr_pg_array_add(&c[CASCADES], job->cascades ? MR_STR("t") : MR_STR("f"));
}

static bool build(struct mr_spawn *s)
{
	size_t most = s->one_by_one ? 1 : BATCH;
	bool failed = false;

	for (unsigned i = 0; i < COLUMNS; i++) {
		mr_buf_reset(&s->columns[i]);
		mr_pg_array_begin(&s->columns[i]);
	}
	while (s->first != NULL && s->batch_len < most && s->columns[INPUTS].len < BYTES_MAX) {
		struct mr_spawn_job *job = pop(s);

		job->is_sent = true;
		add_row(s, job, s->batch_len);
		s->batch[s->batch_len++] = job;
	}
	for (unsigned i = 0; i < COLUMNS; i++) {
		mr_pg_array_end(&s->columns[i]);
		failed = failed || mr_buf_failed(&s->columns[i]);
	}
	return !failed;
}

static void answer(struct mr_spawn *s, struct mr_spawn_job *job)
{
	if (!job->is_aborted)
		job->done(job);
	else if (job->is_unwanted && job->child_run_id != 0)
		mr_spawn_undo(s, job->run_id, job->step_execution_id);
	free(job);
}

static void again(struct mr_spawn *s, struct mr_spawn_job *job)
{
	if (job->is_aborted)
		free(job);
	else
		push(s, job);
}

static void all_again(struct mr_spawn *s)
{
	for (size_t i = 0; i < s->batch_len; i++)
		again(s, s->batch[i]);
	s->batch_len = 0;
	s->not_before_ms = uv_now(s->engine->loop) + RETRY_MS;
}

static void kick(struct mr_spawn *s)
{
	struct mr_query *q = &s->query;

	if (q->busy || s->first == NULL || s->engine->id == 0 ||
	    uv_now(s->engine->loop) < s->not_before_ms)
		return;
	if (!build(s)) {
		all_again(s);
		return;
	}
	mr_query_begin(q);
	mr_query_call(q, MR_SQL_ENGINE_SPAWN);
	mr_query_i64(q, "engine_id", s->engine->id);
	mr_query_i64(q, "most_below", s->engine->settings->max_runs_below);
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_query_ref(q, params[i], mr_buf_str(&s->columns[i]));
	if (mr_query_submit(q) < 0)
		all_again(s);
}

/* ---- the answer ---- */

static void take_row(struct mr_spawn *s, const PGresult *r, int row)
{
	size_t place = (size_t)mr_pg_i64(r, row, "place", BATCH);
	struct mr_spawn_job *job = place < s->batch_len ? s->batch[place] : NULL;

	if (job == NULL)
		return;
	s->batch[place] = NULL;
	job->child_run_id = mr_pg_i64(r, row, "child_run_id", 0);
	job->code = mr_pg_text(r, row, "code");
	job->message = mr_pg_text(r, row, "message");
	if (mr_str_eqz(job->code, "PARENT_GONE")) {
		again(s, job);
		s->not_before_ms = uv_now(s->engine->loop) + RETRY_MS;
	} else {
		answer(s, job);
	}
}

static void take_rows(struct mr_spawn *s, const PGresult *r)
{
	size_t len = s->batch_len;

	for (int i = 0; i < PQntuples(r); i++)
		take_row(s, r, i);
	for (size_t i = 0; i < len; i++) {
		if (s->batch[i] != NULL)
			again(s, s->batch[i]); /* each has a row; none is lost if not */
	}
	s->batch_len = 0;
}

/* What can't be written is found by asking for each alone. */
static void refused(struct mr_spawn *s)
{
	const struct mr_query *q = &s->query;
	struct mr_spawn_job *job = s->batch[0];

	mr_log(MR_LOG_WARNING, "child runs not started", MR_F_Z("sqlstate", q->unit.sqlstate),
	    MR_F_Z("detail", q->unit.message), MR_F_N("runs", s->batch_len));
	if (q->unit.outcome != MR_PG_ERROR || !mr_bisect_is_data(q->unit.sqlstate)) {
		all_again(s);
	} else if (s->batch_len > 1) {
		s->one_by_one = true;
		all_again(s);
	} else {
		s->batch_len = 0;
		s->one_by_one = false; /* it was this one; should there be more, it shows again */
		job->code = MR_STR("SUBWORKFLOW_REFUSED");
		job->message = MR_STR("The child run could not be written to the database.");
		answer(s, job);
	}
}

static void answered(struct mr_query *q)
{
	struct mr_spawn *s = q->engine->host.spawn;

	if (mr_query_ok(q))
		take_rows(s, mr_query_result(q, 0));
	else
		refused(s);
	if (s->first == NULL)
		s->one_by_one = false;
}

static void after(struct mr_query *q)
{
	kick(q->engine->host.spawn);
	mr_after_kick(q->engine->after);
}

/* ---- for others ---- */

struct mr_spawn_job *mr_spawn_job_create(void)
{
	return calloc(1, sizeof(struct mr_spawn_job));
}

void mr_spawn_job_free(struct mr_spawn_job *job)
{
	free(job);
}

void mr_spawn_start(struct mr_spawn *s, struct mr_spawn_job *job)
{
	push(s, job); /* sent with those of the other effects that the same flush begins */
}

void mr_spawn_abort(struct mr_spawn *s, struct mr_spawn_job *job, bool unwanted)
{
	job->is_aborted = true;
	job->is_unwanted = unwanted;
	if (job->is_sent)
		return; /* the answer frees it */
	take_out(s, job);
	free(job);
}

void mr_spawn_undo(struct mr_spawn *s, int64_t run_id, int64_t step_execution_id)
{
	mr_after_cancel(s->engine->after, run_id, step_execution_id);
	mr_after_kick(s->engine->after);
}

void mr_spawn_tick(struct mr_spawn *s)
{
	kick(s);
}

/* ---- life ---- */

struct mr_spawn *mr_spawn_create(struct mr_engine *e)
{
	struct mr_spawn *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->engine = e;
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_init(&s->columns[i], COLUMN_MAX);
	if (mr_query_init(&s->query, e, answered) < 0)
		return mr_spawn_free(s);
	s->query.after = after;
	return s;
}

struct mr_spawn *mr_spawn_free(struct mr_spawn *s)
{
	if (s == NULL)
		return NULL;
	while (s->first != NULL)
		free(pop(s));
	for (unsigned i = 0; i < COLUMNS; i++)
		mr_buf_done(&s->columns[i]);
	mr_query_done(&s->query);
	free(s);
	return NULL;
}
