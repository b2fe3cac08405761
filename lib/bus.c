#include "lib/bus.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/error.h"
#include "lib/log.h"

#define CHANNELS_MAX   8
#define CHANNEL_MAX    128
#define PAYLOAD_MAX    256
#define UNANSWERED_MAX 10000 /* messages on their way to a Redis that doesn't answer */
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   2000
#define SILENT_MS      5000 /* a peer that doesn't even take bytes any more is gone */
#define SHA_LEN        40
#define CALL_MAX       512 /* one call of the script, as it is sent */

struct channel {
	char name[CHANNEL_MAX];
	mr_bus_fn *fn;
	void *ctx;
};

/* Where Redis is. */
struct target {
	char password[256];
	char host[256]; /* or the socket's path */
	int port;       /* 0: a socket */
};

struct link {
	struct mr_bus *bus;
	redisAsyncContext *c; /* NULL while down; freed by hiredis at disconnect */
	bool up;
	bool subscriber;
};

struct mr_bus {
	uv_loop_t *loop;
	struct mr_pg *pg; /* carries the messages when there is no Redis */
	bool redis;
	struct target target;
	struct channel channels[CHANNELS_MAX];
	unsigned channels_len;
	struct link publisher, subscriber;
	unsigned unanswered;
	const char *script;    /* NULL: there is none */
	char sha[SHA_LEN + 1]; /* its name in Redis; empty: not known on this connection yet */
	unsigned retry_ms;
	uv_timer_t timer;
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* ---- receiving ---- */

static void deliver(struct mr_bus *bus, struct mr_str channel, struct mr_str payload)
{
	for (unsigned i = 0; i < bus->channels_len; i++) {
		struct channel *c = &bus->channels[i];

		if (mr_str_eqz(channel, c->name))
			c->fn(c->ctx, channel, payload);
	}
}

/* NOTIFY has one channel for all of ours: "channel payload". */
static void on_notification(void *ctx, struct mr_str text)
{
	struct mr_str channel = mr_str_cut(&text, ' ');

	deliver(ctx, channel, text.p != NULL ? text : MR_STR(""));
}

static struct mr_str reply_text(const redisReply *r)
{
	return r->type == REDIS_REPLY_STRING ? (struct mr_str){ r->str, (size_t)r->len }
	                                     : MR_STR_NONE;
}

static void on_message(redisAsyncContext *c, void *reply, void *ctx)
{
	const redisReply *r = reply;

	(void)c;
	if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements != 3)
		return;
	if (mr_str_eqz(reply_text(r->element[0]), "message"))
		deliver(ctx, reply_text(r->element[1]), reply_text(r->element[2]));
}

static void on_answer(redisAsyncContext *c, void *reply, void *ctx)
{
	struct mr_bus *bus = ctx;

	(void)c;
	(void)reply;
	if (bus->unanswered > 0)
		bus->unanswered--;
}

/* ---- the script ---- */

static void on_loaded(redisAsyncContext *c, void *reply, void *ctx)
{
	struct mr_bus *bus = ctx;
	const redisReply *r = reply;

	(void)c;
	if (r == NULL)
		return; /* the connection was lost */
	if (r->type == REDIS_REPLY_STRING && (size_t)r->len == SHA_LEN) {
		memcpy(bus->sha, r->str, SHA_LEN);
		bus->sha[SHA_LEN] = '\0';
		return;
	}
	mr_log(MR_LOG_ERROR, "redis refused the script",
	    MR_F_Z("detail", r->type == REDIS_REPLY_ERROR ? r->str : ""));
}

static void load_script(struct mr_bus *bus)
{
	(void)redisAsyncCommand(bus->publisher.c, on_loaded, bus, "SCRIPT LOAD %s",
	    bus->script); /* lost: then so is the connection */
}

static void end_call(struct mr_bus_call *call, const redisReply *r)
{
	int64_t answer[MR_BUS_NUMBERS];
	bool good = r != NULL && r->type == REDIS_REPLY_ARRAY && r->elements == MR_BUS_NUMBERS;

	for (size_t i = 0; good && i < MR_BUS_NUMBERS; i++) {
		good = r->element[i]->type == REDIS_REPLY_INTEGER;
		answer[i] = good ? r->element[i]->integer : 0;
	}
	call->fn(call,
	    r == NULL ? MR_E_UNAVAILABLE
	    : good    ? 0
	              : MR_E_INVALID,
	    good ? answer : NULL);
}

