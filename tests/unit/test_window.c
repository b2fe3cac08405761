/* Sliding windows: whatever comes when, no window holds more than the limit. */
#include "lib/window.h"

#include <stdlib.h>

#include "lib/clock.h"
#include "tests/unit/test.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)

static struct mr_window_state take(struct mr_window *w, int64_t at, int64_t window, int64_t limit)
{
	struct mr_window_state s;

	mr_window_take(w, at, window, limit, &s);
	return s;
}

static void fills_and_empties(void **state)
{
	struct mr_window w = { .key = 1 };
	struct mr_window_state s;

	(void)state;
	for (int i = 1; i <= 3; i++) {
		s = take(&w, 100 * SECOND, MINUTE, 3);
		assert_true(s.allowed);
		assert_int_equal(s.used, i);
	}
	s = take(&w, 100 * SECOND + 1, MINUTE, 3);
	assert_false(s.allowed);
	assert_int_equal(s.used, 3);
	assert_int_equal(s.reset_us, 61 * SECOND - 1); /* the bucket leaves whole */
	assert_false(take(&w, 161 * SECOND - 1, MINUTE, 3).allowed);
	assert_true(take(&w, 161 * SECOND, MINUTE, 3).allowed);
}

static void the_oldest_leave_first(void **state)
{
	struct mr_window w = { .key = 1 };
	struct mr_window_state s;

	(void)state;
	(void)take(&w, 10 * SECOND, MINUTE, 2);
	s = take(&w, 40 * SECOND, MINUTE, 2);
	assert_int_equal(s.reset_us, 31 * SECOND);
	s = take(&w, 71 * SECOND, MINUTE, 2);
	assert_true(s.allowed);
	assert_int_equal(s.used, 2);
	assert_int_equal(s.reset_us, 30 * SECOND); /* of those of second 40 */
}

static void after_a_long_time_it_is_empty(void **state)
{
	struct mr_window w = { .key = 1 };

	(void)state;
	for (int i = 0; i < 5; i++)
		(void)take(&w, 10 * SECOND, MINUTE, 5);
	assert_int_equal(take(&w, 100000 * SECOND, MINUTE, 5).used, 1);
}

static void a_clock_that_goes_back_forgets_nothing(void **state)
{
	struct mr_window w = { .key = 1 };

	(void)state;
	(void)take(&w, 100 * SECOND, MINUTE, 2);
	(void)take(&w, 90 * SECOND, MINUTE, 2);
	assert_false(take(&w, 95 * SECOND, MINUTE, 2).allowed);
	assert_false(take(&w, 160 * SECOND, MINUTE, 2).allowed);
}

static void a_lower_limit_holds_at_once_a_higher_one_too(void **state)
{
	struct mr_window w = { .key = 1 };

	(void)state;
	for (int i = 0; i < 10; i++)
		(void)take(&w, 100 * SECOND, MINUTE, 10);
	assert_false(take(&w, 100 * SECOND, MINUTE, 5).allowed);
	assert_true(take(&w, 100 * SECOND, MINUTE, 11).allowed);
}

static void widths_cover_the_window(void **state)
{
	static const int64_t windows[] = { 1, 7, 59, 60, 61, 3600, 86400 };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(windows); i++)
		assert_true(mr_window_width_us(windows[i] * SECOND) * 60 >= windows[i] * SECOND);
}

/* By chance: bursts, pauses, times at the very edges of buckets. Each window that ends with one
 * that was let in is counted by hand; what was refused would have been one too many at most a
 * bucket earlier. */
