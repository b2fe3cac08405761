-- Revert millrace:audit_logs
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop table audit_logs;
commit;
