/* Times in expressions: CEL's limits, and the text of a duration. */
#ifndef MR_ENGINE_CORE_EXPR_TIME_H
#define MR_ENGINE_CORE_EXPR_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/value.h"

/* Years 1 to 9999; about ±292 years, as much as 64 bits hold. In nanoseconds. */
#define MR_TIMESTAMP_MIN ((__int128)INT64_C(-62135596800) * 1000000000)
#define MR_TIMESTAMP_MAX ((__int128)INT64_C(253402300800) * 1000000000 - 1)
#define MR_DURATION_MAX  INT64_MAX

/* "1h30m", "-2.5s", "250ms", "1us", "0": a sign, then numbers with units h, m, s, ms, us, ns. */
bool mr_duration_parse(struct mr_str s, int64_t *ret_ns);

/* All of a timestamp or duration in nanoseconds. */
static inline __int128 mr_time_total(const struct mr_value *v)
{
	return (__int128)v->i * 1000 + v->ns;
}

/* The other way; false when it is beyond the range of its KIND. */
static inline bool mr_time_value(enum mr_value_kind kind, __int128 ns, struct mr_value *ret)
{
	int64_t rest = (int64_t)(ns % 1000);

	if (kind == MR_VALUE_TIMESTAMP ? ns < MR_TIMESTAMP_MIN || ns > MR_TIMESTAMP_MAX
	                               : ns < -MR_DURATION_MAX || ns > MR_DURATION_MAX)
		return false;
	rest += rest < 0 ? 1000 : 0;
	*ret = (struct mr_value){
		.kind = kind, .ns = (uint32_t)rest, .i = (int64_t)((ns - rest) / 1000)
	};
	return true;
}

#endif
