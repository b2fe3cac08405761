-- name:    engine_register
-- purpose: a new engine with a lease
-- params:  name text, host text, pid int4, version text, lease_ms int8
-- returns: one (engine_id int8, lease_until_us int8, now_us int8)
-- flags:   write system
insert into engines (name, host, pid, version, lease_until)
values (:name, :host, :pid, :version, clock_timestamp() + :lease_ms * interval '1 millisecond')
returning id as engine_id, us(lease_until) as lease_until_us, us(clock_timestamp()) as now_us
