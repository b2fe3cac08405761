#include "lib/digest.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "lib/error.h"

int mr_sha256(struct mr_str s, unsigned char ret[MR_SHA256_LEN])
{
	/* fetched once: looking an algorithm up costs more than hashing a small text */
	static EVP_MD *sha256;
	static EVP_MD_CTX *ctx;

	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (ctx == NULL)
		ctx = EVP_MD_CTX_new();
	if (sha256 == NULL || ctx == NULL || EVP_DigestInit_ex2(ctx, sha256, NULL) != 1 ||
	    EVP_DigestUpdate(ctx, s.p, s.len) != 1 || EVP_DigestFinal_ex(ctx, ret, NULL) != 1)
		return MR_E_NOMEM;
	return 0;
}

int mr_hmac_sha256(struct mr_str key, struct mr_str s, unsigned char ret[MR_SHA256_LEN])
{
	unsigned len = 0;

	if (key.len > INT_MAX ||
	    HMAC(EVP_sha256(), key.p, (int)key.len, (const unsigned char *)s.p, s.len, ret, &len) ==
	        NULL ||
	    len != MR_SHA256_LEN)
		return MR_E_NOMEM;
	return 0;
}

void mr_hex(const unsigned char *p, size_t len, char *out)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex[p[i] >> 4];
		out[2 * i + 1] = hex[p[i] & 15];
	}
	out[2 * len] = '\0';
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int mr_unhex(struct mr_str s, unsigned char *out, size_t len)
{
	if (s.len != 2 * len)
		return MR_E_INVALID;
	for (size_t i = 0; i < len; i++) {
		int high = hex_digit(s.p[2 * i]), low = hex_digit(s.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return MR_E_INVALID;
		out[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

static int base64url_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

int mr_base64url_decode(struct mr_arena *a, struct mr_str s, struct mr_str *ret)
{
	unsigned acc = 0, bits = 0;
	size_t n = 0;
	char *out;

	if (s.len % 4 == 1)
		return MR_E_INVALID;
	out = mr_arena_alloc(a, s.len / 4 * 3 + 3);
	if (out == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s.len; i++) {
		int d = base64url_digit(s.p[i]);

		if (d < 0)
			return MR_E_INVALID;
		acc = (acc << 6 | (unsigned)d) & 0xffff;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			out[n++] = (char)(acc >> bits & 0xff);
		}
	}
	if ((acc & ((1u << bits) - 1)) != 0)
		return MR_E_INVALID;
	out[n] = '\0';
	*ret = (struct mr_str){ out, n };
	return 0;
}
