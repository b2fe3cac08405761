#include "lib/redact.h"

#include <string.h>

#include "lib/buf.h"
#include "lib/error.h"

#define BLOCKS     65536u /* of two bytes */
#define FORMS_MAX  14u    /* of one text */
#define FORM_MAX   ((size_t)1024 * 1024)
#define DEPTH_MAX  600u
#define WORK_BASE  ((size_t)1024 * 1024)
#define WORK_TIMES 16u

struct pattern {
	struct mr_str s;
	unsigned next; /* the next pattern with this block, + 1 */
};

/* Wu and Manber's search: a window as wide as the shortest pattern moves over the text; its last
 * two bytes say how far it can go on, or which patterns may begin where it begins. */
struct mr_redact {
	struct pattern *patterns;
	size_t len, min;
	bool has_number; /* one may be taken for a number */
	unsigned char shift[BLOCKS];
	unsigned first[BLOCKS]; /* pattern + 1 */
};

/* ---- forms ---- */

static int add_pattern(struct mr_redact *r, struct mr_arena *a, struct mr_str s)
{
	if (s.len < MR_REDACT_MIN)
		return 0;
	for (size_t i = 0; i < r->len; i++)
		if (mr_str_eq(r->patterns[i].s, s))
			return 0;
	s = mr_arena_str(a, s);
	if (s.p == NULL)
		return MR_E_NOMEM;
	r->patterns[r->len++].s = s;
	r->has_number = r->has_number || s.p[0] == '-' || (s.p[0] >= '0' && s.p[0] <= '9');
	return 0;
}

static int add_json(struct mr_redact *r, struct mr_arena *a, struct mr_str s, struct mr_buf *b)
{
	mr_buf_reset(b);
	mr_buf_add_json(b, s);
	if (mr_buf_failed(b))
		return MR_E_NOMEM;
	return add_pattern(r, a, (struct mr_str){ b->p + 1, b->len - 2 });
}

static bool is_plain(unsigned char c, const char *more)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr(more, c) != NULL);
}

/* As RFC 3986 (which curl follows), as browsers' encodeURIComponent, and as forms have it. */
static int add_percent(struct mr_redact *r, struct mr_arena *a, struct mr_str s, struct mr_buf *b)
{
	static const char *const digits[] = { "0123456789ABCDEF", "0123456789abcdef" };
	static const char *const plain[] = { "-._~", "-._~!'()*", "-._*" };

	for (size_t k = 0; k < 2 * MR_ARRAY_LEN(plain); k++) {
		const char *hex = digits[k & 1], *more = plain[k / 2];

		mr_buf_reset(b);
		for (size_t i = 0; i < s.len; i++) {
			unsigned char c = (unsigned char)s.p[i];

			if (is_plain(c, more)) {
				mr_buf_addc(b, (char)c);
			} else if (c == ' ' && k / 2 == 2) {
				mr_buf_addc(b, '+');
			} else {
				mr_buf_addc(b, '%');
				mr_buf_addc(b, hex[c >> 4]);
				mr_buf_addc(b, hex[c & 15]);
			}
		}
		if (mr_buf_failed(b) || add_pattern(r, a, mr_buf_str(b)) < 0)
			return MR_E_NOMEM;
	}
	return 0;
}

/* The letters that S alone decides, when BEFORE bytes (0 to 2) of something else share its first
 * group of three. */
static void base64_inner(struct mr_str s, unsigned before, const char *alphabet, struct mr_buf *b)
{
	size_t bits = 8 * (s.len + before), from = (8 * (size_t)before + 5) / 6;

	mr_buf_reset(b);
	for (size_t i = from; 6 * i + 6 <= bits; i++) {
		size_t bit = 6 * i - 8 * (size_t)before, at = bit / 8;
		unsigned two = (unsigned char)s.p[at];

		two = two << 8 | (at + 1 < s.len ? (unsigned char)s.p[at + 1] : 0);
		mr_buf_addc(b, alphabet[two >> (10 - bit % 8) & 63]);
	}
}

static int add_base64(struct mr_redact *r, struct mr_arena *a, struct mr_str s, struct mr_buf *b)
{
	static const char *const alphabets[] = {
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
	};

	for (unsigned before = 0; before < 3; before++) {
		for (size_t k = 0; k < MR_ARRAY_LEN(alphabets); k++) {
			base64_inner(s, before, alphabets[k], b);
			if (mr_buf_failed(b) || add_pattern(r, a, mr_buf_str(b)) < 0)
				return MR_E_NOMEM;
		}
	}
	return 0;
}

