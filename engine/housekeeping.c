#include "engine/housekeeping.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "engine/after.h"
#include "engine/claim.h"
#include "engine/commands.h"
#include "engine/engine.h"
#include "engine/expiry.h"
#include "engine/lease.h"
#include "engine/load.h"
#include "engine/metrics.h"
#include "engine/query.h"
#include "engine/runs.h"
#include "engine/store_sweep.h"
#include "lib/log.h"

#define TAKEOVER_MS  1000
#define SWEEP_MS     2000
#define RECONCILE_MS 30000
#define UPKEEP_MS    60000
#define DEAD_MAX     64
#define LIST_MAX     ((size_t)64 * 1024 * 1024)
#define MEND_MAX     1000
#define ROLLUPS_MAX  20000

/* What is looked for in the rows when the unit that should have done it was lost. */
static const struct {
	const char *kind;
	uint64_t every_ms;
} mends[] = {
	{ "commands", 5000 },
	{ "places", 10000 },
	{ "orphans", 30000 },
	{ "waits", 60000 },
};

struct mr_housekeeping {
	struct mr_engine *engine;
	struct mr_query takeover, reconcile, upkeep, orphans, sweep, mend, rollups;
	/* loop time */
	uint64_t takeover_at, reconcile_at, upkeep_at, orphans_at, sweep_at, rollups_at;
	uint64_t mend_at[MR_ARRAY_LEN(mends)];
	int64_t dead[DEAD_MAX]; /* engines of this machine whose process is gone */
	size_t dead_len;
	struct mr_buf list;
	struct mr_expiry *expiry;
	struct mr_store_sweep *store_sweep;
};

static void failed(const struct mr_query *q, const char *what)
{
	mr_log(MR_LOG_WARNING, "housekeeping failed", MR_F_Z("name", what),
	    MR_F_Z("sqlstate", q->unit.sqlstate), MR_F_Z("detail", q->unit.message));
}

/* Now and half as much again at most, so that engines don't all come at once. */
static uint64_t later(struct mr_housekeeping *k, uint64_t ms)
{
	struct mr_rand *rand = &k->engine->rand;

	return uv_now(k->engine->loop) + ms + rand->next(rand->ctx) % (ms / 2);
}

/* ---- taking over ---- */

/* A process of this very machine, boot and pid namespace that is gone won't renew its lease: no
 * need to wait for its end. */
