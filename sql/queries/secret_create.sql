-- name:    secret_create
-- purpose: a secret; its value comes sealed
-- params:  tenant_id int8, principal_id int8?, principal_name text?, name text, description text?, sealed bytea, secrets_max int8
-- returns: one (status int4, body json, location text, version int8, error text, detail text, entity_type text, entity_id int8, action text, changes jsonb, wake text)
-- flags:   write
-- How many there may be is looked at before, not locked: some that come at once may exceed it by as many.
with many as materialized (
	select count(*) >= :secrets_max as full
	from secrets
), made as (
	insert into secrets (tenant_id, name, description, sealed, created_by_id, created_by, updated_by_id, updated_by)
	select :tenant_id, :name, :description, :sealed, :principal_id, :principal_name, :principal_id, :principal_name
	from many y
	where not y.full
	returning id, name, description, version, revision, created_by, updated_by, created_at, updated_at, value_updated_at
), answer as (
	select 201 as status,
		secret_members(m.id, m.name, m.description, m.version, m.created_by, m.updated_by, m.created_at, m.updated_at,
			m.value_updated_at) as body,
		'/api/v1/secrets/' || m.name as location,
		m.revision as version,
		case when y.full then 'SECRETS_FULL' end as error,
		case when y.full then format('The tenant has %s secrets, as many as it may have; delete some.', :secrets_max) end as detail,
		'secret' as entity_type,
		m.id as entity_id,
		'created' as action,
		jsonb_build_object('name', m.name, 'description', m.description, 'value', '[redacted]') as changes,
		's:' || :tenant_id as wake
	from many y
	left join made m on true
)
