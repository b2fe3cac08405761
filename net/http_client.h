/*
 * HTTP(S) calls from the loop of an engine or a worker: libcurl's multi interface driven by libuv.
 * It owns the connections, their reuse, the limits on size and time, and asks the address guard
 * before each connect and each request. It knows nothing of steps; redirects are followed here, so
 * that what is secret doesn't travel to another host.
 */
#ifndef MR_NET_HTTP_CLIENT_H
#define MR_NET_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/error.h"
#include "lib/str.h"

struct mr_http_client;

/* What a client may do. The texts are read at create and reload only. */
struct mr_http_options {
	const char *prefix;            /* of the settings below, for messages: "engine" */
	const char *allowed_addresses; /* see net/address_guard.h */
	const char *resolve;           /* host:port:address[:port] …: taken before the resolver */
	const char *ca_file;           /* PEM of authorities beside the system's; may be "" */
	int64_t max_connections, max_body_bytes;
	bool https_only;
};

enum mr_http_outcome {
	MR_HTTP_ANSWERED, /* status, headers and body are there, whatever the status */
	MR_HTTP_INVALID,  /* the request can't be made as it stands */
	MR_HTTP_REFUSED,  /* the guard does not allow the address */
	MR_HTTP_CONNECT,  /* no name, no connection, or it broke */
	MR_HTTP_TLS,
	MR_HTTP_TIMEOUT,
	MR_HTTP_LIMIT, /* body, headers or redirects beyond the limit */
	MR_HTTP_NOMEM,
};

struct mr_http_header {
	struct mr_str name, value;
	bool secret; /* dropped when a redirect leaves the host */
};

/* One call. The caller's fields and what they point to must live until done or abort. */
struct mr_http_request {
	/* the caller's */
	struct mr_str method; /* upper case */
	struct mr_str url;    /* absolute, http or https */
	const struct mr_http_header *headers;
	size_t headers_len;
	struct mr_str body; /* absent: none */
	int64_t timeout_us; /* all of it: waiting for a connection, redirects, the body; > 0 */
	bool follow_redirects;
	/* PEM: whom the caller shows to be, with the key; and whom alone it trusts. Absent: nobody,
	 * and those that everybody here trusts. */
	struct mr_str certificate, key, authority;
	void (*done)(struct mr_http_request *r); /* once, on the loop, never from inside start */
	void *ctx;
	/* the answer's; valid in done() and until mr_http_request_done() */
	enum mr_http_outcome outcome;
	unsigned status;
	struct mr_buf answer_headers; /* "name: value\n" lines, names in lower case */
	struct mr_buf answer_body;
	int64_t elapsed_us;
	char message[256]; /* one sentence, without secrets, unless MR_HTTP_ANSWERED */
	/* the client's */
	struct mr_http_call *call;
};

/* MR_E_INVALID and ERR when one of the options is wrong. The loop's thread only. */
int mr_http_client_create(uv_loop_t *loop, struct mr_http_options options,
    struct mr_http_client **ret, struct mr_error *err) MR_MUST_CHECK;
/* New options for calls from now on; on failure the old ones stay. */
int mr_http_client_reload(
    struct mr_http_client *c, struct mr_http_options options, struct mr_error *err) MR_MUST_CHECK;
/* Aborts all calls (their done is not called), closes, calls CLOSED (may be NULL) once the
 * loop has let go of everything, and frees C. Takes NULL: then CLOSED is called at once. */
void mr_http_client_close(struct mr_http_client *c, void (*closed)(void *ctx), void *ctx);

/* Starts R. Negative (MR_E_NOMEM, MR_E_INVALID) with outcome and message set: done is not
 * called. The answer's fields need no preparation. */
int mr_http_start(struct mr_http_client *c, struct mr_http_request *r) MR_MUST_CHECK;
/* Gives up; done is not called. Harmless after done and before start (call == NULL). */
void mr_http_abort(struct mr_http_request *r);
/* Frees the answer; the request may be started again. */
void mr_http_request_done(struct mr_http_request *r);
/* Calls under way. */
unsigned mr_http_in_flight(const struct mr_http_client *c);

#endif
