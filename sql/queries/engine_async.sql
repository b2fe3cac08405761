-- name:    engine_async
-- purpose: lets the unit commit without waiting for the disk; for what a later, durable commit makes good
-- params:
-- returns: none
-- flags:   write system
select set_config('synchronous_commit', 'off', true)
