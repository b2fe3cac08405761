-- Deploy millrace:people
-- Users, groups and tenants can be kept through the API: who may do what, and who must remain able to.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- One tenant may be the platform's: its administrators keep the tenants.
alter table tenants
	add column status text not null default 'active',
	add column is_platform boolean not null default false,
	add column description text,
	add column created_by text,
	add column updated_at timestamptz not null default now(),
	add column suspended_at timestamptz,
	add column revision bigint not null default 1,
	add constraint tenants_status_check check (status in ('active', 'suspended')),
	add constraint tenants_platform_check check (not is_platform or status = 'active');
create unique index tenants_platform_idx on tenants (is_platform) where is_platform;

alter table principals
	add column description text,
	add column created_by text,
	add column deleted_at timestamptz,
	add column revision bigint not null default 1,
	add constraint principals_deleted_check check (deleted_at is null or not is_enabled),
	drop constraint principals_tenant_id_name_key;
-- a name is free again once its principal is deleted
create unique index principals_tenant_id_name_key on principals (tenant_id, name) where deleted_at is null;

-- A group is known by its name, which stands in principals.groups; a name without a row here gives no roles.
create table groups (
	id bigint generated always as identity primary key,
	tenant_id bigint not null references tenants,
	name text not null,
	description text,
	roles text[] not null default '{}',         -- every member has them
	created_by text,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	revision bigint not null default 1,
	constraint groups_tenant_id_name_key unique (tenant_id, name),
	constraint groups_name_check check (length(name) between 1 and 100),
	constraint groups_roles_check check (roles <@ '{viewer,operator,editor,admin}')
);
insert into groups (tenant_id, name)
select distinct p.tenant_id, g.name
from principals p
cross join unnest(p.groups) as g (name)
where length(g.name) between 1 and 100;

-- ---- roles ----

-- Each role holds those before it.
create function role_rank(roles text[]) returns int
language sql immutable parallel safe
return case
	when 'admin' = any (roles) then 4
	when 'editor' = any (roles) then 3
	when 'operator' = any (roles) then 2
	when 'viewer' = any (roles) then 1
	else 0 end;

-- Somebody's roles together with those of the groups.
create function roles_with_groups(t bigint, own text[], memberships text[]) returns text[]
language sql stable parallel safe
return case when memberships = '{}' then own else array(
	select unnest(own)
	union
	select unnest(g.roles) from groups g where g.tenant_id = t and g.name = any (memberships)
	order by 1) end;

create function effective_roles(p principals) returns text[]
language sql stable parallel safe
return roles_with_groups(p.tenant_id, p.roles, p.groups);

-- A key never allows more than the one it stands for.
create function key_roles(p principals, of_key text[]) returns text[]
language sql stable parallel safe
return case when role_rank(of_key) <= role_rank(effective_roles(p)) then of_key else effective_roles(p) end;

-- until now a program's keys could have more roles than itself: it gets them
update principals p
set roles = k.roles
from (
	select distinct on (principal_id) principal_id, roles
	from api_keys
	where revoked_at is null
	order by principal_id, role_rank(roles) desc
) k
where k.principal_id = p.id and p.kind = 'service' and role_rank(k.roles) > role_rank(p.roles);

create function principal_status(p principals) returns text
language sql stable parallel safe
return case when p.deleted_at is not null then 'deleted' when not p.is_enabled then 'disabled' else 'active' end;

-- ---- how they look ----

create function user_json(p principals) returns json
language sql stable parallel safe
return json_build_object(
	'id', p.id,
	'name', p.name,
	'kind', p.kind,
	'description', p.description,
	'roles', p.roles,
	'groups', p.groups,
	'effective_roles', effective_roles(p),
	'scopes', p.scopes,
	'status', principal_status(p),
	'is_enabled', p.is_enabled,
	'subject', p.subject,
	'created_by', p.created_by,
	'created_at', ts(p.created_at),
	'updated_at', ts(p.updated_at),
	'deleted_at', ts(p.deleted_at));

create function group_json(g groups, members bigint) returns json
language sql stable parallel safe
return json_build_object(
	'id', g.id,
	'name', g.name,
	'description', g.description,
	'roles', g.roles,
	'member_count', members,
	'created_by', g.created_by,
	'created_at', ts(g.created_at),
	'updated_at', ts(g.updated_at));

create function tenant_json(t tenants) returns json
language sql stable parallel safe
return json_build_object(
	'id', t.id,
	'name', t.name,
	'description', t.description,
	'status', t.status,
	'is_platform', t.is_platform,
	'created_by', t.created_by,
	'created_at', ts(t.created_at),
	'updated_at', ts(t.updated_at),
	'suspended_at', ts(t.suspended_at));

-- ---- the wall ----

-- Whether the tenant that the unit has set is the platform's.
create function is_platform() returns boolean
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select exists (select 1 from tenants t where t.id = current_tenant() and t.is_platform);
end;

alter table groups enable row level security, force row level security;
create policy owner_all on groups to millrace_owner using (true) with check (true);
create policy api_tenant on groups to millrace_api
	using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));
create policy api_platform on tenants to millrace_api
	using ((select is_platform())) with check ((select is_platform()));

grant select, insert, delete on groups to millrace_api;
grant update (name, description, roles, updated_at, revision) on groups to millrace_api;
grant update (name, description, roles, groups, scopes, is_enabled, updated_at, deleted_at, revision) on principals
	to millrace_api;
grant insert (name, description, created_by) on tenants to millrace_api;
grant update (name, description, status, updated_at, suspended_at, revision) on tenants to millrace_api;
grant execute on function role_rank(text[]), roles_with_groups(bigint, text[], text[]), effective_roles(principals),
	key_roles(principals, text[]), principal_status(principals), user_json(principals), group_json(groups, bigint),
	tenant_json(tenants), is_platform() to millrace_api;

