/*
 * The fold: one fact changes the state of a run. Each kind of fact is checked against the state
 * first, so that a journal that doesn't fit is refused and not half believed.
 */
#include "engine/core/run_private.h"

#include <string.h>

#define VARS_ROOM 65536u /* bytes of values that were overwritten */

struct apply {
	struct mr_run *run;
	const struct mr_fact *fact;
	const struct mr_step *s;  /* NULL for facts of the run */
	struct mr_step_state *st; /* likewise */
	bool owned;               /* the fact's values may be kept if they lie in the main arena */
};

/* ---- reading a fact's data ---- */

/* A member, copied into what lives as long as the step's frame (the run, for facts of the run). */
static int keep(struct apply *a, const char *member, struct mr_value *ret)
{
	const struct mr_value *v = mr_value_get(&a->fact->data, member);
	struct mr_arena *arena = a->st != NULL ? a->st->frame->arena : a->run->arena;

	*ret = MR_NULL_VALUE;
	if (v == NULL)
		return 0;
	if (!a->owned)
		return mr_value_copy(arena, v, ret);
	*ret = *v;
	return 0;
}

void mr_link_json(const struct mr_step *s, struct mr_value *v)
{
	const struct mr_value *json = mr_value_get_kind(v, "json", MR_VALUE_MAP);

	/* V is a copy of the run's own: nobody else sees it change */
	if (s->type == MR_STEP_HTTP_REQUEST && json != NULL)
		((struct mr_map *)(uintptr_t)v->map)->fallback = json->map;
}

static int read_time(const struct apply *a, const char *member, int64_t *ret_us)
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

/* ---- variables ---- */

static void put_var(struct mr_map *m, const struct mr_member *member)
{
	for (size_t i = 0; i < m->len; i++) {
		if (!mr_value_eq(&m->members[i].key, &member->key))
			continue;
		m->members[i].value = member->value;
		return;
	}
	m->members[m->len++] = *member;
}

/* The present variables with MORE over them, all in arena A when COMPACT says so. */
static int merged(struct mr_run *run, const struct mr_value *more, struct mr_arena *a, bool compact,
    struct mr_value *ret)
{
	const struct mr_map *old = run->vars.kind == MR_VALUE_MAP ? run->vars.map : NULL;
	size_t len = old != NULL ? old->len : 0;
	struct mr_map *m = mr_map_create(a, len + more->map->len);

	if (m == NULL)
		return MR_E_NOMEM;
	if (len > 0)
		memcpy(m->members, old->members, len * sizeof(m->members[0]));
	m->len = len;
	for (size_t i = 0; i < more->map->len; i++)
		put_var(m, &more->map->members[i]);
	/* what was there before lies in A already */
	for (size_t i = compact ? 0 : len; i < m->len; i++) {
		struct mr_member from = m->members[i];

		if (mr_value_copy(a, &from.key, &m->members[i].key) < 0)
			return MR_E_NOMEM;
	}
	for (size_t i = 0; i < m->len; i++) {
		struct mr_value from = m->members[i].value;
		bool is_new =
		    compact || i >= len || mr_value_gets(more, m->members[i].key.s) != NULL;

		if (is_new && mr_value_copy(a, &from, &m->members[i].value) < 0)
			return MR_E_NOMEM;
	}
	*ret = mr_value_map(m);
	return mr_map_seal(a, m);
}

/* Values that were overwritten stay in the arena until they take more room than what counts: then
 * all of it moves to another. Facts and effects don't point there: see mr_attempt_render(). */
int mr_run_merge_vars(struct mr_run *run, const struct mr_value *more)
{
	struct mr_pooled *old = run->vars_pooled, *to = old;
	bool compact = old == NULL || mr_arena_used(old->arena) > 2 * run->vars_size + VARS_ROOM;
	struct mr_value vars;

	if (more->kind != MR_VALUE_MAP)
		return 0;
	if (compact)
		to = mr_pool_get(run);
	if (to == NULL || merged(run, more, to->arena, compact, &vars) < 0)
		return MR_E_NOMEM;
	run->vars = vars;
	run->vars_pooled = to;
	if (!compact)
		return 0;
	run->vars_size = mr_arena_used(to->arena);
	if (old != NULL) {
		old->next = run->dead;
		run->dead = old;
	}
	return 0;
}

