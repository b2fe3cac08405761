#include "admin/deploy.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "admin/child.h"
#include "lib/clock.h"
#include "lib/error.h"
#include "lib/pg.h"

#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS   8000
#define LOOK_MS          200
#define LOOK_BYTES       ((size_t)256 * 1024)
#define ERRORS_MAX       ((size_t)1024 * 1024)

/* One call of sqitch, and what it said. */
struct attempt {
	struct mr_deploy *d;
	bool was_busy;  /* a lock was not to be had in time, or a deadlock was broken */
	bool was_there; /* something is there already */
	struct mr_buf errors;
	struct mr_admin watch; /* with an arena that each look begins anew */
	bool blind;            /* nothing can be looked at any more */
};

static int64_t now_ms(void)
{
	return mr_clock_system.mono_us(NULL) / 1000;
}

static void pause_ms(int64_t ms)
{
	(void)poll(NULL, 0, (int)ms); /* cut short by a signal: no harm */
}

/* ---- alone ---- */

/* 0: the right is ours, 1: failed and told, MR_E_CONFLICT: somebody else has it. */
static int try_lock(struct mr_deploy *d, int64_t *ret_holder)
{
	const PGresult *r;

	if (mr_session_query(d->live, MR_SQL_ADMIN_MIGRATE_LOCK, NULL, &r) != 0)
		return 1;
	*ret_holder = mr_pg_i64(r, 0, "holder", 0);
	return mr_pg_bool(r, 0, "held") ? 0 : MR_E_CONFLICT;
}

static int try_left(struct mr_deploy *d, int64_t *ret_holder)
{
	const PGresult *r;

	if (mr_session_query(d->live, MR_SQL_ADMIN_MIGRATE_LEFT, NULL, &r) != 0)
		return 1;
	*ret_holder = mr_pg_i64(r, 0, "pid", 0);
	return mr_pg_i64(r, 0, "sessions", 0) == 0 ? 0 : MR_E_CONFLICT;
}

static int wait_for(
    struct mr_deploy *d, int (*try)(struct mr_deploy *d, int64_t *ret_holder), const char *what)
{
	int64_t until = now_ms() + d->wait_ms, holder = 0;
	bool told = false;
	int r;

	while ((r = try(d, &holder)) == MR_E_CONFLICT) {
		if (now_ms() >= until)
			return mr_admin_fail("%s (PostgreSQL's process %lld): nothing was done; "
			                     "wait for its end, or longer by --wait",
			    what, (long long)holder);
		if (!told && !d->quiet)
			(void)fprintf(stderr, "%s (PostgreSQL's process %lld): waiting\n", what,
			    (long long)holder);
		told = true;
		pause_ms(LOOK_MS);
	}
	return r;
}

int mr_deploy_begin(struct mr_deploy *d)
{
	int r = wait_for(d, try_lock, "another millrace-admin migrate is at work");

	return r == 0 ? wait_for(d, try_left, "a change is being deployed still") : r;
}

int mr_deploy_look(struct mr_deploy *d)
{
	const PGresult *rows;

	for (unsigned i = 0; i < d->plan->len; i++) {
		d->plan->changes[i].deployed_at = NULL;
		d->plan->changes[i].drifted = false;
	}
	d->plan->deployed = d->plan->unknown_len = 0;
	if (mr_session_query(d->live, MR_SQL_ADMIN_CHANGES, NULL, &rows) != 0)
		return 1;
	return mr_plan_compare(d->a, d->plan, rows);
}

/* ---- one call ---- */

static bool has(struct mr_str line, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= line.len; i++) {
		if (memcmp(line.p + i, word, n) == 0)
			return true;
	}
	return false;
}

