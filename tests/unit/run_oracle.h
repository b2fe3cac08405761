/*
 * What the committed facts of a run may look like, judged by little more than the definition: it
 * keeps its own books of executions and blocks, and knows nothing of the core's state. Any fact
 * that breaks a rule ends the test through oracle_fail, which whoever includes this sets.
 */
#ifndef MR_TESTS_UNIT_RUN_ORACLE_H
#define MR_TESTS_UNIT_RUN_ORACLE_H

#include "run_world.h"

#include <stdio.h>

#define ORACLE_IDS    16384
#define ORACLE_EXECS  4000
#define ORACLE_FRAMES 3000

enum o_status {
	O_EFFECT,  /* something outside is under way */
	O_RUNNING, /* inner steps are */
	O_WAITING,
	O_CHILD, /* waits for a child run */
	O_RETRYING,
	O_CATCHING,
	O_ENDED, /* from here on: nothing is under way */
};

struct o_exec {
	int64_t id;
	int step, frame;
	enum o_status status;
	unsigned attempt, carried_out; /* attempts: the last one; the last whose effect was begun */
	uint64_t ways;
	bool done, completed, failed, undone, has_output;
	struct mr_value output;
	unsigned completed_seq;
	char key[200]; /* of its effects; "": none yet */
	bool answered; /* the model has told the end of the effect, not committed yet */
	int64_t child;
	bool has_row; /* in the table of waits */
};

struct o_frame {
	int64_t holder;
	unsigned block, iteration, active, left;
	bool failed, dropped;
	int first; /* of exec_at: one for each step of the block */
};

enum o_phase { O_MAIN, O_UNDOING, O_HANDLERS, O_OVER };

struct oracle {
	const struct mr_graph *g;
	enum o_phase phase;
	bool started, paused, strict, undo_failed, forced;
	unsigned seq, active, epochs;
	const char *outcome;
	struct o_exec execs[ORACLE_EXECS];
	int execs_len;
	struct o_frame frames[ORACLE_FRAMES];
	int frames_len;
	int exec_at[ORACLE_EXECS * 2]; /* index + 1 */
	int exec_at_len;
	int exec_of[ORACLE_IDS]; /* by execution: index + 1 */
	int undo[ORACLE_EXECS];  /* what can be undone, in order of completion */
	int undo_len;
	unsigned last_undone; /* its place in the order */
	bool full;            /* more than fits: nothing is judged any more */
};

/* The test's: it doesn't return. STEP -1 is the run itself. */
static void (*oracle_fail)(const char *what, int step);

static void oracle_begin(struct oracle *o, const struct mr_graph *g)
{
	memset(o->exec_of, 0, sizeof(o->exec_of));
	o->g = g;
	o->phase = O_MAIN;
	o->started = o->paused = o->undo_failed = o->forced = o->full = false;
	o->strict = true;
	o->seq = o->active = o->epochs = 0;
	o->execs_len = o->frames_len = o->exec_at_len = o->undo_len = 0;
	o->outcome = NULL;
}

static struct o_exec *oracle_exec(struct oracle *o, int64_t id)
{
	int at = id > 0 && id < ORACLE_IDS ? o->exec_of[id] : 0;

	return at > 0 ? &o->execs[at - 1] : NULL;
}

/* ---- blocks ---- */

static struct o_frame *oracle_frame(struct oracle *o, const struct mr_fact *f)
{
	unsigned block = o->g->steps[f->step].block;
	struct o_frame *fr;

	for (int i = o->frames_len - 1; i >= 0; i--) {
		fr = &o->frames[i];
		if (!fr->dropped && fr->holder == f->parent_id && fr->block == block &&
		    fr->iteration == f->iteration)
			return fr;
	}
	if (o->frames_len == ORACLE_FRAMES ||
	    (size_t)o->exec_at_len + o->g->blocks[block].len > MR_ARRAY_LEN(o->exec_at)) {
		o->full = true;
		return NULL;
	}
	fr = &o->frames[o->frames_len++];
	*fr = (struct o_frame){ .holder = f->parent_id,
		.block = block,
		.iteration = f->iteration,
		.left = o->g->blocks[block].len,
		.first = o->exec_at_len };
	for (unsigned i = 0; i < fr->left; i++)
		o->exec_at[o->exec_at_len++] = 0;
	return fr;
}

