/* Writing values as JSON and as text. Walks them with a stack of its own. */
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/value.h"

#define SECOND 1000000000 /* in nanoseconds */

/* A double that is a decimal of few digits, as most are: D is exactly MANTISSA / 10^PLACES when
 * that quotient, rounded once, is D again. */
static bool write_short(struct mr_buf *b, double d)
{
	static const double powers[] = { 1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6 };
	double size = fabs(d);
	int places = 0;
	uint64_t mantissa, unit;

	if (size >= 1e9 || (size < 1e-3 && size != 0))
		return false;
	while (places < 6 && size * powers[places] != floor(size * powers[places]))
		places++;
	mantissa = (uint64_t)(size * powers[places]);
	if ((double)mantissa / powers[places] != size)
		return false;
	unit = (uint64_t)powers[places];
	if (signbit(d))
		mr_buf_addc(b, '-');
	mr_buf_add_u64(b, mantissa / unit);
	mr_buf_addc(b, '.');
	if (places == 0)
		mr_buf_addc(b, '0');
	for (unit /= 10; places > 0; places--, unit /= 10)
		mr_buf_addc(b, (char)('0' + mantissa / unit % 10));
	return true;
}

/* The shortest text that reads back as D: 15 to 17 digits, fewer below the normal range. Always
 * with a point or an exponent, so that it is a double when it is read again. */
static void write_finite(struct mr_buf *b, double d)
{
	char text[40];
	int n = 0;

	if (write_short(b, d))
		return;
	for (int digits = fabs(d) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
		n = snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	mr_buf_add(b, text, (size_t)n);
	if (strpbrk(text, ".e") == NULL)
		mr_buf_add(b, ".0", 2);
}

static void write_double(struct mr_buf *b, double d)
{
	if (isnan(d))
		mr_buf_addz(b, "NaN");
	else if (isinf(d))
		mr_buf_addz(b, d < 0 ? "-Infinity" : "Infinity");
	else
		write_finite(b, d);
}

static void write_base64(struct mr_buf *b, struct mr_str s)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)s.p;
	char *to = mr_buf_room(b, (s.len + 2) / 3 * 4);
	size_t i, left, n = 0;

	if (to == NULL)
		return;
	for (i = 0; i < s.len; i += 3) {
		uint32_t w = (uint32_t)p[i] << 16;

		left = s.len - i;
		w |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
		w |= left > 2 ? (uint32_t)p[i + 2] : 0;
		to[n++] = digits[w >> 18];
		to[n++] = digits[(w >> 12) & 63];
		to[n++] = left > 1 ? digits[(w >> 6) & 63] : '=';
		to[n++] = left > 2 ? digits[w & 63] : '=';
	}
	mr_buf_commit(b, n);
}

/* Seconds with the fraction that is needed: "1.5s". */
static void write_duration(struct mr_buf *b, const struct mr_value *v)
{
	__int128 ns = (__int128)v->i * 1000 + v->ns, abs = ns < 0 ? -ns : ns;
	unsigned fraction = (unsigned)(abs % SECOND);
	int digits = 9;

	if (ns < 0)
		mr_buf_addc(b, '-');
	mr_buf_add_u64(b, (uint64_t)(abs / SECOND));
	if (fraction != 0) {
		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
		mr_buf_addf(b, ".%0*u", digits, fraction);
	}
	mr_buf_addc(b, 's');
}

static void write_timestamp(struct mr_buf *b, const struct mr_value *v)
{
	char text[MR_TIME_LEN];

	mr_buf_add(b, text, mr_time_format_ns(v->i, v->ns, text));
}

/* A value that holds no others, without quotes. */
static void write_bare(struct mr_buf *b, const struct mr_value *v)
{
	switch (v->kind) {
	case MR_VALUE_BOOL:
		mr_buf_addz(b, v->b ? "true" : "false");
		break;
	case MR_VALUE_INT:
		mr_buf_add_i64(b, v->i);
		break;
	case MR_VALUE_UINT:
		mr_buf_add_u64(b, v->u);
		break;
	case MR_VALUE_DOUBLE:
		write_double(b, v->d);
		break;
	case MR_VALUE_STRING:
	case MR_VALUE_TYPE:
		mr_buf_adds(b, v->s);
		break;
	case MR_VALUE_BYTES:
		write_base64(b, v->s);
		break;
	case MR_VALUE_TIMESTAMP:
		write_timestamp(b, v);
		break;
	case MR_VALUE_DURATION:
		write_duration(b, v);
		break;
	default:
		mr_buf_addz(b, "null");
	}
}

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Whether all of S is ASCII that stands for itself, looked at by whole words. */
static bool is_plain(struct mr_str s)
{
	size_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		uint64_t w, quote, slash, del;

		memcpy(&w, s.p + i, 8);
		quote = w ^ (ONES * '"');
		slash = w ^ (ONES * '\\');
		del = w ^ (ONES * 0x7f);
		if (((w - ONES * 0x20) | (quote - ONES) | (slash - ONES) | (del - ONES) | w) &
		    HIGHS)
			return false;
	}
	for (; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			return false;
	}
	return true;
}

