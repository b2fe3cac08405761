-- name:    auth_by_principal
-- purpose: the principal of requests without credentials, by the id that the settings say
-- params:  principal int8
-- returns: one (principal_id int8, tenant_id int8, name text, kind text, credential_id int8, scopes text[], roles text[], groups text[], rate_limits jsonb, expires_us int8, is_platform bool)
-- flags:   read
select principal_id, tenant_id, name, kind, credential_id, scopes, roles, groups, rate_limits, expires_us, is_platform
from auth_by_principal(:principal)
