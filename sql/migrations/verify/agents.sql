-- Verify millrace:agents
begin;
set local search_path = millrace, pg_temp;
select id, tenant_id, name, url, capabilities, auth_type, auth_sealed, timeout_ms, retry_config, max_concurrency, health, status, revision
from agents where false;
select agent_id, failures, open_until, trips from agent_breakers where false;
select step_execution_id, attempt, agent_id, engine_id, turn, calling, probe from agent_calls where false;
select agent_id, at, ok, duration_ms from agent_outcomes where false;
select 1 / (has_function_privilege('millrace_api', 'agent_id(bigint, text)', 'execute')
	and has_function_privilege('millrace_engine', 'agent_pick(bigint, text, text[])', 'execute')
	and not has_table_privilege('millrace_engine', 'agents', 'update')
	and not has_table_privilege('millrace_api', 'agent_calls', 'insert'))::int;
rollback;
