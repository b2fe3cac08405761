-- Verify millrace:agent_figures
begin;
set local search_path = millrace, pg_temp;
select 1 / (has_function_privilege('millrace_api', 'agent_figures()', 'execute')
	and not has_function_privilege('millrace_engine', 'agent_figures()', 'execute'))::int;
rollback;
