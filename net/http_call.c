/* One call: its options, what comes back, how it ends. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/http_client_private.h"

#define MAX_HEADERS 128

/* ---- the guard ---- */

/* Curl asks for a socket to one resolved address. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct mr_http_call *call = ctx;

	(void)purpose;
	if (!mr_address_guard_allows(call->client->config->guard, &to->addr, to->addrlen)) {
		call->refused++;
		return CURL_SOCKET_BAD;
	}
	call->allowed++;
	return socket(to->family, to->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, to->protocol);
}

/* The connection is there, perhaps an old one: the guard may have been changed since. */
static int before_request(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
	struct mr_http_call *call = ctx;
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	bool ok = false;

	(void)local_ip;
	(void)local_port;
	if (inet_pton(AF_INET, ip, &in4.sin_addr) == 1)
		ok = mr_address_guard_allows(
		    call->client->config->guard, (struct sockaddr *)&in4, sizeof(in4));
	else if (inet_pton(AF_INET6, ip, &in6.sin6_addr) == 1)
		ok = mr_address_guard_allows(
		    call->client->config->guard, (struct sockaddr *)&in6, sizeof(in6));
	if (ok)
		return CURL_PREREQFUNC_OK;
	call->refused++;
	call->allowed = 0;
	return CURL_PREREQFUNC_ABORT;
}

static CURLcode set_authorities(CURL *easy, void *ssl_ctx, void *ctx)
{
	struct mr_http_call *call = ctx;

	(void)easy;
	SSL_CTX_set1_cert_store(ssl_ctx, call->config->store);
	return CURLE_OK;
}

/* ---- the answer ---- */

