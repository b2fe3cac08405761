#include "engine/query.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "engine/engine.h"

#define QUERY_MAX ((size_t)64 * 1024 * 1024)

static void answered(struct mr_pg_unit *u)
{
	struct mr_query *q = u->ctx;

	q->done(q);
	mr_pg_clear(u);
	q->busy = false;
	if (q->after != NULL)
		q->after(q);
}

int mr_query_init(struct mr_query *q, struct mr_engine *e, void (*done)(struct mr_query *q))
{
	memset(q, 0, sizeof(*q));
	q->engine = e;
	q->done = done;
	q->arena = mr_arena_create(QUERY_MAX);
	return q->arena == NULL ? MR_E_NOMEM : 0;
}

void mr_query_done(struct mr_query *q)
{
	q->arena = mr_arena_free(q->arena);
}

void mr_query_begin(struct mr_query *q)
{
	assert(!q->busy);
	mr_arena_reset(q->arena);
	memset(&q->unit, 0, sizeof(q->unit));
	q->unit.calls = q->calls;
	q->unit.done = answered;
	q->unit.ctx = q;
	q->values = NULL;
	q->failed = false;
}

void mr_query_call(struct mr_query *q, enum mr_sql stmt)
{
	struct mr_pg_call *call = &q->calls[q->unit.calls_len];

	assert(q->unit.calls_len < MR_QUERY_CALLS);
	/* one more, so that a statement without parameters has an array as well */
	q->values = mr_arena_array(q->arena, mr_stmts[stmt].params_len + 1, sizeof(struct mr_str));
	*call = (struct mr_pg_call){ .stmt = stmt, .values = q->values };
	if (q->values == NULL)
		q->failed = true;
	else
		q->unit.calls_len++;
}

void mr_query_ref(struct mr_query *q, const char *param, struct mr_str value)
{
	int i;

	if (q->failed)
		return;
	i = mr_stmt_param_find(&mr_stmts[q->calls[q->unit.calls_len - 1].stmt], param);
	assert(i >= 0);
	q->values[i] = value;
}

void mr_query_text(struct mr_query *q, const char *param, struct mr_str value)
{
	struct mr_str copy = MR_STR_NONE;

	if (value.p != NULL) {
		copy = mr_arena_str(q->arena, value);
		if (copy.p == NULL)
			q->failed = true;
	}
	mr_query_ref(q, param, copy);
}

void mr_query_i64(struct mr_query *q, const char *param, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%lld", (long long)value);

	mr_query_text(q, param, (struct mr_str){ text, (size_t)n });
}

int mr_query_submit(struct mr_query *q)
{
	if (q->failed)
		return MR_E_NOMEM;
	if (q->engine->state == MR_ENGINE_CLOSING)
		return MR_E_CANCELLED;
	q->busy = true;
	mr_pg_submit(q->engine->pg, &q->unit);
	return 0;
}

bool mr_query_ok(const struct mr_query *q)
{
	return q->unit.outcome == MR_PG_OK;
}

const PGresult *mr_query_result(const struct mr_query *q, unsigned i)
{
	return q->calls[i].result;
}
