#include "auth/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/cache.h"
#include "auth/certificate.h"
#include "auth/issuers.h"
#include "auth/jwt.h"
#include "auth/principal_private.h"
#include "lib/clock.h"
#include "sql/sql_ids.h"

#define REVISION_POLL_MS 1000
#define BAD_TTL_US       (INT64_C(2) * 1000000)   /* how long "no good" is remembered */
#define GOOD_TTL_US      (INT64_C(300) * 1000000) /* looked up anew now and then all the same */

struct mr_auth {
	const struct mr_settings *settings;
	struct mr_pg *pg;
	struct mr_auth_cache *cache;
	struct mr_issuers *issuers; /* NULL until first read */
	int64_t revision;           /* of what the cache and the issuers were made from */
	uv_timer_t *timer;          /* freed by its close callback */
	/* one question at a time about the revision and the issuers */
	struct mr_pg_unit unit;
	struct mr_pg_call calls[2];
	bool asking, freed;
};

/* ---- noticing changes ---- */

static void on_revision(struct mr_pg_unit *u)
{
	struct mr_auth *a = u->ctx;
	int64_t revision = -1;

	a->asking = false;
	if (a->freed) {
		mr_pg_clear(u);
		free(a);
		return;
	}
	if (u->outcome == MR_PG_OK)
		revision = mr_pg_i64(u->calls[0].result, 0, "revision", -1);
	if (revision >= 0 && (revision != a->revision || a->issuers == NULL)) {
		struct mr_issuers *issuers =
		    mr_issuers_create(u->calls[1].result, a->settings->keys_dir);

		if (issuers != NULL) {
			a->issuers = mr_issuers_free(a->issuers);
			a->issuers = issuers;
			a->revision = revision;
			mr_auth_cache_clear(a->cache);
		}
	}
	mr_pg_clear(u);
}

static void ask_revision(struct mr_auth *a)
{
	if (a->asking)
		return;
	a->asking = true;
	a->calls[0] = (struct mr_pg_call){ .stmt = MR_SQL_AUTH_REVISION };
	a->calls[1] = (struct mr_pg_call){ .stmt = MR_SQL_AUTH_ISSUERS };
	a->unit =
	    (struct mr_pg_unit){ .calls = a->calls, .calls_len = 2, .done = on_revision, .ctx = a };
	mr_pg_submit(a->pg, &a->unit);
}

static void on_timer(uv_timer_t *timer)
{
	ask_revision(timer->data);
}

static void on_message(void *ctx, struct mr_str channel, struct mr_str payload)
{
	(void)channel;
	(void)payload;
	ask_revision(ctx);
}

/* ---- life ---- */

struct mr_auth *mr_auth_create(
    uv_loop_t *loop, const struct mr_settings *s, struct mr_pg *pg, struct mr_bus *bus)
{
	struct mr_auth *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->settings = s;
	a->pg = pg;
	a->revision = -1;
	a->cache = mr_auth_cache_create((unsigned)s->principal_cache_entries);
	a->timer = calloc(1, sizeof(*a->timer));
	if (a->cache == NULL || a->timer == NULL ||
	    mr_bus_subscribe(bus, MR_BUS_AUTH, on_message, a) < 0) {
		(void)mr_auth_cache_free(a->cache); /* always NULL */
		free(a->timer);
		free(a);
		return NULL;
	}
	a->timer->data = a;
	(void)uv_timer_init(loop, a->timer); /* always 0 */
	(void)uv_timer_start(a->timer, on_timer, 0, REVISION_POLL_MS);
	return a;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle);
}

struct mr_auth *mr_auth_free(struct mr_auth *a)
{
	if (a == NULL)
		return NULL;
	uv_close((uv_handle_t *)a->timer, on_timer_closed);
	a->cache = mr_auth_cache_free(a->cache);
	a->issuers = mr_issuers_free(a->issuers);
	a->freed = true;
	if (!a->asking) /* else the answer on its way frees it */
		free(a);
	return NULL;
}

/* ---- looking a credential up ---- */

enum kind { KIND_KEY, KIND_JWT, KIND_CERTIFICATE };
static const char *const kind_names[] = { "api_key", "jwt", "certificate" };

