#include "net/auth_config.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "net/http_text.h"

#define MAX_TEXT 65536

static const char *const names[MR_AUTH_TYPE_COUNT] = { "none", "api_key", "bearer", "basic",
	"oauth2", "mtls" };

enum form { TEXT, HEADER_VALUE, HEADER_NAME, WORD_IN, WORD_METHOD, URL, CERTIFICATES, KEY };

/* The members of each type's config. Others may stand for one: the same under another name. */
static const struct member {
	enum mr_auth_type type;
	const char *name;
	enum form form;
	bool required;
	const char *alias;
} members[] = {
	{ MR_AUTH_API_KEY, "key", HEADER_VALUE, true, "value" },
	{ MR_AUTH_API_KEY, "header", HEADER_NAME, false, "name" },
	{ MR_AUTH_API_KEY, "in", WORD_IN, false, NULL },
	{ MR_AUTH_BEARER, "token", HEADER_VALUE, true, NULL },
	{ MR_AUTH_BASIC, "username", TEXT, true, NULL },
	{ MR_AUTH_BASIC, "password", TEXT, true, NULL },
	{ MR_AUTH_OAUTH2, "token_url", URL, true, NULL },
	{ MR_AUTH_OAUTH2, "client_id", TEXT, true, NULL },
	{ MR_AUTH_OAUTH2, "client_secret", TEXT, true, NULL },
	{ MR_AUTH_OAUTH2, "scope", TEXT, false, NULL },
	{ MR_AUTH_OAUTH2, "audience", TEXT, false, NULL },
	{ MR_AUTH_OAUTH2, "client_auth", WORD_METHOD, false, NULL },
	{ MR_AUTH_MTLS, "certificate", CERTIFICATES, true, "cert" },
	{ MR_AUTH_MTLS, "key", KEY, true, "private_key" },
	{ MR_AUTH_MTLS, "ca", CERTIFICATES, false, "ca_certificate" },
};

int mr_auth_type_by_name(struct mr_str name)
{
	for (int i = 0; i < MR_AUTH_TYPE_COUNT; i++)
		if (mr_str_eqz(name, names[i]))
			return i;
	return -1;
}

static const struct member *find_member(enum mr_auth_type type, struct mr_str name)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(members); i++)
		if (members[i].type == type &&
		    (mr_str_eqz(name, members[i].name) ||
		        (members[i].alias != NULL && mr_str_eqz(name, members[i].alias))))
			return &members[i];
	return NULL;
}

/* Its text; absent when it isn't there. */
static struct mr_str text_of(
    enum mr_auth_type type, const struct mr_value *config, const char *name)
{
	const struct member *m = find_member(type, mr_str(name));
	struct mr_str s = mr_value_get_str(config, m->name);

	return s.p == NULL && m->alias != NULL ? mr_value_get_str(config, m->alias) : s;
}

/* ---- certificates ---- */

static int no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1; /* else OpenSSL would ask on the terminal */
}

static X509 *read_certificate(struct mr_str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	X509 *x = bio != NULL ? PEM_read_bio_X509(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return x;
}

static EVP_PKEY *read_key(struct mr_str pem)
{
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	EVP_PKEY *key =
	    bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	return key;
}

static bool is_pair(struct mr_str certificate, struct mr_str key)
{
	X509 *x = read_certificate(certificate);
	EVP_PKEY *k = read_key(key);
	bool ok = x == NULL || k == NULL || X509_check_private_key(x, k) == 1;

	ERR_clear_error();
	X509_free(x);
	EVP_PKEY_free(k);
	return ok;
}

/* ---- checking ---- */

static bool is_header_text(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
	return s.len <= 8192;
}

static bool is_header_name(struct mr_str s)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";
	static const char *const reserved[] = { "connection", "content-length", "content-type",
		"expect", "host", "transfer-encoding", "upgrade", "te", "trailer" };

	for (size_t i = 0; i < MR_ARRAY_LEN(reserved); i++)
		if (mr_str_ieqz(s, reserved[i]))
			return false;
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		        (c != '\0' && strchr(marks, c) != NULL)))
			return false;
	}
	return s.len <= 128;
}

/* What S should be and isn't, or NULL. */
static const char *fault_of(enum form form, struct mr_str s)
{
	X509 *x = NULL;
	EVP_PKEY *k = NULL;
	bool ok = true;

	if (s.len == 0)
		return "must not be empty";
	if (s.len > MAX_TEXT || memchr(s.p, '\0', s.len) != NULL)
		return "must have at most 65536 bytes, none of them NUL";
	switch (form) {
	case TEXT:
		return NULL;
	case HEADER_VALUE:
		return is_header_text(s) ? NULL : "must be one line of at most 8192 bytes";
	case HEADER_NAME:
		return is_header_name(s) ? NULL : "must be a name that a header may have";
	case WORD_IN:
		ok = mr_str_eqz(s, "header") || mr_str_eqz(s, "query");
		return ok ? NULL : "must be \"header\" or \"query\"";
	case WORD_METHOD:
		ok = mr_str_eqz(s, "basic") || mr_str_eqz(s, "post");
		return ok ? NULL : "must be \"basic\" or \"post\"";
	case URL:
		ok =
		    (mr_str_starts(s, MR_STR("https://")) || mr_str_starts(s, MR_STR("http://"))) &&
		    is_header_text(s) && memchr(s.p, '@', s.len) == NULL;
		return ok ? NULL : "must be an absolute http or https URL without credentials";
	case CERTIFICATES:
		ok = (x = read_certificate(s)) != NULL;
		X509_free(x);
		return ok ? NULL : "must be a certificate in PEM";
	default:
		ok = (k = read_key(s)) != NULL;
		EVP_PKEY_free(k);
		return ok ? NULL : "must be a private key in PEM, without a passphrase";
	}
}

