#include "tools/openapi-gen/document.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_LEN 128
#define VALUES_MAX   100000 /* in one schema: ours */

void mr_put(struct json_object *o, const char *key, struct json_object *v)
{
	(void)json_object_object_add(o, key, v); /* without memory the tool ends later on */
}

void mr_puts(struct json_object *o, const char *key, const char *text)
{
	mr_put(o, key, json_object_new_string(text));
}

struct json_object *mr_get(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	(void)json_object_object_get_ex(o, name, &v); /* of NULL it finds none */
	return v;
}

bool mr_is_required(struct json_object *schema, const char *name)
{
	struct json_object *all = mr_get(schema, "required");

	for (size_t i = 0; all != NULL && i < json_object_array_length(all); i++) {
		if (strcmp(json_object_get_string(json_object_array_get_idx(all, i)), name) == 0)
			return true;
	}
	return false;
}

/* Types of generated clients, where the file's name is a type of their languages already. */
static const char *const renamed[][2] = {
	{ "error", "run_error" },
	{ "execute", "workflow_execute" }, /* Go: what a request is sent by */
	{ "file", "stored_file" },
};

/* "workflow_create" → "WorkflowCreate" */
static void type_name(const char *file, char out[NAME_MAX_LEN])
{
	bool upper = true;
	size_t n = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(renamed); i++) {
		if (strncmp(file, renamed[i][0], strcspn(file, ".")) == 0 &&
		    renamed[i][0][strcspn(file, ".")] == '\0')
			file = renamed[i][1];
	}

	for (; *file != '\0' && *file != '.' && n + 1 < NAME_MAX_LEN; file++) {
		if (*file == '_') {
			upper = true;
			continue;
		}
		out[n++] = (char)(upper ? toupper((unsigned char)*file) : *file);
		upper = false;
	}
	out[n] = '\0';
}

struct json_object *mr_document_ref(const char *schema)
{
	struct json_object *o = json_object_new_object();
	char name[NAME_MAX_LEN], ref[NAME_MAX_LEN + 32];

	type_name(schema, name);
	(void)snprintf(ref, sizeof(ref), "#/components/schemas/%s", name); /* ours: it fits */
	mr_puts(o, "$ref", ref);
	return o;
}

struct json_object *mr_document_schema(struct json_object *schemas, const char *schema)
{
	char name[NAME_MAX_LEN];

	type_name(schema, name);
	return mr_get(schemas, name);
}

/* One other schema, or null: that other one has its own type, which null is not. */
static void null_or_other(struct json_object *o, struct json_object *all)
{
	struct json_object *other = json_object_array_get_idx(all, 0);
	struct json_object *any = json_object_new_array(), *none = json_object_new_object();

	mr_puts(none, "type", "string");
	mr_put(none, "nullable", json_object_new_boolean(true));
	mr_put(none, "enum", json_object_new_array());
	(void)json_object_array_add(json_object_object_get(none, "enum"), NULL);
	(void)json_object_array_add(any, json_object_get(other));
	(void)json_object_array_add(any, none);
	json_object_object_del(o, "allOf");
	json_object_object_del(o, "nullable");
	mr_put(o, "anyOf", any);
}

/* OpenAPI 3.0 lets nullable stand beside a type only; ours stands where it is meant. */
static void adapt_nullable(struct json_object *o)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, "nullable", &v) || !json_object_get_boolean(v) ||
	    json_object_object_get_ex(o, "type", NULL))
		return;
	if (json_object_object_get_ex(o, "allOf", &v)) {
		null_or_other(o, v);
	} else if (json_object_object_get_ex(o, "oneOf", &v)) {
		mr_put(json_object_array_get_idx(v, 0), "nullable", json_object_new_boolean(true));
		json_object_object_del(o, "nullable");
	} else if (json_object_object_get_ex(o, "enum", NULL)) {
		mr_puts(o, "type", "string");
	} else {
		json_object_object_del(o, "nullable"); /* anything, so null as well */
	}
}

/* A pattern in ASCII: what can't be seen, or isn't taken by compilers, as ECMA-262 escapes it. */
static void adapt_pattern(struct json_object *o)
{
	struct json_object *v;
	char out[1024];
	size_t n = 0;

	if (!json_object_object_get_ex(o, "pattern", &v) ||
	    !json_object_is_type(v, json_type_string)) /* else it is a member of that name */
		return;
	for (const unsigned char *p = (const unsigned char *)json_object_get_string(v);
	     *p != '\0' && n + 8 < sizeof(out);) {
		if (*p < 0x80) {
			out[n++] = (char)*p++;
		} else { /* two bytes or three: we have no others in patterns */
			unsigned c =
			    *p < 0xe0 ? (*p & 0x1fu) << 6 | (p[1] & 0x3fu)
			              : (*p & 0x0fu) << 12 | (p[1] & 0x3fu) << 6 | (p[2] & 0x3fu);

			n += (size_t)snprintf(out + n, 7, "\\u%04x", c);
			p += *p < 0xe0 ? 2 : 3;
		}
	}
	out[n] = '\0';
	mr_puts(o, "pattern", out);
}