-- ---- login ----

alter type principal_row add attribute is_platform boolean;

create or replace function auth_by_key(key_hash bytea) returns setof principal_row
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	update api_keys set last_used_at = now()
	where hash = key_hash
		and revoked_at is null
		and (last_used_at is null or last_used_at < now() - interval '1 minute');
	return query
	select p.id, p.tenant_id, p.name, 'api_key'::text, k.id, k.scopes, key_roles(p, k.roles), p.groups, k.rate_limits,
		coalesce(us(k.expires_at), 0), t.is_platform
	from api_keys k
	join principals p on p.tenant_id = k.tenant_id and p.id = k.principal_id
	join tenants t on t.id = k.tenant_id
	where k.hash = key_hash
		and k.revoked_at is null
		and (k.expires_at is null or k.expires_at > now())
		and p.is_enabled
		and t.status = 'active';
end
$$;

create or replace function auth_by_certificate(cert_fingerprint text) returns setof principal_row
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select p.id, p.tenant_id, p.name, 'certificate'::text, 0::bigint, c.scopes, effective_roles(p), p.groups, null::jsonb,
		coalesce(us(c.expires_at), 0), t.is_platform
	from client_certificates c
	join principals p on p.tenant_id = c.tenant_id and p.id = c.principal_id
	join tenants t on t.id = c.tenant_id
	where c.fingerprint = cert_fingerprint
		and c.revoked_at is null
		and (c.expires_at is null or c.expires_at > now())
		and p.is_enabled
		and t.status = 'active';
end;

create or replace function auth_by_subject(token_issuer bigint, token_subject text, token_name text, token_tenant text)
	returns setof principal_row
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	i issuers;
	t tenants;
	p principals;
	shown text := left(coalesce(nullif(token_name, ''), token_subject), 150);
begin
	select * into i from issuers where id = token_issuer and is_enabled;
	if not found or coalesce(token_subject, '') = '' then
		return;
	end if;
	select * into t from tenants where id = coalesce(i.tenant_id, (select id from tenants where name = token_tenant),
		(select id from tenants where id::text = token_tenant));
	if not found or t.status <> 'active' then
		return;
	end if;
	select * into p from principals
	where tenant_id = t.id and issuer_id = i.id and subject = token_subject;
	if not found and i.provision then
		-- a name already taken is told apart by the subject's digest
		insert into principals (tenant_id, name, kind, roles, scopes, issuer_id, subject)
		select t.id, case when exists (select 1 from principals where tenant_id = t.id and name = shown and deleted_at is null)
				then shown || ' (' || left(encode(sha256(convert_to(i.id || '/' || token_subject, 'UTF8')), 'hex'), 12) || ')'
				else shown end,
			'user', i.default_roles, i.default_scopes, i.id, token_subject
		on conflict do nothing;
		select * into p from principals
		where tenant_id = t.id and issuer_id = i.id and subject = token_subject;
	end if;
	if p.id is null or not p.is_enabled then
		return;
	end if;
	return query select p.id, p.tenant_id, p.name, 'jwt'::text, 0::bigint, p.scopes, effective_roles(p), p.groups,
		null::jsonb, 0::bigint, t.is_platform;
end
$$;

create trigger groups_auth_changed
	after update or delete on groups
	for each row execute function auth_changed();
create trigger tenants_auth_changed
	after update or delete on tenants
	for each row execute function auth_changed();

-- ---- somebody must remain ----

-- Whether the tenant has somebody who can administer it now: by a key, by a certificate, or by tokens.
create function has_admin(t bigint) returns boolean
language sql stable
return exists (
	select 1
	from principals p
	where p.tenant_id = t
		and p.is_enabled
		and 'admin' = any (effective_roles(p))
		and ((p.issuer_id is not null and 'admin' = any (p.scopes))
			or exists (
				select 1 from api_keys k
				where k.tenant_id = t and k.principal_id = p.id and k.revoked_at is null
					and (k.expires_at is null or k.expires_at > now())
					and 'admin' = any (k.scopes) and 'admin' = any (k.roles))
			or exists (
				select 1 from client_certificates c
				where c.tenant_id = t and c.principal_id = p.id and c.revoked_at is null
					and (c.expires_at is null or c.expires_at > now()) and 'admin' = any (c.scopes))));

-- A request may not leave its tenant without an administrator. One at a time: two who demote each
-- other would both see the other. Operators, who come without a tenant, may.
create function keep_an_admin() returns trigger
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	if current_tenant() is null then
		return null;
	end if;
	if tg_table_name = 'principals' then
		if 'admin' <> all (roles_with_groups(old.tenant_id, old.roles, old.groups)) then
			return null;
		end if;
	end if;
	perform pg_advisory_xact_lock(hashtextextended('millrace.admins', old.tenant_id));
	if not has_admin(old.tenant_id) then
		raise exception using errcode = '23514', constraint = 'last_admin',
			message = 'the tenant would have no administrator';
	end if;
	return null;
end
$$;

create trigger principals_keep_an_admin
	after delete or update of roles, groups, scopes, is_enabled on principals
	for each row when (old.is_enabled) execute function keep_an_admin();
create trigger groups_keep_an_admin
	after delete or update of name, roles on groups
	for each row when ('admin' = any (old.roles)) execute function keep_an_admin();
create trigger api_keys_keep_an_admin
	after delete or update of scopes, roles, expires_at, revoked_at on api_keys
	for each row when ('admin' = any (old.scopes) and 'admin' = any (old.roles) and old.revoked_at is null)
	execute function keep_an_admin();

commit;
