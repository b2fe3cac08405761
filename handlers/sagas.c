/*
 * POST /sagas/start: a saga is a run, whose steps are undone when it fails. What runs is named by
 * members of input_data: an execution that is there already, a workflow, or a definition, which is
 * compiled and stored under the saga's type first.
 */
#include "fcgi/call.h"
#include "fcgi/dispatch.h"
#include "fcgi/problem.h"
#include "fcgi/schema.h"
#include "fcgi/slice.h"
#include "handlers/agent_refs.h"
#include "handlers/definition.h"
#include "handlers/handlers.h"
#include "sql/sql_ids.h"

#define NAME_PREFIX "saga: "

struct saga {
	const struct mr_value *input; /* input_data */
	struct mr_str text;           /* the same as it was written */
	struct mr_str type, label, correlation_id;
};

/* An id in input_data as its digits; absent when it isn't there. The schema has checked it. */
static struct mr_str id_of(struct mr_request *r, const struct saga *s, const char *name)
{
	const struct mr_value *v = mr_value_get(s->input, name);
	struct mr_str id = MR_STR_NONE;
	size_t at = 0;

	if (v != NULL && v->kind == MR_VALUE_INT)
		return mr_arena_printf(r->arena, "%lld", (long long)v->i);
	if (v != NULL && v->kind == MR_VALUE_DOUBLE) /* 12.0 is an integer too */
		return mr_arena_printf(r->arena, "%.0f", v->d);
	if (v == NULL || v->kind != MR_VALUE_STRING)
		return id;
	while (at < v->s.len && (v->s.p[at] < '0' || v->s.p[at] > '9'))
		at++;
	return (struct mr_str){ v->s.p + at, v->s.len - at };
}

/* The seconds that the whole run may take; absent when nothing is said of it. */
static struct mr_str timeout_of(struct mr_request *r, const struct saga *s)
{
	const struct mr_value *v = mr_value_get(s->input, "timeout_seconds");

	if (v != NULL && v->kind == MR_VALUE_INT)
		return mr_arena_printf(r->arena, "%lld", (long long)v->i);
	if (v != NULL && v->kind == MR_VALUE_DOUBLE) /* 6E2 is an integer too */
		return mr_arena_printf(r->arena, "%.0f", v->d);
	return MR_STR_NONE;
}

/* The definition in input_data, with its timeout. Answered when negative. */
static int read_definition(struct mr_request *r, const struct saga *s, struct mr_definition *ret)
{
	struct mr_str config = mr_slice_member(r->arena, s->text, s->input, "workflow_config");
	struct mr_str timeout = timeout_of(r, s);
	struct mr_value body = MR_NULL_VALUE;
	struct mr_faults faults;
	struct mr_str text =
	    mr_arena_printf(r->arena, "{\"workflow_config\":%.*s,\"timeout_seconds\":%.*s}",
	        MR_STR_ARG(config), MR_STR_ARG(timeout.p != NULL ? timeout : MR_STR("null")));
	int rc;

	mr_faults_begin(&faults, r->arena, &r->faults);
	rc = text.p == NULL ? MR_E_NOMEM
	                    : mr_json_parse(r->arena, text, &mr_json_limits_default, NULL, &body);
	if (rc == 0)
		rc = mr_definition_read(r->arena, &body, text, NULL, &faults, ret);
	if (rc == 0 && faults.count == 0 && mr_agent_refs_check(r, ret, &faults) < 0)
		return MR_E_CONFLICT;
	if (faults.count > 0) {
		mr_faults_move(&r->faults, &faults, MR_STR("input_data"));
		mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
		return MR_E_INVALID;
	}
	if (rc < 0)
		mr_response_too_large(
		    r, rc, "The definition is larger than a workflow may be; split it.");
	return rc;
}

