#include "engine/account.h"

#include <stdio.h>

#include "engine/engine.h"
#include "engine/metrics.h"
#include "lib/log.h"

#define US_PER_S 1000000.0

void mr_account_tell_waiter(struct mr_held *h)
{
	char channel[160], payload[24];
	int n, m;

	if (h->waiter.p == NULL || h->waiter.len == 0)
		return;
	n = snprintf(channel, sizeof(channel), "%s:%.*s", MR_BUS_WAIT, MR_STR_ARG(h->waiter));
	m = snprintf(payload, sizeof(payload), "%lld", (long long)h->id);
	if (n > 0 && (size_t)n < sizeof(channel) && m > 0)
		mr_bus_publish(h->engine->bus, (struct mr_str){ channel, (size_t)n },
		    (struct mr_str){ payload, (size_t)m });
}

static void count_run(struct mr_held *h)
{
	struct mr_metrics *m = h->engine->metrics;
	struct mr_str type =
	    h->definition != NULL ? h->definition->workflow_type : MR_STR("default");

	mr_metric_add_for(m, MR_METRIC_RUNS, h->tenant_id,
	    MR_LABELS(
	        { "workflow_type", type }, { "status", mr_str(mr_run_status_name(h->row.status)) }),
	    1);
	if (h->row.ended_at_us >= h->started_at_us && h->started_at_us > 0)
		mr_metric_observe_for(m, MR_METRIC_RUN_DURATION, h->tenant_id,
		    MR_LABELS({ "workflow_type", type }),
		    (double)(h->row.ended_at_us - h->started_at_us) / US_PER_S);
}

static struct mr_str action_type(const struct mr_held *h, const struct mr_fact *f)
{
	if (f->step < 0 || h->definition == NULL || h->definition->graph == NULL)
		return MR_STR("none");
	return mr_str(mr_step_type_name(h->definition->graph->steps[f->step].type));
}

static void count_step(struct mr_held *h, const struct mr_fact *f, const char *outcome)
{
	struct mr_metrics *m = h->engine->metrics;
	struct mr_str type = action_type(h, f);

	mr_metric_add_for(m, MR_METRIC_STEPS, h->tenant_id,
	    MR_LABELS({ "action_type", type }, { "outcome", mr_str(outcome) }), 1);
	if (f->duration_us < 0)
		return;
	mr_metric_add_for(m, MR_METRIC_ACTIONS, h->tenant_id,
	    MR_LABELS({ "action_type", type },
	        { "latency_class", mr_str(mr_latency_class(f->duration_us)) }),
	    1);
	mr_metric_observe_for(m, MR_METRIC_ACTION_DURATION, h->tenant_id,
	    MR_LABELS({ "action_type", type }), (double)f->duration_us / US_PER_S);
	mr_metric_observe_for(m, MR_METRIC_ACTION_DURATION_MS, h->tenant_id,
	    MR_LABELS({ "action_type", type }), (double)f->duration_us / 1000);
}

static void count_fact(struct mr_held *h, const struct mr_fact *f)
{
	switch (f->kind) {
	case MR_FACT_STEP_COMPLETED:
		count_step(h, f, "completed");
		break;
	case MR_FACT_STEP_FAILED:
		count_step(h, f, "failed");
		break;
	case MR_FACT_STEP_SKIPPED:
		count_step(h, f, "skipped");
		break;
	case MR_FACT_STEP_CANCELLED:
		count_step(h, f, "cancelled");
		break;
	case MR_FACT_STEP_COMPENSATED:
		count_step(h, f, "compensated");
		break;
	case MR_FACT_STEP_COMPENSATION_FAILED:
		count_step(h, f, "compensation_failed");
		break;
	case MR_FACT_STEP_RETRYING:
		mr_metric_add_for(h->engine->metrics, MR_METRIC_RETRIES, h->tenant_id,
		    MR_LABELS({ "action_type", action_type(h, f) }), 1);
		break;
	default:
		break;
	}
}

/* A line for each fact; runs that end badly are told unless only warnings are wanted. */
static void log_fact(const struct mr_held *h, const struct mr_fact *f)
{
	bool is_bad = f->kind == MR_FACT_FAILED || f->kind == MR_FACT_TIMED_OUT;
	enum mr_log_level level = is_bad ? MR_LOG_INFO : MR_LOG_DEBUG;
	bool is_step = f->step >= 0 && h->definition != NULL && h->definition->graph != NULL;

	if (!mr_log_wants(level))
		return;
	mr_log(level, "journalled", MR_F_Z("type", mr_fact_kind_name(f->kind)),
	    MR_F_N("run_id", h->id), MR_F_N("workflow_id", h->workflow_id),
	    MR_F_N("tenant_id", h->tenant_id),
	    MR_F_S("step", is_step ? h->definition->graph->steps[f->step].name : MR_STR("")),
	    MR_F_N("attempt", f->attempt), MR_F_N("duration_us", f->duration_us),
	    MR_F_S("correlation_id", h->correlation_id.p != NULL ? h->correlation_id : MR_STR("")));
}

void mr_account(struct mr_held *h)
{
	struct mr_metrics *m = h->engine->metrics;
	const struct mr_run_out *out = &h->sent->out;

	for (size_t i = 0; i < out->facts_len; i++) {
		count_fact(h, &out->facts[i]);
		log_fact(h, &out->facts[i]);
	}
	mr_metric_add(m, MR_METRIC_JOURNAL_ROWS, NULL, (double)out->facts_len);
	if (mr_run_is_terminal(h->row.status)) {
		count_run(h);
		mr_account_tell_waiter(h);
	} else if (h->row.released) {
		mr_metric_add(m, MR_METRIC_RELEASED, NULL, 1);
	}
}
