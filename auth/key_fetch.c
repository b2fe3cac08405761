#include "auth/key_fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "net/http_client.h"
#include "sql/sql_ids.h"

#define TIMEOUT_US   (5 * INT64_C(1000000))
#define CONNECTIONS  8
#define ARENA_MAX    (16u << 20) /* a JWKS of 1 MiB, read */
#define ELSEWHERE_MS 10000       /* a worker that claimed a fetch has died when it takes longer */
#define READ_ANEW_MS 3000        /* until changed keys have arrived here, too */
#define FAILED_MS    1000        /* after a claim that PostgreSQL didn't answer */
#define PARAMS_MAX   4

/* One issuer's URL. */
struct source {
	struct source *next;
	struct mr_key_fetch *f;
	int64_t issuer_id;
	enum mr_algorithm algorithm;
	char *url;
	bool gone;       /* no longer an issuer's; freed once it isn't busy */
	bool busy;       /* a claim, a fetch or a store of it is under way here */
	bool is_fetched; /* at least once */
	int64_t fetched_ms, not_before_ms, coming_until_ms; /* by uv_now() */
	struct mr_http_request http;
	struct mr_pg_unit unit;
	struct mr_pg_call call;
	struct mr_str values[PARAMS_MAX];
	char id_text[24], age_text[24], retry_text[24], error[256];
	struct mr_arena *arena; /* while a fetched set is being stored */
};

struct mr_key_fetch {
	uv_loop_t *loop;
	const struct mr_settings *settings;
	struct mr_pg *pg;
	struct mr_http_client *http; /* NULL until the first fetch */
	void (*news)(void *ctx, bool keys_changed);
	void *ctx;
	struct source *sources;
	bool freed; /* what is under way in pg still points here */
};

static int64_t now_ms(const struct mr_key_fetch *f)
{
	return (int64_t)uv_now(f->loop);
}

/* ---- sources ---- */

static void source_free(struct source *s)
{
	(void)mr_arena_free(s->arena); /* always NULL */
	free(s->url);
	free(s);
}

/* Frees those that are gone and not busy; all when everything is over. */
static void sweep(struct mr_key_fetch *f)
{
	struct source **at = &f->sources;

	while (*at != NULL) {
		struct source *s = *at;

		if (!s->gone || s->busy) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		source_free(s);
	}
	if (f->freed && f->sources == NULL)
		free(f);
}

static struct source *find(const struct mr_key_fetch *f, const struct mr_issuer_row *row)
{
	struct source *s = f->sources;

	while (s != NULL &&
	       (s->gone || s->issuer_id != row->issuer.id ||
	           s->algorithm != row->issuer.algorithm || !mr_str_eqz(row->jwks_url, s->url)))
		s = s->next;
	return s;
}

static struct source *find_or_add(struct mr_key_fetch *f, const struct mr_issuer_row *row)
{
	struct source *s = find(f, row);

	if (s != NULL)
		return s;
	s = calloc(1, sizeof(*s));
	if (s != NULL)
		s->url = strndup(row->jwks_url.p, row->jwks_url.len);
	if (s == NULL || s->url == NULL) {
		free(s);
		return NULL;
	}
	s->f = f;
	s->issuer_id = row->issuer.id;
	s->algorithm = row->issuer.algorithm;
	s->is_fetched = row->jwks.p != NULL;
	s->fetched_ms = row->fetched_ms;
	s->next = f->sources;
	f->sources = s;
	return s;
}

void mr_key_fetch_changed(struct mr_key_fetch *f, const struct mr_issuers *issuers)
{
	for (struct source *s = f->sources; s != NULL; s = s->next) {
		bool is_there = false;

		for (size_t i = 0; i < issuers->len && !is_there && !s->gone; i++) {
			const struct mr_issuer_row *row = &issuers->rows[i];

			if (row->jwks_url.p == NULL || find(f, row) != s)
				continue;
			is_there = true;
			if (row->jwks.p == NULL)
				continue;
			s->fetched_ms = s->is_fetched && s->fetched_ms > row->fetched_ms
			                    ? s->fetched_ms
			                    : row->fetched_ms;
			s->is_fetched = true;
		}
		s->gone = !is_there;
	}
	sweep(f);
}

bool mr_key_fetch_usable(const struct mr_key_fetch *f, const struct mr_issuer_row *row)
{
	const struct source *s = find(f, row);
	int64_t fetched = s != NULL && s->is_fetched ? s->fetched_ms : row->fetched_ms;

	return row->jwks.p != NULL &&
	       now_ms(f) - fetched <= f->settings->jwks_max_stale_seconds * 1000;
}

/* ---- the end of a try ---- */