static struct o_exec *oracle_in(struct oracle *o, const struct o_frame *fr, unsigned step)
{
	int at = o->exec_at[fr->first + (int)(step - o->g->blocks[fr->block].first)];

	return at > 0 ? &o->execs[at - 1] : NULL;
}

static void oracle_drop_frames(struct oracle *o, int64_t holder)
{
	for (int i = 0; i < o->frames_len; i++)
		if (o->frames[i].holder == holder)
			o->frames[i].dropped = true;
}

/* The role of the block of the definition in which STEP lies; *RET_UNDOES: inside a compensation.
 */
static enum mr_block_role oracle_root(const struct mr_graph *g, int step, bool *ret_undoes)
{
	const struct mr_block *b = &g->blocks[g->steps[step].block];

	*ret_undoes = false;
	while (b->holder >= 0) {
		*ret_undoes = *ret_undoes || b->role == MR_BLOCK_COMPENSATE;
		b = &g->blocks[g->steps[b->holder].block];
	}
	return b->role;
}

/* ---- joins, by sets ---- */

struct o_deps {
	unsigned all, ended, done, completed;
};

static uint64_t oracle_edge(const struct mr_graph *g, unsigned from, unsigned to)
{
	const struct mr_step *s = &g->steps[from];

	for (size_t k = 0; k < s->succs_len; k++)
		if (s->succs[k] == to)
			return s->succs_ways != NULL ? s->succs_ways[k] : MR_WAY_PLAIN;
	return 0;
}

static struct o_deps oracle_deps(struct oracle *o, const struct o_frame *fr, int step)
{
	const struct mr_step *s = &o->g->steps[step];
	struct o_deps d = { .all = (unsigned)s->deps_len };

	for (size_t k = 0; k < s->deps_len; k++) {
		const struct o_exec *e = oracle_in(o, fr, s->deps[k]);
		bool taken;

		if (e == NULL || e->status != O_ENDED)
			continue;
		taken = (oracle_edge(o->g, s->deps[k], (unsigned)step) & e->ways) != 0;
		d.ended++;
		d.done += taken && e->done;
		d.completed += taken && e->completed;
	}
	return d;
}

static bool oracle_join_met(const struct mr_join *j, const struct o_deps *d)
{
	if (d->all == 0)
		return true;
	switch (j->kind) {
	case MR_JOIN_OK:
		return d->ended == d->all && d->done > 0;
	case MR_JOIN_ALL:
		return d->completed == d->all;
	case MR_JOIN_ANY:
		return d->completed > 0;
	case MR_JOIN_DONE:
		return d->ended == d->all;
	case MR_JOIN_N:
		return d->completed >= j->n;
	}
	return false;
}

/* It cannot be met whatever happens to those that haven't ended. */
static bool oracle_join_lost(const struct mr_join *j, const struct o_deps *d)
{
	struct o_deps best = *d;

	best.done += best.all - best.ended;
	best.completed += best.all - best.ended;
	best.ended = best.all;
	return !oracle_join_met(j, &best);
}

static void oracle_judge_join(struct oracle *o, const struct o_frame *fr, const struct mr_fact *f)
{
	const struct mr_join *j = &o->g->steps[f->step].join;
	struct o_deps d = oracle_deps(o, fr, f->step);
	struct mr_str why = mr_value_get_str(&f->data, "reason");
	bool skipped = f->kind == MR_FACT_STEP_SKIPPED;

	if (!o->strict || (skipped && mr_str_eqz(why, "cancel_rest")))
		return;
	if (!skipped || mr_str_eqz(why, "when")) {
		if (!oracle_join_met(j, &d))
			oracle_fail("it begins though its join is not met", f->step);
	} else if (!oracle_join_lost(j, &d)) {
		oracle_fail("it is skipped though its join could be met", f->step);
	}
}

