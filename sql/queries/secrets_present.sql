-- name:    secrets_present
-- purpose: which of these names are secrets of the tenant
-- params:  names text[]
-- returns: many (name text)
-- flags:   read
select s.name
from secrets s
where s.name = any (:names)
	and s.tenant_id = (select current_tenant())
