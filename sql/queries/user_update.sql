-- name:    user_update
-- purpose: changes what a user or program is called, has, and whether it may come in
-- params:  id int8, if_match int8?, body json, principal_id int8?, credential_id int8?, name text?, description text?, roles text[]?, groups text[]?, scopes text[]?, is_enabled bool?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
-- Nobody takes from themselves what changing it back would need.
with given as materialized (
	select coalesce(array_agg(k), '{}') as keys
	from json_object_keys(:body) as k
), unknown as materialized (
	-- a group must be there to be joined
	select json_build_object('groups', json_agg('names no group: ' || g.name)) as details, count(*) > 0 as some
	from unnest(:groups) as g (name)
	where not exists (select 1 from groups x where x.name = g.name)
), found as materialized (
	select p.id, p.roles, p.groups, p.scopes, p.is_enabled,
		case
			when p.deleted_at is not null then 'USER_DELETED'
			when p.revision <> :if_match then 'PRECONDITION_FAILED'
			when u.some then 'VALIDATION_FAILED'
			when p.id = :principal_id and (not coalesce(:is_enabled, true)
				or (coalesce(:credential_id, 0) = 0 and 'admin' = any (p.scopes) and 'admin' <> all (coalesce(:scopes, p.scopes)))
				or ('admin' = any (effective_roles(p))
					and 'admin' <> all (roles_with_groups(p.tenant_id, coalesce(:roles, p.roles), coalesce(:groups, p.groups)))))
				then 'SELF_LOCKOUT'
		end as error,
		case when u.some then u.details end as details
	from principals p
	cross join unknown u
	where p.id = :id
	for update of p
), changed as (
	update principals p
	set revision = p.revision + 1,
		updated_at = now(),
		name = coalesce(:name, p.name),
		description = case when 'description' = any (g.keys) then :description else p.description end,
		roles = coalesce(:roles, p.roles),
		groups = coalesce((select array_agg(distinct m order by m) from unnest(:groups) as m), case when :groups is null then p.groups else '{}' end),
		scopes = coalesce(:scopes, p.scopes),
		is_enabled = coalesce(:is_enabled, p.is_enabled)
	from found f
	cross join given g
	where p.id = f.id
		and f.error is null
	returning p.*
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null then user_json(c) end as body,
		null as location,
		c.revision as version,
		f.error,
		f.details,
		'user' as entity_type,
		f.id as entity_id,
		case when f.is_enabled and not c.is_enabled then 'disabled' when not f.is_enabled and c.is_enabled then 'enabled' else 'updated' end as action,
		jsonb_build_object('name', c.name, 'roles', c.roles, 'groups', c.groups, 'scopes', c.scopes, 'is_enabled', c.is_enabled,
			'before', jsonb_build_object('roles', f.roles, 'groups', f.groups, 'scopes', f.scopes, 'is_enabled', f.is_enabled)) as changes
	from found f
	left join changed c on c.id = f.id
)
