/*
 * A run's state as one value. Steps that nothing happened to are left out. Steps go by name and
 * blocks by the name of their first step, so that a snapshot outlives a change of how graphs are
 * numbered; frames go by their place in the list. run_restore.c reads it.
 */
#include "engine/core/run_snapshot.h"
#include "engine/core/run_private.h"

static void put_int(struct mr_fields *f, const char *key, int64_t n)
{
	if (n != 0)
		mr_fields_put(f, key, mr_value_int(n));
}

static void put_flag(struct mr_fields *f, const char *key, bool on)
{
	if (on)
		mr_fields_put(f, key, mr_value_bool(true));
}

static void put_value(struct mr_fields *f, const char *key, struct mr_value v)
{
	if (v.kind != MR_VALUE_NULL)
		mr_fields_put(f, key, v);
}

/* ---- places ---- */

/* [frame, step] */
static int put_place(const struct mr_run *run, struct mr_arena *a, struct mr_fields *f,
    const char *key, const struct mr_step_state *st)
{
	struct mr_list *l;

	if (st == NULL)
		return 0;
	l = mr_list_create(a, 2);
	if (l == NULL)
		return MR_E_NOMEM;
	l->items[0] = mr_value_int(st->frame->number);
	l->items[1] = mr_value_str(mr_step_of(run, st)->name);
	mr_fields_put(f, key, mr_value_list(l));
	return 0;
}

/* ---- a step ---- */

static int put_parts(const struct mr_inner *in, struct mr_arena *a, struct mr_fields *f)
{
	size_t len = in->items.list->len, n = 0;
	struct mr_list *l;

	for (size_t i = 0; in->parts != NULL && i < len; i++)
		n += in->parts[i].kind != MR_VALUE_NULL;
	if (n == 0)
		return 0;
	l = mr_list_create(a, n);
	if (l == NULL)
		return MR_E_NOMEM;
	n = 0;
	for (size_t i = 0; i < len; i++) {
		struct mr_fields part = { .len = 0 };

		if (in->parts[i].kind == MR_VALUE_NULL)
			continue;
		mr_fields_put(&part, "item", mr_value_int((int64_t)i));
		mr_fields_put(&part, "paths", in->parts[i]);
		if (mr_fields_map(a, &part, &l->items[n++]) < 0)
			return MR_E_NOMEM;
	}
	mr_fields_put(f, "parts", mr_value_list(l));
	return 0;
}

/* The items are in the journal already, and there are many of them. */
static bool is_named(const struct mr_run *run, const struct mr_inner *in)
{
	size_t min = run->info.items_min;

	return min > 0 && in->items.kind == MR_VALUE_LIST && in->items_seq > 0 &&
	       mr_value_size(&in->items, min) >= min;
}

static int put_items(
    const struct mr_run *run, const struct mr_inner *in, struct mr_arena *a, struct mr_fields *f)
{
	size_t len = in->items.kind == MR_VALUE_LIST ? in->items.list->len : 0;
	struct mr_list *results, *done;
	size_t n = 0;

	if (in->items.kind != MR_VALUE_LIST)
		return 0;
	results = mr_list_create(a, in->succeeded);
	done = mr_list_create(a, in->succeeded);
	if (results == NULL || done == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < len; i++) {
		if (!in->done[i])
			continue;
		done->items[n] = mr_value_int((int64_t)i);
		results->items[n++] = in->results[i];
	}
	if (is_named(run, in))
		mr_fields_put(f, "items_at", mr_value_int(in->items_seq));
	else
		mr_fields_put(f, "items", in->items);
	mr_fields_put(f, "done", mr_value_list(done));
	mr_fields_put(f, "results", mr_value_list(results));
	put_int(f, "next", (int64_t)in->next);
	put_int(f, "failed", (int64_t)in->failed);
	return put_parts(in, a, f);
}

static int write_inner(
    const struct mr_run *run, const struct mr_inner *in, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };

	put_int(&f, "ways", (int64_t)in->ways);
	put_int(&f, "catch", in->catch_entry);
	put_int(&f, "rounds", in->rounds);
	put_flag(&f, "delayed", in->is_delayed);
	if (in->has_failure)
		mr_fields_put(&f, "failure", in->failure);
	put_value(&f, "spec", in->spec);
	if (put_items(run, in, a, &f) < 0)
		return MR_E_NOMEM;
	return mr_fields_map(a, &f, ret);
}

/* What a step has inside; how far jq has come is no part of the state: it begins anew elsewhere. */
static const struct mr_inner *inner_of(const struct mr_run *run, const struct mr_step_state *st)
{
	return mr_step_of(run, st)->type != MR_STEP_DATA_TRANSFORM ? st->inner : NULL;
}

