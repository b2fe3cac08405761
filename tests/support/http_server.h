/* A small HTTP/1.1 server on loopback, plain or TLS, in threads of its own, for tests of what
 * calls out. It misbehaves on request; see http_server.c for the paths it knows. */
#ifndef MR_TESTS_SUPPORT_HTTP_SERVER_H
#define MR_TESTS_SUPPORT_HTTP_SERVER_H

#include <stdbool.h>

struct http_server;

/* TLS: with a certificate for "localhost" made on the spot. NULL when it can't listen. */
struct http_server *http_server_start(bool tls);
void http_server_stop(struct http_server *s);
unsigned http_server_port(const struct http_server *s);
/* The TLS server's certificate, PEM, in a file that stop removes. */
const char *http_server_ca_file(const struct http_server *s);
unsigned http_server_connections(struct http_server *s);
unsigned http_server_requests(struct http_server *s);
unsigned http_server_tokens(struct http_server *s); /* that were given out */
/* Head and body of the last request; the caller frees. */
char *http_server_last(struct http_server *s);

#endif
