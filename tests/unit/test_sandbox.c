/* Helpers in their fence: what they can't reach, what ends them, the queue, the clean-up. */
#include "engine/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/test.h"

#define MIB (1024u * 1024)

struct fixture {
	uv_loop_t loop;
	struct mr_settings settings;
	struct mr_sandbox_pool *pool;
};

struct job {
	struct mr_sandbox_job j;
	unsigned done;
};

static int setup_with(void **state, const char *mode)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->settings.sandbox = mode;
	*state = f;
	if (uv_loop_init(&f->loop) != 0)
		return -1;
	return mr_sandbox_pool_create(&f->loop, &f->settings, &f->pool, NULL);
}

static int setup(void **state)
{
	return setup_with(state, "namespaces");
}

static int setup_rlimits(void **state)
{
	return setup_with(state, "rlimits");
}

static void on_closed(void *ctx)
{
	*(bool *)ctx = true;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	bool closed = false;

	mr_sandbox_pool_close(f->pool, on_closed, &closed);
	(void)uv_run(&f->loop, UV_RUN_DEFAULT);
	if (!closed || uv_loop_close(&f->loop) != 0)
		return -1;
	free(f);
	return 0;
}

static void on_done(struct mr_sandbox_job *j)
{
	((struct job *)j->ctx)->done++;
}

static void prepare(struct job *j, const char *const *argv)
{
	*j = (struct job){ .done = 0 };
	for (size_t i = 0; argv[i] != NULL; i++)
		j->j.argv[i] = argv[i];
	j->j.input_fd = -1;
	j->j.timeout_us = 20000000;
	j->j.max_output = MIB;
	j->j.memory_bytes = 512 * MIB;
	j->j.done = on_done;
	j->j.ctx = j;
}

static void finish(struct fixture *f, struct job *j)
{
	while (j->done == 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(j->done, 1);
	assert_null(j->j.process);
}

static void run_argv(struct fixture *f, struct job *j, const char *const *argv)
{
	prepare(j, argv);
	assert_int_equal(mr_sandbox_submit(f->pool, &j->j), 0);
	assert_int_equal(j->done, 0); /* never from inside submit */
	finish(f, j);
}

static void run_shell(struct fixture *f, struct job *j, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };

	run_argv(f, j, argv);
}

/* On a machine without user namespaces there is nothing to test but that it is said. */
static bool works(struct fixture *f)
{
	const char *why = "";

	while (mr_sandbox_pool_state(f->pool, &why) == MR_SANDBOX_TESTING)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	if (mr_sandbox_pool_state(f->pool, &why) == MR_SANDBOX_READY)
		return true;
	assert_non_null(strstr(why, "sandbox = rlimits"));
	return false;
}

static void test_echo(void **state)
{
	const char *const argv[] = { "tr", "a-z", "A-Z", NULL };
	struct fixture *f = *state;
	struct job j;
	int fd = memfd_create("in", MFD_CLOEXEC);

	if (!works(f))
		skip();
	assert_int_equal(write(fd, "hello", 5), 5); /* the offset is at the end: it is put back */
	for (int i = 0; i < 2; i++) {
		prepare(&j, argv);
		j.j.input_fd = fd;
		assert_int_equal(mr_sandbox_submit(f->pool, &j.j), 0);
		finish(f, &j);
		assert_int_equal(j.j.outcome, MR_SANDBOX_EXITED);
		assert_int_equal(j.j.exit_code, 0);
		assert_str(mr_buf_str(&j.j.output), "HELLO");
		assert_true(j.j.elapsed_us > 0);
		mr_sandbox_job_done(&j.j);
	}
	(void)close(fd);
}

/* Each line is something that must not work inside; the exit code must not be 0. */
static const char *const refused[] = {
	"exec 3<>/dev/tcp/127.0.0.1/22", /* dash has none, bash would */
	"perl -e 'use Socket; socket(S, PF_INET, SOCK_STREAM, 0) or exit 1'",
	"perl -e 'use Socket; socket(S, PF_UNIX, SOCK_STREAM, 0) or exit 1'",
	"cat /etc/passwd",
	"cat /proc/1/environ",
	"ls /home",
	"echo x >/usr/x",
	"echo x >/x",
	"unshare -U true",
	"mount -t tmpfs none /tmp",
	"test -n \"$SECRET_OF_TEST\"",
	"yes | head -c 40000000 >/tmp/too-large",
	"kill -0 $(($PPID + 0)) && test $PPID -gt 50",
};

