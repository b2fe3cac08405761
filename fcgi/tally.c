#include "fcgi/tally.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS (MR_TALLY_ROWS * 2)     /* a power of two */
#define OWN   (MR_TALLY_ROWS / 4 * 3) /* so many may be told apart; the rest is for "other" */

_Static_assert(sizeof(struct mr_tally_key) == 44 + 4, "a key is compared as bytes");

struct mr_tally {
	unsigned len;
	uint16_t slots[SLOTS]; /* a row's place and one more; 0: free */
	struct mr_tally_row rows[MR_TALLY_ROWS];
};

struct mr_tally *mr_tally_create(void)
{
	return calloc(1, sizeof(struct mr_tally));
}

struct mr_tally *mr_tally_free(struct mr_tally *t)
{
	free(t);
	return NULL;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ h >> 29;
}

static unsigned hash(const struct mr_tally_key *k)
{
	uint64_t h = mix((uint64_t)k->tenant_id, (uint64_t)k->key_id);

	h = mix(h, (uint64_t)k->principal_id);
	h = mix(h, (uint64_t)k->workflow_id);
	h = mix(h, (uint64_t)k->hour << 32 | (uint64_t)k->route << 16 | k->status);
	h = mix(h, k->error);
	return (unsigned)(h & (SLOTS - 1));
}

/* Its row, or a new one while there are fewer than MAX; NULL: neither. */
static struct mr_tally_row *find(struct mr_tally *t, const struct mr_tally_key *key, unsigned max)
{
	/* half of the slots are free at least: it ends */
	for (unsigned i = hash(key);; i = (i + 1) & (SLOTS - 1)) {
		struct mr_tally_row *row;

		if (t->slots[i] == 0) {
			if (t->len >= max)
				return NULL;
			row = &t->rows[t->len++];
			t->slots[i] = (uint16_t)t->len;
			*row = (struct mr_tally_row){ .key = *key };
			return row;
		}
		row = &t->rows[t->slots[i] - 1];
		if (memcmp(&row->key, key, sizeof(*key)) == 0)
			return row;
	}
}

bool mr_tally_add(
    struct mr_tally *t, const struct mr_tally_key *key, uint64_t took_us, unsigned bucket)
{
	struct mr_tally_row *row = find(t, key, OWN);

	if (row == NULL) {
		const struct mr_tally_key other = { .tenant_id = key->tenant_id,
			.hour = key->hour,
			.route = MR_TALLY_OTHER,
			.status = key->status };

		row = find(t, &other, MR_TALLY_ROWS);
	}
	if (row == NULL)
		return false;
	row->n++;
	row->sum_us += took_us;
	if (took_us > row->max_us)
		row->max_us = took_us;
	row->buckets[bucket < MR_TALLY_BUCKETS ? bucket : MR_TALLY_BUCKETS - 1]++;
	return true;
}

unsigned mr_tally_len(const struct mr_tally *t)
{
	return t->len;
}

const struct mr_tally_row *mr_tally_rows(const struct mr_tally *t)
{
	return t->rows;
}

void mr_tally_clear(struct mr_tally *t)
{
	memset(t->slots, 0, sizeof(t->slots));
	t->len = 0;
}
