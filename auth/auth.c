#include "auth/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/cache.h"
#include "auth/certificate.h"
#include "auth/claims.h"
#include "auth/issuers.h"
#include "auth/jwt.h"
#include "auth/key_fetch.h"
#include "auth/principal_private.h"
#include "lib/clock.h"
#include "lib/coro.h"
#include "lib/log.h"
#include "sql/sql_ids.h"

#define REVISION_POLL_MS 500
#define CONFIRMED_MS     2000 /* what is remembered counts for so long after the last sure answer */
#define BAD_TTL_US       (INT64_C(2) * 1000000)   /* how long "no good" is remembered */
#define GOOD_TTL_US      (INT64_C(300) * 1000000) /* looked up anew now and then all the same */
#define KEY_WAIT_MS      6000 /* a token with an unknown key waits so long for newer ones */
#define WORDS_MAX        65536
#define WAITERS_MAX      256 /* requests that wait for news */

/* A request that waits until something is known that wasn't when it came. */
struct waiter {
	struct mr_coro *coro;
	struct waiter *next;
};

struct mr_auth {
	uv_loop_t *loop;
	const struct mr_settings *settings;
	struct mr_pg *pg;
	struct mr_bus *bus;
	struct mr_auth_cache *cache;
	struct mr_issuers *issuers; /* NULL until first read */
	struct mr_key_fetch *fetch;
	int64_t revision; /* in the database, as last heard */
	int64_t read_at;  /* the revision that the issuers were read at; another: read them anew */
	int64_t asked_ms; /* when the question under way was asked, by uv_now() */
	int64_t confirmed_ms; /* when the last one was asked that found all as it is here */
	unsigned generation;  /* one more with each change of the cache's or the issuers' ground */
	uv_timer_t *timer;    /* freed by its close callback */
	struct waiter *waiters;
	unsigned waiters_len;
	/* one question at a time about the revision, or about the issuers */
	struct mr_pg_unit unit;
	struct mr_pg_call call;
	bool asking, freed;
	bool failed; /* the last question had no answer */
};

/* ---- news ---- */

/* Goes on with all that wait; they look again and may come back. */
static void tell_waiters(struct mr_auth *a)
{
	struct waiter *w = a->waiters, *next;

	a->waiters = NULL;
	a->waiters_len = 0;
	for (; w != NULL; w = next) {
		next = w->next; /* it lies on the coroutine's stack */
		mr_coro_resume(w->coro);
	}
}

/* False when too many wait already. */
static bool wait_for_news(struct mr_auth *a)
{
	struct waiter w = { .coro = mr_coro_self(), .next = a->waiters };

	if (a->waiters_len >= WAITERS_MAX)
		return false;
	a->waiters = &w;
	a->waiters_len++;
	mr_coro_yield();
	return true;
}

/* ---- noticing changes ---- */

static void ask(struct mr_auth *a, unsigned stmt, void (*done)(struct mr_pg_unit *u))
{
	a->asking = true;
	a->call = (struct mr_pg_call){ .stmt = stmt };
	a->unit = (struct mr_pg_unit){
		.calls = &a->call, .calls_len = 1, .done = done, .ctx = a, .prompt = true
	};
	mr_pg_submit(a->pg, &a->unit);
}

/* The answer to a question. False when nobody is there for it any more. */
static bool answered(struct mr_auth *a)
{
	a->asking = false;
	a->failed = a->unit.outcome != MR_PG_OK;
	if (!a->freed)
		return true;
	mr_pg_clear(&a->unit);
	free(a);
	return false;
}

static void forget(struct mr_auth *a)
{
	a->generation++;
	mr_auth_cache_clear(a->cache);
}

