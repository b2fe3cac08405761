#include "engine/commands.h"

#include <stdio.h>

#include "tests/unit/test.h"

/* What a run is told, as a result of engine_commands; ids count from 1. */
struct told {
	int64_t run_id;
	const char *kind;
};

static void set(PGresult *r, int row, int column, const char *text)
{
	assert_int_equal(PQsetvalue(r, row, column, (char *)text, (int)strlen(text)), 1);
}

static PGresult *result(const struct told *t, size_t len)
{
	static char names[][16] = { "run_id", "command_id", "kind", "data" };
	PGresAttDesc columns[4] = { { .name = names[0] }, { .name = names[1] },
		{ .name = names[2] }, { .name = names[3] } };
	PGresult *r = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	char number[24];

	assert_non_null(r);
	assert_int_equal(PQsetResultAttrs(r, 4, columns), 1);
	for (size_t i = 0; i < len; i++) {
		(void)snprintf(number, sizeof(number), "%lld", (long long)t[i].run_id);
		set(r, (int)i, 0, number);
		(void)snprintf(number, sizeof(number), "%zu", i + 1);
		set(r, (int)i, 1, number);
		set(r, (int)i, 2, t[i].kind);
		set(r, (int)i, 3, "{}");
	}
	return r;
}

/* Run 5, with neighbours on both sides. */
static void judged(void **state)
{
	static const struct {
		const char *name;
		const char *kinds[4];
		enum mr_commands_verdict verdict;
	} cases[] = {
		{ "nothing", { NULL }, MR_COMMANDS_GO },
		{ "a signal", { "signal" }, MR_COMMANDS_GO },
		{ "a child's end and variables", { "child", "variables" }, MR_COMMANDS_GO },
		{ "a resume", { "resume" }, MR_COMMANDS_RESUME },
		{ "a pause", { "pause" }, MR_COMMANDS_STOP },
		{ "the last decides", { "pause", "resume" }, MR_COMMANDS_RESUME },
		{ "the last decides, among others", { "resume", "signal", "pause", "event" },
		    MR_COMMANDS_STOP },
		{ "a cancel decides wherever it stands", { "cancel", "resume" }, MR_COMMANDS_STOP },
		{ "a failure", { "fail" }, MR_COMMANDS_STOP },
		{ "a failure of a resumed run", { "resume", "fail" }, MR_COMMANDS_STOP },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct told told[8] = { { 4, "cancel" } };
		struct mr_held h = { .id = 5 };
		size_t len = 1;
		PGresult *r;

		for (size_t k = 0; k < 4 && cases[i].kinds[k] != NULL; k++)
			told[len++] = (struct told){ 5, cases[i].kinds[k] };
		told[len++] = (struct told){ 6, "pause" };
		r = result(told, len);
		if (mr_commands_judge(&h, r) != cases[i].verdict)
			fail_msg("%s: judged wrongly", cases[i].name);
		PQclear(r);
	}
}

/* On its way to the database already: it decides no more. */
static void what_is_known_does_not_decide(void **state)
{
	static const struct told told[] = { { 5, "pause" }, { 5, "cancel" } };
	struct mr_outcome sent = { .commands = { 2 }, .commands_len = 1 };
	struct mr_outcome pending = { .commands = { 1 }, .commands_len = 1 };
	struct mr_held h = { .id = 5, .sent = &sent };
	PGresult *r = result(told, 2);

	(void)state;
	assert_int_equal(mr_commands_judge(&h, r), MR_COMMANDS_STOP);
	h.pending = &pending;
	assert_int_equal(mr_commands_judge(&h, r), MR_COMMANDS_GO);
	assert_int_equal(mr_commands_judge(&h, NULL), MR_COMMANDS_GO);
	PQclear(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judged),
		cmocka_unit_test(what_is_known_does_not_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
