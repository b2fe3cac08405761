#include "engine/account.h"

#include <stdio.h>

#include "engine/engine.h"
#include "engine/metrics.h"

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

void mr_account(struct mr_held *h)
{
	struct mr_metrics *m = h->engine->metrics;
	const struct mr_run_out *out = &h->sent->out;

	for (size_t i = 0; i < out->facts_len; i++)
		count_fact(h, &out->facts[i]);
	mr_metric_add(m, MR_METRIC_JOURNAL_ROWS, NULL, (double)out->facts_len);
	if (mr_run_is_terminal(h->row.status)) {
		count_run(h);
		mr_account_tell_waiter(h);
	} else if (h->row.released) {
		mr_metric_add(m, MR_METRIC_RELEASED, NULL, 1);
	}
}
