/*
 * Frames: opened when a block begins to run, counted as its steps end, closed when nothing more
 * happens in them. Closing is derived from the facts of the steps and has no fact of its own.
 */
#include "engine/core/run_private.h"

#include <string.h>

/* ---- statuses ---- */

bool mr_step_is_active(enum mr_step_status s)
{
	return s == MR_STEP_RUNNING || s == MR_STEP_WAITING || s == MR_STEP_RETRYING ||
	       s == MR_STEP_CATCHING;
}

bool mr_step_ended(const struct mr_step_state *st)
{
	switch (st->status) {
	case MR_STEP_COMPLETED:
	case MR_STEP_SKIPPED:
	case MR_STEP_CANCELLED:
	case MR_STEP_COMPENSATED:
		return true;
	case MR_STEP_FAILED:
		return st->handled;
	default:
		return false;
	}
}

/* Ended in a way that lets the steps after it go on. */
static bool is_done(const struct mr_step_state *st)
{
	return mr_step_ended(st) && st->status != MR_STEP_CANCELLED &&
	       (st->status != MR_STEP_SKIPPED || st->reason == MR_SKIP_WHEN);
}

static bool is_completed(const struct mr_step_state *st)
{
	return st->status == MR_STEP_COMPLETED || st->status == MR_STEP_COMPENSATED;
}

static bool is_effect(const struct mr_run *run, const struct mr_step_state *st)
{
	return st->status == MR_STEP_RUNNING && mr_step_of(run, st)->kind == MR_STEP_OUTSIDE;
}

/* ---- joins ---- */

enum mr_join_verdict mr_join_judge(
    const struct mr_join *j, size_t len, size_t left, size_t done, size_t completed)
{
	size_t need = j->kind == MR_JOIN_ANY ? 1 : j->kind == MR_JOIN_N ? j->n : len;

	if (len == 0)
		return MR_JOIN_RUN;
	switch (j->kind) {
	case MR_JOIN_OK:
		return left > 0 ? MR_JOIN_WAIT : done > 0 ? MR_JOIN_RUN : MR_JOIN_UNMET;
	case MR_JOIN_DONE:
		return left > 0 ? MR_JOIN_WAIT : MR_JOIN_RUN;
	case MR_JOIN_ALL:
	case MR_JOIN_ANY:
	case MR_JOIN_N:
		break;
	}
	if (completed >= need)
		return MR_JOIN_RUN;
	return completed + left < need ? MR_JOIN_UNMET : MR_JOIN_WAIT;
}

enum mr_join_verdict mr_step_verdict(const struct mr_run *run, const struct mr_step_state *st)
{
	const struct mr_step *s = mr_step_of(run, st);

	return mr_join_judge(
	    &s->join, s->deps_len, st->deps_left, st->deps_done, st->deps_completed);
}

/* A block around it has failed, and is about to cancel what is inside. What undoes a step runs
 * after all that. */
static bool is_doomed(const struct mr_frame *f)
{
	for (; f->holder != NULL && f->block->role != MR_BLOCK_COMPENSATE; f = f->holder->frame)
		if (f->holder->frame->failed != NULL)
			return true;
	return false;
}

static bool is_open(const struct mr_frame *f)
{
	return !f->is_closed && !f->kept && !f->is_cancelled && f->failed == NULL && !is_doomed(f);
}

static void offer(struct mr_run *run, struct mr_step_state *st)
{
	if (st->status == MR_STEP_FRESH && is_open(st->frame) &&
	    mr_step_verdict(run, st) != MR_JOIN_WAIT)
		mr_ready_add(run, st);
}

/* ST has ended: one thing less to wait for. */
static void count_for_succs(struct mr_run *run, const struct mr_step_state *st)
{
	const struct mr_step *s = mr_step_of(run, st);

	for (size_t k = 0; k < s->succs_len; k++) {
		struct mr_step_state *succ = mr_frame_step(st->frame, s->succs[k]);
		uint64_t ways = s->succs_ways != NULL ? s->succs_ways[k] : MR_WAY_PLAIN;
		bool taken = (ways & st->ways) != 0;

		succ->deps_left--;
		succ->deps_done += taken && is_done(st);
		succ->deps_completed += taken && is_completed(st);
	}
}

