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

/* "workflow_create" → "WorkflowCreate" */
static void type_name(const char *file, char out[NAME_MAX_LEN])
{
	bool upper = true;
	size_t n = 0;

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

	mr_puts(o, "title", "Millrace");
	mr_puts(o, "version", "1");
	mr_puts(o, "description",
	    "Define workflows over HTTPS, have them run durably, see what happened. Times are RFC "
	    "3339 in UTC; ids are numbers below 2^53, also accepted as text and with a prefix "
	    "(wf_12, run_12). A trailing slash is optional everywhere. Every GET answers HEAD as "
	    "well, every path answers OPTIONS with Allow.");
	mr_puts(license, "name", "Apache-2.0");
	mr_puts(license, "url", "https://www.apache.org/licenses/LICENSE-2.0");
	mr_put(o, "license", license);
	return o;
}

static struct json_object *tags(void)
{
	static const char *const rows[][2] = {
		{ "api-keys", "Keys for programs." },
		{ "audit-logs", "Who did what, and who was refused." },
		{ "events", "What happened outside, for the runs that wait for it." },
		{ "executions", "Runs under the names and addresses of older clients." },
		{ "expressions", "Expressions of definitions, to be tried out." },
		{ "files", "Files that workflows work on." },
		{ "groups", "Who belongs together, and the roles that gives." },
		{ "runs", "Executions of workflows, and their history." },
		{ "sagas", "Runs whose steps are undone when they fail." },
		{ "system", "Health, metrics, this document." },
		{ "tenants", "The customers, for the platform's administrators." },
		{ "users", "People and programs of the tenant, and who one is oneself." },
		{ "workflows", "Definitions, their versions, and starting them." },
	};
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < MR_ARRAY_LEN(rows); i++) {
		struct json_object *o = json_object_new_object();

		mr_puts(o, "name", rows[i][0]);
		mr_puts(o, "description", rows[i][1]);
		(void)json_object_array_add(all, o);
	}
	return all;
}

static struct json_object *paths(void)
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
		mr_put(path, names[r->method], mr_document_operation(r, mr_router_vars(router, r)));
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
	struct json_object *doc = json_object_new_object(), *o, *parts = json_object_new_object();
	struct json_object *described = schemas(), *served = paths();

	if (described == NULL || served == NULL) {
		json_object_put(doc);
		json_object_put(parts);
		json_object_put(described);
		json_object_put(served);
		return NULL;
	}
	mr_puts(doc, "openapi", "3.0.3");
	mr_put(doc, "info", info());
	o = json_object_new_array();
	(void)json_object_array_add(o, json_object_new_object());
	mr_puts(json_object_array_get_idx(o, 0), "url", "/");
	mr_put(doc, "servers", o);
	mr_put(doc, "tags", tags());
	mr_put(doc, "paths", served);
	mr_put(parts, "responses", mr_document_errors());
	mr_put(parts, "schemas", described);
	mr_put(parts, "securitySchemes", security_schemes());
	mr_put(doc, "components", parts);
	return doc;
}
