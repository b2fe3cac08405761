#include "net/http_client.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>

#include "lib/str.h"
#include "net/http_client_private.h"

/* ---- settings ---- */

struct mr_http_config *mr_http_config_unref(struct mr_http_config *config)
{
	if (config == NULL || --config->refs > 0)
		return NULL;
	config->guard = mr_address_guard_free(config->guard);
	curl_slist_free_all(config->connect_to);
	X509_STORE_free(config->store);
	free(config);
	return NULL;
}

/* "host:port:address" or "host:port:address:port", the address perhaps [IPv6]. Curl wants the
 * second form; without its port, the first one's is taken. */
static bool connect_to_entry(struct mr_str s, char *out, size_t out_len)
{
	struct mr_str rest = s;
	struct mr_str host = mr_str_cut(&rest, ':');
	struct mr_str port = mr_str_cut(&rest, ':');
	struct mr_str to_port;
	size_t address_len = 0;
	uint64_t n;

	if (host.len == 0 || rest.len == 0 || !mr_str_u64(port, &n) || n == 0 || n > 65535)
		return false;
	if (rest.p[0] == '[') {
		const char *end = memchr(rest.p, ']', rest.len);

		if (end == NULL)
			return false;
		address_len = (size_t)(end - rest.p) + 1;
	} else {
		while (address_len < rest.len && rest.p[address_len] != ':')
			address_len++;
	}
	to_port = (struct mr_str){ rest.p + address_len, rest.len - address_len };
	if (address_len == 0 || address_len > 64 || host.len > 253)
		return false;
	if (to_port.len > 0) {
		to_port.p++;
		to_port.len--;
		if (!mr_str_u64(to_port, &n) || n == 0 || n > 65535)
			return false;
	} else {
		to_port = port;
	}
	return snprintf(out, out_len, "%.*s:%.*s:%.*s:%.*s", MR_STR_ARG(host), MR_STR_ARG(port),
	           (int)address_len, rest.p, MR_STR_ARG(to_port)) < (int)out_len;
}

static int read_resolve(
    struct mr_http_config *config, const struct mr_http_options *o, struct mr_error *err)
{
	struct mr_str rest = mr_str(o->resolve != NULL ? o->resolve : "");
	char entry[512];

	while (rest.p != NULL) {
		struct mr_str s = mr_str_trim(mr_str_cut(&rest, ' '));
		struct curl_slist *more;

		if (s.len == 0)
			continue;
		if (!connect_to_entry(s, entry, sizeof(entry)))
			return mr_error_set(err, MR_E_INVALID, MR_ERR_VALIDATION_FAILED,
			    "%s_resolve: \"%.*s\" is not host:port:address.", o->prefix,
			    (int)(s.len < 80 ? s.len : 80), s.p);
		more = curl_slist_append(config->connect_to, entry);
		if (more == NULL)
			return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "Out of memory.");
		config->connect_to = more;
	}
	return 0;
}

/* The system's authorities, read when needed from OpenSSL's folder, and the operator's. Built
 * once: libcurl would read the whole bundle again for each connection. */
static int read_authorities(
    struct mr_http_config *config, const struct mr_http_options *o, struct mr_error *err)
{
	config->store = X509_STORE_new();
	if (config->store == NULL)
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "Out of memory.");
	X509_STORE_set_flags(config->store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
	(void)X509_STORE_set_default_paths(config->store); /* none: then nobody is trusted */
	ERR_clear_error();
	if (o->ca_file == NULL || o->ca_file[0] == '\0')
		return 0;
	if (X509_STORE_load_file(config->store, o->ca_file) == 1)
		return 0;
	ERR_clear_error();
	return mr_error_set(err, MR_E_INVALID, MR_ERR_VALIDATION_FAILED,
	    "%s_ca_file: no certificates could be read from \"%.150s\".", o->prefix, o->ca_file);
}

static int read_config(
    const struct mr_http_options *o, struct mr_http_config **ret, struct mr_error *err)
{
	struct mr_http_config *config = calloc(1, sizeof(*config));
	int r;

	if (config == NULL)
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "Out of memory.");
	config->refs = 1;
	config->max_body = (size_t)o->max_body_bytes;
	config->https_only = o->https_only;
	r = mr_address_guard_create(o->prefix, o->allowed_addresses, &config->guard, err);
	if (r == 0)
		r = read_resolve(config, o, err);
	if (r == 0)
		r = read_authorities(config, o, err);
	if (r < 0) {
		config = mr_http_config_unref(config);
		return r;
	}
	*ret = config;
	return 0;
}

/* ---- libcurl on libuv ---- */

/* Ends the calls that curl has finished. done() may start, abort or close. */
static void end_finished(struct mr_http_client *c)
{
	CURLMsg *m;
	int left;

	while (c->multi != NULL && (m = curl_multi_info_read(c->multi, &left)) != NULL) {
		struct mr_http_call *call = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		mr_http_call_hop_ended(call, m->data.result);
	}
}

static void on_curl_time(uv_timer_t *t)
{
	struct mr_http_client *c = t->data;
	int running;

	(void)curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	end_finished(c);
}

static int set_curl_time(CURLM *multi, long ms, void *ctx)
{
	struct mr_http_client *c = ctx;

	(void)multi;
	if (c->closing)
		return 0;
	if (ms < 0)
		(void)uv_timer_stop(&c->timer);
	else
		(void)uv_timer_start(&c->timer, on_curl_time, (uint64_t)ms, 0);
	return 0;
}

