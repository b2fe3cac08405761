/* millrace-engine [-c FILE] [-t]: claims runs, carries out their steps, writes what happened. */
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>
#include <uv.h>

#include "engine/engine.h"
#include "lib/arena.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "lib/notify.h"
#include "lib/settings.h"

#define SETTINGS_MAX ((size_t)1024 * 1024)

struct options {
	const char *file;
	bool only_test;
};

struct process {
	struct mr_engine engine;
	const char *file;             /* of the settings */
	struct mr_settings *settings; /* owned */
	uv_signal_t terminate, interrupt, hangup;
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
		mr_log(MR_LOG_ERROR, "setting refused", MR_F_S("path", f->path),
		    MR_F_S("detail", f->message));
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

static void use_log_level(const struct mr_settings *settings)
{
	int level = mr_log_level_parse(mr_str(settings->log_level));

	mr_log_set_level(level >= 0 ? (enum mr_log_level)level : MR_LOG_INFO);
}

static void on_hangup(uv_signal_t *handle, int number)
{
	struct process *p = handle->data;
	struct mr_settings *settings;

	(void)number;
	mr_notify(MR_NOTIFY_RELOADING);
	settings = read_settings(p->file);
	if (settings == NULL || mr_engine_reload(&p->engine, settings) < 0) {
		(void)mr_settings_free(settings); /* the old ones stay */
		mr_notify(MR_NOTIFY_READY);
		return;
	}
	p->settings = mr_settings_free(p->settings);
	p->settings = settings;
	use_log_level(settings);
	mr_log(MR_LOG_INFO, "settings read again");
	mr_notify(MR_NOTIFY_READY);
}

static void on_end(uv_signal_t *handle, int number)
{
	struct process *p = handle->data;

	(void)number;
	mr_notify(MR_NOTIFY_STOPPING);
	mr_engine_drain(&p->engine);
	if (uv_is_closing((uv_handle_t *)&p->terminate))
		return;
	uv_close((uv_handle_t *)&p->terminate, NULL);
	uv_close((uv_handle_t *)&p->interrupt, NULL);
	uv_close((uv_handle_t *)&p->hangup, NULL);
}

static void watch(
    struct process *p, uv_signal_t *handle, uv_loop_t *loop, int number, uv_signal_cb fn)
{
	handle->data = p;
	(void)uv_signal_init(loop, handle); /* both fail for an invalid number only */
	(void)uv_signal_start(handle, fn, number);
}

static int run(struct process *p)
{
	uv_loop_t loop;

	if (uv_loop_init(&loop) != 0)
		return 1;
	(void)signal(SIGPIPE, SIG_IGN); /* a closed peer is an error of its write */
	if (mr_loop_prepare(&loop) < 0)
		return 1;
	if (mr_engine_open(&p->engine, &loop, p->settings) < 0)
		return 1; /* the process ends: nothing was begun */
	watch(p, &p->terminate, &loop, SIGTERM, on_end);
	watch(p, &p->interrupt, &loop, SIGINT, on_end);
	watch(p, &p->hangup, &loop, SIGHUP, on_hangup);
	mr_notify(MR_NOTIFY_READY);          /* the database may come later */
	(void)uv_run(&loop, UV_RUN_DEFAULT); /* until everything is closed */
	mr_engine_done(&p->engine);
	if (uv_loop_close(&loop) != 0)
		return 1;
	return p->engine.misfit ? EX_CONFIG : 0;
}

int main(int argc, char **argv)
{
	static struct process p;
	struct options o = { .file = NULL };
	int r;

	mr_memory_setup();
	mr_log_init("millrace-engine", MR_LOG_INFO);
	if (parse_options(argc, argv, &o) < 0) {
		(void)fputs("usage: millrace-engine [-c FILE] [-t]\n", stderr);
		return 2;
	}
	p.file = o.file;
	p.settings = read_settings(o.file);
	if (p.settings == NULL)
		return EX_CONFIG;
	use_log_level(p.settings);
	r = o.only_test ? 0 : run(&p);
	p.settings = mr_settings_free(p.settings);
	return r;
}
