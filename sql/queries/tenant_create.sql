-- name:    tenant_create
-- purpose: a tenant; only the platform's administrators see and make tenants
-- params:  principal_name text?, name text, description text?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with made as (
	insert into tenants (name, description, created_by)
	values (:name, :description, :principal_name)
	returning *
), answer as (
	select 201 as status,
		tenant_json(m) as body,
		'/api/v1/tenants/' || m.id as location,
		m.revision as version,
		null as error,
		null::json as details,
		'tenant' as entity_type,
		m.id as entity_id,
		'created' as action,
		jsonb_build_object('name', m.name) as changes
	from made m
)
