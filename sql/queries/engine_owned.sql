-- name:    engine_owned
-- purpose: those of the given runs that are this engine's, or that any may claim, as their rows stand
-- params:  engine_id int8, run_ids int8[]
-- returns: many (run_id int8, tenant_id int8, workflow_id int8, version int4, fence int8, owner_id int8, seq int4, waiter text, correlation_id text, traceparent text, input json, created_at_us int8, started_at_us int8, parent_run_id int8, limit_key text, admitted bool, timeout_seconds int4)
-- flags:   read
select r.id as run_id, r.tenant_id, r.workflow_id, r.version, r.fence, r.owner_id, r.seq, r.waiter, r.correlation_id,
	r.traceparent, r.input, us(r.created_at) as created_at_us, us(r.started_at) as started_at_us,
	r.parent_run_id, r.limit_key, r.admitted, r.timeout_seconds
from unnest(:run_ids) as w (run_id)
join runs r on r.id = w.run_id
where r.owner_id = :engine_id
	or r.owner_id is null and (r.queued or r.wake_at <= now())
order by r.id