/* psql is told to say SQLSTATEs, which are the same in every language. */
static void on_line(void *ctx, struct mr_str line, bool is_error)
{
	static const char *const busy[] = { " 55P03: ", " 57014: ", " 40P01: " };
	static const char *const there[] = {
		" 42P07: ", " 42701: ", " 42710: ", " 42723: ", " 42P06: "
	};
	struct attempt *t = ctx;

	for (size_t i = 0; is_error && i < MR_ARRAY_LEN(busy); i++)
		t->was_busy |= has(line, busy[i]);
	for (size_t i = 0; is_error && i < MR_ARRAY_LEN(there); i++)
		t->was_there |= has(line, there[i]);
	if (is_error) {
		mr_buf_adds(&t->errors, line);
		mr_buf_addc(&t->errors, '\n');
	} else if (!t->d->quiet) {
		(void)printf("%.*s\n", MR_STR_ARG(line));
		(void)fflush(stdout); /* it is only progress */
	}
}

/* Whoever waits for a lock has everybody behind it that comes later. */
static void on_tick(void *ctx)
{
	struct attempt *t = ctx;
	struct mr_session s = *t->d->live;
	char ms[24];
	const char *values[] = { ms };
	const PGresult *r;

	s.admin = &t->watch;
	mr_arena_reset(t->watch.arena);
	(void)snprintf(ms, sizeof(ms), "%lld", (long long)t->d->lock_timeout_ms); /* fits */
	if (t->blind || mr_session_query(&s, MR_SQL_ADMIN_MIGRATE_CUT, values, &r) != 0) {
		t->blind = true; /* told; the script's own lock_timeout is there still */
		return;
	}
	if (PQntuples(r) > 0) {
		struct mr_str name = mr_pg_text(r, 0, "name");

		(void)snprintf(t->d->blocker, sizeof(t->d->blocker), "%.*s by process %lld",
		    MR_STR_ARG(name), (long long)mr_pg_i64(r, 0, "blocker", 0)); /* may be cut */
	}
}

/* sqitch WORD --to-change TO MORE… */
static int call(struct attempt *t, const char *word, const char *to, const char *const *more)
{
	struct mr_str target = mr_arena_printf(t->d->a->arena, "db:pg:%s", t->d->dbname);
	const char *argv[16] = { "sqitch", word, "--target", target.p, "--to-change", to, "--set",
		"VERBOSITY=verbose" };
	const struct mr_child_hooks hooks = {
		.cwd = t->d->plan->dir, .line = on_line, .tick = on_tick, .ctx = t
	};

	if (target.p == NULL)
		return mr_admin_fail("out of memory");
	for (size_t n = 8; *more != NULL && n < 15; n++, more++)
		argv[n] = *more;
	t->was_busy = t->was_there = false;
	mr_buf_reset(&t->errors);
	return mr_child_wait((char **)(uintptr_t)argv, &hooks);
}

/* ---- again ---- */

/* False: patience is at its end. */
static bool wait_again(struct mr_deploy *d, int64_t until, int64_t *backoff_ms)
{
	int64_t left = until - now_ms();
	int64_t ms = *backoff_ms / 2 + (int64_t)(mr_clock_system.mono_us(NULL) % (*backoff_ms / 2));

	if (left <= 0)
		return false;
	d->tries++;
	if (!d->quiet)
		(void)fprintf(stderr, "a lock was not to be had in %lld ms (%s): trying again\n",
		    (long long)d->lock_timeout_ms, d->blocker[0] != '\0' ? d->blocker : "deadlock");
	pause_ms(ms < left ? ms : left);
	*backoff_ms = *backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : *backoff_ms * 2;
	return true;
}

static int tell_failure(const struct attempt *t, const char *what, int status)
{
	struct mr_deploy *d = t->d;
	const char *next =
	    d->plan->deployed < d->plan->len ? d->plan->changes[d->plan->deployed].name : "";

	(void)fprintf(stderr, "%.*s", MR_STR_ARG(mr_buf_str(&t->errors)));
	if (t->was_busy)
		return mr_admin_fail(
		    "%s: the locks it needs were not to be had within %lld s (%s); "
		    "the changes before it are there, of it nothing is",
		    next, (long long)(d->wait_ms / 1000),
		    d->blocker[0] != '\0' ? d->blocker : "deadlock");
	return mr_admin_fail("sqitch %s ended with %d; the database has %u of %u changes", what,
	    status, d->plan->deployed, d->plan->len);
}