static char header_char(char c, bool in_name)
{
	if (in_name && c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return (unsigned char)c < ' ' || c == 0x7f ? ' ' : c;
}

/* One header line, with its end. A status line begins the answer anew (after 100, 103). */
static size_t take_header(char *p, size_t size, size_t n, void *ctx)
{
	struct mr_http_call *call = ctx;
	struct mr_buf *b = &call->r->answer_headers;
	struct mr_str line = mr_str_trim((struct mr_str){ p, size * n });
	bool in_name = true;

	if (mr_str_starts(line, MR_STR("HTTP/"))) {
		mr_buf_reset(b);
		call->header_lines = 0;
		return size * n;
	}
	if (line.len == 0 || memchr(line.p, ':', line.len) == NULL)
		return size * n;
	for (size_t i = 0; i < line.len; i++) {
		in_name = in_name && line.p[i] != ':';
		mr_buf_addc(b, header_char(line.p[i], in_name));
	}
	mr_buf_addc(b, '\n');
	if (!mr_buf_failed(b) && ++call->header_lines <= MR_HTTP_MAX_LINES)
		return size * n;
	call->too_large = true;
	return 0;
}

static size_t take_body(char *p, size_t size, size_t n, void *ctx)
{
	struct mr_http_call *call = ctx;
	struct mr_buf *b = &call->r->answer_body;

	call->heard_ns = uv_hrtime();
	mr_buf_add(b, p, size * n);
	if (!mr_buf_failed(b))
		return size * n;
	call->too_large = b->len + size * n > b->max; /* else memory is out */
	return 0;
}

/* ---- the end ---- */

static void on_call_closed(uv_handle_t *h)
{
	struct mr_http_call *call = h->data;
	struct mr_http_client *c = call->client;

	free(call);
	mr_http_handle_closed(c);
}

static void begin_turn(struct mr_http_call *call);

void mr_http_call_drop(struct mr_http_call *call)
{
	struct mr_http_client *c = call->client;
	struct mr_http_call *next;

	if (call->r != NULL)
		call->r->call = NULL;
	call->r = NULL;
	if (call->prev != NULL)
		call->prev->next = call->next;
	else
		c->calls = call->next;
	if (call->next != NULL)
		call->next->prev = call->prev;
	c->calls_len--;
	if (call->easy != NULL) {
		(void)curl_multi_remove_handle(c->multi, call->easy);
		curl_easy_cleanup(call->easy);
	}
	curl_slist_free_all(call->headers);
	call->config = mr_http_config_unref(call->config);
	free(call->url);
	next = mr_http_host_leave(call);
	if (next != NULL)
		begin_turn(next);
	uv_close((uv_handle_t *)&call->timer, on_call_closed);
}

/* Ends CALL: its request has the outcome. */
static void finish(struct mr_http_call *call, enum mr_http_outcome outcome)
{
	struct mr_http_request *r = call->r;

	r->outcome = outcome;
	r->elapsed_us = (int64_t)((uv_hrtime() - call->started_ns) / 1000);
	mr_http_call_drop(call);
	r->done(r);
}

MR_PRINTF(3, 4)
static void fail(struct mr_http_call *call, enum mr_http_outcome outcome, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(call->r->message, sizeof(call->r->message), fmt, ap); /* may be cut */
	va_end(ap);
	finish(call, outcome);
}

static void fail_limit(struct mr_http_call *call)
{
	if (!mr_buf_failed(&call->r->answer_body) && call->too_large)
		fail(call, MR_HTTP_LIMIT,
		    "The answer's header is larger than %d bytes, or has more than %d lines.",
		    MR_HTTP_MAX_HEADERS, MR_HTTP_MAX_LINES);
	else
		fail(call, MR_HTTP_LIMIT, "The answer is larger than the limit of %zu bytes.",
		    call->config->max_body);
}

static void fail_connect(struct mr_http_call *call)
{
	if (call->refused > 0 && call->allowed == 0)
		fail(call, MR_HTTP_REFUSED,
		    "Calls to \"%s\" are not allowed: its address is not a public one.",
		    call->host);
	else
		fail(call, MR_HTTP_CONNECT, "No connection to \"%s\" could be made.", call->host);
}

static void fail_timeout(struct mr_http_call *call)
{
	curl_off_t begun = 0;

	/* curl's own clock is for connecting only; ours for all the rest */
	(void)curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &begun);
	if (begun == 0)
		fail(call, MR_HTTP_CONNECT, "No connection to \"%s\" within %d seconds.",
		    call->host, MR_HTTP_CONNECT_MS / 1000);
	else
		fail(call, MR_HTTP_TIMEOUT, "\"%s\" did not answer in time.", call->host);
}

static bool is_tls_code(CURLcode code)
{
	switch ((int)code) {
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_USE_SSL_FAILED:
	case CURLE_SSL_ENGINE_INITFAILED:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_SHUTDOWN_FAILED:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT:
		return true;
	default:
		return false;
	}
}

static void fail_code(struct mr_http_call *call, CURLcode code)
{
	const char *why = call->curl_says[0] != '\0' ? call->curl_says : curl_easy_strerror(code);

	if (call->too_large || code == CURLE_FILESIZE_EXCEEDED)
		fail_limit(call);
	else if (is_tls_code(code))
		fail(call, MR_HTTP_TLS, "TLS with \"%s\" failed: %.120s.", call->host, why);
	else if (code == CURLE_OUT_OF_MEMORY || code == CURLE_WRITE_ERROR)
		fail(call, MR_HTTP_NOMEM, "Memory is out.");
	else if (code == CURLE_COULDNT_CONNECT || code == CURLE_ABORTED_BY_CALLBACK)
		fail_connect(call);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		fail_timeout(call);
	else if (code == CURLE_COULDNT_RESOLVE_HOST)
		fail(call, MR_HTTP_CONNECT, "The name \"%s\" does not resolve.", call->host);
	else if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY)
		fail(call, MR_HTTP_CONNECT, "What \"%s\" answered is not HTTP.", call->host);
	else
		fail(call, MR_HTTP_CONNECT,
		    "The connection to \"%s\" broke before the answer was complete.", call->host);
}