/* ---- a frame's place in the lists ---- */

static void link_all(struct mr_run *run, struct mr_frame *f)
{
	f->all_prev = run->frames_last;
	if (run->frames_last != NULL)
		run->frames_last->all_next = f;
	else
		run->frames = f;
	run->frames_last = f;
}

static void unlink_all(struct mr_run *run, struct mr_frame *f)
{
	if (f->all_prev != NULL)
		f->all_prev->all_next = f->all_next;
	else
		run->frames = f->all_next;
	if (f->all_next != NULL)
		f->all_next->all_prev = f->all_prev;
	else
		run->frames_last = f->all_prev;
}

static void link_inner(struct mr_frame *f)
{
	struct mr_inner *in = f->holder->inner;

	f->prev = in->last;
	if (in->last != NULL)
		in->last->next = f;
	else
		in->first = f;
	in->last = f;
	in->frames_len++;
}

static void unlink_inner(struct mr_frame *f)
{
	struct mr_inner *in = f->holder->inner;

	if (f->prev != NULL)
		f->prev->next = f->next;
	else
		in->first = f->next;
	if (f->next != NULL)
		f->next->prev = f->prev;
	else
		in->last = f->prev;
	f->next = f->prev = NULL;
	in->frames_len--;
}

/* ---- arenas of frames ---- */

static void free_arena(void *arena)
{
	(void)mr_arena_free(arena);
}

struct mr_pooled *mr_pool_get(struct mr_run *run)
{
	struct mr_pooled *p = run->pool;

	if (p != NULL) {
		run->pool = p->next;
		return p;
	}
	p = mr_arena_zalloc(run->arena, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->arena = mr_arena_create_within(run->arena);
	if (p->arena == NULL || mr_arena_defer(run->arena, free_arena, p->arena) < 0)
		return NULL;
	return p;
}

void mr_frames_bury(struct mr_run *run)
{
	while (run->dead != NULL) {
		struct mr_pooled *p = run->dead;

		run->dead = p->next;
		mr_arena_reset(p->arena); /* the frame lived in it */
		p->next = run->pool;
		run->pool = p;
	}
}

/* ---- opening ---- */

struct mr_inner *mr_inner_need(struct mr_step_state *st)
{
	if (st->inner == NULL)
		st->inner = mr_arena_zalloc(st->frame->arena, sizeof(*st->inner));
	return st->inner;
}

static void count_fresh(struct mr_run *run, struct mr_frame *f)
{
	f->left = f->block->len;
	for (unsigned i = 0; i < f->block->len; i++)
		f->steps[i].deps_left = (unsigned)run->g->steps[f->block->first + i].deps_len;
	for (unsigned i = 0; i < f->block->len; i++)
		offer(run, &f->steps[i]);
}

static int frame_make(struct mr_run *run, const struct mr_block *block,
    struct mr_step_state *holder, struct mr_frame **ret)
{
	struct mr_pooled *pooled = block->role == MR_BLOCK_MAIN ? NULL : mr_pool_get(run);
	struct mr_arena *arena = pooled != NULL ? pooled->arena : run->arena;
	struct mr_frame *f;

