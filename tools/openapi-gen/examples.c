/* Examples of bodies: what was recorded, else the one that a schema brings or one put together from
 * its members'. */
#include <stdio.h>
#include <string.h>

#include "tools/openapi-gen/document.h"
#include "tools/openapi-gen/recorded.h"

#define DEPTH_MAX 8

static struct json_object *example_of(
    struct json_object *schemas, struct json_object *schema, bool written, int depth);

static bool is_true(struct json_object *o, const char *name)
{
	return json_object_get_boolean(mr_get(o, name));
}

static struct json_object *of_object(
    struct json_object *schemas, struct json_object *schema, bool written, int depth)
{
	struct json_object *o = json_object_new_object(),
	                   *properties = mr_get(schema, "properties");

	if (properties == NULL)
		return o;
	json_object_object_foreach(properties, name, inner)
	{
		/* the other direction's members; optional ones only where somebody gave an example
		 */
		if (is_true(inner, written ? "readOnly" : "writeOnly"))
			continue;
		if (!mr_is_required(schema, name) &&
		    !json_object_object_get_ex(inner, "example", NULL))
			continue;
		mr_put(o, name, example_of(schemas, inner, written, depth + 1));
	}
	return o;
}

static struct json_object *of_text(struct json_object *schema)
{
	const char *format = json_object_get_string(mr_get(schema, "format"));

	if (format != NULL && strcmp(format, "date-time") == 0)
		return json_object_new_string("2025-01-08T10:00:00Z");
	return json_object_new_string("text");
}

static struct json_object *of_type(
    struct json_object *schemas, struct json_object *schema, bool written, int depth)
{
	const char *type = json_object_get_string(mr_get(schema, "type"));
	struct json_object *least = mr_get(schema, "minimum"), *list;

	if (type == NULL || strcmp(type, "object") == 0)
		return of_object(schemas, schema, written, depth);
	if (strcmp(type, "array") == 0) {
		list = json_object_new_array();
		(void)json_object_array_add(
		    list, example_of(schemas, mr_get(schema, "items"), written, depth + 1));
		return list;
	}
	if (strcmp(type, "string") == 0)
		return of_text(schema);
	if (strcmp(type, "boolean") == 0)
		return json_object_new_boolean(true);
	return least != NULL ? json_object_get(least) : json_object_new_int(1);
}

/* The first of what a schema may be; NULL when it isn't made of others. */
static struct json_object *first_part(struct json_object *schema)
{
	static const char *const names[] = { "allOf", "oneOf", "anyOf" };

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		struct json_object *parts = mr_get(schema, names[i]);

		if (parts != NULL)
			return json_object_array_get_idx(parts, 0);
	}
	return NULL;
}

static struct json_object *example_of(
    struct json_object *schemas, struct json_object *schema, bool written, int depth)
{
	struct json_object *o;
	const char *ref;

	if (schema == NULL || depth > DEPTH_MAX)
		return NULL;
	ref = json_object_get_string(mr_get(schema, "$ref"));
	if (ref != NULL)
		return example_of(
		    schemas, mr_get(schemas, strrchr(ref, '/') + 1), written, depth + 1);
	if (json_object_object_get_ex(schema, "example", &o))
		return json_object_get(o);
	o = mr_get(schema, "enum");
	if (o != NULL)
		return json_object_get(json_object_array_get_idx(o, 0));
	o = first_part(schema);
	if (o != NULL)
		return example_of(schemas, o, written, depth + 1);
	return of_type(schemas, schema, written, depth);
}

struct json_object *mr_document_example(
    struct json_object *schemas, struct json_object *schema, bool written)
{
	return example_of(schemas, schema, written, 0);
}

/* As an error's answer is when nothing of the sort was recorded: a fault of the server's, mostly.
 */
static struct json_object *problem_of(const struct mr_error_row *e)
{
	struct json_object *v = json_object_new_object();
	char type[96];

	(void)snprintf(type, sizeof(type), "/docs/errors#%s", e->code); /* ours: short */
	mr_puts(v, "type", type);
	mr_puts(v, "title", e->title);
	mr_put(v, "status", json_object_new_int((int)e->status));
	mr_puts(v, "detail", e->sentence);
	mr_puts(v, "instance", "/api/v1/workflows/12");
	mr_puts(v, "error", e->sentence);
	mr_puts(v, "error_code", e->code);
	mr_put(v, "details", json_object_new_object());
	mr_puts(v, "message", e->sentence);
	mr_puts(v, "timestamp", "2025-01-08T10:00:00Z");
	mr_puts(v, "path", "/api/v1/workflows/12");
	mr_puts(v, "correlation_id", "5f1d3c8a9b7e4d20");
	return v;
}

struct json_object *mr_document_problem(int error, struct json_object *recorded)
{
	const struct mr_error_row *e = &mr_error_rows[error];
	struct json_object *o = json_object_new_object();
	struct json_object *v = recorded != NULL ? recorded : mr_recorded_problem(e->code);

	mr_puts(o, "summary", e->title);
	mr_put(o, "value", v != NULL ? json_object_get(v) : problem_of(e));
	return o;
}
