/* Step type notification: a message to a webhook, or to the log. */
#include <stdlib.h>

#include "engine/steps/http_step.h"
#include "engine/steps/report.h"
#include "engine/steps/runners.h"
#include "engine/steps/step_config.h"
#include "lib/clock.h"

#define FIXED_MEMBERS 8

/* ---- type log ---- */

/* The message is journalled with the step; there is nothing to wait for but the loop's next turn,
 * since done() is never called from inside start(). */
struct soon {
	uv_timer_t timer;
	struct mr_step_exec *x; /* NULL: aborted */
};

static void on_soon_closed(uv_handle_t *h)
{
	free(h->data);
}

static void on_soon(uv_timer_t *t)
{
	struct soon *s = t->data;
	struct mr_step_exec *x = s->x;

	uv_close((uv_handle_t *)t, on_soon_closed);
	x->impl = NULL;
	x->done(x);
}

static int start_log(struct mr_step_exec *x)
{
	struct soon *s;
	struct mr_value result;

	if (mr_report_map(x->arena,
	        (const struct mr_report_member[]){ { "sent", mr_value_bool(true) } }, 1,
	        &result) < 0)
		return mr_report_too_large(x);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return mr_report_too_large(x);
	s->x = x;
	s->timer.data = s;
	x->impl = s;
	mr_report_success(x, result);
	(void)uv_timer_init(x->host->loop, &s->timer); /* cannot fail */
	(void)uv_timer_start(&s->timer, on_soon, 0, 0);
	return 0;
}

/* ---- type webhook ---- */

static bool is_fixed(const struct mr_map *m, size_t len, struct mr_str key)
{
	for (size_t i = 0; i < len; i++) {
		if (mr_str_eq(m->members[i].key.s, key))
			return true;
	}
	return false;
}

static void put(struct mr_map *m, size_t *n, const char *key, struct mr_value v)
{
	m->members[(*n)++] = (struct mr_member){ mr_value_strz(key), v };
}

/* The fixed members, then those of config.data, which can't replace them. */
static int make_body(struct mr_step_exec *x, struct mr_value *ret)
{
	const struct mr_value *data = mr_config_member(x, "data");
	const struct mr_value *message = mr_config_member(x, "message");
	size_t more = data == NULL ? 0 : data->kind == MR_VALUE_MAP ? data->map->len : 1;
	struct mr_map *m = mr_map_create(x->arena, FIXED_MEMBERS + more);
	char *time = mr_arena_alloc(x->arena, MR_TIME_LEN);
	size_t n = 0, fixed;

	if (m == NULL || time == NULL)
		return MR_E_NOMEM;
	put(m, &n, "event_type", mr_value_strz("notification"));
	put(m, &n, "message", message != NULL ? *message : mr_value_strz(""));
	put(m, &n, "workflow_id", mr_value_int(x->workflow_id));
	put(m, &n, "execution_id", mr_value_int(x->run_id));
	put(m, &n, "step_name", mr_value_str(x->step_name));
	put(m, &n, "timestamp",
	    mr_value_str((struct mr_str){
	        time, mr_time_format(mr_clock_system.now_us(mr_clock_system.ctx), time) }));
	if (mr_config_member(x, "title") != NULL)
		put(m, &n, "title", *mr_config_member(x, "title"));
	if (mr_config_member(x, "level") != NULL)
		put(m, &n, "level", *mr_config_member(x, "level"));
	fixed = n;
	if (data != NULL && data->kind != MR_VALUE_MAP)
		put(m, &n, "data", *data);
	for (size_t i = 0; data != NULL && data->kind == MR_VALUE_MAP && i < more; i++) {
		if (!is_fixed(m, fixed, data->map->members[i].key.s))
			m->members[n++] = data->map->members[i];
	}
	m->len = n;
	*ret = mr_value_map(m);
	return mr_map_seal(x->arena, m);
}

static void answered(struct mr_http_step *s)
{
	struct mr_value result;

	if (!mr_http_step_accept(s))
		return;
	if (mr_report_map(s->x->arena,
	        (const struct mr_report_member[]){ { "sent", mr_value_bool(true) },
	            { "status_code", mr_value_int(s->request.status) } },
	        2, &result) < 0)
		(void)mr_report_too_large(s->x);
	else
		mr_report_success(s->x, result);
}

static int start_webhook(struct mr_step_exec *x)
{
	struct mr_http_step *s = mr_http_step_create(x, answered);
	struct mr_str url = MR_STR_NONE;
	struct mr_value body;
	int r;

	if (s == NULL)
		return MR_E_NOMEM;
	r = mr_config_text(x, "webhook_url", &url);
	if (r == 0 && url.len == 0)
		r = mr_report_invalid(x, "config.webhook_url is missing.");
	if (r == 0)
		r = mr_http_step_headers(s);
	if (r == 0 && make_body(x, &body) < 0)
		r = mr_report_too_large(x);
	if (r == 0)
		r = mr_http_step_json(s, &body);
	return r == 0 ? mr_http_step_send(s, MR_STR("POST"), url) : r;
}

static bool is_log(const struct mr_step_exec *x)
{
	return mr_str_ieqz(mr_value_get_str(&x->config, "type"), "log");
}

static int start(struct mr_step_exec *x)
{
	struct mr_str type = MR_STR("webhook");
	int r = mr_config_text(x, "type", &type);

	if (r < 0)
		return r;
	if (mr_str_ieqz(type, "log"))
		return start_log(x);
	if (mr_str_ieqz(type, "webhook"))
		return start_webhook(x);
	return mr_report_invalid(x, "config.type must be webhook or log.");
}

static void give_up(struct mr_step_exec *x)
{
	struct soon *s = x->impl;

	if (!is_log(x)) {
		mr_http_step_abort(x);
		return;
	}
	if (s != NULL)
		uv_close((uv_handle_t *)&s->timer, on_soon_closed);
}

const struct mr_step_runner mr_runner_notification = {
	.type = MR_STEP_NOTIFICATION,
	.start = start,
	.abort = give_up,
	.default_timeout_us = MR_HTTP_STEP_TIMEOUT_US,
	.done_event = MR_RUN_EVENT_STEP_DONE,
};