	if (pooled == NULL && block->role != MR_BLOCK_MAIN)
		return MR_E_NOMEM;
	f = mr_arena_zalloc(arena, sizeof(*f));
	if (f == NULL)
		return MR_E_NOMEM;
	f->steps = mr_arena_array(arena, block->len, sizeof(*f->steps));
	if (f->steps == NULL)
		return MR_E_NOMEM;
	f->block = block;
	f->holder = holder;
	f->arena = arena;
	f->pooled = pooled;
	f->bound = MR_NULL_VALUE;
	for (unsigned i = 0; i < block->len; i++) {
		f->steps[i].frame = f;
		f->steps[i].index = block->first + i;
	}
	*ret = f;
	return 0;
}

/* A frame of an earlier attempt whose steps' states are to be used again. */
static struct mr_frame *kept_frame(
    const struct mr_step_state *holder, const struct mr_block *block, unsigned iteration)
{
	struct mr_frame *f = holder != NULL && holder->inner != NULL ? holder->inner->first : NULL;

	while (f != NULL && (!f->kept || f->block != block || f->iteration != iteration))
		f = f->next;
	return f;
}

int mr_frame_open(struct mr_run *run, const struct mr_block *block, struct mr_step_state *holder,
    unsigned iteration, const struct mr_value *bound, struct mr_frame **ret)
{
	struct mr_frame *f = kept_frame(holder, block, iteration);

	*ret = f;
	if (f != NULL) {
		f->kept = false;
		return mr_frame_recount(run, f);
	}
	if ((holder != NULL && mr_inner_need(holder) == NULL) ||
	    frame_make(run, block, holder, &f) < 0)
		return MR_E_NOMEM;
	f->iteration = iteration;
	if (bound != NULL && mr_value_copy(f->arena, bound, &f->bound) < 0)
		return MR_E_NOMEM;
	if (holder != NULL)
		link_inner(f);
	link_all(run, f);
	count_fresh(run, f);
	*ret = f;
	return 0;
}

int mr_frame_restore(struct mr_run *run, const struct mr_block *block, struct mr_step_state *holder,
    bool is_detached, struct mr_frame **ret)
{
	struct mr_frame *f;

	if ((holder != NULL && !is_detached && mr_inner_need(holder) == NULL) ||
	    frame_make(run, block, holder, &f) < 0)
		return MR_E_NOMEM;
	f->is_detached = is_detached;
	if (holder != NULL && !is_detached)
		link_inner(f);
	link_all(run, f);
	*ret = f;
	return 0;
}

/* ---- counting anew ---- */

static void leave_lists(struct mr_run *run, struct mr_step_state *st)
{
	struct mr_frame *f = st->frame;

	mr_ready_remove(run, st);
	mr_awaiting_set(run, st, false);
	mr_timer_remove(run, st);
	mr_begun_drop(run, st);
	if (!st->is_active)
		return;
	st->is_active = false;
	if (st->active_prev != NULL)
		st->active_prev->active_next = st->active_next;
	else
		f->active = st->active_next;
	if (st->active_next != NULL)
		st->active_next->active_prev = st->active_prev;
	st->active_next = st->active_prev = NULL;
}

static void link_active(struct mr_step_state *st)
{
	struct mr_frame *f = st->frame;

	if (st->is_active)
		return;
	st->is_active = true;
	st->active_prev = NULL;
	st->active_next = f->active;
	if (f->active != NULL)
		f->active->active_prev = st;
	f->active = st;
}

/* It waits for an event or a child run, not (only) for a time. */
static bool awaits(const struct mr_run *run, const struct mr_step_state *st)
{
	const struct mr_value *waits;

	if (st->status != MR_STEP_WAITING || st->inner == NULL)
		return false;
	if (mr_step_of(run, st)->type == MR_STEP_SUBWORKFLOW)
		return true;
	waits = mr_value_get_kind(&st->inner->spec, "waits", MR_VALUE_LIST);
	for (size_t i = 0; waits != NULL && i < waits->list->len; i++)
		if (mr_value_get(&waits->list->items[i], "event") != NULL)
			return true;
	return false;
}

static int join_lists(struct mr_run *run, struct mr_step_state *st)
{
	link_active(st);
	run->in_flight += is_effect(run, st);
	mr_awaiting_set(run, st, awaits(run, st));
	if (mr_hash_add(run, st) < 0)
		return MR_E_NOMEM;
	return mr_step_arm(run, st);
}

int mr_frame_recount(struct mr_run *run, struct mr_frame *f)
{
	f->is_closed = f->is_cancelled = false;
	return mr_frame_count(run, f);
}

int mr_frame_count(struct mr_run *run, struct mr_frame *f)
{
	f->left = f->block->len;
	f->failed = NULL;
	for (unsigned i = 0; i < f->block->len; i++) {
		f->steps[i].deps_left = (unsigned)run->g->steps[f->block->first + i].deps_len;
		f->steps[i].deps_done = f->steps[i].deps_completed = 0;
	}
	for (unsigned i = 0; i < f->block->len; i++) {
		struct mr_step_state *st = &f->steps[i];

		if (mr_step_ended(st)) {
			f->left--;
			count_for_succs(run, st);
		} else if (st->status == MR_STEP_FAILED && f->failed == NULL) {
			f->failed = st;
		}
		if (mr_step_is_active(st->status) && join_lists(run, st) < 0)
			return MR_E_NOMEM;
	}
	for (unsigned i = 0; i < f->block->len; i++)
		offer(run, &f->steps[i]);
	return 0;
}

/* ---- closing ---- */

/* What a completed step gave. */
int mr_step_output(const struct mr_run *run, const struct mr_step_state *st, struct mr_arena *a,
    struct mr_value *ret)
{
	int r = 0;

