/* The route table: every endpoint, sorted by path, then GET, POST, PUT, PATCH, DELETE. */
#include "fcgi/route.h"

#include <stddef.h>

#include "handlers/handlers.h"
#include "handlers/route_ids.h"

/* Generators and tests link the table without the handlers. */
#ifdef MR_ROUTES_WITHOUT_HANDLERS
static int no_handler(struct mr_request *r)
{
	(void)r; /* never called: such a program serves nothing */
	return -1;
}
#define HANDLER(fn) no_handler
#else
#define HANDLER(fn) fn
#endif

#define OPERATE (MR_ROLE_OPERATOR | MR_ROLE_EDITOR | MR_ROLE_ADMIN)
#define EDIT    (MR_ROLE_EDITOR | MR_ROLE_ADMIN)

static const char *const run_statuses[] = { "pending", "running", "paused", "completed", "failed",
	"cancelled", "timed_out", "compensating", "compensated", NULL };
static const char *const workflow_statuses[] = { "active", "inactive", "paused", "deleted", NULL };
static const char *const key_statuses[] = { "active", "expired", "revoked", NULL };
static const char *const outcomes[] = { "done", "refused", "not_found", NULL };
static const char *const user_statuses[] = { "active", "disabled", "deleted", NULL };
static const char *const user_kinds[] = { "user", "service", NULL };
static const char *const tenant_statuses[] = { "active", "suspended", NULL };
static const char *const role_names[] = { "viewer", "operator", "editor", "admin", NULL };
static const char *const agent_statuses[] = { "active", "inactive", "maintenance", NULL };
static const char *const auth_types[] = { "none", "api_key", "bearer", "basic", "oauth2", "mtls",
	NULL };
static const char *const issuer_statuses[] = { "active", "disabled", "deleted", NULL };
static const char *const summed[] = { "request", "run", NULL };
static const char *const sums_by[] = { "hour", "day", "route", "key", "workflow", "status",
	"error_code", NULL };
static const char *const log_levels[] = { "debug", "info", "warning", "error", NULL };

#define ARG_RUN_STATUS                                                                             \
	{                                                                                          \
		.name = "status", .type = MR_ARG_ENUM, .values = run_statuses, .many = true,       \
		.doc = "Only runs with this status."                                               \
	}
#define ARG_LEVEL                                                                                  \
	{                                                                                          \
		.name = "level", .type = MR_ARG_ENUM, .values = log_levels,                        \
		.doc = "Only lines of this level or graver."                                       \
	}
#define ARG_STEP                                                                                   \
	{                                                                                          \
		.name = "step", .type = MR_ARG_TEXT, .doc = "Only this step."                      \
	}
#define ARG_KIND                                                                                   \
	{                                                                                          \
		.name = "kind", .type = MR_ARG_ENUM, .values = user_kinds, .many = true,           \
		.doc = "Only people, or only programs."                                            \
	}
#define ARG_ROLE                                                                                   \
	{                                                                                          \
		.name = "role", .type = MR_ARG_ENUM, .values = role_names,                         \
		.doc = "Only those that have this very role."                                      \
	}
#define ARG_AFTER                                                                                  \
	{                                                                                          \
		.name = "after", .type = MR_ARG_INT, .min = 0, .max = INT64_MAX,                   \
		.doc = "Only what follows the entry with this id."                                 \
	}

#define ARG_CATEGORY                                                                               \
	{                                                                                          \
		.name = "category", .type = MR_ARG_TEXT, .doc = "Only templates of this category." \
	}
#define ARG_PUBLIC_ONLY                                                                            \
	{                                                                                          \
		.name = "public_only", .type = MR_ARG_BOOL,                                        \
		.doc = "false: also those that aren't public and that the caller may see."         \
	}
#define ARG_TEMPLATE_TYPE                                                                          \
	{                                                                                          \
		.name = "template_type", .type = MR_ARG_TEXT,                                      \
		.doc = "Only templates of this type."                                              \
	}
#define ARG_IS_ACTIVE                                                                              \
	{                                                                                          \
		.name = "is_active", .type = MR_ARG_BOOL,                                          \
		.doc = "Only those that workflows can be made of, or only the others."             \
	}
#define ARG_TEMPLATE_TAGS                                                                          \
	{                                                                                          \
		.name = "tags", .type = MR_ARG_TEXT, .many = true,                                 \
		.doc = "Only templates with all of these tags, with commas between."               \
	}
#define ARG_OF                                                                                     \
	{                                                                                          \
		.name = "of", .type = MR_ARG_ENUM, .values = summed,                               \
		.doc = "What is summed up: requests, or runs that ended. Without it requests."     \
	}
#define ARG_GROUP_BY                                                                               \
	{                                                                                          \
		.name = "group_by", .type = MR_ARG_ENUM, .values = sums_by, .many = true,          \
		.doc =                                                                             \
		    "One entry for each of these, or of their combinations. Days and hours are "   \
		    "those of UTC; hours become days after a while (analytics_hours_days)."        \
	}
#define ARG_SUMS_FROM                                                                              \
	{                                                                                          \
		.name = "from", .type = MR_ARG_TIME,                                               \
		.doc = "From the hour on in which this lies, or from its day where hours aren't "  \
		       "kept any more. Without it the last 24 hours."                              \
	}
#define ARG_SUMS_TO                                                                                \
	{                                                                                          \
		.name = "to", .type = MR_ARG_TIME,                                                 \
		.doc = "Only hours, or days, that began before this time."                         \
	}
#define ARG_ROUTE                                                                                  \
	{                                                                                          \
		.name = "route", .type = MR_ARG_TEXT,                                              \
		.doc = "Only this path, as the document writes it: /api/v1/runs/{id}."             \
	}
#define ARG_METHOD                                                                                 \
	{                                                                                          \
		.name = "method", .type = MR_ARG_TEXT, .doc = "Only this method."                  \
	}
#define ARG_KEY_ID                                                                                 \
	{                                                                                          \
		.name = "key_id", .type = MR_ARG_ID, .id_prefix = "key",                           \
		.doc = "Only requests with this API key."                                          \
	}
#define ARG_PRINCIPAL_ID                                                                           \
	{                                                                                          \
		.name = "principal_id", .type = MR_ARG_ID, .id_prefix = "user",                    \
		.doc = "Only requests of this user or program."                                    \
	}
#define ARG_WORKFLOW_ID                                                                            \
	{                                                                                          \
		.name = "workflow_id", .type = MR_ARG_ID, .id_prefix = "wf",                       \
		.doc = "Only runs of this workflow, or requests whose path names it."              \
	}
#define ARG_OUTCOME                                                                                \
	{                                                                                          \
		.name = "status", .type = MR_ARG_TEXT, .many = true,                               \
		.doc =                                                                             \
		    "Only answers with this status, or of this class (4xx); only runs that ended " \
		    "so."                                                                          \
	}
#define ARG_ERROR_CODE                                                                             \
	{                                                                                          \
		.name = "error_code", .type = MR_ARG_TEXT,                                         \
		.doc = "Only answers with this error_code, or runs that failed with this type."    \
	}

