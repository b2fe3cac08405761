/* The file store: what is written is there, whole; what is not finished is not. */
#include "lib/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "tests/unit/test.h"

static char root[64];

static int make_root(void **state)
{
	(void)state;
	(void)snprintf(root, sizeof(root), "/tmp/millrace-store-XXXXXX"); /* fits */
	return mkdtemp(root) != NULL ? 0 : -1;
}

static unsigned walk(const char *path, bool remove_all, unsigned depth)
{
	DIR *d = opendir(path);
	struct dirent *e;
	unsigned files = 0;

	if (d == NULL)
		return 0;
	while (depth < 4 && (e = readdir(d)) != NULL) {
		char at[512];
		struct stat st;

		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(at, sizeof(at), "%s/%s", path, e->d_name); /* short names */
		if (lstat(at, &st) != 0)
			continue;
		if (S_ISDIR(st.st_mode))
			files += walk(at, remove_all, depth + 1);
		else
			files++;
		if (remove_all)
			(void)remove(at);
	}
	(void)closedir(d);
	return files;
}

static int remove_root(void **state)
{
	(void)state;
	(void)walk(root, true, 0);
	return rmdir(root);
}

static void test_writing(void **state)
{
	struct mr_store_file f;
	char got[16];
	struct stat st;
	FILE *in;
	int fd;

	(void)state;
	assert_int_equal(mr_store_begin(&f, root, 42, 100), 0);
	assert_int_equal(mr_store_write(&f, MR_STR("hel")), 0);
	assert_int_equal(mr_store_write(&f, MR_STR("")), 0);
	assert_int_equal(mr_store_write(&f, MR_STR("lo")), 0);
	assert_int_not_equal(access(f.path, F_OK), 0); /* not before it is whole */
	assert_int_equal(mr_store_commit(&f), 0);
	mr_store_end(&f);
	assert_string_equal(
	    f.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
	assert_int_equal(f.size, 5);
	assert_true(mr_str_starts(mr_str(f.key), MR_STR("42/")));
	assert_int_equal(strlen(f.key), 3 + 3 + 32);
	assert_memory_equal(f.key + 3, f.key + 6, 2);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	in = fopen(f.path, "re");
	assert_non_null(in);
	assert_int_equal(fread(got, 1, sizeof(got), in), 5);
	assert_memory_equal(got, "hello", 5);
	assert_int_equal(fclose(in), 0);
	fd = mr_store_open(root, mr_str(f.key));
	assert_true(fd >= 0);
	assert_int_equal(read(fd, got, sizeof(got)), 5);
	(void)close(fd);
	assert_int_equal(mr_store_remove(root, mr_str(f.key)), 0);
	assert_int_not_equal(access(f.path, F_OK), 0);
	assert_int_equal(mr_store_open(root, mr_str(f.key)), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mr_store_remove(root, mr_str(f.key)), 0); /* once more does no harm */
}

static void test_large(void **state)
{
	static char piece[100000];
	struct mr_store_file f;
	struct stat st;

	(void)state;
	memset(piece, 'x', sizeof(piece));
	assert_int_equal(mr_store_begin(&f, root, 1, 10 * sizeof(piece)), 0);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(mr_store_write(&f, (struct mr_str){ piece, sizeof(piece) }), 0);
	assert_int_equal(mr_store_write(&f, MR_STR("x")), MR_E_LIMIT);
	assert_int_equal(mr_store_commit(&f), 0);
	mr_store_end(&f);
	assert_int_equal(stat(f.path, &st), 0);
	assert_int_equal(st.st_size, 10 * sizeof(piece));
	assert_int_equal(mr_store_remove(root, mr_str(f.key)), 0);
}

static void test_unfinished_leaves_nothing(void **state)
{
	struct mr_store_file f;

	(void)state;
	assert_int_equal(mr_store_begin(&f, root, 1, 100), 0);
	assert_int_equal(mr_store_write(&f, MR_STR("half")), 0);
	mr_store_end(&f);
	mr_store_end(&f);
	assert_int_equal(walk(root, false, 0), 0);
}

static void test_empty(void **state)
{
	struct mr_store_file f;

	(void)state;
	assert_int_equal(mr_store_begin(&f, root, 1, 0), 0);
	assert_int_equal(mr_store_commit(&f), 0);
	mr_store_end(&f);
	assert_string_equal(
	    f.sha256, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_int_equal(mr_store_remove(root, mr_str(f.key)), 0);
}

static void test_no_such_root(void **state)
{
	struct mr_store_file f;
	char path[600];

	(void)state;
	assert_int_equal(mr_store_begin(&f, "/nonexistent/folder", 1, 100), MR_E_IO);
	assert_int_equal(f.error, ENOENT);
	mr_store_end(&f);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(mr_store_begin(&f, path, 1, 100), MR_E_IO);
	assert_int_equal(f.error, ENAMETOOLONG);
	mr_store_end(&f);
}

static void test_only_our_keys_are_removed(void **state)
{
	static const char *const keys[] = { "", "/etc/passwd", "1", "1/aa", "1/aa/",
		"../../etc/passwd", "1/../0123456789abcdef0123456789abcdef",
		"x/01/0123456789abcdef0123456789abcdef", "1/01/0123456789abcdef0123456789abcdeF",
		"1/01/0123456789abcdef0123456789abcde", "1/01/0123456789abcdef0123456789abcdef0",
		"1/01/0123456789abcdef0123456789abcd/f",
		"1/01/0123456789abcdef0123456789abcdef.tmp" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(keys); i++)
		assert_int_equal(mr_store_remove(root, mr_str(keys[i])), MR_E_INVALID);
}

static void put_stored(char key[MR_STORE_KEY_LEN], int64_t tenant)
{
	struct mr_store_file f;

	assert_int_equal(mr_store_begin(&f, root, tenant, 100), 0);
	assert_int_equal(mr_store_write(&f, MR_STR("x")), 0);
	assert_int_equal(mr_store_commit(&f), 0);
	(void)snprintf(key, MR_STORE_KEY_LEN, "%s", f.key); /* fits */
	mr_store_end(&f);
}

static void make_old(const char *key)
{
	const struct timespec old[2] = { { 1000, 0 }, { 1000, 0 } };
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", root, key); /* fits */
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
}

/* Only what is old and has the form of ours is listed; of what is unfinished nothing stays. */
static void test_what_lies_about(void **state)
{
	char keys[6][MR_STORE_KEY_LEN], tmp[MR_STORE_KEY_LEN + 8];
	struct mr_store_place place = { .tenant_id = 0 };
	struct mr_store_file f;
	struct mr_buf listed;
	unsigned calls = 0;

	(void)state;
	for (size_t i = 0; i < 6; i++)
		put_stored(keys[i], i < 3 ? 7 : 900);
	for (size_t i = 0; i < 5; i++)
		make_old(keys[i]);
	assert_int_equal(mr_store_begin(&f, root, 7, 100), 0); /* a crash leaves this */
	(void)snprintf(tmp, sizeof(tmp), "%s.tmp", f.key);
	make_old(tmp);
	mr_buf_init(&listed, 1u << 20);
	while (!place.is_end && calls++ < 100)
		mr_store_list_old(root, &place, 2000, &listed);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(strstr(listed.p, keys[i]) != NULL, i < 5);
	assert_int_equal(listed.len, 3 * (strlen(keys[0]) + 1) + 2 * (strlen(keys[3]) + 1));
	assert_int_not_equal(access(f.tmp, F_OK), 0);
	mr_store_end(&f);
	assert_int_equal(mr_store_remove_old(root, mr_str(keys[0]), 2000), 1);
	assert_int_equal(mr_store_remove_old(root, mr_str(keys[0]), 2000), 0);
	assert_int_equal(mr_store_remove_old(root, mr_str(keys[5]), 2000), 0); /* not that old */
	assert_int_equal(mr_store_remove_old(root, MR_STR("../x"), 2000), MR_E_INVALID);
	mr_buf_reset(&listed); /* once more, from the beginning */
	for (place.is_end = true, calls = 0; calls == 0 || !place.is_end; calls++)
		mr_store_list_old(root, &place, 2000, &listed);
	assert_null(strstr(listed.p, keys[0]));
	assert_non_null(strstr(listed.p, keys[1]));
	mr_buf_done(&listed);
	for (size_t i = 1; i < 6; i++)
		assert_int_equal(mr_store_remove(root, mr_str(keys[i])), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_unfinished_leaves_nothing),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_no_such_root),
		cmocka_unit_test(test_only_our_keys_are_removed),
		cmocka_unit_test(test_what_lies_about),
	};

	return cmocka_run_group_tests(tests, make_root, remove_root);
}
