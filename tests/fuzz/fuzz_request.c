/*
 * What a client writes into an address, headers and a body, against the real route table: a line
 * of path, a line of query, a line for the entity tags, the rest is the body. Whatever comes out
 * must be fit for PostgreSQL and for JSON.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/bind.h"
#include "fcgi/correlation.h"
#include "fcgi/dispatch.h"
#include "fcgi/envelope.h"
#include "fcgi/etag.h"
#include "fcgi/idempotency.h"
#include "fcgi/problem.h"
#include "fcgi/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool is_text(struct mr_str s)
{
	return s.p == NULL || (mr_str_is_utf8(s) && (s.len == 0 || memchr(s.p, 0, s.len) == NULL));
}

/* nginx and the reader of parameters let nothing else through. */
static bool is_plain(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	}
	return true;
}

static void check_problem(struct mr_request *r)
{
	struct mr_value v;

	mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
	check(!mr_buf_failed(&r->out_body));
	check(mr_json_parse(r->arena, mr_buf_str(&r->out_body), NULL, NULL, &v) == 0);
}

static void check_values(struct mr_request *r)
{
	const struct mr_bind_plan *plan = mr_tables()->plans[r->route->id];
	const struct mr_str *values;

	if (mr_bind_values(r, plan, NULL, &values) < 0)
		return;
	for (unsigned i = 0; i < plan->stmt->params_len; i++)
		check(is_text(values[i]));
}

static void take_address(struct mr_request *r, const struct mr_match *m)
{
	const struct mr_stmt *stmt = &mr_stmts[m->route->sql];
	bool list =
	    m->route->envelope == MR_ENVELOPE_LIST || m->route->envelope == MR_ENVELOPE_BARE;

	r->call->vars = m->vars;
	(void)(mr_args_path(r, m->vars, m->values) < 0); /* either way: the values are looked at */
	check(mr_args_query(r, list ? stmt : NULL, &r->call->page) == 0);
	for (size_t i = 0; i < r->query_args_len; i++)
		check(is_text(r->query_args[i].value));
	if (list && r->faults.count == 0)
		(void)(mr_envelope_cursor(r) < 0); /* no cursor of ours, nearly always */
}

static void take_body(struct mr_request *r, struct mr_str body)
{
	r->body = body;
	if (r->route->in == MR_SCHEMA_NONE) {
		if (r->faults.count == 0)
			check_values(r);
		return;
	}
	if (mr_json_parse(r->arena, body, NULL, &r->faults, &r->body_json) < 0)
		return;
	/* as in dispatch: nothing is bound once a fault is known */
	if (mr_schema_check(
	        mr_tables()->schemas, r->route->in, &r->body_json, r->arena, &r->faults) == 0 &&
	    r->faults.count == 0)
		check_values(r);
}

static void take_tags(struct mr_str line)
{
	int64_t version = -2;

	if (mr_etag_if_match(line, &version) == 0)
		check(version >= -1);
	(void)mr_etag_none_match(line, MR_STR("\"1.0123456789abcdef\"")); /* only that it ends */
	(void)mr_correlation_sane(line);
	(void)mr_traceparent_valid(line);
}

static void one(struct mr_arena *a, struct mr_str path, struct mr_str query, struct mr_str body,
    enum mr_method method)
{
	static struct mr_worker worker = { .name = "fuzz" };
	struct mr_call call = { .if_match = -1, .version = -1, .page = { .total = -1 } };
	struct mr_request r = { .arena = a,
		.worker = &worker,
		.path = path,
		.query = query,
		.call = &call,
		.correlation_id = MR_STR("fuzz"),
		.method = method };
	struct mr_match m;

	mr_router_match(mr_tables()->router, method, path, &m);
	if (m.route == NULL)
		return;
	r.route = m.route;
	mr_faults_init(&r.faults, a, MR_FAULTS_MAX);
	mr_buf_init(&r.out_headers, 1u << 20);
	mr_buf_init(&r.out_body, 64u << 20);
	take_address(&r, &m);
	take_body(&r, body);
	check_problem(&r);
	mr_buf_done(&r.out_headers);
	mr_buf_done(&r.out_body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(256u << 20);
	struct mr_str rest = { (const char *)data, size }, path, query, tags;
	struct mr_error err;

	check(a != NULL && mr_dispatch_init(&err) == 0);
	path = mr_str_cut(&rest, '\n');
	query = rest.p != NULL ? mr_str_cut(&rest, '\n') : MR_STR("");
	tags = rest.p != NULL ? mr_str_cut(&rest, '\n') : MR_STR("");
	take_tags(tags);
	if (!is_plain(path) || !mr_str_is_utf8(path) || !is_plain(query))
		goto out;
	for (unsigned method = 0; method < MR_METHOD_COUNT; method++)
		one(a, path, query, rest.p != NULL ? rest : MR_STR(""), (enum mr_method)method);
out:
	a = mr_arena_free(a);
	return 0;
}
