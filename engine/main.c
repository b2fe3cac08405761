/* millrace-engine [-c FILE] [-t]: claims runs, carries out their steps, writes what happened. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#include "engine/engine.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/settings.h"

#define SETTINGS_MAX ((size_t)1024 * 1024)

struct options {
	const char *file;
	bool only_test;
};

struct process {
	struct mr_engine engine;
	uv_signal_t terminate, interrupt;
};

static int parse_options(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt(argc, argv, "c:t")) != -1) {
		if (c == 'c')
			o->file = optarg;
		else if (c == 't')
			o->only_test = true;
		else
			return -1;
	}
	return optind == argc ? 0 : -1;
}

static void tell_faults(const struct mr_faults *faults)
{
	for (const struct mr_fault *f = faults->first; f != NULL; f = f->next)
		mr_log(MR_LOG_ERROR, "setting refused", MR_F_S("path", f->path), MR_F_S("detail", f->message));
}

static struct mr_settings *read_settings(const char *file)
{
	struct mr_arena *arena = mr_arena_create(SETTINGS_MAX);
	struct mr_settings *settings = NULL;
	struct mr_faults faults;

	if (arena == NULL)
		return NULL;
	mr_faults_init(&faults, arena, 100);
	if (mr_settings_load(file, &faults, &settings) < 0) {
		tell_faults(&faults);
		settings = NULL;
	} else if (settings->engine_database_url[0] == '\0') {
		mr_log(MR_LOG_ERROR, "setting refused", MR_F_Z("name", "engine_database_url"),
		    MR_F_Z("detail", "is not set"));
		settings = mr_settings_free(settings);
	}
	(void)mr_arena_free(arena);
	return settings;
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct process *p = handle->data;

	(void)number;
	mr_engine_drain(&p->engine);
	if (!uv_is_closing((uv_handle_t *)&p->terminate)) {
		uv_close((uv_handle_t *)&p->terminate, NULL);
		uv_close((uv_handle_t *)&p->interrupt, NULL);
	}
}

static void watch(struct process *p, uv_signal_t *handle, uv_loop_t *loop, int number)
{
	handle->data = p;
	(void)uv_signal_init(loop, handle); /* both fail for an invalid number only */
	(void)uv_signal_start(handle, on_signal, number);
}

static int run(const struct mr_settings *settings)
{
	static struct process p;
	uv_loop_t loop;
	int r;

	if (uv_loop_init(&loop) != 0)
		return 1;
	(void)signal(SIGPIPE, SIG_IGN); /* a closed peer is an error of its write */
	r = mr_engine_open(&p.engine, &loop, settings);
	if (r < 0)
		return 1; /* the process ends: nothing was begun */
	watch(&p, &p.terminate, &loop, SIGTERM);
	watch(&p, &p.interrupt, &loop, SIGINT);
	(void)uv_run(&loop, UV_RUN_DEFAULT); /* until everything is closed */
	mr_engine_done(&p.engine);
	return uv_loop_close(&loop) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct options o = { .file = NULL };
	struct mr_settings *settings;
	int r;

	mr_log_init("millrace-engine", MR_LOG_INFO);
	if (parse_options(argc, argv, &o) < 0) {
		(void)fputs("usage: millrace-engine [-c FILE] [-t]\n", stderr);
		return 2;
	}
	settings = read_settings(o.file);
	if (settings == NULL)
		return 1;
	r = mr_log_level_parse(mr_str(settings->log_level));
	mr_log_set_level(r >= 0 ? (enum mr_log_level)r : MR_LOG_INFO);
	r = o.only_test ? 0 : run(settings);
	settings = mr_settings_free(settings);
	return r;
}
