#include "engine/effects.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/metrics.h"
#include "engine/secrets.h"
#include "lib/log.h"

#define EXEC_SPARE ((size_t)16 * 1024 * 1024) /* beside the largest body, as text and as value */

struct mr_effects {
	struct mr_engine *engine;
	size_t in_flight;
	uv_idle_t idle; /* tells about those that could not even begin, never from inside start */
};

/* ---- one execution ---- */

static struct mr_exec *exec_create(struct mr_held *h)
{
	size_t max = (size_t)h->engine->settings->engine_http_max_body_bytes * 8 + EXEC_SPARE;
	struct mr_exec *exec = calloc(1, sizeof(*exec));

	if (exec == NULL)
		return NULL;
	exec->x.arena = mr_arena_create(max);
	if (exec->x.arena == NULL) {
		free(exec);
		return NULL;
	}
	exec->held = h;
	return exec;
}

static void exec_free(struct mr_exec *exec)
{
	(void)mr_arena_free(exec->x.arena);
	free(exec);
}

static void unlink_exec(struct mr_exec *exec)
{
	struct mr_exec **at = &exec->held->execs;

	while (*at != exec)
		at = &(*at)->next;
	*at = exec->next;
}

static void ended(struct mr_exec *exec)
{
	struct mr_effects *fx = exec->held->engine->effects;

	exec->state = MR_EXEC_ENDED;
	exec->duration_us = mr_engine_mono_us(fx->engine) - exec->began_us;
	fx->in_flight--;
}

/* UNWANTED: its step has ended without it; else somebody may carry it out again. */
static void give_up(struct mr_exec *exec, bool unwanted)
{
	struct mr_effects *fx = exec->held->engine->effects;

	exec->x.unwanted = unwanted;
	if (exec->state == MR_EXEC_UNDER_WAY) {
		if (exec->runner != NULL)
			exec->runner->abort(&exec->x);
		fx->in_flight--;
	} else if (unwanted && exec->state == MR_EXEC_ENDED && exec->x.ok &&
	           exec->runner->discard != NULL) {
		exec->runner->discard(&exec->x);
	}
	unlink_exec(exec);
	exec_free(exec);
}

static struct mr_exec *find(struct mr_held *h, int64_t step_execution_id, unsigned attempt)
{
	struct mr_exec *exec = h->execs;

	while (exec != NULL &&
	       (exec->x.step_execution_id != step_execution_id || exec->x.attempt != attempt))
		exec = exec->next;
	return exec;
}

/* ---- telling the run ---- */

static int failure(struct mr_exec *exec, struct mr_value *ret)
{
	const struct mr_value *code = mr_value_get(&exec->x.error_data, "status_code");
	bool data = exec->x.error_data.kind != MR_VALUE_NULL;
	struct mr_map *m =
	    mr_map_create(exec->x.arena, (size_t)2 + (code != NULL ? 1 : 0) + (data ? 1 : 0));
	size_t n = 2;

	if (m == NULL)
		return -1;
	m->members[0] =
	    (struct mr_member){ mr_value_strz("type"), mr_value_str(exec->x.error_type) };
	m->members[1] =
	    (struct mr_member){ mr_value_strz("message"), mr_value_str(exec->x.error_message) };
	if (code != NULL)
		m->members[n++] = (struct mr_member){ mr_value_strz("status_code"), *code };
	if (data)
		m->members[n++] = (struct mr_member){ mr_value_strz("data"), exec->x.error_data };
	if (mr_map_seal(exec->x.arena, m) < 0)
		return -1;
	*ret = mr_value_map(m);
	return 0;
}

static int event_of(struct mr_exec *exec, struct mr_run_event *ev)
{
	*ev = (struct mr_run_event){
		.kind = exec->x.ok ? exec->runner->done_event : MR_RUN_EVENT_STEP_FAILED,
		.step_execution_id = exec->x.step_execution_id,
		.attempt = exec->x.attempt,
		.data = exec->x.result,
		.duration_us = exec->duration_us,
		.retryable = exec->x.retryable,
		.retry = exec->x.retry,
	};
	if (!exec->x.ok && failure(exec, &ev->data) < 0)
		return -1;
	/* a service may send back what it was sent */
	return exec->redact == NULL
	           ? 0
	           : mr_redact_value(exec->redact, exec->x.arena, &ev->data, &ev->data);
}

static void tell(struct mr_exec *exec)
{
	struct mr_held *h = exec->held;
	struct mr_run_event ev;

	if (h->phase != MR_HELD_LIVE || h->leaving)
		return; /* told once it is live */
	if (event_of(exec, &ev) < 0) {
		mr_held_fail(h, "limit", "A step's error needs more memory than a step may have.");
		return;
	}
	exec->state = MR_EXEC_TOLD;
	exec->outcome = mr_held_outcome(h);
	mr_held_event(h, &ev);
	if (h->phase == MR_HELD_LIVE && h->pending == NULL) { /* nothing came of it */
		unlink_exec(exec);
		exec_free(exec);
	}
}

