#include "engine/heap.h"

#include <stdlib.h>

#include "lib/error.h"

void mr_heap_init(struct mr_heap *h)
{
	*h = (struct mr_heap){ 0 };
}

void mr_heap_done(struct mr_heap *h)
{
	free(h->nodes);
	*h = (struct mr_heap){ 0 };
}

static void put(struct mr_heap *h, size_t i, struct mr_heap_node *node)
{
	h->nodes[i] = node;
	node->place = i + 1;
}

static void sift_up(struct mr_heap *h, size_t i, struct mr_heap_node *node)
{
	while (i > 0) {
		size_t parent = (i - 1) / 2;

		if (h->nodes[parent]->key <= node->key)
			break;
		put(h, i, h->nodes[parent]);
		i = parent;
	}
	put(h, i, node);
}

static void sift_down(struct mr_heap *h, size_t i, struct mr_heap_node *node)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->len)
			break;
		if (child + 1 < h->len && h->nodes[child + 1]->key < h->nodes[child]->key)
			child++;
		if (node->key <= h->nodes[child]->key)
			break;
		put(h, i, h->nodes[child]);
		i = child;
	}
	put(h, i, node);
}

/* Finds the place of NODE, which may be put at I for now. */
static void settle(struct mr_heap *h, size_t i, struct mr_heap_node *node)
{
	if (i > 0 && h->nodes[(i - 1) / 2]->key > node->key)
		sift_up(h, i, node);
	else
		sift_down(h, i, node);
}

static int grow(struct mr_heap *h)
{
	size_t cap = h->cap == 0 ? 64 : h->cap * 2;
	struct mr_heap_node **nodes = realloc(h->nodes, cap * sizeof(struct mr_heap_node *));

	if (nodes == NULL)
		return MR_E_NOMEM;
	h->nodes = nodes;
	h->cap = cap;
	return 0;
}

int mr_heap_set(struct mr_heap *h, struct mr_heap_node *node, int64_t key)
{
	if (node->place == 0) {
		if (h->len == h->cap && grow(h) < 0)
			return MR_E_NOMEM;
		node->key = key;
		h->len++;
		sift_up(h, h->len - 1, node);
		return 0;
	}
	node->key = key;
	settle(h, node->place - 1, node);
	return 0;
}

void mr_heap_remove(struct mr_heap *h, struct mr_heap_node *node)
{
	struct mr_heap_node *last;
	size_t i;

	if (node->place == 0)
		return;
	i = node->place - 1;
	node->place = 0;
	last = h->nodes[--h->len];
	if (last != node)
		settle(h, i, last);
}

struct mr_heap_node *mr_heap_first(const struct mr_heap *h)
{
	return h->len > 0 ? h->nodes[0] : NULL;
}
