#include "engine/rows.h"

#include <string.h>

#include "lib/error.h"
#include "lib/pg.h"

#define COLUMN_MAX  ((size_t)512 * 1024 * 1024) /* PostgreSQL takes a value of 1 GB */
#define COLUMN_KEEP ((size_t)4 * 1024 * 1024)   /* a larger one is given back after use */

const char *const mr_rows_params[MR_ROWS_COLUMNS] = {
#define MR_ROWS_COLUMN(id, part, param) param,
#include "engine/rows.def"
#undef MR_ROWS_COLUMN
};

const enum mr_rows_part mr_rows_parts[MR_ROWS_COLUMNS] = {
#define MR_ROWS_COLUMN(id, part, param) MR_ROWS_##part,
#include "engine/rows.def"
#undef MR_ROWS_COLUMN
};

static void count_nothing(struct mr_rows *r)
{
	r->runs = r->facts = 0;
	memset(r->parts, 0, sizeof(r->parts));
}

void mr_rows_init(struct mr_rows *r)
{
	for (unsigned i = 0; i < MR_ROWS_COLUMNS; i++)
		mr_buf_init(&r->columns[i], COLUMN_MAX);
	mr_buf_init(&r->scratch, COLUMN_MAX);
	count_nothing(r);
}

void mr_rows_done(struct mr_rows *r)
{
	for (unsigned i = 0; i < MR_ROWS_COLUMNS; i++)
		mr_buf_done(&r->columns[i]);
	mr_buf_done(&r->scratch);
}

static void empty(struct mr_buf *b)
{
	if (b->cap > COLUMN_KEEP) {
		mr_buf_done(b);
		mr_buf_init(b, COLUMN_MAX);
	} else {
		mr_buf_reset(b);
	}
}

void mr_rows_begin(struct mr_rows *r)
{
	for (unsigned i = 0; i < MR_ROWS_COLUMNS; i++) {
		empty(&r->columns[i]);
		mr_pg_array_begin(&r->columns[i]);
	}
	empty(&r->scratch);
	count_nothing(r);
}

/* ---- one element ---- */

static void add_i64(struct mr_rows *r, enum mr_rows_column c, int64_t v)
{
	mr_pg_array_add_i64(&r->columns[c], v);
}

static void add_text(struct mr_rows *r, enum mr_rows_column c, struct mr_str s)
{
	mr_pg_array_add(&r->columns[c], s);
}

static void add_null(struct mr_rows *r, enum mr_rows_column c)
{
	mr_pg_array_add(&r->columns[c], MR_STR_NONE);
}

/* NULL unless it is positive. */
static void add_positive(struct mr_rows *r, enum mr_rows_column c, int64_t v)
{
	if (v > 0)
		add_i64(r, c, v);
	else
		add_null(r, c);
}

static void add_bool(struct mr_rows *r, enum mr_rows_column c, bool v)
{
	add_text(r, c, v ? MR_STR("t") : MR_STR("f"));
}

static void add_json(struct mr_rows *r, enum mr_rows_column c, const struct mr_value *v)
{
	if (v->kind == MR_VALUE_NULL) {
		add_null(r, c);
		return;
	}
	mr_buf_reset(&r->scratch);
	mr_json_write(&r->scratch, v);
	if (mr_buf_failed(&r->scratch))
		r->columns[c].failed = true;
	else
		add_text(r, c, mr_buf_str(&r->scratch));
}

/* ---- one row ---- */

static void add_run(struct mr_rows *r, const struct mr_held *h)
{
	const struct mr_run_row *row = &h->row;

	add_i64(r, MR_ROWS_RUN_ID, h->id);
	add_i64(r, MR_ROWS_FENCE, h->fence);
	add_i64(r, MR_ROWS_BASE_SEQ, row->base_seq);
	add_i64(r, MR_ROWS_SEQ, row->seq);
	add_text(r, MR_ROWS_STATUS, mr_str(mr_run_status_name(row->status)));
	add_bool(r, MR_ROWS_RELEASE, row->released);
	add_bool(r, MR_ROWS_QUEUED, row->queued);
	add_positive(r, MR_ROWS_WAKE, row->wake_at_us);
	add_i64(r, MR_ROWS_PROGRESS, row->progress);
	add_positive(r, MR_ROWS_STARTED, h->started_at_us);
	add_text(r, MR_ROWS_RESULT, row->result);
	add_text(r, MR_ROWS_ERROR, row->error);
	add_text(r, MR_ROWS_CANCELLED_BY, row->cancelled_by);
	add_text(r, MR_ROWS_STATE, row->snapshot);
	add_i64(r, MR_ROWS_AWAITS, row->awaits);
	add_text(r, MR_ROWS_VARS, row->vars);
	r->runs++;
	if (row->snapshot.p != NULL)
		r->parts[MR_ROWS_STATES]++;
}