static void on_issuers(struct mr_pg_unit *u)
{
	struct mr_auth *a = u->ctx;
	struct mr_issuers *issuers = NULL;

	if (!answered(a))
		return;
	if (u->outcome == MR_PG_OK)
		issuers = mr_issuers_create(
		    u->calls[0].result, a->settings->keys_dir, (int64_t)uv_now(a->loop));
	mr_pg_clear(u);
	if (issuers != NULL) {
		a->issuers = mr_issuers_free(a->issuers);
		a->issuers = issuers;
		a->read_at = a->revision;
		a->confirmed_ms = a->asked_ms;
		mr_key_fetch_changed(a->fetch, issuers);
		forget(a); /* what was verified with the old keys */
	}
	tell_waiters(a);
}

static void on_revision(struct mr_pg_unit *u)
{
	struct mr_auth *a = u->ctx;
	int64_t revision = -1;

	if (!answered(a))
		return;
	if (u->outcome == MR_PG_OK)
		revision = mr_pg_i64(u->calls[0].result, 0, "revision", -1);
	mr_pg_clear(u);
	if (revision >= 0 && revision != a->revision) {
		a->revision = revision;
		forget(a);
	}
	if (revision >= 0 && (a->issuers == NULL || a->read_at != revision ||
	                         mr_issuers_files_changed(a->issuers))) {
		ask(a, MR_SQL_AUTH_ISSUERS, on_issuers);
		return;
	}
	if (revision >= 0)
		a->confirmed_ms = a->asked_ms;
	tell_waiters(a);
}

static void ask_revision(struct mr_auth *a)
{
	if (a->asking)
		return;
	a->asked_ms = (int64_t)uv_now(a->loop);
	ask(a, MR_SQL_AUTH_REVISION, on_revision);
}

static void on_timer(uv_timer_t *timer)
{
	struct mr_auth *a = timer->data;

	ask_revision(a);
	mr_key_fetch_refresh(a->fetch, a->issuers);
}

static void on_message(void *ctx, struct mr_str channel, struct mr_str payload)
{
	(void)channel;
	(void)payload;
	ask_revision(ctx);
}

static void on_keys(void *ctx, bool keys_changed)
{
	struct mr_auth *a = ctx;

	if (keys_changed) {
		mr_bus_publish(a->bus, MR_STR(MR_BUS_AUTH), MR_STR("i"));
		ask_revision(a);
	}
	tell_waiters(a);
}

static int away(struct mr_error *err)
{
	return mr_error_set(err, MR_E_UNAVAILABLE, MR_ERR_DATABASE_UNAVAILABLE, "%s",
	    mr_error_rows[MR_ERR_DATABASE_UNAVAILABLE].sentence);
}

/* Whether what is remembered here can be relied on: PostgreSQL has confirmed it lately. Else a
 * request waits for that, so that a worker that hears nothing lets nobody in. */
static int confirm(struct mr_auth *a, struct mr_error *err)
{
	int64_t until = (int64_t)uv_now(a->loop) + CONFIRMED_MS;

	while (a->issuers == NULL || (int64_t)uv_now(a->loop) - a->confirmed_ms > CONFIRMED_MS) {
		if ((int64_t)uv_now(a->loop) > until)
			return away(err);
		a->failed = false;
		ask_revision(a);
		if (!wait_for_news(a))
			return MR_E_LIMIT; /* the worker is at its limit */
		if (a->failed)
			return away(err);
	}
	return 0;
}

/* ---- life ---- */