static void find_dead(struct mr_housekeeping *k, const PGresult *r)
{
	k->dead_len = 0;
	for (int i = 0; i < PQntuples(r) && k->dead_len < DEAD_MAX; i++) {
		int64_t pid = mr_pg_i64(r, i, "pid", 0);

		if (pid > 1 && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
			k->dead[k->dead_len++] = mr_pg_i64(r, i, "engine_id", 0);
	}
}

static void taken_over(struct mr_query *q)
{
	struct mr_housekeeping *k = q->engine->housekeeping;
	const PGresult *freed = mr_query_result(q, 1);
	bool had_none = k->dead_len == 0;
	int64_t runs;

	if (!mr_query_ok(q)) {
		failed(q, "takeover");
		return;
	}
	runs = mr_pg_i64(freed, 0, "runs", 0);
	if (mr_pg_i64(freed, 0, "engines", 0) > 0)
		mr_log(MR_LOG_WARNING, "dead engine taken over", MR_F_N("runs", runs));
	if (runs > 0) {
		mr_metric_add(q->engine->metrics, MR_METRIC_TAKEN_OVER, NULL, (double)runs);
		mr_claim_wake(q->engine->claim);
	}
	find_dead(k, mr_query_result(q, 2));
	if (had_none && k->dead_len > 0)
		k->takeover_at = 0; /* at the next tick */
}

static void list_begin(struct mr_housekeeping *k)
{
	mr_buf_reset(&k->list);
	mr_pg_array_begin(&k->list);
}

static void take_over(struct mr_housekeeping *k)
{
	struct mr_query *q = &k->takeover;
	struct mr_str dead;

	list_begin(k);
	for (size_t i = 0; i < k->dead_len; i++)
		mr_pg_array_add_i64(&k->list, k->dead[i]);
	mr_pg_array_end(&k->list);
	dead = mr_buf_str(&k->list);
	mr_query_begin(q);
	/* a statement of its own: the next one then sees what a last flush of theirs took */
	mr_query_call(q, MR_SQL_ENGINE_RECLAIM_LOCK);
	mr_query_text(q, "dead", dead);
	mr_query_call(q, MR_SQL_ENGINE_RECLAIM);
	mr_query_text(q, "dead", dead);
	mr_query_call(q, MR_SQL_ENGINE_PEERS);
	mr_query_i64(q, "engine_id", k->engine->id);
	mr_query_text(q, "host", mr_str(mr_lease_host(k->engine->lease)));
	(void)mr_query_submit(q); /* without memory: a second later */
}

/* ---- liveness, upkeep ---- */

static void reconciled(struct mr_query *q)
{
	int64_t n;

	if (!mr_query_ok(q)) {
		failed(q, "reconcile");
		return;
	}
	n = mr_pg_i64(mr_query_result(q, 0), 0, "violations", 0);
	mr_metric_add(q->engine->metrics, MR_METRIC_LIVENESS, NULL, (double)n);
	if (n == 0)
		return;
	mr_log(MR_LOG_ERROR, "runs had no reason to wait", MR_F_N("runs", n));
	mr_claim_wake(q->engine->claim);
}

static void kept_up(struct mr_query *q)
{
	if (!mr_query_ok(q))
		failed(q, "upkeep");
}

/* ---- sums of requests and of runs that ended ---- */

static void rolled_up(struct mr_query *q)
{
	const PGresult *r = mr_query_result(q, 0);

	if (!mr_query_ok(q))
		failed(q, "rollups");
	else if (mr_pg_i64(r, 0, "ends", 0) >= ROLLUPS_MAX ||
	         mr_pg_i64(r, 0, "hours", 0) >= ROLLUPS_MAX)
		q->engine->housekeeping->rollups_at = 0; /* there is more */
}

static void roll_up(struct mr_housekeeping *k)
{
	const struct mr_settings *s = k->engine->settings;

	k->rollups_at = later(k, (uint64_t)s->analytics_write_ms);
	mr_query_begin(&k->rollups);
	mr_query_call(&k->rollups, MR_SQL_ENGINE_ROLLUPS);
	mr_query_i64(&k->rollups, "hours_days", s->analytics_hours_days);
	mr_query_i64(&k->rollups, "days", s->analytics_days);
	mr_query_i64(&k->rollups, "batch", ROLLUPS_MAX);
	(void)mr_query_submit(&k->rollups); /* without memory: next time */
}

static void ask(struct mr_query *q, enum mr_sql stmt)
{
	mr_query_begin(q);
	mr_query_call(q, stmt);
	(void)mr_query_submit(q); /* without memory: next time */
}

/* ---- what crashes left ---- */

static void swept(struct mr_query *q)
{
	struct mr_after *after = q->engine->after;
	const PGresult *r = mr_query_result(q, 0);

	if (!mr_query_ok(q)) {
		failed(q, "sweep");
		return;
	}
	for (int i = 0; i < PQntuples(r); i++) {
		if (mr_str_eqz(mr_pg_text(r, i, "kind"), "wait"))
			mr_after_wait(after, mr_pg_i64(r, i, "run_id", 0),
			    mr_pg_i64(r, i, "step_execution_id", 0));
		else
			mr_after_published(after, 1);
	}
	mr_after_kick(after);
}

static void mended(struct mr_query *q)
{
	int64_t n;

	if (!mr_query_ok(q)) {
		failed(q, "mend");
		return;
	}
	n = mr_pg_i64(mr_query_result(q, 0), 0, "mended", 0);
	if (n == 0)
		return;
	mr_log(MR_LOG_INFO, "left undone by others", MR_F_N("count", n));
	mr_claim_wake(q->engine->claim);
	mr_commands_ask(q->engine->commands);
}

/* One kind at a time: each takes locks. */
static void mend(struct mr_housekeeping *k, uint64_t now)
{
	for (unsigned i = 0; i < MR_ARRAY_LEN(mends) && !k->mend.busy; i++) {
		if (now < k->mend_at[i])
			continue;
		k->mend_at[i] = later(k, mends[i].every_ms);
		mr_query_begin(&k->mend);
		mr_query_call(&k->mend, MR_SQL_ENGINE_MEND);
		mr_query_text(&k->mend, "kind", mr_str(mends[i].kind));
		mr_query_i64(&k->mend, "batch", MEND_MAX);
		(void)mr_query_submit(&k->mend); /* without memory: next time */
	}
}

/* ---- orphans ---- */

static void add_id(struct mr_held *h)
{
	mr_pg_array_add_i64(&h->engine->housekeeping->list, h->id);
}

static void orphans_freed(struct mr_query *q)
{
	int64_t n;

	mr_claim_hold(q->engine->claim, false);
	if (!mr_query_ok(q)) {
		failed(q, "orphans");
		return;
	}
	n = mr_pg_i64(mr_query_result(q, 0), 0, "released", 0);
	if (n == 0)
		return;
	mr_log(MR_LOG_WARNING, "orphaned runs queued again", MR_F_N("runs", n));
	mr_claim_wake(q->engine->claim);
}

/* Runs of ours that were given up here. No claim may be under way, else what it brings might be
 * taken meanwhile, and look like one of them. */
static void free_orphans(struct mr_housekeeping *k)
{
	struct mr_engine *e = k->engine;

	if (mr_claim_is_busy(e->claim))
		return; /* at a later tick */
	list_begin(k);
	mr_runs_each(e->runs, add_id);
	mr_pg_array_end(&k->list);
	mr_query_begin(&k->orphans);
	mr_query_call(&k->orphans, MR_SQL_ENGINE_ORPHANS);
	mr_query_i64(&k->orphans, "engine_id", e->id);
	mr_query_text(&k->orphans, "held", mr_buf_str(&k->list));
	if (mr_buf_failed(&k->list) || mr_query_submit(&k->orphans) < 0)
		return;
	mr_claim_hold(e->claim, true);
	k->orphans_at = uv_now(e->loop) + RECONCILE_MS;
}

/* ---- all of it ---- */

void mr_housekeeping_tick(struct mr_housekeeping *k)
{
	uint64_t now = uv_now(k->engine->loop);

	if (k->engine->id == 0 || k->engine->state != MR_ENGINE_RUNNING ||
	    !mr_pg_is_up(k->engine->pg))
		return;
	if (now >= k->takeover_at && !k->takeover.busy) {
		k->takeover_at = later(k, TAKEOVER_MS);
		take_over(k);
	}
	if (now >= k->reconcile_at && !k->reconcile.busy) {
		k->reconcile_at = later(k, RECONCILE_MS);
		ask(&k->reconcile, MR_SQL_ENGINE_RECONCILE);
	}
	if (now >= k->upkeep_at && !k->upkeep.busy) {
		k->upkeep_at = later(k, UPKEEP_MS);
		ask(&k->upkeep, MR_SQL_ENGINE_HOUSEKEEPING);
	}
	if (now >= k->sweep_at && !k->sweep.busy && mr_after_is_idle(k->engine->after)) {
		k->sweep_at = later(k, SWEEP_MS);
		ask(&k->sweep, MR_SQL_ENGINE_SWEEP);
	}
	if (now >= k->rollups_at && !k->rollups.busy)
		roll_up(k);
	mend(k, now);
	mr_expiry_tick(k->expiry);
	mr_store_sweep_tick(k->store_sweep);
	if (now >= k->orphans_at && !k->orphans.busy)
		free_orphans(k);
}

struct mr_housekeeping *mr_housekeeping_create(struct mr_engine *e)
{
	struct mr_housekeeping *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->engine = e;
	mr_buf_init(&k->list, LIST_MAX);
	k->orphans_at = uv_now(e->loop) + RECONCILE_MS;
	k->expiry = mr_expiry_create(e);
	k->store_sweep = mr_store_sweep_create(e);
	if (mr_query_init(&k->takeover, e, taken_over) == 0 &&
	    mr_query_init(&k->reconcile, e, reconciled) == 0 &&
	    mr_query_init(&k->upkeep, e, kept_up) == 0 &&
	    mr_query_init(&k->orphans, e, orphans_freed) == 0 &&
	    mr_query_init(&k->sweep, e, swept) == 0 &&
	    mr_query_init(&k->rollups, e, rolled_up) == 0 &&
	    mr_query_init(&k->mend, e, mended) == 0 && k->expiry != NULL && k->store_sweep != NULL)
		return k;
	return mr_housekeeping_free(k);
}

struct mr_housekeeping *mr_housekeeping_free(struct mr_housekeeping *k)
{
	if (k == NULL)
		return NULL;
	mr_query_done(&k->takeover);
	mr_query_done(&k->reconcile);
	mr_query_done(&k->upkeep);
	mr_query_done(&k->orphans);
	mr_query_done(&k->sweep);
	mr_query_done(&k->mend);
	mr_query_done(&k->rollups);
	k->expiry = mr_expiry_free(k->expiry);
	k->store_sweep = mr_store_sweep_free(k->store_sweep);
	mr_buf_done(&k->list);
	free(k);
	return NULL;
}
