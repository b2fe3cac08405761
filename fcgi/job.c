#include "fcgi/job.h"

#include <stdlib.h>
#include <string.h>

#include "fcgi/listener.h"
#include "fcgi/router.h"
#include "lib/clock.h"

#define ARENA_MAX   (64u * 1024u * 1024u)
#define ARENA_FIRST (16u * 1024u) /* what a usual request needs, in one block */
#define OUT_HEADERS (16u * 1024u)
#define OUT_BODY    (64u * 1024u * 1024u)
#define KEEP_BUF    (64u * 1024u) /* a buffer that grew beyond is given back */
#define FAULTS_MAX  100

struct mr_job *mr_job_create(struct mr_worker *worker, size_t body_max)
{
	struct mr_job *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->r.worker = worker;
	x->r.arena = mr_arena_create(ARENA_MAX);
	/* The first block stays at every reset: make it large enough. */
	if (x->r.arena == NULL || mr_arena_alloc(x->r.arena, ARENA_FIRST) == NULL)
		return mr_job_free(x);
	mr_buf_init(&x->params, MR_PARAMS_BYTES_MAX);
	mr_buf_init(&x->body, body_max);
	mr_buf_init(&x->r.out_headers, OUT_HEADERS);
	mr_buf_init(&x->r.out_body, OUT_BODY);
	mr_answer_init(&x->answer);
	mr_job_reset(x);
	return x;
}

struct mr_job *mr_job_free(struct mr_job *x)
{
	if (x == NULL)
		return NULL;
	x->r.arena = mr_arena_free(x->r.arena);
	mr_buf_done(&x->params);
	mr_buf_done(&x->body);
	mr_buf_done(&x->r.out_headers);
	mr_buf_done(&x->r.out_body);
	mr_answer_done(&x->answer);
	free(x);
	return NULL;
}

static void reset_buf(struct mr_buf *b)
{
	if (b->cap > KEEP_BUF)
		mr_buf_done(b);
	mr_buf_reset(b);
}

void mr_job_reset(struct mr_job *x)
{
	struct mr_request *r = &x->r;
	struct mr_request fresh = { .arena = r->arena, .worker = r->worker };

	mr_arena_reset(r->arena);
	reset_buf(&x->params);
	reset_buf(&x->body);
	reset_buf(&r->out_headers);
	reset_buf(&r->out_body);
	fresh.out_headers = r->out_headers;
	fresh.out_body = r->out_body;
	*r = fresh;
	mr_faults_init(&r->faults, r->arena, FAULTS_MAX);
	x->conn = NULL;
	x->refusal = MR_ERR_NONE;
	x->running = x->given_up = false;
}

/* ---- reading ---- */

static void refuse(struct mr_job *x, enum mr_error_id why)
{
	if (x->refusal == MR_ERR_NONE)
		x->refusal = why;
}

void mr_job_params(struct mr_job *x, struct mr_str piece)
{
	mr_buf_adds(&x->params, piece);
	if (mr_buf_failed(&x->params))
		refuse(x, MR_ERR_HEADERS_TOO_LARGE);
}

void mr_job_body(struct mr_job *x, struct mr_str piece)
{
	if (x->refusal != MR_ERR_NONE)
		return; /* read, and thrown away, so that the peer gets to read the answer */
	mr_buf_adds(&x->body, piece);
	if (!mr_buf_failed(&x->body))
		return;
	refuse(
	    x, piece.len > x->body.max - x->body.len ? MR_ERR_BODY_TOO_LARGE : MR_ERR_OVERLOADED);
	mr_buf_done(&x->body);
}

