-- name:    engine_sweep
-- purpose: what nobody has looked at although it was committed a while ago: waits, and published events
-- params:
-- returns: many (kind text, run_id int8, step_execution_id int8)
-- flags:   read
(
	select 'wait' as kind, w.run_id, w.step_execution_id
	from run_waits w
	where not w.checked
		and w.since < now() - interval '2 seconds'
	order by w.since
	limit 1000
) union all (
	select 'event', e.run_id, null
	from events e
	where e.offer is null
		and e.published_at < now() - interval '2 seconds'
	limit 1000
)
