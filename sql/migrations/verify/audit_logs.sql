-- Verify millrace:audit_logs
begin;
set local search_path = millrace, pg_temp;
select id, tenant_id, at, entity_type, entity_id, action, user_id, user_name, changes, address, correlation_id
from audit_logs where false;
rollback;
