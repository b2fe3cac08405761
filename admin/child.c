#include "admin/child.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#define LINE_MAX_BYTES ((size_t)64 * 1024)
#define TICK_MS        100

/* What libpq calls it, and the variable by which sqitch, psql and the others take it. */
static const struct {
	const char *keyword, *variable;
} connection_words[] = {
	{ "host", "PGHOST" },
	{ "port", "PGPORT" },
	{ "user", "PGUSER" },
	{ "password", "PGPASSWORD" },
	{ "sslmode", "PGSSLMODE" },
	{ "sslrootcert", "PGSSLROOTCERT" },
	{ "passfile", "PGPASSFILE" },
};

struct stream {
	uv_pipe_t pipe;
	struct child *child;
	struct mr_buf text;
	bool is_error;
};

struct child {
	uv_loop_t loop;
	uv_process_t process;
	uv_timer_t timer;
	struct stream out, err;
	const struct mr_child_hooks *hooks;
	char piece[4096]; /* what is being read; one stream at a time */
	int status;
};

static int set_variables(const PQconninfoOption *options)
{
	for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
		for (size_t i = 0; o->val != NULL && i < MR_ARRAY_LEN(connection_words); i++) {
			if (strcmp(o->keyword, connection_words[i].keyword) == 0 &&
			    setenv(connection_words[i].variable, o->val, 1) != 0)
				return mr_admin_fail("out of memory");
		}
	}
	/* sqitch wants to know who is at work, and we which sessions are its; an index that is
	 * built beside the traffic takes its time */
	if (setenv("SQITCH_FULLNAME", "millrace-admin", 0) != 0 ||
	    setenv("SQITCH_EMAIL", "millrace-admin@localhost", 0) != 0 ||
	    setenv("PGAPPNAME", MR_CHILD_NAME, 1) != 0 ||
	    setenv("PGOPTIONS", "-c statement_timeout=0 -c client_min_messages=warning", 1) != 0)
		return mr_admin_fail("out of memory");
	return 0;
}

int mr_child_environment(struct mr_admin *a)
{
	char *why = NULL;
	PQconninfoOption *options = PQconninfoParse(a->settings->admin_database_url, &why);
	int r;

	if (options == NULL)
		r = mr_admin_fail("admin_database_url: %s", why != NULL ? why : "out of memory");
	else
		r = set_variables(options);
	PQfreemem(why);
	PQconninfoFree(options);
	return r;
}

/* ---- lines ---- */

static void say_line(const struct stream *s, struct mr_str line)
{
	const struct mr_child_hooks *h = s->child->hooks;

	if (h->line != NULL)
		h->line(h->ctx, line, s->is_error);
	else
		(void)fprintf(s->is_error ? stderr : stdout, "%.*s\n", MR_STR_ARG(line));
}

static void take_lines(struct stream *s)
{
	const char *end;

	while ((end = memchr(s->text.p, '\n', s->text.len)) != NULL) {
		size_t n = (size_t)(end - s->text.p);

		say_line(s, (struct mr_str){ s->text.p, n });
		mr_buf_drop(&s->text, n + 1);
		if (s->text.len == 0)
			break;
	}
}

static void give_room(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
	struct stream *s = h->data;

	(void)wanted;
	*ret = uv_buf_init(s->child->piece, sizeof(s->child->piece));
}

static void on_read(uv_stream_t *pipe, ssize_t n, const uv_buf_t *piece)
{
	struct stream *s = pipe->data;

	if (n < 0) {
		if (s->text.len > 0)
			say_line(s, mr_buf_str(&s->text));
		uv_close((uv_handle_t *)pipe, NULL);
	} else if (n > 0) {
		mr_buf_add(&s->text, piece->base, (size_t)n);
		take_lines(s);
		if (mr_buf_failed(&s->text))
			mr_buf_reset(&s->text); /* a line that long is no message */
	}
}

/* ---- the process ---- */

static void on_tick(uv_timer_t *t)
{
	const struct child *c = t->data;

	c->hooks->tick(c->hooks->ctx);
}

static void on_exit_of(uv_process_t *p, int64_t status, int signal)
{
	struct child *c = p->data;

	c->status = signal != 0 ? 128 + signal : (int)status;
	uv_close((uv_handle_t *)p, NULL);
	uv_close((uv_handle_t *)&c->timer, NULL);
}

static void open_stream(struct child *c, struct stream *s, bool is_error)
{
	s->child = c;
	s->is_error = is_error;
	mr_buf_init(&s->text, LINE_MAX_BYTES);
	(void)uv_pipe_init(&c->loop, &s->pipe, 0); /* these always succeed */
	s->pipe.data = s;
}

static int spawn(struct child *c, char **argv)
{
	uv_stdio_container_t io[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		    .data.stream = (uv_stream_t *)&c->out.pipe },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		    .data.stream = (uv_stream_t *)&c->err.pipe },
	};
	const uv_process_options_t options = { .exit_cb = on_exit_of,
		.file = argv[0],
		.args = argv,
		.cwd = c->hooks->cwd,
		.stdio_count = 3,
		.stdio = io };
	int r = uv_spawn(&c->loop, &c->process, &options);

	if (r < 0) {
		(void)mr_admin_fail("%s: %s", argv[0], uv_strerror(r));
		uv_close((uv_handle_t *)&c->out.pipe, NULL);
		uv_close((uv_handle_t *)&c->err.pipe, NULL);
		uv_close((uv_handle_t *)&c->timer, NULL);
		return -1;
	}
	(void)uv_read_start((uv_stream_t *)&c->out.pipe, give_room, on_read); /* both are open */
	(void)uv_read_start((uv_stream_t *)&c->err.pipe, give_room, on_read);
	if (c->hooks->tick != NULL)
		(void)uv_timer_start(&c->timer, on_tick, TICK_MS, TICK_MS); /* has a callback */
	return 0;
}

int mr_child_wait(char **argv, const struct mr_child_hooks *hooks)
{
	struct child c = { .hooks = hooks, .status = -1 };

	if (uv_loop_init(&c.loop) != 0) {
		(void)mr_admin_fail("out of memory");
		return -1;
	}
	c.process.data = c.timer.data = &c;
	(void)uv_timer_init(&c.loop, &c.timer); /* always succeeds */
	open_stream(&c, &c.out, false);
	open_stream(&c, &c.err, true);
	(void)spawn(&c, argv);                 /* the status says when it failed */
	(void)uv_run(&c.loop, UV_RUN_DEFAULT); /* until the child has ended */
	(void)uv_loop_close(&c.loop);          /* all handles are closed */
	mr_buf_done(&c.out.text);
	mr_buf_done(&c.err.text);
	return c.status;
}

static void only_errors(void *ctx, struct mr_str line, bool is_error)
{
	(void)ctx;
	if (is_error)
		(void)fprintf(stderr, "%.*s\n", MR_STR_ARG(line));
}

int mr_child_run(char **argv)
{
	const struct mr_child_hooks hooks = { .line = only_errors };
	int status = mr_child_wait(argv, &hooks);

	if (status > 0)
		return mr_admin_fail("%s ended with %d", argv[0], status);
	return status == 0 ? 0 : 1;
}
