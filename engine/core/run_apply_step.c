/* The fold, of what happens to a step: it begins, waits, holds others, ends. */
#include "engine/core/run_apply.h"

/* ---- reading a fact's data ---- */

void mr_link_json(const struct mr_step *s, struct mr_value *v)
{
	const struct mr_value *json = mr_value_get_kind(v, "json", MR_VALUE_MAP);

	/* V is a copy of the run's own: nobody else sees it change */
	if (s->type == MR_STEP_HTTP_REQUEST && json != NULL)
		((struct mr_map *)(uintptr_t)v->map)->fallback = json->map;
}

static int read_time(const struct mr_apply *a, const char *member, int64_t *ret_us)
{
	struct mr_str s = mr_value_get_str(&a->fact->data, member);

	return s.p != NULL && mr_time_parse(s, ret_us) == 0 ? 0 : MR_E_INVALID;
}

static uint64_t way_of(const struct mr_step *s, struct mr_str name)
{
	for (size_t k = 0; k < s->branches_len; k++)
		if (mr_str_eq(s->branches[k].name, name))
			return MR_WAY_BRANCH(k);
	return 0;
}

uint64_t mr_read_ways(const struct mr_step *s, const struct mr_value *data)
{
	const struct mr_value *list = mr_value_get_kind(data, "branches", MR_VALUE_LIST);
	struct mr_str one = mr_value_get_str(data, "branch");
	uint64_t ways = one.p != NULL ? way_of(s, one) : 0;

	if (s->type != MR_STEP_CONDITIONAL && s->type != MR_STEP_SWITCH)
		return 0;
	for (size_t i = 0; list != NULL && i < list->list->len; i++)
		if (list->list->items[i].kind == MR_VALUE_STRING)
			ways |= way_of(s, list->list->items[i].s);
	return ways;
}

/* ---- beginning and going on ---- */

/* The first row of an execution, or the next attempt of it. */
static bool begins(const struct mr_apply *a)
{
	const struct mr_step_state *st = a->st;

	if (!mr_run_may_begin(a->run) || st->frame->is_closed || st->frame->kept ||
	    st->frame->is_cancelled || st->frame->failed != NULL)
		return false;
	if (st->status == MR_STEP_FRESH)
		return a->fact->attempt == 1 && mr_step_verdict(a->run, st) != MR_JOIN_WAIT;
	return st->status == MR_STEP_RETRYING && a->fact->attempt == st->attempt + 1;
}

static void begin(const struct mr_apply *a)
{
	if (a->st->status == MR_STEP_FRESH) {
		a->st->execution_id = a->fact->step_execution_id;
		a->st->first_at = a->fact->at_us;
	}
	a->st->attempt = a->fact->attempt;
	a->st->began_at = a->fact->at_us;
	a->st->wake_at = 0;
}

static bool goes_on(const struct mr_apply *a)
{
	return (a->st->status == MR_STEP_RUNNING || a->st->status == MR_STEP_WAITING ||
	           a->st->status == MR_STEP_CATCHING) &&
	       a->fact->attempt == a->st->attempt;
}

/* Either; *RET_FIRST says which. */
static int begins_or_goes_on(const struct mr_apply *a)
{
	if (begins(a)) {
		begin(a);
		return 0;
	}
	return goes_on(a) ? 0 : MR_E_INVALID;
}

int64_t mr_step_deadline(const struct mr_run *run, const struct mr_step_state *st)
{
	const struct mr_step *s = mr_step_of(run, st);
	int64_t at = 0;

	/* whoever carries an effect out ends it in time */
	if (st->status != MR_STEP_WAITING &&
	    (st->status != MR_STEP_RUNNING || s->kind == MR_STEP_OUTSIDE))
		return 0;
	if (s->run_timeout_us > 0)
		at = st->began_at + s->run_timeout_us;
	if (s->total_timeout_us > 0 && (at == 0 || st->first_at + s->total_timeout_us < at))
		at = st->first_at + s->total_timeout_us;
	return at;
}

int mr_step_arm(struct mr_run *run, struct mr_step_state *st)
{
	int64_t deadline = mr_step_deadline(run, st), at = st->wake_at;

	if (deadline > 0 && (at == 0 || deadline < at))
		at = deadline;
	return mr_timer_set(run, st, at);
}

/* ---- blocks begin ---- */