/* In two objects, since one has only so many members. */
static int write_step(const struct mr_run *run, const struct mr_step_state *st, struct mr_arena *a,
    struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 }, times = { .len = 0 };
	struct mr_value v;

	mr_fields_put(&f, "status", mr_value_strz(mr_step_status_names[st->status]));
	if (st->reason != MR_SKIP_NONE)
		mr_fields_put(&f, "reason", mr_value_strz(mr_skip_reason_names[st->reason]));
	put_flag(&f, "handled", st->handled);
	put_int(&f, "ways", (int64_t)st->ways);
	put_int(&f, "attempt", st->attempt);
	put_int(&f, "id", st->execution_id);
	put_int(&times, "first", st->first_at);
	put_int(&times, "began", st->began_at);
	put_int(&times, "wake", st->wake_at);
	if (mr_fields_map(a, &times, &v) < 0)
		return MR_E_NOMEM;
	if (times.len > 0)
		mr_fields_put(&f, "at", v);
	put_value(&f, "output", st->output);
	put_value(&f, "parts", st->parts);
	if (st->ref.p != NULL)
		mr_fields_put(&f, "ref", mr_value_str(st->ref));
	put_value(&f, "error", st->error);
	if (inner_of(run, st) != NULL) {
		if (write_inner(run, st->inner, a, &v) < 0)
			return MR_E_NOMEM;
		mr_fields_put(&f, "inner", v);
	}
	if (st->key.p != NULL)
		mr_fields_put(&f, "key", mr_value_str(st->key));
	if (st->begun != NULL) {
		if (mr_begun_write(st->begun, a, &v) < 0)
			return MR_E_NOMEM;
		mr_fields_put(&f, "begun", v);
	}
	return mr_fields_map(a, &f, ret);
}

static bool is_written(const struct mr_run *run, const struct mr_step_state *st)
{
	return st->status != MR_STEP_FRESH || inner_of(run, st) != NULL;
}

static int write_steps(
    const struct mr_run *run, const struct mr_frame *f, struct mr_arena *a, struct mr_value *ret)
{
	size_t len = 0, at = 0;
	struct mr_map *m;

	for (unsigned i = 0; i < f->block->len; i++)
		len += is_written(run, &f->steps[i]);
	m = mr_map_create(a, len);
	if (m == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < f->block->len; i++) {
		if (!is_written(run, &f->steps[i]))
			continue;
		m->members[at].key = mr_value_str(mr_step_of(run, &f->steps[i])->name);
		if (write_step(run, &f->steps[i], a, &m->members[at++].value) < 0)
			return MR_E_NOMEM;
	}
	if (mr_map_seal(a, m) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(m);
	return 0;
}

/* ---- frames ---- */

static int write_frame(
    const struct mr_run *run, const struct mr_frame *f, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields fields = { .len = 0 };
	struct mr_value steps;

	mr_fields_put(&fields, "block", mr_value_str(run->g->steps[f->block->first].name));
	if (put_place(run, a, &fields, "holder", f->holder) < 0 ||
	    write_steps(run, f, a, &steps) < 0)
		return MR_E_NOMEM;
	put_int(&fields, "iteration", f->iteration);
	put_value(&fields, "bound", f->bound);
	put_flag(&fields, "closed", f->is_closed);
	put_flag(&fields, "cancelled", f->is_cancelled);
	put_flag(&fields, "detached", f->is_detached);
	put_flag(&fields, "kept", f->kept);
	mr_fields_put(&fields, "steps", steps);
	return mr_fields_map(a, &fields, ret);
}

static int write_frames(const struct mr_run *run, struct mr_arena *a, struct mr_value *ret)
{
	size_t len = 0;
	struct mr_list *l;

	for (struct mr_frame *f = run->frames; f != NULL; f = f->all_next)
		f->number = (unsigned)len++;
	l = mr_list_create(a, len);
	if (l == NULL)
		return MR_E_NOMEM;
	len = 0;
	for (const struct mr_frame *f = run->frames; f != NULL; f = f->all_next)
		if (write_frame(run, f, a, &l->items[len++]) < 0)
			return MR_E_NOMEM;
	*ret = mr_value_list(l);
	return 0;
}

/* ---- what is left to be undone, what came ---- */

static int put_undo(const struct mr_run *run, struct mr_arena *a, struct mr_fields *f)
{
	struct mr_list *l;

	if (run->undo_len == 0)
		return 0;
	l = mr_list_create(a, run->undo_len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < run->undo_len; i++) {
		struct mr_fields one = { .len = 0 };

		if (put_place(run, a, &one, "step", run->undo[i]) < 0)
			return MR_E_NOMEM;
		l->items[i] = one.m[0].value;
	}
	mr_fields_put(f, "undo", mr_value_list(l));
	return 0;
}

/* Those that are ready, in their order: there are some while a run is paused. */
static int put_ready(const struct mr_run *run, struct mr_arena *a, struct mr_fields *f)
{
	struct mr_list *l;
	size_t len = 0;

	for (const struct mr_step_state *st = run->ready; st != NULL; st = st->ready_next)
		len++;
	if (len == 0)
		return 0;
	l = mr_list_create(a, len);
	if (l == NULL)
		return MR_E_NOMEM;
	len = 0;
	for (const struct mr_step_state *st = run->ready; st != NULL; st = st->ready_next) {
		struct mr_fields one = { .len = 0 };

		if (put_place(run, a, &one, "step", st) < 0)
			return MR_E_NOMEM;
		l->items[len++] = one.m[0].value;
	}
	mr_fields_put(f, "ready", mr_value_list(l));
	return 0;
}

static int put_inbox(const struct mr_run *run, struct mr_arena *a, struct mr_fields *f)
{
	struct mr_list *l;
	size_t n = 0;

	if (run->inbox_len == 0)
		return 0;
	l = mr_list_create(a, run->inbox_len);
	if (l == NULL)
		return MR_E_NOMEM;
	for (const struct mr_inbox_item *in = run->inbox; in != NULL; in = in->next) {
		struct mr_fields one = { .len = 0 };

		mr_fields_put(&one, "seq", mr_value_int(in->seq));
		mr_fields_put(&one, "event", in->event);
		if (mr_fields_map(a, &one, &l->items[n++]) < 0)
			return MR_E_NOMEM;
	}
	mr_fields_put(f, "inbox", mr_value_list(l));
	return 0;
}

/* ---- the run ---- */

static int write_times(const struct mr_run *run, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };

	if (run->started)
		mr_fields_put(&f, "started", mr_value_int(run->started_at));
	put_int(&f, "deadline", run->deadline_at);
	put_int(&f, "paused", run->paused_at);
	put_int(&f, "ended", run->ended_at);
	if (run->has_result && !run->has_output)
		put_int(&f, "result", run->result_at);
	return mr_fields_map(a, &f, ret);
}

