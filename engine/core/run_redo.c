/*
 * A run that ended, taken up again: what failed or was cancelled becomes fresh, with FROM that step
 * and all after it. What completed is kept, inside blocks too: a block begins anew and finds the
 * states of its inner steps where its frames are the same.
 */
#include "engine/core/run_private.h"

struct redo {
	struct mr_run *run;
	uint64_t *whole; /* with all that is inside */
	uint64_t *shell; /* a block itself, its inner steps as they are */
	unsigned *todo;
	size_t todo_len;
};

static void set(uint64_t *bits, unsigned i)
{
	bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool has(const uint64_t *bits, unsigned i)
{
	return (bits[i / 64] >> (i % 64) & 1) != 0;
}

static int holder_of(const struct mr_graph *g, unsigned step)
{
	return g->blocks[g->steps[step].block].holder;
}

static void redo_succs(struct redo *d, unsigned i)
{
	const struct mr_step *s = &d->run->g->steps[i];

	for (size_t k = 0; k < s->succs_len; k++) {
		if (has(d->whole, s->succs[k]))
			continue;
		set(d->whole, s->succs[k]);
		d->todo[d->todo_len++] = s->succs[k];
	}
}

/* Rounds, items and catch entries are not taken up in the middle: the outermost holder of such. */
static unsigned whole_holder(const struct mr_graph *g, unsigned from)
{
	unsigned found = from;

	for (int at = (int)from; at >= 0; at = holder_of(g, (unsigned)at))
		if (g->blocks[g->steps[at].block].role != MR_BLOCK_BRANCH &&
		    holder_of(g, (unsigned)at) >= 0)
			found = (unsigned)holder_of(g, (unsigned)at);
	return found;
}

/* FROM and all that comes after it, out to the blocks around it and what follows those. */
static void redo_from(struct redo *d, unsigned from)
{
	const struct mr_graph *g = d->run->g;

	from = whole_holder(g, from);
	set(d->whole, from);
	redo_succs(d, from);
	for (int at = holder_of(g, from); at >= 0; at = holder_of(g, (unsigned)at)) {
		set(d->shell, (unsigned)at);
		redo_succs(d, (unsigned)at);
	}
	while (d->todo_len > 0)
		redo_succs(d, d->todo[--d->todo_len]);
}

/* A step was undone: so is whatever of the main block it belonged to. */
static void redo_undone(struct redo *d)
{
	for (struct mr_frame *f = d->run->frames; f != NULL; f = f->all_next) {
		for (unsigned i = 0; i < f->block->len; i++) {
			const struct mr_step_state *st = &f->steps[i];

			if (st->status != MR_STEP_COMPENSATED)
				continue;
			while (st->frame->holder != NULL)
				st = st->frame->holder;
			set(d->whole, st->index);
		}
	}
}

static bool is_to_be_redone(const struct mr_step_state *st)
{
	return (st->status == MR_STEP_FAILED && !st->handled) || mr_step_is_active(st->status) ||
	       st->status == MR_STEP_CANCELLED ||
	       (st->status == MR_STEP_SKIPPED && st->reason == MR_SKIP_JOIN);
}

static void redo_frame(struct redo *d, struct mr_frame *f);

static void keep_frames(struct redo *d, struct mr_step_state *st)
{
	struct mr_frame *f = st->inner != NULL ? st->inner->first : NULL;

	while (f != NULL) {
		struct mr_frame *next = f->next;

		if (f->block->role == MR_BLOCK_BRANCH) {
			redo_frame(d, f);
			f->kept = true;
			f->is_closed = true;
		} else {
			mr_frame_drop(d->run, f);
		}
		f = next;
	}
}

/* As deep as blocks are nested. */
static void redo_frame(struct redo *d, struct mr_frame *f)
{
	for (unsigned i = 0; i < f->block->len; i++) {
		struct mr_step_state *st = &f->steps[i];

		if (has(d->whole, st->index)) {
			mr_step_make_fresh(d->run, st, false);
		} else if (has(d->shell, st->index) || is_to_be_redone(st)) {
			mr_step_make_fresh(d->run, st, true);
			keep_frames(d, st);
		}
	}
}

/* What can be undone later: what is still completed. */
static void redo_undo(struct mr_run *run)
{
	size_t len = 0;

	for (size_t i = 0; i < run->undo_len; i++)
		if (run->undo[i]->status == MR_STEP_COMPLETED)
			run->undo[len++] = run->undo[i];
	run->undo_len = len;
	run->undo_failed = false;
	mr_frames_unpin(run);
}

static void redo_run(struct mr_run *run)
{
	if (run->undoing != NULL)
		mr_frame_drop(run, run->undoing);
	if (run->on_failure != NULL)
		mr_frame_drop(run, run->on_failure);
	if (run->finally != NULL)
		mr_frame_drop(run, run->finally);
	run->undoing = run->on_failure = run->finally = NULL;
	run->terminated = MR_NULL_VALUE;
	run->phase = MR_PHASE_MAIN;
	run->is_paused = false;
	run->error = run->result = run->who = MR_NULL_VALUE;
	run->has_result = run->has_output = false;
	run->ended_at = run->result_at = 0;
}

int mr_run_redo(struct mr_run *run, struct mr_str from)
{
	size_t words = (run->g->steps_len + 63) / 64;
	/* a name that the definition lacks is no reason to refuse a journal */
	int from_step = from.p != NULL ? mr_graph_find(run->g, from) : -1;
	struct redo d = { .run = run };

	d.whole = mr_arena_array(run->arena, 2 * words, sizeof(*d.whole));
	/* each step is put there once, at most */
	d.todo = mr_arena_array(run->arena, run->g->steps_len, sizeof(*d.todo));
	if (d.whole == NULL || d.todo == NULL)
		return MR_E_NOMEM;
	d.shell = d.whole + words;
	redo_run(run);
	if (run->main == NULL)
		return 0;
	redo_undone(&d);
	if (from_step >= 0)
		redo_from(&d, (unsigned)from_step);
	redo_frame(&d, run->main);
	redo_undo(run);
	return mr_frame_recount(run, run->main);
}
