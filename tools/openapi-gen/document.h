/* The OpenAPI document, made from the tables that the worker is linked with. */
#ifndef MR_OPENAPI_GEN_DOCUMENT_H
#define MR_OPENAPI_GEN_DOCUMENT_H

#include <json-c/json.h>

#include "fcgi/route.h"
#include "fcgi/router.h"

/* The caller's; NULL when a schema is no JSON. */
struct json_object *mr_document(void);

/* ---- between document.c and operation.c ---- */

/* {"$ref": "#/components/schemas/Name"} for "name_of_file". */
struct json_object *mr_document_ref(const char *schema);
/* The schema of that file, in its place among SCHEMAS; NULL when it isn't there. */
struct json_object *mr_document_schema(struct json_object *schemas, const char *schema);
/* x-forms of a schema as the anyOf that it stands for: which members may stand together. */
void mr_document_forms(struct json_object *schema);
/* One operation; VARS are the variables of its path, SCHEMAS all components. */
struct json_object *mr_document_operation(
    const struct mr_route *r, const struct mr_route_vars *vars, struct json_object *schemas);
/* The row's .operation, else "listWorkflows", "cancelRun" and so on, from method and path. */
#define MR_OPERATION_LEN 96
void mr_operation_name(const struct mr_route *r, char *out, size_t cap);
/* "runs" → "run", in place. */
void mr_operation_singular(char *word);
/* The links of a row's success with STATUS, by reference; NULL when there are none. */
struct json_object *mr_document_links(
    struct json_object *schemas, const struct mr_route *r, unsigned status);
/* The links that answers refer to. */
struct json_object *mr_document_shared_links(struct json_object *schemas);
/* An example that fits SCHEMA. WRITTEN: of what a client sends, without what only answers hold. */
struct json_object *mr_document_example(
    struct json_object *schemas, struct json_object *schema, bool written);
/* The examples of errors that answers refer to, under their codes: when all answers are made. */
struct json_object *mr_document_problems(void);
/* The example of one error's answer: RECORDED, else the one that was recorded of any operation,
 * else what the table of errors says. */
struct json_object *mr_document_problem(int error, struct json_object *recorded);
/* Marks every error that an operation may answer. */
void mr_document_errors_of(const struct mr_route *r, bool seen[MR_ERR_COUNT]);
/* The headers that answers refer to. */
struct json_object *mr_document_headers(void);
/* The answers that operations refer to, "Error401" and so on. */
struct json_object *mr_document_errors(void);
/* Short forms. KEY must live as long as the object; the value is taken over. */
void mr_put(struct json_object *o, const char *key, struct json_object *v);
void mr_puts(struct json_object *o, const char *key, const char *text);
/* What stands under NAME, still O's; NULL when nothing does, or O is no object or NULL. */
struct json_object *mr_get(struct json_object *o, const char *name);
/* Whether SCHEMA's objects have a member of that name. */
bool mr_is_required(struct json_object *schema, const char *name);

#endif
