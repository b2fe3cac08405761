/* A run's state read back from a snapshot: frames first, then all that is counted from them. */
#include "engine/core/run_private.h"
#include "engine/core/run_snapshot.h"

/* ---- members ---- */

static int read_word(const struct mr_value *v, const char *member, const char *const *words,
    unsigned len, unsigned *ret)
{
	struct mr_str s = mr_value_get_str(v, member);

	for (unsigned i = 0; i < len; i++) {
		if (!mr_str_eqz(s, words[i]))
			continue;
		*ret = i;
		return 0;
	}
	return MR_E_INVALID;
}

static int64_t read_int(const struct mr_value *v, const char *member)
{
	const struct mr_value *n = mr_value_get_kind(v, member, MR_VALUE_INT);

	return n != NULL ? n->i : 0;
}

static bool read_flag(const struct mr_value *v, const char *member)
{
	const struct mr_value *b = mr_value_get_kind(v, member, MR_VALUE_BOOL);

	return b != NULL && b->b;
}

static int read_value(
    struct mr_arena *a, const struct mr_value *v, const char *member, struct mr_value *ret)
{
	const struct mr_value *m = v != NULL ? mr_value_get(v, member) : NULL;

	*ret = MR_NULL_VALUE;
	return m != NULL ? mr_value_copy(a, m, ret) : 0;
}

static const struct mr_value *object(const struct mr_value *v, const char *member)
{
	static const struct mr_map empty;
	static const struct mr_value none = { .kind = MR_VALUE_MAP, .map = &empty };
	const struct mr_value *m = mr_value_get_kind(v, member, MR_VALUE_MAP);

	return m != NULL ? m : &none;
}

/* ---- places ---- */

struct restore {
	struct mr_run *run;
	struct mr_frame **frames; /* by number */
	size_t len;
};

static struct mr_step_state *read_place(const struct restore *x, const struct mr_value *v)
{
	const struct mr_frame *f;
	int step;

	if (v == NULL || v->kind != MR_VALUE_LIST || v->list->len != 2 ||
	    v->list->items[0].kind != MR_VALUE_INT || v->list->items[1].kind != MR_VALUE_STRING ||
	    v->list->items[0].i < 0 || (size_t)v->list->items[0].i >= x->len)
		return NULL;
	f = x->frames[v->list->items[0].i];
	step = mr_graph_find(x->run->g, v->list->items[1].s);
	if (step < 0 || x->run->g->steps[step].block != (unsigned)(f->block - x->run->g->blocks))
		return NULL;
	return mr_frame_step(f, (unsigned)step);
}

/* ---- a step ---- */

static int read_parts(struct mr_step_state *st, const struct mr_value *v)
{
	const struct mr_value *list = mr_value_get_kind(v, "parts", MR_VALUE_LIST);
	size_t len = st->inner->items.list->len;
	int r = 0;

	for (size_t i = 0; list != NULL && i < list->list->len && r == 0; i++) {
		const struct mr_value *part = &list->list->items[i];
		int64_t at = read_int(part, "item");
		struct mr_value paths;

		if (at < 0 || (size_t)at >= len || st->inner->done[at] == 0)
			return MR_E_INVALID;
		r = read_value(st->frame->arena, part, "paths", &paths);
		if (r == 0)
			r = mr_inner_set_parts(st, (size_t)at, &paths);
	}
	return r;
}

int mr_run_lend(struct mr_run *run, unsigned seq, const struct mr_value *data)
{
	struct mr_lent *l = mr_arena_alloc(run->arena, sizeof(*l));

	if (l == NULL)
		return MR_E_NOMEM;
	*l = (struct mr_lent){ .seq = seq, .data = data, .next = run->lent };
	run->lent = l;
	return 0;
}

/* The list itself, or from the row that has it. */
static int read_list(struct mr_run *run, struct mr_step_state *st, const struct mr_value *v)
{
	struct mr_arena *a = st->frame->arena;
	int64_t seq = read_int(v, "items_at");
	const struct mr_lent *l = run->lent;
	const struct mr_value *input, *given;
	struct mr_value items;
	int r;

	if (seq == 0)
		return read_value(a, v, "items", &st->inner->items);
	while (l != NULL && l->seq != seq)
		l = l->next;
	input = l != NULL ? mr_value_get_kind(l->data, "input", MR_VALUE_MAP) : NULL;
	given = input != NULL ? mr_value_get(input, "items") : NULL;
	r = given != NULL ? mr_foreach_items(a, given, &items) : MR_E_INVALID;
	if (r < 0)
		return r == MR_E_NOMEM ? r : MR_E_INVALID;
	st->inner->items_seq = (unsigned)seq;
	return mr_value_copy(a, &items, &st->inner->items);
}

