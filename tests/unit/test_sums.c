/* Checksums of files: known answers, and files that aren't what they should be. */
#include "lib/sums.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/error.h"
#include "tests/unit/test.h"

static const struct {
	enum mr_sum sum;
	const char *hex; /* of a million letters a */
} million[] = {
	{ MR_SUM_SHA256, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
	{ MR_SUM_SHA512, "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
	                 "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b" },
	{ MR_SUM_MD5, "7707d6ae4e027c70eea2a935c2296f21" },
	{ MR_SUM_CRC32, "dc25bfbc" },
};

static int file_of(const void *p, size_t len)
{
	int fd = memfd_create("sums", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, len), (ssize_t)len);
	return fd;
}

static void test_known(void **state)
{
	char *p = malloc(1000000);
	struct mr_sums s;
	int fd;

	(void)state;
	memset(p, 'a', 1000000);
	fd = file_of(p, 1000000);
	assert_int_equal(mr_sums_of(fd, 1000000, 0xf, NULL, NULL, &s), 0);
	for (size_t i = 0; i < MR_ARRAY_LEN(million); i++)
		assert_string_equal(s.hex[million[i].sum], million[i].hex);
	assert_int_equal(mr_sums_of(fd, 1000000, 1u << MR_SUM_MD5, NULL, NULL, &s), 0);
	assert_string_equal(s.hex[MR_SUM_MD5], million[2].hex);
	assert_string_equal(s.hex[MR_SUM_SHA256], "");
	(void)close(fd);
	free(p);
}

static void test_empty(void **state)
{
	struct mr_sums s;
	int fd = file_of("", 0);

	(void)state;
	assert_int_equal(mr_sums_of(fd, 0, 0xf, NULL, NULL, &s), 0);
	assert_string_equal(s.hex[MR_SUM_CRC32], "00000000");
	assert_string_equal(s.hex[MR_SUM_MD5], "d41d8cd98f00b204e9800998ecf8427e");
	(void)close(fd);
}

static void test_other_size(void **state)
{
	struct mr_sums s;
	int fd = file_of("abc", 3);

	(void)state;
	assert_int_equal(mr_sums_of(fd, 2, 1, NULL, NULL, &s), MR_E_IO);
	assert_int_equal(mr_sums_of(fd, 4, 1, NULL, NULL, &s), MR_E_IO);
	(void)close(fd);
	assert_int_equal(mr_sums_of(-1, 0, 1, NULL, NULL, &s), MR_E_IO);
}

static bool count_down(void *ctx)
{
	return --*(int *)ctx > 0;
}

static void test_given_up(void **state)
{
	char *p = calloc(1, 1000000);
	struct mr_sums s;
	int left = 2, fd = file_of(p, 1000000);

	(void)state;
	assert_int_equal(mr_sums_of(fd, 1000000, 1, count_down, &left, &s), MR_E_CANCELLED);
	assert_int_equal(left, 0);
	(void)close(fd);
	free(p);
}

static void test_names(void **state)
{
	enum mr_sum s;

	(void)state;
	for (int i = 0; i < MR_SUM_COUNT; i++) {
		assert_true(mr_sum_by_name(mr_str(mr_sum_name((enum mr_sum)i)), &s));
		assert_int_equal(s, i);
	}
	assert_true(mr_sum_by_name(MR_STR("SHA-512"), &s));
	assert_int_equal(s, MR_SUM_SHA512);
	assert_false(mr_sum_by_name(MR_STR("sha1"), &s));
	assert_false(mr_sum_by_name(MR_STR(""), &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_other_size),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