static void test_refused(void **state)
{
	struct fixture *f = *state;

	if (!works(f))
		skip();
	(void)setenv("SECRET_OF_TEST", "1", 1);
	for (size_t i = 0; i < MR_ARRAY_LEN(refused); i++) {
		struct job j;

		run_shell(f, &j, refused[i]);
		if (j.j.outcome == MR_SANDBOX_EXITED && j.j.exit_code == 0)
			fail_msg("%s: %s", refused[i], j.j.output.p != NULL ? j.j.output.p : "");
		if (j.j.outcome == MR_SANDBOX_UNAVAILABLE)
			fail_msg("%s: %s", refused[i], j.j.message);
		mr_sandbox_job_done(&j.j);
	}
}

static const struct {
	const char *what;
	enum mr_sandbox_outcome outcome; /* when it isn't refused with code 10 */
} probes[] = {
	{ "inet", MR_SANDBOX_EXITED },
	{ "inet6", MR_SANDBOX_EXITED },
	{ "local", MR_SANDBOX_EXITED },
	{ "netlink", MR_SANDBOX_EXITED },
	{ "pair", MR_SANDBOX_EXITED },
	{ "passwd", MR_SANDBOX_EXITED },
	{ "proc", MR_SANDBOX_EXITED },
	{ "home", MR_SANDBOX_EXITED },
	{ "disk", MR_SANDBOX_EXITED },
	{ "write-usr", MR_SANDBOX_EXITED },
	{ "write-root", MR_SANDBOX_EXITED },
	{ "write-itself", MR_SANDBOX_EXITED },
	{ "write-input", MR_SANDBOX_EXITED },
	{ "trace", MR_SANDBOX_EXITED },
	{ "read-memory", MR_SANDBOX_EXITED },
	{ "mount", MR_SANDBOX_EXITED },
	{ "user-namespace", MR_SANDBOX_EXITED },
	{ "cloned-namespace", MR_SANDBOX_EXITED },
	{ "chroot", MR_SANDBOX_EXITED },
	{ "node", MR_SANDBOX_EXITED },
	{ "bpf", MR_SANDBOX_EXITED },
	{ "uring", MR_SANDBOX_EXITED },
	{ "keys", MR_SANDBOX_EXITED },
	{ "perf", MR_SANDBOX_EXITED },
	{ "faults", MR_SANDBOX_EXITED },
	{ "become-root", MR_SANDBOX_EXITED },
	{ "type-for-others", MR_SANDBOX_EXITED },
	{ "end-others", MR_SANDBOX_EXITED },
	{ "descriptors", MR_SANDBOX_EXITED },
	{ "foreign-descriptors", MR_SANDBOX_EXITED },
	{ "processes", MR_SANDBOX_EXITED },
	{ "memory", MR_SANDBOX_EXITED },
	{ "cores", MR_SANDBOX_EXITED },
	{ "environment", MR_SANDBOX_EXITED },
	{ "fill-tmp", MR_SANDBOX_EXITED },
	{ "compute", MR_SANDBOX_TIMEOUT },
	{ "wait", MR_SANDBOX_TIMEOUT },
	{ "flood", MR_SANDBOX_LIMIT },
};

/* A program of ours that tries each forbidden thing by itself. */
static void test_probes(void **state)
{
	struct fixture *f = *state;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (!works(f))
		skip();
	(void)setenv("SECRET_OF_TEST", "1", 1);
	for (size_t i = 0; i < MR_ARRAY_LEN(probes); i++) {
		const char *const argv[] = { "sandbox_probe", probes[i].what, NULL };
		struct job j;

		prepare(&j, argv);
		j.j.own_program = true;
		j.j.input_fd = fd;
		if (probes[i].outcome == MR_SANDBOX_TIMEOUT)
			j.j.timeout_us = 300000;
		assert_int_equal(mr_sandbox_submit(f->pool, &j.j), 0);
		finish(f, &j);
		if (j.j.outcome != probes[i].outcome ||
		    (j.j.outcome == MR_SANDBOX_EXITED && j.j.exit_code != 10))
			fail_msg("%s: outcome %d, exit %d, %s", probes[i].what, j.j.outcome,
			    j.j.exit_code, j.j.message);
		mr_sandbox_job_done(&j.j);
	}
	(void)close(fd);
}

