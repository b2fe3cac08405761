-- Verify millrace:schema_state
begin;
set local search_path = millrace, pg_temp;
select 1 / (not known)::int from schema_state('no such change');
select 1 / (has_function_privilege('millrace_api', 'schema_state(text)', 'execute')
	and has_function_privilege('millrace_engine', 'schema_state(text)', 'execute'))::int;
rollback;
