/* Where steps of a run stand in line: ready, waiting for a time, found by their execution. */
#include "engine/core/run_private.h"

#include <string.h>

/* ---- ready: first come, first served, but blocks whose inside calls for a decision before steps
 * that would begin: it may be that nothing more begins ---- */

static void link_after(struct mr_run *run, struct mr_step_state *st, struct mr_step_state *before)
{
	struct mr_step_state *after = before != NULL ? before->ready_next : run->ready;

	st->ready_prev = before;
	st->ready_next = after;
	if (before != NULL)
		before->ready_next = st;
	else
		run->ready = st;
	if (after != NULL)
		after->ready_prev = st;
	else
		run->ready_last = st;
}

void mr_ready_add(struct mr_run *run, struct mr_step_state *st)
{
	if (st->is_ready)
		return;
	st->is_ready = true;
	if (!mr_step_is_active(st->status)) {
		link_after(run, st, run->ready_last);
		return;
	}
	link_after(run, st, run->ready_due);
	run->ready_due = st;
}

void mr_ready_remove(struct mr_run *run, struct mr_step_state *st)
{
	if (!st->is_ready)
		return;
	if (run->ready_due == st)
		run->ready_due = st->ready_prev;
	if (st->ready_prev != NULL)
		st->ready_prev->ready_next = st->ready_next;
	else
		run->ready = st->ready_next;
	if (st->ready_next != NULL)
		st->ready_next->ready_prev = st->ready_prev;
	else
		run->ready_last = st->ready_prev;
	st->is_ready = false;
	st->ready_next = st->ready_prev = NULL;
}

/* ---- times: a binary heap, the earliest first ---- */

/* Of two at the same time the one that began first: so the order is the same after a restore. */
static bool is_earlier(const struct mr_step_state *a, const struct mr_step_state *b)
{
	return a->timer_at < b->timer_at ||
	       (a->timer_at == b->timer_at && a->execution_id < b->execution_id);
}

static void place(struct mr_run *run, size_t at, struct mr_step_state *st)
{
	run->timers[at - 1] = st;
	st->timer_place = at;
}

static void sift_up(struct mr_run *run, size_t at)
{
	struct mr_step_state *st = run->timers[at - 1];

	while (at > 1 && is_earlier(st, run->timers[at / 2 - 1])) {
		place(run, at, run->timers[at / 2 - 1]);
		at /= 2;
	}
	place(run, at, st);
}

static void sift_down(struct mr_run *run, size_t at)
{
	struct mr_step_state *st = run->timers[at - 1];

	for (;;) {
		size_t child = at * 2;

		if (child > run->timers_len)
			break;
		if (child < run->timers_len &&
		    is_earlier(run->timers[child], run->timers[child - 1]))
			child++;
		if (is_earlier(st, run->timers[child - 1]))
			break;
		place(run, at, run->timers[child - 1]);
		at = child;
	}
	place(run, at, st);
}

void mr_timer_remove(struct mr_run *run, struct mr_step_state *st)
{
	size_t at = st->timer_place;
	struct mr_step_state *last;

	if (at == 0)
		return;
	st->timer_place = 0;
	last = run->timers[--run->timers_len];
	if (last == st)
		return;
	place(run, at, last);
	sift_up(run, at);
	sift_down(run, last->timer_place);
}

int mr_timer_set(struct mr_run *run, struct mr_step_state *st, int64_t at)
{
	mr_timer_remove(run, st);
	st->timer_at = at;
	if (at == 0)
		return 0;
	if (run->timers_len == run->timers_cap) {
		size_t cap = run->timers_cap == 0 ? 8 : run->timers_cap * 2;
		struct mr_step_state **grown =
		    mr_arena_array(run->arena, cap, sizeof(struct mr_step_state *));

		if (grown == NULL)
			return MR_E_NOMEM;
		if (run->timers_len > 0)
			memcpy(
			    grown, run->timers, run->timers_len * sizeof(struct mr_step_state *));
		run->timers = grown;
		run->timers_cap = cap;
	}
	run->timers_len++;
	place(run, run->timers_len, st);
	sift_up(run, run->timers_len);
	return 0;
}