/* A program that does nothing but make processes: there are 32 at most, whoever the engine runs as,
 * and none is left (its output would not end). */
static void test_bomb(void **state)
{
	const char *const argv[] = { "sandbox_probe", "bomb", NULL };
	struct fixture *f = *state;
	struct job j;

	if (!works(f))
		skip();
	prepare(&j, argv);
	j.j.own_program = true;
	j.j.timeout_us = 1000000;
	assert_int_equal(mr_sandbox_submit(f->pool, &j.j), 0);
	finish(f, &j);
	assert_int_equal(j.j.outcome, MR_SANDBOX_TIMEOUT);
	assert_in_range(j.j.output.len, 16, 32);
	mr_sandbox_job_done(&j.j);
}

/* Output that goes into a file instead: all of it is there, and not more than may be. */
static void test_output_into_a_file(void **state)
{
	const char *const argv[] = { "head", "-c", "30000000", "/dev/urandom", NULL };
	struct fixture *f = *state;
	struct job j;

	if (!works(f))
		skip();
	for (int i = 0; i < 2; i++) {
		FILE *file = tmpfile();

		prepare(&j, argv);
		j.j.output_fd = fileno(file);
		j.j.max_output = i == 0 ? 32u * MIB : 20u * MIB;
		assert_int_equal(mr_sandbox_submit(f->pool, &j.j), 0);
		finish(f, &j);
		assert_int_equal(j.j.outcome, i == 0 ? MR_SANDBOX_EXITED : MR_SANDBOX_LIMIT);
		assert_int_equal(j.j.output.len, 0);
		assert_int_equal(lseek(fileno(file), 0, SEEK_END), i == 0 ? 30000000 : 20 * MIB);
		mr_sandbox_job_done(&j.j);
		(void)fclose(file);
	}
}

static void test_descriptors(void **state)
{
	struct fixture *f = *state;
	struct job j;
	int leak = open("/dev/null", O_RDONLY); /* not close-on-exec: some library's */

	if (!works(f))
		skip();
	run_shell(
	    f, &j, "for i in 3 4 5 6 7 8 9; do { true <&$i; } 2>/dev/null && echo $i; done; true");
	assert_int_equal(j.j.outcome, MR_SANDBOX_EXITED);
	assert_str(mr_buf_str(&j.j.output), "");
	mr_sandbox_job_done(&j.j);
	(void)close(leak);
}

static const struct {
	const char *script;
	enum mr_sandbox_outcome outcome;
} ends[] = {
	{ "exit 0", MR_SANDBOX_EXITED },
	{ "exit 7", MR_SANDBOX_EXITED },
	{ "kill -SEGV $$", MR_SANDBOX_CRASHED },
	{ "kill -KILL $$", MR_SANDBOX_LIMIT }, /* a kill that isn't ours: the kernel's */
	{ "while :; do echo 0123456789012345678901234567890123456789; done", MR_SANDBOX_LIMIT },
	{ "perl -e 'my $x = \"a\" x 900000000; print length $x'", MR_SANDBOX_LIMIT },
};

static void check_ends(struct fixture *f)
{
	for (size_t i = 0; i < MR_ARRAY_LEN(ends); i++) {
		struct job j;

		run_shell(f, &j, ends[i].script);
		if (j.j.outcome != ends[i].outcome)
			fail_msg("%s: outcome %d, exit %d, signal %d, %s", ends[i].script,
			    j.j.outcome, j.j.exit_code, j.j.exit_signal,
			    mr_buf_str(&j.j.diagnostics).p);
		assert_true(j.j.output.len <= MIB);
		mr_sandbox_job_done(&j.j);
	}
}

static void test_ends(void **state)
{
	if (!works(*state))
		skip();
	check_ends(*state);
}

static void test_ends_rlimits(void **state)
{
	assert_true(works(*state));
	check_ends(*state);
}

