-- name:    agents_known
-- purpose: of what steps name agents by, or require of them, that which some agent of the tenant fits, and how that one is
-- params:  tenant_id int8, refs text[]
-- returns: many (n int8, status text)
-- flags:   read
-- n: the place of the reference among them, from 0. One that begins with "{" is a list of capabilities,
-- which an active agent must have.
with named as materialized (
	select r.n - 1 as n, agent_id(:tenant_id, r.ref) as id
	from unnest(:refs) with ordinality as r (ref, n)
	where left(r.ref, 1) <> '{'
)
select n.n, a.status
from named n
join agents a on a.id = n.id
union all
select r.n - 1, 'active'
from unnest(:refs) with ordinality as r (ref, n)
where left(r.ref, 1) = '{'
	and exists (
		select 1
		from agents c
		where c.deleted_at is null
			and c.status = 'active'
			and c.capabilities @> case when left(r.ref, 1) = '{' then r.ref::text[] end)
order by n
