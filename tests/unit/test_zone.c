/* Time zones, held against the C library's reading of the same files. */
#include "lib/zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/unit/test.h"

static const char *const names[] = { "UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin",
	"America/New_York", "America/St_Johns", "America/Sao_Paulo", "America/Havana",
	"America/Argentina/Ushuaia", "Asia/Kathmandu", "Asia/Tokyo", "Asia/Tehran", "Asia/Gaza",
	"Africa/Casablanca", "Africa/Cairo", "Australia/Sydney", "Australia/Lord_Howe",
	"Pacific/Apia", "Pacific/Chatham", "Pacific/Kiritimati", "Antarctica/Troll", "US/Central",
	"Etc/GMT+7", "EST5EDT" };

static int32_t librarys(int64_t at)
{
	time_t t = (time_t)at;
	struct tm tm;

	assert_non_null(localtime_r(&t, &tm));
	return (int32_t)tm.tm_gmtoff;
}

static void check(const char *name, const struct mr_zone *z, int64_t at)
{
	int32_t got = mr_zone_offset(z, at), want = librarys(at);

	if (got != want)
		fail_msg("%s at %lld: %d, not %d", name, (long long)at, got, want);
}

/* Every 11 days and some hours from 1900 to 2200, and around each change that lies between. */
static void as_the_library_has_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++) {
		const struct mr_zone *z = mr_zone_find(mr_str(names[i]));
		int64_t step = 11 * 86400 + 12345;

		if (z == NULL)
			fail_msg("no zone %s: is tzdata installed?", names[i]);
		assert_ptr_equal(mr_zone_find(mr_str(names[i])), z);
		assert_int_equal(setenv("TZ", names[i], 1), 0);
		tzset();
		for (int64_t at = INT64_C(-2208988800); at < INT64_C(7258118400); at += step) {
			int64_t low = at, high = at + step;

			check(names[i], z, at);
			if (mr_zone_offset(z, low) == mr_zone_offset(z, high))
				continue;
			while (high - low > 1) { /* the last second before a change */
				int64_t middle = low + (high - low) / 2;

				if (mr_zone_offset(z, middle) == mr_zone_offset(z, low))
					low = middle;
				else
					high = middle;
			}
			check(names[i], z, low);
			check(names[i], z, high);
		}
	}
	assert_int_equal(unsetenv("TZ"), 0);
}

static void far_away(void **state)
{
	const struct mr_zone *z = mr_zone_find(MR_STR("Europe/Berlin"));

	(void)state;
	assert_non_null(z);
	assert_int_equal(mr_zone_offset(z, INT64_C(-62135596800)), 3208); /* local mean time */
	assert_int_equal(mr_zone_offset(z, INT64_C(253402300799)), 3600);
	assert_int_equal(mr_zone_offset(z, INT64_C(253386748800)), 7200); /* July 9999 */
}

static void no_names(void **state)
{
	static const char *const wrong[] = { "", "Mars/Olympus", "/etc/passwd", "../../etc/passwd",
		"Europe", "Europe/", "europe/berlin", "zone.tab", "tzdata.zi",
		"right/Europe/Berlin", "Europe/Berlin/x",
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(wrong); i++)
		if (mr_zone_find(mr_str(wrong[i])) != NULL)
			fail_msg("\"%s\" is a zone", wrong[i]);
	assert_null(mr_zone_find((struct mr_str){ "UTC\0x", 5 }));
}

/* Whatever is cut off or wrong in a file: no zone, and nothing is read beyond its end. */
static void broken_files(void **state)
{
	static unsigned char bytes[65536];
	FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
	size_t len;

	(void)state;
	assert_non_null(f);
	len = fread(bytes, 1, sizeof(bytes), f);
	assert_int_equal(fclose(f), 0);
	assert_true(len > 100);
	for (size_t n = 0; n < len; n += n < 200 ? 1 : 37) {
		unsigned char *copy = malloc(n + 1); /* so that a sanitizer sees its end */

		assert_non_null(copy);
		memcpy(copy, bytes, n);
		assert_null(mr_zone_parse(copy, n));
		free(copy);
	}
	for (size_t at = 0; at < len; at += at < 100 ? 1 : 13) {
		unsigned char was = bytes[at];
		struct mr_zone *z;

		bytes[at] ^= 0xff;
		z = mr_zone_parse(bytes, len);
		if (z != NULL)
			(void)mr_zone_offset(z, INT64_C(4102444800)); /* anything, but it ends */
		free(z);
		bytes[at] = was;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_the_library_has_it),
		cmocka_unit_test(far_away),
		cmocka_unit_test(no_names),
		cmocka_unit_test(broken_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
