-- Revert millrace:schema_state
begin;
set local lock_timeout = '2s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop function schema_state(text);
commit;
