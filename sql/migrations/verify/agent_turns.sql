-- Verify millrace:agent_turns
begin;
set local search_path = millrace, pg_temp;
select step_execution_id, attempt, agent_id, engine_id, turn, calling, probe, priority, round, requires from agent_calls where false;
select agent_id, failures, opened_at, open_until, round from agent_breakers where false;
select 1 / (has_function_privilege('millrace_engine',
		'agent_turns(bigint, bigint[], int[], bigint[], bigint[], text[], text[], bigint[], int[], text[], int[], int, int, int)', 'execute')
	and has_function_privilege('millrace_api', 'agent_waits(bigint)', 'execute')
	and not has_function_privilege('millrace_api', 'agents_lock(bigint, bigint[], text[], text[], bigint[], int[], text[])', 'execute'))::int;
rollback;
