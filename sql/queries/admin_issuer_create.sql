-- name:    admin_issuer_create
-- purpose: an issuer whose tokens are taken; the same issuer, audience and algorithm again changes it
-- params:  tenant_id int8?, issuer text, audience text?, algorithm text, key_name text, name_claim text?, tenant_claim text?, roles_claim text?, groups_claim text?, scope_claim text?, provision bool, default_roles text[]?, default_scopes text[]?
-- returns: one (issuer_id int8)
-- flags:   write system
with changed as (
	update issuers
	set tenant_id = :tenant_id, key_name = :key_name, provision = :provision,
		name_claim = coalesce(:name_claim, name_claim),
		tenant_claim = coalesce(:tenant_claim, tenant_claim),
		roles_claim = coalesce(:roles_claim, roles_claim),
		groups_claim = coalesce(:groups_claim, groups_claim),
		scope_claim = coalesce(:scope_claim, scope_claim),
		default_roles = coalesce(:default_roles, default_roles),
		default_scopes = coalesce(:default_scopes, default_scopes),
		is_enabled = true,
		updated_at = now()
	where issuer = :issuer
		and audience is not distinct from :audience
		and algorithm = :algorithm
	returning id
), made as (
	insert into issuers (tenant_id, issuer, audience, algorithm, key_name, name_claim, tenant_claim, roles_claim, groups_claim,
		scope_claim, provision, default_roles, default_scopes)
	select :tenant_id, :issuer, :audience, :algorithm, :key_name, coalesce(:name_claim, 'name'), coalesce(:tenant_claim, 'tenant'),
		coalesce(:roles_claim, 'roles'), coalesce(:groups_claim, 'groups'), coalesce(:scope_claim, 'scope'), :provision,
		coalesce(:default_roles, '{viewer}'), coalesce(:default_scopes, '{read-only}')
	where not exists (select 1 from changed)
	returning id
)
select id as issuer_id
from changed
union all
select id
from made
