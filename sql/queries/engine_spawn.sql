-- name:    engine_spawn
-- purpose: starts child runs for steps of runs that this engine holds; the same one again for a step and attempt that has it
-- params:  engine_id int8, places int4[], run_ids int8[], fences int8[], step_execution_ids int8[], attempts int4[], workflows text[], versions int4[], inputs text[], cascades bool[], most_below int4
-- returns: many (place int4, child_run_id int8, code text, message text)
-- flags:   write system
-- index:   runs_root_idx
with given as materialized (
	select g.*, coalesce(r.root_run_id, r.id) as root_id
	from unnest(:places, :run_ids, :fences, :step_execution_ids, :attempts, :workflows, :versions, :inputs, :cascades)
		as g (place, run_id, fence, step_execution_id, attempt, workflow, version, input, cascades)
	left join runs r on r.id = g.run_id
), roots as materialized (
	-- once for all that are asked for below one run
	select o.root_id, (
			select count(*)
			from (
				select 1
				from runs c
				where c.root_run_id = o.root_id
					and c.status in ('pending', 'running', 'paused', 'compensating')
				limit :most_below
			) t
		) as below
	from (select distinct g.root_id from given g) o
	where :most_below > 0
), asked as materialized (
	-- parents are locked, in the order that all lock runs in
	select g.*, o.below + row_number() over (partition by g.root_id order by g.place) as nth
	from given g
	left join roots o on o.root_id = g.root_id
	order by g.run_id
)
select a.place, s.child_run_id, s.code, s.message
from asked a
cross join lateral spawn_run(:engine_id, a.run_id, a.fence, a.step_execution_id, a.attempt, a.workflow, a.version,
	a.input::json, a.cascades, coalesce(a.nth, 0), :most_below) as s
