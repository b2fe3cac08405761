-- Deploy millrace:files
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- The bytes lie in the file store, under storage_key; the row is written after they are safe.
create table files (
	id bigint generated always as identity primary key,
	tenant_id bigint not null references tenants,
	name text not null,
	extension text not null default '',         -- lower case, without the dot
	content_type text not null,
	size bigint not null,
	sha256 text not null,                       -- lower case hex
	storage_key text not null,
	created_by_id bigint,
	created_by text,
	created_at timestamptz not null default now(),
	deleted_at timestamptz,
	constraint files_storage_key_key unique (storage_key),
	constraint files_name_check check (length(name) between 1 and 255),
	constraint files_size_check check (size >= 0),
	constraint files_sha256_check check (sha256 ~ '^[0-9a-f]{64}$')
);
create index files_tenant_idx on files (tenant_id, created_at, id) where deleted_at is null;

commit;
