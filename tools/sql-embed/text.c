#include "tools/sql-embed/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)1024 * 1024)

_Noreturn void fail(const char *path, unsigned line, const char *fmt, ...)
{
	va_list ap;

	if (line > 0)
		(void)fprintf(stderr, "%s:%u: ", path, line);
	else
		(void)fprintf(stderr, "%s: ", path);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(1);
}

static struct block {
	struct block *next;
	max_align_t bytes[];
} * blocks; /* all that take() gave out */

void *take(size_t size)
{
	struct block *b = calloc(1, sizeof(*b) + size);

	if (b == NULL)
		fail("sql-embed", 0, "out of memory");
	b->next = blocks;
	blocks = b;
	return b->bytes;
}

void free_all(void)
{
	while (blocks != NULL) {
		struct block *b = blocks;

		blocks = b->next;
		free(b);
	}
}

char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = take(FILE_MAX + 1);
	size_t len;

	if (f == NULL)
		fail(path, 0, "can't be read");
	len = fread(text, 1, FILE_MAX + 1, f);
	if (ferror(f) || len > FILE_MAX)
		fail(path, 0, "can't be read, or is larger than %zu bytes", FILE_MAX);
	(void)fclose(f); /* only read */
	text[len] = '\0';
	if (strlen(text) != len)
		fail(path, 0, "contains a NUL byte");
	return text;
}

char *copy(const char *p, size_t len)
{
	char *c = take(len + 1);

	memcpy(c, p, len);
	return c;
}

bool is_word_start(char c)
{
	return (c >= 'a' && c <= 'z') || c == '_';
}

bool is_word(char c)
{
	return is_word_start(c) || (c >= '0' && c <= '9');
}

char *trim(char *s)
{
	size_t len;

	while (*s == ' ' || *s == '\t')
		s++;
	len = strlen(s);
	while (len > 0 && (s[len - 1] == ' ' || s[len - 1] == '\t'))
		s[--len] = '\0';
	return s;
}

char *cut(char **s, char sep)
{
	char *start = *s;
	unsigned depth = 0;

	for (char *p = start; *p != '\0'; p++) {
		if (*p == '(')
			depth++;
		else if (*p == ')' && depth > 0)
			depth--;
		else if (*p == sep && depth == 0) {
			*p = '\0';
			*s = p + 1;
			return start;
		}
	}
	*s = NULL;
	return start;
}
