-- name:    audit_read
-- purpose: that somebody read something, where the settings say that this is written down
-- params:  tenant_id int8, principal_id int8?, principal_name text?, correlation_id text?, remote_address text?, entity_type text, entity_id int8?, attempt text
-- returns: none
-- flags:   write system
insert into audit_logs (tenant_id, entity_type, entity_id, action, user_id, user_name, changes, address, correlation_id)
values (:tenant_id, :entity_type, :entity_id, 'read', :principal_id, :principal_name,
	jsonb_build_object('attempt', left(:attempt, 1000)), :remote_address, :correlation_id)
