/* The description of the API: from memory, the same for everybody until the next release. */

#include "fcgi/etag.h"
#include "handlers/handlers.h"
#include "handlers/openapi.h"

int mr_handler_openapi(struct mr_request *r)
{
	static char etag[MR_ETAG_LEN];
	static size_t etag_len;
	struct mr_str none_match = mr_request_header(r, "If-None-Match");
	struct mr_str text = { mr_openapi_json, mr_openapi_json_len };

	if (etag_len == 0)
		etag_len = mr_etag_make(0, text, etag);
	if (etag_len == 0)
		return MR_E_NOMEM;
	mr_response_header(r, "ETag", (struct mr_str){ etag, etag_len });
	mr_response_header(r, "Cache-Control", MR_STR("public, max-age=300"));
	if (none_match.p != NULL &&
	    mr_etag_none_match(none_match, (struct mr_str){ etag, etag_len }))
		r->status = 304;
	else
		mr_response_json(r, 200, text);
	return 0;
}