/* The next change may have been deployed by one that was killed before sqitch had written that
 * down. */
static bool is_there(struct mr_deploy *d, const struct mr_change *c)
{
	struct mr_str verify = mr_admin_read(d->a, c->verify);
	bool there = verify.p != NULL && mr_session_script(d->live, verify) == 0;

	mr_session_rollback(d->live);
	return there;
}

static int write_down(struct attempt *t)
{
	static const char *const more[] = { "--log-only", NULL };
	const struct mr_change *c = &t->d->plan->changes[t->d->plan->deployed];

	(void)fprintf(
	    stderr, "%s is there already and only wasn't written down: now it is\n", c->name);
	return call(t, "deploy", c->name, more);
}

/* What becomes of a call that ended with STATUS: 0 go on, MR_E_CONFLICT all is done, 1 it failed.
 */
static int after_deploy(struct attempt *t, int status, unsigned to, int64_t until, int64_t *backoff)
{
	if (status < 0 || mr_deploy_look(t->d) != 0)
		return 1;
	if (status == 0)
		return t->d->plan->deployed > to ? MR_E_CONFLICT : tell_failure(t, "deploy", 0);
	if (t->was_busy && wait_again(t->d, until, backoff))
		return 0;
	if (!t->was_busy && t->was_there && t->d->plan->deployed <= to &&
	    is_there(t->d, &t->d->plan->changes[t->d->plan->deployed]) && write_down(t) == 0)
		return mr_deploy_look(t->d) != 0   ? 1
		       : t->d->plan->deployed > to ? MR_E_CONFLICT
		                                   : 0;
	return tell_failure(t, "deploy", status);
}

static int attempt_begin(struct attempt *t, struct mr_deploy *d)
{
	*t = (struct attempt){ .d = d, .watch = *d->a };
	mr_buf_init(&t->errors, ERRORS_MAX);
	t->watch.arena = mr_arena_create(LOOK_BYTES);
	return t->watch.arena != NULL ? 0 : mr_admin_fail("out of memory");
}

static void attempt_end(struct attempt *t)
{
	mr_buf_done(&t->errors);
	t->watch.arena = mr_arena_free(t->watch.arena);
}

int mr_deploy_run(struct mr_deploy *d, unsigned to, bool verify)
{
	/* what was deployed stays when a later change fails */
	const char *more[] = { "--mode", "change", verify ? "--verify" : "--no-verify", NULL };
	int64_t until = now_ms() + d->wait_ms, backoff = BACKOFF_FIRST_MS;
	struct attempt t;
	int r = attempt_begin(&t, d);

	if (r == 0 && d->is_there)
		r = write_down(&t) == 0 && mr_deploy_look(d) == 0 ? 0 : 1;
	if (r == 0 && d->plan->deployed > to)
		r = MR_E_CONFLICT;
	while (r == 0) {
		r = call(&t, "deploy", d->plan->changes[to].name, more);
		r = after_deploy(&t, r, to, until, &backoff);
	}
	attempt_end(&t);
	return r == MR_E_CONFLICT ? 0 : 1;
}

int mr_deploy_revert(struct mr_deploy *d, unsigned to)
{
	static const char *const more[] = { "-y", NULL };
	int64_t until = now_ms() + d->wait_ms, backoff = BACKOFF_FIRST_MS;
	struct attempt t;
	int r = attempt_begin(&t, d);

	while (r == 0) {
		r = call(&t, "revert", d->plan->changes[to].name, more);
		if (r == 0)
			break;
		if (r > 0 && t.was_busy && wait_again(d, until, &backoff))
			r = 0;
		else if (r > 0)
			r = mr_deploy_look(d) != 0 ? 1 : tell_failure(&t, "revert", r);
	}
	attempt_end(&t);
	return r == 0 ? 0 : 1;
}