static int no_good(struct mr_error *err, const char *why)
{
	return mr_error_set(err, MR_E_DENIED, MR_ERR_CREDENTIALS_INVALID, "%s", why);
}

/* Runs one statement that answers with a principal's row, or with none. */
static int query(struct mr_auth *a, struct mr_arena *scratch, unsigned stmt,
    const struct mr_str *values, const PGresult **ret, struct mr_error *err)
{
	struct mr_pg_call call = { .stmt = stmt, .values = values };
	struct mr_pg_unit unit = { .calls = &call, .calls_len = 1 };

	mr_pg_await(a->pg, &unit);
	if (mr_pg_keep(scratch, &unit) < 0)
		return MR_E_NOMEM;
	if (unit.outcome != MR_PG_OK)
		return mr_error_set(err, MR_E_UNAVAILABLE, MR_ERR_DATABASE_UNAVAILABLE, "%s",
		    mr_error_rows[MR_ERR_DATABASE_UNAVAILABLE].sentence);
	*ret = call.result;
	return 0;
}

/* The principal of a row; what the credential allows is in the row, too. */
static int from_row(const PGresult *r, enum kind kind, struct mr_principal **ret)
{
	struct mr_principal p = { .kind = mr_str(kind_names[kind]) };

	if (PQntuples(r) == 0)
		return MR_E_NOT_FOUND;
	p.id = mr_pg_i64(r, 0, "principal_id", 0);
	p.tenant_id = mr_pg_i64(r, 0, "tenant_id", 0);
	p.credential_id = mr_pg_i64(r, 0, "credential_id", 0);
	p.name = mr_pg_text(r, 0, "name");
	p.roles_text = mr_pg_text(r, 0, "roles");
	p.groups_text = mr_pg_text(r, 0, "groups");
	p.scopes = mr_words_from_array(mr_pg_text(r, 0, "scopes"), mr_scopes_add);
	p.roles = mr_words_from_array(p.roles_text, mr_roles_add);
	p.expires_at_us = mr_pg_i64(r, 0, "expires_us", 0);
	p.is_platform = mr_pg_bool(r, 0, "is_platform");
	*ret = mr_principal_create(&p);
	return *ret == NULL ? MR_E_NOMEM : 0;
}

/* bytea's text form, from hex. */
static struct mr_str bytea(struct mr_arena *a, const char *hex)
{
	return mr_arena_printf(a, "\\x%s", hex);
}

static int by_key(struct mr_auth *a, struct mr_arena *scratch, const unsigned char *digest,
    struct mr_principal **ret, struct mr_error *err)
{
	char hex[MR_SHA256_HEX];
	struct mr_str value;
	const PGresult *r;
	int e;

	mr_hex(digest, MR_SHA256_LEN, hex);
	value = bytea(scratch, hex);
	e = query(a, scratch, MR_SQL_AUTH_BY_KEY, &value, &r, err);
	if (e == 0)
		e = from_row(r, KIND_KEY, ret);
	return e == MR_E_NOT_FOUND ? no_good(err, "The API key is unknown, expired or revoked.")
	                           : e;
}

static int by_certificate(struct mr_auth *a, struct mr_arena *scratch, struct mr_str pem,
    struct mr_principal **ret, struct mr_error *err)
{
	char hex[MR_SHA256_HEX];
	struct mr_str value;
	const PGresult *r;
	int e = mr_certificate_fingerprint(scratch, pem, hex);

	if (e == MR_E_INVALID)
		return no_good(err, "The client certificate can't be read.");
	if (e < 0)
		return e;
	value = mr_str(hex);
	e = query(a, scratch, MR_SQL_AUTH_BY_CERTIFICATE, &value, &r, err);
	if (e == 0)
		e = from_row(r, KIND_CERTIFICATE, ret);
	return e == MR_E_NOT_FOUND ? no_good(err, "The client certificate belongs to nobody here.")
	                           : e;
}

