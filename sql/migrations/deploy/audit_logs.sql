-- Deploy millrace:audit_logs
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Append-only: nobody but the owner is granted UPDATE or DELETE.
create table audit_logs (
	id bigint generated always as identity primary key,
	tenant_id bigint not null,
	at timestamptz not null default now(),
	entity_type text not null,
	entity_id bigint,
	action text not null,
	user_id bigint,                             -- principals.id
	user_name text,
	changes jsonb,
	address text,
	correlation_id text
);
create index audit_logs_tenant_idx on audit_logs (tenant_id, id);
create index audit_logs_entity_idx on audit_logs (tenant_id, entity_type, entity_id, id);

commit;
