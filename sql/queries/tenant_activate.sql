-- name:    tenant_activate
-- purpose: a suspended tenant works again
-- params:  id int8, if_match int8?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with found as materialized (
	select t.id, t.name, t.status,
		case
			when t.revision <> :if_match then 'PRECONDITION_FAILED'
		end as error
	from tenants t
	where t.id = :id
		and (select is_platform())
	for update of t
), changed as (
	update tenants t
	set revision = t.revision + 1,
		updated_at = now(),
		status = 'active',
		suspended_at = null
	from found f
	where t.id = f.id
		and f.error is null
	returning t.*
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null then tenant_json(c) end as body,
		null as location,
		c.revision as version,
		f.error,
		null::json as details,
		'tenant' as entity_type,
		f.id as entity_id,
		'activated' as action,
		jsonb_build_object('name', c.name, 'before', f.status) as changes
	from found f
	left join changed c on c.id = f.id
)
