#include "engine/payloads.h"

#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/load.h"
#include "engine/payload.h"
#include "engine/query.h"
#include "engine/run_row.h"
#include "engine/runs.h"
#include "lib/log.h"

#define JOBS     2  /* threads that wait for the disk at a time: others have use for them too */
#define JOB_MAX  64 /* files of one */
#define ROOT_LEN 512
#define TEXT_MAX ((size_t)16 * 1024 * 1024) /* of the arrays of one count */
#define SUMS_MS  30000
#define RETRY_MS 200

/* A file that was written and is not on disk for sure. */
struct file {
	struct mr_held *held; /* busy until the file is settled */
	struct file *next;
	struct mr_str ref, tmp; /* in text */
	char *text;
	int64_t bytes; /* that count for the tenant; 0: they were there already */
	int r;         /* the thread's */
};

struct list {
	struct file *first, *last;
};

struct job {
	struct mr_payloads *payloads;
	uv_work_t work;
	struct list files;
	bool under_way;
	char root[ROOT_LEN];
};

/* What a tenant has in the file store. */
struct usage {
	int64_t tenant_id;
	int64_t counted; /* by the database, as last heard of */
	int64_t more;    /* of this engine, not counted yet */
};

struct mr_payloads {
	struct mr_engine *engine;
	struct list waiting;
	struct job jobs[JOBS];
	struct list uncounted, counting; /* on disk; those of the count under way */
	struct mr_query count, sums;
	struct mr_buf run_ids, tenant_ids, sizes;
	struct usage *usages; /* by tenant, ascending */
	size_t usages_len, usages_cap;
	uint64_t count_at, sums_at; /* loop time */
};

/* ---- lists ---- */

static void push(struct list *l, struct file *f)
{
	f->next = NULL;
	if (l->last != NULL)
		l->last->next = f;
	else
		l->first = f;
	l->last = f;
}

static struct file *pop(struct list *l)
{
	struct file *f = l->first;

	if (f == NULL)
		return NULL;
	l->first = f->next;
	if (l->first == NULL)
		l->last = NULL;
	return f;
}

static const struct file *find_in(const struct list *l, const struct mr_held *h, struct mr_str ref)
{
	const struct file *f = l->first;

	while (f != NULL && (f->held != h || f->tmp.p == NULL || !mr_str_eq(f->ref, ref)))
		f = f->next;
	return f;
}

static const struct file *find(
    const struct mr_payloads *p, const struct mr_held *h, struct mr_str ref)
{
	const struct file *f = find_in(&p->waiting, h, ref);

	for (unsigned i = 0; f == NULL && i < JOBS; i++)
		f = find_in(&p->jobs[i].files, h, ref);
	return f;
}

static struct file *file_free(struct file *f)
{
	if (f != NULL)
		free(f->text);
	free(f);
	return NULL;
}

static struct file *file_create(
    struct mr_held *h, struct mr_str ref, struct mr_str tmp, int64_t bytes)
{
	struct file *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->text = malloc(ref.len + tmp.len + 1);
	if (f->text == NULL)
		return file_free(f);
	f->held = h;
	f->bytes = bytes;
	memcpy(f->text, ref.p, ref.len);
	f->ref = (struct mr_str){ f->text, ref.len };
	if (tmp.p != NULL) {
		memcpy(f->text + ref.len, tmp.p, tmp.len);
		f->tmp = (struct mr_str){ f->text + ref.len, tmp.len };
	}
	return f;
}

/* ---- what tenants have ---- */

