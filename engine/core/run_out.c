/* What an advance hands out: facts, effects, aborts, and the objects in them. */
#include "engine/core/run_private.h"

#include <assert.h>
#include <string.h>

void mr_fields_put(struct mr_fields *f, const char *key, struct mr_value v)
{
	assert(f->len < MR_FIELDS_MAX);
	f->m[f->len].key = mr_value_strz(key);
	f->m[f->len++].value = v;
}

int mr_fields_map(struct mr_arena *a, const struct mr_fields *f, struct mr_value *ret)
{
	struct mr_map *m = mr_map_create(a, f->len);

	if (m == NULL)
		return MR_E_NOMEM;
	memcpy(m->members, f->m, f->len * sizeof(f->m[0]));
	if (mr_map_seal(a, m) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(m);
	return 0;
}

int mr_fields_time(struct mr_fields *f, struct mr_arena *a, const char *key, int64_t us)
{
	char text[MR_TIME_LEN];
	size_t len = mr_time_format(us, text);
	struct mr_str s = mr_arena_str(a, (struct mr_str){ text, len });

	if (s.p == NULL)
		return MR_E_NOMEM;
	mr_fields_put(f, key, mr_value_str(s));
	return 0;
}

/* Room for one more in an array of OUT's arena; the old array stays there until the reset. */
static void *grow(struct mr_run_out *out, void *array, size_t len, size_t *cap, size_t size)
{
	size_t more = *cap == 0 ? 8 : *cap * 2;
	void *grown;

	if (len < *cap)
		return array;
	grown = mr_arena_array(out->arena, more, size);
	if (grown == NULL)
		return NULL;
	if (len > 0)
		memcpy(grown, array, len * size);
	*cap = more;
	return grown;
}

unsigned mr_turn_attempt(const struct mr_step_state *st)
{
	/* one that hasn't begun is about to */
	if (st->status == MR_STEP_FRESH || st->status == MR_STEP_RETRYING)
		return st->attempt + 1;
	return st->attempt;
}

struct mr_fields mr_turn_step_fields(const struct mr_turn *t, const struct mr_step_state *st)
{
	const struct mr_step *s = mr_step_of(t->run, st);
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "type", mr_value_strz(mr_step_type_name(s->type)));
	mr_fields_put(&f, "order", mr_value_int(s->order));
	return f;
}

static unsigned attempt_of(enum mr_fact_kind kind, const struct mr_step_state *st)
{
	/* these end an attempt and begin none */
	if (kind == MR_FACT_STEP_CANCELLED || kind == MR_FACT_LOG)
		return st->attempt > 0 ? st->attempt : 1;
	return mr_turn_attempt(st);
}

static void describe(struct mr_fact *fact, const struct mr_step_state *st)
{
	const struct mr_frame *f = st->frame;

	fact->step = (int)st->index;
	fact->attempt = attempt_of(fact->kind, st);
	fact->step_execution_id = st->execution_id != 0 ? st->execution_id : fact->id;
	fact->parent_id = f->holder != NULL ? f->holder->execution_id : 0;
	fact->iteration = f->iteration;
}

int mr_turn_fact(struct mr_turn *t, enum mr_fact_kind kind, struct mr_step_state *st,
    const struct mr_fields *data, int64_t duration_us)
{
	struct mr_run_out *out = t->out;
	struct mr_fact *facts =
	    grow(out, out->facts, out->facts_len, &out->facts_cap, sizeof(*facts));
	struct mr_fact *fact;
	int r;

	if (facts == NULL)
		return MR_E_NOMEM;
	out->facts = facts;
	fact = &facts[out->facts_len];
	*fact = (struct mr_fact){ .kind = kind,
		.step = -1,
		.seq = t->run->seq + 1,
		.at_us = t->now,
		.duration_us = duration_us };
	fact->id = t->run->next_id(t->run->next_id_ctx);
	if (st != NULL)
		describe(fact, st);
	if (mr_fields_map(out->arena, data, &fact->data) < 0)
		return MR_E_NOMEM;
	r = mr_run_apply_own(t->run, fact, st);
	if (r == 0)
		out->facts_len++;
	return r;
}

int mr_turn_effect(struct mr_turn *t, const struct mr_effect *e)
{
	struct mr_run_out *out = t->out;
	struct mr_effect *effects =
	    grow(out, out->effects, out->effects_len, &out->effects_cap, sizeof(*effects));

	if (effects == NULL)
		return MR_E_NOMEM;
	out->effects = effects;
	out->effects[out->effects_len++] = *e;
	return 0;
}

int mr_turn_abort(struct mr_turn *t, const struct mr_step_state *st)
{
	struct mr_run_out *out = t->out;
	struct mr_effect *aborts =
	    grow(out, out->aborts, out->aborts_len, &out->aborts_cap, sizeof(*aborts));

	if (aborts == NULL)
		return MR_E_NOMEM;
	out->aborts = aborts;
	out->aborts[out->aborts_len++] = (struct mr_effect){ .step = (int)st->index,
		.iteration = st->frame->iteration,
		.attempt = st->attempt,
		.step_execution_id = st->execution_id };
	return 0;
}

int mr_turn_await(struct mr_turn *t, const struct mr_step_state *st, struct mr_str event_type,
    int64_t child_run_id)
{
	struct mr_run_out *out = t->out;
	struct mr_wait_row *waits =
	    grow(out, out->waits, out->waits_len, &out->waits_cap, sizeof(*waits));

	if (waits == NULL)
		return MR_E_NOMEM;
	out->waits = waits;
	if (event_type.p != NULL)
		event_type = mr_arena_str(out->arena, event_type);
	waits[out->waits_len++] = (struct mr_wait_row){ .step = (int)st->index,
		.step_execution_id = st->execution_id,
		.event_type = event_type,
		.child_run_id = child_run_id,
		.unwaits_before = out->unwaits_len };
	return child_run_id == 0 && event_type.p == NULL ? MR_E_NOMEM : 0;
}

static int push_id(struct mr_run_out *out, int64_t **list, size_t *len, size_t *cap, int64_t id)
{
	int64_t *grown = grow(out, *list, *len, cap, sizeof(**list));

	if (grown == NULL)
		return MR_E_NOMEM;
	*list = grown;
	grown[(*len)++] = id;
	return 0;
}

int mr_turn_unawait(struct mr_turn *t, const struct mr_step_state *st)
{
	struct mr_run_out *out = t->out;

	if (!st->is_awaiting)
		return 0;
	return push_id(out, &out->unwaits, &out->unwaits_len, &out->unwaits_cap, st->execution_id);
}

int mr_turn_cancel_child(struct mr_turn *t, const struct mr_step_state *st)
{
	struct mr_run_out *out = t->out;

	return push_id(out, &out->cancels, &out->cancels_len, &out->cancels_cap, st->execution_id);
}

int mr_turn_emit(struct mr_turn *t, struct mr_str type, struct mr_value data)
{
	struct mr_run_out *out = t->out;
	struct mr_emit_row *emits =
	    grow(out, out->emits, out->emits_len, &out->emits_cap, sizeof(*emits));

	if (emits == NULL)
		return MR_E_NOMEM;
	out->emits = emits;
	emits[out->emits_len++] = (struct mr_emit_row){
		.id = out->facts[out->facts_len - 1].id, .type = type, .data = data
	};
	return 0;
}
