#include "engine/after.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/claim.h"
#include "engine/commands.h"
#include "engine/engine.h"
#include "engine/query.h"
#include "lib/log.h"

#define LIST_MAX     100000 /* of each kind; more are left to the sweep */
#define BATCH        500
#define EVENTS_BATCH 500
#define TEXT_MAX     ((size_t)1024 * 1024)
#define TELL_MAX     100 /* runs named one by one; beyond that engines look for themselves */

enum kind { WAITS, CHILDREN, LIMITS, CANCELS, PUBLISHED, KINDS };

static const struct {
	enum mr_sql stmt;
	const char *first, *second; /* parameters; NULL: none */
} rows[KINDS] = {
	[WAITS] = { MR_SQL_ENGINE_CHECK_WAITS, "run_ids", "step_execution_ids" },
	[CHILDREN] = { MR_SQL_ENGINE_NOTIFY_PARENTS, "child_run_ids", NULL },
	[LIMITS] = { MR_SQL_ENGINE_ADMIT, "limit_keys", NULL },
	[CANCELS] = { MR_SQL_ENGINE_CANCEL_SPAWNED, "run_ids", "step_execution_ids" },
	[PUBLISHED] = { MR_SQL_ENGINE_DISPATCH, NULL, NULL },
};

struct item {
	int64_t a, b;
	char *text; /* owned; of LIMITS */
};

struct list {
	struct mr_query query;
	struct item *items; /* owned */
	size_t len, cap;
	struct mr_buf first, second; /* arrays of what is asked */
	size_t left;                 /* PUBLISHED: events that wait, or fewer */
};

struct mr_after {
	struct mr_engine *engine;
	struct list lists[KINDS];
};

/* ---- telling engines ---- */

static void publish(struct mr_engine *e, int64_t run_id)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "c:%lld", (long long)run_id);

	mr_bus_publish(e->bus, MR_STR(MR_BUS_WAKE), (struct mr_str){ text, (size_t)n });
}

void mr_after_tell(struct mr_engine *e, const PGresult *r)
{
	int len = PQntuples(r);
	bool ours = false;

	if (len == 0)
		return;
	for (int i = 0; i < len; i++) {
		int64_t run_id = mr_pg_i64(r, i, "run_id", 0);

		if (mr_runs_find(e->runs, run_id) != NULL)
			ours = true;
		else if (len <= TELL_MAX)
			publish(e, run_id);
	}
	if (ours)
		mr_commands_ask(e->commands);
	if (len > TELL_MAX)
		mr_bus_publish(e->bus, MR_STR(MR_BUS_WAKE), MR_STR("r"));
	mr_claim_wake(e->claim);
}

/* ---- asking ---- */

static void add(struct mr_after *a, enum kind k, int64_t x, int64_t y, char *text)
{
	struct list *l = &a->lists[k];

	if (l->len == l->cap) {
		size_t cap = l->cap == 0 ? 64 : l->cap * 2;
		struct item *items =
		    cap > LIST_MAX ? NULL : realloc(l->items, cap * sizeof(*items));

		if (items == NULL) {
			free(text);
			return; /* the sweep finds it */
		}
		l->items = items;
		l->cap = cap;
	}
	l->items[l->len++] = (struct item){ x, y, text };
}

static void put(enum kind k, struct mr_buf *b, const struct item *item, bool second)
{
	if (k == LIMITS)
		mr_pg_array_add(b, mr_str(item->text));
	else
		mr_pg_array_add_i64(b, second ? item->b : item->a);
}

/* Takes a batch off the front of the list. */
static void take(struct mr_after *a, enum kind k)
{
	struct list *l = &a->lists[k];
	size_t n = l->len < BATCH ? l->len : BATCH;

	mr_buf_reset(&l->first);
	mr_buf_reset(&l->second);
	mr_pg_array_begin(&l->first);
	mr_pg_array_begin(&l->second);
	for (size_t i = 0; i < n; i++) {
		put(k, &l->first, &l->items[i], false);
		if (rows[k].second != NULL)
			put(k, &l->second, &l->items[i], true);
		free(l->items[i].text);
	}
	mr_pg_array_end(&l->first);
	mr_pg_array_end(&l->second);
	l->len -= n;
	memmove(l->items, l->items + n, l->len * sizeof(l->items[0]));
}

