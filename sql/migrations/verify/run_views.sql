-- Verify millrace:run_views
begin;
set local search_path = millrace, pg_temp;
select step_body(j, j, j, j, step_branch(j)), step_status(j.kind), step_has_ended(j.kind) from journal j where false;
select saga_body(r, '', '[]') from runs r where false;
select 1 / has_function_privilege('millrace_api', 'millrace.step_body(millrace.journal,millrace.journal,millrace.journal,millrace.journal,text)', 'execute')::int;
rollback;
