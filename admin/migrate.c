/*
 * "millrace-admin migrate": sqitch brings the schema up to date, checking each change; then the
 * partitions that are due are made.
 */
#include "admin/admin.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

/* What libpq calls it, and the variable by which sqitch and psql take it. */
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

/* The password travels in the environment: arguments are seen by everyone. */
static int set_environment(const PQconninfoOption *options, const char **ret_dbname)
{
	for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
		if (o->val == NULL)
			continue;
		if (strcmp(o->keyword, "dbname") == 0)
			*ret_dbname = o->val;
		for (size_t i = 0; i < MR_ARRAY_LEN(connection_words); i++) {
			if (strcmp(o->keyword, connection_words[i].keyword) == 0 &&
			    setenv(connection_words[i].variable, o->val, 1) != 0)
				return mr_admin_fail("out of memory");
		}
	}
	/* sqitch wants to know who is at work */
	if (setenv("SQITCH_FULLNAME", "millrace-admin", 0) != 0 ||
	    setenv("SQITCH_EMAIL", "millrace-admin@localhost", 0) != 0)
		return mr_admin_fail("out of memory");
	return 0;
}

static void child_exited(uv_process_t *p, int64_t status, int signal)
{
	int *ret = p->data;

	*ret = signal != 0 ? 128 + signal : (int)status;
	uv_close((uv_handle_t *)p, NULL);
}

static int run_child(char **argv, const char *cwd)
{
	uv_stdio_container_t io[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDOUT_FILENO },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
	};
	int status = -1, r;
	uv_process_t process = { .data = &status };
	const uv_process_options_t options = { .exit_cb = child_exited,
		.file = argv[0],
		.args = argv,
		.cwd = cwd,
		.stdio_count = 3,
		.stdio = io };
	uv_loop_t loop;

	if (uv_loop_init(&loop) != 0)
		return mr_admin_fail("out of memory");
	r = uv_spawn(&loop, &process, &options);
	(void)uv_run(&loop, UV_RUN_DEFAULT); /* until the child has ended */
	(void)uv_loop_close(&loop);
	if (r < 0)
		return mr_admin_fail("%s: %s", argv[0], uv_strerror(r));
	return status == 0 ? 0 : mr_admin_fail("%s ended with %d", argv[0], status);
}

static int deploy(struct mr_admin *a, const char *dbname, const char *dir)
{
	struct mr_str target = mr_arena_printf(a->arena, "db:pg:%s", dbname);
	bool verify = mr_admin_opt(a, "no-verify") == NULL;
	char *argv[] = { "sqitch", "deploy", verify ? "--verify" : "--no-verify", "--target", NULL,
		NULL };

	if (target.p == NULL)
		return mr_admin_fail("out of memory");
	argv[4] = mr_arena_strz(a->arena, target);
	return argv[4] == NULL ? mr_admin_fail("out of memory") : run_child(argv, dir);
}

int mr_admin_migrate(struct mr_admin *a)
{
	const char *dir = mr_admin_data_path(a, "sql/migrations"), *dbname = "millrace";
	PQconninfoOption *options;
	char *why = NULL;
	int r;

	if (a->settings->admin_database_url[0] == '\0')
		return mr_admin_fail("admin_database_url is not set");
	options = PQconninfoParse(a->settings->admin_database_url, &why);
	if (options == NULL || dir == NULL) {
		r = mr_admin_fail("admin_database_url: %s", why != NULL ? why : "out of memory");
		PQfreemem(why);
		return r;
	}
	r = set_environment(options, &dbname);
	if (r == 0)
		r = deploy(a, dbname, dir);
	PQconninfoFree(options);
	return r == 0 ? mr_admin_partitions(a) : r;
}
