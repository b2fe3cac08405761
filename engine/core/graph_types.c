/*
 * Types of expressions, as far as they are certain: the input by its schema, results by the type of
 * the step, what blocks bind. An operation that can never work is a fault of the definition.
 */
#include "engine/core/graph_private.h"

#include <string.h>

#include "engine/core/expr_types.h"
#include "engine/core/transform_private.h"

/* What each type of step answers, whatever its config says; absent: not known. */
static const char *const results[MR_STEP_TYPE_COUNT] = {
	[MR_STEP_HTTP_REQUEST] = "{\"properties\":{\"status_code\":{\"type\":\"integer\"},"
	                         "\"headers\":{\"type\":\"object\"},"
	                         "\"elapsed_ms\":{\"type\":\"number\"}}}",
	[MR_STEP_CONDITIONAL] =
	    "{\"type\":\"object\",\"properties\":{\"condition\":{\"type\":\"boolean\"},"
	    "\"branch\":{\"type\":[\"string\",\"null\"]}}}",
	[MR_STEP_DATA_TRANSFORM] = "{\"type\":\"object\"}",
	[MR_STEP_DELAY] =
	    "{\"type\":\"object\",\"properties\":{\"waited_seconds\":{\"type\":\"number\"}}}",
	[MR_STEP_LOG] = "{\"type\":\"object\",\"properties\":{\"message\":{\"type\":\"string\"},"
	                "\"level\":{\"type\":\"string\"}}}",
	[MR_STEP_NOOP] = "{\"type\":\"object\"}",
	[MR_STEP_SWITCH] = "{\"type\":\"object\",\"properties\":{\"matched\":{\"type\":\"array\","
	                   "\"items\":{\"type\":"
	                   "\"string\"}},\"branch\":{\"type\":[\"string\",\"null\"]}}}",
	[MR_STEP_PARALLEL] = "{\"type\":\"object\"}",
	[MR_STEP_FOREACH] =
	    "{\"type\":\"object\",\"properties\":{\"results\":{\"type\":\"array\"},\"succeeded\":"
	    "{\"type\":\"integer\"},\"failed\":{\"type\":\"integer\"}}}",
	[MR_STEP_WHILE] =
	    "{\"type\":\"object\",\"properties\":{\"iterations\":{\"type\":\"integer\"}}}",
	[MR_STEP_WAIT] = "{\"type\":\"object\",\"properties\":{\"reason\":{\"type\":\"string\"},"
	                 "\"waited_seconds\":"
	                 "{\"type\":\"number\"},\"events\":{\"type\":\"array\"}}}",
	[MR_STEP_SET] = "{\"type\":\"object\"}",
};

static const char integer_text[] = "{\"type\":\"integer\"}";
static const char error_text[] =
    "{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"},\"message\":{\"type\":"
    "\"string\"},\"step\":{\"type\":\"string\"},\"attempt\":{\"type\":\"integer\"}}}";
static const char event_text[] =
    "{\"type\":\"object\",\"properties\":{\"type\":{\"type\":\"string\"}}}";

/* Where the expression at hand stands. */
struct place {
	struct mr_compile *c;
	const struct mr_draft *d; /* NULL: the definition */
	const struct mr_step *s;
	struct mr_str path; /* of a condition */
	bool sees_result;   /* output */
	bool sees_event;    /* match */
	bool sees_rounds;   /* condition of a while */
	bool sees_item;     /* transformations: item, index, and the item's members */
	const struct mr_value *steps;
	const struct mr_value *input;
	const struct mr_value *of_type[MR_STEP_TYPE_COUNT];
	const struct mr_value *integer, *error, *event;
	int r; /* sticks */
};

static const struct mr_value *parse(struct place *p, const char *text, const struct mr_value **kept)
{
	struct mr_value *v;

	if (*kept != NULL || text == NULL)
		return *kept;
	v = mr_arena_zalloc(p->c->scratch, sizeof(*v));
	if (v == NULL || mr_json_parse(p->c->scratch, mr_str(text), NULL, NULL, v) < 0) {
		p->r = MR_E_NOMEM;
		return NULL;
	}
	*kept = v;
	return v;
}

/* ---- the input ---- */

/* S3's words for types; what isn't one of them says nothing. */
static const char *type_word(struct mr_str s)
{
	static const char *const words[][2] = { { "string", "string" }, { "text", "string" },
		{ "number", "number" }, { "float", "number" }, { "decimal", "number" },
		{ "integer", "integer" }, { "int", "integer" }, { "boolean", "boolean" },
		{ "bool", "boolean" }, { "array", "array" }, { "list", "array" },
		{ "object", "object" } };

	for (size_t i = 0; i < MR_ARRAY_LEN(words); i++)
		if (mr_str_ieqz(s, words[i][0]))
			return words[i][1];
	return NULL;
}

