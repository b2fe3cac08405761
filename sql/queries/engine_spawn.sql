-- name:    engine_spawn
-- purpose: starts child runs for steps of runs that this engine holds; the same one again for a step and attempt that has it
-- params:  engine_id int8, places int4[], run_ids int8[], fences int8[], step_execution_ids int8[], attempts int4[], workflows text[], versions int4[], inputs text[], cascades bool[]
-- returns: many (place int4, child_run_id int8, code text, message text)
-- flags:   write system
with asked as materialized (
	-- parents are locked, in the order that all lock runs in
	select *
	from unnest(:places, :run_ids, :fences, :step_execution_ids, :attempts, :workflows, :versions, :inputs, :cascades)
		as g (place, run_id, fence, step_execution_id, attempt, workflow, version, input, cascades)
	order by run_id
)
select a.place, s.child_run_id, s.code, s.message
from asked a
cross join lateral spawn_run(:engine_id, a.run_id, a.fence, a.step_execution_id, a.attempt, a.workflow, a.version,
	a.input::json, a.cascades) as s
