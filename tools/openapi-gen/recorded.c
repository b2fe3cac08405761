#include "tools/openapi-gen/recorded.h"

#include <stdio.h>
#include <string.h>

#include "tools/openapi-gen/document.h"

static struct json_object *recorded;

int mr_recorded_load(const char *path)
{
	recorded = json_object_from_file(path);
	return json_object_is_type(recorded, json_type_object) ? 0 : -1;
}

void mr_recorded_free(void)
{
	json_object_put(recorded);
	recorded = NULL;
}

struct json_object *mr_recorded_exchange(const char *operation, unsigned status)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "%u", status); /* three digits */
	return mr_get(mr_get(mr_get(recorded, "operations"), operation), name);
}

struct json_object *mr_recorded_error(const char *operation, const char *code)
{
	return mr_get(mr_get(mr_get(recorded, "errors"), operation), code);
}

struct json_object *mr_recorded_problem(const char *code)
{
	return mr_get(mr_get(recorded, "problems"), code);
}

struct json_object *mr_recorded_variable(
    struct json_object *exchange, const char *template, const char *name)
{
	const char *path = json_object_get_string(mr_get(mr_get(exchange, "request"), "path"));
	size_t len = strlen(name);

	/* segment by segment, for as long as both have one */
	while (path != NULL && *template != '\0' && *path != '\0') {
		size_t t = strcspn(++template, "/"), p = strcspn(++path, "/");

		if (t == len + 2 && *template == '{' && strncmp(template + 1, name, len) == 0)
			return json_object_new_string_len(path, (int)p);
		template += t;
		path += p;
	}
	return NULL;
}
