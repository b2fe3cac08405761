/* What describes the API and the definition language: from memory, the same for everybody until the
 * next release. */

#include "fcgi/etag.h"
#include "handlers/handlers.h"
#include "handlers/language.h"
#include "handlers/openapi.h"

/* A text that never changes while this process lives, and its tag. */
struct document {
	struct mr_str text;
	char etag[MR_ETAG_LEN];
	size_t etag_len; /* 0: not made yet */
};

static int answer(struct mr_request *r, struct document *d)
{
	struct mr_str none_match = mr_request_header(r, "If-None-Match");

	if (d->etag_len == 0)
		d->etag_len = mr_etag_make(0, d->text, d->etag);
	if (d->etag_len == 0)
		return MR_E_NOMEM;
	mr_response_header(r, "ETag", (struct mr_str){ d->etag, d->etag_len });
	mr_response_header(r, "Cache-Control", MR_STR("public, max-age=300"));
	if (none_match.p != NULL &&
	    mr_etag_none_match(none_match, (struct mr_str){ d->etag, d->etag_len }))
		r->status = 304;
	else
		mr_response_json(r, 200, d->text);
	return 0;
}

int mr_handler_openapi(struct mr_request *r)
{
	static struct document d;

	d.text = (struct mr_str){ mr_openapi_json, mr_openapi_json_len };
	return answer(r, &d);
}

int mr_handler_language_schema(struct mr_request *r)
{
	static struct document d;

	d.text = (struct mr_str){ mr_language_json, mr_language_json_len };
	return answer(r, &d);
}
