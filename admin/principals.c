/* Tenants, keys and certificates: who may call, made from a shell. */
#include "admin/admin.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "admin/db.h"
#include "auth/certificate.h"
#include "lib/clock.h"
#include "lib/digest.h"
#include "lib/rate.h"

#define PREFIX_LEN 8
#define SECRET_LEN 43 /* 62^43 > 2^256 */
#define KEY_LEN    (4 + PREFIX_LEN + 1 + SECRET_LEN)
#define PEM_MAX    16384
#define RATES_MAX  4096

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* N letters drawn evenly: bytes beyond the last whole multiple of 62 are thrown away. */
static int random_letters(char *out, size_t n)
{
	unsigned char bytes[64];
	size_t have = 0, at = 0;

	for (unsigned rounds = 0; at < n && rounds < 64; rounds++) {
		if (mr_random_bytes(bytes, sizeof(bytes)) < 0)
			return MR_E_IO;
		for (have = 0; have < sizeof(bytes) && at < n; have++) {
			if (bytes[have] < 4 * 62)
				out[at++] = base62[bytes[have] % 62];
		}
	}
	OPENSSL_cleanse(bytes, sizeof(bytes));
	return at == n ? 0 : MR_E_IO;
}

/* mrk_<prefix>_<secret>: the prefix is shown in lists, the rest is known to its holder only. */
static int make_key(char key[KEY_LEN + 1])
{
	memcpy(key, "mrk_", 4);
	if (random_letters(key + 4, PREFIX_LEN) < 0)
		return MR_E_IO;
	key[4 + PREFIX_LEN] = '_';
	if (random_letters(key + 4 + PREFIX_LEN + 1, SECRET_LEN) < 0)
		return MR_E_IO;
	key[KEY_LEN] = '\0';
	return 0;
}

static const char *opt_or(const struct mr_admin *a, const char *name, const char *otherwise)
{
	const char *v = mr_admin_opt(a, name);

	return v != NULL ? v : otherwise;
}

static struct mr_str opt_str(const struct mr_admin *a, const char *name)
{
	const char *v = mr_admin_opt(a, name);

	return v != NULL ? mr_str(v) : MR_STR_NONE;
}

/* The first column of a statement's one row, as text; absent when it failed (and said why). */
static struct mr_str query_id(
    struct mr_admin *a, enum mr_sql stmt, const struct mr_admin_bind *binds)
{
	PGresult *r = NULL;

	if (mr_admin_query(a, stmt, binds, &r) != 0)
		return MR_STR_NONE;
	if (PQntuples(r) != 1) {
		(void)mr_admin_fail("statement %s gave no row", mr_stmts[stmt].name);
		return MR_STR_NONE;
	}
	return mr_str(PQgetvalue(r, 0, 0)); /* lives as long as the arena */
}

static struct mr_str make_tenant(struct mr_admin *a, const char *name, bool platform)
{
	PGresult *r = NULL;

	if (mr_admin_query(a, MR_SQL_ADMIN_TENANT_CREATE,
	        (struct mr_admin_bind[]){ { "name", mr_str(name) },
	            { "platform", platform ? MR_STR("true") : MR_STR_NONE },
	            { NULL, MR_STR_NONE } },
	        &r) != 0 ||
	    PQntuples(r) != 1)
		return MR_STR_NONE;
	if (mr_pg_bool(r, 0, "created"))
		(void)fprintf(stderr, "millrace-admin: made tenant %s\n", name);
	return mr_pg_text(r, 0, "tenant_id");
}

struct mr_str mr_admin_tenant_id(struct mr_admin *a, const char *name)
{
	return make_tenant(a, name, false);
}

/* The service principal of that name with the roles and scopes of the command line. */
static struct mr_str principal_id(struct mr_admin *a, struct mr_str tenant, const char *name)
{
	return query_id(a, MR_SQL_ADMIN_PRINCIPAL_CREATE,
	    (struct mr_admin_bind[]){ { "tenant_id", tenant }, { "name", mr_str(name) },
	        { "kind", MR_STR("service") },
	        { "roles", mr_admin_array(a, opt_or(a, "roles", "viewer")) },
	        { "groups", MR_STR("{}") },
	        { "scopes", mr_admin_array(a, opt_or(a, "scopes", "read-only")) },
	        { NULL, MR_STR_NONE } });
}

