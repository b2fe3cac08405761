-- Verify millrace:idempotency_keys
begin;
set local search_path = millrace, pg_temp;
select tenant_id, principal_id, key, request_digest, status, body, location, version, created_at
from idempotency_keys where false;
rollback;
