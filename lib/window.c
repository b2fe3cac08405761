#include "lib/window.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS (MR_WINDOW_BUCKETS + 1)
#define WAYS  4u /* windows that share a place */

static uint32_t *bucket(struct mr_window *w, int64_t number)
{
	return &w->counts[number % SLOTS];
}

/* Moves on to the bucket NOW: those that left the window meanwhile are emptied. */
static int64_t turn(struct mr_window *w, int64_t now)
{
	if (w->used == 0 || now - w->newest >= SLOTS) {
		memset(w->counts, 0, sizeof(w->counts));
		w->used = 0;
		w->newest = now;
	}
	for (; w->newest < now; w->newest++) {
		uint32_t *leaving = bucket(w, w->newest + 1);

		w->used -= *leaving;
		*leaving = 0;
	}
	return w->newest; /* a clock that goes back counts on where it was */
}

/* When the oldest bucket that holds something will have left. */
static int64_t leaves_at(struct mr_window *w, int64_t width_us)
{
	int64_t number = w->newest - MR_WINDOW_BUCKETS;

	while (number < w->newest && (number < 0 || *bucket(w, number) == 0))
		number++;
	return (number + SLOTS) * width_us;
}

/* Rounded up: sixty whole ones are never shorter than the window. */
int64_t mr_window_width_us(int64_t window_us)
{
	return (window_us + MR_WINDOW_BUCKETS - 1) / MR_WINDOW_BUCKETS;
}

void mr_window_take(struct mr_window *w, int64_t now_us, int64_t window_us, int64_t limit,
    struct mr_window_state *ret)
{
	int64_t width_us = mr_window_width_us(window_us);
	int64_t now = turn(w, now_us / width_us);

	ret->allowed = (int64_t)w->used < limit;
	if (ret->allowed) {
		w->used++;
		(*bucket(w, now))++;
	}
	ret->used = (int64_t)w->used;
	ret->reset_us = leaves_at(w, width_us) - now_us;
}

/* ---- many ---- */

struct mr_windows {
	size_t places; /* a power of two */
	struct mr_window windows[];
};

struct mr_windows *mr_windows_create(unsigned max)
{
	size_t places = 1;
	struct mr_windows *t;

	while (places * WAYS < max)
		places *= 2;
	/* untouched pages cost nothing */
	t = calloc(1, sizeof(*t) + places * WAYS * sizeof(struct mr_window));
	if (t != NULL)
		t->places = places;
	return t;
}

struct mr_windows *mr_windows_free(struct mr_windows *t)
{
	free(t);
	return NULL;
}

struct mr_window *mr_windows_find(struct mr_windows *t, uint64_t key)
{
	struct mr_window *place = &t->windows[(key & (t->places - 1)) * WAYS], found;
	unsigned i = 0;

	if (place->key == key)
		return place;
	while (i < WAYS - 1 && place[i].key != key)
		i++;
	/* the latest stands first, so the last is the one unused for longest */
	if (place[i].key == key)
		found = place[i];
	else
		found = (struct mr_window){ .key = key };
	memmove(place + 1, place, i * sizeof(*place));
	*place = found;
	return place;
}
