#include "engine/jq.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/jq/jq_frame.h"
#include "engine/metrics.h"
#include "engine/sandbox_private.h"
#include "lib/buf.h"

#define WORKERS_MAX   16u
#define QUEUE_MAX     1000u
#define QUEUE_BYTES   (64u * 1024u * 1024u) /* of all that waits */
#define WAIT_NS       UINT64_C(10000000000) /* for a helper to become free */
#define START_MS      5000u                 /* for one to say hello */
#define BACKOFF_MS    50u                   /* after a helper that never did; doubled each time */
#define BACKOFF_TIMES 7u
#define OUTPUT_MAX    (8u * 1024u * 1024u)
#define READ_SIZE     65536

enum worker_state {
	WORKER_OFF,
	WORKER_STARTING, /* until its hello */
	WORKER_IDLE,
	WORKER_BUSY,
	WORKER_ENDING, /* until its handles are closed */
};

struct mr_jq_request {
	struct mr_jq_pool *pool;
	struct mr_jq_request *next;
	struct mr_jq_ask ask; /* what is written, before the texts */
	char *text;           /* program and input, one after the other */
	int64_t timeout_us;
	uint64_t submitted_ns, given_ns; /* given: 0 until a helper has it */
	mr_jq_done_fn *done;             /* NULL: nobody listens any more */
	void *ctx;
};

struct worker {
	struct mr_jq_pool *pool;
	enum worker_state state;
	struct mr_jq_request *request; /* BUSY, and ENDING while its end isn't told */
	uv_process_t process;
	uv_pipe_t in, out;
	uv_timer_t timer; /* lives as long as the pool */
	uv_write_t write;
	unsigned handles; /* open ones of this life */
	bool exited, ended, timed_out, last;
	bool writing;      /* WRITE isn't done with */
	unsigned failures; /* starts in a row without a hello */
	uint64_t not_before_ns;
	struct mr_buf answer;
};

struct mr_jq_pool {
	uv_loop_t *loop;
	const struct mr_settings *settings;
	struct mr_metrics *metrics; /* may be NULL */
	struct worker workers[WORKERS_MAX];
	unsigned workers_len, queued, started, timers;
	size_t queued_bytes;
	struct mr_jq_request *first, *last;
	uv_timer_t timer; /* the oldest request's patience; retries */
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
	char why[160]; /* why the last start failed; "" when it didn't */
	char read_buf[READ_SIZE];
};

static void schedule(struct mr_jq_pool *p);

/* ---- requests ---- */

static struct mr_jq_request *request_free(struct mr_jq_request *r)
{
	if (r != NULL)
		free(r->text);
	free(r);
	return NULL;
}

static size_t request_len(const struct mr_jq_request *r)
{
	return (size_t)r->ask.program_len + r->ask.input_len;
}

static const char *const outcome_names[] = {
	[MR_JQ_OK] = "ok",
	[MR_JQ_ERROR] = "error",
	[MR_JQ_TIMEOUT] = "timeout",
	[MR_JQ_LIMIT] = "limit",
	[MR_JQ_CRASHED] = "crashed",
	[MR_JQ_UNAVAILABLE] = "unavailable",
};

static void count_one(struct mr_jq_pool *p, enum mr_metric id, const char *label, const char *value)
{
	if (p->metrics != NULL)
		mr_metric_add(p->metrics, id, MR_LABELS({ label, mr_str(value) }), 1);
}

static void measure(const struct mr_jq_request *r, enum mr_jq_outcome outcome)
{
	struct mr_jq_pool *p = r->pool;

	count_one(p, MR_METRIC_JQ_EVALUATIONS, "outcome", outcome_names[outcome]);
	if (p->metrics != NULL && r->given_ns != 0)
		mr_metric_observe(p->metrics, MR_METRIC_JQ_DURATION, NULL,
		    (double)(uv_hrtime() - r->given_ns) / 1e9);
}

static void tell(struct mr_jq_request *r, enum mr_jq_outcome outcome, struct mr_str text)
{
	struct mr_jq_result result = { outcome, MR_STR_NONE, MR_STR_NONE };

	if (outcome == MR_JQ_OK)
		result.outputs = text;
	else
		result.message = mr_str_is_utf8(text) ? text : MR_STR("jq failed");
	measure(r, outcome);
	if (r->done != NULL)
		r->done(r->ctx, &result);
	(void)request_free(r); /* NULL */
}

