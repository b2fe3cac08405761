/* Examples out of recorded test traffic: docs/reference/examples.json, which "make examples"
 * writes. */
#ifndef MR_OPENAPI_GEN_RECORDED_H
#define MR_OPENAPI_GEN_RECORDED_H

#include <json-c/json.h>

/* Takes that file for all that follows; 0, or -1 when it is no JSON object. Without it there are
 * none. */
int mr_recorded_load(const char *path);
void mr_recorded_free(void);
/* What one operation was sent and answered with that status, {"request", "type", "answer"}; the
 * file's, NULL when nothing was recorded. */
struct json_object *mr_recorded_exchange(const char *operation, unsigned status);
/* The answer of one operation with that error code, likewise. */
struct json_object *mr_recorded_error(const char *operation, const char *code);
/* The answer with that error code of any operation. */
struct json_object *mr_recorded_problem(const char *code);
/* What stood where "{name}" is in the path TEMPLATE of a recorded request; the caller's or NULL. */
struct json_object *mr_recorded_variable(
    struct json_object *exchange, const char *template, const char *name);

#endif
