/*
 * Templates are made and changed here rather than by a statement alone, because their definition is
 * compiled first, as a workflow's is, but for what is to be filled in and for steps that a later
 * version carries out: those can be kept and handed on.
 */
#include <string.h>

#include "engine/core/graph.h"
#include "fcgi/dispatch.h"
#include "fcgi/problem.h"
#include "fcgi/route.h"
#include "fcgi/slice.h"
#include "handlers/handlers.h"
#include "handlers/input.h"
#include "sql/sql_ids.h"

#define TRIES 3 /* when somebody else changes the template at the same time */

/* What of a template is compiled together, as JSON; absent: it has none. */
struct parts {
	struct mr_str config, variables, settings;
	bool as_steps;   /* the config is called process_steps here, and is a list of them */
	bool steps_laid; /* the config's steps came as process_steps */
};

static void refuse(struct mr_request *r)
{
	mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
}

static bool ends_in(struct mr_str s, const char *end)
{
	struct mr_str e = mr_str(end);

	return s.len >= e.len && mr_str_eq((struct mr_str){ s.p + s.len - e.len, e.len }, e);
}

/* A step that this version can't carry out: of the language, or of a catalogue of actions. */
static bool is_for_later(const struct mr_fault *f)
{
	return mr_str_eqz(f->code, "not_supported") ||
	       (mr_str_eqz(f->code, "unknown_type") && ends_in(f->path, ".action"));
}

/* The path as the body has it. */
static struct mr_str body_path(struct mr_request *r, const struct parts *p, struct mr_str path)
{
	static const char laid[] = "template_config.steps";
	const size_t len = sizeof(laid) - 1;
	struct mr_str own = path;

	if (p->steps_laid && path.len >= len && memcmp(path.p, laid, len) == 0)
		own = mr_arena_printf(
		    r->arena, "process_steps%.*s", (int)(path.len - len), path.p + len);
	return own.p != NULL ? own : path;
}

static int compile(struct mr_request *r, struct mr_str text, struct mr_faults *faults)
{
	struct mr_graph *graph;
	struct mr_value v;
	int rc = mr_json_parse(r->arena, text, NULL, faults, &v);

	return rc == 0 ? mr_graph_compile_template(r->arena, &v, faults, &graph) : rc;
}

/* Answered when negative. */
static int check(struct mr_request *r, const struct parts *p)
{
	struct mr_str text =
	    mr_arena_printf(r->arena, "{\"%s\":%.*s,\"variables\":%.*s,\"settings\":%.*s}",
	        p->as_steps ? "process_steps" : "template_config", MR_STR_ARG(p->config),
	        MR_STR_ARG(p->variables.p != NULL ? p->variables : MR_STR("null")),
	        MR_STR_ARG(p->settings.p != NULL ? p->settings : MR_STR("null")));
	struct mr_faults faults;
	int rc = MR_E_NOMEM;

	mr_faults_init(&faults, r->arena, r->faults.max);
	if (text.p != NULL)
		rc = compile(r, text, &faults);
	for (const struct mr_fault *f = faults.first; f != NULL; f = f->next) {
		if (!is_for_later(f))
			mr_fault_add(&r->faults, body_path(r, p, f->path), f->code.p, "%.*s",
			    MR_STR_ARG(f->message));
	}
	if (rc == MR_E_NOMEM || rc == MR_E_LIMIT) {
		mr_response_too_large(
		    r, rc, "The definition is larger than a template may be; split it.");
		return rc;
	}
	if (r->faults.count == 0)
		return 0;
	refuse(r);
	return MR_E_INVALID;
}

/* The raw text of a member of the body; absent when there is none, or null, or what the schema
 * refuses. */
static struct mr_str raw_member(struct mr_request *r, const char *name)
{
	const struct mr_value *v = mr_value_get(&r->body_json, name);

	return v != NULL && (v->kind == MR_VALUE_MAP || v->kind == MR_VALUE_LIST)
	           ? mr_slice_member(r->arena, r->body, &r->body_json, name)
	           : MR_STR_NONE;
}

static bool has(struct mr_request *r, const char *name)
{
	return mr_value_get(&r->body_json, name) != NULL;
}

static bool has_value(struct mr_request *r, const char *name)
{
	return has(r, name) && mr_value_get(&r->body_json, name)->kind != MR_VALUE_NULL;
}

/* What null can't clear. */
static void check_nulls(struct mr_request *r)
{
	static const char *const needed[] = { "name", "slug", "version", "template_config",
		"process_steps", "is_public", "is_active" };

	for (size_t i = 0; i < MR_ARRAY_LEN(needed); i++) {
		const struct mr_value *v = mr_value_get(&r->body_json, needed[i]);

		if (v != NULL && v->kind == MR_VALUE_NULL)
			mr_fault_add(&r->faults, mr_str(needed[i]), "type", "must not be null");
	}
}

