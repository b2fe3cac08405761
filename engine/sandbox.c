#include "engine/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/sandbox_private.h"
#include "lib/str.h"

#define STOP_LOOKS      2000 /* at most some milliseconds until a stopped process has stopped */
#define MAX_RUNNING     8
#define MAX_DIAGNOSTICS 4096
#define READ_SIZE       65536
#define TEST_US         20000000
#define FDS             (MR_SANDBOX_PROGRAM_FD + 1) /* that a helper's side may get */

struct mr_sandbox_pool {
	uv_loop_t *loop;
	enum mr_sandbox_fence fence;
	enum mr_sandbox_state state;
	char why[256]; /* when BROKEN */
	char helper_dir[PATH_MAX];
	void *filter; /* BPF; NULL without namespaces */
	size_t filter_len;
	unsigned max_running, running, queued;
	struct mr_sandbox_process *first, *last; /* all of them, oldest first */
	struct mr_sandbox_job test;
	bool closing;
	void (*closed)(void *ctx);
	void *closed_ctx;
	char read_buf[READ_SIZE]; /* libuv fills it and calls back at once */
};

enum process_state {
	PROCESS_QUEUED,
	PROCESS_RUNNING,
	PROCESS_OVER, /* its outcome is known; reported when the timer fires */
	PROCESS_CLOSING,
};

struct mr_sandbox_process {
	struct mr_sandbox_pool *pool;
	struct mr_sandbox_job *job; /* NULL: nobody wants it any more */
	struct mr_sandbox_process *prev, *next;
	enum process_state state;
	uv_process_t process;
	uv_timer_t timer;
	uv_pipe_t out, err;
	unsigned handles; /* open ones */
	bool exited, out_ended, err_ended;
	bool timed_out, too_much;
	int64_t exit_code;
	int exit_signal;
	uint64_t submitted_ns;
};

static void start_queued(struct mr_sandbox_pool *p);

/* ---- the end of a process ---- */

static void free_pool_if_done(struct mr_sandbox_pool *p)
{
	if (!p->closing || p->first != NULL)
		return;
	if (p->closed != NULL)
		p->closed(p->closed_ctx);
	free(p->filter);
	free(p);
}

static void unlink_process(struct mr_sandbox_process *x)
{
	struct mr_sandbox_pool *p = x->pool;

	if (x->prev != NULL)
		x->prev->next = x->next;
	else
		p->first = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	else
		p->last = x->prev;
}

static void on_handle_closed(uv_handle_t *h)
{
	struct mr_sandbox_process *x = h->data;
	struct mr_sandbox_pool *p = x->pool;

	if (--x->handles > 0)
		return;
	unlink_process(x);
	free(x);
	free_pool_if_done(p);
}

static void close_handle(uv_handle_t *h)
{
	if (h->type != UV_UNKNOWN_HANDLE && !uv_is_closing(h))
		uv_close(h, on_handle_closed);
}

static void close_process(struct mr_sandbox_process *x)
{
	if (x->state == PROCESS_QUEUED)
		x->pool->queued--;
	x->state = PROCESS_CLOSING;
	close_handle((uv_handle_t *)&x->timer);
	close_handle((uv_handle_t *)&x->process);
	close_handle((uv_handle_t *)&x->out);
	close_handle((uv_handle_t *)&x->err);
}

/* Reports to the job, if there is one still; X closes meanwhile. */
static void finish(struct mr_sandbox_process *x)
{
	struct mr_sandbox_job *j = x->job;

	x->job = NULL;
	close_process(x);
	if (j == NULL)
		return;
	j->process = NULL;
	j->elapsed_us = (int64_t)((uv_hrtime() - x->submitted_ns) / 1000);
	j->done(j);
}

/* For ends that are known inside submit or start: done() is called by the timer. */
static void on_over(uv_timer_t *t)
{
	finish(t->data);
}

MR_PRINTF(2, 3)
static void make_unavailable(struct mr_sandbox_process *x, const char *fmt, ...)
{
	va_list ap;

	if (x->job != NULL) {
		x->job->outcome = MR_SANDBOX_UNAVAILABLE;
		va_start(ap, fmt);
		(void)vsnprintf(x->job->message, sizeof(x->job->message), fmt, ap);
		va_end(ap);
	}
	if (x->state == PROCESS_QUEUED)
		x->pool->queued--;
	x->state = PROCESS_OVER;
	(void)uv_timer_start(&x->timer, on_over, 0, 0);
}