struct mr_auth *mr_auth_create(
    uv_loop_t *loop, const struct mr_settings *s, struct mr_pg *pg, struct mr_bus *bus)
{
	struct mr_auth *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->loop = loop;
	a->settings = s;
	a->pg = pg;
	a->bus = bus;
	a->revision = a->read_at = -1;
	a->cache = mr_auth_cache_create((unsigned)s->principal_cache_entries);
	a->fetch = mr_key_fetch_create(loop, s, pg, on_keys, a);
	a->timer = calloc(1, sizeof(*a->timer));
	if (a->cache == NULL || a->timer == NULL || a->fetch == NULL ||
	    mr_bus_subscribe(bus, MR_BUS_AUTH, on_message, a) < 0) {
		(void)mr_auth_cache_free(a->cache); /* always NULL */
		(void)mr_key_fetch_free(a->fetch);  /* always NULL */
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
	a->fetch = mr_key_fetch_free(a->fetch);
	a->issuers = mr_issuers_free(a->issuers);
	a->freed = true;
	if (!a->asking) /* else the answer on its way frees it */
		free(a);
	return NULL;
}

/* ---- looking a credential up ---- */

enum kind { KIND_KEY, KIND_JWT, KIND_CERTIFICATE, KIND_ANONYMOUS };
static const char *const kind_names[] = { "api_key", "jwt", "certificate", "anonymous" };

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
		return away(err);
	*ret = call.result;
	return 0;
}

/* The principal of a row; what the credential allows is in the row, too. */
static int from_row(
    const PGresult *r, enum kind kind, struct mr_arena *scratch, struct mr_principal **ret)
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
	mr_rates_from_json(scratch, mr_pg_text(r, 0, "rate_limits"), p.rates);
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
		e = from_row(r, KIND_KEY, scratch, ret);
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
		e = from_row(r, KIND_CERTIFICATE, scratch, ret);
	return e == MR_E_NOT_FOUND ? no_good(err, "The client certificate belongs to nobody here.")
	                           : e;
}

/* Who comes without credentials, by the id that the settings say. */
static int by_principal(struct mr_auth *a, struct mr_arena *scratch, struct mr_str id,
    struct mr_principal **ret, struct mr_error *err)
{
	const PGresult *r;
	int e = query(a, scratch, MR_SQL_AUTH_BY_PRINCIPAL, &id, &r, err);

	if (e == 0)
		e = from_row(r, KIND_ANONYMOUS, scratch, ret);
	return e == MR_E_NOT_FOUND
	           ? no_good(err, "The anonymous principal is not known here, or not active.")
	           : e;
}

/* What a token says of its bearer, in its issuer's words turned into ours. */
struct said {
	bool has_scopes, has_roles, has_groups; /* else the principal's own count */
	unsigned scopes;
	struct mr_str roles, groups; /* array literals */
	struct mr_str name, tenant;
};

