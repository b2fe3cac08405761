#include "lib/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/test.h"

/* Writes TEXT to a file that the test removes; its name is in NAME. */
static void write_file(char name[32], const char *text)
{
	FILE *f;
	int fd;

	memcpy(name, "/tmp/mr-settings-XXXXXX", 24);
	fd = mkstemp(name);
	assert_true(fd >= 0);
	f = fdopen(fd, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int load(const char *text, struct mr_faults *faults, struct mr_settings **ret)
{
	char name[32];
	int r;

	write_file(name, text);
	r = mr_settings_load(name, faults, ret);
	assert_int_equal(unlink(name), 0);
	return r;
}

static void good_file(void **state)
{
	struct mr_arena *a = mr_arena_create(100000);
	struct mr_settings *s = NULL;
	struct mr_faults f;

	(void)state;
	mr_faults_init(&f, a, 10);
	assert_int_equal(load("# comment\n\n  engine_batch =  7 \nfile_store = \"/srv/a "
	                      "b\"\ncors_credentials=yes",
	                     &f, &s),
	    0);
	assert_int_equal(s->engine_batch, 7);
	assert_string_equal(s->file_store, "/srv/a b");
	assert_true(s->cors_credentials);
	assert_int_equal(s->db_connections, 8); /* a default */
	s = mr_settings_free(s);
	a = mr_arena_free(a);
}

static void all_faults_at_once(void **state)
{
	struct mr_arena *a = mr_arena_create(100000);
	struct mr_settings *s = NULL;
	struct mr_faults f;

	(void)state;
	mr_faults_init(&f, a, 10);
	assert_int_equal(load("engine_bach = 7\nengine_batch = many\nno sign\nlog_level = "
	                      "loud\ncors_credentials = 2\n",
	                     &f, &s),
	    MR_E_INVALID);
	assert_null(s);
	assert_int_equal(f.count, 5);
	assert_non_null(strstr(f.first->message.p, "did you mean engine_batch?"));
	assert_non_null(strstr(f.first->path.p, ":1"));
	a = mr_arena_free(a);
}

static void a_credential_is_the_value_of_its_setting(void **state)
{
	char dir[] = "/tmp/mr-credentials-XXXXXX", path[80];
	struct mr_arena *a = mr_arena_create(100000);
	struct mr_settings *s = NULL;
	struct mr_faults f;
	FILE *file;

	(void)state;
	mr_faults_init(&f, a, 10);
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/database_url", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs("host=h password=p\n", file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(setenv("CREDENTIALS_DIRECTORY", dir, 1), 0);
	assert_int_equal(load("database_url = host=other\nredis_url = r\n", &f, &s), 0);
	assert_string_equal(s->database_url, "host=h password=p");
	assert_string_equal(s->redis_url, "r"); /* no file of that name */
	s = mr_settings_free(s);
	assert_int_equal(setenv("MILLRACE_DATABASE_URL", "host=env", 1), 0);
	assert_int_equal(load("", &f, &s), 0);
	assert_string_equal(s->database_url, "host=env");
	s = mr_settings_free(s);
	assert_int_equal(unsetenv("MILLRACE_DATABASE_URL"), 0);
	assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	a = mr_arena_free(a);
}

static void environment_wins(void **state)
{
	struct mr_arena *a = mr_arena_create(100000);
	struct mr_settings *s = NULL;
	struct mr_faults f;

	(void)state;
	mr_faults_init(&f, a, 10);
	assert_int_equal(setenv("MILLRACE_ENGINE_BATCH", "9", 1), 0);
	assert_int_equal(load("engine_batch = 7\n", &f, &s), 0);
	assert_int_equal(s->engine_batch, 9);
	s = mr_settings_free(s);
	assert_int_equal(setenv("MILLRACE_ENGINE_BATCH", "-1", 1), 0);
	assert_int_equal(mr_settings_load(NULL, &f, &s), MR_E_INVALID);
	assert_int_equal(unsetenv("MILLRACE_ENGINE_BATCH"), 0);
	a = mr_arena_free(a);
}

static void missing_file(void **state)
{
	struct mr_arena *a = mr_arena_create(100000);
	struct mr_settings *s = NULL;
	struct mr_faults f;

	(void)state;
	mr_faults_init(&f, a, 10);
	assert_int_equal(mr_settings_load("/nonexistent/millrace.conf", &f, &s), MR_E_INVALID);
	assert_int_equal(f.count, 1);
	a = mr_arena_free(a);
}

static void rows_are_sorted(void **state)
{
	(void)state;
	for (size_t i = 0; i < mr_setting_rows_len; i++) {
		assert_true(strlen(mr_setting_rows[i].doc) > 10);
		if (i > 0)
			assert_true(
			    strcmp(mr_setting_rows[i - 1].name, mr_setting_rows[i].name) < 0);
	}
}

static void lists(void **state)
{
	(void)state;
	assert_true(mr_settings_list_has("a, bc  d", mr_str("bc")));
	assert_true(mr_settings_list_has("a, bc  d", mr_str("d")));
	assert_false(mr_settings_list_has("a, bc  d", mr_str("b")));
	assert_false(mr_settings_list_has("", mr_str("b")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_file),
		cmocka_unit_test(all_faults_at_once),
		cmocka_unit_test(a_credential_is_the_value_of_its_setting),
		cmocka_unit_test(environment_wins),
		cmocka_unit_test(missing_file),
		cmocka_unit_test(rows_are_sorted),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
