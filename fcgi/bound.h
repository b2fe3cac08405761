/*
 * How often something may be done for one key within a minute, and for all together: counted in a
 * table of fixed size, in this process alone. Two keys that meet in one place share what is
 * allowed.
 */
#ifndef MR_FCGI_BOUND_H
#define MR_FCGI_BOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/str.h"

#define MR_BOUND_PLACES 1024
#define MR_BOUND_ALL    10 /* times what one key may */

struct mr_bound_place {
	int64_t minute;
	uint32_t taken, omitted;
};

struct mr_bound {
	struct mr_bound_place places[MR_BOUND_PLACES];
	struct mr_bound_place all;
};

/* True when KEY may once more at NOW_US, PER_MINUTE times a minute; *ret_omitted is then how many
 * were refused it since it last could. */
bool mr_bound_take(struct mr_bound *b, struct mr_str key, int64_t now_us, uint32_t per_minute,
    uint32_t *ret_omitted);

#endif
