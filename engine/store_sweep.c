#include "engine/store_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "engine/engine.h"
#include "engine/query.h"
#include "lib/log.h"
#include "lib/store.h"

#define ROUND_MS  600000 /* between two walks through the whole store, at most */
#define PAGE_MS   200    /* between two parts of one */
#define KEYS_MAX  ((size_t)64 * 1024 * 1024)
#define PAGE_KEYS 5000 /* asked for at a time */

struct mr_store_sweep {
	struct mr_engine *engine;
	struct mr_query unnamed;
	uv_work_t work;
	bool busy;     /* from the listing until all of it is removed */
	bool removing; /* what the thread does */
	uint64_t at;   /* loop time */
	/* the thread's */
	char root[MR_STORE_PATH_LEN];
	int64_t before;
	struct mr_store_place place;
	struct mr_buf listed; /* keys, a line each */
	struct mr_buf doomed; /* the same: those to be removed */
	unsigned removed, left;
	size_t asked; /* bytes of listed that were asked for */
	struct mr_buf array;
};

static uint64_t round_ms(const struct mr_store_sweep *s)
{
	uint64_t ms = (uint64_t)s->engine->settings->file_orphan_seconds * 250;

	return ms > ROUND_MS ? ROUND_MS : ms;
}

static uint64_t later(struct mr_store_sweep *s, uint64_t ms)
{
	struct mr_rand *rand = &s->engine->rand;

	return uv_now(s->engine->loop) + ms + rand->next(rand->ctx) % (ms / 2 + 1);
}

/* ---- in the thread ---- */

static void remove_doomed(struct mr_store_sweep *s)
{
	struct mr_str rest = mr_buf_str(&s->doomed);

	s->removed = s->left = 0;
	while (rest.len > 0) {
		int r = mr_store_remove_old(s->root, mr_str_cut(&rest, '\n'), s->before);

		if (r > 0)
			s->removed++;
		else if (r < 0)
			s->left++;
	}
}

static void work(uv_work_t *w)
{
	struct mr_store_sweep *s = w->data;

	if (s->removing)
		remove_doomed(s);
	else
		mr_store_list_old(s->root, &s->place, s->before, &s->listed);
}

static void worked(uv_work_t *w, int status);

static void start(struct mr_store_sweep *s, bool removing)
{
	s->removing = removing;
	s->work.data = s;
	(void)uv_queue_work(s->engine->loop, &s->work, work, worked); /* can't fail */
}

/* ---- asking ---- */

static void part_ends(struct mr_store_sweep *s)
{
	s->busy = false;
	s->at = later(s, s->place.is_end ? round_ms(s) : PAGE_MS);
}

/* The next keys of those that were listed; none is left: the part ends. */
static void ask(struct mr_store_sweep *s)
{
	struct mr_str all = mr_buf_str(&s->listed);
	struct mr_str rest = { all.p + s->asked, all.len - s->asked };

	if (rest.len == 0) {
		part_ends(s);
		return;
	}
	mr_buf_reset(&s->array);
	mr_pg_array_begin(&s->array);
	for (unsigned i = 0; i < PAGE_KEYS && rest.len > 0; i++)
		mr_pg_array_add(&s->array, mr_str_cut(&rest, '\n'));
	mr_pg_array_end(&s->array);
	s->asked = all.len - rest.len;
	mr_query_begin(&s->unnamed);
	mr_query_call(&s->unnamed, MR_SQL_ENGINE_FILES_UNNAMED);
	mr_query_ref(&s->unnamed, "storage_keys", mr_buf_str(&s->array));
	if (mr_buf_failed(&s->array) || mr_query_submit(&s->unnamed) < 0)
		part_ends(s); /* at the next round */
}

static void unnamed_known(struct mr_query *q)
{
	struct mr_store_sweep *s = q->ctx;
	const PGresult *r = mr_query_result(q, 0);

	mr_buf_reset(&s->doomed);
	if (!mr_query_ok(q)) {
		mr_log(MR_LOG_WARNING, "housekeeping failed", MR_F_Z("name", "store_sweep"),
		    MR_F_Z("sqlstate", q->unit.sqlstate), MR_F_Z("detail", q->unit.message));
		s->asked = s->listed.len;
		return;
	}
	for (int i = 0; i < PQntuples(r); i++) {
		mr_buf_adds(&s->doomed, mr_pg_text(r, i, "storage_key"));
		mr_buf_addc(&s->doomed, '\n');
	}
}

/* The query is free again. */
static void after_unnamed(struct mr_query *q)
{
	struct mr_store_sweep *s = q->ctx;

	if (s->engine->state != MR_ENGINE_RUNNING)
		s->busy = false;
	else if (s->doomed.len > 0 && !mr_buf_failed(&s->doomed))
		start(s, true);
	else
		ask(s);
}

static void worked(uv_work_t *w, int status)
{
	struct mr_store_sweep *s = w->data;

	if (status != 0 || s->engine->state != MR_ENGINE_RUNNING) {
		s->busy = false;
		return;
	}
	if (s->removing && s->removed > 0)
		mr_log(MR_LOG_INFO, "files without a row removed", MR_F_N("count", s->removed));
	if (s->removing && s->left > 0)
		mr_log(MR_LOG_WARNING, "files without a row not removed", MR_F_N("count", s->left));
	if (!s->removing)
		s->asked = 0;
	ask(s);
}

/* ---- all of it ---- */

void mr_store_sweep_tick(struct mr_store_sweep *s)
{
	const struct mr_settings *settings = s->engine->settings;

	if (s->busy || uv_now(s->engine->loop) < s->at)
		return;
	s->busy = true;
	(void)snprintf(s->root, sizeof(s->root), "%s", settings->file_store); /* a path */
	s->before = (int64_t)time(NULL) - settings->file_orphan_seconds; /* as file systems count */
	mr_buf_reset(&s->listed);
	start(s, false);
}

struct mr_store_sweep *mr_store_sweep_create(struct mr_engine *e)
{
	struct mr_store_sweep *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->engine = e;
	mr_buf_init(&s->listed, KEYS_MAX);
	mr_buf_init(&s->doomed, KEYS_MAX);
	mr_buf_init(&s->array, KEYS_MAX);
	if (mr_query_init(&s->unnamed, e, unnamed_known) < 0)
		return mr_store_sweep_free(s);
	s->unnamed.ctx = s;
	s->unnamed.after = after_unnamed;
	s->at = later(s, round_ms(s));
	return s;
}

struct mr_store_sweep *mr_store_sweep_free(struct mr_store_sweep *s)
{
	if (s == NULL)
		return NULL;
	mr_query_done(&s->unnamed);
	mr_buf_done(&s->listed);
	mr_buf_done(&s->doomed);
	mr_buf_done(&s->array);
	free(s);
	return NULL;
}