/* ---- beginning ---- */

static void oracle_may_begin(struct oracle *o, const struct o_frame *fr, const struct mr_fact *f)
{
	bool undoes;
	enum mr_block_role root = oracle_root(o->g, f->step, &undoes);
	const struct mr_block *b = &o->g->blocks[fr->block];

	if (!o->started || o->paused)
		oracle_fail("it begins in a run that does not go on", f->step);
	if (o->phase == O_MAIN && (undoes || root != MR_BLOCK_MAIN))
		oracle_fail("it begins in the main part", f->step);
	if (o->phase == O_UNDOING && !undoes)
		oracle_fail("it begins while the run is undone", f->step);
	if (o->phase == O_HANDLERS && (root == MR_BLOCK_MAIN || undoes))
		oracle_fail("it begins after the main part", f->step);
	if (o->phase == O_HANDLERS && root == MR_BLOCK_ON_FAILURE && o->outcome != NULL &&
	    (strcmp(o->outcome, "completed") == 0 || strcmp(o->outcome, "cancelled") == 0))
		oracle_fail("on_failure begins without a failure", f->step);
	if (b->role == MR_BLOCK_BODY && o->g->steps[b->holder].type == MR_STEP_WHILE &&
	    fr->iteration >= o->g->steps[b->holder].max_iterations)
		oracle_fail("a round more than max_iterations", f->step);
	while (fr != NULL) {
		const struct o_exec *h = oracle_exec(o, fr->holder);

		if (fr->failed)
			oracle_fail("it begins in a block that has failed", f->step);
		if (h != NULL && h->status == O_ENDED &&
		    o->g->blocks[fr->block].role != MR_BLOCK_COMPENSATE)
			oracle_fail("it begins in a block that has ended", f->step);
		if (o->g->blocks[fr->block].role == MR_BLOCK_COMPENSATE)
			break;
		fr = h != NULL ? &o->frames[h->frame] : NULL;
	}
}

/* Items of a foreach in which something is under way. */
static void oracle_judge_items(struct oracle *o, const struct o_frame *fr)
{
	const struct mr_block *b = &o->g->blocks[fr->block];
	unsigned live = 0;

	if (b->role != MR_BLOCK_BODY || o->g->steps[b->holder].type != MR_STEP_FOREACH)
		return;
	for (int i = 0; i < o->frames_len; i++) {
		const struct o_frame *other = &o->frames[i];

		if (other->holder != fr->holder || other->block != fr->block || other->dropped)
			continue;
		live += other->active > 0 || (o->strict && other->left > 0 && !other->failed);
	}
	if (live > o->g->steps[b->holder].concurrency)
		oracle_fail("more items at once than concurrency", b->holder);
}

static struct o_exec *oracle_new(struct oracle *o, const struct mr_fact *f)
{
	struct o_frame *fr = oracle_frame(o, f);
	struct o_exec *e;
	int *slot;

	if (fr == NULL || o->execs_len == ORACLE_EXECS || f->step_execution_id >= ORACLE_IDS) {
		o->full = true;
		return NULL;
	}
	if (f->step_execution_id <= 0)
		oracle_fail("a fact of no execution", f->step);
	if (f->kind == MR_FACT_STEP_CANCELLED || f->attempt != 1)
		oracle_fail("it goes on without having begun", f->step);
	slot = &o->exec_at[fr->first + f->step - (int)o->g->blocks[fr->block].first];
	if (*slot != 0 && o->strict)
		oracle_fail("it runs twice", f->step);
	oracle_may_begin(o, fr, f);
	oracle_judge_join(o, fr, f);
	e = &o->execs[o->execs_len++];
	*slot = o->execs_len;
	o->exec_of[f->step_execution_id] = o->execs_len;
	memset(e, 0, sizeof(*e));
	e->id = f->step_execution_id;
	e->step = f->step;
	e->frame = (int)(fr - o->frames);
	e->status = O_RETRYING;
	e->attempt = 1;
	fr->active++;
	o->active++;
	oracle_judge_items(o, fr);
	return e;
}

