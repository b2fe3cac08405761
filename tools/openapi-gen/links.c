/* What can be asked next with what an answer holds: OpenAPI's links, from the route table and from
 * what was recorded. A resource is what one row reads by the only variable of its path; an answer
 * is about one (a run that was started), and may name others (the run's workflow). */
#include <stdio.h>
#include <string.h>

#include "lib/macros.h"
#include "tools/openapi-gen/document.h"
#include "tools/openapi-gen/recorded.h"

#define RESOURCES_MAX 64
#define NAME_LEN      64

struct resource {
	const struct mr_route *reader;
	char variable[NAME_LEN]; /* of its path: "id" */
	char member[NAME_LEN];   /* what others name it by: "run_id" */
};

/* Where links come from: the answer of a row. */
struct answer {
	const struct mr_route *row;
	struct json_object *schema;
	struct json_object *recorded; /* NULL: nothing is */
};

static struct answer answer_of(
    struct json_object *schemas, const struct mr_route *r, unsigned status)
{
	char operation[MR_OPERATION_LEN];

	mr_operation_name(r, operation, sizeof(operation));
	return (struct answer){
		.row = r,
		.schema = mr_document_schema(schemas, mr_schema_texts[r->out.schema].name),
		.recorded = mr_get(mr_recorded_exchange(operation, status), "answer"),
	};
}

/* Whether there is a value under that name in every answer: null would lead nowhere. */
static bool holds(const struct answer *a, const char *name)
{
	struct json_object *schema = mr_get(mr_get(a->schema, "properties"), name);

	if (schema == NULL || json_object_get_boolean(mr_get(schema, "nullable")))
		return false;
	return a->recorded != NULL ? mr_get(a->recorded, name) != NULL
	                           : mr_is_required(a->schema, name);
}

/* ---- resources ---- */

/* The first variable of a path; what follows it, NULL when there is none. */
static const char *first_variable(const char *path, char out[NAME_LEN])
{
	const char *open = strchr(path, '{');
	size_t n = open != NULL ? strcspn(open, "}") : 0;

	if (open == NULL)
		return NULL;
	(void)snprintf(out, NAME_LEN, "%.*s", (int)n - 1, open + 1); /* ours: short */
	return open + n + 1;
}

/* The segment that ends before END, one of them, as members write it: "api-keys" → "api_key". */
static void singular_before(const char *path, const char *end, char out[NAME_LEN])
{
	const char *begin = end;

	while (begin > path && begin[-1] != '/')
		begin--;
	(void)snprintf(out, NAME_LEN, "%.*s", (int)(end - begin), begin); /* ours: short */
	mr_operation_singular(out);
	for (char *p = out; *p != '\0'; p++) {
		if (*p == '-')
			*p = '_';
	}
}

static bool resource_read_by(const struct mr_route *r, struct resource *out)
{
	const char *rest = first_variable(r->path, out->variable);
	char name[NAME_LEN];

	if (r->method != MR_GET || r->envelope != MR_ENVELOPE_ONE || rest == NULL || *rest != '\0')
		return false;
	singular_before(r->path, strchr(r->path, '{') - 1, name);
	(void)snprintf(out->member, sizeof(out->member), "%.60s_id", name); /* it fits */
	out->reader = r;
	return true;
}

static unsigned resources(struct resource out[RESOURCES_MAX])
{
	unsigned n = 0;

	for (unsigned i = 0; i < mr_routes_len && n < RESOURCES_MAX; i++) {
		if (resource_read_by(&mr_routes[i], &out[n]))
			n++;
	}
	return n;
}

/* Whether R is in the resource's collection or below it: api-keys/{id}/rotate, events/publish. */
static bool is_around(const struct resource *res, const struct mr_route *r)
{
	size_t n = (size_t)(strchr(res->reader->path, '{') - res->reader->path) - 1;

	return strncmp(r->path, res->reader->path, n) == 0 &&
	       (r->path[n] == '/' || r->path[n] == '\0');
}

