/*
 * A run's state as one value, and back. Steps that nothing happened to are left out. Steps go by
 * name, so that a snapshot outlives a change of how graphs are numbered.
 */
#include "engine/core/run_private.h"

#define FORMAT 1

/* ---- writing ---- */

static void put_int(struct mr_fields *f, const char *key, int64_t n)
{
	if (n != 0)
		mr_fields_put(f, key, mr_value_int(n));
}

static int write_step(const struct mr_step_state *st, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };

	mr_fields_put(&f, "status", mr_value_strz(mr_step_status_names[st->status]));
	if (st->reason != MR_SKIP_NONE)
		mr_fields_put(&f, "reason", mr_value_strz(mr_skip_reason_names[st->reason]));
	if (st->branch != 0)
		mr_fields_put(&f, "branch", mr_value_strz(st->branch == 1 ? "true" : "false"));
	put_int(&f, "attempt", st->attempt);
	put_int(&f, "id", st->execution_id);
	put_int(&f, "began_at", st->began_at);
	put_int(&f, "wake_at", st->wake_at);
	if (st->output.kind != MR_VALUE_NULL)
		mr_fields_put(&f, "output", st->output);
	if (st->error.kind != MR_VALUE_NULL)
		mr_fields_put(&f, "error", st->error);
	return mr_fields_map(a, &f, ret);
}

static int write_steps(const struct mr_run *run, struct mr_arena *a, struct mr_value *ret)
{
	size_t len = 0, at = 0;
	struct mr_map *m;

	for (size_t i = 0; i < run->g->steps_len; i++)
		len += run->steps[i].status != MR_STEP_FRESH;
	m = mr_map_create(a, len);
	if (m == NULL)
		return MR_E_NOMEM;
	for (size_t i = 0; i < run->g->steps_len; i++) {
		if (run->steps[i].status == MR_STEP_FRESH)
			continue;
		m->members[at].key = mr_value_str(run->g->steps[i].name);
		if (write_step(&run->steps[i], a, &m->members[at++].value) < 0)
			return MR_E_NOMEM;
	}
	if (mr_map_seal(a, m) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(m);
	return 0;
}

int mr_run_snapshot(const struct mr_run *run, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };
	struct mr_value steps;

	if (write_steps(run, a, &steps) < 0)
		return MR_E_NOMEM;
	mr_fields_put(&f, "v", mr_value_int(FORMAT));
	mr_fields_put(&f, "seq", mr_value_int(run->seq));
	mr_fields_put(&f, "status", mr_value_strz(mr_run_status_name(run->status)));
	if (run->started)
		mr_fields_put(&f, "started_at", mr_value_int(run->started_at));
	put_int(&f, "deadline_at", run->deadline_at);
	put_int(&f, "paused_at", run->paused_at);
	put_int(&f, "ended_at", run->ended_at);
	if (run->input_replaced)
		mr_fields_put(&f, "input", run->input);
	if (run->error.kind != MR_VALUE_NULL)
		mr_fields_put(&f, "error", run->error);
	mr_fields_put(&f, "steps", steps);
	return mr_fields_map(a, &f, ret);
}

/* ---- reading ---- */

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

static int read_value(
    struct mr_run *run, const struct mr_value *v, const char *member, struct mr_value *ret)
{
	const struct mr_value *m = mr_value_get(v, member);

	*ret = MR_NULL_VALUE;
	return m != NULL ? mr_value_copy(run->arena, m, ret) : 0;
}

static int read_step(struct mr_run *run, unsigned i, const struct mr_value *v)
{
	struct mr_step_state *st = &run->steps[i];
	unsigned status, reason = MR_SKIP_NONE;
	struct mr_str branch = mr_value_get_str(v, "branch");

	if (read_word(v, "status", mr_step_status_names, MR_STEP_STATUS_COUNT, &status) < 0)
		return MR_E_INVALID;
	if (mr_value_get(v, "reason") != NULL &&
	    read_word(v, "reason", mr_skip_reason_names, MR_SKIP_REASON_COUNT, &reason) < 0)
		return MR_E_INVALID;
	st->status = (enum mr_step_status)status;
	st->reason = (enum mr_skip_reason)reason;
	st->branch = mr_str_eqz(branch, "true") ? 1 : mr_str_eqz(branch, "false") ? 2 : 0;
	st->attempt = (unsigned)read_int(v, "attempt");
	st->execution_id = read_int(v, "id");
	st->began_at = read_int(v, "began_at");
	st->wake_at = read_int(v, "wake_at");
	if (read_value(run, v, "output", &st->output) < 0)
		return MR_E_NOMEM;
	mr_run_link_json(run, i);
	return read_value(run, v, "error", &st->error);
}

static int read_steps(struct mr_run *run, const struct mr_value *snapshot)
{
	const struct mr_value *steps = mr_value_get_kind(snapshot, "steps", MR_VALUE_MAP);

	if (steps == NULL)
		return MR_E_INVALID;
	for (size_t i = 0; i < steps->map->len; i++) {
		int step = mr_graph_find(run->g, steps->map->members[i].key.s);
		int r = step < 0 ? MR_E_INVALID
		                 : read_step(run, (unsigned)step, &steps->map->members[i].value);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_status(struct mr_run *run, const struct mr_value *snapshot)
{
	struct mr_str s = mr_value_get_str(snapshot, "status");

	for (int i = MR_RUN_PENDING; i <= MR_RUN_TIMED_OUT; i++) {
		if (!mr_str_eqz(s, mr_run_status_name((enum mr_run_status)i)))
			continue;
		run->status = (enum mr_run_status)i;
		return 0;
	}
	return MR_E_INVALID;
}

static int read_result(struct mr_run *run)
{
	struct mr_expr_error err;

	if (run->status != MR_RUN_COMPLETED)
		return 0;
	/* it could be made when the run completed */
	return mr_run_make_result(run, run->ended_at, &err) == MR_E_NOMEM ? MR_E_NOMEM : 0;
}

int mr_run_restore(struct mr_run *run, const struct mr_value *snapshot)
{
	const struct mr_value *input = mr_value_get(snapshot, "input");
	int64_t seq = read_int(snapshot, "seq");
	int r;

	if (run->seq != 0 || seq < 0 || seq > INT32_MAX || read_int(snapshot, "v") != FORMAT ||
	    read_status(run, snapshot) < 0)
		return MR_E_INVALID;
	run->seq = (unsigned)seq;
	run->started = mr_value_get(snapshot, "started_at") != NULL;
	run->started_at = read_int(snapshot, "started_at");
	run->deadline_at = read_int(snapshot, "deadline_at");
	run->paused_at = read_int(snapshot, "paused_at");
	run->ended_at = read_int(snapshot, "ended_at");
	run->input_replaced = input != NULL;
	if (input != NULL && mr_value_copy(run->arena, input, &run->input) < 0)
		return MR_E_NOMEM;
	r = read_value(run, snapshot, "error", &run->error);
	if (r == 0)
		r = read_steps(run, snapshot);
	mr_run_recount(run);
	return r == 0 ? read_result(run) : r;
}