static void read_method(struct mr_job *x)
{
	struct mr_str s = mr_request_param(&x->r, "REQUEST_METHOD");

	for (unsigned i = 0; i < MR_METHOD_COUNT; i++) {
		if (mr_str_eqz(s, mr_method_name((enum mr_method)i))) {
			x->r.method = (enum mr_method)i;
			return;
		}
	}
	refuse(x, MR_ERR_METHOD_NOT_ALLOWED);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Percent-decoded once; absent when it can't be, or without memory. */
static struct mr_str decode(struct mr_arena *a, struct mr_str s)
{
	char *p = mr_arena_alloc(a, s.len + 1);
	size_t n = 0;

	for (size_t i = 0; p != NULL && i < s.len; i++) {
		int hi, lo;

		if (s.p[i] != '%') {
			p[n++] = s.p[i];
			continue;
		}
		hi = i + 2 < s.len ? hex_digit(s.p[i + 1]) : -1;
		lo = i + 2 < s.len ? hex_digit(s.p[i + 2]) : -1;
		if (hi < 0 || lo < 0)
			return MR_STR_NONE;
		p[n++] = (char)(hi * 16 + lo);
		i += 2;
	}
	return (struct mr_str){ p, p != NULL ? n : 0 };
}

static bool is_plain_path(struct mr_str s)
{
	if (s.len == 0 || s.p[0] != '/' || !mr_str_is_utf8(s))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 0x20 || c == 0x7f)
			return false;
	}
	return true;
}

/* nginx has decoded and normalised DOCUMENT_URI, and chose the location by it; only where it is
 * missing the address as sent is decoded here. */
static void read_path(struct mr_job *x)
{
	struct mr_str s = mr_request_param(&x->r, "DOCUMENT_URI");

	if (s.p == NULL) {
		s = mr_request_param(&x->r, "REQUEST_URI");
		s = decode(x->r.arena, mr_str_cut(&s, '?'));
	}
	if (is_plain_path(s)) {
		x->r.path = s;
	} else {
		x->r.path = MR_STR("/");
		refuse(x, MR_ERR_BAD_REQUEST);
	}
}

/* A NUL after each value, for whoever wants a C string: there stands the length of the next pair,
 * which was read already, or the buffer's own NUL. */
static void terminate_values(struct mr_job *x)
{
	for (size_t i = 0; i < x->r.params_len; i++) {
		struct mr_str v = x->pairs[i].value;

		x->params.p[(size_t)(v.p - x->params.p) + v.len] = '\0';
	}
}

static struct mr_str given(struct mr_str s)
{
	return s.len > 0 ? s : MR_STR_NONE;
}

int mr_job_prepare(struct mr_job *x)
{
	struct mr_request *r = &x->r;
	int e;

	r->started_us = mr_clock_system.mono_us(NULL);
	r->now_us = mr_clock_system.now_us(NULL);
	r->params = x->pairs;
	if (x->refusal != MR_ERR_NONE) {
		r->path = MR_STR("/");
		return 0;
	}
	e = mr_fcgi_pairs(mr_buf_str(&x->params), x->pairs, MR_PARAMS_MAX, &r->params_len);
	if (e == MR_E_LIMIT) {
		r->path = MR_STR("/");
		refuse(x, MR_ERR_HEADERS_TOO_LARGE);
		return 0;
	}
	if (e < 0)
		return e;
	terminate_values(x);
	read_path(x);
	read_method(x);
	r->query = mr_request_param(r, "QUERY_STRING");
	if (r->query.p == NULL)
		r->query = MR_STR("");
	r->content_type = given(mr_request_param(r, "CONTENT_TYPE"));
	r->remote_addr = mr_request_param(r, "REMOTE_ADDR");
	r->body_file = given(mr_request_param(r, "REQUEST_BODY_FILE"));
	r->is_loopback = mr_listener_is_loopback(r);
	return 0;
}

/* A body that is shorter than was said was cut on its way. */
void mr_job_complete(struct mr_job *x)
{
	struct mr_str said = mr_request_param(&x->r, "CONTENT_LENGTH");
	uint64_t len;

	if (x->refusal != MR_ERR_NONE)
		return;
	if (x->body.len > 0)
		x->r.body = mr_buf_str(&x->body);
	if (said.len == 0 || x->r.body_file.p != NULL)
		return;
	if (!mr_str_u64(said, &len) || len != x->body.len)
		refuse(x, MR_ERR_BAD_REQUEST);
}