/* Words of a claim: a list of strings, or one string with spaces (RFC 8693's scope). */
static unsigned claim_words(const struct mr_value *claims, struct mr_str name,
    unsigned (*add)(unsigned, struct mr_str), struct mr_buf *array)
{
	const struct mr_value *v = name.p != NULL ? mr_value_gets(claims, name) : NULL;
	unsigned bits = 0;

	if (array != NULL)
		mr_pg_array_begin(array);
	if (v != NULL && v->kind == MR_VALUE_STRING) {
		struct mr_str rest = v->s;

		while (rest.p != NULL) {
			struct mr_str word = mr_str_cut(&rest, ' ');

			bits = word.len > 0 && add != NULL ? add(bits, word) : bits;
			if (word.len > 0 && array != NULL)
				mr_pg_array_add(array, word);
		}
	}
	for (size_t i = 0; v != NULL && v->kind == MR_VALUE_LIST && i < v->list->len; i++) {
		const struct mr_value *word = &v->list->items[i];

		if (word->kind != MR_VALUE_STRING)
			continue;
		bits = add != NULL ? add(bits, word->s) : bits;
		if (array != NULL)
			mr_pg_array_add(array, word->s);
	}
	if (array != NULL)
		mr_pg_array_end(array);
	return bits;
}

/* A string as it is, a number by its digits. */
static struct mr_str claim_text(struct mr_arena *scratch, const struct mr_value *v)
{
	return v->kind == MR_VALUE_STRING ? mr_arena_str(scratch, v->s) : mr_json_text(scratch, v);
}

/* The row of the token's subject, made on its first visit. */
static int subject_row(struct mr_auth *a, struct mr_arena *scratch, const struct mr_issuer *issuer,
    const struct mr_jwt *jwt, const PGresult **ret, struct mr_error *err)
{
	const struct mr_stmt *stmt = mr_stmts + MR_SQL_AUTH_BY_SUBJECT;
	struct mr_str subject = mr_value_get_str(&jwt->claims, "sub");
	const struct mr_value *name =
	    issuer->name_claim.p != NULL ? mr_value_gets(&jwt->claims, issuer->name_claim) : NULL;
	const struct mr_value *tenant = issuer->tenant_claim.p != NULL
	                                    ? mr_value_gets(&jwt->claims, issuer->tenant_claim)
	                                    : NULL;
	const struct {
		const char *name;
		struct mr_str value;
	} given[] = {
		{ "issuer_id", mr_arena_printf(scratch, "%lld", (long long)issuer->id) },
		{ "subject", mr_arena_str(scratch, subject) },
		{ "name", mr_arena_str(scratch,
		              name != NULL && name->kind == MR_VALUE_STRING ? name->s : subject) },
		{ "tenant", tenant != NULL ? claim_text(scratch, tenant) : MR_STR_NONE },
	};
	struct mr_str *values = mr_arena_array(scratch, stmt->params_len, sizeof(*values));

	if (values == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < MR_ARRAY_LEN(given); i++) {
		int at = mr_stmt_param_find(stmt, given[i].name);

		if (at >= 0)
			values[at] = given[i].value;
	}
	return query(a, scratch, MR_SQL_AUTH_BY_SUBJECT, values, ret, err);
}

static bool has_claim(const struct mr_jwt *jwt, struct mr_str name)
{
	return name.p != NULL && mr_value_gets(&jwt->claims, name) != NULL;
}

/* The row says who it is and what such a principal may; claims that the issuer's row names say
 * what this token allows instead. */