/* ---- options ---- */

static int add_header(struct mr_http_call *call, const char *line)
{
	struct curl_slist *more = curl_slist_append(call->headers, line);

	if (more == NULL)
		return MR_E_NOMEM;
	call->headers = more;
	return 0;
}

/* "name: value"; curl's own form for an empty value is "name;". */
static int add_request_header(struct mr_http_call *call, const struct mr_http_header *h)
{
	struct mr_buf b;
	int r = MR_E_NOMEM;

	mr_buf_init(&b, MR_HTTP_MAX_HEADERS);
	mr_buf_adds(&b, h->name);
	if (h->value.len > 0) {
		mr_buf_addz(&b, ": ");
		mr_buf_adds(&b, h->value);
	} else {
		mr_buf_addc(&b, ';');
	}
	if (!mr_buf_failed(&b))
		r = add_header(call, b.p);
	mr_buf_done(&b);
	return r;
}

static int set_headers(struct mr_http_call *call)
{
	const struct mr_http_request *r = call->r;
	bool has_type = false;
	int e = 0;

	curl_slist_free_all(call->headers);
	call->headers = NULL;
	for (size_t i = 0; i < r->headers_len && e == 0; i++) {
		const struct mr_http_header *h = &r->headers[i];
		bool is_type = mr_str_ieqz(h->name, "content-type");

		if ((h->secret && call->without_secrets) || (is_type && !call->with_body))
			continue;
		has_type = has_type || is_type;
		e = add_request_header(call, h);
	}
	/* curl would add a form's type of its own accord, and wait for "100 Continue" */
	if (e == 0 && !has_type)
		e = add_header(call, "Content-Type:");
	if (e == 0)
		e = add_header(call, "Expect:");
	if (e == 0)
		(void)curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	return e;
}

static bool sends_empty_body(const char *method)
{
	return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
	       strcmp(method, "PATCH") == 0;
}

