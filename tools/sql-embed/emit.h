/* The two generated files: the statements' numbers, and their table. */
#ifndef MR_SQL_EMBED_EMIT_H
#define MR_SQL_EMBED_EMIT_H

#include <stdio.h>

#include "tools/sql-embed/statement.h"

/* STATEMENTS are sorted by name. */
void emit_ids(FILE *out, struct statement *const *statements, size_t len);
void emit_table(FILE *out, struct statement *const *statements, size_t len);

#endif
