-- $1: how many. One row a run that is now ours.
with due as (
	select id
	from runs
	where queued
	order by priority desc, tenant_id, id
	limit $1::int4
	for update skip locked
)
update runs r
set owner_id = 1, fence = r.fence + 1, queued = false, status = 'running', started_at = now()
from due
where r.id = due.id
returning r.id, r.fence, r.input
