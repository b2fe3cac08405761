#include "fcgi/unit.h"

#include <string.h>

#include "fcgi/bind.h"
#include "fcgi/dispatch.h"
#include "fcgi/idempotency.h"
#include "fcgi/problem.h"
#include "fcgi/sqlstate.h"
#include "fcgi/worker.h"
#include "lib/log.h"

/* ---- refusals ---- */

static void log_failure(const struct mr_request *r, const struct mr_pg_unit *u)
{
	unsigned call = u->failed_call < u->calls_len ? u->failed_call : u->calls_len - 1;

	mr_log(MR_LOG_ERROR, "statement failed",
	    MR_F_Z("statement", mr_stmts[u->calls[call].stmt].name),
	    MR_F_Z("sqlstate", u->sqlstate), MR_F_Z("constraint", u->constraint),
	    MR_F_S("correlation_id", r->correlation_id));
}

/* The member as the body calls it: where a workflow isn't all that a body speaks of, its name is
 * workflow_name there. */
static struct mr_str member_of(struct mr_request *r, const char *path)
{
	struct mr_str own = mr_arena_printf(r->arena, "workflow_%s", path);

	return own.p != NULL && mr_value_get(&r->body_json, path) == NULL &&
	               mr_value_gets(&r->body_json, own) != NULL
	           ? own
	           : mr_str(path);
}

static void refused_by_constraint(struct mr_request *r, const struct mr_constraint *c)
{
	if (c->path[0] == '\0') {
		mr_response_problem(r, c->error, "%s", c->sentence);
		return;
	}
	mr_fault_add(&r->faults, member_of(r, c->path), "constraint", "%s", c->sentence);
	mr_response_problem(r, c->error, "%s", "");
}

static void refused(struct mr_request *r, const struct mr_pg_unit *u)
{
	const struct mr_constraint *c = mr_constraint_find(u->constraint);
	enum mr_error_id id = mr_sqlstate_error(u->sqlstate);

	if (strncmp(u->sqlstate, "23", 2) == 0 && c != NULL) {
		refused_by_constraint(r, c);
		return;
	}
	/* what our own checks should have found, or a row that our tables lack */
	if (id == MR_ERR_INTERNAL || id == MR_ERR_CONFLICT || id == MR_ERR_VALIDATION_FAILED)
		log_failure(r, u);
	/* the only text in a list's statement that a client makes up as it likes */
	if (id == MR_ERR_VALIDATION_FAILED && r->call->page.after_id.p != NULL)
		id = MR_ERR_CURSOR_INVALID;
	mr_response_problem(r, id, "%s", "");
}

/* What stands in the way of the key's row, when that is what failed. True: answered. */
static bool key_refused(struct mr_request *r, const struct mr_pg_unit *u, struct mr_str digest)
{
	if (strcmp(u->sqlstate, "23505") == 0) {
		mr_idempotency_replay(r, digest);
		return true;
	}
	if (strcmp(u->sqlstate, "55P03") == 0 || strcmp(u->sqlstate, "57014") == 0) {
		mr_response_problem(r, MR_ERR_IDEMPOTENCY_IN_PROGRESS, "%s", "");
		return true;
	}
	return false;
}

/* ---- running ---- */

static void clear_result(void *p)
{
	PQclear(p);
}

static int bind_call(
    struct mr_request *r, unsigned stmt, const struct mr_pair *extra, struct mr_pg_call *call)
{
	const struct mr_tables *t = mr_tables();
	const struct mr_bind_plan *plan = t->plans[r->route->id];
	int rc;

	if (plan == NULL || plan->stmt != &mr_stmts[stmt])
		plan = mr_bind_plan(r->arena, t->schemas, r->route, r->call->vars, &mr_stmts[stmt]);
	if (plan == NULL)
		return MR_E_NOMEM;
	*call = (struct mr_pg_call){ .stmt = stmt };
	if ((mr_stmts[stmt].flags & MR_STMT_LIST) != 0)
		call->order = r->call->page.order;
	rc = mr_bind_values(r, plan, extra, &call->values);
	if (rc == MR_E_INVALID)
		mr_log(MR_LOG_ERROR, "statement lacks a value",
		    MR_F_Z("statement", mr_stmts[stmt].name),
		    MR_F_S("correlation_id", r->correlation_id));
	return rc;
}

/* The digest that goes with the key: a handler's own, or the request's. */
static struct mr_str digest_of(struct mr_request *r, const struct mr_pair *extra)
{
	for (; extra != NULL && extra->name.p != NULL; extra++) {
		if (mr_str_eqz(extra->name, "request_digest"))
			return extra->value;
	}
	return mr_idempotency_digest(r);
}

/* Engines look at once; the message may be lost, they poll as well. */
static void wake(struct mr_request *r, const PGresult *result)
{
	struct mr_str payload = PQntuples(result) > 0 ? mr_pg_text(result, 0, "wake") : MR_STR_NONE;

	if (payload.len > 0 && mr_pg_text(result, 0, "error").p == NULL)
		mr_bus_publish(r->worker->bus, MR_STR(MR_BUS_WAKE), payload);
}

