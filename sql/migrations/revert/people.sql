-- Revert millrace:people
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop trigger api_keys_keep_an_admin on api_keys;
drop trigger principals_keep_an_admin on principals;
drop trigger tenants_auth_changed on tenants;
drop function auth_by_key(bytea), auth_by_certificate(text), auth_by_subject(bigint, text, text, text);
drop policy api_platform on tenants;
drop function has_admin(bigint), user_json(principals), group_json(groups, bigint), tenant_json(tenants), principal_status(principals),
	key_roles(principals, text[]), effective_roles(principals), roles_with_groups(bigint, text[], text[]),
	role_rank(text[]), is_platform();
drop table groups;
drop function keep_an_admin();

revoke update (name, roles, groups, scopes, is_enabled, updated_at) on principals from millrace_api;
revoke insert (name), update (name) on tenants from millrace_api;
-- the name of a deleted principal may have been given to another
update principals set name = left(name, 150) || ' (deleted ' || id || ')' where deleted_at is not null;
drop index principals_tenant_id_name_key, tenants_platform_idx;
alter table principals
	drop column description, drop column created_by, drop column deleted_at, drop column revision,
	add constraint principals_tenant_id_name_key unique (tenant_id, name);
alter table tenants
	drop column status, drop column is_platform, drop column description, drop column created_by,
	drop column updated_at, drop column suspended_at, drop column revision;
alter type principal_row drop attribute is_platform;

create function auth_by_key(key_hash bytea) returns setof principal_row
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	update api_keys set last_used_at = now()
	where hash = key_hash
		and revoked_at is null
		and (last_used_at is null or last_used_at < now() - interval '1 minute');
	return query
	select p.id, p.tenant_id, p.name, 'api_key'::text, k.id, k.scopes, k.roles, p.groups, k.rate_limits,
		coalesce(us(k.expires_at), 0)
	from api_keys k
	join principals p on p.tenant_id = k.tenant_id and p.id = k.principal_id
	where k.hash = key_hash
		and k.revoked_at is null
		and (k.expires_at is null or k.expires_at > now())
		and p.is_enabled;
end
$$;

create function auth_by_certificate(cert_fingerprint text) returns setof principal_row
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select p.id, p.tenant_id, p.name, 'certificate'::text, 0::bigint, c.scopes, p.roles, p.groups, null::jsonb,
		coalesce(us(c.expires_at), 0)
	from client_certificates c
	join principals p on p.tenant_id = c.tenant_id and p.id = c.principal_id
	where c.fingerprint = cert_fingerprint
		and c.revoked_at is null
		and (c.expires_at is null or c.expires_at > now())
		and p.is_enabled;
end;

-- The principal of a verified token. An issuer of one tenant decides the tenant; else the token's
-- tenant claim does, by name or id. Unknown subjects become principals where the issuer says so.
create function auth_by_subject(token_issuer bigint, token_subject text, token_name text, token_tenant text)
	returns setof principal_row
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	i issuers;
	t bigint;
	p principals;
	shown text := left(coalesce(nullif(token_name, ''), token_subject), 150);
begin
	select * into i from issuers where id = token_issuer and is_enabled;
	if not found or coalesce(token_subject, '') = '' then
		return;
	end if;
	t := coalesce(i.tenant_id, (select id from tenants where name = token_tenant),
		(select id from tenants where id::text = token_tenant));
	if t is null then
		return;
	end if;
	select * into p from principals
	where tenant_id = t and issuer_id = i.id and subject = token_subject;
	if not found and i.provision then
		-- a name already taken is told apart by the subject's digest
		insert into principals (tenant_id, name, kind, roles, scopes, issuer_id, subject)
		select t, case when exists (select 1 from principals where tenant_id = t and name = shown)
				then shown || ' (' || left(encode(sha256(convert_to(i.id || '/' || token_subject, 'UTF8')), 'hex'), 12) || ')'
				else shown end,
			'user', i.default_roles, i.default_scopes, i.id, token_subject
		on conflict do nothing;
		select * into p from principals
		where tenant_id = t and issuer_id = i.id and subject = token_subject;
	end if;
	if p.id is null or not p.is_enabled then
		return;
	end if;
	return query select p.id, p.tenant_id, p.name, 'jwt'::text, 0::bigint, p.scopes, p.roles, p.groups,
		null::jsonb, 0::bigint;
end
$$;

grant execute on function auth_by_key(bytea), auth_by_certificate(text),
	auth_by_subject(bigint, text, text, text) to millrace_api;

commit;
