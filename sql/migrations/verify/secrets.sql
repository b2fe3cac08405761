-- Verify millrace:secrets
begin;
set local search_path = millrace, pg_temp;
select id, tenant_id, name, description, sealed, version, revision, created_by, updated_by, value_updated_at
from secrets where false;
select tenant_id, revision from secret_revisions where false;
select 1 / (not has_column_privilege('millrace_api', 'secrets', 'sealed', 'select')
	and has_column_privilege('millrace_api', 'secrets', 'sealed', 'update')
	and has_column_privilege('millrace_engine', 'secrets', 'sealed', 'select')
	and not has_table_privilege('millrace_engine', 'secrets', 'insert')
	and has_function_privilege('millrace_api', 'secret_id(text)', 'execute')
	and has_function_privilege('millrace_api', 'secret_uses(text)', 'execute'))::int;
rollback;
