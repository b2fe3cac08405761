/* The strict JSON reader, and the two that drive it: parse and check. */
#include "lib/json_scan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_DEPTH  64
#define DEFAULT_VALUES 1000000
#define FEW_NAMES      10u /* up to so many are compared with each other */
#define PATH_MAX_BYTES 512u

const struct mr_json_limits mr_json_limits_default = {
	.depth = DEFAULT_DEPTH,
	.values = DEFAULT_VALUES,
};

enum state {
	STATE_VALUE,      /* a value must follow */
	STATE_FIRST_ITEM, /* a value or ] */
	STATE_FIRST_NAME, /* a name or } */
	STATE_AFTER,      /* a value has ended */
};

void mr_json_scan_init(struct mr_json_scan *s, struct mr_arena *arena, struct mr_str text,
    const struct mr_json_limits *limits, struct mr_faults *faults, bool decode)
{
	s->arena = arena;
	s->text = text;
	s->at = 0;
	s->limits = limits != NULL ? *limits : mr_json_limits_default;
	s->faults = faults;
	s->decode = decode;
	s->faulty = false;
	s->state = STATE_VALUE;
	s->line = 1;
	s->line_start = 0;
	s->values = 0;
	s->frames_len = 0;
	s->frames_cap = MR_JSON_INLINE;
	s->frames = s->first_frames;
	s->names_len = 0;
	s->names_cap = MR_JSON_INLINE;
	s->stack = s->first_names;
	s->table_cap = 0;
	s->table = NULL;
}

/* ---- faults ---- */

static struct mr_json_place here(const struct mr_json_scan *s)
{
	return (struct mr_json_place){ s->at, s->line, s->line_start };
}

static size_t column(const struct mr_json_scan *s, const struct mr_json_place *p)
{
	size_t n = 1;

	for (size_t i = p->line_start; i < p->offset; i++)
		n += ((unsigned char)s->text.p[i] & 0xc0) != 0x80;
	return n;
}

static bool is_plain_name(struct mr_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '_' && c != '-' &&
		    !(c >= '0' && c <= '9'))
			return false;
	}
	return s.len > 0;
}

/* The path of where the scanner is: of the value that it reads, or of the member named last. */
static void write_path(const struct mr_json_scan *s, struct mr_buf *b)
{
	for (size_t i = 0; i < s->frames_len; i++) {
		const struct mr_json_frame *f = &s->frames[i];
		size_t names_end =
		    i + 1 < s->frames_len ? s->frames[i + 1].first_name : s->names_len;

		if (f->len == 0)
			continue; /* nothing in it yet: the container itself */
		if (!f->is_map) {
			mr_buf_addf(b, "[%zu]", f->len - 1);
		} else if (names_end > f->first_name) {
			struct mr_str name = s->stack[names_end - 1].name;

			if (is_plain_name(name)) {
				if (b->len > 0)
					mr_buf_addc(b, '.');
				mr_buf_adds(b, name);
			} else {
				mr_buf_addc(b, '[');
				if (mr_str_is_utf8(name))
					mr_buf_add_json(b, name);
				mr_buf_addc(b, ']');
			}
		}
	}
}

static void fault_at(struct mr_json_scan *s, struct mr_json_place place, const char *code,
    const char *fmt, ...) MR_PRINTF(4, 5);

static void fault_at(
    struct mr_json_scan *s, struct mr_json_place place, const char *code, const char *fmt, ...)
{
	char message[256];
	struct mr_buf path;
	va_list ap;

	s->faulty = true;
	if (s->faults == NULL)
		return;
	if (s->faults->count >= s->faults->max) {
		s->faults->count++; /* only counted: spare the work */
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap); /* a cut sentence still tells */
	va_end(ap);
	mr_buf_init(&path, PATH_MAX_BYTES);
	write_path(s, &path);
	mr_fault_add(s->faults, path.len > 0 ? mr_buf_str(&path) : MR_STR(""), code,
	    "line %zu, column %zu: %s", place.line, column(s, &place), message);
	mr_buf_done(&path);
}

