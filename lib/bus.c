#include "lib/bus.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/log.h"

#define CHANNELS_MAX   8
#define CHANNEL_MAX    128
#define PAYLOAD_MAX    256
#define UNANSWERED_MAX 10000 /* messages on their way to a Redis that doesn't answer */
#define RETRY_FIRST_MS 100
#define RETRY_MAX_MS   2000

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
	if (!l->subscriber)
		l->bus->unanswered = 0;
	if (!l->bus->closing)
		mr_log(MR_LOG_WARNING, "redis connection lost", MR_F_N("status", status));
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
