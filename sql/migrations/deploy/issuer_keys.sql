-- Deploy millrace:issuer_keys
-- Issuers are kept through the API: public keys beside files, key sets from a file or a URL, which
-- claims a token must have, and what the issuer's words mean here.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

alter table issuers
	alter column key_name drop not null,
	add column public_key text,                 -- PEM or one JWK
	add column jwks_file text,                  -- file in keys_dir
	add column jwks_url text,
	add column key_type text,                   -- of key_name or public_key as JWK's kty; null: nobody has looked yet
	add column required_claims jsonb not null default '{}',
	add column value_map jsonb not null default '{}', -- tables scopes, roles, groups, tenant: word → ours
	add column jwks text,                       -- of jwks_url: its usable keys, as last fetched
	add column jwks_fetched_at timestamptz,
	add column jwks_tried_at timestamptz,       -- when the last fetch was begun
	add column jwks_ended_at timestamptz,       -- and when it ended, either way
	add column jwks_error text,                 -- why it failed; null: it didn't
	add column created_by text,
	add column deleted_at timestamptz,
	add column revision bigint not null default 1,
	drop constraint issuers_issuer_key,
	add constraint issuers_issuer_check check (length(issuer) between 1 and 500),
	add constraint issuers_audience_check check (length(audience) between 1 and 500),
	add constraint issuers_key_check check (num_nonnulls(key_name, public_key, jwks_file, jwks_url) = 1),
	add constraint issuers_key_fits_check check (
		(algorithm <> 'HS256' or key_name is not null)
		and case key_type
			when 'oct' then algorithm = 'HS256'
			when 'RSA' then algorithm in ('RS256', 'PS256')
			when 'EC' then algorithm = 'ES256'
			when 'OKP' then algorithm = 'EdDSA'
			else key_type is null end),
	add constraint issuers_default_roles_check check (default_roles <@ '{viewer,operator,editor,admin}'),
	add constraint issuers_default_scopes_check check (default_scopes <@ '{read-only,workflow-management,admin}'),
	add constraint issuers_deleted_check check (deleted_at is null or not is_enabled);
-- Whose row a token belongs to is never in doubt, whichever tenants there are.
create unique index issuers_issuer_key on issuers (issuer, audience, algorithm) nulls not distinct where deleted_at is null;
create index issuers_tenant_idx on issuers (tenant_id, created_at, id);

-- A tenant that made thousands would fill every worker's memory.
create function issuers_limit() returns trigger
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	if new.tenant_id is not null
		and (select count(*) from issuers where tenant_id = new.tenant_id and deleted_at is null) > 50 then
		raise exception using errcode = '23514', constraint = 'issuers_limit', message = 'too many issuers of one tenant';
	end if;
	return null;
end
$$;
create trigger issuers_limit
	after insert on issuers
	for each row execute function issuers_limit();

-- Tries to fetch are no change; other keys are.
drop trigger issuers_auth_changed on issuers;
create trigger issuers_auth_changed
	after insert or delete or update of tenant_id, issuer, audience, algorithm, key_name, public_key, jwks_file, jwks_url,
		required_claims, value_map, name_claim, tenant_claim, roles_claim, groups_claim, scope_claim, provision,
		default_roles, default_scopes, is_enabled, jwks, deleted_at on issuers
	for each row execute function auth_changed();

create function issuer_status(i issuers) returns text
language sql stable parallel safe
return case
	when i.deleted_at is not null then 'deleted'
	when not i.is_enabled then 'disabled'
	else 'active' end;

