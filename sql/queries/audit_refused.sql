-- name:    audit_refused
-- purpose: an attempt of a known caller that was refused
-- params:  tenant_id int8, principal_id int8?, principal_name text?, correlation_id text?, remote_address text?, entity_type text, entity_id int8?, action text, detail text?
-- returns: none
-- flags:   write system
insert into audit_logs (tenant_id, entity_type, entity_id, action, user_id, user_name, changes, address, correlation_id)
values (:tenant_id, :entity_type, :entity_id, 'refused', :principal_id, :principal_name,
	jsonb_build_object('attempt', :action, 'detail', :detail), :remote_address, :correlation_id)
