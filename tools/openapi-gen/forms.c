/*
 * Which members of a body may stand together. A schema file says it in x-forms, a list of the ways
 * to write the body; in each, a member has
 *
 *   a list     must be one of these words
 *   a schema   must be there, not be null, and fit it as well; {}: as the schema says already
 *   null       must be absent, or null
 *
 * and any other member may be there or not, as may one whose name ends in "?". In the document that
 * is anyOf. The server looks at it in code, which says more exactly what is wrong.
 */
#include <stdio.h>
#include <string.h>

#include "tools/openapi-gen/document.h"

#define MEMBER_MAX 64

/* What only null fits: OpenAPI 3.0 has no type for it, and any other wouldn't go with the member's.
 */
static struct json_object *nothing(void)
{
	struct json_object *o = json_object_new_object(), *words = json_object_new_array();

	(void)json_object_array_add(words, NULL);
	mr_put(o, "enum", words);
	return o;
}

static struct json_object *copy(struct json_object *v)
{
	struct json_object *o = NULL;

	(void)json_object_deep_copy(v, &o, NULL); /* without memory the tool ends later on */
	return o;
}

/* What the member's schema says already, but for null. */
static struct json_object *something(void)
{
	struct json_object *o = json_object_new_object();

	mr_put(o, "not", nothing());
	return o;
}

static struct json_object *one_of(struct json_object *words)
{
	struct json_object *o = json_object_new_object();

	mr_puts(o, "type", "string");
	mr_put(o, "enum", copy(words));
	return o;
}

static struct json_object *form(struct json_object *said)
{
	struct json_object *o = json_object_new_object(), *members = json_object_new_object();
	struct json_object *required = json_object_new_array();

	json_object_object_foreach(said, said_name, v)
	{
		struct json_object *member = NULL;
		bool is_optional = said_name[strlen(said_name) - 1] == '?';
		char name[MEMBER_MAX];

		(void)snprintf(name, sizeof(name), "%.*s",
		    (int)strlen(said_name) - (is_optional ? 1 : 0), said_name); /* ours: it fits */

		if (v == NULL) {
			mr_put(members, name, nothing());
			continue;
		}
		if (!is_optional)
			(void)json_object_array_add(required, json_object_new_string(name));
		if (json_object_is_type(v, json_type_array))
			member = one_of(v);
		else if (json_object_object_length(v) > 0)
			member = copy(v);
		else
			member = something();
		mr_put(members, name, member);
	}
	mr_puts(o, "type", "object");
	if (json_object_array_length(required) > 0)
		mr_put(o, "required", required);
	else
		json_object_put(required);
	mr_put(o, "properties", members);
	return o;
}

void mr_document_forms(struct json_object *schema)
{
	struct json_object *said, *any;

	if (!json_object_object_get_ex(schema, "x-forms", &said) ||
	    !json_object_is_type(said, json_type_array))
		return;
	any = json_object_new_array();
	for (size_t i = 0; i < json_object_array_length(said); i++)
		(void)json_object_array_add(any, form(json_object_array_get_idx(said, i)));
	mr_put(schema, "anyOf", any);
	json_object_object_del(schema, "x-forms");
}
