-- name:    admin_principal_create
-- purpose: a principal of a tenant; one that has this name already gets these roles, scopes and groups
-- params:  tenant_id int8, name text, kind text, roles text[], groups text[], scopes text[]
-- returns: one (principal_id int8)
-- flags:   write system
insert into principals (tenant_id, name, kind, roles, groups, scopes)
values (:tenant_id, :name, :kind, :roles, :groups, :scopes)
on conflict (tenant_id, name) where deleted_at is null do update
set kind = excluded.kind, roles = excluded.roles, groups = excluded.groups, scopes = excluded.scopes, updated_at = now(),
	revision = principals.revision + 1
returning id as principal_id
