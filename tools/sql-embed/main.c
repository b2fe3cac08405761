/*
 * sql-embed ids|table OUT FILE…: makes sql/sql_ids.h or sql/sql_stmts.c from the statement files.
 * Those named _x.sql are parts, which statements include; _write_tail.sql is appended to every
 * statement that writes and isn't "system".
 * OUT is replaced only when all is well. Output depends on the files' contents alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sql-embed/emit.h"
#include "tools/sql-embed/text.h"

#define STATEMENTS_MAX 1000

static int by_name(const void *a, const void *b)
{
	const struct statement *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* A part may include those before it. */
static struct statement *read_parts(int argc, char **argv)
{
	struct statement *parts = NULL;

	for (int i = 3; i < argc; i++)
		if (statement_is_part(argv[i])) {
			struct statement *p = statement_read(argv[i], parts);

			p->next = parts;
			parts = p;
		}
	return parts;
}

/* Takes the common end of statements that write out of PARTS; the others are included by now. */
static const struct statement *write_tail(const struct statement *parts)
{
	const struct statement *tail = NULL;

	for (const struct statement *p = parts; p != NULL; p = p->next)
		if (strcmp(p->name, "_write_tail") == 0)
			tail = p;
		else if (!p->is_included)
			fail(p->path, 0, "no statement includes it");
	return tail;
}

static void finish(struct statement **statements, size_t len, const struct statement *tail)
{
	qsort(statements, len, sizeof(statements[0]), by_name);
	for (size_t i = 0; i < len; i++) {
		struct statement *s = statements[i];

		if (i > 0 && strcmp(s->name, statements[i - 1]->name) == 0)
			fail(s->path, 0, "another file has this name: %s", statements[i - 1]->path);
		statement_check(s);
		if (!s->is_write || s->is_system)
			continue;
		if (tail == NULL)
			fail(s->path, 0, "_write_tail.sql is missing");
		statement_append(s, tail);
	}
}

static void write_out(const char *path, bool ids, struct statement *const *statements, size_t len)
{
	char temporary[4096];
	int n = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	FILE *out;

	if (n < 0 || (size_t)n >= sizeof(temporary))
		fail(path, 0, "the path is too long");
	out = fopen(temporary, "w");
	if (out == NULL)
		fail(temporary, 0, "can't be written");
	(ids ? emit_ids : emit_table)(out, statements, len);
	n = ferror(out);
	if (fclose(out) != 0 || n != 0 || rename(temporary, path) != 0) {
		(void)remove(temporary);
		fail(path, 0, "can't be written");
	}
}

int main(int argc, char **argv)
{
	static struct statement *statements[STATEMENTS_MAX];
	struct statement *parts;
	size_t len = 0;

	if (argc < 4 || (strcmp(argv[1], "ids") != 0 && strcmp(argv[1], "table") != 0)) {
		(void)fputs("usage: sql-embed ids|table OUT FILE...\n", stderr);
		return 2;
	}
	parts = read_parts(argc, argv);
	for (int i = 3; i < argc; i++) {
		if (statement_is_part(argv[i]))
			continue;
		if (len == STATEMENTS_MAX)
			fail(argv[i], 0, "too many statements");
		statements[len++] = statement_read(argv[i], parts);
	}
	finish(statements, len, write_tail(parts));
	write_out(argv[2], strcmp(argv[1], "ids") == 0, statements, len);
	free_all();
	return 0;
}