static int64_t fence_of(const struct mr_step_exec *x)
{
	const struct mr_exec *exec = x->ctx;

	return exec->held->fence;
}

static void on_done(struct mr_step_exec *x)
{
	struct mr_exec *exec = x->ctx;

	ended(exec);
	tell(exec);
}

static struct mr_exec *first_ended(const struct mr_held *h)
{
	struct mr_exec *exec = h->execs;

	while (exec != NULL && exec->state != MR_EXEC_ENDED)
		exec = exec->next;
	return exec;
}

/* From the front each time: telling of one may abort others. */
void mr_effects_tell(struct mr_held *h)
{
	struct mr_exec *exec;

	while (h->phase == MR_HELD_LIVE && !h->leaving && (exec = first_ended(h)) != NULL)
		tell(exec);
}

static void tell_ended(struct mr_held *h)
{
	mr_effects_tell(h);
}

static void on_idle(uv_idle_t *idle)
{
	struct mr_effects *fx = idle->data;

	(void)uv_idle_stop(idle); /* always 0 */
	mr_runs_each(fx->engine->runs, tell_ended);
}

/* ---- starting ---- */

static int prepare(struct mr_exec *exec, const struct mr_effect *effect)
{
	struct mr_held *h = exec->held;
	struct mr_step_exec *x = &exec->x;
	const struct mr_step *step = &h->definition->graph->steps[effect->step];

	exec->runner = mr_step_runner(step->type);
	x->host = &h->engine->host;
	x->type = step->type;
	x->tenant_id = h->tenant_id;
	x->run_id = h->id;
	x->step_execution_id = effect->step_execution_id;
	x->fence = fence_of;
	x->workflow_id = h->workflow_id;
	x->attempt = effect->attempt;
	x->timeout_us = effect->timeout_us;
	x->left_us = effect->left_us;
	x->start_us = effect->start_us;
	x->done = on_done;
	x->ctx = exec;
	/* copies: the run may be read again, and its arena go, while this is under way */
	x->step_name = mr_arena_str(x->arena, step->name);
	x->workflow_name = mr_arena_str(x->arena, h->definition->name);
	x->idempotency_key = mr_arena_str(x->arena, effect->idempotency_key);
	if (h->traceparent.p != NULL)
		x->traceparent = mr_arena_str(x->arena, h->traceparent);
	if (h->correlation_id.p != NULL)
		x->correlation_id = mr_arena_str(x->arena, h->correlation_id);
	if (x->step_name.p == NULL || x->workflow_name.p == NULL || x->idempotency_key.p == NULL)
		return -1;
	return mr_value_copy(x->arena, &effect->config, &x->config);
}

static void set_failure(struct mr_exec *exec, const char *type, const char *message, bool retryable)
{
	exec->x.ok = false;
	exec->x.error_type = mr_str(type);
	exec->x.error_message = mr_str(message);
	exec->x.error_data = MR_NULL_VALUE;
	exec->x.retryable = retryable;
}

/* Whatever happens to the secrets meanwhile, those that it may send are known until its end. */
static bool know_secrets(struct mr_exec *exec)
{
	struct mr_held *h = exec->held;
	int r = mr_secrets_redactor(
	    h->engine->secrets, h->tenant_id, h->definition->graph, exec->x.arena, &exec->redact);

	if (r < 0)
		set_failure(
		    exec, "internal", "The secrets that the workflow names are not at hand.", true);
	return r == 0;
}

/* False: it ended before it began, and says why. */
static bool begin(struct mr_exec *exec, const struct mr_effect *effect)
{
	if (prepare(exec, effect) < 0) {
		set_failure(exec, "limit", "The step's configuration is too large.", false);
		return false;
	}
	if (exec->runner == NULL) {
		set_failure(
		    exec, "internal", "This engine can't carry out this type of step.", false);
		return false;
	}
	return know_secrets(exec) && exec->runner->start(&exec->x) == 0;
}

void mr_effect_start(struct mr_held *h, const struct mr_effect *effect)
{
	struct mr_effects *fx = h->engine->effects;
	struct mr_exec *exec;

	if (fx->engine->state != MR_ENGINE_RUNNING)
		return; /* it is journalled as started: whoever claims the run next carries it out
		         */
	if (find(h, effect->step_execution_id, effect->attempt) != NULL)
		return; /* kept from before the run was read again */
	exec = exec_create(h);
	if (exec == NULL) {
		mr_held_fail(h, "limit", "The engine has no memory left to start a step.");
		return;
	}
	exec->next = h->execs;
	h->execs = exec;
	exec->began_us = mr_engine_mono_us(fx->engine);
	exec->state = MR_EXEC_UNDER_WAY;
	fx->in_flight++;
	if (!begin(exec, effect)) {
		ended(exec);
		(void)uv_idle_start(&fx->idle, on_idle); /* always 0 */
	}
	mr_metric_add(fx->engine->metrics, MR_METRIC_EFFECTS_STARTED,
	    MR_LABELS({ "action_type", mr_str(mr_step_type_name(exec->x.type)) }), 1);
}

