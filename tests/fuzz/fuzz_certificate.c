/*
 * A client's certificate as nginx hands it over, or as somebody might who reaches the worker's
 * socket: an input that begins with '-' is escaped PEM as it is; any other is put between the PEM
 * lines and must give the fingerprint of the same bytes, in whatever way it is escaped.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/certificate.h"
#include "lib/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static int take(struct mr_arena *a, struct mr_str text, char ret[MR_SHA256_HEX])
{
	int r = mr_certificate_fingerprint(a, text, ret);

	must(r == 0 || r == MR_E_INVALID || r == MR_E_NOMEM || r == MR_E_LIMIT);
	if (r == 0)
		must(strlen(ret) == MR_SHA256_HEX - 1 &&
		     strspn(ret, "0123456789abcdef") == MR_SHA256_HEX - 1);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(1u << 20);
	struct mr_str in = { (const char *)data, size }, pem;
	char one[MR_SHA256_HEX], other[MR_SHA256_HEX], *escaped;
	int r;

	must(a != NULL);
	if (size == 0 || size > 20000 || data[0] == '-' || memchr(data, 0, size) != NULL) {
		(void)take(a, in, one); /* that it ends, and says nothing wrong */
		goto out;
	}
	pem = mr_arena_printf(a,
	    "-----BEGIN CERTIFICATE-----%%0A%.*s%%0A-----END CERTIFICATE-----%%0A", MR_STR_ARG(in));
	must(pem.p != NULL);
	r = take(a, pem, one);
	if (memchr(data, '%', size) != NULL || r < 0 || 3 * pem.len > MR_CERTIFICATE_MAX)
		goto out;
	escaped = mr_arena_alloc(a, 3 * size + 1);
	must(escaped != NULL);
	for (size_t i = 0; i < size; i++)
		(void)snprintf(escaped + 3 * i, 4, "%%%02X", data[i]); /* fits */
	pem = mr_arena_printf(a,
	    "-----BEGIN CERTIFICATE-----%%0A%.*s%%0A-----END CERTIFICATE-----%%0A", (int)(3 * size),
	    escaped);
	must(pem.p != NULL);
	must(take(a, pem, other) == 0 && strcmp(one, other) == 0);
out:
	a = mr_arena_free(a);
	return 0;
}
