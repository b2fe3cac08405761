/*
 * One job: a request while it is read, worked on and answered, with the memory for it. Idle ones
 * are kept by the server, so that a request on the hot path allocates nothing.
 */
#ifndef MR_FCGI_JOB_H
#define MR_FCGI_JOB_H

#include "fcgi/answer.h"
#include "fcgi/request.h"

#define MR_PARAMS_BYTES_MAX (64u * 1024u)
#define MR_PARAMS_MAX       256u

struct mr_conn;

struct mr_job {
	struct mr_request r;
	struct mr_conn *conn; /* NULL once the peer is gone */
	struct mr_job *next;  /* in the list of idle ones */
	struct mr_buf params; /* the bytes that r.params point into */
	struct mr_buf body;   /* the bytes of r.body */
	struct mr_pair pairs[MR_PARAMS_MAX];
	enum mr_error_id refusal; /* why it is answered without being worked on; or MR_ERR_NONE */
	bool running;             /* its coroutine has not ended */
	bool given_up;            /* ABORT_REQUEST came: only the end is sent */
	struct mr_answer answer;
};

/* For requests of WORKER with bodies of at most BODY_MAX bytes. NULL without memory. */
struct mr_job *mr_job_create(struct mr_worker *worker, size_t body_max) MR_MUST_CHECK;
struct mr_job *mr_job_free(struct mr_job *x);
/* Everything of the last request is gone afterwards; memory is kept, up to a limit. */
void mr_job_reset(struct mr_job *x);

/* A piece of the parameters, or of the body. Too much becomes x->refusal. */
void mr_job_params(struct mr_job *x, struct mr_str piece);
void mr_job_body(struct mr_job *x, struct mr_str piece);
/* The parameters are whole: fills in the request. MR_E_INVALID: they don't parse, and the peer is
 * broken; what is wrong with the request itself becomes x->refusal. */
int mr_job_prepare(struct mr_job *x) MR_MUST_CHECK;
/* The body is whole too. */
void mr_job_complete(struct mr_job *x);

#endif
