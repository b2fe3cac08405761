/*
 * Which part of a flush to try next. When a batch is refused because of its data, it is halved
 * until the one run that can't be written is alone.
 */
#ifndef MR_ENGINE_BISECT_H
#define MR_ENGINE_BISECT_H

#include <stdbool.h>
#include <stddef.h>

#define MR_BISECT_DEPTH 64 /* halving any size_t needs fewer */

struct mr_bisect {
	struct {
		size_t from, to;
	} stack[MR_BISECT_DEPTH];
	unsigned len;
};

/* All of LEN items are to be done. */
void mr_bisect_begin(struct mr_bisect *b, size_t len);
/* The part to do now; false when all is done. */
bool mr_bisect_part(const struct mr_bisect *b, size_t *ret_from, size_t *ret_to);
/* That part is done with. */
void mr_bisect_next(struct mr_bisect *b);
/* That part failed: its halves come instead. False when it is a single item. */
bool mr_bisect_halve(struct mr_bisect *b);

/* What a failed flush means, by its SQLSTATE: the data (halve it), or the circumstances (try the
 * same again later). */
bool mr_bisect_is_data(const char *sqlstate);

#endif
