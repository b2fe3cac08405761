-- Deploy millrace:anonymous
-- Requests of loopback listeners may go without credentials: whom they are taken for.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- It tells one whole principal or nothing; the id is an operator's setting, never a client's.
create function auth_by_principal(principal bigint) returns setof principal_row
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select p.id, p.tenant_id, p.name, 'anonymous'::text, 0::bigint, p.scopes, effective_roles(p), p.groups, null::jsonb,
		0::bigint, t.is_platform
	from principals p
	join tenants t on t.id = p.tenant_id
	where p.id = principal
		and p.is_enabled
		and p.deleted_at is null
		and t.status = 'active';
end;

revoke all on function auth_by_principal(bigint) from public;
grant execute on function auth_by_principal(bigint) to millrace_api;

commit;
