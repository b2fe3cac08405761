-- name:    engine_payloads_add
-- purpose: counts results that now lie in the file store, and gives back what their tenants have there
-- params:  run_ids int8[], tenant_ids int8[], sizes int8[]
-- returns: many (tenant_id int8, bytes int8)
-- flags:   write system
with given as (
	select g.run_id, g.tenant_id, g.bytes
	from unnest(:run_ids, :tenant_ids, :sizes) as g (run_id, tenant_id, bytes)
), of_runs as (
	insert into run_payloads as p (run_id, tenant_id, bytes)
	select g.run_id, g.tenant_id, sum(g.bytes)
	from given g
	group by g.run_id, g.tenant_id
	order by g.run_id
	on conflict (run_id) do update
	set bytes = p.bytes + excluded.bytes
)
insert into tenant_payloads as t (tenant_id, bytes)
select g.tenant_id, sum(g.bytes)
from given g
group by g.tenant_id
order by g.tenant_id
on conflict (tenant_id) do update
set bytes = t.bytes + excluded.bytes
returning t.tenant_id, t.bytes