int mr_admin_tenant_create(struct mr_admin *a)
{
	const char *name = mr_admin_need(a, "name");
	bool platform = mr_admin_opt(a, "platform") != NULL;
	struct mr_str id = name != NULL ? make_tenant(a, name, platform) : MR_STR_NONE;

	if (id.p == NULL)
		return 1;
	(void)printf("tenant %.*s\n", MR_STR_ARG(id));
	return 0;
}

/* One class as the row has it. */
static void add_rate(struct mr_buf *b, enum mr_rate_class c, const struct mr_rate *rate)
{
	mr_buf_addf(b, "%s\"%s\":", b->len > 1 ? "," : "", mr_rate_class_name(c));
	if (rate->limit == MR_RATE_UNLIMITED)
		mr_buf_addz(b, "null");
	else
		mr_buf_addf(b, "{\"limit\":%lld,\"window\":%lld}", (long long)rate->limit,
		    (long long)rate->window_s);
}

/* "monitoring=1000/min,standard=none", or "none" for every class. 0, or says what is wrong. */
static int read_rates(struct mr_str text, struct mr_buf *b)
{
	struct mr_rate rate;

	mr_buf_addc(b, '{');
	if (mr_str_eqz(text, "none")) {
		rate = (struct mr_rate){ MR_RATE_UNLIMITED, 60 };
		for (unsigned c = MR_RATE_EXEMPT + 1; c < MR_RATE_COUNT; c++)
			add_rate(b, (enum mr_rate_class)c, &rate);
		text = MR_STR_NONE;
	}
	while (text.p != NULL) {
		struct mr_str value = mr_str_cut(&text, ','), name = mr_str_cut(&value, '=');
		enum mr_rate_class c = mr_rate_class_by_name(name);

		if (c == MR_RATE_EXEMPT || value.p == NULL || mr_rate_parse(value, &rate) < 0)
			return mr_admin_fail("--rate-limits: %.*s must be a class and its limit, "
			                     "as monitoring=1000/min or monitoring=none",
			    MR_STR_ARG(name));
		add_rate(b, c, &rate);
	}
	mr_buf_addc(b, '}');
	return 0;
}

/* The option's JSON; absent when it wasn't given. */
static int rates_of(struct mr_admin *a, struct mr_str *ret)
{
	const char *text = mr_admin_opt(a, "rate-limits");
	struct mr_buf b;
	int e;

	*ret = MR_STR_NONE;
	if (text == NULL)
		return 0;
	mr_buf_init(&b, RATES_MAX);
	e = read_rates(mr_str(text), &b);
	if (e == 0) {
		*ret = mr_arena_str(a->arena, mr_buf_str(&b));
		if (mr_buf_failed(&b) || ret->p == NULL)
			e = mr_admin_fail("--rate-limits: too long");
	}
	mr_buf_done(&b);
	return e;
}

static int store_key(struct mr_admin *a, const char *name, const char *key, struct mr_str hash)
{
	struct mr_str tenant, principal = MR_STR_NONE, id, rates;
	char prefix[4 + PREFIX_LEN + 1]; /* its own text: a value is sent up to its NUL */

	if (rates_of(a, &rates) != 0)
		return 1;
	tenant = mr_admin_tenant_id(a, mr_admin_opt(a, "tenant"));
	if (tenant.p != NULL)
		principal = principal_id(a, tenant, name);
	if (principal.p == NULL)
		return 1;
	memcpy(prefix, key, sizeof(prefix) - 1);
	prefix[sizeof(prefix) - 1] = '\0';
	id = query_id(a, MR_SQL_ADMIN_KEY_CREATE,
	    (struct mr_admin_bind[]){ { "tenant_id", tenant }, { "principal_id", principal },
	        { "name", mr_str(name) }, { "key_prefix", mr_str(prefix) }, { "key_hash", hash },
	        { "scopes", mr_admin_array(a, opt_or(a, "scopes", "read-only")) },
	        { "roles", mr_admin_array(a, opt_or(a, "roles", "viewer")) },
	        { "rate_limits", rates }, { NULL, MR_STR_NONE } });
	if (id.p == NULL)
		return 1;
	(void)printf("key %.*s %s\n", MR_STR_ARG(id), key);
	return 0;
}