static void no_window_ever_holds_more(void **state)
{
	static const int64_t seconds[] = { 1, 10, 60, 3600 };
	uint64_t seed = 12345;
	struct mr_rand rand = mr_rand_seeded(&seed);
	int64_t *let_in = malloc(200000 * sizeof(*let_in));

	(void)state;
	assert_non_null(let_in);
	for (unsigned round = 0; round < 200; round++) {
		int64_t window = seconds[round % MR_ARRAY_LEN(seconds)] * SECOND;
		int64_t width = mr_window_width_us(window),
		        limit = 1 + (int64_t)(rand.next(rand.ctx) % 40);
		int64_t now = 1000 * MINUTE;
		struct mr_window w = { .key = 1 };
		size_t n = 0, oldest = 0;

		for (unsigned i = 0; i < 3000; i++) {
			uint64_t dice = rand.next(rand.ctx) % 100;

			if (dice < 60)
				now += (int64_t)(rand.next(rand.ctx) % 3);
			else if (dice < 80)
				now += (int64_t)(rand.next(rand.ctx) % (uint64_t)(window / 20));
			else if (dice < 90) /* the edge of a bucket, or one beside it */
				now =
				    (now / width + 1) * width + (int64_t)(rand.next(rand.ctx) % 2);
			else if (dice < 92)
				now += window;
			if (!take(&w, now, window, limit).allowed)
				continue;
			let_in[n++] = now;
			while (let_in[oldest] <= now - window)
				oldest++;
			assert_true((int64_t)(n - oldest) <= limit);
		}
		assert_true(n > 0);
	}
	free(let_in);
}

/* The sum is that of the buckets, and whoever asks seldom gets the whole limit each time. */
static void who_asks_seldom_is_never_refused(void **state)
{
	struct mr_window w = { .key = 1 };

	(void)state;
	for (int64_t i = 0; i < 1000; i++)
		assert_true(take(&w, i * 7 * SECOND, MINUTE, 9).allowed);
	for (int64_t i = 0; i < 100; i++) {
		assert_true(take(&w, 8000 * SECOND + i * 61 * SECOND, MINUTE, 2).allowed);
		assert_true(take(&w, 8000 * SECOND + i * 61 * SECOND, MINUTE, 2).allowed);
	}
}

static void keys_have_windows_of_their_own(void **state)
{
	struct mr_windows *t = mr_windows_create(64);

	(void)state;
	assert_non_null(t);
	for (uint64_t key = 1; key <= 16; key++)
		(void)take(mr_windows_find(t, key), 0, MINUTE, 1);
	for (uint64_t key = 1; key <= 16; key++)
		assert_false(take(mr_windows_find(t, key), 0, MINUTE, 1).allowed);
	assert_true(take(mr_windows_find(t, 17), 0, MINUTE, 1).allowed);
	t = mr_windows_free(t);
}

/* All in one place: of five the one unused for longest is forgotten, the others stay. */
static void a_full_place_forgets_the_longest_unused(void **state)
{
	struct mr_windows *t = mr_windows_create(4);

	(void)state;
	assert_non_null(t);
	for (uint64_t key = 1; key <= 4; key++)
		(void)take(mr_windows_find(t, key), 0, MINUTE, 1);
	assert_false(take(mr_windows_find(t, 1), 0, MINUTE, 1).allowed);
	assert_true(take(mr_windows_find(t, 5), 0, MINUTE, 1).allowed); /* in the place of 2 */
	assert_false(take(mr_windows_find(t, 1), 0, MINUTE, 1).allowed);
	assert_false(take(mr_windows_find(t, 3), 0, MINUTE, 1).allowed);
	assert_false(take(mr_windows_find(t, 4), 0, MINUTE, 1).allowed);
	assert_true(take(mr_windows_find(t, 2), 0, MINUTE, 1).allowed);
	t = mr_windows_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_and_empties),
		cmocka_unit_test(the_oldest_leave_first),
		cmocka_unit_test(after_a_long_time_it_is_empty),
		cmocka_unit_test(a_clock_that_goes_back_forgets_nothing),
		cmocka_unit_test(a_lower_limit_holds_at_once_a_higher_one_too),
		cmocka_unit_test(widths_cover_the_window),
		cmocka_unit_test(no_window_ever_holds_more),
		cmocka_unit_test(who_asks_seldom_is_never_refused),
		cmocka_unit_test(keys_have_windows_of_their_own),
		cmocka_unit_test(a_full_place_forgets_the_longest_unused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