/* ---- links ---- */

static bool is_linked(struct json_object *all, const char *operation)
{
	size_t n = strlen(operation);

	json_object_object_foreach(all, key, link)
	{
		(void)link;
		if (strncmp(key, operation, n) == 0 && key[n] == '.')
			return true;
	}
	return false;
}

static void parameter(
    struct json_object *parameters, const char *name, const char *from, const char *where)
{
	char source[NAME_LEN * 2];

	(void)snprintf(source, sizeof(source), "$%s%s", from, where); /* it fits */
	(void)json_object_object_add(
	    parameters, name, json_object_new_string(source)); /* copies the name */
}

/* A link under "operation.member", the same for all answers that have that member. Returns its
 * parameters. */
static struct json_object *add_link(struct json_object *all, const char *name, const char *suffix,
    const char *operation, const char *doc)
{
	struct json_object *o = json_object_new_object(), *parameters = json_object_new_object();
	char key[MR_OPERATION_LEN + NAME_LEN];

	(void)snprintf(key, sizeof(key), "%s.%s", name, suffix); /* it fits */
	mr_puts(o, "operationId", operation);
	mr_put(o, "parameters", parameters);
	mr_puts(o, "description", doc);
	(void)json_object_object_add(all, key, o); /* copies the key */
	return parameters;
}

/* The second variable of a path, REST of which follows the first: one of many
 * ("/versions/{version}"), and a member of the answer. Empty when there is no second; false when no
 * link can be made. */
static bool second_variable(const struct answer *a, const char *rest, char out[NAME_LEN])
{
	char one[NAME_LEN], third[NAME_LEN];
	const char *after = first_variable(rest, out);

	if (after == NULL) {
		out[0] = '\0';
		return true;
	}
	singular_before(rest, strchr(rest, '{') - 1, one);
	return strcmp(one, out) == 0 && first_variable(after, third) == NULL && holds(a, out);
}

/* What only brings back what was deleted. */
static bool is_undelete(const struct mr_route *r)
{
	const char *last = strrchr(r->path, '/');

	return strcmp(last, "/undelete") == 0;
}

/* Whether the row takes the resource in its path, and what follows that there. What several views
 * have in common is called the same in all of them: {template}. */
static const char *path_after(const struct resource *res, const struct mr_route *to)
{
	size_t n = strlen(res->reader->path);
	char variable[NAME_LEN];
	const char *rest;

	if (strncmp(to->path, res->reader->path, n) == 0 &&
	    (to->path[n] == '/' || to->path[n] == '\0'))
		return to->path + n;
	rest = first_variable(to->path, variable);
	return rest != NULL && strcmp(variable, "id") != 0 && strcmp(variable, res->variable) == 0
	           ? rest
	           : NULL;
}

static void link_to(struct json_object *all, const struct answer *a, const struct resource *res,
    const struct mr_route *to, const char *from)
{
	char operation[MR_OPERATION_LEN], second[NAME_LEN];
	const char *rest = path_after(res, to);
	struct json_object *parameters;

	mr_operation_name(to, operation, sizeof(operation));
	if (to == a->row || rest == NULL || is_linked(all, operation) ||
	    !second_variable(a, rest, second))
		return;
	parameters = add_link(all, operation, from, operation, to->summary);
	parameter(parameters, res->variable, "response.body#/", from);
	if (second[0] != '\0')
		parameter(parameters, second, "response.body#/", second);
}

/* All that can be done with what the answer is about. What is deleted is gone, unless a row brings
 * it back. */
static void to_all_of(
    struct json_object *all, const struct answer *a, const struct resource *res, const char *from)
{
	bool is_kept = false;

	for (unsigned i = 0; a->row->method == MR_DELETE && i < mr_routes_len; i++)
		is_kept = is_kept ||
		          (is_undelete(&mr_routes[i]) && path_after(res, &mr_routes[i]) != NULL);
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *to = &mr_routes[i];

