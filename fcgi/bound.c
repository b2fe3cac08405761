#include "fcgi/bound.h"

#define MINUTE_US (INT64_C(60) * 1000000)

static struct mr_bound_place *place_of(struct mr_bound *b, struct mr_str key)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	for (size_t i = 0; i < key.len; i++)
		h = (h ^ (unsigned char)key.p[i]) * UINT64_C(1099511628211);
	return &b->places[(h ^ h >> 32) % MR_BOUND_PLACES];
}

static void turn(struct mr_bound_place *p, int64_t minute)
{
	if (p->minute == minute)
		return;
	p->minute = minute;
	p->taken = 0;
}

bool mr_bound_take(struct mr_bound *b, struct mr_str key, int64_t now_us, uint32_t per_minute,
    uint32_t *ret_omitted)
{
	struct mr_bound_place *p = place_of(b, key);

	turn(p, now_us / MINUTE_US);
	turn(&b->all, now_us / MINUTE_US);
	if (p->taken >= per_minute || b->all.taken >= (uint64_t)per_minute * MR_BOUND_ALL) {
		p->omitted += p->omitted < UINT32_MAX;
		return false;
	}
	p->taken++;
	b->all.taken++;
	*ret_omitted = p->omitted;
	p->omitted = 0;
	return true;
}
