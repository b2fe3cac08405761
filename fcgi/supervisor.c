#include "fcgi/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "fcgi/worker.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/notify.h"

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS   5000
#define HEALTHY_MS       10000 /* who lived so long has not failed at once */
#define START_MS         15000 /* for new workers to say that they serve */
#define END_MS           15000 /* after SIGTERM, until SIGKILL: more than a worker's own limit */
#define FAULTS_MAX       50

enum child_state {
	CHILD_NONE,
	CHILD_STARTING,
	CHILD_SERVING,
	CHILD_DRAINING,
};

/* What a worker has said of itself. */
enum said {
	SAID_NOTHING,
	SAID_READY, /* the database was away */
	SAID_FITS,  /* ready, and the database's schema is one it knows */
};

/* One process. Its place in the array is its slot of the metrics, less one. */
struct child {
	enum child_state state;
	pid_t pid;
	unsigned number; /* which socket it has */
	unsigned generation;
	int64_t started_ms;
	int64_t kill_at_ms; /* 0: not yet */
};

/* One socket: which process should be there. */
struct place {
	unsigned failures;   /* one after the other */
	int64_t start_at_ms; /* when the next may be started; valid while there is none */
};

struct supervisor {
	const char *config;
	struct mr_settings *settings;
	struct mr_api_metrics *metrics;
	unsigned workers;
	struct place *places;
	struct child *children; /* room for two generations and some that drain */
	unsigned children_max;
	unsigned char *ready; /* shared: a worker sets its slot's byte to one of enum said */
	unsigned generation;  /* of the workers that are wanted */
	/* while new workers take over: what they run with, and what comes back if they fail */
	struct mr_settings *before;
	int64_t takeover_until_ms; /* 0: none is under way */
	bool reload_wanted;        /* SIGHUP came and was not obeyed yet */
	bool told_ready;           /* all workers have served, and the service manager knows */
	bool ending;
	bool fits;   /* a worker has found that the schema fits: others ended by mistake then */
	bool misfit; /* the schema doesn't: nothing is started any more */
};

static int64_t now_ms(void)
{
	return mr_clock_system.mono_us(NULL) / 1000;
}

/* ---- starting a process ---- */

struct ready_ctx {
	unsigned char *flag;
	pid_t supervisor;
};

static void say_ready(void *ctx, bool fits)
{
	const struct ready_ctx *r = ctx;

	__atomic_store_n(r->flag, fits ? SAID_FITS : SAID_READY, __ATOMIC_RELEASE);
	(void)kill(r->supervisor, SIGUSR1); /* gone: then so are we, by its death signal */
}

static void give_back(struct supervisor *s)
{
	(void)munmap(s->ready, s->children_max); /* arguments are right */
	s->metrics = mr_api_metrics_free(s->metrics);
	free(s->children);
	free(s->places);
	s->before = mr_settings_free(s->before);
	s->settings = mr_settings_free(s->settings);
}

