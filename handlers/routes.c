/*
 * The route table: what the rows share. Each area has its rows in a file of its own, sorted by
 * path, then GET, POST, PUT, PATCH, DELETE.
 */
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
#include "handlers/routes_access.def"
#include "handlers/routes_agents.def"
#include "handlers/routes_analytics.def"
#include "handlers/routes_events.def"
#include "handlers/routes_files.def"
#include "handlers/routes_people.def"
#include "handlers/routes_runs.def"
#include "handlers/routes_sagas.def"
#include "handlers/routes_system.def"
#include "handlers/routes_templates.def"
#include "handlers/routes_workflows.def"
};

const unsigned mr_routes_len = MR_ROUTE_COUNT;
_Static_assert(sizeof(mr_routes) / sizeof(mr_routes[0]) == MR_ROUTE_COUNT, "a row for each id");
