-- name:    engine_unregister
-- purpose: an engine ends in good order: what it still holds is free for others at once
-- params:  engine_id int8
-- returns: one (released int8)
-- flags:   write system
with freed as (
	update runs
	set owner_id = null, fence = fence + 1, queued = true
	where owner_id = :engine_id
	returning id
), gone as (
	delete from engines
	where id = :engine_id
)
select count(*) as released
from freed