static void check_member(const struct member *m, const struct mr_member *given, struct mr_str path,
    struct mr_arena *a, struct mr_faults *faults)
{
	struct mr_str at =
	    mr_arena_printf(a, "%.*s.%.*s", MR_STR_ARG(path), MR_STR_ARG(given->key.s));
	const char *fault;

	if (at.p == NULL)
		at = path;
	if (m == NULL) {
		mr_fault_add(faults, at, "unknown", "is no member of this auth_type's config");
		return;
	}
	if (given->value.kind == MR_VALUE_NULL && !m->required)
		return;
	if (given->value.kind != MR_VALUE_STRING)
		mr_fault_add(faults, at, "type", "must be a text");
	else if ((fault = fault_of(m->form, given->value.s)) != NULL)
		mr_fault_add(faults, at, "value", "%s", fault);
}

static void check_needed(enum mr_auth_type type, const struct mr_value *config, struct mr_str path,
    struct mr_arena *a, struct mr_faults *faults)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(members); i++) {
		const struct member *m = &members[i];
		struct mr_str at;

		if (m->type != type || !m->required || mr_value_get(config, m->name) != NULL ||
		    (m->alias != NULL && mr_value_get(config, m->alias) != NULL))
			continue;
		at = mr_arena_printf(a, "%.*s.%s", MR_STR_ARG(path), m->name);
		mr_fault_add(faults, at.p != NULL ? at : path, "required", "is required for %s",
		    names[type]);
	}
}

void mr_auth_config_check(enum mr_auth_type type, const struct mr_value *config, struct mr_str path,
    struct mr_arena *a, struct mr_faults *faults)
{
	static const struct mr_map nothing;
	const struct mr_value empty = { .kind = MR_VALUE_MAP, .map = &nothing };
	size_t before = faults->count;

	if (config == NULL || config->kind == MR_VALUE_NULL)
		config = &empty;
	if (config->kind != MR_VALUE_MAP) {
		mr_fault_add(faults, path, "type", "must be an object");
		return;
	}
	for (size_t i = 0; i < config->map->len; i++)
		check_member(find_member(type, config->map->members[i].key.s),
		    &config->map->members[i], path, a, faults);
	check_needed(type, config, path, a, faults);
	if (faults->count > before)
		return;
	if (type == MR_AUTH_BASIC) {
		struct mr_str user = text_of(type, config, "username");

		if (memchr(user.p, ':', user.len) != NULL)
			mr_fault_add(faults, path, "value", "must have a username without a colon");
	}
	if (type == MR_AUTH_MTLS &&
	    !is_pair(text_of(type, config, "certificate"), text_of(type, config, "key")))
		mr_fault_add(faults, path, "value", "must have the key of its certificate");
}

/* ---- applying ---- */

static int set_header(
    struct mr_http_header *header, const char *name, struct mr_str value, bool *ret_header)
{
	if (value.p == NULL)
		return MR_E_NOMEM;
	*header = (struct mr_http_header){ .name = mr_str(name), .value = value, .secret = true };
	*ret_header = true;
	return 0;
}

static int apply_api_key(const struct mr_value *config, struct mr_arena *a,
    struct mr_http_request *r, struct mr_http_header *header, bool *ret_header)
{
	struct mr_str key = text_of(MR_AUTH_API_KEY, config, "key");
	struct mr_str name = text_of(MR_AUTH_API_KEY, config, "header");

	if (mr_str_eqz(mr_value_get_str(config, "in"), "query")) {
		r->url =
		    mr_http_url_with(a, r->url, name.p != NULL ? name : MR_STR("api_key"), key);
		return r->url.p != NULL ? 0 : MR_E_NOMEM;
	}
	if (set_header(header, "X-API-Key", key, ret_header) < 0)
		return MR_E_INVALID;
	if (name.p != NULL)
		header->name = name;
	return 0;
}

static int apply_mtls(const struct mr_value *config, struct mr_http_request *r)
{
	r->certificate = text_of(MR_AUTH_MTLS, config, "certificate");
	r->key = text_of(MR_AUTH_MTLS, config, "key");
	r->authority = text_of(MR_AUTH_MTLS, config, "ca");
	return r->certificate.p != NULL && r->key.p != NULL ? 0 : MR_E_INVALID;
}

int mr_auth_apply(enum mr_auth_type type, const struct mr_value *config, struct mr_str token,
    struct mr_arena *a, struct mr_http_request *r, struct mr_http_header *header, bool *ret_header)
{
	*ret_header = false;
	switch (type) {
	case MR_AUTH_NONE:
		return 0;
	case MR_AUTH_API_KEY:
		return apply_api_key(config, a, r, header, ret_header);
	case MR_AUTH_BEARER:
		token = text_of(type, config, "token");
		/* fall through */
	case MR_AUTH_OAUTH2:
		if (token.p == NULL)
			return MR_E_INVALID;
		return set_header(header, "Authorization",
		    mr_arena_printf(a, "Bearer %.*s", MR_STR_ARG(token)), ret_header);
	case MR_AUTH_BASIC:
		return set_header(header, "Authorization",
		    mr_http_basic(
		        a, text_of(type, config, "username"), text_of(type, config, "password")),
		    ret_header);
	default:
		return apply_mtls(config, r);
	}
}
