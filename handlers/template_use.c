/*
 * Workflows made of templates: what is laid over the template's definition, what is filled in, and
 * then all that making a workflow is. And a template shown with the schema of what can be filled
 * in.
 */
#include "engine/core/parameters.h"
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

#define DEEPEST 64 /* of what is laid over a definition; JSON in a body isn't deeper */

static void refuse(struct mr_request *r)
{
	mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
}

/* ---- laying one object over another ---- */

static int overlay(struct mr_arena *a, const struct mr_value *under, const struct mr_value *over,
    unsigned depth, struct mr_value *ret);

static int put_over(
    struct mr_arena *a, struct mr_map *m, const struct mr_member *over, unsigned depth)
{
	size_t i = 0;

	while (i < m->len && !mr_str_eq(m->members[i].key.s, over->key.s))
		i++;
	if (over->value.kind == MR_VALUE_NULL) {
		for (; i + 1 < m->len; i++)
			m->members[i] = m->members[i + 1];
		m->len -= i + 1 == m->len;
		return 0;
	}
	if (i < m->len)
		return overlay(a, &m->members[i].value, &over->value, depth, &m->members[i].value);
	m->members[m->len++] = *over;
	return 0;
}

/* OVER's members go before UNDER's, objects member by member; null takes one away. */
static int overlay(struct mr_arena *a, const struct mr_value *under, const struct mr_value *over,
    unsigned depth, struct mr_value *ret)
{
	struct mr_map *m;
	int r = 0;

	if (under->kind != MR_VALUE_MAP || over->kind != MR_VALUE_MAP || depth == DEEPEST) {
		*ret = *over;
		return 0;
	}
	m = mr_map_create(a, under->map->len + over->map->len);
	if (m == NULL)
		return MR_E_NOMEM;
	m->len = under->map->len;
	for (size_t i = 0; i < m->len; i++)
		m->members[i] = under->map->members[i];
	for (size_t i = 0; i < over->map->len && r == 0; i++)
		r = put_over(a, m, &over->map->members[i], depth + 1);
	if (r == 0)
		r = mr_map_seal(a, m);
	*ret = mr_value_map(m);
	return r;
}

/* What a step is called: by its name, else as the compiler calls it. */
static bool is_named(
    struct mr_request *r, const struct mr_value *step, size_t i, struct mr_str name)
{
	struct mr_str own = mr_value_get_str(step, "name"), type = mr_value_get_str(step, "type");

	if (own.p == NULL)
		own = mr_arena_printf(r->arena, "%.*s_%zu", MR_STR_ARG(type), i + 1);
	return own.p != NULL && mr_str_eq(own, name);
}

static int lay_step(
    struct mr_request *r, struct mr_list *steps, const struct mr_value *over, size_t at)
{
	struct mr_str name = mr_value_get_str(over, "name"), path;

	for (size_t i = 0; i < steps->len && name.p != NULL; i++) {
		if (is_named(r, &steps->items[i], i, name))
			return overlay(r->arena, &steps->items[i], over, 1, &steps->items[i]);
	}
	path = mr_arena_printf(r->arena, "custom_config.steps[%zu].name", at);
	mr_fault_add(&r->faults, path.p != NULL ? path : MR_STR("custom_config.steps"),
	    "unknown_reference", "the template has no step of this name");
	return 0;
}

/* The template's list of steps with those of the body laid over them, by name. */
static int lay_steps(struct mr_request *r, const struct mr_value *under,
    const struct mr_value *over, struct mr_value *ret)
{
	struct mr_list *steps;
	int rc = 0;

	if (under == NULL || under->kind != MR_VALUE_LIST || over->kind != MR_VALUE_LIST) {
		mr_fault_add(&r->faults, MR_STR("custom_config.steps"), "type",
		    "must be a list of steps of the template, by name");
		return 0;
	}
	steps = mr_list_create(r->arena, under->list->len);
	if (steps == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < steps->len; i++)
		steps->items[i] = under->list->items[i];
	for (size_t i = 0; i < over->list->len && rc == 0; i++)
		rc = lay_step(r, steps, &over->list->items[i], i);
	*ret = mr_value_list(steps);
	return rc;
}

static int customise(struct mr_request *r, struct mr_value *config)
{
	const struct mr_value *custom = mr_value_get(&r->body_json, "custom_config"), *steps;
	const char *member = mr_value_get(config, "steps") != NULL ? "steps" : "process_steps";
	struct mr_value laid = MR_NULL_VALUE;
	struct mr_map *m;
	int rc;

	if (custom == NULL || custom->kind != MR_VALUE_MAP)
		return 0;
	steps = mr_value_get(custom, "steps");
	rc = steps != NULL ? lay_steps(r, mr_value_get(config, member), steps, &laid) : 0;
	if (rc < 0 || r->faults.count > 0)
		return rc;
	m = mr_map_create(r->arena, custom->map->len);
	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < custom->map->len; i++) {
		m->members[i] = custom->map->members[i];
		if (mr_str_eqz(m->members[i].key.s, "steps"))
			m->members[i] = (struct mr_member){ mr_value_strz(member), laid };
	}
	if (mr_map_seal(r->arena, m) < 0)
		return MR_E_NOMEM;
	laid = mr_value_map(m);
	return overlay(r->arena, config, &laid, 0, config);
}

