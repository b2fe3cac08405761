#include "fcgi/problem.h"

#include <stdarg.h>
#include <stdio.h>

#include "fcgi/correlation.h"
#include "lib/clock.h"

#define RETRY_SOON "1" /* seconds */

static void member(struct mr_buf *b, const char *name, struct mr_str value)
{
	mr_buf_addz(b, ",\"");
	mr_buf_addz(b, name);
	mr_buf_addz(b, "\":");
	mr_buf_add_json(b, value);
}

static bool named_before(const struct mr_faults *f, const struct mr_fault *fault)
{
	for (const struct mr_fault *g = f->first; g != fault; g = g->next) {
		if (mr_str_eq(g->path, fault->path))
			return true;
	}
	return false;
}

/* {"steps[2].name": ["is required"]}: the faults by their places, in the order found. */
static void write_details(struct mr_buf *b, const struct mr_faults *f)
{
	size_t kept = 0;

	mr_buf_addz(b, ",\"details\":{");
	for (const struct mr_fault *fault = f->first; fault != NULL; fault = fault->next) {
		kept++;
		if (named_before(f, fault))
			continue;
		if (fault != f->first)
			mr_buf_addc(b, ',');
		mr_buf_add_json(b, fault->path);
		mr_buf_addz(b, ":[");
		mr_buf_add_json(b, fault->message);
		for (const struct mr_fault *g = fault->next; g != NULL; g = g->next) {
			if (!mr_str_eq(g->path, fault->path))
				continue;
			mr_buf_addc(b, ',');
			mr_buf_add_json(b, g->message);
		}
		mr_buf_addc(b, ']');
	}
	if (f->count > kept)
		mr_buf_addf(
		    b, "%s\"…\":[\"and %zu more faults\"]", kept > 0 ? "," : "", f->count - kept);
	mr_buf_addc(b, '}');
}

void mr_problem_write(
    struct mr_buf *b, const struct mr_request *r, enum mr_error_id id, struct mr_str detail)
{
	const struct mr_error_row *row = &mr_error_rows[id];
	/* a path that is no UTF-8 can't stand in JSON */
	struct mr_str path = mr_str_is_utf8(r->path) ? r->path : MR_STR("");
	char now[MR_TIME_LEN];

	mr_buf_addf(b, "{\"type\":\"/docs/errors#%s\"", row->code);
	member(b, "title", mr_str(row->title));
	mr_buf_addf(b, ",\"status\":%u", row->status);
	member(b, "detail", detail);
	member(b, "instance", path);
	member(b, "error", detail);
	member(b, "error_code", mr_str(row->code));
	write_details(b, &r->faults);
	member(b, "message", detail);
	member(b, "timestamp", (struct mr_str){ now, mr_time_format(r->now_us, now) });
	member(b, "path", path);
	member(b, "correlation_id", r->correlation_id);
	mr_buf_addc(b, '}');
}

static void write_headers(struct mr_request *r, enum mr_error_id id)
{
	unsigned status = mr_error_rows[id].status;

	mr_response_header(r, "X-Request-ID", r->correlation_id);
	mr_response_header(r, "Cache-Control", MR_STR("no-store"));
	if (id == MR_ERR_CREDENTIALS_INVALID)
		mr_response_header(r, "WWW-Authenticate",
		    MR_STR("Bearer realm=\"millrace\", error=\"invalid_token\""));
	else if (status == 401)
		mr_response_header(r, "WWW-Authenticate", MR_STR("Bearer realm=\"millrace\""));
	if (status == 503 || id == MR_ERR_IDEMPOTENCY_IN_PROGRESS)
		mr_response_header(r, "Retry-After", MR_STR(RETRY_SOON));
}

void mr_response_problem(struct mr_request *r, enum mr_error_id id, const char *fmt, ...)
{
	char text[512];
	struct mr_str detail = MR_STR("");
	va_list ap;

	if (fmt != NULL && fmt[0] != '\0') {
		int n;

		va_start(ap, fmt);
		n = vsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		if (n > 0)
			detail = mr_str(text); /* a cut sentence still tells */
	}
	while (detail.len > 0 && !mr_str_is_utf8(detail))
		detail.len--; /* cut inside a character */
	if (detail.len == 0)
		detail = mr_str(mr_error_rows[id].sentence);
	mr_correlation_begin(r);
	r->status = mr_error_rows[id].status;
	r->problem = id;
	r->out_content_type = MR_STR("application/problem+json");
	mr_buf_reset(&r->out_headers);
	mr_response_no_body(r);
	write_headers(r, id);
	mr_problem_write(&r->out_body, r, id, detail);
}

void mr_problem_details(struct mr_request *r, struct mr_str json)
{
	struct mr_value v;

	if (json.p == NULL || mr_json_parse(r->arena, json, NULL, NULL, &v) < 0 ||
	    v.kind != MR_VALUE_MAP)
		return;
	for (size_t i = 0; i < v.map->len; i++) {
		const struct mr_member *m = &v.map->members[i];

		if (m->value.kind == MR_VALUE_STRING)
			mr_fault_add(
			    &r->faults, m->key.s, "refused", "%.*s", MR_STR_ARG(m->value.s));
		if (m->value.kind != MR_VALUE_LIST)
			continue;
		for (size_t j = 0; j < m->value.list->len; j++) {
			const struct mr_value *text = &m->value.list->items[j];

			if (text->kind == MR_VALUE_STRING)
				mr_fault_add(
				    &r->faults, m->key.s, "refused", "%.*s", MR_STR_ARG(text->s));
		}
	}
}

void mr_response_too_large(struct mr_request *r, int rc, const char *sentence)
{
	if (rc == MR_E_NOMEM && !mr_arena_was_full(r->arena))
		mr_response_problem(r, MR_ERR_OVERLOADED, "%s", "");
	else
		mr_response_problem(r, MR_ERR_BODY_TOO_LARGE, "%s", sentence);
}