/* bwrap and shells tell a signal as 128 + its number. */
static int signal_of(const struct mr_sandbox_process *x)
{
	if (x->exit_signal != 0)
		return x->exit_signal;
	return x->exit_code > 128 && x->exit_code < 128 + NSIG ? (int)x->exit_code - 128 : 0;
}

static bool said_memory(struct mr_str s)
{
	return memmem(s.p, s.len, "bad_alloc", 9) != NULL ||
	       memmem(s.p, s.len, "ut of memory", 12) != NULL ||
	       memmem(s.p, s.len, "annot allocate memory", 21) != NULL;
}

static enum mr_sandbox_outcome judge(struct mr_sandbox_process *x, struct mr_sandbox_job *j)
{
	struct mr_str said = mr_buf_str(&j->diagnostics);
	int sig = signal_of(x);

	if (x->timed_out || sig == SIGXCPU)
		return MR_SANDBOX_TIMEOUT;
	if (x->too_much)
		return MR_SANDBOX_LIMIT;
	if (x->exit_code != 0 &&
	    (mr_str_starts(said, MR_STR("bwrap: ")) || mr_str_starts(said, MR_STR("setpriv: ")))) {
		struct mr_str line = mr_str_cut(&said, '\n');

		(void)snprintf(j->message, sizeof(j->message),
		    "The sandbox could not be put up (%.*s).",
		    (int)(line.len < 150 ? line.len : 150), line.p);
		return MR_SANDBOX_UNAVAILABLE;
	}
	if (x->exit_code == 127 || x->exit_code == 126) {
		(void)snprintf(j->message, sizeof(j->message),
		    "The program \"%.60s\" is not installed on this engine.", j->argv[0]);
		return MR_SANDBOX_UNAVAILABLE;
	}
	/* a kill that isn't ours is the kernel's: memory */
	if (sig == SIGKILL || sig == SIGXFSZ || (x->exit_code != 0 && said_memory(said)))
		return MR_SANDBOX_LIMIT;
	return sig != 0 ? MR_SANDBOX_CRASHED : MR_SANDBOX_EXITED;
}

static void finish_if_ended(struct mr_sandbox_process *x)
{
	struct mr_sandbox_pool *p = x->pool;

	if (x->state != PROCESS_RUNNING || !x->exited || !x->out_ended || !x->err_ended)
		return;
	if (x->job != NULL) {
		x->job->exit_code = (int)x->exit_code;
		x->job->exit_signal = signal_of(x);
		x->job->outcome = judge(x, x->job);
	}
	p->running--;
	finish(x);
	if (!p->closing)
		start_queued(p);
}

/* ---- while it runs ---- */

/* Each helper leads a process group. bwrap's death takes everything inside along. */
/* /proc/PID/NAME as text, cut to CAP. */
static bool read_proc(pid_t pid, const char *name, char *text, size_t cap)
{
	char path[64];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name); /* fits */
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, cap - 1);
	(void)close(fd); /* only read from */
	text[n > 0 ? n : 0] = '\0';
	return n >= 0;
}

static bool has_stopped(pid_t pid)
{
	char text[512];
	const char *state;

	if (!read_proc(pid, "stat", text, sizeof(text)))
		return true;        /* gone */
	state = strrchr(text, ')'); /* behind the program's name */
	return state == NULL || state[1] == '\0' || strchr("TtZX", state[2]) != NULL;
}

/*
 * bwrap's inner process dies with the outer one, but only once it has asked the kernel for that:
 * were the outer one killed in the moment between, the inner would live on. So the outer one is
 * stopped first, which keeps it from making another, and its children are killed by name.
 */
static void kill_children(pid_t pid)
{
	char text[512], name[32];
	struct mr_str rest;

	(void)kill(pid, SIGSTOP); /* gone already: fine */
	for (int i = 0; i < STOP_LOOKS && !has_stopped(pid); i++)
		(void)sched_yield();                                      /* always 0 */
	(void)snprintf(name, sizeof(name), "task/%d/children", (int)pid); /* fits */
	if (!read_proc(pid, name, text, sizeof(text)))
		return;
	rest = mr_str(text);
	while (rest.p != NULL) {
		struct mr_str word = mr_str_cut(&rest, ' ');
		int64_t child;

		if (mr_str_i64(word, &child) && child > 1)
			(void)kill((pid_t)child, SIGKILL); /* gone already: fine */
	}
}