/* The place of a tenant, or where it would stand. */
static size_t usage_place(const struct mr_payloads *p, int64_t tenant_id)
{
	size_t from = 0, to = p->usages_len;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (p->usages[mid].tenant_id < tenant_id)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static struct usage *usage_need(struct mr_payloads *p, int64_t tenant_id)
{
	size_t at = usage_place(p, tenant_id);
	struct usage *more;

	if (at < p->usages_len && p->usages[at].tenant_id == tenant_id)
		return &p->usages[at];
	if (p->usages_len == p->usages_cap) {
		size_t cap = p->usages_cap == 0 ? 16 : 2 * p->usages_cap;

		more = realloc(p->usages, cap * sizeof(*more));
		if (more == NULL)
			return NULL;
		p->usages = more;
		p->usages_cap = cap;
	}
	memmove(&p->usages[at + 1], &p->usages[at], (p->usages_len - at) * sizeof(p->usages[0]));
	p->usages_len++;
	p->usages[at] = (struct usage){ .tenant_id = tenant_id };
	return &p->usages[at];
}

static void take_sums(struct mr_payloads *p, const PGresult *r)
{
	for (int i = 0; i < PQntuples(r); i++) {
		struct usage *u = usage_need(p, mr_pg_i64(r, i, "tenant_id", 0));

		if (u != NULL) /* else at the next time */
			u->counted = mr_pg_i64(r, i, "bytes", 0);
	}
}

static void sums_known(struct mr_query *q)
{
	struct mr_payloads *p = q->ctx;

	if (mr_query_ok(q))
		take_sums(p, mr_query_result(q, 0));
}

static bool has_room(struct mr_payloads *p, const struct mr_held *h, size_t bytes)
{
	int64_t most = p->engine->settings->tenant_payload_max_bytes;
	size_t at = usage_place(p, h->tenant_id);
	const struct usage *u = &p->usages[at];
	bool known = at < p->usages_len && u->tenant_id == h->tenant_id;

	return most == 0 || (known ? u->counted + u->more : 0) + (int64_t)bytes <= most;
}

/* ---- settling ---- */

bool mr_payloads_hold(struct mr_held *h)
{
	bool holds = h->unsettled > 0 || h->unsettled_failed;

	h->held_back = h->held_back || holds;
	return holds;
}

/* All files of H are settled, or some can't be. */
static void let_go(struct mr_held *h)
{
	if (h->dropped)
		return;
	if (h->unsettled_failed) {
		/* nothing of what refers to them is committed; a run that is being read forgets it
		 * anyway */
		h->store_failed = true;
		if (h->phase == MR_HELD_LIVE || h->held_back)
			mr_load_add(h->engine->load, h);
		else
			h->unsettled_failed = false;
	} else if (h->held_back) {
		h->held_back = false;
		mr_flush_add(h->engine->flush, h);
	}
}

static void settled(struct file *f)
{
	struct mr_held *h = f->held;

	if (f->r < 0) {
		mr_log(MR_LOG_WARNING, "result not stored", MR_F_N("run_id", h->id));
		h->unsettled_failed = true;
	}
	if (--h->unsettled == 0)
		let_go(h);
	mr_held_release(h);
	(void)file_free(f); /* NULL */
}

/* ---- counting ---- */

/* The database knows of F, or need not. */
static void uncounted_end(struct mr_payloads *p, struct file *f)
{
	struct usage *u = usage_need(p, f->held->tenant_id);

	if (u != NULL) /* it was there when F came */
		u->more -= f->bytes;
	settled(f);
}

static void count_end(struct mr_payloads *p)
{
	struct file *f;

	while ((f = pop(&p->counting)) != NULL)
		uncounted_end(p, f);
}

static void kick_count(struct mr_payloads *p)
{
	struct mr_query *q = &p->count;
	struct file *f;

	if (p->count.busy || p->uncounted.first == NULL || uv_now(p->engine->loop) < p->count_at)
		return;
	mr_buf_reset(&p->run_ids);
	mr_buf_reset(&p->tenant_ids);
	mr_buf_reset(&p->sizes);
	mr_pg_array_begin(&p->run_ids);
	mr_pg_array_begin(&p->tenant_ids);
	mr_pg_array_begin(&p->sizes);
	while ((f = pop(&p->uncounted)) != NULL) {
		push(&p->counting, f);
		mr_pg_array_add_i64(&p->run_ids, f->held->id);
		mr_pg_array_add_i64(&p->tenant_ids, f->held->tenant_id);
		mr_pg_array_add_i64(&p->sizes, f->bytes);
	}
	mr_pg_array_end(&p->run_ids);
	mr_pg_array_end(&p->tenant_ids);
	mr_pg_array_end(&p->sizes);
	mr_query_begin(q);
	mr_query_call(q, MR_SQL_ENGINE_PAYLOADS_ADD);
	mr_query_ref(q, "run_ids", mr_buf_str(&p->run_ids));
	mr_query_ref(q, "tenant_ids", mr_buf_str(&p->tenant_ids));
	mr_query_ref(q, "sizes", mr_buf_str(&p->sizes));
	if (mr_query_submit(q) == 0)
		return;
	/* the engine closes: nothing waits for these any more; or without memory: at a tick */
	if (p->engine->state == MR_ENGINE_CLOSING) {
		count_end(p);
		return;
	}
	p->uncounted = p->counting;
	p->counting = (struct list){ NULL, NULL };
	p->count_at = uv_now(p->engine->loop) + RETRY_MS;
}

/* An answer that was lost may be counted twice; it goes with its run. */
static void counted(struct mr_query *q)
{
	struct mr_payloads *p = q->ctx;
	struct file *f;

	if (mr_query_ok(q)) {
		take_sums(p, mr_query_result(q, 0));
		count_end(p);
		return;
	}
	mr_log(MR_LOG_WARNING, "results not counted", MR_F_Z("sqlstate", q->unit.sqlstate),
	    MR_F_Z("detail", q->unit.message));
	while ((f = pop(&p->counting)) != NULL)
		push(&p->uncounted, f);
	p->count_at = uv_now(p->engine->loop) + RETRY_MS;
}

static void after_count(struct mr_query *q)
{
	kick_count(q->ctx);
}

void mr_payloads_tick(struct mr_payloads *p)
{
	uint64_t now = uv_now(p->engine->loop);

	kick_count(p);
	if (now < p->sums_at || p->sums.busy)
		return;
	p->sums_at = now + SUMS_MS;
	mr_query_begin(&p->sums);
	mr_query_call(&p->sums, MR_SQL_ENGINE_PAYLOADS);
	(void)mr_query_submit(&p->sums); /* without memory: next time */
}

/* ---- in threads ---- */

static void in_thread(uv_work_t *work)
{
	struct job *job = work->data;

	for (struct file *f = job->files.first; f != NULL; f = f->next)
		f->r = mr_payload_settle(job->root, f->ref, f->tmp);
}

static void kick(struct mr_payloads *p);

static void after_thread(uv_work_t *work, int status)
{
	struct job *job = work->data;
	struct mr_payloads *p = job->payloads;
	struct file *f;

	(void)status; /* nobody cancels it */
	job->under_way = false;
	while ((f = pop(&job->files)) != NULL) {
		if (f->r == 0 && f->bytes > 0)
			push(&p->uncounted, f);
		else
			uncounted_end(p, f);
	}
	kick_count(p);
	kick(p);
}

static void start(struct job *job)
{
	struct mr_payloads *p = job->payloads;
	struct file *f;

	for (unsigned i = 0; i < JOB_MAX && (f = pop(&p->waiting)) != NULL; i++)
		push(&job->files, f);
	job->under_way = true;
	job->work.data = job;
	(void)uv_queue_work(p->engine->loop, &job->work, in_thread, after_thread); /* can't fail */
}

static void kick(struct mr_payloads *p)
{
	for (unsigned i = 0; i < JOBS && p->waiting.first != NULL; i++) {
		struct job *job = &p->jobs[i];
		struct mr_str root = mr_str(p->engine->settings->file_store);

		if (job->under_way)
			continue;
		/* settings may be read anew while the thread works; the path was short enough to
		 * write the file */
		memcpy(job->root, root.p, root.len);
		job->root[root.len] = '\0';
		start(job);
	}
}

bool mr_payloads_is_idle(const struct mr_payloads *p)
{
	for (unsigned i = 0; i < JOBS; i++) {
		if (p->jobs[i].under_way)
			return false;
	}
	return p->waiting.first == NULL && p->uncounted.first == NULL && !p->count.busy;
}

/* ---- for the state machine ---- */

static int settle_later(struct mr_held *h, struct mr_str ref, struct mr_str tmp, int64_t bytes)
{
	struct mr_engine *e = h->engine;
	struct usage *u = usage_need(e->payloads, h->tenant_id);
	struct file *f = u != NULL ? file_create(h, ref, tmp, bytes) : NULL;

	if (f == NULL)
		return MR_E_NOMEM;
	u->more += bytes;
	push(&e->payloads->waiting, f);
	h->busy++;
	h->unsettled++;
	if (h->dirty) {
		mr_flush_remove(e->flush, h);
		h->held_back = true;
	}
	kick(e->payloads);
	return 0;
}

int mr_payloads_store(
    void *ctx, struct mr_arena *a, const struct mr_value *v, struct mr_str *ret_ref)
{
	struct mr_held *h = ctx;
	const char *root = h->engine->settings->file_store;
	struct mr_str text, tmp;
	int r;

	if (h->store_failed || strlen(root) >= ROOT_LEN)
		return MR_E_IO;
	text = mr_json_text(a, v);
	if (text.p == NULL)
		return MR_E_NOMEM;
	if (!has_room(h->engine->payloads, h, text.len))
		return MR_E_LIMIT;
	r = mr_payload_write(a, root, h->id, text, ret_ref, &tmp);
	return r < 0 ? r : settle_later(h, *ret_ref, tmp, tmp.p != NULL ? (int64_t)text.len : 0);
}

int mr_payloads_load(void *ctx, struct mr_arena *a, struct mr_str ref, struct mr_value *ret)
{
	const struct mr_held *h = ctx;
	const struct file *f = find(h->engine->payloads, h, ref);
	struct mr_str text;
	int r = mr_payload_read_unsettled(
	    a, h->engine->settings->file_store, ref, f != NULL ? f->tmp : MR_STR_NONE, &text);

	return r < 0 ? r : mr_json_parse(a, text, &mr_run_json_limits, NULL, ret);
}

/* ---- life ---- */

struct mr_payloads *mr_payloads_create(struct mr_engine *e)
{
	struct mr_payloads *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->engine = e;
	mr_buf_init(&p->run_ids, TEXT_MAX);
	mr_buf_init(&p->tenant_ids, TEXT_MAX);
	mr_buf_init(&p->sizes, TEXT_MAX);
	for (unsigned i = 0; i < JOBS; i++)
		p->jobs[i].payloads = p;
	if (mr_query_init(&p->count, e, counted) < 0 || mr_query_init(&p->sums, e, sums_known) < 0)
		return mr_payloads_free(p);
	p->count.ctx = p->sums.ctx = p;
	p->count.after = after_count;
	return p;
}

struct mr_payloads *mr_payloads_free(struct mr_payloads *p)
{
	struct file *f;

	if (p == NULL)
		return NULL;
	/* never answered: the database was away */
	while ((f = pop(&p->counting)) != NULL || (f = pop(&p->uncounted)) != NULL) {
		mr_held_release(f->held);
		(void)file_free(f); /* NULL */
	}
	mr_query_done(&p->count);
	mr_query_done(&p->sums);
	mr_buf_done(&p->run_ids);
	mr_buf_done(&p->tenant_ids);
	mr_buf_done(&p->sizes);
	free(p->usages);
	free(p);
	return NULL;
}
