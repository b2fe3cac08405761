#include "engine/bisect.h"

#include <assert.h>
#include <string.h>

void mr_bisect_begin(struct mr_bisect *b, size_t len)
{
	b->len = 0;
	if (len == 0)
		return;
	b->stack[0].from = 0;
	b->stack[0].to = len;
	b->len = 1;
}

bool mr_bisect_part(const struct mr_bisect *b, size_t *ret_from, size_t *ret_to)
{
	if (b->len == 0)
		return false;
	*ret_from = b->stack[b->len - 1].from;
	*ret_to = b->stack[b->len - 1].to;
	return true;
}

void mr_bisect_next(struct mr_bisect *b)
{
	assert(b->len > 0);
	b->len--;
}

bool mr_bisect_halve(struct mr_bisect *b)
{
	size_t from = b->stack[b->len - 1].from, to = b->stack[b->len - 1].to;
	size_t middle = from + (to - from) / 2;

	if (to - from < 2)
		return false;
	assert(b->len < MR_BISECT_DEPTH);
	b->stack[b->len - 1].from = middle; /* the second half waits below the first */
	b->stack[b->len].from = from;
	b->stack[b->len].to = middle;
	b->len++;
	return true;
}

bool mr_bisect_is_data(const char *sqlstate)
{
	/* data exception, cardinality, integrity constraint, program limit, internal error */
	static const char *const classes[] = { "22", "21", "23", "54", "XX" };

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (strncmp(sqlstate, classes[i], 2) == 0)
			return true;
	}
	return false;
}
