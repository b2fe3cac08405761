-- name:    api_key_create
-- purpose: an API key, for a service principal of the key's name or for a user or program that is there
-- params:  tenant_id int8, principal_id int8?, principal_name text?, name text, user_id int8?, key_hash bytea, key_prefix text, scopes text[], roles text[]?, rate_limits json?, expires_at timestamptz?
-- returns: one (status int4, body json, location text, version int8, error text, details json, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
-- A principal that had a key of this name before gets this one, too. When a person has the name,
-- the principal is called "<name> (key)". Without roles those that the scopes suggest. A program made
-- by its keys gets the roles that they need; a user or program that is named keeps its own.
with wanted as materialized (
	select case when exists (select 1 from principals p where p.name = :name and p.kind <> 'service' and p.deleted_at is null)
			then :name || ' (key)' else :name end as name,
		coalesce(:roles, case
			when 'admin' = any (:scopes) then '{admin}'
			when 'workflow-management' = any (:scopes) then '{editor}'
			else '{viewer}' end::text[]) as roles
), added as (
	insert into principals (tenant_id, name, kind, roles, scopes)
	select :tenant_id, w.name, 'service', w.roles, :scopes
	from wanted w
	where :user_id is null
		and not exists (select 1 from principals p where p.name = w.name and p.deleted_at is null)
	returning id, name
), raised as (
	update principals p
	set roles = w.roles, updated_at = now(), revision = p.revision + 1
	from wanted w
	where :user_id is null
		and p.name = w.name
		and p.deleted_at is null
		and role_rank(p.roles) < role_rank(w.roles)
), stands_for as (
	select a.id, a.name
	from added a
	union all
	select p.id, p.name
	from principals p
	join wanted w on case when :user_id is null then w.name = p.name else p.id = :user_id end
	where p.deleted_at is null
), made as (
	insert into api_keys (tenant_id, principal_id, name, prefix, hash, scopes, roles, rate_limits, expires_at, created_by_id, created_by)
	select :tenant_id, s.id, :name, :key_prefix, :key_hash, :scopes, w.roles, (:rate_limits)::jsonb, :expires_at, :principal_id, :principal_name
	from stands_for s
	cross join wanted w
	returning *
), answer as (
	select case when m.id is not null then 201 end as status,
		case when m.id is not null then api_key_body(m, s.name) end as body,
		'/api/v1/api-keys/' || m.id as location,
		m.revision as version,
		case when m.id is null then 'VALIDATION_FAILED' end as error,
		case when m.id is null then '{"user_id": ["must be the id of a user or program of this tenant"]}'::json end as details,
		'api_key' as entity_type,
		m.id as entity_id,
		'created' as action,
		jsonb_build_object('name', m.name, 'scopes', m.scopes, 'roles', m.roles, 'rate_limits', m.rate_limits, 'expires_at', m.expires_at) as changes
	from wanted w
	left join (made m
		join stands_for s on s.id = m.principal_id) on true
)
