/*
 * "millrace-admin migrate": shows what the schema lacks and what deploying it would lock, has
 * sqitch deploy it beside live traffic, then makes the partitions that are due. And what belongs to
 * it: status, verify, revert.
 */
#include "admin/admin.h"

#include <stdio.h>
#include <string.h>

#include "admin/child.h"
#include "admin/deploy.h"
#include "admin/migrate_show.h"
#include "admin/rehearsal.h"

#define JSON_MAX ((size_t)4 * 1024 * 1024)

/* One command. */
struct migration {
	struct mr_admin *a;
	struct mr_session live;
	struct mr_plan plan;
	struct mr_deploy deploy;
	struct mr_rehearsal rehearsal;
	struct mr_buf json;
	bool wants_json;
	unsigned from, to; /* changes to be deployed: FROM … TO - 1 */
};

/* ---- beginning and end ---- */

static int number_of(struct mr_admin *a, const char *name, int64_t otherwise, int64_t *ret)
{
	const char *text = mr_admin_opt(a, name);

	*ret = otherwise;
	if (text == NULL || (mr_str_i64(mr_str(text), ret) && *ret >= 0))
		return 0;
	return mr_admin_fail("--%s: %s is no number from 0 on", name, text);
}

static int open_deploy(struct migration *m)
{
	struct mr_admin *a = m->a;
	int64_t seconds;

	if (number_of(a, "wait", a->settings->migrate_wait_seconds, &seconds) != 0)
		return 1;
	if (seconds > 86400)
		return mr_admin_fail("--wait: at most 86400 seconds");
	m->deploy = (struct mr_deploy){ .a = a,
		.live = &m->live,
		.plan = &m->plan,
		.dbname = mr_session_dbname(a),
		.lock_timeout_ms = a->settings->migrate_lock_timeout_ms,
		.wait_ms = seconds * 1000,
		.quiet = m->wants_json };
	return m->deploy.dbname != NULL ? 0 : 1;
}

static int migration_open(struct mr_admin *a, struct migration *m)
{
	const char *dir = mr_admin_data_path(a, "sql/migrations");

	*m = (struct migration){ .a = a, .wants_json = mr_admin_opt(a, "json") != NULL };
	mr_buf_init(&m->json, JSON_MAX);
	mr_buf_addc(&m->json, '{');
	if (dir == NULL)
		return mr_admin_fail("out of memory");
	if (open_deploy(m) != 0 || mr_plan_read(a, dir, &m->plan) != 0 ||
	    mr_session_open(a, NULL, "", &m->live) != 0 || mr_child_environment(a) != 0)
		return 1;
	return 0;
}

/* Prints the object, whatever became of the command; R is its status. */
static int migration_close(struct migration *m, int r)
{
	if (m->wants_json) {
		mr_buf_addf(&m->json, "\"ok\":%s}", r == 0 ? "true" : "false");
		if (mr_buf_failed(&m->json))
			r = mr_admin_fail("out of memory");
		else
			(void)printf("%.*s\n", MR_STR_ARG(mr_buf_str(&m->json)));
	}
	mr_buf_done(&m->json);
	mr_session_close(&m->live);
	return r;
}

/* The change that --to names. 1: there is none of that name. */
static int named_change(struct migration *m, unsigned *ret)
{
	const char *name = mr_admin_need(m->a, "to");
	int i = name != NULL ? mr_plan_find(&m->plan, mr_str(name)) : -1;

	if (name == NULL)
		return 1;
	if (i < 0)
		return mr_admin_fail("--to: %s/sqitch.plan has no change %s", m->plan.dir, name);
	*ret = (unsigned)i;
	return 0;
}

/* A database that is ahead is left alone: another release looks after it. */
static int refuse_newer(const struct mr_plan *plan)
{
	if (plan->unknown_len == 0)
		return 0;
	return mr_admin_fail("the database has %s, which this release does not know: it belongs to "
	                     "a newer one",
	    plan->unknown[0]);
}

