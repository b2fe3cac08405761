/*
 * What the step types that call a service have in common: the headers that every call carries,
 * the time it may take, and how the ways a call can fail are told. One struct mr_http_step is the
 * impl of an execution; it lives in the execution's arena.
 */
#ifndef MR_ENGINE_STEPS_HTTP_STEP_H
#define MR_ENGINE_STEPS_HTTP_STEP_H

#include "engine/steps/step.h"
#include "net/http_client.h"

#define MR_HTTP_STEP_HEADERS    96
#define MR_HTTP_STEP_TIMEOUT_US 30000000

struct mr_http_step {
	struct mr_step_exec *x;
	struct mr_http_request request;
	struct mr_http_header headers[MR_HTTP_STEP_HEADERS];
	size_t headers_len;
	/* the type's: called when an answer is there, whatever its status; reports into x */
	void (*answered)(struct mr_http_step *s);
	const struct mr_value *expected; /* config.expected_status, or NULL for 2xx */
};

/* A new one in X's arena, and X's impl; NULL with the error set. */
struct mr_http_step *mr_http_step_create(
    struct mr_step_exec *x, void (*answered)(struct mr_http_step *s)) MR_MUST_CHECK;
/* Adds a header. FROM_CONFIG: a name or value that can't stand in a header is the config's fault,
 * and it does not travel to another host. 0, or negative with the error set. */
int mr_http_step_header(struct mr_http_step *s, struct mr_str name, struct mr_str value,
    bool from_config) MR_MUST_CHECK;
/* All members of config.headers. */
int mr_http_step_headers(struct mr_http_step *s) MR_MUST_CHECK;
bool mr_http_step_has_header(const struct mr_http_step *s, const char *name);
/* A JSON body. */
int mr_http_step_json(struct mr_http_step *s, const struct mr_value *body) MR_MUST_CHECK;
/* Sends METHOD to URL, with the body that is in s->request. */
int mr_http_step_send(
    struct mr_http_step *s, struct mr_str method, struct mr_str url) MR_MUST_CHECK;

/* True when the answer's status is an expected one; else X has the error http.<code>. */
bool mr_http_step_accept(struct mr_http_step *s);
/* For struct mr_step_runner. */
void mr_http_step_abort(struct mr_step_exec *x);

#endif
