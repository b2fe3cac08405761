#include "auth/limiter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/coro.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/window.h"

#define WINDOWS_MAX  4096u
#define TICKS        4        /* turns of the timer within which Redis must answer */
#define REMEMBER_US  1000000  /* how long a refusal is told again without asking */
#define SAY_AGAIN_US 10000000 /* a Redis that comes and goes doesn't fill the log */

/*
 * What lib/window.c does, by Redis's clock, in one string: what is used, how much of it in the
 * newest bucket, the numbers of the newest and the oldest; then the other buckets by number
 * modulo 61. Until a bucket ends only the first 24 bytes are read and written. A newest bucket that
 * lies ahead of the clock, which was set back, is counted in. Answers whether it is allowed, what
 * is used, and in how many microseconds the oldest leaves.
 */
static const char script[] =
    "local call, key = redis.call, KEYS[1]\n"
    "local t = call('TIME')\n"
    "local now, limit, width = t[1] * 1000000 + t[2], ARGV[1] + 0, ARGV[2] + 0\n"
    "local k = math.floor(now / width)\n"
    "local used, here, newest, oldest, ring = 0, 0, k, k, nil\n"
    "local s = call('GETRANGE', key, '0', '23')\n"
    "if s ~= '' then used, here, newest, oldest = struct.unpack('<I4I4dd', s) end\n"
    "if s == '' or newest < k - 60 or newest > k + 60 then\n" /* all left, or a clock was set */
    "  used, here, newest, oldest = 0, 0, k, k\n"
    "  ring = string.rep('\\0', 244)\n"
    "elseif newest < k then\n"
    "  local form = '<' .. string.rep('I4', 61)\n"
    "  local r = { struct.unpack(form, call('GETRANGE', key, '24', '267')) }\n"
    "  r[newest % 61 + 1] = here\n"
    "  for n = newest + 1, k do\n"
    "    local i = n % 61 + 1\n"
    "    used, r[i] = used - r[i], 0\n"
    "  end\n"
    "  while oldest < k and (oldest < k - 60 or r[oldest % 61 + 1] == 0) do oldest = oldest + 1 "
    "end\n"
    "  newest, here = k, 0\n"
    "  ring = struct.pack(form, unpack(r, 1, 61))\n"
    "end\n"
    "local allowed = 0\n"
    "if used < limit then allowed, used, here = 1, used + 1, here + 1 end\n"
    "if ring then\n"
    "  call('SET', key, struct.pack('<I4I4dd', used, here, newest, oldest) .. ring, 'PX', "
    "math.ceil(width * 61 / 1000) + 1000)\n"
    "elseif allowed == 1 then\n"
    "  call('SETRANGE', key, '0', struct.pack('<I4I4dd', used, here, newest, oldest))\n"
    "end\n"
    "return { allowed, used, (oldest + 61) * width - now }\n";

/* On its way to Redis. Outlives its request when that gave up waiting. */
struct mr_limiter_call {
	struct mr_bus_call bus; /* first: it is given back by its address */
	struct mr_limiter *limiter;
	struct mr_limit *limit;  /* NULL once it is decided */
	struct mr_coro *waiting; /* NULL: nobody waits yet */
	uint64_t tick;           /* of the timer, when it was sent */
	struct mr_limiter_call *prev, *next;
};

struct mr_limiter {
	uv_loop_t *loop;
	const struct mr_settings *settings;
	struct mr_bus *bus;
	struct mr_rate rates[MR_RATE_COUNT];
	unsigned shares;
	struct mr_windows *windows;
	uint64_t seed;
	struct mr_limiter_call *first, *last; /* unanswered, the oldest first */
	uv_timer_t *timer;                    /* runs while something is unanswered */
	uint64_t tick;
	bool redis; /* one is configured */
	bool away;  /* counts by itself since it was too slow, broken or not there */
	int64_t said_us;
};

static int64_t now_us(void)
{
	return mr_clock_system.mono_us(NULL);
}

/* ---- whether Redis counts ---- */

static void be_away(struct mr_limiter *l, const char *why)
{
	int64_t now = now_us();

	if (l->away)
		return;
	l->away = true;
	if (l->said_us != 0 && now - l->said_us < SAY_AGAIN_US)
		return;
	l->said_us = now;
	mr_log(
	    MR_LOG_WARNING, "rate limits are counted by each worker alone", MR_F_Z("reason", why));
}

static void be_back(struct mr_limiter *l)
{
	if (!l->away)
		return;
	l->away = false;
	mr_log(MR_LOG_INFO, "rate limits are counted in redis again", MR_F_N("count", 1));
}

/* ---- deciding ---- */

