/* Runs that the engine can't go on with: read again, failed by their own state machine, failed
 * without it, given up. */
#include "engine/runs.h"

#include <stdio.h>

#include "engine/effects.h"
#include "engine/engine.h"
#include "engine/flush.h"
#include "engine/held_private.h"
#include "engine/ids.h"
#include "engine/load.h"
#include "engine/metrics.h"
#include "lib/log.h"

void mr_held_fail(struct mr_held *h, const char *type, const char *message)
{
	struct mr_engine *e = h->engine;

	h->fail_tries++;
	(void)snprintf(h->fail_type, sizeof(h->fail_type), "%s", type);          /* cut is fine */
	(void)snprintf(h->fail_message, sizeof(h->fail_message), "%s", message); /* cut is fine */
	mr_log(MR_LOG_ERROR, "run can't go on", MR_F_N("run_id", h->id),
	    MR_F_N("attempt", h->fail_tries), MR_F_Z("type", type), MR_F_Z("reason", message));
	if (h->fail_tries == 1)
		mr_metric_add(e->metrics, MR_METRIC_POISONED, NULL, 1);
	mr_load_add(e->load, h);
}

int mr_held_error_value(struct mr_held *h, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_map *error = mr_map_create(a, 4);

	if (error == NULL)
		return MR_E_NOMEM;
	error->members[0] =
	    (struct mr_member){ mr_value_strz("type"), mr_value_strz(h->fail_type) };
	error->members[1] =
	    (struct mr_member){ mr_value_strz("message"), mr_value_strz(h->fail_message) };
	error->members[2] = (struct mr_member){ mr_value_strz("step"), MR_NULL_VALUE };
	error->members[3] = (struct mr_member){ mr_value_strz("attempt"), mr_value_int(0) };
	if (mr_map_seal(a, error) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(error);
	return 0;
}

static int fact_data(struct mr_held *h, struct mr_arena *a, struct mr_value *ret)
{
	struct mr_map *data = mr_map_create(a, 1);

	if (data == NULL || mr_held_error_value(h, a, &data->members[0].value) < 0)
		return MR_E_NOMEM;
	data->members[0].key = mr_value_strz("error");
	if (mr_map_seal(a, data) < 0)
		return MR_E_NOMEM;
	*ret = mr_value_map(data);
	return 0;
}

int mr_held_fail_by_hand(struct mr_held *h)
{
	struct mr_outcome *o = mr_held_outcome(h);
	struct mr_fact *fact = o != NULL ? mr_arena_zalloc(o->out.arena, sizeof(*fact)) : NULL;

	if (fact == NULL || fact_data(h, o->out.arena, &fact->data) < 0)
		return MR_E_NOMEM;
	fact->kind = MR_FACT_FAILED;
	fact->step = -1;
	fact->seq = h->seq + 1;
	fact->id = mr_ids_next(h->engine->ids);
	fact->at_us = mr_engine_now_us(h->engine);
	fact->duration_us = -1;
	if (mr_ids_were_dry(h->engine->ids))
		return MR_E_NOMEM;
	o->out.facts = fact;
	o->out.facts_len = o->out.facts_cap = 1;
	o->out.effects_len = o->out.waits_len = o->out.unwaits_len = 0;
	o->out.emits_len = o->out.cancels_len = 0;
	h->failed_by_hand = true;
	h->phase = MR_HELD_LIVE;
	mr_effects_abort_all(h);
	mr_flush_add(h->engine->flush, h);
	return 0;
}