static int map_of(struct mr_arena *a, const char *key, struct mr_value v, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(a, 1);

	if (m == NULL)
		return MR_E_NOMEM;
	m->members[0] = (struct mr_member){ mr_value_strz(key), v };
	*ret = mr_value_map(m);
	return mr_map_seal(a, m);
}

/* [{name, type}] → {"properties": {name: {"type": …}}}; a variable may be null. */
static int schema_of_variables(
    struct mr_compile *c, const struct mr_value *list, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(c->scratch, list->list->len);
	size_t n = 0;

	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < list->list->len; i++) {
		const struct mr_value *item = &list->list->items[i];
		struct mr_str name = mr_value_get_str(item, "name");
		const char *word = type_word(mr_value_get_str(item, "type"));

		if (name.p == NULL || word == NULL)
			continue;
		m->members[n].key = mr_value_str(name);
		if (map_of(c->scratch, "type", mr_value_strz(word), &m->members[n++].value) < 0)
			return MR_E_NOMEM;
	}
	m->len = n;
	if (mr_map_seal(c->scratch, m) < 0)
		return MR_E_NOMEM;
	return map_of(c->scratch, "properties", mr_value_map(m), ret);
}

static int read_input(struct place *p)
{
	struct mr_str path;
	const struct mr_value *schema = mr_graph_top(p->c, "input_schema", &path);
	const struct mr_value *variables = mr_graph_top(p->c, "variables", &path);
	struct mr_value *made;

	if (schema != NULL || variables == NULL || variables->kind != MR_VALUE_LIST) {
		p->input = schema;
		return 0;
	}
	made = mr_arena_zalloc(p->c->scratch, sizeof(*made));
	if (made == NULL || schema_of_variables(p->c, variables, made) < 0)
		return MR_E_NOMEM;
	p->input = made;
	return 0;
}

static const struct mr_value *of_input(const struct place *p, struct mr_str name)
{
	const struct mr_value *properties =
	    p->input != NULL ? mr_value_get_kind(p->input, "properties", MR_VALUE_MAP) : NULL;

	return properties != NULL ? mr_value_gets(properties, name) : NULL;
}

/* ---- results ---- */

/* What steps.<name> is; a step may answer something else than its type does. */
static const struct mr_value *of_step(struct place *p, unsigned step)
{
	const struct mr_step *s = &p->c->steps[step];

	if (s->output != NULL || p->c->drafts[step].type < 0)
		return NULL;
	for (size_t i = 0; i < s->catches_len; i++)
		if (s->catches[i].block >= 0 || s->catches[i].value != NULL)
			return NULL;
	return parse(p, results[s->type], &p->of_type[s->type]);
}

/* The steps that this one names, as a schema. */
static const struct mr_value *of_steps(struct place *p)
{
	const struct mr_step_refs *refs = p->s != NULL ? &p->s->refs : &p->c->graph->output_refs;
	struct mr_value *v = mr_arena_zalloc(p->c->scratch, sizeof(*v));
	struct mr_map *m = mr_map_create(p->c->scratch, refs->len);
	size_t n = 0;

	if (p->steps != NULL || refs->all)
		return p->steps;
	for (size_t i = 0; i < refs->len && m != NULL; i++) {
		const struct mr_value *schema = NULL;

		if (p->s == NULL || refs->steps[i] != p->s->index)
			schema = of_step(p, refs->steps[i]);
		if (schema == NULL)
			continue;
		m->members[n].key = mr_value_str(p->c->steps[refs->steps[i]].short_name);
		m->members[n++].value = *schema;
	}
	if (m != NULL)
		m->len = n;
	if (v == NULL || m == NULL || mr_map_seal(p->c->scratch, m) < 0 ||
	    map_of(p->c->scratch, "properties", mr_value_map(m), v) < 0) {
		p->r = MR_E_NOMEM;
		return NULL;
	}
	p->steps = v;
	return v;
}

/* ---- names ---- */

/* A name that a block around binds. *RET is NULL when its type isn't known. */
static bool is_bound(struct place *p, struct mr_str name, const struct mr_value **ret)
{
	const struct mr_draft_block *b = p->d != NULL ? &p->c->blocks[p->d->block] : NULL;

	while (b != NULL) {
		if (b->counts.p != NULL && mr_str_eq(name, b->counts)) {
			*ret = parse(p, integer_text, &p->integer);
			return true;
		}
		if (b->binds.p != NULL && mr_str_eq(name, b->binds)) {
			/* nothing has failed when finally runs after a success */
			bool is_error = b->role == MR_BLOCK_CATCH || b->role == MR_BLOCK_ON_FAILURE;

			*ret = is_error ? parse(p, error_text, &p->error) : NULL;
			return true;
		}
		b = b->holder >= 0 ? &p->c->blocks[p->c->drafts[b->holder].block] : NULL;
	}
	return false;
}