const struct mr_route mr_routes[] = {
#include "handlers/routes_agents.def"
#include "handlers/routes_analytics.def"
	/* ---- API keys ---- */
	[MR_ROUTE_API_KEY_LIST] = {
	    .id = MR_ROUTE_API_KEY_LIST,
	    .method = MR_GET,
	    .path = "/api/v1/api-keys",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_API_KEY, NULL },
	    .sql = MR_SQL_API_KEY_LIST,
	    .envelope = MR_ENVELOPE_LIST,
	    .args = MR_ARGS({ .name = "status", .type = MR_ARG_ENUM, .values = key_statuses,
		.many = true, .doc = "Only keys with this status." }),
	    .tag = "api-keys",
	    .summary = "The tenant's API keys, without the keys themselves.",
	},
	[MR_ROUTE_API_KEY_CREATE] = {
	    .id = MR_ROUTE_API_KEY_CREATE,
	    .method = MR_POST,
	    .path = "/api/v1/api-keys",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_API_KEY_CREATE,
	    .out = { 201, MR_SCHEMA_API_KEY_CREATED, NULL },
	    .sql = MR_SQL_API_KEY_CREATE,
	    .handler = HANDLER(mr_handler_api_key_create),
	    .errors = MR_ERRS(MR_ERR_CONFLICT),
	    .tag = "api-keys",
	    .summary = "Makes an API key.",
	    .doc = "The answer holds the key itself, this once: only its hash is kept. An answer "
		   "replayed for an Idempotency-Key comes without it.",
	},
	[MR_ROUTE_API_KEY_GET] = {
	    .id = MR_ROUTE_API_KEY_GET,
	    .method = MR_GET,
	    .path = "/api/v1/api-keys/{id}",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_API_KEY, NULL },
	    .sql = MR_SQL_API_KEY_GET,
	    .errors = MR_ERRS(MR_ERR_API_KEY_NOT_FOUND),
	    .tag = "api-keys",
	    .summary = "One API key, without the key itself.",
	},
	[MR_ROUTE_API_KEY_UPDATE] = {
	    .id = MR_ROUTE_API_KEY_UPDATE,
	    .method = MR_PATCH,
	    .path = "/api/v1/api-keys/{id}",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_API_KEY_UPDATE,
	    .out = { 200, MR_SCHEMA_API_KEY, NULL },
	    .sql = MR_SQL_API_KEY_UPDATE,
	    .handler = HANDLER(mr_handler_access_change),
	    .errors = MR_ERRS(MR_ERR_API_KEY_NOT_FOUND, MR_ERR_CONFLICT, MR_ERR_API_KEY_REVOKED, MR_ERR_LAST_ADMIN,
		MR_ERR_SELF_LOCKOUT, MR_ERR_PRECONDITION_FAILED),
	    .tag = "api-keys",
	    .summary = "Changes an API key's name, scopes, roles, rate limits or end.",
	},
	[MR_ROUTE_API_KEY_DELETE] = {
	    .id = MR_ROUTE_API_KEY_DELETE,
	    .method = MR_DELETE,
	    .path = "/api/v1/api-keys/{id}",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_STANDARD,
	    .out = { 200, MR_SCHEMA_API_KEY, NULL },
	    .sql = MR_SQL_API_KEY_DELETE,
	    .handler = HANDLER(mr_handler_api_key_delete),
	    .errors = MR_ERRS(MR_ERR_API_KEY_NOT_FOUND, MR_ERR_API_KEY_IN_USE, MR_ERR_LAST_ADMIN,
		MR_ERR_PRECONDITION_FAILED),
	    .tag = "api-keys",
	    .summary = "Revokes an API key; within seconds nothing takes it any more. No key revokes itself.",
	},
	[MR_ROUTE_API_KEY_ROTATE] = {
	    .id = MR_ROUTE_API_KEY_ROTATE,
	    .method = MR_POST,
	    .path = "/api/v1/api-keys/{id}/rotate",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_STANDARD,
	    .out = { 200, MR_SCHEMA_API_KEY_CREATED, NULL },
	    .sql = MR_SQL_API_KEY_ROTATE,
	    .handler = HANDLER(mr_handler_api_key_rotate),
	    .errors = MR_ERRS(MR_ERR_API_KEY_NOT_FOUND, MR_ERR_API_KEY_REVOKED,
		MR_ERR_PRECONDITION_FAILED),
	    .tag = "api-keys",
	    .summary = "Gives an API key a new secret; the old one ends at once.",
	    .doc = "The answer holds the new key itself, this once. An answer replayed for an "
		   "Idempotency-Key comes without it.",
	},
	/* ---- the audit log ---- */
	[MR_ROUTE_AUDIT_LOG_LIST] = {
	    .id = MR_ROUTE_AUDIT_LOG_LIST,
	    .method = MR_GET,
	    .path = "/api/v1/audit-logs",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_AUDIT_LOG, NULL },
	    .sql = MR_SQL_AUDIT_LOG_LIST,
	    .envelope = MR_ENVELOPE_LIST,
	    .page_default = 50,
	    .args = MR_ARGS({ .name = "entity_type", .type = MR_ARG_TEXT,
				.doc = "Only entries of this kind of thing: workflow, run, api_key, user, …" },
		{ .name = "entity_id", .type = MR_ARG_ID, .doc = "Only entries of the thing with this id." },
		{ .name = "action", .type = MR_ARG_TEXT,
		    .doc = "Only this action: created, updated, deleted, refused, not_found, read, …" },
		{ .name = "outcome", .type = MR_ARG_ENUM, .values = outcomes,
		    .doc = "Only what was done, refused, or not found." },
		{ .name = "user_id", .type = MR_ARG_ID, .id_prefix = "user",
		    .doc = "Only what this user or program did." },
		{ .name = "address", .type = MR_ARG_TEXT, .doc = "Only what came from this address." },
		{ .name = "correlation_id", .type = MR_ARG_TEXT,
		    .doc = "Only what this request did." },
		{ .name = "from", .type = MR_ARG_TIME, .doc = "Only entries at or after this time." },
		{ .name = "to", .type = MR_ARG_TIME, .doc = "Only entries before this time." }),
	    .tag = "audit-logs",
	    .summary = "The tenant's audit log, newest first.",
	    .doc = "It has every change, every refused attempt and every id that was not found, and reads where "
		   "the server is set to write them down. Of refusals so many a minute of one caller are "
		   "written; omitted says how many were not.",
	},
	[MR_ROUTE_AUDIT_LOG_GET] = {
	    .id = MR_ROUTE_AUDIT_LOG_GET,
	    .method = MR_GET,
	    .path = "/api/v1/audit-logs/{id}",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_AUDIT_LOG, NULL },
	    .sql = MR_SQL_AUDIT_LOG_GET,
	    .errors = MR_ERRS(MR_ERR_AUDIT_LOG_NOT_FOUND),
	    .tag = "audit-logs",
	    .summary = "One entry of the audit log.",
	},
	/* ---- events ---- */
	[MR_ROUTE_EVENT_LIST] = {
	    .id = MR_ROUTE_EVENT_LIST,
	    .method = MR_GET,
	    .path = "/api/v1/events",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_PUBLISHED_EVENT, NULL },
	    .sql = MR_SQL_EVENT_LIST,
	    .envelope = MR_ENVELOPE_LIST,
	    .args = MR_ARGS({ .name = "event_type", .type = MR_ARG_TEXT,
				.doc = "Only events of this type." },
		{ .name = "source", .type = MR_ARG_TEXT, .doc = "Only events from this source." },
		{ .name = "correlation_id", .type = MR_ARG_TEXT,
		    .doc = "Only events that belong to this." },
		{ .name = "from", .type = MR_ARG_TIME,
		    .doc = "Only events published at or after this time." },
		{ .name = "to", .type = MR_ARG_TIME,
		    .doc = "Only events published before this time." }),
	    .tag = "events",
	    .summary = "The tenant's published events, newest first.",
	},
	[MR_ROUTE_EVENT_PUBLISH] = {
	    .id = MR_ROUTE_EVENT_PUBLISH,
	    .method = MR_POST,
	    .path = "/api/v1/events/publish",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_EVENT_PUBLISH,
	    .out = { 201, MR_SCHEMA_EVENT_PUBLISHED, NULL },
	    .sql = MR_SQL_EVENT_PUBLISH,
	    .tag = "events",
	    .summary = "Publishes an event to the runs that wait for its type.",
	    .doc = "A run that waits later gets it too, when it was made before the event. Events are kept for "
		   "as long as the server is set to.",
	},
	[MR_ROUTE_EVENT_GET] = {
	    .id = MR_ROUTE_EVENT_GET,
	    .method = MR_GET,
	    .path = "/api/v1/events/{id}",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_PUBLISHED_EVENT, NULL },
	    .sql = MR_SQL_EVENT_GET,
	    .errors = MR_ERRS(MR_ERR_EVENT_NOT_FOUND),
	    .tag = "events",
	    .summary = "One published event.",
	},
	/* ---- expressions ---- */
	[MR_ROUTE_EXPRESSION_EVALUATE] = {
	    .id = MR_ROUTE_EXPRESSION_EVALUATE,
	    .method = MR_POST,
	    .path = "/api/v1/expressions/evaluate",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_EXPRESSION_EVALUATE,
	    .out = { 200, MR_SCHEMA_EXPRESSION_VALUE, NULL },
	    .handler = HANDLER(mr_handler_expression_evaluate),
	    .envelope = MR_ENVELOPE_RAW,
	    .errors = MR_ERRS(MR_ERR_EXPRESSION_INVALID),
	    .tag = "expressions",
	    .summary = "Computes one expression or condition; stores nothing.",
	    .doc = "Reads the expression as a step's when and a conditional's condition do: in a "
		   "text, {{ }} are parentheses; an object is a condition in the manner of MongoDB. "
		   "One that can't be read or fails is a 400 whose details hold its message, offset, "
		   "line, column and an excerpt.",
	},
	/* ---- files ---- */
	[MR_ROUTE_FILE_LIST] = {
	    .id = MR_ROUTE_FILE_LIST,
	    .method = MR_GET,
	    .path = "/api/v1/files",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_FILE, NULL },
	    .sql = MR_SQL_FILE_LIST,
	    .envelope = MR_ENVELOPE_LIST,
	    .args = MR_ARGS({ .name = "run_id", .type = MR_ARG_ID, .id_prefix = "run",
		.doc = "Only files that steps of this run made." }),
	    .tag = "files",
	    .summary = "The tenant's files.",
	},
	[MR_ROUTE_FILE_CREATE] = {
	    .id = MR_ROUTE_FILE_CREATE,
	    .method = MR_POST,
	    .path = "/api/v1/files",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in_file = true,
	    .out = { 201, MR_SCHEMA_FILE, NULL },
	    .sql = MR_SQL_FILE_CREATE,
	    .handler = HANDLER(mr_handler_file_create),
	    .args = MR_ARGS({ .name = "name", .type = MR_ARG_TEXT,
		.doc = "Name of a file sent as a raw body." }),
	    .errors = MR_ERRS(MR_ERR_UPLOAD_INVALID),
	    .operation = "uploadFile",
	    .tag = "files",
	    .summary = "Uploads a file.",
	    .doc = "Send multipart/form-data with one part named file, or the bytes themselves with "
		   "their Content-Type. An upload starts the workflows whose "
		   "trigger_on_file_upload is set and whose extensions fit.",
	},
	[MR_ROUTE_FILE_GET] = {
	    .id = MR_ROUTE_FILE_GET,
	    .method = MR_GET,
	    .path = "/api/v1/files/{id}",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_FILE, NULL },
	    .sql = MR_SQL_FILE_GET,
	    .errors = MR_ERRS(MR_ERR_FILE_NOT_FOUND),
	    .tag = "files",
	    .summary = "What is known of a file.",
	},
	[MR_ROUTE_FILE_DELETE] = {
	    .id = MR_ROUTE_FILE_DELETE,
	    .method = MR_DELETE,
	    .path = "/api/v1/files/{id}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .rate = MR_RATE_STANDARD,
	    .out = { 200, MR_SCHEMA_FILE, NULL },
	    .sql = MR_SQL_FILE_DELETE,
	    .handler = HANDLER(mr_handler_file_delete),
	    .errors = MR_ERRS(MR_ERR_FILE_NOT_FOUND, MR_ERR_PRECONDITION_FAILED),
	    .tag = "files",
	    .summary = "Deletes a file and its content.",
	},
	[MR_ROUTE_FILE_CONTENT] = {
	    .id = MR_ROUTE_FILE_CONTENT,
	    .method = MR_GET,
	    .path = "/api/v1/files/{id}/content",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_NONE, "application/octet-stream" },
	    .sql = MR_SQL_FILE_GET,
	    .handler = HANDLER(mr_handler_file_content),
	    .envelope = MR_ENVELOPE_RAW,
	    .errors = MR_ERRS(MR_ERR_FILE_NOT_FOUND, MR_ERR_RANGE_NOT_SATISFIABLE,
		MR_ERR_FILE_DAMAGED),
	    .tag = "files",
	    .summary = "A file's bytes, with its own Content-Type; takes Range.",
	    .doc = "Takes Range (one or several, which are answered as multipart/byteranges), If-Range, "
		   "If-None-Match and If-Modified-Since by the ETag and Last-Modified that it sends.",
	},
