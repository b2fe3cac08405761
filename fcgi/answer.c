#include "fcgi/answer.h"

#include <string.h>

#include "lib/error.h"

#define HEAD_MAX 32768u /* fits into one record, with the record's header */

_Static_assert(HEAD_MAX <= MR_FCGI_RECORD_MAX, "the head goes into the first record");

void mr_answer_init(struct mr_answer *a)
{
	*a = (struct mr_answer){ .id = 0 };
	mr_buf_init(&a->head, HEAD_MAX);
}

void mr_answer_done(struct mr_answer *a)
{
	mr_buf_done(&a->head);
}

/* RFC 9110 8.6: none with 1xx, 204; with 304 it would describe another body than ours. An answer
 * that nginx replaces by a file has the file's length. */
static bool has_length(const struct mr_request *r)
{
	static const char redirect[] = "X-Accel-Redirect:";

	if (r->status < 200 || r->status == 204 || r->status == 304)
		return false;
	return mr_response_body(r).len > 0 || r->out_headers.len == 0 ||
	       memmem(r->out_headers.p, r->out_headers.len, redirect, sizeof(redirect) - 1) == NULL;
}

static bool has_body(const struct mr_request *r)
{
	return r->method != MR_HEAD && has_length(r);
}

int mr_answer_begin(struct mr_answer *a, const struct mr_request *r, uint16_t id)
{
	struct mr_str body = mr_response_body(r);
	struct mr_buf *b = &a->head;
	char *record;

	mr_buf_reset(b);
	a->id = id;
	a->body = has_body(r) ? body : MR_STR_NONE;
	a->sent = 0;
	a->head_given = a->end_given = false;
	record = mr_buf_room(b, MR_FCGI_HEADER);
	if (record == NULL)
		return MR_E_NOMEM;
	mr_buf_commit(b, MR_FCGI_HEADER); /* written with the piece, when its length is known */
	mr_buf_add(b, "Status: ", 8);
	mr_buf_add_u64(b, r->status);
	if (body.len > 0 || r->out_content_type.p != NULL) {
		mr_buf_add(b, "\r\nContent-Type: ", 16);
		mr_buf_adds(b, r->out_content_type.p != NULL ? r->out_content_type
		                                             : MR_STR("application/json"));
	}
	if (has_length(r)) {
		mr_buf_add(b, "\r\nContent-Length: ", 18);
		mr_buf_add_u64(b, body.len);
	}
	mr_buf_add(b, "\r\n", 2);
	mr_buf_adds(b, mr_buf_str(&r->out_headers));
	mr_buf_add(b, "\r\n", 2);
	return mr_buf_failed(b) || mr_buf_failed(&r->out_headers) ? MR_E_LIMIT : 0;
}

void mr_answer_begin_empty(struct mr_answer *a, uint16_t id)
{
	a->id = id;
	a->body = MR_STR_NONE;
	a->sent = 0;
	a->head_given = true;
	a->end_given = false;
}

static uv_buf_t buf(const void *p, size_t len)
{
	return uv_buf_init((char *)(uintptr_t)p, (unsigned)len); /* libuv only reads from it */
}

/* The next chunk of the body that fits beside TAKEN bytes of its record. */
static struct mr_str chunk(struct mr_answer *a, size_t taken)
{
	size_t n = a->body.len - a->sent;
	struct mr_str s = { a->body.p, 0 };

	if (n > MR_FCGI_RECORD_MAX - taken)
		n = MR_FCGI_RECORD_MAX - taken;
	if (n > 0)
		s = (struct mr_str){ a->body.p + a->sent, n };
	a->sent += n;
	return s;
}

unsigned mr_answer_next(struct mr_answer *a, uv_buf_t bufs[MR_ANSWER_BUFS])
{
	unsigned n = 0;

	if (a->end_given)
		return 0;
	for (unsigned i = 0; i < MR_ANSWER_RECORDS; i++) {
		size_t head = a->head_given ? 0 : a->head.len - MR_FCGI_HEADER;
		unsigned char *header = a->head_given ? a->headers[i] : (unsigned char *)a->head.p;
		struct mr_str body = chunk(a, head);

		if (head + body.len == 0)
			break;
		mr_fcgi_write_stdout(header, a->id, head + body.len);
		bufs[n++] = buf(header, MR_FCGI_HEADER + head);
		if (body.len > 0)
			bufs[n++] = buf(body.p, body.len);
		a->head_given = true;
	}
	if (a->sent == a->body.len) {
		mr_fcgi_write_end(a->end, a->id);
		bufs[n++] = buf(a->end, sizeof(a->end));
		a->end_given = true;
	}
	return n;
}