/* Our files name each other by file; here they stand in one document. Our own sentences for bad
 * input are no part of it. Walks with a list of what is still to be seen. */
static int adapt(struct json_object *root)
{
	struct json_object *todo = json_object_new_array();
	size_t next = 0;

	(void)json_object_array_add(todo, json_object_get(root));
	for (; next < json_object_array_length(todo) && next < VALUES_MAX; next++) {
		struct json_object *o = json_object_array_get_idx(todo, next), *ref;

		if (json_object_is_type(o, json_type_array)) {
			for (size_t i = 0; i < json_object_array_length(o); i++)
				(void)json_object_array_add(
				    todo, json_object_get(json_object_array_get_idx(o, i)));
		}
		if (!json_object_is_type(o, json_type_object))
			continue;
		if (json_object_object_get_ex(o, "$ref", &ref) &&
		    json_object_is_type(ref, json_type_string)) {
			struct json_object *there = mr_document_ref(json_object_get_string(ref));

			mr_put(o, "$ref", json_object_get(json_object_object_get(there, "$ref")));
			json_object_put(there);
			continue;
		}
		json_object_object_del(o, "x-message");
		mr_document_forms(o);
		adapt_nullable(o);
		adapt_pattern(o);
		json_object_object_foreach(o, key, value)
		{
			(void)key;
			(void)json_object_array_add(todo, json_object_get(value));
		}
	}
	json_object_put(todo);
	return next < VALUES_MAX ? 0 : -1;
}

static struct json_object *schemas(void)
{
	struct json_object *all = json_object_new_object();

	for (unsigned i = 1; i < MR_SCHEMA_COUNT; i++) {
		struct json_object *o = json_tokener_parse(mr_schema_texts[i].text);
		char name[NAME_MAX_LEN];

		if (o == NULL || adapt(o) < 0) {
			json_object_put(o);
			json_object_put(all);
			return NULL;
		}
		type_name(mr_schema_texts[i].name, name);
		mr_put(all, name, o);
	}
	return all;
}

static struct json_object *security_schemes(void)
{
	struct json_object *all = json_object_new_object(), *o;

	o = json_object_new_object();
	mr_puts(o, "type", "apiKey");
	mr_puts(o, "in", "header");
	mr_puts(o, "name", "X-API-Key");
	mr_puts(o, "description", "An API key made at POST /api/v1/api-keys.");
	mr_put(all, "apiKey", o);
	o = json_object_new_object();
	mr_puts(o, "type", "http");
	mr_puts(o, "scheme", "bearer");
	mr_puts(o, "description",
	    "An API key, or a JWT of a configured issuer. Client certificates work as well: nginx "
	    "checks them, and their fingerprint names the principal.");
	mr_put(all, "bearer", o);
	return all;
}

static struct json_object *info(void)
{
	struct json_object *o = json_object_new_object(), *license = json_object_new_object();
	struct json_object *contact = json_object_new_object();

	mr_puts(o, "title", "Millrace");
	mr_puts(o, "version", "1");
	mr_puts(o, "description",
	    "Define workflows over HTTPS, have them run durably, see what happened. Times are RFC "
	    "3339 in UTC; ids are numbers below 2^53, also accepted as text and with a prefix "
	    "(wf_12, run_12). A trailing slash is optional everywhere. Every GET answers HEAD as "
	    "well, every path answers OPTIONS with Allow. How often a caller may ask is told by "
	    "RateLimit-Limit, -Remaining and -Reset in every answer of an operation that is "
	    "limited (x-rate-limit-class); 429 says in Retry-After when to go on. Where the server "
	    "has "
	    "loopback listeners (plain HTTP on the host itself, for programs that can't be "
	    "changed), every "
	    "success on them is 200, also where 201 or 202 is declared here, and members and "
	    "arguments that nobody knows are ignored.");
	mr_puts(contact, "name", "Whoever runs this server");
	mr_put(o, "contact", contact);
	mr_puts(license, "name", "Apache-2.0");
	mr_puts(license, "url", "https://www.apache.org/licenses/LICENSE-2.0");
	mr_put(o, "license", license);
	return o;
}

static const char *const tag_rows[][2] = {
	{ "analytics",
	    "Who uses what, what goes wrong and how long it takes, in sums by hour and day." },
	{ "api-keys", "Keys for programs." },
	{ "agents", "Services that carry out steps." },
	{ "audit-logs", "Who did what, and who was refused." },
	{ "events", "What happened outside, for the runs that wait for it." },
	{ "executions", "Runs under the names and addresses of older clients." },
	{ "expressions", "Expressions of definitions, to be tried out." },
	{ "files", "Files that workflows work on." },
	{ "groups", "Who belongs together, and the roles that gives." },
	{ "process-templates",
	    "Templates as processes, and the blueprints that they are shared by." },
	{ "runs", "Executions of workflows, and their history." },
	{ "sagas", "Runs whose steps are undone when they fail." },
	{ "secrets", "What definitions use and nobody reads back." },
	{ "system", "Health, metrics, this document." },
	{ "templates",
	    "Definitions to make workflows of: the library that ships, and the tenant's own." },
	{ "tenants", "The customers, for the platform's administrators." },
	{ "users", "People and programs of the tenant, and who one is oneself." },
	{ "workflow-templates", "Templates with the schema of their parameters." },
	{ "workflows", "Definitions, their versions, and starting them." },
};

