#include "fcgi/request.h"

#include <string.h>

#define HEADER_NAME_MAX 64

struct mr_str mr_request_param(const struct mr_request *r, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < r->params_len; i++) {
		const struct mr_pair *p = &r->params[i];

		if (p->name.len == len && memcmp(p->name.p, name, len) == 0)
			return p->value;
	}
	return MR_STR_NONE;
}

/* "If-Match" is HTTP_IF_MATCH in CGI; two names go without the prefix. */
struct mr_str mr_request_header(const struct mr_request *r, const char *name)
{
	char param[HEADER_NAME_MAX] = "HTTP_";
	size_t n = 5;

	for (const char *p = name; *p != '\0' && n < sizeof(param) - 1; p++) {
		if (*p == '-')
			param[n++] = '_';
		else
			param[n++] = (char)(*p >= 'a' && *p <= 'z' ? *p - ('a' - 'A') : *p);
	}
	param[n] = '\0';
	if (strcmp(param + 5, "CONTENT_TYPE") == 0 || strcmp(param + 5, "CONTENT_LENGTH") == 0)
		return mr_request_param(r, param + 5);
	return mr_request_param(r, param);
}

struct mr_str mr_request_arg(const struct mr_request *r, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < r->query_args_len; i++) {
		const struct mr_pair *p = &r->query_args[i];

		if (p->name.len == len && memcmp(p->name.p, name, len) == 0)
			return p->value;
	}
	return MR_STR_NONE;
}

/* A line break in a value would begin a header that nobody meant: control bytes become spaces. */
void mr_response_header(struct mr_request *r, const char *name, struct mr_str value)
{
	struct mr_buf *b = &r->out_headers;
	char *room;

	mr_buf_addz(b, name);
	mr_buf_add(b, ": ", 2);
	room = mr_buf_room(b, value.len);
	if (room == NULL)
		return; /* the buffer remembers; the answer becomes a 500 */
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		room[i] = (char)((c < 0x20 && c != '\t') || c == 0x7f ? ' ' : c);
	}
	mr_buf_commit(b, value.len);
	mr_buf_add(b, "\r\n", 2);
}

void mr_response_no_body(struct mr_request *r)
{
	mr_buf_reset(&r->out_body);
	r->out_constant = MR_STR_NONE;
}

void mr_response_json(struct mr_request *r, unsigned status, struct mr_str body)
{
	mr_response_no_body(r);
	r->status = status;
	r->out_content_type = MR_STR("application/json");
	mr_buf_adds(&r->out_body, body);
}

void mr_response_constant(struct mr_request *r, unsigned status, struct mr_str body)
{
	mr_response_json(r, status, MR_STR_NONE);
	r->out_constant = body;
}

struct mr_str mr_response_body(const struct mr_request *r)
{
	return r->out_constant.p != NULL ? r->out_constant : mr_buf_str(&r->out_body);
}
