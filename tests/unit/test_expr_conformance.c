/*
 * CEL's specification, part by part: the cases of expr_conformance.json, each of which is of a part
 * that docs/expressions-conformance.md has a row for; and no row is without cases.
 *
 * A case: part, name, expr (a text, or a list of [text, how often]), context, and one of
 *   gives    the type and, as JSON, the value
 *   fails    a piece of the message of its evaluation
 *   limit    likewise, where a limit is exceeded, which nothing absorbs
 *   refused  a piece of the message of its compilation
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/expr_env.h"

#define CASES "tests/unit/expr_conformance.json"
#define DOC   "docs/expressions-conformance.md"

static struct mr_arena *arena;
static struct mr_value cases;
static struct mr_str doc;

static struct mr_str read_file(const char *name)
{
	const char *root = getenv("srcdir");
	struct mr_str path = mr_arena_printf(arena, "%s/%s", root != NULL ? root : ".", name);
	FILE *f = fopen(path.p, "rb");
	char *text = mr_arena_alloc(arena, 2u << 20);
	struct mr_str s = MR_STR_NONE;

	if (f == NULL)
		fail_msg("%s: %s", path.p, strerror(errno));
	assert_non_null(text);
	s = (struct mr_str){ text, fread(text, 1, 2u << 20, f) };
	assert_int_equal(fclose(f), 0);
	return s;
}

static int setup(void **state)
{
	(void)state;
	arena = mr_arena_create(64u << 20);
	if (arena == NULL)
		return -1;
	doc = read_file(DOC);
	return mr_json_parse(arena, read_file(CASES), NULL, NULL, &cases);
}

static int teardown(void **state)
{
	(void)state;
	arena = mr_arena_free(arena);
	return 0;
}

/* "(" 200 times, "1", ")" 200 times. */
static struct mr_str expression(struct mr_arena *a, const struct mr_value *v)
{
	struct mr_str s = MR_STR_NONE;
	struct mr_buf b;

	if (v->kind == MR_VALUE_STRING)
		return v->s;
	assert_int_equal(v->kind, MR_VALUE_LIST);
	mr_buf_init(&b, 1u << 20);
	for (size_t i = 0; i < v->list->len; i++) {
		const struct mr_list *part = v->list->items[i].list;

		for (int64_t n = 0; n < part->items[1].i; n++)
			mr_buf_adds(&b, part->items[0].s);
	}
	s = mr_arena_str(a, mr_buf_str(&b));
	assert_non_null(s.p);
	mr_buf_done(&b);
	return s;
}

static bool contains(struct mr_str s, struct mr_str piece)
{
	return memmem(s.p, s.len, piece.p, piece.len) != NULL;
}

/* How it ended, in the words of a case, and what it said. */
static const char *run(struct world *w, struct mr_str source, struct mr_str *said)
{
	struct mr_expr_error err = { .line = 0 };
	const struct mr_expr *e;
	struct mr_value v;
	int r = mr_expr_compile(w->arena, source, &e, &err);
	const char *how = "refused";

	if (r == 0) {
		r = mr_expr_eval(e, &w->env, w->arena, &v, &err);
		how = r == MR_E_LIMIT ? "limit" : r < 0 ? "fails" : "gives";
	}
	*said = mr_arena_str(w->arena, mr_str(err.message));
	if (r < 0 && (err.line == 0 || err.column == 0))
		*said = MR_STR("(no position)");
	if (r == 0)
		*said = mr_arena_printf(w->arena, "%s %.*s", mr_value_kind_name(v.kind),
		    MR_STR_ARG(mr_json_text(w->arena, &v)));
	return how;
}

static void each_case_gives_what_it_should(void **state)
{
	static const char *const hows[] = { "gives", "fails", "limit", "refused" };
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < cases.list->len; i++) {
		const struct mr_value *c = &cases.list->items[i];
		const struct mr_value *context = mr_value_get(c, "context"), *source;
		struct mr_str said, want = MR_STR_NONE;
		const char *how, *wanted = "";
		struct world w;

		for (size_t k = 0; k < MR_ARRAY_LEN(hows); k++) {
			if (mr_value_get(c, hows[k]) == NULL)
				continue;
			assert_null(want.p);
			wanted = hows[k];
			want = mr_value_get_str(c, wanted);
		}
		assert_non_null(want.p);
		world_init(&w, "{}");
		if (context != NULL)
			w.names = *context;
		source = mr_value_get(c, "expr");
		assert_non_null(source);
		how = run(&w, expression(w.arena, source), &said);
		if (strcmp(how, wanted) != 0 ||
		    (strcmp(how, "gives") == 0 ? !mr_str_eq(said, want) : !contains(said, want))) {
			print_error("%.*s, %.*s: %s %.*s, not %s %.*s\n",
			    MR_STR_ARG(mr_value_get_str(c, "part")),
			    MR_STR_ARG(mr_value_get_str(c, "name")), how, MR_STR_ARG(said), wanted,
			    MR_STR_ARG(want));
			wrong++;
		}
		world_done(&w);
	}
	assert_int_equal(wrong, 0);
}

static void names_are_unique(void **state)
{
	(void)state;
	for (size_t i = 0; i < cases.list->len; i++) {
		const struct mr_value *a = &cases.list->items[i];

		for (size_t j = 0; j < i; j++) {
			const struct mr_value *b = &cases.list->items[j];

			if (mr_str_eq(mr_value_get_str(a, "name"), mr_value_get_str(b, "name")) &&
			    mr_str_eq(mr_value_get_str(a, "part"), mr_value_get_str(b, "part")))
				fail_msg("two cases \"%.*s\" of %.*s",
				    MR_STR_ARG(mr_value_get_str(a, "name")),
				    MR_STR_ARG(mr_value_get_str(a, "part")));
		}
	}
}

/* The part of a row, "| `part` | …": absent when the line is none. */
static struct mr_str row_part(struct mr_str line)
{
	if (!mr_str_starts(line, MR_STR("| `")))
		return MR_STR_NONE;
	line = (struct mr_str){ line.p + 3, line.len - 3 };
	return mr_str_cut(&line, '`');
}

static void each_row_has_cases_and_each_case_a_row(void **state)
{
	struct mr_str rest = doc, line, part;
	size_t covered = 0, rows = 0;

	(void)state;
	while (rest.p != NULL) {
		size_t n = 0;

		line = mr_str_cut(&rest, '\n');
		part = row_part(line);
		if (part.p == NULL)
			continue;
		rows++;
		for (size_t i = 0; i < cases.list->len; i++)
			n += mr_str_eq(mr_value_get_str(&cases.list->items[i], "part"), part);
		if (n == 0)
			fail_msg("%.*s has a row and no case", MR_STR_ARG(part));
		covered += n;
	}
	assert_true(rows > 40);
	if (covered != cases.list->len)
		fail_msg("%zu cases are of no row of %s, or a row stands twice",
		    cases.list->len - covered, DOC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_case_gives_what_it_should),
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(each_row_has_cases_and_each_case_a_row),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
