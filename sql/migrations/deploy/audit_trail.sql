-- Deploy millrace:audit_trail
-- The audit log can be read: outcomes, attempts of strangers, an index for each filter. Nobody changes it.
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

alter table audit_logs
	add column outcome text not null default 'done',
	add constraint audit_logs_outcome_check check (outcome in ('done', 'refused', 'not_found'));
drop index audit_logs_tenant_idx, audit_logs_entity_idx;
create index audit_logs_at_idx on audit_logs (tenant_id, at, id);
create index audit_logs_type_idx on audit_logs (tenant_id, entity_type, at, id);
create index audit_logs_entity_idx on audit_logs (tenant_id, entity_id, at, id) where entity_id is not null;
create index audit_logs_user_idx on audit_logs (tenant_id, user_id, at, id) where user_id is not null;
create index audit_logs_action_idx on audit_logs (tenant_id, action, at, id);
create index audit_logs_address_idx on audit_logs (tenant_id, address, at, id) where address is not null;
create index audit_logs_correlation_idx on audit_logs (tenant_id, correlation_id, at, id) where correlation_id is not null;
create index audit_logs_outcome_idx on audit_logs (tenant_id, outcome, at, id);

create function audit_json(a audit_logs) returns json
language sql stable parallel safe
return json_build_object(
	'id', a.id,
	'entity_type', a.entity_type,
	'entity_id', a.entity_id,
	'action', a.action,
	'outcome', a.outcome,
	'user_id', a.user_id,
	'user_name', a.user_name,
	'changes', a.changes,
	'timestamp', ts(a.at),
	'address', a.address,
	'correlation_id', a.correlation_id);

-- Who isn't known has no tenant. A key that has ended tells whose attempt it was; others go to the
-- platform's tenant, or where there is none to tenant 0, which the operator alone sees.
create function audit_stranger(hash_of_key bytea, type_of_entity text, id_of_entity bigint, attempt text, answered int,
	omitted int, from_address text, correlation text) returns void
language sql security definer set search_path = millrace, pg_temp
begin atomic
	insert into audit_logs (tenant_id, entity_type, entity_id, action, outcome, user_id, user_name, changes, address, correlation_id)
	select coalesce(k.tenant_id, (select t.id from tenants t where t.is_platform), 0), type_of_entity,
		case when k.id is not null then id_of_entity end, 'refused', 'refused', k.principal_id, p.name,
		jsonb_strip_nulls(jsonb_build_object('attempt', left(attempt, 1000), 'status', answered, 'key_id', k.id, 'omitted', omitted)),
		from_address, correlation
	from (select 1) one
	left join api_keys k on k.hash = hash_of_key
	left join principals p on p.id = k.principal_id;
end;

-- No grant allows it to anybody but the owner; this keeps the owner's own hand away, too.
create function audit_is_append_only() returns trigger
language plpgsql
as $$
begin
	raise exception using errcode = '42501', message = 'the audit log is append-only';
end
$$;
create trigger audit_logs_append_only
	before update or delete or truncate on audit_logs
	for each statement execute function audit_is_append_only();

grant execute on function audit_json(audit_logs),
	audit_stranger(bytea, text, bigint, text, int, int, text, text) to millrace_api;

commit;
