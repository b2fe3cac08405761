-- name:    auth_by_key
-- purpose: the principal of an API key, by the key's SHA-256
-- params:  key_hash bytea
-- returns: one (principal_id int8, tenant_id int8, name text, kind text, credential_id int8, scopes text[], roles text[], groups text[], rate_limits jsonb, expires_us int8, is_platform bool)
-- flags:   write system
select principal_id, tenant_id, name, kind, credential_id, scopes, roles, groups, rate_limits, expires_us, is_platform
from auth_by_key(:key_hash)
