/*
 * Sliding windows: how many were let in for one key within the last WINDOW, counted in 60 buckets
 * and the one that is just leaving, which counts whole. So no window of that length, wherever it
 * begins, ever holds more than the limit. Pure: the caller's clock, this process's memory.
 *
 * The same is done in Redis for all processes together (auth/limiter.c).
 */
#ifndef MR_LIB_WINDOW_H
#define MR_LIB_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/macros.h"

#define MR_WINDOW_BUCKETS 60

struct mr_window {
	uint64_t key;   /* 0: nobody's */
	int64_t newest; /* number of the latest bucket */
	uint64_t used;  /* the sum of all buckets */
	/* The owner's own, of what was said by who counts for all: until when it need not be asked
	 * again, because there is no room under that limit, when room comes, and what is used. */
	int64_t full_until_us, full_limit, full_reset_at_us, full_used;
	uint32_t counts[MR_WINDOW_BUCKETS + 1]; /* by number modulo their number */
};

struct mr_window_state {
	bool allowed;
	int64_t used;     /* within the window, this one among them when it is allowed */
	int64_t reset_us; /* until the oldest that count leave it; > 0 */
};

/* How long a bucket is. */
int64_t mr_window_width_us(int64_t window_us);
/* One more at NOW_US, when fewer than LIMIT are in the window. */
void mr_window_take(struct mr_window *w, int64_t now_us, int64_t window_us, int64_t limit,
    struct mr_window_state *ret);

/* Windows by key, at most so many (rounded up to a power of two): of those that share a place the
 * one unused for longest is forgotten. */
struct mr_windows;
struct mr_windows *mr_windows_create(unsigned max) MR_MUST_CHECK;
struct mr_windows *mr_windows_free(struct mr_windows *t);
/* KEY's window, empty when it is new. Never NULL. Good until the next call. */
struct mr_window *mr_windows_find(struct mr_windows *t, uint64_t key);

#endif