MR_NORETURN static void be_worker(struct supervisor *s, unsigned slot, pid_t supervisor)
{
	struct ready_ctx ctx = { &s->ready[slot], supervisor };
	struct mr_worker_config c = {
		.settings = s->settings,
		.metrics = s->metrics,
		.number = s->children[slot].number,
		.workers = s->workers,
		.ready = say_ready,
		.ctx = &ctx,
	};
	sigset_t none;
	int status;

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* fails only for numbers that are no signal */
	if (getppid() != supervisor)
		_exit(EXIT_FAILURE); /* it died before we asked to be told */
	(void)sigemptyset(&none);
	(void)signal(SIGTERM, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* arguments are right */
	mr_api_metrics_attach(s->metrics, slot + 1);
	status = mr_worker_run(&c);
	give_back(s);
	exit(status);
}

static struct child *free_child(struct supervisor *s)
{
	for (unsigned i = 0; i < s->children_max; i++) {
		if (s->children[i].state == CHILD_NONE)
			return &s->children[i];
	}
	return NULL;
}

static void fail_place(struct supervisor *s, unsigned number)
{
	struct place *p = &s->places[number];
	int64_t wait = BACKOFF_FIRST_MS;
	uint16_t random = 0;

	for (unsigned i = 0; i < p->failures && wait < BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (wait > BACKOFF_MAX_MS)
		wait = BACKOFF_MAX_MS;
	p->failures++;
	/* spread, so that workers that fail for one reason don't all come back at once; not by
	 * mr_rand_system, whose state every worker would inherit */
	if (mr_random_bytes(&random, sizeof(random)) == 0)
		wait -= random % (wait / 2 + 1);
	p->start_at_ms = now_ms() + wait;
}

static void start(struct supervisor *s, unsigned number)
{
	struct child *c = free_child(s);
	pid_t self = getpid(), pid;
	unsigned slot;

	if (c == NULL) {
		fail_place(s, number); /* too many are still draining */
		return;
	}
	slot = (unsigned)(c - s->children);
	*c =
	    (struct child){ .number = number, .generation = s->generation, .started_ms = now_ms() };
	__atomic_store_n(&s->ready[slot], SAID_NOTHING, __ATOMIC_RELAXED);
	pid = fork();
	if (pid == 0)
		be_worker(s, slot, self);
	if (pid < 0) {
		mr_log(MR_LOG_ERROR, "worker can't be started", MR_F_N("worker", number),
		    MR_F_Z("error", strerror(errno)));
		fail_place(s, number);
		return;
	}
	c->pid = pid;
	c->state = CHILD_STARTING;
}

/* ---- what they are doing ---- */

static bool is_live(const struct child *c)
{
	return c->state == CHILD_STARTING || c->state == CHILD_SERVING;
}

static struct child *wanted_child(struct supervisor *s, unsigned number)
{
	for (unsigned i = 0; i < s->children_max; i++) {
		struct child *c = &s->children[i];

		if (is_live(c) && c->number == number && c->generation == s->generation)
			return c;
	}
	return NULL;
}

static unsigned count(const struct supervisor *s, enum child_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->children_max; i++)
		n += s->children[i].state == state;
	return n;
}

static void drain(struct child *c)
{
	if (c->state == CHILD_NONE || c->state == CHILD_DRAINING)
		return;
	c->state = CHILD_DRAINING;
	c->kill_at_ms = now_ms() + END_MS;
	(void)kill(c->pid, SIGTERM); /* gone: waitpid() will say so */
}

/* The new socket takes the place of the old one at once. */
static void publish(struct supervisor *s, struct child *c)
{
	char new[128], path[128];

	if (mr_worker_socket_path(s->settings, c->number, true, new, sizeof(new)) == 0 &&
	    mr_worker_socket_path(s->settings, c->number, false, path, sizeof(path)) == 0 &&
	    rename(new, path) == 0) {
		c->state = CHILD_SERVING;
		return;
	}
	mr_log(MR_LOG_ERROR, "socket can't be put in its place", MR_F_N("worker", c->number),
	    MR_F_Z("error", strerror(errno)));
	drain(c);
}

static bool is_ready(const struct supervisor *s, const struct child *c)
{
	return c->state == CHILD_STARTING &&
	       __atomic_load_n(&s->ready[c - s->children], __ATOMIC_ACQUIRE) != SAID_NOTHING;
}

static void gauge(const struct supervisor *s)
{
	mr_api_metrics_set(s->metrics, MR_METRIC_API_WORKERS, count(s, CHILD_SERVING));
}

/* ---- taking over new settings ---- */

static void end_takeover(struct supervisor *s)
{
	s->takeover_until_ms = 0;
	for (unsigned i = 0; i < s->children_max; i++) {
		struct child *c = &s->children[i];

		if (is_live(c) && c->generation != s->generation)
			drain(c);
	}
	s->before = mr_settings_free(s->before);
	mr_api_metrics_add(s->metrics, MR_METRIC_API_RELOADS_TOTAL, 1);
	mr_log(MR_LOG_INFO, "settings taken over", MR_F_N("workers", s->workers));
	mr_notify(MR_NOTIFY_READY);
}

/* The old workers have their sockets still. */
static void give_up_takeover(struct supervisor *s, const char *reason)
{
	s->takeover_until_ms = 0;
	for (unsigned i = 0; i < s->children_max; i++) {
		if (s->children[i].generation == s->generation)
			drain(&s->children[i]);
	}
	s->generation--;
	(void)mr_settings_free(s->settings); /* always NULL */
	s->settings = s->before;
	s->before = NULL;
	mr_log(MR_LOG_ERROR, "new settings refused, the old ones stay", MR_F_Z("reason", reason));
	mr_notify(MR_NOTIFY_READY);
}

static void watch_takeover(struct supervisor *s)
{
	unsigned ready = 0;

	for (unsigned i = 0; i < s->children_max; i++) {
		struct child *c = &s->children[i];

		ready += c->generation == s->generation && is_ready(s, c);
	}
	if (ready < s->workers) {
		if (now_ms() >= s->takeover_until_ms)
			give_up_takeover(s, "the new workers did not start in time");
		return;
	}
	for (unsigned i = 0; i < s->children_max; i++) {
		struct child *c = &s->children[i];

		if (c->generation == s->generation && c->state == CHILD_STARTING)
			publish(s, c);
	}
	end_takeover(s);
}

/* Keeps what only a restart can change, and says so. */
static int keep_fixed(const struct mr_settings *old, struct mr_settings *new)
{
	for (size_t i = 0; i < mr_setting_rows_len; i++) {
		const struct mr_setting_row *row = &mr_setting_rows[i];
		const char *was = (const char *)old + row->offset;
		char *is = (char *)new + row->offset;
		bool same;

		if (row->reload)
			continue;
		if (row->type == MR_SETTING_STRING) {
			const char *const *a = (const void *)was;
			const char **b = (void *)is;

			same = strcmp(*a, *b) == 0;
			*b = same ? *b : mr_arena_strz(new->arena, mr_str(*a));
			if (*b == NULL)
				return MR_E_NOMEM;
		} else {
			size_t size =
			    row->type == MR_SETTING_INTEGER ? sizeof(int64_t) : sizeof(bool);

			same = memcmp(is, was, size) == 0;
			memcpy(is, was, size);
		}
		if (!same)
			mr_log(MR_LOG_WARNING, "setting changes only at a restart",
			    MR_F_Z("name", row->name));
	}
	return 0;
}

static void reload(struct supervisor *s)
{
	struct mr_settings *new;

	if (s->takeover_until_ms != 0 || count(s, CHILD_DRAINING) > 0)
		return; /* the last change is under way: this one comes after it */
	s->reload_wanted = false;
	mr_notify(MR_NOTIFY_RELOADING);
	new = mr_supervisor_settings(s->config);
	if (new == NULL || keep_fixed(s->settings, new) < 0) {
		mr_log(MR_LOG_ERROR, "new settings refused, the old ones stay",
		    MR_F_Z("reason", "see above"));
		new = mr_settings_free(new);
		mr_notify(MR_NOTIFY_READY);
		return;
	}
	mr_log_set_level((enum mr_log_level)mr_log_level_parse(mr_str(new->log_level)));
	s->before = s->settings;
	s->settings = new;
	s->generation++;
	s->takeover_until_ms = now_ms() + START_MS;
	for (unsigned i = 0; i < s->workers; i++)
		start(s, i);
}

/* ---- the end of a process ---- */

static void end(struct supervisor *s)
{
	if (s->ending)
		return;
	s->ending = true;
	mr_notify(MR_NOTIFY_STOPPING);
	s->takeover_until_ms = 0;
	mr_log(MR_LOG_INFO, "supervisor drains", MR_F_N("workers", count(s, CHILD_SERVING)));
	for (unsigned i = 0; i < s->children_max; i++)
		drain(&s->children[i]);
}

static void reaped(struct supervisor *s, struct child *c, int status)
{
	bool expected = c->state == CHILD_DRAINING;
	bool wanted = c->generation == s->generation;

	mr_api_metrics_clear_gauges(s->metrics, (unsigned)(c - s->children) + 1);
	c->state = CHILD_NONE;
	if (expected)
		return;
	mr_log(MR_LOG_ERROR, "worker ended by itself", MR_F_N("worker", c->number),
	    MR_F_N("pid", c->pid), MR_F_N("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1),
	    MR_F_N("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG && !s->fits) {
		s->misfit = true;
		end(s);
		return;
	}
	if (s->takeover_until_ms != 0 && wanted) {
		give_up_takeover(s, "a new worker ended at its start");
		return;
	}
	mr_api_metrics_add(s->metrics, MR_METRIC_API_WORKER_RESTARTS_TOTAL, 1);
	if (now_ms() - c->started_ms >= HEALTHY_MS)
		s->places[c->number].failures = 0;
	fail_place(s, c->number);
}

static void reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (unsigned i = 0; i < s->children_max; i++) {
			struct child *c = &s->children[i];

			if (c->state != CHILD_NONE && c->pid == pid)
				reaped(s, c, status);
		}
	}
}

/* ---- the loop ---- */

static void start_missing(struct supervisor *s)
{
	for (unsigned i = 0; i < s->workers; i++) {
		if (wanted_child(s, i) == NULL && now_ms() >= s->places[i].start_at_ms)
			start(s, i);
	}
}

static void watch_children(struct supervisor *s)
{
	for (unsigned i = 0; i < s->children_max; i++) {
		struct child *c = &s->children[i];

		s->fits |= __atomic_load_n(&s->ready[i], __ATOMIC_ACQUIRE) == SAID_FITS;
		if (c->state == CHILD_DRAINING && now_ms() >= c->kill_at_ms) {
			c->kill_at_ms = now_ms() + END_MS;
			(void)kill(c->pid, SIGKILL); /* gone: waitpid() will say so */
		}
		if (s->takeover_until_ms != 0 || c->state != CHILD_STARTING)
			continue;
		if (is_ready(s, c))
			publish(s, c);
		else if (now_ms() - c->started_ms >= START_MS)
			(void)kill(
			    c->pid, SIGKILL); /* hangs; waitpid() says that it ended by itself */
	}
}

/* How long nothing can happen but a signal. */
static struct timespec patience(const struct supervisor *s)
{
	int64_t ms = 1000, now = now_ms();

	for (unsigned i = 0; i < s->workers; i++) {
		int64_t left = s->places[i].start_at_ms - now;

		if (left > 0 && left < ms)
			ms = left;
	}
	return (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
}

static bool all_gone(const struct supervisor *s)
{
	return count(s, CHILD_NONE) == s->children_max;
}

static void say_started(struct supervisor *s)
{
	if (s->told_ready || s->ending || count(s, CHILD_SERVING) < s->workers)
		return;
	s->told_ready = true;
	mr_notify(MR_NOTIFY_READY);
}

static void serve(struct supervisor *s, const sigset_t *signals)
{
	start_missing(s);
	while (!s->ending || !all_gone(s)) {
		struct timespec wait = patience(s);
		int sig = sigtimedwait(signals, NULL, &wait);

		if (sig == SIGTERM || sig == SIGINT)
			end(s);
		else if (sig == SIGHUP)
			s->reload_wanted = true;
		reap(s);
		watch_children(s);
		if (s->takeover_until_ms != 0)
			watch_takeover(s);
		else if (!s->ending)
			start_missing(s);
		if (s->reload_wanted && !s->ending)
			reload(s);
		gauge(s);
		say_started(s);
	}
}

/* ---- set-up ---- */

struct mr_settings *mr_supervisor_settings(const char *config)
{
	struct mr_arena *arena = mr_arena_create(65536);
	struct mr_settings *settings = NULL;
	struct mr_faults faults;
	int r = MR_E_NOMEM;

	mr_faults_init(&faults, arena, arena != NULL ? FAULTS_MAX : 0);
	if (arena != NULL)
		r = mr_settings_load(config, &faults, &settings);
	for (const struct mr_fault *f = faults.first; f != NULL; f = f->next)
		mr_log(MR_LOG_ERROR, "setting not valid", MR_F_S("name", f->path),
		    MR_F_S("reason", f->message));
	if (r < 0)
		settings = NULL;
	arena = mr_arena_free(arena);
	return settings;
}

static unsigned workers_wanted(const struct mr_settings *s)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (s->api_workers > 0)
		return (unsigned)s->api_workers;
	return cores > 0 && cores <= 256 ? (unsigned)cores : 1;
}

static void block_signals(sigset_t *signals)
{
	static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1 };

	(void)sigemptyset(signals);
	for (size_t i = 0; i < MR_ARRAY_LEN(ours); i++)
		(void)sigaddset(signals, ours[i]);   /* they are signals */
	(void)sigprocmask(SIG_BLOCK, signals, NULL); /* arguments are right */
	(void)signal(SIGPIPE, SIG_IGN);
}

