-- name:    group_update
-- purpose: changes a group's name, description or roles; members keep their membership under a new name
-- params:  id int8, if_match int8?, body json, principal_id int8?, name text?, description text?, roles text[]?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
-- Nobody takes from themselves what changing it back would need.
with given as materialized (
	select coalesce(array_agg(k), '{}') as keys
	from json_object_keys(:body) as k
), found as materialized (
	select g.id, g.name, g.roles, (select count(*) from principals p where p.groups @> array[g.name] and p.deleted_at is null) as members,
		case
			when g.revision <> :if_match then 'PRECONDITION_FAILED'
			when 'admin' = any (g.roles) and 'admin' <> all (coalesce(:roles, g.roles)) and exists (select 1 from principals p
				where p.id = :principal_id and p.groups @> array[g.name] and 'admin' = any (effective_roles(p))
					and 'admin' <> all (roles_with_groups(p.tenant_id, p.roles, array_remove(p.groups, g.name)))) then 'SELF_LOCKOUT'
		end as error
	from groups g
	where g.id = :id
	for update of g
), changed as (
	update groups g
	set revision = g.revision + 1,
		updated_at = now(),
		name = coalesce(:name, g.name),
		description = case when 'description' = any (v.keys) then :description else g.description end,
		roles = coalesce(:roles, g.roles)
	from found f
	cross join given v
	where g.id = f.id
		and f.error is null
	returning g.*
), renamed as (
	update principals p
	set groups = array_replace(p.groups, f.name, c.name),
		revision = p.revision + 1,
		updated_at = now()
	from found f
	join changed c on c.id = f.id and c.name <> f.name
	where p.groups @> array[f.name]
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null then group_json(c, f.members) end as body,
		null as location,
		c.revision as version,
		f.error,
		null::json as details,
		'group' as entity_type,
		f.id as entity_id,
		'updated' as action,
		jsonb_build_object('name', c.name, 'roles', c.roles, 'before', jsonb_build_object('name', f.name, 'roles', f.roles)) as changes
	from found f
	left join changed c on c.id = f.id
)
