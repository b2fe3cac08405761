-- Verify millrace:anonymous
begin;
set local search_path = millrace, pg_temp;
select 1 / has_function_privilege('millrace_api', 'auth_by_principal(bigint)', 'execute')::int;
rollback;
