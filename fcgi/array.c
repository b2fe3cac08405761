#include "fcgi/array.h"

#include <string.h>

void mr_array_init(struct mr_array *a, struct mr_arena *arena)
{
	*a = (struct mr_array){ .arena = arena };
}

/* Room for N more bytes; the old place stays in the arena, which is fine for short lists. */
static char *room(struct mr_array *a, size_t n)
{
	if (a->failed)
		return NULL;
	if (a->cap - a->len < n) {
		size_t cap = a->cap * 2 + n + 32;
		char *p = mr_arena_alloc(a->arena, cap);

		if (p == NULL) {
			a->failed = true;
			return NULL;
		}
		if (a->len > 0)
			memcpy(p, a->p, a->len);
		a->p = p;
		a->cap = cap;
	}
	return a->p + a->len;
}

void mr_array_add(struct mr_array *a, struct mr_str element)
{
	size_t quoted = 2 * element.len + 8;
	char *p = room(a, quoted);
	size_t n = 0;

	if (p == NULL)
		return;
	p[n++] = a->count++ == 0 ? '{' : ',';
	if (element.p == NULL) {
		memcpy(p + n, "NULL", 4);
		a->len += n + 4;
		return;
	}
	p[n++] = '"';
	for (size_t i = 0; i < element.len; i++) {
		if (element.p[i] == '"' || element.p[i] == '\\')
			p[n++] = '\\';
		p[n++] = element.p[i];
	}
	p[n++] = '"';
	a->len += n;
}

struct mr_str mr_array_end(struct mr_array *a)
{
	char *p = room(a, 3);

	if (p == NULL)
		return MR_STR_NONE;
	if (a->count == 0)
		a->p[a->len++] = '{';
	a->p[a->len++] = '}';
	a->p[a->len] = '\0';
	return (struct mr_str){ a->p, a->len };
}
