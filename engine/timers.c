#include "engine/timers.h"

#include <stdlib.h>

#include "engine/claim.h"
#include "engine/engine.h"
#include "engine/heap.h"

#define CLAIM_TIMES  1024
#define DELAY_MAX_MS 60000 /* looked at again by then, should the wall clock be set */

struct mr_timers {
	struct mr_engine *engine;
	struct mr_heap heap;   /* held runs, by h->wake */
	struct mr_heap claims; /* times to claim */
	struct mr_heap_node claim_nodes[CLAIM_TIMES];
	struct mr_heap_node *unused[CLAIM_TIMES];
	size_t unused_len;
	uv_timer_t timer;
	int64_t armed_us; /* what the timer waits for; 0: nothing */
};

static void on_time(uv_timer_t *timer);

static int64_t first_of(const struct mr_timers *t)
{
	struct mr_heap_node *run = mr_heap_first(&t->heap), *claim = mr_heap_first(&t->claims);

	if (run == NULL || (claim != NULL && claim->key < run->key))
		run = claim;
	return run != NULL ? run->key : 0;
}

static void arm(struct mr_timers *t)
{
	int64_t at = first_of(t), left_us;
	uint64_t delay_ms;

	if (at == t->armed_us)
		return;
	t->armed_us = at;
	if (at == 0) {
		(void)uv_timer_stop(&t->timer); /* always 0 */
		return;
	}
	left_us = at - mr_engine_now_us(t->engine);
	delay_ms = left_us <= 0 ? 0 : (uint64_t)(left_us + 999) / 1000;
	if (delay_ms > DELAY_MAX_MS)
		delay_ms = DELAY_MAX_MS;
	uv_update_time(t->engine->loop); /* else the delay would count from the turn's beginning */
	(void)uv_timer_start(&t->timer, on_time, delay_ms, 0); /* fails only while closing */
}

static void wake_runs(struct mr_timers *t, int64_t now_us)
{
	size_t most = t->heap.len; /* one that is due again at once waits for the next turn */

	while (most-- > 0) {
		struct mr_heap_node *node = mr_heap_first(&t->heap);
		struct mr_run_event ev = {
			.kind = MR_RUN_EVENT_WAKE, .data = MR_NULL_VALUE, .duration_us = -1
		};

		if (node == NULL || node->key > now_us)
			break;
		mr_heap_remove(&t->heap, node);
		mr_held_event(MR_CONTAINER(node, struct mr_held, wake), &ev);
	}
}

static void wake_claims(struct mr_timers *t, int64_t now_us)
{
	struct mr_heap_node *node = mr_heap_first(&t->claims);
	bool due = false;

	while (node != NULL && node->key <= now_us) {
		mr_heap_remove(&t->claims, node);
		t->unused[t->unused_len++] = node;
		due = true;
		node = mr_heap_first(&t->claims);
	}
	if (due)
		mr_claim_wake(t->engine->claim);
}

static void on_time(uv_timer_t *timer)
{
	struct mr_timers *t = timer->data;
	int64_t now_us = mr_engine_now_us(t->engine);

	t->armed_us = 0;
	wake_runs(t, now_us);
	wake_claims(t, now_us);
	t->armed_us = 0; /* what was armed meanwhile is found again */
	arm(t);
}

void mr_timers_set(struct mr_timers *t, struct mr_held *h, int64_t at_us)
{
	if (at_us == 0)
		mr_heap_remove(&t->heap, &h->wake);
	else if (mr_heap_set(&t->heap, &h->wake, at_us) < 0)
		return; /* without memory: it is looked at when anything else happens to it */
	arm(t);
}

void mr_timers_remove(struct mr_timers *t, struct mr_held *h)
{
	if (h->wake.place == 0)
		return;
	mr_heap_remove(&t->heap, &h->wake);
	arm(t);
}

void mr_timers_claim_at(struct mr_timers *t, int64_t at_us)
{
	if (t->unused_len == 0)
		return; /* polling finds it */
	/* the database has the time to the microsecond, and its clock is not ours */
	if (mr_heap_set(&t->claims, t->unused[t->unused_len - 1], at_us + 1000) < 0)
		return;
	t->unused_len--;
	arm(t);
}

struct mr_timers *mr_timers_create(struct mr_engine *e)
{
	struct mr_timers *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->engine = e;
	mr_heap_init(&t->heap);
	mr_heap_init(&t->claims);
	for (size_t i = 0; i < CLAIM_TIMES; i++)
		t->unused[t->unused_len++] = &t->claim_nodes[i];
	t->timer.data = t;
	(void)uv_timer_init(e->loop, &t->timer); /* always 0 */
	return t;
}

void mr_timers_close(struct mr_timers *t, uv_close_cb closed)
{
	uv_close((uv_handle_t *)&t->timer, closed);
}

struct mr_timers *mr_timers_free(struct mr_timers *t)
{
	if (t == NULL)
		return NULL;
	mr_heap_done(&t->heap);
	mr_heap_done(&t->claims);
	free(t);
	return NULL;
}
