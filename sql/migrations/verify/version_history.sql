-- Verify millrace:version_history
begin;
set local search_path = millrace, pg_temp;
select status_before from workflows where false;
select 1 / (has_column_privilege('millrace_api', 'workflows', 'status_before', 'update')
	and has_function_privilege('millrace_api', 'json_difference(text, jsonb, jsonb)', 'execute')
	and has_function_privilege('millrace_api', 'version_content(workflow_versions)', 'execute'))::int;
select 1 / count(*) from pg_trigger where tgname = 'workflows_deleted' and tgrelid = 'workflows'::regclass;
select 1 / (count(*) = 1)::int from json_difference('', '{"a": 1}', '{"a": 2}');
rollback;
