/* Memory, text and faults of a generator: it ends at the first thing that is wrong. */
#ifndef MR_SQL_EMBED_TEXT_H
#define MR_SQL_EMBED_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/macros.h"

/* Prints "PATH:LINE: …" (without a line when it is 0) and exits. */
_Noreturn void fail(const char *path, unsigned line, const char *fmt, ...) MR_PRINTF(3, 4);
/* Zeroed memory, never NULL; all of it is given back by free_all(). */
void *take(size_t size);
void free_all(void);
/* Whole file, ended by NUL. */
char *read_file(const char *path);
/* A copy of LEN bytes, ended by NUL. */
char *copy(const char *p, size_t len);
bool is_word(char c);       /* a-z, 0-9, _ */
bool is_word_start(char c); /* a-z, _ */
/* Cuts spaces off both ends, in place. */
char *trim(char *s);
/* The part before the next SEP outside of parentheses; *s goes past it, or becomes NULL. */
char *cut(char **s, char sep);

#endif
