-- name:    auth_by_subject
-- purpose: the principal of a verified token, made at first sight where the issuer allows it
-- params:  issuer_id int8, subject text, name text?, tenant text?
-- returns: one (principal_id int8, tenant_id int8, name text, kind text, credential_id int8, scopes text[], roles text[], groups text[], rate_limits jsonb, expires_us int8, is_platform bool)
-- flags:   write system
select principal_id, tenant_id, name, kind, credential_id, scopes, roles, groups, rate_limits, expires_us, is_platform
from auth_by_subject(:issuer_id, :subject, :name, :tenant)