/* ---- ending ---- */

static uint64_t oracle_way(const struct mr_step *s, struct mr_str name)
{
	for (size_t k = 0; k < s->branches_len; k++)
		if (mr_str_eq(s->branches[k].name, name))
			return MR_WAY_BRANCH(k);
	return 0;
}

static uint64_t oracle_ways(const struct mr_step *s, const struct mr_value *data)
{
	const struct mr_value *list = mr_value_get_kind(data, "branches", MR_VALUE_LIST);
	uint64_t ways = MR_WAY_PLAIN;

	if (s->type == MR_STEP_CONDITIONAL)
		ways |= oracle_way(s, mr_value_get_str(data, "branch"));
	for (size_t i = 0; list != NULL && i < list->list->len; i++)
		ways |= oracle_way(s, list->list->items[i].s);
	return ways;
}

static void oracle_end(struct oracle *o, struct o_exec *e)
{
	struct o_frame *fr = &o->frames[e->frame];

	e->status = O_ENDED;
	fr->active--;
	fr->left--;
	o->active--;
}

static const struct mr_value *oracle_item_result(struct oracle *o, const struct o_frame *fr)
{
	static const struct mr_value null = MR_NULL_VALUE;
	const struct mr_block *b = &o->g->blocks[fr->block];

	for (unsigned k = b->len; k > 0; k--) {
		const struct o_exec *e = oracle_in(o, fr, b->first + k - 1);

		if (e != NULL && e->completed)
			return e->has_output ? &e->output : NULL;
	}
	return &null;
}

static void oracle_judge_results(struct oracle *o, const struct o_exec *e, const struct mr_value *v)
{
	const struct mr_value *results = mr_value_get_kind(v, "results", MR_VALUE_LIST);
	const struct mr_value *ok = mr_value_get_kind(v, "succeeded", MR_VALUE_INT);
	const struct mr_value *bad = mr_value_get_kind(v, "failed", MR_VALUE_INT);
	int64_t failed = 0, succeeded = 0;

	if (results == NULL || ok == NULL || bad == NULL)
		return oracle_fail("a foreach without results", e->step);
	if (ok->i + bad->i != (int64_t)results->list->len)
		oracle_fail("succeeded and failed are not all items", e->step);
	if (o->g->steps[e->step].tolerate_count >= 0 &&
	    bad->i > o->g->steps[e->step].tolerate_count)
		oracle_fail("more items failed than it tolerates", e->step);
	for (int i = 0; i < o->frames_len && o->strict; i++) {
		const struct o_frame *fr = &o->frames[i];
		const struct mr_value *want;

		if (fr->holder != e->id || fr->dropped ||
		    o->g->blocks[fr->block].role != MR_BLOCK_BODY)
			continue;
		failed += fr->failed;
		succeeded += !fr->failed && fr->left == 0;
		want = fr->failed ? NULL : oracle_item_result(o, fr);
		if (want != NULL && !mr_value_eq(want, &results->list->items[fr->iteration]))
			oracle_fail("a result is not that of its item", e->step);
	}
	if (o->strict && (failed != bad->i || succeeded != ok->i))
		oracle_fail("items are counted wrongly", e->step);
}

