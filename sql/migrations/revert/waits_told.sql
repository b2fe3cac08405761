-- Revert millrace:waits_told
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

revoke update (checked, since) on run_waits from millrace_engine;

commit;
