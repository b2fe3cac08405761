-- name:    issuer_update
-- purpose: changes what the body names of an issuer; a new source of keys takes the place of the old one
-- params:  id int8, if_match int8?, body json, issuer text?, audience text?, algorithm text?, key_name text?, public_key text?, jwks_file text?, jwks_url text?, key_type text?, required_claims jsonb?, value_map jsonb?, name_claim text?, roles_claim text?, groups_claim text?, scope_claim text?, provision bool?, default_roles text[]?, default_scopes text[]?, is_enabled bool?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with given as materialized (
	select coalesce(array_agg(k), '{}') as keys,
		num_nonnulls(:key_name, :public_key, :jwks_file, :jwks_url) > 0 as some_key
	from json_object_keys(:body) as k
), found as materialized (
	select i.id,
		g.some_key and i.jwks_url is distinct from :jwks_url as drops,
		case
			when i.deleted_at is not null then 'ISSUER_DELETED'
			when i.revision <> :if_match then 'PRECONDITION_FAILED'
		end as error
	from issuers i
	cross join given g
	where i.id = :id
	for update of i
), changed as (
	update issuers i
	set revision = i.revision + 1,
		updated_at = now(),
		issuer = coalesce(:issuer, i.issuer),
		audience = coalesce(:audience, i.audience),
		algorithm = coalesce(:algorithm, i.algorithm),
		key_name = case when g.some_key then :key_name else i.key_name end,
		public_key = case when g.some_key then :public_key else i.public_key end,
		jwks_file = case when g.some_key then :jwks_file else i.jwks_file end,
		jwks_url = case when g.some_key then :jwks_url else i.jwks_url end,
		key_type = case when g.some_key then :key_type else i.key_type end,
		-- what was fetched for another algorithm, or from elsewhere, is of no use
		jwks = case when f.drops or i.algorithm <> :algorithm then null else i.jwks end,
		jwks_fetched_at = case when f.drops or i.algorithm <> :algorithm then null else i.jwks_fetched_at end,
		jwks_tried_at = case when f.drops or i.algorithm <> :algorithm then null else i.jwks_tried_at end,
		jwks_ended_at = case when f.drops or i.algorithm <> :algorithm then null else i.jwks_ended_at end,
		jwks_error = case when f.drops or i.algorithm <> :algorithm then null else i.jwks_error end,
		required_claims = case when 'required_claims' = any (g.keys) then coalesce(:required_claims, '{}') else i.required_claims end,
		value_map = case when 'value_map' = any (g.keys) then coalesce(:value_map, '{}') else i.value_map end,
		name_claim = coalesce(:name_claim, i.name_claim),
		roles_claim = coalesce(:roles_claim, i.roles_claim),
		groups_claim = coalesce(:groups_claim, i.groups_claim),
		scope_claim = coalesce(:scope_claim, i.scope_claim),
		provision = coalesce(:provision, i.provision),
		default_roles = coalesce(:default_roles, i.default_roles),
		default_scopes = coalesce(:default_scopes, i.default_scopes),
		is_enabled = coalesce(:is_enabled, i.is_enabled)
	from found f
	cross join given g
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
		'updated' as action,
		jsonb_build_object('members', g.keys, 'issuer', c.issuer, 'audience', c.audience, 'algorithm', c.algorithm,
			'key_name', c.key_name, 'jwks_file', c.jwks_file, 'jwks_url', c.jwks_url, 'is_enabled', c.is_enabled) as changes
	from found f
	cross join given g
	left join changed c on c.id = f.id
)
