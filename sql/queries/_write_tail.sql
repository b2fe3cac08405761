-- name:    _write_tail
-- purpose: the common end of every statement that writes for a caller: audit row, stored answer, the answer itself
-- params:  tenant_id int8, principal_id int8?, principal_name text?, correlation_id text?, remote_address text?, idempotency_key text?
, audited as (
	insert into audit_logs (tenant_id, entity_type, entity_id, action, user_id, user_name, changes, address, correlation_id)
	select :tenant_id, a.entity_type, a.entity_id, a.action, :principal_id, :principal_name, a.changes, :remote_address, :correlation_id
	from answer a
	where a.error is null
		and a.entity_type is not null
)
-- ?idempotency_key {
, remembered as (
	update idempotency_keys k
	set status = a.status, body = a.body, location = a.location, version = a.version
	from answer a
	where k.tenant_id = :tenant_id
		and k.principal_id = :principal_id
		and k.key = :idempotency_key
		and a.error is null
)
, forgotten as (
	delete from idempotency_keys k
	where k.tenant_id = :tenant_id
		and k.principal_id = :principal_id
		and k.key = :idempotency_key
		and not exists (select 1 from answer a where a.error is null)
)
-- }
select *
from answer