static struct mr_jq_request *take(struct mr_jq_pool *p)
{
	struct mr_jq_request *r = p->first;

	p->first = r->next;
	if (p->first == NULL)
		p->last = NULL;
	p->queued--;
	p->queued_bytes -= request_len(r);
	return r;
}

/* ---- the end of a helper ---- */

static void free_pool_if_done(struct mr_jq_pool *p)
{
	if (!p->closing || p->timers > 0)
		return;
	for (unsigned i = 0; i < p->workers_len; i++) {
		if (p->workers[i].handles > 0)
			return;
	}
	if (p->closed != NULL)
		p->closed(p->closed_ctx);
	free(p);
}

static void on_timer_closed(uv_handle_t *h)
{
	struct mr_jq_pool *p = h->data;

	p->timers--;
	free_pool_if_done(p);
}

static void on_life_closed(uv_handle_t *h)
{
	struct worker *w = h->data;
	struct mr_jq_pool *p = w->pool;

	if (--w->handles > 0)
		return;
	mr_buf_done(&w->answer);
	w->state = WORKER_OFF;
	if (p->closing)
		free_pool_if_done(p);
	else
		schedule(p);
}

static void close_handle(uv_handle_t *h)
{
	if (h->type != UV_UNKNOWN_HANDLE && !uv_is_closing(h))
		uv_close(h, on_life_closed);
}

static void close_life(struct worker *w)
{
	w->state = WORKER_ENDING;
	(void)uv_timer_stop(&w->timer); /* always 0 */
	close_handle((uv_handle_t *)&w->process);
	close_handle((uv_handle_t *)&w->in);
	close_handle((uv_handle_t *)&w->out);
}

/* What the helper was at work on, when it ended without an answer. */
static void tell_broken(struct worker *w)
{
	struct mr_jq_request *r = w->request;

	w->request = NULL;
	if (r == NULL)
		return;
	if (w->timed_out)
		tell(r, MR_JQ_TIMEOUT, MR_STR("the jq program ran too long"));
	else
		tell(r, MR_JQ_CRASHED, MR_STR("the jq program broke its helper process"));
}

static void note_failure(struct worker *w, const char *why)
{
	unsigned times = w->failures < BACKOFF_TIMES ? w->failures : BACKOFF_TIMES;

	w->failures++;
	w->not_before_ns = uv_hrtime() + ((uint64_t)BACKOFF_MS << times) * 1000000;
	(void)snprintf(w->pool->why, sizeof(w->pool->why), "%s", why);
}

static void end_if_over(struct worker *w)
{
	if (w->state == WORKER_ENDING || !w->exited || !(w->ended || w->pool->closing))
		return;
	if (!w->pool->closing)
		count_one(w->pool, MR_METRIC_JQ_ENDED, "reason",
		    w->state == WORKER_STARTING ? "start"
		    : w->timed_out              ? "timeout"
		    : w->last                   ? "worn"
		                                : "crashed");
	if (w->state == WORKER_STARTING && !w->pool->closing)
		note_failure(w, "millrace-jq ended at its start");
	close_life(w);
	tell_broken(w);
}

static void kill_worker(struct worker *w)
{
	if (w->state != WORKER_OFF && w->state != WORKER_ENDING && !w->exited &&
	    w->process.pid > 0)                              /* 0 would be all of us */
		(void)uv_process_kill(&w->process, SIGKILL); /* gone already: fine */
}

static void on_exit_of(uv_process_t *process, int64_t code, int sig)
{
	struct worker *w = process->data;

	(void)code;
	(void)sig;
	w->exited = true;
	end_if_over(w);
}

static void on_time(uv_timer_t *t)
{
	struct worker *w = t->data;

	w->timed_out = true; /* told when it has gone */
	kill_worker(w);
}

/* ---- answers ---- */

static void give_buffer(uv_handle_t *h, size_t size, uv_buf_t *ret)
{
	struct worker *w = h->data;

	(void)size;
	*ret = uv_buf_init(w->pool->read_buf, sizeof(w->pool->read_buf));
}

