#include "net/http_text.h"

#include <openssl/evp.h>
#include <string.h>

#define URL_MAX 65536

void mr_http_add_encoded(struct mr_buf *b, struct mr_str s, bool is_form)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		    c == '-' || c == '.' || c == '_' || c == '~') {
			mr_buf_addc(b, (char)c);
		} else if (c == ' ' && is_form) {
			mr_buf_addc(b, '+');
		} else {
			mr_buf_addc(b, '%');
			mr_buf_addc(b, hex[c >> 4]);
			mr_buf_addc(b, hex[c & 15]);
		}
	}
}

struct mr_str mr_http_base64(struct mr_arena *a, struct mr_str s)
{
	unsigned char *out;
	int n;

	if (s.len > 1u << 28)
		return MR_STR_NONE;
	out = mr_arena_alloc(a, (s.len + 2) / 3 * 4 + 1);
	if (out == NULL)
		return MR_STR_NONE;
	n = EVP_EncodeBlock(out, (const unsigned char *)s.p, (int)s.len);
	return (struct mr_str){ (const char *)out, (size_t)n };
}

struct mr_str mr_http_basic(struct mr_arena *a, struct mr_str user, struct mr_str password)
{
	struct mr_str both =
	    mr_arena_printf(a, "%.*s:%.*s", MR_STR_ARG(user), MR_STR_ARG(password));
	struct mr_str text = both.p != NULL ? mr_http_base64(a, both) : MR_STR_NONE;

	return text.p != NULL ? mr_arena_printf(a, "Basic %.*s", MR_STR_ARG(text)) : MR_STR_NONE;
}

struct mr_str mr_http_url_with(
    struct mr_arena *a, struct mr_str url, struct mr_str name, struct mr_str value)
{
	struct mr_str rest = url, path = mr_str_cut(&rest, '#'), ret;
	struct mr_buf b;

	mr_buf_init(&b, URL_MAX);
	mr_buf_adds(&b, path);
	mr_buf_addc(&b, memchr(path.p, '?', path.len) != NULL ? '&' : '?');
	mr_http_add_encoded(&b, name, false);
	mr_buf_addc(&b, '=');
	mr_http_add_encoded(&b, value, false);
	ret = mr_buf_failed(&b) ? MR_STR_NONE : mr_arena_str(a, mr_buf_str(&b));
	if (b.p != NULL)
		explicit_bzero(b.p, b.len);
	mr_buf_done(&b);
	return ret;
}
