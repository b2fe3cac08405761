/* Rate limits as settings and keys write them down. */
#include "lib/rate.h"

#include <stdlib.h>

#include "tests/unit/test.h"

static const struct {
	const char *text;
	int64_t limit, window_s; /* limit 0: refused */
} texts[] = {
	{ "100/min", 100, 60 },
	{ "10/h", 10, 3600 },
	{ " 5 / s ", 5, 1 },
	{ "1000000000/d", 1000000000, 86400 },
	{ "none", MR_RATE_UNLIMITED, 60 },
	{ "", 0, 0 },
	{ "100", 0, 0 },
	{ "100/", 0, 0 },
	{ "/min", 0, 0 },
	{ "0/min", 0, 0 },
	{ "-1/min", 0, 0 },
	{ "1.5/min", 0, 0 },
	{ "1000000001/min", 0, 0 },
	{ "100/minute", 0, 0 },
	{ "100/MIN", 0, 0 },
	{ "100/min/h", 0, 0 },
	{ "None", 0, 0 },
};

static void texts_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(texts); i++) {
		struct mr_rate rate = { 7, 7 };
		int r = mr_rate_parse(mr_str(texts[i].text), &rate);

		if (r != (texts[i].limit == 0 ? MR_E_INVALID : 0))
			fail_msg("\"%s\" gave %d", texts[i].text, r);
		assert_int_equal(rate.limit, texts[i].limit == 0 ? 7 : texts[i].limit);
		assert_int_equal(rate.window_s, texts[i].limit == 0 ? 7 : texts[i].window_s);
	}
}

/* The defaults are those that clients were promised. */
static void defaults_of_the_settings(void **state)
{
	static const struct {
		enum mr_rate_class c;
		const char *name;
		int64_t limit, window_s;
	} promised[] = {
		{ MR_RATE_TEMPLATES, "templates", 100, 60 },
		{ MR_RATE_WORKFLOW_CREATION, "workflow_creation", 50, 60 },
		{ MR_RATE_WORKFLOW_EXECUTION, "workflow_execution", 200, 60 },
		{ MR_RATE_MONITORING, "monitoring", 500, 60 },
		{ MR_RATE_INTELLIGENCE, "intelligence", 100, 60 },
		{ MR_RATE_SIMULATION, "simulation", 20, 60 },
		{ MR_RATE_SUGGESTION_GENERATION, "suggestion_generation", 10, 3600 },
		{ MR_RATE_STANDARD, "standard", 100, 60 },
	};
	struct mr_arena *arena = mr_arena_create(1u << 20);
	struct mr_settings *s = NULL;
	struct mr_rate rates[MR_RATE_COUNT];
	struct mr_faults faults;

	(void)state;
	mr_faults_init(&faults, arena, 10);
	assert_int_equal(mr_settings_load(NULL, &faults, &s), 0);
	mr_rates_read(s, rates);
	assert_int_equal(MR_ARRAY_LEN(promised), MR_RATE_COUNT - 1);
	for (size_t i = 0; i < MR_ARRAY_LEN(promised); i++) {
		assert_int_equal(rates[promised[i].c].limit, promised[i].limit);
		assert_int_equal(rates[promised[i].c].window_s, promised[i].window_s);
		assert_string_equal(mr_rate_class_name(promised[i].c), promised[i].name);
		assert_int_equal(mr_rate_class_by_name(mr_str(promised[i].name)), promised[i].c);
	}
	assert_string_equal(mr_rate_class_name(MR_RATE_EXEMPT), "exempt");
	assert_int_equal(mr_rate_class_by_name(MR_STR("exempt")), MR_RATE_EXEMPT);
	assert_int_equal(mr_rate_class_by_name(MR_STR("nothing")), MR_RATE_EXEMPT);
	s = mr_settings_free(s);
	arena = mr_arena_free(arena);
}

static void a_faulty_setting_is_named(void **state)
{
	struct mr_arena *arena = mr_arena_create(1u << 20);
	struct mr_settings *s = NULL;
	struct mr_faults faults;

	(void)state;
	mr_faults_init(&faults, arena, 10);
	assert_int_equal(setenv("MILLRACE_RATE_LIMIT_STANDARD", "many", 1), 0);
	assert_int_equal(mr_settings_load(NULL, &faults, &s), MR_E_INVALID);
	assert_int_equal(faults.count, 1);
	assert_true(mr_str_eqz(faults.first->path, "rate_limit_standard"));
	assert_int_equal(unsetenv("MILLRACE_RATE_LIMIT_STANDARD"), 0);
	arena = mr_arena_free(arena);
}

static void a_keys_own(void **state)
{
	struct mr_arena *arena = mr_arena_create(1u << 20);
	struct mr_rate rates[MR_RATE_COUNT] = { { 0, 0 } };

	(void)state;
	mr_rates_from_json(arena,
	    MR_STR("{\"monitoring\": {\"limit\": 9}, \"standard\": null, \"templates\": "
	           "{\"limit\": 3, \"window\": 10}, \"simulation\": {\"limit\": 0}, "
	           "\"intelligence\": {\"limit\": 1, \"window\": 0}, \"other\": null}"),
	    rates);
	assert_int_equal(rates[MR_RATE_MONITORING].limit, 9);
	assert_int_equal(rates[MR_RATE_MONITORING].window_s, 60);
	assert_int_equal(rates[MR_RATE_STANDARD].limit, MR_RATE_UNLIMITED);
	assert_int_equal(rates[MR_RATE_TEMPLATES].limit, 3);
	assert_int_equal(rates[MR_RATE_TEMPLATES].window_s, 10);
	assert_int_equal(rates[MR_RATE_SIMULATION].limit, 0);
	assert_int_equal(rates[MR_RATE_INTELLIGENCE].limit, 0);
	assert_int_equal(rates[MR_RATE_WORKFLOW_CREATION].limit, 0);
	mr_rates_from_json(arena, MR_STR_NONE, rates);
	mr_rates_from_json(arena, MR_STR("[]"), rates);
	assert_int_equal(rates[MR_RATE_MONITORING].limit, 9);
	arena = mr_arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_read),
		cmocka_unit_test(defaults_of_the_settings),
		cmocka_unit_test(a_faulty_setting_is_named),
		cmocka_unit_test(a_keys_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
