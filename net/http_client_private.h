/* What http_client.c (loop, configuration, life), http_call.c (one call) and http_host.c (calls at
 * a time) share. */
#ifndef MR_NET_HTTP_CLIENT_PRIVATE_H
#define MR_NET_HTTP_CLIENT_PRIVATE_H

#include <curl/curl.h>
#include <openssl/x509.h>

#include "net/address_guard.h"
#include "net/http_client.h"

#define MR_HTTP_CONNECT_MS   10000 /* for name, connection and TLS together */
#define MR_HTTP_SILENCE_MS   30000 /* a body that has begun may pause for so long */
#define MR_HTTP_REDIRECTS    5
#define MR_HTTP_MAX_HEADERS  65536 /* bytes of an answer's header */
#define MR_HTTP_MAX_LINES    256
#define MR_HTTP_MAX_PER_HOST 64 /* calls to one host at a time, and connections */
#define MR_HTTP_HOSTS        256

/* What the settings say; calls under way keep the one that they began with. */
struct mr_http_config {
	unsigned refs;
	size_t max_body;
	bool https_only;
	struct mr_address_guard *guard;
	struct curl_slist *connect_to; /* the option resolve, in curl's words */
	X509_STORE *store;             /* whom to trust */
};

struct mr_http_socket {
	uv_poll_t poll;
	struct mr_http_client *client;
	struct mr_http_socket *prev, *next;
};

struct mr_http_client {
	uv_loop_t *loop;
	CURLM *multi; /* NULL once closing */
	uv_timer_t timer;
	struct mr_http_config *config; /* for calls from now on */
	struct mr_http_call *calls;
	struct mr_http_host *hosts[MR_HTTP_HOSTS]; /* that have calls */
	struct mr_http_socket *sockets;
	unsigned calls_len;
	unsigned handles; /* of libuv, open or closing; at 0 a closing client is freed */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

struct mr_http_call {
	struct mr_http_request *r; /* NULL once ended */
	struct mr_http_client *client;
	struct mr_http_config *config;
	struct mr_http_call *prev, *next;
	CURL *easy; /* NULL while it waits for its turn at the host */
	struct mr_http_host *at_host;
	bool waits;
	struct mr_http_call *wait_prev, *wait_next;
	struct curl_slist *headers;
	uv_timer_t timer;
	char *url;
	char host[256]; /* for messages */
	char method[16];
	bool with_body, without_secrets; /* change when a redirect is followed */
	unsigned redirects;
	unsigned refused, allowed; /* what the guard said since the last hop began */
	unsigned header_lines;
	bool too_large;
	uint64_t started_ns, deadline_ns, heard_ns; /* heard: last piece of the body, or 0 */
	char curl_says[CURL_ERROR_SIZE];
};

struct mr_http_config *mr_http_config_unref(struct mr_http_config *config);
/* One libuv handle of CLIENT has been closed. */
void mr_http_handle_closed(struct mr_http_client *c);
/* Curl is done with the present hop of CALL: follow the redirect, or end it. */
void mr_http_call_hop_ended(struct mr_http_call *call, CURLcode code);
/* CALL, of the host it names, may begin now; else it waits until mr_http_host_leave() gives it its
 * turn. */
bool mr_http_host_enter(struct mr_http_call *call) MR_MUST_CHECK;
/* CALL ends, or waits no longer. The one whose turn it is now, or NULL. */
struct mr_http_call *mr_http_host_leave(struct mr_http_call *call) MR_MUST_CHECK;
/* Lets go of CALL without a word to its request. */
void mr_http_call_drop(struct mr_http_call *call);

#endif
