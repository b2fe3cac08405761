/*
 * Workflows are made and changed here rather than by a statement alone, because their definition
 * is compiled first: with all its faults found before anything is stored.
 */
#include "fcgi/array.h"
#include "fcgi/dispatch.h"
#include "fcgi/problem.h"
#include "fcgi/route.h"
#include "fcgi/slice.h"
#include "handlers/agent_refs.h"
#include "handlers/definition.h"
#include "handlers/handlers.h"
#include "handlers/input.h"
#include "handlers/trigger.h"
#include "sql/sql_ids.h"

#define WARNINGS_MAX (1024u * 1024u)
#define TRIES        3 /* when somebody else changes the workflow at the same time */

static void refuse(struct mr_request *r)
{
	mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
}

/* The input of the run that a starting POST makes, and whether it is one. */
static bool starts(struct mr_request *r, struct mr_str *ret_input)
{
	const struct mr_value *start = mr_value_get(&r->body_json, "start");
	const char *taken = mr_input_member(&r->body_json, true, &r->faults);

	*ret_input = MR_STR_NONE;
	if (taken != NULL) /* as it was written */
		*ret_input = mr_slice_member(r->arena, r->body, &r->body_json, taken);
	return start != NULL && start->kind == MR_VALUE_BOOL ? start->b : taken != NULL;
}

/* Answered when negative. */
static int read_definition(
    struct mr_request *r, const struct mr_definition_old *old, struct mr_definition *ret)
{
	int rc = mr_definition_read(r->arena, &r->body_json, r->body, old, &r->faults, ret);

	if (rc == 0 && mr_agent_refs_check(r, ret, &r->faults) < 0)
		return MR_E_CONFLICT;
	if (rc == 0 && r->faults.count == 0)
		return 0;
	if (r->faults.count > 0)
		refuse(r);
	else if (rc == MR_E_LIMIT || rc == MR_E_NOMEM)
		mr_response_too_large(
		    r, rc, "The definition is larger than a workflow may be; split it.");
	else
		mr_response_problem(r, MR_ERR_INTERNAL, "%s", "");
	return MR_E_INVALID;
}

int mr_handler_workflow_create(struct mr_request *r)
{
	struct mr_definition d;
	struct mr_str input;
	bool start = starts(r, &input);

	mr_trigger_check(&r->body_json, &r->faults);
	if (read_definition(r, NULL, &d) < 0)
		return 0;
	const struct mr_pair extra[] = {
		{ MR_STR("definition"), d.text },
		{ MR_STR("workflow_config"), d.config },
		{ MR_STR("steps"), d.steps },
		{ MR_STR("digest"), mr_str(d.digest) },
		{ MR_STR("trigger_on_file_upload"), mr_trigger_on_upload(&r->body_json) },
		{ MR_STR("start"), start ? MR_STR("true") : MR_STR("false") },
		{ MR_STR("input"), input },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_WORKFLOW_CREATE, extra);
	return 0;
}

static bool is_present(const PGresult *rows, struct mr_str name)
{
	for (int i = 0; i < PQntuples(rows); i++) {
		if (mr_str_eq(mr_pg_text(rows, i, "name"), name))
			return true;
	}
	return false;
}

static struct mr_str missing_secrets(
    struct mr_request *r, const struct mr_definition *d, const PGresult *present)
{
	struct mr_str text, all = MR_STR_NONE;
	struct mr_buf b;

	mr_buf_init(&b, WARNINGS_MAX);
	mr_buf_addc(&b, '[');
	for (size_t i = 0; i < d->secrets_len; i++) {
		if (is_present(present, d->secrets[i]))
			continue;
		text = mr_arena_printf(r->arena,
		    "secrets.%.*s: there is no secret of this name; a step that uses it fails",
		    MR_STR_ARG(d->secrets[i]));
		if (b.len > 1)
			mr_buf_addc(&b, ',');
		mr_buf_add_json(&b, text.p != NULL ? text : MR_STR(""));
	}
	mr_buf_addc(&b, ']');
	if (!mr_buf_failed(&b))
		all = mr_arena_str(r->arena, mr_buf_str(&b));
	mr_buf_done(&b);
	return all;
}

