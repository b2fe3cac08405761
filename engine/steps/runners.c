#include "engine/steps/runners.h"

/* One row per type that reaches outside; the others are core's. */
static const struct mr_step_runner *const runners[MR_STEP_TYPE_COUNT] = {
	[MR_STEP_AGENT] = &mr_runner_agent,
	[MR_STEP_HTTP_REQUEST] = &mr_runner_http_request,
	[MR_STEP_FILE_PROCESS] = &mr_runner_file_process,
	[MR_STEP_DATA_TRANSFORM] = &mr_runner_data_transform,
	[MR_STEP_NOTIFICATION] = &mr_runner_notification,
	[MR_STEP_SUBWORKFLOW] = &mr_runner_subworkflow,
};

const struct mr_step_runner *mr_step_runner(enum mr_step_type t)
{
	return (unsigned)t < MR_STEP_TYPE_COUNT ? runners[t] : NULL;
}