static void on_called(redisAsyncContext *c, void *reply, void *ctx)
{
	(void)c;
	end_call(ctx, reply);
}

/* Redis has forgotten the script (SCRIPT FLUSH): once more with its text, which it then keeps. */
static int call_by_text(struct mr_bus *bus, struct mr_bus_call *call)
{
	int r = redisAsyncCommand(bus->publisher.c, on_called, call, "EVAL %s 1 %s %lld %lld",
	    bus->script, call->key, (long long)call->arguments[0], (long long)call->arguments[1]);

	return r == REDIS_OK ? 0 : MR_E_UNAVAILABLE;
}

static void on_called_by_name(redisAsyncContext *c, void *reply, void *ctx)
{
	struct mr_bus_call *call = ctx;
	const redisReply *r = reply;

	(void)c;
	if (r != NULL && r->type == REDIS_REPLY_ERROR && strncmp(r->str, "NOSCRIPT", 8) == 0 &&
	    call->bus->publisher.up && call_by_text(call->bus, call) == 0)
		return;
	end_call(call, r);
}

void mr_bus_set_script(struct mr_bus *bus, const char *text)
{
	bus->script = text;
	if (bus->publisher.c != NULL)
		load_script(bus); /* greeted before it was known */
}

int mr_bus_call(struct mr_bus *bus, struct mr_bus_call *call)
{
	char a[24], b[24], text[CALL_MAX];
	int a_len, b_len, len;

	if (!bus->redis || !bus->publisher.up || bus->sha[0] == '\0')
		return MR_E_UNAVAILABLE;
	call->bus = bus;
	/* written out here: hiredis would take longer than Redis does */
	a_len = snprintf(a, sizeof(a), "%" PRId64, call->arguments[0]);
	b_len = snprintf(b, sizeof(b), "%" PRId64, call->arguments[1]);
	len = snprintf(text, sizeof(text),
	    "*6\r\n$7\r\nEVALSHA\r\n$40\r\n%s\r\n$1\r\n1\r\n$%zu\r\n%s\r\n$%d\r\n%s\r\n$%d\r\n%"
	    "s\r\n",
	    bus->sha, strlen(call->key), call->key, a_len, a, b_len, b);
	if (len < 0 || (size_t)len >= sizeof(text))
		return MR_E_UNAVAILABLE;
	return redisAsyncFormattedCommand(
	           bus->publisher.c, on_called_by_name, call, text, (size_t)len) == REDIS_OK
	           ? 0
	           : MR_E_UNAVAILABLE;
}

/* ---- hiredis on our loop ----
 * Its own adapter for libuv overlooks errors of the socket (a refused connection is never
 * noticed), so this is ours. */

struct watch {
	uv_poll_t poll;
	redisAsyncContext *c; /* NULL once hiredis has let go */
	int events;
};

static void on_socket(uv_poll_t *poll, int status, int events)
{
	struct watch *w = MR_CONTAINER(poll, struct watch, poll);

	if (status < 0) /* the handlers meet the error and end the connection */
		events = UV_READABLE | UV_WRITABLE;
	if (w->c != NULL && (events & UV_WRITABLE) != 0)
		redisAsyncHandleWrite(w->c);
	if (w->c != NULL && (events & UV_READABLE) != 0)
		redisAsyncHandleRead(w->c);
}

static void watch_events(struct watch *w, int events)
{
	w->events = events;
	if (events == 0)
		(void)uv_poll_stop(&w->poll); /* always 0 */
	else
		(void)uv_poll_start(
		    &w->poll, events, on_socket); /* fails only for a closed handle */
}

static void add_read(void *data)
{
	struct watch *w = data;

	watch_events(w, w->events | UV_READABLE);
}

static void del_read(void *data)
{
	struct watch *w = data;

	watch_events(w, w->events & ~UV_READABLE);
}

static void add_write(void *data)
{
	struct watch *w = data;

	watch_events(w, w->events | UV_WRITABLE);
}

static void del_write(void *data)
{
	struct watch *w = data;

	watch_events(w, w->events & ~UV_WRITABLE);
}

static void on_watch_closed(uv_handle_t *handle)
{
	free(MR_CONTAINER(handle, struct watch, poll));
}

