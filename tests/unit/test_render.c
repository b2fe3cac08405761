/* nginx's configuration from the settings: what is filled in, kept, left out and refused. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/render.h"

static char folder[] = "/tmp/millrace-render-XXXXXX";

static void write_file(const char *name, const char *text)
{
	char path[256];
	FILE *f;

	assert_true(snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path));
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "t", "conf", "inner", "snippets/headers.conf",
		"snippets" };
	char path[256];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		assert_true(
		    snprintf(path, sizeof(path), "%s/%s", folder, names[i]) < (int)sizeof(path));
		(void)remove(path); /* not every test writes each */
	}
	return rmdir(folder);
}

/* Fills in TEMPLATE with settings read from CONF; the result or the reason goes to OUT. */
static int render(const char *conf, const char *template, char *out, size_t cap)
{
	struct mr_arena *a = mr_arena_create(4UL * 1024 * 1024);
	struct mr_settings *s = NULL;
	struct mr_faults faults;
	struct mr_str why;
	struct mr_buf b;
	char path[256];
	int r;

	assert_non_null(a);
	write_file("t", template);
	write_file("conf", conf);
	mr_faults_init(&faults, a, 8);
	assert_true(snprintf(path, sizeof(path), "%s/conf", folder) < (int)sizeof(path));
	assert_int_equal(mr_settings_load(path, &faults, &s), 0);
	mr_buf_init(&b, 1024UL * 1024);
	r = mr_render(a, s, folder, "t", &b, &why);
	(void)snprintf(
	    out, cap, "%.*s", MR_STR_ARG(r == 0 ? mr_buf_str(&b) : why)); /* cut is fine */
	mr_buf_done(&b);
	(void)mr_settings_free(s); /* always NULL */
	(void)mr_arena_free(a);    /* always NULL */
	return r;
}

static const struct {
	const char *name, *conf, *template, *want;
} good[] = {
	{ "text stays", "", "a b\n\nc;\n", "a b\n\nc;\n" },
	{ "a value", "nginx_https_port = 8443\n", "listen @nginx_https_port@;\n",
	    "listen 8443;\n" },
	{ "two values in a line", "nginx_rate = 5\n", "@nginx_rate@ and @nginx_rate@\n",
	    "5 and 5\n" },
	{ "an at sign", "", "[@@-]\n", "[@-]\n" },
	{ "kept", "nginx_rate = 5\n", "%if nginx_rate\nx\n%end\ny\n", "x\ny\n" },
	{ "left out", "nginx_rate = 0\n", "%if nginx_rate\nx\n%end\ny\n", "y\n" },
	{ "turned round", "nginx_rate = 0\n", "%if !nginx_rate\nx\n%end\n", "x\n" },
	{ "an empty text is false", "", "%if tls_client_ca\nx\n%end\n", "" },
	{ "a false flag is false", "", "%if cors_credentials\nx\n%end\n", "" },
	{ "nested", "nginx_rate = 0\n", "%if nginx_burst\na\n%if nginx_rate\nb\n%end\nc\n%end\n",
	    "a\nc\n" },
	{ "nothing inside what is left out", "nginx_rate = 0\n",
	    "%if nginx_rate\n%include nowhere\n%if nginx_burst\nx\n%end\n%end\n", "" },
	{ "a list of listeners", "nginx_listen = 127.0.0.1 [::1]\nnginx_http_port = 8080\n",
	    "@listen_http@\n",
	    "  listen 127.0.0.1:8080 backlog=4096 default_server;\n"
	    "  listen [::1]:8080 backlog=4096 default_server;\n" },
	{ "loopback listeners",
	    "loopback_ports = 8006 8000\nloopback_addresses = 127.0.0.2 [::1]\n",
	    "%if loopback_ports\n@listen_loopback@\n%end\n",
	    "  listen 127.0.0.2:8006 backlog=4096 default_server;\n"
	    "  listen [::1]:8006 backlog=4096 default_server;\n"
	    "  listen 127.0.0.2:8000 backlog=4096 default_server;\n"
	    "  listen [::1]:8000 backlog=4096 default_server;\n" },
	{ "none unless they are wanted", "", "%if loopback_ports\n@listen_loopback@\n%end\n", "" },
	{ "one socket per worker", "api_workers = 2\nsocket_dir = /r\n", "@upstream_servers@\nx\n",
	    "  server unix:/r/api-0.sock max_fails=0;\n  server unix:/r/api-1.sock "
	    "max_fails=0;\nx\n" },
	{ "origins", "cors_allowed_origins = https://a.example http://b:3000\n", "@cors_origins@\n",
	    "  \"https://a.example\" $http_origin;\n  \"http://b:3000\" $http_origin;\n" },
	{ "any origin", "cors_allowed_origins = *\n", "@cors_origins@\n", "  \"~.\" \"*\";\n" },
	{ "where redirects lead", "nginx_server_name = *.x.test a.test _ 10.0.0.1 [::1] A.test\n",
	    "@redirect_hosts@\n",
	    "  default \"a.test\";\n  \"a.test\" $host;\n  \"10.0.0.1\" $host;\n"
	    "  \"[::1]\" $host;\n" },
	{ "the usual port is not said", "nginx_https_port = 443\n", "$host@https_port_suffix@/\n",
	    "$host/\n" },
	{ "another port is", "nginx_https_port = 8443\n", "$host@https_port_suffix@/\n",
	    "$host:8443/\n" },
	{ "seconds are rounded up", "request_timeout_ms = 1500\nmax_wait_seconds = 7\n",
	    "@request_timeout_s@ @fastcgi_read_timeout_s@\n", "2 39\n" },
};

