/*
 * The route table: one row an endpoint. Routing, 404, 405 and Allow, authorisation, limits,
 * validation, binding, metric labels, OpenAPI, reference pages and the list of contract tests all
 * derive from it. The table itself is handlers/routes.c.
 */
#ifndef MR_FCGI_ROUTE_H
#define MR_FCGI_ROUTE_H

#include "auth/principal.h"
#include "fcgi/request.h"
#include "handlers/schema_ids.h" /* generated: enum mr_schema */
#include "lib/error.h"
#include "lib/rate.h"
#include "sql/sql_ids.h" /* generated: enum mr_sql */

enum mr_envelope {
	MR_ENVELOPE_ONE,       /* the statement's body as it is */
	MR_ENVELOPE_LIST,      /* items, total, limit, offset, page, page_size, next_cursor */
	MR_ENVELOPE_BARE,      /* an array; the total in X-Total-Count (S4) */
	MR_ENVELOPE_TEMPLATES, /* templates, total, page, page_size (S4) */
	MR_ENVELOPE_RESULTS,   /* count, next, previous, results (S3) */
	MR_ENVELOPE_RAW,       /* the handler writes it all */
};

static inline bool mr_envelope_is_list(enum mr_envelope e)
{
	return e != MR_ENVELOPE_ONE && e != MR_ENVELOPE_RAW;
}

enum mr_arg_type { MR_ARG_TEXT, MR_ARG_INT, MR_ARG_BOOL, MR_ARG_TIME, MR_ARG_ENUM, MR_ARG_ID };

/* A query argument that a route takes beside those of its envelope. */
struct mr_arg {
	const char *name;
	enum mr_arg_type type;
	const char *id_prefix;     /* MR_ARG_ID: "wf" takes wf_12 beside 12 */
	const char *const *values; /* MR_ARG_ENUM: allowed words, NULL-ended; any case is taken */
	const char *doc;
	int64_t min, max; /* MR_ARG_INT */
	bool many;        /* repeatable or comma-separated; bound as an array */
};

struct mr_route {
	unsigned id; /* enum mr_route_id, the row's place */
	enum mr_method method;
	const char *path; /* "/api/v1/workflows/{id}"; a variable named id or *_id is an id,
	                   * version a number from 1, any other one text */
	enum mr_scope scope;
	unsigned roles; /* any of these is needed beside the scope; 0: none */
	/* asks whether the caller made what the path's id names: then no role is needed; or none */
	enum mr_sql owner;
	bool platform; /* only for callers of the platform's tenant */
	enum mr_rate_class rate;
	enum mr_schema in; /* MR_SCHEMA_NONE: no body is read */
	bool in_optional;  /* an absent body is taken as {} */
	bool in_file;      /* the body is an upload, spooled by nginx */
	struct {
		unsigned status;
		enum mr_schema
		    schema;       /* of a list: its entries'; the envelope is put around them */
		const char *type; /* NULL: application/json */
	} out;
	unsigned
	    out_again; /* the status when what is to be made was there already; 0: there is none */
	enum mr_sql sql; /* what carries the request out, or what .handler runs to do so */
	enum mr_sql
	    first; /* what .handler asks before: it is this that takes the path's variables */
	/* for what SQL alone can't do. 0 when the answer is decided, else the worker answers 500 */
	int (*handler)(struct mr_request *r);
	/* .handler is called with a body that its schema refuses, too, to find beside those faults
	 * its own, so that all are told at once; no statement that .handler ends in runs then */
	bool finds_faults;
	enum mr_envelope envelope;
	const char *view; /* what its statements' parameter of this name is, or NULL */
	unsigned page_default, page_max; /* lists; 0: 20 and 1,000 */
	const struct mr_arg *args;       /* ended by a row without name */
	const enum mr_error_id *errors;  /* ended by MR_ERR_NONE; beside those every route has */
	const char *operation;           /* its name in clients; NULL: made from method and path */
	const char *tag;
	const char *summary;
	const char *doc; /* one paragraph, or NULL */
	/* for the day a route goes: HTTP dates for the Deprecation and Sunset headers, or NULL */
	const char *deprecation, *sunset;
};

#define MR_ERRS(...) ((const enum mr_error_id[]){ __VA_ARGS__, MR_ERR_NONE })
#define MR_ARGS(...) ((const struct mr_arg[]){ __VA_ARGS__, { .name = NULL } })

extern const struct mr_route mr_routes[];
extern const unsigned mr_routes_len;

#endif
