/*
 * Calls of services that want to know the caller: by a key, a password, a certificate, or a token
 * that is fetched first. Tokens (OAuth 2.0, client credentials) are kept in memory until shortly
 * before they end, each fetched once for all calls that wait for it, and once more when a service
 * refuses one with 401. Nothing of them is logged, and no message holds any of it.
 */
#ifndef MR_NET_AUTH_CALL_H
#define MR_NET_AUTH_CALL_H

#include "net/auth_config.h"

struct mr_auth_tokens; /* of one process */

struct mr_auth_tokens *mr_auth_tokens_create(uv_loop_t *loop) MR_MUST_CHECK;
/* All calls must have ended. Takes NULL; returns NULL. */
struct mr_auth_tokens *mr_auth_tokens_free(struct mr_auth_tokens *t);

#define MR_AUTH_CALL_HEADERS 16

/* One call. What the caller sets must live until done or abort. */
struct mr_auth_call {
	/* the caller's */
	struct mr_http_client *http;
	struct mr_auth_tokens *tokens;
	struct mr_arena *arena; /* for what is secret: a secret one, that ends with the call */
	enum mr_auth_type type;
	const struct mr_value *config; /* that passed the check; NULL for MR_AUTH_NONE */
	struct mr_str config_id; /* a text that another config has not: tokens are kept by it */
	struct mr_str method, url;
	struct mr_http_header headers[MR_AUTH_CALL_HEADERS + 1]; /* one is left free */
	size_t headers_len;
	struct mr_str body;
	int64_t timeout_us;                   /* for all of it, the token too */
	void (*done)(struct mr_auth_call *c); /* once, on the loop, never from inside start */
	void *ctx;
	/* the answer: outcome, status, headers, body, message of `request` */
	struct mr_http_request request;
	bool token_failed; /* what `request` says is of the fetching of the token */
	/* the module's */
	struct mr_auth_token *waits_for;
	uint64_t waits_for_fetch;
	struct mr_auth_call *next_waiter;
	uint64_t used; /* the number of the token that was sent */
	bool again;    /* a second token was asked for */
	uint64_t started_ms;
};

/* 0; or negative, with request.outcome and request.message set: then done is not called. */
int mr_auth_call_start(struct mr_auth_call *c) MR_MUST_CHECK;
/* Gives up; done is not called. */
void mr_auth_call_abort(struct mr_auth_call *c);
/* Frees the answer. */
void mr_auth_call_done(struct mr_auth_call *c);

#endif
