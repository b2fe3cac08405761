-- Deploy millrace:tenants_principals
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

create table tenants (
	id bigint generated always as identity primary key,
	name text not null,
	created_at timestamptz not null default now(),
	constraint tenants_name_key unique (name),
	constraint tenants_name_check check (length(name) between 1 and 100)
);

-- Whose tokens are taken. tenant_id null: the token's tenant claim names the tenant.
create table issuers (
	id bigint generated always as identity primary key,
	tenant_id bigint references tenants,
	issuer text not null,                       -- iss
	audience text,                              -- aud, when it is to be checked
	algorithm text not null,                    -- the one that the key is for
	key_name text not null,                     -- file in keys_dir
	name_claim text not null default 'name',
	tenant_claim text not null default 'tenant',
	roles_claim text not null default 'roles',
	groups_claim text not null default 'groups',
	scope_claim text not null default 'scope',
	provision boolean not null default false,   -- unknown subjects become principals
	default_roles text[] not null default '{viewer}',
	default_scopes text[] not null default '{read-only}',
	is_enabled boolean not null default true,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	constraint issuers_issuer_key unique (issuer, audience, algorithm),
	constraint issuers_algorithm_check check (algorithm in ('HS256', 'RS256', 'PS256', 'ES256', 'EdDSA'))
);

-- People and programs.
create table principals (
	id bigint generated always as identity primary key,
	tenant_id bigint not null references tenants,
	name text not null,                         -- what audit rows and created_by show
	kind text not null default 'user',
	roles text[] not null default '{}',
	groups text[] not null default '{}',
	scopes text[] not null default '{read-only}', -- for certificates and tokens without scopes of their own
	issuer_id bigint references issuers,        -- came by a token of this issuer
	subject text,                               -- with this sub
	is_enabled boolean not null default true,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	constraint principals_tenant_id_id_key unique (tenant_id, id),
	constraint principals_tenant_id_name_key unique (tenant_id, name),
	constraint principals_subject_key unique (tenant_id, issuer_id, subject),
	constraint principals_name_check check (length(name) between 1 and 200),
	constraint principals_kind_check check (kind in ('user', 'service')),
	constraint principals_roles_check check (roles <@ '{viewer,operator,editor,admin}'),
	constraint principals_scopes_check check (scopes <@ '{read-only,workflow-management,admin}')
);

create table api_keys (
	id bigint generated always as identity primary key,
	tenant_id bigint not null,
	principal_id bigint not null,
	name text not null,
	prefix text not null,                       -- the visible beginning
	hash bytea not null,                        -- SHA-256 of the whole key
	scopes text[] not null,
	roles text[] not null,
	rate_limits jsonb,                          -- limits of its own, by class
	expires_at timestamptz,
	last_used_at timestamptz,                   -- to the minute
	rotated_at timestamptz,
	revoked_at timestamptz,
	created_by_id bigint,
	created_by text,
	created_at timestamptz not null default now(),
	updated_at timestamptz not null default now(),
	revision bigint not null default 1,         -- of the row, for ETag
	constraint api_keys_hash_key unique (hash),
	constraint api_keys_tenant_id_id_key unique (tenant_id, id),
	constraint api_keys_principal_fkey foreign key (tenant_id, principal_id) references principals (tenant_id, id),
	constraint api_keys_name_check check (length(name) between 1 and 100),
	constraint api_keys_hash_check check (length(hash) = 32),
	constraint api_keys_scopes_check check (scopes <@ '{read-only,workflow-management,admin}' and cardinality(scopes) > 0),
	constraint api_keys_roles_check check (roles <@ '{viewer,operator,editor,admin}')
);
create unique index api_keys_tenant_id_name_key on api_keys (tenant_id, name) where revoked_at is null;
create index api_keys_tenant_idx on api_keys (tenant_id, created_at, id);
create index api_keys_principal_idx on api_keys (tenant_id, principal_id);

create function api_key_status(k api_keys) returns text
language sql stable parallel safe
return case
	when k.revoked_at is not null then 'revoked'
	when k.expires_at <= now() then 'expired'
	else 'active' end;
grant execute on function api_key_status(api_keys) to millrace_api;

create table client_certificates (
	id bigint generated always as identity primary key,
	tenant_id bigint not null,
	principal_id bigint not null,
	fingerprint text not null,                  -- SHA-256, lower case hex
	subject text not null,
	scopes text[] not null,
	expires_at timestamptz,
	revoked_at timestamptz,
	created_at timestamptz not null default now(),
	constraint client_certificates_fingerprint_key unique (fingerprint),
	constraint client_certificates_principal_fkey foreign key (tenant_id, principal_id) references principals (tenant_id, id),
	constraint client_certificates_fingerprint_check check (fingerprint ~ '^[0-9a-f]{64}$'),
	constraint client_certificates_scopes_check check (scopes <@ '{read-only,workflow-management,admin}' and cardinality(scopes) > 0)
);
create index client_certificates_principal_idx on client_certificates (tenant_id, principal_id);

-- One row: its number changes, in the same transaction, with whatever login depends on. Workers
-- compare it and forget what they remember.
create table auth_revision (
	only_row boolean primary key default true,
	revision bigint not null,
	constraint auth_revision_only_row_check check (only_row)
);
insert into auth_revision (revision) values (1);

create function auth_changed() returns trigger
language plpgsql security definer set search_path = millrace, pg_temp
as $$
begin
	update auth_revision set revision = revision + 1;
	return null;
end
$$;

create trigger issuers_auth_changed
	after insert or update or delete on issuers
	for each row execute function auth_changed();
create trigger principals_auth_changed
	after update or delete on principals
	for each row execute function auth_changed();
-- last_used_at is no change
create trigger api_keys_auth_changed
	after insert or delete or update of principal_id, hash, scopes, roles, rate_limits, expires_at, revoked_at on api_keys
	for each row execute function auth_changed();
create trigger client_certificates_auth_changed
	after insert or update or delete on client_certificates
	for each row execute function auth_changed();

commit;
