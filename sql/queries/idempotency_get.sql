-- name:    idempotency_get
-- purpose: what is stored for an Idempotency-Key; status is null while the request is at work
-- params:  tenant_id int8, principal_id int8, idempotency_key text, request_digest bytea
-- returns: one (same bool, status int4, body json, location text, version int8)
-- flags:   read
select k.request_digest = :request_digest as same, k.status, k.body, k.location, k.version
from idempotency_keys k
where k.tenant_id = :tenant_id
	and k.principal_id = :principal_id
	and k.key = :idempotency_key