static void oracle_completed(struct oracle *o, struct o_exec *e, const struct mr_fact *f)
{
	const struct mr_step *s = &o->g->steps[f->step];
	const struct mr_value *output = mr_value_get(&f->data, "output");
	bool caught = mr_value_get(&f->data, "error") != NULL;

	if (s->kind == MR_STEP_OUTSIDE && !caught && e->carried_out != f->attempt)
		oracle_fail("it completes without its effect", f->step);
	if (s->type == MR_STEP_FOREACH && !caught && s->output == NULL && output != NULL)
		oracle_judge_results(o, e, output);
	e->done = e->completed = true;
	e->ways = oracle_ways(s, &f->data);
	e->has_output = output != NULL;
	e->output = output != NULL ? *output : MR_NULL_VALUE;
	e->completed_seq = f->seq;
	if (s->compensate >= 0 && o->phase == O_MAIN)
		o->undo[o->undo_len++] = (int)(e - o->execs);
	oracle_end(o, e);
}

static void oracle_failed(struct oracle *o, struct o_exec *e, const struct mr_fact *f)
{
	const struct mr_step *s = &o->g->steps[f->step];
	struct mr_str handled = mr_value_get_str(&f->data, "handled");
	const struct mr_value *entry = mr_value_get_kind(&f->data, "catch", MR_VALUE_INT);

	e->failed = handled.p == NULL;
	e->done = handled.p != NULL;
	if (mr_str_eqz(handled, "continue"))
		e->ways = MR_WAY_PLAIN;
	else if (mr_str_eqz(handled, "catch") && entry != NULL)
		e->ways = MR_WAY_CATCH(s, (unsigned)entry->i);
	oracle_end(o, e);
	if (e->failed)
		o->frames[e->frame].failed = true;
}

static void oracle_undone(struct oracle *o, struct o_exec *e, const struct mr_fact *f)
{
	if (o->phase != O_UNDOING || !e->completed || e->undone)
		oracle_fail("it is undone without having completed, or twice", f->step);
	if (e->completed_seq >= o->last_undone)
		oracle_fail("it is undone out of turn", f->step);
	o->last_undone = e->completed_seq;
	if (o->strict && (o->undo_len == 0 || &o->execs[o->undo[o->undo_len - 1]] != e))
		oracle_fail("another step was to be undone", f->step);
	if (f->kind == MR_FACT_STEP_COMPENSATION_FAILED) {
		o->undo_failed = true;
		return;
	}
	e->undone = true;
	o->undo_len -= o->undo_len > 0;
}

/* A fact of an execution that goes on, or of its next attempt. */
static bool oracle_goes_on(struct oracle *o, struct o_exec *e, const struct mr_fact *f, bool is_new)
{
	bool ends = f->kind == MR_FACT_STEP_CANCELLED;

	if (e->status == O_ENDED) {
		oracle_fail("it ended already", f->step);
		return false;
	}
	if (f->attempt > o->g->steps[f->step].retry.max_attempts)
		oracle_fail("an attempt too many", f->step);
	if (!is_new && e->status == O_RETRYING && !ends) {
		if (f->attempt != e->attempt + 1)
			oracle_fail("not the next attempt", f->step);
		oracle_may_begin(o, &o->frames[e->frame], f);
	} else if (!ends && f->attempt != e->attempt) {
		oracle_fail("of another attempt", f->step);
	}
	e->attempt = f->attempt;
	return true;
}

static enum o_status oracle_waits(
    const struct mr_step *s, struct o_exec *e, const struct mr_fact *f)
{
	const struct mr_value *child = mr_value_get_kind(&f->data, "child_run_id", MR_VALUE_INT);

	if (s->type == MR_STEP_WHILE)
		return O_RUNNING;
	if (s->type != MR_STEP_SUBWORKFLOW)
		return O_WAITING;
	if (child == NULL || e->carried_out != f->attempt)
		oracle_fail("it waits for a child that was not started", f->step);
	else
		e->child = child->i;
	return O_CHILD;
}

