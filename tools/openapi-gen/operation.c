/* One row of the route table as an OpenAPI operation. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "fcgi/access.h"
#include "fcgi/args.h"
#include "lib/pg.h"
#include "tools/openapi-gen/document.h"
#include "tools/openapi-gen/recorded.h"

#define VISIBLE "^[^\\x00-\\x1f\\x7f]+$" /* nginx takes no control characters in a path */

static bool is_list(const struct mr_route *r)
{
	return mr_envelope_is_list(r->envelope);
}

static bool takes_body(const struct mr_route *r)
{
	return r->in != MR_SCHEMA_NONE || r->in_file;
}

/* What writes takes an Idempotency-Key; POST alone needs one. */
static bool is_repeatable(const struct mr_route *r)
{
	return r->method == MR_POST && r->sql != MR_SQL_NONE;
}

static struct json_object *typed(const char *type)
{
	struct json_object *o = json_object_new_object();

	mr_puts(o, "type", type);
	return o;
}

static struct json_object *matching(const char *pattern)
{
	struct json_object *o = typed("string");

	mr_puts(o, "pattern", pattern);
	return o;
}

/* An id as text, with its prefix or without. */
static struct json_object *id_text(const char *prefix)
{
	char pattern[MR_ID_PATTERN_LEN];

	mr_id_pattern(prefix, pattern);
	return matching(pattern);
}

static struct json_object *integer(int64_t min, int64_t max)
{
	struct json_object *o = typed("integer");

	mr_put(o, "minimum", json_object_new_int64(min));
	if (max != INT64_MAX)
		mr_put(o, "maximum", json_object_new_int64(max));
	return o;
}

static struct json_object *words(const char *const *values)
{
	struct json_object *o = typed("string"), *list = json_object_new_array();

	for (; *values != NULL; values++)
		(void)json_object_array_add(list, json_object_new_string(*values));
	mr_put(o, "enum", list);
	return o;
}

/* ---- parameters ---- */

static struct json_object *parameter(struct json_object *all, const char *in, const char *name,
    const char *doc, struct json_object *schema)
{
	struct json_object *o = json_object_new_object();

	mr_puts(o, "name", name);
	mr_puts(o, "in", in);
	if (strcmp(in, "path") == 0)
		mr_put(o, "required", json_object_new_boolean(true));
	mr_puts(o, "description", doc);
	mr_put(o, "schema", schema);
	(void)json_object_array_add(all, o);
	return o;
}

/* What was sent to the operation, and answered with STATUS; NULL when nothing was recorded. */
static struct json_object *exchange(const struct mr_route *r, unsigned status)
{
	char operation[MR_OPERATION_LEN];

	mr_operation_name(r, operation, sizeof(operation));
	return mr_recorded_exchange(operation, status);
}

static void path_parameter(struct json_object *all, const struct mr_route *r,
    const struct mr_var *v, struct json_object *recorded)
{
	char name[64], doc[160] = "A name.";
	struct json_object *schema, *p, *value;

	(void)snprintf(name, sizeof(name), "%.*s", MR_STR_ARG(v->name)); /* ours: short */
	schema = v->kind == MR_VAR_NUMBER ? integer(1, INT32_MAX)
	         : v->kind == MR_VAR_ID   ? id_text(v->id_prefix)
	                                  : matching(VISIBLE);
	if (v->kind == MR_VAR_ID)
		(void)snprintf(doc, sizeof(doc), "An id: 12%s%s%s.",
		    v->id_prefix != NULL ? ", or " : "", v->id_prefix != NULL ? v->id_prefix : "",
		    v->id_prefix != NULL ? "_12" : "");
	p = parameter(
	    all, "path", name, v->kind == MR_VAR_NUMBER ? "A number from 1." : doc, schema);
	value = mr_recorded_variable(recorded, r->path, name);
	if (value != NULL && v->kind == MR_VAR_NUMBER) {
		mr_put(p, "example", json_object_new_int64(json_object_get_int64(value)));
		json_object_put(value);
	} else if (value != NULL) {
		mr_put(p, "example", value);
	} else if (v->kind == MR_VAR_ID) {
		mr_puts(p, "example", "12");
	}
}

