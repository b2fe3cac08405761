-- Verify millrace:rollup_quantile_loop
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
select 1 / (l.lanname = 'plpgsql')::int from pg_proc p join pg_language l on l.oid = p.prolang where p.proname = 'rollup_quantile';
rollback;
