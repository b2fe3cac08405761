-- name:    engine_renew
-- purpose: keeps the engine's lease, and shows its counters; no row: it was declared dead and must register anew
-- params:  engine_id int8, lease_ms int8, metrics jsonb
-- returns: one (engine_id int8, lease_until_us int8, now_us int8)
-- flags:   write system
update engines
set lease_until = clock_timestamp() + :lease_ms * interval '1 millisecond', metrics = case when :metrics <> '{}' then :metrics else metrics end
where id = :engine_id
returning id as engine_id, us(lease_until) as lease_until_us, us(clock_timestamp()) as now_us