static void let_go(void *data)
{
	struct watch *w = data;

	w->c = NULL;
	uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static int attach(redisAsyncContext *c, uv_loop_t *loop)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return MR_E_NOMEM;
	if (uv_poll_init(loop, &w->poll, c->c.fd) != 0) {
		free(w);
		return MR_E_IO;
	}
	w->c = c;
	c->ev.data = w;
	c->ev.addRead = add_read;
	c->ev.delRead = del_read;
	c->ev.addWrite = add_write;
	c->ev.delWrite = del_write;
	c->ev.cleanup = let_go;
	return 0;
}

/* ---- connecting ---- */

static void on_auth(redisAsyncContext *c, void *reply, void *ctx)
{
	const redisReply *r = reply;

	(void)c;
	(void)ctx;
	if (r != NULL && r->type == REDIS_REPLY_ERROR)
		mr_log(
		    MR_LOG_ERROR, "redis refused the password", MR_F_Z("reason", "authentication"));
}

static void greet(struct link *l)
{
	struct mr_bus *bus = l->bus;

	if (bus->target.password[0] != '\0')
		(void)redisAsyncCommand(
		    l->c, on_auth, NULL, "AUTH %s", bus->target.password); /* lost: retried */
	if (!l->subscriber && bus->script != NULL)
		load_script(bus);
	for (unsigned i = 0; l->subscriber && i < bus->channels_len; i++)
		(void)redisAsyncCommand(
		    l->c, on_message, bus, "SUBSCRIBE %s", bus->channels[i].name); /* same */
}

static void on_connect(const redisAsyncContext *c, int status)
{
	struct link *l = c->data;

	if (status != REDIS_OK) {
		l->c = NULL; /* hiredis frees it */
		return;
	}
	l->up = true;
	l->bus->retry_ms = RETRY_FIRST_MS;
}

static void on_disconnect(const redisAsyncContext *c, int status)
{
	struct link *l = c->data;

	l->c = NULL; /* hiredis frees it */
	l->up = false;
	if (!l->subscriber) {
		l->bus->unanswered = 0;
		l->bus->sha[0] = '\0';
	}
	if (!l->bus->closing)
		mr_log(MR_LOG_WARNING, "redis connection lost", MR_F_N("status", status));
}

/* Else a peer that vanished without a word would be waited for until the system gives up, which
 * takes a quarter of an hour. */
static void notice_silence(int fd)
{
	static const int on = 1, silent_ms = SILENT_MS, idle_s = SILENT_MS / 1000, every_s = 1;

	/* not for every kind of socket; without them it takes longer */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof(silent_ms));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
}

static void open_link(struct link *l)
{
	struct mr_bus *bus = l->bus;
	redisAsyncContext *c = bus->target.port == 0
	                           ? redisAsyncConnectUnix(bus->target.host)
	                           : redisAsyncConnect(bus->target.host, bus->target.port);

	if (c == NULL)
		return;
	if (c->err != 0) {
		redisAsyncFree(c);
		return;
	}
	c->data = l;
	if (attach(c, bus->loop) < 0) {
		redisAsyncFree(c);
		return;
	}
	l->c = c;
	notice_silence(c->c.fd);
	(void)redisAsyncSetConnectCallback(c, on_connect);
	(void)redisAsyncSetDisconnectCallback(c, on_disconnect);
	greet(l);
}

static void on_timer(uv_timer_t *timer)
{
	struct mr_bus *bus = timer->data;
	bool down = bus->publisher.c == NULL || bus->subscriber.c == NULL;

	if (bus->publisher.c == NULL)
		open_link(&bus->publisher);
	if (bus->subscriber.c == NULL && bus->channels_len > 0)
		open_link(&bus->subscriber);
	if (down)
		bus->retry_ms = bus->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : bus->retry_ms * 2;
	(void)uv_timer_start(timer, on_timer, bus->retry_ms, 0); /* always 0 */
}

/* ---- the address ---- */

static int copy(char *out, size_t cap, struct mr_str s)
{
	if (s.len >= cap || s.len == 0)
		return MR_E_INVALID;
	memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	return 0;
}

