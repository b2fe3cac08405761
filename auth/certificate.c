#include "auth/certificate.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "lib/error.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int unescape(struct mr_arena *a, struct mr_str s, struct mr_str *ret)
{
	char *out = mr_arena_alloc(a, s.len + 1);
	size_t n = 0;

	if (out == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < s.len; i++) {
		int high, low;

		if (s.p[i] != '%') {
			out[n++] = s.p[i];
			continue;
		}
		if (s.len - i < 3)
			return MR_E_INVALID;
		high = hex_digit(s.p[i + 1]);
		low = hex_digit(s.p[i + 2]);
		if (high < 0 || low < 0)
			return MR_E_INVALID;
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	*ret = (struct mr_str){ out, n };
	return 0;
}

/* OpenSSL's own way is to ask at the terminal. */
static int no_password(char *buf, int size, int rwflag, void *ctx)
{
	(void)buf, (void)size, (void)rwflag, (void)ctx;
	return -1;
}

int mr_certificate_fingerprint(
    struct mr_arena *a, struct mr_str escaped_pem, char ret[MR_SHA256_HEX])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct mr_str pem;
	unsigned len = 0;
	X509 *cert = NULL;
	BIO *bio;
	int r;

	if (escaped_pem.len > MR_CERTIFICATE_MAX)
		return MR_E_INVALID;
	r = unescape(a, escaped_pem, &pem);
	if (r < 0)
		return r;
	bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	if (bio != NULL)
		cert = PEM_read_bio_X509(bio, NULL, no_password, NULL);
	if (cert != NULL && X509_digest(cert, EVP_sha256(), digest, &len) == 1 &&
	    len == MR_SHA256_LEN)
		mr_hex(digest, len, ret);
	else
		r = MR_E_INVALID;
	X509_free(cert);
	BIO_free(bio);
	return r;
}
