-- name:    engine_claim
-- purpose: a batch of runs: half of it for those whose time has come, the rest by priority, then fair between tenants, then age
-- params:  engine_id int8, batch int4
-- returns: many (run_id int8, tenant_id int8, workflow_id int8, version int4, fence int8, seq int4, waiter text, correlation_id text, traceparent text, input json, created_at_us int8, started_at_us int8, parent_run_id int8, limit_key text, admitted bool)
-- flags:   write system
-- index:   runs_queued_idx
with recursive
-- the lease is held, and can't be taken while this goes on
me as materialized (
	select id
	from engines
	where id = :engine_id
		and lease_until > clock_timestamp()
	for key share
), due as materialized (
	select r.id
	from runs r
	where r.wake_at <= now()
		and exists (select 1 from me)
	order by r.wake_at
	limit (:batch + 1) / 2
	for update of r skip locked
),
-- one step of this recursion for each tenant that has something queued at a priority
groups (priority, tenant_id, n) as (
	(
		select r.priority, r.tenant_id, 1
		from runs r
		where r.queued
			and exists (select 1 from me)
		order by r.priority desc, r.tenant_id desc, r.id
		limit 1
	)
	union all
	select next.priority, next.tenant_id, g.n + 1
	from groups g
	cross join lateral (
		select r.priority, r.tenant_id
		from runs r
		where r.queued
			and (r.priority, r.tenant_id) < (g.priority, g.tenant_id)
		order by r.priority desc, r.tenant_id desc, r.id
		limit 1
	) next
	where g.n < 1000
), shares as materialized (
	-- tenants of one priority in random order, so that none is always the last
	select priority, tenant_id, ceil(:batch::float8 / count(*) over (partition by priority))::int8 as share
	from groups
	order by priority desc, random()
), queue as materialized (
	select r.id
	from shares s
	cross join lateral (
		select q.id
		from runs q
		where q.queued
			and q.priority = s.priority
			and q.tenant_id = s.tenant_id
		order by q.priority desc, q.tenant_id desc, q.id
		limit s.share
		for update skip locked
	) r
	limit :batch - (select count(*) from due)
), rest as materialized (
	-- what tenants with fewer runs than their share left over
	select r.id
	from shares s
	cross join lateral (
		select q.id
		from runs q
		where q.queued
			and q.priority = s.priority
			and q.tenant_id = s.tenant_id
			and q.id <> all (array(select id from queue))
		order by q.priority desc, q.tenant_id desc, q.id
		limit :batch
		for update of q skip locked
	) r
	where (select count(*) from shares) > 1
	limit :batch - (select count(*) from due) - (select count(*) from queue)
), claimed as (
	update runs r
	set owner_id = :engine_id,
		fence = r.fence + 1,
		queued = false,
		wake_at = null,
		status = case r.status when 'pending' then 'running' else r.status end,
		started_at = coalesce(r.started_at, now())
	from (select id from due union select id from queue union select id from rest) p
	where r.id = p.id
	returning r.*
)
select id as run_id, tenant_id, workflow_id, version, fence, seq, waiter, correlation_id, traceparent, input,
	us(created_at) as created_at_us, us(started_at) as started_at_us,
	parent_run_id, limit_key, admitted
from claimed
