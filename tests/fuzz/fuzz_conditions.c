/*
 * Headers that a request is judged by: a line of If-Match, one of If-None-Match, one of
 * Idempotency-Key, one of X-Request-ID, one of traceparent, one of Content-Type's multipart. What
 * is taken from them must be fit for a database and for an answer's header.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fcgi/correlation.h"
#include "fcgi/etag.h"
#include "fcgi/idempotency.h"
#include "fcgi/problem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

/* A tag that was made must be found by both conditions, among any others that are well formed. */
static void tags(struct mr_arena *a, struct mr_str line)
{
	char text[MR_ETAG_LEN];
	int64_t version = 0, of_line = -2;
	struct mr_str tag = { text, 0 }, both;
	int r = mr_etag_if_match(line, &of_line);

	must(r == MR_E_INVALID || r == MR_E_NOT_FOUND || (r == 0 && of_line >= -1));
	for (size_t i = 0; i < line.len && i < 7; i++)
		version = version << 8 | (unsigned char)line.p[i];
	tag.len = mr_etag_make(version, line, text);
	must(tag.len > 0 && tag.len < MR_ETAG_LEN);
	must(mr_etag_if_match(tag, &of_line) == 0 && of_line == version);
	must(mr_etag_none_match(tag, tag) && mr_etag_none_match(MR_STR("*"), tag));
	both = mr_arena_printf(a, "W/%.*s, %.*s", MR_STR_ARG(tag), MR_STR_ARG(line));
	must(both.p != NULL && mr_etag_none_match(both, tag));
	r = mr_etag_if_match(both, &of_line);
	must(r == MR_E_INVALID || (r == 0 && of_line == version));
}

static void key(struct mr_arena *a, struct mr_str line, struct mr_str body)
{
	static const struct mr_route route = { .method = MR_POST, .path = "/things" };
	const struct mr_pair params[] = { { MR_STR("HTTP_IDEMPOTENCY_KEY"), line } };
	struct mr_call call = { .if_match = -1 };
	struct mr_request r = { .arena = a,
		.route = &route,
		.path = MR_STR("/things/"),
		.query = MR_STR(""),
		.body = body,
		.params = params,
		.params_len = 1,
		.call = &call };
	struct mr_str digest, taken;

	mr_faults_init(&r.faults, a, MR_FAULTS_MAX);
	mr_idempotency_begin(&r);
	taken = call.idempotency_key;
	must((taken.p != NULL) == (r.faults.count == 0));
	must(taken.p == NULL || (taken.len > 0 && taken.len < 256 && mr_str_is_utf8(taken)));
	for (size_t i = 0; i < taken.len; i++)
		must(taken.p[i] > ' ' && taken.p[i] < 0x7f);
	digest = mr_idempotency_digest(&r);
	must(digest.len == 2 + 64 && memcmp(digest.p, "\\x", 2) == 0);
	must(mr_str_eq(digest, mr_idempotency_digest(&r)));
}

/* What is sent back must not hold a line's end; what is no trace context is not passed on. */
static void correlation(struct mr_str id, struct mr_str trace)
{
	if (mr_correlation_sane(id)) {
		must(id.len > 0 && id.len <= 128);
		for (size_t i = 0; i < id.len; i++)
			must(id.p[i] > ' ' && id.p[i] < 0x7f && strchr("\"\\<>;", id.p[i]) == NULL);
	}
	if (!mr_traceparent_valid(trace))
		return;
	must(trace.len >= 55 && trace.p[2] == '-' && trace.p[35] == '-' && trace.p[52] == '-');
	for (size_t i = 0; i < 55; i++)
		must(strchr("0123456789abcdef-", trace.p[i]) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(8u << 20);
	struct mr_str rest = { (const char *)data, size }, lines[4];

	must(a != NULL);
	for (size_t i = 0; i < MR_ARRAY_LEN(lines); i++)
		lines[i] = rest.p != NULL ? mr_str_cut(&rest, '\n') : MR_STR("");
	/* nginx lets no NUL through, and these are printed */
	if (memchr(data, 0, size) == NULL)
		tags(a, lines[0]);
	(void)mr_etag_none_match(lines[0], MR_STR("\"1.0123456789abcdef\"")); /* that it ends */
	key(a, lines[1], rest.p != NULL ? rest : MR_STR(""));
	correlation(lines[2], lines[3]);
	a = mr_arena_free(a);
	return 0;
}