/* ---- groups, tenants, users: in a file of their own ---- */
#include "handlers/routes_people.def"
#include "handlers/routes_templates.def"
	/* ---- the system, seen by a tenant ---- */
	[MR_ROUTE_API_HEALTH] = {
	    .id = MR_ROUTE_API_HEALTH,
	    .method = MR_GET,
	    .path = "/api/v1/health",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_EXEMPT,
	    .out = { 200, MR_SCHEMA_HEALTH, NULL },
	    .handler = HANDLER(mr_handler_health),
	    .envelope = MR_ENVELOPE_RAW,
	    .tag = "system",
	    .summary = "Whether the service works, and the last 24 hours in figures.",
	},
	/* ---- issuers of tokens ---- */
	[MR_ROUTE_ISSUER_LIST] = {
	    .id = MR_ROUTE_ISSUER_LIST,
	    .method = MR_GET,
	    .path = "/api/v1/issuers",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_ISSUER, NULL },
	    .sql = MR_SQL_ISSUER_LIST,
	    .envelope = MR_ENVELOPE_LIST,
	    .args = MR_ARGS({ .name = "status", .type = MR_ARG_ENUM, .values = issuer_statuses,
		.many = true, .doc = "Only issuers with this status; deleted ones only so." }),
	    .tag = "issuers",
	    .summary = "The issuers whose tokens are taken as this tenant's.",
	},
	[MR_ROUTE_ISSUER_CREATE] = {
	    .id = MR_ROUTE_ISSUER_CREATE,
	    .method = MR_POST,
	    .path = "/api/v1/issuers",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ISSUER_CREATE,
	    .out = { 201, MR_SCHEMA_ISSUER, NULL },
	    .sql = MR_SQL_ISSUER_CREATE,
	    .handler = HANDLER(mr_handler_issuer_create),
	    .errors = MR_ERRS(MR_ERR_CONFLICT),
	    .tag = "issuers",
	    .summary = "Takes the tokens of an issuer from now on.",
	    .doc = "Its keys come from exactly one of key_name, public_key, jwks_file and jwks_url. Keys that "
		   "are too weak, or don't fit the algorithm, are refused. Within two seconds every worker "
		   "knows.",
	},
	[MR_ROUTE_ISSUER_GET] = {
	    .id = MR_ROUTE_ISSUER_GET,
	    .method = MR_GET,
	    .path = "/api/v1/issuers/{id}",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_ISSUER, NULL },
	    .sql = MR_SQL_ISSUER_GET,
	    .errors = MR_ERRS(MR_ERR_ISSUER_NOT_FOUND),
	    .tag = "issuers",
	    .summary = "One issuer, with what is known of its keys.",
	},
	[MR_ROUTE_ISSUER_PUT] = {
	    .id = MR_ROUTE_ISSUER_PUT,
	    .method = MR_PUT,
	    .path = "/api/v1/issuers/{id}",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ISSUER_UPDATE,
	    .out = { 200, MR_SCHEMA_ISSUER, NULL },
	    .sql = MR_SQL_ISSUER_UPDATE,
	    .handler = HANDLER(mr_handler_issuer_update),
	    .errors = MR_ERRS(MR_ERR_ISSUER_NOT_FOUND, MR_ERR_CONFLICT,
		MR_ERR_ISSUER_DELETED, MR_ERR_PRECONDITION_FAILED),
	    .tag = "issuers",
	    .summary = "Changes an issuer.",
	    .doc = "Absent members are kept. Within two seconds no worker takes a token by what was before.",
	},
	[MR_ROUTE_ISSUER_PATCH] = {
	    .id = MR_ROUTE_ISSUER_PATCH,
	    .method = MR_PATCH,
	    .path = "/api/v1/issuers/{id}",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ISSUER_UPDATE,
	    .out = { 200, MR_SCHEMA_ISSUER, NULL },
	    .sql = MR_SQL_ISSUER_UPDATE,
	    .handler = HANDLER(mr_handler_issuer_update),
	    .errors = MR_ERRS(MR_ERR_ISSUER_NOT_FOUND, MR_ERR_CONFLICT,
		MR_ERR_ISSUER_DELETED, MR_ERR_PRECONDITION_FAILED),
	    .tag = "issuers",
	    .summary = "Changes an issuer, as PUT does.",
	},
	[MR_ROUTE_ISSUER_DELETE] = {
	    .id = MR_ROUTE_ISSUER_DELETE,
	    .method = MR_DELETE,
	    .path = "/api/v1/issuers/{id}",
	    .scope = MR_SCOPE_ADMIN,
	    .roles = MR_ROLE_ADMIN,
	    .rate = MR_RATE_STANDARD,
	    .out = { 200, MR_SCHEMA_ISSUER, NULL },
	    .sql = MR_SQL_ISSUER_DELETE,
	    .handler = HANDLER(mr_handler_issuer_delete),
	    .errors = MR_ERRS(MR_ERR_ISSUER_NOT_FOUND, MR_ERR_PRECONDITION_FAILED),
	    .tag = "issuers",
	    .summary = "Removes an issuer; within two seconds nothing takes its tokens any more.",
	    .doc = "The row stays readable by id, and so do the users that came by its tokens.",
	},
	[MR_ROUTE_ME] = {
	    .id = MR_ROUTE_ME,
	    .method = MR_GET,
	    .path = "/api/v1/me",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_ME, NULL },
	    .sql = MR_SQL_ME,
	    .handler = HANDLER(mr_handler_me),
	    .envelope = MR_ENVELOPE_RAW,
	    .tag = "users",
	    .summary = "Who you are, and what you may do.",
	    .doc = "The operations are those of this API that the credential of this request allows, with the class of rate limit that each counts for.",
	},
	[MR_ROUTE_API_METRICS] = {
	    .id = MR_ROUTE_API_METRICS,
	    .method = MR_GET,
	    .path = "/api/v1/metrics",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_EXEMPT,
	    .out = { 200, MR_SCHEMA_NONE, "text/plain" },
	    .handler = HANDLER(mr_handler_tenant_metrics),
	    .envelope = MR_ENVELOPE_RAW,
	    .tag = "system",
	    .summary = "The tenant's metrics in Prometheus' text format.",
	},
	/* ---- runs ---- */
	[MR_ROUTE_RUN_LIST] = {
	    .id = MR_ROUTE_RUN_LIST,
	    .method = MR_GET,
	    .path = "/api/v1/runs",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_RUN, NULL },
	    .sql = MR_SQL_RUN_LIST,
	    .envelope = MR_ENVELOPE_LIST,
	    .args = MR_ARGS(ARG_RUN_STATUS,
		{ .name = "workflow_id", .type = MR_ARG_ID, .id_prefix = "wf",
		    .doc = "Only runs of this workflow." },
		{ .name = "triggered_by", .type = MR_ARG_TEXT,
		    .doc = "Only runs that this principal started." },
		{ .name = "from", .type = MR_ARG_TIME, .doc = "Only runs made at or after this time." },
		{ .name = "to", .type = MR_ARG_TIME, .doc = "Only runs made before this time." },
		{ .name = "correlation_id", .type = MR_ARG_TEXT,
		    .doc = "Only runs that this request made." }),
	    .tag = "runs",
	    .summary = "The tenant's runs, newest first.",
	},
	[MR_ROUTE_RUNS_BULK] = {
	    .id = MR_ROUTE_RUNS_BULK,
	    .method = MR_POST,
	    .path = "/api/v1/runs/bulk",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_WORKFLOW_EXECUTION,
	    .in = MR_SCHEMA_RUNS_BULK,
	    .out = { 202, MR_SCHEMA_RUNS_BULK_ANSWER, NULL },
	    .sql = MR_SQL_RUNS_BULK,
	    .handler = HANDLER(mr_handler_runs_bulk),
	    .tag = "runs",
	    .summary = "Cancels, pauses, resumes or retries many runs.",
	    .doc = "Runs come as ids or by a filter, which means those that the act fits. One answer for each; "
		   "with dry_run nothing is done.",
	},
	[MR_ROUTE_RUN_GET] = {
	    .id = MR_ROUTE_RUN_GET,
	    .method = MR_GET,
	    .path = "/api/v1/runs/{id}",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_RUN, NULL },
	    .sql = MR_SQL_RUN_GET,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND),
	    .tag = "runs",
	    .summary = "One run.",
	},
	[MR_ROUTE_RUN_UPDATE] = {
	    .id = MR_ROUTE_RUN_UPDATE,
	    .method = MR_PATCH,
	    .path = "/api/v1/runs/{id}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_RUN_UPDATE,
	    .out = { 200, MR_SCHEMA_RUN, NULL },
	    .sql = MR_SQL_RUN_UPDATE,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND, MR_ERR_RUN_NOT_ACTIVE, MR_ERR_PRECONDITION_FAILED),
	    .tag = "runs",
	    .summary = "Changes variables of a run; its next step sees them.",
	},
	[MR_ROUTE_RUN_CANCEL] = {
	    .id = MR_ROUTE_RUN_CANCEL,
	    .method = MR_POST,
	    .path = "/api/v1/runs/{id}/cancel",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ACT,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_ACCEPTED, NULL },
	    .sql = MR_SQL_RUN_CANCEL,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND, MR_ERR_RUN_NOT_ACTIVE),
	    .tag = "runs",
	    .summary = "Cancels a run: after the answer no further step starts.",
	},
	[MR_ROUTE_RUN_EVENTS] = {
	    .id = MR_ROUTE_RUN_EVENTS,
	    .method = MR_GET,
	    .path = "/api/v1/runs/{id}/events",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_EVENT, NULL },
	    .sql = MR_SQL_RUN_EVENTS,
	    .envelope = MR_ENVELOPE_LIST,
	    .page_default = 100,
	    .args = MR_ARGS(ARG_AFTER),
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND),
	    .tag = "runs",
	    .summary = "A run's history: every fact, in order.",
	},
	[MR_ROUTE_RUN_EXPLAIN] = {
	    .id = MR_ROUTE_RUN_EXPLAIN,
	    .method = MR_GET,
	    .path = "/api/v1/runs/{id}/explain",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_RUN_EXPLANATION, NULL },
	    .sql = MR_SQL_RUN_EXPLAIN,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND),
	    .tag = "runs",
	    .summary = "Why a run stands where it stands, and when it may end.",
	},
	[MR_ROUTE_RUN_LOGS] = {
	    .id = MR_ROUTE_RUN_LOGS,
	    .method = MR_GET,
	    .path = "/api/v1/runs/{id}/logs",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_LOG_ENTRY, NULL },
	    .sql = MR_SQL_RUN_LOGS,
	    .envelope = MR_ENVELOPE_LIST,
	    .page_default = 100,
	    .args = MR_ARGS(ARG_LEVEL, ARG_STEP, ARG_AFTER),
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND),
	    .tag = "runs",
	    .summary = "A run's log.",
	},
	[MR_ROUTE_RUN_PAUSE] = {
	    .id = MR_ROUTE_RUN_PAUSE,
	    .method = MR_POST,
	    .path = "/api/v1/runs/{id}/pause",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ACT,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_ACCEPTED, NULL },
	    .sql = MR_SQL_RUN_PAUSE,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND, MR_ERR_RUN_NOT_ACTIVE),
	    .tag = "runs",
	    .summary = "Pauses a run before its next step.",
	},
	[MR_ROUTE_RUN_RERUN] = {
	    .id = MR_ROUTE_RUN_RERUN,
	    .method = MR_POST,
	    .path = "/api/v1/runs/{id}/rerun",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_WORKFLOW_EXECUTION,
	    .in = MR_SCHEMA_RUN_RERUN,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_ACCEPTED, NULL },
	    .sql = MR_SQL_RUN_RERUN,
	    .handler = HANDLER(mr_handler_run_rerun),
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND, MR_ERR_VERSION_NOT_FOUND, MR_ERR_WORKFLOW_NOT_ACTIVE),
	    .tag = "runs",
	    .summary = "Starts a new run that repeats this one.",
	    .doc = "The same version and the same input, unless others are named. The new run says which one it "
		   "repeats in rerun_of.",
	},
	[MR_ROUTE_RUN_RESUME] = {
	    .id = MR_ROUTE_RUN_RESUME,
	    .method = MR_POST,
	    .path = "/api/v1/runs/{id}/resume",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ACT,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_ACCEPTED, NULL },
	    .sql = MR_SQL_RUN_RESUME,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND, MR_ERR_RUN_NOT_ACTIVE, MR_ERR_RUN_NOT_PAUSED),
	    .tag = "runs",
	    .summary = "Lets a paused run go on.",
	},
	[MR_ROUTE_RUN_RETRY] = {
	    .id = MR_ROUTE_RUN_RETRY,
	    .method = MR_POST,
	    .path = "/api/v1/runs/{id}/retry",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_WORKFLOW_EXECUTION,
	    .in = MR_SCHEMA_RUN_RETRY,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_ACCEPTED, NULL },
	    .sql = MR_SQL_RUN_RETRY,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND, MR_ERR_STEP_NOT_FOUND, MR_ERR_RUN_NOT_RETRYABLE),
	    .tag = "runs",
	    .summary = "Goes on with a run that failed, from the first step that did not complete.",
	},
	[MR_ROUTE_RUN_SIGNAL] = {
	    .id = MR_ROUTE_RUN_SIGNAL,
	    .method = MR_POST,
	    .path = "/api/v1/runs/{id}/signals/{name}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_SIGNAL,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_SIGNAL_ANSWER, NULL },
	    .sql = MR_SQL_RUN_SIGNAL,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND, MR_ERR_RUN_NOT_ACTIVE),
	    .tag = "runs",
	    .summary = "Sends a signal to a run.",
	    .doc = "A wait step for an event of this name takes it; one that comes before the step does is "
		   "kept for it.",
	},
	[MR_ROUTE_RUN_STEPS] = {
	    .id = MR_ROUTE_RUN_STEPS,
	    .method = MR_GET,
	    .path = "/api/v1/runs/{id}/steps",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_STEP_EXECUTION, NULL },
	    .sql = MR_SQL_RUN_STEPS,
	    .envelope = MR_ENVELOPE_LIST,
	    .page_default = 100,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND),
	    .tag = "runs",
	    .summary = "What happened to each step of a run.",
	},
	[MR_ROUTE_STEP_EXPLAIN] = {
	    .id = MR_ROUTE_STEP_EXPLAIN,
	    .method = MR_GET,
	    .path = "/api/v1/runs/{id}/steps/{name}/explain",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_STEP_EXPLANATION, NULL },
	    .sql = MR_SQL_STEP_EXPLAIN,
	    .args = MR_ARGS({ .name = "iteration", .type = MR_ARG_INT, .min = 0, .max = 2147483647,
		.doc = "The item or round of its block, from 0; else the latest." }),
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND, MR_ERR_STEP_NOT_FOUND),
	    .tag = "runs",
	    .summary = "Why a step of a run stands where it stands.",
	    .doc = "A step inside of others is named by its path, the slashes written as %2F.",
	},
	[MR_ROUTE_STEP_OUTPUT] = {
	    .id = MR_ROUTE_STEP_OUTPUT,
	    .method = MR_GET,
	    .path = "/api/v1/runs/{id}/steps/{name}/output",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_STEP_OUTPUT, NULL },
	    .sql = MR_SQL_STEP_OUTPUT,
	    .handler = HANDLER(mr_handler_step_output),
	    .envelope = MR_ENVELOPE_RAW,
	    .args = MR_ARGS({ .name = "iteration", .type = MR_ARG_INT, .min = 0, .max = 2147483647,
		.doc = "The item or round of its block, from 0; else the latest." }),
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND, MR_ERR_STEP_NOT_FOUND),
	    .tag = "runs",
	    .summary = "The result of a step that completed, whatever its size.",
	    .doc = "A step inside of others is named by its path, the slashes written as %2F.",
	},
	/* ---- sagas ---- */
	[MR_ROUTE_SAGA_LIST] = {
	    .id = MR_ROUTE_SAGA_LIST,
	    .method = MR_GET,
	    .path = "/api/v1/sagas",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_SAGA, NULL },
	    .sql = MR_SQL_SAGA_LIST,
	    .envelope = MR_ENVELOPE_LIST,
	    .args = MR_ARGS(ARG_RUN_STATUS,
		{ .name = "saga_type", .type = MR_ARG_TEXT, .doc = "Only sagas of this type." },
		{ .name = "correlation_id", .type = MR_ARG_TEXT,
		    .doc = "Only sagas that belong to this." }),
	    .tag = "sagas",
	    .summary = "The tenant's sagas, newest first, without their steps.",
	},
	[MR_ROUTE_SAGA_START] = {
	    .id = MR_ROUTE_SAGA_START,
	    .method = MR_POST,
	    .path = "/api/v1/sagas/start",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_WORKFLOW_EXECUTION,
	    .in = MR_SCHEMA_SAGA_START,
	    .out = { 201, MR_SCHEMA_SAGA, NULL },
	    .sql = MR_SQL_SAGA_START,
	    .handler = HANDLER(mr_handler_saga_start),
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_RUN_NOT_FOUND, MR_ERR_CONFLICT, MR_ERR_WORKFLOW_NOT_ACTIVE),
	    .tag = "sagas",
	    .summary = "Starts a saga: a run whose completed steps are undone when it fails.",
	    .doc = "input_data names what runs: an execution_id makes a saga of an execution that is there "
		   "already, a workflow_id starts that workflow, a workflow_config is stored as a "
		   "workflow named after the saga's type and started.",
	},
	[MR_ROUTE_SAGA_GET] = {
	    .id = MR_ROUTE_SAGA_GET,
	    .method = MR_GET,
	    .path = "/api/v1/sagas/{id}",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_SAGA, NULL },
	    .sql = MR_SQL_SAGA_GET,
	    .errors = MR_ERRS(MR_ERR_SAGA_NOT_FOUND),
	    .tag = "sagas",
	    .summary = "One saga, with what happened to its steps.",
	},
	[MR_ROUTE_SAGA_CANCEL] = {
	    .id = MR_ROUTE_SAGA_CANCEL,
	    .method = MR_POST,
	    .path = "/api/v1/sagas/{id}/cancel",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ACT,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_SAGA_ACCEPTED, NULL },
	    .sql = MR_SQL_SAGA_CANCEL,
	    .errors = MR_ERRS(MR_ERR_SAGA_NOT_FOUND, MR_ERR_RUN_NOT_ACTIVE),
	    .tag = "sagas",
	    .summary = "Cancels a saga: after the answer no further step starts.",
	    .doc = "What its steps did is not undone, and its finally runs: compensation is for runs "
		   "that fail or take too long.",
	},
	/* ---- secrets ---- */
	[MR_ROUTE_SECRET_LIST] = {
	    .id = MR_ROUTE_SECRET_LIST,
	    .method = MR_GET,
	    .path = "/api/v1/secrets",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_SECRET, NULL },
	    .sql = MR_SQL_SECRET_LIST,
	    .envelope = MR_ENVELOPE_LIST,
	    .tag = "secrets",
	    .summary = "The tenant's secrets, without their values.",
	},
	[MR_ROUTE_SECRET_CREATE] = {
	    .id = MR_ROUTE_SECRET_CREATE,
	    .method = MR_POST,
	    .path = "/api/v1/secrets",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_SECRET_CREATE,
	    .out = { 201, MR_SCHEMA_SECRET, NULL },
	    .sql = MR_SQL_SECRET_CREATE,
	    .handler = HANDLER(mr_handler_secret_create),
	    .errors = MR_ERRS(MR_ERR_SECRETS_FULL, MR_ERR_SECRET_NAME_TAKEN, MR_ERR_SECRETS_UNAVAILABLE),
	    .tag = "secrets",
	    .summary = "Makes a secret, which definitions use as {{secrets.<name>}}.",
	    .doc = "The value is sealed before it is stored; nothing reads it back. Steps that begin "
		   "within two seconds may not see it yet.",
	},
	[MR_ROUTE_SECRET_GET] = {
	    .id = MR_ROUTE_SECRET_GET,
	    .method = MR_GET,
	    .path = "/api/v1/secrets/{secret}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_SECRET, NULL },
	    .sql = MR_SQL_SECRET_GET,
	    .errors = MR_ERRS(MR_ERR_SECRET_NOT_FOUND),
	    .tag = "secrets",
	    .summary = "What is known of a secret, by its name or id, but its value.",
	},
	[MR_ROUTE_SECRET_PUT] = {
	    .id = MR_ROUTE_SECRET_PUT,
	    .method = MR_PUT,
	    .path = "/api/v1/secrets/{secret}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_SECRET_UPDATE,
	    .out = { 200, MR_SCHEMA_SECRET, NULL },
	    .sql = MR_SQL_SECRET_UPDATE,
	    .handler = HANDLER(mr_handler_secret_update),
	    .errors = MR_ERRS(MR_ERR_SECRET_NOT_FOUND, MR_ERR_PRECONDITION_FAILED, MR_ERR_SECRETS_UNAVAILABLE),
	    .tag = "secrets",
	    .summary = "Gives a secret another value or description.",
	    .doc = "Absent members are kept, as in PATCH. Steps that begin two seconds later see the new value.",
	},
	[MR_ROUTE_SECRET_PATCH] = {
	    .id = MR_ROUTE_SECRET_PATCH,
	    .method = MR_PATCH,
	    .path = "/api/v1/secrets/{secret}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_SECRET_UPDATE,
	    .out = { 200, MR_SCHEMA_SECRET, NULL },
	    .sql = MR_SQL_SECRET_UPDATE,
	    .handler = HANDLER(mr_handler_secret_update),
	    .errors = MR_ERRS(MR_ERR_SECRET_NOT_FOUND, MR_ERR_PRECONDITION_FAILED, MR_ERR_SECRETS_UNAVAILABLE),
	    .tag = "secrets",
	    .summary = "Gives a secret another value or description.",
	    .doc = "Steps that begin two seconds later see the new value.",
	},
	[MR_ROUTE_SECRET_DELETE] = {
	    .id = MR_ROUTE_SECRET_DELETE,
	    .method = MR_DELETE,
	    .path = "/api/v1/secrets/{secret}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .rate = MR_RATE_STANDARD,
	    .out = { 200, MR_SCHEMA_SECRET, NULL },
	    .sql = MR_SQL_SECRET_DELETE,
	    .args = MR_ARGS({ .name = "force", .type = MR_ARG_BOOL,
		.doc = "Deletes it even though workflows use it: their steps fail then." }),
	    .errors = MR_ERRS(MR_ERR_SECRET_NOT_FOUND, MR_ERR_SECRET_IN_USE, MR_ERR_PRECONDITION_FAILED),
	    .tag = "secrets",
	    .summary = "Deletes a secret, unless an active workflow names it.",
	},
	/* ---- the system again ---- */
	[MR_ROUTE_STATUS] = {
	    .id = MR_ROUTE_STATUS,
	    .method = MR_GET,
	    .path = "/api/v1/status",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_EXEMPT,
	    .out = { 200, MR_SCHEMA_STATUS, NULL },
	    .handler = HANDLER(mr_handler_status),
	    .envelope = MR_ENVELOPE_RAW,
	    .tag = "system",
	    .summary = "The state of the system: engines, queue, runs.",
	},
	/* ---- workflows ---- */
	[MR_ROUTE_WORKFLOW_LIST] = {
	    .id = MR_ROUTE_WORKFLOW_LIST,
	    .method = MR_GET,
	    .path = "/api/v1/workflows",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_WORKFLOW_SUMMARY, NULL },
	    .sql = MR_SQL_WORKFLOW_LIST,
	    .envelope = MR_ENVELOPE_LIST,
	    .page_default = 100,
	    .args = MR_ARGS({ .name = "status", .type = MR_ARG_ENUM, .values = workflow_statuses,
				.many = true,
				.doc = "Only workflows with this status; deleted ones show only so." },
		{ .name = "tag", .type = MR_ARG_TEXT, .many = true,
		    .doc = "Only workflows with all of these tags." },
		{ .name = "owner", .type = MR_ARG_TEXT,
		    .doc = "Only workflows that this principal made." }),
	    .tag = "workflows",
	    .summary = "The tenant's workflows, without their steps.",
	},
	[MR_ROUTE_WORKFLOW_CREATE] = {
	    .id = MR_ROUTE_WORKFLOW_CREATE,
	    .method = MR_POST,
	    .path = "/api/v1/workflows",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .rate = MR_RATE_WORKFLOW_CREATION,
	    .in = MR_SCHEMA_WORKFLOW_CREATE,
	    .out = { 201, MR_SCHEMA_WORKFLOW, NULL },
	    .sql = MR_SQL_WORKFLOW_CREATE,
	    .handler = HANDLER(mr_handler_workflow_create),
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NAME_TAKEN, MR_ERR_WORKFLOW_NOT_ACTIVE),
	    .tag = "workflows",
	    .summary = "Makes a workflow.",
	    .doc = "Steps come as steps, definition or workflow_config. With start, or any of input, "
		   "input_data, trigger_data and parameters, a run is started as well; if a "
		   "workflow has that name already, it is used, with a new version when the "
		   "definition differs.",
	},
	[MR_ROUTE_WORKFLOW_BULK] = {
	    .id = MR_ROUTE_WORKFLOW_BULK,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/bulk",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_WORKFLOW_EXECUTION,
	    .in = MR_SCHEMA_BULK,
	    .out = { 202, MR_SCHEMA_BULK_ANSWER, NULL },
	    .sql = MR_SQL_WORKFLOW_BULK_EXECUTE,
	    .handler = HANDLER(mr_handler_workflow_bulk),
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_WORKFLOW_NOT_ACTIVE),
	    .tag = "workflows",
	    .summary = "Makes, starts, pauses, resumes, cancels or deletes many workflows.",
	    .doc = "execute with workflow_id and items starts up to 10,000 runs of one workflow in one "
		   "commit; create makes the workflows in items. Else workflows come as ids or by a "
		   "filter, which means those that the act fits. One answer for each; with dry_run "
		   "nothing is done.",
	},
	[MR_ROUTE_EXECUTION_GET] = {
	    .id = MR_ROUTE_EXECUTION_GET,
	    .method = MR_GET,
	    .path = "/api/v1/workflows/executions/{id}",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_RUN, NULL },
	    .sql = MR_SQL_EXECUTION_GET,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND),
	    .tag = "executions",
	    .summary = "One execution: the run of that id.",
	},
	[MR_ROUTE_EXECUTION_STEPS] = {
	    .id = MR_ROUTE_EXECUTION_STEPS,
	    .method = MR_GET,
	    .path = "/api/v1/workflows/executions/{id}/steps",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_STEP_EXECUTION, NULL },
	    .sql = MR_SQL_RUN_STEPS,
	    .envelope = MR_ENVELOPE_BARE,
	    .page_default = 100,
	    .errors = MR_ERRS(MR_ERR_RUN_NOT_FOUND),
	    .tag = "executions",
	    .summary = "What happened to each step of an execution, as a bare array.",
	},
	[MR_ROUTE_STEP_RETRY] = {
	    .id = MR_ROUTE_STEP_RETRY,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/steps/{step_execution_id}/retry",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_WORKFLOW_EXECUTION,
	    .in = MR_SCHEMA_STEP_RETRY,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_ACCEPTED, NULL },
	    .sql = MR_SQL_STEP_RETRY,
	    .errors = MR_ERRS(MR_ERR_STEP_NOT_FOUND, MR_ERR_RUN_NOT_RETRYABLE),
	    .tag = "executions",
	    .summary = "Goes on with a failed run from this step execution.",
	},
	[MR_ROUTE_WORKFLOW_VALIDATE] = {
	    .id = MR_ROUTE_WORKFLOW_VALIDATE,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/validate",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_WORKFLOW_VALIDATE,
	    .out = { 200, MR_SCHEMA_VALIDATION, NULL },
	    .handler = HANDLER(mr_handler_workflow_validate),
	    .envelope = MR_ENVELOPE_RAW,
	    .tag = "workflows",
	    .summary = "Checks a definition; stores nothing.",
	},
	[MR_ROUTE_WORKFLOW_GET] = {
	    .id = MR_ROUTE_WORKFLOW_GET,
	    .method = MR_GET,
	    .path = "/api/v1/workflows/{id}",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_WORKFLOW, NULL },
	    .sql = MR_SQL_WORKFLOW_GET,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND),
	    .tag = "workflows",
	    .summary = "One workflow, with its steps and its latest run.",
	},
	[MR_ROUTE_WORKFLOW_PUT] = {
	    .id = MR_ROUTE_WORKFLOW_PUT,
	    .method = MR_PUT,
	    .path = "/api/v1/workflows/{id}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .owner = MR_SQL_WORKFLOW_OWNER,
	    .rate = MR_RATE_WORKFLOW_CREATION,
	    .in = MR_SCHEMA_WORKFLOW_UPDATE,
	    .out = { 200, MR_SCHEMA_WORKFLOW, NULL },
	    .sql = MR_SQL_WORKFLOW_UPDATE,
	    .handler = HANDLER(mr_handler_workflow_update),
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_WORKFLOW_NAME_TAKEN,
		MR_ERR_NO_ACTIVE_RUN, MR_ERR_WORKFLOW_DELETED,
		MR_ERR_PRECONDITION_FAILED),
	    .tag = "workflows",
	    .summary = "Changes a workflow; a changed definition makes a new version.",
	    .doc = "Absent members are kept, null clears, what only answers hold is ignored. When "
		   "steps and workflow_config both come, the changed one counts; both changed "
		   "differently is a 400.",
	},
	[MR_ROUTE_WORKFLOW_PATCH] = {
	    .id = MR_ROUTE_WORKFLOW_PATCH,
	    .method = MR_PATCH,
	    .path = "/api/v1/workflows/{id}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .owner = MR_SQL_WORKFLOW_OWNER,
	    .rate = MR_RATE_WORKFLOW_CREATION,
	    .in = MR_SCHEMA_WORKFLOW_UPDATE,
	    .out = { 200, MR_SCHEMA_WORKFLOW, NULL },
	    .sql = MR_SQL_WORKFLOW_UPDATE,
	    .handler = HANDLER(mr_handler_workflow_update),
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_WORKFLOW_NAME_TAKEN,
		MR_ERR_NO_ACTIVE_RUN, MR_ERR_WORKFLOW_DELETED,
		MR_ERR_PRECONDITION_FAILED),
	    .tag = "workflows",
	    .summary = "Changes a workflow, as PUT does.",
	},
	[MR_ROUTE_WORKFLOW_DELETE] = {
	    .id = MR_ROUTE_WORKFLOW_DELETE,
	    .method = MR_DELETE,
	    .path = "/api/v1/workflows/{id}",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .owner = MR_SQL_WORKFLOW_OWNER,
	    .rate = MR_RATE_WORKFLOW_CREATION,
	    .out = { 200, MR_SCHEMA_WORKFLOW, NULL },
	    .sql = MR_SQL_WORKFLOW_DELETE,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_PRECONDITION_FAILED),
	    .tag = "workflows",
	    .summary = "Deletes a workflow and cancels its active runs.",
	    .doc = "The row stays readable by id, and so do its runs; cancelled_run_ids lists the "
		   "runs that were cancelled.",
	},
	[MR_ROUTE_WORKFLOW_CANCEL] = {
	    .id = MR_ROUTE_WORKFLOW_CANCEL,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/{id}/cancel",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ACT,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_WORKFLOW_ACT_ANSWER, NULL },
	    .sql = MR_SQL_WORKFLOW_CANCEL,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_NO_ACTIVE_RUN),
	    .tag = "workflows",
	    .summary = "Cancels the active runs of a workflow.",
	},
	[MR_ROUTE_WORKFLOW_EXECUTE] = {
	    .id = MR_ROUTE_WORKFLOW_EXECUTE,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/{id}/execute",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_WORKFLOW_EXECUTION,
	    .in = MR_SCHEMA_EXECUTE,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_ACCEPTED, NULL },
	    .sql = MR_SQL_WORKFLOW_EXECUTE,
	    .handler = HANDLER(mr_handler_execute),
	    .args = MR_ARGS({ .name = "wait", .type = MR_ARG_INT, .min = 0, .max = 3600,
		.doc = "Holds the answer for so many seconds, or until the run has ended; it then "
		       "carries the run." }),
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_VERSION_NOT_FOUND,
		MR_ERR_WORKFLOW_NOT_ACTIVE),
	    .tag = "workflows",
	    .summary = "Starts a run.",
	},
	[MR_ROUTE_WORKFLOW_EXECUTIONS] = {
	    .id = MR_ROUTE_WORKFLOW_EXECUTIONS,
	    .method = MR_GET,
	    .path = "/api/v1/workflows/{id}/executions",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_RUN, NULL },
	    .sql = MR_SQL_WORKFLOW_EXECUTIONS,
	    .envelope = MR_ENVELOPE_BARE,
	    .page_default = 50,
	    .args = MR_ARGS(ARG_RUN_STATUS),
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND),
	    .tag = "executions",
	    .summary = "A workflow's executions, newest first, as a bare array.",
	},
	[MR_ROUTE_WORKFLOW_LOGS] = {
	    .id = MR_ROUTE_WORKFLOW_LOGS,
	    .method = MR_GET,
	    .path = "/api/v1/workflows/{id}/logs",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_LOG_ENTRY, NULL },
	    .sql = MR_SQL_WORKFLOW_LOGS,
	    .envelope = MR_ENVELOPE_LIST,
	    .page_default = 100,
	    .args = MR_ARGS(ARG_LEVEL, ARG_STEP, ARG_AFTER),
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND),
	    .tag = "workflows",
	    .summary = "The logs of a workflow's runs.",
	},
	[MR_ROUTE_WORKFLOW_NORMALIZED] = {
	    .id = MR_ROUTE_WORKFLOW_NORMALIZED,
	    .method = MR_GET,
	    .path = "/api/v1/workflows/{id}/normalized",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_NORMALIZED, NULL },
	    .handler = HANDLER(mr_handler_workflow_normalized),
	    .envelope = MR_ENVELOPE_RAW,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND),
	    .tag = "workflows",
	    .summary = "The current definition in its normal form: what the engine runs.",
	    .doc = "One dialect, every name and default written out. It may be stored again: it "
		   "means the same.",
	},
	[MR_ROUTE_WORKFLOW_PAUSE] = {
	    .id = MR_ROUTE_WORKFLOW_PAUSE,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/{id}/pause",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ACT,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_WORKFLOW_ACT_ANSWER, NULL },
	    .sql = MR_SQL_WORKFLOW_PAUSE,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_WORKFLOW_NOT_ACTIVE),
	    .tag = "workflows",
	    .summary = "Pauses a workflow: its triggers and its active runs.",
	},
	[MR_ROUTE_WORKFLOW_RESUME] = {
	    .id = MR_ROUTE_WORKFLOW_RESUME,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/{id}/resume",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_STANDARD,
	    .in = MR_SCHEMA_ACT,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_WORKFLOW_ACT_ANSWER, NULL },
	    .sql = MR_SQL_WORKFLOW_RESUME,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_WORKFLOW_NOT_PAUSED),
	    .tag = "workflows",
	    .summary = "Lets a paused workflow and its runs go on.",
	},
	[MR_ROUTE_WORKFLOW_STEP_RETRY] = {
	    .id = MR_ROUTE_WORKFLOW_STEP_RETRY,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/{id}/steps/{step}/retry",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = OPERATE,
	    .rate = MR_RATE_WORKFLOW_EXECUTION,
	    .in = MR_SCHEMA_STEP_RETRY,
	    .in_optional = true,
	    .out = { 202, MR_SCHEMA_ACCEPTED, NULL },
	    .sql = MR_SQL_WORKFLOW_STEP_RETRY,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_STEP_NOT_FOUND,
		MR_ERR_RUN_NOT_RETRYABLE),
	    .tag = "workflows",
	    .summary = "Goes on with the workflow's latest failed run from the step of this name.",
	},
	[MR_ROUTE_WORKFLOW_UNDELETE] = {
	    .id = MR_ROUTE_WORKFLOW_UNDELETE,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/{id}/undelete",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .owner = MR_SQL_WORKFLOW_OWNER,
	    .rate = MR_RATE_WORKFLOW_CREATION,
	    .out = { 200, MR_SCHEMA_WORKFLOW, NULL },
	    .sql = MR_SQL_WORKFLOW_UNDELETE,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_WORKFLOW_NAME_TAKEN,
		MR_ERR_PRECONDITION_FAILED),
	    .tag = "workflows",
	    .summary = "Brings a deleted workflow back as it was.",
	    .doc = "The runs that were cancelled with it stay cancelled. Its name may have been taken "
		   "meanwhile: then rename the other one first.",
	},
	[MR_ROUTE_WORKFLOW_VERSIONS] = {
	    .id = MR_ROUTE_WORKFLOW_VERSIONS,
	    .method = MR_GET,
	    .path = "/api/v1/workflows/{id}/versions",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_VERSION, NULL },
	    .sql = MR_SQL_WORKFLOW_VERSIONS,
	    .envelope = MR_ENVELOPE_LIST,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND),
	    .tag = "workflows",
	    .summary = "A workflow's versions, newest first.",
	},
	[MR_ROUTE_WORKFLOW_VERSION_DIFF] = {
	    .id = MR_ROUTE_WORKFLOW_VERSION_DIFF,
	    .method = MR_GET,
	    .path = "/api/v1/workflows/{id}/versions/{base}/diff/{other}",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_VERSION_DIFF, NULL },
	    .sql = MR_SQL_WORKFLOW_VERSION_DIFF,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_VERSION_NOT_FOUND),
	    .tag = "workflows",
	    .summary = "What turns one version of a workflow into another.",
	    .doc = "Steps are compared in normal form, whatever dialect they were written in, and by "
		   "their names; everything beside them as it was written.",
	},
	[MR_ROUTE_WORKFLOW_VERSION_GET] = {
	    .id = MR_ROUTE_WORKFLOW_VERSION_GET,
	    .method = MR_GET,
	    .path = "/api/v1/workflows/{id}/versions/{version}",
	    .scope = MR_SCOPE_READ_ONLY,
	    .rate = MR_RATE_MONITORING,
	    .out = { 200, MR_SCHEMA_VERSION, NULL },
	    .sql = MR_SQL_WORKFLOW_VERSION_GET,
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_VERSION_NOT_FOUND),
	    .tag = "workflows",
	    .summary = "One version of a workflow, with its steps.",
	},
	[MR_ROUTE_WORKFLOW_VERSION_RESTORE] = {
	    .id = MR_ROUTE_WORKFLOW_VERSION_RESTORE,
	    .method = MR_POST,
	    .path = "/api/v1/workflows/{id}/versions/{version}/restore",
	    .scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
	    .roles = EDIT,
	    .owner = MR_SQL_WORKFLOW_OWNER,
	    .rate = MR_RATE_WORKFLOW_CREATION,
	    .out = { 200, MR_SCHEMA_WORKFLOW, NULL },
	    .sql = MR_SQL_WORKFLOW_UPDATE,
	    .handler = HANDLER(mr_handler_workflow_restore),
	    .errors = MR_ERRS(MR_ERR_WORKFLOW_NOT_FOUND, MR_ERR_VERSION_NOT_FOUND,
		MR_ERR_WORKFLOW_DELETED, MR_ERR_PRECONDITION_FAILED),
	    .tag = "workflows",
	    .summary = "Makes the definition of an earlier version the current one.",
	    .doc = "A new version is made, unless the current one says the same already; history is "
		   "never rewritten. The definition is checked as any that is saved: what it needs may be "
		   "gone. Name, tags and triggers stay.",
	},
	/* ---- public ---- */
	[MR_ROUTE_HEALTH] = {
	    .id = MR_ROUTE_HEALTH,
	    .method = MR_GET,
	    .path = "/health",
	    .rate = MR_RATE_EXEMPT,
	    .out = { 200, MR_SCHEMA_HEALTH, NULL },
	    .handler = HANDLER(mr_handler_health),
	    .envelope = MR_ENVELOPE_RAW,
	    .tag = "system",
	    .summary = "Whether the service works, and the last 24 hours in figures.",
	},
	[MR_ROUTE_READY] = {
	    .id = MR_ROUTE_READY,
	    .method = MR_GET,
	    .path = "/health/ready",
	    .rate = MR_RATE_EXEMPT,
	    .out = { 200, MR_SCHEMA_READY, NULL },
	    .handler = HANDLER(mr_handler_ready),
	    .envelope = MR_ENVELOPE_RAW,
	    .errors = MR_ERRS(MR_ERR_DATABASE_UNAVAILABLE),
	    .operation = "getReadiness",
	    .tag = "system",
	    .summary = "Whether requests should be sent here; 503 when not.",
	},
	[MR_ROUTE_METRICS] = {
	    .id = MR_ROUTE_METRICS,
	    .method = MR_GET,
	    .path = "/metrics",
	    .rate = MR_RATE_EXEMPT,
	    .out = { 200, MR_SCHEMA_NONE, "text/plain" },
	    .handler = HANDLER(mr_handler_metrics),
	    .envelope = MR_ENVELOPE_RAW,
	    .errors = MR_ERRS(MR_ERR_FORBIDDEN),
	    .tag = "system",
	    .summary = "The operator's metrics in Prometheus' text format.",
	    .doc = "All tenants. Read it from a loopback address, or with the operator's token as "
		   "Authorization: Bearer.",
	},
	[MR_ROUTE_OPENAPI] = {
	    .id = MR_ROUTE_OPENAPI,
	    .method = MR_GET,
	    .path = "/openapi.json",
	    .rate = MR_RATE_EXEMPT,
	    .out = { 200, MR_SCHEMA_OPENAPI, NULL },
	    .handler = HANDLER(mr_handler_openapi),
	    .envelope = MR_ENVELOPE_RAW,
	    .operation = "getOpenapi",
	    .tag = "system",
	    .summary = "This description of the API, in OpenAPI 3.0.3.",
	},
	[MR_ROUTE_LANGUAGE_SCHEMA] = {
	    .id = MR_ROUTE_LANGUAGE_SCHEMA,
	    .method = MR_GET,
	    .path = "/schemas/workflow-1.json",
	    .rate = MR_RATE_EXEMPT,
	    .out = { 200, MR_SCHEMA_JSON_SCHEMA, NULL },
	    .handler = HANDLER(mr_handler_language_schema),
	    .envelope = MR_ENVELOPE_RAW,
	    .operation = "getLanguageSchema",
	    .tag = "system",
	    .summary = "The definition language as a JSON Schema, draft 2020-12, for editors.",
	},
};

const unsigned mr_routes_len = MR_ROUTE_COUNT;
_Static_assert(sizeof(mr_routes) / sizeof(mr_routes[0]) == MR_ROUTE_COUNT, "a row for each id");
