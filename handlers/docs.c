/* What describes the API and the definition language: from memory, the same for everybody until the
 * next release. Nothing is made for a request, nothing copied; what is large was compressed at
 * build.
 */

#include "fcgi/coding.h"
#include "fcgi/etag.h"
#include "handlers/handlers.h"
#include "handlers/language.h"
#include "handlers/openapi.h"

#define WEAK 2 /* the length of "W/" */

/* A text that never changes while this process lives, and its tag. */
struct document {
	struct mr_str text;
	struct mr_str gzip; /* absent: nginx compresses it */
	char etag[WEAK + MR_ETAG_LEN];
	size_t etag_len; /* without "W/"; 0: not made yet */
};

static int tag(struct document *d)
{
	if (d->etag_len > 0)
		return 0;
	d->etag[0] = 'W';
	d->etag[1] = '/';
	d->etag_len = mr_etag_make(0, d->text, d->etag + WEAK);
	return d->etag_len > 0 ? 0 : MR_E_NOMEM;
}

static int answer(struct mr_request *r, struct document *d)
{
	struct mr_str none_match = mr_request_header(r, "If-None-Match");
	bool compressed =
	    d->gzip.p != NULL && mr_coding_takes_gzip(mr_request_header(r, "Accept-Encoding"));
	struct mr_str strong, weak;

	if (tag(d) < 0)
		return MR_E_NOMEM;
	strong = (struct mr_str){ d->etag + WEAK, d->etag_len };
	weak = (struct mr_str){ d->etag, WEAK + d->etag_len };
	/* the bytes are others, and so they can't have the same strong tag */
	mr_response_header(r, "ETag", compressed ? weak : strong);
	mr_response_header(r, "Cache-Control", MR_STR("public, max-age=300"));
	if (compressed) /* else nginx says it */
		mr_response_header(r, "Vary", MR_STR("Accept-Encoding"));
	if (none_match.p != NULL && mr_etag_none_match(none_match, strong)) {
		r->status = 304;
		return 0;
	}
	if (compressed)
		mr_response_header(r, "Content-Encoding", MR_STR("gzip"));
	mr_response_constant(r, 200, compressed ? d->gzip : d->text);
	return 0;
}

int mr_handler_openapi(struct mr_request *r)
{
	static struct document d;

	d.text = (struct mr_str){ mr_openapi_json, mr_openapi_json_len };
	d.gzip = (struct mr_str){ mr_openapi_gzip, mr_openapi_gzip_len };
	return answer(r, &d);
}

int mr_handler_language_schema(struct mr_request *r)
{
	static struct document d;

	d.text = (struct mr_str){ mr_language_json, mr_language_json_len };
	return answer(r, &d);
}