static int add_forms(struct mr_redact *r, struct mr_arena *a, struct mr_str s)
{
	struct mr_buf b;
	int e;

	mr_buf_init(&b, FORM_MAX);
	e = add_pattern(r, a, s);
	if (e == 0)
		e = add_json(r, a, s, &b);
	if (e == 0)
		e = add_percent(r, a, s, &b);
	if (e == 0)
		e = add_base64(r, a, s, &b);
	if (b.p != NULL)
		explicit_bzero(b.p, b.cap);
	mr_buf_done(&b);
	return e;
}

/* ---- making ---- */

static unsigned block_at(const char *p)
{
	return (unsigned)(unsigned char)p[0] << 8 | (unsigned char)p[1];
}

static void make_tables(struct mr_redact *r)
{
	size_t most;

	r->min = r->patterns[0].s.len;
	for (size_t i = 1; i < r->len; i++)
		if (r->patterns[i].s.len < r->min)
			r->min = r->patterns[i].s.len;
	most = r->min - 1 < 255 ? r->min - 1 : 255;
	memset(r->shift, (int)most, sizeof(r->shift));
	for (size_t i = 0; i < r->len; i++) {
		struct pattern *p = &r->patterns[i];

		for (size_t at = 0; at + 2 <= r->min; at++) {
			size_t left = r->min - 2 - at;
			unsigned block = block_at(p->s.p + at);

			if (left < r->shift[block])
				r->shift[block] = (unsigned char)left;
			if (left == 0) {
				p->next = r->first[block];
				r->first[block] = (unsigned)i + 1;
			}
		}
	}
}

int mr_redact_create(
    struct mr_arena *a, const struct mr_str *texts, size_t len, struct mr_redact **ret)
{
	struct mr_redact *r;
	size_t wanted = 0;

	*ret = NULL;
	for (size_t i = 0; i < len; i++)
		wanted += texts[i].len >= MR_REDACT_MIN;
	if (wanted == 0)
		return 0;
	r = mr_arena_zalloc(a, sizeof(*r));
	if (r == NULL)
		return MR_E_NOMEM;
	r->patterns = mr_arena_array(a, wanted * FORMS_MAX, sizeof(r->patterns[0]));
	if (r->patterns == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len; i++)
		if (texts[i].len >= MR_REDACT_MIN && add_forms(r, a, texts[i]) < 0)
			return MR_E_NOMEM;
	make_tables(r);
	*ret = r;
	return 0;
}

/* ---- searching ---- */

/* The longest pattern that begins at P, of LEFT bytes; 0: none. */
static size_t match_at(const struct mr_redact *r, const char *p, size_t left, size_t *work)
{
	size_t best = 0;

	for (unsigned k = r->first[block_at(p + r->min - 2)]; k != 0; k = r->patterns[k - 1].next) {
		struct mr_str s = r->patterns[k - 1].s;

		(*work)++;
		if (s.len > left || s.len <= best || memcmp(s.p, p, 6) != 0)
			continue;
		*work += s.len;
		if (memcmp(s.p, p, s.len) == 0)
			best = s.len;
	}
	return best;
}

/* Where the next pattern begins, from *AT on, and how long it is; 0: there is none. MR_E_LIMIT in
 * *FAILED when it takes too much work to tell. */
static size_t find(
    const struct mr_redact *r, struct mr_str s, size_t *at, size_t *work, int *failed)
{
	size_t most = WORK_BASE + WORK_TIMES * s.len;

	for (size_t i = *at; i + r->min <= s.len;) {
		size_t step = r->shift[block_at(s.p + i + r->min - 2)], n;

		if (step > 0) {
			i += step;
			continue;
		}
		n = match_at(r, s.p + i, s.len - i, work);
		if (*work > most) {
			*failed = MR_E_LIMIT;
			return 0;
		}
		if (n > 0) {
			*at = i;
			return n;
		}
		i++;
	}
	return 0;
}

static int replace(const struct mr_redact *r, struct mr_str s, size_t at, size_t len, size_t *work,
    struct mr_buf *b)
{
	size_t from = 0;
	int failed = 0;

	while (len > 0) {
		mr_buf_add(b, s.p + from, at - from);
		mr_buf_addz(b, MR_REDACTED);
		from = at = at + len;
		len = find(r, s, &at, work, &failed);
	}
	mr_buf_add(b, s.p + from, s.len - from);
	return failed;
}

int mr_redact_text(
    const struct mr_redact *r, struct mr_arena *a, struct mr_str s, struct mr_str *ret)
{
	size_t at = 0, work = 0, len;
	struct mr_buf b;
	int failed = 0;

	*ret = s;
	if (s.p == NULL || s.len < r->min)
		return 0;
	len = find(r, s, &at, &work, &failed);
	if (failed == 0 && len == 0)
		return 0;
	mr_buf_init(&b, s.len * 2 + sizeof(MR_REDACTED));
	if (failed == 0)
		failed = replace(r, s, at, len, &work, &b);
	if (failed == MR_E_LIMIT)
		*ret = MR_STR(MR_REDACTED);
	else
		*ret = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return ret->p != NULL ? 0 : MR_E_NOMEM;
}

