-- name:    engine_payloads_gone
-- purpose: takes what those of these runs that are not there any more had in the file store off what their tenants have
-- params:  run_ids int8[]
-- returns: many (tenant_id int8, bytes int8)
-- flags:   write system
with gone as (
	delete from run_payloads p
	where p.run_id = any(:run_ids)
		and not exists (select 1 from runs r where r.id = p.run_id)
	returning p.tenant_id, p.bytes
), sums as (
	select g.tenant_id, sum(g.bytes)::int8 as bytes
	from gone g
	group by g.tenant_id
), locked as materialized (
	-- in the order that all lock them in
	select t.tenant_id, s.bytes
	from tenant_payloads t
	join sums s on s.tenant_id = t.tenant_id
	order by t.tenant_id
	for update of t
)
update tenant_payloads t
set bytes = greatest(t.bytes - l.bytes, 0)
from locked l
where t.tenant_id = l.tenant_id
returning t.tenant_id, t.bytes