static int read_items(struct mr_run *run, struct mr_step_state *st, const struct mr_value *v)
{
	struct mr_arena *a = st->frame->arena;
	struct mr_inner *in = st->inner;
	const struct mr_value *done = mr_value_get_kind(v, "done", MR_VALUE_LIST);
	const struct mr_value *results = mr_value_get_kind(v, "results", MR_VALUE_LIST);
	size_t len;
	int r = read_list(run, st, v);

	if (r < 0)
		return r;
	if (in->items.kind == MR_VALUE_NULL)
		return 0;
	if (in->items.kind != MR_VALUE_LIST || done == NULL || results == NULL ||
	    done->list->len != results->list->len)
		return MR_E_INVALID;
	len = in->items.list->len;
	in->results = mr_arena_array(a, len + 1, sizeof(*in->results));
	in->done = mr_arena_array(a, len + 1, 1);
	if (in->results == NULL || in->done == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < done->list->len; i++) {
		int64_t at =
		    done->list->items[i].kind == MR_VALUE_INT ? done->list->items[i].i : -1;

		if (at < 0 || (size_t)at >= len)
			return MR_E_INVALID;
		in->done[at] = 1;
		if (mr_value_copy(a, &results->list->items[i], &in->results[at]) < 0)
			return MR_E_NOMEM;
	}
	in->succeeded = done->list->len;
	in->next = (size_t)read_int(v, "next");
	in->failed = (size_t)read_int(v, "failed");
	return in->next <= len ? read_parts(st, v) : MR_E_INVALID;
}

static int read_inner(struct mr_run *run, struct mr_step_state *st, const struct mr_value *v)
{
	struct mr_arena *a = st->frame->arena;
	struct mr_inner *in;

	if (v == NULL)
		return 0;
	in = mr_inner_need(st);
	if (in == NULL)
		return MR_E_NOMEM;
	in->ways = (uint64_t)read_int(v, "ways");
	in->catch_entry = (unsigned)read_int(v, "catch");
	in->rounds = (unsigned)read_int(v, "rounds");
	in->is_delayed = read_flag(v, "delayed");
	in->has_failure = mr_value_get(v, "failure") != NULL;
	if (read_value(a, v, "failure", &in->failure) < 0 ||
	    read_value(a, v, "spec", &in->spec) < 0)
		return MR_E_NOMEM;
	return read_items(run, st, v);
}

static int read_step(struct mr_run *run, struct mr_step_state *st, const struct mr_value *v)
{
	const struct mr_value *at = object(v, "at");
	struct mr_str ref = mr_value_get_str(v, "ref"), key = mr_value_get_str(v, "key");
	struct mr_arena *a = st->frame->arena;
	const struct mr_value *begun = mr_value_get_kind(v, "begun", MR_VALUE_MAP);
	unsigned status, reason = MR_SKIP_NONE;

	if (read_word(v, "status", mr_step_status_names, MR_STEP_STATUS_COUNT, &status) < 0)
		return MR_E_INVALID;
	if (mr_value_get(v, "reason") != NULL &&
	    read_word(v, "reason", mr_skip_reason_names, MR_SKIP_REASON_COUNT, &reason) < 0)
		return MR_E_INVALID;
	st->status = (enum mr_step_status)status;
	st->reason = (enum mr_skip_reason)reason;
	st->handled = read_flag(v, "handled");
	st->ways = (uint64_t)read_int(v, "ways");
	st->attempt = (unsigned)read_int(v, "attempt");
	st->execution_id = read_int(v, "id");
	st->first_at = read_int(at, "first");
	st->began_at = read_int(at, "began");
	st->wake_at = read_int(at, "wake");
	if (ref.p != NULL)
		st->ref = mr_arena_str(a, ref);
	if (key.p != NULL)
		st->key = mr_arena_str(a, key);
	if ((ref.p != NULL && st->ref.p == NULL) || (key.p != NULL && st->key.p == NULL) ||
	    read_value(a, v, "output", &st->output) < 0 ||
	    read_value(a, v, "parts", &st->parts) < 0 || read_value(a, v, "error", &st->error) < 0)
		return MR_E_NOMEM;
	mr_link_json(mr_step_of(run, st), &st->output);
	if (begun != NULL && mr_begun_keep(run, st, begun) < 0)
		return MR_E_NOMEM;
	return read_inner(run, st, mr_value_get_kind(v, "inner", MR_VALUE_MAP));
}

/* ---- frames ---- */