static int write_end(const struct mr_run *run, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "outcome", mr_value_strz(mr_run_status_name(run->outcome)));
	put_value(&f, "error", run->error);
	put_value(&f, "who", run->who);
	if (run->has_output)
		mr_fields_put(&f, "output", run->result);
	if (run->undoing != NULL)
		mr_fields_put(&f, "undoing", mr_value_int(run->undoing->number));
	put_flag(&f, "undo_failed", run->undo_failed);
	put_value(&f, "terminated", run->terminated);
	return mr_fields_map(a, &f, ret);
}

/* The rows that the snapshot names, for whoever reads it: they come with it. */
static size_t name_facts(const struct mr_run *run, struct mr_value *to)
{
	size_t n = 0;

	for (const struct mr_frame *f = run->frames; f != NULL; f = f->all_next) {
		for (unsigned i = 0; i < f->block->len; i++) {
			const struct mr_inner *in = inner_of(run, &f->steps[i]);

			if (in == NULL || !is_named(run, in))
				continue;
			if (to != NULL)
				to[n] = mr_value_int(in->items_seq);
			n++;
		}
	}
	return n;
}

static int put_facts(const struct mr_run *run, struct mr_arena *a, struct mr_fields *f)
{
	size_t n = run->info.items_min > 0 ? name_facts(run, NULL) : 0;
	struct mr_list *l;

	if (n == 0)
		return 0;
	l = mr_list_create(a, n);
	if (l == NULL)
		return MR_E_NOMEM;
	(void)name_facts(run, l->items); /* as many as before */
	mr_fields_put(f, "facts", mr_value_list(l));
	return 0;
}

int mr_run_snapshot(const struct mr_run *run, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };
	struct mr_value frames, times, end;

	if (write_frames(run, a, &frames) < 0 || write_times(run, a, &times) < 0 ||
	    write_end(run, a, &end) < 0)
		return MR_E_NOMEM;
	if (put_facts(run, a, &f) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&f, "v", mr_value_int(MR_SNAPSHOT_FORMAT));
	mr_fields_put(&f, "seq", mr_value_int(run->seq));
	mr_fields_put(&f, "phase", mr_value_strz(mr_run_phase_names[run->phase]));
	put_flag(&f, "paused", run->is_paused);
	mr_fields_put(&f, "at", times);
	mr_fields_put(&f, "end", end);
	if (run->input_replaced)
		mr_fields_put(&f, "input", run->input);
	put_value(&f, "vars", run->vars);
	if (put_undo(run, a, &f) < 0 || put_inbox(run, a, &f) < 0 || put_ready(run, a, &f) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&f, "frames", frames);
	return mr_fields_map(a, &f, ret);
}