static void set_method(struct mr_http_call *call)
{
	CURL *e = call->easy;

	if (strcmp(call->method, "HEAD") == 0) {
		(void)curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
		return;
	}
	if (call->with_body || sends_empty_body(call->method)) {
		struct mr_str body = call->with_body ? call->r->body : MR_STR("");

		(void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
		(void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, body.p); /* not copied */
	} else {
		(void)curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
	}
	(void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_safety(struct mr_http_call *call)
{
	CURL *e = call->easy;

	(void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(e, CURLOPT_PROXY, ""); /* the environment's would hide the address */
	(void)curl_easy_setopt(
	    e, CURLOPT_PROTOCOLS_STR, call->config->https_only ? "https" : "http,https");
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	(void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call);
	(void)curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, before_request);
	(void)curl_easy_setopt(e, CURLOPT_PREREQDATA, call);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 1L);
	(void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 2L);
	(void)curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	(void)curl_easy_setopt(e, CURLOPT_CAINFO, NULL); /* our store replaces curl's */
	(void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
	(void)curl_easy_setopt(e, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* or it would keep an old one */
	(void)curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, set_authorities);
	(void)curl_easy_setopt(e, CURLOPT_SSL_CTX_DATA, call);
	(void)curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->config->max_body);
	(void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)MR_HTTP_CONNECT_MS);
	/* an abandoned name look-up must not hold up the loop until the resolver gives up */
	(void)curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
}

/* The blob is the caller's until the call has ended. */
static void set_blob(CURL *e, CURLoption option, struct mr_str pem)
{
	struct curl_blob blob = {
		.data = (void *)(uintptr_t)pem.p,
		.len = pem.len,
		.flags = CURL_BLOB_NOCOPY,
	};

	(void)curl_easy_setopt(e, option, &blob);
}

/* The certificate is part of what curl tells connections apart by, and so is the authority; who
 * redirects elsewhere gets neither. */
static void set_certificates(struct mr_http_call *call)
{
	const struct mr_http_request *r = call->r;

	if (r->certificate.p != NULL && !call->without_secrets) {
		set_blob(call->easy, CURLOPT_SSLCERT_BLOB, r->certificate);
		set_blob(call->easy, CURLOPT_SSLKEY_BLOB, r->key);
	}
	if (r->authority.p != NULL) {
		(void)curl_easy_setopt(call->easy, CURLOPT_SSL_CTX_FUNCTION, NULL);
		set_blob(call->easy, CURLOPT_CAINFO_BLOB, r->authority);
	}
}

/* Everything for the present hop. */
static int set_options(struct mr_http_call *call)
{
	CURL *e = call->easy;

	curl_easy_reset(e);
	set_safety(call);
	set_certificates(call);
	set_method(call);
	(void)curl_easy_setopt(e, CURLOPT_PRIVATE, call);
	(void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->curl_says);
	(void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	(void)curl_easy_setopt(e, CURLOPT_CONNECT_TO, call->config->connect_to);
	(void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
	(void)curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
	(void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
	(void)curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
	if (curl_easy_setopt(e, CURLOPT_URL, call->url) != CURLE_OK)
		return MR_E_NOMEM;
	return set_headers(call);
}

/* ---- redirects ---- */

/* "https", "example.org", "443" of URL; the caller frees with curl_free. */
struct origin {
	char *scheme, *host, *port;
};

static void origin_done(struct origin *o)
{
	curl_free(o->scheme);
	curl_free(o->host);
	curl_free(o->port);
}

static bool origin_of(const char *url, struct origin *ret)
{
	CURLU *u = curl_url();
	bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	          curl_url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK &&
	          curl_url_get(u, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK &&
	          curl_url_get(u, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) == CURLUE_OK;

	curl_url_cleanup(u);
	return ok;
}

static bool same_origin(const char *a, const char *b)
{
	struct origin x = { .scheme = NULL }, y = { .scheme = NULL };
	bool same = origin_of(a, &x) && origin_of(b, &y) && strcmp(x.scheme, y.scheme) == 0 &&
	            strcasecmp(x.host, y.host) == 0 && strcmp(x.port, y.port) == 0;

	origin_done(&x);
	origin_done(&y);
	return same;
}

/* Whether URL is one to be called at all; then call->host is its host. */
static bool take_host(struct mr_http_call *call, const char *url)
{
	struct origin o = { .scheme = NULL };
	bool ok = origin_of(url, &o) && o.host[0] != '\0' &&
	          (strcmp(o.scheme, "http") == 0 || strcmp(o.scheme, "https") == 0);

	if (ok)
		(void)snprintf(call->host, sizeof(call->host), "%.200s", o.host);
	origin_done(&o);
	return ok;
}

/* What becomes of method and body (RFC 9110, 15.4). */
static void redirect_method(struct mr_http_call *call, long status)
{
	bool is_post = strcmp(call->method, "POST") == 0;
	bool is_head = strcmp(call->method, "HEAD") == 0;

	if ((status == 303 && !is_head) || ((status == 301 || status == 302) && is_post)) {
		(void)snprintf(call->method, sizeof(call->method), "GET");
		call->with_body = false;
	}
}

static void send_hop(struct mr_http_call *call)
{
	mr_buf_reset(&call->r->answer_headers);
	mr_buf_reset(&call->r->answer_body);
	call->refused = call->allowed = 0;
	call->heard_ns = 0;
	(void)curl_multi_remove_handle(call->client->multi, call->easy);
	if (set_options(call) < 0 ||
	    curl_multi_add_handle(call->client->multi, call->easy) != CURLM_OK)
		fail(call, MR_HTTP_NOMEM, "Memory is out.");
}

static void follow(struct mr_http_call *call, long status, const char *to)
{
	char *url = strdup(to); /* TO is the handle's, which is about to be reset */

	if (url == NULL) {
		fail(call, MR_HTTP_NOMEM, "Memory is out.");
		return;
	}
	if (!same_origin(call->url, url))
		call->without_secrets = true;
	free(call->url);
	call->url = url;
	redirect_method(call, status);
	if (++call->redirects > MR_HTTP_REDIRECTS)
		fail(call, MR_HTTP_LIMIT, "More than %d redirects.", MR_HTTP_REDIRECTS);
	else if (!take_host(call, url))
		fail(call, MR_HTTP_INVALID, "\"%s\" redirects to what is no http or https URL.",
		    call->host);
	else
		send_hop(call);
}

void mr_http_call_hop_ended(struct mr_http_call *call, CURLcode code)
{
	char *to = NULL;
	long status = 0;

	if (code != CURLE_OK) {
		fail_code(call, code);
		return;
	}
	(void)curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &to);
	if (call->r->follow_redirects && to != NULL && status >= 300 && status < 400) {
		follow(call, status, to);
		return;
	}
	call->r->status = (unsigned)status;
	finish(call, MR_HTTP_ANSWERED);
}

/* ---- the clock ---- */

static void on_time(uv_timer_t *t);

static void set_timer(struct mr_http_call *call, uint64_t now)
{
	uint64_t until = call->deadline_ns;

	if (call->heard_ns != 0 && call->heard_ns + MR_HTTP_SILENCE_MS * 1000000ull < until)
		until = call->heard_ns + MR_HTTP_SILENCE_MS * 1000000ull;
	else if (call->heard_ns == 0 && now + MR_HTTP_SILENCE_MS * 1000000ull < until)
		until = now + MR_HTTP_SILENCE_MS * 1000000ull; /* look again whether it has begun */
	(void)uv_timer_start(
	    &call->timer, on_time, until > now ? (until - now) / 1000000 + 1 : 0, 0);
}

static void on_time(uv_timer_t *t)
{
	struct mr_http_call *call = t->data;
	uint64_t now = uv_hrtime();

	if (now >= call->deadline_ns && call->easy == NULL)
		fail(call, MR_HTTP_TIMEOUT,
		    "So many calls to \"%s\" were under way that this one had no turn within %lld "
		    "ms.",
		    call->host, (long long)(call->r->timeout_us / 1000));
	else if (now >= call->deadline_ns)
		fail(call, MR_HTTP_TIMEOUT, "\"%s\" did not answer within %lld ms.", call->host,
		    (long long)(call->r->timeout_us / 1000));
	else if (call->heard_ns != 0 && now - call->heard_ns >= MR_HTTP_SILENCE_MS * 1000000ull)
		fail(call, MR_HTTP_TIMEOUT, "\"%s\" fell silent in the middle of its answer.",
		    call->host);
	else
		set_timer(call, now);
}

/* ---- start ---- */

static int refuse(struct mr_http_request *r, int e, const char *why)
{
	r->outcome = e == MR_E_NOMEM ? MR_HTTP_NOMEM : MR_HTTP_INVALID;
	(void)snprintf(r->message, sizeof(r->message), "%s", why);
	return e;
}

static int check_url(struct mr_http_call *call, struct mr_http_request *r)
{
	CURLU *u = curl_url();
	const char *host = strstr(call->url, "://");
	char *user = NULL;
	bool ok = u != NULL && curl_url_set(u, CURLUPART_URL, call->url, 0) == CURLUE_OK;
	bool has_user = ok && curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK;

	curl_free(user);
	curl_url_cleanup(u);
	if (has_user)
		return refuse(
		    r, MR_E_INVALID, "The URL must not hold credentials; use auth for them.");
	/* curl would pass over a third slash */
	if (!ok || host == NULL || host[3] == '/' || !take_host(call, call->url))
		return refuse(r, MR_E_INVALID, "The URL must be an absolute http or https URL.");
	return 0;
}

static bool has_line_break(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (((unsigned char)s.p[i] < ' ' && s.p[i] != '\t') || s.p[i] == 0x7f)
			return true;
	}
	return false;
}

/* The caller's mistakes that could change the meaning of the message on the wire. */
static int check_request(struct mr_http_call *call, struct mr_http_request *r)
{
	if (r->headers_len > MAX_HEADERS)
		return refuse(r, MR_E_INVALID, "Too many headers.");
	for (size_t i = 0; i < r->headers_len; i++) {
		if (r->headers[i].name.len == 0 || has_line_break(r->headers[i].name) ||
		    memchr(r->headers[i].name.p, ':', r->headers[i].name.len) != NULL ||
		    has_line_break(r->headers[i].value))
			return refuse(r, MR_E_INVALID, "A header has forbidden characters.");
	}
	if (r->method.len == 0 || r->method.len >= sizeof(call->method) ||
	    has_line_break(r->method))
		return refuse(r, MR_E_INVALID, "The method is not valid.");
	return check_url(call, r);
}

static int prepare(struct mr_http_client *c, struct mr_http_request *r, struct mr_http_call *call)
{
	int e;

	call->url = r->url.p != NULL && memchr(r->url.p, '\0', r->url.len) == NULL
	                ? strndup(r->url.p, r->url.len)
	                : strdup("");
	if (call->url == NULL)
		return refuse(r, MR_E_NOMEM, "Memory is out.");
	e = check_request(call, r);
	if (e < 0)
		return e;
	memcpy(call->method, r->method.p, r->method.len);
	call->with_body = r->body.p != NULL;
	call->r = r;
	call->client = c;
	call->config = c->config;
	call->started_ns = uv_hrtime();
	call->deadline_ns = call->started_ns + (uint64_t)r->timeout_us * 1000;
	return 0;
}

/* Hands it to curl. */
static int launch(struct mr_http_call *call)
{
	call->easy = curl_easy_init();
	if (call->easy == NULL || set_options(call) < 0 ||
	    curl_multi_add_handle(call->client->multi, call->easy) != CURLM_OK)
		return MR_E_NOMEM;
	return 0;
}

static void on_no_memory(uv_timer_t *t)
{
	fail(t->data, MR_HTTP_NOMEM, "Memory is out.");
}

static void begin_turn(struct mr_http_call *call)
{
	if (launch(call) < 0) /* told from the loop, never from inside of another's end */
		(void)uv_timer_start(&call->timer, on_no_memory, 0, 0); /* cannot fail */
}

static void begin(struct mr_http_client *c, struct mr_http_call *call)
{
	call->config->refs++;
	call->next = c->calls;
	if (c->calls != NULL)
		c->calls->prev = call;
	c->calls = call;
	c->calls_len++;
	c->handles++;
	(void)uv_timer_init(c->loop, &call->timer); /* cannot fail */
	call->timer.data = call;
	uv_update_time(c->loop); /* the loop's own idea of now may be old */
	set_timer(call, call->started_ns);
}

int mr_http_start(struct mr_http_client *c, struct mr_http_request *r)
{
	struct mr_http_call *call = calloc(1, sizeof(*call));
	int e;

	r->call = NULL;
	r->status = 0;
	r->elapsed_us = 0;
	r->message[0] = '\0';
	mr_buf_init(&r->answer_headers, MR_HTTP_MAX_HEADERS);
	mr_buf_init(&r->answer_body, c->config->max_body);
	if (call == NULL)
		return refuse(r, MR_E_NOMEM, "Memory is out.");
	e = prepare(c, r, call);
	if (e < 0) {
		free(call->url);
		free(call);
		return e;
	}
	r->call = call;
	begin(c, call);
	if (mr_http_host_enter(call))
		begin_turn(call);
	return 0;
}

void mr_http_abort(struct mr_http_request *r)
{
	if (r->call != NULL)
		mr_http_call_drop(r->call);
}

void mr_http_request_done(struct mr_http_request *r)
{
	mr_buf_done(&r->answer_headers);
	mr_buf_done(&r->answer_body);
}
