-- name:    secret_update
-- purpose: changes a secret's description, or gives it another value, which comes sealed
-- params:  secret text, if_match int8?, principal_id int8?, principal_name text?, given text[], description text?, sealed bytea?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- given: which members the request has; the body itself, with the value, doesn't come here.
with found as materialized (
	select s.id, s.tenant_id,
		case when s.revision <> :if_match then 'PRECONDITION_FAILED' end as error
	from secrets s
	where s.id = (select secret_id(:secret))
	for update
), changed as (
	update secrets s
	set revision = s.revision + 1,
		updated_at = now(),
		updated_by_id = :principal_id,
		updated_by = :principal_name,
		description = case when 'description' = any (:given) then :description else s.description end
	from found f
	where s.id = f.id
		and f.error is null
		and :sealed is null
	returning s.id, s.name, s.description, s.version, s.revision, s.created_by, s.updated_by, s.created_at, s.updated_at,
		s.value_updated_at
), replaced as (
	update secrets s
	set revision = s.revision + 1,
		version = s.version + 1,
		updated_at = now(),
		value_updated_at = now(),
		updated_by_id = :principal_id,
		updated_by = :principal_name,
		description = case when 'description' = any (:given) then :description else s.description end,
		sealed = :sealed
	from found f
	where s.id = f.id
		and f.error is null
		and :sealed is not null
	returning s.id, s.name, s.description, s.version, s.revision, s.created_by, s.updated_by, s.created_at, s.updated_at,
		s.value_updated_at
), now_so as (
	select * from changed
	union all
	select * from replaced
), answer as (
	select case when f.error is null then 200 end as status,
		case when f.error is null then secret_members(s.id, s.name, s.description, s.version, s.created_by, s.updated_by,
			s.created_at, s.updated_at, s.value_updated_at) end as body,
		null as location,
		s.revision as version,
		f.error,
		'secret' as entity_type,
		f.id as entity_id,
		'updated' as action,
		jsonb_strip_nulls(jsonb_build_object(
			'name', s.name,
			'description', case when 'description' = any (:given) then coalesce(s.description, '') end,
			'value', case when :sealed is not null then '[redacted]' end)) as changes,
		case when :sealed is not null then 's:' || f.tenant_id end as wake
	from found f
	left join now_so s on s.id = f.id
)