int mr_admin_key_create(struct mr_admin *a)
{
	const char *name = mr_admin_need(a, "name");
	unsigned char digest[MR_SHA256_LEN];
	char key[KEY_LEN + 1], hex[2 + MR_SHA256_HEX] = "\\x";
	int e;

	if (mr_admin_need(a, "tenant") == NULL || name == NULL)
		return 1;
	if (make_key(key) < 0 || mr_sha256(mr_str(key), digest) < 0) {
		e = mr_admin_fail("no random bytes");
	} else {
		mr_hex(digest, sizeof(digest), hex + 2);
		e = store_key(a, name, key, mr_str(hex));
	}
	OPENSSL_cleanse(key, sizeof(key));
	return e;
}

/* The whole file; a certificate is small. */
static int read_pem(struct mr_admin *a, const char *path, struct mr_str *ret)
{
	char *text = mr_arena_alloc(a->arena, PEM_MAX);
	FILE *f = fopen(path, "re");
	size_t n = 0;

	if (text != NULL && f != NULL)
		n = fread(text, 1, PEM_MAX, f);
	if (f != NULL)
		(void)fclose(f); /* only read from */
	if (n == 0 || n == PEM_MAX)
		return mr_admin_fail(
		    "%s: %s", path, f == NULL ? strerror(errno) : "is empty or too large");
	*ret = (struct mr_str){ text, n };
	return 0;
}

/* The subject as RFC 2253 has it, which is how nginx hands it on. */
static struct mr_str subject_of(struct mr_admin *a, struct mr_str pem)
{
	BIO *in = BIO_new_mem_buf(pem.p, (int)pem.len), *out = BIO_new(BIO_s_mem());
	X509 *cert = in != NULL ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	struct mr_str subject = MR_STR_NONE;
	char *text;
	long n;

	if (cert != NULL && out != NULL &&
	    X509_NAME_print_ex(out, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
		n = BIO_get_mem_data(out, &text);
		if (n >= 0)
			subject = mr_arena_str(a->arena, (struct mr_str){ text, (size_t)n });
	}
	X509_free(cert);
	BIO_free(in);
	BIO_free(out);
	return subject;
}

static int store_certificate(
    struct mr_admin *a, const char *name, struct mr_str pem, const char *fingerprint)
{
	struct mr_str tenant = mr_admin_tenant_id(a, mr_admin_opt(a, "tenant")), principal, id;

	principal = tenant.p != NULL ? principal_id(a, tenant, name) : MR_STR_NONE;
	if (principal.p == NULL)
		return 1;
	id = query_id(a, MR_SQL_ADMIN_CERTIFICATE_CREATE,
	    (struct mr_admin_bind[]){ { "tenant_id", tenant }, { "principal_id", principal },
	        { "fingerprint", mr_str(fingerprint) }, { "subject", subject_of(a, pem) },
	        { "scopes", mr_admin_array(a, opt_or(a, "scopes", "read-only")) },
	        { NULL, MR_STR_NONE } });
	if (id.p == NULL)
		return 1;
	(void)printf("certificate %.*s %s\n", MR_STR_ARG(id), fingerprint);
	return 0;
}

int mr_admin_certificate_add(struct mr_admin *a)
{
	const char *name = mr_admin_need(a, "name"), *path = mr_admin_need(a, "file");
	char fingerprint[MR_SHA256_HEX];
	struct mr_str pem;

	if (mr_admin_need(a, "tenant") == NULL || name == NULL || path == NULL ||
	    read_pem(a, path, &pem) != 0)
		return 1;
	if (mr_certificate_fingerprint(a->arena, pem, fingerprint) < 0)
		return mr_admin_fail("%s: no certificate", path);
	return store_certificate(a, name, pem, fingerprint);
}

int mr_admin_partitions(struct mr_admin *a)
{
	PGresult *r = NULL;

	if (mr_admin_query(a, MR_SQL_ADMIN_PARTITIONS,
	        (struct mr_admin_bind[]){
	            { "keep_days", opt_str(a, "keep-days") }, { NULL, MR_STR_NONE } },
	        &r) != 0)
		return 1;
	if (mr_admin_opt(a, "json") != NULL)
		return 0; /* migrate: its object is all that is printed */
	(void)printf("partitions made: %lld, dropped: %lld\n",
	    (long long)mr_pg_i64(r, 0, "made", 0), (long long)mr_pg_i64(r, 0, "dropped", 0));
	return 0;
}