static void path_parameters(
    struct json_object *all, const struct mr_route *r, const struct mr_route_vars *vars)
{
	struct json_object *recorded = exchange(r, r->out.status);

	for (unsigned i = 0; i < vars->len; i++)
		path_parameter(all, r, &vars->vars[i], recorded);
}

static struct json_object *arg_schema(const struct mr_arg *a)
{
	struct json_object *o;

	switch (a->type) {
	case MR_ARG_INT:
		return integer(a->min, a->max);
	case MR_ARG_BOOL:
		return typed("boolean");
	case MR_ARG_ENUM:
		return words(a->values);
	case MR_ARG_TIME:
		o = typed("string");
		mr_puts(o, "format", "date-time");
		return o;
	case MR_ARG_ID:
		return id_text(a->id_prefix);
	case MR_ARG_TEXT:
	default:
		return typed("string");
	}
}

static void query_parameters(struct json_object *all, const struct mr_route *r)
{
	for (unsigned i = 0; r->args != NULL && r->args[i].name != NULL; i++) {
		const struct mr_arg *a = &r->args[i];
		struct json_object *schema = arg_schema(a), *p;

		if (a->many) {
			struct json_object *list = typed("array");

			mr_put(list, "items", schema);
			schema = list;
		}
		p = parameter(all, "query", a->name, a->doc, schema);
		if (a->many) { /* repeated, or in one with commas */
			mr_puts(p, "style", "form");
			mr_put(p, "explode", json_object_new_boolean(true));
		}
	}
}

/* The names that a list is sorted by. */
static struct json_object *sort_names(const struct mr_stmt *stmt)
{
	struct json_object *o = typed("string"), *list = json_object_new_array();

	for (unsigned i = 0; i < stmt->orders_len; i++) {
		if (!stmt->orders[i].descending) /* each comes in both directions */
			(void)json_object_array_add(
			    list, json_object_new_string(stmt->orders[i].name));
	}
	mr_put(o, "enum", list);
	return o;
}

/* The orders of a list, each with and without the sign. */
static struct json_object *ordering(const struct mr_stmt *stmt)
{
	struct json_object *o = typed("string"), *list = json_object_new_array();
	char name[80];

	for (unsigned i = 0; i < stmt->orders_len; i++) {
		(void)snprintf(name, sizeof(name), "%s%s", stmt->orders[i].descending ? "-" : "",
		    stmt->orders[i].name); /* ours: short */
		(void)json_object_array_add(list, json_object_new_string(name));
	}
	mr_put(o, "enum", list);
	if (stmt->orders_len > 0)
		mr_put(o, "default", json_object_get(json_object_array_get_idx(list, 0)));
	return o;
}

static struct json_object *search_text(void)
{
	struct json_object *o = typed("string");

	mr_put(o, "maxLength", json_object_new_int(MR_SEARCH_MAX));
	return o;
}

static void list_parameters(struct json_object *all, const struct mr_route *r)
{
	static const char *const directions[] = { "asc", "desc", NULL };
	const struct mr_stmt *stmt = &mr_stmts[r->sql];
	struct json_object *size = integer(1, mr_page_max(r));

	mr_put(size, "default", json_object_new_int64(mr_page_default(r)));
	parameter(all, "query", "limit", "Entries of a page.", size);
	parameter(all, "query", "offset",
	    "Entries to skip, of a list that has more than 100,000 at most so many.",
	    integer(0, MR_OFFSET_MAX));
	parameter(all, "query", "page", "Page, from 1; instead of offset.",
	    integer(1, MR_OFFSET_MAX / mr_page_max(r)));
	parameter(all, "query", "page_size", "Another name of limit.", integer(1, mr_page_max(r)));
	parameter(all, "query", "cursor",
	    "next_cursor of the page before; reading on costs the same however far one is.",
	    typed("string"));
	if (stmt->orders_len > 0) {
		parameter(all, "query", "ordering",
		    "What to sort by; - before it: the largest first.", ordering(stmt));
		parameter(all, "query", "sort_by",
		    "Instead of ordering: its name without the sign.", sort_names(stmt));
		parameter(all, "query", "sort_order", "Goes with sort_by.", words(directions));
	}
	if (mr_stmt_param_find(stmt, "search") >= 0)
		parameter(all, "query", "search",
		    "Only entries with this text. Of a large list a page looks at 10,000 entries, "
		    "and "
		    "may be short without being the last.",
		    search_text());
}