/* ---- stopping ---- */

static bool same(const struct mr_effect *a, const struct mr_effect *b)
{
	return a->step_execution_id == b->step_execution_id && a->attempt == b->attempt;
}

static void strike_out(struct mr_outcome *o, const struct mr_effect *effect)
{
	for (size_t i = 0; o != NULL && i < o->out.effects_len; i++) {
		if (same(&o->out.effects[i], effect))
			o->out.effects[i].step = -1;
	}
}

void mr_effect_abort(struct mr_held *h, const struct mr_effect *effect)
{
	struct mr_exec *exec = find(h, effect->step_execution_id, effect->attempt);

	strike_out(h->sent, effect);
	strike_out(h->pending, effect);
	if (exec != NULL && exec->state != MR_EXEC_TOLD)
		give_up(exec, true);
}

void mr_effects_abort_all(struct mr_held *h)
{
	while (h->execs != NULL)
		give_up(h->execs, false);
}

void mr_effects_move(struct mr_held *old, struct mr_held *h)
{
	struct mr_exec *exec;

	mr_effects_forget_told(old);
	h->execs = old->execs;
	old->execs = NULL;
	for (exec = h->execs; exec != NULL; exec = exec->next)
		exec->held = h;
}

bool mr_effects_untold(const struct mr_held *h)
{
	const struct mr_exec *exec = h->execs;

	while (exec != NULL && exec->state == MR_EXEC_TOLD)
		exec = exec->next;
	return exec != NULL;
}

void mr_effects_committed(struct mr_held *h, const struct mr_outcome *o)
{
	struct mr_exec **at = &h->execs;

	while (*at != NULL) {
		struct mr_exec *exec = *at;

		if (exec->state == MR_EXEC_TOLD && exec->outcome == o) {
			*at = exec->next;
			exec_free(exec);
		} else {
			at = &exec->next;
		}
	}
}

void mr_effects_forget_told(struct mr_held *h)
{
	for (struct mr_exec *exec = h->execs; exec != NULL; exec = exec->next) {
		if (exec->state == MR_EXEC_TOLD) {
			exec->state = MR_EXEC_ENDED;
			exec->outcome = NULL;
		}
	}
}

static bool is_named(const struct mr_exec *exec, const struct mr_effect *effects, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (effects[i].step_execution_id == exec->x.step_execution_id &&
		    effects[i].attempt == exec->x.attempt)
			return true;
	}
	return false;
}

void mr_effects_keep(struct mr_held *h, const struct mr_effect *effects, size_t len)
{
	struct mr_exec *exec = h->execs;

	while (exec != NULL) {
		struct mr_exec *next = exec->next;

		if (!is_named(exec, effects, len))
			give_up(exec, true);
		exec = next;
	}
}

static bool is_among(const struct mr_effect *effect, const struct mr_effect *list, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (list[i].step >= 0 && same(&list[i], effect))
			return true;
	}
	return false;
}

void mr_effects_leave_out(struct mr_held *h, struct mr_run_out *out, size_t from)
{
	size_t kept = from;

	for (size_t i = from; i < out->effects_len; i++) {
		const struct mr_effect *effect = &out->effects[i];

		if (find(h, effect->step_execution_id, effect->attempt) != NULL ||
		    is_among(effect, out->effects, kept) ||
		    (h->sent != NULL &&
		        is_among(effect, h->sent->out.effects, h->sent->out.effects_len)))
			continue;
		out->effects[kept++] = *effect;
	}
	out->effects_len = kept;
}

/* ---- life ---- */

struct mr_effects *mr_effects_create(struct mr_engine *e)
{
	struct mr_effects *fx = calloc(1, sizeof(*fx));

	if (fx == NULL)
		return NULL;
	fx->engine = e;
	fx->idle.data = fx;
	(void)uv_idle_init(e->loop, &fx->idle); /* always 0 */
	return fx;
}

void mr_effects_close(struct mr_effects *fx, uv_close_cb closed)
{
	uv_close((uv_handle_t *)&fx->idle, closed);
}

struct mr_effects *mr_effects_free(struct mr_effects *fx)
{
	free(fx);
	return NULL;
}

size_t mr_effects_in_flight(const struct mr_effects *fx)
{
	return fx->in_flight;
}
