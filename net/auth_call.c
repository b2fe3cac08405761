#include "net/auth_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_scan.h"
#include "net/http_text.h"

#define KEPT_MAX       1000 /* tokens */
#define FETCH_MAX_US   10000000
#define TOKEN_MAX      8192 /* bytes */
#define DEFAULT_LIFE_S 300  /* of a token whose end isn't told */
#define EARLY_S        30   /* a token ends so long before its end, or a tenth of its life */
#define BODY_MAX       65536

struct mr_auth_token {
	struct mr_auth_tokens *all;
	struct mr_auth_token *next;
	char *id;
	char *token; /* NULL: none yet, or not any more */
	uint64_t number;
	uint64_t until_ms, used_ms; /* by uv_now() */
	bool fetching;
	bool busy; /* with those that waited */
	uint64_t fetches;
	struct mr_auth_call *waiters;
	struct mr_arena *arena; /* of the fetch under way */
	struct mr_http_request request;
	struct mr_http_header headers[3];
};

struct mr_auth_tokens {
	uv_loop_t *loop;
	struct mr_auth_token *first;
	size_t len;
	uint64_t numbers;
};

/* ---- what is kept ---- */

static void forget(struct mr_auth_token *t)
{
	if (t->token != NULL)
		explicit_bzero(t->token, strlen(t->token));
	free(t->token);
	t->token = NULL;
}

static void drop(struct mr_auth_token *t)
{
	struct mr_auth_token **at = &t->all->first;

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	t->all->len--;
	/* its client was closed in the middle of a fetch: nobody else tidies up after it */
	mr_http_request_done(&t->request);
	t->arena = mr_arena_free(t->arena);
	forget(t);
	free(t->id);
	free(t);
}

/* Room for one more: of those that nobody waits for, the one not used for the longest time goes. */
static void make_room(struct mr_auth_tokens *all)
{
	struct mr_auth_token *oldest = NULL;

	if (all->len < KEPT_MAX)
		return;
	/* of two that were used in the same millisecond the later one here was made first */
	for (struct mr_auth_token *t = all->first; t != NULL; t = t->next)
		if (!t->fetching && !t->busy && (oldest == NULL || t->used_ms <= oldest->used_ms))
			oldest = t;
	if (oldest != NULL)
		drop(oldest);
}

static struct mr_auth_token *find_or_add(struct mr_auth_tokens *all, struct mr_str id)
{
	struct mr_auth_token *t = all->first;

	while (t != NULL && !mr_str_eqz(id, t->id))
		t = t->next;
	if (t != NULL)
		return t;
	make_room(all);
	t = calloc(1, sizeof(*t));
	if (t == NULL || (t->id = strndup(id.p, id.len)) == NULL) {
		free(t);
		return NULL;
	}
	t->all = all;
	t->next = all->first;
	all->first = t;
	all->len++;
	return t;
}

struct mr_auth_tokens *mr_auth_tokens_create(uv_loop_t *loop)
{
	struct mr_auth_tokens *t = calloc(1, sizeof(*t));

	if (t != NULL)
		t->loop = loop;
	return t;
}

struct mr_auth_tokens *mr_auth_tokens_free(struct mr_auth_tokens *t)
{
	while (t != NULL && t->first != NULL)
		drop(t->first);
	free(t);
	return NULL;
}

/* ---- the call itself ---- */

static void on_answer(struct mr_http_request *r);
static int with_token(struct mr_auth_call *c);

static int refuse(struct mr_auth_call *c, enum mr_http_outcome outcome, const char *why)
{
	c->request.outcome = outcome;
	(void)snprintf(c->request.message, sizeof(c->request.message), "%s", why); /* fits */
	return outcome == MR_HTTP_NOMEM ? MR_E_NOMEM : MR_E_INVALID;
}

static int64_t time_left(const struct mr_auth_call *c)
{
	uint64_t now = c->tokens != NULL ? uv_now(c->tokens->loop) : c->started_ms;
	int64_t left = c->timeout_us - (int64_t)(now - c->started_ms) * 1000;

	return left > 1000 ? left : 1000;
}

static int send_call(struct mr_auth_call *c, struct mr_str token)
{
	bool more;
	int e;

	mr_http_request_done(&c->request);
	c->request = (struct mr_http_request){
		.method = c->method,
		.url = c->url,
		.headers = c->headers,
		.body = c->body,
		.timeout_us = time_left(c),
		.done = on_answer,
		.ctx = c,
	};
	e = mr_auth_apply(
	    c->type, c->config, token, c->arena, &c->request, &c->headers[c->headers_len], &more);
	if (e == MR_E_NOMEM)
		return refuse(c, MR_HTTP_NOMEM, "Memory is out.");
	if (e < 0)
		return refuse(
		    c, MR_HTTP_INVALID, "What the service is authorised by is not complete.");
	c->request.headers_len = c->headers_len + (more ? 1 : 0);
	return mr_http_start(c->http, &c->request);
}

