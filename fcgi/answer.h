/*
 * An answer as FastCGI records: the CGI head, the body, the end. Nothing of the body is copied;
 * large answers are given out in bounded pieces, each ending where a record ends. No I/O.
 */
#ifndef MR_FCGI_ANSWER_H
#define MR_FCGI_ANSWER_H

#include <uv.h>

#include "fcgi/record.h"
#include "fcgi/request.h"

#define MR_ANSWER_RECORDS 4 /* STDOUT records in one piece */
#define MR_ANSWER_BUFS    (2 * MR_ANSWER_RECORDS + 1)

struct mr_answer {
	struct mr_buf head; /* header of the first record, then the CGI head; kept for reuse */
	struct mr_str body; /* not owned; must live until the last piece is written */
	size_t sent;        /* of the body, in pieces given out so far */
	bool head_given, end_given;
	uint16_t id;
	unsigned char headers[MR_ANSWER_RECORDS][MR_FCGI_HEADER];
	unsigned char end[MR_FCGI_END_LEN];
};

void mr_answer_init(struct mr_answer *a);
void mr_answer_done(struct mr_answer *a);
/* Begins the answer of R, which is decided. MR_E_LIMIT or MR_E_NOMEM when its head does not fit. */
int mr_answer_begin(struct mr_answer *a, const struct mr_request *r, uint16_t id) MR_MUST_CHECK;
/* Only the end: for a request that its peer gave up. */
void mr_answer_begin_empty(struct mr_answer *a, uint16_t id);
/* The next piece: fills up to MR_ANSWER_BUFS buffers and returns how many; 0 after the last. What
 * they point to stays as it is until the piece after is asked for. */
unsigned mr_answer_next(struct mr_answer *a, uv_buf_t bufs[MR_ANSWER_BUFS]);

#endif
