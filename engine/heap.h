/*
 * A binary heap of nodes that live inside their owners, smallest key first. It owns only its
 * array of pointers, never the nodes.
 */
#ifndef MR_ENGINE_HEAP_H
#define MR_ENGINE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/macros.h"

struct mr_heap_node {
	int64_t key;
	size_t place; /* 1-based place in the heap, 0 = not in one */
};

struct mr_heap {
	struct mr_heap_node **nodes; /* owned */
	size_t len, cap;
};

void mr_heap_init(struct mr_heap *h);
void mr_heap_done(struct mr_heap *h);
/* Puts NODE in, or moves it, to KEY. 0 or MR_E_NOMEM (only when it was not in). */
int mr_heap_set(struct mr_heap *h, struct mr_heap_node *node, int64_t key) MR_MUST_CHECK;
/* Takes NODE out; nothing happens when it is not in. */
void mr_heap_remove(struct mr_heap *h, struct mr_heap_node *node);
/* The node with the smallest key, or NULL. */
struct mr_heap_node *mr_heap_first(const struct mr_heap *h);

#endif