static void check_timeouts(struct fixture *f)
{
	static const char *const scripts[] = { "sleep 60", "while :; do :; done",
		"(sleep 60 &) ; exec sleep 60", "trap '' TERM INT HUP; sleep 60" };

	for (size_t i = 0; i < MR_ARRAY_LEN(scripts); i++) {
		const char *const argv[] = { "sh", "-c", scripts[i], NULL };
		struct job j;

		prepare(&j, argv);
		j.j.timeout_us = 300000;
		assert_int_equal(mr_sandbox_submit(f->pool, &j.j), 0);
		finish(f, &j);
		assert_int_equal(j.j.outcome, MR_SANDBOX_TIMEOUT);
		/* the loop's timers count in milliseconds, so it may be part of one early */
		assert_in_range(j.j.elapsed_us, 300000 - 1000, 10000000);
		mr_sandbox_job_done(&j.j);
	}
}

static void test_timeouts(void **state)
{
	if (!works(*state))
		skip();
	check_timeouts(*state);
}

static void test_timeouts_rlimits(void **state)
{
	assert_true(works(*state));
	check_timeouts(*state);
}

static void test_missing_program(void **state)
{
	const char *const argv[] = { "no-such-program", NULL };
	struct fixture *f = *state;
	struct job j;

	if (!works(f))
		skip();
	run_argv(f, &j, argv);
	assert_int_equal(j.j.outcome, MR_SANDBOX_UNAVAILABLE);
	assert_non_null(strstr(j.j.message, "\"no-such-program\" is not installed"));
	mr_sandbox_job_done(&j.j);
}

/* One of ours that isn't where it should be. */
static void test_missing_helper(void **state)
{
	const char *const argv[] = { "no-such-helper", NULL };
	struct fixture *f = *state;
	struct job j;

	if (!works(f))
		skip();
	prepare(&j, argv);
	j.j.own_program = true;
	assert_int_equal(mr_sandbox_submit(f->pool, &j.j), 0);
	finish(f, &j);
	assert_int_equal(j.j.outcome, MR_SANDBOX_UNAVAILABLE);
	assert_non_null(strstr(j.j.message, "could not be started (no such file"));
	mr_sandbox_job_done(&j.j);
}

static void test_diagnostics(void **state)
{
	struct fixture *f = *state;
	struct job j;

	if (!works(f))
		skip();
	run_shell(f, &j, "yes e | head -c 100000 >&2; echo out");
	assert_int_equal(j.j.outcome, MR_SANDBOX_EXITED);
	assert_int_equal(j.j.diagnostics.len, 4096);
	assert_str(mr_buf_str(&j.j.output), "out\n");
	mr_sandbox_job_done(&j.j);
}

static void test_queue(void **state)
{
	const char *const argv[] = { "sleep", "0.05", NULL };
	struct fixture *f = *state;
	struct job j[20];
	unsigned most = 0;

	if (!works(f))
		skip();
	for (size_t i = 0; i < MR_ARRAY_LEN(j); i++) {
		prepare(&j[i], argv);
		assert_int_equal(mr_sandbox_submit(f->pool, &j[i].j), 0);
	}
	for (size_t i = 0; i < MR_ARRAY_LEN(j); i++) {
		while (j[i].done == 0) {
			unsigned n = mr_sandbox_running(f->pool);

			most = n > most ? n : most;
			(void)uv_run(&f->loop, UV_RUN_ONCE);
		}
		assert_int_equal(j[i].j.exit_code, 0);
		mr_sandbox_job_done(&j[i].j);
	}
	assert_in_range(most, 1, 8);
	assert_int_equal(mr_sandbox_running(f->pool), 0);
	assert_int_equal(mr_sandbox_queued(f->pool), 0);
}

/* Waiting in the queue is part of a job's time. */
static void test_timeout_in_queue(void **state)
{
	const char *const argv[] = { "sleep", "60", NULL };
	struct fixture *f = *state;
	struct job j[10];

	if (!works(f))
		skip();
	for (size_t i = 0; i < MR_ARRAY_LEN(j); i++) {
		prepare(&j[i], argv);
		j[i].j.timeout_us = i < 8 ? 60000000 : 100000;
		assert_int_equal(mr_sandbox_submit(f->pool, &j[i].j), 0);
	}
	for (size_t i = 8; i < MR_ARRAY_LEN(j); i++) {
		finish(f, &j[i]);
		assert_int_equal(j[i].j.outcome, MR_SANDBOX_TIMEOUT);
		mr_sandbox_job_done(&j[i].j);
	}
	for (size_t i = 0; i < 8; i++) {
		mr_sandbox_abort(&j[i].j);
		mr_sandbox_job_done(&j[i].j);
		assert_int_equal(j[i].done, 0);
	}
}

