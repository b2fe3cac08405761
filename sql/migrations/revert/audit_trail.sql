-- Revert millrace:audit_trail
begin;
set local lock_timeout = '5s';
set local role millrace_owner;
set local search_path = millrace, pg_temp;

drop trigger audit_logs_append_only on audit_logs;
drop function audit_is_append_only(), audit_stranger(bytea, text, bigint, text, int, int, text, text), audit_json(audit_logs);
drop index audit_logs_at_idx, audit_logs_type_idx, audit_logs_entity_idx, audit_logs_user_idx, audit_logs_action_idx,
	audit_logs_address_idx, audit_logs_correlation_idx, audit_logs_outcome_idx;
create index audit_logs_tenant_idx on audit_logs (tenant_id, id);
create index audit_logs_entity_idx on audit_logs (tenant_id, entity_type, entity_id, id);
alter table audit_logs drop column outcome;

commit;
