#include "fcgi/etag.h"

#include <string.h>

#include "lib/digest.h"

#define DIGEST_BYTES 8
#define TAGS_MAX     50

size_t mr_etag_make(int64_t version, struct mr_str body, char out[MR_ETAG_LEN])
{
	unsigned char digest[MR_SHA256_LEN];
	uint64_t v = version > 0 ? (uint64_t)version : 0;
	char digits[20];
	size_t at = sizeof(digits), n = 0;

	if (mr_sha256(body, digest) < 0)
		return 0;
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	out[n++] = '"';
	memcpy(out + n, digits + at, sizeof(digits) - at);
	n += sizeof(digits) - at;
	out[n++] = '.';
	mr_hex(digest, DIGEST_BYTES, out + n);
	n += (size_t)2 * DIGEST_BYTES;
	out[n++] = '"';
	out[n] = '\0';
	return n;
}

/* The next tag of a list, without W/ but with its quotes; absent at the end; invalid: len 0. */
static struct mr_str next_tag(struct mr_str *rest)
{
	struct mr_str s = mr_str_trim(*rest);
	const char *end;
	struct mr_str tag = MR_STR("");

	while (s.len > 0 && (s.p[0] == ',' || s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.len--;
	}
	if (s.len == 0)
		return MR_STR_NONE;
	if (s.len > 2 && s.p[0] == 'W' && s.p[1] == '/') {
		s.p += 2;
		s.len -= 2;
	}
	end = s.p[0] == '"' && s.len > 1 ? memchr(s.p + 1, '"', s.len - 1) : NULL;
	if (end == NULL)
		return tag;
	tag = (struct mr_str){ s.p, (size_t)(end - s.p) + 1 };
	*rest = (struct mr_str){ end + 1, s.len - tag.len };
	return tag;
}

bool mr_etag_none_match(struct mr_str header, struct mr_str tag)
{
	if (mr_str_eqz(mr_str_trim(header), "*"))
		return true;
	for (unsigned i = 0; i < TAGS_MAX; i++) {
		struct mr_str one = next_tag(&header);

		if (one.len == 0)
			return false;
		if (mr_str_eq(one, tag))
			return true;
	}
	return false;
}

static bool version_of(struct mr_str tag, int64_t *ret)
{
	struct mr_str digits = { tag.p + 1, tag.len - 2 };
	struct mr_str version = mr_str_cut(&digits, '.');

	/* a client may know the version alone */
	return mr_str_i64(version, ret) && *ret >= 0;
}

int mr_etag_if_match(struct mr_str header, int64_t *ret)
{
	int64_t version = -1, one;

	if (header.p == NULL || mr_str_eqz(mr_str_trim(header), "*")) {
		*ret = -1;
		return 0;
	}
	for (unsigned i = 0; i < TAGS_MAX; i++) {
		struct mr_str tag = next_tag(&header);

		if (tag.p == NULL)
			break;
		if (tag.len == 0)
			return MR_E_INVALID;
		if (!version_of(tag, &one))
			continue;
		if (version >= 0 && version != one)
			return MR_E_INVALID;
		version = one;
	}
	if (version < 0) /* a list without any tag of ours, or without any */
		return MR_E_NOT_FOUND;
	*ret = version;
	return 0;
}
