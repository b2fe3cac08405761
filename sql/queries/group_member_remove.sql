-- name:    group_member_remove
-- purpose: takes a user or program out of a group; once more changes nothing
-- params:  id int8, user_id int8, principal_id int8?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with found as materialized (
	select g.id, g.name, p.id as user_id, p.name as user_name, p.groups @> array[g.name] as is_member,
		case
			when p.id is null then 'USER_NOT_FOUND'
			when p.id = :principal_id and 'admin' = any (effective_roles(p))
				and 'admin' <> all (roles_with_groups(p.tenant_id, p.roles, array_remove(p.groups, g.name))) then 'SELF_LOCKOUT'
			when p.deleted_at is not null then 'USER_DELETED'
		end as error
	from groups g
	left join principals p on p.id = :user_id
	where g.id = :id
	for share of g
), changed as (
	update principals p
	set groups = array_remove(p.groups, f.name),
		revision = p.revision + case when f.is_member then 1 else 0 end,
		updated_at = case when f.is_member = true then now() else p.updated_at end
	from found f
	where p.id = f.user_id
		and f.error is null
	returning p.*
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null then user_json(c) end as body,
		null as location,
		c.revision as version,
		f.error,
		null::json as details,
		case when f.is_member = true then 'group' end as entity_type,
		f.id as entity_id,
		'member_removed' as action,
		jsonb_build_object('group', f.name, 'user_id', f.user_id, 'user', f.user_name) as changes
	from found f
	left join changed c on c.id = f.user_id
)
