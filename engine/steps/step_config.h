/* Reading a step's rendered config: members of the kinds that the language knows, each fault a
 * sentence that names the member. */
#ifndef MR_ENGINE_STEPS_STEP_CONFIG_H
#define MR_ENGINE_STEPS_STEP_CONFIG_H

#include "engine/steps/step.h"

/* Each returns 0, or negative with X's error set. An absent or null member leaves *RET alone. */

/* A string; numbers and bools by their text. */
int mr_config_text(struct mr_step_exec *x, const char *member, struct mr_str *ret) MR_MUST_CHECK;
int mr_config_bool(struct mr_step_exec *x, const char *member, bool *ret) MR_MUST_CHECK;
/* A number above 0. */
int mr_config_positive(struct mr_step_exec *x, const char *member, double *ret) MR_MUST_CHECK;
/* Seconds as a number, or "250ms", "2s", "5m", "1h", "1d", "PT5M"; above 0, at most a year. */
int mr_config_duration(struct mr_step_exec *x, const char *member, int64_t *ret_us) MR_MUST_CHECK;
/* A list of texts, or one text alone, perhaps with commas. */
int mr_config_texts(struct mr_step_exec *x, const char *member, const struct mr_str **ret,
    size_t *ret_len) MR_MUST_CHECK;

/* The text of a scalar: strings as they are, others as JSON. MR_STR_NONE for lists, maps, or
 * without memory. */
struct mr_str mr_config_scalar(struct mr_arena *a, const struct mr_value *v) MR_MUST_CHECK;
/* The member when it is there and not null, else NULL. */
const struct mr_value *mr_config_member(const struct mr_step_exec *x, const char *member);
/* "250ms", "PT1H30M" … in microseconds; false when S is no duration. */
bool mr_config_parse_duration(struct mr_str s, int64_t *ret_us);

#endif
