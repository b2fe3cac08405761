#include "engine/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/test.h"

struct world {
	char root[64];
	struct mr_arena *arena;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -1;
	(void)snprintf(w->root, sizeof(w->root), "/tmp/mr-payload-XXXXXX");
	w->arena = mr_arena_create(1000000);
	*state = w;
	return mkdtemp(w->root) == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;
	int64_t ids[100];
	size_t n = mr_payload_list(w->root, 0, ids, 100);
	char path[128];

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(mr_payload_remove(w->root, ids[i]), 0);
		(void)snprintf(
		    path, sizeof(path), "%s/payloads/%lld", w->root, (long long)(ids[i] / 10000));
		(void)rmdir(path);
	}
	(void)snprintf(path, sizeof(path), "%s/payloads", w->root);
	(void)rmdir(path);
	assert_int_equal(rmdir(w->root), 0); /* nothing else was left there */
	w->arena = mr_arena_free(w->arena);
	free(w);
	return 0;
}

static void written_and_read(void **state)
{
	struct world *w = *state;
	struct mr_str ref, again, text;

	assert_int_equal(
	    mr_payload_write(w->arena, w->root, 20000123, MR_STR("{\"a\":1}"), &ref), 0);
	assert_true(mr_str_starts(ref, MR_STR("payloads/2000/20000123/")));
	assert_int_equal(ref.len, strlen("payloads/2000/20000123/") + 64);
	assert_int_equal(mr_payload_read(w->arena, w->root, ref, &text), 0);
	assert_true(mr_str_eqz(text, "{\"a\":1}"));
	/* the same value is the same file; another run's is not */
	assert_int_equal(
	    mr_payload_write(w->arena, w->root, 20000123, MR_STR("{\"a\":1}"), &again), 0);
	assert_true(mr_str_eq(ref, again));
	assert_int_equal(mr_payload_write(w->arena, w->root, 5, MR_STR("{\"a\":1}"), &again), 0);
	assert_false(mr_str_eq(ref, again));
}

static void only_ours_are_read(void **state)
{
	static const char *const refs[] = { "", "payloads", "payloads/1/2/3", "/etc/passwd",
		"payloads/../2/0000000000000000000000000000000000000000000000000000000000000000",
		"files/1/2/0000000000000000000000000000000000000000000000000000000000000000",
		"payloads/1/2/000000000000000000000000000000000000000000000000000000000000000/",
		"payloads/1/2/00000000000000000000000000000000000000000000000000000000000000/a" };
	struct world *w = *state;
	struct mr_str text;

	for (size_t i = 0; i < MR_ARRAY_LEN(refs); i++)
		assert_int_equal(
		    mr_payload_read(w->arena, w->root, mr_str(refs[i]), &text), MR_E_INVALID);
	assert_int_equal(
	    mr_payload_read(w->arena, w->root,
	        MR_STR("payloads/0/2/"
	               "0000000000000000000000000000000000000000000000000000000000000000"),
	        &text),
	    MR_E_NOT_FOUND);
}

static void a_store_that_is_not_there(void **state)
{
	struct world *w = *state;
	struct mr_str ref;

	assert_int_equal(
	    mr_payload_write(w->arena, "/nowhere/at/all", 1, MR_STR("1"), &ref), MR_E_IO);
	assert_int_equal(mr_payload_remove("/nowhere/at/all", 1), 0);
}

static void listed_in_order_and_removed(void **state)
{
	static const int64_t runs[] = { 25001, 7, 10000, 25000, 9999 };
	struct world *w = *state;
	struct mr_str ref;
	int64_t ids[10];

	assert_int_equal(mr_payload_list(w->root, 0, ids, 10), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(runs); i++)
		assert_int_equal(
		    mr_payload_write(w->arena, w->root, runs[i], MR_STR("1"), &ref), 0);
	assert_int_equal(mr_payload_list(w->root, 0, ids, 3), 3);
	assert_int_equal(ids[0], 7);
	assert_int_equal(ids[1], 9999);
	assert_int_equal(ids[2], 10000);
	assert_int_equal(mr_payload_list(w->root, 10000, ids, 3), 2);
	assert_int_equal(ids[0], 25000);
	assert_int_equal(ids[1], 25001);
	assert_int_equal(mr_payload_list(w->root, 25000, ids, 1), 1);
	assert_int_equal(ids[0], 25001);
	assert_int_equal(mr_payload_list(w->root, 25001, ids, 1), 0);
	assert_int_equal(mr_payload_remove(w->root, 25001), 0);
	assert_int_equal(mr_payload_remove(w->root, 25001), 0);
	assert_int_equal(mr_payload_list(w->root, 10000, ids, 3), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(written_and_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_ours_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_store_that_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(listed_in_order_and_removed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
