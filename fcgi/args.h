/*
 * What a request says in its address: path variables and query arguments, decoded strictly,
 * checked against the route, and turned into the text that a statement takes. Every fault goes
 * to the request's list; nothing here decides an answer.
 */
#ifndef MR_FCGI_ARGS_H
#define MR_FCGI_ARGS_H

#include "fcgi/route.h"
#include "fcgi/router.h"
#include "lib/pg.h"

/* Which part of a list is asked for. */
struct mr_page {
	unsigned limit;
	int64_t offset;       /* of the first entry; with a cursor only for the envelope */
	unsigned order;       /* index into the statement's orders */
	bool ordered;         /* asked for; else the statement's default */
	struct mr_str search; /* absent: none */
	struct mr_str cursor; /* as sent; absent: none */
	/* of a decoded cursor: the last entry of the page before; absent: none */
	struct mr_str after_key, after_id;
	int64_t total; /* from the cursor; < 0: to be counted */
	bool total_exact;
};

/*
 * "12", or "wf_12" where PREFIX is "wf" (its other spellings too: workflow_12). Returns 0 and the
 * digits without needless zeros, MR_E_INVALID when it is no id, MR_E_NOT_FOUND when it is one that
 * nothing can have (0, 2^53 and above).
 */
int mr_id_parse(struct mr_str text, const char *prefix, struct mr_str *ret) MR_MUST_CHECK;

/* What the ids look like that mr_id_parse takes, as a pattern: "^((wf|workflow)_)?[0-9]+$". */
#define MR_ID_PATTERN_LEN 96
void mr_id_pattern(const char *prefix, char out[MR_ID_PATTERN_LEN]);

/* "%41+b" → "A b". Refuses broken escapes, NUL and what is not UTF-8: MR_E_INVALID. */
int mr_percent_decode(
    struct mr_arena *a, struct mr_str s, bool plus, struct mr_str *ret) MR_MUST_CHECK;

/* Fills r->path_vars from VALUES. MR_E_NOT_FOUND: an id that nothing can have. */
int mr_args_path(struct mr_request *r, const struct mr_route_vars *vars,
    const struct mr_str *values) MR_MUST_CHECK;

/*
 * Fills r->query_args: one pair for each argument of the route, in its order, the value absent
 * when it was not sent, an array literal for repeatable ones. For lists also PAGE, with the
 * orders of LIST. Returns 0 or MR_E_NOMEM; what is wrong is in r->faults.
 */
int mr_args_query(
    struct mr_request *r, const struct mr_stmt *list, struct mr_page *page) MR_MUST_CHECK;

/* How many entries a page of this route has when nothing is said, and at most. */
unsigned mr_page_default(const struct mr_route *route);
unsigned mr_page_max(const struct mr_route *route);

#define MR_SEARCH_MAX 1000 /* characters */
#define MR_OFFSET_MAX 1000000000
/* So far a list is walked through; of one that goes on there, no deeper page is given by offset. */
#define MR_OFFSET_WALKED 100000

#endif
