-- Verify millrace:large_lists
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
select 1 / (count(*) = 6)::int
from pg_index
where indexrelid = any ('{workflows_listed_idx,workflows_named_idx,workflows_updated_idx,files_named_idx,files_sized_idx,events_typed_idx}'::regclass[])
	and indisvalid;
select 'runs_of(bigint, text)'::regprocedure;
rollback;