static int syntax(struct mr_json_scan *s, const char *expected)
{
	unsigned char c;

	if (s->at >= s->text.len) {
		fault_at(s, here(s), "syntax", "the text ends where %s should be", expected);
		return MR_E_INVALID;
	}
	c = (unsigned char)s->text.p[s->at];
	if (c > 0x20 && c < 0x7f)
		fault_at(s, here(s), "syntax", "unexpected '%c' where %s should be", c, expected);
	else
		fault_at(
		    s, here(s), "syntax", "unexpected byte 0x%02x where %s should be", c, expected);
	return MR_E_INVALID;
}

/* ---- stacks: in place first, then in the arena, doubling ---- */

static void *grown(struct mr_arena *a, const void *old, size_t *cap, size_t size)
{
	void *p = mr_arena_alloc(a, *cap * 2 * size);

	if (p == NULL)
		return NULL;
	memcpy(p, old, *cap * size);
	*cap *= 2;
	return p;
}

static int push_frame(struct mr_json_scan *s, bool is_map)
{
	if (s->frames_len >= s->limits.depth) {
		fault_at(s, here(s), "depth", "nested more than %u levels deep", s->limits.depth);
		return MR_E_LIMIT;
	}
	if (s->frames_len == s->frames_cap) {
		void *p = grown(s->arena, s->frames, &s->frames_cap, sizeof(s->frames[0]));

		if (p == NULL)
			return MR_E_NOMEM;
		s->frames = p;
	}
	s->frames[s->frames_len++] = (struct mr_json_frame){ is_map, s->names_len, 0 };
	return 0;
}

static int push_name(struct mr_json_scan *s, struct mr_str name, struct mr_json_place place)
{
	if (s->names_len == s->names_cap) {
		void *p = grown(s->arena, s->stack, &s->names_cap, sizeof(s->stack[0]));

		if (p == NULL)
			return MR_E_NOMEM;
		s->stack = p;
	}
	s->stack[s->names_len++] = (struct mr_json_name){ name, place };
	return 0;
}

/* ---- white space and words ---- */

static void skip_space(struct mr_json_scan *s)
{
	const char *p = s->text.p;
	size_t at = s->at;

	for (; at < s->text.len; at++) {
		if (p[at] == '\n') {
			s->line++;
			s->line_start = at + 1;
		} else if (p[at] != ' ' && p[at] != '\t' && p[at] != '\r') {
			break;
		}
	}
	s->at = at;
}

static int scan_word(struct mr_json_scan *s)
{
	static const struct word {
		struct mr_str text;
		enum mr_value_kind kind;
		bool b;
	} words[] = {
		{ { "true", 4 }, MR_VALUE_BOOL, true },
		{ { "false", 5 }, MR_VALUE_BOOL, false },
		{ { "null", 4 }, MR_VALUE_NULL, false },
	};
	struct mr_str rest = { s->text.p + s->at, s->text.len - s->at };

	for (size_t i = 0; i < MR_ARRAY_LEN(words); i++) {
		if (!mr_str_starts(rest, words[i].text))
			continue;
		s->at += words[i].text.len;
		s->value =
		    words[i].kind == MR_VALUE_BOOL ? mr_value_bool(words[i].b) : MR_NULL_VALUE;
		return MR_JSON_SCALAR;
	}
	return syntax(s, "a value");
}

/* ---- numbers ---- */

struct number {
	bool negative, is_double, overflow;
	uint64_t mantissa; /* the digits, exact unless OVERFLOW */
	int exponent;      /* of ten, that the fraction's digits cost */
};

static bool is_digit(const struct mr_json_scan *s)
{
	return s->at < s->text.len && s->text.p[s->at] >= '0' && s->text.p[s->at] <= '9';
}

