-- name:    agent_status
-- purpose: whether an agent takes work, what it has to do, and how calls of it ended
-- params:  tenant_id int8, agent text
-- returns: one (body json, version int8)
-- flags:   read
select agent_state(a) as body,
	a.revision as version
from agents a
where a.id = (select agent_id(:tenant_id, :agent))
