/* Times in expressions: CEL's limits, and the text of a duration. */
#ifndef MR_ENGINE_CORE_EXPR_TIME_H
#define MR_ENGINE_CORE_EXPR_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/str.h"

/* Years 1 to 9999; about ±292 years, as much as 64 bits of nanoseconds hold. In microseconds. */
#define MR_TIMESTAMP_MIN INT64_C(-62135596800000000)
#define MR_TIMESTAMP_MAX INT64_C(253402300799999999)
#define MR_DURATION_MAX  INT64_C(9223372036854775)

/* "1h30m", "-2.5s", "250ms", "1us", "0": a sign, then numbers with units h, m, s, ms, us, ns. */
bool mr_duration_parse(struct mr_str s, int64_t *ret_us);

#endif
