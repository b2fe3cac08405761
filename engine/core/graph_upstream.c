/* Cycles are named; what is upstream of each step is told: what its expressions may see. */
#include "engine/core/graph_private.h"

bool mr_graph_is_upstream(const struct mr_draft *d, unsigned step)
{
	return d->upstream != NULL && (d->upstream[step / 64] >> (step % 64) & 1) != 0;
}

static int holder_of(const struct mr_compile *c, const struct mr_draft *d)
{
	return c->blocks[d->block].holder;
}

/* What comes after the whole main part sees all of it. */
static void add_main_steps(struct mr_compile *c, struct mr_draft *d)
{
	for (unsigned i = 0; i < c->blocks[0].len; i++)
		d->upstream[i / 64] |= UINT64_C(1) << (i % 64);
}

static void add_upstream(struct mr_compile *c, struct mr_draft *d)
{
	const struct mr_draft_block *b = &c->blocks[d->block];

	for (size_t k = 0; k < d->deps_len; k++) {
		const struct mr_draft *on = &c->drafts[d->deps[k]];

		for (size_t w = 0; w < c->words; w++)
			d->upstream[w] |= on->upstream[w];
		d->upstream[d->deps[k] / 64] |= UINT64_C(1) << (d->deps[k] % 64);
	}
	if (b->role == MR_BLOCK_ON_FAILURE || b->role == MR_BLOCK_FINALLY)
		add_main_steps(c, d);
	if (b->holder < 0)
		return;
	for (size_t w = 0; w < c->words; w++)
		d->upstream[w] |= c->drafts[b->holder].upstream[w];
	/* what is undone has ended before */
	if (b->role == MR_BLOCK_COMPENSATE)
		d->upstream[b->holder / 64] |= UINT64_C(1) << (b->holder % 64);
}

/* One that step I waits for and that never came: a dependency, else the step around it. */
static unsigned blocker(const struct mr_compile *c, unsigned i, const unsigned *left)
{
	const struct mr_draft *d = &c->drafts[i];

	for (size_t k = 0; k < d->deps_len; k++)
		if (left[d->deps[k]] > 0)
			return d->deps[k];
	return (unsigned)holder_of(c, d);
}

/* FIRST is in the cycle, and has the lowest index of it. */
static void cycle_fault(struct mr_compile *c, unsigned first, const unsigned *left)
{
	struct mr_str text = mr_arena_str(c->scratch, c->drafts[first].short_name);
	unsigned at = blocker(c, first, left);
	const struct mr_draft *d = &c->drafts[first];

	for (unsigned n = 0; at != first && n < 20; n++) {
		text = mr_arena_printf(c->scratch, "%.*s → %.*s",
		    MR_STR_ARG(c->drafts[at].short_name), MR_STR_ARG(text));
		at = blocker(c, at, left);
	}
	mr_graph_fault(c, d->path, "cycle", "these steps wait for each other: %.*s%s → %.*s",
	    MR_STR_ARG(d->short_name), at != first ? " → …" : "", MR_STR_ARG(text));
	c->order_broken = true;
}

/* From every step that is left, back along what it waits for, until a step comes up again. */
static int name_cycles(struct mr_compile *c, const unsigned *left)
{
	unsigned *walk = mr_arena_array(c->scratch, c->drafts_len, sizeof(*walk));

	if (walk == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < c->drafts_len; i++) {
		unsigned at = i, lowest;

		if (left[i] == 0)
			continue;
		while (walk[at] == 0) {
			walk[at] = i + 1;
			at = blocker(c, at, left);
		}
		if (walk[at] != i + 1)
			continue;
		lowest = at;
		for (unsigned k = blocker(c, at, left); k != at; k = blocker(c, k, left))
			lowest = k < lowest ? k : lowest;
		cycle_fault(c, lowest, left);
	}
	return 0;
}

/* One step is done: those that waited for nothing else come next. Inner steps come after the step
 * that holds them. */
static size_t release(struct mr_compile *c, unsigned i, unsigned *left, unsigned *queue, size_t len)
{
	const struct mr_step *s = &c->steps[i];
	const struct mr_draft *d = &c->drafts[i];

	for (size_t k = 0; k < s->succs_len; k++)
		if (--left[s->succs[k]] == 0)
			queue[len++] = s->succs[k];
	for (unsigned n = 0; n < d->held; n++) {
		const struct mr_draft_block *block = &c->blocks[d->first_held + n];

		for (unsigned k = 0; k < block->len; k++)
			if (--left[block->first + k] == 0)
				queue[len++] = block->first + k;
	}
	return len;
}

int mr_graph_find_upstream(struct mr_compile *c)
{
	size_t n = c->drafts_len, done = 0, len = 0;
	unsigned *left = mr_arena_array(c->scratch, n, sizeof(*left));
	unsigned *queue = mr_arena_array(c->scratch, n, sizeof(*queue));
	uint64_t *sets;

	c->words = (n + 63) / 64;
	sets = mr_arena_array(c->scratch, n * c->words, sizeof(*sets));
	if (left == NULL || queue == NULL || sets == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < n; i++) {
		c->drafts[i].upstream = sets + i * c->words;
		left[i] = (unsigned)c->drafts[i].deps_len + (holder_of(c, &c->drafts[i]) >= 0);
		if (left[i] == 0)
			queue[len++] = i;
	}
	while (done < len) {
		unsigned i = queue[done++];

		add_upstream(c, &c->drafts[i]);
		len = release(c, i, left, queue, len);
	}
	return len < n ? name_cycles(c, left) : 0;
}
