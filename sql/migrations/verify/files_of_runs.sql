-- Verify millrace:files_of_runs
begin;
set local search_path = millrace, pg_temp;
select run_id, step_execution_id from files where false;
select 1 / (has_column_privilege('millrace_engine', 'files', 'run_id', 'insert'))::int;
rollback;