/* ---- the definition ---- */

static int parse_column(
    struct mr_request *r, const PGresult *row, const char *name, struct mr_value *ret)
{
	struct mr_str text = mr_pg_text(row, 0, name);

	*ret = MR_NULL_VALUE;
	return text.p != NULL ? mr_json_parse(r->arena, text, NULL, NULL, ret) : 0;
}

/* The template's descriptions without those of names that have become variables of the run: the
 * others describe the input. */
static struct mr_str inputs_left(
    struct mr_request *r, const struct mr_value *variables, const struct mr_value *config)
{
	const struct mr_value *vars = mr_value_get_kind(config, "vars", MR_VALUE_MAP);
	struct mr_list *left;
	struct mr_value v;
	size_t n = 0;

	if (variables->kind != MR_VALUE_LIST)
		return MR_STR("null");
	left = mr_list_create(r->arena, variables->list->len);
	if (left == NULL)
		return MR_STR_NONE;
	for (size_t i = 0; i < variables->list->len; i++) {
		const struct mr_value *item = &variables->list->items[i];

		if (vars == NULL || mr_value_gets(vars, mr_value_get_str(item, "name")) == NULL)
			left->items[n++] = *item;
	}
	left->len = n;
	v = mr_value_list(left);
	return mr_json_text(r->arena, &v);
}

static int compile(struct mr_request *r, struct mr_str text, struct mr_definition *ret)
{
	struct mr_value v;
	int rc = text.p != NULL ? mr_json_parse(r->arena, text, NULL, NULL, &v) : MR_E_NOMEM;

	if (rc == 0)
		rc = mr_definition_read(r->arena, &v, text, NULL, &r->faults, ret);
	return rc;
}

/* The workflow's definition. Answered when negative. */
static int make_definition(struct mr_request *r, const PGresult *row, struct mr_definition *ret)
{
	const struct mr_value *given = mr_value_get_kind(&r->body_json, "parameters", MR_VALUE_MAP);
	struct mr_str settings = mr_pg_text(row, 0, "settings"), left;
	struct mr_value config, variables;
	int rc = parse_column(r, row, "template_config", &config);

	if (rc == 0)
		rc = parse_column(r, row, "variables", &variables);
	if (rc == 0)
		rc = customise(r, &config);
	if (rc == 0 && r->faults.count == 0)
		rc = mr_parameters_fill(r->arena, &config, &variables, given, &r->faults, &config);
	if (rc == 0 && r->faults.count == 0) {
		left = inputs_left(r, &variables, &config);
		rc = compile(r,
		    mr_arena_printf(r->arena,
		        "{\"workflow_config\":%.*s,\"variables\":%.*s,\"settings\":%.*s}",
		        MR_STR_ARG(mr_json_text(r->arena, &config)), MR_STR_ARG(left),
		        MR_STR_ARG(settings.p != NULL ? settings : MR_STR("null"))),
		    ret);
	}
	if (rc == 0 && r->faults.count == 0 && mr_agent_refs_check(r, ret, &r->faults) < 0)
		return MR_E_CONFLICT;
	if (rc == 0 && r->faults.count == 0)
		return 0;
	if (r->faults.count > 0)
		refuse(r);
	else
		mr_response_too_large(r, rc, "The definition is larger than a workflow may be.");
	return MR_E_INVALID;
}

/* ---- the workflow ---- */

/* A member of the body as a statement takes it: texts as they are, all else as it was written. */
static struct mr_str member(struct mr_request *r, const char *name)
{
	const struct mr_value *v = mr_value_get(&r->body_json, name);

	if (v == NULL || v->kind == MR_VALUE_NULL)
		return MR_STR_NONE;
	return v->kind == MR_VALUE_STRING ? v->s
	                                  : mr_slice_member(r->arena, r->body, &r->body_json, name);
}

static struct mr_str or (struct mr_str s, struct mr_str otherwise)
{
	return s.p != NULL ? s : otherwise;
}

/* The trigger that the template names; what this version doesn't serve is there, but not on. */
static void take_trigger(
    struct mr_request *r, const PGresult *row, struct mr_pair *config, struct mr_pair *on_upload)
{
	struct mr_value v;
	struct mr_str type, given = member(r, "trigger_on_file_upload");
	bool is_served;

