#include "admin/script.h"

#include "tests/unit/test.h"

struct expected {
	const char *name, *text;
	const char *statements[6]; /* ends with NULL */
};

static const struct expected cases[] = {
	{ "nothing", " ;; -- a\n/* b */", { NULL } },
	{ "two", "begin; commit;", { "begin", "commit", NULL } },
	{ "without its end", "select 1;\nselect 2", { "select 1", "select 2", NULL } },
	{ "comments", "-- a; b\nselect 1 /* ; /* ; */ ; */ + 1 -- ;\n;select 2;",
	    { "select 1 /* ; /* ; */ ; */ + 1 -- ;", "select 2", NULL } },
	{ "quotes", "select 'a;''b;', \"c;\"\"d\";select 'x\\';select E'y\\';z'",
	    { "select 'a;''b;', \"c;\"\"d\"", "select 'x\\'", "select E'y\\';z'", NULL } },
	{ "dollars",
	    "do $$ begin; end $$; create function f() as $x$ $$ ; $x$; select $1; select a$b;",
	    { "do $$ begin; end $$", "create function f() as $x$ $$ ; $x$", "select $1",
	        "select a$b", NULL } },
	{ "atomic",
	    "create function f() begin atomic select 1; select case when true then 2 end; end; "
	    "begin;",
	    { "create function f() begin atomic select 1; select case when true then 2 end; end",
	        "begin", NULL } },
	{ "parentheses", "create rule r as on update to t do (select 1; select 2); select 3;",
	    { "create rule r as on update to t do (select 1; select 2)", "select 3", NULL } },
	{ "left open", "select 'a;", { "select 'a;", NULL } },
	{ "left open dollars", "do $$ a;", { "do $$ a;", NULL } },
	{ "left open comment", "select 1 /* ;", { "select 1 /* ;", NULL } },
};

static void splits(void **state)
{
	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_script s;
		struct mr_str got;
		unsigned line, n = 0;

		mr_script_init(&s, mr_str(cases[i].text));
		while (mr_script_next(&s, &got, &line)) {
			if (cases[i].statements[n] == NULL ||
			    !mr_str_eqz(got, cases[i].statements[n]))
				fail_msg("%s: got <%.*s>", cases[i].name, MR_STR_ARG(got));
			n++;
		}
		if (cases[i].statements[n] != NULL)
			fail_msg("%s: no <%s>", cases[i].name, cases[i].statements[n]);
	}
}

static void counts_lines(void **state)
{
	struct mr_script s;
	struct mr_str got;
	unsigned line;

	(void)state;
	mr_script_init(&s, MR_STR("-- one\n\nbegin;\ndo $$\n\n$$;\n/*\n*/ select 'a\n'; commit;"));
	for (unsigned i = 0; i < 4; i++) {
		static const unsigned lines[] = { 3, 4, 8, 9 };

		assert_true(mr_script_next(&s, &got, &line));
		assert_int_equal(line, lines[i]);
	}
	assert_false(mr_script_next(&s, &got, &line));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splits),
		cmocka_unit_test(counts_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