/* What a run's end or release means beside its row. */
static void add_end(struct mr_rows *r, const struct mr_held *h)
{
	const struct mr_run_row *row = &h->row;
	bool ended = mr_run_is_terminal(row->status);

	if (ended && (!h->fresh || h->state_seq > 0)) { /* it may have been released before */
		add_i64(r, MR_ROWS_ENDED, h->id);
		r->parts[MR_ROWS_ENDED_RUNS]++;
	}
	if (ended && h->parent_run_id != 0) {
		add_i64(r, MR_ROWS_ENDED_CHILD, h->id);
		r->parts[MR_ROWS_CHILDREN]++;
	}
	if (row->released && !ended && row->status != MR_RUN_PAUSED) {
		add_i64(r, MR_ROWS_R_RUN_ID, h->id);
		r->parts[MR_ROWS_REQUEUE]++;
	}
}

static struct mr_str step_name(const struct mr_held *h, int step)
{
	if (step < 0 || h->definition == NULL || h->definition->graph == NULL)
		return MR_STR_NONE;
	return h->definition->graph->steps[step].name;
}

static void add_fact(struct mr_rows *r, const struct mr_held *h, const struct mr_fact *f)
{
	add_i64(r, MR_ROWS_J_RUN_ID, h->id);
	add_i64(r, MR_ROWS_J_ID, f->id);
	add_i64(r, MR_ROWS_J_SEQ, f->seq);
	add_text(r, MR_ROWS_J_KIND, mr_str(mr_fact_kind_name(f->kind)));
	add_text(r, MR_ROWS_J_STEP, step_name(h, f->step));
	add_positive(r, MR_ROWS_J_STEP_EXECUTION, f->step_execution_id);
	add_positive(r, MR_ROWS_J_PARENT, f->parent_id);
	if (f->parent_id > 0)
		add_i64(r, MR_ROWS_J_ITERATION, f->iteration);
	else
		add_null(r, MR_ROWS_J_ITERATION);
	add_positive(r, MR_ROWS_J_ATTEMPT, f->attempt);
	add_i64(r, MR_ROWS_J_AT, f->at_us);
	if (f->duration_us >= 0)
		add_i64(r, MR_ROWS_J_DURATION, f->duration_us);
	else
		add_null(r, MR_ROWS_J_DURATION);
	add_json(r, MR_ROWS_J_DATA, &f->data);
	r->facts++;
}

static void add_wait(struct mr_rows *r, const struct mr_held *h, const struct mr_wait_row *w)
{
	bool child = w->child_run_id != 0;

	add_i64(r, MR_ROWS_W_RUN_ID, h->id);
	add_i64(r, MR_ROWS_W_STEP_EXECUTION, w->step_execution_id);
	add_text(r, MR_ROWS_W_STEP, step_name(h, w->step));
	add_text(r, MR_ROWS_W_EVENT_TYPE, child ? MR_STR("") : w->event_type);
	add_i64(r, MR_ROWS_W_CHILD, w->child_run_id);
	r->parts[MR_ROWS_WAITS]++;
}

static void add_unwait(struct mr_rows *r, const struct mr_held *h, int64_t step_execution_id)
{
	add_i64(r, MR_ROWS_U_RUN_ID, h->id);
	add_i64(r, MR_ROWS_U_STEP_EXECUTION, step_execution_id);
	r->parts[MR_ROWS_WAITS]++;
}

/* A step execution whose waits have ended in this outcome. */
struct ended {
	int64_t step_execution_id; /* 0: a free place */
	size_t last;               /* of its places in the unwaits */
	bool begins_again;         /* a wait after that one */
};

/* Those of one outcome, by hash. */
struct ended_table {
	struct ended *places;
	size_t mask;
};

static struct ended *ended_find(const struct ended_table *t, int64_t id)
{
	size_t i = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15u >> 32) & t->mask;

	while (t->places[i].step_execution_id != 0 && t->places[i].step_execution_id != id)
		i = (i + 1) & t->mask;
	return &t->places[i];
}

