/* What "millrace-admin migrate" and its like say, for people and as JSON. */
#ifndef MR_ADMIN_MIGRATE_SHOW_H
#define MR_ADMIN_MIGRATE_SHOW_H

#include "admin/plan.h"
#include "admin/rehearsal.h"

/* The plan before it is carried out: FROM … TO - 1 are pending; R may know nothing of locks. */
void mr_show_plan(const struct mr_plan *plan, unsigned from, unsigned to,
    const struct mr_rehearsal *r, const char *dbname);
/* Why it isn't carried out, and what to do. */
void mr_show_refusals(const struct mr_rehearsal *r);
void mr_show_status(const struct mr_plan *plan, const char *dbname);

/* Members of an object, each followed by a comma. */
void mr_show_json_plan(struct mr_buf *b, const struct mr_plan *plan, unsigned from, unsigned to,
    const struct mr_rehearsal *r);
void mr_show_json_status(struct mr_buf *b, const struct mr_plan *plan);

#endif
