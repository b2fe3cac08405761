-- name:    engine_claim
-- purpose: a batch of runs to go on with: half of it for those whose time has come, the rest by priority, then fair between tenants, then age
-- params:  engine_id int8, batch int4, held int8[]
-- returns: many (run_id int8, tenant_id int8, workflow_id int8, version int4, fence int8, seq int4, waiter text, correlation_id text, traceparent text, input json, created_at_us int8, started_at_us int8, parent_run_id int8, limit_key text, admitted bool, timeout_seconds int4)
-- flags:   read
-- index:   runs_queued_idx
-- Only reads: the flush that writes what a run did takes it, if its fence still stands. So that two
-- engines seldom do the same work, each has its slice of the ids; what lies in another's for two
-- seconds is anybody's who has room. held: what this engine has in hand already.
with recursive
slot as materialized (
	-- which of how many engines this is; none, once its lease has ended
	select count(*) filter (where e.id < :engine_id) as k, count(*) as n
	from engines e
	where e.lease_until > clock_timestamp()
	having count(*) filter (where e.id = :engine_id) = 1
), held as materialized (
	select h.id
	from unnest(:held) as h (id)
),
-- one step of this recursion for each tenant that has something queued at a priority
groups (priority, tenant_id, n) as (
	(
		select r.priority, r.tenant_id, 1
		from runs r
		where r.queued
			and exists (select 1 from slot)
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
), due as materialized (
	select r.id
	from runs r
	where r.wake_at <= now()
		and r.id / 32 % (select n from slot) = (select k from slot)
		and r.id not in (select h.id from held h)
	order by r.wake_at
	limit case when exists (select 1 from groups) then (:batch + 1) / 2 else :batch end
), late as materialized (
	select r.id
	from runs r
	where r.wake_at < now() - interval '2 seconds'
		and r.id / 32 % (select n from slot) <> (select k from slot)
		and r.id not in (select h.id from held h)
	order by r.wake_at
	limit (:batch + 1) / 2 - least((select count(*) from due), (:batch + 1) / 2)
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
			and q.id / 32 % (select n from slot) = (select k from slot)
			and q.id not in (select h.id from held h)
		order by q.priority desc, q.tenant_id desc, q.id
		limit s.share
	) r
	limit :batch - (select count(*) from due) - (select count(*) from late)
), rest as materialized (
	-- what tenants with fewer runs than their share left over, and other engines
	select r.id
	from shares s
	cross join lateral (
		select q.id
		from runs q
		where q.queued
			and q.priority = s.priority
			and q.tenant_id = s.tenant_id
			and (q.id / 32 % (select n from slot) = (select k from slot) or q.created_at < now() - interval '2 seconds')
			and q.id not in (select h.id from held h)
			and q.id not in (select u.id from queue u)
		order by q.priority desc, q.tenant_id desc, q.id
		limit :batch
	) r
	where (select count(*) from shares) > 1
		or (select n from slot) > 1
	limit :batch - (select count(*) from due) - (select count(*) from late) - (select count(*) from queue)
)
select r.id as run_id, r.tenant_id, r.workflow_id, r.version, r.fence, r.seq, r.waiter, r.correlation_id, r.traceparent,
	r.input, us(r.created_at) as created_at_us, us(r.started_at) as started_at_us,
	r.parent_run_id, r.limit_key, r.admitted, r.timeout_seconds
from (select id from due union select id from late union select id from queue union select id from rest) p
join runs r on r.id = p.id
