-- Verify millrace:runs_upkeep
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
select 1 / count(*) from pg_class where oid = 'runs_workflow_ended_idx'::regclass;
select 1 / (count(*) filter (where 'vacuum_index_cleanup=on' = any (c.reloptions)) = count(*))::int
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'runs'::regclass;
rollback;
