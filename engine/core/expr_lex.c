/* The lexer: CEL's tokens and Millrace's ??. */
#include "engine/core/expr_lex.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/core/expr_private.h"

static int fail(struct mr_lex *l, size_t at, const char *fmt, ...) MR_PRINTF(3, 4);

static int fail(struct mr_lex *l, size_t at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(l->message, sizeof(l->message), fmt, ap);
	va_end(ap);
	l->message_at = at;
	return MR_E_INVALID;
}

/* The byte at AT, or NUL at the end. */
static char peek(const struct mr_lex *l, size_t at)
{
	return at < l->text.len ? l->text.p[at] : '\0';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_ident_first(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void skip_space(struct mr_lex *l)
{
	for (;;) {
		char c = peek(l, l->at);

		if (c == ' ' || (c >= '\t' && c <= '\r')) {
			l->at++;
		} else if (c == '/' && peek(l, l->at + 1) == '/') {
			while (l->at < l->text.len && l->text.p[l->at] != '\n')
				l->at++;
		} else {
			return;
		}
	}
}

/* ---- numbers ---- */

static int lex_hex(struct mr_lex *l, struct mr_token *t)
{
	size_t first = l->at + 2;

	for (l->at = first; hex_digit(peek(l, l->at)) >= 0; l->at++) {
		if (t->number >> 60 != 0)
			return fail(l, t->at, "the number is beyond 64 bits");
		t->number = t->number * 16 + (uint64_t)hex_digit(l->text.p[l->at]);
	}
	return l->at > first ? 0 : fail(l, l->at, "a hexadecimal digit is missing");
}

static bool skip_digits(struct mr_lex *l)
{
	size_t first = l->at;

	while (is_digit(peek(l, l->at)))
		l->at++;
	return l->at > first;
}

static int lex_double(struct mr_lex *l, struct mr_token *t)
{
	char small[64], *copy = small;
	struct mr_str text;

	l->at = t->at;
	(void)skip_digits(l); /* none in ".5" */
	if (peek(l, l->at) == '.' && is_digit(peek(l, l->at + 1))) {
		l->at++;
		(void)skip_digits(l); /* there is one */
	}
	if (peek(l, l->at) == 'e' || peek(l, l->at) == 'E') {
		l->at++;
		if (peek(l, l->at) == '+' || peek(l, l->at) == '-')
			l->at++;
		if (!skip_digits(l))
			return fail(l, l->at, "a digit of the exponent is missing");
	}
	text = (struct mr_str){ l->text.p + t->at, l->at - t->at };
	if (text.len >= sizeof(small))
		copy = mr_arena_strz(l->arena, text);
	else
		memcpy(small, text.p, text.len);
	if (copy == NULL)
		return MR_E_NOMEM;
	copy[text.len] = '\0';
	t->kind = MR_TOKEN_CONST;
	t->value = mr_value_double(strtod(copy, NULL));
	if (isinf(t->value.d))
		return fail(l, t->at, "the number is beyond the range of a double");
	return 0;
}

static int lex_decimal(struct mr_lex *l, struct mr_token *t)
{
	for (; is_digit(peek(l, l->at)); l->at++) {
		uint64_t digit = (uint64_t)(l->text.p[l->at] - '0');

		if (t->number > (UINT64_MAX - digit) / 10)
			return fail(l, t->at, "the number is beyond 64 bits");
		t->number = t->number * 10 + digit;
	}
	return 0;
}

static bool is_double(const struct mr_lex *l)
{
	size_t at = l->at;
	char c;

	while (is_digit(peek(l, at)))
		at++;
	c = peek(l, at);
	if (c == '.')
		return is_digit(peek(l, at + 1));
	return c == 'e' || c == 'E';
}

static int lex_number(struct mr_lex *l, struct mr_token *t)
{
	int r;

	t->kind = MR_TOKEN_INT;
	if (peek(l, l->at) == '0' && (peek(l, l->at + 1) | 0x20) == 'x')
		r = lex_hex(l, t);
	else if (is_double(l))
		return lex_double(l, t);
	else
		r = lex_decimal(l, t);
	if (r == 0 && (peek(l, l->at) | 0x20) == 'u') {
		l->at++;
		t->kind = MR_TOKEN_CONST;
		t->value = mr_value_uint(t->number);
	}
	if (r == 0 && is_ident_first(peek(l, l->at)))
		return fail(l, l->at, "a letter right after a number");
	return r;
}

/* ---- strings ---- */

struct quoted {
	bool raw, bytes;
	char quote;
	size_t quotes;     /* 1 or 3 */
	size_t begin, end; /* what stands between them */
	bool escaped;
};

/* Finds the end of the string; the escapes in it are looked at later. */
static int find_end(struct mr_lex *l, struct quoted *q)
{
	size_t at = q->begin;

	for (; at < l->text.len; at++) {
		char c = l->text.p[at];

		if (c == '\\' && !q->raw) {
			q->escaped = true;
			at++;
		} else if ((c == '\n' || c == '\r') && q->quotes == 1) {
			return fail(
			    l, at, "a line ends inside a string; use three quotes for that");
		} else if (c == q->quote &&
		           (q->quotes == 1 || (peek(l, at + 1) == c && peek(l, at + 2) == c))) {
			q->end = at;
			l->at = at + q->quotes;
			return 0;
		}
	}
	return fail(l, q->begin - q->quotes, "the string has no end");
}

static int read_hex(const struct mr_lex *l, size_t at, size_t n, uint32_t *ret)
{
	uint32_t v = 0;

	for (size_t i = 0; i < n; i++) {
		int d = hex_digit(peek(l, at + i));

		if (d < 0)
			return -1;
		v = (v << 4) | (uint32_t)d;
	}
	*ret = v;
	return 0;
}

static int read_octal(const struct mr_lex *l, size_t at, uint32_t *ret)
{
	uint32_t v = 0;

	for (size_t i = 0; i < 3; i++) {
		char c = peek(l, at + i);

		if (c < '0' || c > '7')
			return -1;
		v = v * 8 + (uint32_t)(c - '0');
	}
	*ret = v;
	return v <= 255 ? 0 : -1;
}

/* The escape at *AT (its backslash): its value, and whether it is a byte rather than a code
 * point; *AT moves behind it. */
static int read_escape(struct mr_lex *l, const struct quoted *q, size_t *at, uint32_t *ret)
{
	static const char from[] = "abfnrtv\\?\"'`", into[] = "\a\b\f\n\r\t\v\\?\"'`";
	char c = peek(l, *at + 1);
	const char *found = c != '\0' ? strchr(from, c) : NULL;
	size_t digits = 0, escape = *at;
	int r = -1;

	if (found != NULL) {
		*ret = (unsigned char)into[found - from];
		*at += 2;
		return 0;
	}
	if (c == 'x' || c == 'X')
		digits = 2;
	else if (c == 'u' && !q->bytes)
		digits = 4;
	else if (c == 'U' && !q->bytes)
		digits = 8;
	if (digits > 0) {
		r = read_hex(l, *at + 2, digits, ret);
		*at += 2 + digits;
	} else if (c >= '0' && c <= '3') {
		r = read_octal(l, *at + 1, ret);
		*at += 4;
	}
	if (r < 0 || *at > q->end)
		return fail(l, escape, "not an escape");
	if (*ret > 0x10ffff || (*ret >= 0xd800 && *ret <= 0xdfff))
		return fail(l, escape, "not a code point");
	return 0;
}

static int decode(struct mr_lex *l, const struct quoted *q, struct mr_str *ret)
{
	char *text = mr_arena_alloc(l->arena, q->end - q->begin), *to = text;
	size_t at = q->begin;
	uint32_t c = 0;
	int r;

	if (text == NULL)
		return MR_E_NOMEM;
	while (at < q->end) {
		if (l->text.p[at] != '\\') {
			*to++ = l->text.p[at++];
			continue;
		}
		r = read_escape(l, q, &at, &c);
		if (r < 0)
			return r;
		if (q->bytes)
			*to++ = (char)c;
		else
			to = mr_utf8_put(to, c); /* never longer than its escape */
	}
	*ret = (struct mr_str){ text, (size_t)(to - text) };
	return 0;
}

/* At the quote; PREFIX was read. */
static int lex_string(struct mr_lex *l, struct quoted *q, struct mr_token *t)
{
	struct mr_str s;
	int r;

	q->quote = l->text.p[l->at];
	q->quotes = peek(l, l->at + 1) == q->quote && peek(l, l->at + 2) == q->quote ? 3 : 1;
	q->begin = l->at + q->quotes;
	r = find_end(l, q);
	if (r < 0)
		return r;
	s = (struct mr_str){ l->text.p + q->begin, q->end - q->begin };
	if (q->escaped)
		r = decode(l, q, &s);
	t->kind = MR_TOKEN_CONST;
	t->value = q->bytes ? mr_value_bytes(s) : mr_value_str(s);
	return r;
}

/* A string literal with its prefixes r, b, br; false when this is none. */
static bool string_prefix(struct mr_lex *l, struct quoted *q)
{
	size_t at = l->at;

	if ((peek(l, at) | 0x20) == 'b') {
		q->bytes = true;
		at++;
	}
	if ((peek(l, at) | 0x20) == 'r') {
		q->raw = true;
		at++;
	}
	if (peek(l, at) != '"' && peek(l, at) != '\'')
		return false;
	l->at = at;
	return true;
}

/* ---- names and signs ---- */

static int lex_ident(struct mr_lex *l, struct mr_token *t)
{
	size_t at = l->at;

	while (is_ident_first(peek(l, at)) || is_digit(peek(l, at)))
		at++;
	t->kind = MR_TOKEN_IDENT;
	t->text = (struct mr_str){ l->text.p + l->at, at - l->at };
	l->at = at;
	return 0;
}

static int lex_quoted_ident(struct mr_lex *l, struct mr_token *t)
{
	size_t begin = l->at + 1;
	const char *end = memchr(l->text.p + begin, '`', l->text.len - begin);

	if (end == NULL || end == l->text.p + begin)
		return fail(l, l->at, "a name in backticks is empty or has no end");
	t->kind = MR_TOKEN_QUOTED_IDENT;
	t->text = (struct mr_str){ l->text.p + begin, (size_t)(end - l->text.p) - begin };
	l->at = begin + t->text.len + 1;
	return 0;
}

static int lex_sign(struct mr_lex *l, struct mr_token *t)
{
	static const struct sign {
		char text[3];
		enum mr_token_kind kind;
	} signs[] = {
		/* the longer ones first */
		{ "??", MR_TOKEN_COALESCE },
		{ "||", MR_TOKEN_OR },
		{ "&&", MR_TOKEN_AND },
		{ "==", MR_TOKEN_EQ },
		{ "!=", MR_TOKEN_NE },
		{ "<=", MR_TOKEN_LE },
		{ ">=", MR_TOKEN_GE },
		{ "<", MR_TOKEN_LT },
		{ ">", MR_TOKEN_GT },
		{ "(", MR_TOKEN_LPAREN },
		{ ")", MR_TOKEN_RPAREN },
		{ "[", MR_TOKEN_LBRACKET },
		{ "]", MR_TOKEN_RBRACKET },
		{ "{", MR_TOKEN_LBRACE },
		{ "}", MR_TOKEN_RBRACE },
		{ ".", MR_TOKEN_DOT },
		{ ",", MR_TOKEN_COMMA },
		{ ":", MR_TOKEN_COLON },
		{ "?", MR_TOKEN_QUESTION },
		{ "+", MR_TOKEN_PLUS },
		{ "-", MR_TOKEN_MINUS },
		{ "*", MR_TOKEN_STAR },
		{ "/", MR_TOKEN_SLASH },
		{ "%", MR_TOKEN_PERCENT },
		{ "!", MR_TOKEN_NOT },
	};
	char c = l->text.p[l->at];

	for (size_t i = 0; i < MR_ARRAY_LEN(signs); i++) {
		if (signs[i].text[0] != c ||
		    (signs[i].text[1] != '\0' && signs[i].text[1] != peek(l, l->at + 1)))
			continue;
		t->kind = signs[i].kind;
		l->at += signs[i].text[1] != '\0' ? 2 : 1;
		return 0;
	}
	if (c == '=')
		return fail(l, l->at, "'=' alone; equality is written ==");
	if (c == '&' || c == '|')
		return fail(l, l->at, "'%c' alone; write %c%c", c, c, c);
	if (c > 0x20 && c < 0x7f)
		return fail(l, l->at, "unexpected '%c'", c);
	return fail(l, l->at, "unexpected character");
}

int mr_lex_next(struct mr_lex *l, bool operand, struct mr_token *ret)
{
	struct quoted q = { 0 };
	struct mr_token t = { 0 };
	int r = 0;
	char c;

	skip_space(l);
	t.at = l->at;
	c = peek(l, l->at);
	if (l->at >= l->text.len)
		t.kind = MR_TOKEN_END;
	else if (is_digit(c) || (operand && c == '.' && is_digit(peek(l, l->at + 1))))
		r = lex_number(l, &t);
	else if (string_prefix(l, &q))
		r = lex_string(l, &q, &t);
	else if (is_ident_first(c))
		r = lex_ident(l, &t);
	else if (c == '`')
		r = lex_quoted_ident(l, &t);
	else
		r = lex_sign(l, &t);
	t.end = l->at;
	if (r == 0)
		*ret = t;
	return r;
}
