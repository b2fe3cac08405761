-- name:    user_create
-- purpose: a user, or a program, of the tenant
-- params:  tenant_id int8, principal_name text?, name text, kind text?, description text?, roles text[]?, groups text[]?, scopes text[]?, is_enabled bool?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
-- Without scopes those that the roles suggest: they count for certificates and tokens without any.
with unknown as materialized (
	-- a group must be there to be joined
	select json_build_object('groups', json_agg('names no group: ' || g.name)) as details, count(*) > 0 as some
	from unnest(:groups) as g (name)
	where not exists (select 1 from groups x where x.name = g.name)
), made as (
	insert into principals (tenant_id, name, kind, description, roles, groups, scopes, is_enabled, created_by)
	select :tenant_id, :name, coalesce(:kind, 'user'), :description, coalesce(:roles, '{viewer}'),
		array(select distinct g from unnest(:groups) as g order by g),
		coalesce(:scopes, case role_rank(:roles)
			when 4 then '{admin}'
			when 3 then '{workflow-management}'
			when 2 then '{workflow-management}'
			else '{read-only}' end::text[]),
		coalesce(:is_enabled, true), :principal_name
	from unknown u
	where not u.some
	returning *
), answer as (
	select case when not u.some then 201 end as status,
		case when m.id is not null then user_json(m) end as body,
		'/api/v1/users/' || m.id as location,
		m.revision as version,
		case when u.some then 'VALIDATION_FAILED' end as error,
		case when u.some then u.details end as details,
		'user' as entity_type,
		m.id as entity_id,
		'created' as action,
		jsonb_build_object('name', m.name, 'kind', m.kind, 'roles', m.roles, 'groups', m.groups, 'scopes', m.scopes) as changes
	from unknown u
	left join made m on true
)
