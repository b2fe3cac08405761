-- name:    engine_claim_named
-- purpose: those of the named runs that this engine may go on with: the columns of engine_claim, by primary key
-- params:  engine_id int8, run_ids int8[]
-- returns: many (run_id int8, tenant_id int8, workflow_id int8, version int4, fence int8, seq int4, waiter text, correlation_id text, traceparent text, input json, created_at_us int8, started_at_us int8, parent_run_id int8, limit_key text, admitted bool, timeout_seconds int4)
-- flags:   read
-- index:   runs_pkey
-- Every engine hears the names; each takes those of its slice. queued is asked for in a way that no index
-- serves: the planner would walk the whole queue for a few ids.
with slot as materialized (
	select count(*) filter (where e.id < :engine_id) as k, count(*) as n
	from engines e
	where e.lease_until > clock_timestamp()
	having count(*) filter (where e.id = :engine_id) = 1
)
select r.id as run_id, r.tenant_id, r.workflow_id, r.version, r.fence, r.seq, r.waiter, r.correlation_id, r.traceparent,
	r.input, us(r.created_at) as created_at_us, us(r.started_at) as started_at_us,
	r.parent_run_id, r.limit_key, r.admitted, r.timeout_seconds
from runs r
where r.id = any (:run_ids)
	and coalesce(r.queued, false)
	and r.id / 32 % (select n from slot) = (select k from slot)
