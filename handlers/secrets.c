/*
 * Secrets: the value is sealed here, so that the database, its logs and its backups never see it.
 * Everything else about a secret is its statements' business.
 */
#include <string.h>

#include "fcgi/array.h"
#include "fcgi/dispatch.h"
#include "fcgi/route.h"
#include "fcgi/worker.h"
#include "handlers/handlers.h"
#include "lib/digest.h"
#include "lib/log.h"
#include "lib/seal.h"
#include "sql/sql_ids.h"

#define VALUE_MAX 65536u

/* Keys may have been made or changed since the last request. */
static struct mr_seal_keys *keys_of(struct mr_request *r)
{
	struct mr_seal_keys *keys = r->worker->seal;
	struct mr_error err = { .detail = "" };

	if (mr_seal_keys_refresh(keys, &err) < 0)
		mr_log(MR_LOG_ERROR, "keys of secrets are not read", MR_F_Z("detail", err.detail));
	return keys;
}

static void wipe(struct mr_str s)
{
	if (s.p != NULL)
		explicit_bzero((char *)(uintptr_t)s.p, s.len);
}

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

/* VALUE sealed, as bytea is written. Answered when negative. */
static int seal(struct mr_request *r, struct mr_str name, struct mr_str value, struct mr_str *ret)
{
	const struct mr_seal_place at = { r->principal->tenant_id, MR_STR("secret"), name };
	struct mr_str sealed;
	char *hex;
	int rc = mr_seal(keys_of(r), &at, value, r->arena, &sealed);

	if (rc == MR_E_UNAVAILABLE) {
		mr_response_problem(r, MR_ERR_SECRETS_UNAVAILABLE, "%s", "");
		return rc;
	}
	hex = rc == 0 ? mr_arena_alloc(r->arena, 2 + 2 * sealed.len + 1) : NULL;
	if (hex == NULL) {
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
		return MR_E_NOMEM;
	}
	memcpy(hex, "\\x", 2);
	mr_hex((const unsigned char *)sealed.p, sealed.len, hex + 2);
	*ret = (struct mr_str){ hex, 2 + 2 * sealed.len };
	return 0;
}

/* By it a repeated request is known. A plain digest of the body could be tried out against values
 * by whoever reads the database; this one can't without the key. */
static struct mr_str digest(struct mr_request *r)
{
	unsigned char sum[MR_SHA256_LEN];
	char hex[MR_SHA256_HEX];
	struct mr_str all =
	    mr_arena_printf(r->arena, "%.*s\n%.*s", MR_STR_ARG(r->query), MR_STR_ARG(r->body));
	int rc = all.p != NULL ? mr_seal_digest(r->worker->seal, all, sum) : MR_E_NOMEM;

	wipe(all);
	if (rc < 0)
		return MR_STR_NONE;
	mr_hex(sum, sizeof(sum), hex);
	return mr_arena_printf(r->arena, "\\x%s", hex);
}

static int create(struct mr_request *r, struct mr_str value)
{
	struct mr_str sealed, max, sum;

	if (!check_value(r, value) ||
	    seal(r, mr_value_get_str(&r->body_json, "name"), value, &sealed) < 0)
		return 0;
	sum = digest(r);
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

/* The names of the body's members, as text[]: the body itself stays here. */
static struct mr_str given(struct mr_request *r)
{
	struct mr_array a;

	mr_array_init(&a, r->arena);
	for (size_t i = 0; i < r->body_json.map->len; i++)
		mr_array_add(&a, r->body_json.map->members[i].key.s);
	return mr_array_end(&a);
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
	struct mr_str sealed = MR_STR_NONE, members = given(r), name;

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

	wipe(value);
	wipe(r->body);
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
