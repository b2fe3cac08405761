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
/* One operation; VARS are the variables of its path. */
struct json_object *mr_document_operation(
    const struct mr_route *r, const struct mr_route_vars *vars);
/* The answers that operations refer to, "Error401" and so on. */
struct json_object *mr_document_errors(void);
/* Short forms. KEY must live as long as the object; the value is taken over. */
void mr_put(struct json_object *o, const char *key, struct json_object *v);
void mr_puts(struct json_object *o, const char *key, const char *text);

#endif
