-- name:    tenant_suspend
-- purpose: nobody of the tenant gets in until it is activated again
-- params:  id int8, if_match int8?, reason text?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with found as materialized (
	select t.id, t.name, t.status,
		case
			when t.revision <> :if_match then 'PRECONDITION_FAILED'
			when t.is_platform then 'TENANT_IS_PLATFORM'
		end as error
	from tenants t
	where t.id = :id
		and (select is_platform())
	for update of t
), changed as (
	update tenants t
	set revision = t.revision + 1,
		updated_at = now(),
		status = 'suspended',
		suspended_at = coalesce(t.suspended_at, now())
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
		'suspended' as action,
		jsonb_build_object('name', c.name, 'reason', :reason::text, 'before', f.status) as changes
	from found f
	left join changed c on c.id = f.id
)