static int parse_url(const char *url, struct target *t)
{
	struct mr_str rest = mr_str(url), host, port;
	const char *at = strrchr(url, '@');
	bool socket = mr_str_starts(rest, MR_STR("redis+unix://"));
	uint64_t n = 6379;

	memset(t, 0, sizeof(*t));
	if (!socket && !mr_str_starts(rest, MR_STR("redis://")))
		return MR_E_INVALID;
	rest.p = strstr(url, "//") + 2;
	if (at != NULL && at >= rest.p) {
		struct mr_str user = { rest.p, (size_t)(at - rest.p) };

		(void)mr_str_cut(&user, ':'); /* a user's name is not used */
		if (user.p == NULL || copy(t->password, sizeof(t->password), user) < 0)
			return MR_E_INVALID;
		rest.p = at + 1;
	}
	rest.len = strlen(rest.p);
	if (socket)
		return copy(t->host, sizeof(t->host), rest);
	port = mr_str_cut(&rest, '/');
	host = mr_str_cut(&port, ':');
	if (port.p != NULL && (!mr_str_u64(port, &n) || n == 0 || n > 65535))
		return MR_E_INVALID;
	t->port = (int)n;
	return copy(t->host, sizeof(t->host), host);
}

/* ---- public ---- */

struct mr_bus *mr_bus_create(uv_loop_t *loop, const char *redis_url, struct mr_pg *pg)
{
	struct mr_bus *bus = calloc(1, sizeof(*bus));

	if (bus == NULL)
		return NULL;
	bus->loop = loop;
	bus->pg = pg;
	bus->redis = redis_url != NULL && redis_url[0] != '\0';
	bus->retry_ms = RETRY_FIRST_MS;
	bus->publisher.bus = bus->subscriber.bus = bus;
	bus->subscriber.subscriber = true;
	if (bus->redis && parse_url(redis_url, &bus->target) < 0) {
		free(bus);
		return NULL;
	}
	bus->timer.data = bus;
	(void)uv_timer_init(loop, &bus->timer); /* always 0 */
	if (bus->redis) {
		open_link(&bus->publisher);
		(void)uv_timer_start(
		    &bus->timer, on_timer, 0, 0); /* subscribes once the channels are known */
	}
	return bus;
}

int mr_bus_subscribe(struct mr_bus *bus, const char *channel, mr_bus_fn *fn, void *ctx)
{
	struct channel *c = &bus->channels[bus->channels_len];

	if (bus->channels_len == CHANNELS_MAX ||
	    copy(c->name, sizeof(c->name), mr_str(channel)) < 0)
		return MR_E_LIMIT;
	c->fn = fn;
	c->ctx = ctx;
	bus->channels_len++;
	if (!bus->redis && bus->channels_len == 1)
		return mr_pg_listen(bus->pg, on_notification, bus);
	return 0;
}

static void publish_by_notify(struct mr_bus *bus, struct mr_str channel, struct mr_str payload)
{
	char text[CHANNEL_MAX + PAYLOAD_MAX + 2];
	int n = snprintf(text, sizeof(text), "%.*s %.*s", MR_STR_ARG(channel), MR_STR_ARG(payload));

	if (n > 0 && (size_t)n < sizeof(text))
		mr_pg_notify(bus->pg, (struct mr_str){ text, (size_t)n });
}

void mr_bus_publish(struct mr_bus *bus, struct mr_str channel, struct mr_str payload)
{
	struct link *l = &bus->publisher;

	if (!bus->redis) {
		publish_by_notify(bus, channel, payload);
		return;
	}
	if (l->c == NULL || !l->up || bus->unanswered >= UNANSWERED_MAX)
		return;
	if (redisAsyncCommand(l->c, on_answer, bus, "PUBLISH %b %b", channel.p, channel.len,
	        payload.p, payload.len) == REDIS_OK)
		bus->unanswered++;
}

bool mr_bus_is_up(const struct mr_bus *bus)
{
	return bus->redis ? bus->publisher.up : mr_pg_is_up(bus->pg);
}

static void on_closed(uv_handle_t *handle)
{
	struct mr_bus *bus = handle->data;

	if (bus->closed != NULL)
		bus->closed(bus->closed_ctx);
	free(bus);
}

void mr_bus_close(struct mr_bus *bus, void (*closed)(void *ctx), void *ctx)
{
	bus->closing = true;
	bus->closed = closed;
	bus->closed_ctx = ctx;
	if (bus->publisher.c != NULL)
		redisAsyncFree(bus->publisher.c);
	if (bus->subscriber.c != NULL)
		redisAsyncFree(bus->subscriber.c);
	uv_close((uv_handle_t *)&bus->timer, on_closed);
}
