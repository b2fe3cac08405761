-- Deploy millrace:files_of_runs
-- Files that steps make: which run made them, and by which execution of a step.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

alter table files add column run_id bigint, add column step_execution_id bigint;
-- an execution that is carried out again makes the same file
create unique index files_execution_idx on files (step_execution_id, sha256)
	where step_execution_id is not null and deleted_at is null;
create index files_run_idx on files (run_id, id) where run_id is not null and deleted_at is null;
grant insert (tenant_id, name, extension, content_type, size, sha256, storage_key, run_id, step_execution_id, created_by)
	on files to millrace_engine;

commit;