static void kill_process(struct mr_sandbox_process *x)
{
	if (x->exited || x->process.pid <= 0)
		return;
	kill_children(x->process.pid);
	(void)kill(-x->process.pid, SIGKILL); /* gone already: fine */
}

static void on_exit_of(uv_process_t *process, int64_t code, int sig)
{
	struct mr_sandbox_process *x = process->data;

	x->exited = true;
	x->exit_code = code;
	x->exit_signal = sig;
	if (x->pool->fence == MR_FENCE_RLIMITS) /* what it left behind holds the pipes open */
		(void)kill(-process->pid, SIGKILL);
	finish_if_ended(x);
}

static void on_time(uv_timer_t *t)
{
	struct mr_sandbox_process *x = t->data;

	x->timed_out = true;
	if (x->state == PROCESS_RUNNING) {
		kill_process(x);
		return;
	}
	if (x->job != NULL)
		x->job->outcome = MR_SANDBOX_TIMEOUT; /* its turn never came */
	finish(x);
}

static void give_buffer(uv_handle_t *h, size_t size, uv_buf_t *ret)
{
	struct mr_sandbox_process *x = h->data;

	(void)size;
	*ret = uv_buf_init(x->pool->read_buf, sizeof(x->pool->read_buf));
}

static void on_output(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct mr_sandbox_process *x = s->data;

	if (n > 0 && x->job != NULL && !x->too_much) {
		mr_buf_add(&x->job->output, buf->base, (size_t)n);
		if (mr_buf_failed(&x->job->output)) {
			x->too_much = true;
			kill_process(x);
		}
	}
	if (n < 0) {
		x->out_ended = true;
		(void)uv_read_stop(s);
		finish_if_ended(x);
	}
}

static void on_diagnostics(uv_stream_t *s, ssize_t n, const uv_buf_t *buf)
{
	struct mr_sandbox_process *x = s->data;

	if (n > 0 && x->job != NULL) {
		size_t room = MAX_DIAGNOSTICS - x->job->diagnostics.len;

		mr_buf_add(&x->job->diagnostics, buf->base, (size_t)n < room ? (size_t)n : room);
	}
	if (n < 0) {
		x->err_ended = true;
		(void)uv_read_stop(s);
		finish_if_ended(x);
	}
}

/* ---- spawning ---- */

/* A helper gets its own descriptors and no other, whatever some library forgot to mark. */
static void mark_descriptors(void)
{
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	for (int fd = 3; fd < 4096; fd++) { /* a kernel before 5.11 */
		int flags = fcntl(fd, F_GETFD);

		if (flags >= 0)
			(void)fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
	}
}

/* The filter in a file of its own: its offset moves when bwrap reads it. -1 on failure. */
static int filter_file(const struct mr_sandbox_pool *p)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	if (write(fd, p->filter, p->filter_len) == (ssize_t)p->filter_len &&
	    lseek(fd, 0, SEEK_SET) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* A pipe whose reading end is R on the loop; returns the writing end, or -1. */
static int make_pipe(struct mr_sandbox_process *x, uv_pipe_t *r)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	(void)uv_pipe_init(x->pool->loop, r, 0); /* cannot fail */
	r->data = x;
	x->handles++;
	if (uv_pipe_open(r, fds[0]) != 0) {
		(void)close(fds[0]);
		(void)close(fds[1]);
		return -1;
	}
	return fds[1];
}

static unsigned cpu_seconds(const struct mr_sandbox_process *x)
{
	int64_t us = x->job->timeout_us - (int64_t)((uv_hrtime() - x->submitted_ns) / 1000);

	return us <= 0 ? 1 : (unsigned)(us / 1000000 + 1);
}

static int spawn_with(
    struct mr_sandbox_process *x, const struct mr_sandbox_command *cmd, const int fds[FDS])
{
	uv_stdio_container_t stdio[FDS];
	uv_process_options_t o = { .exit_cb = on_exit_of };

	for (unsigned i = 0; i < FDS; i++) {
		stdio[i].flags = fds[i] >= 0 ? UV_INHERIT_FD : UV_IGNORE;
		stdio[i].data.fd = fds[i];
	}
	o.file = cmd->argv[0];
	o.args = (char **)(uintptr_t)cmd->argv; /* libuv doesn't write to them */
	o.env = mr_sandbox_environment();
	o.cwd = "/";
	o.flags = UV_PROCESS_DETACHED; /* leads a session, and so a group */
	o.stdio = stdio;
	o.stdio_count = FDS;
	x->handles++; /* also when it fails, the handle wants closing */
	x->process.data = x;
	mark_descriptors();
	return uv_spawn(x->pool->loop, &x->process, &o);
}

