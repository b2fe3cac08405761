-- name:    engine_reconcile
-- purpose: finds unfinished runs that nothing would ever move again, queues them, and counts them
-- params:
-- returns: one (violations int8)
-- flags:   write system slow
-- index:   runs_active_idx
-- A paused run may be queued too: a command waits for it. Dead engines are engine_reclaim's.
with repaired as (
	update runs r
	set queued = true, owner_id = null, wake_at = null, fence = r.fence + 1
	where r.status in ('pending', 'running', 'paused', 'compensating')
		and case
			when r.owner_id is not null then r.queued or r.wake_at is not null
				or not exists (select 1 from engines e where e.id = r.owner_id)
			when r.queued then r.wake_at is not null
			else r.wake_at is null and r.status <> 'paused'
		end
	returning r.id
)
select count(*) as violations
from repaired
