/*
 * FastCGI records as a hostile peer might send them, through the reader and into a request. The
 * first byte says in what pieces they come; pieces must not matter.
 */
#include <stdint.h>
#include <stdlib.h>

#include "fcgi/job.h"
#include "fcgi/record.h"
#include "fcgi/worker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mr_worker worker;
static struct mr_job *job;

/* What came out, as one number. */
static void mix(uint64_t *sum, const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		*sum = (*sum ^ (unsigned char)p[i]) * 0x100000001b3u;
}

static void look(uint64_t *sum)
{
	const struct mr_request *r = &job->r;

	for (size_t i = 0; i < r->params_len; i++)
		mix(sum, r->params[i].value.p, r->params[i].value.len + 1);
	mix(sum, r->path.p, r->path.len);
	mix(sum, r->body.p, r->body.len);
	*sum += (uint64_t)job->refusal;
	(void)mr_request_header(r, "If-Match");
}

/* As a connection does. False: the peer is broken. */
static bool handle(struct mr_fcgi_reader *r, const struct mr_fcgi_event *e, uint64_t *sum)
{
	switch (e->kind) {
	case MR_FCGI_BEGIN:
		mr_job_reset(job);
		break;
	case MR_FCGI_PARAMS:
		mr_job_params(job, e->data);
		return true; /* how many pieces there are means nothing */
	case MR_FCGI_PARAMS_END:
		return mr_job_prepare(job) == 0;
	case MR_FCGI_STDIN:
		mr_job_body(job, e->data);
		return true;
	case MR_FCGI_STDIN_END:
		mr_job_complete(job);
		look(sum);
		mr_fcgi_reader_close_request(r);
		break;
	case MR_FCGI_ABORT:
		mr_fcgi_reader_close_request(r);
		break;
	case MR_FCGI_ANSWER:
		mix(sum, e->data.p, e->data.len);
		break;
	case MR_FCGI_MORE:
		return true;
	}
	*sum = *sum * 31 + e->kind;
	return true;
}

static uint64_t read_in_pieces(const uint8_t *data, size_t size, size_t step)
{
	struct mr_fcgi_reader r;
	uint64_t sum = 0xcbf29ce484222325u;

	mr_fcgi_reader_init(&r, 1000);
	mr_job_reset(job);
	for (size_t at = 0; at < size; at += step) {
		struct mr_str in = { (const char *)data + at, size - at < step ? size - at : step };
		struct mr_fcgi_event e;

		do {
			if (mr_fcgi_read(&r, &in, &e) < 0 || !handle(&r, &e, &sum))
				return sum + 1;
		} while (e.kind != MR_FCGI_MORE);
		if (in.len != 0)
			abort(); /* something was left lying */
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t whole;

	if (job == NULL)
		job = mr_job_create(&worker, 4096);
	if (job == NULL || size == 0)
		return 0;
	whole = read_in_pieces(data + 1, size - 1, size);
	if (read_in_pieces(data + 1, size - 1, (size_t)data[0] % 64 + 1) != whole)
		abort();
	return 0;
}
