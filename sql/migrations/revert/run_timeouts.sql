-- Revert millrace:run_timeouts
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

alter table runs drop constraint runs_timeout_check;
alter table runs drop column timeout_seconds;

commit;
