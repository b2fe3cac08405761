/*
 * Time zones by name, from the system's zoneinfo (package tzdata). A zone is read at its first use
 * and kept for the life of the process; nothing of it is ever changed or given back.
 */
#ifndef MR_LIB_ZONE_H
#define MR_LIB_ZONE_H

#include <stdint.h>

#include "lib/macros.h"
#include "lib/str.h"

struct mr_zone;

/* The zone "Europe/Berlin"; NULL when there is none of that name, or no memory. Any thread. */
const struct mr_zone *mr_zone_find(struct mr_str name) MR_MUST_CHECK;
/* Seconds by which the zone's clocks are ahead of UTC at AT, in seconds since the epoch. */
int32_t mr_zone_offset(const struct mr_zone *z, int64_t at);

/* The same from the bytes of a zoneinfo file (RFC 8536), for tests; NULL when they are none. The
 * zone is free()d by the caller. */
struct mr_zone *mr_zone_parse(const unsigned char *bytes, size_t len) MR_MUST_CHECK;

#endif
