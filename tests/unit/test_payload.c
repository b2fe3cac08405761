#include "engine/payload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
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

	for (size_t i = 0; i < n; i++)
		assert_int_equal(mr_payload_remove(w->root, ids[i]), 0);
	(void)snprintf(path, sizeof(path), "%s/payloads", w->root);
	(void)rmdir(path);
	assert_int_equal(rmdir(w->root), 0); /* nothing else was left there */
	w->arena = mr_arena_free(w->arena);
	free(w);
	return 0;
}

static struct mr_str put(struct world *w, int64_t run_id, const char *text)
{
	struct mr_str ref, tmp;

	assert_int_equal(mr_payload_write(w->arena, w->root, run_id, mr_str(text), &ref, &tmp), 0);
	assert_int_equal(mr_payload_settle(w->root, ref, tmp), 0);
	return ref;
}

static void written_and_read(void **state)
{
	struct world *w = *state;
	struct mr_str ref = put(w, 20000123, "{\"a\":1}"), again, tmp, text;

	assert_true(mr_str_starts(ref, MR_STR("payloads/2000/20000123/")));
	assert_int_equal(ref.len, strlen("payloads/2000/20000123/") + 64);
	assert_int_equal(mr_payload_read(w->arena, w->root, ref, &text), 0);
	assert_true(mr_str_eqz(text, "{\"a\":1}"));
	/* the same value is the same file; another run's is not */
	assert_int_equal(
	    mr_payload_write(w->arena, w->root, 20000123, MR_STR("{\"a\":1}"), &again, &tmp), 0);
	assert_true(mr_str_eq(ref, again));
	assert_null(tmp.p); /* nothing was written */
	assert_int_equal(mr_payload_settle(w->root, again, tmp), 0);
	assert_false(mr_str_eq(ref, put(w, 5, "{\"a\":1}")));
}

/* A file has its name only when it is on disk; its run can read it before that. Two owners of a
 * run may write the same value at once. */
static void named_when_settled(void **state)
{
	struct world *w = *state;
	struct mr_str ref, tmp, ref2, tmp2, text;

	assert_int_equal(mr_payload_write(w->arena, w->root, 7, MR_STR("[1]"), &ref, &tmp), 0);
	assert_int_equal(mr_payload_write(w->arena, w->root, 7, MR_STR("[1]"), &ref2, &tmp2), 0);
	assert_true(mr_str_eq(ref, ref2));
	assert_false(mr_str_eq(tmp, tmp2));
	assert_int_equal(mr_payload_read(w->arena, w->root, ref, &text), MR_E_NOT_FOUND);
	assert_int_equal(mr_payload_read_unsettled(w->arena, w->root, ref, tmp, &text), 0);
	assert_true(mr_str_eqz(text, "[1]"));
	assert_int_equal(mr_payload_settle(w->root, ref, tmp), 0);
	assert_int_equal(mr_payload_read(w->arena, w->root, ref, &text), 0);
	assert_int_equal(mr_payload_read_unsettled(w->arena, w->root, ref, tmp, &text), 0);
	assert_true(mr_str_eqz(text, "[1]"));
	assert_int_equal(mr_payload_settle(w->root, ref2, tmp2), 0);
	assert_int_equal(mr_payload_read(w->arena, w->root, ref2, &text), 0);
	assert_true(mr_str_eqz(text, "[1]"));
	/* what was taken away meanwhile can't be settled */
	assert_int_equal(mr_payload_write(w->arena, w->root, 7, MR_STR("[2]"), &ref, &tmp), 0);
	assert_int_equal(mr_payload_remove(w->root, 7), 0);
	assert_int_equal(mr_payload_settle(w->root, ref, tmp), MR_E_IO);
}

static void empty_folders_go(void **state)
{
	struct world *w = *state;
	char path[128];

	(void)put(w, 30001, "1");
	(void)put(w, 30002, "1");
	(void)snprintf(path, sizeof(path), "%s/payloads/3", w->root);
	assert_int_equal(mr_payload_remove(w->root, 30001), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(mr_payload_remove(w->root, 30002), 0);
	assert_int_not_equal(access(path, F_OK), 0);
	(void)put(w, 30001, "1"); /* made again */
	assert_int_equal(access(path, F_OK), 0);
}

static void only_ours_are_read(void **state)
{
	static const char *const refs[] = { "", "payloads", "payloads/1/2/3", "/etc/passwd",
		"payloads/../2/0000000000000000000000000000000000000000000000000000000000000000",
		"files/1/2/0000000000000000000000000000000000000000000000000000000000000000",
		"payloads/1/2/000000000000000000000000000000000000000000000000000000000000000/",
		"payloads/1/2/00000000000000000000000000000000000000000000000000000000000000/a" };
	struct world *w = *state;
	struct mr_str none =
	    MR_STR("payloads/0/2/0000000000000000000000000000000000000000000000000000000000000000");
	struct mr_str text;

	for (size_t i = 0; i < MR_ARRAY_LEN(refs); i++)
		assert_int_equal(
		    mr_payload_read(w->arena, w->root, mr_str(refs[i]), &text), MR_E_INVALID);
	/* nothing was ever stored here: another folder, perhaps, where the store is to be mounted
	 */
	assert_int_equal(mr_payload_read(w->arena, w->root, none, &text), MR_E_IO);
	(void)put(w, 3, "1");
	assert_int_equal(mr_payload_read(w->arena, w->root, none, &text), MR_E_NOT_FOUND);
}

static void a_store_that_is_not_there(void **state)
{
	struct world *w = *state;
	struct mr_str ref, tmp;

	assert_int_equal(
	    mr_payload_write(w->arena, "/nowhere/at/all", 1, MR_STR("1"), &ref, &tmp), MR_E_IO);
	assert_int_equal(mr_payload_remove("/nowhere/at/all", 1), 0);
}

static void listed_in_order_and_removed(void **state)
{
	static const int64_t runs[] = { 25001, 7, 10000, 25000, 9999 };
	struct world *w = *state;
	int64_t ids[10];

	assert_int_equal(mr_payload_list(w->root, 0, ids, 10), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(runs); i++)
		(void)put(w, runs[i], "1");
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
		cmocka_unit_test_setup_teardown(named_when_settled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(empty_folders_go, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_ours_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_store_that_is_not_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(listed_in_order_and_removed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
