-- name:    agent_get
-- purpose: one agent, by name or id, without what it is authorised by
-- params:  tenant_id int8, agent text
-- returns: one (body json, version int8)
-- flags:   read
select agent_body(a) as body,
	a.revision as version
from agents a
where a.id = (select agent_id(:tenant_id, :agent))
