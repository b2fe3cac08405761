/* millrace-api: reads its settings, checks its tables, and becomes the supervisor. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#include "fcgi/dispatch.h"
#include "fcgi/router.h"
#include "fcgi/supervisor.h"
#include "lib/arena.h"
#include "lib/log.h"
#include "lib/loop.h"

#define DEFAULT_CONFIG "/etc/millrace/millrace.conf"

static int usage(void)
{
	(void)fputs("usage: millrace-api [-c FILE] [-t]\n"
	            "  -c FILE  settings; without it " DEFAULT_CONFIG ", when there is one\n"
	            "  -t       check the settings and tables, then end\n",
	    stderr);
	return 2;
}

/* Each connection is a file descriptor. */
static void raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return;
	l.rlim_cur = l.rlim_max < MR_LOOP_DESCRIPTORS ? l.rlim_max : MR_LOOP_DESCRIPTORS;
	(void)setrlimit(RLIMIT_NOFILE, &l); /* then there are fewer connections */
}

static struct mr_metric_route *route_labels(void)
{
	struct mr_metric_route *labels = calloc(mr_routes_len, sizeof(*labels));

	for (unsigned i = 0; labels != NULL && i < mr_routes_len; i++) {
		labels[i].method = mr_method_name(mr_routes[i].method);
		labels[i].path = mr_routes[i].path;
	}
	return labels;
}

int main(int argc, char **argv)
{
	const char *config = access(DEFAULT_CONFIG, R_OK) == 0 ? DEFAULT_CONFIG : NULL;
	struct mr_metric_route *labels;
	struct mr_settings *settings;
	struct mr_error err = { .id = MR_ERR_NONE };
	bool only_check = false;
	int opt, r;

	while ((opt = getopt(argc, argv, "c:t")) != -1) {
		if (opt == 'c')
			config = optarg;
		else if (opt == 't')
			only_check = true;
		else
			return usage();
	}
	if (optind != argc)
		return usage();
	mr_memory_setup();
	mr_log_init("millrace-api", MR_LOG_INFO);
	settings = mr_supervisor_settings(config);
	if (settings == NULL)
		return EX_CONFIG;
	mr_log_set_level((enum mr_log_level)mr_log_level_parse(mr_str(settings->log_level)));
	labels = route_labels();
	/* once, before the workers are forked: they share what it builds */
	if (labels == NULL || mr_dispatch_init(&err) < 0) {
		mr_log(MR_LOG_ERROR, "tables are not valid", MR_F_Z("reason", err.detail));
		free(labels);
		settings = mr_settings_free(settings);
		return EXIT_FAILURE;
	}
	if (only_check) {
		settings = mr_settings_free(settings);
		r = EXIT_SUCCESS;
	} else {
		raise_limit();
		r = mr_supervisor_run(config, settings, labels, mr_routes_len);
	}
	mr_dispatch_done();
	free(labels);
	return r;
}
