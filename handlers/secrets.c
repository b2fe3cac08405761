/*
 * Secrets: the value is sealed here, so that the database, its logs and its backups never see it.
 * Everything else about a secret is its statements' business.
 */
#include <string.h>

#include "fcgi/dispatch.h"
#include "fcgi/route.h"
#include "fcgi/worker.h"
#include "handlers/handlers.h"
#include "handlers/input.h"
#include "handlers/sealed.h"
#include "sql/sql_ids.h"

#define VALUE_MAX 65536u

/* What the schema can't say: it counts characters. */
static bool check_value(struct mr_request *r, struct mr_str value)
{
	if (value.len > VALUE_MAX)
		mr_fault_add(&r->faults, MR_STR("value"), "too_long", "must have at most %u bytes",
		    VALUE_MAX);
	else if (memchr(value.p, '\0', value.len) != NULL)
		mr_fault_add(&r->faults, MR_STR("value"), "format", "must not hold NUL");
	if (r->faults.count > 0)
		mr_response_problem(r, MR_ERR_VALIDATION_FAILED, "%s", "");
	return r->faults.count == 0;
}

static int seal(struct mr_request *r, struct mr_str name, struct mr_str value, struct mr_str *ret)
{
	const struct mr_seal_place at = { r->principal->tenant_id, MR_STR("secret"), name };

	return mr_sealed_write(r, &at, value, ret);
}

static int create(struct mr_request *r, struct mr_str value)
{
	struct mr_str sealed, max, sum;

	if (!check_value(r, value) ||
	    seal(r, mr_value_get_str(&r->body_json, "name"), value, &sealed) < 0)
		return 0;
	sum = mr_sealed_digest(r);
	max = mr_arena_printf(r->arena, "%lld", (long long)r->worker->settings->tenant_secrets_max);
	if (sum.p == NULL || max.p == NULL)
		return MR_E_NOMEM;
	const struct mr_pair extra[] = {
		{ MR_STR("sealed"), sealed },
		{ MR_STR("secrets_max"), max },
		{ MR_STR("request_digest"), sum },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, r->route->sql, extra);
	return 0;
}

/* The name that stands in the row, for an address may hold an id. Answered when negative. */
static int find_name(struct mr_request *r, struct mr_str *ret)
{
	const PGresult *row;

	if (mr_dispatch_query(r, MR_SQL_SECRET_GET, NULL, &row) < 0)
		return MR_E_CONFLICT;
	if (PQntuples(row) == 0) {
		mr_dispatch_answer(r, row); /* no such secret */
		return MR_E_NOT_FOUND;
	}
	*ret = mr_pg_text(row, 0, "name");
	return 0;
}

static int update(struct mr_request *r, struct mr_str value)
{
	struct mr_str sealed = MR_STR_NONE, members = mr_input_members(r), name;

	if (members.p == NULL)
		return MR_E_NOMEM;
	if (value.p != NULL && (!check_value(r, value) || find_name(r, &name) < 0 ||
	                           seal(r, name, value, &sealed) < 0))
		return 0;
	const struct mr_pair extra[] = {
		{ MR_STR("sealed"), sealed },
		{ MR_STR("given"), members },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, r->route->sql, extra);
	return 0;
}

/* Runs ACT with the body's value, and leaves no trace of it in the worker's memory. */
static int with_value(struct mr_request *r, int (*act)(struct mr_request *r, struct mr_str value))
{
	struct mr_str value = mr_value_get_str(&r->body_json, "value");
	int rc = act(r, value);

	mr_sealed_wipe(value);
	mr_sealed_wipe(r->body);
	return rc;
}

int mr_handler_secret_create(struct mr_request *r)
{
	return with_value(r, create);
}

int mr_handler_secret_update(struct mr_request *r)
{
	return with_value(r, update);
}
