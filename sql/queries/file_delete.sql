-- name:    file_delete
-- purpose: deletes a file's row softly, and tells where its bytes lie
-- params:  id int8, if_match int8?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, storage_key text)
-- flags:   write
with found as materialized (
	select f.id, case when :if_match <> 1 then 'PRECONDITION_FAILED' end as error
	from files f
	where f.id = :id
		and f.deleted_at is null
	for update
), deleted as (
	update files f
	set deleted_at = now()
	from found d
	where f.id = d.id
		and d.error is null
	returning f.*
), answer as (
	select case when o.error is null then 200 end as status,
		case when o.error is null then json_build_object(
-- include: _file_members
			, 'deleted_at', ts(f.deleted_at)) end as body,
		null as location,
		2::int8 as version,
		o.error,
		'file' as entity_type,
		o.id as entity_id,
		'deleted' as action,
		jsonb_build_object('name', f.name) as changes,
		f.storage_key
	from found o
	left join deleted f on f.id = o.id
)
