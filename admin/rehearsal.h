/*
 * What changes would lock, found out and not guessed: they are deployed in a database of their own
 * that has the schema and no rows, and after each statement the server is asked what is held, and
 * what it wrote anew, built or read through. That database is made for it and dropped again.
 */
#ifndef MR_ADMIN_REHEARSAL_H
#define MR_ADMIN_REHEARSAL_H

#include "admin/plan.h"
#include "admin/session.h"

/* From the weakest to the strongest, as the server orders them. */
enum mr_lock_mode {
	MR_LOCK_NONE,
	MR_LOCK_ACCESS_SHARE,
	MR_LOCK_ROW_SHARE,
	MR_LOCK_ROW_EXCLUSIVE,
	MR_LOCK_SHARE_UPDATE_EXCLUSIVE,
	MR_LOCK_SHARE, /* from here on nobody else writes */
	MR_LOCK_SHARE_ROW_EXCLUSIVE,
	MR_LOCK_EXCLUSIVE,
	MR_LOCK_ACCESS_EXCLUSIVE,
};

/* What takes the longer, the more rows there are. */
enum mr_lock_work {
	MR_WORK_NONE,
	MR_WORK_OTHER, /* rows are read or written, how many can't be said */
	MR_WORK_READ,  /* all of it, to check a constraint */
	MR_WORK_INDEX,
	MR_WORK_REWRITE,
};

/* A table that was there before. */
struct mr_table {
	const char *name;
	int64_t rows, bytes;
	bool big;
	enum mr_lock_mode held; /* by the transaction that is played: the strongest */
	unsigned modes;         /* all it holds, a bit each */
	enum mr_lock_work work; /* of the statement that is played */
};

struct mr_lock {
	const struct mr_table *table;
	enum mr_lock_mode mode;
	enum mr_lock_work work;
	struct mr_lock *next;
};

/* A statement that takes locks or works on tables that were there before. */
struct mr_played {
	unsigned line;
	const char *text; /* its beginning, on one line */
	struct mr_lock *locks;
	struct mr_played *next;
};

/* Why a change isn't deployed: while HELD is locked, WORKED keeps the server busy. */
struct mr_refusal {
	const struct mr_change *change;
	unsigned line;
	const char *text;
	const struct mr_table *held, *worked;
	enum mr_lock_mode mode;
	enum mr_lock_work work;
	struct mr_refusal *next;
};

struct mr_act {
	const struct mr_change *change;
	struct mr_played *played;
	const char
	    *failed;   /* the server's words when it could not be deployed; NULL: it went well */
	bool is_there; /* it was deployed before, and only not written down */
	struct mr_act *next;
};

struct mr_rehearsal {
	struct mr_table *tables;
	unsigned tables_len;
	struct mr_act *acts; /* one a change, in order */
	struct mr_refusal *refusals;
	bool done; /* else nothing is known of locks */
};

const char *mr_lock_mode_words(enum mr_lock_mode mode); /* "ACCESS EXCLUSIVE" */
const char *mr_lock_work_word(enum mr_lock_work work);  /* "rewrite"; NULL for none */

/* Reads how large the tables are that LIVE has. From BIG rows on one is big. */
int mr_rehearsal_tables(
    struct mr_session *live, int64_t big, struct mr_rehearsal *ret) MR_MUST_CHECK;
/* Plays the changes FROM … TO - 1 of PLAN. 1: that wasn't possible, which standard error tells. */
int mr_rehearse(struct mr_admin *a, struct mr_session *live, const struct mr_plan *plan,
    unsigned from, unsigned to, struct mr_rehearsal *r) MR_MUST_CHECK;

#endif
