/* Writing values as JSON and as text. Walks them with a stack of its own. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/clock.h"
#include "lib/value.h"

#define US INT64_C(1000000)

/* The shortest of 15, 16 or 17 digits that reads back as D. Always with a point or an exponent,
 * so that it is a double when it is read again. */
static void write_finite(struct mr_buf *b, double d)
{
	char text[40];
	int n = 0;

	if (d == (double)(int64_t)(fabs(d) < 1e15 ? d : 0) && (d != 0 || !signbit(d))) {
		mr_buf_add_i64(b, (int64_t)d);
		mr_buf_add(b, ".0", 2);
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
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
static void write_duration(struct mr_buf *b, int64_t us)
{
	uint64_t abs = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
	unsigned fraction = (unsigned)(abs % (uint64_t)US);
	int digits = 6;

	if (us < 0)
		mr_buf_addc(b, '-');
	mr_buf_add_u64(b, abs / (uint64_t)US);
	if (fraction != 0) {
		for (; fraction % 10 == 0; fraction /= 10)
			digits--;
		mr_buf_addf(b, ".%0*u", digits, fraction);
	}
	mr_buf_addc(b, 's');
}

static void write_timestamp(struct mr_buf *b, int64_t us)
{
	char text[MR_TIME_LEN];

	mr_buf_add(b, text, mr_time_format(us, text));
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
		write_timestamp(b, v->i);
		break;
	case MR_VALUE_DURATION:
		write_duration(b, v->i);
		break;
	default:
		mr_buf_addz(b, "null");
	}
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
		mr_buf_add_json(b, v->s);
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