static int principal_of_token(const PGresult *r, const struct mr_issuer *issuer,
    const struct mr_jwt *jwt, struct mr_principal **ret)
{
	struct mr_buf roles, groups;
	struct mr_principal p = { .kind = mr_str(kind_names[KIND_JWT]) };

	if (PQntuples(r) == 0)
		return MR_E_NOT_FOUND;
	mr_buf_init(&roles, MR_JWT_MAX * 2);
	mr_buf_init(&groups, MR_JWT_MAX * 2);
	p.id = mr_pg_i64(r, 0, "principal_id", 0);
	p.tenant_id = mr_pg_i64(r, 0, "tenant_id", 0);
	p.name = mr_pg_text(r, 0, "name");
	p.is_platform = mr_pg_bool(r, 0, "is_platform");
	p.scopes = mr_words_from_array(mr_pg_text(r, 0, "scopes"), mr_scopes_add);
	p.roles_text = mr_pg_text(r, 0, "roles");
	p.groups_text = mr_pg_text(r, 0, "groups");
	if (has_claim(jwt, issuer->scopes_claim))
		p.scopes = claim_words(&jwt->claims, issuer->scopes_claim, mr_scopes_add, NULL);
	if (has_claim(jwt, issuer->roles_claim)) {
		(void)claim_words(
		    &jwt->claims, issuer->roles_claim, NULL, &roles); /* bits: below */
		p.roles_text = mr_buf_str(&roles);
	}
	if (has_claim(jwt, issuer->groups_claim)) {
		(void)claim_words(
		    &jwt->claims, issuer->groups_claim, NULL, &groups); /* groups have no bits */
		p.groups_text = mr_buf_str(&groups);
	}
	p.roles = mr_words_from_array(p.roles_text, mr_roles_add);
	p.expires_at_us = mr_jwt_expires_at_us(jwt);
	*ret = mr_buf_failed(&roles) || mr_buf_failed(&groups) ? NULL : mr_principal_create(&p);
	mr_buf_done(&roles);
	mr_buf_done(&groups);
	return *ret == NULL ? MR_E_NOMEM : 0;
}

/* The row whose key and audience the token fits; an issuer may have several. */
static const struct mr_issuer *verifying_issuer(
    struct mr_auth *a, const struct mr_jwt *jwt, int64_t now_us, struct mr_error *err)
{
	const struct mr_issuer *i = mr_issuers_next(a->issuers, NULL, jwt->issuer);

	if (i == NULL)
		(void)no_good(
		    err, "The token's issuer is not known here."); /* the caller says so */
	while (
	    i != NULL && mr_jwt_verify(jwt, i, now_us, a->settings->token_leeway_seconds, err) < 0)
		i = mr_issuers_next(a->issuers, i, jwt->issuer);
	return i;
}

static int by_token(struct mr_auth *a, struct mr_arena *scratch, struct mr_str token,
    int64_t now_us, struct mr_principal **ret, struct mr_error *err)
{
	const struct mr_issuer *issuer;
	const PGresult *row;
	struct mr_jwt jwt;
	int r = mr_jwt_parse(scratch, token, &jwt, err);

	if (r == MR_E_INVALID)
		return MR_E_DENIED;
	if (r < 0)
		return r;
	if (a->issuers == NULL)
		return mr_error_set(err, MR_E_UNAVAILABLE, MR_ERR_DATABASE_UNAVAILABLE, "%s",
		    mr_error_rows[MR_ERR_DATABASE_UNAVAILABLE].sentence);
	issuer = verifying_issuer(a, &jwt, now_us, err);
	if (issuer == NULL)
		return MR_E_DENIED;
	/* the issuers may be read anew while the query is away: what is needed goes along */
	struct mr_issuer kept = *issuer;

	kept.scopes_claim = issuer->scopes_claim.p != NULL
	                        ? mr_arena_str(scratch, issuer->scopes_claim)
	                        : MR_STR_NONE;
	kept.roles_claim = issuer->roles_claim.p != NULL
	                       ? mr_arena_str(scratch, issuer->roles_claim)
	                       : MR_STR_NONE;
	kept.groups_claim = issuer->groups_claim.p != NULL
	                        ? mr_arena_str(scratch, issuer->groups_claim)
	                        : MR_STR_NONE;
	r = subject_row(a, scratch, issuer, &jwt, &row, err);
	if (r == 0)
		r = principal_of_token(row, &kept, &jwt, ret);
	return r == MR_E_NOT_FOUND
	           ? no_good(err, "The token's subject is not known here, or not active.")
	           : r;
}

/* ---- one credential ---- */

static bool looks_like_jwt(struct mr_str token)
{
	return mr_str_starts(token, MR_STR("eyJ")) && memchr(token.p, '.', token.len) != NULL;
}

static int64_t remember_until(const struct mr_principal *p, int64_t now_us, int64_t leeway_us)
{
	int64_t until = now_us + GOOD_TTL_US;

	if (p == NULL)
		return now_us + BAD_TTL_US;
	if (p->expires_at_us > 0 && p->expires_at_us + leeway_us < until)
		until = p->expires_at_us + leeway_us;
	return until;
}

