-- name:    auth_issuers
-- purpose: whose tokens are taken, with what each of them needs for verification
-- params:
-- returns: many (id int8, tenant_id int8, issuer text, audience text, algorithm text, key_name text, name_claim text, tenant_claim text, roles_claim text, groups_claim text, scope_claim text)
-- flags:   read
select id, tenant_id, issuer, audience, algorithm, key_name, name_claim, tenant_claim, roles_claim, groups_claim, scope_claim
from auth_issuers()
