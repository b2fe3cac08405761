/*
 * POST /workflows/bulk and POST /runs/bulk: what is acted on comes in one of three ways, depending
 * on the act, and entries of a list are checked as the requests for them alone would be.
 */
#include "fcgi/breathe.h"
#include "fcgi/call.h"
#include "fcgi/dispatch.h"
#include "fcgi/problem.h"
#include "fcgi/route.h"
#include "fcgi/schema.h"
#include "fcgi/slice.h"
#include "handlers/agent_refs.h"
#include "handlers/definition.h"
#include "handlers/handlers.h"
#include "handlers/input.h"
#include "handlers/trigger.h"
#include "sql/sql_ids.h"

static bool has(const struct mr_request *r, const char *name)
{
	const struct mr_value *v = mr_value_get(&r->body_json, name);

	return v != NULL && v->kind != MR_VALUE_NULL;
}

static void unwanted(struct mr_request *r, const char *name, const char *why)
{
	if (has(r, name))
		mr_fault_add(&r->faults, mr_str(name), "conflict", "%s", why);
}

/* True when there are faults; then the answer is decided. */
static bool refused(struct mr_request *r)
{
	if (r->faults.count > 0)
		mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
	return r->faults.count > 0;
}

/* Exactly one of ids and filter; a filter that filters nothing would mean everything. */
static void check_target(struct mr_request *r)
{
	const struct mr_value *filter = mr_value_get(&r->body_json, "filter");

	if (has(r, "ids") == has(r, "filter"))
		mr_fault_add(&r->faults, MR_STR("ids"), "required",
		    "must be there, or filter instead of it: exactly one of the two");
	else if (has(r, "filter") && filter->map->len == 0)
		mr_fault_add(&r->faults, MR_STR("filter"), "required",
		    "must name at least one member, or it would mean everything");
}

int mr_handler_runs_bulk(struct mr_request *r)
{
	check_target(r);
	if (!refused(r))
		mr_dispatch_sql(r, MR_SQL_RUNS_BULK, NULL);
	return 0;
}

/* Checks each of the items by SCHEMA; what is wrong stands under its place. Others have their turn
 * between them. */
static int check_items(struct mr_request *r, const struct mr_list *items, enum mr_schema schema)
{
	int rc = 0;

	for (size_t i = 0; i < items->len && (rc == 0 || rc == MR_E_INVALID); i++) {
		struct mr_faults faults;

		mr_breathe(r);
		mr_faults_begin(&faults, r->arena, &r->faults);
		rc = mr_schema_check(
		    mr_tables()->schemas, schema, &items->items[i], r->arena, &faults);
		if (rc == 0 && schema == MR_SCHEMA_BULK_ITEM)
			(void)mr_input_member(
			    &items->items[i], false, &faults); /* for its faults */
		if (faults.count > 0)
			mr_faults_move(
			    &r->faults, &faults, mr_arena_printf(r->arena, "items[%zu]", i));
	}
	return rc == MR_E_INVALID ? 0 : rc;
}

static int execute_items(struct mr_request *r)
{
	int rc = 0;

	unwanted(r, "ids", "can't stand beside items: name one workflow in workflow_id");
	unwanted(r, "filter", "can't stand beside items: name one workflow in workflow_id");
	unwanted(r, "input", "can't stand beside items: each of them has its own");
	if (!has(r, "workflow_id"))
		mr_fault_add(&r->faults, MR_STR("workflow_id"), "required",
		    "must be there: the workflow that items are inputs of");
	rc = check_items(r, mr_value_get(&r->body_json, "items")->list, MR_SCHEMA_BULK_ITEM);
	if (rc == 0 && !refused(r))
		mr_dispatch_sql(r, MR_SQL_WORKFLOW_BULK_EXECUTE, NULL);
	return rc;
}

/* One workflow of the list, compiled in A, as the statement takes it. */
static int add_workflow(struct mr_request *r, struct mr_arena *a, size_t i,
    const struct mr_value *item, struct mr_str raw, struct mr_buf *b)
{
	static const char *const starting[] = { "start", "input", "input_data", "trigger_data",
		"parameters" };
	struct mr_str path = mr_arena_printf(a, "items[%zu]", i);
	struct mr_definition d;
	struct mr_faults faults;
	int rc;

	mr_faults_begin(&faults, a, &r->faults);
	for (size_t k = 0; k < MR_ARRAY_LEN(starting); k++) {
		if (mr_value_get(item, starting[k]) != NULL)
			mr_fault_add(&faults, mr_str(starting[k]), "unsupported",
			    "must not be here: many workflows are made without starting them");
	}
	mr_trigger_check(item, &faults);
	rc = mr_definition_read(a, item, raw, NULL, &faults, &d);
	if (rc == 0 && faults.count == 0 && mr_agent_refs_check(r, &d, &faults) < 0)
		return MR_E_CONFLICT;
	if (path.p == NULL)
		return MR_E_NOMEM;
	mr_faults_move(&r->faults, &faults, path);
	if (faults.count > 0 || rc == MR_E_INVALID)
		return 0;
	if (rc < 0)
		return rc;
	mr_buf_addf(b,
	    "%s{\"body\":%.*s,\"definition\":%.*s,\"config\":%.*s,\"steps\":%.*s,"
	    "\"digest\":\"%s\",\"on_upload\":%.*s}",
	    i > 0 ? "," : "", MR_STR_ARG(raw), MR_STR_ARG(d.text),
	    MR_STR_ARG(d.config.p != NULL ? d.config : MR_STR("null")), MR_STR_ARG(d.steps),
	    d.digest, MR_STR_ARG(mr_trigger_on_upload(item)));
	return 0;
}

