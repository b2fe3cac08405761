-- Verify millrace:quotas
begin;
set local search_path = millrace, pg_temp;
select root_run_id from runs where false;
select tenant_id, bytes from run_payloads where false;
select tenant_id, bytes from tenant_payloads where false;
select 1 / (has_function_privilege('millrace_engine', 'spawn_run(bigint, bigint, bigint, bigint, int, text, int, json, boolean, bigint, int)', 'execute')
	and not has_table_privilege('millrace_api', 'tenant_payloads', 'insert'))::int;
rollback;