static void tell_drift(const struct mr_plan *plan)
{
	for (unsigned i = 0; i < plan->deployed; i++) {
		if (plan->changes[i].drifted)
			(void)mr_admin_fail("warning: %s was deployed by another script than this "
			                    "release has",
			    plan->changes[i].name);
	}
}

/* ---- migrate ---- */

static int find_pending(struct migration *m)
{
	m->from = m->plan.deployed;
	m->to = m->plan.len;
	if (mr_admin_opt(m->a, "to") != NULL) {
		if (named_change(m, &m->to) != 0)
			return 1;
		m->to++;
	}
	if (m->to < m->from)
		m->to = m->from; /* it is there already */
	return 0;
}

/* In a database without tables there is nobody to be locked out. */
static int rehearse(struct migration *m)
{
	bool may_lock = mr_admin_opt(m->a, "allow-locks") != NULL;
	int64_t big;

	if (number_of(m->a, "big-rows", m->a->settings->migrate_big_rows, &big) != 0 ||
	    mr_rehearsal_tables(&m->live, big, &m->rehearsal) != 0)
		return 1;
	if (m->rehearsal.tables_len == 0 || m->from == m->to)
		return 0;
	if (mr_rehearse(m->a, &m->live, &m->plan, m->from, m->to, &m->rehearsal) != 0)
		return may_lock ? 0 : 1;
	return 0;
}

/* 1: it is not to be deployed. */
static int judge(struct migration *m)
{
	bool may_lock = mr_admin_opt(m->a, "allow-locks") != NULL;

	for (const struct mr_act *x = m->rehearsal.acts; x != NULL; x = x->next) {
		if (x->failed != NULL && !may_lock)
			return mr_admin_fail(
			    "%s fails in the rehearsal, so nothing was deployed: %s",
			    x->change->name, x->failed);
	}
	if (m->rehearsal.refusals == NULL || may_lock)
		return 0;
	mr_show_refusals(&m->rehearsal);
	return 1;
}

static int show_pending(struct migration *m)
{
	if (m->wants_json)
		mr_show_json_plan(&m->json, &m->plan, m->from, m->to, &m->rehearsal);
	else if (m->from < m->to)
		mr_show_plan(&m->plan, m->from, m->to, &m->rehearsal, m->deploy.dbname);
	else
		(void)printf("Nothing to deploy: %s has all changes\n", m->deploy.dbname);
	return 0;
}

static int deploy(struct migration *m)
{
	bool verify = mr_admin_opt(m->a, "no-verify") == NULL;
	int r = 0;

	m->deploy.is_there = m->rehearsal.acts != NULL && m->rehearsal.acts->is_there;
	if (m->from < m->to)
		r = mr_deploy_run(&m->deploy, m->to - 1, verify);
	mr_buf_addz(&m->json, "\"done\":[");
	for (unsigned i = m->from; i < m->plan.deployed; i++) {
		if (i > m->from)
			mr_buf_addc(&m->json, ',');
		mr_buf_add_json(&m->json, mr_str(m->plan.changes[i].name));
	}
	mr_buf_addf(&m->json, "],\"tries\":%u,", m->deploy.tries + 1);
	return r;
}

static int migrate(struct migration *m)
{
	if (mr_deploy_begin(&m->deploy) != 0 || mr_deploy_look(&m->deploy) != 0 ||
	    refuse_newer(&m->plan) != 0)
		return 1;
	tell_drift(&m->plan);
	if (find_pending(m) != 0 || rehearse(m) != 0 || show_pending(m) != 0 || judge(m) != 0)
		return 1;
	return mr_admin_opt(m->a, "dry-run") != NULL ? 0 : deploy(m);
}

int mr_admin_migrate(struct mr_admin *a)
{
	bool act = mr_admin_opt(a, "dry-run") == NULL;
	struct migration m;
	int r = migration_open(a, &m);

	if (r == 0)
		r = migrate(&m);
	/* a schema that isn't whole yet may have no partitions at all */
	act = act && r == 0 && m.plan.deployed == m.plan.len;
	if (act)
		r = mr_admin_partitions(a);
	/* changes from elsewhere (--dir) may have no templates */
	if (act && r == 0 && mr_admin_opt(a, "dir") == NULL)
		r = mr_admin_library_after_migrate(a);
	return migration_close(&m, r);
}

