/*
 * Issuers of tokens: their keys are looked at here before a row names them, because what verifies
 * must be strong, and of the kind that the algorithm is for, from the first token on.
 */
#include "auth/issuers.h"
#include "auth/claims.h"
#include "fcgi/dispatch.h"
#include "fcgi/route.h"
#include "fcgi/worker.h"
#include "handlers/handlers.h"
#include "sql/sql_ids.h"

/* Where keys may come from. */
static const char *const sources[] = { "key_name", "public_key", "jwks_file", "jwks_url" };

/* The text of a member that is there and not null; empty for a text, absent for anything else. */
static struct mr_str text_of(const struct mr_request *r, const char *name)
{
	return mr_value_get_str(&r->body_json, name);
}

/* Files of keys_dir were put there for whom the operator thought of. To other tenants not even
 * whether there is one of a name is told. */
static bool is_file(const char *source)
{
	return strcmp(source, "key_name") == 0 || strcmp(source, "jwks_file") == 0;
}

/* 0, or what is wrong with the key in ERR. RET_TYPE stays NULL for sets, which may hold any. */
static int look_at_key(struct mr_request *r, const char *source, struct mr_str text,
    const char **ret_type, struct mr_error *err)
{
	const char *keys_dir = r->worker->settings->keys_dir;
	struct mr_key key;
	int rc;

	if (is_file(source) && !r->principal->is_platform)
		return mr_error_set(err, MR_E_INVALID, MR_ERR_VALIDATION_FAILED,
		    "must be left out: files of keys_dir are the platform's; give public_key or "
		    "jwks_url");
	if (strcmp(source, "key_name") == 0)
		return mr_issuer_key_file(r->arena, keys_dir, text, ret_type, err);
	if (strcmp(source, "jwks_file") == 0)
		return mr_issuer_jwks_file(
		    r->arena, keys_dir, text, mr_algorithm_by_name(text_of(r, "algorithm")), err);
	if (strcmp(source, "jwks_url") == 0)
		return 0; /* fetched later; the schema has looked at the address */
	rc = mr_key_from_text(r->arena, text, &key, err);
	if (rc == 0)
		*ret_type = mr_key_type_name(key.type);
	return rc;
}

/* Looks at the source of keys that the body names; NEEDED: there must be one. */
static int check_source(struct mr_request *r, bool needed, const char **ret_type)
{
	struct mr_error err = { .detail = "" };
	const char *source = NULL;
	int rc = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(sources); i++) {
		const struct mr_value *v = mr_value_get(&r->body_json, sources[i]);

		if (v == NULL || v->kind == MR_VALUE_NULL)
			continue;
		if (source != NULL) {
			mr_fault_add(&r->faults, mr_str(sources[i]), "conflict",
			    "must stand alone; %s is there, too", source);
			return 0;
		}
		source = sources[i];
	}
	if (source != NULL && text_of(r, source).p != NULL)
		rc = look_at_key(r, source, text_of(r, source), ret_type, &err);
	else if (source == NULL && needed)
		mr_fault_add(&r->faults, MR_STR("key_name"), "required",
		    "must be there, or one of public_key, jwks_file and jwks_url");
	if (rc == MR_E_INVALID)
		mr_fault_add(&r->faults, mr_str(source), "key", "%s", err.detail);
	return rc == MR_E_INVALID ? 0 : rc;
}

/* Looks the body over, then runs the route's statement; workers hear of it at once. */
static int write_issuer(struct mr_request *r, bool new)
{
	const struct mr_value *required = mr_value_get(&r->body_json, "required_claims");
	const struct mr_value *words = mr_value_get(&r->body_json, "value_map");
	const char *type = NULL;
	int rc = check_source(r, new, &type);

	if (rc < 0)
		return rc;
	if (required != NULL)
		mr_claims_check_required(required, &r->faults);
	if (words != NULL)
		mr_claims_check_words(words, &r->faults);
	const struct mr_pair extra[] = {
		{ MR_STR("key_type"), mr_str(type) },
		{ MR_STR_NONE, MR_STR_NONE },
	};

	mr_dispatch_sql(r, r->route->sql, extra);
	if (r->status < 300 && !mr_dispatch_replayed(r))
		mr_bus_publish(r->worker->bus, MR_STR(MR_BUS_AUTH), MR_STR("i"));
	return 0;
}

int mr_handler_issuer_create(struct mr_request *r)
{
	return write_issuer(r, true);
}

int mr_handler_issuer_update(struct mr_request *r)
{
	return write_issuer(r, false);
}

int mr_handler_issuer_delete(struct mr_request *r)
{
	mr_dispatch_sql(r, r->route->sql, NULL);
	if (r->status < 300 && !mr_dispatch_replayed(r))
		mr_bus_publish(r->worker->bus, MR_STR(MR_BUS_AUTH), MR_STR("i"));
	return 0;
}
