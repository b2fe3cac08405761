-- Verify millrace:expiry_by_workflow
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
select 1 / (prosrc like '%workflows_most%')::int from pg_proc where proname = 'expire_runs' and pronamespace = 'millrace'::regnamespace;
rollback;