/* A branch of an earlier attempt may have nothing left to do. */
static void close_done_branches(struct mr_apply *a)
{
	bool any = false;

	for (struct mr_frame *f = a->st->inner->first; f != NULL; f = f->next) {
		if (f->kept || f->left > 0)
			continue;
		f->is_closed = true;
		any = true;
	}
	if (any && mr_step_is_due(a->run, a->st))
		mr_ready_add(a->run, a->st);
}

static int open_branches(struct mr_apply *a, uint64_t ways)
{
	struct mr_frame *f;
	unsigned opened = 0;

	for (size_t k = 0; k < a->s->branches_len; k++) {
		int block = a->s->branches[k].block;

		if (block < 0 || (a->s->type != MR_STEP_PARALLEL && (ways & MR_WAY_BRANCH(k)) == 0))
			continue;
		if (mr_frame_open(a->run, &a->run->g->blocks[block], a->st, 0, NULL, &f) < 0)
			return MR_E_NOMEM;
		opened++;
	}
	a->st->inner->ways = ways;
	close_done_branches(a);
	return opened > 0 ? 0 : MR_E_INVALID;
}

/* The items of an attempt before are used again when they are the same. */
static bool same_items(const struct mr_inner *in, const struct mr_value *items)
{
	return in->items.kind == MR_VALUE_LIST && mr_value_eq(&in->items, items);
}

static int open_items(struct mr_apply *a)
{
	const struct mr_value *input = mr_value_get(&a->fact->data, "input");
	const struct mr_value *given = input != NULL ? mr_value_get(input, "items") : NULL;
	struct mr_inner *in = a->st->inner;
	struct mr_arena *arena = a->st->frame->arena;
	struct mr_value items;
	size_t len;
	int r = given != NULL ? mr_foreach_items(arena, given, &items) : MR_E_INVALID;

	if (r < 0)
		return r == MR_E_NOMEM ? r : MR_E_INVALID;
	in->next = 0;
	in->failed = 0;
	in->has_failure = false;
	if (same_items(in, &items))
		return mr_foreach_open(a->run, a->st);
	while (in->first != NULL)
		mr_frame_drop(a->run, in->first);
	if (mr_value_copy(arena, &items, &in->items) < 0)
		return MR_E_NOMEM;
	in->items_seq = a->fact->seq;
	len = items.list->len;
	in->parts = NULL;
	in->results = mr_arena_array(arena, len + 1, sizeof(*in->results));
	in->done = mr_arena_array(arena, len + 1, 1);
	in->succeeded = 0;
	if (in->results == NULL || in->done == NULL)
		return MR_E_NOMEM;
	return mr_foreach_open(a->run, a->st);
}

static int open_block(struct mr_apply *a)
{
	struct mr_frame *f;

	if (mr_inner_need(a->st) == NULL)
		return MR_E_NOMEM;
	switch (a->s->type) {
	case MR_STEP_FOREACH:
		return open_items(a);
	case MR_STEP_WHILE:
		while (a->st->inner->first != NULL) /* rounds begin anew */
			mr_frame_drop(a->run, a->st->inner->first);
		a->st->inner->rounds = 1;
		a->st->inner->is_delayed = false;
		return mr_frame_open(a->run, &a->run->g->blocks[a->s->body], a->st, 0, NULL, &f);
	default:
		return open_branches(a, mr_read_ways(a->s, &a->fact->data));
	}
}

/* The key that the effect goes out with: all attempts have that of the first. */
static int keep_key(struct mr_apply *a)
{
	struct mr_str key = mr_value_get_str(&a->fact->data, "key");

	if (key.p == NULL || a->st->key.p != NULL)
		return 0;
	a->st->key = mr_arena_str(a->st->frame->arena, key);
	return a->st->key.p != NULL ? 0 : MR_E_NOMEM;
}

int mr_apply_step_started(struct mr_apply *a)
{
	if (!begins(a) || (a->s->kind != MR_STEP_OUTSIDE && a->s->kind != MR_STEP_BLOCK))
		return MR_E_INVALID;
	if (a->s->type == MR_STEP_CONDITIONAL || a->s->type == MR_STEP_SWITCH) {
		if (mr_read_ways(a->s, &a->fact->data) == 0)
			return MR_E_INVALID;
	}
	begin(a);
	if (keep_key(a) < 0 || mr_step_enter(a->run, a->st, MR_STEP_RUNNING) < 0)
		return MR_E_NOMEM;
	return a->s->kind == MR_STEP_BLOCK ? open_block(a)
	                                   : mr_begun_keep(a->run, a->st, &a->fact->data);
}