/* ---- values ---- */

static int redact(const struct mr_redact *r, struct mr_arena *a, const struct mr_value *v,
    unsigned depth, struct mr_value *ret);

/* A service may take "123456" for a number. */
static int redact_number(
    const struct mr_redact *r, struct mr_arena *a, const struct mr_value *v, struct mr_value *ret)
{
	struct mr_str text;

	if (!r->has_number)
		return 0;
	text = mr_json_text(a, v);
	if (text.p == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < r->len; i++)
		if (mr_str_eq(r->patterns[i].s, text))
			*ret = mr_value_strz(MR_REDACTED);
	return 0;
}

static bool same(const struct mr_value *a, const struct mr_value *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case MR_VALUE_STRING:
	case MR_VALUE_BYTES:
		return a->s.p == b->s.p;
	case MR_VALUE_LIST:
		return a->list == b->list;
	case MR_VALUE_MAP:
		return a->map == b->map;
	default:
		return true;
	}
}

static int redact_list(const struct mr_redact *r, struct mr_arena *a, const struct mr_value *v,
    unsigned depth, struct mr_value *ret)
{
	struct mr_list *made = NULL;

	for (size_t i = 0; i < v->list->len; i++) {
		struct mr_value item;
		int e = redact(r, a, &v->list->items[i], depth + 1, &item);

		if (e < 0)
			return e;
		if (made == NULL && same(&item, &v->list->items[i]))
			continue;
		if (made == NULL) {
			made = mr_list_create(a, v->list->len);
			if (made == NULL)
				return MR_E_NOMEM;
			memcpy(made->items, v->list->items, v->list->len * sizeof(made->items[0]));
		}
		made->items[i] = item;
	}
	if (made != NULL)
		*ret = mr_value_list(made);
	return 0;
}

/* Two keys that hid something may be the same now, which no object may have. */
static int tell_apart(struct mr_arena *a, struct mr_map *m)
{
	size_t i;
	int e = mr_map_seal(a, m);

	while (e == 0 && (i = mr_map_duplicate(m)) < m->len) {
		struct mr_str key = m->members[i].key.s;

		key = mr_arena_printf(a, "%.*s #%zu", MR_STR_ARG(key), i);
		if (key.p == NULL)
			return MR_E_NOMEM;
		m->members[i].key = mr_value_str(key);
		e = mr_map_seal(a, m);
	}
	return e;
}

static int redact_map(const struct mr_redact *r, struct mr_arena *a, const struct mr_value *v,
    unsigned depth, struct mr_value *ret)
{
	struct mr_map *made = NULL;

	for (size_t i = 0; i < v->map->len; i++) {
		const struct mr_member *was = &v->map->members[i];
		struct mr_member m;
		int e = redact(r, a, &was->key, depth + 1, &m.key);

		if (e == 0)
			e = redact(r, a, &was->value, depth + 1, &m.value);
		if (e < 0)
			return e;
		if (made == NULL && same(&m.key, &was->key) && same(&m.value, &was->value))
			continue;
		if (made == NULL) {
			made = mr_map_create(a, v->map->len);
			if (made == NULL)
				return MR_E_NOMEM;
			memcpy(
			    made->members, v->map->members, v->map->len * sizeof(made->members[0]));
		}
		made->members[i] = m;
	}
	if (made == NULL)
		return 0;
	*ret = mr_value_map(made);
	return tell_apart(a, made);
}

static int redact(const struct mr_redact *r, struct mr_arena *a, const struct mr_value *v,
    unsigned depth, struct mr_value *ret)
{
	*ret = *v;
	if (depth > DEPTH_MAX)
		return MR_E_LIMIT;
	switch (v->kind) {
	case MR_VALUE_STRING:
	case MR_VALUE_BYTES:
		return mr_redact_text(r, a, v->s, &ret->s);
	case MR_VALUE_INT:
	case MR_VALUE_UINT:
	case MR_VALUE_DOUBLE:
		return redact_number(r, a, v, ret);
	case MR_VALUE_LIST:
		return redact_list(r, a, v, depth, ret);
	case MR_VALUE_MAP:
		return redact_map(r, a, v, depth, ret);
	default:
		return 0;
	}
}

int mr_redact_value(
    const struct mr_redact *r, struct mr_arena *a, const struct mr_value *v, struct mr_value *ret)
{
	return redact(r, a, v, 0, ret);
}
