-- Revert millrace:version_history
begin;
set local lock_timeout = '2s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop function version_content(workflow_versions);
drop function json_difference(text, jsonb, jsonb);
drop function items_by_name(jsonb);
drop function names_of(jsonb);
drop trigger workflows_deleted on workflows;
drop function workflows_deleted();
alter table workflows drop column status_before;
commit;