static void on_socket_closed(uv_handle_t *h)
{
	struct mr_http_socket *s = h->data;
	struct mr_http_client *c = s->client;

	free(s);
	mr_http_handle_closed(c);
}

static void drop_socket(struct mr_http_socket *s)
{
	if (s->prev != NULL)
		s->prev->next = s->next;
	else
		s->client->sockets = s->next;
	if (s->next != NULL)
		s->next->prev = s->prev;
	(void)uv_poll_stop(&s->poll);
	uv_close((uv_handle_t *)&s->poll, on_socket_closed);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct mr_http_socket *s = poll->data;
	struct mr_http_client *c = s->client;
	int flags = 0;
	int running;
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)poll, &fd) != 0)
		return;
	if (status < 0)
		flags = CURL_CSELECT_ERR;
	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	(void)curl_multi_socket_action(c->multi, fd, flags, &running);
	end_finished(c);
}

static struct mr_http_socket *add_socket(struct mr_http_client *c, curl_socket_t fd)
{
	struct mr_http_socket *s = calloc(1, sizeof(*s));

	if (s == NULL || uv_poll_init(c->loop, &s->poll, fd) != 0) {
		free(s);
		return NULL;
	}
	s->poll.data = s;
	s->client = c;
	s->next = c->sockets;
	if (c->sockets != NULL)
		c->sockets->prev = s;
	c->sockets = s;
	c->handles++;
	(void)curl_multi_assign(c->multi, fd, s);
	return s;
}

/* Curl says what it waits for on FD. Failing here would make the whole multi handle unusable, so
 * without memory the one call is left to its deadline. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
	struct mr_http_client *c = ctx;
	struct mr_http_socket *s = socket_ctx;
	int events = 0;

	(void)easy;
	if (c->closing) /* all are dropped already */
		return 0;
	if (what == CURL_POLL_REMOVE) {
		if (s != NULL)
			drop_socket(s);
		return 0;
	}
	if (s == NULL)
		s = add_socket(c, fd);
	if (s == NULL)
		return 0;
	if (what & CURL_POLL_IN)
		events |= UV_READABLE;
	if (what & CURL_POLL_OUT)
		events |= UV_WRITABLE;
	(void)uv_poll_start(&s->poll, events, on_ready);
	return 0;
}

/* ---- life ---- */

static int create_multi(struct mr_http_client *c, const struct mr_http_options *o)
{
	long max = (long)o->max_connections;

	c->multi = curl_multi_init();
	if (c->multi == NULL)
		return MR_E_NOMEM;
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	(void)curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	(void)curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, set_curl_time);
	(void)curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	(void)curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max);
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, max);
	(void)curl_multi_setopt(c->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
	    max < MR_HTTP_MAX_PER_HOST ? max : (long)MR_HTTP_MAX_PER_HOST);
	return 0;
}

/* What this module relies on: name look-up in a thread, and OpenSSL for our own authorities. */
static int check_libcurl(struct mr_error *err)
{
	const curl_version_info_data *v;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "libcurl does not start.");
	v = curl_version_info(CURLVERSION_NOW);
	if ((v->features & CURL_VERSION_ASYNCHDNS) == 0 || v->ssl_version == NULL ||
	    strncmp(v->ssl_version, "OpenSSL/", 8) != 0)
		return mr_error_set(err, MR_E_INVALID, MR_ERR_INTERNAL,
		    "This libcurl lacks OpenSSL or asynchronous name look-up.");
	return 0;
}

int mr_http_client_create(uv_loop_t *loop, struct mr_http_options options,
    struct mr_http_client **ret, struct mr_error *err)
{
	struct mr_http_config *config = NULL;
	struct mr_http_client *c;
	int r = check_libcurl(err);

	if (r == 0)
		r = read_config(&options, &config, err);
	if (r < 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (c == NULL || create_multi(c, &options) < 0) {
		config = mr_http_config_unref(config);
		free(c);
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "Out of memory.");
	}
	c->loop = loop;
	c->config = config;
	(void)uv_timer_init(loop, &c->timer); /* cannot fail */
	c->timer.data = c;
	c->handles = 1;
	*ret = c;
	return 0;
}

int mr_http_client_reload(
    struct mr_http_client *c, struct mr_http_options options, struct mr_error *err)
{
	struct mr_http_config *config;
	int r = read_config(&options, &config, err);

	if (r < 0)
		return r;
	(void)mr_http_config_unref(c->config);
	c->config = config;
	return 0;
}

void mr_http_handle_closed(struct mr_http_client *c)
{
	if (--c->handles > 0 || !c->closing)
		return;
	(void)mr_http_config_unref(c->config);
	if (c->closed != NULL)
		c->closed(c->closed_ctx);
	free(c);
}

static void on_timer_closed(uv_handle_t *h)
{
	mr_http_handle_closed(h->data);
}

void mr_http_client_close(struct mr_http_client *c, void (*closed)(void *ctx), void *ctx)
{
	CURLM *multi;

	if (c == NULL) {
		if (closed != NULL)
			closed(ctx);
		return;
	}
	while (c->calls != NULL)
		mr_http_call_drop(c->calls);
	c->closing = true;
	c->closed = closed;
	c->closed_ctx = ctx;
	/* the polls go first: curl closes the sockets beneath them */
	while (c->sockets != NULL)
		drop_socket(c->sockets);
	multi = c->multi;
	c->multi = NULL;
	(void)curl_multi_cleanup(multi);
	uv_close((uv_handle_t *)&c->timer, on_timer_closed);
}

unsigned mr_http_in_flight(const struct mr_http_client *c)
{
	return c->calls_len;
}
