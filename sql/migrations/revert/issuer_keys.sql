-- Revert millrace:issuer_keys
-- Issuers that only the newer form can express go; so do those that were deleted. Their principals stay.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;
drop function auth_keys_store(bigint, text, text, text);
drop function auth_keys_claim(bigint, text, int, int);
drop function auth_issuers();
revoke all on issuers from millrace_api;
drop policy api_tenant on issuers;
drop function issuer_json(issuers);
drop function issuer_status(issuers);
drop trigger issuers_limit on issuers;
drop function issuers_limit();
drop trigger issuers_auth_changed on issuers;
update principals set issuer_id = null
where issuer_id in (select id from issuers where key_name is null or deleted_at is not null);
delete from issuers where key_name is null or deleted_at is not null;
drop index issuers_tenant_idx;
drop index issuers_issuer_key;
alter table issuers
	drop constraint issuers_deleted_check,
	drop constraint issuers_default_scopes_check,
	drop constraint issuers_default_roles_check,
	drop constraint issuers_key_fits_check,
	drop constraint issuers_key_check,
	drop constraint issuers_audience_check,
	drop constraint issuers_issuer_check,
	add constraint issuers_issuer_key unique (issuer, audience, algorithm),
	drop column revision, drop column deleted_at, drop column created_by, drop column jwks_error, drop column jwks_ended_at,
	drop column jwks_tried_at, drop column jwks_fetched_at, drop column jwks, drop column value_map, drop column required_claims,
	drop column key_type, drop column jwks_url, drop column jwks_file, drop column public_key,
	alter column key_name set not null;
create trigger issuers_auth_changed
	after insert or update or delete on issuers
	for each row execute function auth_changed();
create function auth_issuers() returns setof issuers
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select * from issuers where is_enabled order by id;
end;
grant execute on function auth_issuers() to millrace_api;
commit;
