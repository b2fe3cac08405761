/* What can be asked next with what an answer holds: OpenAPI's links, from the route table alone. */
#include <stdio.h>
#include <string.h>

#include "tools/openapi-gen/document.h"

static void link_to(struct json_object *all, const char *name, const char *operation,
    const char *parameter, const char *from, const char *doc)
{
	struct json_object *o = json_object_new_object(), *parameters = json_object_new_object();

	mr_puts(o, "operationId", operation);
	mr_puts(parameters, parameter, from);
	mr_put(o, "parameters", parameters);
	mr_puts(o, "description", doc);
	mr_put(all, name, o);
}

static void link_to_route(
    struct json_object *all, const struct mr_route *to, const char *variable, const char *from)
{
	char operation[MR_OPERATION_LEN];

	mr_operation_name(to, operation, sizeof(operation));
	link_to(all, operation, operation, variable, from, to->summary);
}

static bool has_member(struct json_object *schemas, const struct mr_route *r, const char *name)
{
	struct json_object *schema, *properties;

	schema = mr_document_schema(schemas, mr_schema_texts[r->out.schema].name);
	return json_object_object_get_ex(schema, "properties", &properties) &&
	       json_object_object_get_ex(properties, name, NULL);
}

/* The one variable of a path, "{id}" at TAIL; false when there are more. */
static bool only_variable(const char *tail, char *out, size_t cap)
{
	size_t n;

	if (*tail != '{' || strchr(tail + 1, '{') != NULL)
		return false;
	n = strcspn(tail, "}");
	(void)snprintf(out, cap, "%.*s", (int)n - 1, tail + 1); /* ours: short */
	return true;
}

/* The length of the collection's path that a resource made by R is in: R's own, or the one above it
 * where R is a verb (events/publish). 0: it makes none that can be read. */
static size_t collection_of(const struct mr_route *r)
{
	const char *end = r->path + strlen(r->path);

	for (int level = 0; level < 2; level++) {
		size_t n = (size_t)(end - r->path);

		for (unsigned i = 0; i < mr_routes_len; i++) {
			const struct mr_route *to = &mr_routes[i];

			if (to->method == MR_GET && strncmp(to->path, r->path, n) == 0 &&
			    strcmp(to->path + n, "/{id}") == 0)
				return n;
		}
		while (end > r->path && *--end != '/')
			;
	}
	return 0;
}

/* From what was made to all that can be done with it. */
static void from_creation(
    struct json_object *all, struct json_object *schemas, const struct mr_route *r)
{
	size_t n = r->out.status == 201 && has_member(schemas, r, "id") ? collection_of(r) : 0;
	char variable[64];

	for (unsigned i = 0; n > 0 && i < mr_routes_len; i++) {
		const struct mr_route *to = &mr_routes[i];

		if (strncmp(to->path, r->path, n) == 0 && to->path[n] == '/' &&
		    only_variable(to->path + n + 1, variable, sizeof(variable)))
			link_to_route(all, to, variable, "$response.body#/id");
	}
}

/* From one resource to what else can be read of it. */
static void from_one(struct json_object *all, const struct mr_route *r)
{
	size_t n = strlen(r->path);
	const char *open = strchr(r->path, '{');
	char variable[64], from[96];

	if (r->method != MR_GET || r->envelope != MR_ENVELOPE_ONE || open == NULL ||
	    r->path[n - 1] != '}' || !only_variable(open, variable, sizeof(variable)))
		return;
	(void)snprintf(from, sizeof(from), "$request.path.%s", variable); /* it fits */
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *to = &mr_routes[i];

		if (to->method == MR_GET && strncmp(to->path, r->path, n) == 0 &&
		    to->path[n] == '/' && strchr(to->path + n, '{') == NULL)
			link_to_route(all, to, variable, from);
	}
}

/* From a member such as run_id to the operation that reads one: GET …/runs/{id}. */
static void from_members(
    struct json_object *all, struct json_object *schemas, const struct mr_route *r)
{
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *to = &mr_routes[i];
		const char *end = strstr(to->path, "s/{id}"), *begin;
		char member[64], from[96];

		if (to->method != MR_GET || end == NULL || end[6] != '\0' ||
		    strcmp(to->path, r->path) == 0 || strchr(to->path, '{') != end + 2)
			continue;
		for (begin = end; begin[-1] != '/'; begin--)
			;
		(void)snprintf(member, sizeof(member), "%.*s_id", (int)(end - begin), begin);
		if (!has_member(schemas, r, member))
			continue;
		(void)snprintf(from, sizeof(from), "$response.body#/%s", member); /* it fits */
		link_to_route(all, to, "id", from);
	}
}

static void next_page(struct json_object *all, const struct mr_route *r)
{
	char operation[MR_OPERATION_LEN], variable[64], from[96];
	const char *open = strchr(r->path, '{');

	if (r->envelope != MR_ENVELOPE_LIST)
		return;
	mr_operation_name(r, operation, sizeof(operation));
	link_to(all, "nextPage", operation, "cursor", "$response.body#/next_cursor",
	    "The page after this one, as long as next_cursor isn't null.");
	for (; open != NULL; open = strchr(open + 1, '{')) {
		struct json_object *parameters =
		    json_object_object_get(json_object_object_get(all, "nextPage"), "parameters");

		(void)snprintf(
		    variable, sizeof(variable), "%.*s", (int)strcspn(open, "}") - 1, open + 1);
		(void)snprintf(from, sizeof(from), "$request.path.%s", variable); /* it fits */
		(void)json_object_object_add(
		    parameters, variable, json_object_new_string(from)); /* copies the name */
	}
}

struct json_object *mr_document_links(struct json_object *schemas, const struct mr_route *r)
{
	struct json_object *all = json_object_new_object();

	if (r->out.schema != MR_SCHEMA_NONE &&
	    (r->envelope == MR_ENVELOPE_LIST || !mr_envelope_is_list(r->envelope))) {
		next_page(all, r);
		from_creation(all, schemas, r);
		from_one(all, r);
		if (r->envelope != MR_ENVELOPE_LIST)
			from_members(all, schemas, r);
	}
	if (json_object_object_length(all) == 0) {
		json_object_put(all);
		return NULL;
	}
	return all;
}