/* The descriptors that only the fence of namespaces needs; 0, or libuv's error. */
static int open_for_fence(
    struct mr_sandbox_process *x, const struct mr_sandbox_command *cmd, int fds[FDS])
{
	if (x->pool->fence != MR_FENCE_NAMESPACES)
		return 0;
	fds[MR_SANDBOX_FILTER_FD] = filter_file(x->pool);
	if (fds[MR_SANDBOX_FILTER_FD] < 0)
		return UV_EMFILE;
	if (!x->job->own_program)
		return 0;
	fds[MR_SANDBOX_PROGRAM_FD] = open(cmd->own_path, O_RDONLY | O_CLOEXEC);
	return fds[MR_SANDBOX_PROGRAM_FD] < 0 ? uv_translate_sys_error(errno) : 0;
}

static int spawn(struct mr_sandbox_process *x)
{
	struct mr_sandbox_command cmd;
	bool to_file = x->job->output_fd > 0;
	int fds[FDS] = { x->job->input_fd, -1, -1, -1, -1 };
	int r =
	    mr_sandbox_command(&cmd, x->job, x->pool->fence, x->pool->helper_dir, cpu_seconds(x));

	if (r < 0)
		return UV_E2BIG;
	if (to_file)
		x->out_ended = true;
	fds[1] = to_file ? x->job->output_fd : make_pipe(x, &x->out);
	fds[2] = make_pipe(x, &x->err);
	r = fds[1] >= 0 && fds[2] >= 0 ? open_for_fence(x, &cmd, fds) : UV_EMFILE;
	if (fds[0] >= 0)
		(void)lseek(fds[0], 0, SEEK_SET); /* a pipe has no offset: fine */
	if (r == 0)
		r = spawn_with(x, &cmd, fds);
	for (int i = to_file ? 2 : 1; i < FDS; i++) {
		if (fds[i] >= 0)
			(void)close(fds[i]);
	}
	return r;
}

static void start_process(struct mr_sandbox_process *x)
{
	int r = spawn(x);

	if (r != 0) {
		make_unavailable(x, "The sandbox could not be started (%s).", uv_strerror(r));
		return;
	}
	x->pool->queued--;
	x->pool->running++;
	x->state = PROCESS_RUNNING;
	if (!x->out_ended)
		(void)uv_read_start((uv_stream_t *)&x->out, give_buffer, on_output);
	(void)uv_read_start((uv_stream_t *)&x->err, give_buffer, on_diagnostics);
}

static void start_queued(struct mr_sandbox_pool *p)
{
	struct mr_sandbox_process *x = p->first;

	/* next is read first; making one unavailable unlinks it only later, from the loop */
	while (x != NULL && p->running < p->max_running) {
		struct mr_sandbox_process *next = x->next;

		if (x->state == PROCESS_QUEUED) {
			if (p->state == MR_SANDBOX_READY || x->job == &p->test)
				start_process(x);
			else if (p->state == MR_SANDBOX_BROKEN)
				make_unavailable(x, "%s", p->why);
		}
		x = next;
	}
}

/* ---- jobs ---- */

int mr_sandbox_submit(struct mr_sandbox_pool *p, struct mr_sandbox_job *j)
{
	struct mr_sandbox_process *x = calloc(1, sizeof(*x));
	uint64_t ms = (uint64_t)(j->timeout_us > 0 ? j->timeout_us : 0) / 1000;

	j->process = NULL;
	j->exit_code = j->exit_signal = 0;
	j->elapsed_us = 0;
	j->message[0] = '\0';
	mr_buf_init(&j->output, j->max_output);
	mr_buf_init(&j->diagnostics, MAX_DIAGNOSTICS);
	if (x == NULL)
		return MR_E_NOMEM;
	x->pool = p;
	x->job = j;
	x->submitted_ns = uv_hrtime();
	(void)uv_timer_init(p->loop, &x->timer); /* cannot fail */
	x->timer.data = x;
	x->handles = 1;
	uv_update_time(p->loop); /* the loop's own idea of now may be old */
	(void)uv_timer_start(&x->timer, on_time, ms, 0);
	x->prev = p->last;
	if (p->last != NULL)
		p->last->next = x;
	else
		p->first = x;
	p->last = x;
	p->queued++;
	j->process = x;
	start_queued(p);
	return 0;
}