static void tell_answer(struct mr_jq_request *r, const struct mr_jq_answer *a, struct mr_str text)
{
	switch ((enum mr_jq_word)a->word) {
	case MR_JQ_OUTPUTS:
		tell(r, MR_JQ_OK, text);
		break;
	case MR_JQ_OUT_OF_MEMORY:
		tell(r, MR_JQ_LIMIT, MR_STR("the jq program needs more memory than it may have"));
		break;
	case MR_JQ_TOO_LARGE:
		tell(r, MR_JQ_LIMIT, MR_STR("the outputs of the jq program are too large"));
		break;
	default:
		tell(r, MR_JQ_ERROR, text);
	}
}

/* A whole answer has come. */
static void answered(struct worker *w, const struct mr_jq_answer *a, struct mr_str text)
{
	struct mr_jq_request *r = w->request;

	w->last = a->last != 0;
	(void)uv_timer_stop(&w->timer); /* always 0 */
	if (w->state == WORKER_STARTING && a->word == MR_JQ_HELLO) {
		w->failures = 0;
		w->pool->why[0] = '\0';
		w->state = WORKER_IDLE;
	} else if (w->state == WORKER_BUSY && a->word != MR_JQ_HELLO) {
		w->request = NULL;
		w->state = WORKER_IDLE;
		if (a->source != MR_JQ_NO_PROGRAM)
			count_one(w->pool, MR_METRIC_JQ_PROGRAMS, "source",
			    a->source == MR_JQ_KEPT ? "kept" : "compiled");
		tell_answer(r, a, text);
	} else {
		w->last = true; /* nothing that it could say now */
		kill_worker(w);
	}
}

static void read_answer(struct worker *w)
{
	struct mr_jq_answer a;

	if (w->answer.len < sizeof(a))
		return;
	memcpy(&a, w->answer.p, sizeof(a));
	if (w->answer.len < sizeof(a) + a.len)
		return;
	answered(w, &a, (struct mr_str){ w->answer.p + sizeof(a), a.len });
	if (w->state != WORKER_ENDING)
		mr_buf_reset(&w->answer);
}

static void on_output(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct worker *w = s->data;
	struct mr_jq_pool *p = w->pool;

	if (n > 0 && w->state != WORKER_ENDING) {
		mr_buf_add(&w->answer, buf->base, (size_t)n);
		if (mr_buf_failed(&w->answer))
			kill_worker(w);
		else
			read_answer(w);
	}
	if (n < 0 && w->state != WORKER_ENDING) {
		w->ended = true;
		(void)uv_read_stop(s); /* always 0 */
		end_if_over(w);
	}
	if (!p->closing)
		schedule(p);
}

/* ---- starting ---- */

static void close_fd(struct mr_jq_pool *p, uv_file fd)
{
	uv_fs_t request;

	if (fd < 0)
		return;
	(void)uv_fs_close(p->loop, &request, fd, NULL); /* nothing to lose */
	uv_fs_req_cleanup(&request);
}

/* A pipe whose end H is on the loop; the other, to be inherited, is in *RET. */
static int make_pipe(struct worker *w, uv_pipe_t *h, bool reads, uv_file *ret)
{
	uv_file fds[2];
	int r = uv_pipe(fds, reads ? UV_NONBLOCK_PIPE : 0, reads ? 0 : UV_NONBLOCK_PIPE);

	if (r < 0)
		return r;
	(void)uv_pipe_init(w->pool->loop, h, 0); /* always 0 */
	h->data = w;
	w->handles++;
	*ret = fds[reads];
	r = uv_pipe_open(h, fds[!reads]);
	if (r < 0)
		close_fd(w->pool, fds[!reads]);
	return r;
}

static int spawn(struct worker *w, uv_file in, uv_file out)
{
	static char *no_environment[] = { NULL };
	char dir[PATH_MAX], path[PATH_MAX + 16], memory[32];
	char *argv[] = { path, memory, NULL };
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_INHERIT_FD, .data.fd = in },
		{ .flags = UV_INHERIT_FD, .data.fd = out },
		{ .flags = UV_IGNORE },
	};
	uv_process_options_t o = { .exit_cb = on_exit_of,
		.file = path,
		.args = argv,
		.env = no_environment,
		.cwd = "/",
		.flags = UV_PROCESS_DETACHED,
		.stdio = stdio,
		.stdio_count = 3 };

	if (mr_sandbox_helper_dir(dir) < 0)
		return UV_ENAMETOOLONG;
	(void)snprintf(path, sizeof(path), "%s/millrace-jq", dir); /* it fits */
	(void)snprintf(
	    memory, sizeof(memory), "%lld", (long long)w->pool->settings->jq_memory_bytes);
	w->handles++; /* also when it fails, the handle wants closing */
	w->process.data = w;
	return uv_spawn(w->pool->loop, &w->process, &o);
}

