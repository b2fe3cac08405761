-- name:    engine_expire_events
-- purpose: deletes old events
-- params:  batch int4, days int4
-- returns: one (events int8)
-- flags:   write system slow
select expire_events(:batch, :days) as events
