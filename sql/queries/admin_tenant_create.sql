-- name:    admin_tenant_create
-- purpose: a tenant, or the one that has this name already; as the platform's when that is said
-- params:  name text, platform bool?
-- returns: one (tenant_id int8, created bool)
-- flags:   write system
with made as (
	insert into tenants (name, is_platform)
	values (:name, coalesce(:platform, false))
	on conflict (name) do nothing
	returning id
), raised as (
	update tenants t
	set is_platform = true, status = 'active', suspended_at = null, updated_at = now(), revision = t.revision + 1
	where t.name = :name
		and :platform
		and not t.is_platform
)
select id as tenant_id, true as created
from made
union all
select id, false
from tenants
where name = :name
	and not exists (select 1 from made)
