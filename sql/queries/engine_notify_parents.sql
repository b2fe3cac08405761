-- name:    engine_notify_parents
-- purpose: tells waiting parents of child runs that have ended
-- params:  child_run_ids int8[]
-- returns: many (run_id int8)
-- flags:   write system slow
-- Not between flushes and renewals of the lease: it may wait for locks, and take its time.
select p as run_id
from notify_parents(:child_run_ids) as p
