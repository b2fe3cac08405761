/*
 * A statement file of sql/queries, read and checked: its header, its parameters, its orders, and
 * its text cut into pieces. Any fault ends the program with file and line; the build shall not go
 * on with a half-understood statement.
 */
#ifndef MR_SQL_EMBED_STATEMENT_H
#define MR_SQL_EMBED_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PARAMS_MAX  64
#define COLUMNS_MAX 64
#define ORDERS_MAX  16
#define OPTIONS_MAX 32 /* parameters of one statement that lines depend on; see lib/pg.h */
#define LINES_MAX   1000
#define BLOCKS_MAX  4 /* in each other */

struct type {
	const char *name;
	unsigned oid;
};

struct param {
	char *name;
	const struct type *type;
	bool optional;
	bool used;
	bool decides; /* lines depend on it */
};

struct column {
	char *name;
	const struct type *type;
};

/* "-created_at = r.id int8": the name clients give, what it sorts by, and that one's type. */
struct order {
	char *name;
	char *key;
	char *type;
	bool descending; /* by default */
};

enum returns { RETURNS_NONE, RETURNS_ONE, RETURNS_MANY, RETURNS_LIST };

struct line {
	char *text;             /* with $n for parameters; {key} and the like still in it */
	uint64_t given, absent; /* bit N: only when parameter N is given, only when it is absent */
};

struct statement {
	const char *path;
	char *name;
	bool is_read, is_write, is_system, is_slow;
	enum returns returns;
	struct column columns[COLUMNS_MAX];
	size_t columns_len;
	struct param params[PARAMS_MAX];
	size_t params_len;
	struct order orders[ORDERS_MAX];
	size_t orders_len;
	struct line lines[LINES_MAX];
	size_t lines_len;
	/* while it is read: the file's text, and the blocks around the line, each with those around
	 * it */
	char *source;
	unsigned line_number;
	struct line blocks[BLOCKS_MAX];
	size_t blocks_len;
	struct statement *parts;
	/* of a part */
	struct statement *next;
	bool is_included;
};

/* Reads and checks PATH. Its header names it as the file is named. PARTS, by next, are what it may
 * include. */
struct statement *statement_read(const char *path, struct statement *parts);
/* True when PATH names a part of statements: "_x.sql". */
bool statement_is_part(const char *path);
/* Appends the common end of statements that write: its parameters and its lines. */
void statement_append(struct statement *s, const struct statement *tail);
/* What can only be said once all is read: parameters used, columns and text fit the flags. */
void statement_check(const struct statement *s);
/* Placeholders of lists: {key}, {type}, {dir}, {cmp}. Length of the one at TEXT, else 0. */
size_t statement_placeholder(const char *text);

#endif
