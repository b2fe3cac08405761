-- name:    api_key_create
-- purpose: an API key, for a service principal of the key's name
-- params:  tenant_id int8, principal_id int8?, principal_name text?, name text, key_hash bytea, key_prefix text, scopes text[], roles text[]?, expires_at timestamptz?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
-- A principal that had a key of this name before gets this one, too. When a person has the name,
-- the principal is called "<name> (key)". Without roles those that the scopes suggest.
with wanted as materialized (
	select case when exists (select 1 from principals p where p.name = :name and p.kind <> 'service')
			then :name || ' (key)' else :name end as name,
		coalesce(:roles, case
			when 'admin' = any (:scopes) then '{admin}'
			when 'workflow-management' = any (:scopes) then '{editor}'
			else '{viewer}' end::text[]) as roles
), added as (
	insert into principals (tenant_id, name, kind, roles, scopes)
	select :tenant_id, w.name, 'service', w.roles, :scopes
	from wanted w
	where not exists (select 1 from principals p where p.name = w.name)
	returning id, name
), stands_for as (
	select a.id, a.name
	from added a
	union all
	select p.id, p.name
	from principals p
	join wanted w on w.name = p.name
), made as (
	insert into api_keys (tenant_id, principal_id, name, prefix, hash, scopes, roles, expires_at, created_by_id, created_by)
	select :tenant_id, s.id, :name, :key_prefix, :key_hash, :scopes, w.roles, :expires_at, :principal_id, :principal_name
	from stands_for s
	cross join wanted w
	returning *
), answer as (
	select 201 as status,
		api_key_body(m, s.name) as body,
		'/api/v1/api-keys/' || m.id as location,
		m.revision as version,
		null as error,
		'api_key' as entity_type,
		m.id as entity_id,
		'created' as action,
		jsonb_build_object('name', m.name, 'scopes', m.scopes, 'roles', m.roles, 'expires_at', m.expires_at) as changes
	from made m
	join stands_for s on s.id = m.principal_id
)