		if (a->row->method == MR_DELETE ? is_kept && (is_undelete(to) || to == res->reader)
		                                : !is_undelete(to))
			link_to(all, a, res, to, from);
	}
}

/* What else is named is only read, and its version with it. */
static void to_reading(struct json_object *all, const struct answer *a, const struct resource *res)
{
	char second[NAME_LEN];

	link_to(all, a, res, res->reader, res->member);
	for (unsigned i = 0; i < mr_routes_len; i++) {
		const struct mr_route *to = &mr_routes[i];
		const char *rest = path_after(res, to);

		if (to->method == MR_GET && rest != NULL && strchr(rest, '{') != NULL &&
		    second_variable(a, rest, second))
			link_to(all, a, res, to, res->member);
	}
}

/* Whether another of what the answer names belongs to RES, as a run to its workflow. */
static bool is_container(struct json_object *schemas, const struct answer *a,
    const struct resource *list, unsigned n, const struct resource *res)
{
	for (unsigned i = 0; i < n; i++) {
		struct answer its = answer_of(schemas, list[i].reader, list[i].reader->out.status);

		if (its.schema != answer_of(schemas, res->reader, 0).schema &&
		    holds(a, list[i].member) && holds(&its, res->member))
			return true;
	}
	return false;
}

/* What the answer is about: what has its schema, else what it must name and what belongs to all
 * others that it names, else an entry of the row's own collection. SUBJECT gets the member that
 * names each.
 */
static void find_subjects(struct json_object *schemas, const struct answer *a,
    const struct resource *list, unsigned n, const char *subject[RESOURCES_MAX])
{
	bool is_found = false;

	for (unsigned i = 0; i < n && holds(a, "id"); i++) {
		if (list[i].reader->out.schema == a->row->out.schema) {
			subject[i] = "id";
			is_found = true;
		}
	}
	for (unsigned i = 0; i < n && !is_found; i++) {
		if (mr_is_required(a->schema, list[i].member) && holds(a, list[i].member) &&
		    !is_container(schemas, a, list, n, &list[i]))
			subject[i] = list[i].member;
	}
	for (unsigned i = 0; i < n; i++)
		is_found = is_found || subject[i] != NULL;
	for (unsigned i = 0; i < n && !is_found && holds(a, "id"); i++) {
		if (is_around(&list[i], a->row))
			subject[i] = "id";
	}
}