/* The claim's words as an array literal. */
static int words_of(struct mr_arena *scratch, const struct mr_value *claim,
    const struct mr_value *words, struct mr_str *ret)
{
	struct mr_buf array;

	mr_buf_init(&array, WORDS_MAX);
	(void)mr_claim_words(claim, words, NULL, &array); /* bits are made of the array */
	*ret = mr_buf_failed(&array) ? MR_STR_NONE : mr_arena_str(scratch, mr_buf_str(&array));
	mr_buf_done(&array);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

static int read_said(struct mr_arena *scratch, const struct mr_issuer *i,
    const struct mr_value *claims, struct said *ret)
{
	const struct mr_value *scopes = mr_claim_find(claims, i->scopes_claim);
	const struct mr_value *roles = mr_claim_find(claims, i->roles_claim);
	const struct mr_value *groups = mr_claim_find(claims, i->groups_claim);
	int r = 0;

	*ret = (struct said){ .has_scopes = scopes != NULL,
		.has_roles = roles != NULL,
		.has_groups = groups != NULL };
	if (scopes != NULL)
		ret->scopes =
		    mr_claim_words(scopes, mr_value_get(&i->words, "scopes"), mr_scopes_add, NULL);
	if (roles != NULL)
		r = words_of(scratch, roles, mr_value_get(&i->words, "roles"), &ret->roles);
	if (r == 0 && groups != NULL)
		r = words_of(scratch, groups, mr_value_get(&i->words, "groups"), &ret->groups);
	ret->name = mr_claim_text(scratch, mr_claim_find(claims, i->name_claim), NULL);
	ret->tenant = mr_claim_text(
	    scratch, mr_claim_find(claims, i->tenant_claim), mr_value_get(&i->words, "tenant"));
	return r;
}

/* The row of the token's subject, made on its first visit. */
static int subject_row(struct mr_auth *a, struct mr_arena *scratch, int64_t issuer_id,
    struct mr_str subject, const struct said *said, const PGresult **ret, struct mr_error *err)
{
	const struct mr_stmt *stmt = mr_stmts + MR_SQL_AUTH_BY_SUBJECT;
	const struct {
		const char *name;
		struct mr_str value;
	} given[] = {
		{ "issuer_id", mr_arena_printf(scratch, "%lld", (long long)issuer_id) },
		{ "subject", subject },
		{ "name", said->name.p != NULL ? said->name : subject },
		{ "tenant", said->tenant },
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

/* The row says who it is and what such a principal may; claims that the issuer's row names say
 * what this token allows instead. */
static int principal_of_token(
    const PGresult *r, const struct said *said, int64_t expires_at_us, struct mr_principal **ret)
{
	struct mr_principal p = { .kind = mr_str(kind_names[KIND_JWT]) };

	if (PQntuples(r) == 0)
		return MR_E_NOT_FOUND;
	p.id = mr_pg_i64(r, 0, "principal_id", 0);
	p.tenant_id = mr_pg_i64(r, 0, "tenant_id", 0);
	p.name = mr_pg_text(r, 0, "name");
	p.is_platform = mr_pg_bool(r, 0, "is_platform");
	p.scopes = said->has_scopes
	               ? said->scopes
	               : mr_words_from_array(mr_pg_text(r, 0, "scopes"), mr_scopes_add);
	p.roles_text = said->has_roles ? said->roles : mr_pg_text(r, 0, "roles");
	p.groups_text = said->has_groups ? said->groups : mr_pg_text(r, 0, "groups");
	p.roles = mr_words_from_array(p.roles_text, mr_roles_add);
	p.expires_at_us = expires_at_us;
	*ret = mr_principal_create(&p);
	return *ret == NULL ? MR_E_NOMEM : 0;
}

/*
 * The row whose key and audience the token fits; an issuer may have several. MR_E_DENIED when there
 * is none, MR_E_NOT_FOUND when newer keys are on their way: look again after the next news.
 */
static int find_issuer(struct mr_auth *a, const struct mr_jwt *jwt, int64_t now_us,
    const struct mr_issuer **ret, struct mr_error *err)
{
	struct mr_issuer_row *row = mr_issuers_next(a->issuers, NULL, jwt->issuer);
	bool coming = false;

	if (row == NULL)
		return no_good(err, "The token's issuer is not known here.");
	for (; row != NULL; row = mr_issuers_next(a->issuers, row, jwt->issuer)) {
		bool is_url = row->jwks_url.p != NULL;
		struct mr_issuer issuer = row->issuer;
		int r;

		if (is_url && !mr_key_fetch_usable(a->fetch, row))
			issuer.keys = NULL;
		r = mr_jwt_verify(jwt, &issuer, now_us, a->settings->token_leeway_seconds, err);
		if (r == 0) {
			*ret = &row->issuer;
			return 0;
		}
		if (r == MR_E_NOMEM)
			return r;
		coming =
		    coming || (r == MR_E_NOT_FOUND && is_url && mr_key_fetch_wanted(a->fetch, row));
	}
	return coming ? MR_E_NOT_FOUND : MR_E_DENIED;
}

/* The same, and waits for keys that are on their way. */
static int verify_token(struct mr_auth *a, const struct mr_jwt *jwt, int64_t now_us,
    const struct mr_issuer **ret, struct mr_error *err)
{
	int64_t until = (int64_t)uv_now(a->loop) + KEY_WAIT_MS;
	int r = find_issuer(a, jwt, now_us, ret, err);

	while (r == MR_E_NOT_FOUND && (int64_t)uv_now(a->loop) < until && wait_for_news(a))
		r = find_issuer(a, jwt, now_us, ret, err);
	return r == MR_E_NOT_FOUND ? MR_E_DENIED : r;
}

static int by_token(struct mr_auth *a, struct mr_arena *scratch, struct mr_str token,
    int64_t now_us, struct mr_principal **ret, struct mr_error *err)
{
	const struct mr_issuer *issuer;
	const PGresult *row;
	struct mr_jwt jwt;
	struct said said;
	int r = mr_jwt_parse(scratch, token, &jwt, err);

	if (r == MR_E_INVALID || r == MR_E_LIMIT)
		return MR_E_DENIED;
	if (r == 0)
		r = verify_token(a, &jwt, now_us, &issuer, err);
	/* the issuers may be read anew while the query is away: what is needed is taken before */
	if (r == 0)
		r = read_said(scratch, issuer, &jwt.claims, &said);
	if (r == 0)
		r = subject_row(
		    a, scratch, issuer->id, mr_value_get_str(&jwt.claims, "sub"), &said, &row, err);
	if (r == 0)
		r = principal_of_token(row, &said, mr_jwt_expires_at_us(&jwt), ret);
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
	case KIND_ANONYMOUS:
		return by_principal(a, scratch, text, ret, err);
	case KIND_CERTIFICATE:
	default:
		return by_certificate(a, scratch, text, ret, err);
	}
}

/*
 * What a credential is remembered by: its SHA-256, changed by its kind. The text of one kind must
 * not be taken for another's: a certificate is no secret, and its text, sent as a key, names
 * nobody.
 */
static void remembered_by(enum kind kind, const unsigned char *digest, unsigned char *out)
{
	memcpy(out, digest, MR_SHA256_LEN);
	out[0] ^= (unsigned char)kind;
}

static int identify_one(struct mr_auth *a, enum kind kind, struct mr_str text,
    struct mr_arena *scratch, const struct mr_principal **ret, struct mr_error *err)
{
	int64_t now_us = mr_clock_system.now_us(NULL);
	int64_t leeway_us = kind == KIND_JWT ? a->settings->token_leeway_seconds * 1000000 : 0;
	unsigned char digest[MR_SHA256_LEN], name[MR_SHA256_LEN];
	struct mr_principal *p = NULL;
	unsigned generation;
	int r = mr_sha256(text, digest);

	if (r == 0)
		r = confirm(a, err);
	if (r < 0)
		return r;
	remembered_by(kind, digest, name);
	generation = a->generation;
	if (mr_auth_cache_get(a->cache, name, now_us, ret))
		return *ret != NULL
		           ? 0
		           : no_good(err, mr_error_rows[MR_ERR_CREDENTIALS_INVALID].sentence);
	r = look_up(a, kind, text, digest, scratch, now_us, &p, err);
	/* what was looked up before a change must not be remembered after it */
	if ((r == 0 || (r == MR_E_DENIED && kind != KIND_JWT)) && generation == a->generation)
		mr_auth_cache_put(a->cache, name, p, remember_until(p, now_us, leeway_us));
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

static int identify_anonymous(struct mr_auth *a, struct mr_arena *scratch,
    const struct mr_principal **ret, struct mr_error *err)
{
	struct mr_str id =
	    mr_arena_printf(scratch, "%lld", (long long)a->settings->anonymous_principal);

	return id.p == NULL ? MR_E_NOMEM : identify_next(a, KIND_ANONYMOUS, id, scratch, ret, err);
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
	if (r == 0 && found == NULL && c->takes_anonymous && a->settings->anonymous_principal > 0)
		r = identify_anonymous(a, scratch, &found, err);
	if (r < 0) {
		mr_principal_unref(found);
		return r;
	}
	*ret = found;
	return 0;
}
