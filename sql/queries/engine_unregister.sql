-- name:    engine_unregister
-- purpose: an engine ends in good order: what it still holds is free for others at once, and what it counted goes into the totals
-- params:  engine_id int8, metrics jsonb
-- returns: one (released int8, series int8)
-- flags:   write system
with freed as (
	update runs
	set owner_id = null, fence = fence + 1, queued = true
	where owner_id = :engine_id
	returning id
), gone as (
	delete from engines
	where id = :engine_id
	returning case when :metrics <> '{}' then :metrics else metrics end as metrics
), totals as (
	-- nothing when others have counted it dead, and its counters with it
	select metric_totals_add(array_agg(g.metrics)) as series
	from gone g
	having count(*) > 0
)
select count(*) as released, coalesce((select series from totals), 0) as series
from freed