/* A JSON array of what is allowed but probably not meant. Answered when negative. */
static int warnings_of(struct mr_request *r, const struct mr_definition *d, struct mr_str *ret)
{
	const PGresult *present;
	struct mr_array names;

	*ret = MR_STR("[]");
	if (d->secrets_len == 0)
		return 0;
	mr_array_init(&names, r->arena);
	for (size_t i = 0; i < d->secrets_len; i++)
		mr_array_add(&names, d->secrets[i]);
	const struct mr_pair extra[] = {
		{ MR_STR("names"), mr_array_end(&names) },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	if (mr_dispatch_query(r, MR_SQL_SECRETS_PRESENT, extra, &present) < 0)
		return MR_E_CONFLICT;
	*ret = missing_secrets(r, d, present);
	if (ret->p == NULL)
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

int mr_handler_workflow_validate(struct mr_request *r)
{
	struct mr_definition d;
	struct mr_str input, body, warnings;

	(void)starts(r, &input); /* for its faults */
	mr_trigger_check(&r->body_json, &r->faults);
	if (read_definition(r, NULL, &d) < 0 || warnings_of(r, &d, &warnings) < 0)
		return 0;
	body = mr_arena_printf(r->arena, "{\"valid\":true,\"steps\":%.*s,\"warnings\":%.*s}",
	    MR_STR_ARG(d.steps), MR_STR_ARG(warnings));
	if (body.p == NULL)
		return MR_E_NOMEM;
	mr_response_json(r, r->route->out.status, body);
	return 0;
}

int mr_handler_workflow_normalized(struct mr_request *r)
{
	const PGresult *row;
	struct mr_str body;
	int rc;

	if (mr_dispatch_query(r, MR_SQL_WORKFLOW_DEFINITION, NULL, &row) < 0)
		return 0;
	if (PQntuples(row) == 0) {
		mr_dispatch_answer(r, row); /* no such workflow */
		return 0;
	}
	rc = mr_definition_normal(r->arena, mr_pg_text(row, 0, "definition"), &body);
	if (rc == MR_E_NOMEM)
		return rc;
	if (rc < 0)
		mr_response_problem(r, MR_ERR_INTERNAL, "%s",
		    "This version cannot carry out the stored definition; validate it to see why.");
	else
		mr_response_json(r, r->route->out.status, body);
	return 0;
}

/* One try; true when the workflow was changed by somebody else between reading and writing. */
static bool update(struct mr_request *r)
{
	const PGresult *row;
	struct mr_definition d;

	if (mr_dispatch_query(r, MR_SQL_WORKFLOW_DEFINITION, NULL, &row) < 0)
		return false;
	if (PQntuples(row) == 0) {
		mr_dispatch_answer(r, row); /* no such workflow */
		return false;
	}
	const struct mr_definition_old old = {
		.definition = mr_pg_text(row, 0, "definition"),
		.workflow_config = mr_pg_text(row, 0, "workflow_config"),
		.steps = mr_pg_text(row, 0, "steps"),
	};

	if (read_definition(r, &old, &d) < 0)
		return false;
	const struct mr_pair extra[] = {
		{ MR_STR("definition"), d.text },
		{ MR_STR("workflow_config"), d.config },
		{ MR_STR("steps"), d.steps },
		{ MR_STR("digest"), mr_str(d.digest) },
		{ MR_STR("base_version"), mr_pg_text(row, 0, "version") },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_WORKFLOW_UPDATE, extra);
	return r->status == 412 && mr_request_header(r, "If-Match").p == NULL;
}

/* What isn't part of the definition needs no look at the stored one. */
static void update_plain(struct mr_request *r)
{
	static const struct mr_pair extra[] = {
		{ { "definition", 10 }, { NULL, 0 } },
		{ { "workflow_config", 15 }, { NULL, 0 } },
		{ { "steps", 5 }, { NULL, 0 } },
		{ { NULL, 0 }, { NULL, 0 } },
	};

	mr_dispatch_sql(r, MR_SQL_WORKFLOW_UPDATE, extra);
}

int mr_handler_workflow_update(struct mr_request *r)
{
	const struct mr_value *name = mr_value_get(&r->body_json, "name");

	if (name != NULL && name->kind == MR_VALUE_NULL)
		mr_fault_add(&r->faults, MR_STR("name"), "type", "must be a text");
	mr_trigger_check(&r->body_json, &r->faults);
	if (!mr_definition_touched(&r->body_json)) {
		update_plain(r);
		return 0;
	}
	for (unsigned i = 0; i < TRIES && update(r); i++) {
		if (i + 1 < TRIES)
			mr_buf_reset(&r->out_headers);
	}
	return 0;
}

/* ---- earlier versions ---- */

/* Reads the version of the path as if it had come as a body. Answered when negative. */
static int read_version(struct mr_request *r, struct mr_definition *ret, struct mr_str *ret_current)
{
	const PGresult *row;

	if (mr_dispatch_query(r, MR_SQL_WORKFLOW_VERSION_RESTORED, NULL, &row) < 0)
		return MR_E_CONFLICT;
	r->body = PQntuples(row) > 0 ? mr_pg_text(row, 0, "definition") : MR_STR_NONE;
	if (r->body.p == NULL) {
		mr_dispatch_answer(r, row); /* no such workflow, no such version */
		return MR_E_NOT_FOUND;
	}
	if (mr_json_parse(r->arena, r->body, &mr_json_limits_default, NULL, &r->body_json) < 0) {
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
		return MR_E_NOMEM;
	}
	*ret_current = mr_pg_text(row, 0, "current_version");
	return read_definition(r, NULL, ret);
}

/* What the workflow's row has of the definition, as pairs, and as the members that are changed. */
static struct mr_str take_row_members(struct mr_request *r, struct mr_pair *pairs)
{
	static const char *const names[] = { "timeout_seconds", "max_retries", "input_schema" };
	struct mr_str all = MR_STR("");

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		const struct mr_value *v = mr_value_get(&r->body_json, names[i]);

		pairs[i].name = mr_str(names[i]);
		pairs[i].value = v != NULL ? mr_json_text(r->arena, v) : MR_STR_NONE;
		all = mr_arena_printf(r->arena, "%.*s%s\"%s\":%.*s", MR_STR_ARG(all),
		    i > 0 ? "," : "", names[i],
		    MR_STR_ARG(v != NULL ? pairs[i].value : MR_STR("null")));
	}
	return mr_arena_printf(r->arena, "{%.*s}", MR_STR_ARG(all));
}

/* One try, as with update(). */
static bool restore(struct mr_request *r)
{
	struct mr_pair row_members[3];
	struct mr_definition d;
	struct mr_str current, body;

	if (read_version(r, &d, &current) < 0)
		return false;
	body = take_row_members(r, row_members);
	const struct mr_pair extra[] = {
		{ MR_STR("definition"), d.text },
		{ MR_STR("workflow_config"), d.config },
		{ MR_STR("steps"), d.steps },
		{ MR_STR("digest"), mr_str(d.digest) },
		{ MR_STR("base_version"), current },
		{ MR_STR("body"), body },
		row_members[0],
		row_members[1],
		row_members[2],
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_WORKFLOW_UPDATE, extra);
	return r->status == 412 && mr_request_header(r, "If-Match").p == NULL;
}

int mr_handler_workflow_restore(struct mr_request *r)
{
	for (unsigned i = 0; i < TRIES && restore(r); i++) {
		if (i + 1 < TRIES)
			mr_buf_reset(&r->out_headers);
	}
	return 0;
}
