/* Which addresses pass, in many forms; and the operator's list. */
#include "net/address_guard.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>

#include "tests/unit/test.h"

struct address_case {
	const char *address;
	bool allowed;
};

static bool ask(const struct mr_address_guard *g, const char *address, uint16_t port)
{
	struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (inet_pton(AF_INET, address, &in4.sin_addr) == 1)
		return mr_address_guard_allows(g, (struct sockaddr *)&in4, sizeof(in4));
	assert_int_equal(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
	return mr_address_guard_allows(g, (struct sockaddr *)&in6, sizeof(in6));
}

static const struct address_case no_list[] = {
	/* public */
	{ "8.8.8.8", true },
	{ "1.1.1.1", true },
	{ "93.184.216.34", true },
	{ "223.255.255.255", true },
	{ "11.0.0.0", true },
	{ "9.255.255.255", true },
	{ "100.63.255.255", true },
	{ "100.128.0.0", true },
	{ "126.255.255.255", true },
	{ "128.0.0.0", true },
	{ "169.253.255.255", true },
	{ "169.255.0.0", true },
	{ "172.15.255.255", true },
	{ "172.32.0.0", true },
	{ "192.167.255.255", true },
	{ "192.169.0.0", true },
	{ "198.17.255.255", true },
	{ "198.20.0.0", true },
	{ "168.63.129.15", true },
	{ "168.63.129.17", true },
	{ "2606:4700:4700::1111", true },
	{ "2a00:1450:4001:80b::200e", true },
	{ "2001:4860:4860::8888", true },
	{ "2003::1", true },
	{ "3ffe::1", true },
	/* this network, unspecified */
	{ "0.0.0.0", false },
	{ "0.0.0.1", false },
	{ "0.255.255.255", false },
	{ "::", false },
	/* loopback */
	{ "127.0.0.1", false },
	{ "127.255.255.255", false },
	{ "127.1.2.3", false },
	{ "::1", false },
	/* private */
	{ "10.0.0.0", false },
	{ "10.255.255.255", false },
	{ "172.16.0.0", false },
	{ "172.31.255.255", false },
	{ "192.168.0.0", false },
	{ "192.168.255.255", false },
	{ "fc00::1", false },
	{ "fd12:3456:789a::1", false },
	/* carrier-grade NAT */
	{ "100.64.0.0", false },
	{ "100.127.255.255", false },
	/* link-local, site-local */
	{ "169.254.0.1", false },
	{ "169.254.255.255", false },
	{ "fe80::1", false },
	{ "febf::1", false },
	{ "fec0::1", false },
	/* metadata */
	{ "169.254.169.254", false },
	{ "169.254.170.2", false },
	{ "100.100.100.200", false },
	{ "192.0.0.192", false },
	{ "168.63.129.16", false },
	{ "fd00:ec2::254", false },
	/* multicast, broadcast, reserved */
	{ "224.0.0.1", false },
	{ "239.255.255.255", false },
	{ "240.0.0.1", false },
	{ "255.255.255.255", false },
	{ "ff02::1", false },
	{ "ff0e::1", false },
	/* documentation, benchmarks, protocol assignments */
	{ "192.0.2.1", false },
	{ "198.51.100.7", false },
	{ "203.0.113.255", false },
	{ "198.18.0.1", false },
	{ "198.19.255.255", false },
	{ "192.0.0.8", false },
	{ "192.88.99.1", false },
	{ "2001:db8::1", false },
	{ "2001:db8:ffff::1", false },
	{ "3fff::1", false },
	{ "2001:2::1", false },
	{ "2001:10::1", false },
	{ "2001:20::1", false },
	{ "2001::1", false },
	{ "100::1", false },
	{ "5f00::1", false },
	/* IPv4 inside IPv6 */
	{ "::ffff:127.0.0.1", false },
	{ "::ffff:8.8.8.8", false },
	{ "::ffff:0:127.0.0.1", false },
	{ "::127.0.0.1", false },
	{ "::8.8.8.8", false },
	{ "64:ff9b::7f00:1", false },
	{ "64:ff9b::808:808", false },
	{ "64:ff9b:1::1", false },
	{ "2002:7f00:1::1", false },
	{ "2002:808:808::1", false },
};

static void test_without_list(void **state)
{
	struct mr_address_guard *g = NULL;

	(void)state;
	assert_int_equal(mr_address_guard_create("engine", "", &g, NULL), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(no_list); i++) {
		if (ask(g, no_list[i].address, 80) != no_list[i].allowed)
			fail_msg("%s", no_list[i].address);
	}
	g = mr_address_guard_free(g);
}

struct list_case {
	const char *list;
	const char *address;
	uint16_t port;
	bool allowed;
};

static const struct list_case lists[] = {
	{ "127.0.0.1", "127.0.0.1", 80, true }, { "127.0.0.1", "127.0.0.2", 80, false },
	{ "127.0.0.1:8080", "127.0.0.1", 8080, true },
	{ "127.0.0.1:8080", "127.0.0.1", 8081, false },
	{ "127.0.0.0/8:8080", "127.9.9.9", 8080, true }, { "10.0.0.0/8", "10.200.1.1", 1, true },
	{ "10.0.0.0/9", "10.128.0.0", 1, false }, { "10.0.0.0/9", "10.127.255.255", 1, true },
	{ "10.1.2.3/8", "10.9.9.9", 1, true }, { "0.0.0.0/0", "127.0.0.1", 1, true },
	{ "0.0.0.0/0", "::1", 1, false }, { "::/0", "::1", 1, true },
	{ "::/0", "127.0.0.1", 1, false }, { "::1", "::1", 443, true },
	{ "[::1]", "::1", 443, true }, { "[::1]:443", "::1", 443, true },
	{ "[::1]:443", "::1", 444, false }, { "fd00::/8", "fd12::9", 5, true },
	{ "[fd00::/8]:5", "fd12::9", 5, true }, { "[fd00::/8]:5", "fd12::9", 6, false },
	{ "fd00::/8", "fc00::1", 5, false },
	{ "127.0.0.1", "::ffff:127.0.0.1", 80, false }, /* an IPv4 entry allows no mapped form */
	{ "::ffff:127.0.0.1", "::ffff:127.0.0.1", 80, true },
	{ "  10.0.0.1 ,192.168.1.0/24\t", "192.168.1.77", 80, true },
	{ "10.0.0.1,192.168.1.0/24", "192.168.2.1", 80, false },
	{ "10.0.0.1", "8.8.8.8", 80, true }, /* the list adds, it doesn't restrict */
};

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(lists); i++) {
		struct mr_address_guard *g = NULL;

		assert_int_equal(mr_address_guard_create("engine", lists[i].list, &g, NULL), 0);
		if (ask(g, lists[i].address, lists[i].port) != lists[i].allowed)
			fail_msg("%s: %s port %u", lists[i].list, lists[i].address, lists[i].port);
		g = mr_address_guard_free(g);
	}
}

