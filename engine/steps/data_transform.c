/* Step type data_transform where it names a jq program: one effect for each such entry. All the
 * other transformations are the state machine's own. */
#include "engine/jq.h"
#include "engine/steps/report.h"
#include "engine/steps/runners.h"
#include "engine/steps/step_config.h"

static const struct mr_json_limits output_limits = { .depth = 1000, .values = 20000000 };

/* The list of all that the program gave. */
static void succeed(struct mr_step_exec *x, struct mr_str outputs)
{
	struct mr_value list;
	struct mr_str text = mr_arena_str(x->arena, outputs);
	int r = text.p == NULL ? MR_E_NOMEM
	                       : mr_json_parse(x->arena, text, &output_limits, NULL, &list);

	if (r == 0)
		mr_report_success(x, list);
	else if (r == MR_E_INVALID)
		(void)mr_report_invalid(x,
		    "The jq program gave something that is no JSON of ours: a number that is "
		    "too large, or a NUL character.");
	else
		(void)mr_report_too_large(x);
}

static void fail(struct mr_step_exec *x, const struct mr_jq_result *result)
{
	static const struct {
		const char *type;
		bool retryable;
	} failures[] = {
		[MR_JQ_ERROR] = { "expression", false },
		[MR_JQ_TIMEOUT] = { "timeout", false },
		[MR_JQ_LIMIT] = { "limit", false },
		[MR_JQ_CRASHED] = { "expression", false },
		[MR_JQ_UNAVAILABLE] = { "unavailable", true },
	};

	(void)mr_report_fail(x, mr_str(failures[result->outcome].type),
	    failures[result->outcome].retryable, "%.*s", MR_STR_ARG(result->message));
}

static void on_result(void *ctx, const struct mr_jq_result *result)
{
	struct mr_step_exec *x = ctx;

	x->impl = NULL;
	if (result->outcome == MR_JQ_OK)
		succeed(x, result->outputs);
	else
		fail(x, result);
	x->done(x);
}

static int start(struct mr_step_exec *x)
{
	const struct mr_value *input = mr_value_get(&x->config, "input");
	struct mr_str program = MR_STR_NONE, text = MR_STR("null");
	struct mr_jq_request *request = NULL;
	int r = mr_config_text(x, "program", &program);

	if (r < 0)
		return r;
	if (program.p == NULL)
		return mr_report_invalid(x, "The jq program is missing.");
	if (input != NULL)
		text = mr_json_text(x->arena, input);
	if (text.p == NULL)
		return mr_report_too_large(x);
	r = mr_jq_eval(x->host->jq, program, text, x->timeout_us, on_result, x, &request);
	if (r == MR_E_LIMIT)
		return mr_report_fail(x, MR_STR("limit"), true,
		    "The input is larger than a jq program may have, or too many programs wait.");
	if (r < 0)
		return mr_report_fail(x, MR_STR("limit"), true, "The engine is out of memory.");
	x->impl = request;
	return 0;
}

static void give_up(struct mr_step_exec *x)
{
	if (x->impl != NULL)
		mr_jq_cancel(x->impl);
	x->impl = NULL;
}

const struct mr_step_runner mr_runner_data_transform = {
	.type = MR_STEP_DATA_TRANSFORM,
	.start = start,
	.abort = give_up,
	.done_event = MR_RUN_EVENT_STEP_DONE,
};