void mr_sandbox_abort(struct mr_sandbox_job *j)
{
	struct mr_sandbox_process *x = j->process;

	if (x == NULL)
		return;
	j->process = NULL;
	x->job = NULL;
	if (x->state == PROCESS_RUNNING)
		kill_process(x); /* its end closes it */
	else
		close_process(x);
}

void mr_sandbox_job_done(struct mr_sandbox_job *j)
{
	mr_buf_done(&j->output);
	mr_buf_done(&j->diagnostics);
}

/* ---- the pool ---- */

static void on_tested(struct mr_sandbox_job *j)
{
	struct mr_sandbox_pool *p = j->ctx;

	if (j->outcome == MR_SANDBOX_EXITED && j->exit_code == 0) {
		p->state = MR_SANDBOX_READY;
	} else {
		p->state = MR_SANDBOX_BROKEN;
		(void)snprintf(p->why, sizeof(p->why),
		    "This engine cannot fence in the programs that read files; allow user "
		    "namespaces, "
		    "or set sandbox = rlimits. %.100s",
		    j->message);
	}
	mr_sandbox_job_done(j);
	start_queued(p);
}

static int read_fence(const char *setting, enum mr_sandbox_fence *ret, struct mr_error *err)
{
	if (strcmp(setting, "namespaces") == 0)
		*ret = MR_FENCE_NAMESPACES;
	else if (strcmp(setting, "rlimits") == 0)
		*ret = MR_FENCE_RLIMITS;
	else
		return mr_error_set(err, MR_E_INVALID, MR_ERR_VALIDATION_FAILED,
		    "sandbox: \"%.60s\" is neither namespaces nor rlimits.", setting);
	return 0;
}

static unsigned cores(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > MAX_RUNNING ? MAX_RUNNING : (unsigned)n;
}

int mr_sandbox_pool_create(uv_loop_t *loop, const struct mr_settings *settings,
    struct mr_sandbox_pool **ret, struct mr_error *err)
{
	struct mr_sandbox_pool *p = calloc(1, sizeof(*p));
	int r = p != NULL ? read_fence(settings->sandbox, &p->fence, err)
	                  : mr_error_set(err, MR_E_NOMEM, MR_ERR_INTERNAL, "Out of memory.");

	if (r < 0)
		goto out;
	p->loop = loop;
	p->max_running = cores();
	r = mr_sandbox_helper_dir(p->helper_dir);
	if (r == 0 && p->fence == MR_FENCE_NAMESPACES)
		r = mr_sandbox_filter(&p->filter, &p->filter_len);
	if (r == 0) {
		p->test = (struct mr_sandbox_job){ .argv = { "true" },
			.input_fd = -1,
			.timeout_us = TEST_US,
			.max_output = 1024,
			.done = on_tested,
			.ctx = p };
		r = mr_sandbox_submit(p, &p->test);
	}
	if (r < 0)
		(void)mr_error_set(err, r, MR_ERR_INTERNAL, "The sandbox could not be set up.");
out:
	if (r < 0) {
		free(p != NULL ? p->filter : NULL);
		free(p);
		return r;
	}
	*ret = p;
	return 0;
}

void mr_sandbox_pool_close(struct mr_sandbox_pool *p, void (*closed)(void *ctx), void *ctx)
{
	if (p == NULL) {
		if (closed != NULL)
			closed(ctx);
		return;
	}
	p->closing = true;
	p->closed = closed;
	p->closed_ctx = ctx;
	for (struct mr_sandbox_process *x = p->first; x != NULL; x = x->next) {
		if (x->job != NULL)
			mr_sandbox_abort(x->job);
	}
	mr_sandbox_job_done(&p->test);
	free_pool_if_done(p);
}

enum mr_sandbox_state mr_sandbox_pool_state(const struct mr_sandbox_pool *p, const char **ret_why)
{
	if (ret_why != NULL && p->state == MR_SANDBOX_BROKEN)
		*ret_why = p->why;
	return p->state;
}

unsigned mr_sandbox_running(const struct mr_sandbox_pool *p)
{
	return p->running;
}

unsigned mr_sandbox_queued(const struct mr_sandbox_pool *p)
{
	return p->queued;
}
