-- name:    template_delete
-- purpose: deletes a template softly; the workflows that were made of it stay
-- params:  template text, view text?, if_match int8?, principal_id int8?, principal_is_admin bool?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with found as materialized (
-- include: _template_found
), judged as materialized (
	select f.id,
		case
			when f.is_global then 'TEMPLATE_READ_ONLY'
			when l.revision <> :if_match then 'PRECONDITION_FAILED'
		end as error
	from found f
	left join locked l on l.id = f.id
	where f.is_global
		or l.id is not null
), changed as (
	update templates t
	set revision = t.revision + 1, updated_at = now(), deleted_at = now()
	from judged j
	where t.id = j.id
		and j.error is null
	returning t.*
), answer as (
	select case when j.error is null then 200 end as status,
		case when j.error is null then template_view(c, :view) end as body,
		null as location,
		c.revision as version,
		j.error,
		'template' as entity_type,
		j.id as entity_id,
		'deleted' as action,
		case when j.error is null then template_changes(c) end as changes
	from judged j
	left join changed c on true
)