static bool takes_if_match(const struct mr_route *r)
{
	for (const enum mr_error_id *e = r->errors; e != NULL && *e != MR_ERR_NONE; e++) {
		if (*e == MR_ERR_PRECONDITION_FAILED)
			return true;
	}
	return r->method == MR_GET && r->envelope == MR_ENVELOPE_ONE;
}

static void header_parameters(struct json_object *all, const struct mr_route *r)
{
	if (is_repeatable(r))
		parameter(all, "header", "Idempotency-Key",
		    "The same key and content within 24 hours gives the stored answer, with "
		    "Idempotency-Replayed: true.",
		    matching("^[!-~]{1,255}$"));
	if (takes_if_match(r))
		parameter(all, "header", "If-Match",
		    "Only if the resource still has the version of this ETag, which stands in "
		    "quotes.",
		    typed("string"));
	if (r->method == MR_GET && r->envelope == MR_ENVELOPE_ONE)
		parameter(all, "header", "If-None-Match", "304 if this ETag is still right.",
		    typed("string"));
	parameter(all, "header", "X-Request-ID",
	    "Names the request in answers, logs and runs; made when it isn't sent.",
	    typed("string"));
}

static struct json_object *parameters(const struct mr_route *r, const struct mr_route_vars *vars)
{
	struct json_object *all = json_object_new_array();

	path_parameters(all, r, vars);
	query_parameters(all, r);
	if (is_list(r))
		list_parameters(all, r);
	header_parameters(all, r);
	return all;
}

/* ---- bodies ---- */

static struct json_object *media(
    struct json_object *content, const char *type, struct json_object *schema)
{
	struct json_object *o = json_object_new_object();

	mr_put(o, "schema", schema);
	mr_put(content, type, o);
	return o;
}

/* The same with an example: SHOWN when it isn't NULL, else the schema's where it is JSON. */
static void media_shown(struct json_object *content, const char *type, struct json_object *schema,
    struct json_object *schemas, bool written, struct json_object *shown)
{
	struct json_object *o = media(content, type, schema);

	if (shown != NULL)
		mr_put(o, "example", json_object_get(shown));
	else if (strcmp(type, "application/json") == 0)
		mr_put(o, "example", mr_document_example(schemas, schema, written));
}

static struct json_object *binary(void)
{
	struct json_object *o = typed("string");

	mr_puts(o, "format", "binary");
	return o;
}

static struct json_object *upload(void)
{
	struct json_object *o = typed("object"), *members = json_object_new_object();
	struct json_object *required = json_object_new_array();

	mr_put(members, "file", binary());
	mr_put(o, "properties", members);
	(void)json_object_array_add(required, json_object_new_string("file"));
	mr_put(o, "required", required);
	return o;
}

/* Its body, NULL when it had none. */
static struct json_object *sent(struct json_object *exchanged)
{
	return mr_get(mr_get(exchanged, "request"), "body");
}

static struct json_object *answered(struct json_object *exchanged)
{
	return mr_get(exchanged, "answer");
}

/* A file in both of the ways that it may be sent in. */
static void upload_body(struct json_object *content, struct json_object *shown)
{
	struct json_object *form = media(content, "multipart/form-data", upload());
	struct json_object *raw = media(content, "application/octet-stream", binary());

	if (shown != NULL) {
		mr_put(form, "example", json_object_new_object());
		mr_put(json_object_object_get(form, "example"), "file", json_object_get(shown));
		mr_put(raw, "example", json_object_get(shown));
	}
}

static struct json_object *request_body(const struct mr_route *r, struct json_object *schemas)
{
	struct json_object *o = json_object_new_object(), *content = json_object_new_object();
	struct json_object *shown = sent(exchange(r, r->out.status));

	mr_put(o, "required", json_object_new_boolean(!r->in_optional));
	if (r->in_file)
		upload_body(content, shown);
	else
		media_shown(content, "application/json",
		    mr_document_ref(mr_schema_texts[r->in].name), schemas, true, shown);
	mr_put(o, "content", content);
	return o;
}

