-- name:    idempotency_begin
-- purpose: claims an Idempotency-Key for this request; goes first in the unit of the effect, and fails with 23505 when the key is taken
-- params:  tenant_id int8, principal_id int8, idempotency_key text, request_digest bytea
-- returns: none
-- flags:   write system
with outdated as (
	delete from idempotency_keys k
	where k.tenant_id = :tenant_id
		and k.principal_id = :principal_id
		and k.key = :idempotency_key
		and k.created_at < now() - interval '24 hours'
	returning 1
)
-- counting makes the deletion happen first
insert into idempotency_keys (tenant_id, principal_id, key, request_digest)
select :tenant_id, :principal_id, :idempotency_key, :request_digest
from (select count(*) from outdated) o