	*ret = st->output;
	if (st->ref.p == NULL && st->parts.kind == MR_VALUE_NULL)
		return 0;
	if (st->ref.p != NULL)
		r = mr_stored_value(run, a, st->ref, ret);
	else if (mr_value_copy(a, &st->output, ret) < 0)
		return MR_E_NOMEM;
	if (r == 0)
		r = mr_parts_load(run, a, &st->parts, ret);
	if (r == 0)
		mr_link_json(mr_step_of(run, st), ret);
	return r;
}

/* The last step that has a result, or NULL. */
static const struct mr_step_state *last_completed(const struct mr_frame *f)
{
	for (unsigned k = f->block->len; k > 0; k--)
		if (is_completed(&f->steps[k - 1]))
			return &f->steps[k - 1];
	return NULL;
}

int mr_frame_result(
    const struct mr_run *run, const struct mr_frame *f, struct mr_arena *a, struct mr_value *ret)
{
	const struct mr_step_state *st = last_completed(f);

	*ret = MR_NULL_VALUE;
	return st != NULL ? mr_step_output(run, st, a, ret) : 0;
}

int mr_frame_parts(
    const struct mr_frame *f, struct mr_arena *a, struct mr_value *ret, struct mr_value *ret_parts)
{
	const struct mr_step_state *st = last_completed(f);

	*ret = *ret_parts = MR_NULL_VALUE;
	return st != NULL ? mr_step_parts(st, a, ret, ret_parts) : 0;
}

size_t mr_foreach_tolerance(const struct mr_step *s, size_t items)
{
	if (s->tolerate_count >= 0)
		return (size_t)s->tolerate_count;
	if (s->tolerate_percent >= 0)
		return (size_t)(s->tolerate_percent / 100 * (double)items);
	return 0;
}

static void wake_holder(struct mr_run *run, struct mr_frame *f)
{
	if (f->holder == NULL || !mr_step_is_active(f->holder->status))
		return;
	if (mr_step_is_due(run, f->holder))
		mr_ready_add(run, f->holder);
	else
		mr_ready_remove(run, f->holder);
}

int mr_foreach_open(struct mr_run *run, struct mr_step_state *st)
{
	struct mr_inner *in = st->inner;
	const struct mr_step *s = mr_step_of(run, st);
	size_t len = in->items.list->len;
	struct mr_frame *f;

	/* of a foreach no frame is kept for a retry: each is an item that runs */
	for (; in->frames_len < s->concurrency && in->next < len; in->next++) {
		if (in->done[in->next])
			continue; /* of an attempt before */
		if (mr_frame_open(run, &run->g->blocks[s->body], st, (unsigned)in->next,
		        &in->items.list->items[in->next], &f) < 0)
			return MR_E_NOMEM;
	}
	/* it may have been due because of an item that is gone now */
	if (mr_step_is_due(run, st))
		mr_ready_add(run, st);
	else
		mr_ready_remove(run, st);
	return 0;
}

/* One item of a foreach has ended. */
static int close_item(struct mr_run *run, struct mr_frame *f)
{
	struct mr_step_state *st = f->holder;
	struct mr_inner *in = st->inner;
	struct mr_value parts;
	int r = 0;

	if (f->failed == NULL && f->is_cancelled) {
		mr_frame_drop(run, f);
		mr_ready_add(run, st);
		return 0;
	}
	if (f->failed == NULL) {
		r = mr_frame_parts(f, st->frame->arena, &in->results[f->iteration], &parts);
		if (r == 0)
			r = mr_inner_set_parts(st, f->iteration, &parts);
		in->done[f->iteration] = 1;
		in->succeeded++;
	} else {
		in->failed++;
		if (!in->has_failure)
			r = mr_value_copy(st->frame->arena, &f->failed->error, &in->failure);
		in->has_failure = true;
	}
	mr_frame_drop(run, f);
	if (r < 0)
		return r;
	if (in->failed > mr_foreach_tolerance(mr_step_of(run, st), in->items.list->len)) {
		mr_ready_add(run, st);
		return 0;
	}
	return mr_foreach_open(run, st);
}

/* Nothing begins any more in a frame that has failed, nor in those inside: as deep as blocks are
 * nested. */
static void stop_starting(struct mr_run *run, struct mr_frame *f)
{
	for (unsigned i = 0; i < f->block->len; i++) {
		struct mr_step_state *st = &f->steps[i];

		if (st->status == MR_STEP_FRESH)
			mr_ready_remove(run, st);
		if (st->inner == NULL || !mr_step_is_active(st->status))
			continue;
		for (struct mr_frame *in = st->inner->first; in != NULL; in = in->next)
			if (!in->kept)
				stop_starting(run, in);
	}
}

int mr_frame_check(struct mr_run *run, struct mr_frame *f)
{
	if (f->is_closed)
		return 0;
	if (f->failed != NULL && f->active != NULL)
		wake_holder(run, f); /* cancelling what runs beside is a decision */
	if (f->failed != NULL || f->is_cancelled ? f->active != NULL : f->left > 0)
		return 0;
	f->is_closed = true;
	if (f == run->on_failure || f == run->finally)
		return mr_run_next_phase(run);
	if (f->holder != NULL && f->block->role == MR_BLOCK_BODY &&
	    mr_step_of(run, f->holder)->type == MR_STEP_FOREACH)
		return close_item(run, f);
	wake_holder(run, f);
	return 0;
}

/* ---- forgetting ---- */

static void forget(struct mr_run *run, struct mr_frame *f)
{
	for (unsigned i = 0; i < f->block->len; i++)
		mr_hash_remove(run, &f->steps[i]);
	unlink_all(run, f);
	if (f->pooled == NULL)
		return;
	f->pooled->next = run->dead;
	run->dead = f->pooled;
}

void mr_inner_drop(struct mr_run *run, struct mr_step_state *st)
{
	if (st->inner == NULL)
		return;
	while (st->inner->first != NULL)
		mr_frame_drop(run, st->inner->first);
	st->inner = NULL;
}

void mr_frame_drop(struct mr_run *run, struct mr_frame *f)
{
	for (unsigned i = 0; i < f->block->len; i++) {
		struct mr_step_state *st = &f->steps[i];

		run->in_flight -= is_effect(run, st) && st->is_active;
		leave_lists(run, st);
		mr_inner_drop(run, st);
	}
	f->is_closed = true;
	if (f->holder != NULL && !f->is_detached)
		unlink_inner(f);
	f->is_detached = true;
	if (f->pins == 0)
		forget(run, f);
}

static void close_inner(struct mr_run *run, struct mr_step_state *st)
{
	struct mr_frame *f = st->inner != NULL ? st->inner->first : NULL;

	for (; f != NULL; f = f->next) {
		f->is_closed = true;
		stop_starting(run, f);
	}
}

/* What has ended inside is wanted when the run is retried: from a step that failed or was cancelled
 * there, or from any step of a branch that ran once in this run. */
static bool serves_retry(const struct mr_run *run, const struct mr_step_state *st)
{
	enum mr_step_type type = mr_step_of(run, st)->type;
	const struct mr_frame *f = st->frame;

	if (st->status == MR_STEP_CANCELLED || (st->status == MR_STEP_FAILED && !st->handled))
		return true;
	if (st->status != MR_STEP_COMPLETED ||
	    (type != MR_STEP_CONDITIONAL && type != MR_STEP_SWITCH && type != MR_STEP_PARALLEL))
		return false;
	while (f->block->role == MR_BLOCK_BRANCH)
		f = f->holder->frame;
	return f->block->role == MR_BLOCK_MAIN;
}

int mr_undo_add(struct mr_run *run, struct mr_step_state *st)
{
	if (run->undo_len == run->undo_cap) {
		size_t cap = run->undo_cap == 0 ? 8 : run->undo_cap * 2;
		struct mr_step_state **grown =
		    mr_arena_array(run->arena, cap, sizeof(struct mr_step_state *));

		if (grown == NULL)
			return MR_E_NOMEM;
		if (run->undo_len > 0)
			memcpy(grown, run->undo, run->undo_len * sizeof(struct mr_step_state *));
		run->undo = grown;
		run->undo_cap = cap;
	}
	run->undo[run->undo_len++] = st;
	mr_frame_pin(st);
	return mr_hash_add(run, st);
}

void mr_frame_pin(struct mr_step_state *st)
{
	for (; st != NULL; st = st->frame->holder)
		st->frame->pins++;
}

void mr_frames_unpin(struct mr_run *run)
{
	struct mr_frame *f, *next;

	for (f = run->frames; f != NULL; f = f->all_next)
		f->pins = 0;
	for (size_t i = 0; i < run->undo_len; i++)
		mr_frame_pin(run->undo[i]);
	for (f = run->frames; f != NULL; f = next) {
		next = f->all_next;
		if (f->is_detached && f->pins == 0)
			forget(run, f);
	}
}

/* ---- changes of one step ---- */

static bool can_be_undone(const struct mr_run *run, const struct mr_step_state *st)
{
	return mr_step_of(run, st)->compensate >= 0;
}

static void leave_active(struct mr_run *run, struct mr_step_state *st)
{
	run->in_flight -= st->is_active && is_effect(run, st);
	leave_lists(run, st);
}

int mr_step_enter(struct mr_run *run, struct mr_step_state *st, enum mr_step_status status)
{
	leave_active(run, st);
	st->status = status;
	return join_lists(run, st);
}

int mr_step_end(struct mr_run *run, struct mr_step_state *st, enum mr_step_status status)
{
	const struct mr_step *s = mr_step_of(run, st);
	struct mr_frame *f = st->frame;

	leave_active(run, st);
	st->status = status;
	st->wake_at = 0;
	if (serves_retry(run, st))
		close_inner(run, st);
	else
		mr_inner_drop(run, st);
	if (status == MR_STEP_COMPLETED && can_be_undone(run, st)) {
		if (mr_undo_add(run, st) < 0)
			return MR_E_NOMEM;
	} else {
		mr_hash_remove(run, st);
	}
	if (mr_step_ended(st)) {
		f->left--;
		count_for_succs(run, st);
		for (size_t k = 0; k < s->succs_len; k++)
			offer(run, mr_frame_step(f, s->succs[k]));
	} else if (f->failed == NULL) {
		f->failed = st;
		stop_starting(run, f);
	}
	return mr_frame_check(run, f);
}

void mr_step_make_fresh(struct mr_run *run, struct mr_step_state *st, bool keep_inner)
{
	struct mr_frame *f = st->frame;
	unsigned index = st->index;
	struct mr_inner *inner = st->inner;

	leave_active(run, st);
	mr_hash_remove(run, st);
	if (!keep_inner) {
		mr_inner_drop(run, st);
		inner = NULL;
	}
	*st = (struct mr_step_state){ .frame = f, .index = index, .inner = inner };
}
