-- name:    user_delete
-- purpose: deletes a user or program: the row stays readable, its keys are revoked, its name is free
-- params:  id int8, if_match int8?, principal_id int8?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with found as materialized (
	select p.id,
		case
			when p.revision <> :if_match then 'PRECONDITION_FAILED'
			when p.id = :principal_id then 'SELF_LOCKOUT'
		end as error
	from principals p
	where p.id = :id
	for update of p
), changed as (
	update principals p
	set revision = p.revision + 1,
		updated_at = now(),
		is_enabled = false,
		groups = '{}',
		deleted_at = coalesce(p.deleted_at, now())
	from found f
	where p.id = f.id
		and f.error is null
	returning p.*
), revoked as (
	update api_keys k
	set revision = k.revision + 1,
		updated_at = now(),
		revoked_at = now()
	from changed c
	where k.principal_id = c.id
		and k.revoked_at is null
	returning k.id
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null then user_json(c) end as body,
		null as location,
		c.revision as version,
		f.error,
		null::json as details,
		'user' as entity_type,
		f.id as entity_id,
		'deleted' as action,
		jsonb_build_object('name', c.name, 'revoked_keys', (select coalesce(jsonb_agg(r.id order by r.id), '[]') from revoked r)) as changes
	from found f
	left join changed c on c.id = f.id
)
