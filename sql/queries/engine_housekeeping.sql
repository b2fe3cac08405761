-- name:    engine_housekeeping
-- purpose: partitions ahead, old idempotency keys and commands away, tallies folded; nothing when another engine is at it
-- params:
-- returns: one (partitions int4, idempotency_keys int8, commands int8, tallies int8)
-- flags:   write system slow
select partitions, idempotency_keys, commands, tallies
from housekeeping()
