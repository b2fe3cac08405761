/*
 * One HTTP request inside the worker, and the answer being made for it. A request runs as
 * straight-line code in a coroutine; everything it needs is in its arena.
 */
#ifndef MR_FCGI_REQUEST_H
#define MR_FCGI_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/principal.h"
#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/error.h"
#include "lib/pg.h"
#include "lib/str.h"
#include "lib/value.h"

struct mr_call;
struct mr_route;
struct mr_worker;

enum mr_method {
	MR_GET,
	MR_POST,
	MR_PUT,
	MR_PATCH,
	MR_DELETE,
	MR_HEAD,
	MR_OPTIONS,
	MR_METHOD_COUNT
};

struct mr_pair {
	struct mr_str name, value;
};

#define MR_PATH_VARS_MAX 6

struct mr_request {
	struct mr_arena *arena;
	struct mr_worker *worker; /* settings, pools, caches; outlives the request */

	/* from nginx; all point into the arena */
	enum mr_method method;
	struct mr_str path;           /* decoded once, without the query */
	struct mr_str query;          /* as sent */
	const struct mr_pair *params; /* all FastCGI parameters; HTTP_* are the headers */
	size_t params_len;
	struct mr_str content_type;
	struct mr_str body;      /* whole body in memory; absent when there is none */
	struct mr_str body_file; /* path of nginx's spool file instead; absent when there is none */
	struct mr_str remote_addr;
	bool is_loopback;   /* it came by a loopback listener (listener.h) */
	int64_t started_us; /* mr_clock mono */
	int64_t now_us;     /* wall clock, one value for the whole request */

	/* filled in on the way */
	struct mr_str correlation_id; /* X-Request-ID when sane, else made */
	struct mr_str traceparent;    /* valid W3C one, or absent */
	const struct mr_route *route;
	struct mr_str path_vars[MR_PATH_VARS_MAX]; /* in the order of the route's path */
	const struct mr_principal *principal;      /* NULL on public routes without credentials */
	const struct mr_pair *query_args; /* decoded, checked against the route's parameters */
	size_t query_args_len;
	struct mr_value body_json; /* once parsed; kind NULL when there is no body */
	struct mr_faults faults;
	struct mr_call *call; /* dispatch's own; zero before */

	/* the answer */
	unsigned status;           /* 0: not decided yet */
	enum mr_error_id problem;  /* which one the answer is, if it is one; else it may be old */
	struct mr_buf out_headers; /* "Name: value\r\n"… without Status */
	struct mr_buf out_body;
	struct mr_str out_constant;     /* the body instead of out_body, unless absent */
	struct mr_str out_content_type; /* default application/json */

	/* true once the client is gone; long waits end early */
	bool aborted;
	/* Called on the loop when the client goes away, while a handler waits; or NULL. */
	void (*on_abort)(struct mr_request *r);
	void *on_abort_ctx;
};

/* The value of a header by its usual name ("If-Match"), or absent. */
struct mr_str mr_request_header(const struct mr_request *r, const char *name);
/* The value of a FastCGI parameter by its exact name, or absent. */
struct mr_str mr_request_param(const struct mr_request *r, const char *name);
/* The decoded query argument, or absent. */
struct mr_str mr_request_arg(const struct mr_request *r, const char *name);

void mr_response_header(struct mr_request *r, const char *name, struct mr_str value);
/* Decides status and body; the body is copied. */
void mr_response_json(struct mr_request *r, unsigned status, struct mr_str body);
/* The same without a copy: BODY stays as it is for as long as the process lives. */
void mr_response_constant(struct mr_request *r, unsigned status, struct mr_str body);
/* No body; the status and the headers stay. */
void mr_response_no_body(struct mr_request *r);
/* The body as it is now: until the answer is changed. */
struct mr_str mr_response_body(const struct mr_request *r);
/* The problem+json body of ID with its own sentence, or DETAIL when it is not empty; r->faults
 * become "details". Replaces whatever the answer held. */
void mr_response_problem(struct mr_request *r, enum mr_error_id id, const char *fmt, ...)
    MR_PRINTF(3, 4);

#endif