/* The next round of a while. */
int mr_apply_step_iterating(struct mr_apply *a)
{
	struct mr_inner *in = a->st->inner;
	struct mr_frame *old, *f;
	struct mr_value last;
	int r;

	if (a->s->type != MR_STEP_WHILE || !goes_on(a) || in == NULL || in->first == NULL ||
	    !in->first->is_closed)
		return MR_E_INVALID;
	old = in->first;
	r = mr_frame_result(a->run, old, old->arena, &last);
	if (r < 0)
		return r;
	if (mr_frame_open(a->run, &a->run->g->blocks[a->s->body], a->st, in->rounds, &last, &f) < 0)
		return MR_E_NOMEM;
	mr_frame_drop(a->run, old);
	in->rounds++;
	in->is_delayed = false;
	a->st->wake_at = 0;
	mr_ready_remove(a->run, a->st);
	return mr_step_arm(a->run, a->st);
}

/* ---- waiting ---- */

static bool may_wait(const struct mr_apply *a)
{
	switch (a->s->type) {
	case MR_STEP_DELAY:
		return begins(a);
	case MR_STEP_WAIT: /* again when one time of several has passed */
		return begins(a) || (a->st->status == MR_STEP_WAITING && goes_on(a));
	case MR_STEP_WHILE:
	case MR_STEP_SUBWORKFLOW:
		return a->st->status == MR_STEP_RUNNING && goes_on(a);
	default:
		return false;
	}
}

int mr_apply_step_waiting(struct mr_apply *a)
{
	bool timed = mr_value_get(&a->fact->data, "until") != NULL;
	int64_t until = 0;

	if (!may_wait(a) || (timed && read_time(a, "until", &until) < 0) ||
	    (!timed && (a->s->type == MR_STEP_DELAY || a->s->type == MR_STEP_WHILE)))
		return MR_E_INVALID;
	if (mr_inner_need(a->st) == NULL)
		return MR_E_NOMEM;
	if (a->st->status == MR_STEP_FRESH || a->st->status == MR_STEP_RETRYING)
		begin(a);
	if (a->s->type == MR_STEP_WAIT || a->s->type == MR_STEP_SUBWORKFLOW) {
		if (mr_value_copy(a->st->frame->arena, &a->fact->data, &a->st->inner->spec) < 0)
			return MR_E_NOMEM;
	}
	a->st->wake_at = until;
	if (a->s->type == MR_STEP_WHILE) {
		a->st->inner->is_delayed = true;
		mr_ready_remove(a->run, a->st);
		return mr_step_arm(a->run, a->st);
	}
	return mr_step_enter(a->run, a->st, MR_STEP_WAITING);
}

/* ---- ending ---- */

static void consume_all(const struct mr_apply *a)
{
	const struct mr_value *list = mr_value_get_kind(&a->fact->data, "consumed", MR_VALUE_LIST);

	for (size_t i = 0; list != NULL && i < list->list->len; i++)
		if (list->list->items[i].kind == MR_VALUE_INT)
			mr_inbox_consume(a->run, (unsigned)list->list->items[i].i);
}

static int keep_output(struct mr_apply *a)
{
	const struct mr_value *ref = mr_value_get(&a->fact->data, "output_ref");

	if (mr_apply_keep(a, "output", &a->st->output) < 0 ||
	    mr_apply_keep(a, "parts", &a->st->parts) < 0 ||
	    mr_apply_keep(a, "error", &a->st->error) < 0)
		return MR_E_NOMEM;
	if (ref == NULL)
		return 0;
	a->st->ref = mr_arena_str(a->st->frame->arena, mr_value_get_str(ref, "ref"));
	return a->st->ref.p != NULL ? 0 : MR_E_NOMEM;
}

/* What some types do by completing. */
static int complete_type(struct mr_apply *a)
{
	const struct mr_value *vars = mr_value_get(&a->fact->data, "vars");

	if (a->s->type == MR_STEP_SET && mr_value_get(&a->fact->data, "error") == NULL)
		return mr_run_merge_vars(a->run, vars != NULL ? vars : &a->st->output);
	if (a->s->type == MR_STEP_TERMINATE && mr_value_get(&a->fact->data, "error") == NULL)
		return mr_value_copy(a->run->arena, &a->st->output, &a->run->terminated);
	return 0;
}

