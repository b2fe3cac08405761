/* Counts by caller, route and answer: one row each, a place for what finds none, nothing lost
 * unseen. */
#include "fcgi/tally.h"

#include "tests/unit/test.h"

static void test_counts(void **state)
{
	struct mr_tally *t = mr_tally_create();
	struct mr_tally_key a = {
		.tenant_id = 1, .key_id = 2, .route = 3, .status = 200, .hour = 9
	};
	struct mr_tally_key b = a;
	const struct mr_tally_row *rows;

	(void)state;
	assert_non_null(t);
	b.status = 404;
	assert_true(mr_tally_add(t, &a, 700, 1));
	assert_true(mr_tally_add(t, &b, 5, 0));
	assert_true(mr_tally_add(t, &a, 300, 0));
	assert_true(mr_tally_add(t, &a, 9000000, 99)); /* beyond all buckets: the last one */
	assert_int_equal(mr_tally_len(t), 2);
	rows = mr_tally_rows(t);
	assert_memory_equal(&rows[0].key, &a, sizeof(a));
	assert_int_equal(rows[0].n, 3);
	assert_int_equal(rows[0].sum_us, 9001000);
	assert_int_equal(rows[0].max_us, 9000000);
	assert_int_equal(rows[0].buckets[0], 1);
	assert_int_equal(rows[0].buckets[1], 1);
	assert_int_equal(rows[0].buckets[MR_TALLY_BUCKETS - 1], 1);
	assert_int_equal(rows[1].n, 1);
	mr_tally_clear(t);
	assert_int_equal(mr_tally_len(t), 0);
	assert_true(mr_tally_add(t, &b, 1, 0));
	assert_int_equal(mr_tally_len(t), 1);
	assert_int_equal(mr_tally_rows(t)[0].n, 1); /* nothing of before */
	t = mr_tally_free(t);
}

/* Each part of the key tells rows apart. */
static void test_what_tells_apart(void **state)
{
	struct mr_tally *t = mr_tally_create();
	struct mr_tally_key keys[9];

	(void)state;
	assert_non_null(t);
	for (unsigned i = 0; i < MR_ARRAY_LEN(keys); i++)
		keys[i] = (struct mr_tally_key){ .tenant_id = 1 };
	keys[1].tenant_id = 2;
	keys[2].key_id = 1;
	keys[3].principal_id = 1;
	keys[4].workflow_id = 1;
	keys[5].hour = 1;
	keys[6].route = 1;
	keys[7].status = 1;
	keys[8].error = 1;
	for (unsigned i = 0; i < 2 * MR_ARRAY_LEN(keys); i++)
		assert_true(mr_tally_add(t, &keys[i % MR_ARRAY_LEN(keys)], 1, 0));
	assert_int_equal(mr_tally_len(t), MR_ARRAY_LEN(keys));
	for (unsigned i = 0; i < MR_ARRAY_LEN(keys); i++)
		assert_int_equal(mr_tally_rows(t)[i].n, 2);
	t = mr_tally_free(t);
}

/* Of the last tenant nobody is told apart any more, and then of more tenants than there is room. */
static void test_full(void **state)
{
	struct mr_tally *t = mr_tally_create();
	struct mr_tally_key key = { .tenant_id = 7, .route = 3, .status = 200, .hour = 9 };
	uint64_t counted = 0, lost = 0, other = 0, sum = 0;

	(void)state;
	assert_non_null(t);
	for (int i = 0; i < 5000; i++) {
		key.workflow_id = i;
		assert_true(mr_tally_add(t, &key, 1, 0));
	}
	for (int i = 0; i < 5000; i++) {
		key.tenant_id = 100 + i;
		if (mr_tally_add(t, &key, 1, 0))
			counted++;
		else
			lost++;
	}
	assert_int_equal(mr_tally_len(t), MR_TALLY_ROWS);
	assert_int_equal(counted + lost, 5000);
	assert_true(lost > 0);
	for (unsigned i = 0; i < mr_tally_len(t); i++) {
		const struct mr_tally_row *row = &mr_tally_rows(t)[i];

		sum += row->n;
		if (row->key.tenant_id != 7 || row->key.route != MR_TALLY_OTHER)
			continue;
		assert_int_equal(row->key.workflow_id, 0);
		assert_int_equal(row->key.status, 200);
		other += row->n;
	}
	assert_int_equal(sum, 5000 + counted);
	assert_int_equal(other, 5000 - MR_TALLY_ROWS / 4 * 3);
	key.tenant_id = 7; /* whoever has a place keeps it */
	key.workflow_id = 0;
	assert_true(mr_tally_add(t, &key, 1, 0));
	assert_int_equal(mr_tally_rows(t)[0].n, 2);
	t = mr_tally_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_what_tells_apart),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
