#include "engine/definitions.h"

#include "tests/unit/test.h"

#define GOOD                                                                                       \
	MR_STR("{\"workflow_type\":\"etl\",\"steps\":[{\"name\":\"a\",\"type\":\"log\","           \
	       "\"config\":{\"message\":\"x\"}}]}")

static void compiled_once(void **state)
{
	struct mr_definitions *d = mr_definitions_create(10);
	struct mr_definition *def, *again;

	(void)state;
	assert_null(mr_definitions_get(d, 1, 1));
	def = mr_definitions_put(d, 1, 1, MR_STR("My workflow"), GOOD);
	assert_non_null(def);
	assert_non_null(def->graph);
	assert_str(def->name, "My workflow");
	assert_str(def->workflow_type, "etl");
	assert_int_equal(def->graph->steps_len, 1);
	again = mr_definitions_get(d, 1, 1);
	assert_ptr_equal(again, def);
	assert_null(mr_definitions_get(d, 1, 2));
	assert_null(mr_definitions_get(d, 2, 1));
	assert_null(mr_definition_unref(d, again));
	d = mr_definitions_free(d);
}

static void what_does_not_compile(void **state)
{
	static const struct {
		const char *name, *text, *problem;
	} rows[] = {
		{ "no such version", NULL, "no such version" },
		{ "not JSON", "{", "" },
		{ "unknown type", "{\"steps\":[{\"name\":\"a\",\"type\":\"nonsense\"}]}",
		    "nonsense" },
	};
	struct mr_definitions *d = mr_definitions_create(10);

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(rows); i++) {
		struct mr_definition *def = mr_definitions_put(d, (int64_t)i, 1, MR_STR_NONE,
		    rows[i].text != NULL ? mr_str(rows[i].text) : MR_STR_NONE);
		char problem[300];

		assert_non_null(def);
		assert_null(def->graph);
		assert_true(def->problem.len > 0 && def->problem.len < sizeof(problem));
		memcpy(problem, def->problem.p, def->problem.len);
		problem[def->problem.len] = '\0';
		if (strstr(problem, rows[i].problem) == NULL)
			fail_msg("%s: %s", rows[i].name, problem);
	}
	d = mr_definitions_free(d);
}

/* The least recently used go first; those in use never. */
static void bounded(void **state)
{
	struct mr_definitions *d = mr_definitions_create(3);
	struct mr_definition *used, *def;

	(void)state;
	(void)mr_definitions_put(d, 100, 1, MR_STR_NONE, GOOD);
	used = mr_definitions_get(d, 100, 1);
	for (int version = 1; version <= 10; version++) {
		(void)mr_definitions_put(d, 7, version, MR_STR_NONE, GOOD);
		def = mr_definitions_get(d, 7, version);
		assert_non_null(def);
		(void)mr_definition_unref(d, def);
	}
	assert_int_equal(mr_definitions_len(d), 4);
	assert_null(mr_definitions_get(d, 7, 7));
	def = mr_definitions_get(d, 7, 8);
	assert_non_null(def);
	(void)mr_definition_unref(d, def); /* now 9 is the oldest */
	(void)mr_definitions_put(d, 8, 1, MR_STR_NONE, GOOD);
	def = mr_definitions_get(d, 8, 1);
	(void)mr_definition_unref(d, def);
	assert_null(mr_definitions_get(d, 7, 9));
	def = mr_definitions_get(d, 7, 8);
	assert_non_null(def);
	(void)mr_definition_unref(d, def);
	def = mr_definitions_get(d, 100, 1);
	assert_ptr_equal(def, used);
	(void)mr_definition_unref(d, def);
	(void)mr_definition_unref(d, used);
	assert_int_equal(mr_definitions_len(d), 3);
	d = mr_definitions_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compiled_once),
		cmocka_unit_test(what_does_not_compile),
		cmocka_unit_test(bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
