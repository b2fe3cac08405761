-- name:    group_member_add
-- purpose: puts a user or program into a group; once more changes nothing
-- params:  id int8, user_id int8
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with found as materialized (
	select g.id, g.name, p.id as user_id, p.name as user_name, p.groups @> array[g.name] as is_member,
		case
			when p.id is null then 'USER_NOT_FOUND'
			when p.deleted_at is not null then 'USER_DELETED'
		end as error
	from groups g
	left join principals p on p.id = :user_id
	where g.id = :id
	for share of g
), changed as (
	update principals p
	set groups = case when f.is_member then p.groups else array(select m from unnest(p.groups || f.name) as m order by m) end,
		revision = p.revision + case when f.is_member then 0 else 1 end,
		updated_at = case when f.is_member = false then now() else p.updated_at end
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
		case when f.is_member = false then 'group' end as entity_type,
		f.id as entity_id,
		'member_added' as action,
		jsonb_build_object('group', f.name, 'user_id', f.user_id, 'user', f.user_name) as changes
	from found f
	left join changed c on c.id = f.user_id
)
