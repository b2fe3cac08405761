#include "fcgi/idempotency.h"

#include "fcgi/dispatch.h"
#include "fcgi/unit.h"
#include "lib/digest.h"

#define KEY_MAX 255

void mr_idempotency_begin(struct mr_request *r)
{
	struct mr_str key = mr_request_header(r, "Idempotency-Key");
	bool bad = key.len > KEY_MAX;

	if (key.p == NULL || r->route->method != MR_POST)
		return;
	for (size_t i = 0; i < key.len; i++)
		bad = bad || key.p[i] < '!' || key.p[i] > '~';
	if (bad || key.len == 0)
		mr_fault_add(&r->faults, MR_STR("Idempotency-Key"), "format",
		    "must be 1 to %d visible ASCII characters", KEY_MAX);
	else
		r->call->idempotency_key = key;
}

/* The address without a slash at its end: both are one resource. */
static struct mr_str plain_path(const struct mr_request *r)
{
	struct mr_str path = r->path;

	if (path.len > 1 && path.p[path.len - 1] == '/')
		path.len--;
	return path;
}

struct mr_str mr_idempotency_text(struct mr_request *r)
{
	return mr_arena_printf(r->arena, "%s\n%.*s\n%.*s\n%.*s", mr_method_name(r->route->method),
	    MR_STR_ARG(plain_path(r)), MR_STR_ARG(r->query), MR_STR_ARG(r->body));
}

struct mr_str mr_idempotency_digest(struct mr_request *r)
{
	unsigned char sum[MR_SHA256_LEN];
	char hex[MR_SHA256_HEX];
	struct mr_str all;

	if (r->call->request_digest.p != NULL)
		return r->call->request_digest;
	all = mr_idempotency_text(r);
	if (all.p == NULL || mr_sha256(all, sum) < 0)
		return MR_STR_NONE;
	mr_hex(sum, sizeof(sum), hex);
	r->call->request_digest = mr_arena_printf(r->arena, "\\x%s", hex);
	return r->call->request_digest;
}

static void in_progress(struct mr_request *r)
{
	mr_response_problem(r, MR_ERR_IDEMPOTENCY_IN_PROGRESS, "%s", "");
}

void mr_idempotency_replay(struct mr_request *r, struct mr_str digest)
{
	const struct mr_pair extra[] = { { MR_STR("request_digest"), digest },
		{ MR_STR_NONE, MR_STR_NONE } };
	const PGresult *row;

	if (mr_unit_run(r, MR_SQL_IDEMPOTENCY_GET, extra, &row) < 0)
		return; /* answered */
	/* gone: the first request has failed meanwhile, and took its row along */
	if (PQntuples(row) == 0) {
		in_progress(r);
		return;
	}
	if (!mr_pg_bool(row, 0, "same")) {
		mr_response_problem(r, MR_ERR_IDEMPOTENCY_KEY_REUSED, "%s", "");
		return;
	}
	if (mr_pg_text(row, 0, "status").p == NULL) {
		in_progress(r);
		return;
	}
	r->call->replayed = true;
	mr_unit_answer(r, row);
	mr_response_header(r, "Idempotency-Replayed", MR_STR("true"));
}