static void test_abort(void **state)
{
	const char *const argv[] = { "sleep", "60", NULL };
	struct fixture *f = *state;
	struct job j[2];

	if (!works(f))
		skip();
	for (size_t i = 0; i < 2; i++) {
		prepare(&j[i], argv);
		assert_int_equal(mr_sandbox_submit(f->pool, &j[i].j), 0);
	}
	mr_sandbox_abort(&j[0].j);
	mr_sandbox_abort(&j[0].j);
	mr_sandbox_job_done(&j[0].j);
	while (mr_sandbox_running(f->pool) > 1)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	mr_sandbox_abort(&j[1].j);
	mr_sandbox_job_done(&j[1].j);
	while (mr_sandbox_running(f->pool) > 0)
		(void)uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(j[0].done + j[1].done, 0);
}

/* However early: nothing of it stays. */
static void test_abort_while_it_starts(void **state)
{
	const char *const argv[] = { "sleep", "60", NULL };
	struct fixture *f = *state;
	struct job j;

	if (!works(f))
		skip();
	for (unsigned i = 0; i < 60; i++) {
		uint64_t until = uv_hrtime() + (uint64_t)i * 100000; /* up to 6 ms into its start */

		prepare(&j, argv);
		assert_int_equal(mr_sandbox_submit(f->pool, &j.j), 0);
		while (uv_hrtime() < until)
			(void)uv_run(&f->loop, UV_RUN_NOWAIT);
		mr_sandbox_abort(&j.j);
		mr_sandbox_job_done(&j.j);
		until = uv_hrtime() + (uint64_t)10 * 1000000000;
		while (mr_sandbox_running(f->pool) > 0) {
			(void)uv_run(&f->loop, UV_RUN_NOWAIT);
			assert_true(uv_hrtime() < until);
		}
		assert_int_equal(j.done, 0);
	}
}

/* Teardown closes while the test at start and jobs are under way. */
static void test_close_at_once(void **state)
{
	static struct job j[3];
	const char *const argv[] = { "sleep", "60", NULL };
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		prepare(&j[i], argv);
		assert_int_equal(mr_sandbox_submit(f->pool, &j[i].j), 0);
	}
}

static void test_close_running(void **state)
{
	static struct job j;
	const char *const argv[] = { "sleep", "60", NULL };
	struct fixture *f = *state;

	if (!works(f))
		skip();
	prepare(&j, argv);
	assert_int_equal(mr_sandbox_submit(f->pool, &j.j), 0);
	(void)uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(mr_sandbox_running(f->pool), 1);
}

static void test_bad_setting(void **state)
{
	struct mr_settings s = { .sandbox = "none" };
	struct mr_sandbox_pool *p = NULL;
	struct mr_error err;

	(void)state;
	assert_int_equal(mr_sandbox_pool_create(NULL, &s, &p, &err), MR_E_INVALID);
	assert_non_null(strstr(err.detail, "neither namespaces nor rlimits"));
}

#define UNIT(t)    cmocka_unit_test_setup_teardown(t, setup, teardown)
#define RLIMITS(t) cmocka_unit_test_setup_teardown(t, setup_rlimits, teardown)

int main(void)
{
	const char *build = getenv("top_builddir");
	char path[4096], dir[4200];
	const struct CMUnitTest tests[] = {
		UNIT(test_echo),
		UNIT(test_refused),
		UNIT(test_probes),
		UNIT(test_bomb),
		UNIT(test_output_into_a_file),
		UNIT(test_descriptors),
		UNIT(test_ends),
		RLIMITS(test_ends_rlimits),
		UNIT(test_timeouts),
		RLIMITS(test_timeouts_rlimits),
		UNIT(test_missing_program),
		UNIT(test_missing_helper),
		UNIT(test_diagnostics),
		UNIT(test_queue),
		UNIT(test_timeout_in_queue),
		UNIT(test_abort),
		UNIT(test_abort_while_it_starts),
		UNIT(test_close_at_once),
		UNIT(test_close_running),
		cmocka_unit_test(test_bad_setting),
	};

	if (build != NULL && realpath(build, path) != NULL) {
		(void)snprintf(dir, sizeof(dir), "%s/tests/support", path);
		(void)setenv("MILLRACE_LIBEXEC_DIR", dir, 1);
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