/* All of them, each in an arena that is used again: together they would not fit in the request's.
 */
static int add_workflows(
    struct mr_request *r, const struct mr_list *list, const struct mr_str *raw, struct mr_buf *b)
{
	struct mr_arena *a = mr_arena_create_within(r->arena);
	int rc = a == NULL ? MR_E_NOMEM : 0;

	mr_buf_addc(b, '[');
	for (size_t i = 0; i < list->len && rc == 0; i++) {
		mr_breathe(r);
		rc = add_workflow(r, a, i, &list->items[i], raw[i], b);
		mr_arena_reset(a);
	}
	mr_buf_addc(b, ']');
	a = mr_arena_free(a);
	return rc;
}

static int create_items(struct mr_request *r)
{
	const struct mr_value *list = mr_value_get(&r->body_json, "items");
	const struct mr_str *raw;
	struct mr_buf b;
	int rc;

	unwanted(r, "ids", "has no meaning for create: workflows come in items");
	unwanted(r, "filter", "has no meaning for create: workflows come in items");
	unwanted(r, "workflow_id", "has no meaning for create: workflows come in items");
	unwanted(r, "input", "has no meaning for create: nothing is started");
	rc = check_items(r, list->list, MR_SCHEMA_WORKFLOW_CREATE);
	if (rc < 0 || refused(r))
		return rc;
	raw = mr_slice_items(
	    r->arena, mr_slice_member(r->arena, r->body, &r->body_json, "items"), list->list);
	if (raw == NULL)
		return MR_E_NOMEM;
	mr_buf_init(&b, 2 * r->body.len * 4 + 65536);
	rc = add_workflows(r, list->list, raw, &b);
	if (rc == 0 && !refused(r)) {
		const struct mr_pair extra[] = {
			{ MR_STR("items"), mr_arena_str(r->arena, mr_buf_str(&b)) },
			{ MR_STR_NONE, MR_STR_NONE },
		};

		if (mr_buf_failed(&b) || extra[0].value.p == NULL)
			rc = MR_E_NOMEM;
		else
			mr_dispatch_sql(r, MR_SQL_WORKFLOW_BULK_CREATE, extra);
	}
	mr_buf_done(&b);
	if (rc == MR_E_CONFLICT)
		rc = 0; /* answered */
	if (rc == MR_E_LIMIT || rc == MR_E_NOMEM) {
		mr_response_too_large(r, rc,
		    "The definitions are larger than one request may hold; send fewer at once.");
		rc = 0;
	}
	return rc;
}

int mr_handler_workflow_bulk(struct mr_request *r)
{
	struct mr_str op = mr_value_get_str(&r->body_json, "op");
	bool create = mr_str_eqz(op, "create"), execute = mr_str_eqz(op, "execute");

	/* whoever may not do it to one workflow may not do it to many */
	if ((create || mr_str_eqz(op, "delete")) &&
	    !mr_dispatch_allows(r, MR_ROLE_EDITOR | MR_ROLE_ADMIN))
		return 0;
	if (execute && (has(r, "items") || has(r, "workflow_id"))) {
		if (has(r, "items"))
			return execute_items(r);
		mr_fault_add(&r->faults, MR_STR("items"), "required",
		    "must be there with workflow_id: one entry a run; or name workflows in ids");
	} else if (create) {
		if (has(r, "items"))
			return create_items(r);
		mr_fault_add(
		    &r->faults, MR_STR("items"), "required", "must be there: one entry a workflow");
	} else {
		check_target(r);
		unwanted(r, "items", "is for execute and create; name workflows in ids");
		unwanted(r, "workflow_id", "is for execute with items; name workflows in ids");
		if (!execute)
			unwanted(r, "input", "is for execute");
	}
	if (!refused(r))
		mr_dispatch_sql(r, MR_SQL_WORKFLOW_BULK_ACT, NULL);
	return 0;
}
