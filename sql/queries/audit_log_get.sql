-- name:    audit_log_get
-- purpose: one entry of the audit log
-- params:  id int8
-- returns: one (body json, version int8)
-- flags:   read
select audit_json(a) as body, 1::int8 as version
from audit_logs a
where a.id = :id
