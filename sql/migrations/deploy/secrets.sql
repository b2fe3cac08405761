-- Deploy millrace:secrets
-- What workflows may use as secrets.NAME. The value is sealed by the API with a key that the database
-- doesn't have (lib/seal); tenant and name are vouched for, so a value opens in its own row only.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create table secrets (
	id bigint generated always as identity primary key,
	tenant_id bigint not null references tenants,
	name text not null,                         -- never changes
	description text,
	sealed bytea not null,
	version int not null default 1,             -- of the value
	revision bigint not null default 1,         -- of the row, for ETag
	created_by_id bigint,
	created_by text,
	updated_by_id bigint,
	updated_by text,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	value_updated_at timestamptz not null default now(),
	constraint secrets_tenant_id_name_key unique (tenant_id, name),
	constraint secrets_name_check check (name ~ '^[A-Za-z_][A-Za-z0-9_]{0,99}$'),
	constraint secrets_description_check check (length(description) <= 1000),
	constraint secrets_sealed_check check (length(sealed) between 38 and 131072)
);
create index secrets_tenant_idx on secrets (tenant_id, created_at, id);

-- A number for each tenant that changes with its secrets, in the same transaction: engines compare it
-- and read anew.
create table secret_revisions (
	tenant_id bigint primary key,
	revision bigint not null
) with (fillfactor = 50);

do $$
declare
	t text;
begin
	foreach t in array '{secrets,secret_revisions}'::text[] loop
		execute format('alter table %I enable row level security, force row level security', t);
		execute format('create policy owner_all on %I to millrace_owner using (true) with check (true)', t);
	end loop;
end
$$;
create policy api_tenant on secrets to millrace_api
	using (tenant_id = (select current_tenant())) with check (tenant_id = (select current_tenant()));
create policy engine_read on secrets for select to millrace_engine using (true);
create policy engine_read on secret_revisions for select to millrace_engine using (true);
-- The API can't read what it wrote.
grant select (id, tenant_id, name, description, version, revision, created_by_id, created_by, updated_by_id,
	updated_by, created_at, updated_at, value_updated_at), insert, delete on secrets to millrace_api;
grant update (description, sealed, version, revision, updated_by_id, updated_by, updated_at, value_updated_at)
	on secrets to millrace_api;
grant select (id, tenant_id, name, sealed) on secrets to millrace_engine;
grant select on secret_revisions to millrace_engine;

create function secret_changed() returns trigger
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	insert into secret_revisions as r (tenant_id, revision)
	values (coalesce(new.tenant_id, old.tenant_id), 1)
	on conflict (tenant_id) do update set revision = r.revision + 1;
	return null;
end
$$;
create trigger secrets_changed
	after insert or delete or update of sealed on secrets
	for each row execute function secret_changed();

-- The id behind what stands in an address: a name, or an id as any other resource has.
create function secret_id(name_or_id text) returns bigint
language sql stable parallel safe
return coalesce(
	(select s.id from secrets s where s.tenant_id = (select current_tenant()) and s.name = name_or_id),
	(select s.id from secrets s where s.id = substring(name_or_id from '^(?:secret_)?([0-9]{1,16})$')::bigint));
grant execute on function secret_id(text) to millrace_api;

-- Workflows that can still run and whose present definition names the secret.
create function secret_uses(secret text) returns table (id bigint, name text)
language sql stable
as $$
	select w.id, w.name
	from workflows w
	join workflow_versions v on v.workflow_id = w.id and v.version = w.version
	where w.status in ('active', 'paused')
		and strpos(v.definition::text, secret) > 0
		and v.definition::text ~ ('\msecrets\s*(\.\??\s*|\[\??\s*\\?["''])' || secret || '\M')
	order by w.id
	limit 100
$$;
grant execute on function secret_uses(text) to millrace_api;

-- A secret without its value, as answers show it.
create function secret_members(id bigint, name text, description text, version int, created_by text, updated_by text,
	created_at timestamptz, updated_at timestamptz, value_updated_at timestamptz) returns json
language sql stable parallel safe
return json_build_object(
	'id', id,
	'name', name,
	'description', description,
	'version', version,
	'created_by', created_by,
	'updated_by', updated_by,
	'created_at', ts(created_at),
	'updated_at', ts(updated_at),
	'value_updated_at', ts(value_updated_at));
grant execute on function secret_members(bigint, text, text, int, text, text, timestamptz, timestamptz, timestamptz)
	to millrace_api;

commit;
