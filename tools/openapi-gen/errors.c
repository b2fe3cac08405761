#include "tools/openapi-gen/errors.h"

#include "lib/error.h"
#include "lib/macros.h"
#include "tools/openapi-gen/document.h"

struct status_row {
	unsigned status;
	const char *name;
	const char *advice;
};

static const struct status_row statuses[] = {
#define MR_STATUS(http, name, text) { http, name, text },
#define MR_ADVICE(id, text)
#include "tools/openapi-gen/advice.def"
#undef MR_STATUS
#undef MR_ADVICE
};

static const char *const advice[MR_ERR_COUNT] = {
#define MR_STATUS(http, name, text)
#define MR_ADVICE(id, text) [MR_ERR_##id] = text,
#include "tools/openapi-gen/advice.def"
#undef MR_STATUS
#undef MR_ADVICE
};

static const struct status_row *status_find(unsigned status)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(statuses); i++) {
		if (statuses[i].status == status)
			return &statuses[i];
	}
	fprintf(stderr, "openapi-gen: advice.def has no row for the status %u\n", status);
	return NULL;
}

static bool answers(const struct mr_route *r, int error)
{
	bool seen[MR_ERR_COUNT] = { false };

	mr_document_errors_of(r, seen);
	return seen[error];
}

static const char *advice_of(int error, const struct status_row *s)
{
	return advice[error] != NULL ? advice[error] : s->advice;
}

/* Which operations answer an error: their names, or those that don't where these are fewer. BEFORE
 * and AFTER stand around each name. */
static void put_operations(FILE *out, int error, const char *before, const char *after)
{
	unsigned n = 0, left;
	bool inverted;

	for (unsigned i = 0; i < mr_routes_len; i++)
		n += answers(&mr_routes[i], error);
	if (n == 0 || n == mr_routes_len) {
		fputs(n == 0 ? "addresses that are no operation's" : "every operation", out);
		return;
	}
	inverted = n > mr_routes_len / 2;
	left = inverted ? mr_routes_len - n : n;
	fputs(inverted ? "every operation but " : "", out);
	for (unsigned i = 0; i < mr_routes_len; i++) {
		char operation[MR_OPERATION_LEN];

		if (answers(&mr_routes[i], error) == inverted)
			continue;
		mr_operation_name(&mr_routes[i], operation, sizeof(operation));
		fprintf(out, "%s%s%s%s", before, operation, after, --left > 0 ? ", " : "");
	}
}

int mr_errors_markdown(FILE *out)
{
	const struct status_row *s = NULL;

	fputs("# Errors\n\n"
	      "Every error answer is `application/problem+json`. `error_code` is stable; `detail` "
	      "is one\n"
	      "sentence for a person; `details` names each place that is wrong. A server has this "
	      "page at\n"
	      "`/docs/errors`, where `type` of its answers points. Operations are called as in "
	      "[openapi.json](openapi.json).\n"
	      "Generated from `lib/errors.def`, `tools/openapi-gen/advice.def` and the route "
	      "table.\n",
	    out);
	for (int i = MR_ERR_NONE + 1; i < MR_ERR_COUNT; i++) {
		const struct mr_error_row *e = &mr_error_rows[i];

		if (s == NULL || e->status != s->status) {
			s = status_find(e->status);
			if (s == NULL)
				return -1;
			fprintf(out,
			    "\n## %u %s\n\n| code | title | meaning | what to do | answered by |\n"
			    "| --- | --- | --- | --- | --- |\n",
			    s->status, s->name);
		}
		fprintf(out, "| <a id=\"%s\"></a>`%s` | %s | %s | %s | ", e->code, e->code,
		    e->title, e->sentence, advice_of(i, s));
		put_operations(out, i, "`", "`");
		fputs(" |\n", out);
	}
	return 0;
}

static void put_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static void put_member(FILE *out, const char *name, const char *text)
{
	fprintf(out, "<dt>%s</dt><dd>", name);
	put_text(out, text);
	fputs("</dd>\n", out);
}

static void put_error(FILE *out, int error, const struct status_row *s)
{
	const struct mr_error_row *e = &mr_error_rows[error];

	fprintf(out, "<section id=\"%s\">\n<h3><a href=\"#%s\"><code>%s</code></a> ", e->code,
	    e->code, e->code);
	put_text(out, e->title);
	fprintf(out, "</h3>\n<dl>\n<dt>Status</dt><dd>%u</dd>\n", e->status);
	put_member(out, "Meaning", e->sentence);
	put_member(out, "What to do", advice_of(error, s));
	fputs("<dt>Answered by</dt><dd>", out);
	put_operations(out, error, "<code>", "</code>");
	fputs("</dd>\n", out);
	fputs("</dl>\n</section>\n", out);
}

static const char page_begin[] =
    "<!doctype html>\n"
    "<html lang=\"en\">\n"
    "<head>\n"
    "<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>Millrace errors</title>\n"
    "<link rel=\"icon\" href=\"data:,\">\n"
    "<link rel=\"stylesheet\" href=\"/static/docs/docs.css\">\n"
    "</head>\n"
    "<body>\n"
    "<nav><a href=\"/docs\">Try it out</a> <a href=\"/redoc\">Reference</a>"
    " <a href=\"/openapi.json\">openapi.json</a></nav>\n"
    "<main class=\"text\">\n"
    "<h1>Errors</h1>\n"
    "<p>Every error answer is <code>application/problem+json</code> (RFC 9457). Decide by "
    "<code>error_code</code>, which is stable; <code>detail</code> is one sentence for a person, "
    "<code>details</code> names each place that is wrong, and <code>type</code> leads to the entry "
    "on this page. Whoever runs the server finds the request in its logs by "
    "<code>correlation_id</code>.</p>\n";

int mr_errors_page(FILE *out)
{
	const struct status_row *s = NULL;

	fputs(page_begin, out);
	for (int i = MR_ERR_NONE + 1; i < MR_ERR_COUNT; i++) {
		if (s == NULL || mr_error_rows[i].status != s->status) {
			fputs(s == NULL ? "" : "</section>\n", out);
			s = status_find(mr_error_rows[i].status);
			if (s == NULL)
				return -1;
			fprintf(out, "<section>\n<h2 id=\"%u\">%u %s</h2>\n", s->status, s->status,
			    s->name);
		}
		put_error(out, i, s);
	}
	fputs("</section>\n</main>\n</body>\n</html>\n", out);
	return 0;
}