static void ended(struct source *s, bool keys_changed)
{
	struct mr_key_fetch *f = s->f;

	s->busy = false;
	s->arena = mr_arena_free(s->arena);
	if (!f->freed)
		f->news(f->ctx, keys_changed);
	sweep(f);
}

/* Runs STMT with the values that are in place. */
static void query(struct source *s, unsigned stmt, void (*done)(struct mr_pg_unit *u))
{
	s->call = (struct mr_pg_call){ .stmt = stmt, .values = s->values };
	s->unit = (struct mr_pg_unit){ .calls = &s->call, .calls_len = 1, .done = done, .ctx = s };
	mr_pg_submit(s->f->pg, &s->unit);
}

static void put(struct source *s, unsigned stmt, const char *name, struct mr_str value)
{
	int at = mr_stmt_param_find(&mr_stmts[stmt], name);

	if (at >= 0 && at < PARAMS_MAX)
		s->values[at] = value;
}

static void on_stored(struct mr_pg_unit *u)
{
	struct source *s = u->ctx;
	bool changed = u->outcome == MR_PG_OK && PQntuples(u->calls[0].result) > 0 &&
	               mr_pg_bool(u->calls[0].result, 0, "changed");

	mr_pg_clear(u);
	if (changed)
		s->coming_until_ms = now_ms(s->f) + READ_ANEW_MS;
	ended(s, changed);
}

/* KEYS absent: it failed, and s->error says why. */
static void store(struct source *s, struct mr_str keys)
{
	memset(s->values, 0, sizeof(s->values));
	put(s, MR_SQL_AUTH_KEYS_STORE, "issuer_id", mr_str(s->id_text));
	put(s, MR_SQL_AUTH_KEYS_STORE, "url", mr_str(s->url));
	put(s, MR_SQL_AUTH_KEYS_STORE, "keys", keys);
	put(s, MR_SQL_AUTH_KEYS_STORE, "error", keys.p == NULL ? mr_str(s->error) : MR_STR_NONE);
	if (keys.p != NULL) {
		s->is_fetched = true;
		s->fetched_ms = now_ms(s->f);
	} else {
		mr_log(MR_LOG_WARNING, "issuer's keys can't be fetched",
		    MR_F_N("issuer", s->issuer_id), MR_F_Z("detail", s->error));
	}
	query(s, MR_SQL_AUTH_KEYS_STORE, on_stored);
}

/* ---- the fetch ---- */

/* The usable keys of the answer as text; absent with s->error set. */
static struct mr_str read_answer(struct source *s)
{
	struct mr_error err = { .detail = "" };
	struct mr_str text = MR_STR_NONE;
	struct mr_keys *keys;
	int r = MR_E_NOMEM;

	if (s->http.outcome != MR_HTTP_ANSWERED) {
		(void)snprintf(s->error, sizeof(s->error), "%s", s->http.message); /* fits */
		return MR_STR_NONE;
	}
	if (s->http.status != 200) { /* redirects, too: they are not followed */
		(void)snprintf(s->error, sizeof(s->error), "It answers with status %u, not 200.",
		    s->http.status);
		return MR_STR_NONE;
	}
	s->arena = mr_arena_create(ARENA_MAX);
	if (s->arena != NULL)
		r = mr_keys_from_jwks(
		    s->arena, mr_buf_str(&s->http.answer_body), s->algorithm, &keys, &text, &err);
	if (r == 0)
		return text;
	(void)snprintf(s->error, sizeof(s->error), "What it answers %.200s.",
	    r == MR_E_INVALID ? err.detail : "needs more memory than there is");
	return MR_STR_NONE;
}

static void on_fetched(struct mr_http_request *http)
{
	struct source *s = http->ctx;
	struct mr_str keys = read_answer(s);

	mr_http_request_done(http);
	store(s, keys);
}

static int open_client(struct mr_key_fetch *f, struct mr_error *err)
{
	return f->http != NULL ? 0
	                       : mr_http_client_create(f->loop,
	                             (struct mr_http_options){ .prefix = "jwks",
	                                 .allowed_addresses = f->settings->jwks_allowed_addresses,
	                                 .ca_file = f->settings->jwks_ca_file,
	                                 .max_connections = CONNECTIONS,
	                                 .max_body_bytes = MR_KEYS_TEXT_MAX,
	                                 .https_only = true },
	                             &f->http, err);
}

static void fetch(struct source *s)
{
	static const struct mr_http_header accept[] = {
		{ MR_STR("Accept"), MR_STR("application/jwk-set+json, application/json"), false },
	};
	struct mr_error err = { .detail = "" };

	s->http = (struct mr_http_request){ .method = MR_STR("GET"),
		.url = mr_str(s->url),
		.headers = accept,
		.headers_len = MR_ARRAY_LEN(accept),
		.timeout_us = TIMEOUT_US,
		.done = on_fetched,
		.ctx = s };
	if (open_client(s->f, &err) < 0) {
		(void)snprintf(s->error, sizeof(s->error), "%s", err.detail); /* fits */
	} else if (mr_http_start(s->f->http, &s->http) < 0) {
		(void)snprintf(s->error, sizeof(s->error), "%s", s->http.message); /* fits */
		mr_http_request_done(&s->http);
	} else {
		return;
	}
	store(s, MR_STR_NONE);
}

