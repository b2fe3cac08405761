-- name:    engine_check_waits
-- purpose: brings to runs that began to wait what had happened before: events, ends of child runs
-- params:  run_ids int8[], step_execution_ids int8[]
-- returns: many (run_id int8)
-- flags:   write system slow
-- Not between flushes and renewals of the lease: it may wait for locks, and take its time.
select w as run_id
from check_waits(:run_ids, :step_execution_ids) as w
