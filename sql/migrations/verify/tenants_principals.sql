-- Verify millrace:tenants_principals
begin;
set local search_path = millrace, pg_temp;
select id, name, created_at from tenants where false;
select id, tenant_id, issuer, audience, algorithm, key_name, name_claim, tenant_claim, roles_claim, groups_claim,
	scope_claim, provision, default_roles, default_scopes, is_enabled from issuers where false;
select id, tenant_id, name, kind, roles, groups, scopes, issuer_id, subject, is_enabled from principals where false;
select id, tenant_id, principal_id, name, prefix, hash, scopes, roles, rate_limits, expires_at, last_used_at, rotated_at,
	revoked_at, revision from api_keys where false;
select id, tenant_id, principal_id, fingerprint, subject, scopes, expires_at, revoked_at from client_certificates where false;
select 1 / count(*) from auth_revision;
select api_key_status(k) from api_keys k where false;
rollback;
