/* How a step execution says what became of it: the fields of struct mr_step_exec, filled in. */
#ifndef MR_ENGINE_STEPS_REPORT_H
#define MR_ENGINE_STEPS_REPORT_H

#include "engine/steps/step.h"
#include "net/http_client.h"

/* Sets a failure; TYPE is a literal or lives in X's arena. Returns MR_E_INVALID, so that it can
 * stand in a return statement of start(). */
int mr_report_fail(struct mr_step_exec *x, struct mr_str type, bool retryable, const char *fmt, ...)
    MR_PRINTF(4, 5);
/* The common one: the config, or the file, isn't what it should be; trying again changes nothing.
 */
#define mr_report_invalid(x, ...) mr_report_fail((x), MR_STR("validation"), false, __VA_ARGS__)
/* What R, which got no answer, failed with. */
int mr_report_http(struct mr_step_exec *x, const struct mr_http_request *r);
/* The execution's arena is full: what came in is too much for one step. */
int mr_report_too_large(struct mr_step_exec *x);
void mr_report_success(struct mr_step_exec *x, struct mr_value result);

/* A member of a map to be made. */
struct mr_report_member {
	const char *key;
	struct mr_value value;
};
/* 0 or MR_E_NOMEM. */
int mr_report_map(struct mr_arena *a, const struct mr_report_member *members, size_t len,
    struct mr_value *ret) MR_MUST_CHECK;

/* S as text that JSON and PostgreSQL can hold: what isn't UTF-8 becomes U+FFFD, control characters
 * but tab and line feed go, CR LF and form feed become line feeds, white space at the end goes.
 * .p is NULL without memory. */
struct mr_str mr_text_clean(struct mr_arena *a, struct mr_str s) MR_MUST_CHECK;
/* Words as white space (Unicode's) separates them. */
size_t mr_text_words(struct mr_str s);
/* At most MAX bytes of S, cut between characters. */
struct mr_str mr_text_cut(struct mr_str s, size_t max);

#endif