static void member(struct json_object *o, const char *name, struct json_object *schema)
{
	mr_put(json_object_object_get(o, "properties"), name, schema);
	(void)json_object_array_add(
	    json_object_object_get(o, "required"), json_object_new_string(name));
}

static struct json_object *described(struct json_object *o, const char *doc)
{
	mr_puts(o, "description", doc);
	return o;
}

static struct json_object *list_of(struct json_object *items)
{
	struct json_object *o = typed("array");

	mr_put(o, "items", items);
	return o;
}

static struct json_object *closed_object(void)
{
	struct json_object *o = typed("object");

	mr_put(o, "properties", json_object_new_object());
	mr_put(o, "required", json_object_new_array());
	mr_put(o, "additionalProperties", json_object_new_boolean(false));
	return o;
}

static struct json_object *envelope(struct json_object *items)
{
	struct json_object *o = closed_object(), *cursor = typed("string");

	member(o, "items", list_of(items));
	member(o, "total", described(integer(0, INT64_MAX), "Exact up to 10,000."));
	member(o, "limit", integer(1, INT64_MAX));
	member(o, "offset", integer(0, INT64_MAX));
	member(o, "page", integer(1, INT64_MAX));
	member(o, "page_size", integer(1, INT64_MAX));
	mr_put(cursor, "nullable", json_object_new_boolean(true));
	member(o, "next_cursor",
	    described(cursor,
	        "null: this is the last page. A page may be short, or empty, and not the last."));
	mr_put(json_object_object_get(o, "properties"), "total_exact",
	    described(typed("boolean"), "false: total is an estimate, or what was found so far."));
	return o;
}

static struct json_object *templates_envelope(struct json_object *items)
{
	struct json_object *o = closed_object();

	member(o, "templates", list_of(items));
	member(o, "total", integer(0, INT64_MAX));
	member(o, "page", integer(1, INT64_MAX));
	member(o, "page_size", integer(1, INT64_MAX));
	return o;
}

static struct json_object *page_address(const char *doc)
{
	struct json_object *o = typed("string");

	mr_put(o, "nullable", json_object_new_boolean(true));
	return described(o, doc);
}

static struct json_object *results_envelope(struct json_object *items)
{
	struct json_object *o = closed_object();

	member(o, "count", integer(0, INT64_MAX));
	member(o, "next", page_address("Address of the next page; null: this is the last one."));
	member(o, "previous",
	    page_address("Address of the page before; null: this is the first one."));
	member(o, "results", list_of(items));
	return o;
}

/* The page of a list, a schema of its own: "AgentList" of "Agent". */
static struct json_object *page_schema(struct json_object *schemas, struct json_object *items,
    const char *suffix, struct json_object *(*page_of)(struct json_object *))
{
	const char *ref = json_object_get_string(json_object_object_get(items, "$ref"));
	struct json_object *o = json_object_new_object(), *page;
	char name[160];

	(void)snprintf(name, sizeof(name), "%s%s", ref, suffix); /* ours: it fits */
	mr_puts(o, "$ref", name);
	(void)snprintf(name, sizeof(name), "%s%s", strrchr(ref, '/') + 1, suffix);
	if (json_object_object_get_ex(schemas, name, NULL)) {
		json_object_put(items);
		return o;
	}
	page = page_of(items);
	mr_puts(page, "description", "One page of a list.");
	mr_put(schemas, name, page);
	return o;
}

static struct json_object *answer_schema(const struct mr_route *r, struct json_object *schemas)
{
	struct json_object *o;

	if (r->out.schema == MR_SCHEMA_NONE)
		return r->out.type != NULL && strncmp(r->out.type, "text/", 5) == 0
		           ? typed("string")
		           : binary();
	o = mr_document_ref(mr_schema_texts[r->out.schema].name);
	if (r->envelope == MR_ENVELOPE_LIST)
		return page_schema(schemas, o, "List", envelope);
	if (r->envelope == MR_ENVELOPE_TEMPLATES)
		return page_schema(schemas, o, "Page", templates_envelope);
	if (r->envelope == MR_ENVELOPE_RESULTS)
		return page_schema(schemas, o, "Results", results_envelope);
	return r->envelope == MR_ENVELOPE_BARE ? list_of(o) : o;
}

