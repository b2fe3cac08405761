/* Step type subworkflow: a run of another workflow. What happens after its start, the state machine
 * and the database know; this only starts it. */
#include "engine/spawn.h"
#include "engine/steps/report.h"
#include "engine/steps/runners.h"
#include "engine/steps/step_config.h"

static int64_t fence_of(void *ctx)
{
	const struct mr_step_exec *x = ctx;

	return x->fence(x);
}

static void succeed(struct mr_step_exec *x, int64_t child_run_id)
{
	struct mr_value result;

	if (mr_report_map(x->arena,
	        (const struct mr_report_member[]){ { "child_run_id", mr_value_int(child_run_id) } },
	        1, &result) < 0)
		(void)mr_report_too_large(x);
	else
		mr_report_success(x, result);
}

static void fail(struct mr_step_exec *x, struct mr_str code, struct mr_str message)
{
	bool full = mr_str_eqz(code, "SUBWORKFLOW_LIMIT"); /* others end */
	struct mr_value data;

	(void)mr_report_fail(x, full ? MR_STR("limit") : MR_STR("subworkflow"), full, "%.*s",
	    MR_STR_ARG(message)); /* says so itself */
	code = mr_arena_str(x->arena, code);
	if (code.p != NULL &&
	    mr_report_map(x->arena,
	        (const struct mr_report_member[]){ { "code", mr_value_str(code) } }, 1, &data) == 0)
		x->error_data = data;
}

static void on_spawned(struct mr_spawn_job *job)
{
	struct mr_step_exec *x = job->ctx;

	x->impl = NULL;
	if (job->child_run_id != 0)
		succeed(x, job->child_run_id);
	else
		fail(x, job->code, job->message);
	x->done(x);
}

/* The workflow's name, or its id as a number or text. */
static int read_config(struct mr_step_exec *x, struct mr_spawn_job *job)
{
	const struct mr_value *input = mr_config_member(x, "input");
	const struct mr_value *version = mr_config_member(x, "version");
	const struct mr_value *wait = mr_config_member(x, "wait");
	struct mr_str cancel = MR_STR("cascade");
	int r = mr_config_text(x, "workflow", &job->workflow);

	if (r == 0)
		r = mr_config_text(x, "cancel", &cancel);
	if (r < 0)
		return r;
	/* a child that nobody waits for lives on when its parent has ended */
	job->cascades = !mr_str_ieqz(cancel, "abandon") &&
	                (wait == NULL || wait->kind != MR_VALUE_BOOL || wait->b);
	if (job->workflow.p == NULL || job->workflow.len == 0)
		return mr_report_invalid(x, "config.workflow is missing.");
	if (version != NULL &&
	    (version->kind != MR_VALUE_INT || version->i < 1 || version->i > INT32_MAX))
		return mr_report_invalid(x, "config.version must be a version's number, from 1.");
	if (version != NULL)
		job->version = version->i;
	if (input != NULL && input->kind != MR_VALUE_MAP)
		return mr_report_invalid(x, "config.input must be an object.");
	job->input = input != NULL ? mr_json_text(x->arena, input) : MR_STR("{}");
	return job->input.p == NULL ? mr_report_too_large(x) : 0;
}

static int start(struct mr_step_exec *x)
{
	struct mr_spawn_job *job = mr_spawn_job_create();
	int r;

	if (job == NULL)
		return mr_report_fail(x, MR_STR("limit"), true, "The engine is out of memory.");
	r = read_config(x, job);
	if (r < 0) {
		mr_spawn_job_free(job);
		return r;
	}
	job->run_id = x->run_id;
	job->step_execution_id = x->step_execution_id;
	job->attempt = x->attempt;
	job->fence = fence_of;
	job->done = on_spawned;
	job->ctx = x;
	x->impl = job;
	mr_spawn_start(x->host->spawn, job);
	return 0;
}

static void give_up(struct mr_step_exec *x)
{
	struct mr_spawn_job *job = x->impl;

	x->impl = NULL;
	if (job != NULL)
		mr_spawn_abort(x->host->spawn, job, x->unwanted);
}

static void discard(struct mr_step_exec *x)
{
	mr_spawn_undo(x->host->spawn, x->run_id, x->step_execution_id);
}

const struct mr_step_runner mr_runner_subworkflow = {
	.type = MR_STEP_SUBWORKFLOW,
	.start = start,
	.abort = give_up,
	.discard = discard,
	.done_event = MR_RUN_EVENT_CHILD_STARTED,
};
