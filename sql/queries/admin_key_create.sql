-- name:    admin_key_create
-- purpose: an API key for a principal; an older one of this name is revoked
-- params:  tenant_id int8, principal_id int8, name text, key_hash bytea, key_prefix text, scopes text[], roles text[], rate_limits jsonb?, expires_at timestamptz?
-- returns: one (key_id int8)
-- flags:   write system
with revoked as (
	update api_keys
	set revoked_at = now(), updated_at = now(), revision = revision + 1
	where tenant_id = :tenant_id
		and name = :name
		and revoked_at is null
	returning id
)
insert into api_keys (tenant_id, principal_id, name, prefix, hash, scopes, roles, rate_limits, expires_at, created_by)
select :tenant_id, :principal_id, :name, :key_prefix, :key_hash, :scopes, :roles, :rate_limits, :expires_at, 'millrace-admin'
from (select count(*) from revoked) r
returning id as key_id