/* ---- beginning and going on ---- */

static bool may_begin(const struct mr_run *run)
{
	return run->started && !run->is_paused && run->phase < MR_PHASE_CLOSING;
}

/* The first row of an execution, or the next attempt of it. */
static bool begins(const struct apply *a)
{
	const struct mr_step_state *st = a->st;

	if (!may_begin(a->run) || st->frame->is_closed || st->frame->kept ||
	    st->frame->is_cancelled || st->frame->failed != NULL)
		return false;
	if (st->status == MR_STEP_FRESH)
		return a->fact->attempt == 1 && mr_step_verdict(a->run, st) != MR_JOIN_WAIT;
	return st->status == MR_STEP_RETRYING && a->fact->attempt == st->attempt + 1;
}

static void begin(const struct apply *a)
{
	if (a->st->status == MR_STEP_FRESH) {
		a->st->execution_id = a->fact->step_execution_id;
		a->st->first_at = a->fact->at_us;
	}
	a->st->attempt = a->fact->attempt;
	a->st->began_at = a->fact->at_us;
	a->st->wake_at = 0;
}

static bool goes_on(const struct apply *a)
{
	return (a->st->status == MR_STEP_RUNNING || a->st->status == MR_STEP_WAITING ||
	           a->st->status == MR_STEP_CATCHING) &&
	       a->fact->attempt == a->st->attempt;
}

/* Either; *RET_FIRST says which. */
static int begins_or_goes_on(const struct apply *a)
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
static void close_done_branches(struct apply *a)
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

static int open_branches(struct apply *a, uint64_t ways)
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

static int open_items(struct apply *a)
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
	len = items.list->len;
	in->results = mr_arena_array(arena, len + 1, sizeof(*in->results));
	in->done = mr_arena_array(arena, len + 1, 1);
	in->succeeded = 0;
	if (in->results == NULL || in->done == NULL)
		return MR_E_NOMEM;
	return mr_foreach_open(a->run, a->st);
}

static int open_block(struct apply *a)
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
static int keep_key(struct apply *a)
{
	struct mr_str key = mr_value_get_str(&a->fact->data, "key");

	if (key.p == NULL || a->st->key.p != NULL)
		return 0;
	a->st->key = mr_arena_str(a->st->frame->arena, key);
	return a->st->key.p != NULL ? 0 : MR_E_NOMEM;
}

static int apply_step_started(struct apply *a)
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
static int apply_step_iterating(struct apply *a)
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

static bool may_wait(const struct apply *a)
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

static int apply_step_waiting(struct apply *a)
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

static void consume(struct mr_run *run, unsigned seq)
{
	struct mr_inbox_item **at = &run->inbox, *before = NULL;

	while (*at != NULL && (*at)->seq != seq) {
		before = *at;
		at = &(*at)->next;
	}
	if (*at == NULL)
		return;
	if (run->inbox_last == *at)
		run->inbox_last = before;
	*at = (*at)->next;
	run->inbox_len--;
}

static void consume_all(const struct apply *a)
{
	const struct mr_value *list = mr_value_get_kind(&a->fact->data, "consumed", MR_VALUE_LIST);

	for (size_t i = 0; list != NULL && i < list->list->len; i++)
		if (list->list->items[i].kind == MR_VALUE_INT)
			consume(a->run, (unsigned)list->list->items[i].i);
}

static int keep_output(struct apply *a)
{
	const struct mr_value *ref = mr_value_get(&a->fact->data, "output_ref");

	if (keep(a, "output", &a->st->output) < 0 || keep(a, "error", &a->st->error) < 0)
		return MR_E_NOMEM;
	if (ref == NULL)
		return 0;
	a->st->ref = mr_arena_str(a->st->frame->arena, mr_value_get_str(ref, "ref"));
	return a->st->ref.p != NULL ? 0 : MR_E_NOMEM;
}

