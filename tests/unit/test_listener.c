/* Which requests are local ones, and which of these may go without credentials. */
#include "fcgi/listener.h"
#include "tests/unit/fake_request.h"

#define LOCAL                                                                                      \
	{                                                                                          \
		MR_STR("MILLRACE_LISTENER"), MR_STR("loopback")                                    \
	}
#define HEADER(name, value)                                                                        \
	{                                                                                          \
		MR_STR("HTTP_" name), MR_STR(value)                                                \
	}
#define HOST HEADER("HOST", "localhost:8000")

static const struct {
	const char *name;
	struct mr_pair params[4];
	const char *address;
	bool is_loopback, takes_anonymous;
} cases[] = {
	{ "no listener said", { HOST }, "127.0.0.1", false, false },
	{ "by name", { LOCAL, HOST }, "127.0.0.1", true, true },
	{ "IPv6", { LOCAL, HEADER("HOST", "[::1]:8000") }, "::1", true, true },
	{ "without a port", { LOCAL, HEADER("HOST", "LOCALHOST") }, "127.0.0.1", true, true },
	{ "an address", { LOCAL, HEADER("HOST", "127.0.0.1") }, "127.0.0.1", true, true },
	{ "a header that is called so", { HEADER("MILLRACE_LISTENER", "loopback"), HOST },
	    "127.0.0.1", false, false },
	{ "another listener", { { MR_STR("MILLRACE_LISTENER"), MR_STR("tls") }, HOST }, "127.0.0.1",
	    false, false },
	{ "a peer that is another host", { LOCAL, HOST }, "192.0.2.1", false, false },
	{ "no host", { LOCAL }, "127.0.0.1", true, false },
	{ "a name of others", { LOCAL, HEADER("HOST", "localhost.example.com:8000") }, "127.0.0.1",
	    true, false },
	{ "digits are no port", { LOCAL, HEADER("HOST", "localhost8000") }, "127.0.0.1", true,
	    false },
	{ "its own page", { LOCAL, HOST, HEADER("ORIGIN", "http://localhost:8000") }, "127.0.0.1",
	    true, true },
	{ "another port's page", { LOCAL, HOST, HEADER("ORIGIN", "http://localhost:9000") },
	    "127.0.0.1", true, false },
	{ "another scheme's page", { LOCAL, HOST, HEADER("ORIGIN", "https://localhost:8000") },
	    "127.0.0.1", true, false },
	{ "a page without origin", { LOCAL, HOST, HEADER("ORIGIN", "null") }, "127.0.0.1", true,
	    false },
	{ "a link that was typed", { LOCAL, HOST, HEADER("SEC_FETCH_SITE", "none") }, "127.0.0.1",
	    true, true },
	{ "an image elsewhere", { LOCAL, HOST, HEADER("SEC_FETCH_SITE", "cross-site") },
	    "127.0.0.1", true, false },
};

static void which_are_local(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_request r = { .params = cases[i].params,
			.params_len = MR_ARRAY_LEN(cases[i].params),
			.remote_addr = mr_str(cases[i].address) };

		while (r.params_len > 0 && cases[i].params[r.params_len - 1].name.p == NULL)
			r.params_len--;
		if (mr_listener_is_loopback(&r) != cases[i].is_loopback ||
		    mr_listener_takes_anonymous(&r) != cases[i].takes_anonymous)
			fail_msg("%s", cases[i].name);
	}
}

static void statuses(void **state)
{
	static const struct {
		unsigned status, local;
	} told[] = { { 200, 200 }, { 201, 200 }, { 202, 200 }, { 204, 204 }, { 206, 206 },
		{ 304, 304 }, { 400, 400 }, { 429, 429 }, { 503, 503 } };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(told); i++) {
		struct mr_request r = { .status = told[i].status };

		assert_int_equal(mr_listener_status(&r), told[i].status);
		r.is_loopback = true;
		assert_int_equal(mr_listener_status(&r), told[i].local);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_are_local),
		cmocka_unit_test(statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
