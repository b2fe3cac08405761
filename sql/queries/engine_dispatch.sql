-- name:    engine_dispatch
-- purpose: brings events that runs published to those that wait for them
-- params:  batch int4
-- returns: many (run_id int8)
-- flags:   write system slow
-- Not between flushes and renewals of the lease: it may wait for locks, and take its time.
select w as run_id
from dispatch_events(:batch) as w