static void from_one(struct json_object *all, struct json_object *schemas, const struct answer *a)
{
	struct resource list[RESOURCES_MAX];
	const char *subject[RESOURCES_MAX] = { NULL };
	unsigned n = resources(list);

	find_subjects(schemas, a, list, n, subject);
	for (unsigned i = 0; i < n; i++) {
		if (subject[i] != NULL)
			to_all_of(all, a, &list[i], subject[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		if (subject[i] == NULL && holds(a, list[i].member))
			to_reading(all, a, &list[i]);
	}
}

/* What is of a list but leads nowhere is found among its like: by the list's first filter that is
 * one of its members. */
static void to_its_like(struct json_object *all, const struct answer *a)
{
	char operation[MR_OPERATION_LEN], variable[NAME_LEN];
	const char *rest = first_variable(a->row->path, variable);
	size_t n = strcspn(a->row->path, "{") - 1;

	for (unsigned i = 0; rest != NULL && *rest == '\0' && i < mr_routes_len; i++) {
		const struct mr_route *to = &mr_routes[i];
		const struct mr_arg *arg = to->args;

		if (!mr_envelope_is_list(to->envelope) || strlen(to->path) != n ||
		    strncmp(to->path, a->row->path, n) != 0)
			continue;
		while (arg != NULL && arg->name != NULL && !holds(a, arg->name))
			arg++;
		if (arg == NULL || arg->name == NULL)
			continue;
		mr_operation_name(to, operation, sizeof(operation));
		parameter(add_link(all, operation, arg->name, operation, to->summary), arg->name,
		    "response.body#/", arg->name);
	}
}

/* What names nothing is a part of what its path names: runs/{id}/steps/{name}/output. */
static void to_the_whole(struct json_object *all, const struct mr_route *r)
{
	struct resource list[RESOURCES_MAX];
	char operation[MR_OPERATION_LEN];
	unsigned n = resources(list);

	for (unsigned i = 0; i < n; i++) {
		const struct mr_route *to = list[i].reader;
		size_t len = strlen(to->path);

		if (strncmp(r->path, to->path, len) != 0 || r->path[len] != '/')
			continue;
		mr_operation_name(to, operation, sizeof(operation));
		parameter(add_link(all, operation, "path", operation, to->summary),
		    list[i].variable, "request.path.", list[i].variable);
	}
}

/* Lists whose form has no place for the cursor tell it in a header. */
static void next_page(struct json_object *all, const struct mr_route *r)
{
	bool in_body = r->envelope == MR_ENVELOPE_LIST;
	char operation[MR_OPERATION_LEN], variable[NAME_LEN];
	struct json_object *parameters;

	mr_operation_name(r, operation, sizeof(operation));
	parameters = add_link(all, "nextPage", operation, operation,
	    in_body ? "The page after this one, as long as next_cursor isn't null."
	            : "The page after this one, as long as there is X-Next-Cursor.");
	parameter(parameters, "cursor", in_body ? "response.body#/" : "response.header.",
	    in_body ? "next_cursor" : "X-Next-Cursor");
	for (const char *p = first_variable(r->path, variable); p != NULL;
	     p = first_variable(p, variable))
		parameter(parameters, variable, "request.path.", variable);
}

static struct json_object *links_of(
    struct json_object *schemas, const struct mr_route *r, unsigned status)
{
	struct json_object *all = json_object_new_object();
	struct answer a;

	if (mr_envelope_is_list(r->envelope)) {
		next_page(all, r);
		return all;
	}
	if (r->out.schema != MR_SCHEMA_NONE) {
		a = answer_of(schemas, r, status);
		from_one(all, schemas, &a);
		if (json_object_object_length(all) == 0 && r->method == MR_GET)
			to_its_like(all, &a);
	}
	if (json_object_object_length(all) == 0)
		to_the_whole(all, r);
	return all;
}

struct json_object *mr_document_links(
    struct json_object *schemas, const struct mr_route *r, unsigned status)
{
	struct json_object *all = links_of(schemas, r, status), *out = json_object_new_object();

	json_object_object_foreach(all, key, link)
	{
		char ref[MR_OPERATION_LEN + NAME_LEN * 2], name[MR_OPERATION_LEN];
		struct json_object *o = json_object_new_object();

		(void)link;
		(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(key, "."), key);
		(void)snprintf(ref, sizeof(ref), "#/components/links/%s", key); /* it fits */
		mr_puts(o, "$ref", ref);
		(void)json_object_object_add(out, name, o); /* copies the name */
	}
	json_object_put(all);
	if (json_object_object_length(out) == 0) {
		json_object_put(out);
		return NULL;
	}
	return out;
}

struct json_object *mr_document_shared_links(struct json_object *schemas)
{
	struct json_object *out = json_object_new_object();

	for (unsigned i = 0; i < mr_routes_len; i++) {
		const unsigned statuses[] = { mr_routes[i].out.status, mr_routes[i].out_again };

		for (size_t s = 0; s < MR_ARRAY_LEN(statuses) && statuses[s] != 0; s++) {
			struct json_object *all = links_of(schemas, &mr_routes[i], statuses[s]);

			json_object_object_foreach(all, key, link)
			{
				(void)json_object_object_add(
				    out, key, json_object_get(link)); /* copies the key */
			}
			json_object_put(all);
		}
	}
	return out;
}