static void digits(struct mr_json_scan *s, struct number *n, bool fraction)
{
	for (; is_digit(s); s->at++) {
		uint64_t m = n->mantissa, digit = (uint64_t)(s->text.p[s->at] - '0');

		if (n->overflow || m > (UINT64_MAX - digit) / 10) {
			n->overflow = true;
			continue;
		}
		n->mantissa = m * 10 + digit;
		n->exponent -= fraction && n->exponent > -10000;
	}
}

static int scan_exponent(struct mr_json_scan *s, struct number *n)
{
	bool negative = false;
	int e = 0;

	s->at++;
	if (s->at < s->text.len && (s->text.p[s->at] == '+' || s->text.p[s->at] == '-'))
		negative = s->text.p[s->at++] == '-';
	if (!is_digit(s))
		return syntax(s, "a digit of the exponent");
	for (; is_digit(s); s->at++)
		e = e < 100000 ? e * 10 + (s->text.p[s->at] - '0') : e;
	n->exponent += negative ? -e : e;
	n->is_double = true;
	return 0;
}

static int scan_digits(struct mr_json_scan *s, struct number *n)
{
	if (s->text.p[s->at] == '-') {
		n->negative = true;
		s->at++;
	}
	if (!is_digit(s))
		return syntax(s, "a digit");
	if (s->text.p[s->at] == '0') {
		s->at++;
		if (is_digit(s))
			return syntax(s, "the end of a number that begins with 0");
	} else {
		digits(s, n, false);
	}
	if (s->at < s->text.len && s->text.p[s->at] == '.') {
		s->at++;
		n->is_double = true;
		if (!is_digit(s))
			return syntax(s, "a digit of the fraction");
		digits(s, n, true);
	}
	if (s->at < s->text.len && (s->text.p[s->at] == 'e' || s->text.p[s->at] == 'E'))
		return scan_exponent(s, n);
	return 0;
}

/* Both factors are exact doubles, so the product is rounded once and right (Clinger). */
static bool fast_double(const struct number *n, double *ret)
{
	static const double powers[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10,
		1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	double d = (double)n->mantissa;

	if (n->overflow || n->mantissa > (UINT64_C(1) << 53) || n->exponent < -22 ||
	    n->exponent > 22)
		return false;
	d = n->exponent < 0 ? d / powers[-n->exponent] : d * powers[n->exponent];
	*ret = n->negative ? -d : d;
	return true;
}

static int slow_double(struct mr_json_scan *s, struct mr_str text, double *ret)
{
	char small[64], *copy = small;

	if (text.len >= sizeof(small)) {
		copy = mr_arena_strz(s->arena, text);
		if (copy == NULL)
			return MR_E_NOMEM;
	} else {
		memcpy(small, text.p, text.len);
		small[text.len] = '\0';
	}
	*ret = strtod(copy, NULL);
	return 0;
}

static int finish_double(struct mr_json_scan *s, const struct number *n, struct mr_json_place place)
{
	struct mr_str text = { s->text.p + place.offset, s->at - place.offset };
	double d = 0;
	int r;

	if (!fast_double(n, &d)) {
		r = slow_double(s, text, &d);
		if (r < 0)
			return r;
	}
	if (isinf(d)) {
		fault_at(s, place, "number_range", "%.*s%s is beyond the range of a double",
		    text.len > 40 ? 40 : (int)text.len, text.p, text.len > 40 ? "…" : "");
		d = 0;
	}
	s->value = mr_value_double(d);
	/* what a text ends with has nothing behind it that ends the number */
	s->value.written = s->at < s->text.len ? text.p : mr_arena_strz(s->arena, text);
	return s->value.written != NULL ? MR_JSON_SCALAR : MR_E_NOMEM;
}

static int scan_number(struct mr_json_scan *s)
{
	struct mr_json_place place = here(s);
	struct number n = { 0 };
	int r = scan_digits(s, &n);

	if (r < 0)
		return r;
	if (n.is_double)
		return finish_double(s, &n, place);
	if (n.overflow || n.mantissa > (uint64_t)INT64_MAX + n.negative) {
		size_t len = s->at - place.offset;

		fault_at(s, place, "number_range",
		    "%.*s%s is beyond the range of an integer (64 bits); write it as text or "
		    "with a fraction",
		    len > 40 ? 40 : (int)len, s->text.p + place.offset, len > 40 ? "…" : "");
		s->value = mr_value_int(0);
		return MR_JSON_SCALAR;
	}
	s->value = mr_value_int(n.negative ? (int64_t)(0 - n.mantissa) : (int64_t)n.mantissa);
	return MR_JSON_SCALAR;
}

/* ---- strings ---- */

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* How many bytes from P on are ASCII that stands for itself; whole words at a time. */
static size_t plain_run(const char *p, size_t len)
{
	size_t i = 0;

	for (; i + 8 <= len; i += 8) {
		uint64_t w, quote, slash;

		memcpy(&w, p + i, 8);
		quote = w ^ (ONES * '"');
		slash = w ^ (ONES * '\\');
		if (((w - ONES * 0x20) | (quote - ONES) | (slash - ONES) | w) & HIGHS)
			break;
	}
	for (; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c < 0x20 || c == '"' || c == '\\' || c >= 0x80)
			break;
	}
	return i;
}