static void header(struct json_object *all, const char *name, const char *doc)
{
	struct json_object *o = json_object_new_object();

	mr_puts(o, "description", doc);
	mr_put(o, "schema", typed("string"));
	mr_put(all, name, o);
}

/* What tells of the limit, each by reference. */
static const char *const limit_headers[][2] = {
	{ "RateLimit-Limit", "Requests that the caller may make in any window of this class." },
	{ "RateLimit-Remaining", "How many of them are left." },
	{ "RateLimit-Reset", "Seconds until some that were used come back." },
};

struct json_object *mr_document_headers(void)
{
	struct json_object *all = json_object_new_object(), *o;

	for (size_t i = 0; i < MR_ARRAY_LEN(limit_headers); i++) {
		o = json_object_new_object();
		mr_puts(o, "description", limit_headers[i][1]);
		mr_put(o, "schema", typed("integer"));
		mr_put(all, limit_headers[i][0], o);
	}
	o = json_object_new_object();
	mr_puts(o, "description", "Seconds to wait before trying again.");
	mr_put(o, "schema", typed("integer"));
	mr_put(all, "Retry-After", o);
	return all;
}

static void shared_header(struct json_object *all, const char *name)
{
	struct json_object *o = json_object_new_object();
	char ref[64];

	(void)snprintf(ref, sizeof(ref), "#/components/headers/%s", name); /* it fits */
	mr_puts(o, "$ref", ref);
	mr_put(all, name, o);
}

static void add_limit_headers(struct json_object *all)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(limit_headers); i++)
		shared_header(all, limit_headers[i][0]);
}

static struct json_object *answer_headers(const struct mr_route *r)
{
	struct json_object *all = json_object_new_object();

	header(all, "X-Request-ID", "The request's name.");
	if (r->envelope == MR_ENVELOPE_ONE && r->method != MR_POST)
		header(all, "ETag", "Version and digest, for If-Match and If-None-Match.");
	if (r->out.status == 201)
		header(all, "Location", "Where the new resource is.");
	if (is_repeatable(r))
		header(all, "Idempotency-Replayed", "true: the answer is a stored one.");
	if (r->envelope == MR_ENVELOPE_BARE) {
		header(all, "X-Total-Count", "Entries in all.");
		header(all, "X-Total-Exact", "false: that is an estimate.");
	}
	if (is_list(r) && r->envelope != MR_ENVELOPE_LIST) {
		header(all, "Link", "rel=\"next\": the next page; the last one has none.");
		header(all, "X-Next-Cursor",
		    "What cursor is for the next page; the last one has none.");
	}
	if (r->rate != MR_RATE_EXEMPT)
		add_limit_headers(all);
	return all;
}

/* ---- errors ---- */

static void mark_all(bool seen[MR_ERR_COUNT], const enum mr_error_id *errors)
{
	for (; errors != NULL && *errors != MR_ERR_NONE; errors++)
		seen[*errors] = true;
}

/* What any address may answer, and what any that isn't public may. */
#define EVERYWHERE                                                                                 \
	MR_ERRS(MR_ERR_VALIDATION_FAILED, MR_ERR_BAD_REQUEST, MR_ERR_URI_TOO_LONG,                 \
	    MR_ERR_HEADERS_TOO_LARGE, MR_ERR_INTERNAL, MR_ERR_BAD_GATEWAY, MR_ERR_OVERLOADED,      \
	    MR_ERR_GATEWAY_TIMEOUT)
#define NOT_PUBLIC                                                                                 \
	MR_ERRS(MR_ERR_AUTHENTICATION_REQUIRED, MR_ERR_CREDENTIALS_INVALID, MR_ERR_FORBIDDEN,      \
	    MR_ERR_DATABASE_UNAVAILABLE)

