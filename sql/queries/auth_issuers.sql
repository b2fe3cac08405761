-- name:    auth_issuers
-- purpose: whose tokens are taken, with what each of them needs for verification
-- params:
-- returns: many (id int8, tenant_id int8, issuer text, audience text, algorithm text, key_name text, public_key text, jwks_file text, jwks_url text, jwks text, jwks_age_ms int8, name_claim text, tenant_claim text, roles_claim text, groups_claim text, scope_claim text, required_claims jsonb, value_map jsonb)
-- flags:   read
select id, tenant_id, issuer, audience, algorithm, key_name, public_key, jwks_file, jwks_url, jwks,
	(extract(epoch from now() - jwks_fetched_at) * 1000)::int8 as jwks_age_ms, name_claim, tenant_claim, roles_claim,
	groups_claim, scope_claim, required_claims, value_map
from auth_issuers()