static int failed(struct mr_request *r, const struct mr_pg_unit *u, struct mr_str digest)
{
	if (u->outcome == MR_PG_OVERLOADED) {
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
		return MR_E_LIMIT;
	}
	if (u->outcome == MR_PG_UNAVAILABLE) {
		mr_response_problem(r, MR_ERR_DATABASE_UNAVAILABLE, "%s", "");
		return MR_E_UNAVAILABLE;
	}
	if (u->calls_len == 1 || u->failed_call != 0 || !key_refused(r, u, digest))
		refused(r, u);
	return MR_E_CONFLICT;
}

static void cancel_statement(struct mr_request *r)
{
	mr_pg_cancel(r->worker->pg, r->on_abort_ctx);
}

/* Nobody waits for a slow statement of a client that has gone. */
static void await_answer(struct mr_request *r, struct mr_pg_unit *unit)
{
	void (*before)(struct mr_request * r) = r->on_abort;
	void *before_ctx = r->on_abort_ctx;

	r->on_abort = cancel_statement;
	r->on_abort_ctx = unit;
	mr_pg_await(r->worker->pg, unit);
	r->on_abort = before;
	r->on_abort_ctx = before_ctx;
}

int mr_unit_run(
    struct mr_request *r, unsigned stmt, const struct mr_pair *extra, const PGresult **ret)
{
	bool writes = (mr_stmts[stmt].flags & MR_STMT_WRITE) != 0;
	bool keyed = writes && r->call->idempotency_key.p != NULL;
	struct mr_pg_call calls[2];
	struct mr_pg_unit unit = {
		.tenant_id = r->principal != NULL ? r->principal->tenant_id : 0,
		.calls = keyed ? calls : calls + 1,
		.calls_len = keyed ? 2 : 1,
		.correlation_id = r->correlation_id,
	};
	int rc = 0;

	if (keyed && digest_of(r, extra).p == NULL)
		rc = MR_E_NOMEM;
	else if (keyed)
		rc = bind_call(r, MR_SQL_IDEMPOTENCY_BEGIN, extra, &calls[0]);
	if (rc == 0)
		rc = bind_call(r, stmt, extra, &calls[1]);
	if (rc < 0) {
		mr_response_problem(
		    r, rc == MR_E_NOMEM ? MR_ERR_OVERLOADED : MR_ERR_INTERNAL, "%s", "");
		return rc;
	}
	await_answer(r, &unit);
	if (keyed)
		PQclear(calls[0].result); /* that it is there was all; takes NULL */
	if (unit.outcome != MR_PG_OK) {
		PQclear(calls[1].result);
		return failed(r, &unit, keyed ? digest_of(r, extra) : MR_STR_NONE);
	}
	*ret = calls[1].result;
	if (mr_arena_defer(r->arena, clear_result, calls[1].result) < 0) {
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
		return MR_E_NOMEM;
	}
	if (writes)
		wake(r, *ret);
	return 0;
}

/* ---- the answer ---- */

static void answer_error(struct mr_request *r, const PGresult *row, struct mr_str code)
{
	enum mr_error_id id = mr_error_by_code(code);
	struct mr_str detail = mr_pg_text(row, 0, "detail");

	mr_problem_details(r, mr_pg_text(row, 0, "details"));
	if (id == MR_ERR_NONE) {
		mr_log(MR_LOG_ERROR, "unknown error code in an answer", MR_F_S("error", code),
		    MR_F_S("correlation_id", r->correlation_id));
		id = MR_ERR_INTERNAL;
	}
	mr_response_problem(r, id, "%.*s", MR_STR_ARG(detail));
}

void mr_unit_answer_missing(struct mr_request *r)
{
	const enum mr_error_id *e = r->route->errors;

	mr_faults_init(
	    &r->faults, r->arena, r->faults.max); /* they are those of a body for nothing */

	while (e != NULL && *e != MR_ERR_NONE && mr_error_rows[*e].status != 404)
		e++;
	mr_response_problem(
	    r, e != NULL && *e != MR_ERR_NONE ? *e : MR_ERR_ROUTE_NOT_FOUND, "%s", "");
}

void mr_unit_answer(struct mr_request *r, const PGresult *row)
{
	struct mr_str text;

	if (PQntuples(row) == 0) {
		mr_unit_answer_missing(r);
		return;
	}
	text = mr_pg_text(row, 0, "error");
	if (text.p != NULL) {
		answer_error(r, row, text);
		return;
	}
	mr_response_json(r, (unsigned)mr_pg_i64(row, 0, "status", r->route->out.status),
	    mr_pg_text(row, 0, "body"));
	r->call->version = mr_pg_i64(row, 0, "version", -1);
	r->call->state = mr_pg_text(row, 0, "state");
	text = mr_pg_text(row, 0, "location");
	if (text.p != NULL)
		mr_response_header(r, "Location", text);
}
