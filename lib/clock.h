/* Time and randomness, behind structs so that tests own them. */
#ifndef MR_LIB_CLOCK_H
#define MR_LIB_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "lib/str.h"

struct mr_clock {
	int64_t (*now_us)(void *ctx);  /* microseconds since 1970-01-01T00:00:00Z */
	int64_t (*mono_us)(void *ctx); /* never goes back; its origin means nothing */
	void *ctx;
};

struct mr_rand {
	uint64_t (*next)(void *ctx);
	void *ctx;
};

extern const struct mr_clock mr_clock_system;
extern const struct mr_rand mr_rand_system; /* getrandom(2) seeded; not for secrets */

/* A deterministic generator (splitmix64) for tests and simulation. */
struct mr_rand mr_rand_seeded(uint64_t *state);

/* Fills P with unpredictable bytes from the kernel. 0 or -1. */
int mr_random_bytes(void *p, size_t len) MR_MUST_CHECK;

#define MR_TIME_LEN 32
/* RFC 3339 in UTC with microseconds cut to what is needed, ending in Z. Returns the length. */
size_t mr_time_format(int64_t us, char out[MR_TIME_LEN]);
/* The same with 0 to 999 nanoseconds beyond US. */
size_t mr_time_format_ns(int64_t us, unsigned ns, char out[MR_TIME_LEN]);
/* RFC 3339, any offset; up to nanoseconds are accepted, rounded down to microseconds. */
int mr_time_parse(struct mr_str s, int64_t *ret_us) MR_MUST_CHECK;
/* The same with the nanoseconds beyond *RET_US, 0 to 999. */
int mr_time_parse_ns(struct mr_str s, int64_t *ret_us, unsigned *ret_ns) MR_MUST_CHECK;

#endif