static void start(struct worker *w)
{
	uv_file in = -1, out = -1;
	char why[160];
	int r;

	memset(&w->process, 0, sizeof(w->process));
	memset(&w->in, 0, sizeof(w->in));
	memset(&w->out, 0, sizeof(w->out));
	w->exited = w->ended = w->timed_out = w->last = w->writing = false;
	mr_buf_init(&w->answer, OUTPUT_MAX + 4096);
	w->state = WORKER_STARTING;
	r = make_pipe(w, &w->in, false, &in);
	if (r == 0)
		r = make_pipe(w, &w->out, true, &out);
	if (r == 0)
		r = spawn(w, in, out);
	close_fd(w->pool, in);
	close_fd(w->pool, out);
	if (r == 0)
		r = uv_read_start((uv_stream_t *)&w->out, give_buffer, on_output);
	w->pool->started++;
	if (w->pool->metrics != NULL)
		mr_metric_add(w->pool->metrics, MR_METRIC_JQ_STARTED, NULL, 1);
	if (r == 0) {
		(void)uv_timer_start(&w->timer, on_time, START_MS, 0); /* always 0 */
		return;
	}
	(void)snprintf(why, sizeof(why), "millrace-jq can't be started: %s", uv_strerror(r));
	note_failure(w, why);
	kill_worker(w);
	if (w->handles > 0)
		close_life(w);
	else
		w->state = WORKER_OFF; /* not even a pipe could be made */
}

/* ---- work ---- */

static void on_written(uv_write_t *write, int status)
{
	struct worker *w = write->data;

	(void)status; /* one that failed: its end tells */
	w->writing = false;
	if (!w->pool->closing)
		schedule(w->pool);
}

static void give(struct worker *w, struct mr_jq_request *r)
{
	uv_buf_t bufs[2];

	w->request = r;
	r->given_ns = uv_hrtime();
	w->state = WORKER_BUSY;
	bufs[0] = uv_buf_init((char *)&r->ask, sizeof(r->ask));
	bufs[1] = uv_buf_init(r->text, (unsigned)request_len(r));
	(void)uv_timer_start(&w->timer, on_time, (uint64_t)(r->timeout_us + 999) / 1000, 0);
	w->write.data = w;
	w->writing = uv_write(&w->write, (uv_stream_t *)&w->in, bufs, 2, on_written) == 0;
	if (!w->writing)
		kill_worker(w); /* its end tells the request */
}

static struct worker *find(struct mr_jq_pool *p, enum worker_state state)
{
	for (unsigned i = 0; i < p->workers_len; i++) {
		struct worker *w = &p->workers[i];

		if (w->state == state && !(state == WORKER_IDLE && (w->last || w->writing)))
			return w;
	}
	return NULL;
}

static unsigned count(const struct mr_jq_pool *p, enum worker_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->workers_len; i++)
		n += p->workers[i].state == state;
	return n;
}

static void on_pool_time(uv_timer_t *t)
{
	schedule(t->data);
}

/* Those that have waited too long, or for what can't come. */
static void give_up(struct mr_jq_pool *p, uint64_t now)
{
	char why[200];

	while (p->first != NULL) {
		bool hopeless = p->why[0] != '\0' && count(p, WORKER_OFF) == p->workers_len;

		if (!hopeless && now - p->first->submitted_ns < WAIT_NS)
			return;
		(void)snprintf(why, sizeof(why), "%s",
		    p->why[0] != '\0' ? p->why : "all jq helpers are busy; try again shortly");
		tell(take(p), MR_JQ_UNAVAILABLE, mr_str(why));
	}
}

/* Starts as many helpers as there is work for. */
static void start_some(struct mr_jq_pool *p, uint64_t now)
{
	unsigned starting = count(p, WORKER_STARTING);

	for (unsigned i = 0; i < p->workers_len && starting < p->queued; i++) {
		struct worker *w = &p->workers[i];

		if (w->state != WORKER_OFF || now < w->not_before_ns)
			continue;
		start(w);
		starting++;
	}
}

