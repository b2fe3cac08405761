#include "lib/loop.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/error.h"

static void do_nothing(uv_work_t *work)
{
	(void)work;
}

static void on_done(uv_work_t *work, int status)
{
	(void)status;
	free(work);
}

/* All of them are made for the first piece of work. */
static int start_threads(uv_loop_t *loop)
{
	uv_work_t *work = calloc(1, sizeof(*work));

	if (work == NULL)
		return MR_E_NOMEM;
	(void)uv_queue_work(loop, work, do_nothing, on_done); /* fails without a callback only */
	return 0;
}

static void never(uv_poll_t *poll, int status, int events)
{
	(void)poll, (void)status, (void)events;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

/* The table grows with the highest number that is looked at: it is looked at once. */
static int look_at(uv_loop_t *loop, int fd)
{
	uv_poll_t *poll = calloc(1, sizeof(*poll));
	int r;

	if (poll == NULL)
		return MR_E_NOMEM;
	if (uv_poll_init(loop, poll, fd) != 0) {
		free(poll);
		return MR_E_IO;
	}
	r = uv_poll_start(poll, UV_READABLE, never) == 0 ? 0 : MR_E_IO;
	uv_close((uv_handle_t *)poll, on_closed);
	return r;
}

static int highest(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0 || l.rlim_cur > MR_LOOP_DESCRIPTORS)
		return MR_LOOP_DESCRIPTORS - 1;
	return (int)l.rlim_cur - 1;
}

static int fill_table(uv_loop_t *loop)
{
	int fds[2], fd;
	int r = MR_E_IO;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return r;
	fd = fcntl(fds[0], F_DUPFD_CLOEXEC, highest());
	if (fd >= 0) {
		r = look_at(loop, fd);
		(void)close(fd); /* nothing was written */
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
	return r;
}

int mr_loop_prepare(uv_loop_t *loop)
{
	int r = fill_table(loop);

	return r < 0 ? r : start_threads(loop);
}
