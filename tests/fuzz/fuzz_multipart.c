/*
 * multipart/form-data as a hostile client might send it. The first line is the Content-Type, its
 * first byte says in what pieces the rest comes; pieces must not matter.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out, as one number; data of one part runs together. */
struct sum {
	uint64_t n;
	bool in_part;
};

static void mix(struct sum *s, struct mr_str t)
{
	for (size_t i = 0; i < t.len; i++)
		s->n = (s->n ^ (unsigned char)t.p[i]) * 0x100000001b3u;
}

static int on_begin(void *ctx, const struct mr_multipart_part *part)
{
	struct sum *s = ctx;

	if (s->in_part || !mr_str_is_utf8(part->name) || !mr_str_is_utf8(part->filename))
		abort();
	s->in_part = true;
	mix(s, part->name);
	mix(s, part->filename);
	mix(s, part->content_type);
	return 0;
}

static int on_data(void *ctx, struct mr_str piece)
{
	struct sum *s = ctx;

	if (!s->in_part || piece.len == 0)
		abort();
	mix(s, piece);
	return 0;
}

static int on_end(void *ctx)
{
	struct sum *s = ctx;

	if (!s->in_part)
		abort();
	s->in_part = false;
	s->n *= 31;
	return 0;
}

static const struct mr_multipart_ops ops = { on_begin, on_data, on_end };

static uint64_t read_in_pieces(struct mr_str type, struct mr_str body, size_t step)
{
	struct sum s = { 0xcbf29ce484222325u, false };
	struct mr_multipart m;

	if (mr_multipart_init(&m, type, &ops, &s) < 0)
		return 1;
	for (size_t at = 0; at < body.len; at += step) {
		struct mr_str in = { body.p + at, body.len - at < step ? body.len - at : step };

		if (mr_multipart_feed(&m, in) < 0)
			return 2;
	}
	return mr_multipart_finish(&m) < 0 ? 3 : s.n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_str body = { (const char *)data, size }, type;
	char name[MR_MULTIPART_VALUE_MAX];
	struct mr_str filename;

	if (size == 0)
		return 0;
	body.p++;
	body.len--;
	type = mr_str_cut(&body, '\n');
	if (body.p == NULL)
		body = MR_STR("");
	(void)!mr_multipart_filename(type, name, &filename);
	if (read_in_pieces(type, body, size) !=
	    read_in_pieces(type, body, (size_t)data[0] % 32 + 1))
		abort();
	return 0;
}