static int ended_fill(struct ended_table *t, const struct mr_run_out *out)
{
	size_t len = 4;

	while (len < 2 * out->unwaits_len)
		len *= 2;
	t->mask = len - 1;
	t->places = mr_arena_array(out->arena, len, sizeof(*t->places));
	if (t->places == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < out->unwaits_len; i++) {
		struct ended *e = ended_find(t, out->unwaits[i]);

		e->step_execution_id = out->unwaits[i];
		e->last = i;
	}
	return 0;
}

/* A wait that ended at once, by an event that was there, is never written; and a step that was
 * tried again waits as before: its row stays. */
static void add_changed(struct mr_rows *r, const struct mr_held *h, const struct ended_table *t)
{
	const struct mr_run_out *out = &h->sent->out;

	for (size_t i = 0; i < out->waits_len; i++) {
		const struct mr_wait_row *w = &out->waits[i];
		struct ended *e = ended_find(t, w->step_execution_id);

		if (e->step_execution_id != 0 && e->last >= w->unwaits_before)
			continue;
		e->begins_again = e->step_execution_id != 0;
		add_wait(r, h, w);
	}
	for (size_t i = 0; i < out->unwaits_len; i++) {
		if (!ended_find(t, out->unwaits[i])->begins_again)
			add_unwait(r, h, out->unwaits[i]);
	}
}

static void add_waits(struct mr_rows *r, const struct mr_held *h)
{
	const struct mr_run_out *out = &h->sent->out;
	struct ended_table t;

	if (out->unwaits_len > 0) {
		if (ended_fill(&t, out) == 0)
			add_changed(r, h, &t);
		else
			r->columns[MR_ROWS_U_RUN_ID].failed = true;
	} else {
		for (size_t i = 0; i < out->waits_len; i++)
			add_wait(r, h, &out->waits[i]);
	}
	if (h->failed_by_hand)
		add_unwait(r, h, 0); /* all of the run's */
}

static void add_emit(struct mr_rows *r, const struct mr_held *h, const struct mr_emit_row *e)
{
	add_i64(r, MR_ROWS_E_RUN_ID, h->id);
	add_i64(r, MR_ROWS_E_ID, e->id);
	add_text(r, MR_ROWS_E_TYPE, e->type);
	add_json(r, MR_ROWS_E_DATA, &e->data);
	r->parts[MR_ROWS_WAITS]++;
}

static void add_cancel(struct mr_rows *r, const struct mr_held *h, int64_t step_execution_id)
{
	add_i64(r, MR_ROWS_C_RUN_ID, h->id);
	add_i64(r, MR_ROWS_C_FENCE, h->fence + (h->is_taken ? 0 : 1)); /* as the flush leaves it */
	add_i64(r, MR_ROWS_C_SEQ, h->row.seq);
	add_i64(r, MR_ROWS_C_STEP_EXECUTION, step_execution_id);
	r->parts[MR_ROWS_CANCEL]++;
}

void mr_rows_add(struct mr_rows *r, const struct mr_held *h)
{
	const struct mr_outcome *o = h->sent;

	add_run(r, h);
	add_end(r, h);
	for (size_t i = 0; i < o->out.facts_len; i++)
		add_fact(r, h, &o->out.facts[i]);
	for (unsigned i = 0; i < o->commands_len; i++) {
		add_i64(r, MR_ROWS_COMMAND, o->commands[i]);
		r->parts[MR_ROWS_COMMANDS]++;
	}
	add_waits(r, h);
	for (size_t i = 0; i < o->out.emits_len; i++)
		add_emit(r, h, &o->out.emits[i]);
	for (size_t i = 0; i < o->out.cancels_len; i++)
		add_cancel(r, h, o->out.cancels[i]);
}

int mr_rows_end(struct mr_rows *r)
{
	for (unsigned i = 0; i < MR_ROWS_COLUMNS; i++) {
		mr_pg_array_end(&r->columns[i]);
		if (mr_buf_failed(&r->columns[i]))
			return MR_E_LIMIT;
	}
	return 0;
}

size_t mr_rows_bytes(const struct mr_rows *r)
{
	size_t n = 0;

	for (unsigned i = 0; i < MR_ROWS_COLUMNS; i++)
		n += r->columns[i].len;
	return n;
}
