#include "engine/steps/report.h"

#include <string.h>

int mr_report_fail(struct mr_step_exec *x, struct mr_str type, bool retryable, const char *fmt, ...)
{
	struct mr_str message;
	va_list ap;

	va_start(ap, fmt);
	message = mr_arena_vprintf(x->arena, fmt, ap);
	va_end(ap);
	x->ok = false;
	x->error_type = type;
	x->error_message = message.p != NULL
	                       ? message
	                       : MR_STR("The step failed, and memory is out for saying why.");
	x->error_data = MR_NULL_VALUE;
	x->retryable = retryable;
	return MR_E_INVALID;
}

int mr_report_http(struct mr_step_exec *x, const struct mr_http_request *r)
{
	static const struct {
		const char *type;
		bool retryable;
	} failures[] = {
		[MR_HTTP_ANSWERED] = { NULL, false },
		[MR_HTTP_INVALID] = { "validation", false },
		[MR_HTTP_REFUSED] = { "connect", false },
		[MR_HTTP_CONNECT] = { "connect", true },
		[MR_HTTP_TLS] = { "tls", true },
		[MR_HTTP_TIMEOUT] = { "timeout", true },
		[MR_HTTP_LIMIT] = { "limit", false },
		[MR_HTTP_NOMEM] = { "limit", true },
	};

	return mr_report_fail(
	    x, mr_str(failures[r->outcome].type), failures[r->outcome].retryable, "%s", r->message);
}

int mr_report_too_large(struct mr_step_exec *x)
{
	return mr_report_fail(
	    x, MR_STR("limit"), false, "What came back is too much for one step to hold.");
}

void mr_report_success(struct mr_step_exec *x, struct mr_value result)
{
	x->ok = true;
	x->result = result;
	x->error_data = MR_NULL_VALUE;
}

int mr_report_map(
    struct mr_arena *a, const struct mr_report_member *members, size_t len, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(a, len);

	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len; i++) {
		m->members[i].key = mr_value_strz(members[i].key);
		m->members[i].value = members[i].value;
	}
	if (mr_map_seal(a, m) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(m);
	return 0;
}

/* ---- text ---- */

/* Length of the UTF-8 character at the start of S (not empty), 0 when it is none. */
static size_t character(struct mr_str s)
{
	unsigned char c = (unsigned char)s.p[0];
	size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

	if (n == 0 || n > s.len)
		return 0;
	return n == 1 || mr_str_is_utf8((struct mr_str){ s.p, n }) ? n : 0;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static char clean_ascii(char c)
{
	if (c == '\f' || c == '\v')
		return '\n';
	if (c == '\n' || c == '\t')
		return c;
	return (unsigned char)c < ' ' || c == 0x7f ? '\0' : c;
}

struct mr_str mr_text_clean(struct mr_arena *a, struct mr_str s)
{
	static const char replacement[] = "\xef\xbf\xbd";
	size_t bad = 0, n = 0;
	char *out;

	for (size_t i = 0, len; i<s.len; i += len> 0 ? len : 1) {
		len = character((struct mr_str){ s.p + i, s.len - i });
		bad += len == 0;
	}
	out = bad <= s.len ? mr_arena_alloc(a, s.len + 2 * bad + 1) : NULL;
	if (out == NULL)
		return MR_STR_NONE;
	for (size_t i = 0; i < s.len;) {
		size_t len = character((struct mr_str){ s.p + i, s.len - i });

		if (len == 0) {
			memcpy(out + n, replacement, 3);
			n += 3;
			len = 1;
		} else if (len > 1) {
			memcpy(out + n, s.p + i, len);
			n += len;
		} else if (clean_ascii(s.p[i]) != '\0') {
			out[n++] = clean_ascii(s.p[i]);
		}
		i += len;
	}
	while (n > 0 && is_blank(out[n - 1]))
		n--;
	out[n] = '\0';
	return (struct mr_str){ out, n };
}

/* Length of the white space character at S, 0 when it is none. */
static size_t white_space(const char *p, size_t len)
{
	const unsigned char *u = (const unsigned char *)p;

	if (is_blank(p[0]) || (u[0] >= 0x1c && u[0] <= 0x1f))
		return 1;
	if (len >= 2 && u[0] == 0xc2 && (u[1] == 0x85 || u[1] == 0xa0))
		return 2;
	if (len < 3)
		return 0;
	if (u[0] == 0xe2 && u[1] == 0x80 &&
	    ((u[2] >= 0x80 && u[2] <= 0x8a) || u[2] == 0xa8 || u[2] == 0xa9 || u[2] == 0xaf))
		return 3;
	if ((u[0] == 0xe2 && u[1] == 0x81 && u[2] == 0x9f) ||
	    (u[0] == 0xe3 && u[1] == 0x80 && u[2] == 0x80) ||
	    (u[0] == 0xe1 && u[1] == 0x9a && u[2] == 0x80))
		return 3;
	return 0;
}

size_t mr_text_words(struct mr_str s)
{
	bool in_word = false;
	size_t words = 0;

	for (size_t i = 0; i < s.len;) {
		size_t blank = white_space(s.p + i, s.len - i);

		words += blank == 0 && !in_word;
		in_word = blank == 0;
		i += blank > 0 ? blank : 1;
	}
	return words;
}

struct mr_str mr_text_cut(struct mr_str s, size_t max)
{
	if (s.len <= max)
		return s;
	while (max > 0 && ((unsigned char)s.p[max] & 0xc0) == 0x80)
		max--;
	return (struct mr_str){ s.p, max };
}