/* Length of the UTF-8 sequence at P, 0 when it is broken. */
static size_t utf8_sequence(const char *p, size_t len)
{
	static const unsigned char lengths[8] = { 0, 0, 0, 0, 2, 2, 3, 4 };
	size_t n = lengths[((unsigned char)p[0] >> 4) & 7];

	if (n == 0 || n > len || !mr_str_is_utf8((struct mr_str){ p, n }))
		return 0;
	return n;
}

static int hex4(const char *p)
{
	int v = 0;

	for (int i = 0; i < 4; i++) {
		char c = p[i];

		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if (c >= 'a' && c <= 'f')
			v = v * 16 + (c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			v = v * 16 + (c - 'A' + 10);
		else
			return -1;
	}
	return v;
}

/* At \u. Says what is wrong with the code point, leaves the rest to decode(). */
static int check_unicode(struct mr_json_scan *s)
{
	struct mr_json_place place = here(s);
	const char *p = s->text.p + s->at;
	size_t left = s->text.len - s->at;
	int unit = left >= 6 ? hex4(p + 2) : -1, low;

	if (unit < 0) {
		s->at += 2;
		while (s->at < s->text.len && s->at - place.offset < 6 &&
		       strchr("0123456789abcdefABCDEF", s->text.p[s->at]) != NULL &&
		       s->text.p[s->at] != '\0')
			s->at++;
		return syntax(s, "a hexadecimal digit");
	}
	s->at += 6;
	if (unit == 0) {
		fault_at(s, place, "nul", "\\u0000 can't be stored");
	} else if (unit >= 0xd800 && unit <= 0xdfff) {
		low = unit < 0xdc00 && left >= 12 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8) : -1;
		if (low >= 0xdc00 && low <= 0xdfff)
			s->at += 6;
		else
			fault_at(s, place, "surrogate", "\\u%04x is half of a surrogate pair",
			    (unsigned)unit);
	}
	return 0;
}

/* Something that isn't plain ASCII and doesn't end the string. One fault of a kind is enough. */
static int check_special(struct mr_json_scan *s, bool *escaped, bool *told)
{
	unsigned char c = (unsigned char)s->text.p[s->at];
	size_t n;

	if (c == '\\') {
		*escaped = true;
		if (s->at + 1 < s->text.len && s->text.p[s->at + 1] == 'u')
			return check_unicode(s);
		s->at++;
		if (s->at >= s->text.len || s->text.p[s->at] == '\0' ||
		    strchr("\"\\/bfnrt", s->text.p[s->at]) == NULL)
			return syntax(s, "one of \" \\ / b f n r t u after a backslash");
		s->at++;
		return 0;
	}
	if (c >= 0x80) {
		n = utf8_sequence(s->text.p + s->at, s->text.len - s->at);
		if (n == 0 && !*told)
			fault_at(s, here(s), "utf8", "byte 0x%02x is not part of valid UTF-8", c);
		*told |= n == 0;
		s->at += n == 0 ? 1 : n;
		return 0;
	}
	if (!*told)
		fault_at(s, here(s), c == 0 ? "nul" : "control_character",
		    "control character 0x%02x must be written as an escape", c);
	*told = true;
	s->at++;
	if (c == '\n') {
		s->line++;
		s->line_start = s->at;
	}
	return 0;
}

