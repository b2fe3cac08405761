-- name:    admin_tenant_create
-- purpose: a tenant, or the one that has this name already
-- params:  name text
-- returns: one (tenant_id int8, created bool)
-- flags:   write system
with made as (
	insert into tenants (name)
	values (:name)
	on conflict (name) do nothing
	returning id
)
select id as tenant_id, true as created
from made
union all
select id, false
from tenants
where name = :name
	and not exists (select 1 from made)