	*config = (struct mr_pair){ MR_STR("trigger_config"), MR_STR_NONE };
	*on_upload =
	    (struct mr_pair){ MR_STR("trigger_on_file_upload"), or (given, MR_STR("false")) };
	if (parse_column(r, row, "default_trigger_config", &v) < 0 || v.kind != MR_VALUE_MAP)
		return;
	type = mr_value_get_str(&v, "type");
	is_served = mr_str_eqz(type, "manual") || mr_str_eqz(type, "file_upload");
	config->value = mr_pg_text(row, 0, "default_trigger_config");
	if (!is_served)
		config->value = mr_arena_printf(
		    r->arena, "{\"type\":\"%.*s\",\"enabled\":false}", MR_STR_ARG(type));
	if (given.p == NULL && mr_str_eqz(type, "file_upload")) {
		const struct mr_value *enabled = mr_value_get(&v, "enabled");

		if (enabled == NULL || enabled->kind != MR_VALUE_BOOL || enabled->b)
			on_upload->value = MR_STR("true");
	}
}

static void make(struct mr_request *r, const PGresult *row, struct mr_str name,
    struct mr_str description, bool start, struct mr_str input)
{
	struct mr_pair trigger, on_upload;
	struct mr_definition d;

	if (make_definition(r, row, &d) < 0)
		return;
	take_trigger(r, row, &trigger, &on_upload);
	const struct mr_pair extra[] = {
		{ MR_STR("name"), or (name, mr_pg_text(row, 0, "name")) },
		{ MR_STR("description"), or (description, mr_pg_text(row, 0, "description")) },
		{ MR_STR("tags"), or (member(r, "tags"), mr_pg_text(row, 0, "tags")) },
		{ MR_STR("definition"), d.text },
		{ MR_STR("workflow_config"), d.config },
		{ MR_STR("steps"), d.steps },
		{ MR_STR("digest"), mr_str(d.digest) },
		trigger,
		on_upload,
		{ MR_STR("start"), start ? MR_STR("true") : MR_STR("false") },
		{ MR_STR("input"), input },
		{ MR_STR("template_id"), mr_pg_text(row, 0, "id") },
		{ MR_STR("template_version"), mr_pg_text(row, 0, "version") },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_WORKFLOW_CREATE, extra);
}

/* The template; REF names it, where the path doesn't. Answered when NULL. */
static const PGresult *find(struct mr_request *r, struct mr_str ref)
{
	const struct mr_pair extra[] = {
		{ ref.p != NULL ? MR_STR("template") : MR_STR_NONE, ref },
		{ MR_STR_NONE, MR_STR_NONE },
	};
	const PGresult *row;

	if (mr_dispatch_query(r, MR_SQL_TEMPLATE_FIND, extra, &row) < 0)
		return NULL;
	if (PQntuples(row) > 0 && mr_pg_bool(row, 0, "is_active"))
		return row;
	if (PQntuples(row) == 0)
		mr_dispatch_answer(r, row);
	else
		mr_response_problem(r, MR_ERR_TEMPLATE_NOT_ACTIVE, "%s", "");
	return NULL;
}

int mr_handler_template_use(struct mr_request *r)
{
	const struct mr_value *v = mr_value_get(&r->body_json, "template_id");
	struct mr_str ref = v->kind == MR_VALUE_STRING ? v->s : mr_json_text(r->arena, v);
	const PGresult *row = find(r, ref);

	if (row != NULL)
		make(r, row, member(r, "workflow_name"), member(r, "workflow_description"), false,
		    MR_STR_NONE);
	return 0;
}

int mr_handler_workflow_from_template(struct mr_request *r)
{
	const struct mr_value *start = mr_value_get(&r->body_json, "start");
	const char *taken = mr_input_member(&r->body_json, false, &r->faults);
	const PGresult *row;
	bool starts = start != NULL && start->kind == MR_VALUE_BOOL ? start->b : taken != NULL;

	if (r->faults.count > 0) {
		refuse(r);
		return 0;
	}
	row = find(r, MR_STR_NONE);
	if (row != NULL)
		make(r, row, member(r, "name"), member(r, "description"), starts,
		    taken != NULL ? mr_slice_member(r->arena, r->body, &r->body_json, taken)
		                  : MR_STR_NONE);
	return 0;
}

/* ---- what can be filled in ---- */

int mr_handler_workflow_template(struct mr_request *r)
{
	struct mr_parameters p;
	struct mr_value body;
	struct mr_str schema;
	const PGresult *row;
	int rc;

	if (mr_dispatch_query(r, MR_SQL_TEMPLATE_GET, NULL, &row) < 0)
		return 0;
	mr_dispatch_answer(r, row);
	if (PQntuples(row) == 0)
		return 0;
	rc = mr_json_parse(r->arena, mr_pg_text(row, 0, "body"), NULL, NULL, &body);
	if (rc == 0)
		rc = mr_parameters_find(r->arena, mr_value_get(&body, "template_config"),
		    mr_value_get(&body, "variables"), &p);
	if (rc < 0)
		return rc;
	schema = mr_parameters_schema(r->arena, &p);
	if (schema.p == NULL)
		return MR_E_NOMEM;
	r->out_body.len--; /* the brace, until there is one member more */
	mr_buf_addf(&r->out_body, ",\"parameters\":%.*s}", MR_STR_ARG(schema));
	return 0;
}
