-- Revert millrace:template_runs
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop trigger template_runs_add on run_ends;
drop function template_runs_add();
drop table template_runs;

commit;
