#include "lib/error.h"

#include "tests/unit/test.h"

static void rows_are_whole(void **state)
{
	unsigned last = 0;

	(void)state;
	for (int i = MR_ERR_NONE + 1; i < MR_ERR_COUNT; i++) {
		const struct mr_error_row *r = &mr_error_rows[i];

		assert_true(r->status >= last); /* sorted by status */
		assert_true(r->status >= 400 && r->status < 600);
		assert_true(strlen(r->title) > 3 && strlen(r->sentence) > 10);
		assert_int_equal(mr_error_by_code(mr_str(r->code)), i);
		last = r->status;
	}
	assert_int_equal(mr_error_by_code(mr_str("NO_SUCH_CODE")), MR_ERR_NONE);
}

static void faults_are_collected(void **state)
{
	struct mr_arena *a = mr_arena_create(100000);
	struct mr_faults f;

	(void)state;
	mr_faults_init(&f, a, 2);
	for (int i = 0; i < 5; i++)
		mr_fault_add(&f, mr_str("steps[0]"), "type", "fault %d", i);
	assert_int_equal(f.count, 5);
	assert_str(f.first->message, "fault 0");
	assert_str(f.last->message, "fault 1");
	assert_null(f.last->next);
	mr_fault_add(NULL, mr_str("x"), "type", "nobody listens");
	a = mr_arena_free(a);
}

static void faults_of_a_part(void **state)
{
	struct mr_arena *a = mr_arena_create(100000);
	struct mr_faults part, whole;

	(void)state;
	mr_faults_init(&part, a, 10);
	mr_faults_init(&whole, a, 10);
	mr_fault_add(&part, MR_STR("steps[0].type"), "enum", "must be %s", "one");
	mr_fault_add(&part, MR_STR("[1]"), "type", "two");
	mr_fault_add(&part, MR_STR(""), "required", "three");
	mr_faults_move(&whole, &part, MR_STR("items"));
	assert_int_equal(whole.count, 3);
	assert_str(whole.first->path, "items.steps[0].type");
	assert_str(whole.first->code, "enum");
	assert_str(whole.first->message, "must be one");
	assert_str(whole.first->next->path, "items[1]");
	assert_str(whole.last->path, "items");
	a = mr_arena_free(a);
}

/* Names from inputs are quoted; nobody gets their hundred kilobytes back. */
static void long_ones_are_cut(void **state)
{
	struct mr_arena *a = mr_arena_create(1 << 20);
	char *name = mr_arena_alloc(a, 100001);
	struct mr_faults f;

	(void)state;
	memset(name, 'x', 100000);
	name[100000] = '\0';
	memcpy(name + 999, "ä", 2); /* stands on the cut */
	mr_faults_init(&f, a, 10);
	mr_fault_add(&f, mr_str(name), "unknown", "%s", name);
	mr_fault_add(&f, (struct mr_str){ name, 999 }, "unknown", "%.999s", name);
	assert_int_equal(f.first->message.len, 999 + strlen("…"));
	assert_true(mr_str_is_utf8(f.first->message));
	assert_memory_equal(f.first->message.p + 999, "…", strlen("…"));
	assert_int_equal(f.first->path.len, 999 + strlen("…"));
	assert_int_equal(f.last->message.len, 999);
	assert_int_equal(f.last->path.len, 999);
	a = mr_arena_free(a);
}

static void settled_places(void **state)
{
	struct mr_arena *a = mr_arena_create(100000);
	struct mr_faults f;

	(void)state;
	mr_faults_init(&f, a, 10);
	mr_fault_add(&f, MR_STR("steps"), "type", "must be a list");
	mr_fault_add(&f, MR_STR("name"), "required", "is required");
	f.settled = f.last;
	mr_fault_add(&f, MR_STR("steps"), "type", "once more");
	mr_fault_add(&f, MR_STR("steps[0].name"), "type", "inside");
	mr_fault_add(&f, MR_STR("name.first"), "type", "inside");
	assert_int_equal(f.count, 2);
	mr_fault_add(&f, MR_STR("steps_more"), "type", "another place");
	mr_fault_add(&f, MR_STR("steps_more"), "type", "is not settled");
	assert_int_equal(f.count, 4);
	a = mr_arena_free(a);
}

static void what_nobody_knows(void **state)
{
	struct mr_arena *a = mr_arena_create(100000);
	struct mr_faults whole, part;

	(void)state;
	mr_faults_init(&whole, a, 10);
	assert_false(mr_faults_ignore(&whole, "unknown_member"));
	whole.ignores_unknown = true;
	mr_faults_begin(&part, a, &whole);
	assert_int_equal(part.max, 10);
	mr_fault_add(&part, MR_STR("colour"), "unknown_member", "is not known here");
	mr_fault_add(&part, MR_STR("_"), "unknown_argument", "is not known here");
	assert_int_equal(part.count, 0);
	mr_fault_add(&part, MR_STR("name"), "required", "is required");
	assert_int_equal(part.count, 1);
	a = mr_arena_free(a);
}

/* Counted without memory: the whole has them too. */
static void faults_without_memory_are_moved(void **state)
{
	struct mr_arena *a = mr_arena_create(1u << 16);
	struct mr_faults from, to;

	(void)state;
	assert_non_null(a);
	mr_faults_init(&from, a, 10);
	mr_faults_init(&to, a, 10);
	mr_arena_fail_after(1);
	mr_fault_add(&from, MR_STR("x"), "type", "must be a text");
	mr_faults_move(&to, &from, MR_STR("steps"));
	mr_arena_fail_after(0);
	assert_int_equal(from.count, 1);
	assert_int_equal(to.count, 1);
	a = mr_arena_free(a);
}

static void errors_may_be_ignored(void **state)
{
	struct mr_error err = { 0 };

	(void)state;
	assert_int_equal(mr_error_set(NULL, MR_E_IO, MR_ERR_INTERNAL, "x"), MR_E_IO);
	assert_int_equal(
	    mr_error_set(&err, MR_E_DENIED, MR_ERR_FORBIDDEN, "no %d", 1), MR_E_DENIED);
	assert_string_equal(err.detail, "no 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_whole),
		cmocka_unit_test(faults_are_collected),
		cmocka_unit_test(faults_of_a_part),
		cmocka_unit_test(long_ones_are_cut),
		cmocka_unit_test(settled_places),
		cmocka_unit_test(what_nobody_knows),
		cmocka_unit_test(faults_without_memory_are_moved),
		cmocka_unit_test(errors_may_be_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