char *mr_utf8_put(char *to, uint32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
	} else if (c < 0x800) {
		*to++ = (char)(0xc0 | (c >> 6));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		*to++ = (char)(0xe0 | (c >> 12));
		*to++ = (char)(0x80 | ((c >> 6) & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	} else {
		*to++ = (char)(0xf0 | (c >> 18));
		*to++ = (char)(0x80 | ((c >> 12) & 0x3f));
		*to++ = (char)(0x80 | ((c >> 6) & 0x3f));
		*to++ = (char)(0x80 | (c & 0x3f));
	}
	return to;
}

/* Decodes one escape at P, which was checked; returns what follows it. */
static const char *decode_escape(const char *p, char **to)
{
	static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
	const char *found;
	int unit, low;

	if (p[1] != 'u') {
		found = strchr(from, p[1]);
		*(*to)++ = found != NULL ? into[found - from] : p[1];
		return p + 2;
	}
	unit = hex4(p + 2);
	if (unit < 0xd800 || unit > 0xdfff) {
		*to = mr_utf8_put(*to, (uint32_t)unit);
		return p + 6;
	}
	low = hex4(p + 8);
	*to = mr_utf8_put(
	    *to, 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00));
	return p + 12;
}

static int decode(struct mr_json_scan *s, struct mr_str raw, struct mr_str *ret)
{
	const char *p = raw.p, *end = raw.p + raw.len;
	char *text = mr_arena_alloc(s->arena, raw.len), *to = text;

	if (text == NULL)
		return MR_E_NOMEM;
	while (p < end) {
		const char *slash = memchr(p, '\\', (size_t)(end - p));
		size_t n = (size_t)((slash != NULL ? slash : end) - p);

		memcpy(to, p, n);
		to += n;
		p += n;
		if (p < end)
			p = decode_escape(p, &to);
	}
	*ret = (struct mr_str){ text, (size_t)(to - text) };
	return 0;
}

/* At the opening quote. A string with a fault is handed out raw. */
static int scan_string(struct mr_json_scan *s, bool decoded, struct mr_str *ret)
{
	bool escaped = false, told = false, was_faulty = s->faulty;
	size_t begin = ++s->at;
	int r;

	s->faulty = false;
	for (;;) {
		s->at += plain_run(s->text.p + s->at, s->text.len - s->at);
		if (s->at >= s->text.len)
			return syntax(s, "the end of a string");
		if (s->text.p[s->at] == '"')
			break;
		r = check_special(s, &escaped, &told);
		if (r < 0)
			return r;
	}
	*ret = (struct mr_str){ s->text.p + begin, s->at++ - begin };
	r = escaped && decoded && !s->faulty ? decode(s, *ret, ret) : 0;
	s->faulty |= was_faulty;
	return r;
}

/* ---- duplicates ---- */

static void duplicate(struct mr_json_scan *s, const struct mr_json_name *n)
{
	size_t len = s->names_len;

	/* the path is of this very member */
	s->names_len = (size_t)(n - s->stack) + 1;
	fault_at(s, n->place, "duplicate_member", "this member stands here a second time");
	s->names_len = len;
}

static void find_duplicates_few(struct mr_json_scan *s, const struct mr_json_name *n, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		for (size_t j = 0; j < i; j++) {
			if (n[i].name.len == n[j].name.len && mr_str_eq(n[i].name, n[j].name)) {
				duplicate(s, &n[i]);
				break;
			}
		}
	}
}

