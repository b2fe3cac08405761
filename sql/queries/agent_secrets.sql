-- name:    agent_secrets
-- purpose: where an agent is and what it is authorised by, sealed, for a call of it
-- params:  tenant_id int8, agent text
-- returns: one (id int8, name text, url text, health_url text, auth_type text, auth_sealed bytea, timeout_ms int4)
-- flags:   read
select a.id, a.name, a.url, a.health_url, a.auth_type, a.auth_sealed, a.timeout_ms
from agents a
where a.id = (select agent_id(:tenant_id, :agent))
