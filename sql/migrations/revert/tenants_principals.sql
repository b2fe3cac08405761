-- Revert millrace:tenants_principals
begin;
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop function api_key_status(api_keys);
drop table client_certificates, api_keys, principals, issuers, tenants, auth_revision;
drop function auth_changed();
commit;
