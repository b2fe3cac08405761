#include "fcgi/totals.h"

#include <string.h>

#define SLOTS 1024u /* a power of two; 48 KiB, touched as they are used */

static struct kept {
	unsigned char digest[MR_SHA256_LEN];
	int64_t total, until_us;
} table[SLOTS];

static struct kept *slot_of(const unsigned char digest[MR_SHA256_LEN])
{
	return &table[(digest[0] | (unsigned)digest[1] << 8) & (SLOTS - 1)];
}

void mr_totals_keep(const unsigned char digest[MR_SHA256_LEN], int64_t total, int64_t now_us)
{
	struct kept *k = slot_of(digest);

	memcpy(k->digest, digest, MR_SHA256_LEN);
	k->total = total;
	k->until_us = now_us + MR_TOTALS_KEPT_US;
}

bool mr_totals_find(const unsigned char digest[MR_SHA256_LEN], int64_t now_us, int64_t *ret_total)
{
	const struct kept *k = slot_of(digest);

	/* a clock that was set back must not make it last */
	if (now_us >= k->until_us || now_us < k->until_us - MR_TOTALS_KEPT_US ||
	    memcmp(k->digest, digest, MR_SHA256_LEN) != 0)
		return false;
	*ret_total = k->total;
	return true;
}