static void on_answer(struct mr_http_request *r)
{
	struct mr_auth_call *c = r->ctx;
	struct mr_auth_token *t = NULL;

	if (r->outcome == MR_HTTP_ANSWERED && r->status == 401 && c->type == MR_AUTH_OAUTH2 &&
	    !c->again)
		t = find_or_add(c->tokens, c->config_id);
	if (t == NULL) {
		c->done(c);
		return;
	}
	/* the token may have been withdrawn; another call may have replaced it by now */
	c->again = true;
	if (t->number == c->used)
		forget(t);
	if (with_token(c) < 0)
		c->done(c);
}

/* ---- fetching a token ---- */

/* One that waits for the fetch of this number, taken out; or NULL. */
static struct mr_auth_call *take_waiter(struct mr_auth_token *t, uint64_t fetch)
{
	struct mr_auth_call **at = &t->waiters, *c;

	while (*at != NULL && (*at)->waits_for_fetch != fetch)
		at = &(*at)->next_waiter;
	c = *at;
	if (c != NULL) {
		*at = c->next_waiter;
		c->waits_for = NULL;
	}
	return c;
}

static void go_on(struct mr_auth_token *t, struct mr_auth_call *c)
{
	struct mr_str token =
	    t->token != NULL ? mr_arena_str(c->arena, mr_str(t->token)) : MR_STR_NONE;

	c->used = t->number;
	if (token.p == NULL ? refuse(c, MR_HTTP_NOMEM, "Memory is out.") < 0
	                    : send_call(c, token) < 0)
		c->done(c);
}

/* done() may abort others that wait, or begin new ones, which wait for another fetch. */
static void wake_all(struct mr_auth_token *t, const struct mr_http_request *failed)
{
	uint64_t fetch = t->fetches;
	struct mr_auth_call *c;

	t->busy = true;
	while ((c = take_waiter(t, fetch)) != NULL) {
		if (failed == NULL) {
			go_on(t, c);
			continue;
		}
		c->token_failed = true;
		c->request.outcome = failed->outcome;
		c->request.status = failed->status;
		memcpy(c->request.message, failed->message, sizeof(c->request.message));
		c->done(c);
	}
	t->busy = false;
}

/* Takes the token out of the answer; false when there is none. */
static bool take_token(struct mr_auth_token *t, struct mr_str body)
{
	struct mr_value v;
	struct mr_str token;
	const struct mr_value *life;
	int64_t seconds = DEFAULT_LIFE_S, early;

	if (mr_json_parse(t->arena, body, &mr_json_limits_default, NULL, &v) < 0)
		return false;
	token = mr_value_get_str(&v, "access_token");
	life = mr_value_get(&v, "expires_in");
	if (token.len == 0 || token.len > TOKEN_MAX)
		return false;
	for (size_t i = 0; i < token.len; i++)
		if ((unsigned char)token.p[i] <= ' ' || (unsigned char)token.p[i] >= 0x7f)
			return false;
	if (life != NULL && life->kind == MR_VALUE_INT && life->i > 0)
		seconds = life->i < 86400 ? life->i : 86400;
	early = seconds / 10 < EARLY_S ? seconds / 10 : EARLY_S;
	forget(t);
	t->token = strndup(token.p, token.len);
	t->number = ++t->all->numbers;
	t->until_ms = uv_now(t->all->loop) + (uint64_t)(seconds - early) * 1000;
	return t->token != NULL;
}

/* What the endpoint says may hold what it was asked with: only its status is told. */
static void judge(struct mr_auth_token *t)
{
	struct mr_http_request *r = &t->request;

	if (r->outcome != MR_HTTP_ANSWERED)
		return;
	if (r->status < 200 || r->status >= 300) {
		(void)snprintf(r->message, sizeof(r->message),
		    "The token endpoint answered with status %u.", r->status);
	} else if (!take_token(t, mr_buf_str(&r->answer_body))) {
		r->outcome = MR_HTTP_INVALID;
		(void)snprintf(r->message, sizeof(r->message),
		    "The token endpoint's answer holds no access_token.");
	}
}

static void on_token(struct mr_http_request *r)
{
	struct mr_auth_token *t = r->ctx;
	struct mr_http_request told;

	judge(t);
	if (r->answer_body.p != NULL)
		explicit_bzero(r->answer_body.p, r->answer_body.len);
	mr_http_request_done(r);
	t->arena = mr_arena_free(t->arena);
	t->fetching = false;
	told = *r;
	/* done() may ask for a token again, or drop this one */
	wake_all(t, told.outcome == MR_HTTP_ANSWERED && told.status >= 200 && told.status < 300
	                ? NULL
	                : &told);
}

static void add_field(struct mr_buf *b, const char *name, struct mr_str value)
{
	if (value.len == 0)
		return;
	mr_buf_addf(b, "&%s=", name);
	mr_http_add_encoded(b, value, true);
}

/* RFC 6749, 2.3.1: in Basic, each is encoded as in a form first. */
static struct mr_str client_basic(struct mr_arena *a, struct mr_str id, struct mr_str secret)
{
	struct mr_buf b, c;
	struct mr_str ret;