static void decide(struct mr_limit *limit, enum mr_limit_source source, bool allowed, int64_t used,
    int64_t reset_us)
{
	limit->is_decided = true;
	limit->source = source;
	limit->is_allowed = allowed;
	limit->used = used;
	limit->reset_us = reset_us > 0 ? reset_us : 1;
}

/* By this worker's share of what is allowed. */
static void decide_alone(struct mr_limiter *l, struct mr_limit *limit)
{
	struct mr_window *w = mr_windows_find(l->windows, limit->window);
	int64_t share = limit->rate.limit / l->shares;
	struct mr_window_state s;

	limit->rate.limit = share > 0 ? share : 1;
	mr_window_take(w, now_us(), limit->rate.window_s * 1000000, limit->rate.limit, &s);
	decide(limit, MR_LIMIT_LOCAL, s.allowed, s.used, s.reset_us);
}

/* What Redis allowed is written down here, too: should it go away, this worker has had that much
 * of its share. */
static void decide_by_redis(struct mr_limiter *l, struct mr_limit *limit, const int64_t *answer)
{
	struct mr_window *w = mr_windows_find(l->windows, limit->window);
	int64_t now = now_us();
	struct mr_window_state ignored;

	if (answer[0] != 0) {
		mr_window_take(w, now, limit->rate.window_s * 1000000, INT64_MAX, &ignored);
	} else {
		w->full_limit = limit->rate.limit;
		w->full_used = answer[1];
		w->full_reset_at_us = now + answer[2];
		w->full_until_us = now + (answer[2] < REMEMBER_US ? answer[2] : REMEMBER_US);
	}
	decide(limit, MR_LIMIT_REDIS, answer[0] != 0, answer[1], answer[2]);
}

/* A flood that is being refused costs Redis one question a second. */
static bool decide_remembered(struct mr_limiter *l, struct mr_limit *limit)
{
	const struct mr_window *w = mr_windows_find(l->windows, limit->window);
	int64_t now = now_us();

	if (w->full_limit != limit->rate.limit || now >= w->full_until_us)
		return false;
	decide(limit, MR_LIMIT_REMEMBERED, false, w->full_used, w->full_reset_at_us - now);
	return true;
}

/* ---- calls on their way ---- */

static void put(struct mr_limiter *l, struct mr_limiter_call *call)
{
	call->prev = l->last;
	if (l->last != NULL)
		l->last->next = call;
	else
		l->first = call;
	l->last = call;
}

static void take_out(struct mr_limiter *l, struct mr_limiter_call *call)
{
	*(call->prev != NULL ? &call->prev->next : &l->first) = call->next;
	*(call->next != NULL ? &call->next->prev : &l->last) = call->prev;
}

/* Whoever waits for it goes on, now that it is decided. */
static void let_go(struct mr_limiter_call *call)
{
	struct mr_coro *waiting = call->waiting;

	call->limit->call = NULL;
	call->limit = NULL;
	call->waiting = NULL;
	if (waiting != NULL)
		mr_coro_resume(waiting);
}

static void on_answer(struct mr_bus_call *bus, int rc, const int64_t answer[MR_BUS_NUMBERS])
{
	struct mr_limiter_call *call = MR_CONTAINER(bus, struct mr_limiter_call, bus);
	struct mr_limiter *l = call->limiter;

	if (l == NULL) { /* it was freed meanwhile */
		free(call);
		return;
	}
	take_out(l, call);
	if (rc < 0)
		be_away(l, rc == MR_E_INVALID ? "script" : "connection");
	else if (l->first == NULL)
		be_back(l); /* it has answered all that it was asked */
	if (call->limit != NULL) {
		call->limit->script_failed = rc == MR_E_INVALID;
		if (rc == 0)
			decide_by_redis(l, call->limit, answer);
		else
			decide_alone(l, call->limit);
		let_go(call);
	}
	free(call);
}

/* Whether it was sent so long ago that it isn't waited for any more. Turns are counted, not time
 * alone: after each, what lay in the socket was read, so a worker that was held up itself doesn't
 * take Redis for slow. */
static bool is_late(const struct mr_limiter *l, const struct mr_limiter_call *call)
{
	return l->tick - call->tick > TICKS;
}

static void on_timer(uv_timer_t *t)
{
	struct mr_limiter *l = t->data;
	struct mr_limiter_call *call = l->first;

	l->tick++;
	if (call == NULL) {
		(void)uv_timer_stop(t); /* always 0 */
		return;
	}
	if (!is_late(l, call))
		return;
	be_away(l, "slow");
	/* who goes on may begin another; those stand behind, and aren't sent while it is away */
	while (call != NULL && (call->limit == NULL || is_late(l, call))) {
		struct mr_limiter_call *next = call->next;

		if (call->limit != NULL) {
			decide_alone(l, call->limit);
			let_go(call);
		}
		call = next;
	}
	if (call == NULL)               /* nobody waits any more; the answers come when they come */
		(void)uv_timer_stop(t); /* always 0 */
}

