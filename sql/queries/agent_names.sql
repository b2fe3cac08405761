-- name:    agent_names
-- purpose: names of the tenant's active agents, for saying which one was probably meant
-- params:  tenant_id int8
-- returns: many (name text)
-- flags:   read
select a.name
from agents a
where a.tenant_id = :tenant_id
	and a.deleted_at is null
	and a.status = 'active'
order by a.name
limit 1000