static int find_duplicates(struct mr_json_scan *s, const struct mr_json_name *n, size_t len)
{
	size_t cap = 64, mask;

	if (len <= FEW_NAMES) {
		find_duplicates_few(s, n, len);
		return 0;
	}
	while (cap < len * 2)
		cap *= 2;
	if (cap > s->table_cap) {
		s->table = mr_arena_alloc(s->arena, cap * sizeof(s->table[0]));
		if (s->table == NULL)
			return MR_E_NOMEM;
		s->table_cap = cap;
	}
	memset(s->table, 0, cap * sizeof(s->table[0]));
	mask = cap - 1;
	for (size_t i = 0; i < len; i++) {
		struct mr_value key = mr_value_str(n[i].name);
		size_t at = mr_value_hash(&key) & mask;

		while (s->table[at] != 0 && !mr_str_eq(n[s->table[at] - 1].name, n[i].name))
			at = (at + 1) & mask;
		if (s->table[at] != 0)
			duplicate(s, &n[i]);
		else
			s->table[at] = (uint32_t)(i + 1);
	}
	return 0;
}

/* ---- structure ---- */

static int open_frame(struct mr_json_scan *s, bool is_map)
{
	int r = push_frame(s, is_map);

	if (r < 0)
		return r;
	s->at++;
	s->state = is_map ? STATE_FIRST_NAME : STATE_FIRST_ITEM;
	return is_map ? MR_JSON_BEGIN_MAP : MR_JSON_BEGIN_LIST;
}

static int close_frame(struct mr_json_scan *s)
{
	struct mr_json_frame *f = &s->frames[s->frames_len - 1];
	int r;

	s->at++;
	s->state = STATE_AFTER;
	s->len = f->len;
	if (!f->is_map) {
		s->frames_len--;
		return MR_JSON_END_LIST;
	}
	s->names = s->stack + f->first_name;
	r = find_duplicates(s, s->names, f->len);
	if (r < 0)
		return r;
	s->names_len = f->first_name; /* the names stay readable until the next event */
	s->frames_len--;
	return MR_JSON_END_MAP;
}

static int scan_value(struct mr_json_scan *s)
{
	int r;

	skip_space(s);
	if (s->at >= s->text.len)
		return syntax(s, "a value");
	if (++s->values > s->limits.values) {
		fault_at(s, here(s), "limit", "more than %zu values", s->limits.values);
		return MR_E_LIMIT;
	}
	s->state = STATE_AFTER;
	switch (s->text.p[s->at]) {
	case '{':
		return open_frame(s, true);
	case '[':
		return open_frame(s, false);
	case '"':
		s->value = mr_value_str(MR_STR_NONE);
		r = scan_string(s, s->decode, &s->value.s);
		return r < 0 ? r : MR_JSON_SCALAR;
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return scan_number(s);
	default:
		return scan_word(s);
	}
}

static int scan_item(struct mr_json_scan *s)
{
	s->frames[s->frames_len - 1].len++;
	return scan_value(s);
}

/* A member: its name, the colon, and its value's beginning. */
static int scan_member(struct mr_json_scan *s)
{
	struct mr_json_place place;
	struct mr_str name;
	int r;

	skip_space(s);
	if (s->at >= s->text.len || s->text.p[s->at] != '"')
		return syntax(s, "a member's name in quotes");
	place = here(s);
	r = scan_string(s, true, &name);
	if (r == 0)
		r = push_name(s, name, place);
	if (r < 0)
		return r;
	s->frames[s->frames_len - 1].len++;
	skip_space(s);
	if (s->at >= s->text.len || s->text.p[s->at] != ':')
		return syntax(s, "a colon");
	s->at++;
	return scan_value(s);
}

