/*
 * The plan of changes (sqitch.plan) as it lies in a folder, with their scripts, and beside it what
 * a database has of them. Everything lives in the command's arena.
 */
#ifndef MR_ADMIN_PLAN_H
#define MR_ADMIN_PLAN_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "admin/admin.h"

struct mr_change {
	const char *name;
	const char *note;
	const char *deploy, *verify, *revert; /* their scripts' files */
	struct mr_str script;                 /* what is to be deployed */
	char hash[41];                        /* of it, as sqitch writes it down */
	const char *deployed_at;              /* NULL: the database doesn't have it */
	bool drifted;                         /* it has another script of that name */
};

struct mr_plan {
	const char *dir;
	struct mr_change *changes;
	unsigned len;
	unsigned deployed;    /* how many the database has: the first ones */
	const char **unknown; /* of the database, and not in the plan */
	unsigned unknown_len;
};

/* A file's text, with a NUL after it; absent when it can't be read, and standard error says why. */
struct mr_str mr_admin_read(struct mr_admin *a, const char *path) MR_MUST_CHECK;
/* 0, or 1 when it isn't there or not right, which standard error tells. */
int mr_plan_read(struct mr_admin *a, const char *dir, struct mr_plan *ret) MR_MUST_CHECK;
/* Marks what the database has: the rows of admin_changes. 1: no memory, or the order is another
 * one. */
int mr_plan_compare(struct mr_admin *a, struct mr_plan *plan, const PGresult *rows) MR_MUST_CHECK;
/* The change's index, or -1. */
int mr_plan_find(const struct mr_plan *plan, struct mr_str name);

#endif