/* ---- the claim ---- */

static void on_claimed(struct mr_pg_unit *u)
{
	struct source *s = u->ctx;
	const PGresult *r = u->calls[0].result;
	int64_t now = now_ms(s->f), age;
	bool mine = false;

	if (u->outcome != MR_PG_OK) {
		s->not_before_ms = now + FAILED_MS;
	} else if (PQntuples(r) ==
	           0) { /* the issuer is gone or has another URL; that is told soon */
		s->not_before_ms = now + s->f->settings->jwks_retry_seconds * 1000;
	} else {
		mine = mr_pg_bool(r, 0, "mine");
		age = mr_pg_i64(r, 0, "age_ms", -1);
		if (age >= 0 && s->is_fetched)
			s->fetched_ms = now - age;
		s->not_before_ms = now + mr_pg_i64(r, 0, "retry_ms", 0);
		if (mr_pg_bool(r, 0, "pending"))
			s->coming_until_ms = now + ELSEWHERE_MS;
	}
	mr_pg_clear(u);
	if (mine && !s->f->freed)
		fetch(s);
	else
		ended(s, false);
}

/* Asks whether it is this worker that fetches. UNKNOWN: whatever the age of the keys. */
static void claim(struct source *s, bool unknown)
{
	const struct mr_settings *set = s->f->settings;

	s->busy = true;
	memset(s->values, 0, sizeof(s->values));
	(void)snprintf(s->id_text, sizeof(s->id_text), "%lld", (long long)s->issuer_id);
	(void)snprintf(
	    s->age_text, sizeof(s->age_text), "%lld", (long long)set->jwks_max_age_seconds);
	(void)snprintf(
	    s->retry_text, sizeof(s->retry_text), "%lld", (long long)set->jwks_retry_seconds);
	put(s, MR_SQL_AUTH_KEYS_CLAIM, "issuer_id", mr_str(s->id_text));
	put(s, MR_SQL_AUTH_KEYS_CLAIM, "url", mr_str(s->url));
	put(s, MR_SQL_AUTH_KEYS_CLAIM, "max_age_s", unknown ? MR_STR_NONE : mr_str(s->age_text));
	put(s, MR_SQL_AUTH_KEYS_CLAIM, "retry_s", mr_str(s->retry_text));
	query(s, MR_SQL_AUTH_KEYS_CLAIM, on_claimed);
}

bool mr_key_fetch_wanted(struct mr_key_fetch *f, const struct mr_issuer_row *row)
{
	struct source *s = find_or_add(f, row);
	int64_t now = now_ms(f);

	if (s == NULL)
		return false;
	if (s->busy || now < s->coming_until_ms)
		return true;
	if (now < s->not_before_ms)
		return false;
	claim(s, true);
	return true;
}

void mr_key_fetch_refresh(struct mr_key_fetch *f, const struct mr_issuers *issuers)
{
	int64_t now = now_ms(f);

	for (size_t i = 0; issuers != NULL && i < issuers->len; i++) {
		const struct mr_issuer_row *row = &issuers->rows[i];
		struct source *s = row->jwks_url.p != NULL ? find_or_add(f, row) : NULL;

		if (s == NULL || s->busy || now < s->not_before_ms || now < s->coming_until_ms)
			continue;
		if (!s->is_fetched ||
		    now - s->fetched_ms >= f->settings->jwks_max_age_seconds * 1000)
			claim(s, false);
	}
}

/* ---- life ---- */

struct mr_key_fetch *mr_key_fetch_create(uv_loop_t *loop, const struct mr_settings *settings,
    struct mr_pg *pg, void (*news)(void *ctx, bool keys_changed), void *ctx)
{
	struct mr_key_fetch *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->loop = loop;
	f->settings = settings;
	f->pg = pg;
	f->news = news;
	f->ctx = ctx;
	return f;
}

struct mr_key_fetch *mr_key_fetch_free(struct mr_key_fetch *f)
{
	if (f == NULL)
		return NULL;
	f->freed = true;
	for (struct source *s = f->sources; s != NULL; s = s->next) {
		s->gone = true;
		if (s->http.call != NULL) { /* else pg calls back, and that ends it */
			mr_http_abort(&s->http);
			mr_http_request_done(&s->http);
			s->busy = false;
		}
	}
	mr_http_client_close(f->http, NULL, NULL);
	f->http = NULL;
	sweep(f);
	return NULL;
}