/* What some types do by completing. */
static int complete_type(struct apply *a)
{
	const struct mr_value *vars = mr_value_get(&a->fact->data, "vars");

	if (a->s->type == MR_STEP_SET && mr_value_get(&a->fact->data, "error") == NULL)
		return mr_run_merge_vars(a->run, vars != NULL ? vars : &a->st->output);
	if (a->s->type == MR_STEP_TERMINATE && mr_value_get(&a->fact->data, "error") == NULL)
		return mr_value_copy(a->run->arena, &a->st->output, &a->run->terminated);
	return 0;
}

static int apply_step_completed(struct apply *a)
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
static int read_catch(const struct apply *a)
{
	const struct mr_value *k = mr_value_get_kind(&a->fact->data, "catch", MR_VALUE_INT);

	if (k == NULL || k->i < 0 || (size_t)k->i >= a->s->catches_len)
		return -1;
	return (int)k->i;
}

static int apply_step_failed(struct apply *a)
{
	struct mr_str handled = mr_value_get_str(&a->fact->data, "handled");
	int r = begins_or_goes_on(a), entry = read_catch(a);

	if (r == 0)
		r = keep(a, "error", &a->st->error);
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

static int apply_step_retrying(struct apply *a)
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

static int apply_step_catching(struct apply *a)
{
	int entry = read_catch(a), r;
	struct mr_frame *f;

	if (entry < 0 || a->s->catches[entry].block < 0 || a->st->status == MR_STEP_CATCHING)
		return MR_E_INVALID;
	r = begins_or_goes_on(a);
	if (r == 0)
		r = keep(a, "error", &a->st->error);
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

static int apply_step_skipped(struct apply *a)
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

static int apply_step_cancelled(struct apply *a)
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

/* ---- lines, signals, variables ---- */

static int apply_log(struct apply *a)
{
	(void)a; /* a line for people: nothing follows from it */
	return 0;
}

static int apply_signalled(struct apply *a)
{
	struct mr_inbox_item *item = mr_arena_zalloc(a->run->arena, sizeof(*item));

	if (item == NULL || mr_value_copy(a->run->arena, &a->fact->data, &item->event) < 0)
		return MR_E_NOMEM;
	/* the oldest gives way: the one that comes may be the one that is waited for */
	if (a->run->inbox_len >= MR_INBOX_MAX)
		consume(a->run, a->run->inbox->seq);
	item->seq = a->fact->seq;
	if (a->run->inbox_last != NULL)
		a->run->inbox_last->next = item;
	else
		a->run->inbox = item;
	a->run->inbox_last = item;
	a->run->inbox_len++;
	return 0;
}

static int apply_variables(struct apply *a)
{
	const struct mr_value *vars = mr_value_get(&a->fact->data, "vars");

	return vars != NULL ? mr_run_merge_vars(a->run, vars) : 0;
}

/* ---- the run ---- */

static int apply_created(struct apply *a)
{
	return a->fact->seq == 1 ? 0 : MR_E_INVALID;
}

/* Its timeout counts from this fact: the definition's or its own, whichever is shorter. */
static void count_down(struct apply *a)
{
	int64_t us = a->run->g->timeout_us, own_us = a->run->info.timeout_us;

	if (own_us > 0 && (us == 0 || own_us < us))
		us = own_us;
	if (us > 0)
		a->run->deadline_at = a->fact->at_us + us;
}

static int apply_started(struct apply *a)
{
	struct mr_run *run = a->run;
	const struct mr_value *vars = mr_value_get(&a->fact->data, "vars");

	if (run->started || run->phase != MR_PHASE_MAIN || run->is_paused)
		return MR_E_INVALID;
	if (vars != NULL && mr_run_merge_vars(run, vars) < 0)
		return MR_E_NOMEM;
	run->started = true;
	run->started_at = a->fact->at_us;
	count_down(a);
	return mr_frame_open(run, &run->g->blocks[0], NULL, 0, NULL, &run->main);
}

static int apply_paused(struct apply *a)
{
	if (a->run->is_paused || a->run->phase == MR_PHASE_ENDED)
		return MR_E_INVALID;
	a->run->is_paused = true;
	a->run->paused_at = a->fact->at_us;
	return 0;
}

/* The time a run stands still by command doesn't count against its timeout. */
static int apply_resumed(struct apply *a)
{
	struct mr_run *run = a->run;

	if (!run->is_paused)
		return MR_E_INVALID;
	run->is_paused = false;
	if (run->deadline_at > 0 && a->fact->at_us > run->paused_at)
		run->deadline_at += a->fact->at_us - run->paused_at;
	run->paused_at = 0;
	return 0;
}

static int end_run(struct apply *a, enum mr_run_status status)
{
	struct mr_run *run = a->run;

	if (run->phase == MR_PHASE_ENDED)
		return MR_E_INVALID;
	if (mr_value_get(&a->fact->data, "error") != NULL && keep(a, "error", &run->error) < 0)
		return MR_E_NOMEM;
	mr_run_stop_main(run);
	run->outcome = status;
	run->phase = MR_PHASE_ENDED;
	run->is_paused = false;
	run->ended_at = a->fact->at_us;
	run->deadline_at = run->paused_at = 0;
	return 0;
}

/* What the run gives: by terminate, else what its definition says. */
static int make_result(struct apply *a)
{
	const struct mr_value *output = mr_value_get(&a->fact->data, "output");
	struct mr_expr_error err;
	int r;

	if (output != NULL) {
		a->run->has_output = a->run->has_result = true;
		return mr_value_copy(a->run->arena, output, &a->run->result);
	}
	/* replayed: it could be made when it completed, so it can be made now */
	r = a->run->has_result ? 0 : mr_run_make_result(a->run, a->fact->at_us, &err);
	return r == MR_E_NOMEM || r == MR_E_IO ? r : 0;
}

static int apply_completed(struct apply *a)
{
	const struct mr_run *run = a->run;
	int r;

	if (run->phase == MR_PHASE_MAIN && run->terminated.kind == MR_VALUE_NULL &&
	    (!may_begin(run) || run->main == NULL || run->main->left > 0))
		return MR_E_INVALID; /* steps are left */
	if (run->phase != MR_PHASE_MAIN && run->phase != MR_PHASE_CLOSING)
		return MR_E_INVALID;
	r = make_result(a);
	return r == 0 ? end_run(a, MR_RUN_COMPLETED) : r;
}

static bool is_true(const struct mr_value *data, const char *member)
{
	const struct mr_value *v = mr_value_get_kind(data, member, MR_VALUE_BOOL);

	return v != NULL && v->b;
}

static int apply_failed(struct apply *a)
{
	struct mr_run *run = a->run;

	if (!is_true(&a->fact->data, "compensating"))
		return end_run(a, MR_RUN_FAILED);
	/* it has failed and goes on by undoing what it did */
	if (run->phase != MR_PHASE_MAIN || keep(a, "error", &run->error) < 0)
		return MR_E_INVALID;
	mr_run_stop_main(run);
	run->outcome = MR_RUN_FAILED;
	return 0;
}

static int apply_cancelled(struct apply *a)
{
	return end_run(a, MR_RUN_CANCELLED);
}

static int apply_timed_out(struct apply *a)
{
	return end_run(a, MR_RUN_TIMED_OUT);
}

static int apply_compensated(struct apply *a)
{
	return end_run(a, MR_RUN_COMPENSATED);
}

static bool status_by_name(struct mr_str name, enum mr_run_status *ret)
{
	for (int i = 0; i < MR_RUN_STATUS_COUNT; i++) {
		if (!mr_str_eqz(name, mr_run_status_name((enum mr_run_status)i)))
			continue;
		*ret = (enum mr_run_status)i;
		return true;
	}
	return false;
}

static int keep_outcome(struct apply *a, enum mr_run_status outcome)
{
	struct mr_run *run = a->run;

	if (keep(a, "error", &run->error) < 0 ||
	    mr_value_copy(run->arena, &a->fact->data, &run->who) < 0)
		return MR_E_NOMEM;
	return outcome == MR_RUN_COMPLETED ? make_result(a) : 0;
}

/* The main part is over; on_failure and finally follow. */
static int apply_finishing(struct apply *a)
{
	struct mr_run *run = a->run;
	enum mr_run_status outcome;
	int r;

	if ((run->phase != MR_PHASE_MAIN && run->phase != MR_PHASE_COMPENSATING) ||
	    !status_by_name(mr_value_get_str(&a->fact->data, "status"), &outcome) ||
	    !mr_run_is_terminal(outcome))
		return MR_E_INVALID;
	r = keep_outcome(a, outcome);
	if (r < 0)
		return r;
	mr_run_stop_main(run);
	run->outcome = outcome;
	run->is_paused = false; /* cancelled while it was paused: finally runs all the same */
	run->paused_at = 0;
	return mr_run_next_phase(run);
}

static int apply_compensating(struct apply *a)
{
	struct mr_run *run = a->run;

	if (run->phase != MR_PHASE_MAIN || run->outcome != MR_RUN_FAILED || run->undo_len == 0)
		return MR_E_INVALID;
	run->phase = MR_PHASE_COMPENSATING;
	return mr_run_next_undo(run);
}

static int apply_step_compensated(struct apply *a)
{
	struct mr_run *run = a->run;

	if (run->undoing == NULL || run->undoing->holder != a->st)
		return MR_E_INVALID;
	mr_run_undone(run);
	a->st->status = MR_STEP_COMPENSATED;
	return mr_run_next_undo(run);
}

static int apply_step_compensation_failed(struct apply *a)
{
	struct mr_run *run = a->run;

	if (run->undoing == NULL || run->undoing->holder != a->st)
		return MR_E_INVALID;
	if (keep(a, "error", &a->st->error) < 0)
		return MR_E_NOMEM;
	mr_frame_drop(run, run->undoing);
	run->undoing = NULL;
	run->undo_failed = true;
	return 0;
}

/* ---- a run that ended, taken up again ---- */

static int apply_retried(struct apply *a)
{
	struct mr_run *run = a->run;
	struct mr_str from = mr_value_get_str(&a->fact->data, "from_step");
	struct mr_value input;

	if (run->phase != MR_PHASE_ENDED)
		return MR_E_INVALID;
	if (keep(a, "input", &input) < 0)
		return MR_E_NOMEM;
	if (mr_value_get(&a->fact->data, "input") != NULL && input.kind != MR_VALUE_NULL) {
		run->input = input;
		run->input_replaced = true;
	}
	if (mr_run_redo(run, from) < 0)
		return MR_E_NOMEM;
	if (run->started)
		count_down(a);
	return 0;
}

/* ---- the table ---- */

enum subject {
	OF_RUN,
	OF_STEP,      /* found where it stands */
	OF_EXECUTION, /* found by its execution: it has completed */
};

static const struct {
	int (*apply)(struct apply *a);
	enum subject subject;
} rows[] = {
	[MR_FACT_CREATED] = { apply_created, OF_RUN },
	[MR_FACT_STARTED] = { apply_started, OF_RUN },
	[MR_FACT_STEP_STARTED] = { apply_step_started, OF_STEP },
	[MR_FACT_STEP_WAITING] = { apply_step_waiting, OF_STEP },
	[MR_FACT_STEP_ITERATING] = { apply_step_iterating, OF_STEP },
	[MR_FACT_STEP_COMPLETED] = { apply_step_completed, OF_STEP },
	[MR_FACT_STEP_FAILED] = { apply_step_failed, OF_STEP },
	[MR_FACT_STEP_RETRYING] = { apply_step_retrying, OF_STEP },
	[MR_FACT_STEP_CATCHING] = { apply_step_catching, OF_STEP },
	[MR_FACT_STEP_SKIPPED] = { apply_step_skipped, OF_STEP },
	[MR_FACT_STEP_CANCELLED] = { apply_step_cancelled, OF_STEP },
	[MR_FACT_STEP_COMPENSATED] = { apply_step_compensated, OF_EXECUTION },
	[MR_FACT_STEP_COMPENSATION_FAILED] = { apply_step_compensation_failed, OF_EXECUTION },
	[MR_FACT_LOG] = { apply_log, OF_RUN },
	[MR_FACT_SIGNALLED] = { apply_signalled, OF_RUN },
	[MR_FACT_VARIABLES] = { apply_variables, OF_RUN },
	[MR_FACT_PAUSED] = { apply_paused, OF_RUN },
	[MR_FACT_RESUMED] = { apply_resumed, OF_RUN },
	[MR_FACT_FINISHING] = { apply_finishing, OF_RUN },
	[MR_FACT_COMPENSATING] = { apply_compensating, OF_RUN },
	[MR_FACT_COMPLETED] = { apply_completed, OF_RUN },
	[MR_FACT_FAILED] = { apply_failed, OF_RUN },
	[MR_FACT_CANCELLED] = { apply_cancelled, OF_RUN },
	[MR_FACT_TIMED_OUT] = { apply_timed_out, OF_RUN },
	[MR_FACT_COMPENSATED] = { apply_compensated, OF_RUN },
	[MR_FACT_RETRIED] = { apply_retried, OF_RUN },
};
_Static_assert(MR_ARRAY_LEN(rows) == MR_FACT_KIND_COUNT, "a row for each kind of fact");

static struct mr_frame *inner_frame(
    const struct mr_run *run, const struct mr_fact *fact, const struct mr_block *b)
{
	const struct mr_step_state *holder = mr_hash_find(run, fact->parent_id);
	struct mr_frame *f = holder != NULL && holder->inner != NULL ? holder->inner->last : NULL;

	while (f != NULL && (f->block != b || f->iteration != fact->iteration || f->kept))
		f = f->prev;
	return f;
}

/* Where the step of a journal row stands; NULL when there is no such place now. */
static struct mr_step_state *locate(const struct mr_run *run, const struct mr_fact *fact)
{
	const struct mr_block *b = &run->g->blocks[run->g->steps[fact->step].block];
	struct mr_frame *f;

	switch (b->role) {
	case MR_BLOCK_MAIN:
		f = run->main;
		break;
	case MR_BLOCK_ON_FAILURE:
		f = run->on_failure;
		break;
	case MR_BLOCK_FINALLY:
		f = run->finally;
		break;
	default:
		f = inner_frame(run, fact, b);
		break;
	}
	return f != NULL ? mr_frame_step(f, (unsigned)fact->step) : NULL;
}

static int apply(
    struct mr_run *run, const struct mr_fact *fact, struct mr_step_state *st, bool owned)
{
	struct apply a = { .run = run, .fact = fact, .st = st, .owned = owned };
	int r;

	if (fact->kind < 0 || fact->kind >= MR_FACT_KIND_COUNT || fact->seq != run->seq + 1)
		return MR_E_INVALID;
	if (rows[fact->kind].subject == OF_RUN)
		a.st = NULL;
	else if (st == NULL)
		return MR_E_INVALID;
	else
		a.s = mr_step_of(run, st);
	/* only retried takes up a run that has ended; created may stand alone */
	if (run->phase == MR_PHASE_ENDED && fact->kind != MR_FACT_RETRIED)
		return MR_E_INVALID;
	r = rows[fact->kind].apply(&a);
	if (r == 0)
		run->seq = fact->seq;
	return r;
}

int mr_run_apply(struct mr_run *run, const struct mr_fact *fact)
{
	struct mr_step_state *st = NULL;

	mr_frames_bury(run);
	if (fact->kind >= 0 && fact->kind < MR_FACT_KIND_COUNT && fact->step >= 0 &&
	    (size_t)fact->step < run->g->steps_len) {
		if (rows[fact->kind].subject == OF_STEP)
			st = locate(run, fact);
		else if (rows[fact->kind].subject == OF_EXECUTION)
			st = mr_hash_find(run, fact->step_execution_id);
		if (st != NULL && st->index != (unsigned)fact->step)
			st = NULL;
	}
	return apply(run, fact, st, false);
}

int mr_run_apply_own(struct mr_run *run, const struct mr_fact *fact, struct mr_step_state *st)
{
	/* a frame's arena is used again while the fact still waits to be written */
	return apply(run, fact, st, st == NULL || st->frame->pooled == NULL);
}