/* Names whose types aren't told here. */
static bool is_known_otherwise(struct mr_str name)
{
	static const char *const names[] = { "meta", "vars", "env", "secrets", "run", "workflow",
		"execution_id", "workflow_id", "result", "event", "last" };

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++)
		if (mr_str_eqz(name, names[i]))
			return true;
	return false;
}

static const struct mr_value *schema_of(void *ctx, struct mr_str name)
{
	struct place *p = ctx;
	const struct mr_value *bound = NULL;

	if (mr_str_eqz(name, "trigger") || mr_str_eqz(name, "input"))
		return p->input;
	if (mr_str_eqz(name, "steps"))
		return of_steps(p);
	if (p->sees_item)
		return NULL; /* a member of the item, whatever the input has of that name */
	if (p->sees_event && mr_str_eqz(name, "event"))
		return parse(p, event_text, &p->event);
	if (p->sees_rounds && mr_str_eqz(name, "index"))
		return parse(p, integer_text, &p->integer);
	if (p->sees_result && mr_str_eqz(name, "result"))
		return parse(p, results[p->s->type], &p->of_type[p->s->type]);
	if (is_bound(p, name, &bound))
		return bound;
	return is_known_otherwise(name) ? NULL : of_input(p, name);
}

/* ---- expressions ---- */

static void report(void *ctx, const struct mr_type_fault *fault)
{
	struct place *p = ctx;

	if (fault->path.len > 0)
		mr_graph_fault(p->c, fault->path, "type", "line %zu, column %zu: %s", fault->line,
		    fault->column, fault->message);
	else
		mr_graph_fault(p->c, p->path, "type", "%s (line %zu, column %zu)", fault->message,
		    fault->line, fault->column);
}

static void condition(struct place *p, const struct mr_expr *e, struct mr_str path)
{
	const struct mr_type_env env = { .schema = schema_of, .ctx = p };

	p->path = path;
	if (e != NULL && p->r == 0)
		p->r = mr_condition_check(e, &env, p->c->scratch, report, p);
}

static void template(struct place *p, const struct mr_template *t)
{
	const struct mr_type_env env = { .schema = schema_of, .ctx = p };

	if (t != NULL && p->r == 0)
		p->r = mr_template_check(t, &env, p->c->scratch, report, p);
}

static void transformations(struct place *p)
{
	const struct mr_type_env env = { .schema = schema_of, .ctx = p };
	const struct mr_transform *t = p->s->transform;
	struct mr_str path = mr_graph_pathz(p->c, p->d->config_path, "transformations");

	p->sees_item = true;
	for (size_t i = 0; t != NULL && i < t->len && p->r == 0; i++) {
		p->path = mr_graph_path_at(p->c, path, i);
		if (t->steps[i].expr != NULL)
			p->r = mr_expr_check(t->steps[i].expr, &env, p->c->scratch, report, p);
		template(p, t->steps[i].template);
	}
	p->sees_item = false;
}

static void waits(struct place *p)
{
	for (size_t i = 0; i < p->s->waits_len; i++) {
		const struct mr_wait_item *w = &p->s->waits[i];

		template(p, w->duration);
		template(p, w->until);
		template(p, w->event_type);
		template(p, w->count);
		p->sees_event = true;
		condition(p, w->match, mr_graph_wait_path(p->c, p->d, i));
		p->sees_event = false;
	}
}

static void config(struct place *p)
{
	const struct mr_step *s = p->s;

	for (size_t i = 0; i < s->config_len; i++)
		template(p, s->config[i].value);
	p->sees_rounds = s->type == MR_STEP_WHILE;
	condition(p, s->condition, mr_graph_pathz(p->c, p->d->config_path, "condition"));
	p->sees_rounds = false;
	template(p, s->value);
	for (size_t i = 0; i < s->branches_len; i++) {
		condition(
		    p, s->branches[i].when, mr_graph_pathz(p->c, p->d->branches[i].path, "when"));
		template(p, s->branches[i].equals);
	}
	waits(p);
	transformations(p);
}

static void step(struct place *p, unsigned i)
{
	const struct mr_step *s = &p->c->steps[i];

	p->s = s;
	p->d = &p->c->drafts[i];
	p->steps = NULL;
	config(p);
	condition(p, s->when, mr_graph_when_path(p->c, p->d));
	template(p, s->idempotency_key);
	for (size_t k = 0; k < s->catches_len; k++)
		template(p, s->catches[k].value);
	p->sees_result = p->d->type >= 0;
	template(p, s->output);
	p->sees_result = false;
}

int mr_graph_types(struct mr_compile *c)
{
	struct place *p = mr_arena_zalloc(c->scratch, sizeof(*p));

	if (p == NULL)
		return MR_E_NOMEM;
	p->c = c;
	if (read_input(p) < 0)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < c->drafts_len && p->r == 0; i++)
		step(p, i);
	p->s = NULL;
	p->d = NULL;
	p->steps = NULL;
	template(p, c->graph->vars);
	template(p, c->graph->concurrency.key);
	template(p, c->graph->output);
	return p->r;
}
