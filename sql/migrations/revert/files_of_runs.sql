-- Revert millrace:files_of_runs
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

revoke insert (tenant_id, name, extension, content_type, size, sha256, storage_key, run_id, step_execution_id, created_by)
	on files from millrace_engine;
drop index files_run_idx;
drop index files_execution_idx;
alter table files drop column step_execution_id, drop column run_id;

commit;