/* What the row says, and what follows from it. */
void mr_document_errors_of(const struct mr_route *r, bool seen[MR_ERR_COUNT])
{
	mark_all(seen, EVERYWHERE);
	mark_all(seen, r->errors);
	if (r->scope != MR_SCOPE_NONE)
		mark_all(seen, NOT_PUBLIC);
	if (r->rate != MR_RATE_EXEMPT)
		seen[MR_ERR_TOO_MANY_REQUESTS] = true;
	if (is_list(r))
		seen[MR_ERR_CURSOR_INVALID] = true;
	if (takes_body(r))
		seen[MR_ERR_BODY_TOO_LARGE] = true;
	if (r->in != MR_SCHEMA_NONE) /* a file may be of any type */
		mark_all(seen, MR_ERRS(MR_ERR_JSON_INVALID, MR_ERR_MEDIA_TYPE_UNSUPPORTED));
	if (is_repeatable(r))
		mark_all(
		    seen, MR_ERRS(MR_ERR_IDEMPOTENCY_IN_PROGRESS, MR_ERR_IDEMPOTENCY_KEY_REUSED));
	if (r->method == MR_GET && r->envelope == MR_ENVELOPE_ONE)
		seen[MR_ERR_PRECONDITION_FAILED] = true;
}

/* Errors whose example stands among the components, since some answer refers to it. */
static bool shared_examples[MR_ERR_COUNT];

/* What was recorded of OPERATION, else the one of all. */
static struct json_object *error_example(int error, const char *operation)
{
	const char *code = mr_error_rows[error].code;
	struct json_object *own = operation != NULL ? mr_recorded_error(operation, code) : NULL;
	struct json_object *o;
	char ref[128];

	if (own != NULL)
		return mr_document_problem(error, own);
	shared_examples[error] = true;
	o = json_object_new_object();
	(void)snprintf(ref, sizeof(ref), "#/components/examples/%s", code); /* it fits */
	mr_puts(o, "$ref", ref);
	return o;
}

/* OPERATION may be NULL: that of none. */
static struct json_object *error_answer(
    const bool seen[MR_ERR_COUNT], unsigned status, const char *operation)
{
	struct json_object *o = json_object_new_object(), *content = json_object_new_object();
	struct json_object *codes = json_object_new_array(), *examples = json_object_new_object();
	struct json_object *headers = json_object_new_object();
	char doc[2048] = "";
	size_t n = 0;

	for (int i = 1; i < MR_ERR_COUNT; i++) {
		int len;

		if (!seen[i] || mr_error_rows[i].status != status)
			continue;
		len = snprintf(doc + n, sizeof(doc) - n, "%s%s: %s", n > 0 ? " " : "",
		    mr_error_rows[i].code, mr_error_rows[i].sentence);
		if (len > 0 && (size_t)len < sizeof(doc) - n)
			n += (size_t)len;
		(void)json_object_array_add(codes, json_object_new_string(mr_error_rows[i].code));
		mr_put(examples, mr_error_rows[i].code, error_example(i, operation));
	}
	mr_puts(o, "description", doc);
	if (status == 429 || status == 503)
		shared_header(headers, "Retry-After");
	add_limit_headers(headers); /* of routes that are limited */
	mr_put(o, "headers", headers);
	mr_put(media(content, "application/problem+json", mr_document_ref("problem")), "examples",
	    examples);
	mr_put(o, "content", content);
	mr_put(o, "x-error-codes", codes);
	return o;
}

/* Answers that say the same wherever they are given stand once, among the components. */
static void shared_errors(bool seen[MR_ERR_COUNT])
{
	mark_all(seen, EVERYWHERE);
	mark_all(seen, NOT_PUBLIC);
	mark_all(seen, MR_ERRS(MR_ERR_TOO_MANY_REQUESTS, MR_ERR_BODY_TOO_LARGE,
	                   MR_ERR_MEDIA_TYPE_UNSUPPORTED, MR_ERR_PRECONDITION_FAILED));
}

static bool is_shared(const bool seen[MR_ERR_COUNT], unsigned status, const char *operation)
{
	bool shared[MR_ERR_COUNT] = { false };

	shared_errors(shared);
	for (int i = 1; i < MR_ERR_COUNT; i++) {
		if (mr_error_rows[i].status != status)
			continue;
		if (seen[i] != shared[i] ||
		    mr_recorded_error(operation, mr_error_rows[i].code) != NULL)
			return false;
	}
	return true;
}

