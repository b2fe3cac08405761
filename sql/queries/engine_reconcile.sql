-- name:    engine_reconcile
-- purpose: finds unfinished runs that nothing would ever move again, queues them, and counts them
-- params:
-- returns: one (violations int8)
-- flags:   write system slow
-- index:   runs_active_idx
-- A run has one reason: an engine that holds it, the queue, a time or what it awaits, a pause, a limit.
-- A paused run may be queued too: a command waits for it. Dead engines are engine_reclaim's.
with repaired as (
	update runs r
	set queued = true, owner_id = null, wake_at = null, fence = r.fence + 1
	where r.status in ('pending', 'running', 'paused', 'compensating')
		and case
			when r.owner_id is not null then r.queued or r.wake_at is not null
				or not exists (select 1 from engines e where e.id = r.owner_id)
			when r.queued then r.wake_at is not null
			when not r.admitted then r.limit_key is null or r.wake_at is not null
			when r.status = 'paused' then false
			else r.wake_at is null and (r.awaits = 0
				or not exists (select 1 from run_waits w where w.run_id = r.id))
		end
	returning r.id
)
select count(*) as violations
from repaired
