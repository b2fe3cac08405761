-- Revert millrace:files
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop table files;
commit;
