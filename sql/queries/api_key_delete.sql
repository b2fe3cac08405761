-- name:    api_key_delete
-- purpose: revokes an API key; once more changes nothing but the time it was changed
-- params:  id int8, if_match int8?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with found as materialized (
	select k.id, p.name as principal_name,
		case
			when k.revision <> :if_match then 'PRECONDITION_FAILED'
		end as error
	from api_keys k
	join principals p on p.id = k.principal_id
	where k.id = :id
	for update of k
), changed as (
	update api_keys k
	set revision = k.revision + 1,
		updated_at = now(),
		revoked_at = coalesce(k.revoked_at, now())
	from found f
	where k.id = f.id
		and f.error is null
	returning k.*
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null then api_key_body(k, f.principal_name) end as body,
		null as location,
		k.revision as version,
		f.error,
		'api_key' as entity_type,
		f.id as entity_id,
		'revoked' as action,
		jsonb_build_object('name', k.name) as changes
	from found f
	left join changed k on k.id = f.id
)
