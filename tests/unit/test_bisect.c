#include "engine/bisect.h"

#include "tests/unit/test.h"

#define LEN 1000

/* Writes a batch as a flush does, where the database refuses any part that holds a BAD item. */
struct batch {
	bool bad[LEN];
	unsigned written[LEN], refused[LEN];
	unsigned tries;
};

static bool holds_bad(const struct batch *b, size_t from, size_t to)
{
	while (from < to && !b->bad[from])
		from++;
	return from < to;
}

static void flush(struct batch *b, size_t len)
{
	struct mr_bisect parts;
	size_t from, to;

	mr_bisect_begin(&parts, len);
	while (mr_bisect_part(&parts, &from, &to)) {
		b->tries++;
		assert_true(from < to && to <= len);
		if (!holds_bad(b, from, to)) {
			while (from < to)
				b->written[from++]++;
			mr_bisect_next(&parts);
		} else if (!mr_bisect_halve(&parts)) {
			assert_int_equal(to - from, 1);
			b->refused[from]++;
			mr_bisect_next(&parts);
		}
	}
}

static void check(const struct batch *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		assert_int_equal(b->written[i], b->bad[i] ? 0 : 1);
		assert_int_equal(b->refused[i], b->bad[i] ? 1 : 0);
	}
}

static void nothing_to_do(void **state)
{
	struct mr_bisect parts;
	size_t from, to;

	(void)state;
	mr_bisect_begin(&parts, 0);
	assert_false(mr_bisect_part(&parts, &from, &to));
}

static void all_good(void **state)
{
	static struct batch b;

	(void)state;
	flush(&b, LEN);
	check(&b, LEN);
	assert_int_equal(b.tries, 1);
}

static void one_bad(void **state)
{
	(void)state;
	for (size_t len = 1; len <= LEN; len += 111) {
		for (size_t bad = 0; bad < len; bad += 37) {
			static struct batch b;

			memset(&b, 0, sizeof(b));
			b.bad[bad] = true;
			flush(&b, len);
			check(&b, len);
			assert_true(b.tries <= 21); /* 1 + 2 log2(1000) */
		}
	}
}

static void many_bad(void **state)
{
	static struct batch b;

	(void)state;
	for (size_t i = 0; i < LEN; i += 3)
		b.bad[i] = true;
	flush(&b, LEN);
	check(&b, LEN);
}

static void what_is_data(void **state)
{
	static const struct {
		const char *sqlstate;
		bool data;
	} rows[] = {
		{ "22P02", true },  /* invalid text representation */
		{ "22021", true },  /* character not in repertoire */
		{ "23514", true },  /* check violation */
		{ "54000", true },  /* program limit exceeded */
		{ "40001", false }, /* serialization failure */
		{ "40P01", false }, /* deadlock */
		{ "42501", false }, /* insufficient privilege */
		{ "53100", false }, /* disk full */
		{ "53300", false }, /* too many connections */
		{ "55P03", false }, /* lock not available */
		{ "57014", false }, /* statement timeout */
		{ "57P01", false }, /* admin shutdown */
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(rows); i++)
		assert_int_equal(mr_bisect_is_data(rows[i].sqlstate), rows[i].data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_do),
		cmocka_unit_test(all_good),
		cmocka_unit_test(one_bad),
		cmocka_unit_test(many_bad),
		cmocka_unit_test(what_is_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
