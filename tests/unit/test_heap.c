#include "engine/heap.h"

#include "tests/unit/test.h"

#include "lib/clock.h"

static void empty(void **state)
{
	struct mr_heap h;
	struct mr_heap_node n = { .key = 1 };

	(void)state;
	mr_heap_init(&h);
	assert_null(mr_heap_first(&h));
	mr_heap_remove(&h, &n); /* not in it */
	mr_heap_done(&h);
}

static void smallest_first(void **state)
{
	static const int64_t keys[] = { 5, 3, 9, 1, 7, 3, -2, 8 };
	static const int64_t sorted[] = { -2, 1, 3, 3, 5, 7, 8, 9 };
	struct mr_heap_node n[MR_ARRAY_LEN(keys)] = { { 0, 0 } };
	struct mr_heap h;

	(void)state;
	mr_heap_init(&h);
	for (size_t i = 0; i < MR_ARRAY_LEN(keys); i++)
		assert_int_equal(mr_heap_set(&h, &n[i], keys[i]), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(keys); i++) {
		struct mr_heap_node *first = mr_heap_first(&h);

		assert_int_equal(first->key, sorted[i]);
		mr_heap_remove(&h, first);
		assert_int_equal(first->place, 0);
	}
	assert_null(mr_heap_first(&h));
	mr_heap_done(&h);
}

static int64_t smallest(const struct mr_heap_node *n, size_t len)
{
	int64_t least = INT64_MAX;

	for (size_t i = 0; i < len; i++) {
		if (n[i].place != 0 && n[i].key < least)
			least = n[i].key;
	}
	return least;
}

/* Any order of setting, moving and removing: the first is always the smallest that is in. */
static void random_moves(void **state)
{
	static struct mr_heap_node n[200];
	uint64_t seed = 7;
	struct mr_rand rand = mr_rand_seeded(&seed);
	struct mr_heap h;

	(void)state;
	mr_heap_init(&h);
	for (int i = 0; i < 20000; i++) {
		struct mr_heap_node *node = &n[rand.next(rand.ctx) % MR_ARRAY_LEN(n)];

		if (rand.next(rand.ctx) % 3 == 0)
			mr_heap_remove(&h, node);
		else
			assert_int_equal(
			    mr_heap_set(&h, node, (int64_t)(rand.next(rand.ctx) % 1000)), 0);
		if (h.len == 0)
			assert_null(mr_heap_first(&h));
		else
			assert_int_equal(mr_heap_first(&h)->key, smallest(n, MR_ARRAY_LEN(n)));
	}
	mr_heap_done(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(smallest_first),
		cmocka_unit_test(random_moves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
