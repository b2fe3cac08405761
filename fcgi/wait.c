#include "fcgi/wait.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/coro.h"
#include "lib/error.h"

#define TICK_MS 20u /* how exact deadlines are */
#define RECENT                                                                                     \
	1024u /* ended runs that are remembered, for who names his run late; a power of two */

struct mr_wait {
	uv_loop_t *loop;
	uv_timer_t timer;        /* runs only while somebody waits */
	struct mr_waiter *first; /* all registered, the newest first */
	unsigned len;
	int64_t recent[RECENT]; /* ring of run ids */
	uint64_t messages; /* so many came; the last stands at recent[(messages - 1) % RECENT] */
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/* The waiter goes on, in its own coroutine; when this comes back it may be gone. */
static void wake(struct mr_waiter *waiter)
{
	struct mr_coro *coro = waiter->coro;

	waiter->coro = NULL;
	mr_coro_resume(coro);
}

static struct mr_waiter *find(struct mr_wait *w, int64_t run_id)
{
	for (struct mr_waiter *x = w->first; x != NULL; x = x->next) {
		if (x->run_id == run_id && x->coro != NULL)
			return x;
	}
	return NULL;
}

static void on_message(void *ctx, struct mr_str channel, struct mr_str payload)
{
	struct mr_wait *w = ctx;
	struct mr_waiter *waiter;
	int64_t run_id;

	(void)channel;
	if (!mr_str_i64(payload, &run_id))
		return;
	w->recent[w->messages++ % RECENT] = run_id;
	/* one run has few waiters; each round takes one that waits out of the list of those */
	for (unsigned n = w->len; n > 0 && (waiter = find(w, run_id)) != NULL; n--) {
		waiter->ended = true;
		wake(waiter);
	}
}

static struct mr_waiter *find_late(struct mr_wait *w, uint64_t now)
{
	for (struct mr_waiter *x = w->first; x != NULL; x = x->next) {
		if (x->coro != NULL && now >= x->deadline_ms)
			return x;
	}
	return NULL;
}

static void on_timer(uv_timer_t *t)
{
	struct mr_wait *w = t->data;
	uint64_t now = uv_now(w->loop);
	struct mr_waiter *waiter;

	/* who wakes may wait again at once, so the rounds are counted */
	for (unsigned n = w->len; n > 0 && (waiter = find_late(w, now)) != NULL; n--) {
		waiter->timed_out = true;
		wake(waiter);
	}
}

static void on_abort(struct mr_request *r)
{
	struct mr_waiter *waiter = r->on_abort_ctx;

	if (waiter->coro != NULL)
		wake(waiter);
}

/* Was the run's end announced after the waiter began? Counts what was overwritten as not. */
static bool was_announced(const struct mr_wait *w, const struct mr_waiter *waiter)
{
	uint64_t from = w->messages > RECENT ? w->messages - RECENT : 0;

	if (from < waiter->seen)
		from = waiter->seen;
	for (uint64_t i = from; i < w->messages; i++) {
		if (w->recent[i % RECENT] == waiter->run_id)
			return true;
	}
	return false;
}

void mr_waiter_begin(struct mr_wait *w, struct mr_waiter *waiter, struct mr_request *r)
{
	*waiter = (struct mr_waiter){ .request = r, .seen = w->messages, .next = w->first };
	if (w->first != NULL)
		w->first->prev = waiter;
	w->first = waiter;
	w->len++;
}

bool mr_waiter_wait(struct mr_wait *w, struct mr_waiter *waiter, int64_t run_id, int64_t timeout_ms)
{
	struct mr_request *r = waiter->request;

	waiter->run_id = run_id;
	waiter->ended = was_announced(w, waiter);
	waiter->timed_out = !waiter->ended && timeout_ms <= 0;
	if (waiter->ended || waiter->timed_out || r->aborted) {
		waiter->seen = w->messages; /* the same message doesn't count twice */
		return waiter->ended;
	}
	waiter->deadline_ms = uv_now(w->loop) + (uint64_t)timeout_ms;
	if (!uv_is_active((uv_handle_t *)&w->timer))
		(void)uv_timer_start(
		    &w->timer, on_timer, TICK_MS, TICK_MS); /* fails only without callback */
	r->on_abort = on_abort;
	r->on_abort_ctx = waiter;
	waiter->coro = mr_coro_self();
	mr_coro_yield();
	r->on_abort = NULL;
	r->on_abort_ctx = NULL;
	waiter->seen = w->messages;
	return waiter->ended;
}

void mr_waiter_end(struct mr_wait *w, struct mr_waiter *waiter)
{
	if (waiter->next != NULL)
		waiter->next->prev = waiter->prev;
	if (waiter->prev != NULL)
		waiter->prev->next = waiter->next;
	else
		w->first = waiter->next;
	w->len--;
	if (w->len == 0)
		(void)uv_timer_stop(&w->timer); /* always 0 */
}

struct mr_wait *mr_wait_create(uv_loop_t *loop, struct mr_bus *bus, const char *worker_name)
{
	struct mr_wait *w = calloc(1, sizeof(*w));
	char channel[128];
	int n;

	if (w == NULL)
		return NULL;
	n = snprintf(channel, sizeof(channel), "%s:%s", MR_BUS_WAIT, worker_name);
	if (n < 0 || (size_t)n >= sizeof(channel) ||
	    mr_bus_subscribe(bus, channel, on_message, w) < 0) {
		free(w);
		return NULL;
	}
	w->loop = loop;
	w->timer.data = w;
	(void)uv_timer_init(loop, &w->timer); /* always 0 */
	return w;
}

void mr_wait_drain(struct mr_wait *w)
{
	for (struct mr_waiter *x = w->first; x != NULL; x = x->next)
		x->deadline_ms = 0; /* at the timer's next turn */
}

unsigned mr_wait_len(const struct mr_wait *w)
{
	return w->len;
}

static void on_closed(uv_handle_t *handle)
{
	struct mr_wait *w = handle->data;
	void (*closed)(void *) = w->closed;
	void *ctx = w->closed_ctx;

	free(w);
	if (closed != NULL)
		closed(ctx);
}

void mr_wait_close(struct mr_wait *w, void (*closed)(void *ctx), void *ctx)
{
	w->closed = closed;
	w->closed_ctx = ctx;
	uv_close((uv_handle_t *)&w->timer, on_closed);
}
