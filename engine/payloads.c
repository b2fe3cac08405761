#include "engine/payloads.h"

#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/load.h"
#include "engine/payload.h"
#include "engine/run_row.h"
#include "engine/runs.h"
#include "lib/log.h"

#define JOBS     2  /* threads that wait for the disk at a time: others have use for them too */
#define JOB_MAX  64 /* files of one */
#define ROOT_LEN 512

/* A file that was written and is not on disk for sure. */
struct file {
	struct mr_held *held; /* busy until the file is settled */
	struct file *next;
	struct mr_str ref, tmp; /* in text */
	char *text;
	int r; /* the thread's */
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

struct mr_payloads {
	struct mr_engine *engine;
	struct list waiting;
	struct job jobs[JOBS];
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

static struct file *file_create(struct mr_held *h, struct mr_str ref, struct mr_str tmp)
{
	struct file *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->text = malloc(ref.len + tmp.len + 1);
	if (f->text == NULL)
		return file_free(f);
	f->held = h;
	memcpy(f->text, ref.p, ref.len);
	f->ref = (struct mr_str){ f->text, ref.len };
	if (tmp.p != NULL) {
		memcpy(f->text + ref.len, tmp.p, tmp.len);
		f->tmp = (struct mr_str){ f->text + ref.len, tmp.len };
	}
	return f;
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
	struct file *f;

	(void)status; /* nobody cancels it */
	while ((f = pop(&job->files)) != NULL)
		settled(f);
	job->under_way = false;
	kick(job->payloads);
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
	return p->waiting.first == NULL;
}

/* ---- for the state machine ---- */

static int settle_later(struct mr_held *h, struct mr_str ref, struct mr_str tmp)
{
	struct mr_engine *e = h->engine;
	struct file *f = file_create(h, ref, tmp);

	if (f == NULL)
		return MR_E_NOMEM;
	push(&e->payloads->waiting, f);
	h->busy++;
	h->unsettled++;
	h->held_back = h->held_back || h->dirty;
	if (h->dirty)
		mr_flush_remove(e->flush, h);
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
	r = mr_payload_write(a, root, h->id, text, ret_ref, &tmp);
	return r < 0 ? r : settle_later(h, *ret_ref, tmp);
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
	for (unsigned i = 0; i < JOBS; i++)
		p->jobs[i].payloads = p;
	return p;
}

struct mr_payloads *mr_payloads_free(struct mr_payloads *p)
{
	free(p);
	return NULL;
}
