-- name:    engine_reclaim
-- purpose: frees the runs of engines whose lease has ended, and of those known to be dead; what they counted goes into the totals
-- params:  dead int8[]
-- returns: one (engines int8, runs int8, series int8)
-- flags:   write system
with dead as materialized (
	select id
	from engines
	where lease_until < clock_timestamp()
		or id = any (:dead)
	order by id
	limit 10
	for update skip locked
), freed as (
	update runs r
	set owner_id = null, fence = r.fence + 1, queued = true
	from dead d
	where r.owner_id = d.id
	returning r.id
), gone as (
	delete from engines e
	using dead d
	where e.id = d.id
	returning e.metrics
), totals as (
	select metric_totals_add(array_agg(g.metrics)) as series
	from gone g
	having count(*) > 0
)
select (select count(*) from dead) as engines, (select count(*) from freed) as runs, coalesce((select series from totals), 0) as series
