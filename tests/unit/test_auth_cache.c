#include "auth/auth.h"
#include "auth/cache.h"
#include "auth/principal_private.h"
#include "tests/unit/test.h"

static void digest_of(unsigned n, unsigned char ret[MR_SHA256_LEN])
{
	assert_int_equal(mr_sha256((struct mr_str){ (const char *)&n, sizeof(n) }, ret), 0);
}

static struct mr_principal *principal(int64_t id)
{
	const struct mr_principal p = { .id = id,
		.tenant_id = 1,
		.name = MR_STR("somebody"),
		.kind = MR_STR("api_key"),
		.roles_text = MR_STR("{editor}"),
		.groups_text = MR_STR("{}") };

	return mr_principal_create(&p);
}

static void put(struct mr_auth_cache *c, unsigned n, int64_t until)
{
	unsigned char d[MR_SHA256_LEN];
	struct mr_principal *p = principal(n);

	digest_of(n, d);
	mr_auth_cache_put(c, d, p, until);
	mr_principal_unref(p);
}

static int64_t get(struct mr_auth_cache *c, unsigned n, int64_t now)
{
	const struct mr_principal *p = NULL;
	unsigned char d[MR_SHA256_LEN];
	int64_t id;

	digest_of(n, d);
	if (!mr_auth_cache_get(c, d, now, &p))
		return -1;
	if (p == NULL)
		return 0;
	id = p->id;
	assert_str(p->name, "somebody");
	mr_principal_unref(p);
	return id;
}

static void the_oldest_goes_first(void **state)
{
	struct mr_auth_cache *c = mr_auth_cache_create(3);

	(void)state;
	for (unsigned n = 1; n <= 3; n++)
		put(c, n, 100);
	assert_int_equal(get(c, 1, 0), 1); /* used: now 2 is the oldest */
	put(c, 4, 100);
	assert_int_equal(mr_auth_cache_len(c), 3);
	assert_int_equal(get(c, 2, 0), -1);
	assert_int_equal(get(c, 1, 0), 1);
	assert_int_equal(get(c, 4, 0), 4);
	c = mr_auth_cache_free(c);
}

static void entries_end(void **state)
{
	struct mr_auth_cache *c = mr_auth_cache_create(10);
	unsigned char d[MR_SHA256_LEN];

	(void)state;
	put(c, 1, 100);
	assert_int_equal(get(c, 1, 99), 1);
	assert_int_equal(get(c, 1, 100), -1);
	assert_int_equal(mr_auth_cache_len(c), 0);
	digest_of(2, d);
	mr_auth_cache_put(c, d, NULL, 100); /* known to be no good */
	assert_int_equal(get(c, 2, 5), 0);
	put(c, 2, 100); /* and then it is */
	assert_int_equal(get(c, 2, 5), 2);
	mr_auth_cache_clear(c);
	assert_int_equal(get(c, 2, 5), -1);
	c = mr_auth_cache_free(c);
}

static void a_request_keeps_its_principal(void **state)
{
	struct mr_auth_cache *c = mr_auth_cache_create(10);
	const struct mr_principal *p = NULL;
	unsigned char d[MR_SHA256_LEN];

	(void)state;
	put(c, 7, 100);
	digest_of(7, d);
	assert_true(mr_auth_cache_get(c, d, 0, &p));
	c = mr_auth_cache_free(c);
	assert_int_equal(p->id, 7); /* still there for whoever holds it */
	mr_principal_unref(p);
}

static void words(void **state)
{
	(void)state;
	assert_int_equal(mr_words_from_array(mr_str("{admin}"), mr_scopes_add),
	    MR_SCOPE_ADMIN | MR_SCOPE_WORKFLOW_MANAGEMENT | MR_SCOPE_READ_ONLY);
	assert_int_equal(mr_words_from_array(mr_str("{\"read-only\",nonsense}"), mr_scopes_add),
	    MR_SCOPE_READ_ONLY);
	assert_int_equal(mr_words_from_array(mr_str("{operator}"), mr_roles_add),
	    MR_ROLE_OPERATOR | MR_ROLE_VIEWER);
	assert_int_equal(mr_words_from_array(mr_str("{}"), mr_roles_add), 0);
	assert_int_equal(mr_words_from_array(MR_STR_NONE, mr_roles_add), 0);
	assert_string_equal(mr_scope_name(MR_SCOPE_ADMIN), "admin");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_oldest_goes_first),
		cmocka_unit_test(entries_end),
		cmocka_unit_test(a_request_keeps_its_principal),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
