/* What a run gives when it completes. */
#include "engine/core/run_private.h"

static bool counts(const struct mr_run *run, unsigned i)
{
	return run->steps[i].status == MR_STEP_COMPLETED;
}

/* Without an output of its own: the results of the completed steps, by name. */
static int step_results(struct mr_run *run)
{
	size_t len = 0, at = 0;
	struct mr_map *m;

	for (unsigned i = 0; i < run->g->top_len; i++)
		len += counts(run, i);
	m = mr_map_create(run->arena, len);
	if (m == NULL)
		return MR_E_NOMEM;
	for (unsigned i = 0; i < run->g->top_len; i++) {
		if (!counts(run, i))
			continue;
		m->members[at].key = mr_value_str(run->g->steps[i].name);
		m->members[at++].value = run->steps[i].output;
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
	return r;
}