static int scan_after(struct mr_json_scan *s)
{
	bool is_map;
	char c;

	skip_space(s);
	if (s->frames_len == 0) {
		if (s->at < s->text.len)
			return syntax(s, "the end of the text");
		return s->faulty ? MR_E_INVALID : MR_JSON_END;
	}
	is_map = s->frames[s->frames_len - 1].is_map;
	c = s->at < s->text.len ? s->text.p[s->at] : '\0';
	if (c == ',') {
		s->at++;
		return is_map ? scan_member(s) : scan_item(s);
	}
	if (c == (is_map ? '}' : ']'))
		return close_frame(s);
	return syntax(s, is_map ? "a comma or }" : "a comma or ]");
}

int mr_json_scan_next(struct mr_json_scan *s)
{
	switch (s->state) {
	case STATE_FIRST_ITEM:
		skip_space(s);
		if (s->at < s->text.len && s->text.p[s->at] == ']')
			return close_frame(s);
		return scan_item(s);
	case STATE_FIRST_NAME:
		skip_space(s);
		if (s->at < s->text.len && s->text.p[s->at] == '}')
			return close_frame(s);
		return scan_member(s);
	case STATE_AFTER:
		return scan_after(s);
	case STATE_VALUE:
	default:
		return scan_value(s);
	}
}

/* ---- check and parse ---- */

int mr_json_check(struct mr_arena *scratch, struct mr_str text, const struct mr_json_limits *limits,
    struct mr_faults *faults)
{
	struct mr_json_scan s;
	int r;

	mr_json_scan_init(&s, scratch, text, limits, faults, false);
	do {
		r = mr_json_scan_next(&s);
	} while (r > MR_JSON_END);
	return r;
}

struct builder {
	struct mr_arena *arena;
	struct mr_value *values; /* of all open brackets, innermost last */
	size_t len, cap;
	struct mr_value first[MR_JSON_INLINE];
};

static int push_value(struct builder *b, struct mr_value v)
{
	if (b->len == b->cap) {
		void *p = grown(b->arena, b->values, &b->cap, sizeof(b->values[0]));

		if (p == NULL)
			return MR_E_NOMEM;
		b->values = p;
	}
	b->values[b->len++] = v;
	return 0;
}

static int build_list(struct builder *b, const struct mr_json_scan *s)
{
	struct mr_list *l = mr_list_create(b->arena, s->len);

	if (l == NULL)
		return MR_E_NOMEM;
	b->len -= s->len;
	if (s->len > 0)
		memcpy(l->items, b->values + b->len, s->len * sizeof(l->items[0]));
	return push_value(b, mr_value_list(l));
}

static int build_map(struct builder *b, const struct mr_json_scan *s)
{
	struct mr_map *m = mr_map_create(b->arena, s->len);
	int r;

	if (m == NULL)
		return MR_E_NOMEM;
	b->len -= s->len;
	for (size_t i = 0; i < s->len; i++) {
		m->members[i].key = mr_value_str(s->names[i].name);
		m->members[i].value = b->values[b->len + i];
	}
	r = mr_map_seal(b->arena, m);
	return r < 0 ? r : push_value(b, mr_value_map(m));
}

static int build(struct builder *b, const struct mr_json_scan *s, int event)
{
	switch (event) {
	case MR_JSON_SCALAR:
		return push_value(b, s->value);
	case MR_JSON_END_LIST:
		return build_list(b, s);
	case MR_JSON_END_MAP:
		return build_map(b, s);
	default:
		return 0;
	}
}

int mr_json_parse(struct mr_arena *a, struct mr_str text, const struct mr_json_limits *limits,
    struct mr_faults *faults, struct mr_value *ret)
{
	struct mr_json_scan s;
	struct builder b;
	int event, r;

	b.arena = a;
	b.values = b.first;
	b.len = 0;
	b.cap = MR_JSON_INLINE;
	mr_json_scan_init(&s, a, text, limits, faults, true);
	while ((event = mr_json_scan_next(&s)) > MR_JSON_END) {
		r = build(&b, &s, event);
		if (r < 0)
			return r;
	}
	if (event == MR_JSON_END)
		*ret = b.values[0];
	return event;
}
