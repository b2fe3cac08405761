-- Verify millrace:hot_path
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
select 1 / (provolatile = 's')::int from pg_proc where oid = 'us(timestamptz)'::regprocedure;
rollback;
