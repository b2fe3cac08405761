-- name:    engine_requeue
-- purpose: queues those of the runs just released for which a command came before the release was written
-- params:  run_ids int8[]
-- returns: one (runs int8)
-- flags:   write system
-- A statement of its own, after the flush has locked the rows: so it sees what the flush could not.
select requeue_released(:run_ids) as runs