static const char *const bad_lists[] = { "localhost", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/",
	"10.0.0", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:", "10.0.0.1:x", "::/129", "[::1",
	"[::1]x", "[::1]:", "[10.0.0.1]:80", "1.2.3.4/8/8", "0x7f.1", "[]", ":80", "/8",
	"1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333:4444:5555:6666:7777" };

static void test_bad_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(bad_lists); i++) {
		struct mr_address_guard *g = NULL;
		struct mr_error err = { .detail = "" };

		if (mr_address_guard_create("engine", bad_lists[i], &g, &err) != MR_E_INVALID)
			fail_msg("%s was taken", bad_lists[i]);
		assert_null(g);
		assert_non_null(strstr(err.detail, "engine_allowed_addresses"));
	}
}

static void test_too_many(void **state)
{
	struct mr_address_guard *g = NULL;
	char list[257 * 8 + 1] = "";

	(void)state;
	for (size_t i = 0; i < 257; i++)
		memcpy(list + 8 * i, "1.1.1.1 ", 8);
	assert_int_equal(mr_address_guard_create("engine", list, &g, NULL), MR_E_INVALID);
}

static void test_other_families(void **state)
{
	struct mr_address_guard *g = NULL;
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/run/x" };
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808) };

	(void)state;
	assert_int_equal(mr_address_guard_create("engine", "0.0.0.0/0 ::/0", &g, NULL), 0);
	assert_false(mr_address_guard_allows(g, (struct sockaddr *)&un, sizeof(un)));
	assert_true(mr_address_guard_allows(g, (struct sockaddr *)&in, sizeof(in)));
	assert_false(mr_address_guard_allows(g, (struct sockaddr *)&in, sizeof(in) - 1));
	g = mr_address_guard_free(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_list),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_bad_lists),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_other_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
