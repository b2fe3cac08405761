-- name:    agent_owner
-- purpose: whether the caller registered this agent, which then is theirs to change whatever their role
-- params:  tenant_id int8, agent text, principal_id int8?
-- returns: one (is_owner bool)
-- flags:   read
select a.created_by_id = :principal_id as is_owner
from agents a
where a.id = (select agent_id(:tenant_id, :agent))
