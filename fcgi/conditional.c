#include "fcgi/conditional.h"

#include "fcgi/call.h"
#include "fcgi/etag.h"
#include "fcgi/known.h"
#include "fcgi/problem.h"
#include "fcgi/route.h"
#include "fcgi/unit.h"
#include "lib/pg.h"

static bool reads_one(const struct mr_request *r)
{
	return r->route != NULL && r->route->method == MR_GET &&
	       r->route->envelope == MR_ENVELOPE_ONE;
}

/* Which row the route reads by its statement; false when that can't tell the row's state alone. */
static bool row_of(const struct mr_request *r, struct mr_known_row *ret)
{
	if (!reads_one(r) || r->route->handler != NULL || r->principal == NULL ||
	    mr_stmt_param_find(&mr_stmts[r->route->sql], "state_only") < 0)
		return false;
	*ret = (struct mr_known_row){ .tenant_id = r->principal->tenant_id, .stmt = r->route->sql };
	return mr_str_i64(r->path_vars[0], &ret->id);
}

static void answer_unchanged(struct mr_request *r)
{
	r->status = 304;
	r->out_content_type = MR_STR_NONE;
	mr_response_no_body(r);
}

bool mr_conditional_unchanged(struct mr_request *r)
{
	struct mr_str none_match = mr_request_header(r, "If-None-Match");
	struct mr_known_row row;
	struct mr_known known;
	const PGresult *now;
	int rc;

	if (none_match.p == NULL || r->call->if_match >= 0 || !row_of(r, &row) ||
	    !mr_known_find(row, &known) || !mr_etag_none_match(none_match, mr_str(known.etag)))
		return false;
	r->call->state_only = true;
	rc = mr_unit_run(r, row.stmt, NULL, &now);
	r->call->state_only = false;
	if (rc < 0)
		return true;
	if (PQntuples(now) == 0 ||
	    !mr_known_same(&known, mr_pg_i64(now, 0, "version", -1), mr_pg_text(now, 0, "state")))
		return false;
	mr_response_header(r, "ETag", mr_str(known.etag));
	answer_unchanged(r);
	return true;
}

void mr_conditional_tag(struct mr_request *r)
{
	char text[MR_ETAG_LEN];
	struct mr_str etag = { text, 0 }, none_match;
	struct mr_known_row row;

	if (r->route == NULL || r->route->envelope != MR_ENVELOPE_ONE || r->status >= 300 ||
	    r->call->version < 0)
		return;
	if (reads_one(r) && r->call->if_match >= 0 && r->call->if_match != r->call->version) {
		mr_response_problem(r, MR_ERR_PRECONDITION_FAILED, "%s", "");
		return;
	}
	etag.len = mr_etag_make(r->call->version, mr_response_body(r), text);
	if (etag.len == 0)
		return;
	mr_response_header(r, "ETag", etag);
	if (row_of(r, &row))
		mr_known_keep(row, r->call->version, r->call->state, etag);
	none_match = reads_one(r) ? mr_request_header(r, "If-None-Match") : MR_STR_NONE;
	if (none_match.p != NULL && mr_etag_none_match(none_match, etag))
		answer_unchanged(r);
}
