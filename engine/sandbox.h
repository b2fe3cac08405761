/*
 * Helper programs that read foreign files, fenced in: bubblewrap's namespaces (no network, no
 * file but a read-only /usr), a seccomp filter, resource limits, a wall clock. A helper gets its
 * input as standard input and answers on standard output, into memory or into a file that is
 * given to it open; nothing else goes in or out. The pool
 * runs a few at a time and queues the rest. Everything on the loop's thread.
 */
#ifndef MR_ENGINE_SANDBOX_H
#define MR_ENGINE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "lib/buf.h"
#include "lib/error.h"
#include "lib/settings.h"

struct mr_sandbox_pool;

#define MR_SANDBOX_ARGS 24

enum mr_sandbox_outcome {
	MR_SANDBOX_EXITED,      /* exit_code */
	MR_SANDBOX_CRASHED,     /* exit_signal: it broke down, mostly for the file's sake */
	MR_SANDBOX_TIMEOUT,     /* wall clock or CPU time */
	MR_SANDBOX_LIMIT,       /* memory, or more output than max_output */
	MR_SANDBOX_UNAVAILABLE, /* no sandbox, or the program is missing: message says why */
};

/* One helper process. The caller's fields must live until done or abort. */
struct mr_sandbox_job {
	/* the caller's */
	const char *argv[MR_SANDBOX_ARGS + 1]; /* NULL-terminated; [0] a program in /usr/bin, or */
	bool own_program;                      /* one of ours, by its bare name */
	int input_fd; /* becomes standard input; stays the caller's, needed until start; -1: none */
	int output_fd; /* > 0: standard output goes there, not into output; stays the caller's */
	int64_t timeout_us;                     /* waiting in the queue counts too; > 0 */
	size_t max_output;                      /* standard output, there or in output */
	size_t memory_bytes;                    /* address space */
	void (*done)(struct mr_sandbox_job *j); /* once, on the loop, never from inside submit */
	void *ctx;
	/* the answer's; valid in done() and until mr_sandbox_job_done() */
	enum mr_sandbox_outcome outcome;
	int exit_code, exit_signal;
	struct mr_buf output;
	struct mr_buf
	    diagnostics; /* the first 4 KiB of standard error; for logs, not for clients */
	int64_t elapsed_us;
	char message[256]; /* one sentence when UNAVAILABLE */
	/* the pool's */
	struct mr_sandbox_process *process;
};

/* Starts the test whether the fence can be put up at once; jobs wait for its end. MR_E_INVALID
 * and ERR when the setting "sandbox" is neither namespaces nor rlimits. */
int mr_sandbox_pool_create(uv_loop_t *loop, const struct mr_settings *settings,
    struct mr_sandbox_pool **ret, struct mr_error *err) MR_MUST_CHECK;
/* Kills what runs (no done is called), closes, calls CLOSED (may be NULL) and frees P once the
 * loop has let go of everything. Takes NULL: then CLOSED is called at once. */
void mr_sandbox_pool_close(struct mr_sandbox_pool *p, void (*closed)(void *ctx), void *ctx);

/* Queues J; MR_E_NOMEM when it can't: then done is not called. */
int mr_sandbox_submit(struct mr_sandbox_pool *p, struct mr_sandbox_job *j) MR_MUST_CHECK;
/* Kills J's processes; done is not called. Harmless after done and before submit. */
void mr_sandbox_abort(struct mr_sandbox_job *j);
/* Frees the answer; the job may be submitted again. */
void mr_sandbox_job_done(struct mr_sandbox_job *j);

enum mr_sandbox_state { MR_SANDBOX_TESTING, MR_SANDBOX_READY, MR_SANDBOX_BROKEN };
/* How the test at start ended; *RET_WHY (may be NULL) is one sentence when BROKEN. */
enum mr_sandbox_state mr_sandbox_pool_state(const struct mr_sandbox_pool *p, const char **ret_why);
/* Helpers at work, and jobs that wait. */
unsigned mr_sandbox_running(const struct mr_sandbox_pool *p);
unsigned mr_sandbox_queued(const struct mr_sandbox_pool *p);

#endif
