-- Revert millrace:auth_functions
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop function auth_issuers();
drop function auth_by_subject(bigint, text, text, text);
drop function auth_by_certificate(text);
drop function auth_by_key(bytea);
drop type principal_row;
commit;
