-- name:    engine_agents_lock
-- purpose: locks what counts the calls of these tenants' agents, in one order, for what follows in the same unit
-- params:  tenant_ids int8[]
-- returns: many (agent_id int8)
-- flags:   write system
select b.agent_id
from agent_breakers b
where b.tenant_id = any (:tenant_ids)
order by b.agent_id
for update
