-- name:    tenant_get
-- purpose: one tenant
-- params:  id int8
-- returns: one (body json, version int8)
-- flags:   read
select tenant_json(t) as body, t.revision as version
from tenants t
where t.id = :id
	and (select is_platform())
