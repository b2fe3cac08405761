-- name:    engine_reclaim_lock
-- purpose: goes before engine_reclaim in its unit: waits for nobody, but once a dead engine's row is locked no flush of it is under way, and the next statement sees what the last one took
-- params:  dead int8[]
-- returns: many (engine_id int8)
-- flags:   write system
select id as engine_id
from engines
where lease_until < clock_timestamp()
	or id = any (:dead)
order by id
limit 10
for update skip locked