static int allocate(struct supervisor *s, const struct mr_metric_route *routes, unsigned routes_len)
{
	void *ready;

	s->workers = workers_wanted(s->settings);
	s->children_max = s->workers * 3;
	s->places = calloc(s->workers, sizeof(*s->places));
	s->children = calloc(s->children_max, sizeof(*s->children));
	s->metrics = mr_api_metrics_create(routes, routes_len, s->children_max + 1);
	ready =
	    mmap(NULL, s->children_max, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	s->ready = ready != MAP_FAILED ? ready : NULL;
	return s->places != NULL && s->children != NULL && s->metrics != NULL && s->ready != NULL
	           ? 0
	           : MR_E_NOMEM;
}

/* So that nginx sees at once that nobody is there. */
static void remove_sockets(const struct supervisor *s)
{
	char path[128];

	for (unsigned i = 0; i < s->workers; i++) {
		for (int new = 0; new < 2; new ++) {
			if (mr_worker_socket_path(s->settings, i, new != 0, path, sizeof(path)) ==
			    0)
				(void)unlink(path); /* may be gone already */
		}
	}
}

int mr_supervisor_run(const char *config, struct mr_settings *settings,
    const struct mr_metric_route *routes, unsigned routes_len)
{
	struct supervisor s = { .config = config, .settings = settings };
	sigset_t signals;

	block_signals(&signals);
	if (allocate(&s, routes, routes_len) < 0) {
		mr_log(MR_LOG_ERROR, "supervisor can't start", MR_F_Z("reason", "no memory"));
		return EXIT_FAILURE;
	}
	mr_log(MR_LOG_INFO, "supervisor started", MR_F_N("workers", s.workers));
	serve(&s, &signals);
	remove_sockets(&s);
	mr_log(MR_LOG_INFO, "supervisor ended");
	give_back(&s);
	return s.misfit ? EX_CONFIG : EXIT_SUCCESS;
}
