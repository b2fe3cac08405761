-- name:    issuer_create
-- purpose: an issuer whose tokens are taken as this tenant's
-- params:  tenant_id int8, principal_name text?, issuer text, audience text, algorithm text, key_name text?, public_key text?, jwks_file text?, jwks_url text?, key_type text?, required_claims jsonb?, value_map jsonb?, name_claim text?, roles_claim text?, groups_claim text?, scope_claim text?, provision bool?, default_roles text[]?, default_scopes text[]?, is_enabled bool?
-- returns: one (status int4, body json, location text, version int8, error text, entity_type text, entity_id int8, action text, changes jsonb)
-- flags:   write
with made as (
	insert into issuers (tenant_id, issuer, audience, algorithm, key_name, public_key, jwks_file, jwks_url, key_type,
		required_claims, value_map, name_claim, roles_claim, groups_claim, scope_claim, provision, default_roles,
		default_scopes, is_enabled, created_by)
	values (:tenant_id, :issuer, :audience, :algorithm, :key_name, :public_key, :jwks_file, :jwks_url, :key_type,
		coalesce(:required_claims, '{}'), coalesce(:value_map, '{}'), coalesce(:name_claim, 'name'),
		coalesce(:roles_claim, 'roles'), coalesce(:groups_claim, 'groups'), coalesce(:scope_claim, 'scope'),
		coalesce(:provision, false), coalesce(:default_roles, '{viewer}'), coalesce(:default_scopes, '{read-only}'),
		coalesce(:is_enabled, true), :principal_name)
	returning *
), answer as (
	select 201 as status,
		issuer_json(m) as body,
		'/api/v1/issuers/' || m.id as location,
		m.revision as version,
		null as error,
		'issuer' as entity_type,
		m.id as entity_id,
		'created' as action,
		jsonb_build_object('issuer', m.issuer, 'audience', m.audience, 'algorithm', m.algorithm, 'key_name', m.key_name,
			'jwks_file', m.jwks_file, 'jwks_url', m.jwks_url, 'provision', m.provision) as changes
	from made m
)