	mr_buf_init(&b, BODY_MAX * 3);
	mr_buf_init(&c, BODY_MAX * 3);
	mr_http_add_encoded(&b, id, true);
	mr_http_add_encoded(&c, secret, true);
	ret = mr_buf_failed(&b) || mr_buf_failed(&c)
	          ? MR_STR_NONE
	          : mr_http_basic(a, mr_buf_str(&b), mr_buf_str(&c));
	if (c.p != NULL)
		explicit_bzero(c.p, c.len);
	mr_buf_done(&b);
	mr_buf_done(&c);
	return ret;
}

static int build_fetch(struct mr_auth_token *t, const struct mr_value *config)
{
	struct mr_str id = mr_value_get_str(config, "client_id");
	struct mr_str secret = mr_value_get_str(config, "client_secret");
	bool post = mr_str_eqz(mr_value_get_str(config, "client_auth"), "post");
	struct mr_http_request *r = &t->request;
	struct mr_buf b;

	mr_buf_init(&b, BODY_MAX * 6);
	mr_buf_addz(&b, "grant_type=client_credentials");
	add_field(&b, "scope", mr_value_get_str(config, "scope"));
	add_field(&b, "audience", mr_value_get_str(config, "audience"));
	if (post) {
		add_field(&b, "client_id", id);
		add_field(&b, "client_secret", secret);
	}
	r->body = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(t->arena, mr_buf_str(&b));
	if (b.p != NULL)
		explicit_bzero(b.p, b.len);
	mr_buf_done(&b);
	t->headers[0] = (struct mr_http_header){ MR_STR("Content-Type"),
		MR_STR("application/x-www-form-urlencoded"), false };
	t->headers[1] =
	    (struct mr_http_header){ MR_STR("Accept"), MR_STR("application/json"), false };
	if (!post)
		t->headers[2] = (struct mr_http_header){ MR_STR("Authorization"),
			client_basic(t->arena, id, secret), true };
	r->headers_len = post ? 2 : 3;
	r->url = mr_arena_str(t->arena, mr_value_get_str(config, "token_url"));
	return r->body.p != NULL && r->url.p != NULL && (post || t->headers[2].value.p != NULL)
	           ? 0
	           : MR_E_NOMEM;
}

static int fetch(struct mr_auth_token *t, const struct mr_auth_call *c)
{
	int64_t left = time_left(c);
	int e;

	t->request = (struct mr_http_request){
		.method = MR_STR("POST"),
		.headers = t->headers,
		.timeout_us = left < FETCH_MAX_US ? left : FETCH_MAX_US,
		.done = on_token,
		.ctx = t,
	};
	t->arena = mr_arena_create_secret((size_t)8 * 1024 * 1024);
	e = t->arena != NULL ? build_fetch(t, c->config) : MR_E_NOMEM;
	if (e == 0)
		e = mr_http_start(c->http, &t->request);
	t->fetching = e == 0;
	t->fetches++;
	if (e < 0)
		t->arena = mr_arena_free(t->arena);
	return e;
}

static int with_token(struct mr_auth_call *c)
{
	struct mr_auth_token *t = find_or_add(c->tokens, c->config_id);
	struct mr_str token;

	if (t == NULL)
		return refuse(c, MR_HTTP_NOMEM, "Memory is out.");
	t->used_ms = uv_now(c->tokens->loop);
	if (t->token != NULL && t->used_ms < t->until_ms) {
		c->used = t->number;
		token = mr_arena_str(c->arena, mr_str(t->token));
		return token.p != NULL ? send_call(c, token)
		                       : refuse(c, MR_HTTP_NOMEM, "Memory is out.");
	}
	if (!t->fetching && fetch(t, c) < 0) {
		c->token_failed = true;
		return refuse(c, MR_HTTP_INVALID, "The token endpoint can't be called.");
	}
	c->waits_for = t;
	c->waits_for_fetch = t->fetches;
	c->next_waiter = t->waiters;
	t->waiters = c;
	return 0;
}

/* ---- start and end ---- */

int mr_auth_call_start(struct mr_auth_call *c)
{
	c->waits_for = NULL;
	c->again = c->token_failed = false;
	c->request = (struct mr_http_request){ .call = NULL };
	c->started_ms = c->tokens != NULL ? uv_now(c->tokens->loop) : 0;
	return c->type == MR_AUTH_OAUTH2 ? with_token(c) : send_call(c, MR_STR_NONE);
}

void mr_auth_call_abort(struct mr_auth_call *c)
{
	struct mr_auth_call **at;

	if (c->waits_for != NULL) {
		at = &c->waits_for->waiters;
		while (*at != c)
			at = &(*at)->next_waiter;
		*at = c->next_waiter;
		c->waits_for = NULL;
	}
	mr_http_abort(&c->request);
	mr_http_request_done(&c->request);
}

void mr_auth_call_done(struct mr_auth_call *c)
{
	mr_http_request_done(&c->request);
}