create function issuer_json(i issuers) returns json
language sql stable parallel safe
return json_build_object(
	'id', i.id,
	'issuer', i.issuer,
	'audience', i.audience,
	'algorithm', i.algorithm,
	'key_name', i.key_name,
	'public_key', i.public_key,
	'jwks_file', i.jwks_file,
	'jwks_url', i.jwks_url,
	'keys_fetched_at', ts(i.jwks_fetched_at),
	'keys_error', i.jwks_error,
	'key_ids', (select coalesce(json_agg(k ->> 'kid'), '[]') from json_array_elements(i.jwks::json -> 'keys') k),
	'name_claim', i.name_claim,
	'roles_claim', i.roles_claim,
	'groups_claim', i.groups_claim,
	'scope_claim', i.scope_claim,
	'required_claims', i.required_claims,
	'value_map', i.value_map,
	'provision', i.provision,
	'default_roles', i.default_roles,
	'default_scopes', i.default_scopes,
	'is_enabled', i.is_enabled,
	'status', issuer_status(i),
	'created_by', i.created_by,
	'created_at', ts(i.created_at),
	'updated_at', ts(i.updated_at),
	'deleted_at', ts(i.deleted_at));

-- An issuer that every tenant's tokens come from is the operator's: no tenant sees it.
create policy api_tenant on issuers to millrace_api
	using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));
grant select on issuers to millrace_api;
grant insert (tenant_id, issuer, audience, algorithm, key_name, public_key, jwks_file, jwks_url, key_type, required_claims,
	value_map, name_claim, roles_claim, groups_claim, scope_claim, provision, default_roles, default_scopes, is_enabled,
	created_by) on issuers to millrace_api;
grant update (issuer, audience, algorithm, key_name, public_key, jwks_file, jwks_url, key_type, required_claims, value_map,
	name_claim, roles_claim, groups_claim, scope_claim, provision, default_roles, default_scopes, is_enabled, jwks,
	jwks_fetched_at, jwks_tried_at, jwks_ended_at, jwks_error, updated_at, deleted_at, revision) on issuers to millrace_api;

-- ---- login ----

drop function auth_issuers();
create function auth_issuers() returns setof issuers
language sql stable security definer set search_path = millrace, pg_temp
begin atomic
	select * from issuers where is_enabled order by id;
end;

-- Whether the caller is to fetch an issuer's keys now: one of all workers, no more often than once in
-- retry_s seconds; and, with max_age_s, only when they are older than that.
create function auth_keys_claim(of_issuer bigint, of_url text, max_age_s int, retry_s int)
	returns table (mine boolean, pending boolean, age_ms bigint, retry_ms bigint)
language plpgsql security definer set search_path = millrace, pg_temp
as $$
declare
	i issuers;
	ready timestamptz;
begin
	select * into i from issuers where id = of_issuer and jwks_url = of_url and is_enabled for update;
	if not found then
		return;
	end if;
	ready := coalesce(i.jwks_tried_at + retry_s * interval '1 second', now());
	mine := ready <= now()
		and (max_age_s is null or i.jwks_fetched_at is null or i.jwks_fetched_at <= now() - max_age_s * interval '1 second');
	if mine then
		update issuers set jwks_tried_at = now() where id = of_issuer;
		ready := now() + retry_s * interval '1 second';
	end if;
	pending := not mine and i.jwks_tried_at > coalesce(i.jwks_ended_at, '-infinity')
		and i.jwks_tried_at > now() - interval '10 seconds';
	age_ms := (extract(epoch from now() - i.jwks_fetched_at) * 1000)::bigint;
	retry_ms := greatest(0, (extract(epoch from ready - now()) * 1000)::bigint);
	return next;
end
$$;

-- What such a fetch brought: keys, or why there are none; then those that were there stay.
create function auth_keys_store(of_issuer bigint, of_url text, keys text, error text) returns table (changed boolean)
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	update issuers
	set jwks = keys
	where id = of_issuer and jwks_url = of_url and keys is not null and jwks is distinct from keys;
	changed := found;
	update issuers
	set jwks_fetched_at = case when keys is not null then now() else jwks_fetched_at end,
		jwks_ended_at = now(),
		jwks_error = left(error, 300)
	where id = of_issuer and jwks_url = of_url;
	return next;
end
$$;

grant execute on function issuer_status(issuers), issuer_json(issuers), auth_issuers(),
	auth_keys_claim(bigint, text, int, int), auth_keys_store(bigint, text, text, text) to millrace_api;

commit;