static void test_good(void **state)
{
	char out[4096];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(good); i++) {
		if (render(good[i].conf, good[i].template, out, sizeof(out)) != 0 ||
		    strcmp(out, good[i].want) != 0)
			fail_msg("%s: got \"%s\"", good[i].name, out);
	}
}

static const struct {
	const char *name, *conf, *template, *why;
} bad[] = {
	{ "unknown name", "", "\n@nothing@\n", "t:2: there is no value named nothing" },
	{ "no partner", "", "a@b\n", "t:1: an @ without its partner" },
	{ "unknown directive", "", "%what\n", "t:1: unknown directive %what" },
	{ "end without if", "", "%end\n", "t:1: %end without %if" },
	{ "if without end", "", "%if nginx_rate\n", "t:1: %if without %end" },
	{ "no such file", "", "%include nowhere\n", "nowhere" },
	{ "includes itself", "", "%include t\n", "too deep" },
	{ "a value that ends the directive", "nginx_log_dir = /x; root /\n", "@nginx_log_dir@\n",
	    "nginx_log_dir has a character that nginx would misread" },
	{ "a value with a variable", "nginx_log_dir = /$host\n", "@nginx_log_dir@\n", "misread" },
	{ "a value with a quote", "cors_allowed_headers = a\"b\n", "\"@cors_allowed_headers@\"\n",
	    "misread" },
	{ "nowhere to redirect to", "nginx_server_name = _ *.x.test\n", "@redirect_hosts@\n",
	    "nginx_server_name needs a name" },
	{ "no origin", "cors_allowed_origins = example.com\n", "@cors_origins@\n", "is no origin" },
	{ "an origin that ends the string", "cors_allowed_origins = https://a\"b\n",
	    "@cors_origins@\n", "is no origin" },
	{ "a loopback listener for others", "loopback_ports = 1\nloopback_addresses = 10.0.0.1\n",
	    "@listen_loopback@\n", "10.0.0.1 is no loopback address" },
	{ "a name that begins like one",
	    "loopback_ports = 1\nloopback_addresses = 127.0.0.1.example\n", "@listen_loopback@\n",
	    "is no loopback address" },
	{ "a loopback port", "loopback_ports = 8000 0\n", "@listen_loopback@\n", "0 is no port" },
	{ "a listener that ends the directive", "nginx_listen = 127.0.0.1;x\n", "@listen_http@\n",
	    "misread" },
};

static void test_bad(void **state)
{
	char out[4096];

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(bad); i++) {
		if (render(bad[i].conf, bad[i].template, out, sizeof(out)) >= 0 ||
		    strstr(out, bad[i].why) == NULL)
			fail_msg("%s: got \"%s\"", bad[i].name, out);
	}
}

static void test_include(void **state)
{
	char out[4096];

	(void)state;
	write_file("inner", "in @nginx_rate@\n");
	assert_int_equal(render("nginx_rate = 3\n", "a\n%include inner\nb\n", out, sizeof(out)), 0);
	assert_string_equal(out, "a\nin 3\nb\n");
}

/* Every error that nginx makes is a location with a body from the table of errors. */
static void test_errors(void **state)
{
	static char out[65536];
	char path[256];

	(void)state;
	assert_true(snprintf(path, sizeof(path), "%s/snippets", folder) < (int)sizeof(path));
	assert_int_equal(mkdir(path, 0700), 0);
	write_file("snippets/headers.conf", "    # headers\n");
	assert_int_equal(render("", "%errors\n", out, sizeof(out)), 0);
	assert_non_null(strstr(out, "location = /_errors/413 {"));
	assert_non_null(strstr(out, "\"error_code\":\"BODY_TOO_LARGE\""));
	assert_non_null(strstr(out, "return 502 '{\"type\":\"/docs/errors#BAD_GATEWAY\""));
	assert_non_null(
	    strstr(out, "The request\\'s headers are larger")); /* the quote is escaped */
	assert_non_null(strstr(out, "\"correlation_id\":\"$mr_request_id\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_errors),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
