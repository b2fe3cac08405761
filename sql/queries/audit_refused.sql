-- name:    audit_refused
-- purpose: an attempt of a known caller that was refused, or at what is not there
-- params:  tenant_id int8, principal_id int8?, principal_name text?, correlation_id text?, remote_address text?, entity_type text, entity_id int8?, outcome text, attempt text, answered int4, detail text?, omitted int4?
-- returns: none
-- flags:   write system
insert into audit_logs (tenant_id, entity_type, entity_id, action, outcome, user_id, user_name, changes, address, correlation_id)
values (:tenant_id, :entity_type, :entity_id, :outcome, :outcome, :principal_id, :principal_name,
	jsonb_strip_nulls(jsonb_build_object('attempt', left(:attempt, 1000), 'status', :answered, 'detail', :detail, 'omitted', :omitted)),
	:remote_address, :correlation_id)