static const char *tag_doc(const struct mr_route *r)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(tag_rows); i++) {
		if (strcmp(tag_rows[i][0], r->tag) == 0)
			return tag_rows[i][1];
	}
	return r->summary; /* of its first row, until somebody says it better above */
}

/* The tags that rows have, by name. */
static struct json_object *tags(void)
{
	struct json_object *all = json_object_new_array();
	const struct mr_route *next;
	const char *last = "";

	do {
		next = NULL;
		for (unsigned i = 0; i < mr_routes_len; i++) {
			const struct mr_route *r = &mr_routes[i];

			if (strcmp(r->tag, last) > 0 &&
			    (next == NULL || strcmp(r->tag, next->tag) < 0))
				next = r;
		}
		if (next != NULL) {
			struct json_object *o = json_object_new_object();

			mr_puts(o, "name", next->tag);
			mr_puts(o, "description", tag_doc(next));
			(void)json_object_array_add(all, o);
			last = next->tag;
		}
	} while (next != NULL);
	return all;
}

/* This server, and any other: a client that was made from a file knows no "this". */
static struct json_object *servers(void)
{
	struct json_object *all = json_object_new_array(), *o = json_object_new_object();
	struct json_object *host = json_object_new_object(), *variables = json_object_new_object();

	mr_puts(o, "url", "/");
	mr_puts(o, "description", "The server that this document comes from.");
	(void)json_object_array_add(all, o);
	o = json_object_new_object();
	mr_puts(o, "url", "https://{host}");
	mr_puts(o, "description", "Any server of Millrace.");
	mr_puts(host, "default", "millrace.internal");
	mr_puts(host, "description", "Its name, with the port where that isn't 443.");
	mr_put(variables, "host", host);
	mr_put(o, "variables", variables);
	(void)json_object_array_add(all, o);
	return all;
}

static struct json_object *external_docs(void)
{
	struct json_object *o = json_object_new_object();

	mr_puts(o, "url", "/docs/errors");
	mr_puts(o, "description", "Every error: what it means, and what to do.");
	return o;
}

static struct json_object *paths(struct json_object *schemas_made)
{
	struct json_object *all = json_object_new_object();
	struct mr_arena *arena = mr_arena_create(1u << 20);
	struct mr_router *router;
	struct mr_error err;

	if (arena == NULL || mr_router_create(arena, mr_routes, mr_routes_len, &router, &err) < 0)
		goto bad;
	for (unsigned i = 0; i < mr_routes_len; i++) {
		static const char *const names[MR_METHOD_COUNT] = { [MR_GET] = "get",
			[MR_POST] = "post",
			[MR_PUT] = "put",
			[MR_PATCH] = "patch",
			[MR_DELETE] = "delete" };
		const struct mr_route *r = &mr_routes[i];
		struct json_object *path;

		if (!json_object_object_get_ex(all, r->path, &path)) {
			path = json_object_new_object();
			mr_put(all, r->path, path);
		}
		mr_put(path, names[r->method],
		    mr_document_operation(r, mr_router_vars(router, r), schemas_made));
	}
	(void)mr_arena_free(arena);
	return all;
bad:
	(void)mr_arena_free(arena);
	json_object_put(all);
	return NULL;
}

struct json_object *mr_document(void)
{
	struct json_object *doc = json_object_new_object(), *parts = json_object_new_object();
	struct json_object *described = schemas(), *served, *errors;

	served = described != NULL ? paths(described) : NULL;

	if (described == NULL || served == NULL) {
		json_object_put(doc);
		json_object_put(parts);
		json_object_put(described);
		json_object_put(served);
		return NULL;
	}
	mr_puts(doc, "openapi", "3.0.3");
	mr_put(doc, "info", info());
	mr_put(doc, "externalDocs", external_docs());
	mr_put(doc, "servers", servers());
	mr_put(doc, "tags", tags());
	mr_put(doc, "paths", served);
	errors = mr_document_errors();
	mr_put(parts, "examples", mr_document_problems());
	mr_put(parts, "headers", mr_document_headers());
	mr_put(parts, "links", mr_document_shared_links(described));
	mr_put(parts, "responses", errors);
	mr_put(parts, "schemas", described);
	mr_put(parts, "securitySchemes", security_schemes());
	mr_put(doc, "components", parts);
	return doc;
}
