#include "engine/env.h"

#include <stdlib.h>

#include "tests/unit/test.h"

static void only_what_is_allowed(void **state)
{
	struct mr_env env;
	struct mr_value v;

	(void)state;
	assert_int_equal(setenv("MILLRACE_ENV_A", "one", 1), 0);
	assert_int_equal(setenv("MILLRACE_ENV_B", "two", 1), 0);
	assert_int_equal(setenv("MILLRACE_ENV_C", "secret", 1), 0);
	assert_int_equal(setenv("MILLRACE_ENV_BAD", "\xff", 1), 0);
	assert_int_equal(unsetenv("MILLRACE_ENV_MISSING"), 0);
	assert_int_equal(mr_env_init(&env, " A, B MISSING A\tBAD PATH "), 0);
	assert_int_equal(mr_env_lookup(&env, NULL, MR_STR("env"), &v), 0);
	assert_int_equal(v.kind, MR_VALUE_MAP);
	assert_int_equal(v.map->len, 2);
	assert_str(mr_value_get_str(&v, "A"), "one");
	assert_str(mr_value_get_str(&v, "B"), "two");
	assert_null(mr_value_get(&v, "C"));
	assert_null(mr_value_get(&v, "PATH"));
	assert_int_equal(mr_env_lookup(&env, NULL, MR_STR("secrets"), &v), MR_E_NOT_FOUND);
	mr_env_done(&env);
}

static void empty_list(void **state)
{
	struct mr_env env;
	struct mr_value v;

	(void)state;
	assert_int_equal(mr_env_init(&env, ""), 0);
	assert_int_equal(mr_env_lookup(&env, NULL, MR_STR("env"), &v), 0);
	assert_int_equal(v.map->len, 0);
	mr_env_done(&env);
}

/* A run that was evaluated before a reload still holds what it saw. */
static void reloaded(void **state)
{
	struct mr_env env;
	struct mr_value before, after;

	(void)state;
	assert_int_equal(setenv("MILLRACE_ENV_A", "one", 1), 0);
	assert_int_equal(mr_env_init(&env, "A"), 0);
	assert_int_equal(mr_env_lookup(&env, NULL, MR_STR("env"), &before), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(mr_env_reload(&env, ""), 0);
	assert_int_equal(mr_env_lookup(&env, NULL, MR_STR("env"), &after), 0);
	assert_int_equal(after.map->len, 0);
	assert_str(mr_value_get_str(&before, "A"), "one");
	mr_env_done(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_allowed),
		cmocka_unit_test(empty_list),
		cmocka_unit_test(reloaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
