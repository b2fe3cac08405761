#include "tests/support/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_CONNECTIONS 128
#define MAX_REQUEST     262144

struct http_server {
	int fd;
	unsigned port;
	SSL_CTX *ctx; /* NULL: plain */
	char ca_file[64];
	pthread_t thread;
	pthread_mutex_t lock;
	struct connection *open[MAX_CONNECTIONS];
	unsigned connections, requests, tokens;
	char *last;
	bool stopping;
};

struct connection {
	struct http_server *server;
	int fd;
	SSL *ssl;
	pthread_t thread;
};

static ssize_t receive(struct connection *c, char *p, size_t n)
{
	return c->ssl != NULL ? SSL_read(c->ssl, p, (int)n) : recv(c->fd, p, n, 0);
}

static bool send_all(struct connection *c, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w =
		    c->ssl != NULL ? SSL_write(c->ssl, p, (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);

		if (w <= 0)
			return false;
		p += w;
		n -= (size_t)w;
	}
	return true;
}

static bool answer(
    struct connection *c, const char *status, const char *headers, const char *body, size_t len)
{
	char head[1024];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
	    len, headers);

	return send_all(c, head, (size_t)n) && send_all(c, body, len);
}

static bool endless_body(struct connection *c)
{
	static char block[16384];

	memset(block, 'x', sizeof(block));
	if (!send_all(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 47))
		return false;
	while (send_all(c, "4000\r\n", 6) && send_all(c, block, sizeof(block)) &&
	       send_all(c, "\r\n", 2))
		;
	return false;
}

static bool endless_header(struct connection *c)
{
	if (!send_all(c, "HTTP/1.1 200 OK\r\n", 17))
		return false;
	while (send_all(c, "X-More: 0123456789012345678901234567890123456789\r\n", 50))
		;
	return false;
}

/* Says nothing until the other side goes. */
static bool wait_for_end(struct connection *c)
{
	char b[256];

	while (receive(c, b, sizeof(b)) > 0)
		;
	return false;
}

static bool redirect(struct connection *c, const char *path)
{
	char headers[600];
	long status = strtol(path + 10, NULL, 10); /* /redirect/307/<where> */
	char line[32];

	(void)snprintf(line, sizeof(line), "%ld Moved", status);
	(void)snprintf(headers, sizeof(headers), "Location: %.500s\r\n", path + 14);
	return answer(c, line, headers, "", 0);
}

/* An endpoint for OAuth's tokens, "token-1" and so on; what it says of their life is up to the
 * path. */
static bool give_token(struct connection *c, const char *life)
{
	char body[128];
	unsigned n;

	(void)pthread_mutex_lock(&c->server->lock);
	n = ++c->server->tokens;
	(void)pthread_mutex_unlock(&c->server->lock);
	(void)snprintf(body, sizeof(body), "{\"access_token\": \"token-%u\"%s%.40s}", n,
	    life[0] != '\0' ? ", \"expires_in\": " : "", life);
	return answer(c, "200 OK", "Content-Type: application/json\r\n", body, strlen(body));
}

/* For those that have a token with this number or a higher one. */
static bool let_in(struct connection *c, const char *least, const char *request)
{
	const char *p = strstr(request, "Authorization: Bearer token-");

	if (p != NULL && strtol(p + 28, NULL, 10) >= strtol(least, NULL, 10))
		return answer(c, "200 OK", "", request, strlen(request));
	return answer(c, "401 Unauthorized", "", "", 0);
}