static void oracle_step(struct oracle *o, const struct mr_fact *f)
{
	const struct mr_step *s = &o->g->steps[f->step];
	struct o_exec *e = oracle_exec(o, f->step_execution_id);
	bool is_new = e == NULL;

	if (f->kind == MR_FACT_STEP_COMPENSATED || f->kind == MR_FACT_STEP_COMPENSATION_FAILED) {
		if (is_new)
			oracle_fail("what never ran is undone", f->step);
		else
			oracle_undone(o, e, f);
		return;
	}
	if (is_new)
		e = oracle_new(o, f);
	if (e == NULL || !oracle_goes_on(o, e, f, is_new))
		return;
	switch (f->kind) {
	case MR_FACT_STEP_STARTED:
		e->status = s->kind == MR_STEP_OUTSIDE ? O_EFFECT : O_RUNNING;
		break;
	case MR_FACT_STEP_WAITING:
		e->status = oracle_waits(s, e, f);
		break;
	case MR_FACT_STEP_RETRYING:
		e->status = O_RETRYING;
		oracle_drop_frames(o, e->id);
		break;
	case MR_FACT_STEP_CATCHING:
		e->status = O_CATCHING;
		oracle_drop_frames(o, e->id);
		break;
	case MR_FACT_STEP_COMPLETED:
		oracle_completed(o, e, f);
		break;
	case MR_FACT_STEP_FAILED:
		oracle_failed(o, e, f);
		break;
	case MR_FACT_STEP_SKIPPED:
		e->done = mr_str_eqz(mr_value_get_str(&f->data, "reason"), "when");
		e->ways = e->done ? MR_WAY_PLAIN : 0;
		oracle_end(o, e);
		break;
	case MR_FACT_STEP_CANCELLED:
		oracle_end(o, e);
		break;
	default:
		break;
	}
	e->answered = false;
}

/* ---- the run ---- */

/* finally has run to its end. */
static bool oracle_finally_ran(const struct oracle *o)
{
	for (int i = 0; i < o->frames_len; i++) {
		const struct o_frame *fr = &o->frames[i];

		if (!fr->dropped && (int)fr->block == o->g->finally && fr->holder == 0)
			return fr->failed || fr->left == 0;
	}
	return false;
}

static void oracle_judge_undone(struct oracle *o, const struct mr_fact *f)
{
	const struct mr_value *undone = mr_value_get_kind(&f->data, "undone", MR_VALUE_LIST);

	if (!o->strict)
		return;
	if (!o->undo_failed) {
		if (undone != NULL)
			oracle_fail("undone, though no compensation failed", -1);
		return;
	}
	if (undone == NULL || undone->list->len != (size_t)o->undo_len) {
		oracle_fail("undone does not list what remains", -1);
		return;
	}
	for (int i = 0; i < o->undo_len; i++) {
		int step = o->execs[o->undo[o->undo_len - 1 - i]].step;

		if (!mr_str_eq(undone->list->items[i].s, o->g->steps[step].name))
			oracle_fail("undone lists another step", step);
	}
}

static void oracle_judge_end(struct oracle *o, const struct mr_fact *f, const char *outcome)
{
	bool is_last = f->kind != MR_FACT_FINISHING;
	bool bad = strcmp(outcome, "failed") == 0 || strcmp(outcome, "timed_out") == 0;

	if (o->active > 0)
		oracle_fail("steps are under way at the end", -1);
	if (o->phase != O_HANDLERS && bad && o->undo_len > 0 && !o->undo_failed && !o->forced)
		oracle_fail("it failed and was not undone", -1);
	if (strcmp(outcome, "compensated") == 0 && o->strict && o->undo_len > 0)
		oracle_fail("compensated, and something is left", -1);
	if (is_last && o->g->finally >= 0 && o->started && !o->forced && o->strict &&
	    !oracle_finally_ran(o))
		oracle_fail("finally has not run", -1);
	if (!o->forced && (bad || strcmp(outcome, "compensated") == 0))
		oracle_judge_undone(o, f);
	o->outcome = outcome;
}