static void write_string(struct mr_buf *b, struct mr_str s)
{
	char *to;

	if (!is_plain(s)) {
		mr_buf_add_json(b, s);
		return;
	}
	to = mr_buf_room(b, s.len + 2);
	if (to == NULL)
		return;
	to[0] = '"';
	if (s.len > 0)
		memcpy(to + 1, s.p, s.len);
	to[s.len + 1] = '"';
	mr_buf_commit(b, s.len + 2);
}

static bool stands_in_quotes(const struct mr_value *v)
{
	switch (v->kind) {
	case MR_VALUE_BYTES:
	case MR_VALUE_TIMESTAMP:
	case MR_VALUE_DURATION:
	case MR_VALUE_TYPE:
		return true;
	case MR_VALUE_DOUBLE:
		return !isfinite(v->d);
	default:
		return false;
	}
}

static void write_scalar(struct mr_buf *b, const struct mr_value *v, bool is_key)
{
	bool quotes = is_key || stands_in_quotes(v);

	if (v->kind == MR_VALUE_STRING) {
		write_string(b, v->s);
		return;
	}
	if (v->kind == MR_VALUE_DOUBLE && v->written != NULL && !is_key) {
		mr_buf_adds(b, mr_double_written(v));
		return;
	}
	if (quotes)
		mr_buf_addc(b, '"');
	write_bare(b, v);
	if (quotes)
		mr_buf_addc(b, '"');
}

static void write_one(struct mr_buf *b, struct mr_walk *w, const struct mr_value *v)
{
	if (v->kind != MR_VALUE_LIST && v->kind != MR_VALUE_MAP) {
		write_scalar(b, v, false);
		return;
	}
	mr_buf_addc(b, v->kind == MR_VALUE_LIST ? '[' : '{');
	if (mr_walk_push(w, v, NULL) == NULL)
		b->failed = true;
}

static void write_next(struct mr_buf *b, struct mr_walk *w, struct mr_walk_frame *f)
{
	const struct mr_value *v = f->at;
	bool is_list = v->kind == MR_VALUE_LIST;
	size_t at = f->next++;

	if (at == (is_list ? v->list->len : v->map->len)) {
		mr_buf_addc(b, is_list ? ']' : '}');
		mr_walk_pop(w);
		return;
	}
	if (at > 0)
		mr_buf_addc(b, ',');
	if (is_list) {
		write_one(b, w, &v->list->items[at]);
		return;
	}
	write_scalar(b, &v->map->members[at].key, true);
	mr_buf_addc(b, ':');
	write_one(b, w, &v->map->members[at].value);
}

void mr_json_write(struct mr_buf *b, const struct mr_value *v)
{
	struct mr_walk_frame *f;
	struct mr_walk w;

	mr_walk_init(&w);
	write_one(b, &w, v);
	while (!b->failed && (f = mr_walk_top(&w)) != NULL)
		write_next(b, &w, f);
	mr_walk_done(&w);
}

void mr_value_write_text(struct mr_buf *b, const struct mr_value *v)
{
	if (v->kind == MR_VALUE_LIST || v->kind == MR_VALUE_MAP)
		mr_json_write(b, v);
	else
		write_bare(b, v);
}

struct mr_str mr_json_text(struct mr_arena *a, const struct mr_value *v)
{
	struct mr_str text = MR_STR_NONE;
	struct mr_buf b;

	/* the buffer ends with this call, so that the arena holds the text just once */
	mr_buf_init(&b, mr_arena_max(a));
	mr_json_write(&b, v);
	if (!mr_buf_failed(&b))
		text = mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return text;
}
