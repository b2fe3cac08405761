/* The words of the audit log: kinds of things by the route's tag, addresses as they are counted. */
#include "fcgi/audit.h"
#include "tests/unit/test.h"

static struct mr_arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = mr_arena_create(1u << 16);
	return arena == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	arena = mr_arena_free(arena);
	return 0;
}

static void entity_types(void **state)
{
	static const char *const cases[][2] = { { "workflows", "workflow" },
		{ "api-keys", "api_key" }, { "audit-logs", "audit_log" }, { "system", "system" } };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		assert_true(mr_str_eqz(mr_audit_entity_type(arena, cases[i][0]), cases[i][1]));
}

static bool same(const char *a, const char *b)
{
	return mr_str_eq(
	    mr_audit_address_key(arena, mr_str(a)), mr_audit_address_key(arena, mr_str(b)));
}

static void addresses(void **state)
{
	(void)state;
	assert_true(same("192.0.2.1", "192.0.2.1"));
	assert_false(same("192.0.2.1", "192.0.2.2"));
	assert_true(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9"));
	assert_false(same("2001:db8:1:2::1", "2001:db8:1:3::1"));
	assert_false(same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
	assert_true(same("", "x-that-is-no-address-and-far-too-long-to-be-one-of-any-kind"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entity_types),
		cmocka_unit_test(addresses),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
