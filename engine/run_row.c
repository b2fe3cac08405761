#include "engine/run_row.h"

#include "lib/error.h"
#include "lib/str.h"

const struct mr_json_limits mr_run_json_limits = { .depth = 1100, .values = 20000000 };

void mr_run_columns(const PGresult *r, struct mr_run_columns *ret)
{
#define MR_RUN_COLUMN(name) ret->name = PQfnumber(r, #name);
#include "engine/run_row.def"
#undef MR_RUN_COLUMN
}

struct mr_str mr_run_row_text(const PGresult *r, int row, int column)
{
	if (column < 0 || PQgetisnull(r, row, column))
		return MR_STR_NONE;
	return (struct mr_str){ PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column) };
}

int64_t mr_run_row_i64(const PGresult *r, int row, int column)
{
	int64_t v;

	return mr_str_i64(mr_run_row_text(r, row, column), &v) ? v : 0;
}

/* Absent stays absent. */
static int keep(struct mr_held *h, struct mr_str text, struct mr_str *ret)
{
	*ret = MR_STR_NONE;
	if (text.p == NULL)
		return 0;
	*ret = mr_arena_str(h->arena, text);
	return ret->p == NULL ? MR_E_NOMEM : 0;
}

int mr_run_row_read(const PGresult *r, int row, const struct mr_run_columns *c, struct mr_held *h)
{
	h->tenant_id = mr_run_row_i64(r, row, c->tenant_id);
	h->workflow_id = mr_run_row_i64(r, row, c->workflow_id);
	h->version = (int)mr_run_row_i64(r, row, c->version);
	h->fence = mr_run_row_i64(r, row, c->fence);
	h->is_taken = mr_run_row_i64(r, row, c->owner_id) != 0;
	h->seq = (unsigned)mr_run_row_i64(r, row, c->seq);
	h->created_at_us = mr_run_row_i64(r, row, c->created_at_us);
	h->started_at_us = mr_run_row_i64(r, row, c->started_at_us);
	h->timeout_us = mr_run_row_i64(r, row, c->timeout_seconds) * 1000000;
	h->parent_run_id = mr_run_row_i64(r, row, c->parent_run_id);
	h->admitted = mr_str_eqz(mr_run_row_text(r, row, c->admitted), "t");
	if (keep(h, mr_run_row_text(r, row, c->limit_key), &h->limit_key) < 0 ||
	    keep(h, mr_run_row_text(r, row, c->waiter), &h->waiter) < 0 ||
	    keep(h, mr_run_row_text(r, row, c->correlation_id), &h->correlation_id) < 0 ||
	    keep(h, mr_run_row_text(r, row, c->traceparent), &h->traceparent) < 0 ||
	    keep(h, mr_run_row_text(r, row, c->input), &h->input) < 0)
		return MR_E_NOMEM;
	return 0;
}

int mr_run_row_first(const PGresult *r, int column, int64_t id)
{
	int from = 0, to = PQntuples(r);

	while (from < to) {
		int middle = from + (to - from) / 2;

		if (mr_run_row_i64(r, middle, column) < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from < PQntuples(r) && mr_run_row_i64(r, from, column) == id ? from : -1;
}
