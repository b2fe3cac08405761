-- name:    engine_orphans
-- purpose: queues runs again that are this engine's but that it does not have, because it gave them up
-- params:  engine_id int8, held int8[]
-- returns: one (released int8)
-- flags:   write system
with freed as (
	update runs
	set owner_id = null, fence = fence + 1, queued = true
	where owner_id = :engine_id
		and id not in (select h.id from unnest(:held) as h (id))
	returning id
)
select count(*) as released
from freed
