#include "fcgi/known.h"

#include <string.h>

#define SLOTS 1024u /* a power of two; some 150 KiB, touched as they are used */

static struct mr_known table[SLOTS];

static bool same_row(struct mr_known_row a, struct mr_known_row b)
{
	return a.id == b.id && a.tenant_id == b.tenant_id && a.stmt == b.stmt;
}

/* Fibonacci hashing: ids that follow each other lie apart, and those of two statements too. */
static struct mr_known *slot_of(struct mr_known_row row)
{
	uint64_t h =
	    (uint64_t)row.id + ((uint64_t)row.tenant_id << 40) + ((uint64_t)row.stmt << 20);

	return &table[(h * UINT64_C(0x9e3779b97f4a7c15)) >> 32 & (SLOTS - 1)];
}

void mr_known_keep(
    struct mr_known_row row, int64_t version, struct mr_str state, struct mr_str etag)
{
	struct mr_known *k = slot_of(row);

	if (state.len == 0 || state.len >= sizeof(k->state) || etag.len >= sizeof(k->etag))
		return;
	k->row = row;
	k->version = version;
	memcpy(k->state, state.p, state.len);
	k->state[state.len] = '\0';
	memcpy(k->etag, etag.p, etag.len);
	k->etag[etag.len] = '\0';
}

bool mr_known_find(struct mr_known_row row, struct mr_known *ret)
{
	const struct mr_known *k = slot_of(row);

	if (k->etag[0] == '\0' || !same_row(k->row, row))
		return false;
	*ret = *k;
	return true;
}

bool mr_known_same(const struct mr_known *known, int64_t version, struct mr_str state)
{
	return known->version == version && mr_str_eqz(state, known->state);
}