static int look_up(struct mr_auth *a, enum kind kind, struct mr_str text,
    const unsigned char *digest, struct mr_arena *scratch, int64_t now_us,
    struct mr_principal **ret, struct mr_error *err)
{
	switch (kind) {
	case KIND_KEY:
		return by_key(a, scratch, digest, ret, err);
	case KIND_JWT:
		return by_token(a, scratch, text, now_us, ret, err);
	case KIND_CERTIFICATE:
	default:
		return by_certificate(a, scratch, text, ret, err);
	}
}

static int identify_one(struct mr_auth *a, enum kind kind, struct mr_str text,
    struct mr_arena *scratch, const struct mr_principal **ret, struct mr_error *err)
{
	int64_t now_us = mr_clock_system.now_us(NULL);
	int64_t leeway_us = kind == KIND_JWT ? a->settings->token_leeway_seconds * 1000000 : 0;
	unsigned char digest[MR_SHA256_LEN];
	struct mr_principal *p = NULL;
	int64_t revision = a->revision;
	int r = mr_sha256(text, digest);

	if (r < 0)
		return r;
	if (mr_auth_cache_get(a->cache, digest, now_us, ret))
		return *ret != NULL
		           ? 0
		           : no_good(err, mr_error_rows[MR_ERR_CREDENTIALS_INVALID].sentence);
	r = look_up(a, kind, text, digest, scratch, now_us, &p, err);
	/* what was looked up before a change must not be remembered after it */
	if ((r == 0 || (r == MR_E_DENIED && kind != KIND_JWT)) && revision == a->revision)
		mr_auth_cache_put(a->cache, digest, p, remember_until(p, now_us, leeway_us));
	*ret = p;
	return r;
}

/* "Bearer abc" → "abc"; absent for another scheme. */
static struct mr_str bearer(struct mr_str authorization)
{
	struct mr_str rest = authorization, scheme;

	if (authorization.p == NULL)
		return MR_STR_NONE;
	scheme = mr_str_cut(&rest, ' ');
	return mr_str_ieqz(scheme, "bearer") && rest.p != NULL ? mr_str_trim(rest) : MR_STR_NONE;
}

/* Adds what TEXT stands for to what was found before. */
static int identify_next(struct mr_auth *a, enum kind kind, struct mr_str text,
    struct mr_arena *scratch, const struct mr_principal **ret, struct mr_error *err)
{
	const struct mr_principal *p = NULL;
	int r = identify_one(a, kind, text, scratch, &p, err);

	if (r < 0)
		return r;
	if (*ret == NULL) {
		*ret = p;
		return 0;
	}
	if ((*ret)->id != p->id || (*ret)->tenant_id != p->tenant_id)
		r = no_good(err, "The credentials of this request belong to different principals.");
	mr_principal_unref(p);
	return r;
}

int mr_auth_identify(struct mr_auth *a, const struct mr_credentials *c, struct mr_arena *scratch,
    const struct mr_principal **ret, struct mr_error *err)
{
	struct mr_str token = bearer(c->authorization);
	const struct mr_principal *found = NULL;
	int r = 0;

	if (c->authorization.p != NULL && token.p == NULL)
		return no_good(err, "Authorization must be Bearer with a key or token.");
	if (token.p != NULL)
		r = identify_next(
		    a, looks_like_jwt(token) ? KIND_JWT : KIND_KEY, token, scratch, &found, err);
	if (r == 0 && c->api_key.p != NULL)
		r = identify_next(a, KIND_KEY, c->api_key, scratch, &found, err);
	/* a certificate that belongs to nobody is no fault beside another credential */
	if (r == 0 && c->cert_pem.len > 0) {
		r = identify_next(a, KIND_CERTIFICATE, c->cert_pem, scratch, &found, err);
		if (r == MR_E_DENIED && found != NULL)
			r = 0;
	}
	if (r < 0) {
		mr_principal_unref(found);
		return r;
	}
	*ret = found;
	return 0;
}