/* S3's list of steps, and the definition around it: the members that CONFIG has beside its own
 * steps. Absent without memory. */
static struct mr_str config_around(struct mr_request *r, struct mr_str config, struct mr_str steps)
{
	struct mr_str all = mr_arena_printf(r->arena, "{\"steps\":%.*s", MR_STR_ARG(steps));
	struct mr_value v = MR_NULL_VALUE;
	const struct mr_str *raw;

	if (config.p == NULL || mr_json_parse(r->arena, config, NULL, NULL, &v) < 0 ||
	    v.kind != MR_VALUE_MAP)
		return all.p != NULL ? mr_arena_printf(r->arena, "%.*s}", MR_STR_ARG(all)) : all;
	raw = mr_slice_members(r->arena, config, v.map);
	for (size_t i = 0; raw != NULL && all.p != NULL && i < v.map->len; i++) {
		struct mr_str name = v.map->members[i].key.s;
		struct mr_value key = mr_value_str(name);

		if (!mr_str_eqz(name, "steps") && !mr_str_eqz(name, "process_steps"))
			all = mr_arena_printf(r->arena, "%.*s,%.*s:%.*s", MR_STR_ARG(all),
			    MR_STR_ARG(mr_json_text(r->arena, &key)), MR_STR_ARG(raw[i]));
	}
	return raw != NULL && all.p != NULL ? mr_arena_printf(r->arena, "%.*s}", MR_STR_ARG(all))
	                                    : MR_STR_NONE;
}

/* The definition that the body brings, as template_config or as process_steps; absent: none. OLD is
 * what is stored. */
static struct mr_str given_config(struct mr_request *r, struct mr_str old)
{
	struct mr_str config = raw_member(r, "template_config"),
	              steps = raw_member(r, "process_steps");

	if (config.p != NULL && steps.p != NULL)
		mr_fault_add(&r->faults, MR_STR("process_steps"), "conflict",
		    "says the same as template_config; send only one of them");
	return steps.p != NULL && config.p == NULL ? config_around(r, old, steps) : config;
}

int mr_handler_template_create(struct mr_request *r)
{
	struct parts p = {
		.config = given_config(r, MR_STR_NONE),
		.variables = raw_member(r, "variables"),
		.settings = raw_member(r, "settings"),
	};
	const struct mr_pair extra[] = {
		{ MR_STR("template_config"), p.config },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	if (!has_value(r, "template_config") && !has_value(r, "process_steps"))
		mr_fault_add(&r->faults, MR_STR("process_steps"), "required",
		    "is required: the steps, or a template_config");
	p.as_steps = has(r, "process_steps");
	if (p.as_steps)
		p.config = raw_member(r, "process_steps");
	if (p.config.p == NULL || check(r, &p) == 0)
		mr_dispatch_sql(r, r->route->sql, extra);
	return 0;
}

/* ---- changes ---- */

/* The body's, else the stored one's; null in the body clears. */
static struct mr_str part_of(struct mr_request *r, const PGresult *row, const char *name)
{
	return has(r, name) ? raw_member(r, name) : mr_pg_text(row, 0, name);
}

/* One try; true when the template was changed by somebody else between reading and writing. */
static bool update(struct mr_request *r)
{
	struct mr_str base = MR_STR_NONE, config = MR_STR_NONE;
	const PGresult *row;

	if (has(r, "template_config") || has(r, "process_steps") || has(r, "variables") ||
	    has(r, "settings")) {
		struct parts p;

		if (mr_dispatch_query(r, MR_SQL_TEMPLATE_FIND, NULL, &row) < 0)
			return false;
		if (PQntuples(row) == 0) {
			mr_dispatch_answer(r, row); /* no such template */
			return false;
		}
		config = given_config(r, mr_pg_text(row, 0, "template_config"));
		p = (struct parts){
			.config = config.p != NULL ? config : mr_pg_text(row, 0, "template_config"),
			.variables = part_of(r, row, "variables"),
			.settings = part_of(r, row, "settings"),
			.steps_laid = has(r, "process_steps"),
		};
		if (check(r, &p) < 0)
			return false;
		base = mr_pg_text(row, 0, "revision");
	}
	const struct mr_pair extra[] = {
		{ MR_STR("given"), mr_input_members(r) },
		{ MR_STR("base_revision"), base },
		{ MR_STR("template_config"), config },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, MR_SQL_TEMPLATE_UPDATE, extra);
	return r->status == 412 && mr_request_header(r, "If-Match").p == NULL;
}

int mr_handler_template_update(struct mr_request *r)
{
	check_nulls(r);
	for (unsigned i = 0; i < TRIES && update(r); i++) {
		if (i + 1 < TRIES)
			mr_buf_reset(&r->out_headers);
	}
	return 0;
}