static struct json_object *shared_answer(unsigned status)
{
	struct json_object *o = json_object_new_object();
	char ref[48];

	(void)snprintf(ref, sizeof(ref), "#/components/responses/Error%u", status); /* it fits */
	mr_puts(o, "$ref", ref);
	return o;
}

/* One answer for each status of these errors; the table is sorted by status. Those of an OPERATION,
 * by reference where that can be; NULL: what is referred to. */
static void answers_of(struct json_object *all, const bool seen[MR_ERR_COUNT], const char *prefix,
    const char *operation)
{
	unsigned last = 0;

	for (int i = 1; i < MR_ERR_COUNT; i++) {
		char status[24];

		if (!seen[i] || mr_error_rows[i].status == last)
			continue;
		last = mr_error_rows[i].status;
		(void)snprintf(status, sizeof(status), "%s%u", prefix, last); /* three digits */
		mr_put(all, status,
		    operation != NULL && is_shared(seen, last, operation)
		        ? shared_answer(last)
		        : error_answer(seen, last, operation));
	}
}

static void error_answers(struct json_object *all, const struct mr_route *r)
{
	bool seen[MR_ERR_COUNT] = { false };
	char operation[MR_OPERATION_LEN];

	mr_operation_name(r, operation, sizeof(operation));
	mr_document_errors_of(r, seen);
	answers_of(all, seen, "", operation);
}

struct json_object *mr_document_errors(void)
{
	struct json_object *all = json_object_new_object();
	bool seen[MR_ERR_COUNT] = { false };

	shared_errors(seen);
	answers_of(all, seen, "Error", NULL);
	return all;
}

struct json_object *mr_document_problems(void)
{
	struct json_object *all = json_object_new_object();

	for (int i = MR_ERR_NONE + 1; i < MR_ERR_COUNT; i++) {
		if (shared_examples[i])
			mr_put(all, mr_error_rows[i].code, mr_document_problem(i, NULL));
	}
	return all;
}

static void ready_answer(struct json_object *all, const struct mr_route *r)
{
	bool seen[MR_ERR_COUNT] = { false };
	struct json_object *o;

	/* the one that answers with its own body even when it says no */
	if (r->out.schema != MR_SCHEMA_READY)
		return;
	mr_document_errors_of(r, seen);
	o = error_answer(seen, 503, NULL);
	media(json_object_object_get(o, "content"), "application/json", mr_document_ref("ready"));
	mr_put(all, "503", o);
}

static void put_answer(struct json_object *all, unsigned status, struct json_object *answer)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%u", status); /* three digits */
	mr_put(all, name, answer);
}

/* The answer of a request that was carried out; of routes with two such statuses each has its own.
 */
static struct json_object *success(
    const struct mr_route *r, struct json_object *schemas, unsigned status)
{
	struct json_object *o = json_object_new_object(), *content = json_object_new_object();
	struct json_object *links;

	mr_puts(o, "description", r->summary);
	mr_put(o, "headers", answer_headers(r));
	media_shown(content, r->out.type != NULL ? r->out.type : "application/json",
	    answer_schema(r, schemas), schemas, false, answered(exchange(r, status)));
	mr_put(o, "content", content);
	links = mr_document_links(schemas, r, status);
	if (links != NULL)
		mr_put(o, "links", links);
	return o;
}

static struct json_object *part_answer(const struct mr_route *r, struct json_object *schemas)
{
	struct json_object *links = mr_document_links(schemas, r, 206);
	struct json_object *o = json_object_new_object(), *content = json_object_new_object();

	mr_puts(o, "description", "The part that Range asks for.");
	media_shown(content, r->out.type, binary(), NULL, false, answered(exchange(r, 206)));
	mr_put(o, "content", content);
	if (links != NULL)
		mr_put(o, "links", links);
	return o;
}

static struct json_object *responses(const struct mr_route *r, struct json_object *schemas)
{
	struct json_object *all = json_object_new_object(), *o;

