-- name:    issuer_delete
-- purpose: removes an issuer: its tokens are taken no more; once more changes nothing
-- params:  id int8, if_match int8?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with found as materialized (
	select i.id,
		case
			when i.revision <> :if_match then 'PRECONDITION_FAILED'
		end as error
	from issuers i
	where i.id = :id
	for update of i
), changed as (
	update issuers i
	set revision = i.revision + 1,
		updated_at = now(),
		is_enabled = false,
		deleted_at = coalesce(i.deleted_at, now())
	from found f
	where i.id = f.id
		and f.error is null
	returning i.*
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null then issuer_json(c) end as body,
		null as location,
		c.revision as version,
		f.error,
		'issuer' as entity_type,
		f.id as entity_id,
		'deleted' as action,
		jsonb_build_object('issuer', c.issuer, 'audience', c.audience) as changes
	from found f
	left join changed c on c.id = f.id
)