static int read_steps(struct mr_run *run, struct mr_frame *f, const struct mr_value *v)
{
	const struct mr_map *steps = object(v, "steps")->map;

	for (size_t i = 0; i < steps->len; i++) {
		int step = mr_graph_find(run->g, steps->members[i].key.s);
		int r;

		if (step < 0 || &run->g->blocks[run->g->steps[step].block] != f->block)
			return MR_E_INVALID;
		r = read_step(run, mr_frame_step(f, (unsigned)step), &steps->members[i].value);
		if (r < 0)
			return r;
	}
	return 0;
}

static struct mr_frame **place_of_top(struct mr_run *run, enum mr_block_role role)
{
	switch (role) {
	case MR_BLOCK_MAIN:
		return &run->main;
	case MR_BLOCK_ON_FAILURE:
		return &run->on_failure;
	case MR_BLOCK_FINALLY:
		return &run->finally;
	default:
		return NULL;
	}
}

static int read_frame(struct restore *x, const struct mr_value *v)
{
	struct mr_run *run = x->run;
	int first = mr_graph_find(run->g, mr_value_get_str(v, "block"));
	const struct mr_value *place = mr_value_get(v, "holder");
	struct mr_step_state *holder = place != NULL ? read_place(x, place) : NULL;
	struct mr_frame *f, **top;
	const struct mr_block *b;

	if (first < 0 || (place != NULL && holder == NULL))
		return MR_E_INVALID;
	b = &run->g->blocks[run->g->steps[first].block];
	top = place_of_top(run, b->role);
	if ((top != NULL) != (holder == NULL))
		return MR_E_INVALID;
	if (mr_frame_restore(run, b, holder, read_flag(v, "detached"), &f) < 0)
		return MR_E_NOMEM;
	if (top != NULL)
		*top = f;
	f->iteration = (unsigned)read_int(v, "iteration");
	f->is_closed = read_flag(v, "closed");
	f->is_cancelled = read_flag(v, "cancelled");
	f->kept = read_flag(v, "kept");
	x->frames[x->len++] = f;
	if (read_value(f->arena, v, "bound", &f->bound) < 0)
		return MR_E_NOMEM;
	return read_steps(run, f, v);
}

static int read_frames(struct restore *x, const struct mr_value *snapshot)
{
	const struct mr_value *v = mr_value_get_kind(snapshot, "frames", MR_VALUE_LIST);
	int r = 0;

	if (v == NULL)
		return MR_E_INVALID;
	x->frames = mr_arena_array(x->run->arena, v->list->len + 1, sizeof(struct mr_frame *));
	if (x->frames == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < v->list->len && r == 0; i++)
		r = read_frame(x, &v->list->items[i]);
	return r;
}

/* ---- what is left to be undone, what came ---- */

static int read_undo(const struct restore *x, const struct mr_value *snapshot)
{
	const struct mr_value *v = mr_value_get_kind(snapshot, "undo", MR_VALUE_LIST);
	int r = 0;

	for (size_t i = 0; v != NULL && i < v->list->len && r == 0; i++) {
		struct mr_step_state *st = read_place(x, &v->list->items[i]);

		r = st != NULL ? mr_undo_add(x->run, st) : MR_E_INVALID;
	}
	for (struct mr_frame *f = x->run->frames; f != NULL; f = f->all_next)
		for (unsigned k = 0; k < f->block->len; k++)
			if (f->steps[k].status == MR_STEP_COMPENSATED)
				mr_frame_pin(&f->steps[k]);
	return r;
}

static int read_inbox(struct mr_run *run, const struct mr_value *snapshot)
{
	const struct mr_value *v = mr_value_get_kind(snapshot, "inbox", MR_VALUE_LIST);

	for (size_t i = 0; v != NULL && i < v->list->len; i++) {
		struct mr_inbox_item *item = mr_arena_zalloc(run->arena, sizeof(*item));

		if (item == NULL ||
		    read_value(run->arena, &v->list->items[i], "event", &item->event) < 0)
			return MR_E_NOMEM;
		item->seq = (unsigned)read_int(&v->list->items[i], "seq");
		if (run->inbox_last != NULL)
			run->inbox_last->next = item;
		else
			run->inbox = item;
		run->inbox_last = item;
		run->inbox_len++;
	}
	return 0;
}

/* ---- the run ---- */

static int read_outcome(struct mr_run *run, const struct mr_value *end)
{
	for (int i = 0; i < MR_RUN_STATUS_COUNT; i++) {
		if (!mr_str_eqz(mr_value_get_str(end, "outcome"),
		        mr_run_status_name((enum mr_run_status)i)))
			continue;
		run->outcome = (enum mr_run_status)i;
		return 0;
	}
	return MR_E_INVALID;
}

