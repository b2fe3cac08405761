-- name:    group_delete
-- purpose: deletes a group; who was in it is so no longer
-- params:  id int8, if_match int8?, principal_id int8?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with found as materialized (
	select g.id,
		case
			when g.revision <> :if_match then 'PRECONDITION_FAILED'
			when 'admin' = any (g.roles) and exists (select 1 from principals p
				where p.id = :principal_id and p.groups @> array[g.name] and 'admin' = any (effective_roles(p))
					and 'admin' <> all (roles_with_groups(p.tenant_id, p.roles, array_remove(p.groups, g.name)))) then 'SELF_LOCKOUT'
		end as error
	from groups g
	where g.id = :id
	for update of g
), gone as (
	delete from groups g
	using found f
	where g.id = f.id
		and f.error is null
	returning g.*
), left_by as (
	update principals p
	set groups = array_remove(p.groups, g.name),
		revision = p.revision + 1,
		updated_at = now()
	from gone g
	where p.groups @> array[g.name]
	returning p.id
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null then group_json(g, (select count(*) from left_by)) end as body,
		null as location,
		g.revision as version,
		f.error,
		null::json as details,
		'group' as entity_type,
		f.id as entity_id,
		'deleted' as action,
		jsonb_build_object('name', g.name, 'roles', g.roles, 'members', (select count(*) from left_by)) as changes
	from found f
	left join gone g on g.id = f.id
)