int mr_apply_step_completed(struct mr_apply *a)
{
	int r = begins_or_goes_on(a);

	if (r == 0)
		r = keep_output(a);
	if (r == 0)
		r = complete_type(a);
	if (r < 0)
		return r;
	consume_all(a);
	a->st->ways = MR_WAY_PLAIN | mr_read_ways(a->s, &a->fact->data);
	mr_link_json(a->s, &a->st->output);
	return mr_step_end(a->run, a->st, MR_STEP_COMPLETED);
}

/* Which catch entry the fact names, or -1. */
static int read_catch(const struct mr_apply *a)
{
	const struct mr_value *k = mr_value_get_kind(&a->fact->data, "catch", MR_VALUE_INT);

	if (k == NULL || k->i < 0 || (size_t)k->i >= a->s->catches_len)
		return -1;
	return (int)k->i;
}

int mr_apply_step_failed(struct mr_apply *a)
{
	struct mr_str handled = mr_value_get_str(&a->fact->data, "handled");
	int r = begins_or_goes_on(a), entry = read_catch(a);

	if (r == 0)
		r = mr_apply_keep(a, "error", &a->st->error);
	if (r < 0)
		return r;
	a->st->handled = handled.p != NULL;
	a->st->ways = 0;
	if (mr_str_eqz(handled, "continue"))
		a->st->ways = MR_WAY_PLAIN;
	else if (mr_str_eqz(handled, "catch") && entry >= 0)
		a->st->ways = MR_WAY_CATCH(a->s, (unsigned)entry);
	return mr_step_end(a->run, a->st, MR_STEP_FAILED);
}

int mr_apply_step_retrying(struct mr_apply *a)
{
	int64_t next_at;

	if (read_time(a, "next_at", &next_at) < 0)
		return MR_E_INVALID;
	if (begins(a))
		begin(a);
	else if (!goes_on(a) || a->st->status == MR_STEP_CATCHING)
		return MR_E_INVALID;
	mr_inner_drop(a->run, a->st); /* a block runs whole again, with fresh inner steps */
	a->st->wake_at = next_at;
	return mr_step_enter(a->run, a->st, MR_STEP_RETRYING);
}

int mr_apply_step_catching(struct mr_apply *a)
{
	int entry = read_catch(a), r;
	struct mr_frame *f;

	if (entry < 0 || a->s->catches[entry].block < 0 || a->st->status == MR_STEP_CATCHING)
		return MR_E_INVALID;
	r = begins_or_goes_on(a);
	if (r == 0)
		r = mr_apply_keep(a, "error", &a->st->error);
	if (r < 0)
		return r;
	mr_inner_drop(a->run, a->st);
	a->st->wake_at = 0;
	if (mr_step_enter(a->run, a->st, MR_STEP_CATCHING) < 0 || mr_inner_need(a->st) == NULL)
		return MR_E_NOMEM;
	a->st->inner->catch_entry = (unsigned)entry;
	return mr_frame_open(
	    a->run, &a->run->g->blocks[a->s->catches[entry].block], a->st, 0, &a->st->error, &f);
}

int mr_apply_step_skipped(struct mr_apply *a)
{
	struct mr_str reason = mr_value_get_str(&a->fact->data, "reason");
	bool raced = mr_str_eqz(reason, mr_skip_reason_names[MR_SKIP_CANCEL_REST]);

	if (a->st->status != MR_STEP_FRESH || (!raced && !begins(a)))
		return MR_E_INVALID;
	for (unsigned k = MR_SKIP_WHEN; k < MR_SKIP_REASON_COUNT; k++) {
		if (!mr_str_eqz(reason, mr_skip_reason_names[k]))
			continue;
		a->st->reason = (enum mr_skip_reason)k;
		a->st->execution_id = a->fact->step_execution_id;
		a->st->ways = k == MR_SKIP_WHEN ? MR_WAY_PLAIN : 0;
		return mr_step_end(a->run, a->st, MR_STEP_SKIPPED);
	}
	return MR_E_INVALID;
}

int mr_apply_step_cancelled(struct mr_apply *a)
{
	struct mr_str reason = mr_value_get_str(&a->fact->data, "reason");

	if (!mr_step_is_active(a->st->status))
		return MR_E_INVALID;
	/* a race that was lost is the block's own course; anything else ends the whole block */
	if (!mr_str_eqz(reason, mr_cancel_reason_names[MR_CANCEL_REST]))
		a->st->frame->is_cancelled = true;
	a->st->ways = 0;
	return mr_step_end(a->run, a->st, MR_STEP_CANCELLED);
}