/* The paths; returns false when the connection is to be closed. */
static bool serve(struct connection *c, const char *method, const char *path, const char *request)
{
	static const char json[] = "{\"id\": 7, \"items\": [1, 2]}";
	char status[64];

	if (strncmp(path, "/json", 5) == 0)
		return answer(c, "200 OK",
		    "Content-Type: application/json\r\nX-Two: a\r\nX-Two: b\r\n", json,
		    strcmp(method, "HEAD") == 0 ? 0 : sizeof(json) - 1);
	if (strncmp(path, "/echo", 5) == 0)
		return answer(
		    c, "200 OK", "Content-Type: text/plain\r\n", request, strlen(request));
	if (strncmp(path, "/status/", 8) == 0) {
		(void)snprintf(status, sizeof(status), "%ld Whatever", strtol(path + 8, NULL, 10));
		return answer(c, status, "", "the reason", 10);
	}
	if (strncmp(path, "/redirect/", 10) == 0)
		return redirect(c, path);
	if (strncmp(path, "/token/", 7) == 0)
		return give_token(c, path + 7);
	if (strncmp(path, "/private/", 9) == 0)
		return let_in(c, path + 9, request);
	if (strcmp(path, "/no-token") == 0)
		return answer(c, "200 OK", "", "{\"access_token\": 5}", 19);
	if (strcmp(path, "/bad-token") == 0)
		return answer(c, "200 OK", "", "{\"access_token\": \"a b\"}", 23);
	if (strcmp(path, "/loop") == 0)
		return answer(c, "302 Found", "Location: /loop\r\n", "", 0);
	if (strcmp(path, "/to-file") == 0)
		return answer(c, "302 Found", "Location: file:///etc/passwd\r\n", "", 0);
	if (strcmp(path, "/endless") == 0)
		return endless_body(c);
	if (strcmp(path, "/headers") == 0)
		return endless_header(c);
	if (strcmp(path, "/silent") == 0)
		return wait_for_end(c);
	if (strcmp(path, "/large") == 0) /* says so, and would send it */
		return send_all(c, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nx", 50) &&
		       wait_for_end(c);
	if (strcmp(path, "/cut") == 0)
		return send_all(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nx", 41) && false;
	if (strcmp(path, "/binary") == 0)
		return answer(c, "200 OK", "", "\0\1\2\xff", 4);
	if (strcmp(path, "/latin1") == 0)
		return answer(c, "200 OK", "X-Name: Gr\xfc\xdf\r\n", "Gr\xfc\xdf", 4);
	if (strcmp(path, "/badjson") == 0)
		return answer(
		    c, "200 OK", "Content-Type: application/json\r\n", "{\"a\":1,\"a\":2}", 13);
	if (strcmp(path, "/deep") == 0) {
		char deep[4000];

		memset(deep, '[', sizeof(deep));
		return answer(c, "200 OK", "", deep, sizeof(deep));
	}
	if (strcmp(path, "/garbage") == 0)
		return send_all(c, "what is this\r\n\r\n", 16) && false;
	return answer(c, "404 Not Found", "", "", 0);
}

static size_t body_length(const char *head)
{
	const char *p = strcasestr(head, "\r\ncontent-length:");

	return p != NULL ? (size_t)strtoul(p + 17, NULL, 10) : 0;
}

/* One request into B; false at the connection's end. */
static bool read_request(struct connection *c, char *b)
{
	size_t n = 0;
	char *end;

	do {
		ssize_t got = receive(c, b + n, 1);

		if (got <= 0 || n + 2 >= MAX_REQUEST)
			return false;
		b[++n] = '\0';
		end = strstr(b, "\r\n\r\n");
	} while (end == NULL);
	for (size_t left = body_length(b); left > 0 && n + 1 < MAX_REQUEST; left--) {
		if (receive(c, b + n, 1) <= 0)
			return false;
		b[++n] = '\0';
	}
	return true;
}

static void note(struct http_server *s, const char *request)
{
	(void)pthread_mutex_lock(&s->lock);
	s->requests++;
	free(s->last);
	s->last = strdup(request);
	(void)pthread_mutex_unlock(&s->lock);
}

static void converse(struct connection *c)
{
	char *b = malloc(MAX_REQUEST);
	char method[16], path[1024];

	while (b != NULL && read_request(c, b)) {
		note(c->server, b);
		if (sscanf(b, "%15s %1023s", method, path) != 2 || !serve(c, method, path, b))
			break;
	}
	free(b);
}

static void *run_connection(void *arg)
{
	struct connection *c = arg;

	if (c->server->ctx != NULL) {
		c->ssl = SSL_new(c->server->ctx);
		if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_accept(c->ssl) != 1) {
			SSL_free(c->ssl);
			c->ssl = NULL;
			(void)shutdown(c->fd, SHUT_RDWR);
			return NULL;
		}
	}
	converse(c);
	(void)shutdown(c->fd, SHUT_RDWR);
	return NULL;
}

static void *run_server(void *arg)
{
	struct http_server *s = arg;

	for (;;) {
		int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
		struct connection *c;
		int one = 1;

		if (fd < 0)
			return NULL;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c = calloc(1, sizeof(*c));
		(void)pthread_mutex_lock(&s->lock);
		if (c == NULL || s->stopping || s->connections == MAX_CONNECTIONS) {
			(void)pthread_mutex_unlock(&s->lock);
			(void)close(fd);
			free(c);
			continue;
		}
		c->server = s;
		c->fd = fd;
		s->open[s->connections++] = c;
		(void)pthread_create(&c->thread, NULL, run_connection, c);
		(void)pthread_mutex_unlock(&s->lock);
	}
}

/* ---- certificate ---- */

static bool sign(X509 *x, EVP_PKEY *key)
{
	X509_NAME *name = X509_get_subject_name(x);
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)X509_set_version(x, 2);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	(void)X509_set_pubkey(x, key);
	(void)X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	(void)X509_set_issuer_name(x, name);
	X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, "DNS:localhost");
	(void)X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
	return X509_sign(x, key, EVP_sha256()) > 0;
}

