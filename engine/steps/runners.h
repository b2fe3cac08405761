/* The rows of the table of runners; one file per step type defines its own. */
#ifndef MR_ENGINE_STEPS_RUNNERS_H
#define MR_ENGINE_STEPS_RUNNERS_H

#include "engine/steps/step.h"

extern const struct mr_step_runner mr_runner_agent;
extern const struct mr_step_runner mr_runner_data_transform;
extern const struct mr_step_runner mr_runner_http_request;
extern const struct mr_step_runner mr_runner_file_process;
extern const struct mr_step_runner mr_runner_notification;
extern const struct mr_step_runner mr_runner_subworkflow;

#endif