static void ask(struct mr_after *a, enum kind k)
{
	struct list *l = &a->lists[k];

	if (l->query.busy || (l->len == 0 && l->left == 0))
		return;
	mr_query_begin(&l->query);
	mr_query_call(&l->query, rows[k].stmt);
	if (k == PUBLISHED) {
		mr_query_i64(&l->query, "batch", EVENTS_BATCH);
		l->left -= l->left < EVENTS_BATCH ? l->left : EVENTS_BATCH;
	} else {
		take(a, k);
		mr_query_ref(&l->query, rows[k].first, mr_buf_str(&l->first));
		if (rows[k].second != NULL)
			mr_query_ref(&l->query, rows[k].second, mr_buf_str(&l->second));
	}
	if (mr_buf_failed(&l->first) || mr_buf_failed(&l->second))
		return;                   /* the sweep finds them */
	(void)mr_query_submit(&l->query); /* without memory: the same */
}

void mr_after_kick(struct mr_after *a)
{
	for (unsigned k = 0; k < KINDS; k++)
		ask(a, (enum kind)k);
}

bool mr_after_is_idle(const struct mr_after *a)
{
	for (unsigned k = 0; k < KINDS; k++) {
		const struct list *l = &a->lists[k];

		if (l->query.busy || l->len > 0 || l->left > 0)
			return false;
	}
	return true;
}

static void answered(struct mr_query *q)
{
	if (mr_query_ok(q)) {
		mr_after_tell(q->engine, mr_query_result(q, 0));
		return;
	}
	mr_log(MR_LOG_WARNING, "others could not be told", MR_F_Z("sqlstate", q->unit.sqlstate),
	    MR_F_Z("detail", q->unit.message), MR_F_Z("name", mr_stmts[q->calls[0].stmt].name));
}

static void after(struct mr_query *q)
{
	mr_after_kick(q->engine->after);
}

/* ---- what is to be told ---- */

void mr_after_wait(struct mr_after *a, int64_t run_id, int64_t step_execution_id)
{
	add(a, WAITS, run_id, step_execution_id, NULL);
}

void mr_after_child(struct mr_after *a, int64_t child_run_id)
{
	add(a, CHILDREN, child_run_id, 0, NULL);
}

void mr_after_published(struct mr_after *a, size_t count)
{
	a->lists[PUBLISHED].left += count;
}

void mr_after_limit(struct mr_after *a, struct mr_str limit_key)
{
	char *text = strndup(limit_key.p, limit_key.len);

	if (text != NULL)
		add(a, LIMITS, 0, 0, text);
}

void mr_after_cancel(struct mr_after *a, int64_t run_id, int64_t step_execution_id)
{
	add(a, CANCELS, run_id, step_execution_id, NULL);
}

void mr_after_landed(struct mr_held *h)
{
	struct mr_after *a = h->engine->after;
	const struct mr_run_out *out = &h->sent->out;
	bool ended = mr_run_is_terminal(h->row.status);

	for (size_t i = 0; i < out->waits_len; i++) {
		/* an event may be there already, a child may have ended before it was waited for */
		mr_after_wait(a, h->id, out->waits[i].step_execution_id);
	}
	mr_after_published(a, out->emits_len);
	if (ended && h->parent_run_id != 0)
		mr_after_child(a, h->id);
	if (ended && h->limit_key.p != NULL)
		mr_after_limit(a, h->limit_key);
}

/* ---- life ---- */

static int open_list(struct list *l, struct mr_engine *e)
{
	mr_buf_init(&l->first, TEXT_MAX);
	mr_buf_init(&l->second, TEXT_MAX);
	if (mr_query_init(&l->query, e, answered) < 0)
		return MR_E_NOMEM;
	l->query.after = after;
	return 0;
}

struct mr_after *mr_after_create(struct mr_engine *e)
{
	struct mr_after *a = calloc(1, sizeof(*a));
	int r = 0;

	if (a == NULL)
		return NULL;
	a->engine = e;
	for (unsigned k = 0; k < KINDS && r == 0; k++)
		r = open_list(&a->lists[k], e);
	return r == 0 ? a : mr_after_free(a);
}

struct mr_after *mr_after_free(struct mr_after *a)
{
	if (a == NULL)
		return NULL;
	for (unsigned k = 0; k < KINDS; k++) {
		struct list *l = &a->lists[k];

		while (l->len > 0)
			free(l->items[--l->len].text);
		free(l->items);
		mr_buf_done(&l->first);
		mr_buf_done(&l->second);
		mr_query_done(&l->query);
	}
	free(a);
	return NULL;
}