static bool make_tls(struct http_server *s)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	bool ok = false;
	FILE *f = NULL;
	int fd;

	(void)snprintf(s->ca_file, sizeof(s->ca_file), "/tmp/mr-ca-XXXXXX");
	fd = mkstemp(s->ca_file);
	if (fd >= 0)
		f = fdopen(fd, "w");
	s->ctx = SSL_CTX_new(TLS_server_method());
	if (key != NULL && x != NULL && f != NULL && s->ctx != NULL && sign(x, key))
		ok = PEM_write_X509(f, x) == 1 && SSL_CTX_use_certificate(s->ctx, x) == 1 &&
		     SSL_CTX_use_PrivateKey(s->ctx, key) == 1;
	if (f != NULL)
		(void)fclose(f);
	X509_free(x);
	EVP_PKEY_free(key);
	return ok;
}

/* ---- life ---- */

struct http_server *http_server_start(bool tls)
{
	struct http_server *s = calloc(1, sizeof(*s));
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);

	(void)signal(SIGPIPE, SIG_IGN);
	s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(s->fd, (struct sockaddr *)&in, sizeof(in)) != 0 || listen(s->fd, 64) != 0 ||
	    getsockname(s->fd, (struct sockaddr *)&in, &len) != 0 || (tls && !make_tls(s))) {
		(void)close(s->fd);
		free(s);
		return NULL;
	}
	s->port = ntohs(in.sin_port);
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_create(&s->thread, NULL, run_server, s);
	return s;
}

void http_server_stop(struct http_server *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->stopping = true;
	(void)pthread_mutex_unlock(&s->lock);
	(void)shutdown(s->fd, SHUT_RDWR);
	(void)pthread_join(s->thread, NULL);
	for (unsigned i = 0; i < s->connections; i++) {
		(void)shutdown(s->open[i]->fd, SHUT_RDWR);
		(void)pthread_join(s->open[i]->thread, NULL);
		SSL_free(s->open[i]->ssl);
		(void)close(s->open[i]->fd);
		free(s->open[i]);
	}
	(void)close(s->fd);
	SSL_CTX_free(s->ctx);
	if (s->ca_file[0] != '\0')
		(void)unlink(s->ca_file);
	(void)pthread_mutex_destroy(&s->lock);
	free(s->last);
	free(s);
}

unsigned http_server_port(const struct http_server *s)
{
	return s->port;
}

const char *http_server_ca_file(const struct http_server *s)
{
	return s->ca_file;
}

unsigned http_server_connections(struct http_server *s)
{
	unsigned n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->connections;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

unsigned http_server_requests(struct http_server *s)
{
	unsigned n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->requests;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

unsigned http_server_tokens(struct http_server *s)
{
	unsigned n;

	(void)pthread_mutex_lock(&s->lock);
	n = s->tokens;
	(void)pthread_mutex_unlock(&s->lock);
	return n;
}

char *http_server_last(struct http_server *s)
{
	char *copy;

	(void)pthread_mutex_lock(&s->lock);
	copy = strdup(s->last != NULL ? s->last : "");
	(void)pthread_mutex_unlock(&s->lock);
	return copy;
}
