/* "millrace-admin issuer create": whose tokens are taken. Keys are looked over before a row names
 * them, as the API does. */
#include "admin/admin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "admin/db.h"
#include "auth/claims.h"
#include "auth/issuers.h"

struct source {
	struct mr_str key_name, public_key, jwks_file, jwks_url;
	const char *key_type;
};

static struct mr_str opt(const struct mr_admin *a, const char *name)
{
	return mr_str(mr_admin_opt(a, name)); /* absent when it wasn't given */
}

static struct mr_str opt_words(struct mr_admin *a, const char *name)
{
	const char *v = mr_admin_opt(a, name);

	return v != NULL ? mr_admin_array(a, v) : MR_STR_NONE;
}

static int read_public_key(struct mr_admin *a, const char *path, struct mr_str *ret)
{
	char *text = mr_arena_alloc(a->arena, MR_KEY_TEXT_MAX + 1);
	FILE *f = fopen(path, "re");
	size_t n = 0;

	if (text != NULL && f != NULL)
		n = fread(text, 1, MR_KEY_TEXT_MAX + 1, f);
	if (f != NULL)
		(void)fclose(f); /* only read from */
	if (n == 0 || n > MR_KEY_TEXT_MAX)
		return mr_admin_fail(
		    "%s: %s", path, f == NULL ? strerror(errno) : "is empty or too large");
	*ret = (struct mr_str){ text, n };
	return 0;
}

/* Where the keys come from; exactly one of four options says so. */
static int read_source(struct mr_admin *a, const char *algorithm, struct source *ret)
{
	enum mr_algorithm alg = mr_algorithm_by_name(mr_str(algorithm));
	const char *path = mr_admin_opt(a, "public-key"), *keys_dir = a->settings->keys_dir;
	struct mr_error err = { .detail = "" };
	const char *option = "key-name";
	struct mr_key key;
	int r = 0;

	*ret = (struct source){ .key_name = opt(a, "key-name"),
		.jwks_file = opt(a, "jwks-file"),
		.jwks_url = opt(a, "jwks-url") };
	if ((ret->key_name.p != NULL) + (path != NULL) + (ret->jwks_file.p != NULL) +
	        (ret->jwks_url.p != NULL) !=
	    1)
		return mr_admin_fail(
		    "--key-name is needed, or one of --public-key, --jwks-file and --jwks-url");
	if (alg == MR_ALG_NONE)
		return mr_admin_fail("--algorithm takes HS256, RS256, PS256, ES256 or EdDSA");
	if (path != NULL && read_public_key(a, path, &ret->public_key) != 0)
		return 1;
	if (ret->key_name.p != NULL) {
		r = mr_issuer_key_file(a->arena, keys_dir, ret->key_name, &ret->key_type, &err);
	} else if (path != NULL) {
		option = "public-key";
		r = mr_key_from_text(a->arena, ret->public_key, &key, &err);
		ret->key_type = r == 0 ? mr_key_type_name(key.type) : NULL;
	} else if (ret->jwks_file.p != NULL) {
		option = "jwks-file";
		r = mr_issuer_jwks_file(a->arena, keys_dir, ret->jwks_file, alg, &err);
	} else if (!mr_str_starts(ret->jwks_url, MR_STR("https://"))) {
		return mr_admin_fail("--jwks-url takes an https URL");
	}
	if (r == MR_E_INVALID)
		return mr_admin_fail("--%s %s (keys_dir is %s)", option, err.detail, keys_dir);
	return r < 0 ? mr_admin_fail("out of memory") : 0;
}

/* An option that holds a JSON object, looked over by CHECK. */
static int check_object(struct mr_admin *a, const char *name,
    void (*check)(const struct mr_value *v, struct mr_faults *faults))
{
	struct mr_str text = opt(a, name);
	struct mr_faults faults;
	struct mr_value v;

	if (text.p == NULL)
		return 0;
	if (mr_json_parse(a->arena, text, &mr_json_limits_default, NULL, &v) < 0 ||
	    v.kind != MR_VALUE_MAP)
		return mr_admin_fail("--%s takes a JSON object", name);
	mr_faults_init(&faults, a->arena, 1);
	check(&v, &faults);
	if (faults.first != NULL)
		return mr_admin_fail("--%s: %.*s %.*s", name, MR_STR_ARG(faults.first->path),
		    MR_STR_ARG(faults.first->message));
	return 0;
}

static int store(struct mr_admin *a, const char *issuer, const char *algorithm,
    struct mr_str tenant, const struct source *s)
{
	PGresult *r = NULL;

	if (mr_admin_query(a, MR_SQL_ADMIN_ISSUER_CREATE,
	        (struct mr_admin_bind[]){ { "tenant_id", tenant }, { "issuer", mr_str(issuer) },
	            { "audience", opt(a, "audience") }, { "algorithm", mr_str(algorithm) },
	            { "key_name", s->key_name }, { "public_key", s->public_key },
	            { "jwks_file", s->jwks_file }, { "jwks_url", s->jwks_url },
	            { "key_type", mr_str(s->key_type) },
	            { "required_claims", opt(a, "required-claims") },
	            { "value_map", opt(a, "value-map") }, { "name_claim", opt(a, "name-claim") },
	            { "tenant_claim", opt(a, "tenant-claim") },
	            { "roles_claim", opt(a, "roles-claim") },
	            { "groups_claim", opt(a, "groups-claim") },
	            { "scope_claim", opt(a, "scope-claim") },
	            { "provision",
	                mr_admin_opt(a, "provision") != NULL ? MR_STR("true") : MR_STR("false") },
	            { "default_roles", opt_words(a, "roles") },
	            { "default_scopes", opt_words(a, "scopes") }, { NULL, MR_STR_NONE } },
	        &r) != 0)
		return 1;
	(void)printf("issuer %lld\n", (long long)mr_pg_i64(r, 0, "issuer_id", 0));
	return 0;
}

int mr_admin_issuer_create(struct mr_admin *a)
{
	const char *issuer = mr_admin_need(a, "issuer"), *tenant = mr_admin_opt(a, "tenant");
	const char *algorithm = mr_admin_opt(a, "algorithm");
	struct mr_str tenant_id = MR_STR_NONE;
	struct source s;

	algorithm = algorithm != NULL ? algorithm : "HS256";
	if (issuer == NULL || read_source(a, algorithm, &s) != 0 ||
	    check_object(a, "required-claims", mr_claims_check_required) != 0 ||
	    check_object(a, "value-map", mr_claims_check_words) != 0)
		return 1;
	if (tenant != NULL) {
		tenant_id = mr_admin_tenant_id(a, tenant);
		if (tenant_id.p == NULL)
			return 1;
	}
	return store(a, issuer, algorithm, tenant_id, &s);
}