/* Whether the definition's own name is one that a workflow may have. Answered when not. */
static bool check_name(struct mr_request *r, const struct mr_value *name)
{
	struct mr_faults faults;

	mr_faults_begin(&faults, r->arena, &r->faults);
	if (name != NULL && name->kind != MR_VALUE_NULL &&
	    mr_schema_check(
	        mr_tables()->schemas, MR_SCHEMA_WORKFLOW_NAME, name, r->arena, &faults) < 0) {
		mr_faults_move(&r->faults, &faults, MR_STR("input_data.workflow_config.name"));
		mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
		return false;
	}
	return true;
}

static void start_definition(struct mr_request *r, const struct saga *s)
{
	const struct mr_value *config = mr_value_get(s->input, "workflow_config");
	struct mr_str name = mr_value_get_str(config, "name");
	struct mr_definition d;

	if (!check_name(r, mr_value_get(config, "name")) || read_definition(r, s, &d) < 0)
		return;
	if (name.p == NULL)
		name = mr_arena_printf(r->arena, NAME_PREFIX "%.*s", MR_STR_ARG(s->type));
	const struct mr_pair extra[] = {
		{ MR_STR("name"), name },
		{ MR_STR("definition"), d.text },
		{ MR_STR("workflow_config"), d.config },
		{ MR_STR("steps"), d.steps },
		{ MR_STR("digest"), mr_str(d.digest) },
		{ MR_STR("start"), MR_STR("true") },
		{ MR_STR("input"), s->text },
		{ MR_STR("label"), s->label },
		{ MR_STR("saga_correlation"), s->correlation_id },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_WORKFLOW_CREATE, extra);
}

static void start_workflow(struct mr_request *r, const struct saga *s, struct mr_str workflow_id)
{
	const struct mr_pair extra[] = {
		{ MR_STR("workflow_id"), workflow_id },
		{ MR_STR("timeout_seconds"), timeout_of(r, s) },
		{ MR_STR("input"), s->text },
		{ MR_STR("label"), s->label },
		{ MR_STR("saga_correlation"), s->correlation_id },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_SAGA_START, extra);
}

static void attach(struct mr_request *r, const struct saga *s, struct mr_str execution_id)
{
	const PGresult *row;
	const struct mr_pair extra[] = {
		{ MR_STR("execution_id"), execution_id },
		{ MR_STR("workflow_id"), id_of(r, s, "workflow_id") },
		{ MR_STR("label"), s->label },
		{ MR_STR("saga_correlation"), s->correlation_id },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	if (mr_dispatch_query(r, MR_SQL_SAGA_ATTACH, extra, &row) < 0)
		return;
	if (PQntuples(row) == 0)
		mr_response_problem(r, MR_ERR_RUN_NOT_FOUND, "%s", "");
	else
		mr_dispatch_answer(r, row);
}

int mr_handler_saga_start(struct mr_request *r)
{
	struct saga s = {
		.input = mr_value_get(&r->body_json, "input_data"),
		.text = mr_slice_member(r->arena, r->body, &r->body_json, "input_data"),
		.type = mr_value_get_str(&r->body_json, "saga_type"),
		.label = mr_value_get_str(&r->body_json, "tenant_id"),
		.correlation_id = mr_value_get_str(&r->body_json, "correlation_id"),
	};
	struct mr_str workflow_id = id_of(r, &s, "workflow_id");
	struct mr_str execution_id = id_of(r, &s, "execution_id");
	const struct mr_value *config = mr_value_get(s.input, "workflow_config");

	if (s.text.p == NULL)
		return MR_E_NOMEM;
	if (execution_id.p != NULL)
		attach(r, &s, execution_id);
	else if (workflow_id.p != NULL)
		start_workflow(r, &s, workflow_id);
	else if (config != NULL && config->kind == MR_VALUE_MAP)
		start_definition(r, &s);
	else {
		mr_fault_add(&r->faults, MR_STR("input_data"), "required",
		    "must have one of workflow_id, workflow_config and execution_id");
		mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
	}
	return 0;
}
