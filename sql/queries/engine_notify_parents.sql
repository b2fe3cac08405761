-- name:    engine_notify_parents
-- purpose: tells waiting parents of child runs that have ended
-- params:  child_run_ids int8[]
-- returns: many (run_id int8)
-- flags:   write system
select p as run_id
from notify_parents(:child_run_ids) as p
