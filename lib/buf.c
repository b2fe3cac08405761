#include "lib/buf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mr_buf_init(struct mr_buf *b, size_t max)
{
	*b = (struct mr_buf){ .max = max < SIZE_MAX ? max : SIZE_MAX - 1 }; /* a NUL follows */
}

void mr_buf_done(struct mr_buf *b)
{
	free(b->p);
	*b = (struct mr_buf){ .max = b->max };
}

void mr_buf_reset(struct mr_buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->p != NULL)
		b->p[0] = '\0';
}

static bool grow(struct mr_buf *b, size_t need)
{
	size_t cap = b->cap < 256 ? 256 : b->cap;
	char *p;

	while (cap < need)
		cap *= 2;
	if (cap > b->max + 1)
		cap = b->max + 1;
	p = realloc(b->p, cap);
	if (p == NULL)
		return false;
	b->p = p;
	b->cap = cap;
	return true;
}

char *mr_buf_room(struct mr_buf *b, size_t n)
{
	if (b->failed || n > b->max || b->len > b->max - n ||
	    (b->len + n + 1 > b->cap && !grow(b, b->len + n + 1))) {
		b->failed = true;
		return NULL;
	}
	return b->p + b->len;
}

void mr_buf_commit(struct mr_buf *b, size_t n)
{
	b->len += n;
	b->p[b->len] = '\0';
}

void mr_buf_add(struct mr_buf *b, const void *p, size_t len)
{
	char *room = mr_buf_room(b, len);

	if (room == NULL)
		return;
	if (len > 0)
		memcpy(room, p, len);
	mr_buf_commit(b, len);
}

void mr_buf_adds(struct mr_buf *b, struct mr_str s)
{
	mr_buf_add(b, s.p, s.len);
}

void mr_buf_addz(struct mr_buf *b, const char *s)
{
	mr_buf_add(b, s, strlen(s));
}

void mr_buf_addc(struct mr_buf *b, char c)
{
	mr_buf_add(b, &c, 1);
}

void mr_buf_addf(struct mr_buf *b, const char *fmt, ...)
{
	va_list ap, again;
	char *room;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	room = n < 0 ? NULL : mr_buf_room(b, (size_t)n);
	if (room != NULL) {
		(void)vsnprintf(room, (size_t)n + 1, fmt, ap); /* fits: measured above */
		mr_buf_commit(b, (size_t)n);
	} else {
		b->failed = true;
	}
	va_end(ap);
}

void mr_buf_add_u64(struct mr_buf *b, uint64_t v)
{
	char digits[20];
	size_t n = sizeof(digits);

	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	mr_buf_add(b, digits + n, sizeof(digits) - n);
}

void mr_buf_add_i64(struct mr_buf *b, int64_t v)
{
	if (v < 0)
		mr_buf_addc(b, '-');
	mr_buf_add_u64(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

/* What stands for a byte inside a JSON string; 0: itself; 'u': \u00xx. */
static char json_escape(unsigned char c)
{
	switch (c) {
	case '"':
		return '"';
	case '\\':
		return '\\';
	case '\b':
		return 'b';
	case '\f':
		return 'f';
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return c < 0x20 || c == 0x7f ? 'u' : '\0';
	}
}

void mr_buf_add_json(struct mr_buf *b, struct mr_str s)
{
	static const char hex[] = "0123456789abcdef";
	size_t from = 0;

	mr_buf_addc(b, '"');
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char esc = json_escape(c);

		if (esc == '\0')
			continue;
		mr_buf_add(b, s.p + from, i - from);
		from = i + 1;
		if (esc == 'u') {
			const char u[6] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };

			mr_buf_add(b, u, sizeof(u));
		} else {
			const char e[2] = { '\\', esc };

			mr_buf_add(b, e, sizeof(e));
		}
	}
	mr_buf_add(b, s.p + from, s.len - from);
	mr_buf_addc(b, '"');
}

void mr_buf_drop(struct mr_buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
	} else if (n > 0) {
		memmove(b->p, b->p + n, b->len - n);
		b->len -= n;
	}
	if (b->p != NULL)
		b->p[b->len] = '\0';
}

struct mr_str mr_buf_str(const struct mr_buf *b)
{
	return (struct mr_str){ b->p != NULL ? b->p : "", b->len };
}

bool mr_buf_failed(const struct mr_buf *b)
{
	return b->failed;
}
