-- name:    group_create
-- purpose: a group of the tenant, without members
-- params:  tenant_id int8, principal_name text?, name text, description text?, roles text[]?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with made as (
	insert into groups (tenant_id, name, description, roles, created_by)
	values (:tenant_id, :name, :description, coalesce(:roles, '{}'), :principal_name)
	returning *
), answer as (
	select 201 as status,
		group_json(m, 0) as body,
		'/api/v1/groups/' || m.id as location,
		m.revision as version,
		null as error,
		null::json as details,
		'group' as entity_type,
		m.id as entity_id,
		'created' as action,
		jsonb_build_object('name', m.name, 'roles', m.roles) as changes
	from made m
)
