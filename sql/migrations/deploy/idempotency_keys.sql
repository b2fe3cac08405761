-- Deploy millrace:idempotency_keys
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

-- Inserted first in the unit of the effect, filled in by the statement that has the effect. A row
-- counts for 24 hours.
create table idempotency_keys (
	tenant_id bigint not null,
	principal_id bigint not null,
	key text not null,
	request_digest bytea not null,
	status int,                                 -- of the stored answer
	body json,
	location text,
	version bigint,                             -- for ETag
	created_at timestamptz not null default now(),
	primary key (tenant_id, principal_id, key),
	constraint idempotency_keys_key_check check (length(key) between 1 and 255)
) with (fillfactor = 80);
create index idempotency_keys_created_idx on idempotency_keys (created_at);

commit;
