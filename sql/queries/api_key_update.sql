-- name:    api_key_update
-- purpose: changes an API key's name, scopes, roles, rate limits or end
-- params:  id int8, if_match int8?, credential_id int8?, body json, name text?, scopes text[]?, roles text[]?, rate_limits json?, expires_at timestamptz?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
-- No key takes from itself what changing it back would need. A program whose key gets more roles gets
-- them too; a person's key never allows more than the person.
with given as materialized (
	select coalesce(array_agg(k), '{}') as keys
	from json_object_keys(:body) as k
), found as materialized (
	select k.id, p.name as principal_name,
		case
			when k.revoked_at is not null then 'API_KEY_REVOKED'
			when k.revision <> :if_match then 'PRECONDITION_FAILED'
			when k.id = :credential_id and ('admin' <> all (coalesce(:scopes, k.scopes)) or 'admin' <> all (coalesce(:roles, k.roles))
				or ('expires_at' = any (g.keys) and :expires_at <= now())) then 'SELF_LOCKOUT'
		end as error
	from api_keys k
	join principals p on p.id = k.principal_id
	cross join given g
	where k.id = :id
	for update of k
), raised as (
	update principals p
	set roles = :roles, updated_at = now(), revision = p.revision + 1
	from found f
	join api_keys k on k.id = f.id
	where p.id = k.principal_id
		and f.error is null
		and p.kind = 'service'
		and role_rank(p.roles) < role_rank(:roles)
), changed as (
	update api_keys k
	set revision = k.revision + 1,
		updated_at = now(),
		name = coalesce(:name, k.name),
		scopes = coalesce(:scopes, k.scopes),
		roles = coalesce(:roles, k.roles),
		rate_limits = case when 'rate_limits' = any (g.keys) then (:rate_limits)::jsonb else k.rate_limits end,
		expires_at = case when 'expires_at' = any (g.keys) then :expires_at else k.expires_at end
	from found f
	cross join given g
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
		'updated' as action,
		jsonb_build_object('name', k.name, 'scopes', k.scopes, 'roles', k.roles, 'rate_limits', k.rate_limits, 'expires_at', k.expires_at) as changes
	from found f
	left join changed k on k.id = f.id
)
