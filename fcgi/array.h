/* PostgreSQL array literals, built in an arena: {"a","b"}. */
#ifndef MR_FCGI_ARRAY_H
#define MR_FCGI_ARRAY_H

#include <stdbool.h>

#include "lib/arena.h"

struct mr_array {
	struct mr_arena *arena;
	char *p;
	size_t len, cap;
	size_t count;
	bool failed; /* without memory; the rest is ignored */
};

void mr_array_init(struct mr_array *a, struct mr_arena *arena);
/* An absent element is NULL. */
void mr_array_add(struct mr_array *a, struct mr_str element);
/* The literal; absent after a failure. */
struct mr_str mr_array_end(struct mr_array *a);

#endif
