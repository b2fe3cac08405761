/*
 * Tokens as somebody without the key might write them, and such as somebody with it might: an
 * input that begins with '.' is a token as it is; any other is a header and, on the second line,
 * claims, that are signed rightly. What is accepted must be what the issuer's row asks for.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/jwt.h"
#include "lib/buf.h"
#include "lib/digest.h"

#define KEY    "0123456789abcdef0123456789abcdef"
#define NOW_S  INT64_C(1800000000)
#define LEEWAY 30

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mr_issuer issuer = { .issuer = MR_STR("i"),
	.audience = MR_STR("a"),
	.algorithm = MR_STR("HS256"),
	.key = MR_STR(KEY) };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void base64url(struct mr_buf *b, struct mr_str s)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < s.len; i += 3) {
		unsigned v = (unsigned)(unsigned char)s.p[i] << 16;
		size_t n = s.len - i < 3 ? s.len - i : 3;

		v |= n > 1 ? (unsigned)(unsigned char)s.p[i + 1] << 8 : 0;
		v |= n > 2 ? (unsigned)(unsigned char)s.p[i + 2] : 0;
		for (size_t k = 0; k <= n; k++)
			mr_buf_addc(b, digits[v >> (18 - 6 * k) & 63]);
	}
}

static struct mr_str sign(struct mr_arena *a, struct mr_str header, struct mr_str claims)
{
	unsigned char mac[MR_SHA256_LEN];
	struct mr_str text;
	struct mr_buf b;

	mr_buf_init(&b, 1u << 20);
	base64url(&b, header);
	mr_buf_addc(&b, '.');
	base64url(&b, claims);
	must(mr_hmac_sha256(MR_STR(KEY), mr_buf_str(&b), mac) == 0);
	mr_buf_addc(&b, '.');
	base64url(&b, (struct mr_str){ (const char *)mac, sizeof(mac) });
	text = mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return text;
}

static int verify(struct mr_arena *a, struct mr_str token, struct mr_jwt *jwt, struct mr_error *err)
{
	int r = mr_jwt_parse(a, token, jwt, err);

	return r < 0 ? r : mr_jwt_verify(jwt, &issuer, NOW_S * 1000000, LEEWAY, err);
}

/* What was let in. */
static void check_accepted(const struct mr_jwt *jwt, bool is_signed)
{
	must(is_signed);
	must(mr_str_eqz(jwt->issuer, "i"));
	must(mr_str_eqz(mr_value_get_str(&jwt->header, "alg"), "HS256"));
	must(mr_value_get(&jwt->header, "crit") == NULL);
	must(mr_value_get_str(&jwt->claims, "sub").len > 0);
	must(mr_value_get(&jwt->claims, "aud") != NULL);
	must(mr_jwt_expires_at_us(jwt) > (NOW_S - LEEWAY) * 1000000);
}

/* The same token with any one character changed is another's. */
static void check_changed(struct mr_arena *a, struct mr_str token, size_t at)
{
	char *text = mr_arena_strz(a, token);
	struct mr_error err;
	struct mr_jwt jwt;

	must(text != NULL);
	text[at % token.len] = text[at % token.len] == 'A' ? 'B' : 'A';
	must(verify(a, mr_str(text), &jwt, &err) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(16u << 20);
	struct mr_str in = { (const char *)data, size }, header;
	bool is_signed = size == 0 || data[0] != '.';
	struct mr_error err = { .id = MR_ERR_NONE };
	struct mr_jwt jwt;
	int r;

	must(a != NULL);
	if (is_signed) {
		header = mr_str_cut(&in, '\n');
		in = sign(a, header, in.p != NULL ? in : MR_STR(""));
	} else {
		in = (struct mr_str){ in.p + 1, in.len - 1 };
	}
	r = verify(a, in, &jwt, &err);
	must(r == 0 || r == MR_E_INVALID || r == MR_E_DENIED || r == MR_E_LIMIT ||
	     r == MR_E_NOT_FOUND);
	if (r == 0) {
		check_accepted(&jwt, is_signed);
		check_changed(a, in, size * 7919);
	} else {
		must(err.id == MR_ERR_CREDENTIALS_INVALID && mr_str_is_utf8(mr_str(err.detail)));
	}
	mr_arena_fail_after(1 + size % 13);
	r = verify(a, in, &jwt, &err);
	mr_arena_fail_after(0);
	must(r <= 0);
	a = mr_arena_free(a);
	return 0;
}