	put_answer(all, r->out.status, success(r, schemas, r->out.status));
	if (r->out_again != 0)
		put_answer(all, r->out_again, success(r, schemas, r->out_again));
	if (r->method == MR_GET &&
	    (r->envelope == MR_ENVELOPE_ONE || r->envelope == MR_ENVELOPE_RAW)) {
		o = json_object_new_object();
		mr_puts(o, "description", "Not changed since If-None-Match.");
		mr_put(all, "304", o);
	}
	if (r->out.type != NULL && strcmp(r->out.type, "application/octet-stream") == 0)
		mr_put(all, "206", part_answer(r, schemas));
	error_answers(all, r);
	ready_answer(all, r);
	return all;
}

/* ---- the whole ---- */

static struct json_object *security(void)
{
	static const char *const schemes[] = { "apiKey", "bearer" };
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < MR_ARRAY_LEN(schemes); i++) {
		struct json_object *o = json_object_new_object();

		mr_put(o, schemes[i], json_object_new_array());
		(void)json_object_array_add(all, o);
	}
	return all;
}

static struct json_object *role_names(unsigned roles)
{
	static const char *const names[] = { "viewer", "operator", "editor", "admin" };
	struct json_object *all = json_object_new_array();

	for (unsigned i = 0; i < MR_ARRAY_LEN(names); i++) {
		if ((roles & 1u << i) != 0)
			(void)json_object_array_add(all, json_object_new_string(names[i]));
	}
	return all;
}

/* Text that grows in place; what doesn't fit is left out, and ours is short. */
struct text {
	char s[2048];
	size_t len;
};

static void add(struct text *t, const char *before, const char *s, const char *after)
{
	int n = snprintf(t->s + t->len, sizeof(t->s) - t->len, "%s%s%s", before, s, after);

	if (n > 0 && (size_t)n < sizeof(t->s) - t->len)
		t->len += (size_t)n;
}

/* What the row says beyond its summary, then who may do it and what it counts as. */
static void describe(struct json_object *o, const struct mr_route *r)
{
	static const char *const names[] = { "viewer", "operator", "editor", "admin" };
	const char *before = ", and the role ";
	struct text t = { .len = 0 };

	if (r->doc != NULL)
		add(&t, "", r->doc, "\n\n");
	if (r->scope == MR_SCOPE_NONE) {
		add(&t, "", "Open to everybody", "");
	} else {
		add(&t, "Needs the scope ", mr_scope_name(r->scope), "");
		for (unsigned i = 0; i < MR_ARRAY_LEN(names); i++) {
			if ((r->roles & 1u << i) == 0)
				continue;
			add(&t, before, names[i], "");
			before = " or ";
		}
	}
	add(&t, "", ".", "");
	if (r->rate != MR_RATE_EXEMPT)
		add(&t, " Counts against the limit ", mr_rate_class_name(r->rate), ".");
	mr_puts(o, "description", t.s);
}

struct json_object *mr_document_operation(
    const struct mr_route *r, const struct mr_route_vars *vars, struct json_object *schemas)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();
	char id[MR_OPERATION_LEN];

	mr_operation_name(r, id, sizeof(id));
	mr_puts(o, "operationId", id);
	(void)json_object_array_add(list, json_object_new_string(r->tag));
	mr_put(o, "tags", list);
	mr_puts(o, "summary", r->summary);
	describe(o, r);
	if (r->deprecation != NULL)
		mr_put(o, "deprecated", json_object_new_boolean(true));
	mr_put(o, "parameters", parameters(r, vars));
	if (takes_body(r))
		mr_put(o, "requestBody", request_body(r, schemas));
	mr_put(o, "responses", responses(r, schemas));
	mr_put(o, "security", r->scope == MR_SCOPE_NONE ? json_object_new_array() : security());
	if (r->scope != MR_SCOPE_NONE)
		mr_puts(o, "x-scope", mr_scope_name(r->scope));
	if (r->roles != 0)
		mr_put(o, "x-roles", role_names(r->roles));
	if (r->owner != MR_SQL_NONE)
		mr_put(o, "x-owner", json_object_new_boolean(true));
	if (r->platform)
		mr_put(o, "x-platform", json_object_new_boolean(true));
	mr_puts(o, "x-rate-limit-class", mr_rate_class_name(r->rate));
	return o;
}