static int read_end(const struct restore *x, const struct mr_value *end)
{
	struct mr_run *run = x->run;
	const struct mr_value *undoing = mr_value_get_kind(end, "undoing", MR_VALUE_INT);

	run->undo_failed = read_flag(end, "undo_failed");
	if (undoing != NULL && (undoing->i < 0 || (size_t)undoing->i >= x->len))
		return MR_E_INVALID;
	if (undoing != NULL)
		run->undoing = x->frames[undoing->i];
	run->has_output = run->has_result = mr_value_get(end, "output") != NULL;
	if (read_outcome(run, end) < 0)
		return MR_E_INVALID;
	if (read_value(run->arena, end, "terminated", &run->terminated) < 0 ||
	    read_value(run->arena, end, "error", &run->error) < 0 ||
	    read_value(run->arena, end, "who", &run->who) < 0 ||
	    read_value(run->arena, end, "output", &run->result) < 0)
		return MR_E_NOMEM;
	return 0;
}

static int read_head(struct mr_run *run, const struct mr_value *snapshot)
{
	const struct mr_value *at = object(snapshot, "at");
	int64_t seq = read_int(snapshot, "seq");
	unsigned phase;

	if (run->seq != 0 || seq < 0 || seq > INT32_MAX ||
	    read_int(snapshot, "v") < MR_SNAPSHOT_OLDEST ||
	    read_int(snapshot, "v") > MR_SNAPSHOT_FORMAT ||
	    read_word(snapshot, "phase", mr_run_phase_names, MR_PHASE_COUNT, &phase) < 0)
		return MR_E_INVALID;
	run->seq = (unsigned)seq;
	run->phase = (enum mr_run_phase)phase;
	run->is_paused = read_flag(snapshot, "paused");
	run->started = mr_value_get(at, "started") != NULL;
	run->started_at = read_int(at, "started");
	run->deadline_at = read_int(at, "deadline");
	run->paused_at = read_int(at, "paused");
	run->ended_at = read_int(at, "ended");
	run->result_at = read_int(at, "result");
	run->input_replaced = mr_value_get(snapshot, "input") != NULL;
	if (run->input_replaced && read_value(run->arena, snapshot, "input", &run->input) < 0)
		return MR_E_NOMEM;
	return mr_value_get(snapshot, "vars") != NULL
	           ? mr_run_merge_vars(run, mr_value_get(snapshot, "vars"))
	           : 0;
}

/* What counting finds ready is ready in the order that was kept. */
static int count_all(const struct restore *x, const struct mr_value *snapshot)
{
	const struct mr_value *v = mr_value_get_kind(snapshot, "ready", MR_VALUE_LIST);
	struct mr_run *run = x->run;

	for (struct mr_frame *f = run->frames; f != NULL; f = f->all_next)
		if (mr_frame_count(run, f) < 0)
			return MR_E_NOMEM;
	while (run->ready != NULL)
		mr_ready_remove(run, run->ready);
	for (size_t i = 0; v != NULL && i < v->list->len; i++) {
		struct mr_step_state *st = read_place(x, &v->list->items[i]);

		if (st == NULL)
			return MR_E_INVALID;
		mr_ready_add(run, st);
	}
	return 0;
}

/* A run is only whole when its frames are: the handlers of its phase, the main block once started.
 */
static bool is_whole(const struct mr_run *run)
{
	return (!run->started || run->main != NULL) &&
	       (run->phase != MR_PHASE_ON_FAILURE || run->on_failure != NULL) &&
	       (run->phase != MR_PHASE_FINALLY || run->finally != NULL) &&
	       (run->phase == MR_PHASE_MAIN || run->started || run->phase == MR_PHASE_ENDED);
}

static int restore_result(struct mr_run *run)
{
	struct mr_expr_error err;
	int r;

	if (run->result_at == 0 || run->has_result)
		return 0;
	/* it could be made when the run completed */
	r = mr_run_make_result(run, run->result_at, &err);
	return r == MR_E_NOMEM || r == MR_E_IO ? r : 0;
}

int mr_run_restore(struct mr_run *run, const struct mr_value *snapshot)
{
	struct restore x = { .run = run };
	int r = read_head(run, snapshot);

	if (r == 0)
		r = read_frames(&x, snapshot);
	if (r == 0)
		r = read_end(&x, object(snapshot, "end"));
	if (r == 0)
		r = read_undo(&x, snapshot);
	if (r == 0)
		r = read_inbox(run, snapshot);
	if (r == 0)
		r = is_whole(run) ? count_all(&x, snapshot) : MR_E_INVALID;
	run->lent = NULL;
	return r == 0 ? restore_result(run) : r;
}