static const char *oracle_outcome(const struct mr_fact *f)
{
	static const char *const names[] = { "completed", "failed", "cancelled", "timed_out",
		"compensated" };
	struct mr_str name = mr_value_get_str(&f->data, "status");

	for (size_t i = 0; i < MR_ARRAY_LEN(names); i++)
		if (mr_str_eqz(name, names[i]))
			return names[i];
	oracle_fail("finishing without an outcome", -1);
	return names[0];
}

/* What the run may take up again is known to the core alone: from now on joins and the like are
 * left to the first life of a run. */
static void oracle_retried(struct oracle *o)
{
	if (o->phase != O_OVER)
		oracle_fail("retried before it ended", -1);
	for (int i = 0; i < o->frames_len; i++)
		o->frames[i].dropped = true;
	o->phase = O_MAIN;
	o->strict = o->paused = o->undo_failed = o->forced = false;
	o->undo_len = 0;
	o->outcome = NULL;
	o->epochs++;
}

static void oracle_run(struct oracle *o, const struct mr_fact *f)
{
	const struct mr_value *going_on =
	    mr_value_get_kind(&f->data, "compensating", MR_VALUE_BOOL);

	switch (f->kind) {
	case MR_FACT_STARTED:
		o->started = true;
		break;
	case MR_FACT_PAUSED:
		o->paused = true;
		break;
	case MR_FACT_RESUMED:
		o->paused = false;
		break;
	case MR_FACT_COMPENSATING:
		o->phase = O_UNDOING;
		o->last_undone = UINT32_MAX;
		break;
	case MR_FACT_FINISHING:
		oracle_judge_end(o, f, oracle_outcome(f));
		o->phase = O_HANDLERS;
		break;
	case MR_FACT_FAILED:
		if (going_on != NULL && going_on->b) {
			if (o->active > 0)
				oracle_fail("steps are under way as it is undone", -1);
			break;
		}
		oracle_judge_end(o, f, "failed");
		o->phase = O_OVER;
		break;
	case MR_FACT_COMPLETED:
	case MR_FACT_CANCELLED:
	case MR_FACT_TIMED_OUT:
	case MR_FACT_COMPENSATED:
		oracle_judge_end(o, f, mr_fact_kind_name(f->kind));
		o->phase = O_OVER;
		break;
	case MR_FACT_RETRIED:
		oracle_retried(o);
		break;
	default:
		break;
	}
}

/* One committed fact. */
static void oracle_fact(struct oracle *o, const struct mr_fact *f)
{
	if (f->seq != o->seq + 1)
		oracle_fail("a gap in seq", f->step);
	o->seq = f->seq;
	if (o->full)
		return;
	if (o->phase == O_OVER && f->kind != MR_FACT_RETRIED)
		oracle_fail("a fact after the end", f->step);
	if (f->step >= 0 && f->kind != MR_FACT_LOG)
		oracle_step(o, f);
	else if (f->step < 0)
		oracle_run(o, f);
}

/* An effect that begins now; its facts are committed. */
static void oracle_effect(struct oracle *o, const struct mr_effect *f)
{
	struct o_exec *e = oracle_exec(o, f->step_execution_id);

	if (o->full)
		return;
	if (e == NULL || e->step != f->step || f->attempt > e->attempt)
		return oracle_fail("an effect of a step that is not started", f->step);
	e->carried_out = f->attempt;
	if (e->key[0] == '\0')
		(void)snprintf(e->key, sizeof(e->key), "%.*s", MR_STR_ARG(f->idempotency_key));
	else if (!mr_str_eqz(f->idempotency_key, e->key))
		oracle_fail("another key than before", f->step);
	for (int i = 0; i < o->execs_len; i++) {
		const struct o_exec *other = &o->execs[i];

		if (other != e && other->status == O_EFFECT && e->status == O_EFFECT &&
		    strcmp(other->key, e->key) == 0)
			oracle_fail("two effects under way have one key", f->step);
	}
}

#endif