/* ---- status, verify, revert ---- */

int mr_admin_migrate_status(struct mr_admin *a)
{
	struct migration m;
	int r = migration_open(a, &m);

	if (r == 0)
		r = mr_deploy_look(&m.deploy);
	if (r == 0 && m.wants_json)
		mr_show_json_status(&m.json, &m.plan);
	else if (r == 0)
		mr_show_status(&m.plan, m.deploy.dbname);
	for (unsigned i = 0; r == 0 && i < m.plan.deployed; i++)
		r = m.plan.changes[i].drifted ? 1 : 0;
	return migration_close(&m, r);
}

/* 1: the database lacks what C brought. */
static int verify_change(struct migration *m, const struct mr_change *c, bool first)
{
	struct mr_str text = mr_admin_read(m->a, c->verify);
	int r = text.p != NULL ? mr_session_script(&m->live, text) : 1;

	mr_session_rollback(&m->live);
	if (!first)
		mr_buf_addc(&m->json, ',');
	mr_buf_addz(&m->json, "{\"change\":");
	mr_buf_add_json(&m->json, mr_str(c->name));
	mr_buf_addf(&m->json, ",\"ok\":%s}", r == 0 ? "true" : "false");
	if (r < 0)
		(void)mr_admin_fail("%s: %s (%s)", c->name, m->live.message, m->live.sqlstate);
	else if (r == 0 && !m->wants_json)
		(void)printf("  %s: ok\n", c->name);
	return r == 0 ? 0 : 1;
}

int mr_admin_migrate_verify(struct mr_admin *a)
{
	struct migration m;
	unsigned bad = 0;
	int r = migration_open(a, &m);

	if (r == 0)
		r = mr_deploy_look(&m.deploy);
	if (r == 0) {
		mr_buf_addz(&m.json, "\"verified\":[");
		for (unsigned i = 0; i < m.plan.deployed; i++)
			bad += (unsigned)verify_change(&m, &m.plan.changes[i], i == 0);
		mr_buf_addz(&m.json, "],");
	}
	if (bad > 0)
		r = mr_admin_fail("%u of %u changes don't verify", bad, m.plan.deployed);
	return migration_close(&m, r);
}

static int revert(struct migration *m)
{
	unsigned to;

	if (named_change(m, &to) != 0 || mr_deploy_begin(&m->deploy) != 0 ||
	    mr_deploy_look(&m->deploy) != 0 || refuse_newer(&m->plan) != 0)
		return 1;
	if (to >= m->plan.deployed)
		return mr_admin_fail("--to: %s is not deployed", m->plan.changes[to].name);
	if (!m->wants_json && to + 1 < m->plan.deployed)
		(void)printf("Behind %s, the last first:\n", m->plan.changes[to].name);
	mr_buf_addz(&m->json, "\"reverts\":[");
	for (unsigned i = m->plan.deployed; i > to + 1; i--) {
		if (!m->wants_json)
			(void)printf(
			    "  %s: %s\n", m->plan.changes[i - 1].name, m->plan.changes[i - 1].note);
		mr_buf_add_json(&m->json, mr_str(m->plan.changes[i - 1].name));
		mr_buf_addz(&m->json, i > to + 2 ? "," : "");
	}
	mr_buf_addz(&m->json, "],");
	(void)fflush(stdout); /* before what sqitch says */
	if (to + 1 == m->plan.deployed)
		return 0;
	if (mr_admin_opt(m->a, "yes") == NULL)
		return mr_admin_fail(
		    "what these changes have stored is lost when they are taken back: "
		    "--yes does it");
	return mr_deploy_revert(&m->deploy, to);
}

int mr_admin_migrate_revert(struct mr_admin *a)
{
	struct migration m;
	int r = migration_open(a, &m);

	if (r == 0)
		r = revert(&m);
	return migration_close(&m, r);
}
