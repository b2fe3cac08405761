-- name:    engine_cancel_spawned
-- purpose: cancels child runs that were started for steps that had ended meanwhile
-- params:  run_ids int8[], step_execution_ids int8[]
-- returns: many (run_id int8)
-- flags:   write system
select c as run_id
from cancel_children(:run_ids, :step_execution_ids) as c