/* ---- by execution ---- */

static size_t bucket_of(const struct mr_run *run, int64_t execution_id)
{
	return (size_t)((uint64_t)execution_id * UINT64_C(0x9e3779b97f4a7c15) >> 32) &
	       (run->hash_cap - 1);
}

static void hash_put(struct mr_run *run, struct mr_step_state *st)
{
	size_t b = bucket_of(run, st->execution_id);

	st->hash_next = run->hash[b];
	run->hash[b] = st;
}

static int hash_grow(struct mr_run *run)
{
	size_t old_cap = run->hash_cap;
	struct mr_step_state **old = run->hash;
	size_t cap = old_cap == 0 ? 8 : old_cap * 2;
	struct mr_step_state **grown =
	    mr_arena_array(run->arena, cap, sizeof(struct mr_step_state *));

	if (grown == NULL)
		return MR_E_NOMEM;
	run->hash = grown;
	run->hash_cap = cap;
	for (size_t i = 0; i < old_cap; i++) {
		while (old[i] != NULL) {
			struct mr_step_state *st = old[i];

			old[i] = st->hash_next;
			hash_put(run, st);
		}
	}
	return 0;
}

int mr_hash_add(struct mr_run *run, struct mr_step_state *st)
{
	if (st->is_hashed || st->execution_id == 0)
		return 0;
	if (run->hash_len >= run->hash_cap && hash_grow(run) < 0)
		return MR_E_NOMEM;
	hash_put(run, st);
	st->is_hashed = true;
	run->hash_len++;
	return 0;
}

void mr_hash_remove(struct mr_run *run, struct mr_step_state *st)
{
	struct mr_step_state **at;

	if (!st->is_hashed)
		return;
	at = &run->hash[bucket_of(run, st->execution_id)];
	while (*at != st)
		at = &(*at)->hash_next;
	*at = st->hash_next;
	st->hash_next = NULL;
	st->is_hashed = false;
	run->hash_len--;
}

struct mr_step_state *mr_hash_find(const struct mr_run *run, int64_t execution_id)
{
	struct mr_step_state *st;

	if (run->hash_cap == 0 || execution_id == 0)
		return NULL;
	st = run->hash[bucket_of(run, execution_id)];
	while (st != NULL && st->execution_id != execution_id)
		st = st->hash_next;
	return st;
}

/* ---- waiting for something from outside ---- */

/* In order of their executions, which is almost always that of coming. */
static void awaiting_insert(struct mr_run *run, struct mr_step_state *st)
{
	struct mr_step_state *before = run->awaiting_last;

	while (before != NULL && before->execution_id > st->execution_id)
		before = before->awaiting_prev;
	st->awaiting_prev = before;
	st->awaiting_next = before != NULL ? before->awaiting_next : run->awaiting;
	if (before != NULL)
		before->awaiting_next = st;
	else
		run->awaiting = st;
	if (st->awaiting_next != NULL)
		st->awaiting_next->awaiting_prev = st;
	else
		run->awaiting_last = st;
	run->awaiting_len++;
}

static void awaiting_remove(struct mr_run *run, struct mr_step_state *st)
{
	if (st->awaiting_prev != NULL)
		st->awaiting_prev->awaiting_next = st->awaiting_next;
	else
		run->awaiting = st->awaiting_next;
	if (st->awaiting_next != NULL)
		st->awaiting_next->awaiting_prev = st->awaiting_prev;
	else
		run->awaiting_last = st->awaiting_prev;
	st->awaiting_next = st->awaiting_prev = NULL;
	run->awaiting_len--;
}

void mr_awaiting_set(struct mr_run *run, struct mr_step_state *st, bool on)
{
	if (st->is_awaiting == on)
		return;
	st->is_awaiting = on;
	if (on)
		awaiting_insert(run, st);
	else
		awaiting_remove(run, st);
}