/* Called from the loop only: it may tell. */
static void schedule(struct mr_jq_pool *p)
{
	uint64_t now = uv_hrtime();
	struct worker *w;

	while (p->first != NULL && (w = find(p, WORKER_IDLE)) != NULL)
		give(w, take(p));
	start_some(p, now);
	give_up(p, now);
	if (p->first != NULL && !p->closing)
		(void)uv_timer_start(&p->timer, on_pool_time, 100, 0); /* always 0 */
}

/* ---- the outside's view ---- */

int mr_jq_pool_create(uv_loop_t *loop, const struct mr_settings *settings, struct mr_jq_pool **ret,
    struct mr_error *err)
{
	struct mr_jq_pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "Out of memory.");
	p->loop = loop;
	p->settings = settings;
	p->workers_len = (unsigned)settings->jq_workers;
	p->timers = p->workers_len + 1;
	(void)uv_timer_init(loop, &p->timer); /* always 0 */
	p->timer.data = p;
	for (unsigned i = 0; i < p->workers_len; i++) {
		p->workers[i].pool = p;
		(void)uv_timer_init(loop, &p->workers[i].timer); /* always 0 */
		p->workers[i].timer.data = &p->workers[i];
	}
	*ret = p;
	return 0;
}

void mr_jq_pool_measure(struct mr_jq_pool *p, struct mr_metrics *m)
{
	p->metrics = m;
}

static void on_worker_timer_closed(uv_handle_t *h)
{
	struct worker *w = h->data;

	w->pool->timers--;
	free_pool_if_done(w->pool);
}

void mr_jq_pool_close(struct mr_jq_pool *p, void (*closed)(void *ctx), void *ctx)
{
	if (p == NULL) {
		if (closed != NULL)
			closed(ctx);
		return;
	}
	p->closing = true;
	p->closed = closed;
	p->closed_ctx = ctx;
	while (p->first != NULL)
		(void)request_free(take(p)); /* NULL */
	for (unsigned i = 0; i < p->workers_len; i++) {
		struct worker *w = &p->workers[i];

		w->request = request_free(w->request);
		kill_worker(w); /* its exit ends its life; until then it would be a zombie */
		end_if_over(w);
		uv_close((uv_handle_t *)&w->timer, on_worker_timer_closed);
	}
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

int mr_jq_eval(struct mr_jq_pool *p, struct mr_str program, struct mr_str input, int64_t timeout_us,
    mr_jq_done_fn *done, void *ctx, struct mr_jq_request **ret)
{
	struct mr_jq_request *r;

	if (program.len > MR_JQ_PROGRAM_MAX || input.len > MR_JQ_INPUT_MAX ||
	    p->queued >= QUEUE_MAX || p->queued_bytes + program.len + input.len > QUEUE_BYTES)
		return MR_E_LIMIT;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return MR_E_NOMEM;
	r->text = malloc(program.len + input.len + 1);
	if (r->text == NULL) {
		(void)request_free(r); /* NULL */
		return MR_E_NOMEM;
	}
	memcpy(r->text, program.p, program.len);
	memcpy(r->text + program.len, input.p, input.len);
	r->pool = p;
	r->ask = (struct mr_jq_ask){ (uint32_t)program.len, (uint32_t)input.len, OUTPUT_MAX };
	r->timeout_us = p->settings->jq_timeout_ms * 1000;
	if (timeout_us > 0 && timeout_us < r->timeout_us)
		r->timeout_us = timeout_us;
	r->submitted_ns = uv_hrtime();
	r->done = done;
	r->ctx = ctx;
	if (p->last != NULL)
		p->last->next = r;
	else
		p->first = r;
	p->last = r;
	p->queued++;
	p->queued_bytes += request_len(r);
	(void)uv_timer_start(&p->timer, on_pool_time, 0, 0); /* always 0; not from inside */
	if (ret != NULL)
		*ret = r;
	return 0;
}

void mr_jq_cancel(struct mr_jq_request *r)
{
	r->done = NULL;
}

unsigned mr_jq_running(const struct mr_jq_pool *p)
{
	return count(p, WORKER_BUSY);
}

unsigned mr_jq_queued(const struct mr_jq_pool *p)
{
	return p->queued;
}

unsigned mr_jq_started(const struct mr_jq_pool *p)
{
	return p->started;
}
