/* What a principal lacks for a route, for every scope, role and tenant. */
#include "fcgi/access.h"
#include "tests/unit/test.h"

#define ALL_ROLES (MR_ROLE_VIEWER | MR_ROLE_OPERATOR | MR_ROLE_EDITOR | MR_ROLE_ADMIN)

static void each_lack(void **state)
{
	const struct mr_route route = {
		.scope = MR_SCOPE_WORKFLOW_MANAGEMENT,
		.roles = MR_ROLE_EDITOR | MR_ROLE_ADMIN,
		.platform = true,
	};
	static const struct {
		struct mr_principal p;
		unsigned lacks;
	} cases[] = {
		{ { .scopes = 3, .roles = MR_ROLE_EDITOR, .is_platform = true }, 0 },
		{ { .scopes = 7, .roles = ALL_ROLES, .is_platform = true }, 0 },
		{ { .scopes = 1, .roles = ALL_ROLES, .is_platform = true }, MR_ACCESS_SCOPE },
		{ { .scopes = 3, .roles = MR_ROLE_VIEWER | MR_ROLE_OPERATOR, .is_platform = true },
		    MR_ACCESS_ROLE },
		{ { .scopes = 7, .roles = ALL_ROLES }, MR_ACCESS_PLATFORM },
		{ { .scopes = 0, .roles = 0 },
		    MR_ACCESS_SCOPE | MR_ACCESS_ROLE | MR_ACCESS_PLATFORM },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++)
		assert_int_equal(mr_access_lacks(&route, &cases[i].p), cases[i].lacks);
}

static void a_row_without_roles_asks_for_the_scope_alone(void **state)
{
	const struct mr_route route = { .scope = MR_SCOPE_READ_ONLY };
	const struct mr_principal nobody = { .scopes = 0 },
	                          reader = { .scopes = MR_SCOPE_READ_ONLY };

	(void)state;
	assert_int_equal(mr_access_lacks(&route, &nobody), MR_ACCESS_SCOPE);
	assert_int_equal(mr_access_lacks(&route, &reader), 0);
}

static void public_routes_ask_for_nothing(void **state)
{
	const struct mr_route route = { .scope = MR_SCOPE_NONE };
	const struct mr_principal nobody = { .scopes = 0 };

	(void)state;
	assert_int_equal(mr_access_lacks(&route, &nobody), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_lack),
		cmocka_unit_test(a_row_without_roles_asks_for_the_scope_alone),
		cmocka_unit_test(public_routes_ask_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
