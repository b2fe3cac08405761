-- name:    admin_issuer_create
-- purpose: an issuer whose tokens are taken; the same issuer, audience and algorithm again changes it
-- params:  tenant_id int8?, issuer text, audience text?, algorithm text, key_name text?, public_key text?, jwks_file text?, jwks_url text?, key_type text?, required_claims jsonb?, value_map jsonb?, name_claim text?, tenant_claim text?, roles_claim text?, groups_claim text?, scope_claim text?, provision bool, default_roles text[]?, default_scopes text[]?
-- returns: one (issuer_id int8)
-- flags:   write system
with changed as (
	update issuers
	set tenant_id = :tenant_id, key_name = :key_name, public_key = :public_key, jwks_file = :jwks_file, jwks_url = :jwks_url,
		key_type = :key_type, provision = :provision,
		required_claims = coalesce(:required_claims, required_claims),
		value_map = coalesce(:value_map, value_map),
		name_claim = coalesce(:name_claim, name_claim),
		tenant_claim = coalesce(:tenant_claim, tenant_claim),
		roles_claim = coalesce(:roles_claim, roles_claim),
		groups_claim = coalesce(:groups_claim, groups_claim),
		scope_claim = coalesce(:scope_claim, scope_claim),
		default_roles = coalesce(:default_roles, default_roles),
		default_scopes = coalesce(:default_scopes, default_scopes),
		jwks = case when jwks_url = :jwks_url then jwks end,
		jwks_fetched_at = case when jwks_url = :jwks_url then jwks_fetched_at end,
		jwks_tried_at = case when jwks_url = :jwks_url then jwks_tried_at end,
		jwks_ended_at = case when jwks_url = :jwks_url then jwks_ended_at end,
		jwks_error = case when jwks_url = :jwks_url then jwks_error end,
		is_enabled = true,
		revision = revision + 1,
		updated_at = now()
	where issuer = :issuer
		and audience is not distinct from :audience
		and algorithm = :algorithm
		and deleted_at is null
	returning id
), made as (
	insert into issuers (tenant_id, issuer, audience, algorithm, key_name, public_key, jwks_file, jwks_url, key_type,
		required_claims, value_map, name_claim, tenant_claim, roles_claim, groups_claim, scope_claim, provision,
		default_roles, default_scopes, created_by)
	select :tenant_id, :issuer, :audience, :algorithm, :key_name, :public_key, :jwks_file, :jwks_url, :key_type,
		coalesce(:required_claims, '{}'), coalesce(:value_map, '{}'), coalesce(:name_claim, 'name'),
		coalesce(:tenant_claim, 'tenant'), coalesce(:roles_claim, 'roles'), coalesce(:groups_claim, 'groups'),
		coalesce(:scope_claim, 'scope'), :provision, coalesce(:default_roles, '{viewer}'),
		coalesce(:default_scopes, '{read-only}'), 'millrace-admin'
	where not exists (select 1 from changed)
	returning id
)
select id as issuer_id
from changed
union all
select id
from made
