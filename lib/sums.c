#include "lib/sums.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <zlib.h>

#include "lib/digest.h"
#include "lib/error.h"

#define BLOCK (256u * 1024u)

static const struct {
	const char *name, *hyphened;
	const EVP_MD *(*md)(void); /* NULL: zlib's */
} kinds[] = {
	[MR_SUM_SHA256] = { "sha256", "sha-256", EVP_sha256 },
	[MR_SUM_SHA512] = { "sha512", "sha-512", EVP_sha512 },
	[MR_SUM_MD5] = { "md5", "md-5", EVP_md5 },
	[MR_SUM_CRC32] = { "crc32", "crc-32", NULL },
};
_Static_assert(MR_ARRAY_LEN(kinds) == MR_SUM_COUNT, "a row for each kind of sum");

struct work {
	unsigned which;
	EVP_MD_CTX *md[MR_SUM_COUNT];
	uLong crc;
	unsigned char *block;
};

const char *mr_sum_name(enum mr_sum s)
{
	return kinds[s].name;
}

bool mr_sum_by_name(struct mr_str name, enum mr_sum *ret)
{
	for (int i = 0; i < MR_SUM_COUNT; i++) {
		if (mr_str_ieqz(name, kinds[i].name) || mr_str_ieqz(name, kinds[i].hyphened)) {
			*ret = (enum mr_sum)i;
			return true;
		}
	}
	return false;
}

static int begin(struct work *w)
{
	w->crc = crc32(0, NULL, 0);
	w->block = malloc(BLOCK);
	if (w->block == NULL)
		return MR_E_NOMEM;
	for (int i = 0; i < MR_SUM_COUNT; i++) {
		if ((w->which & 1u << i) == 0 || kinds[i].md == NULL)
			continue;
		w->md[i] = EVP_MD_CTX_new();
		if (w->md[i] == NULL || EVP_DigestInit_ex(w->md[i], kinds[i].md(), NULL) != 1)
			return MR_E_NOMEM; /* or an OpenSSL that has no MD5 */
	}
	return 0;
}

static int add(struct work *w, size_t len)
{
	if ((w->which & 1u << MR_SUM_CRC32) != 0)
		w->crc = crc32(w->crc, w->block, (uInt)len);
	for (int i = 0; i < MR_SUM_COUNT; i++) {
		if (w->md[i] != NULL && EVP_DigestUpdate(w->md[i], w->block, len) != 1)
			return MR_E_NOMEM;
	}
	return 0;
}

static int end(struct work *w, struct mr_sums *ret)
{
	memset(ret, 0, sizeof(*ret));
	if ((w->which & 1u << MR_SUM_CRC32) != 0)
		(void)snprintf(ret->hex[MR_SUM_CRC32], MR_SUM_HEX, "%08lx", w->crc); /* fits */
	for (int i = 0; i < MR_SUM_COUNT; i++) {
		unsigned char sum[EVP_MAX_MD_SIZE];
		unsigned len = 0;

		if (w->md[i] == NULL)
			continue;
		if (EVP_DigestFinal_ex(w->md[i], sum, &len) != 1)
			return MR_E_NOMEM;
		mr_hex(sum, len, ret->hex[i]);
	}
	return 0;
}

/* The block at OFFSET: how many bytes, 0 at the end. */
static ssize_t read_block(struct work *w, int fd, int64_t offset)
{
	ssize_t n;

	do
		n = pread(fd, w->block, BLOCK, offset);
	while (n < 0 && errno == EINTR);
	return n;
}

static int read_all(struct work *w, int fd, int64_t size, bool (*go_on)(void *ctx), void *ctx)
{
	int64_t at = 0;
	ssize_t n;
	int r;

	while ((n = read_block(w, fd, at)) > 0) {
		at += n;
		if (at > size)
			return MR_E_IO;
		r = add(w, (size_t)n);
		if (r < 0)
			return r;
		if (go_on != NULL && !go_on(ctx))
			return MR_E_CANCELLED;
	}
	return n < 0 || at != size ? MR_E_IO : 0;
}

int mr_sums_of(
    int fd, int64_t size, unsigned which, bool (*go_on)(void *ctx), void *ctx, struct mr_sums *ret)
{
	struct work w = { .which = which };
	int r = begin(&w);

	if (r == 0)
		r = read_all(&w, fd, size, go_on, ctx);
	if (r == 0)
		r = end(&w, ret);
	for (int i = 0; i < MR_SUM_COUNT; i++)
		EVP_MD_CTX_free(w.md[i]);
	free(w.block);
	return r;
}
