/* What a run gives when it completes. */
#include "engine/core/run_private.h"

static bool counts(const struct mr_step_state *st)
{
	return st->status == MR_STEP_COMPLETED;
}

/* A result that is kept elsewhere is shown by its name there. */
static int shown(struct mr_run *run, const struct mr_step_state *st, struct mr_value *ret)
{
	struct mr_fields f = { .len = 0 };

	*ret = st->output;
	if (st->ref.p == NULL)
		return 0;
	mr_fields_put(&f, "output_ref", mr_value_str(st->ref));
	return mr_fields_map(run->arena, &f, ret);
}

/* Without an output of its own: the results of the completed steps, by name. */
static int step_results(struct mr_run *run)
{
	const struct mr_frame *f = run->main;
	size_t len = 0, at = 0;
	struct mr_map *m;

	for (unsigned i = 0; i < f->block->len; i++)
		len += counts(&f->steps[i]);
	m = mr_map_create(run->arena, len);
	if (m == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < f->block->len; i++) {
		if (!counts(&f->steps[i]))
			continue;
		m->members[at].key = mr_value_str(mr_step_of(run, &f->steps[i])->name);
		if (shown(run, &f->steps[i], &m->members[at++].value) < 0)
			return MR_E_NOMEM;
	}
	if (mr_map_seal(run->arena, m) < 0)
		return MR_E_NOMEM;
	run->result = mr_value_map(m);
	return 0;
}

int mr_run_make_result(struct mr_run *run, int64_t now_us, struct mr_expr_error *err)
{
	struct mr_run_env env;
	int r;

	if (run->g->output == NULL) {
		r = step_results(run);
	} else {
		mr_run_env_init(&env, run, NULL, MR_SECRETS_REFUSED, now_us);
		r = mr_template_eval(run->g->output, &env.expr, run->arena, &run->result, err);
	}
	run->has_result = r == 0;
	run->result_at = now_us;
	return r;
}
