/*
 * Changes carried out by sqitch beside live traffic: no lock is waited for longer than others
 * should have to wait behind it; then it is tried again, as long as patience lasts. What a killed
 * one left is finished.
 */
#ifndef MR_ADMIN_DEPLOY_H
#define MR_ADMIN_DEPLOY_H

#include "admin/plan.h"
#include "admin/session.h"

struct mr_deploy {
	struct mr_admin *a;
	struct mr_session *live;
	struct mr_plan *plan; /* compared anew as it goes on */
	const char *dbname;
	int64_t lock_timeout_ms;
	int64_t wait_ms;  /* for others, all tries together */
	bool quiet;       /* progress isn't printed */
	bool is_there;    /* the first pending change: it only has to be written down */
	unsigned tries;   /* that were cut short */
	char blocker[96]; /* who stood in the way last; "" for nobody */
};

/* This session alone may change the schema from now on, and no session of one that was killed is
 * left. Waits for others. 1: they took too long, which standard error tells. */
int mr_deploy_begin(struct mr_deploy *d) MR_MUST_CHECK;
/* Reads what is deployed. */
int mr_deploy_look(struct mr_deploy *d) MR_MUST_CHECK;
/* Deploys up to the change TO. */
int mr_deploy_run(struct mr_deploy *d, unsigned to, bool verify) MR_MUST_CHECK;
/* Takes back all changes behind TO. */
int mr_deploy_revert(struct mr_deploy *d, unsigned to) MR_MUST_CHECK;

#endif
