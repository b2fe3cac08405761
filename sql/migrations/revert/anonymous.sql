-- Revert millrace:anonymous
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop function auth_by_principal(bigint);

commit;