static int send_call(struct mr_limiter *l, struct mr_limit *limit, struct mr_str key)
{
	struct mr_limiter_call *call;
	uint64_t every = (uint64_t)l->settings->rate_limit_wait_ms / TICKS;
	int r;

	if (key.len >= sizeof(call->bus.key))
		return MR_E_LIMIT;
	call = malloc(sizeof(*call));
	if (call == NULL)
		return MR_E_NOMEM;
	*call = (struct mr_limiter_call){ .limiter = l, .limit = limit, .tick = l->tick };
	memcpy(call->bus.key, key.p, key.len);
	call->bus.key[key.len] = '\0';
	call->bus.arguments[0] = limit->rate.limit;
	call->bus.arguments[1] = mr_window_width_us(limit->rate.window_s * 1000000);
	call->bus.fn = on_answer;
	r = mr_bus_call(l->bus, &call->bus);
	if (r < 0) {
		free(call);
		return r;
	}
	put(l, call);
	limit->call = call;
	if (!uv_is_active((uv_handle_t *)l->timer))
		(void)uv_timer_start(l->timer, on_timer, every > 0 ? every : 1,
		    every > 0 ? every : 1); /* fails only without callback */
	return 0;
}

/* ---- public ---- */

/* FNV-1a with a beginning that nobody outside knows. */
static uint64_t hash(uint64_t seed, struct mr_str s)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ seed;

	for (size_t i = 0; i < s.len; i++)
		h = (h ^ (unsigned char)s.p[i]) * UINT64_C(1099511628211);
	h ^= h >> 32;
	return h != 0 ? h : 1;
}

struct mr_rate mr_limiter_rate(const struct mr_limiter *l, enum mr_rate_class c)
{
	return l->rates[c];
}

void mr_limit_begin(struct mr_limiter *l, struct mr_limit *limit, struct mr_str who,
    enum mr_rate_class c, struct mr_rate rate)
{
	char key[MR_BUS_KEY_MAX];
	int n = snprintf(key, sizeof(key), "millrace:rate:%.*s:%s:%lld", MR_STR_ARG(who),
	    mr_rate_class_name(c), (long long)rate.window_s);
	struct mr_str text = { key,
		n > 0 && (size_t)n < sizeof(key) ? (size_t)n : sizeof(key) - 1 };

	*limit = (struct mr_limit){ .rate = rate, .window = hash(l->seed, text) };
	if (!l->redis) {
		decide_alone(l, limit);
		return;
	}
	if (decide_remembered(l, limit))
		return;
	/* one that is away is asked again when nothing that it was asked is open any more */
	if (l->away && l->first != NULL) {
		decide_alone(l, limit);
	} else if (send_call(l, limit, text) < 0) {
		be_away(l, "connection");
		decide_alone(l, limit);
	} else if (l->away) {
		/* this one finds out whether it is back, and doesn't wait for it */
		decide_alone(l, limit);
		limit->call->limit = NULL;
		limit->call = NULL;
	}
}

void mr_limit_await(struct mr_limit *limit)
{
	if (limit->is_decided)
		return;
	limit->call->waiting = mr_coro_self();
	mr_coro_yield();
}

bool mr_limiter_is_shared(const struct mr_limiter *l)
{
	return !l->redis || !l->away;
}

struct mr_limiter *mr_limiter_create(
    uv_loop_t *loop, const struct mr_settings *s, struct mr_bus *bus, unsigned shares)
{
	struct mr_limiter *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->windows = mr_windows_create(WINDOWS_MAX);
	l->timer = calloc(1, sizeof(*l->timer));
	if (l->windows == NULL || l->timer == NULL ||
	    mr_random_bytes(&l->seed, sizeof(l->seed)) < 0) {
		(void)mr_windows_free(l->windows); /* always NULL */
		free(l->timer);
		free(l);
		return NULL;
	}
	l->loop = loop;
	l->settings = s;
	l->bus = bus;
	l->shares = shares > 0 ? shares : 1;
	l->redis = s->redis_url[0] != '\0';
	mr_rates_read(s, l->rates);
	l->timer->data = l;
	(void)uv_timer_init(loop, l->timer); /* always 0 */
	mr_bus_set_script(bus, script);
	return l;
}

static void on_timer_closed(uv_handle_t *handle)
{
	free(handle);
}

struct mr_limiter *mr_limiter_free(struct mr_limiter *l)
{
	if (l == NULL)
		return NULL;
	/* the bus gives them back when it is closed */
	for (struct mr_limiter_call *call = l->first; call != NULL; call = call->next)
		call->limiter = NULL;
	uv_close((uv_handle_t *)l->timer, on_timer_closed);
	l->windows = mr_windows_free(l->windows);
	free(l);
	return NULL;
}
