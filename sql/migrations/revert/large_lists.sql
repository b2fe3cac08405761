-- Revert millrace:large_lists
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop function runs_of(bigint, text);
create index if not exists workflows_tenant_idx on workflows (tenant_id, created_at, id);
drop index workflows_listed_idx, workflows_named_idx, workflows_updated_idx, files_named_idx, files_sized_idx, events_typed_idx;

commit;
